//! Beginning again from what is on disk: genesis or a checkpoint, then the log.

use std::collections::VecDeque;

use crate::crypto::SecretKey;
use crate::defects::{Defect, omits};
use crate::entry::Entry;
use crate::epoch::{Epochs, verify_finality};
use crate::genesis::{FIRST_EPOCH, Genesis};
use crate::header::{Header, LogPoint};
use crate::hotstuff::{Core, CoreConfig, Proposal, QuorumCert, SafetyRecord, Timing, Verdict, WallTime};
use crate::state::State;

use super::branches::Branches;
use super::epochs::Passage;
use super::messages::{PlacedEntry, after};
use super::pool::Pool;
use super::tail::Tail;
use super::{Effect, FinalProof, LogRecord, Replica};

/// What a replica is made from.
#[derive(Clone, Debug)]
pub struct ReplicaConfig {
    /// The ledger.
    pub genesis: Genesis,
    /// Its keys. In each epoch it signs with the one that the set names; if none is, it follows and signs nothing.
    pub keys: Vec<SecretKey>,
    /// The pacemaker's durations.
    pub timing: Timing,
}

/// Why the log on disk does not make a replica.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryError {
    /// An entry that cannot be read.
    #[error("the log holds an entry at {0} that cannot be read")]
    Entry(u64),
    /// A bundle whose signature is not its signer's.
    #[error("the bundle at {0} is not signed by the key it names")]
    Signature(u64),
    /// A header that its leader did not sign, or that no quorum stands behind.
    #[error("header {0} is not certified as it should be")]
    Certificate(u64),
    /// Own execution gives something else than what was made final.
    #[error("re-executing header {0} gives other results than those that were made final")]
    Differs(u64),
    /// A header is said to be final that is not in the log.
    #[error("header {0} is said to be final, and is not in the log")]
    Unknown(u64),
    /// The log was taken back to a place that it never reached.
    #[error("the log goes back to {0}, where it never was")]
    Truncated(u64),
    /// The log goes on from a snapshot that whoever replays it has not begun at.
    #[error("the log goes on from the snapshot of header {0}, which is not here")]
    Gap(u64),
    /// A checkpoint that is not one of this ledger.
    #[error("the checkpoint cannot be used: {0}")]
    Checkpoint(&'static str),
}

/// A replica in the making: feed it the log's records, then [`Recovery::finish`].
#[derive(Debug)]
pub struct Recovery {
    replica: Replica,
    /// Entries behind what is executed. A validator logs them as they stream in, before the header that ends among them: executed
    /// at once, they would have to be undone and executed again for the roots at its end.
    ahead: VecDeque<PlacedEntry>,
    /// Proposals that are not final, in the order of the log.
    kept: Vec<Proposal>,
    /// Whether nothing is believed, not even that signatures were checked before they were written.
    strict: bool,
    /// Whether it began at a checkpoint: the log may begin with what was given up before it.
    late: bool,
    /// Whether the log goes on from a snapshot that is not here: of what follows only that counts which continues what is executed.
    gap: bool,
}

impl Recovery {
    /// Begins at genesis.
    pub fn new(config: ReplicaConfig) -> Self {
        Self::begin(config, false)
    }

    /// Begins at genesis for somebody who is no validator and believes nothing: every signature is checked again. What comes out
    /// is only to be looked at.
    pub fn audit(genesis: Genesis) -> Self {
        Self::begin(ReplicaConfig { genesis, keys: Vec::new(), timing: Timing::default() }, true)
    }

    fn begin(config: ReplicaConfig, strict: bool) -> Self {
        let mut state = State::genesis(&config.genesis);
        let root = config.genesis.root_header(state.state_root());
        let (epochs, seat) = (Epochs::new(&config.genesis), config.seat(&config.genesis.validators));
        let core = Core::new(
            CoreConfig {
                set: config.genesis.validators.clone(),
                me: seat.me,
                key: seat.key.clone(),
                epoch: FIRST_EPOCH,
                root: root.clone(),
                timing: config.timing,
            },
            None,
            None,
            Vec::new(),
        );
        let replica = Replica {
            chain: config.genesis.chain_id(),
            core,
            passage: Passage::new(epochs),
            seat,
            tail: Tail::new(root.log_end(), root.time_ms, root.state_root),
            state,
            branches: Branches::default(),
            pool: Pool::default(),
            final_header: root.clone(),
            final_proposal: None,
            recent_final: Default::default(),
            snapshot_roots: Default::default(),
            snapshots: Default::default(),
            join: Default::default(),
            to_finalize: Default::default(),
            lead: None,
            checks: Default::default(),
            cuts: Default::default(),
            awaited: Default::default(),
            early: Default::default(),
            sync: None,
            followed: None,
            strays: 0,
            chunks: Default::default(),
            faulty_view: None,
            disputed: Default::default(),
            evidence: Default::default(),
            serving: Default::default(),
            asked_history: Default::default(),
            certified: Default::default(),
            waiting_told: false,
            stranded_at: None,
            core_wake: None,
            wake_told: None,
            now: WallTime(0),
            halted: false,
            genesis_root: root,
            config,
        };
        Self { replica, ahead: VecDeque::new(), kept: Vec::new(), strict, late: false, gap: false }
    }

    /// Takes in the next record of the log. What it made final comes back, to be indexed again if need be.
    pub fn replay(&mut self, record: LogRecord) -> Result<Vec<Effect>, RecoveryError> {
        match record {
            LogRecord::Entry { start_seq, before, entry } => {
                self.replay_entry(LogPoint { seq: start_seq, digest: before }, &entry)?;
            }
            LogRecord::Truncate { to_seq } => {
                // After a checkpoint the log may begin with what was given up before it: nothing of that is executed.
                if to_seq > self.end().seq && (self.late || !self.strict) {
                    return Ok(Vec::new());
                }
                self.take_back(to_seq)?;
            }
            LogRecord::Proposal(proposal) => self.keep(*proposal),
            LogRecord::Final { height, .. } if self.gap && height != self.replica.final_header.height + 1 => {
                self.kept.retain(|kept| kept.header.height > height);
            }
            LogRecord::Final { height, hash, proof, .. } => return self.replay_final(height, hash, proof),
            LogRecord::Snapshot(place) => self.replay_snapshot(place.proposal.header.height)?,
            LogRecord::Evidence(bytes) => self.replica.recall_evidence(&bytes),
        }
        Ok(Vec::new())
    }

    fn replay_entry(&mut self, start: LogPoint, bytes: &[u8]) -> Result<(), RecoveryError> {
        // Only an entry that continues the executed log counts; any other lies on a branch that was given up.
        if self.end() != start {
            return Ok(());
        }
        let unreadable = RecoveryError::Entry(start.seq + 1);
        let entry = Entry::decode_unverified(bytes).map_err(|_| unreadable.clone())?;
        let entry = if self.strict {
            entry.verify().map_err(|_| RecoveryError::Signature(start.seq + 1))?
        } else {
            // The log's own chain of hashes was checked when it was opened, and the signatures before it was written.
            entry.trust()
        };
        let end = after(start, &entry).ok_or(unreadable)?;
        self.ahead.push_back(PlacedEntry { start, end, entry });
        Ok(())
    }

    /// Where the log ends that was read so far.
    fn end(&self) -> LogPoint {
        self.ahead.back().map_or(self.replica.tail.end(), |last| last.end)
    }

    fn take_back(&mut self, to_seq: u64) -> Result<(), RecoveryError> {
        while let Some(last) = self.ahead.pop_back_if(|last| last.end.seq > to_seq) {
            self.replica.branches.insert(last);
        }
        if self.end().seq == to_seq {
            return Ok(());
        }
        let to_seq = to_seq.max(self.replica.tail.base().seq);
        let point = self.replica.tail.point_at(to_seq).ok_or(RecoveryError::Truncated(to_seq))?;
        self.replica.rewind_known(point);
        Ok(())
    }

    /// Executes what was read up to a place, if that lies among it.
    fn execute_to(&mut self, place: LogPoint) {
        let count = self.ahead.partition_point(|placed| placed.end.seq <= place.seq);
        if count > 0 && self.ahead[count - 1].end == place {
            self.ahead.drain(..count).for_each(|placed| self.replica.execute_known(placed));
        }
    }

    /// The snapshot itself is kept apart from the log. If it is lost, the validator stands where it stood before and fetches another.
    fn replay_snapshot(&mut self, height: u64) -> Result<(), RecoveryError> {
        self.gap |= height > self.replica.final_header.height;
        if self.gap && self.strict { Err(RecoveryError::Gap(height)) } else { Ok(()) }
    }

    /// The log does not reach back to where this began, because older segments were removed.
    pub fn begins_in_a_gap(&mut self) {
        self.gap = true;
    }

    /// Whether a stretch of the ledger is not in the log.
    pub fn has_gap(&self) -> bool {
        self.gap
    }

    fn keep(&mut self, proposal: Proposal) {
        if proposal.header.height > self.replica.final_header.height {
            let end = proposal.header.log_end();
            self.replica.expect_ends(core::iter::once(&proposal.header));
            self.execute_to(end);
            self.replica.cut_at(end);
            self.kept.push(proposal);
        }
    }

    fn replay_final(
        &mut self,
        height: u64,
        hash: crate::crypto::Hash,
        proof: Option<Box<FinalProof>>,
    ) -> Result<Vec<Effect>, RecoveryError> {
        if height <= self.replica.final_header.height {
            return Ok(Vec::new());
        }
        let place = self.kept.iter().position(|kept| kept.header.height == height && kept.header.hash() == hash);
        if let Some(place) = place {
            // A header may have been kept before its log was here.
            self.execute_to(self.kept[place].header.log_end());
        }
        let continues = |place: usize| {
            let header = &self.kept[place].header;
            header.parent == self.replica.final_header.hash() && self.replica.tail.contains(header.log_end())
        };
        if self.gap && !place.is_some_and(continues) {
            return Ok(Vec::new());
        }
        let proposal = self.kept.get(place.ok_or(RecoveryError::Unknown(height))?).cloned();
        let proposal = proposal.ok_or(RecoveryError::Unknown(height))?;
        if self.strict {
            self.check_certificates(&proposal, proof.as_deref())?;
        }
        if proposal.header.ends_epoch() && proof.is_none() {
            return Err(RecoveryError::Certificate(height));
        }
        let mut effects = Vec::new();
        let parent_end = self.replica.final_header.log_end();
        if self.replica.verdict(&proposal.header, parent_end, &mut effects) == Verdict::Differs {
            return Err(RecoveryError::Differs(height));
        }
        self.replica.finalize_known(proposal, hash, proof, &mut effects);
        self.kept.retain(|kept| kept.header.height > height);
        effects.retain(|effect| matches!(effect, Effect::Final(_)));
        Ok(effects)
    }

    /// A final header must be signed by its leader and build on a certified one, and what made it final must be certified.
    fn check_certificates(&self, proposal: &Proposal, proof: Option<&FinalProof>) -> Result<(), RecoveryError> {
        let (chain, epoch, set) = (self.replica.chain, self.replica.epoch(), self.replica.set());
        let height = proposal.header.height;
        let (before, header) = (&self.replica.final_header, &proposal.header);
        // The first header of an epoch builds on its root, which is certified by its rank alone.
        let root = QuorumCert::root(epoch, before);
        let is_first = before.epoch != epoch || before.height == 0;
        let parent = if is_first { root.header } else { before.reference() };
        let linked = proposal.header.parent == parent.hash && proposal.justify.header == parent;
        let proven = proof.is_none_or(|proof| {
            let headers: Vec<Header> = core::iter::once(header).chain(&proof.via).cloned().collect();
            verify_finality(&headers, &proof.child, &proof.qc, chain, epoch, set).is_ok()
        });
        let certified = if is_first { proposal.justify == root } else { proposal.justify.verify(chain, set).is_ok() };
        if header.epoch == epoch && linked && certified && proven && proposal.verify(set) {
            Ok(())
        } else {
            Err(RecoveryError::Certificate(height))
        }
    }

    /// What was executed so far: up to the last header that was read, or further.
    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    pub(super) fn begins_late(&mut self) {
        self.late = true;
    }

    pub(super) fn replica_mut(&mut self) -> &mut Replica {
        &mut self.replica
    }

    /// The log is at its end, and the safety record is lost: what comes out follows and serves, but signs nothing until an epoch begins
    /// that it can enter (CONSENSUS section 3, record).
    pub fn finish_muted(mut self) -> Replica {
        if !omits(Defect::SignsWithoutRecord) {
            self.replica.mute();
        }
        self.finish(None)
    }

    /// The log is at its end: gives consensus its record back.
    pub fn finish(mut self, record: Option<SafetyRecord>) -> Replica {
        self.ahead.drain(..).for_each(|placed| self.replica.execute_known(placed));
        self.replica.settle_epoch();
        self.replica.make_core(record, self.kept);
        self.replica
    }
}
