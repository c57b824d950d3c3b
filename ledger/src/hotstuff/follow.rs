//! Judging proposals and voting for them (CONSENSUS section 3, on Proposal).

use super::boundary::{Effect, LogRelation, LogView, Recipient, Verdict, WallTime};
use super::carry::{Carry, TipHeader, judge_tips, runs_through};
use super::core::Core;
use super::form::{check_after_end, check_certificates, check_fields, check_link};
use super::messages::{ConsensusMessage, Proposal, TimeoutCert, Vote};
use super::start::{decode_vote, encode_vote};
use super::tree::Known;
use super::vote_rule::{Refusal, VoteCase, may_vote};
use crate::crypto::Hash;
use crate::defects::{Defect, omits};
use crate::evidence::Statement;
use crate::header::{Header, HeaderRef, LogPoint, Rank};
use crate::validators::ValidatorIndex;

/// The most certified headers that are not final beyond which log is added (CONSENSUS section 3, Bounds).
const SPECULATION_HEADERS_MAX: usize = 64;
/// Unfinal headers here are at most this many, but for those asked for: a leader that floods is not listened to.
const UNFINAL_MAX: usize = 1_024;

impl Core {
    pub(super) fn on_proposal(
        &mut self,
        from: ValidatorIndex,
        proposal: Proposal,
        now: WallTime,
        out: &mut Vec<Effect>,
    ) {
        let hash = proposal.header.hash();
        if self.tree.known(hash).is_some() {
            self.vote_again(hash, from, out);
            return;
        }
        let wanted = self.requests.is_wanted(hash);
        if !self.holds(&proposal, now, out) {
            self.blame(&proposal, now, out);
            return;
        }
        let current = proposal.header.rank.view == self.view;
        let third = (current || wanted) && self.is_double(hash, &proposal, now, out);
        let bounded = current && !third && self.tree.unfinal_count() < UNFINAL_MAX;
        if wanted || bounded || omits(Defect::RanksUnbounded) {
            self.tree.insert(hash, proposal, false);
        }
    }

    /// Whether a proposal has the right form and signature. Its certificates are handled even if it has not.
    pub(super) fn holds(&mut self, proposal: &Proposal, now: WallTime, out: &mut Vec<Effect>) -> bool {
        let qc_holds = self.on_cert(&proposal.justify, now, out);
        let tc_holds = proposal.tc.as_ref().is_none_or(|tc| self.on_timeout_cert(tc, now, out));
        let formed = check_fields(&proposal.header, self.facts()).is_ok() && check_certificates(proposal).is_ok();
        let signed = proposal.verify(&self.set) || omits(Defect::ProposalUnsigned);
        qc_holds && tc_holds && formed && signed
    }

    /// A header that its leader signed and that breaks the rules by its own fields is proof against the leader.
    fn blame(&mut self, proposal: &Proposal, now: WallTime, out: &mut Vec<Effect>) {
        let header = &proposal.header;
        let by_leader = header.rank.view == self.view && header.proposer == self.leader();
        let here = header.chain == self.chain && header.epoch == self.epoch;
        if here && by_leader && check_fields(header, self.facts()).is_err() && proposal.verify(&self.set) {
            self.give_up(now, out);
        }
    }

    /// A second valid header of one rank: evidence, told to all as a pair, and everyone times out the view. One of them is
    /// kept, for its certificate may come; true if there were two already, and this one is not needed.
    fn is_double(&mut self, hash: Hash, proposal: &Proposal, now: WallTime, out: &mut Vec<Effect>) -> bool {
        let rank = proposal.header.rank;
        let others: Vec<Hash> =
            self.tree.at_rank(rank).map(|(other, _)| other).filter(|other| *other != hash).collect();
        let Some(first) = others.first().and_then(|other| self.tree.proposal(*other)).cloned() else { return false };
        if self.doubled != Some(rank) {
            self.doubled = Some(rank);
            for double in [&first, proposal] {
                let message = ConsensusMessage::Proposal(Box::new(double.clone()));
                out.push(Effect::Send { to: Recipient::Others, message });
            }
            self.accuse_by(Statement::of_proposal(&first), Statement::of_proposal(proposal), out);
            if rank.view == self.view && !omits(Defect::EvidenceIgnored) {
                self.give_up(now, out);
            }
        }
        others.len() > 1
    }

    /// The same header again: resend the stored vote.
    fn vote_again(&self, hash: Hash, from: ValidatorIndex, out: &mut Vec<Effect>) {
        let voted = self.record.last_voted.filter(|v| v.hash == hash && self.set.leader(v.rank.view) == from);
        if voted.is_some()
            && !omits(Defect::NoVoteAgain)
            && let Some(vote) = decode_vote(&self.record.last_vote)
        {
            out.push(Effect::Send { to: Recipient::One(from), message: ConsensusMessage::Vote(vote) });
        }
    }

    pub(super) fn on_header_request(&self, from: ValidatorIndex, hash: Hash, out: &mut Vec<Effect>) {
        if let Some(proposal) = self.tree.proposal(hash) {
            let message = ConsensusMessage::HeaderResponse(Box::new(proposal.clone()));
            out.push(Effect::Send { to: Recipient::One(from), message });
        }
    }

    /// Only what was asked for is taken.
    pub(super) fn on_header_response(&mut self, proposal: Proposal, now: WallTime, out: &mut Vec<Effect>) {
        let hash = proposal.header.hash();
        if !self.requests.is_wanted(hash) && !omits(Defect::UnaskedTaken) {
            return;
        }
        if check_fields(&proposal.header, self.facts()).is_err() {
            // If a tip names it, the carry rule skips that tip. What is wanted is bounded, and so this is.
            self.broken.insert(hash);
        } else if self.holds(&proposal, now, out) {
            self.is_double(hash, &proposal, now, out);
            self.tree.insert(hash, proposal, false);
        }
    }

    pub(super) fn on_checked(&mut self, hash: Hash, verdict: Verdict, now: WallTime, out: &mut Vec<Effect>) {
        let Some(known) = self.tree.known_mut(hash) else {
            let served = self.tree.proposal(hash).map(|p| p.header.reference());
            if let Some(header) = served.filter(|_| verdict == Verdict::Differs) {
                self.diverge(header, out);
            }
            return;
        };
        known.verdict = Some(verdict);
        let view = known.proposal.header.rank.view;
        if verdict == Verdict::Differs && view == self.view && !omits(Defect::DifferenceIgnored) {
            self.give_up(now, out);
        }
    }

    /// Asks once whether a header's log, results and state hold.
    pub(super) fn ask_for_check(&mut self, hash: Hash, from: Option<ValidatorIndex>, out: &mut Vec<Effect>) {
        let me = self.me;
        let Some(known) = self.tree.known_mut(hash) else { return };
        if known.asked {
            return;
        }
        known.asked = true;
        let header = known.proposal.header.clone();
        let mut sources = Vec::new();
        for source in [header.proposer].into_iter().chain(from).chain(known.proposal.justify.voters()) {
            if source != me && !sources.contains(&source) {
                sources.push(source);
            }
        }
        out.push(Effect::Check { header: Box::new(header), sources });
    }

    /// Takes the highest header of this view that could be voted for as far as it goes now.
    pub(super) fn pursue_vote(&mut self, log: &dyn LogView, now: WallTime, out: &mut Vec<Effect>) {
        let given_up = self.record.timeout_view >= self.view && !omits(Defect::VoteAfterTimeout);
        if self.diverged || given_up || !self.may_sign() {
            return;
        }
        let Some((hash, known)) = self.votable() else { return };
        let (verdict, header) = (known.verdict, known.proposal.header.clone());
        let Some(parent) = self.tree.header(header.parent).cloned() else {
            let voters: Vec<_> = known.proposal.justify.voters().collect();
            self.requests.want(header.parent, [header.proposer].into_iter().chain(voters), self.me);
            return;
        };
        let after_end = check_after_end(&header, self.ended_by(header.parent));
        if check_link(&header, &parent).and(after_end).is_err() && !omits(Defect::LinkUnchecked) {
            self.give_up(now, out);
            return;
        }
        self.ask_for_check(hash, None, out);
        if verdict == Some(Verdict::Holds) || omits(Defect::VoteUnchecked) {
            self.judge(hash, &header, &parent, log, now, out);
        }
    }

    /// The highest header of this view that was not yet voted for.
    fn votable(&self) -> Option<(Hash, &Known)> {
        let last_voted = self.last_voted();
        let of_view = |k: &Known| k.proposal.header.rank.view == self.view || omits(Defect::VoteOtherView);
        let is_new =
            |hash: Hash, rank: Rank| rank > last_voted || (omits(Defect::VoteTwice) && self.tip_hash() != Some(hash));
        let votable = self.tree.all().filter(|(hash, k)| of_view(k) && is_new(*hash, k.proposal.header.rank));
        votable.max_by_key(|(_, k)| k.proposal.header.rank)
    }

    fn judge(
        &mut self,
        hash: Hash,
        header: &Header,
        parent: &Header,
        log: &dyn LogView,
        now: WallTime,
        out: &mut Vec<Effect>,
    ) {
        let tc = self.tree.known(hash).and_then(|k| k.proposal.tc.clone());
        let carry = tc.as_ref().map_or(Some(true), |tc| self.carry_ok(header, parent, tc, log, out));
        let Some(carry_ok) = carry else { return };
        if self.is_too_deep(header, tc.as_ref()) {
            return;
        }
        match may_vote(self.vote_case(header, tc.as_ref(), carry_ok)) {
            Ok(()) => self.vote(hash, header.reference(), out),
            // What an honest leader never proposes.
            Err(Refusal::Carry | Refusal::StaleJustify | Refusal::NoEntry | Refusal::SlotGap | Refusal::Justify) => {
                self.give_up(now, out);
            }
            Err(Refusal::OtherView | Refusal::AlreadyVoted | Refusal::GivenUp) => {}
        }
    }

    /// Speculation ends somewhere: a header that adds log so far beyond what is final waits until finality grows. Empty headers are
    /// what makes it grow, and a carried log must be carried, so both are always votable.
    fn is_too_deep(&self, header: &Header, tc: Option<&TimeoutCert>) -> bool {
        let ends_there = |tip: HeaderRef| self.tree.header(tip.hash).is_some_and(|h| h.log_end() == header.log_end());
        let carried = || tc.is_some_and(|tc| tc.entries.iter().filter_map(|entry| entry.tip).any(ends_there));
        !header.is_empty() && self.depth_of(header.justify) >= SPECULATION_HEADERS_MAX && !carried()
    }

    pub(super) fn vote_case<'a>(
        &self,
        header: &'a Header,
        tc: Option<&'a TimeoutCert>,
        carry_ok: bool,
    ) -> VoteCase<'a> {
        VoteCase {
            header,
            tc,
            root: self.root,
            view: self.view,
            last_voted: self.last_voted(),
            timeout_view: self.record.timeout_view,
            carry_ok,
        }
    }

    fn vote(&mut self, hash: Hash, header: HeaderRef, out: &mut Vec<Effect>) {
        let vote = self.sign_vote(header);
        let to = Recipient::One(self.set.leader(header.rank.view));
        let send = Effect::Send { to, message: ConsensusMessage::Vote(vote) };
        if omits(Defect::VoteBeforeRecord) {
            out.push(send.clone());
        }
        if !omits(Defect::TipNotKept) {
            self.keep(hash, out);
        }
        self.persist(out);
        if !omits(Defect::VoteBeforeRecord) {
            out.push(send);
        }
    }

    /// last_voted = H.rank. The caller persists before anybody hears of it.
    pub(super) fn sign_vote(&mut self, header: HeaderRef) -> Vote {
        let vote = Vote::sign(self.chain, self.epoch, header, self.me, &self.key);
        self.record.last_voted = Some(header);
        self.record.last_vote = encode_vote(&vote);
        vote
    }

    /// Whether a header carries what its timeout certificate demands; `None` if that cannot be told yet.
    fn carry_ok(
        &mut self,
        header: &Header,
        parent: &Header,
        tc: &TimeoutCert,
        log: &dyn LogView,
        out: &mut Vec<Effect>,
    ) -> Option<bool> {
        let runs = |place: &LogPoint| runs_through(header.log_end(), *place, |a, b| log.relation(a, b));
        let carries = |relation| matches!(relation, LogRelation::Same | LogRelation::FirstContainsSecond);
        match self.judge_tips(tc, parent, log) {
            Carry::Free => Some(true),
            Carry::Through(places) => {
                let relations: Vec<_> = places.iter().map(runs).collect();
                let unknown = relations.contains(&LogRelation::Unknown);
                if relations.into_iter().any(carries) { Some(true) } else { (!unknown).then_some(false) }
            }
            Carry::Wait { logs, ahead, .. } if logs.iter().chain(&ahead).map(runs).any(carries) => Some(true),
            Carry::Wait { headers, logs, .. } => {
                self.seek_tips(tc, &headers, &logs, out);
                None
            }
        }
    }

    /// What a timeout certificate demands of a header that builds on `parent`.
    pub(super) fn judge_tips(&self, tc: &TimeoutCert, parent: &Header, log: &dyn LogView) -> Carry {
        let header = |tip: HeaderRef| match self.tree.header(tip.hash) {
            None if self.broken.contains(&tip.hash) => TipHeader::Broken,
            None => TipHeader::Missing,
            Some(header) if header.rank != tip.rank => TipHeader::Broken,
            // One leader could stop the ledger for as long as it likes: its own vote makes it a tip, and all that carry its log are
            // held as long as it is. Nor may it be skipped by the clock here, which may have been set back since others voted for it. Where
            // clocks were set back before, headers have their parent's time, and that is no lie.
            Some(header) if header.time_ms > parent.time_ms && log.is_far_ahead(header.time_ms) => {
                TipHeader::FarAhead(header.log_end())
            }
            Some(header) => TipHeader::EndsAt(header.log_end()),
        };
        let relation = |a, b| log.relation(a, b);
        judge_tips(tc, self.set.quorum(), parent.rank, parent.log_end(), header, relation)
    }

    /// Asks all who reported a tip for what is missing of it.
    pub(super) fn seek_tips(&mut self, tc: &TimeoutCert, headers: &[Hash], logs: &[LogPoint], out: &mut Vec<Effect>) {
        let reporters =
            |hash: Hash| tc.entries.iter().filter(move |e| e.tip.is_some_and(|t| t.hash == hash)).map(|e| e.voter);
        for &hash in headers {
            self.requests.want(hash, reporters(hash), self.me);
        }
        for &point in logs {
            let ends_there = |tip: HeaderRef| self.tree.header(tip.hash).is_some_and(|h| h.log_end() == point);
            let voters = tc.entries.iter().filter(|e| e.tip.is_some_and(ends_there)).map(|e| e.voter);
            let sources = voters.filter(|v| *v != self.me).collect();
            self.pull(point, sources, out);
        }
    }
}
