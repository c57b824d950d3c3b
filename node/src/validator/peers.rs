//! Verifies what other validators send on the log plane, so that the core finds only what holds.

use std::sync::Arc;

use bytes::Bytes;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender};
use gridbook_ledger::admission::Door;
use gridbook_ledger::replica::{Input, PeerFault, PeerMessage, verify_sync};
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
        let from = frame.from;
        let verified = PeerMessage::decode(&frame.bytes).and_then(|message| self.sort(from, message));
        verified.inspect_err(|fault| tracing::warn!(peer = from.0, %fault, "dropped a message of a validator")).ok()
    }

    fn sort(&self, from: ValidatorIndex, message: PeerMessage) -> Result<Input, PeerFault> {
        let set = &self.shared.genesis.validators;
        match message {
            PeerMessage::Consensus(message) => Ok(Input::Consensus { from, message }),
            PeerMessage::Chunk(chunk) => match chunk.verify(self.shared.chain, set) {
                Ok(chunk) => Ok(Input::Chunk(chunk)),
                Err(PeerFault::Leader) => Err(PeerFault::Leader),
                // Signed by the leader, and wrong: that is the leader's fault, not the sender's.
                Err(_) => Ok(Input::BadChunk { view: chunk.view }),
            },
            PeerMessage::Relay(bundles) => {
                let lookup = |key: &_| self.shared.directory.device(key);
                let door = Door { chain: self.shared.chain, now: self.shared.ledger_now(), lookup };
                Ok(Input::Relayed(door.admit_batch(&bundles).into_iter().flatten().collect()))
            }
            PeerMessage::Pull { target, floor_seq } => Ok(Input::Pull { from, target, floor_seq }),
            PeerMessage::Pulled { end, run } => {
                let run = run.verify()?;
                if run.end == end { Ok(Input::Pulled(run)) } else { Err(PeerFault::Digest) }
            }
            PeerMessage::SyncRequest { from_height } => Ok(Input::SyncRequest { from, from_height }),
            PeerMessage::SyncResponse { steps, tip } => {
                verify_sync(steps, tip.as_ref(), self.shared.chain, set).map(Input::Synced)
            }
        }
    }
}
