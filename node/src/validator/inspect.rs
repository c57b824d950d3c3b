//! Looking into a data directory without changing or locking anything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use gridbook_ledger::hotstuff::SafetyRecord;
use gridbook_ledger::replica::LogRecord;
use gridbook_ledger::snapshot::Snapshot;
use gridbook_ledger::store::{
    CheckpointMark, Checkpoints, DataDir, Index, LogPosition, LogRecordRef, LogSurvey, QueryIndex, SafetyFile,
    StoreError,
};

use super::storage::{read_safety_payload, split_places};

/// How often a safety record was written, and the last one, if anything was ever signed; none if there is no record.
pub type FoundRecord = Option<(u64, Option<Box<SafetyRecord>>)>;

/// What lies in a data directory.
#[derive(Debug)]
pub struct Inspection {
    /// The log, if there is one.
    pub log: Option<LogSummary>,
    /// Kept states: what they are, where, and how far they go; none where one is damaged.
    pub kept: Vec<(&'static str, PathBuf, Option<KeptSummary>)>,
    /// The safety record, or why there is none that counts.
    pub safety: Result<FoundRecord, String>,
    /// The range of heights in the index, or why it cannot be looked at.
    pub index: Result<IndexSummary, String>,
    /// Whether a snapshot is coming in.
    pub incoming: bool,
}

/// A log's records in short.
#[derive(Debug, Default)]
pub struct LogSummary {
    /// Whose log it is.
    pub validator: u16,
    /// The numbers of the first and last segment.
    pub segments: (u64, u64),
    /// Records and bytes of payload, by kind.
    pub kinds: BTreeMap<&'static str, (u64, u64)>,
    /// The first and the last final height.
    pub heights: Option<(u64, u64)>,
    /// The sequence number of the last final command.
    pub last_seq: u64,
    /// The epochs of its headers.
    pub epochs: Option<(u32, u32)>,
    /// The headers of the snapshots from which it goes on.
    pub snapshots: Vec<u64>,
    /// Where the records end, and what is wrong there, if something is.
    pub end: Option<LogPosition>,
    /// What does not hold at the end.
    pub torn: Option<String>,
}

/// A kept state in short.
#[derive(Debug)]
pub struct KeptSummary {
    /// What it stands for.
    pub mark: CheckpointMark,
    /// Its header's height, if it is a snapshot.
    pub height: Option<u64>,
    /// Length of the file.
    pub bytes: u64,
}

/// An index in short.
#[derive(Debug, PartialEq, Eq)]
pub struct IndexSummary {
    /// The first height of the upper range.
    pub first: Option<u64>,
    /// The last height.
    pub last: Option<u64>,
    /// The last height below the gap, if there is one.
    pub gap_after: Option<u64>,
}

/// Looks into a data directory. `progress` is told from time to time how many records of the log were read.
///
/// # Errors
/// If it is no data directory, or what the system reports. What is damaged in it is part of the answer.
pub fn inspect(data_dir: &Path, mut progress: impl FnMut(u64)) -> anyhow::Result<Inspection> {
    let known = ["log", "safety", "snapshots"].iter().any(|name| data_dir.join(name).exists());
    anyhow::ensure!(known, "{} is not the data directory of a validator", data_dir.display());
    let mut kept = list_kept(data_dir, "snapshot")?;
    kept.extend(list_kept(data_dir, "checkpoint")?);
    let log = look_at_log(data_dir, &mut progress)?;
    Ok(Inspection {
        log,
        kept,
        safety: look_at_safety(data_dir),
        index: look_at_index(data_dir),
        incoming: data_dir.join("incoming/front").exists(),
    })
}

/// The records of a log, from a place on.
///
/// # Errors
/// If there is no log, or `visit` ends it.
pub fn show_log(
    data_dir: &Path,
    from: LogPosition,
    limit: u64,
    mut visit: impl FnMut(LogPosition, &LogRecord) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let survey = survey(data_dir)?.with_context(|| format!("{} holds no log", data_dir.display()))?;
    let mut records = survey.records(from);
    for _ in 0..limit {
        let Some(LogRecordRef { position, kind, payload }) = records.advance()? else { break };
        let record = LogRecord::decode(kind, payload).with_context(|| format!("the log record at {position}"))?;
        visit(position, &record)?;
    }
    Ok(())
}

fn survey(data_dir: &Path) -> anyhow::Result<Option<LogSurvey>> {
    let dir = data_dir.join("log");
    Ok(if dir.is_dir() { LogSurvey::open(&dir)? } else { None })
}

/// Its validator may let go of old segments while they are read: then it is looked at again.
fn look_at_log(data_dir: &Path, progress: &mut impl FnMut(u64)) -> anyhow::Result<Option<LogSummary>> {
    loop {
        let Some(survey) = survey(data_dir)? else { return Ok(None) };
        match summarise(&survey, progress) {
            Err(_) if survey.has_begun_later()? => {}
            summary => return summary.map(Some),
        }
    }
}

fn summarise(survey: &LogSurvey, progress: &mut impl FnMut(u64)) -> anyhow::Result<LogSummary> {
    let numbers = || survey.segments.iter().map(|segment| segment.number);
    let segments = (numbers().min().unwrap_or(0), numbers().max().unwrap_or(0));
    let mut summary = LogSummary { validator: survey.identity.validator, segments, ..LogSummary::default() };
    let mut records = survey.records(survey.start());
    let mut count = 0;
    loop {
        match records.advance() {
            Ok(Some(LogRecordRef { position, kind, payload })) => {
                let record = LogRecord::decode(kind, payload);
                let record = record.with_context(|| format!("the log record at {position}"))?;
                summary.add(&record, payload.len() as u64);
                count += 1;
                if count % 100_000 == 0 {
                    progress(count);
                }
            }
            Ok(None) => break,
            Err(error @ StoreError::CorruptRecord { .. }) => {
                summary.torn = Some(error.to_string());
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    summary.end = Some(records.position());
    Ok(summary)
}

impl LogSummary {
    fn add(&mut self, record: &LogRecord, bytes: u64) {
        let kind = self.kinds.entry(kind_of(record)).or_default();
        *kind = (kind.0 + 1, kind.1 + bytes);
        match record {
            LogRecord::Final { height, last_seq, .. } => {
                self.heights = Some((self.heights.map_or(*height, |(first, _)| first), *height));
                self.last_seq = *last_seq;
            }
            LogRecord::Proposal(proposal) => {
                let epoch = proposal.header.epoch;
                self.epochs = Some(self.epochs.map_or((epoch, epoch), |(a, b)| (a.min(epoch), b.max(epoch))));
            }
            LogRecord::Snapshot(place) => self.snapshots.push(place.proposal.header.height),
            _ => {}
        }
    }
}

/// What kind of record it is, in a word.
pub fn kind_of(record: &LogRecord) -> &'static str {
    match record {
        LogRecord::Entry { .. } => "entry",
        LogRecord::Truncate { .. } => "truncate",
        LogRecord::Proposal(_) => "proposal",
        LogRecord::Final { .. } => "final",
        LogRecord::Snapshot(_) => "snapshot",
        LogRecord::Evidence(_) => "evidence",
    }
}

fn list_kept(data_dir: &Path, what: &'static str) -> anyhow::Result<Vec<(&'static str, PathBuf, Option<KeptSummary>)>> {
    let mut kept = Vec::new();
    for path in Checkpoints::list(&data_dir.join(format!("{what}s")))? {
        let summary = Checkpoints::look(&path)?.map(|(_, checkpoint)| {
            let snapshot = split_places(&checkpoint.bytes).and_then(|(_, image)| Snapshot::decode(image).ok());
            let height = snapshot.map(|snapshot| snapshot.manifest.header().height);
            KeptSummary { mark: checkpoint.mark, height, bytes: checkpoint.bytes.len() as u64 }
        });
        kept.push((what, path, summary));
    }
    Ok(kept)
}

fn look_at_safety(data_dir: &Path) -> Result<FoundRecord, String> {
    let Some(found) = SafetyFile::look(data_dir).map_err(|error| error.to_string())? else { return Ok(None) };
    let Some(payload) = found.payload else { return Ok(Some((found.generation, None))) };
    let record = read_safety_payload(&payload).ok_or("the safety record cannot be read")?;
    Ok(Some((found.generation, Some(Box::new(record.0)))))
}

/// sled can be opened by one process only, so an index in use is left alone.
fn look_at_index(data_dir: &Path) -> Result<IndexSummary, String> {
    let index_dir = data_dir.join("index");
    if !index_dir.exists() {
        return Err("there is none; it is made again at the next start".into());
    }
    let Some(survey) = survey(data_dir).map_err(|error| error.to_string())? else {
        return Err("there is no log".into());
    };
    let _lock = match DataDir::open(data_dir) {
        Ok(lock) => lock,
        Err(StoreError::Locked { .. }) => return Err("in use by a running validator".into()),
        Err(error) => return Err(error.to_string()),
    };
    let index = Index::look(&index_dir, survey.identity, 16 << 20).map_err(|error| error.to_string())?;
    let (first, last, gap_after) = (index.first_height(), index.last_height(), index.gap_after());
    Ok(IndexSummary { first, last, gap_after })
}
