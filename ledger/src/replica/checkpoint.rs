//! The state as of the last final header, so that a start need not re-execute the whole log.

use crate::bytes::BytesError;
use crate::epoch::EpochProof;
use crate::genesis::Genesis;
use crate::header::Header;
use crate::hotstuff::Proposal;
use crate::snapshot::Snapshot;
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
        let state = self.final_state()?;
        Some(archive(&Image { proposal, state, epochs: self.encoded_epochs() }))
    }

    pub(super) fn encoded_epochs(&self) -> Vec<Vec<u8>> {
        self.epochs().proofs().iter().map(EpochProof::encode).collect()
    }
}

impl Recovery {
    /// Begins at a checkpoint. The records of the log from the place that was noted with it on follow.
    ///
    /// # Errors
    /// If the bytes are no checkpoint of this ledger, or its state is not the one its header names.
    pub fn from_checkpoint(config: ReplicaConfig, bytes: &[u8]) -> Result<Self, RecoveryError> {
        let Image { proposal, state, epochs } = unarchive(bytes).map_err(unreadable)?;
        let mut recovery = Self::new(config);
        recovery.begin_at(proposal, &state, &epochs)?;
        Ok(recovery)
    }

    /// Begins at a snapshot that this validator keeps. The records of the log from the place that was noted with it on follow.
    ///
    /// # Errors
    /// As [`Recovery::from_checkpoint`]. Whether its header is final was checked when it was taken or fetched.
    pub fn from_snapshot(config: ReplicaConfig, snapshot: &Snapshot) -> Result<Self, RecoveryError> {
        let mut recovery = Self::new(config);
        let manifest = &snapshot.manifest;
        recovery.begin_at(manifest.proposal.clone(), &snapshot.state, &manifest.epochs)?;
        Ok(recovery)
    }

    /// Begins at a snapshot for somebody who believes nothing, as [`Recovery::audit`] does at genesis.
    ///
    /// # Errors
    /// If the snapshot does not hold.
    pub fn audit_from(genesis: Genesis, snapshot: &Snapshot) -> Result<Self, RecoveryError> {
        let manifest = &snapshot.manifest;
        manifest.verify(&genesis).map_err(|_| RecoveryError::Checkpoint("its header is not proven"))?;
        let mut recovery = Self::audit(genesis);
        recovery.begin_at(manifest.proposal.clone(), &snapshot.state, &manifest.epochs)?;
        Ok(recovery)
    }

    fn begin_at(&mut self, proposal: Proposal, state: &[u8], epochs: &[Vec<u8>]) -> Result<(), RecoveryError> {
        let replica = self.replica_mut();
        let header = proposal.header.clone();
        if header.chain != replica.chain {
            return Err(RecoveryError::Checkpoint("it is of another ledger"));
        }
        let mut state = State::restore(&replica.config.genesis, state)
            .map_err(|_| RecoveryError::Checkpoint("its state cannot be read"))?;
        let checkpoint = header.flags & Header::CHECKPOINT != 0;
        if state.state_root() != header.state_root || (checkpoint && state.snapshot_root() != header.snapshot_root) {
            return Err(RecoveryError::Checkpoint("its state is not the one its header names"));
        }
        state.forget(state.mark());
        for proof in epochs {
            let added = replica.passage.epochs.extend(EpochProof::decode(proof).map_err(unreadable)?);
            added.map_err(|_| RecoveryError::Checkpoint("it does not prove who the validators are"))?;
        }
        if state.epoch() != (replica.epoch(), replica.set()) {
            return Err(RecoveryError::Checkpoint("its state has other validators than it proves"));
        }
        replica.state = state;
        replica.tail = Tail::new(header.log_end(), header.time_ms, header.state_root);
        replica.final_header = header;
        replica.final_proposal = Some(proposal);
        self.begins_late();
        Ok(())
    }
}

fn unreadable(_: BytesError) -> RecoveryError {
    RecoveryError::Checkpoint("it cannot be read")
}
