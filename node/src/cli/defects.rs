//! `gridbook sim defects`.

use clap::Args;

/// Leave out clauses of the consensus rules, one by one, and see who finds it.
#[derive(Args, Debug)]
#[command(after_help = "\
A simulation that finds nothing proves little until it was seen to find something. Each row of the table leaves out one clause of the rules,
in all simulated validators, and says which hunter found it, after how many runs, and what was broken: stories of consensus cores with
crashes, losses and liars, whole validators with the trouble named (swarm), scenarios of Twins, or a scene played by hand. The same run without the defect must be clean. Exit code 1 if
one is not found within its budget.

Clauses can only be left out in a build that says so; no other build has the switches:

  cargo build --release --features defects
  gridbook sim defects                         all of them
  gridbook sim defects --only no-carry         one
  gridbook sim defects --json                  one object for each, for programs")]
pub(crate) struct DefectsArgs {
    /// Only these; may be given several times.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// How many threads [default: one for each processor].
    #[arg(long)]
    jobs: Option<std::num::NonZeroUsize>,
}

#[cfg(not(feature = "defects"))]
impl DefectsArgs {
    pub(crate) fn run(self, _: &super::Global) -> anyhow::Result<()> {
        let Self { only: _, jobs: _ } = self;
        Err(super::Usage::error(
            "this build holds no switches to leave a rule out; make one that does with: cargo build --release --features defects",
        ))
    }
}

#[cfg(feature = "defects")]
mod armed {
    use std::collections::BTreeSet;
    use std::time::Instant;

    use anyhow::bail;
    use gridbook_sim::cluster::{ClusterConfig, Kinds};
    use gridbook_sim::defects::{Case, Hunter, MASKED, Verdict, cases};

    use super::super::crew::{Came, Crew, all_processors};
    use super::super::{Global, Usage};
    use super::DefectsArgs;

    impl DefectsArgs {
        pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
            let started = Instant::now();
            let cases = self.wanted()?;
            let jobs = self.jobs.unwrap_or_else(all_processors);
            let total = cases.len() as u64;
            let crew = Crew { what: "defects", total, jobs, handful: 1, remark: &String::new };
            let case = |number: u64| &cases[usize::try_from(number).expect("the number of a case")];
            let mut verdicts = vec![None; cases.len()];
            let came = crew.run(
                0..cases.len() as u64,
                |number| case(number).hunt(),
                |number, verdict| verdicts[usize::try_from(number).expect("as above")] = Some(verdict),
            );
            let rows: Vec<(&Case, Verdict)> =
                cases.iter().zip(verdicts).filter_map(|(case, verdict)| Some((case, verdict?))).collect();
            let seconds = started.elapsed().as_secs();
            global.print(&json(&rows, seconds), || table(&rows, seconds))?;
            let missed = rows.iter().filter(|(_, verdict)| !matches!(verdict, Verdict::Caught { .. })).count();
            match (missed, came) {
                (0, Came::Through) => Ok(()),
                (0, Came::Interrupted) => bail!("interrupted after {} of {} defects", rows.len(), cases.len()),
                (missed, _) => bail!("{missed} defects were not caught as they must be"),
            }
        }

        fn wanted(&self) -> anyhow::Result<Vec<Case>> {
            let all = cases();
            if self.only.is_empty() {
                return Ok(all);
            }
            for name in &self.only {
                if let Some((_, why)) = MASKED.iter().find(|(defect, _)| defect.name() == name) {
                    return Err(Usage::error(format!("{name} alone changes nothing: {why}")));
                }
                if !all.iter().any(|case| case.name() == *name) {
                    let names: BTreeSet<String> = all.iter().map(Case::name).collect();
                    let names: Vec<String> = names.into_iter().collect();
                    return Err(Usage::error(format!("there is no defect {name}; there are: {}", names.join(", "))));
                }
            }
            Ok(all.into_iter().filter(|case| self.only.contains(&case.name())).collect())
        }
    }

    fn words(verdict: &Verdict) -> (String, String) {
        match verdict {
            Verdict::Caught { run, violation } => (run.to_string(), violation.to_string()),
            Verdict::Missed => ("-".to_owned(), "NOT CAUGHT".to_owned()),
            Verdict::FalseAlarm { run, violation } => {
                (run.to_string(), format!("FALSE ALARM, also without the defect: {violation}"))
            }
        }
    }

    fn table(rows: &[(&Case, Verdict)], seconds: u64) -> String {
        let mut text =
            format!("{:<26} {:<16} {:<34} {:>5}  what was broken\n", "left out", "CONSENSUS", "hunter", "runs");
        for (case, verdict) in rows {
            let (runs, broken) = words(verdict);
            let source = case.defects[0].source();
            text += &format!("{:<26} {source:<16} {:<34} {runs:>5}  {broken}\n", case.name(), case.hunter.name());
        }
        text += "\nalone they change nothing:\n";
        for (defect, why) in MASKED {
            text += &format!("{:<26} {:<16} {why}\n", defect.name(), defect.source());
        }
        let caught = rows.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Caught { .. })).count();
        text + &format!("\n{caught} of {} caught in {seconds} s", rows.len())
    }

    /// The command that shows what a swarm found.
    fn again(case: &Case, run: u64) -> Option<String> {
        let Hunter::Swarm(swarm) = case.hunter else { return None };
        let ClusterConfig { seed, with, attack, virtual_seconds, .. } = swarm.of_run(run);
        let mut command = format!("gridbook sim run --seed {seed} --faults none --epochs {}", swarm.operators);
        if with != Kinds::default() {
            command += &format!(" --with {with}");
        }
        if let Some(attack) = attack {
            command += &format!(" --attack {}", attack.name());
        }
        for defect in case.defects {
            command += &format!(" --defect {}", defect.name());
        }
        Some(format!("{command} --refereed true --seconds {virtual_seconds} --trace"))
    }

    fn json(rows: &[(&Case, Verdict)], seconds: u64) -> serde_json::Value {
        let row = |(case, verdict): &(&Case, Verdict)| {
            let (run, violation, caught) = match verdict {
                Verdict::Caught { run, violation } => (Some(*run), Some(violation.to_string()), true),
                Verdict::Missed => (None, None, false),
                Verdict::FalseAlarm { run, violation } => (Some(*run), Some(violation.to_string()), false),
            };
            serde_json::json!({
                "defect": case.name(),
                "left_out": case.defects.iter().map(|defect| defect.what()).collect::<Vec<_>>(),
                "source": case.defects[0].source(),
                "hunter": case.hunter.name(),
                "budget": case.budget,
                "caught": caught,
                "runs": run,
                "broken": violation,
                "again": run.and_then(|run| again(case, run)),
            })
        };
        let masked = |(defect, why): &(gridbook_ledger::defects::Defect, &str)| serde_json::json!({ "defect": defect.name(), "left_out": defect.what(), "masked_by": why });
        serde_json::json!({
            "defects": rows.iter().map(row).collect::<Vec<_>>(),
            "masked": MASKED.iter().map(masked).collect::<Vec<_>>(),
            "seconds": seconds,
        })
    }
}
