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
    /// Scenarios of Twins, spread over all of them.
    Twins,
    /// One core and messages written by hand.
    Scene(fn() -> Result<(), Violation>),
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
            Self::Twins => "Twins".to_owned(),
            Self::Scene(_) => "scene".to_owned(),
        }
    }

    fn run(&self, run: u64, budget: u64) -> Result<(), Violation> {
        let violation = match *self {
            Self::Stories(climate, cast) => Story { climate, cast, ..Story::new(run) }.run().violation,
            Self::Twins => {
                let shape = Shape::USUAL;
                Scenario { shape, number: run * (shape.count() / budget) }.run().violation
            }
            Self::Scene(scene) => return scene(),
        };
        violation.map_or(Ok(()), Err)
    }
}
