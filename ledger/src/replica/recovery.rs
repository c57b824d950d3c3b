//! Beginning again from what is on disk: genesis or a checkpoint, then the log.

use crate::crypto::SecretKey;
use crate::entry::Entry;
use crate::genesis::Genesis;
use crate::header::LogPoint;
use crate::hotstuff::{Core, CoreConfig, Proposal, SafetyRecord, Timing, Verdict, WallTime};
use crate::state::State;
use crate::validators::ValidatorIndex;

use super::branches::Branches;
use super::messages::{PlacedEntry, after};
use super::pool::Pool;
use super::tail::Tail;
use super::{Effect, LogRecord, Replica};

/// What a replica is made from.
#[derive(Clone, Debug)]
pub struct ReplicaConfig {
    /// The ledger.
    pub genesis: Genesis,
    /// Which validator this is.
    pub me: ValidatorIndex,
    /// Its key.
    pub key: SecretKey,
    /// The pacemaker's durations.
    pub timing: Timing,
}

/// Why the log on disk does not make a replica.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryError {
    /// An entry that cannot be read.
    #[error("the log holds an entry at {0} that cannot be read")]
    Entry(u64),
    /// Own execution gives something else than what was made final.
    #[error("re-executing header {0} gives other results than those that were made final")]
    Differs(u64),
    /// A header is said to be final that is not in the log.
    #[error("header {0} is said to be final, and is not in the log")]
    Unknown(u64),
    /// The log was taken back behind something final.
    #[error("the log goes back to {0}, behind what was final")]
    Truncated(u64),
    /// The key is not that of the validator.
    #[error("the key given is not that of validator {0}")]
    Key(u16),
}

/// A replica in the making: feed it the log's records, then [`Recovery::finish`].
#[derive(Debug)]
pub struct Recovery {
    replica: Replica,
    /// Proposals that are not final, in the order of the log.
    kept: Vec<Proposal>,
    last_final: Option<Proposal>,
}

impl Recovery {
    /// Begins at genesis.
    pub fn new(config: ReplicaConfig) -> Result<Self, RecoveryError> {
        if config.genesis.validators.key(config.me) != Some(&config.key.public()) {
            return Err(RecoveryError::Key(config.me.0));
        }
        let mut state = State::genesis(&config.genesis);
        let root = config.genesis.root_header(state.state_root());
        let core = Self::core(&config, &root, None, None, Vec::new());
        let replica = Replica {
            chain: config.genesis.chain_id(),
            core,
            tail: Tail::new(root.log_end(), root.time_ms, root.state_root),
            state,
            branches: Branches::default(),
            pool: Pool::default(),
            final_header: root.clone(),
            to_finalize: Default::default(),
            lead: None,
            checks: Default::default(),
            awaited: Default::default(),
            early: Default::default(),
            sync: None,
            waiting_told: false,
            core_wake: None,
            wake_told: None,
            now: WallTime(0),
            halted: false,
            root,
            config,
        };
        Ok(Self { replica, kept: Vec::new(), last_final: None })
    }

    fn core(
        config: &ReplicaConfig,
        root: &crate::header::Header,
        record: Option<SafetyRecord>,
        last_final: Option<Proposal>,
        kept: Vec<Proposal>,
    ) -> Core {
        let config = CoreConfig {
            set: config.genesis.validators.clone(),
            me: config.me,
            key: config.key.clone(),
            root: root.clone(),
            timing: config.timing,
        };
        Core::new(config, record, last_final, kept)
    }

    /// Takes in the next record of the log. What it made final comes back, to be indexed again if need be.
    pub fn replay(&mut self, record: LogRecord) -> Result<Vec<Effect>, RecoveryError> {
        match record {
            LogRecord::Entry { start_seq, before, entry } => {
                self.replay_entry(LogPoint { seq: start_seq, digest: before }, &entry)?;
            }
            LogRecord::Truncate { to_seq } => {
                let point = self.replica.tail.point_at(to_seq).ok_or(RecoveryError::Truncated(to_seq))?;
                self.replica.rewind_known(point);
            }
            LogRecord::Proposal(proposal) => self.keep(*proposal),
            LogRecord::Final { height, hash, proof } => return self.replay_final(height, hash, proof),
        }
        Ok(Vec::new())
    }

    fn replay_entry(&mut self, start: LogPoint, bytes: &[u8]) -> Result<(), RecoveryError> {
        // Only an entry that continues the executed log counts; any other lies on a branch that was given up.
        if self.replica.tail.end() != start {
            return Ok(());
        }
        let unreadable = RecoveryError::Entry(start.seq + 1);
        // The log's own chain of hashes was checked when it was opened, and the signatures before it was written.
        let entry = Entry::decode_unverified(bytes).map_err(|_| unreadable.clone())?.trust();
        let end = after(start, &entry).ok_or(unreadable)?;
        self.replica.execute_known(PlacedEntry { start, end, entry });
        Ok(())
    }

    fn keep(&mut self, proposal: Proposal) {
        if proposal.header.height > self.replica.final_header.height {
            self.replica.cut_at(proposal.header.log_end());
            self.kept.push(proposal);
        }
    }

    fn replay_final(
        &mut self,
        height: u64,
        hash: crate::crypto::Hash,
        proof: Option<Box<super::FinalProof>>,
    ) -> Result<Vec<Effect>, RecoveryError> {
        if height <= self.replica.final_header.height {
            return Ok(Vec::new());
        }
        let place = self.kept.iter().position(|kept| kept.header.height == height && kept.header.hash() == hash);
        let proposal = self.kept.get(place.ok_or(RecoveryError::Unknown(height))?).cloned();
        let proposal = proposal.ok_or(RecoveryError::Unknown(height))?;
        let mut effects = Vec::new();
        let parent_end = self.replica.final_header.log_end();
        if self.replica.verdict(&proposal.header, parent_end, &mut effects) == Verdict::Differs {
            return Err(RecoveryError::Differs(height));
        }
        self.replica.finalize_known(proposal.clone(), hash, proof, &mut effects);
        self.last_final = Some(proposal);
        self.kept.retain(|kept| kept.header.height > height);
        effects.retain(|effect| matches!(effect, Effect::Final(_)));
        Ok(effects)
    }

    /// What was executed so far.
    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    /// The log is at its end: gives consensus its record back.
    pub fn finish(mut self, record: Option<SafetyRecord>) -> Replica {
        let replica = &mut self.replica;
        replica.core = Self::core(&replica.config, &replica.root, record, self.last_final, self.kept);
        self.replica
    }
}
