//! The meters that a client watches, on this connection and the next.

use bytes::Bytes;
use gridbook_engine::MeterId;
use gridbook_ledger::reject::Code;
use tokio::time::Instant;

use super::WatchEnd;
use super::driver::BUSY_PAUSE;
use crate::protocol::{Answer, Request, RequestBody, RequestId, SignedQuery};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Watches(Vec<Watch>);

#[derive(Debug)]
struct Watch {
    query: SignedQuery,
    meter: MeterId,
    /// As which request it was put to another validator, which has not answered yet.
    asked_as: Option<RequestId>,
    /// When to put it again to one that could not take it.
    ask_again_at: Option<Instant>,
}

impl Watches {
    /// A validator tells of a meter from now on, by this question: it takes the place of the one that is about to be void.
    pub(super) fn keep(&mut self, query: SignedQuery, meter: MeterId) {
        self.forget(meter);
        self.0.push(Watch { query, meter, asked_as: None, ask_again_at: None });
    }

    /// A watch has ended.
    pub(super) fn forget(&mut self, meter: MeterId) {
        self.0.retain(|watch| watch.meter != meter);
    }

    /// The questions for a new connection.
    pub(super) fn ask_all(&mut self, next_id: &mut RequestId) -> Vec<Bytes> {
        self.0.iter_mut().map(|watch| watch.ask(next_id)).collect()
    }

    /// Questions that were to be put again by now.
    pub(super) fn ask_again(&mut self, now: Instant, next_id: &mut RequestId) -> Vec<Bytes> {
        let due = self.0.iter_mut().filter(|watch| watch.ask_again_at.is_some_and(|at| at <= now));
        due.map(|watch| watch.ask(next_id)).collect()
    }

    /// What another validator says to a question, and that a watch has ended if it does not go on with it. Where it does not know the meter yet, or has
    /// no time, it is asked again.
    pub(super) fn hear(&mut self, request_id: RequestId, answer: &Answer) -> Option<WatchEnd> {
        let watch = self.0.iter_mut().find(|watch| watch.asked_as == Some(request_id))?;
        watch.asked_as = None;
        match answer {
            Answer::Refused { code: Code::QuotaBusy | Code::QuotaRate | Code::AuthUnknownDevice, .. } => {
                watch.ask_again_at = Some(Instant::now() + BUSY_PAUSE);
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
    fn ask(&mut self, next_id: &mut RequestId) -> Bytes {
        let request_id = *next_id;
        *next_id += 1;
        (self.asked_as, self.ask_again_at) = (Some(request_id), None);
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
        assert_eq!(asked(watches.ask_all(&mut next_id)), [(7, question(1))]);
        for (request_id, code) in [(7, Code::QuotaBusy), (8, Code::QuotaRate), (9, Code::AuthUnknownDevice)] {
            assert_eq!(watches.hear(request_id, &Answer::Refused { request_id, code }), None, "{code}");
            let now = Instant::now();
            assert!(watches.ask_again(now, &mut next_id).is_empty(), "not at once");
            assert_eq!(asked(watches.ask_again(now + 2 * BUSY_PAUSE, &mut next_id)), [(request_id + 1, question(1))]);
        }
        let refused = |request_id| Answer::Refused { request_id, code: Code::AuthReplaced };
        assert_eq!(watches.hear(9, &refused(9)), None, "that was answered before");
        assert_eq!(watches.hear(10, &refused(10)), Some(WatchEnd { meter: METER, code: Code::AuthReplaced }));
        assert!(watches.ask_all(&mut next_id).is_empty());
    }

    /// A meter has a new key, and its watch is renewed with that; another meter's has ended. Only the first is put to the next validator.
    #[test]
    fn what_was_renewed_is_asked_once_and_what_has_ended_is_not() {
        let (mut watches, mut next_id) = (Watches::default(), 1);
        watches.keep(question(1), METER);
        watches.keep(question(3), MeterId(5));
        watches.keep(question(2), METER);
        watches.forget(MeterId(5));
        assert_eq!(asked(watches.ask_all(&mut next_id)), [(1, question(2))]);
        assert_eq!(watches.hear(1, &Answer::Watching { request_id: 1, meter: METER }), None);
        assert_eq!(asked(watches.ask_all(&mut next_id)).len(), 1, "it goes on");
    }
}
