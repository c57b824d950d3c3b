//! From a message of another validator to an input: whatever can be checked without a replica is checked here, so that many threads can
//! do it beside the one that runs the replica.

use super::Input;
use super::messages::{Chunk, PeerFault, PeerMessage, read_proofs, verify_evidence, verify_sync};
use crate::admission::Admitted;
use crate::crypto::Hash;
use crate::epoch::{Epochs, Reconfigure};
use crate::genesis::Genesis;
use crate::validators::ValidatorIndex;

/// What other validators' messages are checked against.
#[derive(Clone, Copy, Debug)]
pub struct PeerGate<'a> {
    /// The ledger.
    pub genesis: &'a Genesis,
    /// Its name, computed once.
    pub chain: Hash,
    /// The epochs that are known here.
    pub epochs: &'a Epochs,
}

impl PeerGate<'_> {
    /// Checks a message of an authenticated validator. Relayed bundles pass by `admit`, which leaves out what is not admitted: whoever
    /// relays cannot know whose meter is known here.
    ///
    /// # Errors
    /// What is wrong with it. Only [`PeerFault::Epoch`] can come from an honest validator.
    pub fn input(
        &self,
        from: ValidatorIndex,
        message: PeerMessage,
        admit: impl FnOnce(&[Vec<u8>]) -> Vec<Admitted>,
    ) -> Result<Input, PeerFault> {
        match message {
            PeerMessage::Consensus(message) => Ok(Input::Consensus { from, message }),
            PeerMessage::Chunk(chunk) => self.chunk(from, &chunk),
            PeerMessage::Relay(bundles) => Ok(Input::Relayed(admit(&bundles))),
            PeerMessage::Pull { target, floor_seq } => Ok(Input::Pull { from, target, floor_seq }),
            PeerMessage::Pulled { end, run } => {
                let run = run.verify()?;
                if run.end == end { Ok(Input::Pulled { from, run }) } else { Err(PeerFault::Digest) }
            }
            PeerMessage::SyncRequest { from_height } => Ok(Input::SyncRequest { from, from_height }),
            PeerMessage::SyncResponse { steps, beyond, tip } => {
                let present = (self.epochs.present(), self.epochs.present_set());
                let steps = verify_sync(steps, &beyond, tip.as_ref(), self.chain, present)?;
                Ok(Input::Synced { from, steps })
            }
            PeerMessage::Snapshot(message) => {
                message.verify(self.genesis).map(|message| Input::Snapshot { from, message })
            }
            PeerMessage::Epochs(proofs) => Ok(Input::Epochs { from, proofs: read_proofs(&proofs)? }),
            PeerMessage::Reconfigure(change) => {
                let change = Reconfigure::decode(&change).map_err(|_| PeerFault::Form)?;
                Ok(Input::Reconfigure(Box::new(change)))
            }
            PeerMessage::Evidence(bytes) => {
                Ok(Input::Evidence(Box::new(verify_evidence(&bytes, self.chain, self.epochs)?)))
            }
        }
    }

    /// Only the leader sends its chunks: the signature does not cover the bodies, so that in another's hands a good chunk could be
    /// filled with garbage, and an honest leader blamed for it.
    fn chunk(&self, from: ValidatorIndex, chunk: &Chunk) -> Result<Input, PeerFault> {
        if chunk.epoch != self.epochs.present() {
            return Err(PeerFault::Epoch);
        }
        let set = self.epochs.present_set();
        if from != set.leader(chunk.view) {
            return Err(PeerFault::Leader);
        }
        match chunk.verify(self.chain, set) {
            Ok(chunk) => Ok(Input::Chunk(Box::new(chunk))),
            Err(PeerFault::Leader) => Err(PeerFault::Leader),
            // Signed by the leader, who sent it, and wrong.
            Err(_) => Ok(Input::BadChunk { epoch: chunk.epoch, view: chunk.view }),
        }
    }
}

#[cfg(test)]
mod tests {
    use gridbook_engine::{LedgerTime, MarketRules};

    use super::*;
    use crate::crypto::{SecretKey, Signature};
    use crate::header::LogPoint;
    use crate::replica::Run;
    use crate::validators::ValidatorSet;

    fn genesis(validators: ValidatorSet) -> Genesis {
        Genesis {
            name: "Kirchdorf".into(),
            ledger_start: LedgerTime(1_743_451_200_000),
            wall_start_ms: 0,
            time_scale: 1,
            rules: MarketRules::default(),
            settlement: crate::genesis::SettlementRules::default(),
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
        let genesis = genesis(set.clone());
        let (chain, epochs) = (genesis.chain_id(), Epochs::new(&genesis));
        let gate = PeerGate { genesis: &genesis, chain, epochs: &epochs };
        let (view, start) = (6, LogPoint::default());
        let leader = set.leader(view);
        let run = Run { start, entries: vec![vec![0xff]] };
        let (places_root, signature) = (Hash::ZERO, Signature([0; 64]));
        let unsigned = Chunk { epoch: 0, view, number: 0, cut: false, run, end: start, places_root, signature };
        let spoilt = unsigned.sign(chain, &keys[usize::from(leader.0)]);
        let input = |from| gate.input(from, PeerMessage::Chunk(Box::new(spoilt.clone())), |_| Vec::new());
        let other = ValidatorIndex((leader.0 + 1) % 4);
        assert!(matches!(input(other), Err(PeerFault::Leader)));
        assert!(matches!(input(leader), Ok(Input::BadChunk { epoch: 0, view: 6 })));
    }
}
