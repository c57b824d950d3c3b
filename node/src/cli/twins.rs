//! `gridbook sim twins`.

use std::num::NonZeroUsize;
use std::time::Instant;

use anyhow::bail;
use clap::Args;
use gridbook_sim::twins::{Outcome, Scenario, Shape, Tally};

use super::crew::{Came, Crew, all_processors};
use super::{Global, Usage};

/// Run some validators twice under one key, in every partition and under every leader.
#[derive(Args, Debug)]
#[command(after_help = "\
Two copies of correct code under one key are a Byzantine validator by construction. A scenario says for each view who leads it and which
instances hear each other in it; then everything heals, and all must become final. What must never happen is checked after every input:
two final headers at one height, a word that an honest validator breaks, an accusation of an honest one, a certificate that was not given.

Without further flags all 262,144 scenarios of four validators, one of them twice, over three views are run. A scenario is its number: it
always ends the same way. Exit code 1 if one breaks a rule, with the command that shows it.

  gridbook sim twins                                    all of them: some minutes
  gridbook sim twins --from 0 --to 10000                a slice
  gridbook sim twins --scenario 123456 --trace          one, message by message
  gridbook sim twins --rounds 4 --sample 100000         of the 16,777,216 over four views, some
  gridbook sim twins --validators 7 --twins 2 --sample 20000 --seed 3")]
pub(crate) struct TwinsArgs {
    /// One scenario.
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["from", "to", "sample"])]
    scenario: Option<u64>,
    /// Tell what happens in it.
    #[arg(long, requires = "scenario")]
    trace: bool,
    /// The first scenario.
    #[arg(long, value_name = "NUMBER", conflicts_with = "sample")]
    from: Option<u64>,
    /// The one after the last.
    #[arg(long, value_name = "NUMBER", conflicts_with = "sample")]
    to: Option<u64>,
    /// So many, drawn from --seed, instead of all.
    #[arg(long, value_name = "COUNT")]
    sample: Option<u64>,
    /// What --sample draws from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many views before everything heals.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// How many validators: 4, 7 or 10.
    #[arg(long, default_value_t = 4)]
    validators: usize,
    /// How many of them run twice: at most f.
    #[arg(long, default_value_t = 1)]
    twins: usize,
    /// How many threads [default: one for each processor].
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
}

/// So many scenarios are taken by a thread at a time.
const HANDFUL: usize = 64;
/// So many broken scenarios are named.
const NAMED_MAX: usize = 5;

impl TwinsArgs {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        let shape = Shape { validators: self.validators, twins: self.twins, rounds: self.rounds };
        shape.check().map_err(|error| Usage::error(error.to_string()))?;
        match (self.scenario, self.sample) {
            (Some(number), _) => self.one(shape, number, global),
            (None, Some(count)) => self.many(shape, shape.sample(self.seed, count), count, global),
            (None, None) => {
                let (from, to) = (self.from.unwrap_or(0), self.to.unwrap_or(shape.count()));
                if from >= to || to > shape.count() {
                    return Err(Usage::error(format!("scenarios are numbered from 0 to {}", shape.count() - 1)));
                }
                self.many(shape, from..to, to - from, global)
            }
        }
    }

    fn one(&self, shape: Shape, number: u64, global: &Global) -> anyhow::Result<()> {
        if number >= shape.count() {
            return Err(Usage::error(format!("scenarios are numbered from 0 to {}", shape.count() - 1)));
        }
        let scenario = Scenario { shape, number };
        let outcome = if self.trace { scenario.tell() } else { scenario.run() };
        outcome.told.iter().for_each(|line| note!("{line}"));
        global.print(&outcome_json(scenario, &outcome), || outcome_text(scenario, &outcome))?;
        match outcome.violation {
            None => Ok(()),
            Some(violation) => bail!("scenario {number}: {violation}"),
        }
    }

    fn many(
        &self,
        shape: Shape,
        numbers: impl Iterator<Item = u64> + Send,
        total: u64,
        global: &Global,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        let jobs = self.jobs.unwrap_or_else(all_processors);
        let crew = Crew { what: "scenarios", total, jobs, handful: HANDFUL, remark: &String::new };
        let mut tally = Tally::default();
        let run = |number| Scenario { shape, number }.run();
        let came = crew.run(numbers, run, |number, outcome| tally.add(number, &outcome));
        tally.broken.sort();
        let seconds = started.elapsed().as_secs();
        global.print(&tally_json(shape, &tally, came, seconds), || tally_text(&tally, seconds))?;
        for (number, violation) in tally.broken.iter().take(NAMED_MAX) {
            note!("scenario {number}: {violation}; show it with: {}", again(shape, *number));
        }
        if !tally.broken.is_empty() {
            bail!("{} scenarios broke a rule", tally.broken.len());
        }
        if came == Came::Interrupted {
            bail!("interrupted after {} of {total} scenarios, all of them clean", tally.scenarios);
        }
        Ok(())
    }
}

/// The command that shows a scenario.
fn again(shape: Shape, number: u64) -> String {
    let Shape { validators, twins, rounds } = shape;
    format!(
        "gridbook sim twins --validators {validators} --twins {twins} --rounds {rounds} --scenario {number} --trace"
    )
}

fn outcome_json(scenario: Scenario, outcome: &Outcome) -> serde_json::Value {
    let rounds: Vec<_> = scenario.rounds().iter().map(|r| serde_json::json!([r.leader, r.sides])).collect();
    serde_json::json!({
        "scenario": scenario.number,
        "rounds": rounds,
        "violation": outcome.violation.as_ref().map(ToString::to_string),
        "height_before_healing": outcome.early_height,
        "height": outcome.height,
        "views": outcome.views,
        "guilty": outcome.guilty,
        "steps": outcome.steps,
    })
}

fn outcome_text(scenario: Scenario, outcome: &Outcome) -> String {
    let Outcome { early_height, height, views, guilty, .. } = outcome;
    let words = scenario.describe();
    format!(
        "{words}\nheight {early_height} before everything healed, {height} after it, view {views}, {guilty} proven guilty"
    )
}

fn tally_json(shape: Shape, tally: &Tally, came: Came, seconds: u64) -> serde_json::Value {
    let broken: Vec<_> = tally.broken.iter().map(|(number, what)| serde_json::json!([number, what])).collect();
    serde_json::json!({
        "validators": shape.validators,
        "twins": shape.twins,
        "rounds": shape.rounds,
        "of": shape.count(),
        "scenarios": tally.scenarios,
        "interrupted": came == Came::Interrupted,
        "final_before_healing": tally.early,
        "proven_guilty": tally.guilty,
        "views": tally.views,
        "steps": tally.steps,
        "broken": broken,
        "seconds": seconds,
    })
}

fn tally_text(tally: &Tally, seconds: u64) -> String {
    let Tally { scenarios, early, guilty, views, steps, broken } = tally;
    let end = if broken.is_empty() { "all clean".to_owned() } else { format!("{} BROKEN", broken.len()) };
    format!(
        "{scenarios} scenarios, {end}: in {early} something was final before everything healed, in {guilty} a twin was proven \
         guilty, up to view {views}, {steps} events, {seconds} s"
    )
}
