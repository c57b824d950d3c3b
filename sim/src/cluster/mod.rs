//! Whole validators in one thread on virtual time: the deterministic cluster simulation (CONSENSUS section 5, 1).
//!
//! [`run`] lets `n` production [`Replica`](gridbook_ledger::replica::Replica)s talk over a simulated network, write to simulated
//! disks, serve simulated clients, and suffer what the seed draws for them. After every step it is checked that no two validators
//! ever made different things final, that nothing final was lost or repeated, that nobody contradicted its own signature, and in
//! the end that everything submitted became final and all validators hold the same state.
//!
//! Architecture invariant: no clock, no thread, no socket. The same configuration gives the same trace, byte for byte.

mod clients;
pub(crate) mod dice;
mod disk;
mod index;
mod market;
mod mischief;
mod mix;
mod process;
mod promises;
mod referee;
mod trace;
mod weather;
mod wire;
mod witness;
mod world;

use gridbook_ledger::crypto::{Hash, SignatureMemo};

pub use mischief::Attack;
pub use mix::{Kind, Kinds};
pub use weather::Faults;

/// What is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterConfig {
    /// Everything is drawn from it.
    pub seed: u64,
    /// How many validators: 3f + 1, from 4.
    pub validators: usize,
    /// What may go wrong: of it the seed draws its own mix.
    pub faults: Faults,
    /// What does not go wrong, even if the seed draws it.
    pub without: Kinds,
    /// What goes wrong even if the seed does not draw it.
    pub with: Kinds,
    /// Whether operators change the validators; drawn if it is not said.
    pub operators: Option<bool>,
    /// How those lie who lie; drawn if none is given.
    pub attack: Option<Attack>,
    /// How many meters trade; drawn if none is given.
    pub meters: Option<u32>,
    /// Whether every trade is derived again by the plain reference; drawn if it is not said.
    pub refereed: Option<bool>,
    /// Whether meters are read, and settled by what they delivered; drawn if it is not said: two of three seeds.
    pub metered: Option<bool>,
    /// How long they trade, in virtual seconds. Trouble ends at 70% of it, new orders at 85%; then everything has to settle.
    pub virtual_seconds: u64,
    /// Whether every line of the trace goes to standard error as it happens.
    pub loud: bool,
}

impl ClusterConfig {
    /// Four validators, twenty seconds, and trouble of all kinds to draw from.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            validators: 4,
            faults: Faults::All,
            without: Kinds::default(),
            with: Kinds::default(),
            operators: None,
            attack: None,
            meters: None,
            refereed: None,
            metered: None,
            virtual_seconds: 20,
            loud: false,
        }
    }
}

/// How a run went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What the seed drew: what goes wrong, and how everything behaves.
    pub mix: String,
    /// Over everything that happened: equal for equal configurations.
    pub trace_hash: Hash,
    /// The last final height.
    pub height: u64,
    /// Final commands, the leaders' own among them.
    pub commands: u64,
    /// Final trades.
    pub trades: u64,
    /// Final readings, of meters and of edges, those in others' place among them.
    pub readings: u64,
    /// How often a meter was settled, and how often again after a correction.
    pub settled: u64,
    /// See `settled`.
    pub settled_again: u64,
    /// How often an area was frozen.
    pub frozen: u64,
    /// Periods that became final.
    pub periods_final: u64,
    /// Bundles that clients made, all of them final.
    pub bundles: u64,
    /// Those that their clients were told of.
    pub bundles_final: u64,
    /// How often something went wrong around the validators.
    pub troubles: u64,
    /// How often a validator was killed.
    pub crashes: u64,
    /// How often one lost its disk.
    pub disks_lost: u64,
    /// How often one went on from another's snapshot.
    pub joins: u64,
    /// How often one stopped because its disk was full.
    pub full_disks: u64,
    /// How often one was made again from its disk, beside itself, and compared.
    pub restarts_compared: u64,
    /// The highest view of any epoch.
    pub views: u64,
    /// How many epochs ended.
    pub epochs: u32,
    /// How many trades and fills the plain reference derived again; none if the seed draws no referee.
    pub trades_refereed: u64,
    /// How often an entry became final where a leader or a certificate had told before.
    pub promises_kept: u64,
    /// How often somebody was caught contradicting itself.
    pub evidence: u64,
    /// How often that was entered on the ledger.
    pub convictions: u64,
    /// Messages sent between validators.
    pub messages: u64,
    /// Events.
    pub steps: u64,
    /// Virtual milliseconds until everything was settled.
    pub virtual_ms: u64,
    /// How many of them from when everything was mended and nothing new was handed in.
    pub settled_ms: u64,
}

impl Report {
    fn new(config: &ClusterConfig, mix: &mix::Mix) -> Self {
        Self {
            seed: config.seed,
            mix: mix.to_string(),
            trace_hash: Hash::ZERO,
            height: 0,
            commands: 0,
            trades: 0,
            readings: 0,
            settled: 0,
            settled_again: 0,
            frozen: 0,
            periods_final: 0,
            bundles: 0,
            bundles_final: 0,
            troubles: 0,
            crashes: 0,
            disks_lost: 0,
            joins: 0,
            full_disks: 0,
            restarts_compared: 0,
            views: 0,
            epochs: 0,
            trades_refereed: 0,
            promises_kept: 0,
            evidence: 0,
            convictions: 0,
            messages: 0,
            steps: 0,
            virtual_ms: 0,
            settled_ms: 0,
        }
    }
}

/// What must never happen, and did.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}, step {step}, {virtual_ms} ms: {violation}\n{}", .tail.join("\n"))]
pub struct ClusterError {
    /// The seed.
    pub seed: u64,
    /// What it drew.
    pub mix: String,
    /// The event.
    pub step: u64,
    /// Virtual time.
    pub virtual_ms: u64,
    /// Which invariant does not hold.
    pub violation: String,
    /// The last lines of the trace: virtual milliseconds, validator, what it did.
    pub tail: Vec<String>,
}

/// Simulates a cluster.
///
/// # Errors
/// The first invariant that does not hold, or a number of validators that makes no set.
pub fn run(config: ClusterConfig) -> Result<Report, ClusterError> {
    // Each signature comes to all validators, and is checked once.
    let _memo = SignatureMemo::on_this_thread();
    let world = world::World::new(config).map_err(|violation| ClusterError {
        seed: config.seed,
        mix: String::new(),
        step: 0,
        virtual_ms: 0,
        violation,
        tail: Vec::new(),
    })?;
    world.run()
}

/// Finds kinds of trouble that a failing seed needs, by leaving out one after the other, and how it fails with those that are left.
/// `tell` hears of each that is tried. None if the seed does not fail.
pub fn minimise(config: ClusterConfig, mut tell: impl FnMut(Kind)) -> Option<(Kinds, ClusterError)> {
    let (mut config, mut error) = (config, run(config).err()?);
    // What it did not have cannot be left out.
    for kind in mix::Mix::draw(&config).kinds.iter() {
        tell(kind);
        let without = ClusterConfig { without: config.without.with(kind), ..config };
        if let Err(other) = run(without) {
            (config, error) = (without, other);
        }
    }
    Some((config.without, error))
}
