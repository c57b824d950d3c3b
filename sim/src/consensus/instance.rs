//! One running validator: a core, a disk that loses what was not flushed, and the log it has.

use std::collections::{BTreeMap, BTreeSet};

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::defects::{Defect, omits};
use gridbook_ledger::header::{Header, HeaderRef, LogPoint, Rank};
use gridbook_ledger::hotstuff::{ConsensusMessage, Core, Proposal, SafetyRecord, WallTime};

use super::ring::Ring;
use super::toy_log::Universe;
use super::violation::Violation;

/// A validator as a process: what is lost in a crash and what is not.
#[derive(Debug)]
pub(crate) struct Instance {
    /// Its place in the set. Two instances with one place are twins.
    pub(crate) place: usize,
    pub(crate) core: Core,
    pub(crate) alive: bool,
    /// Counts lives, so that answers to questions of an earlier life are lost.
    pub(crate) life: u64,
    pub(crate) wake_at: Option<WallTime>,
    pub(crate) waiting: bool,
    pub(crate) build: Option<OpenBuild>,
    pub(crate) final_height: u64,
    pub(crate) final_commands: BTreeSet<u64>,
    pub(crate) has: BTreeSet<Hash>,
    /// The same in the order it came, as it lies in the log's file; so much of it survives a crash.
    log: Written<Hash>,
    kept: Written<(Hash, Proposal)>,
    finals: Written<(Hash, Proposal)>,
    record: Option<SafetyRecord>,
    /// The record that the disk has not synced yet: only where the driver does not wait for it.
    unsynced: Option<SafetyRecord>,
    said: Said,
}

/// What the leader is asked to propose.
#[derive(Clone, Debug)]
pub(crate) struct OpenBuild {
    pub(crate) rank: Rank,
    pub(crate) parent: Header,
    pub(crate) carry: Option<LogPoint>,
    pub(crate) tail: bool,
}

/// What it ever said aloud; a crash does not take that back.
#[derive(Debug, Default)]
struct Said {
    votes: BTreeMap<Rank, Hash>,
    timeouts: BTreeMap<u64, (Rank, Option<HeaderRef>)>,
    proposals: BTreeMap<Rank, Hash>,
}

/// A file that only grows.
#[derive(Debug)]
struct Written<T> {
    items: Vec<T>,
    synced: usize,
}

impl<T> Default for Written<T> {
    fn default() -> Self {
        Self { items: Vec::new(), synced: 0 }
    }
}

impl<T> Written<T> {
    fn sync(&mut self) {
        self.synced = self.items.len();
    }

    fn crash(&mut self) {
        self.items.truncate(self.synced);
    }
}

impl Instance {
    pub(crate) fn new(ring: &Ring, place: usize) -> Self {
        Self {
            place,
            core: Core::new(ring.config(place), None, None, Vec::new()),
            alive: true,
            life: 0,
            wake_at: None,
            waiting: false,
            build: None,
            final_height: 0,
            final_commands: BTreeSet::new(),
            has: BTreeSet::new(),
            log: Written::default(),
            kept: Written::default(),
            finals: Written::default(),
            record: None,
            unsynced: None,
            said: Said::default(),
        }
    }

    /// Adds an entry to the log that is here; false if it was here.
    pub(crate) fn take_in(&mut self, digest: Hash) -> bool {
        let is_new = self.has.insert(digest);
        if is_new {
            self.log.items.push(digest);
        }
        is_new
    }

    pub(crate) fn keep(&mut self, proposal: Proposal) {
        self.kept.items.push((proposal.header.hash(), proposal));
    }

    /// The log first, then the record.
    pub(crate) fn persist(&mut self, record: SafetyRecord) {
        if omits(Defect::SendBeforeSync) {
            self.unsynced = Some(record);
            return;
        }
        if !omits(Defect::RecordBeforeLog) {
            self.sync_log();
        }
        self.record = Some(record);
    }

    /// The disk catches up with what it was given.
    pub(crate) fn sync(&mut self) {
        self.sync_log();
        self.record = self.unsynced.take().or(self.record.take());
    }

    fn sync_log(&mut self) {
        self.log.sync();
        self.kept.sync();
        self.finals.sync();
    }

    pub(crate) fn finalise(&mut self, hash: Hash, proposal: &Proposal, universe: &Universe) -> Result<(), Violation> {
        let (height, next) = (proposal.header.height, self.final_height + 1);
        if height != next {
            return Err(Violation::Order { height, next });
        }
        let log = universe.back_to(proposal.header.log_end(), proposal.header.first_seq.saturating_sub(1));
        // A log that is not here yet is pulled by the replica before it tells clients.
        for (digest, entry) in log.unwrap_or_default() {
            self.take_in(digest);
            self.final_commands.insert(entry.command);
        }
        self.final_height = height;
        self.finals.items.push((hash, proposal.clone()));
        Ok(())
    }

    /// The power goes. `loses_record` if the disk comes back without a readable safety record.
    pub(crate) fn crash(&mut self, loses_record: bool) {
        self.alive = false;
        self.life += 1;
        self.wake_at = None;
        self.build = None;
        self.waiting = false;
        self.unsynced = None;
        self.log.crash();
        self.kept.crash();
        self.finals.crash();
        if loses_record {
            self.record = None;
        }
    }

    pub(crate) fn has_record(&self) -> bool {
        self.record.is_some()
    }

    pub(crate) fn restart(&mut self, ring: &Ring, universe: &Universe) {
        self.alive = true;
        self.has = self.log.items.iter().copied().collect();
        let last_final = self.finals.items.last().map(|(_, proposal)| proposal.clone());
        self.final_height = last_final.as_ref().map_or(0, |p| p.header.height);
        let end = last_final.as_ref().map_or_else(LogPoint::default, |p| p.header.log_end());
        self.final_commands = universe.commands(end);
        let kept =
            self.kept.items.iter().map(|(_, p)| p).filter(|p| p.header.height > self.final_height).cloned().collect();
        self.core = Core::new(ring.config(self.place), self.record.clone(), last_final, kept);
    }

    /// What must hold of every word an honest validator gives.
    pub(crate) fn say(&mut self, message: &ConsensusMessage) -> Result<(), Violation> {
        match message {
            ConsensusMessage::Vote(vote) => self.say_vote(vote.header),
            ConsensusMessage::Timeout(timeout) => {
                self.say_timeout(timeout.view, timeout.high_qc.header.rank, timeout.tip)
            }
            ConsensusMessage::Proposal(p) if usize::from(p.header.proposer.0) == self.place => {
                self.say_proposal(p.header.reference())
            }
            _ => Ok(()),
        }
    }

    fn say_vote(&mut self, header: HeaderRef) -> Result<(), Violation> {
        let recorded = self.recorded().and_then(|r| r.last_voted).is_some_and(|v| v.rank >= header.rank);
        must(recorded, "a vote is sent that is not on disk")?;
        must(self.is_on_disk(header.hash), "a vote is sent for a header that is not on disk")?;
        let old = self.said.votes.insert(header.rank, header.hash);
        must(old.is_none_or(|hash| hash == header.hash), "two votes at one rank")?;
        let highest_timeout = self.said.timeouts.keys().next_back().copied().unwrap_or(0);
        must(old.is_some() || header.rank.view > highest_timeout, "a vote in a view that it gave up")?;
        let highest_vote = self.said.votes.keys().next_back().copied().unwrap_or_default();
        must(old.is_some() || header.rank >= highest_vote, "a vote below one given before")
    }

    fn say_timeout(&mut self, view: u64, high: Rank, tip: Option<HeaderRef>) -> Result<(), Violation> {
        must(self.recorded().is_some_and(|r| r.timeout_view >= view), "a timeout is sent that is not on disk")?;
        must(tip.is_none_or(|t| self.is_on_disk(t.hash)), "a tip is reported that is not on disk")?;
        let voted = self.said.votes.last_key_value().map(|(rank, hash)| (*rank, *hash));
        let truthful = voted.is_none_or(|(rank, _)| tip.is_some_and(|t| t.rank >= rank) || view <= rank.view);
        must(truthful, "a timeout hides the last vote")?;
        let old = self.said.timeouts.insert(view, (high, tip));
        must(old.is_none_or(|old| old == (high, tip)), "two timeouts of one view")
    }

    fn say_proposal(&mut self, header: HeaderRef) -> Result<(), Violation> {
        // An equivocation of a twin that is passed on as evidence is its own proposal too: only the first is a word.
        let recorded = self.recorded().is_some_and(|r| r.led >= header.rank);
        must(recorded, "a proposal is sent that is not on disk as led")?;
        let old = self.said.proposals.insert(header.rank, header.hash);
        must(old.is_none_or(|hash| hash == header.hash), "two proposals at one rank")
    }

    /// What the driver takes for durable.
    fn recorded(&self) -> Option<&SafetyRecord> {
        self.unsynced.as_ref().or(self.record.as_ref())
    }

    fn is_on_disk(&self, hash: Hash) -> bool {
        let given = self.kept.items.iter().chain(&self.finals.items).any(|(kept, _)| *kept == hash);
        given || self.core.proposal(hash).is_none_or(|p| p.header.height <= self.core.final_header().height)
    }
}

fn must(holds: bool, what: &'static str) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation::Word(what)) }
}
