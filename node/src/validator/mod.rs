//! The validator process: drives one [`Replica`](gridbook_ledger::replica::Replica) with real sockets, disks and clocks.
//!
//! | thread | does |
//! |---|---|
//! | `net` | one tokio runtime: both QUIC endpoints and the admin port; sorts frames into the queues below |
//! | `door` | admits bundles of meters: form, registry, signatures in batches; shows books out of a table that `core` writes |
//! | `peers`, `sync` | verify what other validators send on the log plane, and what was missed of it |
//! | `core` | the one writer: sequencing, execution, consensus |
//! | `storage` | the log and the safety record; sends what waits for them |
//! | `desk` | answers clients out of what is final, and keeps the query index |
//! | `keeper` | writes snapshots and checkpoints of the state |
//! | `fill` | only after the query index was lost: makes it again behind everything else |
//! | `signals` | hears that it is to stop, also while the others end and begin again |
//!
//! It decides nothing that the replica decides; it only brings things where they belong.

mod audit;
mod backlog;
mod books;
mod certificates;
mod conduct;
mod core_loop;
mod costs;
mod desk;
mod directory;
mod door;
mod fill;
mod heights;
mod history;
mod inspect;
mod keeper;
mod leave;
mod lines;
mod net;
mod notices;
mod open;
mod origins;
mod peers;
mod pending;
mod promise;
mod reader;
mod registry;
mod restore;
mod roster;
mod signals;
mod standing;
mod storage;
mod waiting_proofs;
mod whole_records;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use crossbeam::channel::{Sender, bounded, unbounded};
use gridbook_engine::LedgerTime;
use gridbook_engine::depth::DepthTable;
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::epoch::Epochs;
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::hotstuff::WallTime;
use gridbook_ledger::reject::Code;
use gridbook_ledger::store::DataDir;
use gridbook_net::{MeterEndpoint, ValidatorEndpoint};
use parking_lot::RwLock;

use crate::admin::Health;
use crate::config::ValidatorConfig;
use crate::metrics::Metrics;

pub use audit::{ChainReport, verify_chain, walk_chain};
pub use inspect::{FoundRecord, IndexSummary, Inspection, KeptSummary, LogSummary, inspect, kind_of, show_log};
pub use open::{Opened, OpenedFiles, give_birth, open_data};
pub use promise::{PROMISE_TARGET, Promise, Told};
pub use restore::{newest_snapshot, restore_snapshot};

use backlog::Backlog;
use core_loop::CoreJob;
use desk::DeskJob;
use directory::Directory;
use lines::Lines;
use notices::Notices;
use pending::Pending;
use signals::StopSignals;
use standing::Standings;

/// What all threads of a validator share.
#[derive(Debug)]
struct Shared {
    genesis: Genesis,
    chain: Hash,
    /// The validator sets, as far as this validator has come.
    epochs: RwLock<Arc<Epochs>>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    directory: Arc<Directory>,
    lines: Lines,
    pending: Pending,
    backlog: Backlog,
    notices: Notices,
    standings: Standings,
    /// The books, as of what the core executed last.
    books: Arc<DepthTable>,
    /// Set once, when everything should end.
    stopping: AtomicBool,
    /// Set when it ended for a reason that is not a wish.
    failed: AtomicBool,
    /// Set when it ended to begin again from a snapshot that was put in the place of the state.
    again: AtomicBool,
    /// The last wall time that anyone read, so that it never goes back.
    wall_us: AtomicU64,
    /// How wrong the clock is made, for tests.
    clock_offset_us: i64,
    bundles_waiting_max: u64,
}

impl Shared {
    /// Wall time, monotonic.
    fn now(&self) -> WallTime {
        let us = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
        let us = u64::try_from(us).unwrap_or(u64::MAX).saturating_add_signed(self.clock_offset_us);
        WallTime(self.wall_us.fetch_max(us, Ordering::Relaxed).max(us))
    }

    fn ledger_now(&self) -> LedgerTime {
        self.genesis.ledger_now(self.now().0)
    }

    fn epochs(&self) -> Arc<Epochs> {
        self.epochs.read().clone()
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Ends everything, to begin again with what the data directory holds now.
    fn begin_again(&self) {
        self.again.store(true, Ordering::Relaxed);
        self.stopping.store(true, Ordering::Relaxed);
    }

    fn is_to_begin_again(&self) -> bool {
        self.again.load(Ordering::Relaxed)
    }

    /// Ends everything because something broke that must not be lived with.
    fn fail(&self, why: &str) {
        tracing::error!("{why}; this validator stops");
        self.failed.store(true, Ordering::Relaxed);
        self.stopping.store(true, Ordering::Relaxed);
    }
}

/// The ways into the threads.
#[derive(Clone, Debug)]
struct Queues {
    core: Sender<CoreJob>,
    door: Sender<door::DoorJob>,
    peers: Sender<peers::PeerFrame>,
    sync: Sender<peers::PeerFrame>,
    /// What the core hands to the desk.
    desk: Sender<DeskJob>,
    /// What clients ask of it.
    questions: Sender<DeskJob>,
    storage: Sender<storage::StorageJob>,
}

impl Queues {
    /// Hands a job to the desk, which never makes anybody wait. It is gone only when the process ends.
    fn tell_desk(&self, job: DeskJob) {
        let _ = self.desk.send(job);
    }

    /// Has the desk answer a client, behind all that the core has told it.
    ///
    /// # Errors
    /// `QuotaBusy` if what waits there costs too much already.
    fn ask_desk(&self, backlog: &Backlog, job: DeskJob) -> Result<(), Code> {
        backlog.begin_question(job.cost())?;
        let _ = self.questions.send(job);
        Ok(())
    }
}

/// How many jobs may wait in a queue before whoever brings more has to wait.
const QUEUE_JOBS_MAX: usize = 1 << 14;
/// How many admitted bundles may wait for the writer.
const INGRESS_BUNDLES_MAX: usize = 1 << 14;

/// Runs a validator until it is told to stop (SIGTERM, SIGINT), or must.
///
/// # Errors
/// Whatever keeps it from starting, and a reason if it had to stop.
pub fn run(config: &ValidatorConfig) -> anyhow::Result<()> {
    run_with_clock(config, 0)
}

/// Like [`run`], on a clock that is wrong by so many milliseconds.
///
/// # Errors
/// As [`run`].
pub fn run_with_clock(config: &ValidatorConfig, offset_ms: i64) -> anyhow::Result<()> {
    let mut signals = None;
    while run_once(config, offset_ms, &mut signals)? == Ended::ToBeginAgain {
        tracing::info!("beginning again from the snapshot");
    }
    tracing::info!("validator stopped cleanly");
    Ok(())
}

/// Why a validator ended without anything being wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// It was told to.
    Stopped,
    /// Its state was replaced by another validator's snapshot.
    ToBeginAgain,
}

fn run_once(config: &ValidatorConfig, offset_ms: i64, signals: &mut Option<StopSignals>) -> anyhow::Result<Ended> {
    let mut opened = open_data(config)?;
    let (writer, books) = books::table(&opened.genesis);
    opened.replica.publish_depth_to(writer);
    let chain = opened.genesis.chain_id();
    let shared = Arc::new(Shared {
        chain,
        epochs: RwLock::new(Arc::new(opened.replica.epochs().clone())),
        metrics: Arc::new(Metrics::default()),
        health: Arc::new(Health::default()),
        directory: Arc::default(),
        lines: Lines::default(),
        pending: Pending::default(),
        backlog: Backlog::default(),
        notices: Notices::default(),
        standings: Standings::default(),
        books,
        stopping: AtomicBool::new(false),
        failed: AtomicBool::new(false),
        again: AtomicBool::new(false),
        wall_us: AtomicU64::new(0),
        clock_offset_us: offset_ms.saturating_mul(1_000),
        bundles_waiting_max: u64::from(config.quotas.bundles_waiting_max),
        genesis: opened.genesis.clone(),
    });
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start a runtime")?;
    let roster = roster::Roster::new(config, opened.keys.clone());
    let net = runtime.block_on(net::bind(config, &roster, &opened, &shared))?;
    // Whoever is only starting just goes. From here on there is something to end, as soon as anybody can know of it.
    let signals = match signals {
        Some(signals) => signals,
        None => signals.insert(StopSignals::listen()?),
    };
    // While the snapshot was read nobody waited for them.
    if signals.has_come() {
        return Ok(Ended::Stopped);
    }
    let threads = spawn(config, opened, roster, &shared, &net)?;
    tracing::info!(
        validator = config.index,
        validators = %config.listen.validators,
        meters = %config.listen.meters,
        admin = %config.listen.admin,
        %chain,
        "validator is up"
    );
    runtime.block_on(net.serve(&shared, &threads.queues, signals));
    threads.join(&shared);
    if shared.failed.load(Ordering::Relaxed) {
        anyhow::bail!("the validator had to stop; the log above says why");
    }
    // It may have been told to stop while it ended to begin again.
    let begins_again = shared.is_to_begin_again() && !signals.has_come();
    Ok(if begins_again { Ended::ToBeginAgain } else { Ended::Stopped })
}

struct Threads {
    queues: Queues,
    handles: Vec<JoinHandle<()>>,
    /// Held until the last thread has ended, so that nobody else touches the directory.
    _lock: DataDir,
}

fn spawn(
    config: &ValidatorConfig,
    mut opened: Opened,
    roster: roster::Roster,
    shared: &Arc<Shared>,
    net: &net::Net,
) -> anyhow::Result<Threads> {
    let (core_in, core_out) = bounded(QUEUE_JOBS_MAX);
    let (door_in, door_out) = bounded(QUEUE_JOBS_MAX);
    let (peers_in, peers_out) = bounded(QUEUE_JOBS_MAX);
    let (sync_in, sync_out) = bounded(QUEUE_JOBS_MAX);
    // What the core hands on must never make it wait in the middle of its work; `backlog` says how these are bounded.
    let (desk_in, desk_out) = unbounded();
    let (questions_in, questions_out) = unbounded();
    let (storage_in, storage_out) = unbounded();
    let queues = Queues {
        core: core_in,
        door: door_in,
        peers: peers_in,
        sync: sync_in,
        desk: desk_in,
        questions: questions_in,
        storage: storage_in,
    };
    let (ingress_in, ingress_out) = gridbook_engine::ingress::ingress(INGRESS_BUNDLES_MAX);
    let (peers_endpoint, meters_endpoint) = net.endpoints();
    let open::OpenedFiles { log, safety, checkpoints, snapshots, incoming, coming, uses } = opened.files;
    let reader = log.reader();
    let index = Arc::new(opened.index);

    let root = opened.dir.root().to_path_buf();
    let mut threads = Threads { queues: queues.clone(), handles: Vec::new(), _lock: opened.dir };
    opened.replica.snapshot_every(config.log.snapshot_commands);
    opened.replica.join_from(config.log.join_commands);
    if let Some(config) = opened.filling {
        let (reader, index, shared) = (reader.clone(), index.clone(), shared.clone());
        threads.start("fill", move || fill::fill(config, &reader, &index, &shared))?;
    }
    // One state at a time is written, and one may wait.
    let (keeper_in, keeper_out) = bounded(1);
    let needed = keeper::NeededFrom::by(&snapshots)?;
    let files = keeper::KeeperFiles { checkpoints, snapshots, shelf: opened.shelf.clone() };
    let keeper = keeper::Keeper::new(files, index.clone(), queues.desk.clone(), needed.clone(), shared.clone());
    threads.start("keeper", move || keeper.run(&keeper_out))?;
    let storage = storage::Storage::new(
        storage::Files { root, identity: opened.identity, log, safety, incoming, coming, keeper: keeper_in, needed },
        config.log,
        opened.history.clone(),
        peers_endpoint.clone(),
        meters_endpoint.clone(),
        shared.clone(),
        queues.core.clone(),
    );
    threads.start("storage", move || storage.run(&storage_out))?;
    let history = history::History::new(opened.history, reader, index.clone(), opened.shelf);
    let (meters, peers) = (meters_endpoint.clone(), peers_endpoint.clone());
    let desk = desk::Desk::new(index, history, uses, meters, peers, shared.clone());
    threads.start("desk", move || desk.run(&desk_out, &questions_out))?;
    let door = door::DoorKeeper::new(shared.clone(), queues.clone(), meters_endpoint.clone());
    threads.start("door", move || door.run(ingress_in, &door_out))?;
    for (name, frames) in [("peers", peers_out), ("sync", sync_out)] {
        let verifier = peers::PeerVerifier::new(shared.clone(), queues.core.clone());
        threads.start(name, move || verifier.run(&frames))?;
    }
    let core = core_loop::CoreLoop::new(
        (config.index, roster),
        opened.replica,
        shared.clone(),
        queues,
        ingress_out,
        peers_endpoint,
        meters_endpoint,
    );
    threads.start("core", move || core.run(&core_out))?;
    Ok(threads)
}

impl Threads {
    fn start(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
        let thread = std::thread::Builder::new().name(name.into()).spawn(work).context("cannot start a thread")?;
        self.handles.push(thread);
        Ok(())
    }

    /// Ends the threads in the order in which work flows, so that what was begun is written.
    fn join(self, shared: &Shared) {
        shared.stopping.store(true, Ordering::Relaxed);
        drop(self.queues);
        for thread in self.handles.into_iter().rev() {
            let name = thread.thread().name().unwrap_or("?").to_owned();
            if thread.join().is_err() {
                shared.fail(&format!("the thread {name} panicked"));
            }
        }
    }
}

/// How often a thread that waits looks whether it should stop.
const LOOK_UP: Duration = Duration::from_millis(100);

type Peers = ValidatorEndpoint;
type Meters = MeterEndpoint;
