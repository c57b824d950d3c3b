//! The end: does every answer hold against what the validators have on their disks?

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead as _;
use std::path::Path;

use anyhow::Context as _;
use gridbook_engine::Money;
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::record::leaf_hash;
use gridbook_ledger::replica::FinalStep;

use super::answers::{Answers, ToldFinal};
use super::tally::{LeaderDeath, Outage};
use crate::validator::{ChainReport, Promise, Told, walk_chain};

/// A final log as it was executed again.
pub(super) struct FinalLog {
    pub(super) report: ChainReport,
    /// By height, from 1.
    headers: Vec<HeaderFacts>,
    /// Where every bundle stands, with the hashes of its records.
    bundles: BTreeMap<Hash, Place>,
    /// Bundles that stand in it twice.
    doubled: BTreeSet<Hash>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct HeaderFacts {
    hash: Hash,
    epoch: u32,
    view: u64,
    time_ms: u64,
    last_seq: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    height: u64,
    first_seq: u64,
    leaves: Vec<Hash>,
}

/// How many failures of one kind are told; the rest is counted.
const TOLD_MAX: usize = 5;

impl FinalLog {
    /// Executes a data directory again; nobody may be running on it.
    pub(super) fn read(data_dir: &Path, genesis: &Genesis) -> anyhow::Result<Self> {
        let (mut headers, mut bundles, mut doubled) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
        let report = walk_chain(data_dir, genesis, |step| {
            let header = &step.proposal.header;
            let (hash, epoch, view) = (step.hash, header.epoch, header.rank.view);
            headers.push(HeaderFacts { hash, epoch, view, time_ms: header.time_ms, last_seq: header.last_seq });
            for (bundle, place) in places(step) {
                if bundles.insert(bundle, place).is_some() {
                    doubled.insert(bundle);
                }
            }
            Ok(())
        })
        .with_context(|| format!("{} does not hold", data_dir.display()))?;
        Ok(Self { report, headers, bundles, doubled })
    }

    fn facts(&self, height: u64) -> Option<&HeaderFacts> {
        self.headers.get(usize::try_from(height.checked_sub(1)?).ok()?)
    }
}

fn places(step: &FinalStep) -> impl Iterator<Item = (Hash, Place)> {
    let header = &step.proposal.header;
    step.bundles.iter().map(move |bundle| {
        let first = usize::try_from(bundle.first_seq - header.first_seq).unwrap_or(usize::MAX);
        let count = usize::try_from(bundle.count).unwrap_or(usize::MAX);
        let leaves = step.records.iter().skip(first).take(count).map(|record| leaf_hash(record)).collect();
        (bundle.id, Place { height: header.height, first_seq: bundle.first_seq, leaves })
    })
}

/// What broke among the logs themselves. All validators were at height `equal_at` before they were told to stop, and nothing was sent any more.
pub(super) fn compare_logs(logs: &[FinalLog], equal_at: u64) -> Vec<String> {
    let mut failures = Vec::new();
    let longest = longest(logs);
    for log in logs {
        let (validator, length) = (log.report.validator, log.headers.len());
        if let Some(at) = (0..length).find(|at| log.headers[*at].hash != longest.headers[*at].hash) {
            let (height, other) = (at + 1, longest.report.validator);
            failures.push(format!("validators {validator} and {other} have different final headers {height}"));
        }
        if !may_end_here(log.report.height, equal_at, longest) {
            let (height, highest) = (log.report.height, longest.report.height);
            failures.push(format!("validator {validator} ends at height {height}, another one at {highest}"));
        }
        if log.report.money_sum != Money::ZERO {
            failures.push(format!("money of validator {validator} sums to {}", log.report.money_sum));
        }
        failures.extend(
            log.doubled.iter().take(TOLD_MAX).map(|bundle| format!("bundle {bundle} is twice in log {validator}")),
        );
    }
    failures
}

/// Whether a validator may have stopped at a height with which the log of another goes on. They stop one after the other, and a gate that closes or a
/// period that ends meanwhile is final at those who still run. Not so what a client sent, or what had been final at all of them.
fn may_end_here(height: u64, equal_at: u64, longest: &FinalLog) -> bool {
    let lacks_bundles = || longest.bundles.values().any(|place| place.height > height);
    height == longest.report.height || (height >= equal_at && !lacks_bundles())
}

/// The log with the most final headers.
pub(super) fn longest(logs: &[FinalLog]) -> &FinalLog {
    logs.iter().max_by_key(|log| log.headers.len()).expect("a network has validators")
}

/// What clients were told and the final log does not hold.
pub(super) fn compare_answers(answers: &Answers, log: &FinalLog) -> Vec<String> {
    let lost = answers.finals.iter().filter_map(|(bundle, told)| misplaced(bundle, told, log));
    let smuggled = answers.refused.iter().filter(|(bundle, _)| log.bundles.contains_key(bundle));
    let smuggled =
        smuggled.map(|(bundle, code)| format!("bundle {bundle} was refused ({code}) and is in the final log"));
    let unknown = answers.unknown.iter().map(|(bundle, why)| format!("bundle {bundle} was never answered: {why}"));
    let mut failures = Vec::new();
    for kind in [lost.collect(), smuggled.collect(), unknown.collect(), answers.contradictions.clone()] {
        failures.extend(shortened(kind));
    }
    failures
}

/// What became of the leaders' words about places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    /// The bundle is final where it was promised.
    pub(super) kept: u64,
    /// The view ended first.
    pub(super) void: u64,
}

/// Holds every S0 receipt that clients were told of against the final log (CONSENSUS section 1). A receipt is kept or void; it may not be
/// void once a header of its view that holds the bundle was told to be certified (S1). That very header need not be final: a later leader
/// carries its log in a header of its own.
pub(super) fn compare_words(answers: &Answers, log: &FinalLog, genesis: &Genesis) -> (Words, Vec<String>) {
    let (mut words, mut failures) = (Words::default(), Vec::new());
    for receipt in &answers.sequenced {
        let (place, chunk) = (&receipt.place, &receipt.chunk);
        if let Err(error) = receipt.verify(genesis.chain_id(), chunk.epoch, &genesis.validators) {
            failures.push(format!("an S0 receipt for bundle {} proves nothing: {error}", place.entry));
        }
        let kept = log.bundles.get(&place.entry).is_some_and(|found| found.first_seq == place.first_seq);
        let there = log.headers.partition_point(|facts| facts.last_seq < place.first_seq);
        match log.headers.get(there) {
            _ if kept => words.kept += 1,
            Some(facts) if (facts.epoch, facts.view) == (chunk.epoch, chunk.view) => failures.push(format!(
                "the leader of view {} promised place {} to bundle {}, and gave it to another",
                chunk.view, place.first_seq, place.entry
            )),
            _ if answers.certified.contains(&(place.entry, chunk.view)) => failures.push(format!(
                "bundle {} was told to be certified in view {}, and its place {} is void",
                place.entry, chunk.view, place.first_seq
            )),
            _ => words.void += 1,
        }
    }
    (words, shortened(failures))
}

fn misplaced(bundle: &Hash, told: &ToldFinal, log: &FinalLog) -> Option<String> {
    let Some(place) = log.bundles.get(bundle) else {
        return Some(format!("bundle {bundle} was told to be final at height {}, and is not in the log", told.height));
    };
    let same = (place.height, place.first_seq, &place.leaves) == (told.height, told.first_seq, &told.leaves);
    (!same).then(|| format!("bundle {bundle} was told as {told:?}, and the log has {place:?}"))
}

/// Nothing whose header was stamped after more than f were dead may be told to be final while they are. What had been certified
/// before may still be heard of.
pub(super) fn check_outages(outages: &[Outage], answers: &Answers, log: &FinalLog, genesis: &Genesis) -> Vec<String> {
    let mut failures = Vec::new();
    for outage in outages {
        let dead_since = genesis.ledger_now(outage.from_us);
        let told = answers.finals.values().filter(|told| (outage.from_us..outage.until_us).contains(&told.at_us));
        let impossible = told.filter(|told| log.facts(told.height).is_some_and(|facts| facts.time_ms > dead_since.0));
        failures.extend(shortened(
            impossible.map(|told| format!("height {} became final without a quorum", told.height)).collect(),
        ));
    }
    failures
}

/// Whether all that a validator was ever heard to promise was kept: how many promises it made, and what broke.
///
/// # Errors
/// If its log cannot be read.
pub(super) fn check_promises(validator: usize, log_file: &Path) -> anyhow::Result<(u64, Vec<String>)> {
    let file = std::fs::File::open(log_file).with_context(|| format!("cannot read {}", log_file.display()))?;
    let (mut count, mut failures, mut last) = (0, Vec::new(), Promise::default());
    for line in std::io::BufReader::new(file).split(b'\n') {
        let Some((told, promise)) = Promise::read(&String::from_utf8_lossy(&line?)) else { continue };
        count += u64::from(told == Told::Kept);
        if !last.is_kept_by(&promise) {
            failures.push(format!("validator {validator} promised {last:?}, and later {told:?} {promise:?}"));
        }
        last = promise;
    }
    Ok((count, shortened(failures)))
}

/// For every leader that was killed: milliseconds until a client heard of a header of a later view.
pub(super) fn recoveries_ms(deaths: &[LeaderDeath], answers: &Answers, log: &FinalLog) -> Vec<u64> {
    let first_after = |death: &LeaderDeath| {
        let later = answers.heights.iter().filter(|heard| heard.at_us > death.at_us);
        let of_a_later_view = |height| log.facts(height).is_some_and(|facts| facts.view > death.view);
        let heard = later.into_iter().find(|heard| of_a_later_view(heard.height))?;
        Some((heard.at_us - death.at_us) / 1_000)
    };
    deaths.iter().filter_map(first_after).collect()
}

fn shortened(mut failures: Vec<String>) -> Vec<String> {
    let more = failures.len().saturating_sub(TOLD_MAX);
    failures.truncate(TOLD_MAX);
    if more > 0 {
        failures.push(format!("and {more} more like this"));
    }
    failures
}

#[cfg(test)]
mod tests {
    use gridbook_engine::LedgerTime;
    use gridbook_ledger::state::Totals;

    use super::*;

    /// A log that ends at a height and holds a bundle at another.
    fn log(validator: u16, height: u64, bundle_at: u64) -> FinalLog {
        let report = ChainReport {
            validator,
            height,
            header: Hash([0; 32]),
            state_root: Hash([0; 32]),
            ledger_time: LedgerTime(0),
            last_seq: 0,
            log_digest: Hash([0; 32]),
            totals: Totals::default(),
            results: Hash([0; 32]),
            money_sum: Money::ZERO,
            imbalance: Money::ZERO,
            losses: Money::ZERO,
            grid: Money::ZERO,
            log_records: 0,
            from_height: 0,
        };
        let facts = |height: u64| HeaderFacts {
            hash: Hash::of("test/header", &height.to_le_bytes()),
            epoch: 0,
            view: 1,
            time_ms: height,
            last_seq: height,
        };
        let place = Place { height: bundle_at, first_seq: bundle_at, leaves: Vec::new() };
        let bundles = (bundle_at <= height).then_some((Hash([1; 32]), place)).into_iter().collect();
        FinalLog { report, headers: (1..=height).map(facts).collect(), bundles, doubled: BTreeSet::new() }
    }

    /// Four were at height 7 when they were told to stop; a gate closed while they did, and one was gone by then.
    #[test]
    fn who_stopped_first_need_not_have_what_fell_due_later_and_must_have_all_else() {
        let ends = |first: u64, bundle_at| compare_logs(&[log(0, first, bundle_at), log(1, 8, bundle_at)], 7);
        assert_eq!(ends(7, 5), [""; 0]);
        assert_eq!(ends(7, 8), ["validator 0 ends at height 7, another one at 8"], "a bundle is missing");
        assert_eq!(ends(6, 5), ["validator 0 ends at height 6, another one at 8"], "all had come further");
        let mut other = log(1, 8, 5);
        other.headers[6].hash = Hash([3; 32]);
        assert_eq!(compare_logs(&[log(0, 7, 5), other], 7), ["validators 0 and 1 have different final headers 7"]);
    }
}
