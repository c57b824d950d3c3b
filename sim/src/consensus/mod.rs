//! Consensus cores alone: the production [`Core`](gridbook_ledger::hotstuff::Core) over a toy log, in stories of a few views.
//!
//! Where [`crate::cluster`] simulates whole validators, this room leaves out the market and the disk's bytes, and so goes through
//! thousands of stories in the same time (CONSENSUS section 5.3). A [`Story`] draws from its seed who lies, what the network loses,
//! and where the power goes, between any two effects. A witness holds everything against the rules; when the network has healed,
//! everything has to become final.
//!
//! Architecture invariant: no clock, no thread, no socket. The same story gives the same trace.

mod cluster;
mod effects;
mod instance;
mod liars;
mod ring;
mod story;
mod toy_log;
mod violation;
mod weather;
mod witness;

use gridbook_ledger::crypto::Hash;

use cluster::Event;
pub(crate) use cluster::{Cluster, Command};
#[cfg(feature = "defects")]
pub(crate) use ring::certificate;
pub(crate) use ring::{Ring, index};
#[cfg(feature = "defects")]
pub(crate) use toy_log::{OwnLogs, Universe, body};

pub use liars::Strategy;
pub use violation::Violation;
pub use weather::{Cast, Climate, Weather};

use crate::cluster::dice::Dice;

/// One run: everything else is drawn from the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Story {
    /// The seed.
    pub seed: u64,
    /// How many validators: 3f + 1.
    pub validators: usize,
    /// What goes wrong around them.
    pub climate: Climate,
    /// Who of them lies.
    pub cast: Cast,
}

/// How a story ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The first rule that was broken, if one was.
    pub violation: Option<Violation>,
    /// The last final height.
    pub height: u64,
    /// The highest view.
    pub views: u64,
    /// How many events there were.
    pub steps: u64,
    /// How many validators were proven guilty.
    pub guilty: usize,
    /// Over everything that became final.
    pub trace: Hash,
    /// What happened, if it was to be told.
    pub told: Vec<String>,
}

impl Story {
    /// Four validators, one of which may lie, and a bit of everything.
    pub fn new(seed: u64) -> Self {
        Self { seed, validators: 4, climate: Climate::Mixed, cast: Cast::Any }
    }

    /// Lets it happen.
    pub fn run(self) -> Ending {
        self.end(false)
    }

    /// The same, with a line for everything that happens.
    pub fn tell(self) -> Ending {
        self.end(true)
    }

    fn end(self, told: bool) -> Ending {
        let mut dice = Dice::new(self.seed, 77);
        let weather = self.climate.draw(&mut dice);
        let liar = self.draw_liar(&mut dice);
        let places: Vec<usize> = (0..self.validators).collect();
        let mut cluster = Cluster::new(Ring::of(self.validators), &places, weather, dice);
        cluster.told = told.then(Vec::new);
        if let Some((who, strategy)) = liar {
            cluster.corrupt(who, strategy);
        }
        cluster.plan();
        cluster.start();
        cluster.play();
        cluster.ending()
    }

    fn draw_liar(self, dice: &mut Dice) -> Option<(usize, Strategy)> {
        let strategy = match self.cast {
            Cast::Honest => return None,
            Cast::One(strategy) => strategy,
            Cast::Any if dice.per_mille(300) => return None,
            Cast::Any => Strategy::ALL[dice.place(Strategy::ALL.len())],
        };
        // Validator 1 leads first: a liar that leads is the worst.
        let who = if dice.per_mille(500) { 1 } else { dice.place(self.validators) };
        Some((who, strategy))
    }
}

impl Cluster {
    fn plan(&mut self) {
        let Weather { commands, heal_at_us, partitions, laggard_us, .. } = self.weather;
        self.laggard = (0..self.instances.len()).rev().find(|who| laggard_us > 0 && self.is_honest(*who));
        self.planned = commands + 1;
        for _ in 0..commands {
            let at = self.dice.below(heal_at_us);
            self.after(at, Event::Command);
        }
        for _ in 0..partitions {
            let at = self.dice.below(heal_at_us);
            let size = 1 + self.dice.place(self.instances.len() - 1);
            let apart = (0..size).map(|_| self.dice.place(self.instances.len())).collect();
            self.after(at, Event::Partition(apart));
        }
        self.after(heal_at_us, Event::Heal);
        // One after everything healed, so that there is always something to finish.
        self.after(heal_at_us + 1, Event::Command);
    }

    fn play(&mut self) {
        let Weather { heal_at_us, bound_us, idle_us, .. } = self.weather;
        let end_us = self.now.0 + heal_at_us + bound_us;
        if !self.run_until(end_us, Self::all_final) {
            self.break_rule(Violation::NoProgress);
        }
        let spared = self.liars.is_empty() && self.violation.is_none();
        if spared {
            let lost = self.witness.check_nothing_certified_was_lost(&self.universe);
            self.note(lost);
        }
        if idle_us > 0 && self.violation.is_none() {
            self.idle(idle_us);
        }
    }

    /// With nothing to do nobody speaks, after a moment; and a leader under load did not stay for ever.
    fn idle(&mut self, idle_us: u64) {
        let views = self.instances[0].core.view();
        if self.weather.commands > 100 && views < 3 {
            self.break_rule(Violation::EndlessTerm);
        }
        self.run_until(self.now.0 + 1_000_000, |_| false);
        let sent = self.sent;
        self.run_until(self.now.0 + idle_us, |_| false);
        let messages = self.sent - sent;
        if messages > 0 {
            self.break_rule(Violation::Unrest { messages });
        }
    }

    fn ending(self) -> Ending {
        let trace = self.trace();
        let views = self.instances.iter().map(|instance| instance.core.view()).max().unwrap_or(0);
        Ending {
            violation: self.violation,
            height: self.witness.height(),
            views,
            steps: self.steps,
            guilty: self.witness.guilty.len(),
            trace,
            told: self.told.unwrap_or_default(),
        }
    }
}
