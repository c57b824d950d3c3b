//! The state as of the last final header, so that a start need not re-execute the whole log.

use crate::bytes::BytesError;
use crate::epoch::EpochProof;
use crate::hotstuff::Proposal;
use crate::state::State;

use super::log_record::{archive, unarchive};
use super::recovery::RecoveryError;
use super::tail::Tail;
use super::{Recovery, Replica, ReplicaConfig};

/// What a checkpoint holds.
#[derive(Clone, Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Image {
    /// The last final header, with the certificate it builds on.
    proposal: Proposal,
    /// The state after its last command.
    state: Vec<u8>,
    /// The proofs of all epochs that ended by then, the header's own among them if it ends one: canonical bytes.
    epochs: Vec<Vec<u8>>,
}

impl Replica {
    /// The state as of the last final header, as bytes; nothing at genesis. Takes back what is not final and executes it again.
    pub fn checkpoint(&mut self) -> Option<Vec<u8>> {
        let proposal = self.final_proposal.clone()?;
        let (base, end) = (self.tail.base(), self.tail.end());
        let tail = &self.tail;
        let (_, path) = self.branches.path(end, base.seq, |point| point == tail.base()).ok()?;
        self.rewind_known(base);
        let state = self.state.snapshot();
        for placed in path {
            self.execute_known(placed);
        }
        let epochs = self.epochs().proofs().iter().map(EpochProof::encode).collect();
        Some(archive(&Image { proposal, state, epochs }))
    }
}

impl Recovery {
    /// Begins at a checkpoint. The records of the log from the place that was noted with it on follow.
    ///
    /// # Errors
    /// If the bytes are no checkpoint of this ledger, or its state is not the one its header names.
    pub fn from_checkpoint(config: ReplicaConfig, bytes: &[u8]) -> Result<Self, RecoveryError> {
        let unusable = |_: BytesError| RecoveryError::Checkpoint("it cannot be read");
        let Image { proposal, state, epochs } = unarchive(bytes).map_err(unusable)?;
        let mut recovery = Self::new(config);
        let replica = recovery.replica_mut();
        let header = proposal.header.clone();
        if header.chain != replica.chain {
            return Err(RecoveryError::Checkpoint("it is of another ledger"));
        }
        let mut state = State::restore(&replica.config.genesis, &state)
            .map_err(|_| RecoveryError::Checkpoint("its state cannot be read"))?;
        if state.state_root() != header.state_root {
            return Err(RecoveryError::Checkpoint("its state is not the one its header names"));
        }
        state.forget(state.mark());
        for proof in epochs {
            let proof = EpochProof::decode(&proof).map_err(unusable)?;
            let added = replica.passage.epochs.extend(proof);
            added.map_err(|_| RecoveryError::Checkpoint("it does not prove who the validators are"))?;
        }
        if state.epoch() != (replica.epoch(), replica.set()) {
            return Err(RecoveryError::Checkpoint("its state has other validators than it proves"));
        }
        replica.state = state;
        replica.tail = Tail::new(header.log_end(), header.time_ms, header.state_root);
        replica.final_header = header;
        replica.final_proposal = Some(proposal);
        Ok(recovery)
    }
}
