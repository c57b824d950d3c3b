//! `gridbook verify`.

mod certificate;
mod sequenced;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use gridbook_engine::AccountId;
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::receipt::{AccountHistory, Receipt, VerifiedHistory};
use gridbook_ledger::sequenced::SequencedReceipt;

use super::{Global, Usage, evidence};
use crate::moment::format_moment;
use crate::record_text::RecordText;
use crate::validator::verify_chain;

/// Check proofs, offline.
#[derive(Debug, Subcommand)]
pub(crate) enum Verify {
    /// Check that a receipt proves its record against a genesis. Asks nobody: only the genesis is trusted.
    #[command(after_help = "\
A receipt of a final command, as `meter receipt --out` writes it:
  gridbook verify receipt trade.receipt --genesis net/genesis.json

A leader's signed word that a bundle is sequenced, as `meter order --sequenced` keeps it. It is not final. Once the ledger has come to that
place, the final receipt of the command that is there (`meter receipt --seq`) tells what became of it: kept; void, because the view ended
first; or broken, which is proof of misconduct and exit code 1:
  gridbook verify receipt order.s0 --genesis net/genesis.json
  gridbook meter receipt --seq 4711 --out place.receipt
  gridbook verify receipt order.s0 --settled place.receipt --genesis net/genesis.json --evidence order.s0.evidence
  gridbook evidence submit order.s0.evidence")]
    Receipt {
        /// The receipt, as `gridbook meter receipt --out` or `gridbook meter order --sequenced` wrote it.
        file: PathBuf,
        /// For a leader's word on a place: the final receipt of the command that is there.
        #[arg(long, value_name = "FILE")]
        settled: Option<PathBuf>,
        /// If that shows that the word was broken, write the proof to this file, for `gridbook evidence submit`; it must not exist.
        #[arg(long, value_name = "FILE", requires = "settled")]
        evidence: Option<PathBuf>,
        /// The genesis of the ledger.
        #[arg(long, value_name = "FILE", env = "GRIDBOOK_GENESIS_FILE")]
        genesis: PathBuf,
    },
    /// Check that a file holds all that the ledger ever said of an account. Asks nobody: only the genesis is trusted.
    #[command(after_help = "  gridbook verify account account-4.history --genesis net/genesis.json
  gridbook verify account account-4.history --records --genesis net/genesis.json")]
    Account {
        /// The history, as `gridbook report account --out` wrote it.
        file: PathBuf,
        /// Print each record.
        #[arg(long)]
        records: bool,
        /// The genesis of the ledger.
        #[arg(long, value_name = "FILE", env = "GRIDBOOK_GENESIS_FILE")]
        genesis: PathBuf,
    },
    /// Check that a validator broke the rules, as `gridbook evidence --out` wrote the proof of it.
    #[command(after_help = "  gridbook verify evidence proofs/0.evidence --genesis net/genesis.json
  gridbook verify evidence proofs/0.evidence --receipt later.receipt --genesis net/genesis.json")]
    Evidence {
        /// The proof.
        file: PathBuf,
        /// A final receipt of its epoch or a later one, which says who the validators were; the first epoch's stand in the genesis.
        #[arg(long, value_name = "FILE")]
        receipt: Option<PathBuf>,
        /// The genesis of the ledger.
        #[arg(long, value_name = "FILE", env = "GRIDBOOK_GENESIS_FILE")]
        genesis: PathBuf,
    },
    /// Trace certificates of origin from the plant's meter to whoever used the energy. Asks nobody: only the genesis is trusted.
    #[command(after_help = "\
A certificate file holds the receipts of the plant's readings, of the issue, of each trade that the certificates went along with, of the
claim with the consumer's readings, and of the record that closed them when their delivery period was final, as `meter certificate --out`
writes them:
  gridbook meter certificate 3/1001-1500 --out sun.certificate
  gridbook verify certificate sun.certificate --genesis net/genesis.json
  gridbook verify certificate battery.certificate --history owner.history --genesis net/genesis.json

Exit code 0: each step is proven, and the last line says how the certificates stand. 1: something is altered or missing.")]
    Certificate {
        /// The certificate.
        file: PathBuf,
        /// Of a storage's certificates, show what stands behind them: the history of the account that had the storage, as `report account`
        /// writes it. If it had several owners, the history of each.
        #[arg(long, value_name = "FILE")]
        history: Vec<PathBuf>,
        /// The genesis of the ledger.
        #[arg(long, value_name = "FILE", env = "GRIDBOOK_GENESIS_FILE")]
        genesis: PathBuf,
    },
    /// Re-execute a validator's data directory and check every header and root.
    #[command(after_help = "\
The directory is opened as its validator opens it: locked, and the torn end of a log is cut off. Check a stopped validator's, or a copy:

  gridbook verify chain net/validator-0/data --genesis net/genesis.json
  cp -r net/validator-0/data copy && gridbook verify chain copy --genesis net/genesis.json")]
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
            Self::Receipt { file, settled, evidence, genesis } => {
                let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
                match SequencedReceipt::decode(&bytes) {
                    Ok(receipt) => {
                        let files = settled.as_deref().map(|settled| (settled, evidence.as_deref()));
                        sequenced::verify(global, &receipt, files, &read_genesis(&genesis)?)
                    }
                    Err(_) if settled.is_some() => {
                        Err(Usage::error(format!("{} is no leader's word on a place", file.display())))
                    }
                    Err(_) => verify_receipt(global, &file, &bytes, &genesis),
                }
            }
            Self::Account { file, records, genesis } => verify_account(global, &file, records, &genesis),
            Self::Evidence { file, receipt, genesis } => evidence::verify(global, &file, receipt.as_deref(), &genesis),
            Self::Certificate { file, history, genesis } => {
                certificate::verify(global, &file, &history, &read_genesis(&genesis)?)
            }
            Self::Chain { data_dir, genesis } => verify_whole_chain(global, &data_dir, &genesis),
        }
    }
}

fn verify_receipt(global: &Global, file: &Path, bytes: &[u8], genesis: &Path) -> anyhow::Result<()> {
    let genesis = read_genesis(genesis)?;
    let receipt = Receipt::decode(bytes)
        .with_context(|| format!("{} is not a receipt: `gridbook meter receipt --out` writes one", file.display()))?;
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

fn verify_account(global: &Global, file: &Path, records: bool, genesis: &Path) -> anyhow::Result<()> {
    let genesis = read_genesis(genesis)?;
    let (number, verified) = read_history(file, &genesis)?;
    let (account, count) = (&verified.account, verified.extracts.len());
    let texts = verified.extracts.iter().filter(|_| records);
    let texts: Vec<_> = texts.map(|extract| RecordText::of(extract.record(), genesis.rules.mtu_minutes)).collect();
    let value = serde_json::json!({
        "verified": true,
        "chain": genesis.chain_id().to_hex(),
        "account": number.0,
        "complete": true,
        "records_count": count,
        "height": account.height,
        "header": account.header.hash.to_hex(),
        "ledger_time_ms": account.time.0,
        "balance_nano": account.state.balance.0.to_string(),
        "reserved_nano": account.state.reserved.0.to_string(),
        "records": texts,
    });
    global.print(&value, || {
        let lines: String = texts.iter().map(|record| format!("{record}\n")).collect();
        format!(
            "The history is complete up to height {}: {count} records name account {} of {:?} by {}, and not one is missing.\n\
             It has {} of which {} reserved.\n{lines}",
            account.height,
            number.0,
            genesis.name,
            format_moment(account.time),
            account.state.balance,
            account.state.reserved,
        )
    })
}

/// The whole history of an account, out of a file.
fn read_history(file: &Path, genesis: &Genesis) -> anyhow::Result<(AccountId, VerifiedHistory)> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let history = AccountHistory::decode(&bytes).with_context(|| {
        format!("{} is not the history of an account: `gridbook report account --out` writes it", file.display())
    })?;
    let verified = history.verify(genesis).with_context(|| format!("{} proves nothing", file.display()))?;
    Ok((history.proof.account, verified))
}

fn verify_whole_chain(global: &Global, data_dir: &Path, genesis: &Path) -> anyhow::Result<()> {
    let genesis = read_genesis(genesis)?;
    if data_dir.join("safety").is_file() && !data_dir.join("log").is_dir() {
        bail!("{} has no log yet: its validator never ran", data_dir.display());
    }
    let quiet = global.json || !std::io::stderr().is_terminal();
    let report = verify_chain(data_dir, &genesis, |height| {
        if !quiet {
            progress!("\rheader {height} holds");
        }
    });
    if !quiet {
        progress!("\r\x1b[K");
    }
    let report = report.with_context(|| format!("{} does not hold", data_dir.display()))?;
    let value = serde_json::json!({
        "verified": true,
        "chain": genesis.chain_id().to_hex(),
        "validator": report.validator,
        "height": report.height,
        "header": report.header.to_hex(),
        "state_root": report.state_root.to_hex(),
        "log_digest": report.log_digest.to_hex(),
        "results": report.results.to_hex(),
        "last_seq": report.last_seq,
        "ledger_time_ms": report.ledger_time.0,
        "orders": report.totals.orders,
        "trades": report.totals.trades,
        "energy_wh": report.totals.energy_wh.to_string(),
        "money_sum_nano": report.money_sum.0.to_string(),
        "log_records": report.log_records,
        "from_height": report.from_height,
    });
    global.print(&value, || {
        format!(
            "The chain is good: {} headers with {} commands, re-executed from {} of {:?}.\n\
             {} trades of {} Wh; every signature, certificate and root holds.\n\
             state root {}\nresults    {}\nup to {}",
            report.height,
            report.last_seq,
            match report.from_height {
                0 => "the genesis".to_owned(),
                height => format!("the proven snapshot of header {height}"),
            },
            genesis.name,
            report.totals.trades,
            report.totals.energy_wh,
            report.state_root,
            report.results,
            format_moment(report.ledger_time)
        )
    })
}

/// Reads a genesis file.
pub(crate) fn read_genesis(path: &Path) -> anyhow::Result<Genesis> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    // The sentence has its cause in it: as a chain it would be said twice.
    Genesis::from_json(&text).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))
}
