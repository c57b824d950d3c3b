//! The event loop: everything that happens, in the order of virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::hotstuff::{Recipient, WallTime};
use gridbook_ledger::reject::Code;
use gridbook_ledger::replica::{Effect, Input, PeerMessage};
use gridbook_ledger::validators::ValidatorIndex;

use super::clients::Client;
use super::dice::Dice;
use super::market::{Market, WALL_START_US};
use super::mischief::{self, Culprit, Mischief};
use super::process::{Process, StorageJob};
use super::trace::Trace;
use super::weather::{self, Trouble};
use super::wire::{Stream, Wire};
use super::witness::Witness;
use super::{ClusterConfig, ClusterError, Report};

/// What happens at a moment.
#[derive(Clone, Debug)]
enum Event {
    Deliver {
        from: usize,
        to: usize,
        generation: u64,
        bytes: Arc<[u8]>,
    },
    Connected {
        to: usize,
        peer: usize,
    },
    Tick {
        to: usize,
        life: u64,
    },
    Wake {
        to: usize,
        life: u64,
        at: WallTime,
    },
    Synced {
        to: usize,
        life: u64,
    },
    Serve {
        to: usize,
        life: u64,
        asker: usize,
        from_height: u64,
    },
    Client(usize),
    Restart(usize),
    Weather,
    Heal {
        from: Vec<usize>,
        to: Vec<usize>,
    },
    Calm,
    /// The last trouble is over: everything is mended.
    Mend,
    LookAround,
}

/// The cluster and everything around it.
pub(super) struct World {
    config: ClusterConfig,
    market: Market,
    now_us: u64,
    step: u64,
    next_event: u64,
    queue: BTreeMap<(u64, u64), Event>,
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
            now_us: 0,
            step: 0,
            next_event: 0,
            queue: BTreeMap::new(),
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
        self.at(self.now_us + us, event);
    }

    fn at(&mut self, at_us: u64, event: Event) {
        self.next_event += 1;
        self.queue.insert((at_us.max(self.now_us), self.next_event), event);
    }

    pub(super) fn run(mut self) -> Result<Report, ClusterError> {
        loop {
            let Some(((at_us, _), event)) = self.queue.pop_first() else {
                return Err(self.error("nothing is going to happen any more".into()));
            };
            self.now_us = at_us;
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
        self.report.virtual_ms = self.now_us / 1_000;
        self.report.steps = self.step;
        Ok(self.report)
    }

    fn error(&self, violation: String) -> ClusterError {
        let ClusterConfig { seed, .. } = self.config;
        ClusterError { seed, step: self.step, virtual_ms: self.now_us / 1_000, violation, tail: self.trace.tail() }
    }

    /// Lets an event happen. True if that was the end.
    fn happen(&mut self, event: Event) -> Result<bool, String> {
        let now_us = self.now_us;
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

    fn tick(&mut self, to: usize) -> Result<(), String> {
        if let Some(running) = &mut self.processes[to].running {
            running.tick_is_due = false;
        }
        self.feed(to, Input::Tick)?;
        let eager = self.processes[to].running.as_ref().is_some_and(|running| running.replica.is_eager());
        if eager {
            self.end_turn(to);
        }
        Ok(())
    }

    /// After inputs comes a tick: not at once, for others may come before it.
    fn end_turn(&mut self, to: usize) {
        let life = self.processes[to].life;
        if let Some(running) = &mut self.processes[to].running
            && !running.tick_is_due
        {
            running.tick_is_due = true;
            self.after(TURN_US, Event::Tick { to, life });
        }
    }

    fn deliver(&mut self, from: usize, to: usize, bytes: &[u8]) -> Result<(), String> {
        let message = PeerMessage::decode(bytes).map_err(|fault| format!("a message cannot be read: {fault}"))?;
        if let Some((_, mischief)) = self.culprits.get_mut(&to) {
            mischief.observe(&message);
        }
        match self.processes[to].verify(index_of(from), message, &self.market, self.now_us) {
            Ok(input) => {
                if let Input::BadChunk { view } = &input
                    && !self.culprits.contains_key(&usize::from(self.market.genesis.validators.leader(*view).0))
                {
                    return Err(format!("validator {to} found a bad chunk of an honest leader, view {view}"));
                }
                self.feed(to, input)?;
                self.end_turn(to);
                Ok(())
            }
            Err(_) if self.culprits.contains_key(&from) => Ok(()),
            Err(fault) => Err(format!("validator {to} dropped a message of {from}, which is honest: {fault}")),
        }
    }

    fn feed(&mut self, to: usize, input: Input) -> Result<(), String> {
        let effects = match self.processes[to].feed(input, self.now_us) {
            Ok(effects) => effects,
            Err(_) if self.culprits.contains_key(&to) => {
                // It may trip over its own lies.
                self.crash(to, 1_000_000);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for effect in effects {
            self.hand_out(to, effect)?;
        }
        self.begin_sync(to)
    }

    fn hand_out(&mut self, from: usize, effect: Effect) -> Result<(), String> {
        let now_us = self.now_us;
        match effect {
            Effect::Append(record) => self.store(from, StorageJob::Append(record)),
            Effect::Persist(record) => self.store(from, StorageJob::Persist(record)),
            Effect::Notify(number) => self.store(from, StorageJob::Notify(number)),
            Effect::Send { to, message } => self.store(from, StorageJob::Send { to, message }),
            Effect::Post { to, message } => self.post(from, to, &message)?,
            Effect::ServeSync { to, from_height } => {
                let (asker, life) = (usize::from(to.0), self.processes[from].life);
                self.after(200, Event::Serve { to: from, life, asker, from_height });
            }
            Effect::Final(step) => {
                self.trace.absorb(now_us, 5, from, 0, &step.hash.0);
                let header = &step.proposal.header;
                self.trace.note(now_us, || {
                    format!("{from}: final {} at {:?}, log to {}", header.height, header.rank, header.last_seq)
                });
                if self.culprits.contains_key(&from) {
                    return Ok(());
                }
                self.processes[from].index_final(&step)?;
                self.witness.finalize(&step)?;
                self.tell_clients(from, step.bundles.iter().map(|bundle| bundle.id));
                if header.height.is_multiple_of(AUDIT_HEIGHTS) {
                    self.audit(from)?;
                }
            }
            Effect::View { view, leader } => {
                self.report.views = self.report.views.max(view);
                self.trace.note(now_us, || format!("{from}: view {view}, led by {}", leader.0));
            }
            Effect::Evidence { culprit, what } => {
                self.trace.note(now_us, || format!("{from}: evidence against {}: {what}", culprit.0));
                self.report.evidence += 1;
                if !self.culprits.contains_key(&usize::from(culprit.0)) {
                    return Err(format!(
                        "validator {from} has evidence against {}, which is honest: {what}",
                        culprit.0
                    ));
                }
            }
            Effect::Halt(why) => {
                if !self.culprits.contains_key(&from) {
                    return Err(format!("validator {from} halts: {why}"));
                }
                self.crash(from, 1_000_000);
            }
            Effect::WakeAt(at) => {
                let process = &mut self.processes[from];
                let (life, ahead_us) = (process.life, process.ahead_us);
                if let Some(running) = &mut process.running {
                    running.wake_at = Some(at);
                }
                let at_us = at.0.saturating_sub(WALL_START_US).saturating_add_signed(-ahead_us);
                self.at(at_us, Event::Wake { to: from, life, at });
            }
        }
        Ok(())
    }

    fn store(&mut self, index: usize, job: StorageJob) {
        if let Some(running) = &mut self.processes[index].running {
            running.storage.push_back(job);
        }
    }

    /// Does what waits for the disk, until a sync is needed.
    fn begin_sync(&mut self, index: usize) -> Result<(), String> {
        loop {
            let process = &mut self.processes[index];
            let Some(running) = process.running.as_mut().filter(|running| running.syncing.is_none()) else {
                return Ok(());
            };
            if running.storage.is_empty() {
                return Ok(());
            }
            // The thread takes what is there; which may be only some of it.
            let count =
                if process.dice.per_mille(200) { 1 + process.dice.place(running.storage.len()) } else { usize::MAX };
            let count = count.min(running.storage.len());
            let (mut record, mut after, mut needed) = (None, Vec::new(), false);
            for job in running.storage.drain(..count) {
                match job {
                    StorageJob::Append(entry) => process.disk.append(entry),
                    StorageJob::Persist(newest) => (record, needed) = (Some(*newest), true),
                    StorageJob::Notify(_) => {
                        needed = true;
                        after.push(job);
                    }
                    StorageJob::Send { .. } => after.push(job),
                }
            }
            if needed {
                process.disk.begin_sync(record);
                running.syncing = Some(after);
                let stalled_us = process.disk_stalls_until_us.saturating_sub(self.now_us);
                let (life, takes_us) = (process.life, process.dice.delay(SYNC_US));
                self.after(takes_us + stalled_us, Event::Synced { to: index, life });
                return Ok(());
            }
            self.follow_sync(index, after)?;
        }
    }

    fn end_sync(&mut self, index: usize) -> Result<(), String> {
        let process = &mut self.processes[index];
        process.disk.end_sync();
        let after = process.running.as_mut().and_then(|running| running.syncing.take()).unwrap_or_default();
        self.follow_sync(index, after)?;
        self.begin_sync(index)
    }

    fn follow_sync(&mut self, index: usize, after: Vec<StorageJob>) -> Result<(), String> {
        // The core hears on a thread of its own: what it does then cannot overtake what the storage thread still sends.
        let mut notices = Vec::new();
        for job in after {
            match job {
                StorageJob::Notify(number) => notices.push(number),
                StorageJob::Send { to, message } => self.post(index, to, &PeerMessage::Consensus(message))?,
                StorageJob::Append(_) | StorageJob::Persist(_) => {}
            }
        }
        for number in notices {
            self.feed(index, Input::Durable(number))?;
            self.end_turn(index);
        }
        Ok(())
    }

    fn post(&mut self, from: usize, to: Recipient, message: &PeerMessage) -> Result<(), String> {
        let others: Vec<usize> = match to {
            Recipient::One(one) => vec![usize::from(one.0)],
            Recipient::Others => (0..self.processes.len()).filter(|other| *other != from).collect(),
        };
        if !self.culprits.contains_key(&from) {
            self.witness.sent(from, message, self.processes[from].disk.safety())?;
            let bytes: Arc<[u8]> = message.encode().into();
            for to in others {
                self.launch(from, to, stream_of(message), &bytes);
            }
            return Ok(());
        }
        for to in others {
            let Some((culprit, mischief)) = self.culprits.get_mut(&from) else { continue };
            for message in mischief.twist(culprit, index_of(to), message.clone()) {
                self.launch(from, to, stream_of(&message), &message.encode().into());
            }
        }
        Ok(())
    }

    fn launch(&mut self, from: usize, to: usize, stream: Stream, bytes: &Arc<[u8]>) {
        self.report.messages += 1;
        for (at_us, generation) in self.wire.send(from, to, stream, self.now_us) {
            self.at(at_us, Event::Deliver { from, to, generation, bytes: bytes.clone() });
        }
    }

    fn audit(&self, index: usize) -> Result<(), String> {
        let Some(running) = &self.processes[index].running else { return Ok(()) };
        running.replica.state().audit().map_err(|error| format!("the books of validator {index}: {error}"))
    }
}

/// Starts, stops and trouble.
impl World {
    fn start(&mut self, index: usize) -> Result<(), String> {
        if self.processes[index].running.is_some() {
            return Ok(());
        }
        let now_us = self.now_us;
        let steps = self.processes[index].start(&self.market).map_err(|why| format!("validator {index}: {why}"))?;
        self.trace.absorb(now_us, 6, index, steps.len(), &[]);
        self.trace.note(now_us, || format!("{index}: up, with {} final", steps.len()));
        if !self.culprits.contains_key(&index) {
            steps.iter().try_for_each(|step| self.witness.finalize(step))?;
        }
        self.feed(index, Input::Start)?;
        self.end_turn(index);
        for other in 0..self.processes.len() {
            if other != index {
                self.connect(index, other);
            }
        }
        Ok(())
    }

    fn connect(&mut self, a: usize, b: usize) {
        let (there_us, back_us) = (self.dice.between(1_000, 60_000), self.dice.between(1_000, 60_000));
        self.after(there_us, Event::Connected { to: a, peer: b });
        self.after(back_us, Event::Connected { to: b, peer: a });
    }

    fn crash(&mut self, index: usize, back_after_us: u64) {
        if self.processes[index].running.is_none() {
            return;
        }
        self.processes[index].crash();
        self.report.crashes += 1;
        self.trace.absorb(self.now_us, 7, index, 0, &[]);
        self.trace.note(self.now_us, || format!("{index}: killed"));
        for other in 0..self.processes.len() {
            self.wire.break_off(index, other);
            self.wire.break_off(other, index);
        }
        self.after(back_after_us, Event::Restart(index));
    }

    fn make_trouble(&mut self) {
        if self.mended {
            return;
        }
        let next_us = self.dice.between(50_000, 1_500_000);
        self.after(next_us, Event::Weather);
        let Some(trouble) = weather::draw(self.config.faults, self.processes.len(), &mut self.dice) else { return };
        self.trace.note(self.now_us, || format!("{trouble:?}"));
        let left_us = self.heals_at_us().saturating_sub(self.now_us);
        match trouble {
            Trouble::Crash { leader, back_after_us } => self.crash_one(leader, back_after_us.min(left_us)),
            Trouble::Blackout { back_after_us } => {
                for index in 0..self.processes.len() {
                    let back_after_us = back_after_us + self.dice.below(300_000);
                    self.crash(index, back_after_us.min(left_us));
                }
            }
            Trouble::Stall { for_us } => {
                let index = self.dice.place(self.processes.len());
                self.processes[index].disk_stalls_until_us = self.now_us + for_us.min(left_us);
            }
            Trouble::Split { group, one_way, for_us } => {
                let rest: Vec<usize> = (0..self.processes.len()).filter(|index| !group.contains(index)).collect();
                self.split(&group, &rest, for_us.min(left_us));
                if !one_way {
                    self.split(&rest, &group, for_us.min(left_us));
                }
            }
            Trouble::Silence { for_us } => {
                let leader = self.leader();
                let rest: Vec<usize> = (0..self.processes.len()).filter(|index| *index != leader).collect();
                self.split(&[leader], &rest, for_us.min(left_us));
            }
            Trouble::Storm { lost, for_us } => {
                self.wire.lost = lost;
                self.after(for_us, Event::Calm);
            }
        }
    }

    /// At most f are down at a time, and at least one may be.
    fn crash_one(&mut self, leader: bool, back_after_us: u64) {
        let down = self.processes.iter().filter(|process| process.running.is_none()).count();
        if down >= self.market.genesis.validators.faulty_max() {
            return;
        }
        let index = if leader { self.leader() } else { self.dice.place(self.processes.len()) };
        self.crash(index, back_after_us);
    }

    /// Who leads, in the eyes of who is furthest.
    fn leader(&self) -> usize {
        let views = self.processes.iter().filter_map(|process| Some(process.running.as_ref()?.replica.view()));
        views.max().map_or(0, |(_, leader)| usize::from(leader.0))
    }

    fn split(&mut self, from: &[usize], to: &[usize], for_us: u64) {
        for &a in from {
            for &b in to {
                self.wire.cut(a, b, true);
            }
        }
        self.after(for_us, Event::Heal { from: from.to_vec(), to: to.to_vec() });
    }

    fn heal(&mut self, from: &[usize], to: &[usize]) {
        for &a in from {
            for &b in to {
                if self.wire.cut(a, b, false) && self.wire.is_up(a, b) {
                    self.connect(a, b);
                }
            }
        }
    }

    fn mend(&mut self) {
        self.mended = true;
        self.trace.note(self.now_us, || "everything is mended".into());
        (self.wire.lost, self.wire.doubled) = (0, 0);
        for a in 0..self.processes.len() {
            for b in a + 1..self.processes.len() {
                // What was lost came from connections that broke; they are made again.
                self.wire.break_off(a, b);
                self.wire.break_off(b, a);
                self.connect(a, b);
            }
        }
    }
}

/// Clients, and the end.
impl World {
    fn let_client_act(&mut self, client: usize) -> Result<(), String> {
        let now_us = self.now_us;
        if self.clients[client].under_way.is_none() {
            if now_us >= self.closes_at_us() && !self.clients[client].is_setting_up() {
                return Ok(());
            }
            if client > 0 && self.clients[0].is_setting_up() {
                self.after(100_000, Event::Client(client));
                return Ok(());
            }
            let now = self.market.genesis.ledger_now(WALL_START_US + now_us);
            self.clients[client].next_bundle(&self.market, now);
            self.report.bundles += 1;
        }
        let due = self.clients[client].under_way.as_ref().is_some_and(|under_way| under_way.patience_us <= now_us);
        if due {
            self.submit(client)?;
        }
        let again_us = self.clients[client].dice.between(200_000, 600_000);
        self.after(again_us, Event::Client(client));
        Ok(())
    }

    fn submit(&mut self, client: usize) -> Result<(), String> {
        let now_us = self.now_us;
        let validators = self.processes.len();
        let Client { dice, under_way: Some(under_way), .. } = &mut self.clients[client] else { return Ok(()) };
        let to = dice.place(validators);
        let (id, bytes) = (under_way.id, under_way.bytes.clone());
        under_way.at = None;
        if self.processes[to].running.is_none() {
            return Ok(());
        }
        self.trace.absorb(now_us, 8, to, client, &id.0.0);
        let accepted = match self.processes[to].admit(&bytes, &self.market, now_us) {
            Ok(admitted) => {
                self.feed(to, Input::Submitted(vec![admitted]))?;
                self.end_turn(to);
                true
            }
            Err(refusal) if refusal.code == Code::AuthReplay => {
                if self.processes[to].knows_final(id.0) {
                    self.finish(client, id.0);
                    return Ok(());
                }
                let replica = self.processes[to].running.as_ref().map(|running| &running.replica);
                replica.is_some_and(|replica| replica.is_under_way(id))
            }
            // Not heard of yet here, or suspended just now.
            Err(refusal) if matches!(refusal.code, Code::AuthUnknownDevice | Code::AuthSuspended) => false,
            Err(refusal) => return Err(format!("the door of {to} refuses an honest bundle: {}", refusal.code)),
        };
        let Client { dice, under_way: Some(under_way), .. } = &mut self.clients[client] else { return Ok(()) };
        if accepted {
            under_way.at = Some(to);
            under_way.patience_us = now_us + dice.between(1_500_000, 4_000_000);
        }
        Ok(())
    }

    fn tell_clients(&mut self, by: usize, bundles: impl Iterator<Item = Hash>) {
        for bundle in bundles {
            let waiting = |client: &Client| {
                client.under_way.as_ref().is_some_and(|under_way| under_way.id.0 == bundle && under_way.at == Some(by))
            };
            if let Some(client) = self.clients.iter().position(waiting) {
                self.finish(client, bundle);
            }
        }
    }

    fn finish(&mut self, client: usize, bundle: Hash) {
        assert!(self.witness.is_final(bundle), "only what is final is told to be");
        self.clients[client].under_way = None;
        self.report.bundles_final += 1;
    }

    fn look_around(&mut self) -> Result<bool, String> {
        self.after(LOOK_AROUND_US, Event::LookAround);
        let Some(unrest) = self.unrest() else { return self.check_the_end().map(|()| true) };
        let deadline_us = self.closes_at_us() + SETTLE_US;
        if self.now_us >= deadline_us {
            return Err(format!("no end long after all was mended: {unrest}"));
        }
        Ok(false)
    }

    fn honest(&self) -> impl Iterator<Item = &Process> {
        self.processes.iter().filter(|process| !self.culprits.contains_key(&process.index))
    }

    /// What is not as it should be in the end, if anything.
    fn unrest(&self) -> Option<String> {
        let waiting = self.clients.iter().filter(|client| client.under_way.is_some()).count();
        if waiting > 0 || self.clients[0].is_setting_up() {
            return Some(format!("{waiting} clients wait for their bundles; {}", self.standing()));
        }
        let settled = self.honest().all(|process| {
            process.running.as_ref().is_some_and(|running| {
                let (header, state) = (running.replica.final_header(), running.replica.state());
                header.height == self.witness.height()
                    && header.last_seq == state.totals().commands
                    && state.next_due().is_none()
                    && !running.replica.is_catching_up()
            })
        });
        (!settled).then(|| self.standing())
    }

    /// Where everybody stands, in words.
    fn standing(&self) -> String {
        let mut text = format!("highest {}", self.witness.height());
        for process in &self.processes {
            let Some(running) = &process.running else {
                text += &format!("; {} is down", process.index);
                continue;
            };
            let replica = &running.replica;
            text += &format!(
                "; {}: final {}, view {}, log {} of {}, pool {}, due {:?}, catching up: {}",
                process.index,
                replica.final_header().height,
                replica.view().0,
                replica.final_header().last_seq,
                replica.state().totals().commands,
                replica.pool_len(),
                replica.state().next_due().map(|due| due.0),
                replica.is_catching_up(),
            );
        }
        text
    }

    fn check_the_end(&mut self) -> Result<(), String> {
        let honest: Vec<usize> = self.honest().map(|process| process.index).collect();
        let mut first = None;
        for index in honest {
            self.audit(index)?;
            let Some(running) = &mut self.processes[index].running else { continue };
            let root = running.replica.final_header().state_root;
            let state = running.replica.state_mut();
            if state.money_sum() != gridbook_engine::Money(0) {
                return Err(format!("validator {index} made or lost money: {}", state.money_sum()));
            }
            if state.state_root() != root {
                return Err(format!("the state of validator {index} is not that of its last final header"));
            }
            let end = (root, state.totals());
            if *first.get_or_insert(end) != end {
                return Err(format!("validator {index} ends in another state than the first"));
            }
            if end.1.commands != self.witness.commands || end.1.trades != self.witness.trades {
                return Err(format!("validator {index} counted other totals than were told as final"));
            }
        }
        Ok(())
    }
}

fn index_of(index: usize) -> ValidatorIndex {
    ValidatorIndex(u16::try_from(index).expect("at most 49 validators"))
}

fn stream_of(message: &PeerMessage) -> Stream {
    match message {
        PeerMessage::Consensus(_) => Stream::Consensus,
        PeerMessage::Chunk(_) | PeerMessage::Relay(_) => Stream::Log,
        _ => Stream::Sync,
    }
}
