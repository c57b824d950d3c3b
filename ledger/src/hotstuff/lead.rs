//! Leading a view (CONSENSUS section 3, propose and term).

use super::boundary::{Body, Effect, LogView, Recipient, Verdict, WallTime};
use super::carry::Carry;
use super::core::Core;
use super::form::{SLOTS_LIMIT, check_after_end, check_link};
use super::messages::{ConsensusMessage, Proposal, TimeoutCert, Vote};
use super::tree::Path;
use super::vote_rule::may_vote;
use super::votes::{Counted, VoteBox};
use crate::crypto::Hash;
use crate::defects::{Defect, omits};
use crate::evidence::Statement;
use crate::header::{Header, HeaderRef, LogPoint, Rank};

/// What a leader knows of its own view.
#[derive(Debug, Default)]
pub(super) struct Lead {
    /// What it proposed last.
    proposed: Option<HeaderRef>,
    /// What it asked the log for.
    open: Option<OpenBuild>,
    /// When to tell all of the last certificate, unless a proposal does first.
    pub(super) note_at: Option<WallTime>,
    /// The highest certificate that all were told of.
    noted: Rank,
    /// The term is over: no new log, only the tail.
    ending: bool,
}

#[derive(Clone, Debug)]
struct OpenBuild {
    rank: Rank,
    parent: Header,
    /// The parent, as it is certified: the epoch's root is not certified under its own rank.
    justify: HeaderRef,
    carry: Option<LogPoint>,
    tail: bool,
    tc: Option<TimeoutCert>,
}

/// A new proposal may follow a certificate at once; only if none does is the certificate told by itself.
const NOTE_AFTER_US: u64 = 1_000;
/// Slots left for the tail when the log of a view ends.
const TAIL_SLOTS: u32 = 4;

impl Core {
    /// propose: led = H.rank; PERSIST; before the first chunk, receipt or proposal of a view.
    pub(super) fn begin_to_lead(&mut self, out: &mut Vec<Effect>) {
        let opened = self.view == 1 || self.record.high_tc.as_ref().is_some_and(|tc| tc.view + 1 == self.view);
        let is_first = self.record.led.view < self.view || omits(Defect::LeadsAgain);
        let untouched = is_first && self.record.timeout_view < self.view;
        if self.leader() == self.me && opened && untouched {
            self.record.led = Rank { view: self.view, slot: 0 };
            self.persist(out);
            self.lead = Some(Lead::default());
        }
    }

    /// Asks for the next header as soon as one may be proposed, and ends the term.
    pub(super) fn pursue_lead(&mut self, log: &dyn LogView, now: WallTime, out: &mut Vec<Effect>) {
        if self.lead.is_none() || self.record.timeout_view >= self.view || self.diverged {
            return;
        }
        self.watch_term(now, out);
        self.tell_certificate(now, out);
        let Some(build) = self.next_build(log, out) else { return };
        if build.rank.slot >= SLOTS_LIMIT {
            self.give_up(now, out);
            return;
        }
        let lead = self.lead.as_mut().expect("tested above");
        if lead.open.as_ref().is_some_and(|open| open.rank == build.rank && open.tail == build.tail) {
            return;
        }
        if !build.tail && self.record.high_qc.rank() > lead.noted {
            lead.note_at = Some(WallTime(now.0.saturating_add(NOTE_AFTER_US)));
        }
        let (rank, carry, tail) = (build.rank, build.carry, build.tail);
        out.push(Effect::Build { rank, parent: Box::new(build.parent.clone()), carry, tail });
        lead.open = Some(build);
    }

    /// The term ends at its time or at its last slots, if there is work: an idle leader stays.
    fn watch_term(&mut self, now: WallTime, out: &mut Vec<Effect>) {
        let over = self.pacemaker.term_end().is_some_and(|end| now >= end) && !omits(Defect::NoTermEnd);
        let slots_max = self.pacemaker.slots_max().min(SLOTS_LIMIT).saturating_sub(TAIL_SLOTS);
        let busy = self.is_busy();
        let Some(lead) = &mut self.lead else { return };
        let full = lead.proposed.is_some_and(|p| p.rank.slot >= slots_max);
        if !lead.ending && ((over && busy) || full) {
            lead.ending = true;
            out.push(Effect::TermOver { view: self.view });
        }
    }

    fn tell_certificate(&mut self, now: WallTime, out: &mut Vec<Effect>) {
        let Some(lead) = &mut self.lead else { return };
        if lead.note_at.is_some_and(|at| now >= at) {
            lead.note_at = None;
            lead.noted = self.record.high_qc.rank();
            self.send_note(Recipient::Others, self.record.high_qc.clone(), None, out);
        }
    }

    /// The next header to ask for, if one may be proposed now.
    fn next_build(&mut self, log: &dyn LogView, out: &mut Vec<Effect>) -> Option<OpenBuild> {
        let lead = self.lead.as_ref()?;
        let ending = lead.ending;
        match lead.proposed {
            None => self.first_build(log, ending, out),
            Some(proposed) if self.record.high_qc.header == proposed => {
                let rank = Rank { view: proposed.rank.view, slot: proposed.rank.slot + 1 };
                let parent = self.tree.header(proposed.hash)?.clone();
                let tail = ending || self.has_tail();
                Some(OpenBuild { rank, parent, justify: proposed, carry: None, tail, tc: None })
            }
            Some(_) => None,
        }
    }

    /// Slot 0: builds on the highest certificate and carries what the timeout certificate demands. It is proposed at once,
    /// even empty, but for view 1.
    fn first_build(&mut self, log: &dyn LogView, ending: bool, out: &mut Vec<Effect>) -> Option<OpenBuild> {
        if let Some(open) = self.lead.as_ref().and_then(|lead| lead.open.clone()) {
            return Some(OpenBuild { tail: open.tail || ending, ..open });
        }
        let rank = Rank { view: self.view, slot: 0 };
        let qc = self.record.high_qc.clone();
        let Some(parent) = self.tree.header(qc.header.hash).cloned() else {
            self.requests.want(qc.header.hash, qc.voters(), self.me);
            return None;
        };
        let justify = qc.header;
        if self.view == 1 {
            let first = OpenBuild { rank, parent, justify, carry: None, tail: ending, tc: None };
            return (justify == self.root).then_some(first);
        }
        let tc = self.record.high_tc.clone().filter(|tc| tc.view + 1 == self.view)?;
        let carry = match self.judge_tips(&tc, &parent, log) {
            Carry::Free => None,
            Carry::Through(places) => places.into_iter().max_by_key(|place| place.seq),
            Carry::Wait { headers, logs, .. } => {
                self.seek_tips(&tc, &headers, &logs, out);
                return None;
            }
        };
        Some(OpenBuild { rank, parent, justify, carry, tail: true, tc: Some(tc) })
    }

    /// Whether log is certified that is not final.
    fn has_tail(&self) -> bool {
        match self.tree.path_to(self.record.high_qc.header) {
            Path::Whole(path) => path.iter().any(|h| self.tree.header(*h).is_some_and(|h| !h.is_empty())),
            Path::Missing(..) | Path::Fork => true,
        }
    }

    pub(super) fn on_built(&mut self, rank: Rank, body: Body, now: WallTime, out: &mut Vec<Effect>) {
        let given_up = self.record.timeout_view >= self.view || self.diverged;
        let lead = self.lead.as_ref().filter(|_| !given_up);
        let Some(open) = lead.and_then(|l| l.open.clone()).filter(|open| open.rank == rank) else { return };
        // An answer to a question that was since replaced by the next is no answer.
        let still_next = match lead.and_then(|l| l.proposed) {
            None => rank.slot == 0,
            Some(proposed) => proposed == open.justify,
        };
        if !still_next {
            return;
        }
        let header = self.header_of(&open, body);
        if header.is_empty() && rank.slot > 0 && !self.has_tail() {
            if lead.is_some_and(|l| l.ending) {
                // The term is over and everything is final.
                self.give_up(now, out);
            }
            return;
        }
        self.propose(&open, header, now, out);
    }

    fn header_of(&self, open: &OpenBuild, body: Body) -> Header {
        let parent = open.justify;
        Header {
            chain: self.chain,
            epoch: self.epoch,
            rank: open.rank,
            height: open.parent.height + 1,
            proposer: self.me,
            time_ms: body.time_ms,
            parent: parent.hash,
            justify: parent,
            tc_hash: open.tc.as_ref().map_or(Hash::ZERO, TimeoutCert::hash),
            first_seq: body.first_seq,
            last_seq: body.last_seq,
            log_digest: body.log_digest,
            inputs_root: body.inputs_root,
            results_root: body.results_root,
            state_root: body.state_root,
            snapshot_root: body.snapshot_root,
            flags: body.flags,
            next_set_hash: body.next_set_hash,
        }
    }

    /// Signs, keeps and persists, and only then sends. The leader's own vote counts like any other; its own execution made
    /// the header, so it is not checked again.
    fn propose(&mut self, open: &OpenBuild, header: Header, now: WallTime, out: &mut Vec<Effect>) {
        let justify = self.record.high_qc.clone();
        let carried = open.carry.is_none_or(|place| header.last_seq >= place.seq);
        if justify.header != header.justify {
            // A higher certificate came meanwhile: the question is put again, for that one.
            if let Some(lead) = &mut self.lead {
                lead.open = None;
            }
            return;
        }
        let after_end = check_after_end(&header, self.ended_by(header.parent));
        let sound = check_link(&header, &open.parent).and(after_end).is_ok() && carried;
        if !sound || may_vote(self.vote_case(&header, open.tc.as_ref(), true)).is_err() {
            return;
        }
        let signature = Proposal::sign(&header, &self.key);
        let reference = header.reference();
        let proposal = Proposal { header, signature, justify, tc: open.tc.clone() };
        self.tree.insert(reference.hash, proposal.clone(), false);
        if let Some(known) = self.tree.known_mut(reference.hash) {
            known.asked = true;
            known.verdict = Some(Verdict::Holds);
        }
        self.record.led = reference.rank;
        let vote = self.sign_vote(reference);
        self.keep(reference.hash, out);
        let noted = proposal.justify.rank();
        let message = ConsensusMessage::Proposal(Box::new(proposal));
        let send = Effect::Send { to: Recipient::Others, message };
        if omits(Defect::ProposalBeforeRecord) {
            out.push(send.clone());
        }
        self.persist(out);
        if !omits(Defect::ProposalBeforeRecord) {
            out.push(send);
        }
        if let Some(lead) = &mut self.lead {
            lead.open = None;
            lead.proposed = Some(reference);
            lead.note_at = None;
            lead.noted = noted;
        }
        self.votes = Some(VoteBox::new(reference));
        self.on_vote(vote, now, out);
    }

    pub(super) fn on_vote(&mut self, vote: Vote, now: WallTime, out: &mut Vec<Effect>) {
        let Some(votes) = self.votes.as_mut().filter(|_| vote.epoch == self.epoch) else { return };
        debug_assert!(votes.target().rank.view == self.view, "the box is emptied when a view is entered");
        match votes.add(vote, self.chain, &self.set) {
            Counted::Waiting => {}
            Counted::Certified(qc) => {
                votes.verified().for_each(|vote| self.sayings.remember_vote(vote));
                self.certs.trust_qc(&qc);
                self.accept_cert(&qc, now, out);
            }
            Counted::Double(pair) => {
                let [first, second] = (*pair).map(Statement::Vote);
                self.accuse_by(first, second, out);
            }
        }
    }
}
