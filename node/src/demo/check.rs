//! After the day: does everything hold that the market promises?

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use gridbook_engine::{MeterId, Money};
use gridbook_ledger::command::NEVER;
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::header::Header;
use gridbook_ledger::record::Record;

use super::Lines;
use super::report::Report;
use super::settled::Settled;
use super::tally::TradedCommand;
use crate::client::Client;
use crate::network::Network;
use crate::protocol::{QueryKind, SignedQuery, Status};
use crate::receipts::{self, Wanted};
use crate::registration::meter_key;
use crate::validator::{ChainReport, walk_chain};

/// Receipts that are fetched, if there are so many traded commands.
const RECEIPTS_MIN: usize = 1_000;

/// How long a validator that was away may take to catch up.
const CATCH_UP: Duration = Duration::from_secs(60);

/// Checks all promises and puts what it finds into the report; what cannot be checked at all is a failure as well. Of `seed` are the meters' keys.
pub(super) async fn check_all(report: &mut Report, seed: u64, lines: &Lines, network: &Network) {
    report.failovers = lines.gateways.iter().map(Client::failovers).sum();
    if let Err(error) = check_state(report, lines).await {
        report.failures.push(format!("{error:#}"));
    }
    let sample = sample(&report.tally.traded, RECEIPTS_MIN.max(report.meters));
    let sample: Vec<Wanted> = sample.iter().map(|traded| wanted(traded, network, seed)).collect();
    report.receipts_requested = sample.len() as u64;
    let failures = receipts::fetch_and_verify(&lines.gateways, &network.genesis, sample).await;
    report.receipts_verified = report.receipts_requested - failures.len() as u64;
    report.failures.extend(failures.into_iter().take(5));
}

async fn check_state(report: &mut Report, lines: &Lines) -> anyhow::Result<()> {
    let statuses = equal_heights(lines).await?;
    let sums = statuses.iter().map(|status| status.money_sum);
    report.money_sum = Some(sums.max_by_key(|sum| sum.0.unsigned_abs()).unwrap_or(Money::ZERO));
    report.ledger_trades = statuses.iter().map(|status| status.trades).collect();
    report.height = statuses.iter().map(|status| status.height).min().unwrap_or(0);
    let headers = headers(lines, report.height).await?;
    report.state_roots = headers.iter().map(|header| header.state_root).collect();
    report.headers = headers.iter().map(Header::hash).collect();
    Ok(())
}

/// Executes the log of a validator again from genesis, and reads in its records what was delivered and paid. Whoever sets the flag has it end
/// at the next header.
pub(super) fn execute_again(
    report: &Report,
    network: &Network,
) -> (Arc<AtomicBool>, impl Future<Output = anyhow::Result<Again>> + use<>) {
    let (data_dir, genesis) = (network.configs[0].data_dir.clone(), network.genesis.clone());
    let watched: Vec<MeterId> = report.cast.meters().collect();
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let walking = tokio::task::spawn_blocking(move || walk(&data_dir, &genesis, watched, &told));
    (stop, async move { walking.await? })
}

/// What a log says when it is executed again.
pub(super) struct Again {
    pub(super) settled: Settled,
    pub(super) chain: ChainReport,
    /// Final headers by height.
    pub(super) headers: Vec<Hash>,
}

fn walk(data_dir: &Path, genesis: &Genesis, watched: Vec<MeterId>, stop: &AtomicBool) -> anyhow::Result<Again> {
    let mut settled = Settled::new(watched.into_iter());
    let mut headers = Vec::new();
    let chain = walk_chain(data_dir, genesis, |step| {
        ensure!(!stop.load(Ordering::Relaxed), "it was interrupted");
        headers.push(step.hash);
        let records = step.records.iter().map(|record| Record::decode(record).expect("own execution has made it"));
        records.for_each(|record| settled.follow(&record));
        Ok(())
    })?;
    settled.finish();
    Ok(Again { settled, chain, headers })
}

/// Waits until every validator has reached the height that the highest has now, and asks them all how they stand.
async fn equal_heights(lines: &Lines) -> anyhow::Result<Vec<Status>> {
    let deadline = Instant::now() + CATCH_UP;
    let mut target = 0;
    for inspector in &lines.inspectors {
        if let Ok(status) = inspector.status().await {
            target = target.max(status.height);
        }
    }
    ensure!(target > 0, "no validator says how it stands");
    let mut statuses = Vec::new();
    for (index, inspector) in lines.inspectors.iter().enumerate() {
        loop {
            let status = inspector.status().await;
            match status {
                Ok(status) if status.height >= target => {
                    statuses.push(status);
                    break;
                }
                other => ensure!(
                    Instant::now() < deadline,
                    "validator {index} has not reached height {target} in {} s: {other:?}",
                    CATCH_UP.as_secs()
                ),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    Ok(statuses)
}

/// The header that each validator has at one height.
async fn headers(lines: &Lines, height: u64) -> anyhow::Result<Vec<Header>> {
    let mut headers = Vec::new();
    for (index, inspector) in lines.inspectors.iter().enumerate() {
        let bytes = inspector.header(height).await;
        let bytes = bytes.with_context(|| format!("validator {index} does not show its header {height}"))?;
        let header = Header::decode(&bytes).with_context(|| format!("header {height} of validator {index}"))?;
        ensure!(header.height == height, "validator {index} shows another header than {height}");
        headers.push(header);
    }
    Ok(headers)
}

/// What the meter itself asks about its command.
fn wanted(traded: &TradedCommand, network: &Network, seed: u64) -> Wanted {
    let TradedCommand { bundle, index, meter, leaf } = *traded;
    let (kind, key) = (QueryKind::BundleReceipt { bundle, index, of: None }, meter_key(seed, meter.0));
    Wanted { query: SignedQuery::sign(network.genesis.chain_id(), kind, NEVER, &key), leaf }
}

/// `count` of them, evenly over the day; all if there are fewer.
fn sample(traded: &[TradedCommand], count: usize) -> Vec<TradedCommand> {
    let count = count.min(traded.len());
    (0..count).map(|place| traded[place * traded.len() / count]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_over_the_day_and_never_larger_than_it() {
        let of_index = |index| TradedCommand { bundle: Hash::ZERO, index, meter: MeterId(0), leaf: Hash::ZERO };
        let traded: Vec<TradedCommand> = (0..10).map(of_index).collect();
        let places = |count| sample(&traded, count).iter().map(|traded| traded.index).collect::<Vec<_>>();
        assert_eq!(places(5), [0, 2, 4, 6, 8]);
        assert_eq!(places(99), (0..10).collect::<Vec<_>>());
        assert!(sample(&[], 5).is_empty());
    }
}
