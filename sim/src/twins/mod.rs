//! Twins: validators that run twice, under one key (Bano and others, "Twins: BFT Systems Made Robust", OPODIS 2021; CONSENSUS
//! section 5.2).
//!
//! Two copies of correct code under one key are a Byzantine validator without a line of attack: they equivocate, vote twice, forget
//! and contradict each other, each following the rules. [`Shape::count`] scenarios go through every partition of the instances into
//! two sets and every leader, for a few rounds; then all messages pass, and everything has to become final.
//!
//! A round is a view. Its messages, by the view that they are of, pass only inside the two sets; its leader is the drawn one, and both
//! copies of it if it has a twin. How long a view lasts is drawn from the scenario's number too: some end before the first vote, some
//! with a header final at the leader alone. Who is left behind in a view stays there until somebody tells it of a later one.

mod scenario;

pub use scenario::{Outcome, Round, Scenario};

use crate::cluster::dice::Dice;

/// How many take part and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The validators: 3f + 1.
    pub validators: usize,
    /// How many of them run twice: up to f.
    pub twins: usize,
    /// The rounds before everything heals.
    pub rounds: u32,
}

/// Why a shape cannot be enumerated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// Not 3f + 1, or too many for a number of 64 bits.
    #[error("there must be 4, 7 or 10 validators")]
    Validators,
    /// More than f.
    #[error("of {0} validators at most {1} may run twice, and at least one")]
    Twins(usize, usize),
    /// None, or so many that scenarios cannot be numbered.
    #[error("there must be from 1 to {0} rounds")]
    Rounds(u32),
}

impl Shape {
    /// One of four runs twice, three rounds.
    pub const USUAL: Self = Self { validators: 4, twins: 1, rounds: 3 };

    /// Refuses a shape that makes no sense.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn check(self) -> Result<(), ShapeError> {
        let faulty_max = self.validators.saturating_sub(1) / 3;
        if ![4, 7, 10].contains(&self.validators) {
            return Err(ShapeError::Validators);
        }
        if self.twins == 0 || self.twins > faulty_max {
            return Err(ShapeError::Twins(self.validators, faulty_max));
        }
        let most = (1..).take_while(|rounds| self.per_round().checked_pow(*rounds).is_some()).last().unwrap_or(1);
        if self.rounds == 0 || self.rounds > most { Err(ShapeError::Rounds(most)) } else { Ok(()) }
    }

    /// Validators and their copies.
    pub fn instances(self) -> usize {
        self.validators + self.twins
    }

    /// Ways to part the instances into two sets, times leaders.
    fn per_round(self) -> u64 {
        self.partitions() * self.validators as u64
    }

    fn partitions(self) -> u64 {
        1 << (self.instances() - 1)
    }

    /// How many scenarios there are; they are numbered from 0.
    pub fn count(self) -> u64 {
        self.per_round().pow(self.rounds)
    }

    /// So many numbers of scenarios, drawn from a seed.
    pub fn sample(self, seed: u64, count: u64) -> impl Iterator<Item = u64> {
        let mut dice = Dice::new(seed, 5);
        (0..count).map(move |_| dice.below(self.count()))
    }
}

/// What many scenarios came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many ran.
    pub scenarios: u64,
    /// In how many something was final before everything healed.
    pub early: u64,
    /// In how many a twin was proven guilty.
    pub guilty: u64,
    /// The highest view of any.
    pub views: u64,
    /// Messages delivered and other events.
    pub steps: u64,
    /// Those that broke a rule: their numbers and what they broke.
    pub broken: Vec<(u64, String)>,
}

impl Tally {
    /// Adds the outcome of a scenario.
    pub fn add(&mut self, number: u64, outcome: &Outcome) {
        self.scenarios += 1;
        self.early += u64::from(outcome.early_height > 0);
        self.guilty += u64::from(outcome.guilty > 0);
        self.views = self.views.max(outcome.views);
        self.steps += outcome.steps;
        self.broken.extend(outcome.violation.as_ref().map(|violation| (number, violation.to_string())));
    }

    /// Adds another part of the same enumeration.
    pub fn merge(&mut self, other: Self) {
        self.scenarios += other.scenarios;
        self.early += other.early;
        self.guilty += other.guilty;
        self.views = self.views.max(other.views);
        self.steps += other.steps;
        self.broken.extend(other.broken);
        self.broken.sort();
    }
}
