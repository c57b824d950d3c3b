//! `gridbook verify`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::receipt::Receipt;

use super::Global;
use crate::moment::format_moment;
use crate::record_text::RecordText;

/// Check proofs, offline.
#[derive(Debug, Subcommand)]
pub(crate) enum Verify {
    /// Check that a receipt proves its record against a genesis. Asks nobody: only the genesis is trusted.
    Receipt {
        /// The receipt, as `gridbook meter receipt --out` wrote it.
        file: PathBuf,
        /// The genesis of the ledger.
        #[arg(long, value_name = "FILE", env = "GRIDBOOK_GENESIS_FILE")]
        genesis: PathBuf,
    },
    /// Re-execute a validator's data directory and check every header and root.
    Chain {
        /// The data directory of a validator that is not running.
        data_dir: PathBuf,
        /// The genesis of the ledger.
        #[arg(long, value_name = "FILE", env = "GRIDBOOK_GENESIS_FILE")]
        genesis: PathBuf,
    },
}

impl Verify {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::Receipt { file, genesis } => verify_receipt(global, &file, &genesis),
            Self::Chain { .. } => bail!("`verify chain` is not built yet; receipts can be verified"),
        }
    }
}

fn verify_receipt(global: &Global, file: &Path, genesis: &Path) -> anyhow::Result<()> {
    let genesis = read_genesis(genesis)?;
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let receipt = Receipt::decode(&bytes).with_context(|| format!("{} is not a receipt", file.display()))?;
    let verified = receipt.verify(&genesis).with_context(|| format!("{} proves nothing", file.display()))?;
    let value = serde_json::json!({
        "verified": true,
        "chain": genesis.chain_id().to_hex(),
        "header": verified.header.hash.to_hex(),
        "ledger_time_ms": verified.time.0,
        "record": RecordText::of(&verified.record, genesis.rules.mtu_minutes),
    });
    global.print(&value, || {
        format!(
            "The receipt is good: 2f+1 validators of {:?} made this final by {}.\n{}",
            genesis.name,
            format_moment(verified.time),
            RecordText::of(&verified.record, genesis.rules.mtu_minutes)
        )
    })
}

/// Reads a genesis file.
pub(crate) fn read_genesis(path: &Path) -> anyhow::Result<Genesis> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Genesis::from_json(&text).with_context(|| path.display().to_string())
}
