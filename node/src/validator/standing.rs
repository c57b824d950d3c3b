//! What other validators owe: who was asked for what, and who sends what does not hold.
//!
//! What comes on the log and sync streams costs more to check than to send: signatures, digests, certificates. So an answer is looked at only
//! if this validator asked its sender for it, and a validator whose messages do not hold is not listened to on these streams for a while. It is
//! still heard on the consensus stream, where each message is small and finality needs every voice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gridbook_ledger::header::LogPoint;
use gridbook_ledger::hotstuff::Recipient;
use gridbook_ledger::replica::PeerMessage;
use gridbook_ledger::validators::ValidatorIndex;
use parking_lot::Mutex;

/// Standings by validator.
#[derive(Debug, Default)]
pub(super) struct Standings(Mutex<BTreeMap<ValidatorIndex, Standing>>);

#[derive(Debug)]
struct Standing {
    /// Places in the log that it was asked for and has not answered, oldest first.
    pulls: Vec<LogPoint>,
    /// How many answers out of its history it owes.
    history: u32,
    /// Faults not yet forgiven, as of `at`.
    faults: u32,
    /// Evidence that it sent lately.
    evidence: u32,
    at: Instant,
}

/// How many questions to one validator are remembered; it may answer late, and every question is put again in time.
const PULLS_MAX: usize = 32;
const HISTORY_MAX: u32 = 8;
/// How many faults are overlooked, and how long one takes to be forgiven. Between two epochs, or after a restart, honest messages cross each
/// other too.
const FAULTS_MAX: u32 = 32;
/// How much evidence is looked at in one go: all kinds against all of the largest set, as after a connection; then as slowly as faults are
/// forgiven. A validator can make up any number against itself.
const EVIDENCE_MAX: u32 = 512;
const FORGIVEN_AFTER: Duration = Duration::from_millis(500);

impl Standings {
    /// A message goes out: what it asks for may be answered.
    pub(super) fn note_sent(&self, to: Recipient, message: &PeerMessage) {
        let Recipient::One(to) = to else { return };
        match message {
            // A question that is put again may be answered as often.
            PeerMessage::Pull { target, .. } => self.with(to, |standing| {
                standing.pulls.push(*target);
                if standing.pulls.len() > PULLS_MAX {
                    standing.pulls.remove(0);
                }
            }),
            PeerMessage::SyncRequest { .. } => {
                self.with(to, |standing| standing.history = (standing.history + 1).min(HISTORY_MAX));
            }
            _ => {}
        }
    }

    /// Whether a message is worth being checked: it is no answer, or the answer to a question that was put to its sender. It counts as
    /// answered then.
    pub(super) fn expects(&self, from: ValidatorIndex, message: &PeerMessage) -> bool {
        match message {
            PeerMessage::Pulled { end, .. } => self.with(from, |standing| {
                let asked = standing.pulls.iter().position(|asked| asked == end);
                asked.map(|place| standing.pulls.remove(place)).is_some()
            }),
            PeerMessage::SyncResponse { .. } => self.with(from, |standing| {
                let owes = standing.history > 0;
                standing.history = standing.history.saturating_sub(1);
                owes
            }),
            PeerMessage::Evidence(_) => self.with(from, |standing| {
                standing.evidence = (standing.evidence + 1).min(EVIDENCE_MAX + 1);
                standing.evidence <= EVIDENCE_MAX
            }),
            _ => true,
        }
    }

    /// A message did not hold, or nobody asked for it.
    pub(super) fn blame(&self, from: ValidatorIndex) {
        self.with(from, |standing| standing.faults = (standing.faults + 1).min(2 * FAULTS_MAX));
    }

    /// Whether its messages are read at all.
    pub(super) fn is_heard(&self, from: ValidatorIndex) -> bool {
        self.with(from, |standing| standing.faults < FAULTS_MAX)
    }

    fn with<T>(&self, peer: ValidatorIndex, work: impl FnOnce(&mut Standing) -> T) -> T {
        let mut standings = self.0.lock();
        let now = Instant::now();
        let begin = || Standing { pulls: Vec::new(), history: 0, faults: 0, evidence: 0, at: now };
        let standing = standings.entry(peer).or_insert_with(begin);
        standing.forgive(now);
        work(standing)
    }
}

impl Standing {
    fn forgive(&mut self, now: Instant) {
        let periods = now.duration_since(self.at).as_millis() / FORGIVEN_AFTER.as_millis();
        let forgiven = u32::try_from(periods).unwrap_or(u32::MAX);
        if forgiven > 0 {
            self.faults = self.faults.saturating_sub(forgiven);
            self.evidence = self.evidence.saturating_sub(forgiven);
            self.at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use gridbook_ledger::crypto::Hash;
    use gridbook_ledger::replica::Run;

    use super::*;

    const PEER: ValidatorIndex = ValidatorIndex(2);

    fn pulled(seq: u64) -> PeerMessage {
        let end = LogPoint { seq, digest: Hash([7; 32]) };
        PeerMessage::Pulled { end, run: Run { start: end, entries: Vec::new() } }
    }

    fn pull(seq: u64) -> PeerMessage {
        PeerMessage::Pull { target: LogPoint { seq, digest: Hash([7; 32]) }, floor_seq: 0 }
    }

    fn history() -> PeerMessage {
        PeerMessage::SyncResponse { steps: Vec::new(), beyond: Vec::new(), tip: None }
    }

    #[test]
    fn an_answer_is_expected_of_whom_it_was_asked_and_once() {
        let standings = Standings::default();
        assert!(!standings.expects(PEER, &pulled(5)));
        standings.note_sent(Recipient::One(PEER), &pull(5));
        assert!(!standings.expects(ValidatorIndex(1), &pulled(5)), "another one was asked");
        assert!(!standings.expects(PEER, &pulled(6)), "for another place");
        assert!(standings.expects(PEER, &pulled(5)));
        assert!(!standings.expects(PEER, &pulled(5)), "it has answered");
        assert!(!standings.expects(PEER, &history()));
        standings.note_sent(Recipient::One(PEER), &PeerMessage::SyncRequest { from_height: 1 });
        assert!(standings.expects(PEER, &history()) && !standings.expects(PEER, &history()));
    }

    /// A validator sends junk without end: after 32 messages it is not read any more, and the others are.
    #[test]
    fn who_sends_what_does_not_hold_is_not_listened_to_for_a_while() {
        let standings = Standings::default();
        for _ in 0..FAULTS_MAX {
            assert!(standings.is_heard(PEER));
            standings.blame(PEER);
        }
        assert!(!standings.is_heard(PEER) && standings.is_heard(ValidatorIndex(1)));
        let mut peers = standings.0.lock();
        let standing = peers.get_mut(&PEER).unwrap();
        standing.forgive(standing.at + 2 * FORGIVEN_AFTER);
        assert!(standing.faults < FAULTS_MAX, "it is forgiven with time");
    }

    /// A validator makes up evidence against itself without end: each costs two signatures to check.
    #[test]
    fn evidence_is_looked_at_up_to_a_limit() {
        let standings = Standings::default();
        let looked_at = (0..10_000).filter(|_| standings.expects(PEER, &PeerMessage::Evidence(Vec::new()))).count();
        assert!((512..600).contains(&looked_at), "{looked_at}");
    }

    #[test]
    fn questions_are_remembered_up_to_a_limit() {
        let standings = Standings::default();
        for seq in 0..1_000 {
            standings.note_sent(Recipient::One(PEER), &pull(seq));
        }
        assert_eq!(standings.0.lock()[&PEER].pulls.len(), PULLS_MAX);
        assert!(standings.expects(PEER, &pulled(999)));
    }
}
