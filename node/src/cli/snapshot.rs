//! `gridbook snapshot`.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::snapshot::Snapshot;
use serde_json::{Value, json};

use super::Global;
use super::verify::read_genesis;
use crate::config::{Overrides, ValidatorConfig};
use crate::moment::format_moment;
use crate::validator::{newest_snapshot, restore_snapshot};
use crate::whole_file::write_whole;

/// Back up, check and restore the state of the ledger.
#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotCommand {
    /// Copy the newest snapshot that a validator keeps into a file, checked.
    #[command(after_help = "\
A validator takes a snapshot about every `log.snapshot_commands` commands and keeps the last two; this copies the newest. The validator may
go on running meanwhile.

Examples:
  gridbook snapshot create --config net/validator-0/validator.toml --out monday.snapshot
  gridbook snapshot create --data-dir /var/lib/gridbook --genesis genesis.json --out monday.snapshot")]
    Create(CreateArgs),
    /// Check that a file is the state of a final header of this ledger. Asks nobody: only the genesis is trusted.
    #[command(after_help = "\
Checked are: the validators of its epoch, proven from the genesis on; the header, signed, certified and final; every piece, against the
roots in that header; and that the state fits together: all money adds up to nothing, every order has its reservation.

Example:
  gridbook snapshot verify monday.snapshot --genesis net/genesis.json")]
    Verify {
        /// The snapshot, as `gridbook snapshot create` wrote it.
        file: PathBuf,
        /// The genesis of the ledger.
        #[arg(long, value_name = "FILE", env = "GRIDBOOK_GENESIS_FILE")]
        genesis: PathBuf,
    },
    /// Make a validator's data directory from a snapshot: its ledger goes on from there.
    #[command(after_help = "\
The directory must be empty or not exist. History before the snapshot will not be in it. Nor will a safety record: what this validator's key
has signed is not in any snapshot, so it follows, serves, and signs nothing until an epoch begins that it enters.

Example:
  gridbook snapshot restore monday.snapshot --config net/validator-3/validator.toml")]
    Restore {
        /// The snapshot, as `gridbook snapshot create` wrote it.
        file: PathBuf,
        /// The settings of the validator: they name its genesis, its index and its data directory.
        #[arg(long, value_name = "FILE", env = "GRIDBOOK_CONFIG")]
        config: PathBuf,
        /// Instead of the settings' `data_dir`.
        #[arg(long, value_name = "DIR", env = "GRIDBOOK_DATA_DIR")]
        data_dir: Option<PathBuf>,
    },
}

/// Whose newest snapshot is copied.
#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// The settings of the validator: they name its genesis and its data directory.
    #[arg(long, value_name = "FILE", env = "GRIDBOOK_CONFIG", required_unless_present = "data_dir")]
    config: Option<PathBuf>,
    /// The data directory, instead of the settings'.
    #[arg(long, value_name = "DIR", env = "GRIDBOOK_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// The genesis, instead of the settings'.
    #[arg(long, value_name = "FILE", env = "GRIDBOOK_GENESIS_FILE")]
    genesis: Option<PathBuf>,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl SnapshotCommand {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::Create(args) => args.run(global),
            Self::Verify { file, genesis } => {
                let snapshot = read_snapshot(&file)?;
                let genesis = read_genesis(&genesis)?;
                check(&snapshot, &genesis, &file)?;
                let text = || format!("The snapshot is good. {}", about(&snapshot, &genesis));
                global.print(&describe(&snapshot, &genesis), text)
            }
            Self::Restore { file, config, data_dir } => {
                let overrides = Overrides { data_dir, ..Overrides::default() };
                let config = ValidatorConfig::load(&config, &overrides)?;
                let snapshot = read_snapshot(&file)?;
                let genesis = read_genesis(&config.genesis_file)?;
                check(&snapshot, &genesis, &file)?;
                let (value, about) = (describe(&snapshot, &genesis), about(&snapshot, &genesis));
                restore_snapshot(&config, &genesis, snapshot)?;
                global.print(&value, || {
                    format!(
                        "Restored into {}. {about}\nStart the validator: it fetches what came after. It signs nothing until an epoch \
                         begins that it enters.",
                        config.data_dir.display()
                    )
                })
            }
        }
    }
}

impl CreateArgs {
    fn run(self, global: &Global) -> anyhow::Result<()> {
        let overrides =
            Overrides { data_dir: self.data_dir.clone(), genesis_file: self.genesis.clone(), ..Overrides::default() };
        let (data_dir, genesis_file) = match (&self.config, self.data_dir, self.genesis) {
            (Some(config), ..) => {
                let config = ValidatorConfig::load(config, &overrides)?;
                (config.data_dir, config.genesis_file)
            }
            (None, Some(data_dir), Some(genesis)) => (data_dir, genesis),
            (None, ..) => {
                return Err(super::Usage::error("give --config FILE, or both --data-dir DIR and --genesis FILE"));
            }
        };
        let genesis = read_genesis(&genesis_file)?;
        let snapshot = newest_snapshot(&data_dir)?.with_context(|| {
            format!(
                "{} holds no snapshot yet: the validator takes one about every log.snapshot_commands commands",
                data_dir.display()
            )
        })?;
        check(&snapshot, &genesis, &data_dir)?;
        let cannot =
            |error: io::Error| anyhow::Error::from(error).context(format!("cannot write {}", self.out.display()));
        write_whole(&self.out, cannot, |mut file| {
            let front = Snapshot::encode_front(&snapshot.manifest);
            file.write_all(&front).and_then(|()| file.write_all(&snapshot.state)).map_err(cannot)
        })?;
        let text = || format!("Written to {}. {}", self.out.display(), about(&snapshot, &genesis));
        global.print(&describe(&snapshot, &genesis), text)
    }
}

fn read_snapshot(file: &Path) -> anyhow::Result<Snapshot> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Snapshot::decode(&bytes).with_context(|| format!("{} is not a snapshot", file.display()))
}

fn check(snapshot: &Snapshot, genesis: &Genesis, file: &Path) -> anyhow::Result<()> {
    let state =
        snapshot.verify(genesis).with_context(|| format!("the snapshot in {} does not hold", file.display()))?;
    ensure!(state.money_sum().0 == 0, "the snapshot in {} holds money out of nothing", file.display());
    Ok(())
}

fn describe(snapshot: &Snapshot, genesis: &Genesis) -> Value {
    let header = snapshot.manifest.header();
    let pieces = &snapshot.manifest.pieces;
    json!({
        "verified": true,
        "chain": genesis.chain_id().to_hex(),
        "epoch": header.epoch,
        "height": header.height,
        "header": header.hash().to_hex(),
        "last_seq": header.last_seq,
        "ledger_time_ms": header.time_ms,
        "state_root": header.state_root.to_hex(),
        "snapshot_root": header.snapshot_root.to_hex(),
        "accounts": pieces.accounts,
        "meters": pieces.meters,
        "pieces": pieces.count(),
        "bytes": pieces.snapshot_bytes(),
    })
}

fn about(snapshot: &Snapshot, genesis: &Genesis) -> String {
    let header = snapshot.manifest.header();
    let pieces = &snapshot.manifest.pieces;
    format!(
        "The state of {:?} after header {} and {} commands, final by {}: {} accounts, {} meters, {} bytes in {} pieces.\nsnapshot root {}",
        genesis.name,
        header.height,
        header.last_seq,
        format_moment(header.time()),
        pieces.accounts,
        pieces.meters,
        pieces.snapshot_bytes(),
        pieces.count(),
        header.snapshot_root,
    )
}
