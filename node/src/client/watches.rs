//! The meters that a client watches, on this connection and the next.

use std::time::Duration;

use bytes::Bytes;
use gridbook_engine::MeterId;
use gridbook_ledger::reject::Code;
use tokio::time::Instant;

use super::WatchEnd;
use super::driver::{BUSY_PAUSE, TICK};
use crate::protocol::{Answer, Request, RequestBody, RequestId, SignedQuery};

/// How many questions go out per [`TICK`], 200 a second: unless its operator has set something else, a validator lets in 500 frames a second under
/// one key, and cuts off who sends many more. The rest is for everything else.
const AT_A_TIME: usize = 10;
const _: () = assert!(AT_A_TIME as u128 * 1_000 / TICK.as_millis() == 200);

/// What a question that was put again may take: whoever is over its quota is not answered.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Watches(Vec<Watch>);

#[derive(Debug)]
struct Watch {
    query: SignedQuery,
    meter: MeterId,
    /// As which request it was put to this validator, once or more often, which has not answered yet.
    asked_as: Option<RequestId>,
    /// When to put it to this validator, if it does not go on with it by then.
    ask_at: Option<Instant>,
}

impl Watches {
    /// A validator tells of a meter from now on, by this question: it takes the place of the one that is about to be void.
    pub(super) fn keep(&mut self, query: SignedQuery, meter: MeterId) {
        self.forget(meter);
        self.0.push(Watch { query, meter, asked_as: None, ask_at: None });
    }

    /// A watch has ended.
    pub(super) fn forget(&mut self, meter: MeterId) {
        self.0.retain(|watch| watch.meter != meter);
    }

    /// There is a new connection, on which nobody tells of anything yet.
    pub(super) fn begin_again(&mut self, now: Instant) {
        for watch in &mut self.0 {
            (watch.asked_as, watch.ask_at) = (None, Some(now));
        }
    }

    /// Questions that are to be put by now, those first that have waited longest, and no more than a validator takes.
    pub(super) fn ask_due(&mut self, now: Instant, next_id: &mut RequestId) -> Vec<Bytes> {
        let due = self.0.iter_mut().filter_map(|watch| Some((watch.ask_at.filter(|at| *at <= now)?, watch)));
        let mut due: Vec<_> = due.collect();
        due.sort_by_key(|(at, _)| *at);
        due.into_iter().take(AT_A_TIME).map(|(_, watch)| watch.ask(now, next_id)).collect()
    }

    /// What another validator says to a question, and that a watch has ended if it does not go on with it. Where it does not know the meter yet, or has
    /// no time, it is asked again.
    pub(super) fn hear(&mut self, request_id: RequestId, answer: &Answer) -> Option<WatchEnd> {
        let watch = self.0.iter_mut().find(|watch| watch.asked_as == Some(request_id))?;
        (watch.asked_as, watch.ask_at) = (None, None);
        match answer {
            Answer::Refused { code: Code::QuotaBusy | Code::QuotaRate | Code::AuthUnknownDevice, .. } => {
                watch.ask_at = Some(Instant::now() + BUSY_PAUSE);
                None
            }
            Answer::Refused { code, .. } => {
                let end = WatchEnd { meter: watch.meter, code: *code };
                self.forget(end.meter);
                Some(end)
            }
            _ => None,
        }
    }
}

impl Watch {
    fn ask(&mut self, now: Instant, next_id: &mut RequestId) -> Bytes {
        // A late answer to the first time is an answer.
        let request_id = self.asked_as.unwrap_or_else(|| std::mem::replace(next_id, *next_id + 1));
        (self.asked_as, self.ask_at) = (Some(request_id), Some(now + ANSWER_MAX));
        Request { request_id, body: RequestBody::Watch(self.query.clone()) }.encode().into()
    }
}

#[cfg(test)]
mod tests {
    use gridbook_engine::LedgerTime;
    use gridbook_ledger::crypto::{Hash, SecretKey};

    use super::*;
    use crate::protocol::QueryKind;

    const METER: MeterId = MeterId(4);

    fn question(key: u8) -> SignedQuery {
        SignedQuery::sign(Hash([1; 32]), QueryKind::Watch, LedgerTime(5), &SecretKey::from_seed([key; 32]))
    }

    /// The questions for a new connection.
    fn again(watches: &mut Watches, next_id: &mut RequestId) -> Vec<Bytes> {
        let now = Instant::now();
        watches.begin_again(now);
        watches.ask_due(now, next_id)
    }

    /// The questions in some frames, each with its number.
    fn asked(frames: Vec<Bytes>) -> Vec<(RequestId, SignedQuery)> {
        let requests = frames.iter().map(|frame| Request::decode(frame).expect("a request"));
        let query = |request: Request| match request.body {
            RequestBody::Watch(query) => (request.request_id, query),
            other => panic!("no watch: {other:?}"),
        };
        requests.map(query).collect()
    }

    /// While a client goes from one validator to another, its meter gets another key: the next validator does not go on, and the client's user hears why.
    /// One that has no time, or has not heard of the meter yet, is asked again.
    #[test]
    fn a_watch_that_another_validator_does_not_go_on_with_ends_with_its_reason() {
        let (mut watches, mut next_id) = (Watches::default(), 7);
        watches.keep(question(1), METER);
        assert_eq!(asked(again(&mut watches, &mut next_id)), [(7, question(1))]);
        for (request_id, code) in [(7, Code::QuotaBusy), (8, Code::QuotaRate), (9, Code::AuthUnknownDevice)] {
            assert_eq!(watches.hear(request_id, &Answer::Refused { request_id, code }), None, "{code}");
            let now = Instant::now();
            assert!(watches.ask_due(now, &mut next_id).is_empty(), "not at once");
            assert_eq!(asked(watches.ask_due(now + 2 * BUSY_PAUSE, &mut next_id)), [(request_id + 1, question(1))]);
        }
        let refused = |request_id| Answer::Refused { request_id, code: Code::AuthReplaced };
        assert_eq!(watches.hear(9, &refused(9)), None, "that was answered before");
        assert_eq!(watches.hear(10, &refused(10)), Some(WatchEnd { meter: METER, code: Code::AuthReplaced }));
        assert!(again(&mut watches, &mut next_id).is_empty());
    }

    /// A validator is slow: each question is put again, as the same one, until the first answer comes.
    #[test]
    fn a_late_answer_to_a_question_that_was_put_again_is_an_answer() {
        let (mut watches, mut next_id) = (Watches::default(), 1);
        watches.keep(question(1), METER);
        let now = Instant::now();
        watches.begin_again(now);
        for time in 0..3 {
            assert_eq!(asked(watches.ask_due(now + time * ANSWER_MAX, &mut next_id)), [(1, question(1))], "{time}");
        }
        assert_eq!(watches.hear(1, &Answer::Watching { request_id: 1, meter: METER }), None);
        assert!(watches.ask_due(now + 9 * ANSWER_MAX, &mut next_id).is_empty());
    }

    /// A validator does not know the first hundred meters yet, and says so each time: all others are asked for all the same.
    #[test]
    fn meters_that_are_refused_do_not_keep_others_from_their_turn() {
        let (mut watches, mut next_id) = (Watches::default(), 1);
        (0..300).for_each(|meter| watches.keep(question(1), MeterId(meter)));
        let began = Instant::now();
        watches.begin_again(began);
        let mut watched = 0;
        for tick in 0..100 {
            for (request_id, _) in asked(watches.ask_due(began + tick * TICK, &mut next_id)) {
                let watch = watches.0.iter_mut().find(|watch| watch.asked_as == Some(request_id)).unwrap();
                if watch.meter.0 < 100 {
                    // As when it is refused at that moment.
                    (watch.asked_as, watch.ask_at) = (None, Some(began + tick * TICK + BUSY_PAUSE));
                } else {
                    watched += 1;
                    watches.hear(request_id, &Answer::Watching { request_id, meter: METER });
                }
            }
        }
        assert_eq!(watched, 200);
    }

    /// A meter has a new key, and its watch is renewed with that; another meter's has ended. Only the first is put to the next validator.
    #[test]
    fn what_was_renewed_is_asked_once_and_what_has_ended_is_not() {
        let (mut watches, mut next_id) = (Watches::default(), 1);
        watches.keep(question(1), METER);
        watches.keep(question(3), MeterId(5));
        watches.keep(question(2), METER);
        watches.forget(MeterId(5));
        assert_eq!(asked(again(&mut watches, &mut next_id)), [(1, question(2))]);
        assert_eq!(watches.hear(1, &Answer::Watching { request_id: 1, meter: METER }), None);
        assert_eq!(asked(again(&mut watches, &mut next_id)).len(), 1, "it goes on");
    }

    /// A gateway with 5,000 meters loses its validator. The next one would cut it off if it asked for all of them at once, and would not answer what is over
    /// the quota: all are asked for within some seconds, and those that nobody answered once more.
    #[test]
    fn a_gateway_begins_to_watch_a_town_again_at_the_pace_of_its_quota() {
        let (mut watches, mut next_id) = (Watches::default(), 1);
        (0..5_000).for_each(|meter| watches.keep(question(1), MeterId(meter)));
        let began = Instant::now();
        watches.begin_again(began);
        let (mut first, mut again) = (0, 0);
        let mut asked_of = std::collections::BTreeMap::new();
        for tick in 0..2_000 {
            let now = began + tick * TICK;
            let frames = asked(watches.ask_due(now, &mut next_id));
            assert!(frames.len() <= AT_A_TIME);
            for (request_id, _) in frames {
                let watch = watches.0.iter().find(|watch| watch.asked_as == Some(request_id)).unwrap();
                let times: &mut u32 = asked_of.entry(watch.meter).or_default();
                *times += 1;
                // Every seventh is over the quota the first time, and hears nothing.
                if *times == 1 && watch.meter.0.is_multiple_of(7) {
                    again += 1;
                    continue;
                }
                first += u32::from(*times == 1);
                assert_eq!(watches.hear(request_id, &Answer::Watching { request_id, meter: METER }), None);
            }
        }
        assert_eq!((first, again), (5_000 - 715, 715));
        assert!(asked_of.iter().all(|(meter, times)| *times == 1 + u32::from(meter.0.is_multiple_of(7))));
    }
}
