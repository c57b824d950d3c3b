//! The demo: four validators as child processes of this binary, a town of meters, one market day in about a minute.
//!
//! Everything goes the way it goes in earnest: real processes, QUIC on loopback, logs synced to disk, every bundle signed by its meter. At
//! the end the demo checks what the market promises, and fails if any of it does not hold.

mod check;
mod day;
mod edges;
mod mishap;
mod operator;
mod report;
mod screen;
mod settled;
mod stories;
mod tally;
mod trader;

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, bail};
use gridbook_engine::{AreaId, Energy, LedgerTime, Price};
use gridbook_ledger::crypto::SecretKey;
use gridbook_ledger::genesis::{Area, AreaEdge, Genesis, SettlementRules};
use gridbook_sim::{Measured, Town, TownConfig};
use tokio::sync::mpsc;

use crate::client::{Client, Patience, WatchEvents, connection_seed, wall_us};
use crate::cluster::{Cluster, GRACE};
use crate::config::{IndexOptions, LogOptions, Peer, Quotas};
use crate::interrupt::{Interrupted, Interrupts};
use crate::keyfile::read_key;
use crate::network::{Network, NetworkPlan, loopback_free};
use crate::registration;
use day::{Day, DayEnd};
pub use report::Report;
use screen::Screen;

/// What the demo is to do.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// How many meters the town has.
    pub meters: u32,
    /// How many seconds of wall time the day takes.
    pub seconds: u32,
    /// What town, day and keys of meters are drawn from.
    pub seed: u64,
    /// How many validators.
    pub validators: u16,
    /// Plain lines instead of a live view.
    pub headless: bool,
    /// Kill the leading validator at midday, and start it again a little later.
    pub kill_one: bool,
    /// Where to make the network; it is kept. Without it, a temporary directory that is removed after a good day.
    pub keep: Option<PathBuf>,
    /// How many seconds of wall time lie between making the network and the first quarter-hour. Without it, as many as a machine with nothing else
    /// to do needs.
    pub lead_s: Option<u32>,
    /// Measured households and plants instead of profiles.
    pub measured: Option<(PathBuf, PathBuf)>,
}

/// How the demo ended.
#[derive(Debug)]
pub struct DemoEnd {
    /// What was done and found.
    pub report: Report,
    /// Where the network lies, if it was kept.
    pub kept: Option<PathBuf>,
}

/// Connections to the network.
struct Lines {
    /// Each carries its share of the meters; each begins at another validator and fails over to the others.
    gateways: Vec<Client>,
    /// What the gateways' watches bring.
    events: WatchEvents,
    /// One to each validator and no other, to ask how it stands.
    inspectors: Vec<Client>,
}

/// What there is before the first quarter-hour.
struct Prepared {
    lines: Lines,
    keys: Vec<SecretKey>,
    /// When, if the first quarter-hour did not wait for it.
    late_at: Option<LedgerTime>,
}

/// Ledger milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

/// A meter sends nothing for a period whose gate closes within this wall time.
const SAFETY_MS: u64 = 150;

/// Wall time from making the genesis to the first quarter-hour: for starting validators, and for registering meters.
const START_S: u64 = 4;
const METERS_REGISTERED_PER_S: u64 = 1_000;

/// The town's substation and its feeders, in which the meters lie in turn.
const FEEDERS: u16 = 4;

/// What an edge carries for each meter below it, in Wh per quarter-hour: less than a sunny noon would send.
const FEEDER_WH_PER_METER: u64 = 60;

/// What energy pays on its way up to the substation, and down from it: together half a cent per kWh between two feeders.
const FEE_UP: Price = Price(2_000);
const FEE_DOWN: Price = Price(3_000);

/// How long readings are waited for, and corrections after that: in ledger time, and in wall time where that is more.
const READ_WITHIN_MS: u64 = 90 * 60_000;
const READ_WITHIN_WALL_MS: u64 = 1_500;
const DISPUTED_FOR_MS: u64 = 3 * 3_600_000;
const DISPUTED_FOR_WALL_MS: u64 = 3_000;

/// How long validators may take to end when the day was broken off: nobody looks at what they leave, and somebody waits.
const BROKEN_OFF_GRACE: Duration = Duration::from_secs(10);

/// Runs the demo to its end, or until Ctrl-C: then it ends its validators, and says what was done so far. Ctrl-C once more kills them.
///
/// # Errors
/// Whatever kept the day from being played; an interruption before it began.
pub async fn run(options: &DemoOptions) -> anyhow::Result<DemoEnd> {
    let mut interrupts = Interrupts::listen().context("cannot listen to signals")?;
    let town = make_town(options)?;
    let dir = options.keep.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("gridbook-demo-{}-{}", std::process::id(), wall_us() % 1_000_000))
    });
    let network = make_network(options, &town, dir)?;
    let screen = Screen::new(options.headless);
    screen.note(&format!("{} validators in {}", options.validators, network.dir.display()));

    let played = match Cluster::start(&network) {
        Ok(mut cluster) => {
            let played = play(options, &town, &network, &mut cluster, screen, &mut interrupts).await;
            finish(played, cluster, &network, &mut interrupts).await
        }
        Err(error) => Err(error),
    };
    // What went wrong is looked for in what is left; of a good day, and of one that was broken off, nobody needs it.
    let is_looked_at = match &played {
        Ok(report) => !report.is_good() && !report.interrupted,
        Err(error) => !error.is::<Interrupted>(),
    };
    if options.keep.is_none() && !is_looked_at {
        std::fs::remove_dir_all(&network.dir).with_context(|| format!("cannot remove {}", network.dir.display()))?;
        return Ok(DemoEnd { report: played?, kept: None });
    }
    let report = played.map_err(|error| match error.is::<Interrupted>() {
        true => error,
        false => error.context(format!("the logs of the validators are in {}", network.dir.display())),
    })?;
    Ok(DemoEnd { report, kept: Some(network.dir) })
}

/// Stops the validators and executes a log again, or neither to its end on Ctrl-C: validators that still run are killed then. None of them is
/// left behind.
async fn finish(
    played: anyhow::Result<Report>,
    mut cluster: Cluster,
    network: &Network,
    interrupts: &mut Interrupts,
) -> anyhow::Result<Report> {
    note!("the validators are stopped");
    let grace = match &played {
        Ok(report) if !report.interrupted => GRACE,
        _ => BROKEN_OFF_GRACE,
    };
    let in_peace = tokio::select! {
        stopped = cluster.stop(grace) => stopped.map(|()| true),
        () = interrupts.next() => Ok(false),
    };
    cluster.kill_all().await?;
    let mut report = played?;
    match in_peace {
        Ok(in_peace) => report.interrupted |= !in_peace,
        // Whoever broke the day off was promised what was done until then, however long a validator takes to end.
        Err(error) if report.interrupted => note!("{error:#}"),
        Err(error) => return Err(error),
    }
    if !report.interrupted {
        note!("the log of validator 0 is executed again");
        let (stop, again) = check::execute_again(&report, network);
        tokio::pin!(again);
        let done = tokio::select! {
            done = &mut again => Some(done),
            () = interrupts.next() => None,
        };
        match done {
            Some(Ok(again)) => report.again = Some(again),
            Some(Err(error)) => report.failures.push(format!("executing the log of validator 0 again: {error:#}")),
            None => {
                stop.store(true, Ordering::Relaxed);
                // It reads what is removed next. That it was stopped is no failure.
                let _ = again.await;
                report.interrupted = true;
            }
        }
    }
    Ok(report)
}

async fn play(
    options: &DemoOptions,
    town: &Town,
    network: &Network,
    cluster: &mut Cluster,
    screen: Screen,
    interrupts: &mut Interrupts,
) -> anyhow::Result<Report> {
    let prepared = tokio::select! {
        prepared = prepare(options, town, network, cluster, &screen) => prepared,
        () = interrupts.next() => return Err(Interrupted("the day had not begun, so there is no summary").into()),
    };
    let Prepared { lines, keys, late_at } = prepared?;
    let operator = read_key(&network.operator_key_file())?;
    let day = Day::new(options, town, network, keys, operator, lines, screen);
    let (end, lines, tally, cast) = day.play(cluster, interrupts).await?;
    let mut report = Report::new(options, town, tally, cast);
    if let Some(at) = late_at {
        report.begin_late(at, town);
    }
    report.measure(cluster);
    if end == DayEnd::Interrupted {
        report.interrupted = true;
        return Ok(report);
    }
    note!("the day is over: receipts, states and sums are checked");
    tokio::select! {
        () = check::check_all(&mut report, options.seed, &lines, network) => {}
        () = interrupts.next() => report.interrupted = true,
    }
    report.measure(cluster);
    Ok(report)
}

/// Everything up to the first quarter-hour: ready validators, registered meters, watches.
async fn prepare(
    options: &DemoOptions,
    town: &Town,
    network: &Network,
    cluster: &mut Cluster,
    screen: &Screen,
) -> anyhow::Result<Prepared> {
    cluster.wait_until_ready().await?;
    let lines = Lines::open(network).await?;
    let keys: Vec<SecretKey> =
        town.meters().iter().map(|meter| registration::meter_key(options.seed, meter.index)).collect();
    registration::register(&lines.gateways[0], network, town, &keys).await?;
    screen.note(&format!("{} meters registered", town.meters().len()));
    let last_call = LedgerTime(town.ends_at().0.saturating_add(DAY_MS));
    registration::watch_all(&lines.gateways, &network.genesis, &keys, last_call).await?;
    let ready_at = network.genesis.ledger_now(wall_us());
    let late_at = (ready_at > first_batch_at(town)).then_some(ready_at);
    if late_at.is_some() {
        screen.note(
            "this machine is slow: the day began before all meters were registered, its first quarter-hours are lost; \
             --lead gives it more time",
        );
    }
    Ok(Prepared { lines, keys, late_at })
}

impl Lines {
    async fn open(network: &Network) -> anyhow::Result<Self> {
        let validators = &network.clients.validators;
        let patience = Patience { give_up_after: Duration::from_secs(60), ..Patience::default() };
        // Whoever asks how a validator stands wants to know soon that it does not answer.
        let curious = Patience { give_up_after: Duration::from_secs(5), ..patience };
        let (merged, events) = mpsc::unbounded_channel();
        let (mut gateways, mut inspectors) = (Vec::new(), Vec::new());
        for first in 0..validators.len() {
            let mut order: Vec<Peer> = validators.clone();
            order.rotate_left(first);
            let (gateway, mut events) = Client::connect(order, connection_seed()?, patience).await?;
            let merged = merged.clone();
            tokio::spawn(async move {
                while let Some(event) = events.recv().await {
                    if merged.send(event).is_err() {
                        return;
                    }
                }
            });
            gateways.push(gateway);
            inspectors.push(Client::connect(vec![validators[first]], connection_seed()?, curious).await?.0);
        }
        Ok(Self { gateways, events, inspectors })
    }
}

fn make_town(options: &DemoOptions) -> anyhow::Result<Town> {
    let scale = time_scale(options.seconds)?;
    let config = TownConfig {
        seed: options.seed,
        meters: options.meters,
        // The gate closes ten minutes after the batch at the earliest: leave some of them.
        safety_ms: (SAFETY_MS * u64::from(scale)).clamp(TownConfig::default().safety_ms, 7 * 60_000),
        feeders: FEEDERS,
        short_price_cap: SettlementRules::metered().short_price_cap,
        ..TownConfig::default()
    };
    match &options.measured {
        Some((loads, pv)) => Ok(Town::from_measured(config, &Measured::load(loads, pv)?)?),
        None => Ok(Town::new(config)?),
    }
}

fn make_network(options: &DemoOptions, town: &Town, dir: PathBuf) -> anyhow::Result<Network> {
    let needed_s = START_S + u64::from(options.meters) / METERS_REGISTERED_PER_S + u64::from(options.validators) / 4;
    let lead_s = options.lead_s.map_or(needed_s, u64::from);
    let time_scale = time_scale(options.seconds)?;
    let plan = NetworkPlan {
        name: "demo".to_owned(),
        listen: loopback_free(options.validators)?,
        areas: areas(options.meters),
        rules: town.config().rules,
        settlement: settlement(time_scale),
        // So early that validators are up and meters registered when the first quarter-hour comes.
        ledger_start: LedgerTime(first_batch_at(town).0.saturating_sub(lead_s * 1000 * u64::from(time_scale))),
        wall_start_ms: wall_us() / 1000,
        time_scale,
        quotas: Quotas::one_host(),
        log: LogOptions::default(),
        index_options: IndexOptions::default(),
    };
    plan.make(&dir)
}

/// Settlement of a day in a minute. Readings may be as late as a bundle that has to find another validator, and periods become final
/// before the day is over.
fn settlement(time_scale: u32) -> SettlementRules {
    let wall_ms = |ms: u64| ms * u64::from(time_scale);
    SettlementRules {
        reading_deadline_ms: READ_WITHIN_MS.max(wall_ms(READ_WITHIN_WALL_MS)),
        dispute_ms: DISPUTED_FOR_MS.max(wall_ms(DISPUTED_FOR_WALL_MS)),
        ..SettlementRules::metered()
    }
}

/// ```text
///            substation
///       /    /       \\    \\
///  feeder 1  feeder 2  ..  ..
/// ```
fn areas(meters: u32) -> Vec<Area> {
    let capacity = Energy(u64::from(meters.div_ceil(FEEDERS.into())) * FEEDER_WH_PER_METER);
    let edge = AreaEdge { parent: AreaId(0), up: capacity, down: capacity, fee_up: FEE_UP, fee_down: FEE_DOWN };
    let feeder = |number| Area { name: format!("feeder {number}"), edge: Some(edge) };
    core::iter::once("substation".into()).chain((1..=FEEDERS).map(feeder)).collect()
}

fn time_scale(seconds: u32) -> anyhow::Result<u32> {
    match seconds {
        1..=86_400 => Ok(86_400 / seconds),
        _ => bail!("a day of {seconds} s: choose 1 to 86400"),
    }
}

fn first_batch_at(town: &Town) -> LedgerTime {
    town.batch_times().next().expect("a day has 96 batches")
}

/// The wall time, in microseconds since the Unix epoch, at which ledger time reaches `time`.
fn wall_us_at(genesis: &Genesis, time: LedgerTime) -> u64 {
    let after_ms = time.0.saturating_sub(genesis.ledger_start.0);
    genesis.wall_start_ms * 1000 + (after_ms * 1000).div_ceil(u64::from(genesis.time_scale))
}

/// Time to wait until ledger time reaches `time`.
fn time_until(genesis: &Genesis, time: LedgerTime) -> Duration {
    Duration::from_micros(wall_us_at(genesis, time).saturating_sub(wall_us()))
}
