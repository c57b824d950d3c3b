//! Verifies what other validators send on the log plane, so that the core finds only what holds.

use std::sync::Arc;

use bytes::Bytes;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender};
use gridbook_ledger::admission::Door;
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::epoch::{Epochs, Reconfigure};
use gridbook_ledger::replica::{Chunk, Input, PeerFault, PeerMessage, read_proofs, verify_evidence, verify_sync};
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
        let epochs = self.shared.epochs();
        match message {
            PeerMessage::Consensus(message) => Ok(Input::Consensus { from, message }),
            PeerMessage::Chunk(chunk) => chunk_input(from, &chunk, self.shared.chain, &epochs),
            PeerMessage::Relay(bundles) => {
                let lookup = |key: &_| self.shared.directory.device(key);
                let door = Door { chain: self.shared.chain, now: self.shared.ledger_now(), lookup };
                Ok(Input::Relayed(door.admit_batch(&bundles).into_iter().flatten().collect()))
            }
            PeerMessage::Pull { target, floor_seq } => Ok(Input::Pull { from, target, floor_seq }),
            PeerMessage::Pulled { end, run } => {
                let run = run.verify()?;
                if run.end == end { Ok(Input::Pulled { from, run }) } else { Err(PeerFault::Digest) }
            }
            PeerMessage::SyncRequest { from_height } => Ok(Input::SyncRequest { from, from_height }),
            PeerMessage::SyncResponse { steps, beyond, tip } => {
                let present = (epochs.present(), epochs.present_set());
                let steps = verify_sync(steps, &beyond, tip.as_ref(), self.shared.chain, present)?;
                Ok(Input::Synced { from, steps })
            }
            PeerMessage::Snapshot(message) => {
                message.verify(&self.shared.genesis).map(|message| Input::Snapshot { from, message })
            }
            PeerMessage::Epochs(proofs) => Ok(Input::Epochs { from, proofs: read_proofs(&proofs)? }),
            PeerMessage::Reconfigure(change) => {
                let change = Reconfigure::decode(&change).map_err(|_| PeerFault::Form)?;
                Ok(Input::Reconfigure(Box::new(change)))
            }
            PeerMessage::Evidence(bytes) => {
                Ok(Input::Evidence(Box::new(verify_evidence(&bytes, self.shared.chain, &epochs)?)))
            }
        }
    }
}

/// Only the leader sends its chunks: the signature does not cover the bodies, so that in another's hands a good chunk could be
/// filled with garbage, and an honest leader blamed for it.
fn chunk_input(from: ValidatorIndex, chunk: &Chunk, chain: Hash, epochs: &Epochs) -> Result<Input, PeerFault> {
    if chunk.epoch != epochs.present() {
        return Err(PeerFault::Epoch);
    }
    let set = epochs.present_set();
    if from != set.leader(chunk.view) {
        return Err(PeerFault::Leader);
    }
    match chunk.verify(chain, set) {
        Ok(chunk) => Ok(Input::Chunk(Box::new(chunk))),
        Err(PeerFault::Leader) => Err(PeerFault::Leader),
        // Signed by the leader, who sent it, and wrong.
        Err(_) => Ok(Input::BadChunk { epoch: chunk.epoch, view: chunk.view }),
    }
}

#[cfg(test)]
mod tests {
    use gridbook_engine::{LedgerTime, MarketRules};
    use gridbook_ledger::crypto::{SecretKey, Signature};
    use gridbook_ledger::genesis::Genesis;
    use gridbook_ledger::header::LogPoint;
    use gridbook_ledger::replica::Run;
    use gridbook_ledger::validators::ValidatorSet;

    use super::*;

    fn genesis(validators: ValidatorSet) -> Genesis {
        Genesis {
            name: "Kirchdorf".into(),
            ledger_start: LedgerTime(1_743_451_200_000),
            wall_start_ms: 0,
            time_scale: 1,
            rules: MarketRules::default(),
            areas: vec!["north".into()],
            operator: SecretKey::from_seed([9; 32]).public(),
            validators,
        }
    }

    /// A validator takes a chunk that the leader signed, replaces the bodies by garbage, and passes it on: the leader would be
    /// given up by all, view after view.
    #[test]
    fn a_leaders_chunk_spoilt_by_another_is_not_the_leaders_fault() {
        let keys: Vec<SecretKey> = (1..5).map(|seed| SecretKey::from_seed([seed; 32])).collect();
        let set = ValidatorSet::new(keys.iter().map(SecretKey::public).collect()).unwrap();
        let epochs = Epochs::new(&genesis(set.clone()));
        let (view, start) = (6, LogPoint::default());
        let leader = set.leader(view);
        let run = Run { start, entries: vec![vec![0xff]] };
        let (places_root, signature) = (Hash::ZERO, Signature([0; 64]));
        let unsigned = Chunk { epoch: 0, view, number: 0, cut: false, run, end: start, places_root, signature };
        let spoilt = unsigned.sign(Hash::ZERO, &keys[usize::from(leader.0)]);
        let other = ValidatorIndex((leader.0 + 1) % 4);
        assert!(matches!(chunk_input(other, &spoilt, Hash::ZERO, &epochs), Err(PeerFault::Leader)));
        assert!(matches!(chunk_input(leader, &spoilt, Hash::ZERO, &epochs), Ok(Input::BadChunk { epoch: 0, view: 6 })));
    }
}
