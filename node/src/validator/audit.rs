//! Re-executing a data directory from its genesis, believing nothing in it.

use std::path::Path;

use anyhow::Context as _;
use gridbook_engine::{LedgerTime, Money};
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::replica::{Effect, FinalStep, LogRecord, Recovery};
use gridbook_ledger::state::Totals;
use gridbook_ledger::store::{DataDir, Log, LogIdentity, LogOptions, LogPosition, LogRecordRef, StoreError};

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
    /// How many records the log holds.
    pub log_records: u64,
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
    })
}

/// Like [`verify_chain`]; `visit` is shown every final header with its records once it holds, oldest first.
///
/// # Errors
/// The first thing that does not hold, in words.
pub fn walk_chain(
    data_dir: &Path,
    genesis: &Genesis,
    mut visit: impl FnMut(&FinalStep),
) -> anyhow::Result<ChainReport> {
    anyhow::ensure!(data_dir.join("log").is_dir(), "{} is not the data directory of a validator", data_dir.display());
    let dir = DataDir::open(data_dir)?;
    let (log, validator) = open_log(&dir, genesis)?;
    let mut recovery = Recovery::audit(genesis.clone());
    let mut results = Hash::ZERO;
    let mut log_records = 0;
    let mut records = log.reader().read_from(LogPosition::START);
    while let Some(LogRecordRef { position, kind, payload }) = records.advance()? {
        log_records += 1;
        let record = LogRecord::decode(kind, payload).with_context(|| format!("the log record at {position}"))?;
        for effect in recovery.replay(record)? {
            let Effect::Final(step) = effect else { continue };
            for record in &step.records {
                results = Hash::of("gridbook/results/1", &[&results.0[..], record].concat());
            }
            visit(&step);
        }
    }
    let replica = recovery.replica();
    let header = replica.final_header();
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
        log_records,
    })
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
