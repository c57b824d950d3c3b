//! The task behind a [`Client`](super::Client): one connection at a time, and all that is still unanswered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::record::Record;
use gridbook_ledger::reject::Code;
use gridbook_net::{MeterClient, MeterClientError, MeterReceiver, MeterSender, REQUEST_BYTES_MAX};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::silence::Silence;
use super::watches::Watches;
use super::{ClientError, Counters, Patience, WatchEnd, WatchEvent};
use crate::config::Peer;
use crate::protocol::{Answer, Request, RequestBody, RequestId};

/// A request of the client's user, and where its answers go.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) body: RequestBody,
    pub(crate) answers: mpsc::UnboundedSender<Result<Answer, ClientError>>,
}

/// A connection: what is to be written, and what is read.
pub(crate) struct Connection {
    outgoing: mpsc::UnboundedSender<Bytes>,
    receiver: MeterReceiver,
}

/// See the module.
pub(crate) struct Driver {
    validators: Vec<Peer>,
    /// The validator to try next, or the one that is connected.
    at: usize,
    connection_seed: [u8; 32],
    patience: Patience,
    asked: mpsc::UnboundedReceiver<Ask>,
    events: mpsc::UnboundedSender<Result<WatchEvent, WatchEnd>>,
    counters: Arc<Counters>,
    next_id: RequestId,
    pending: BTreeMap<RequestId, Pending>,
    watches: Watches,
    silence: Silence,
    last_heard: Instant,
    asked_for_life: bool,
    /// How often another validator was chosen.
    moves: u64,
}

struct Pending {
    ask: Ask,
    frame: Bytes,
    sent_at: Instant,
    give_up_at: Instant,
    resent: bool,
    /// Nothing was heard of it yet.
    unheard: bool,
    /// What validators said who keep nothing of it, by their places among all, and how often.
    not_here: BTreeMap<usize, (Answer, u32)>,
}

/// That no validator could be reached, and why.
struct NotReached {
    error: ClientError,
    /// Whether that may be otherwise in a moment.
    may_change: bool,
}

/// Why a connection is not served any more.
enum Left {
    /// Nobody asks anything any more.
    Closed,
    /// It is lost, or silent.
    Lost,
    /// Another validator may keep what this one does not, and has perhaps said so before.
    NotHere { before: bool },
}

/// How often one validator says that it keeps nothing of something before those who cannot be reached are not waited for any more: all else waits
/// while they are tried.
const NOT_HERE_MAX: u32 = 3;

/// How often deadlines are looked at.
pub(super) const TICK: Duration = Duration::from_millis(50);

/// Between two rounds of attempts to reach any validator.
const RETRY_PAUSE: Duration = Duration::from_millis(300);

/// One validator's time to answer an attempt: a dead one must not keep a client from the next.
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// What a client waits with its bundle when a validator says that it is too busy.
pub(super) const BUSY_PAUSE: Duration = Duration::from_millis(250);

impl Driver {
    pub(crate) fn new(
        validators: Vec<Peer>,
        connection_seed: [u8; 32],
        patience: Patience,
        asked: mpsc::UnboundedReceiver<Ask>,
        events: mpsc::UnboundedSender<Result<WatchEvent, WatchEnd>>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            validators,
            at: 0,
            connection_seed,
            patience,
            asked,
            events,
            counters,
            next_id: 1,
            pending: BTreeMap::new(),
            watches: Watches::default(),
            silence: Silence::new(patience.silence_max),
            last_heard: Instant::now(),
            asked_for_life: false,
            moves: 0,
        }
    }

    /// The first connection, tried round after round for so long.
    pub(crate) async fn connect(&mut self, within: Duration) -> Result<Connection, ClientError> {
        let give_up_at = Instant::now() + within;
        let mut is_told = false;
        loop {
            let NotReached { error, may_change } = match self.connect_to_any(Some(give_up_at)).await {
                Ok(connection) => return Ok(connection),
                Err(not_reached) => not_reached,
            };
            let left = give_up_at.saturating_duration_since(Instant::now());
            if !may_change || left <= RETRY_PAUSE {
                return Err(error);
            }
            // Whoever waits at a screen should not wonder.
            if !std::mem::replace(&mut is_told, true) {
                tracing::warn!("{error}; trying again for {} s", left.as_secs().max(1));
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    /// Tries every validator once, beginning with the current one. What time there is they share, so that the last is tried too.
    async fn connect_to_any(&mut self, give_up_at: Option<Instant>) -> Result<Connection, NotReached> {
        let mut last = "the list of validators is empty".to_owned();
        let (mut shut_out, mut shut_outs, mut may_change) = (None, 0, false);
        for left in (1..=u32::try_from(self.validators.len()).unwrap_or(u32::MAX)).rev() {
            let Peer { key, address, .. } = self.validators[self.at];
            let attempt = MeterClient::connect(address, key.0, self.connection_seed);
            let share = give_up_at.map(|at| at.saturating_duration_since(Instant::now()) / left);
            let most = share.map_or(CONNECT_MAX, |share| share.min(CONNECT_MAX));
            match tokio::time::timeout(most, attempt).await {
                Ok(Ok(client)) => return Ok(Connection::start(client)),
                Ok(Err(MeterClientError::KeyNotServed { why, .. })) => {
                    shut_outs += 1;
                    shut_out = Some(why);
                }
                Ok(Err(error)) => {
                    may_change |= !is_for_good(&error);
                    last = error.to_string();
                }
                Err(_) => {
                    may_change = true;
                    last = format!("no answer from {address} within {} ms", most.as_millis());
                }
            }
            self.next_validator();
        }
        Err(match shut_out {
            // Of more than may be faulty one is honest, and its word is everybody's.
            Some(why) => {
                let is_for_good = shut_outs > self.validators.len().saturating_sub(1) / 3;
                NotReached { error: ClientError::ShutOut(why), may_change: may_change && !is_for_good }
            }
            None => NotReached { error: ClientError::Unreachable(last), may_change },
        })
    }

    /// Runs until the last client is dropped.
    pub(crate) async fn run(mut self, connection: Connection) {
        let mut connection = connection;
        loop {
            self.last_heard = Instant::now();
            self.asked_for_life = false;
            self.send_all_again(&connection);
            match self.serve(&mut connection).await {
                Left::Closed => return,
                Left::Lost => {
                    self.silence.left();
                    self.any_other_validator();
                }
                // In turn, so that all are asked; after a while if it is asked again, because another one cannot be reached.
                Left::NotHere { before } => {
                    if before {
                        tokio::time::sleep(RETRY_PAUSE).await;
                    }
                    self.next_validator();
                }
            }
            self.counters.failovers.fetch_add(1, Ordering::Relaxed);
            connection = loop {
                self.take_in();
                let soonest = self.pending.values().map(|pending| pending.give_up_at).min();
                match self.connect_to_any(soonest).await {
                    Ok(connection) => break connection,
                    Err(not_reached) => self.wait_for_better(&not_reached).await,
                }
                if self.asked.is_closed() && self.asked.is_empty() {
                    return;
                }
            };
        }
    }

    /// Serves one connection.
    async fn serve(&mut self, connection: &mut Connection) -> Left {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                ask = self.asked.recv() => match ask {
                    Some(ask) => self.send(ask, connection),
                    None => return Left::Closed,
                },
                frame = connection.receiver.recv() => match frame {
                    Some(frame) => if let Some(left) = self.take(&frame) { return left },
                    None => return Left::Lost,
                },
                _ = tick.tick() => if !self.look_at_deadlines(connection) {
                    return Left::Lost;
                },
            }
        }
    }

    fn send(&mut self, ask: Ask, connection: &Connection) {
        if let Some(frame) = self.note_down(ask) {
            connection.send(frame);
        }
    }

    /// What is asked while there is no connection waits like everything else: no longer than it is worth.
    fn take_in(&mut self) {
        while let Ok(ask) = self.asked.try_recv() {
            self.note_down(ask);
        }
    }

    /// Notes a request as unanswered and gives its bytes, if it can be sent at all.
    fn note_down(&mut self, ask: Ask) -> Option<Bytes> {
        let request = Request { request_id: self.next_id, body: ask.body };
        let frame = Bytes::from(request.encode());
        if frame.len() > REQUEST_BYTES_MAX {
            let sentence = format!("a request of {} bytes cannot be sent: at most {REQUEST_BYTES_MAX}", frame.len());
            let _ = ask.answers.send(Err(ClientError::Protocol(sentence)));
            return None;
        }
        let now = Instant::now();
        let ask = Ask { body: request.body, answers: ask.answers };
        let give_up_at = now + self.patience.give_up_after;
        self.pending.insert(
            self.next_id,
            Pending {
                ask,
                frame: frame.clone(),
                sent_at: now,
                give_up_at,
                resent: false,
                unheard: true,
                not_here: BTreeMap::new(),
            },
        );
        self.next_id += 1;
        Some(frame)
    }

    fn send_all_again(&mut self, connection: &Connection) {
        let now = Instant::now();
        self.watches.begin_again(now);
        self.ask_due_watches(connection, now);
        for pending in self.pending.values_mut() {
            pending.sent_at = now;
            pending.resent = true;
            self.counters.resent.fetch_add(1, Ordering::Relaxed);
            connection.send(pending.frame.clone());
        }
    }

    fn ask_due_watches(&mut self, connection: &Connection, now: Instant) {
        for question in self.watches.ask_due(now, &mut self.next_id) {
            connection.send(question);
        }
    }

    /// Something if the connection is to be left: another validator should be asked.
    fn take(&mut self, frame: &Bytes) -> Option<Left> {
        self.last_heard = Instant::now();
        self.asked_for_life = false;
        let answer = match Answer::decode(frame) {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(%error, bytes = frame.len(), "an answer cannot be read");
                return None;
            }
        };
        match answer {
            Answer::Event { meter, height, record } => match Record::decode(&record) {
                // A user who does not listen does not want to know.
                Ok(record) => _ = self.events.send(Ok(WatchEvent { meter, height, record })),
                Err(error) => tracing::warn!(%error, "the record of an event cannot be read"),
            },
            Answer::WatchEnded { meter, code } => {
                self.watches.forget(meter);
                self.end_watch(WatchEnd { meter, code });
            }
            answer => return self.pass_on(answer),
        }
        None
    }

    fn end_watch(&mut self, end: WatchEnd) {
        // A user who does not listen does not want to know.
        let _ = self.events.send(Err(end));
    }

    fn pass_on(&mut self, answer: Answer) -> Option<Left> {
        let request_id = answer.request_id().unwrap_or(0);
        let Some(pending) = self.pending.get_mut(&request_id) else {
            if let Some(end) = self.watches.hear(request_id, &answer) {
                self.end_watch(end);
            }
            return None;
        };
        if std::mem::take(&mut pending.unheard) {
            self.silence.answered(pending.sent_at.elapsed());
        }
        if pending.is_to_be_tried_again(&answer) {
            // Not now is not no: the deadline decides how long.
            pending.sent_at = Instant::now() - self.patience.resend_after + BUSY_PAUSE;
            return None;
        }
        if matches!(answer, Answer::NotHere { .. }) {
            let (_, times) = pending.not_here.entry(self.at).or_insert_with(|| (answer.clone(), 0));
            *times += 1;
            let (times, before) = (*times, *times > 1);
            if pending.not_here.len() < self.validators.len() && times < NOT_HERE_MAX {
                return Some(Left::NotHere { before });
            }
        }
        if let (RequestBody::Watch(query), Answer::Watching { meter, .. }) = (&pending.ask.body, &answer) {
            self.watches.keep(query.clone(), *meter);
        }
        let more_to_come =
            matches!(answer, Answer::Accepted { .. } | Answer::Sequenced { .. } | Answer::Certified { .. });
        let _ = pending.ask.answers.send(Ok(answer));
        if !more_to_come {
            self.pending.remove(&request_id);
        }
        None
    }

    /// Gives up what is too old, sends again what is old; false if the connection is to be left.
    fn look_at_deadlines(&mut self, connection: &Connection) -> bool {
        let now = Instant::now();
        self.give_up(now, None);
        for pending in self.pending.values_mut() {
            if now.duration_since(pending.sent_at) >= self.patience.resend_after {
                pending.sent_at = now;
                pending.resent = true;
                self.counters.resent.fetch_add(1, Ordering::Relaxed);
                connection.send(pending.frame.clone());
            }
        }
        self.ask_due_watches(connection, now);
        if self.pending.is_empty() || now.duration_since(self.last_heard) < self.silence.limit() {
            return true;
        }
        if self.asked_for_life {
            return false;
        }
        self.asked_for_life = true;
        self.last_heard = now;
        connection.send(Request { request_id: 0, body: RequestBody::Status }.encode().into());
        true
    }

    /// No validator can be reached: waits a moment, and tells those who have waited long enough. Where the key is
    /// certainly not served, waiting helps nobody: all are told at once.
    async fn wait_for_better(&mut self, NotReached { error, may_change }: &NotReached) {
        tracing::debug!(%error, "no validator can be reached, trying again");
        tokio::time::sleep(RETRY_PAUSE).await;
        self.take_in();
        if matches!(error, ClientError::ShutOut(_)) && !may_change {
            for (_, pending) in std::mem::take(&mut self.pending) {
                let _ = pending.ask.answers.send(Err(error.clone()));
            }
        }
        self.give_up(Instant::now(), Some(error));
    }

    /// Tells those who have waited long enough why, if there is more to it than that it took too long.
    fn give_up(&mut self, now: Instant, error: Option<&ClientError>) {
        self.pending.retain(|_, pending| {
            let keep = now < pending.give_up_at;
            if !keep {
                // Who could not be reached may keep what the others do not: what they said is all that there is to tell.
                let answer = pending.not_here.pop_last().map(|(_, (answer, _))| answer);
                let why = || error.cloned().unwrap_or_else(|| late(&pending.ask.body));
                let _ = pending.ask.answers.send(answer.ok_or_else(why));
            }
            keep
        });
    }

    /// Not the next one: the clients of a validator that fails would all go on to the same one, and with it to the one after.
    fn any_other_validator(&mut self) {
        let count = self.validators.len().max(1);
        self.moves += 1;
        let draw = Hash::of("gridbook/client/move/1", &[&self.connection_seed[..], &self.moves.to_le_bytes()].concat());
        let step = usize::from(draw.0[0]) % count.saturating_sub(1).max(1);
        self.at = (self.at + 1 + step) % count;
    }

    fn next_validator(&mut self) {
        self.at = (self.at + 1) % self.validators.len().max(1);
    }
}

/// Whether another attempt would end as this one did: somebody else is there, or nobody can be.
fn is_for_good(error: &MeterClientError) -> bool {
    use MeterClientError::{Undiallable, WrongProtocol, WrongServerKey};
    matches!(error, Undiallable { .. } | WrongServerKey { .. } | WrongProtocol { .. })
}

/// Whoever sent a bundle has to know that it may still become final; whoever asked something has nothing to fear.
fn late(body: &RequestBody) -> ClientError {
    match body {
        RequestBody::Submit(_) | RequestBody::Reconfigure(_) => ClientError::Late,
        _ => ClientError::NoAnswer,
    }
}

impl Pending {
    /// Whether the same bytes may well be welcome later: the validator is busy, or, having been sent before, the bundle itself has used its
    /// nonce and is about to be final.
    fn is_to_be_tried_again(&self, answer: &Answer) -> bool {
        let is_submit = matches!(self.ask.body, RequestBody::Submit(_));
        let is_evidence = matches!(self.ask.body, RequestBody::HandIn(_));
        // A long history takes many questions, each of which counts for several.
        let is_question = matches!(
            self.ask.body,
            RequestBody::Ask(_)
                | RequestBody::Watch(_)
                | RequestBody::Settled { .. }
                | RequestBody::CertificateRecords { .. }
        );
        match answer {
            Answer::Refused { code: Code::QuotaBusy | Code::QuotaRate, .. } => is_submit || is_evidence || is_question,
            // Where it was sent before it may have been let in; here they may not have heard of the meter yet.
            Answer::Refused { code: Code::AuthReplay | Code::AuthUnknownDevice, .. } => is_submit && self.resent,
            _ => false,
        }
    }
}

impl Connection {
    fn start(client: MeterClient) -> Self {
        let (sender, receiver) = client.split();
        let (outgoing, frames) = mpsc::unbounded_channel();
        tokio::spawn(write(sender, frames));
        Self { outgoing, receiver }
    }

    /// Queues a frame. What waits here is bounded by what the user has under way.
    fn send(&self, frame: Bytes) {
        // If the writer is gone the connection is too, and the receiver says so.
        let _ = self.outgoing.send(frame);
    }
}

/// Writes frames until there are no more or the connection ends: a full connection must not keep answers from being read.
async fn write(sender: MeterSender, mut frames: mpsc::UnboundedReceiver<Bytes>) {
    while let Some(frame) = frames.recv().await {
        match sender.send(frame).await {
            Ok(()) => {}
            Err(error @ MeterClientError::Unsendable { .. }) => {
                tracing::warn!(%error, "a request was dropped")
            }
            Err(_) => return,
        }
    }
    sender.close().await;
}

#[cfg(test)]
mod tests;
