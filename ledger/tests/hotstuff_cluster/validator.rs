//! One validator: a core, a disk that loses what was not flushed, and the log it has.

use std::collections::{BTreeMap, BTreeSet};

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::header::{HeaderRef, Rank};
use gridbook_ledger::hotstuff::{ConsensusMessage, Core, Proposal, SafetyRecord, WallTime};

use crate::ring::Ring;

#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) record: Option<SafetyRecord>,
    pub(crate) kept: Vec<Proposal>,
    pub(crate) last_final: Option<Proposal>,
    pub(crate) has: BTreeSet<Hash>,
}

/// What it ever said aloud; a crash does not take that back.
#[derive(Default)]
pub(crate) struct Said {
    votes: BTreeMap<Rank, Hash>,
    timeouts: BTreeMap<u64, (Rank, Option<HeaderRef>)>,
    proposals: BTreeMap<Rank, Hash>,
}

pub(crate) struct Validator {
    pub(crate) core: Core,
    pub(crate) disk: Disk,
    pub(crate) alive: bool,
    /// Counts lives, so that answers to questions of an earlier life are lost.
    pub(crate) life: u64,
    pub(crate) wake_at: Option<WallTime>,
    pub(crate) waiting: bool,
    pub(crate) has: BTreeSet<Hash>,
    pub(crate) build: Option<OpenBuild>,
    pub(crate) final_height: u64,
    pub(crate) said: Said,
    kept: Vec<Proposal>,
    last_final: Option<Proposal>,
}

#[derive(Clone)]
pub(crate) struct OpenBuild {
    pub(crate) rank: Rank,
    pub(crate) parent: gridbook_ledger::header::Header,
    pub(crate) carry: Option<gridbook_ledger::header::LogPoint>,
    pub(crate) tail: bool,
}

impl Validator {
    pub(crate) fn new(ring: &Ring, me: usize) -> Self {
        Self {
            core: Core::new(ring.config(me), None, None, Vec::new()),
            disk: Disk::default(),
            alive: true,
            life: 0,
            wake_at: None,
            waiting: false,
            has: BTreeSet::new(),
            build: None,
            final_height: 0,
            said: Said::default(),
            kept: Vec::new(),
            last_final: None,
        }
    }

    pub(crate) fn keep(&mut self, proposal: Proposal) {
        self.kept.push(proposal);
    }

    /// The log first, then the record.
    pub(crate) fn flush(&mut self, record: SafetyRecord) {
        self.disk.has = self.has.clone();
        self.disk.kept = self.kept.clone();
        self.disk.last_final = self.last_final.clone();
        self.disk.record = Some(record);
    }

    pub(crate) fn finalise(&mut self, proposal: &Proposal) {
        assert_eq!(proposal.header.height, self.final_height + 1, "finals come oldest first, each once");
        self.final_height = proposal.header.height;
        self.last_final = Some(proposal.clone());
        let height = self.final_height;
        self.kept.retain(|p| p.header.height > height);
    }

    pub(crate) fn crash(&mut self) {
        self.alive = false;
        self.life += 1;
        self.wake_at = None;
        self.build = None;
        self.waiting = false;
    }

    pub(crate) fn restart(&mut self, ring: &Ring, me: usize) {
        self.alive = true;
        self.has = self.disk.has.clone();
        self.kept = self.disk.kept.clone();
        self.last_final = self.disk.last_final.clone();
        self.final_height = self.last_final.as_ref().map_or(0, |p| p.header.height);
        self.core =
            Core::new(ring.config(me), self.disk.record.clone(), self.last_final.clone(), self.disk.kept.clone());
    }

    /// What must hold of every word an honest validator gives.
    pub(crate) fn say(&mut self, message: &ConsensusMessage) {
        let record = self.disk.record.as_ref();
        let on_disk = |hash: Hash, disk: &Disk, core: &Core| {
            let kept = disk.kept.iter().chain(&disk.last_final).any(|p| p.header.hash() == hash);
            kept || core.proposal(hash).is_none_or(|p| p.header.height <= core.final_header().height)
        };
        match message {
            ConsensusMessage::Vote(vote) => {
                let record = record.expect("no vote without a record");
                assert!(
                    record.last_voted.is_some_and(|v| v.rank >= vote.header.rank),
                    "a vote is on disk before it is sent"
                );
                assert!(on_disk(vote.header.hash, &self.disk, &self.core), "so is its header");
                let new = self.said.votes.insert(vote.header.rank, vote.header.hash);
                assert!(new.is_none_or(|h| h == vote.header.hash), "two votes at {:?}", vote.header.rank);
                let highest_timeout = self.said.timeouts.keys().next_back().copied().unwrap_or(0);
                assert!(new.is_some() || vote.header.rank.view > highest_timeout, "a vote after a timeout");
            }
            ConsensusMessage::Timeout(timeout) => {
                assert!(
                    record.is_some_and(|r| r.timeout_view >= timeout.view),
                    "a timeout is on disk before it is sent"
                );
                let tip_is_here = timeout.tip.is_none_or(|t| on_disk(t.hash, &self.disk, &self.core));
                assert!(tip_is_here, "a tip is reported whose header is not on disk");
                let said = (timeout.high_qc.header.rank, timeout.tip);
                let old = self.said.timeouts.insert(timeout.view, said);
                assert!(old.is_none_or(|o| o == said), "two timeouts of view {}", timeout.view);
            }
            ConsensusMessage::Proposal(proposal) if proposal.header.proposer.0 == self.index_in(proposal) => {
                let (rank, hash) = (proposal.header.rank, proposal.header.hash());
                assert!(record.is_some_and(|r| r.led >= rank), "led is on disk before a proposal is sent");
                let old = self.said.proposals.insert(rank, hash);
                assert!(old.is_none_or(|h| h == hash), "two proposals at {rank:?}");
            }
            _ => {}
        }
    }

    /// Proposals of others are passed on only as evidence; those say nothing about this validator.
    fn index_in(&self, proposal: &Proposal) -> u16 {
        let mine = self.core.record().led >= proposal.header.rank && self.core.leader() == proposal.header.proposer;
        if mine && self.core.is_leader() { proposal.header.proposer.0 } else { u16::MAX }
    }
}
