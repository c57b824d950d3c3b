//! Starts, stops and trouble.

use gridbook_ledger::replica::Input;

use super::super::disk::End;
use super::super::mix::Kind;
use super::super::process::StartError;
use super::super::weather::{self, Trouble};
use super::agenda::Event;
use super::storage::is_full;
use super::{FILL_US, FULL_US, World};

impl World {
    pub(super) fn start(&mut self, index: usize) -> Result<(), String> {
        if self.processes[index].running.is_some() {
            return Ok(());
        }
        let now_us = self.now_us();
        let steps = match self.processes[index].start(&self.market) {
            Ok(steps) => steps,
            Err(StartError::Disk(error)) if is_full(&error) => {
                self.after(FULL_US, Event::Restart(index));
                return Ok(());
            }
            Err(error) => return Err(format!("validator {index}: {error}")),
        };
        self.trace.absorb(now_us, 6, index, steps.len(), &[]);
        self.trace.note(now_us, || format!("{index}: up, with {} final", steps.len()));
        if !self.culprits.contains_key(&index) {
            steps.iter().try_for_each(|step| self.finalize(index, step))?;
        }
        let process = &self.processes[index];
        if process.has_gap() {
            let (slowness, life) = (process.slowness, process.life);
            self.after(FILL_US * slowness, Event::Fill { to: index, life });
        }
        self.feed(index, Input::Start)?;
        self.end_turn(index);
        for other in 0..self.processes.len() {
            if other != index {
                self.connect(index, other);
            }
        }
        Ok(())
    }

    fn connect(&mut self, a: usize, b: usize) {
        let (there_us, back_us) = (self.dice.between(1_000, 60_000), self.dice.between(1_000, 60_000));
        self.after(there_us, Event::Connected { to: a, peer: b });
        self.after(back_us, Event::Connected { to: b, peer: a });
    }

    pub(super) fn crash(&mut self, index: usize, end: End, back_after_us: u64) {
        if self.processes[index].running.is_none() {
            return;
        }
        self.processes[index].crash(end);
        self.report.crashes += 1;
        self.trace.absorb(self.now_us(), 7, index, 0, &[]);
        self.trace.note(self.now_us(), || format!("{index}: {end:?}"));
        for other in 0..self.processes.len() {
            self.wire.break_off(index, other);
            self.wire.break_off(other, index);
        }
        self.after(back_after_us, Event::Restart(index));
    }

    pub(super) fn make_trouble(&mut self) {
        if self.mended {
            return;
        }
        let next_us = self.dice.between(self.mix.every_us.0, self.mix.every_us.1);
        self.after(next_us, Event::Weather);
        let Some(trouble) = weather::draw(&self.mix, self.processes.len(), &mut self.dice) else { return };
        self.trace.note(self.now_us(), || format!("{trouble:?}"));
        self.report.troubles += 1;
        let left_us = self.heals_at_us().saturating_sub(self.now_us());
        match trouble {
            Trouble::Kill { leader, back_after_us } => self.crash_one(leader, back_after_us.min(left_us)),
            Trouble::Blackout { back_after_us } => self.crash_all(back_after_us, left_us),
            Trouble::Wipe { back_after_us } => self.wipe(back_after_us.min(left_us)),
            Trouble::Stall { for_us } => {
                let index = self.dice.place(self.processes.len());
                self.processes[index].disk_stalls_until_us = self.now_us() + for_us.min(left_us);
            }
            Trouble::Full { for_us } => {
                let index = self.dice.place(self.processes.len());
                self.processes[index].disk.set_full(true);
                self.after(for_us.min(left_us), Event::Space(index));
            }
            Trouble::Pause { leader, for_us } => {
                let index = if leader { self.leader() } else { self.dice.place(self.processes.len()) };
                self.processes[index].paused_until_us = self.now_us() + for_us.min(left_us);
            }
            Trouble::Jump { by_us } => {
                let index = self.dice.place(self.processes.len());
                self.set_clock(index, by_us);
            }
            Trouble::Split { group, rest, one_way, for_us } => {
                self.split(&group, &rest, for_us.min(left_us));
                if !one_way {
                    self.split(&rest, &group, for_us.min(left_us));
                }
            }
            Trouble::Silence { for_us } => {
                let leader = self.leader();
                let rest: Vec<usize> = (0..self.processes.len()).filter(|index| *index != leader).collect();
                self.split(&[leader], &rest, for_us.min(left_us));
            }
            Trouble::Storm { lost, for_us } => {
                self.wire.lost = lost;
                self.after(for_us, Event::Calm);
            }
        }
    }

    /// How a validator ends that is killed now.
    fn end(&mut self) -> End {
        if self.mix.kinds.has(Kind::PowerCut) && self.dice.per_mille(700) { End::PowerCut } else { End::Kill }
    }

    /// At most f are down at a time, and at least one may be.
    fn crash_one(&mut self, leader: bool, back_after_us: u64) {
        let down = self.processes.iter().filter(|process| process.running.is_none()).count();
        if down >= self.market.genesis.validators.faulty_max() {
            return;
        }
        let index = if leader { self.leader() } else { self.dice.place(self.processes.len()) };
        if self.silent_besides(index) + down >= self.market.genesis.validators.faulty_max() {
            return;
        }
        let end = self.end();
        self.crash(index, end, back_after_us);
    }

    /// How many others run and sign nothing, because they lost what they signed. They count as faulty: with f of them, nobody else may fail.
    fn silent_besides(&self, index: usize) -> usize {
        let others = self.processes.iter().filter(|process| process.index != index);
        others.filter(|process| process.running.as_ref().is_some_and(|running| running.replica.is_muted())).count()
    }

    /// A validator's disk is lost, if there is room for one more that does not sign. How long it stays silent its own clock decides,
    /// which must be right for that.
    fn wipe(&mut self, back_after_us: u64) {
        let index = self.dice.place(self.processes.len());
        let down = self.processes.iter().filter(|process| process.running.is_none()).count();
        let faulty = self.culprits.len() + down + self.silent_besides(index);
        let clocks_are_right = ![Kind::Skew, Kind::Jump].iter().any(|kind| self.mix.kinds.has(*kind));
        if faulty >= self.market.genesis.validators.faulty_max() || !clocks_are_right {
            return;
        }
        self.crash(index, End::Kill, back_after_us);
        self.processes[index].lose_disk();
        self.report.disks_lost += 1;
        self.trace.note(self.now_us(), || format!("{index}: its disk is lost"));
    }

    fn crash_all(&mut self, back_after_us: u64, left_us: u64) {
        let end = self.end();
        for index in 0..self.processes.len() {
            let back_after_us = back_after_us + self.dice.below(300_000);
            self.crash(index, end, back_after_us.min(left_us));
        }
    }

    /// A clock shows another time from now on; who waits for a moment waits for it on this clock.
    fn set_clock(&mut self, index: usize, ahead_us: i64) {
        let process = &mut self.processes[index];
        process.ahead_us = ahead_us;
        let wish = process.running.as_ref().and_then(|running| running.wake_at);
        if let Some(at) = wish {
            let (life, at_us) = (process.life, process.true_us(at));
            self.agenda.at(at_us, Event::Wake { to: index, life, at });
        }
    }

    /// Who leads, in the eyes of who is furthest.
    fn leader(&self) -> usize {
        let views = self.processes.iter().filter_map(|process| Some(process.running.as_ref()?.replica.view()));
        views.max().map_or(0, |(_, leader)| usize::from(leader.0))
    }

    fn split(&mut self, from: &[usize], to: &[usize], for_us: u64) {
        for &a in from {
            for &b in to {
                self.wire.cut(a, b, true);
            }
        }
        self.after(for_us, Event::Heal { from: from.to_vec(), to: to.to_vec() });
    }

    pub(super) fn heal(&mut self, from: &[usize], to: &[usize]) {
        for &a in from {
            for &b in to {
                if self.wire.cut(a, b, false) && self.wire.is_up(a, b) {
                    self.connect(a, b);
                }
            }
        }
    }

    pub(super) fn mend(&mut self) {
        self.mended = true;
        self.trace.note(self.now_us(), || "everything is mended".into());
        (self.wire.lost, self.wire.doubled) = (0, 0);
        for index in 0..self.processes.len() {
            self.set_clock(index, 0);
        }
        for a in 0..self.processes.len() {
            for b in a + 1..self.processes.len() {
                // What was lost came from connections that broke; they are made again.
                self.wire.break_off(a, b);
                self.wire.break_off(b, a);
                self.connect(a, b);
            }
        }
    }
}
