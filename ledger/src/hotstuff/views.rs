//! Giving views up and entering them (CONSENSUS section 3: enter, timeout, timer, term).

use super::boundary::{Effect, Recipient, WallTime};
use super::certificate::ranks_fit;
use super::core::Core;
use super::messages::{ConsensusMessage, Timeout, TimeoutCert};
use super::start::encode_timeout;
use super::statement::timeout_bytes;
use crate::defects::{Defect, omits};

/// How often a timeout is said again while its view lasts.
const REPEAT_US: u64 = 500_000;

impl Core {
    /// current view = `view`, which is above the current one.
    pub(super) fn enter(&mut self, view: u64, now: WallTime, out: &mut Vec<Effect>) {
        let fruitless = !self.pacemaker.term_is_about_over(now);
        let by_timeouts = self.record.high_tc.as_ref().is_some_and(|tc| tc.view + 1 == view);
        self.pacemaker.entered(fruitless && by_timeouts);
        self.view = view;
        self.lead = None;
        self.votes = None;
        self.doubled = None;
        self.pulled.clear();
        self.broken.clear();
        self.timeouts.forget_before(view);
        self.tree.forget_before(view, self.record.high_qc.header, self.tip_hash());
        out.push(Effect::EnteredView { view, leader: self.leader() });
        self.begin_to_lead(out);
    }

    /// timeout(v) for the current view; once.
    pub(super) fn give_up(&mut self, now: WallTime, out: &mut Vec<Effect>) {
        let view = self.view;
        if self.record.timeout_view >= view || !self.may_sign() {
            return;
        }
        let (high_qc, tip) = (self.record.high_qc.clone(), self.record.last_voted);
        let signature = self.key.sign(&timeout_bytes(self.chain, self.epoch, view, high_qc.rank(), tip));
        let carried = |tc: &TimeoutCert| tc.view + 1 == view && high_qc.rank().view != view;
        let entry = self.record.high_tc.clone().filter(|tc| carried(tc) && !omits(Defect::NoEntryTc));
        let timeout = Timeout { epoch: self.epoch, view, high_qc, tip, voter: self.me, signature, entry };
        self.record.timeout_view = view;
        self.record.last_timeout = encode_timeout(&timeout);
        if !omits(Defect::TimeoutBeforeRecord) {
            self.persist(out);
        }
        self.last_timeout = Some(timeout.clone());
        self.lead = None;
        self.timeouts.add(timeout);
        self.repeat_timeout(now, out);
        if omits(Defect::TimeoutBeforeRecord) {
            self.persist(out);
        }
        self.close(view, now, out);
    }

    pub(super) fn repeat_timeout(&mut self, now: WallTime, out: &mut Vec<Effect>) {
        if let Some(timeout) = &self.last_timeout {
            let message = ConsensusMessage::Timeout(Box::new(timeout.clone()));
            out.push(Effect::Send { to: Recipient::Others, message });
            self.repeat_at = WallTime(now.0.saturating_add(REPEAT_US));
        }
    }

    pub(super) fn on_timeout(&mut self, timeout: Timeout, now: WallTime, out: &mut Vec<Effect>) {
        if timeout.epoch != self.epoch || !ranks_fit(timeout.view, timeout.high_qc.rank(), timeout.tip) {
            return;
        }
        // Also one that was left behind may know a certificate that nobody else does.
        if omits(Defect::TimeoutQcUnverified) {
            self.accept_cert(&timeout.high_qc, now, out);
        } else if !self.on_cert(&timeout.high_qc, now, out) {
            return;
        }
        if let Some(tc) = &timeout.entry
            && tc.view.checked_add(1) == Some(timeout.view)
        {
            self.on_timeout_cert(tc, now, out);
        }
        self.compare_timeout(&timeout, out);
        let is_old = self.timeouts.is_old(&timeout);
        let lags = timeout.view < self.view || (is_old && timeout.high_qc.rank() < self.record.high_qc.rank());
        if lags && !omits(Defect::NoAnswerToLate) {
            let tc = self.record.high_tc.clone().filter(|tc| tc.view >= timeout.view);
            self.send_note(Recipient::One(timeout.voter), self.record.high_qc.clone(), tc, out);
        }
        if is_old && let Some(qc) = self.final_qc.clone().filter(|_| !omits(Defect::NoAnswerToLate)) {
            // It asks again: maybe it only missed what made the last header final here.
            self.send_note(Recipient::One(timeout.voter), qc, None, out);
        }
        let rebuilds = self.record.high_tc.as_ref().is_some_and(|tc| tc.view == timeout.view);
        let counts = timeout.view >= self.view && !is_old;
        let signed = timeout.verify(self.chain, &self.set) || omits(Defect::TcSignatures);
        if !(rebuilds || counts) || !signed {
            return;
        }
        self.remember_timeout(&timeout);
        if rebuilds && !omits(Defect::NoRebuild) {
            self.rebuild(&timeout);
        } else {
            self.count_timeout(timeout, now, out);
        }
    }

    /// A TC may be rebuilt from later timeouts.
    fn rebuild(&mut self, timeout: &Timeout) {
        if let Some(tc) = &mut self.record.high_tc
            && tc.add(timeout)
        {
            self.certs.trust_tc(tc);
        }
    }

    /// f + 1 timeouts of others for a view >= v move this validator too; and so does the leader's own, for it will propose no
    /// more. That is how a term ends at once for all.
    fn count_timeout(&mut self, timeout: Timeout, now: WallTime, out: &mut Vec<Effect>) {
        let view = timeout.view;
        let by_leader = view == self.view && timeout.voter == self.leader() && !omits(Defect::NoLeaderTimeout);
        self.timeouts.add(timeout);
        let amplified = self.timeouts.others_from(self.view, self.me) >= self.set.one_honest();
        if by_leader || (amplified && !omits(Defect::NoAmplification)) {
            self.give_up(now, out);
        }
        self.close(view, now, out);
    }

    /// 2f + 1 timeouts: TC(v).
    fn close(&mut self, view: u64, now: WallTime, out: &mut Vec<Effect>) {
        if view < self.view {
            return;
        }
        if let Some(tc) = self.timeouts.certificate(view, &self.set) {
            self.certs.trust_tc(&tc);
            self.accept_timeout_cert(&tc, now, out);
        }
    }

    pub(super) fn on_timeout_cert(&mut self, tc: &TimeoutCert, now: WallTime, out: &mut Vec<Effect>) -> bool {
        let holds = self.certs.tc_holds(tc);
        if holds {
            self.accept_timeout_cert(tc, now, out);
        }
        holds
    }

    /// enter: TC(v) moves to v + 1. It holds f + 1 timeouts of others, so this validator says first that it gives v up too:
    /// the next leader may need its denial of a tip.
    fn accept_timeout_cert(&mut self, tc: &TimeoutCert, now: WallTime, out: &mut Vec<Effect>) {
        let Some(next) = tc.view.checked_add(1) else { return };
        self.accept_cert(&tc.high_qc, now, out);
        if tc.view == self.view {
            self.give_up(now, out);
        }
        if self.record.high_tc.as_ref().is_none_or(|high| tc.view > high.view) {
            self.record.high_tc = Some(tc.clone());
        }
        if next > self.view {
            self.enter(next, now, out);
        }
    }

    /// Fires what is due: no progress, end of term, the same timeout again.
    pub(super) fn watch_clock(&mut self, now: WallTime, out: &mut Vec<Effect>) {
        let busy = self.is_timed();
        self.pacemaker.set_busy(busy, now);
        if self.record.timeout_view >= self.view {
            if self.repeats() && now >= self.repeat_at && !omits(Defect::NoRepeat) {
                self.repeat_timeout(now, out);
            }
        } else if busy && [self.pacemaker.deadline(), self.pacemaker.term_limit()].iter().flatten().any(|at| now >= *at)
        {
            self.give_up(now, out);
        }
    }

    /// Whether the timer runs.
    fn is_timed(&self) -> bool {
        let is_silent = self.tree.in_view(self.view).next().is_none();
        (self.is_busy() && !(is_silent && omits(Defect::SilenceTolerated))) || omits(Defect::TimerAlwaysRuns)
    }

    /// A timeout is said again while there is work or somebody else wants the view to end; else an idle ledger would not be
    /// quiet.
    fn repeats(&self) -> bool {
        self.record.timeout_view == self.view && (self.is_busy() || self.timeouts.others_from(self.view, self.me) > 0)
    }

    pub(super) fn wish_for_wake(&mut self, now: WallTime, out: &mut Vec<Effect>) {
        let given_up = self.record.timeout_view >= self.view;
        let busy = self.is_timed();
        self.pacemaker.set_busy(busy, now);
        let times = [
            self.repeat_at_if(self.repeats() && !omits(Defect::NoRepeat)),
            self.pacemaker.deadline().filter(|_| !given_up),
            self.pacemaker.term_limit().filter(|_| !given_up && busy),
            self.pacemaker.term_end().filter(|end| !given_up && busy && self.lead.is_some() && *end > now),
            self.lead.as_ref().and_then(|lead| lead.note_at),
            self.requests.due_at(),
            self.behind_due_at(),
            self.idle_due_at(),
        ];
        let next = times.into_iter().flatten().min();
        let is_new = next != self.wake_at || next.is_some_and(|at| at <= now);
        self.wake_at = next;
        if let Some(at) = next
            && is_new
        {
            out.push(Effect::WakeAt(at));
        }
    }

    fn repeat_at_if(&self, repeats: bool) -> Option<WallTime> {
        repeats.then_some(self.repeat_at)
    }
}
