//! Carrying out what a core wants, in its order; a crash may fall between any two effects.

use std::rc::Rc;

use gridbook_ledger::defects::{Defect, omits};
use gridbook_ledger::evidence::EvidenceKind;
use gridbook_ledger::header::LogPoint;
use gridbook_ledger::hotstuff::{ConsensusMessage, Effect, Input, Recipient, WallTime};

use super::cluster::{Cluster, Event};
use super::instance::OpenBuild;
use super::liars::Stage;
use super::toy_log::{OwnLogs, body};
use super::violation::Violation;

/// An honest validator keeps no more unfinal headers than this in any story. A leader that waits for an old header to be sent again
/// goes on with empty ones, at the speed of the network.
const UNFINAL_MAX: usize = 120;
/// How long the disk takes where the driver does not wait for it.
const SYNC_US: u64 = 15_000;

impl Cluster {
    /// Feeds one input, and all that follow from it at once.
    pub(crate) fn input(&mut self, who: usize, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            if !self.instances[who].alive || self.violation.is_some() {
                return;
            }
            if let Input::Waiting(waiting) = input {
                self.instances[who].waiting = waiting;
            }
            let effects = self.handle(who, input);
            for effect in effects {
                if self.crashes_now(who) {
                    self.crash(who);
                    return;
                }
                self.carry_out(who, effect);
            }
            self.look_at(who);
            inputs.extend(self.built(who));
            let waits = self.wants(who, |command| command.known_to >> who & 1 == 1);
            inputs.extend((self.instances[who].waiting != waits).then_some(Input::Waiting(waits)));
        }
    }

    fn handle(&mut self, who: usize, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        let ends_view = self.must_end_view(who, &input);
        let view = self.instances[who].core.view();
        let (universe, instance) = (&self.universe, &mut self.instances[who]);
        let logs = OwnLogs { universe, has: &instance.has };
        instance.core.handle(input, &logs, self.now, &mut effects);
        let gave_up = self.instances[who].core.record().timeout_view >= view;
        let moved = self.instances[who].core.view() > view;
        let double = effects.iter().any(|effect| doubled_in(effect, view));
        if self.is_honest(who) && !gave_up && !moved {
            let reason = ends_view.or(double.then_some("two proposals of it at one rank"));
            reason.into_iter().for_each(|reason| self.break_rule(Violation::LeaderKept(reason)));
        }
        effects
    }

    /// Why an input must end the view at once, if it must.
    fn must_end_view(&self, who: usize, input: &Input) -> Option<&'static str> {
        let core = &self.instances[who].core;
        match input {
            Input::Message { from, message: ConsensusMessage::Timeout(timeout) } => {
                let by_leader = timeout.view == core.view() && *from == core.leader() && timeout.voter == *from;
                let valid = timeout.verify(self.ring.root.chain, &self.ring.set) && self.is_honest_place(from.0.into());
                (by_leader && valid).then_some("its own timeout")
            }
            Input::Checked { hash, verdict: gridbook_ledger::hotstuff::Verdict::Differs } => {
                let of_view = core.proposal(*hash).is_some_and(|p| p.header.rank.view == core.view());
                let unfinal = core.unfinal().any(|p| p.header.hash() == *hash);
                (of_view && unfinal).then_some("a header that differs from own execution")
            }
            _ => None,
        }
    }

    fn crashes_now(&mut self, who: usize) -> bool {
        if self.weather.crash == 0 || !self.is_honest(who) {
            return false;
        }
        let down = self.instances.iter().filter(|instance| !instance.alive).count() + self.liars.len();
        // Even all honest ones may be down at once: that must cost time only.
        let chance = if down == 0 { self.weather.crash } else { self.weather.crash / 2 };
        self.dice.per_mille(chance)
    }

    /// A validator whose record is lost may not sign, so it stays down.
    fn crash(&mut self, who: usize) {
        let had_record = self.instances[who].has_record();
        let loses_record = self.weather.record_lost && had_record && self.forgetful.is_none_or(|one| one == who);
        self.instances[who].crash(loses_record);
        self.tell(|| format!("{who} crashes"));
        if loses_record {
            self.forgetful = Some(who);
        }
        if !loses_record || omits(Defect::SignsWithoutRecord) {
            let down = 10_000 + self.dice.below(300_000);
            self.after(down, Event::Restart { who });
        }
    }

    fn look_at(&mut self, who: usize) {
        let place = self.instances[who].place;
        let liars: Vec<usize> = (0..self.ring.keys.len()).filter(|place| !self.is_honest_place(*place)).collect();
        let Self { witness, instances, ring, .. } = self;
        let looked = witness.look_at(place, &instances[who].core, ring, |place| !liars.contains(&place));
        self.note(looked);
        let headers = self.instances[who].core.unfinal().count();
        if headers > UNFINAL_MAX && self.is_honest(who) {
            self.break_rule(Violation::KeepsTooMuch { headers });
        }
    }

    fn carry_out(&mut self, who: usize, effect: Effect) {
        let life = self.instances[who].life;
        match effect {
            Effect::KeepProposal(proposal) => self.instances[who].keep(*proposal),
            Effect::Persist(record) => {
                self.witness.note_record(self.instances[who].place, &record);
                self.instances[who].persist(*record);
                if omits(Defect::SendBeforeSync) || omits(Defect::RecordBeforeLog) {
                    self.after(SYNC_US, Event::DiskSynced { to: who, life });
                }
            }
            Effect::Send { to, message } => self.send(who, to, message),
            Effect::Check { header, .. } => {
                let delay = self.dice.below(self.weather.check_us);
                self.after(delay, Event::Check { to: who, life, header: Rc::new(*header) });
            }
            Effect::Build { rank, parent, carry, tail } => {
                self.instances[who].build = Some(OpenBuild { rank, parent: *parent, carry, tail });
            }
            Effect::PullLog { point, .. } => self.after(5_000, Event::Pull { to: who, life, point }),
            Effect::EnteredView { view, .. } => self.enter_view(who, view),
            Effect::TermOver { .. } => {}
            Effect::Final { headers, .. } => {
                for header in headers {
                    self.finalise(who, header.hash, &header.proposal);
                }
            }
            Effect::Behind { target, .. } => self.after(10_000, Event::Sync { to: who, life, target }),
            Effect::Evidence { culprit, evidence } => {
                if self.is_honest_place(culprit.0.into()) {
                    self.break_rule(Violation::InnocentAccused(evidence.kind.name()));
                }
                self.witness.guilty.insert(culprit.0.into());
            }
            Effect::Diverged { .. } if self.is_honest(who) => self.break_rule(Violation::Diverged),
            Effect::Diverged { .. } => {}
            Effect::WakeAt(at) => self.wake(who, at),
        }
    }

    fn enter_view(&mut self, who: usize, view: u64) {
        self.tell(|| format!("{who} enters view {view}"));
        self.instances[who].build = None;
        let place = usize::try_from(view).ok().and_then(|view| view.checked_sub(1));
        let Some(patience_us) = place.and_then(|place| self.patience_us.get(place)).copied() else { return };
        let patience_us = patience_us + self.dice.below(patience_us.min(1_500));
        self.after(patience_us, Event::GiveUp { to: who, view });
        // Something to propose that nobody else would: so the copies of a leader propose different headers.
        let (number, only_me) = (1_000 * view + 1 + who as u64, 1 << who);
        self.commands.push(super::cluster::Command { number, known_to: only_me, offered_to: only_me });
    }

    fn wake(&mut self, who: usize, at: WallTime) {
        self.instances[who].wake_at = Some(at);
        let delay = at.0.saturating_sub(self.now.0).max(1);
        self.after(delay, Event::Wake { to: who });
    }

    fn finalise(
        &mut self,
        who: usize,
        hash: gridbook_ledger::crypto::Hash,
        proposal: &gridbook_ledger::hotstuff::Proposal,
    ) {
        if !self.is_honest(who) {
            // What a liar or a twin takes for final binds nobody; but its log has to follow.
            let _ = self.instances[who].finalise(hash, proposal, &self.universe);
            return;
        }
        self.tell(|| format!("{who} finalises height {} {}", proposal.header.height, super::story::name(hash)));
        let noted = self.witness.note_final(hash, proposal, &self.universe);
        self.note(noted);
        self.absorb(who, &hash.0);
        let told = self.instances[who].finalise(hash, proposal, &self.universe);
        self.note(told);
    }

    fn send(&mut self, who: usize, to: Recipient, message: ConsensusMessage) {
        if let Some(mut liar) = self.liars.remove(&who) {
            let Self { ring, universe, instances, .. } = self;
            let mut stage = Stage { ring, universe, me: &mut instances[who] };
            let sends = liar.say(&mut stage, to, message);
            self.liars.insert(who, liar);
            for (recipient, message) in sends {
                self.transmit(who, recipient, message);
            }
            return;
        }
        if self.is_honest(who) {
            let said = self.instances[who].say(&message);
            self.note(said);
        }
        self.transmit(who, to, message);
    }

    /// A liar hears like anybody, and may say something about it.
    pub(super) fn hear_as_liar(&mut self, to: usize, message: &ConsensusMessage) {
        let Some(mut liar) = self.liars.remove(&to) else { return };
        let Self { ring, universe, instances, .. } = self;
        let mut stage = Stage { ring, universe, me: &mut instances[to] };
        let sends = liar.hear(&mut stage, message);
        self.liars.insert(to, liar);
        for (recipient, message) in sends {
            self.transmit(to, recipient, message);
        }
    }

    /// Answers an open question for the next header, if there is log or it is to be answered at once.
    fn built(&mut self, who: usize) -> Option<Input> {
        let open = self.instances[who].build.clone()?;
        let mut end: LogPoint = open.carry.unwrap_or(open.parent.log_end());
        let sequenced = self.universe.commands(end);
        let offered = |command: &&super::cluster::Command| {
            command.offered_to >> who & 1 == 1 && !sequenced.contains(&command.number)
        };
        let fresh: Vec<u64> = self.commands.iter().filter(offered).map(|command| command.number).collect();
        if fresh.is_empty() && !open.tail {
            return None;
        }
        // A leader writes something of its own before what it was given, as the production leader writes the time.
        let mark = (!fresh.is_empty()).then_some(5_000_000 + 100 * open.rank.view + who as u64);
        for command in mark.into_iter().chain(fresh) {
            end = self.universe.append(end, command);
            self.instances[who].take_in(end.digest);
        }
        self.instances[who].build = None;
        Some(Input::Built { rank: open.rank, body: body(&open.parent, end) })
    }
}

fn doubled_in(effect: &Effect, view: u64) -> bool {
    let Effect::Evidence { evidence, .. } = effect else { return false };
    evidence.kind == EvidenceKind::DoubleProposal && evidence.view() == view
}
