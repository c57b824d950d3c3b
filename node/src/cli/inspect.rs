//! `gridbook inspect`.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use gridbook_ledger::replica::LogRecord;
use gridbook_ledger::store::LogPosition;
use serde_json::{Value, json};

use super::{Global, Usage};
use crate::validator::{Inspection, LogSummary, inspect, kind_of, show_log};

/// Look into a validator's data directory, without changing anything.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Works while the validator runs; only the query index is left alone then.

Examples:
  gridbook inspect net/validator-0/data
  gridbook inspect log net/validator-0/data --from 0:128 --limit 20
  gridbook inspect net/validator-0/data --json | jq .log.heights"
)]
pub(crate) struct InspectArgs {
    #[command(subcommand)]
    what: Option<Inspect>,
    /// The data directory.
    #[arg(required = true)]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Inspect {
    /// Print records of the log, one a line.
    #[command(after_help = "  gridbook inspect log net/validator-0/data --from 0:128 --limit 20
  gridbook inspect log net/validator-0/data --limit 1 --json")]
    Log {
        /// The data directory.
        data_dir: PathBuf,
        /// Where to begin: segment and byte, as an earlier line tells them.
        #[arg(long, value_name = "SEGMENT:BYTE", default_value = "0:128")]
        from: String,
        /// The most records to print.
        #[arg(long, default_value_t = 50)]
        limit: u64,
    },
}

impl InspectArgs {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        match (self.what, self.data_dir) {
            (Some(Inspect::Log { data_dir, from, limit }), _) => print_log(global, &data_dir, &from, limit),
            (None, Some(data_dir)) => print_directory(global, &data_dir),
            (None, None) => Err(Usage::error("name a data directory")),
        }
    }
}

fn print_directory(global: &Global, data_dir: &Path) -> anyhow::Result<()> {
    let quiet = global.json || !std::io::stderr().is_terminal();
    let found = inspect(data_dir, |records| {
        if !quiet {
            progress!("\r{records} records");
        }
    });
    if !quiet {
        progress!("\r\x1b[K");
    }
    let found = found?;
    global.print(&as_json(&found), || as_text(&found))
}

fn print_log(global: &Global, data_dir: &Path, from: &str, limit: u64) -> anyhow::Result<()> {
    let place = from.split_once(':').and_then(|(segment, offset)| Some((segment.parse().ok()?, offset.parse().ok()?)));
    let (segment, offset) = place.ok_or_else(|| Usage::error("--from is two numbers, such as 0:128"))?;
    show_log(data_dir, LogPosition { segment, offset }, limit, |position, record| {
        let place = format!("{}:{}", position.segment, position.offset);
        let (kind, text) = (kind_of(record), record_line(record));
        global.print(&json!({ "at": place, "kind": kind, "text": text }), || format!("{place:>16} {kind:<9} {text}"))
    })
    .with_context(|| format!("cannot read the log in {}", data_dir.display()))
}

fn record_line(record: &LogRecord) -> String {
    match record {
        LogRecord::Entry { start_seq, entry, .. } => format!("after {start_seq}, {} bytes", entry.len()),
        LogRecord::Truncate { to_seq } => format!("back to {to_seq}"),
        LogRecord::Proposal(proposal) => {
            let header = &proposal.header;
            let rank = header.rank;
            format!("header {} of view {} slot {}, up to {}", header.height, rank.view, rank.slot, header.last_seq)
        }
        LogRecord::Final { height, hash, last_seq, .. } => format!("header {height} {hash:?}, up to {last_seq}"),
        LogRecord::Snapshot(place) => format!("goes on from the snapshot of header {}", place.proposal.header.height),
        LogRecord::Evidence(bytes) => format!("proof of misconduct, {} bytes", bytes.len()),
    }
}

fn as_json(found: &Inspection) -> Value {
    let kept = found.kept.iter().map(|(what, path, summary)| {
        json!({
            "what": what,
            "file": path,
            "whole": summary.is_some(),
            "height": summary.as_ref().and_then(|summary| summary.height),
            "last_seq": summary.as_ref().map(|summary| summary.mark.seq),
            "replay_from": summary.as_ref().map(|summary| summary.mark.replay_from.to_string()),
            "bytes": summary.as_ref().map(|summary| summary.bytes),
        })
    });
    let safety = match &found.safety {
        Ok(None) => json!({ "state": "none: this validator signs nothing in this epoch" }),
        Ok(Some((_, None))) => json!({ "state": "born: it has signed nothing" }),
        Ok(Some((generation, Some(record)))) => json!({
            "state": "signed",
            "generation": generation,
            "epoch": record.epoch,
            "voted_view": record.last_voted.map(|voted| voted.rank.view),
            "voted_slot": record.last_voted.map(|voted| voted.rank.slot),
            "gave_up_view": record.timeout_view,
            "led_view": record.led.view,
        }),
        Err(why) => json!({ "state": why }),
    };
    let index = match &found.index {
        Ok(index) => json!({ "first_height": index.first, "last_height": index.last, "gap_after": index.gap_after }),
        Err(why) => json!({ "state": why }),
    };
    json!({
        "log": found.log.as_ref().map(log_json),
        "kept": kept.collect::<Vec<_>>(),
        "safety": safety,
        "index": index,
        "snapshot_coming_in": found.incoming,
    })
}

fn log_json(log: &LogSummary) -> Value {
    let kinds = log
        .kinds
        .iter()
        .map(|(kind, (records, bytes))| ((*kind).to_owned(), json!({ "records": records, "bytes": bytes })));
    json!({
        "validator": log.validator,
        "segments": [log.segments.0, log.segments.1],
        "records": kinds.collect::<serde_json::Map<_, _>>(),
        "heights": log.heights.map(|(first, last)| [first, last]),
        "last_seq": log.last_seq,
        "epochs": log.epochs.map(|(first, last)| [first, last]),
        "from_snapshots": log.snapshots,
        "end": log.end.map(|end| end.to_string()),
        "torn": log.torn,
    })
}

fn as_text(found: &Inspection) -> String {
    let mut text = String::new();
    match &found.log {
        None => text.push_str("log        none\n"),
        Some(log) => log_text(log, &mut text),
    }
    for (what, path, summary) in &found.kept {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let line = match summary {
            None => format!("{what:<10} {file}: damaged\n"),
            Some(summary) => {
                let height = summary.height.map_or(String::new(), |height| format!("header {height}, "));
                let mark = &summary.mark;
                format!(
                    "{what:<10} {height}up to {}, {} bytes, replay from {}\n",
                    mark.seq, summary.bytes, mark.replay_from
                )
            }
        };
        text.push_str(&line);
    }
    let safety = match &found.safety {
        Ok(None) => "none: this validator signs nothing until an epoch begins that it enters".to_owned(),
        Ok(Some((_, None))) => "born: it has signed nothing".to_owned(),
        Ok(Some((generation, Some(record)))) => {
            let voted = record
                .last_voted
                .map_or("nothing".to_owned(), |voted| format!("view {} slot {}", voted.rank.view, voted.rank.slot));
            format!(
                "epoch {}, voted for {voted}, gave up view {}, written {generation} times",
                record.epoch, record.timeout_view
            )
        }
        Err(why) => why.clone(),
    };
    let index = match &found.index {
        Ok(index) => match (index.first, index.last, index.gap_after) {
            (_, None, _) => "empty".to_owned(),
            (first, Some(last), None) => format!("heights {} to {last}", first.unwrap_or(1)),
            (first, Some(last), Some(below)) => {
                format!("heights 1 to {below} and {} to {last}; what is between is missing", first.unwrap_or(1))
            }
        },
        Err(why) => why.clone(),
    };
    let _ = write!(text, "safety     {safety}\nindex      {index}\n");
    if found.incoming {
        text.push_str("incoming   a snapshot of another validator is coming in\n");
    }
    text
}

fn log_text(log: &LogSummary, text: &mut String) {
    let _ = writeln!(text, "log        validator {}, segments {} to {}", log.validator, log.segments.0, log.segments.1);
    if let Some((first, last)) = log.heights {
        let epochs = log.epochs.map_or(String::new(), |(first, last)| format!(", epochs {first} to {last}"));
        let _ = writeln!(text, "           headers {first} to {last} final, up to command {}{epochs}", log.last_seq);
    }
    for height in &log.snapshots {
        let _ = writeln!(text, "           goes on from the snapshot of header {height}");
    }
    for (kind, (records, bytes)) in &log.kinds {
        let _ = writeln!(text, "           {records:>10} x {kind:<9} {bytes:>14} bytes");
    }
    if let Some(end) = log.end {
        let torn = log.torn.as_deref().map_or(String::new(), |why| format!("; torn there, or being written: {why}"));
        let _ = writeln!(text, "           ends at {end}{torn}");
    }
}
