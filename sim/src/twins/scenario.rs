//! One scenario: its number says everything.

use gridbook_ledger::validators::ValidatorIndex;

use super::Shape;
use crate::cluster::dice::Dice;
use crate::consensus::{Cluster, Command, Ring, Violation, Weather, index};

/// A scenario of a shape, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// The shape.
    pub shape: Shape,
    /// Its number, below [`Shape::count`].
    pub number: u64,
}

/// What is drawn for a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// Who leads it.
    pub leader: usize,
    /// A bit for each instance: on which side it is. Instance 0 is always on side 0.
    pub sides: u64,
}

/// How a scenario ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The first rule that was broken, if one was.
    pub violation: Option<Violation>,
    /// The highest final height before everything healed.
    pub early_height: u64,
    /// The highest final height.
    pub height: u64,
    /// The highest view.
    pub views: u64,
    /// Messages delivered and other events.
    pub steps: u64,
    /// How many validators were proven guilty.
    pub guilty: usize,
    /// What happened, if it was to be told.
    pub told: Vec<String>,
}

/// A message takes exactly so long.
const HOP_US: u64 = 1_000;
/// A view lasts from 1 to this many hops, and up to one and a half more at each instance. A header needs two hops to be certified
/// and four to be final at its leader.
const HOPS_MAX: u64 = 6;
/// Longer than the rounds take, and shorter than the first timer of the cores.
const HEAL_US: u64 = 20 * HOP_US;
/// How soon after that everything is final.
const BOUND_US: u64 = 30_000_000;

impl Scenario {
    /// What is drawn for each view, from view 1 on.
    pub fn rounds(self) -> Vec<Round> {
        let leaders = self.shape.validators as u64;
        let mut rest = self.number;
        let draw = |_| {
            let drawn = rest % self.shape.per_round();
            rest /= self.shape.per_round();
            let leader = usize::try_from(drawn % leaders).expect("below a usize");
            Round { leader, sides: (drawn / leaders) << 1 }
        };
        (0..self.shape.rounds).map(draw).collect()
    }

    /// The scenario in words: leader and sets of each view. Copies are marked with an apostrophe.
    pub fn describe(self) -> String {
        let name = |who: usize| match who.checked_sub(self.shape.validators) {
            Some(original) => format!("{original}'"),
            None => who.to_string(),
        };
        let side = |round: &Round, side: u64| {
            let on_it = (0..self.shape.instances()).filter(|who| round.sides >> who & 1 == side);
            on_it.map(name).collect::<Vec<_>>().join(" ")
        };
        let rounds = self.rounds();
        let lines = rounds.iter().zip(1..).map(|(round, view)| {
            format!("view {view}: leader {}, sets {{{}}} {{{}}}", round.leader, side(round, 0), side(round, 1))
        });
        lines.collect::<Vec<_>>().join("; ")
    }

    /// Lets it happen.
    pub fn run(self) -> Outcome {
        self.play(false)
    }

    /// The same, with a line for everything that happens.
    pub fn tell(self) -> Outcome {
        self.play(true)
    }

    fn play(self, told: bool) -> Outcome {
        let rounds = self.rounds();
        let mut dice = Dice::new(self.number, 4);
        let ring = Ring::of(self.shape.validators).with_rota(self.rota(&rounds));
        let places: Vec<usize> = (0..self.shape.validators).chain(0..self.shape.twins).collect();
        let weather = Weather { delay_us: 1, check_us: 1, ..Weather::FAIR };
        let patience: Vec<u64> = rounds.iter().map(|_| dice.between(1, HOPS_MAX) * HOP_US).collect();
        let mut cluster = Cluster::new(ring, &places, weather, dice);
        cluster.splits = rounds.iter().map(|round| round.sides).collect();
        cluster.patience_us = patience;
        cluster.told = told.then(Vec::new);
        cluster.start();
        let heal_us = cluster.now.0 + HEAL_US * u64::from(self.shape.rounds);
        cluster.run_until(heal_us, |_| false);
        let early_height = cluster.witness.height();
        cluster.heal();
        offer_all(&mut cluster);
        let end_us = cluster.now.0 + BOUND_US;
        if !cluster.run_until(end_us, Cluster::all_final) {
            cluster.break_rule(Violation::NoProgress);
        }
        outcome(cluster, early_height)
    }

    /// Who leads views 0, 1, 2, ...: as drawn, then all in turn.
    fn rota(self, rounds: &[Round]) -> Vec<ValidatorIndex> {
        let drawn = rounds.iter().map(|round| index(round.leader));
        let in_turn = (0..8 * self.shape.validators).map(|view| index(view % self.shape.validators));
        [index(0)].into_iter().chain(drawn).chain(in_turn).collect()
    }
}

/// Whatever an honest validator was told, and one command more, is now everybody's affair.
fn offer_all(cluster: &mut Cluster) {
    let all = (1 << cluster.instances.len()) - 1;
    for command in &mut cluster.commands {
        command.offered_to = all;
    }
    cluster.add_command(Command { number: 0, known_to: all, offered_to: all });
}

fn outcome(cluster: Cluster, early_height: u64) -> Outcome {
    Outcome {
        early_height,
        height: cluster.witness.height(),
        views: cluster.instances.iter().map(|instance| instance.core.view()).max().unwrap_or(0),
        steps: cluster.steps,
        guilty: cluster.witness.guilty.len(),
        violation: cluster.violation,
        told: cluster.told.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pair of partition and leader is drawn for every view, and no two numbers are one scenario.
    #[test]
    fn numbers_and_scenarios_are_one_to_one() {
        let shape = Shape { rounds: 2, ..Shape::USUAL };
        assert_eq!((Shape::USUAL.count(), shape.count()), (262_144, 4_096));
        let scenarios = (0..shape.count()).map(|number| Scenario { shape, number }.rounds());
        let distinct: std::collections::BTreeSet<Vec<(usize, u64)>> =
            scenarios.map(|rounds| rounds.iter().map(|r| (r.leader, r.sides)).collect()).collect();
        assert_eq!(distinct.len(), 4_096);
        assert!(distinct.iter().flatten().all(|(leader, sides)| *leader < 4 && *sides < 32 && sides & 1 == 0));
    }

    #[test]
    fn a_scenario_is_told_in_words() {
        let scenario = Scenario { shape: Shape { rounds: 1, ..Shape::USUAL }, number: 38 };
        // 38 = 9 x 4 + 2: sides 1001 for instances 0', 3, 2, 1.
        assert_eq!(scenario.describe(), "view 1: leader 2, sets {0 2 3} {1 0'}");
    }
}
