//! Re-executing a data directory from its genesis, or from a proven snapshot, believing nothing in it.

use std::path::Path;

use anyhow::Context as _;
use gridbook_engine::{LedgerTime, Money};
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::replica::{Effect, FinalStep, LogRecord, Recovery, RecoveryError};
use gridbook_ledger::snapshot::Snapshot;
use gridbook_ledger::state::{SystemAccount, Totals};
use gridbook_ledger::store::{
    Checkpoint, Checkpoints, DataDir, Log, LogIdentity, LogOptions, LogPosition, LogReader, LogRecordRef, StoreError,
};

use super::storage::split_places;

/// What a data directory turned out to hold.
#[derive(Clone, Debug)]
pub struct ChainReport {
    /// Whose directory it is.
    pub validator: u16,
    /// The last final header's number.
    pub height: u64,
    /// Its hash.
    pub header: Hash,
    /// Its state root, which own execution gave too.
    pub state_root: Hash,
    /// Its ledger time.
    pub ledger_time: LedgerTime,
    /// The sequence number of the last final command.
    pub last_seq: u64,
    /// The running digest of the final log.
    pub log_digest: Hash,
    /// What all commands did, those after the last final header among them.
    pub totals: Totals,
    /// A hash over all final records, in sequence: equal trades, equal hashes.
    pub results: Hash,
    /// The sum over all accounts.
    pub money_sum: Money,
    /// What the accounts for imbalance and for losses hold: nothing, but while an area is being settled.
    pub imbalance: Money,
    /// See `imbalance`.
    pub losses: Money,
    /// What the operators of the grid have.
    pub grid: Money,
    /// How many records of the log were gone through.
    pub log_records: u64,
    /// The height that was begun at: 0, the genesis, or that of a proven snapshot if the log does not reach back so far. Results are
    /// hashed from there on.
    pub from_height: u64,
}

/// Re-executes the data directory of a validator that is not running: every chain hash, signature, certificate and root is checked.
/// `progress` is told the height from time to time.
///
/// # Errors
/// The first thing that does not hold, in words.
pub fn verify_chain(data_dir: &Path, genesis: &Genesis, mut progress: impl FnMut(u64)) -> anyhow::Result<ChainReport> {
    walk_chain(data_dir, genesis, |step| {
        if step.proposal.header.height.is_multiple_of(1_000) {
            progress(step.proposal.header.height);
        }
        Ok(())
    })
}

/// Like [`verify_chain`]; `visit` is shown every final header with its records once it holds, oldest first.
///
/// # Errors
/// The first thing that does not hold, in words, or what `visit` would not go on for.
pub fn walk_chain(
    data_dir: &Path,
    genesis: &Genesis,
    mut visit: impl FnMut(&FinalStep) -> anyhow::Result<()>,
) -> anyhow::Result<ChainReport> {
    anyhow::ensure!(data_dir.join("log").is_dir(), "{} is not the data directory of a validator", data_dir.display());
    let dir = DataDir::open(data_dir)?;
    let (log, validator) = open_log(&dir, genesis)?;
    let reader = log.reader();
    let mut snapshots = newest_snapshots(&dir)?;
    // From genesis if that is still here, else from the oldest snapshot after which nothing is missing.
    let mut start = (reader.start() == LogPosition::START)
        .then(|| Start { recovery: Recovery::audit(genesis.clone()), from: LogPosition::START });
    let walk = loop {
        let from = match start.take() {
            Some(start) => start,
            None => match snapshots.pop() {
                Some(found) => Start::at(found, genesis)?,
                None => {
                    anyhow::bail!("its log does not reach back to the genesis, and it holds no snapshot to begin at")
                }
            },
        };
        match Walk::begin(from).through(&reader, &mut visit) {
            Err(Broken::Gap(height)) => tracing::info!(height, "the log goes on from a snapshot: beginning there"),
            Err(Broken::Other(error)) => return Err(error),
            Ok(walk) => break walk,
        }
    };
    let Walk { recovery, results, log_records, from_height, .. } = walk;
    let replica = recovery.replica();
    let header = replica.final_header();
    let balance = |account| replica.state().system_account(account).balance;
    Ok(ChainReport {
        validator,
        height: header.height,
        header: header.hash(),
        state_root: header.state_root,
        ledger_time: header.time(),
        last_seq: header.last_seq,
        log_digest: header.log_digest,
        totals: replica.state().totals(),
        results,
        money_sum: replica.state().money_sum(),
        imbalance: balance(SystemAccount::Imbalance),
        losses: balance(SystemAccount::Losses),
        grid: balance(SystemAccount::Grid),
        log_records,
        from_height,
    })
}

/// The snapshots of a directory, newest first.
fn newest_snapshots(dir: &DataDir) -> anyhow::Result<Vec<Checkpoint>> {
    let mut found = Vec::new();
    for path in Checkpoints::list(&dir.snapshots_dir())? {
        match Checkpoints::look(&path)? {
            Some((_, checkpoint)) => found.push(checkpoint),
            None => anyhow::bail!("{} is damaged", path.display()),
        }
    }
    Ok(found)
}

struct Start {
    recovery: Recovery,
    from: LogPosition,
}

impl Start {
    fn at(checkpoint: Checkpoint, genesis: &Genesis) -> anyhow::Result<Self> {
        let (_, image) = split_places(&checkpoint.bytes).context("a snapshot cannot be read")?;
        let snapshot = Snapshot::decode(image)?;
        let height = snapshot.manifest.header().height;
        snapshot.verify(genesis).with_context(|| format!("the snapshot of header {height}"))?;
        let recovery = Recovery::audit_from(genesis.clone(), &snapshot)?;
        Ok(Self { recovery, from: checkpoint.mark.replay_from })
    }
}

/// A walk along the log.
struct Walk {
    recovery: Recovery,
    from: LogPosition,
    results: Hash,
    log_records: u64,
    from_height: u64,
}

enum Broken {
    /// The log goes on from the snapshot of this header.
    Gap(u64),
    Other(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Broken {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

impl Walk {
    fn begin(Start { recovery, from }: Start) -> Self {
        let from_height = recovery.replica().final_header().height;
        Self { recovery, from, results: Hash::ZERO, log_records: 0, from_height }
    }

    fn through(
        mut self,
        log: &LogReader,
        visit: &mut impl FnMut(&FinalStep) -> anyhow::Result<()>,
    ) -> Result<Self, Broken> {
        let mut records = log.read_from(self.from);
        while let Some(LogRecordRef { position, kind, payload }) = records.advance()? {
            self.log_records += 1;
            let record = LogRecord::decode(kind, payload).with_context(|| format!("the log record at {position}"))?;
            let effects = match self.recovery.replay(record) {
                Err(RecoveryError::Gap(height)) => return Err(Broken::Gap(height)),
                other => other?,
            };
            for effect in effects {
                let Effect::Final(step) = effect else { continue };
                for record in &step.records {
                    self.results = Hash::of("gridbook/results/1", &[&self.results.0[..], record].concat());
                }
                visit(&step)?;
            }
        }
        Ok(self)
    }
}

/// Opens the log, whichever validator's it is.
fn open_log(dir: &DataDir, genesis: &Genesis) -> anyhow::Result<(Log, u16)> {
    let identity = |validator| LogIdentity { chain: genesis.chain_id(), validator };
    match dir.open_log(identity(0), LogOptions::default()) {
        Ok((log, _)) => Ok((log, 0)),
        Err(StoreError::WrongValidator { found, .. }) => {
            let (log, _) = dir.open_log(identity(found), LogOptions::default())?;
            Ok((log, found))
        }
        Err(error) => Err(error.into()),
    }
}
