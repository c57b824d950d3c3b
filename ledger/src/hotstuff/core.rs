//! The consensus core: inputs in, effects out.

use std::collections::{BTreeSet, VecDeque};

use super::boundary::{CoreConfig, Effect, Input, LogView, Recipient, SafetyRecord, WallTime};
use super::certificate::Verifier;
use super::form::EpochFacts;
use super::idle::IdleWord;
use super::lead::Lead;
use super::messages::{ConsensusMessage, Proposal, QcNote, QuorumCert, Timeout, TimeoutCert};
use super::pacemaker::Pacemaker;
use super::requests::Requests;
use super::sayings::Sayings;
use super::timeouts::TimeoutBox;
use super::tree::{HeaderTree, Path};
use super::votes::VoteBox;
use crate::crypto::{Hash, SecretKey};
use crate::defects::{Defect, omits};
use crate::epoch::EpochProof;
use crate::header::{Header, HeaderRef, LogPoint, Rank};
use crate::validators::{ValidatorIndex, ValidatorSet};

/// Two-chain HotStuff with Jolteon's view change and the carry rule, for one validator in one epoch.
///
/// Architecture invariant: no clock, no socket, no disk, no randomness. The same inputs give the same effects. Whoever drives
/// it carries the effects out in their order; that order is what makes a crash between any two of them safe.
#[derive(Debug)]
pub struct Core {
    pub(super) set: ValidatorSet,
    pub(super) me: ValidatorIndex,
    pub(super) key: SecretKey,
    pub(super) chain: Hash,
    pub(super) epoch: u32,
    pub(super) root: HeaderRef,
    /// Proof that the epoch is over, while its last header is not known here.
    pub(super) ended: Option<Box<EpochProof>>,
    /// What is on disk or is about to be. Nothing of it is told before it was persisted.
    pub(super) record: SafetyRecord,
    /// Whether no record was found: this validator never signed.
    pub(super) fresh: bool,
    pub(super) started: bool,
    /// Certificates besides `high_qc` that may make something final, the newest first: a header that one of them certifies need not
    /// be an ancestor of the one that `high_qc` certifies. Each stays until it is known what it makes final.
    pub(super) side_qcs: VecDeque<QuorumCert>,
    /// The certificate that made the last final header final.
    pub(super) final_qc: Option<QuorumCert>,
    pub(super) view: u64,
    pub(super) tree: HeaderTree,
    pub(super) certs: Verifier,
    pub(super) votes: Option<VoteBox>,
    pub(super) timeouts: TimeoutBox,
    pub(super) sayings: Sayings,
    /// One's own last timeout, to be sent again while its view lasts.
    pub(super) last_timeout: Option<Timeout>,
    pub(super) repeat_at: WallTime,
    pub(super) pacemaker: Pacemaker,
    pub(super) requests: Requests,
    pub(super) lead: Option<Lead>,
    pub(super) waiting: bool,
    /// A certified header differs from own execution: no votes until caught up.
    pub(super) diverged: bool,
    /// Places in logs already asked for in this view.
    pub(super) pulled: BTreeSet<(u64, Hash)>,
    /// The rank at which this view's leader was found to propose twice.
    pub(super) doubled: Option<Rank>,
    /// Headers seen in this view that break the rules by their own fields.
    pub(super) broken: BTreeSet<Hash>,
    pub(super) behind: Option<(HeaderRef, WallTime)>,
    pub(super) idle: IdleWord,
    pub(super) wake_at: Option<WallTime>,
}

/// Certificates whose headers are not here are kept up to this many. One that was lost to a newer one comes again with the answer to
/// a repeated timeout.
const SIDES_MAX: usize = 4;

impl Core {
    /// A core that resumes from what its disk holds.
    ///
    /// `record` is `None` only for a validator that never signed in this epoch; one that lost its record must not sign.
    /// `last_final` is `None` if only the epoch's root is final. `kept` are unfinal proposals in log order, in any branches.
    pub fn new(
        config: CoreConfig,
        record: Option<SafetyRecord>,
        last_final: Option<Proposal>,
        kept: Vec<Proposal>,
    ) -> Self {
        Self::resume(config, record, last_final, kept)
    }

    /// Takes one input in and pushes what is to be done, in order. Inputs before [`Input::Start`] are ignored.
    ///
    /// `log` answers for the logs known at this moment; `now` never goes back.
    pub fn handle(&mut self, input: Input, log: &dyn LogView, now: WallTime, effects: &mut Vec<Effect>) {
        match input {
            Input::Start => self.start(now, effects),
            _ if !self.started => return,
            Input::Message { from, message } if from != self.me => self.on_message(from, message, now, effects),
            Input::Message { .. } | Input::LogGrew | Input::Tick => {}
            Input::Checked { hash, verdict } => self.on_checked(hash, verdict, now, effects),
            Input::Built { rank, body } => self.on_built(rank, body, now, effects),
            Input::Waiting(waiting) => self.waiting = waiting,
            Input::LeaderFault { view } if view == self.view => self.give_up(now, effects),
            Input::LeaderFault { .. } => {}
            Input::CaughtUp(proposals) => self.on_caught_up(proposals, now, effects),
            Input::EpochEnded(proof) => self.on_epoch_ended(proof),
        }
        self.settle(log, now, effects);
    }

    fn on_message(&mut self, from: ValidatorIndex, message: ConsensusMessage, now: WallTime, out: &mut Vec<Effect>) {
        match message {
            ConsensusMessage::Proposal(proposal) => self.on_proposal(from, *proposal, now, out),
            ConsensusMessage::Vote(vote) if vote.voter == from => self.on_vote(vote, now, out),
            ConsensusMessage::Timeout(timeout) if timeout.voter == from => self.on_timeout(*timeout, now, out),
            ConsensusMessage::Vote(_) | ConsensusMessage::Timeout(_) => {}
            ConsensusMessage::TimeoutCert(tc) => {
                self.on_timeout_cert(&tc, now, out);
            }
            ConsensusMessage::QcNote(note) => {
                self.answer_newcomer(from, &note, out);
                self.on_cert(&note.qc, now, out);
                if let Some(tc) = &note.tc {
                    self.on_timeout_cert(tc, now, out);
                }
            }
            ConsensusMessage::HeaderRequest(hash) => self.on_header_request(from, hash, out),
            ConsensusMessage::HeaderResponse(proposal) => self.on_header_response(*proposal, now, out),
        }
    }

    /// Whoever enters an epoch that others have long been in tells that it knows the root and nothing more; it is told the rest.
    fn answer_newcomer(&self, from: ValidatorIndex, note: &QcNote, out: &mut Vec<Effect>) {
        if note.qc.header == self.root && self.record.high_qc.header != self.root {
            self.send_note(Recipient::One(from), self.record.high_qc.clone(), self.record.high_tc.clone(), out);
        }
    }

    /// Does everything that what is known now allows or demands. Runs again when that moved the view.
    fn settle(&mut self, log: &dyn LogView, now: WallTime, out: &mut Vec<Effect>) {
        loop {
            let view = self.view;
            self.requests.begin();
            self.advance_finality(now, out);
            self.watch_clock(now, out);
            self.pursue_vote(log, now, out);
            self.pursue_lead(log, now, out);
            self.tell_when_idle(now, out);
            if self.view == view {
                break;
            }
        }
        self.requests.send(now, out);
        self.wish_for_wake(now, out);
    }

    /// Handles a certificate of anything; false if it is not valid.
    pub(super) fn on_cert(&mut self, qc: &QuorumCert, now: WallTime, out: &mut Vec<Effect>) -> bool {
        let holds = self.certs.qc_holds(qc);
        if holds {
            self.accept_cert(qc, now, out);
        }
        holds
    }

    /// high_qc = max; enter: a certificate of view w moves to w.
    pub(super) fn accept_cert(&mut self, qc: &QuorumCert, now: WallTime, out: &mut Vec<Effect>) {
        let is_higher = qc.rank() > self.record.high_qc.rank();
        let lower = if is_higher || (omits(Defect::LowerQcTaken) && *qc != self.certs.root) {
            std::mem::replace(&mut self.record.high_qc, qc.clone())
        } else {
            qc.clone()
        };
        let is_new = lower.rank() < self.record.high_qc.rank() && lower.rank() > self.tree.last_final().0.rank;
        if is_new && self.side_qcs.iter().all(|side| side.header != lower.header) {
            self.side_qcs.truncate(SIDES_MAX - 1);
            self.side_qcs.push_front(lower);
        }
        if qc.rank().view > self.view && !omits(Defect::NoEnterByQc) {
            self.enter(qc.rank().view, now, out);
        }
    }

    pub(super) fn persist(&self, out: &mut Vec<Effect>) {
        out.push(Effect::Persist(Box::new(self.record_on_disk())));
    }

    /// What the disk is given: the record, whole.
    fn record_on_disk(&self) -> SafetyRecord {
        let mut record = self.record.clone();
        if omits(Defect::VoteNotRecorded) {
            (record.last_voted, record.last_vote) = (None, Vec::new());
        }
        if omits(Defect::TimeoutNotRecorded) {
            (record.timeout_view, record.last_timeout) = (0, Vec::new());
        }
        if omits(Defect::HighQcNotRecorded) {
            record.high_qc = self.certs.root.clone();
        }
        if omits(Defect::HighTcNotRecorded) {
            record.high_tc = None;
        }
        if omits(Defect::LedNotRecorded) {
            record.led = Rank::default();
        }
        record
    }

    pub(super) fn send_note(&self, to: Recipient, qc: QuorumCert, tc: Option<TimeoutCert>, out: &mut Vec<Effect>) {
        let note = QcNote { qc, tc };
        out.push(Effect::Send { to, message: ConsensusMessage::QcNote(Box::new(note)) });
    }

    pub(super) fn facts(&self) -> EpochFacts<'_> {
        EpochFacts { chain: self.chain, epoch: self.epoch, root: self.root, set: &self.set }
    }

    /// Who leads is who would lead in another set of as many members. Only what leaves out that leaders are fixed for the epoch asks for it.
    pub(crate) fn follow_rota(&mut self, other: &ValidatorSet) {
        let turns = (other.count() - other.penalised().len()) as u64;
        let rota = (0..turns).map(|view| other.leader(view)).collect();
        self.set = self.set.clone().with_rota(rota).expect("a change of set keeps its size");
    }

    /// Whether this is a member of the set. One that is not follows, and signs nothing.
    pub(super) fn may_sign(&self) -> bool {
        self.set.key(self.me).is_some()
    }

    /// How many headers lie between the last final one and this one, which counts.
    pub(super) fn depth_of(&self, header: HeaderRef) -> usize {
        match self.tree.path_to(header) {
            Path::Whole(path) => path.len(),
            Path::Missing(..) | Path::Fork => usize::MAX,
        }
    }

    pub(super) fn last_voted(&self) -> Rank {
        self.record.last_voted.map_or(Rank::default(), |v| v.rank)
    }

    pub(super) fn tip_hash(&self) -> Option<Hash> {
        self.record.last_voted.map(|v| v.hash)
    }

    /// Asks for a log once in a view.
    pub(super) fn pull(&mut self, point: LogPoint, sources: Vec<ValidatorIndex>, out: &mut Vec<Effect>) {
        if self.pulled.insert((point.seq, point.digest)) {
            out.push(Effect::PullLog { point, sources });
        }
    }
}

/// What can be seen from outside.
impl Core {
    /// The current view.
    pub fn view(&self) -> u64 {
        self.view
    }

    /// Who leads it.
    pub fn leader(&self) -> ValidatorIndex {
        self.set.leader(self.view)
    }

    /// Whether this validator leads it and has not given it up.
    pub fn is_leader(&self) -> bool {
        self.lead.is_some() && self.record.timeout_view < self.view
    }

    /// Whether the current view is given up.
    pub fn has_given_up(&self) -> bool {
        self.record.timeout_view >= self.view
    }

    /// How many headers are certified and not final. What is missing between counts as very many.
    pub fn unfinal_depth(&self) -> usize {
        self.depth_of(self.record.high_qc.header)
    }

    /// The highest certificate known.
    pub fn high_qc(&self) -> &QuorumCert {
        &self.record.high_qc
    }

    /// The last final header; its height is in it.
    pub fn final_header(&self) -> &Header {
        self.tree.last_final().0
    }

    /// Its hash.
    pub fn final_hash(&self) -> Hash {
        self.tree.last_final().1
    }

    /// The proposals after the last final one, in no particular order, of all branches.
    pub fn unfinal(&self) -> impl Iterator<Item = &Proposal> {
        self.tree.proposals()
    }

    /// A proposal that is not final, or one of the last few final ones.
    pub fn proposal(&self, hash: Hash) -> Option<&Proposal> {
        self.tree.proposal(hash)
    }

    /// The record as it is or is about to be on disk.
    pub fn record(&self) -> &SafetyRecord {
        &self.record
    }

    /// Whether votes have stopped because a certified header differs from own execution.
    pub fn has_diverged(&self) -> bool {
        self.diverged
    }
}
