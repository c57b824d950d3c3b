//! The event loop: everything that happens, in the order of virtual time.

mod again;
mod agenda;
mod delivery;
mod ending;
mod epochs;
mod joining;
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
use super::mischief::{Attack, Culprit, Mischief};
use super::mix::{Kind, Mix};
use super::process::Process;
use super::referee::Referee;
use super::trace::Trace;
use super::wire::Wire;
use super::witness::Witness;
use super::{ClusterConfig, ClusterError, Report};
use agenda::{Agenda, Event};

/// The cluster and everything around it.
pub(super) struct World {
    config: ClusterConfig,
    mix: Mix,
    market: Market,
    step: u64,
    agenda: Agenda,
    processes: Vec<Process>,
    /// Those that lie.
    culprits: BTreeMap<usize, Band>,
    wire: Wire,
    clients: Vec<Client>,
    dice: Dice,
    /// What operators do is drawn by itself, so that a seed goes wrong in the same way with them and without.
    operators: Dice,
    witness: Witness,
    referee: Option<Referee>,
    trace: Trace,
    mended: bool,
    report: Report,
}

/// One that lies, and how.
struct Band {
    culprit: Culprit,
    attack: Attack,
    mischief: Box<dyn Mischief>,
}

/// A replica's turn ends this long after its first input: others may come in between.
const TURN_US: u64 = 60;
/// How long a sync of the log takes, usually.
const SYNC_US: u64 = 800;
/// Once all is mended, this long may pass until everything is final everywhere.
const SETTLE_US: u64 = 90_000_000;
const LOOK_AROUND_US: u64 = 100_000;
/// How often one that stopped for want of space tries again.
const FULL_US: u64 = 300_000;
/// How long it takes to execute the log again for the gap of an index, on a machine that is not slow.
const FILL_US: u64 = 1_000_000;
/// After how long one that lies comes back when it tripped over its own lies.
const TRIPPED_US: u64 = 1_000_000;
/// How often those who lie speak of their own accord.
const VOLUNTEER_US: u64 = 300_000;
/// Every so many final headers of a validator its books are audited.
const AUDIT_HEIGHTS: u64 = 50;

impl World {
    pub(super) fn new(config: ClusterConfig) -> Result<Self, String> {
        let validators = config.validators;
        let mix = Mix::draw(&config);
        let market = Market::new(validators, mix.meters, mix.metered)?;
        let seed = config.seed;
        let mut dice = Dice::new(seed, 1);
        let mut wire = Wire::new(validators, &mix, Dice::new(seed, 2));
        let processes = make_processes(&market, &mix, seed, &mut wire);
        let culprits = draw_culprits(&market, &mix, &mut dice);
        let clients = Client::all(&market, seed);
        let trace = Trace::new(config.loud);
        let witness = Witness::new();
        let referee = mix.refereed.then(|| Referee::new(&market));
        let report = Report::new(&config, &mix);
        let mut world = Self {
            config,
            mix,
            market,
            step: 0,
            agenda: Agenda::default(),
            processes,
            culprits,
            wire,
            clients,
            dice,
            operators: Dice::new(seed, 4),
            witness,
            referee,
            trace,
            mended: false,
            report,
        };
        world.begin();
        Ok(world)
    }

    fn begin(&mut self) {
        let mix = self.mix.to_string();
        self.trace.note(0, || mix);
        let culprits: Vec<usize> = self.culprits.keys().copied().collect();
        for index in culprits {
            let attack = self.culprits[&index].attack.name();
            self.trace.note(0, || format!("validator {index} lies: {attack}"));
            self.after(VOLUNTEER_US, Event::Volunteer(index));
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
        self.plan_epochs();
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
        self.report.convictions = self.witness.convictions;
        let settlement = &self.witness.settlement;
        self.report.readings = settlement.readings;
        self.report.settled = settlement.settled;
        self.report.settled_again = settlement.settled_again;
        self.report.frozen = settlement.frozen;
        self.report.periods_final = settlement.periods_final;
        self.report.trades_refereed = self.referee.as_ref().map_or(0, |referee| referee.trades);
        self.report.promises_kept = self.witness.promises.kept;
        self.report.virtual_ms = self.now_us() / 1_000;
        self.report.settled_ms = self.now_us().saturating_sub(self.closes_at_us()) / 1_000;
        self.report.steps = self.step;
        Ok(self.report)
    }

    fn error(&self, violation: String) -> ClusterError {
        let (seed, mix) = (self.config.seed, self.report.mix.clone());
        ClusterError {
            seed,
            mix,
            step: self.step,
            virtual_ms: self.now_us() / 1_000,
            violation,
            tail: self.trace.tail(),
        }
    }

    /// Lets an event happen. True if that was the end.
    fn happen(&mut self, event: Event) -> Result<bool, String> {
        let now_us = self.now_us();
        if let Some(until_us) = self.is_put_off(&event) {
            self.agenda.at(until_us, event);
            return Ok(false);
        }
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
                    self.wake(to, at)?;
                }
            }
            Event::Synced { to, life } => {
                if self.is_alive(to, life) {
                    self.trace.absorb(now_us, 4, to, 0, &[]);
                    self.end_sync(to)?;
                }
            }
            Event::Serve { to, life, asker, from_height } => {
                if self.is_alive(to, life) {
                    let (answer, asker) = (self.processes[to].history(from_height)?, index_of(asker));
                    let bytes = answer.as_ref().map_or(0, |answer| answer.encode().len() as u64);
                    if let Some(answer) = answer {
                        self.post(to, Recipient::One(asker), &answer)?;
                    }
                    self.feed(to, Input::Served { to: asker, bytes })?;
                }
            }
            Event::Fill { to, life } => {
                if self.is_alive(to, life) {
                    self.processes[to].fill();
                    self.trace.note(now_us, || format!("{to}: its index is whole again"));
                }
            }
            Event::Client(client) => self.let_client_act(client)?,
            Event::Restart(index) => self.start(index)?,
            Event::Space(index) => self.processes[index].disk.set_full(false),
            Event::Volunteer(index) => self.let_culprit_speak(index),
            Event::Weather => {
                self.check_memory()?;
                self.make_trouble();
            }
            Event::Reconfigure => self.reconfigure()?,
            Event::Heal { from, to } => self.heal(&from, &to),
            Event::Calm => self.wire.lost = if self.mended { 0 } else { self.mix.lost },
            Event::Mend => self.mend(),
            Event::LookAround => return self.look_around(),
        }
        Ok(false)
    }

    /// Until when it must wait because whom it happens to gets no processor, if so.
    fn is_put_off(&self, event: &Event) -> Option<u64> {
        let (Event::Deliver { to, .. }
        | Event::Connected { to, .. }
        | Event::Tick { to, .. }
        | Event::Wake { to, .. }
        | Event::Synced { to, .. }
        | Event::Fill { to, .. }
        | Event::Serve { to, .. }) = event
        else {
            return None;
        };
        let process = &self.processes[*to];
        let paused = process.running.is_some() && process.paused_until_us > self.now_us();
        paused.then_some(process.paused_until_us)
    }

    fn is_alive(&self, index: usize, life: u64) -> bool {
        self.processes[index].running.is_some() && self.processes[index].life == life
    }
}

fn index_of(index: usize) -> ValidatorIndex {
    ValidatorIndex(u16::try_from(index).expect("at most 49 validators"))
}

fn make_processes(market: &Market, mix: &Mix, seed: u64, wire: &mut Wire) -> Vec<Process> {
    let validators = market.validator_keys.len();
    let make = |index| Process::new(index, market, mix, Dice::new(seed, 10 + index as u64));
    let mut processes: Vec<Process> = (0..validators).map(make).collect();
    for process in &mut processes {
        let skew_us = i64::try_from(process.dice.below(2 * mix.skew_us)).expect("below a second");
        process.ahead_us = skew_us - mix.skew_us.cast_signed();
    }
    let (count, slowness) = mix.slow;
    for process in processes.iter_mut().rev().take(count) {
        process.slowness = slowness;
        wire.slow_down(process.index, slowness);
    }
    processes
}

/// As many as may lie, if any do.
fn draw_culprits(market: &Market, mix: &Mix, dice: &mut Dice) -> BTreeMap<usize, Band> {
    let mut culprits = BTreeMap::new();
    if !mix.kinds.has(Kind::Lies) {
        return culprits;
    }
    let attacks = mix.attacks.iter().cycle();
    let set = &market.genesis.validators;
    for attack in attacks.take(set.faulty_max()) {
        let free: Vec<ValidatorIndex> =
            set.indices().filter(|index| !culprits.contains_key(&usize::from(index.0))).collect();
        let me = free[dice.place(free.len())];
        let key = market.validator_keys[usize::from(me.0)].clone();
        let culprit = Culprit { chain: market.chain, me, key };
        let mischief = attack.begin(dice);
        culprits.insert(usize::from(me.0), Band { culprit, attack: *attack, mischief });
    }
    culprits
}
