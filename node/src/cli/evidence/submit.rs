//! `gridbook evidence submit`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::{Value, json};

use super::super::Global;
use crate::client::{ClientError, HandedIn, Patience, hand_in_to_all, is_with_an_honest_one};
use crate::config::NetworkConfig;

/// Hand evidence in, to every validator: each verifies it, keeps it and tells the others.
#[derive(Args, Debug)]
#[command(
    after_help = "  gridbook meter order --sequenced order.s0 ..     writes order.s0.evidence, should the leader have broken its word
  gridbook evidence submit --network net/network.toml order.s0.evidence
  gridbook evidence --network net/network.toml     shows it from now on

It goes to each validator by itself, for the one that is asked first may be the culprit. What is known already is taken again and said to be
known. The exit code is 0 if more validators took each file than may be faulty, so that an honest one has it; 1 if not, or if a file
proves nothing."
)]
pub(crate) struct SubmitArgs {
    /// The network's file for clients, `network.toml`.
    #[arg(long, value_name = "FILE", env = "GRIDBOOK_NETWORK")]
    network: PathBuf,
    /// The proofs.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// How many seconds to wait for an answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    wait: u64,
}

impl SubmitArgs {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let network = NetworkConfig::load(&self.network)?;
        // Every file is there before the first of them is handed in.
        let proofs = self.files.iter().map(|file| read(file)).collect::<anyhow::Result<Vec<_>>>()?;
        let patience = Patience { give_up_after: Duration::from_secs(self.wait), ..Patience::default() };
        let (mut handed_in, mut failed) = (Vec::new(), 0);
        for proof in &proofs {
            let told = hand_in_to_all(&network.validators, patience, proof).await;
            failed += usize::from(!is_with_an_honest_one(&told));
            handed_in.push(told);
        }
        let values = self.files.iter().zip(&handed_in).map(|(file, told)| {
            let mut value = to_json(told);
            value["file"] = json!(file);
            value
        });
        global.print(&json!({"submitted": values.collect::<Vec<_>>()}), || {
            let lines = self.files.iter().zip(&handed_in);
            lines.map(|(file, told)| format!("{}: {}\n", file.display(), line_of(told))).collect()
        })?;
        if failed > 0 {
            bail!("{failed} of {} were not taken by enough validators", proofs.len());
        }
        Ok(())
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

/// What the validators said, for programs.
pub(crate) fn to_json(told: &HandedIn) -> Value {
    let taken = told.iter().filter_map(|(_, told)| told.as_ref().ok());
    let key = taken.clone().next().map(|taken| taken.key);
    let answers: Vec<Value> = told
        .iter()
        .map(|(validator, told)| match told {
            Ok(taken) => json!({"validator": validator.0, "taken": true, "new": taken.is_new}),
            Err(error) => {
                let code = if let ClientError::Refused(code) = error { Some(code.name()) } else { None };
                json!({"validator": validator.0, "taken": false, "code": code, "why": error.to_string()})
            }
        })
        .collect();
    json!({
        "taken": is_with_an_honest_one(told), "taken_by": taken.count(), "asked": told.len(),
        "kind": key.map(|key| key.kind.name()), "culprit": key.map(|key| key.culprit.0), "epoch": key.map(|key| key.epoch),
        "answers": answers,
    })
}

/// What the validators said, for people.
pub(crate) fn line_of(told: &HandedIn) -> String {
    let taken: Vec<_> = told.iter().filter_map(|(_, told)| told.as_ref().ok()).collect();
    let mut line = match taken.first() {
        None => "taken by nobody".to_owned(),
        Some(first) => {
            let known = taken.iter().filter(|taken| !taken.is_new).count();
            format!(
                "{} of validator {} in epoch {}, taken by {} of {} validators, {known} of which knew of it",
                first.key.kind.name(),
                first.key.culprit.0,
                first.key.epoch,
                taken.len(),
                told.len()
            )
        }
    };
    let mut said: Vec<String> = Vec::new();
    for error in told.iter().filter_map(|(_, told)| told.as_ref().err()) {
        let error = error.to_string();
        if !said.contains(&error) {
            said.push(error);
        }
    }
    for error in said {
        line.push_str("; ");
        line.push_str(&error);
    }
    line
}
