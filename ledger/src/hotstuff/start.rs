//! Coming up (CONSENSUS section 3, restart).

use std::collections::{BTreeSet, VecDeque};

use super::boundary::{CoreConfig, Effect, Recipient, SafetyRecord, WallTime};
use super::certificate::Verifier;
use super::core::Core;
use super::idle::IdleWord;
use super::messages::{ConsensusMessage, Proposal, QuorumCert, Timeout, Vote};
use super::pacemaker::Pacemaker;
use super::requests::Requests;
use super::sayings::Sayings;
use super::timeouts::TimeoutBox;
use super::tree::HeaderTree;
use crate::crypto::Hash;
use crate::defects::{Defect, omits};
use crate::header::{Header, Rank};

impl SafetyRecord {
    /// The record of a validator that never signed in this epoch.
    pub fn empty(root: QuorumCert) -> Self {
        Self {
            epoch: root.epoch,
            last_voted: None,
            last_vote: Vec::new(),
            timeout_view: 0,
            last_timeout: Vec::new(),
            high_qc: root,
            high_tc: None,
            led: Rank::default(),
        }
    }
}

impl Core {
    pub(super) fn resume(
        config: CoreConfig,
        record: Option<SafetyRecord>,
        last_final: Option<Proposal>,
        kept: Vec<Proposal>,
    ) -> Self {
        let CoreConfig { set, me, key, epoch, root, timing } = config;
        let fresh = record.is_none();
        let root_qc = QuorumCert::root(epoch, &root);
        let mut record = record.unwrap_or_else(|| SafetyRecord::empty(root_qc.clone()));
        assert_eq!(record.epoch, epoch, "a record is used only in its own epoch");
        let root_reference = root_qc.header;
        let mut certs = Verifier::new(root.chain, root_qc, set.clone());
        let mut tree = match &last_final {
            Some(proposal) => HeaderTree::new(proposal.header.clone(), proposal.header.hash()),
            None => HeaderTree::new(as_root(epoch, &root), root_reference.hash),
        };
        for proposal in last_final.iter().chain(&kept) {
            certs.trust_qc(&proposal.justify);
            if proposal.justify.rank() > record.high_qc.rank() {
                record.high_qc = proposal.justify.clone();
            }
        }
        certs.trust_qc(&record.high_qc);
        record.high_tc.iter().for_each(|tc| certs.trust_tc(tc));
        if let Some(proposal) = last_final {
            tree.serve(proposal.header.hash(), proposal);
        }
        for proposal in kept {
            tree.insert(proposal.header.hash(), proposal, true);
        }
        let last_timeout = decode_timeout(&record.last_timeout);
        let view = resumed_view(&record);
        Self {
            chain: root.chain,
            epoch,
            root: root_reference,
            ended: None,
            pacemaker: Pacemaker::new(timing),
            set,
            me,
            key,
            record,
            fresh,
            started: false,
            side_qcs: VecDeque::new(),
            final_qc: None,
            view,
            tree,
            certs,
            votes: None,
            timeouts: TimeoutBox::default(),
            sayings: Sayings::default(),
            last_timeout,
            repeat_at: WallTime(0),
            requests: Requests::default(),
            lead: None,
            waiting: false,
            diverged: false,
            pulled: BTreeSet::new(),
            doubled: None,
            broken: BTreeSet::new(),
            behind: None,
            idle: IdleWord::default(),
            wake_at: None,
        }
    }

    /// Enters the view the record tells of. What this process may have proposed in it before is not known, so a view it leads
    /// is given up; and the last vote and timeout are said again, byte for byte, for they may never have been sent.
    pub(super) fn start(&mut self, now: WallTime, out: &mut Vec<Effect>) {
        if self.started {
            return;
        }
        self.started = true;
        out.push(Effect::EnteredView { view: self.view, leader: self.leader() });
        if self.fresh {
            self.begin_to_lead(out);
            return;
        }
        if let Some(vote) = decode_vote(&self.record.last_vote).filter(|_| !omits(Defect::NoVoteAgain)) {
            let leader = self.set.leader(vote.header.rank.view);
            if leader != self.me {
                out.push(Effect::Send { to: Recipient::One(leader), message: ConsensusMessage::Vote(vote) });
            }
        }
        if let Some(timeout) = self.last_timeout.clone().filter(|t| t.view == self.view) {
            self.timeouts.add(timeout);
            if !omits(Defect::NoTimeoutAgain) {
                self.repeat_timeout(now, out);
            }
        } else if omits(Defect::LeadsAgain) {
            self.begin_to_lead(out);
        } else if self.record.led.view == self.view || self.leader() == self.me {
            self.give_up(now, out);
        }
    }
}

/// The header that an epoch begins after, as that epoch sees it. Its hash is not this header's own.
fn as_root(epoch: u32, header: &Header) -> Header {
    Header { epoch, rank: Rank::default(), flags: 0, next_set_hash: Hash::ZERO, ..header.clone() }
}

/// current = max(high_qc.view, high_tc.view + 1, timeout_view, led.view, 1).
pub(super) fn resumed_view(record: &SafetyRecord) -> u64 {
    if omits(Defect::RestartsInViewOne) {
        return 1;
    }
    let by_tc = record.high_tc.as_ref().map_or(0, |tc| tc.view.saturating_add(1));
    [record.high_qc.rank().view, by_tc, record.timeout_view, record.led.view].into_iter().fold(1, u64::max)
}

pub(super) fn encode_vote(vote: &Vote) -> Vec<u8> {
    rkyv::to_bytes::<rkyv::rancor::Error>(vote).expect("a vote fits into memory").to_vec()
}

pub(super) fn encode_timeout(timeout: &Timeout) -> Vec<u8> {
    rkyv::to_bytes::<rkyv::rancor::Error>(timeout).expect("a timeout fits into memory").to_vec()
}

pub(super) fn decode_vote(bytes: &[u8]) -> Option<Vote> {
    let mut aligned = rkyv::util::AlignedVec::<16>::new();
    aligned.extend_from_slice(bytes);
    rkyv::from_bytes::<Vote, rkyv::rancor::Error>(&aligned).ok()
}

pub(super) fn decode_timeout(bytes: &[u8]) -> Option<Timeout> {
    let mut aligned = rkyv::util::AlignedVec::<16>::new();
    aligned.extend_from_slice(bytes);
    rkyv::from_bytes::<Timeout, rkyv::rancor::Error>(&aligned).ok()
}
