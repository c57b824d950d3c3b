//! `gridbook evidence`: what a validator holds against others, and how it comes to hold it.

mod submit;

pub(crate) use submit::{line_of as line_of_told, to_json as told_to_json};

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use gridbook_ledger::crypto::SecretKey;
use gridbook_ledger::epoch::Epochs;
use gridbook_ledger::evidence::Evidence;
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::receipt::Receipt;
use serde_json::{Value, json};

use super::verify::read_genesis;
use super::{Global, Usage};
use crate::client::{Client, Patience};
use crate::config::NetworkConfig;
use crate::network::write_new;

/// Show what is proven against validators: two statements that no honest validator makes together. Or hand in what proves it.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(
    after_help = "  gridbook evidence --network net/network.toml                 what the first validator that answers holds against others
  gridbook evidence --network net/network.toml --out proofs    the same, each proof in a file of its own
  gridbook verify evidence proofs/0.evidence --genesis net/genesis.json
  gridbook evidence submit --network net/network.toml order.s0.evidence

Every proof stands for itself: whoever has the genesis can check it, and need not believe the validator that showed it. For an epoch after
the first, any final receipt of that epoch or a later one says who its validators were: give it by --receipt."
)]
pub(crate) struct EvidenceArgs {
    #[command(subcommand)]
    command: Option<EvidenceCommand>,
    /// The network's file for clients, `network.toml`.
    #[arg(long, value_name = "FILE", env = "GRIDBOOK_NETWORK", required = true)]
    network: Option<PathBuf>,
    /// A final receipt, for the validators of later epochs.
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// A directory for the proofs; it is made, and files in it are not overwritten.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How many seconds to wait for an answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    wait: u64,
}

#[derive(Debug, Subcommand)]
enum EvidenceCommand {
    /// Hand evidence in, to every validator: each verifies it, keeps it and tells the others.
    Submit(submit::SubmitArgs),
}

impl EvidenceArgs {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<()> {
        match (self.command, self.network) {
            (Some(EvidenceCommand::Submit(args)), _) => args.run(global).await,
            (None, Some(network)) => {
                ShowArgs { network, receipt: self.receipt, out: self.out, wait: self.wait }.run(global).await
            }
            (None, None) => Err(Usage::error("give the network's file by --network, or in GRIDBOOK_NETWORK")),
        }
    }
}

/// What to show.
struct ShowArgs {
    network: PathBuf,
    receipt: Option<PathBuf>,
    out: Option<PathBuf>,
    wait: u64,
}

impl ShowArgs {
    async fn run(self, global: &Global) -> anyhow::Result<()> {
        let network = NetworkConfig::load(&self.network)?;
        let genesis = read_genesis(&network.genesis_file)?;
        let epochs = known_epochs(&genesis, self.receipt.as_deref())?;
        let seed = *SecretKey::generate().context("the system gives no randomness")?.seed();
        let patience = Patience { give_up_after: Duration::from_secs(self.wait), ..Patience::default() };
        let (client, _events) = Client::connect(network.validators, seed, patience).await?;
        let items = client.evidence().await?;
        if let Some(dir) = &self.out {
            std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
            for (number, item) in items.iter().enumerate() {
                write_new(&dir.join(format!("{number}.evidence")), item)?;
            }
        }
        let found: Vec<Value> = items.iter().map(|bytes| describe(bytes, &genesis, &epochs)).collect();
        global.print(&json!({"evidence": found}), || match &found[..] {
            [] => "nothing is proven against any validator".to_owned(),
            found => found.iter().map(line).collect::<Vec<_>>().join("\n"),
        })
    }
}

/// `gridbook verify evidence`.
pub(super) fn verify(global: &Global, file: &Path, receipt: Option<&Path>, genesis: &Path) -> anyhow::Result<()> {
    let genesis = read_genesis(genesis)?;
    let epochs = known_epochs(&genesis, receipt)?;
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let evidence = Evidence::decode(&bytes)
        .with_context(|| format!("{} is no evidence: `gridbook evidence --out` writes it", file.display()))?;
    let epoch = evidence.epoch();
    let Some(set) = epochs.set(epoch) else {
        return Err(Usage::error(format!(
            "the genesis does not say who the validators of epoch {epoch} were: give a final receipt of it by --receipt"
        )));
    };
    let culprit = evidence.verify(genesis.chain_id(), epoch, set);
    let culprit = culprit.with_context(|| format!("{} proves nothing", file.display()))?;
    let key = set.key(culprit).map(|key| key.to_hex());
    let value = json!({
        "verified": true, "epoch": epoch, "view": evidence.view(), "validator": culprit.0, "key": key, "kind": evidence.kind.name(),
    });
    global.print(&value, || {
        format!(
            "Proven: {} of validator {} in view {} of epoch {epoch}. No honest validator signs what its key has signed.",
            evidence.kind.name(),
            culprit.0,
            evidence.view()
        )
    })
}

/// The epochs that the genesis and a final receipt tell of.
fn known_epochs(genesis: &Genesis, receipt: Option<&Path>) -> anyhow::Result<Epochs> {
    let Some(file) = receipt else { return Ok(Epochs::new(genesis)) };
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let receipt = Receipt::decode(&bytes)
        .with_context(|| format!("{} is not a receipt: `gridbook meter receipt --out` writes one", file.display()))?;
    receipt.verify(genesis).with_context(|| format!("{} proves nothing", file.display()))?;
    Ok(receipt.verify_epochs(genesis)?)
}

fn describe(bytes: &[u8], genesis: &Genesis, epochs: &Epochs) -> Value {
    let Ok(evidence) = Evidence::decode(bytes) else { return json!({"verified": false, "why": "it cannot be read"}) };
    let epoch = evidence.epoch();
    let known = epochs.set(epoch).map(|set| evidence.verify(genesis.chain_id(), epoch, set));
    let (validator, why) = match known {
        Some(Ok(culprit)) => (Some(culprit.0), None),
        Some(Err(error)) => (None, Some(error.to_string())),
        None => {
            (None, Some(format!("the validators of epoch {epoch} are not known here: give a receipt by --receipt")))
        }
    };
    json!({
        "verified": validator.is_some(), "kind": evidence.kind.name(), "epoch": epoch, "view": evidence.view(),
        "validator": validator, "why": why,
    })
}

fn line(found: &Value) -> String {
    if found["epoch"].is_null() {
        return "an item that cannot be read: this validator speaks another version, or lies".to_owned();
    }
    let (kind, view, epoch) = (found["kind"].as_str().unwrap_or("something"), &found["view"], &found["epoch"]);
    match found["validator"].as_u64() {
        Some(validator) => format!("validator {validator}: {kind} in view {view} of epoch {epoch}, proven"),
        None => format!("{kind} in view {view} of epoch {epoch}: {}", found["why"].as_str().unwrap_or("not checked")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What cannot be read has no view and no epoch that could be named.
    #[test]
    fn an_item_that_cannot_be_read_is_called_that() {
        let found = json!({"verified": false, "why": "it cannot be read"});
        assert!(line(&found).starts_with("an item that cannot be read") && !line(&found).contains("null"), "{found}");
    }
}
