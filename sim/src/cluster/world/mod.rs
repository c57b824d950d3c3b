//! The event loop: everything that happens, in the order of virtual time.

mod agenda;
mod delivery;
mod ending;
mod storage;
mod trade;
mod trouble;

use std::collections::BTreeMap;

use gridbook_ledger::hotstuff::Recipient;
use gridbook_ledger::replica::Input;
use gridbook_ledger::validators::ValidatorIndex;

use super::clients::Client;
use super::dice::Dice;
use super::market::Market;
use super::mischief::{self, Culprit, Mischief};
use super::process::Process;
use super::trace::Trace;
use super::wire::Wire;
use super::witness::Witness;
use super::{ClusterConfig, ClusterError, Report};
use agenda::{Agenda, Event};

/// The cluster and everything around it.
pub(super) struct World {
    config: ClusterConfig,
    market: Market,
    step: u64,
    agenda: Agenda,
    processes: Vec<Process>,
    /// Those that lie.
    culprits: BTreeMap<usize, (Culprit, Box<dyn Mischief>)>,
    wire: Wire,
    clients: Vec<Client>,
    dice: Dice,
    witness: Witness,
    trace: Trace,
    mended: bool,
    report: Report,
}

/// A replica's turn ends this long after its first input: others may come in between.
const TURN_US: u64 = 60;
/// How long a sync of the log takes, usually.
const SYNC_US: u64 = 800;
/// Once all is mended, this long may pass until everything is final everywhere.
const SETTLE_US: u64 = 90_000_000;
const LOOK_AROUND_US: u64 = 100_000;
/// Every so many final headers of a validator its books are audited.
const AUDIT_HEIGHTS: u64 = 50;

impl World {
    pub(super) fn new(config: ClusterConfig) -> Result<Self, String> {
        let validators = config.validators;
        let market = Market::new(validators, config.meters)?;
        let seed = config.seed;
        let mut dice = Dice::new(seed, 1);
        let faults = config.faults;
        let ordered = !faults.breaks_network() || dice.per_mille(400);
        let mut wire = Wire::new(validators, Dice::new(seed, 2), ordered);
        if faults.breaks_network() && dice.per_mille(500) {
            wire.doubled = dice.below(100);
            wire.lost = dice.below(30);
        }
        let mut processes: Vec<Process> =
            (0..validators).map(|i| Process::new(i, Dice::new(seed, 10 + i as u64))).collect();
        if faults.breaks_network() {
            for process in &mut processes {
                process.ahead_us = i64::try_from(process.dice.below(400_000)).unwrap_or(0) - 200_000;
            }
        }
        let mut culprits: BTreeMap<usize, (Culprit, Box<dyn Mischief>)> = BTreeMap::new();
        if faults.lies() {
            let faulty_max = market.genesis.validators.faulty_max();
            while culprits.len() < faulty_max {
                let index = dice.place(validators);
                let me = ValidatorIndex(u16::try_from(index).unwrap_or(0));
                let key = market.validator_keys[index].clone();
                let culprit = Culprit { chain: market.genesis.chain_id(), me, key };
                culprits.entry(index).or_insert_with(|| (culprit, mischief::draw(&mut dice)));
            }
        }
        let clients = Client::all(&market, seed);
        let trace = Trace::new(config.loud);
        let witness = Witness::new(validators);
        let report = Report::new(&config);
        let mut world = Self {
            config,
            market,
            step: 0,
            agenda: Agenda::default(),
            processes,
            culprits,
            wire,
            clients,
            dice,
            witness,
            trace,
            mended: false,
            report,
        };
        world.begin();
        Ok(world)
    }

    fn begin(&mut self) {
        for (index, (_, mischief)) in &self.culprits {
            self.trace.note(0, || format!("validator {index} is a {}", mischief.name()));
        }
        for index in 0..self.processes.len() {
            let after_us = self.dice.below(50_000);
            self.after(after_us, Event::Restart(index));
        }
        for client in 0..self.clients.len() {
            let after_us = self.dice.between(50_000, 150_000);
            self.after(after_us, Event::Client(client));
        }
        self.after(500_000, Event::Weather);
        let heals_at = self.heals_at_us();
        self.after(heals_at, Event::Mend);
        self.after(self.closes_at_us(), Event::LookAround);
    }

    /// From here on nothing goes wrong any more.
    fn heals_at_us(&self) -> u64 {
        self.config.virtual_seconds * 700_000
    }

    /// From here on clients send nothing new.
    fn closes_at_us(&self) -> u64 {
        self.config.virtual_seconds * 850_000
    }

    fn after(&mut self, us: u64, event: Event) {
        self.agenda.at(self.now_us() + us, event);
    }

    fn now_us(&self) -> u64 {
        self.agenda.now_us()
    }

    pub(super) fn run(mut self) -> Result<Report, ClusterError> {
        loop {
            let Some(event) = self.agenda.next() else {
                return Err(self.error("nothing is going to happen any more".into()));
            };
            self.step += 1;
            match self.happen(event) {
                Ok(false) => {}
                Ok(true) => break,
                Err(violation) => return Err(self.error(violation)),
            }
        }
        self.report.trace_hash = self.trace.hash();
        self.report.height = self.witness.height();
        self.report.commands = self.witness.commands;
        self.report.trades = self.witness.trades;
        self.report.virtual_ms = self.now_us() / 1_000;
        self.report.steps = self.step;
        Ok(self.report)
    }

    fn error(&self, violation: String) -> ClusterError {
        let ClusterConfig { seed, .. } = self.config;
        ClusterError { seed, step: self.step, virtual_ms: self.now_us() / 1_000, violation, tail: self.trace.tail() }
    }

    /// Lets an event happen. True if that was the end.
    fn happen(&mut self, event: Event) -> Result<bool, String> {
        let now_us = self.now_us();
        match event {
            Event::Deliver { from, to, generation, bytes } => {
                if self.wire.arrives(from, to, generation) && self.processes[to].running.is_some() {
                    self.trace.absorb(now_us, 1, to, from, &bytes);
                    self.deliver(from, to, &bytes)?;
                }
            }
            Event::Connected { to, peer } => {
                let both = self.processes[to].running.is_some() && self.processes[peer].running.is_some();
                if both && self.wire.is_up(to, peer) {
                    self.trace.absorb(now_us, 2, to, peer, &[]);
                    self.feed(to, Input::Connected(index_of(peer)))?;
                }
            }
            Event::Tick { to, life } => {
                if self.is_alive(to, life) {
                    self.tick(to)?;
                }
            }
            Event::Wake { to, life, at } => {
                let wished = self.processes[to].running.as_ref().and_then(|running| running.wake_at);
                if self.is_alive(to, life) && wished == Some(at) {
                    self.trace.absorb(now_us, 3, to, 0, &[]);
                    self.tick(to)?;
                }
            }
            Event::Synced { to, life } => {
                if self.is_alive(to, life) {
                    self.trace.absorb(now_us, 4, to, 0, &[]);
                    self.end_sync(to)?;
                }
            }
            Event::Serve { to, life, asker, from_height } => {
                if self.is_alive(to, life)
                    && let Some(answer) = self.processes[to].history(from_height)
                {
                    self.post(to, Recipient::One(index_of(asker)), &answer)?;
                }
            }
            Event::Client(client) => self.let_client_act(client)?,
            Event::Restart(index) => self.start(index)?,
            Event::Weather => self.make_trouble(),
            Event::Heal { from, to } => self.heal(&from, &to),
            Event::Calm => self.wire.lost = 0,
            Event::Mend => self.mend(),
            Event::LookAround => return self.look_around(),
        }
        Ok(false)
    }

    fn is_alive(&self, index: usize, life: u64) -> bool {
        self.processes[index].running.is_some() && self.processes[index].life == life
    }
}

fn index_of(index: usize) -> ValidatorIndex {
    ValidatorIndex(u16::try_from(index).expect("at most 49 validators"))
}
