//! Real validators under real trouble: four processes over QUIC on loopback, meters that trade without a pause, and a plan of kills,
//! stops, cut lines and full disks. In the end everything that any client was told is held against what the validators have on their disks.
//!
//! Time is wall time here. So nothing that is checked depends on how fast anything is, but for wide bounds after which a ledger that does
//! not go on counts as broken.

mod answers;
mod dice;
mod eyes;
mod load;
mod one_dead;
mod ordeal;
mod plan;
mod power;
mod relay;
mod report;
mod small_disk;
mod tally;
mod verdict;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use gridbook_engine::{LedgerTime, MarketRules};
use gridbook_ledger::command::NEVER;
use gridbook_ledger::crypto::SecretKey;
use gridbook_ledger::genesis::SettlementRules;
use gridbook_sim::{Town, TownConfig};

use crate::client::{Client, Patience, connection_seed, wall_us};
use crate::cluster::{Cluster, GRACE, Launch};
use crate::config::{IndexOptions, LogOptions, Peer, Quotas, ValidatorConfig};
use crate::interrupt::interrupted;
use crate::keyfile::read_key;
use crate::network::{Network, NetworkPlan, loopback_free};
use crate::protocol::{QueryKind, SignedQuery};
use crate::receipts::{self, Wanted};
use crate::registration;
use crate::validator::{PROMISE_TARGET, give_birth};

use answers::Answers;
use dice::Dice;
use eyes::Eyes;
use load::{Load, Pace};
use one_dead::Windows;
use ordeal::{ON_SMALL_DISK, Ordeal};
use plan::Plan;
pub use plan::Trouble;
use power::Power;
pub use power::{enter_own_namespace, why_not_here};
use relay::Relay;
pub use report::Report;
use small_disk::SmallDisk;
use tally::Tally;
use verdict::FinalLog;

/// What a run is to be like.
#[derive(Clone, Debug)]
pub struct ChaosOptions {
    /// What the plan, the meters and their orders are drawn from.
    pub seed: u64,
    /// End after so many SIGKILLs, once every kind of trouble was met.
    pub kills: Option<u64>,
    /// End after so many power cuts.
    pub cuts: Option<u64>,
    /// End after so long, if that comes first.
    pub seconds: u64,
    /// How many meters trade.
    pub meters: u32,
    /// Bundles per second that they send together while answers keep up.
    pub rate: u32,
    /// Commands in a bundle.
    pub commands: usize,
    /// Instead of trouble, so many rounds of windows of so many seconds, with all validators and with one dead.
    pub one_dead: Option<(u32, u64)>,
    /// Only these troubles; all if there are none.
    pub only: Vec<Trouble>,
    /// Put all data on a disk whose power can be cut. Needs what [`why_not_here`] asks for.
    pub power: bool,
    /// Whether the validators sync their logs. Without it a power cut must break something, and the run must find it.
    pub sync: bool,
    /// After each trouble, wait until all validators are ready again.
    pub calm: bool,
    /// Good time before each trouble, besides what the plan says.
    pub rest_ms: u64,
    /// Tell the story while it happens.
    pub loud: bool,
    /// Where to make the network; it is kept. Without it, a temporary directory that is removed after a good run.
    pub keep: Option<PathBuf>,
}

/// How a run ended.
#[derive(Debug)]
pub struct ChaosEnd {
    /// What was done and found.
    pub report: Report,
    /// Where the network lies, if it was kept.
    pub kept: Option<PathBuf>,
}

/// How many validators there are.
const VALIDATORS: u16 = 4;
/// Ledger milliseconds in one of the wall's: a quarter-hour takes 15 seconds, so that gates close and periods settle during a run.
const TIME_SCALE: u32 = 60;
/// Log segments are short, so that even a short run begins new ones.
const SEGMENT_BYTES: u64 = 1 << 20;
/// Snapshots are frequent, so that some are being written when something goes wrong.
const SNAPSHOT_COMMANDS: u64 = 1_000;
/// Room for a validator whose disk is to be filled.
const SMALL_DISK_BYTES: u64 = 1 << 30;
/// The disk whose power is cut, for all validators together.
const POWER_DISK_BYTES: u64 = 1 << 30;
/// How long all validators may take to be ready and equally far; less where it is known that they will not be.
const EQUAL_MAX: Duration = Duration::from_secs(120);
/// How long a client waits for an answer before it gives up. Far longer than any trouble lasts.
const PATIENCE: Patience = Patience {
    resend_after: Duration::from_secs(1),
    give_up_after: Duration::from_secs(120),
    silence_max: Duration::from_millis(600),
};

/// Makes a network, does everything to it, and checks what is left.
///
/// # Errors
/// What kept it from running at all. What broke while it ran is in the report.
pub async fn run(options: &ChaosOptions) -> anyhow::Result<ChaosEnd> {
    let name = format!("gridbook-chaos-{}-{}", std::process::id(), wall_us() % 1_000_000);
    let dir = options.keep.clone().unwrap_or_else(|| std::env::temp_dir().join(name));
    let mut network = make_network(dir.clone(), options.sync)?;
    let relay = Relay::between(&mut network, options.seed).await?;
    let power = options.power.then(|| Power::on(&network.dir, POWER_DISK_BYTES, options.seed)).transpose()?;
    if let Some(power) = &power {
        for config in &mut network.configs {
            config.data_dir = power.dir().join(format!("validator-{}", config.index));
        }
    }
    write_settings(&network)?;
    let report =
        live(options, network, relay, power).await.with_context(|| format!("see the logs in {}", dir.display()))?;
    if options.keep.is_none() && report.is_good() {
        std::fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
        return Ok(ChaosEnd { report, kept: None });
    }
    Ok(ChaosEnd { report, kept: Some(dir) })
}

async fn live(options: &ChaosOptions, network: Network, relay: Relay, power: Option<Power>) -> anyhow::Result<Report> {
    let began = Instant::now();
    let environment =
        vec![("GRIDBOOK_LOG", format!("info,{PROMISE_TARGET}=trace")), ("GRIDBOOK_LOG_FORMAT", "json".into())];
    let launch = Launch { environment, ..Launch::this_binary()? };
    let mut plan = Plan::new(options.seed, &options.only, usize::from(VALIDATORS));
    let mut ordeal = Ordeal {
        cluster: Cluster::new(&network, launch),
        eyes: Eyes::on(&network),
        network,
        relay: Some(relay),
        disk: None,
        power,
        tally: Tally::default(),
        loud: options.loud,
        rest_ms: options.rest_ms,
        equal_max: EQUAL_MAX,
        began,
    };
    ordeal.give_small_disk(&mut plan).await?;
    ordeal.give_birth()?;
    ordeal.cluster.start_all()?;
    ordeal.wait_until_ready().await?;
    let (town, keys, gateways) = prepare(options, &ordeal.network).await?;
    if !options.sync {
        // From the first power cut on they may never be ready again.
        ordeal.equal_max = EQUAL_MAX / 12;
    }
    let pace = Pace { seed: options.seed, bundles_per_s: options.rate, commands: options.commands };
    let load = Load::begin(pace, &town, &ordeal.network.genesis, &keys, &gateways);
    ordeal.say(&format!("{} meters trade", options.meters));

    let (broke, interrupted) = tokio::select! {
        met = go_through(options, &mut ordeal, &mut plan, &load) => (met.err(), false),
        () = interrupted() => (None, true),
    };
    let seconds = began.elapsed().as_secs_f64();
    ordeal.say("no more trouble");
    let healed = ordeal.heal().await;
    let answers = if healed.is_ok() { load.end().await? } else { load.abandon() };
    let mut report = Report::new(options, Tally::default(), answers);
    report.seconds = seconds;
    report.interrupted = interrupted;
    let unhealed = healed.is_err();
    report.failures.extend([broke, healed.err()].into_iter().flatten().map(|error| format!("{error:#}")));
    let equal_at = match unhealed {
        false => check_alive(&mut ordeal, &mut report, &gateways).await,
        true => 0,
    };
    check_disks(&mut ordeal, &mut report, equal_at).await;
    report.memory_bytes = ordeal.cluster.peak_memory_bytes();
    report.tally = std::mem::take(&mut ordeal.tally);
    Ok(report)
}

impl Ordeal {
    /// Puts one validator on a small disk, if there can be one here; else nobody's disk is filled.
    async fn give_small_disk(&mut self, plan: &mut Plan) -> anyhow::Result<()> {
        if self.power.is_some() {
            // Its data is elsewhere.
            plan.leave_out(Trouble::FullDisk);
            return Ok(());
        }
        plan.leave_out(Trouble::PowerCut);
        plan.leave_out(Trouble::DiskErrors);
        match SmallDisk::mount(&self.network.configs[ON_SMALL_DISK].data_dir, SMALL_DISK_BYTES).await {
            Ok(disk) => {
                self.cluster.run_inside(ON_SMALL_DISK, disk.enter()?);
                self.disk = Some(disk);
            }
            Err(error) => {
                plan.leave_out(Trouble::FullDisk);
                self.tally.left_out.push(format!("{}: {error:#}", Trouble::FullDisk.name()));
            }
        }
        Ok(())
    }
}

impl Ordeal {
    /// Writes the first safety record of those whose data lies elsewhere than where the network was made: without it they would sign nothing.
    fn give_birth(&self) -> anyhow::Result<()> {
        for (index, config) in self.network.configs.iter().enumerate() {
            let data_dir = self.data_dir(index)?;
            if !data_dir.join("safety").exists() {
                give_birth(&ValidatorConfig { data_dir, ..config.clone() })?;
            }
        }
        Ok(())
    }
}

/// What was asked for: windows to be measured, or trouble.
async fn go_through(options: &ChaosOptions, ordeal: &mut Ordeal, plan: &mut Plan, load: &Load) -> anyhow::Result<()> {
    match options.one_dead {
        Some((rounds, window_s)) => {
            ordeal.tally.windows = Windows::measure(rounds, Duration::from_secs(window_s), ordeal, load).await?;
            Ok(())
        }
        None => meet_trouble(options, ordeal, plan).await,
    }
}

/// Trouble after trouble, until there were enough kills and every kind was met, or it took long enough.
async fn meet_trouble(options: &ChaosOptions, ordeal: &mut Ordeal, plan: &mut Plan) -> anyhow::Result<()> {
    let (began, mut dealt) = (Instant::now(), 0);
    loop {
        let Some(step) = plan.deal() else { bail!("none of the wished-for troubles can be made here") };
        ordeal.undergo(&step).await?;
        if options.calm {
            ordeal.wait_until_ready().await?;
        }
        dealt += 1;
        let reached = |wanted: Option<u64>, count| wanted.is_some_and(|wanted| count >= wanted);
        let enough = reached(options.kills, ordeal.tally.kills) || reached(options.cuts, ordeal.tally.power_cuts);
        let enough = enough && dealt >= plan.round();
        if enough || began.elapsed().as_secs() >= options.seconds {
            return Ok(());
        }
    }
}

/// Everything that can be checked while the validators run. The height that all of them had come to.
async fn check_alive(ordeal: &mut Ordeal, report: &mut Report, gateways: &[Client]) -> u64 {
    let mut note = |error: anyhow::Error| report.failures.push(format!("{error:#}"));
    let equal_at = ordeal.wait_until_equal().await.map_err(&mut note).unwrap_or(0);
    ordeal.say("all are equally far; fetching receipts");
    let operator = match read_key(&ordeal.network.operator_key_file()) {
        Ok(key) => key,
        Err(error) => {
            note(error.into());
            return equal_at;
        }
    };
    let chain = ordeal.network.genesis.chain_id();
    let sign = |kind| SignedQuery::sign(chain, kind, NEVER, &operator);
    let wanted = wanted(&report.answers, report.options.seed, sign);
    report.receipts_requested = wanted.len() as u64;
    let failures = receipts::fetch_and_verify(gateways, &ordeal.network.genesis, wanted).await;
    report.receipts_verified = report.receipts_requested - failures.len() as u64;
    report.failures.extend(failures.into_iter().take(5).map(|failure| format!("a receipt: {failure}")));
    equal_at
}

/// Stops the validators, and checks what is on their disks.
async fn check_disks(ordeal: &mut Ordeal, report: &mut Report, equal_at: u64) {
    if let Err(error) = ordeal.cluster.stop(GRACE).await {
        report.failures.push(format!("{error:#}"));
    }
    ordeal.say("all have stopped; executing their logs again");
    let judged = judge(ordeal, report, equal_at);
    report.failures.extend(judged.err().map(|error| format!("{error:#}")));
}

/// One receipt of every final bundle, for a command of it drawn from the seed. `sign` signs the question.
fn wanted(answers: &Answers, seed: u64, sign: impl Fn(QueryKind) -> SignedQuery) -> Vec<Wanted> {
    let mut dice = Dice::new(seed, 2);
    let finals = answers.finals.iter().filter(|(_, told)| !told.leaves.is_empty());
    finals
        .map(|(bundle, told)| {
            let index = dice.below(told.leaves.len() as u64);
            let leaf = told.leaves[usize::try_from(index).expect("below a length")];
            let index = u16::try_from(index).expect("a bundle is short");
            Wanted { query: sign(QueryKind::BundleReceipt { bundle: *bundle, index, of: None }), leaf }
        })
        .collect()
}

fn judge(ordeal: &Ordeal, report: &mut Report, equal_at: u64) -> anyhow::Result<()> {
    let (genesis, mut logs) = (&ordeal.network.genesis, Vec::new());
    for index in 0..ordeal.network.configs.len() {
        let (promises, failures) = verdict::check_promises(index, &ordeal.cluster.log_file(index))?;
        report.promises += promises;
        if promises == 0 {
            report.failures.push(format!("validator {index} never signed anything"));
        }
        report.failures.extend(failures);
        match FinalLog::read(&ordeal.data_dir(index)?, genesis) {
            Ok(log) => logs.push(log),
            Err(error) => report.failures.push(format!("validator {index}: {error:#}")),
        }
    }
    report.logs_verified = logs.len() as u64;
    if logs.is_empty() {
        bail!("no validator has a log that holds");
    }
    report.failures.extend(verdict::compare_logs(&logs, equal_at));
    let log = verdict::longest(&logs);
    report.failures.extend(verdict::compare_answers(&report.answers, log));
    let (words, broken) = verdict::compare_words(&report.answers, log, genesis);
    report.words = words;
    report.failures.extend(broken);
    report.failures.extend(verdict::check_outages(&ordeal.tally.outages, &report.answers, log, genesis));
    report.recoveries_ms = verdict::recoveries_ms(&ordeal.tally.leader_deaths, &report.answers, log);
    report.recoveries_ms.sort_unstable();
    (report.height, report.header) = (log.report.height, log.report.header.to_hex());
    report.trades = log.report.totals.trades;
    Ok(())
}

/// A town whose meters are registered, their keys, and a client for each validator.
async fn prepare(options: &ChaosOptions, network: &Network) -> anyhow::Result<(Town, Vec<SecretKey>, Vec<Client>)> {
    let town = Town::new(TownConfig { seed: options.seed, meters: options.meters, ..TownConfig::default() })?;
    let meters = town.meters().iter();
    let keys: Vec<SecretKey> = meters.map(|meter| registration::meter_key(options.seed, meter.index)).collect();
    let mut gateways = Vec::new();
    for first in 0..network.clients.validators.len() {
        let mut order: Vec<Peer> = network.clients.validators.clone();
        order.rotate_left(first);
        gateways.push(Client::connect(order, connection_seed()?, PATIENCE).await?.0);
    }
    registration::register(&gateways[0], network, &town, &keys).await?;
    Ok((town, keys, gateways))
}

/// Writes the validators' settings again, as they are to be used.
fn write_settings(network: &Network) -> anyhow::Result<()> {
    for (config, file) in network.configs.iter().zip(&network.config_files) {
        std::fs::write(file, config.to_commented_toml()).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

fn make_network(dir: PathBuf, sync: bool) -> anyhow::Result<Network> {
    let wall_start_ms = wall_us() / 1000;
    let plan = NetworkPlan {
        name: "chaos".to_owned(),
        listen: loopback_free(VALIDATORS)?,
        areas: vec!["town".into()],
        rules: MarketRules::default(),
        settlement: SettlementRules::default(),
        ledger_start: LedgerTime(wall_start_ms),
        wall_start_ms,
        time_scale: TIME_SCALE,
        quotas: Quotas::one_host(),
        log: LogOptions {
            segment_bytes: SEGMENT_BYTES,
            sync,
            snapshot_commands: SNAPSHOT_COMMANDS,
            ..LogOptions::default()
        },
        index_options: IndexOptions::default(),
    };
    plan.make(Path::new(&dir))
}
