//! Verifies what other validators send on the log plane, so that the core finds only what holds.

use std::sync::Arc;

use bytes::Bytes;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender};
use gridbook_ledger::admission::Door;
use gridbook_ledger::replica::{Input, PeerFault, PeerGate, PeerMessage};
use gridbook_ledger::validators::ValidatorIndex;

use super::core_loop::CoreJob;
use super::{LOOK_UP, Shared};

/// A frame from another validator, on the log or sync stream.
#[derive(Debug)]
pub(super) struct PeerFrame {
    pub(super) from: ValidatorIndex,
    pub(super) bytes: Bytes,
}

pub(super) struct PeerVerifier {
    shared: Arc<Shared>,
    core: Sender<CoreJob>,
}

impl PeerVerifier {
    pub(super) fn new(shared: Arc<Shared>, core: Sender<CoreJob>) -> Self {
        Self { shared, core }
    }

    pub(super) fn run(self, frames: &Receiver<PeerFrame>) {
        loop {
            match frames.recv_timeout(LOOK_UP) {
                Ok(frame) => {
                    if let Some(input) = self.verify(&frame)
                        && self.core.send(CoreJob::Input(input)).is_err()
                    {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) if !self.shared.is_stopping() => {}
                Err(_) => return,
            }
        }
    }

    fn verify(&self, frame: &PeerFrame) -> Option<Input> {
        let (from, standings) = (frame.from, &self.shared.standings);
        if !standings.is_heard(from) {
            self.shared.metrics.peer_messages_dropped.increment();
            return None;
        }
        let message = PeerMessage::decode(&frame.bytes).and_then(|message| match standings.expects(from, &message) {
            true => Ok(message),
            false => Err(PeerFault::Unasked),
        });
        let verified = message.and_then(|message| self.sort(from, message));
        verified.inspect_err(|fault| self.tell(from, *fault)).ok()
    }

    /// Between two epochs messages cross each other; nobody is at fault then.
    fn tell(&self, from: ValidatorIndex, fault: PeerFault) {
        self.shared.metrics.peer_messages_dropped.increment();
        if fault == PeerFault::Epoch {
            tracing::debug!(peer = from.0, %fault, "dropped a message of a validator");
        } else {
            self.shared.standings.blame(from);
            tracing::warn!(peer = from.0, %fault, "dropped a message of a validator");
        }
    }

    fn sort(&self, from: ValidatorIndex, message: PeerMessage) -> Result<Input, PeerFault> {
        let Shared { genesis, chain, .. } = &*self.shared;
        let epochs = self.shared.epochs();
        PeerGate { genesis, chain: *chain, epochs: &epochs }.input(from, message, |bundles| {
            let lookup = |key: &_| self.shared.directory.device(key);
            let door = Door { chain: *chain, now: self.shared.ledger_now(), lookup };
            door.admit_batch(bundles).into_iter().flatten().collect()
        })
    }
}
