//! Seeded defects: clauses of the rules are left out one by one, and the hunters have to find it (CONSENSUS section 5.3).
//!
//! A [`Case`] names what is left out, who hunts it, and after how many runs it must be found. What a hunter finds must not be there
//! once the clause is back: so each finding is run again without the defect. [`MASKED`] lists the clauses whose absence alone changes
//! nothing, each with the clause that stands in for it.
//!
//! Only in builds with the feature `defects`.

mod cases;
mod resigned;
mod scenes;
mod solo;

use gridbook_ledger::defects::{Armed, Defect};

pub use cases::{MASKED, cases};

use crate::cluster::{self, Attack, ClusterConfig, Faults, Kind, Kinds};
use crate::consensus::{Cast, Climate, Story, Violation};
use crate::twins::{Scenario, Shape};

/// What is left out, and who has to find it.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// All of it is left out together.
    pub defects: &'static [Defect],
    /// Who hunts.
    pub hunter: Hunter,
    /// It must be found in so many runs.
    pub budget: u64,
}

/// Who hunts.
#[derive(Clone, Copy, Debug)]
pub enum Hunter {
    /// Stories of consensus cores, seed by seed.
    Stories(Climate, Cast),
    /// Whole validators, seed by seed.
    Swarm(Swarm),
    /// Scenarios of Twins, spread over all of them.
    Twins,
    /// One core and messages written by hand.
    Scene(fn() -> Result<(), Violation>),
}

/// What whole validators are hunted with.
#[derive(Clone, Copy, Debug)]
pub struct Swarm {
    /// What goes wrong in every seed, and nothing else.
    pub with: &'static [Kind],
    /// How those lie who lie; drawn if none is given.
    pub attack: Option<Attack>,
    /// Whether operators change the validators.
    pub operators: bool,
}

/// What came of a hunt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Found.
    Caught {
        /// In this run, counted from 1.
        run: u64,
        /// What was broken.
        violation: Violation,
    },
    /// Not found within the budget.
    Missed,
    /// The same run breaks a rule without the defect too: the hunter cries wolf, or the rules have a hole.
    FalseAlarm {
        /// In this run, counted from 1.
        run: u64,
        /// What was broken with the clause in place.
        violation: Violation,
    },
}

impl Case {
    /// The names of what is left out.
    pub fn name(&self) -> String {
        self.defects.iter().map(|defect| defect.name()).collect::<Vec<_>>().join(" + ")
    }

    /// Hunts until it is found or the budget is used up.
    pub fn hunt(&self) -> Verdict {
        for run in 0..self.budget {
            let found = {
                let _armed = Armed::with(self.defects);
                self.hunter.run(run, self.budget)
            };
            let Err(violation) = found else { continue };
            return match self.hunter.run(run, self.budget) {
                Ok(()) => Verdict::Caught { run: run + 1, violation },
                Err(violation) => Verdict::FalseAlarm { run: run + 1, violation },
            };
        }
        Verdict::Missed
    }
}

impl Hunter {
    /// What it is called.
    pub fn name(&self) -> String {
        match self {
            Self::Stories(climate, Cast::Honest) => format!("stories, {}", climate.name()),
            Self::Stories(climate, Cast::Any) => format!("stories, {}, any liar", climate.name()),
            Self::Stories(climate, Cast::One(strategy)) => format!("stories, {}, {}", climate.name(), strategy.name()),
            Self::Swarm(swarm) => swarm.name(),
            Self::Twins => "Twins".to_owned(),
            Self::Scene(_) => "scene".to_owned(),
        }
    }

    fn run(&self, run: u64, budget: u64) -> Result<(), Violation> {
        let violation = match *self {
            Self::Stories(climate, cast) => Story { climate, cast, ..Story::new(run) }.run().violation,
            Self::Swarm(swarm) => {
                let error = cluster::run(swarm.config(run)).err();
                error.map(|error| Violation::Cluster(error.violation))
            }
            Self::Twins => {
                let shape = Shape::USUAL;
                Scenario { shape, number: run * (shape.count() / budget) }.run().violation
            }
            Self::Scene(scene) => return scene(),
        };
        violation.map_or(Ok(()), Err)
    }
}

impl Swarm {
    /// The configuration of a run, counted from 1 as in [`Verdict`].
    pub fn of_run(self, run: u64) -> ClusterConfig {
        self.config(run.saturating_sub(1))
    }

    fn name(self) -> String {
        let kinds = Kinds::of(self.with);
        let attack = self.attack.map_or_else(String::new, |attack| format!(": {}", attack.name()));
        let epochs = if self.operators { ", epochs" } else { "" };
        format!("swarm, {kinds}{attack}{epochs}")
    }

    /// Short stories in which every trade is derived again.
    fn config(self, run: u64) -> ClusterConfig {
        ClusterConfig {
            faults: Faults::None,
            with: Kinds::of(self.with),
            attack: self.attack,
            operators: Some(self.operators),
            refereed: Some(true),
            virtual_seconds: SWARM_SECONDS,
            // What it takes to notice was found out without readings.
            metered: Some(false),
            ..ClusterConfig::new(run)
        }
    }
}

const SWARM_SECONDS: u64 = 8;

#[cfg(test)]
mod tests {
    use gridbook_ledger::defects::Defect;

    use super::*;

    /// A seed has kills, splits and copies, and breaks a rule by the first of these or by nothing at all: what it does not take is named, and
    /// nothing that it did not have.
    #[test]
    fn minimising_leaves_out_only_what_a_seed_has() {
        let with = &[Kind::Kill, Kind::Split, Kind::Copies];
        let config = Swarm { with, attack: None, operators: false }.of_run(1);
        let _armed = Armed::with(&[Defect::VoteNotRecorded]);
        let mut tried = Vec::new();
        let (without, error) = cluster::minimise(config, |kind| tried.push(kind)).expect("it breaks a rule");
        assert_eq!(Kinds::of(&tried), Kinds::of(with));
        assert!(without != Kinds::default() && without.iter().all(|kind| with.contains(&kind)));
        let again = cluster::run(ClusterConfig { without, ..config }).expect_err("it takes no more than that");
        assert_eq!(again, error);
    }
}
