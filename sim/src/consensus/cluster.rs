//! A whole set of consensus cores on one virtual clock, with a network that misbehaves.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::header::{Header, HeaderRef, LogPoint};
use gridbook_ledger::hotstuff::{ConsensusMessage, Input, Recipient, Verdict, WallTime};

use super::instance::Instance;
use super::liars::{Liar, Strategy};
use super::ring::{Ring, index};
use super::toy_log::Universe;
use super::violation::Violation;
use super::weather::Weather;
use super::witness::Witness;
use crate::cluster::dice::Dice;

/// What happens at a moment.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Deliver { from: usize, to: usize, message: Rc<ConsensusMessage> },
    Wake { to: usize },
    Check { to: usize, life: u64, header: Rc<Header> },
    Pull { to: usize, life: u64, point: LogPoint },
    Sync { to: usize, life: u64, target: HeaderRef },
    DiskSynced { to: usize, life: u64 },
    Command,
    Restart { who: usize },
    GiveUp { to: usize, view: u64 },
    Partition(BTreeSet<usize>),
    Heal,
}

/// A command that wants to be final.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Command {
    pub(crate) number: u64,
    /// A bit for each instance that waits for it.
    pub(crate) known_to: u64,
    /// A bit for each instance that would propose it.
    pub(crate) offered_to: u64,
}

/// All validators, their network and their witness.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) ring: Ring,
    pub(crate) universe: Universe,
    pub(crate) instances: Vec<Instance>,
    pub(super) liars: BTreeMap<usize, Box<dyn Liar>>,
    /// A bit for each instance that keeps to the rules and is only itself.
    honest: u64,
    pub(crate) now: WallTime,
    pub(super) dice: Dice,
    pub(super) weather: Weather,
    pub(crate) witness: Witness,
    pub(crate) commands: Vec<Command>,
    /// Commands that are still to come.
    pub(crate) planned: u64,
    pub(super) sent: u64,
    pub(crate) steps: u64,
    queue: BTreeMap<(u64, u64), Event>,
    count: u64,
    apart: BTreeSet<usize>,
    /// The side of each instance, a bit each, for the messages of view 1, 2, ...; only for Twins.
    pub(crate) splits: Vec<u64>,
    /// How long each of these views lasts before everybody in it gives it up; only for Twins.
    pub(crate) patience_us: Vec<u64>,
    /// Who loses its record when it crashes.
    pub(super) forgetful: Option<usize>,
    /// Whose messages take long.
    pub(super) laggard: Option<usize>,
    pub(crate) violation: Option<Violation>,
    trace: Hash,
    /// Whether the story is told as it happens.
    pub(crate) told: Option<Vec<String>>,
}

impl Cluster {
    /// Instances at these places of the set, not yet started.
    pub(crate) fn new(ring: Ring, places: &[usize], weather: Weather, dice: Dice) -> Self {
        let instances: Vec<Instance> = places.iter().map(|place| Instance::new(&ring, *place)).collect();
        let single = |who: &usize| places.iter().filter(|place| **place == places[*who]).count() == 1;
        let honest = (0..places.len()).filter(single).fold(0, |bits, who| bits | 1 << who);
        Self {
            ring,
            universe: Universe::default(),
            instances,
            liars: BTreeMap::new(),
            honest,
            now: WallTime(1_000_000),
            dice,
            weather,
            witness: Witness::default(),
            commands: Vec::new(),
            planned: 0,
            sent: 0,
            steps: 0,
            queue: BTreeMap::new(),
            count: 0,
            apart: BTreeSet::new(),
            splits: Vec::new(),
            patience_us: Vec::new(),
            forgetful: None,
            laggard: None,
            violation: None,
            trace: Hash::ZERO,
            told: None,
        }
    }

    /// Makes a validator one that was never there.
    #[cfg(feature = "defects")]
    pub(crate) fn bury(&mut self, who: usize) {
        self.instances[who].alive = false;
        self.forgetful = Some(who);
    }

    /// Makes a validator a liar.
    pub(super) fn corrupt(&mut self, who: usize, strategy: Strategy) {
        self.liars.insert(who, strategy.liar());
        self.honest &= !(1 << who);
    }

    /// Everybody comes up.
    pub(crate) fn start(&mut self) {
        for who in 0..self.instances.len() {
            self.input(who, Input::Start);
        }
    }

    pub(crate) fn after(&mut self, delay_us: u64, event: Event) {
        self.count += 1;
        self.queue.insert((self.now.0 + delay_us, self.count), event);
    }

    pub(crate) fn is_honest(&self, who: usize) -> bool {
        self.honest >> who & 1 == 1
    }

    /// Whether a validator, all its instances, keeps to the rules.
    pub(super) fn is_honest_place(&self, place: usize) -> bool {
        (0..self.instances.len()).all(|who| self.instances[who].place != place || self.is_honest(who))
    }

    pub(crate) fn break_rule(&mut self, violation: Violation) {
        self.tell(|| format!("BROKEN: {violation}"));
        self.violation.get_or_insert(violation);
    }

    pub(super) fn note(&mut self, result: Result<(), Violation>) {
        if let Err(violation) = result {
            self.break_rule(violation);
        }
    }

    /// Adds a line to the story, if it is told.
    pub(super) fn tell(&mut self, line: impl FnOnce() -> String) {
        let now_us = self.now.0;
        if let Some(told) = &mut self.told {
            let since_us = now_us - 1_000_000;
            told.push(format!("{:>6}.{:03} ms  {}", since_us / 1_000, since_us % 1_000, line()));
        }
    }

    /// Runs until this virtual moment, or until `done`, or until a rule is broken. True if it ended by `done`.
    pub(crate) fn run_until(&mut self, end_us: u64, done: impl Fn(&Self) -> bool) -> bool {
        while self.violation.is_none() {
            if done(self) {
                return true;
            }
            let due = self.queue.first_key_value().is_some_and(|((at, _), _)| *at <= end_us);
            if !due {
                self.now = WallTime(self.now.0.max(end_us));
                return false;
            }
            self.step();
        }
        false
    }

    /// Every honest validator has every command final that an honest one knows.
    pub(crate) fn all_final(&self) -> bool {
        self.planned == 0
            && (0..self.instances.len()).filter(|who| self.is_honest(*who)).all(|who| {
                let instance = &self.instances[who];
                let is_down_for_good = self.forgetful == Some(who) && !instance.alive;
                is_down_for_good || (instance.alive && !self.wants(who, |command| command.known_to & self.honest != 0))
            })
    }

    fn step(&mut self) {
        let Some(((at, _), event)) = self.queue.pop_first() else { return };
        self.now = WallTime(self.now.0.max(at));
        self.steps += 1;
        match event {
            Event::Deliver { from, to, message } => self.deliver(from, to, &message),
            Event::Wake { to } => {
                if self.instances[to].wake_at.is_some_and(|wish| wish <= self.now) {
                    self.instances[to].wake_at = None;
                    self.input(to, Input::Tick);
                }
            }
            Event::Check { to, life, header } => self.check(to, life, header),
            Event::Pull { to, life, point } => self.pull(to, life, point),
            Event::Sync { to, life, target } => self.sync(to, life, target),
            Event::DiskSynced { to, life } => {
                if self.instances[to].life == life {
                    self.instances[to].sync();
                }
            }
            Event::Command => self.bring_command(),
            Event::Restart { who } => self.restart(who),
            Event::GiveUp { to, view } => {
                if self.instances[to].core.view() == view {
                    self.tell(|| format!("{to} gives view {view} up"));
                    self.input(to, Input::LeaderFault { view });
                }
            }
            Event::Partition(apart) => self.apart = apart,
            Event::Heal => self.heal(),
        }
    }

    pub(crate) fn heal(&mut self) {
        self.tell(|| "everything heals".to_owned());
        self.apart.clear();
        self.splits.clear();
        self.weather.lost = 0;
        self.weather.crash = 0;
    }

    fn restart(&mut self, who: usize) {
        let Self { instances, ring, universe, .. } = self;
        instances[who].restart(ring, universe);
        self.tell(|| format!("{who} comes up again"));
        self.input(who, Input::Start);
    }

    fn bring_command(&mut self) {
        self.planned -= 1;
        let (number, all) = (self.commands.len() as u64 + 1, (1 << self.instances.len()) - 1);
        let known_to = if self.weather.few_know { self.some_honest() } else { all };
        self.add_command(Command { number, known_to, offered_to: all });
    }

    /// f + 1 honest validators, drawn.
    fn some_honest(&mut self) -> u64 {
        let mut known_to = 0_u64;
        while known_to.count_ones() < u32::try_from(self.ring.set.one_honest()).expect("few validators") {
            let who = self.dice.place(self.instances.len());
            known_to |= u64::from(self.is_honest(who)) << who;
        }
        known_to
    }

    pub(crate) fn add_command(&mut self, command: Command) {
        self.commands.push(command);
        for who in 0..self.instances.len() {
            self.input(who, Input::Tick);
        }
    }

    fn deliver(&mut self, from: usize, to: usize, message: &ConsensusMessage) {
        if !self.instances[to].alive {
            return;
        }
        self.tell(|| format!("{from} -> {to}  {}", super::story::line(message)));
        self.hear_as_liar(to, message);
        let place = self.instances[from].place;
        self.input(to, Input::Message { from: index(place), message: message.clone() });
    }

    /// Whether a validator could get this log from anybody it can reach.
    fn is_reachable(&self, to: usize, point: LogPoint) -> bool {
        let holds = |who: usize| self.instances[who].alive && self.instances[who].has.contains(&point.digest);
        let view = self.instances[to].core.view();
        point.seq == 0 || (0..self.instances.len()).any(|who| holds(who) && self.passes(who, to, view))
    }

    fn obtain(&mut self, to: usize, point: LogPoint) -> bool {
        if !self.is_reachable(to, point) {
            return false;
        }
        for (digest, _) in self.universe.back_to(point, 0).unwrap_or_default() {
            if !self.instances[to].take_in(digest) {
                break;
            }
        }
        true
    }

    fn check(&mut self, to: usize, life: u64, header: Rc<Header>) {
        let instance = &self.instances[to];
        let hash = header.hash();
        if instance.life != life || instance.core.proposal(hash).is_none() {
            return;
        }
        if !self.obtain(to, header.log_end()) {
            self.after(20_000, Event::Check { to, life, header });
            return;
        }
        let verdict = if self.universe.bears_out(&header) { Verdict::Holds } else { Verdict::Differs };
        self.input(to, Input::Checked { hash, verdict });
    }

    fn pull(&mut self, to: usize, life: u64, point: LogPoint) {
        if self.instances[to].life != life {
            return;
        }
        if self.obtain(to, point) {
            self.input(to, Input::LogGrew);
        } else {
            self.after(20_000, Event::Pull { to, life, point });
        }
    }

    fn sync(&mut self, to: usize, life: u64, target: HeaderRef) {
        if self.instances[to].life != life {
            return;
        }
        let view = self.instances[to].core.view();
        let peers = (0..self.instances.len()).filter(|who| *who != to && self.instances[*who].alive);
        let reached = peers.filter(|who| self.passes(*who, to, view));
        let Some(height) = reached.map(|who| self.instances[who].final_height).max() else {
            self.after(50_000, Event::Sync { to, life, target });
            return;
        };
        let from = self.instances[to].final_height + 1;
        let proposals = self.witness.history(from, height);
        if let Some(last) = proposals.last() {
            self.obtain(to, last.header.log_end());
        }
        self.input(to, Input::CaughtUp(proposals));
    }

    /// Whether a message of this view passes between two instances.
    pub(super) fn passes(&self, from: usize, to: usize, view: u64) -> bool {
        let split = usize::try_from(view).ok().and_then(|view| self.splits.get(view.checked_sub(1)?));
        match split {
            Some(sides) => sides >> from & 1 == sides >> to & 1,
            None => self.apart.contains(&from) == self.apart.contains(&to),
        }
    }

    /// Sends to all instances that a recipient stands for.
    pub(super) fn transmit(&mut self, from: usize, to: Recipient, message: ConsensusMessage) {
        let view = super::story::view_of(&message).unwrap_or_else(|| self.instances[from].core.view());
        let sender = self.instances[from].place;
        let message = Rc::new(message);
        for who in 0..self.instances.len() {
            let place = self.instances[who].place;
            let meant = match to {
                Recipient::One(one) => usize::from(one.0) == place && who != from,
                Recipient::Others => place != sender,
            };
            if !meant {
                continue;
            }
            self.sent += 1;
            let copies = 1 + u64::from(self.dice.per_mille(self.weather.doubled));
            for _ in 0..copies {
                let late_us = if self.laggard == Some(from) { self.weather.laggard_us } else { 0 };
                let delay = 1_000 + self.dice.below(self.weather.delay_us) + late_us;
                if self.passes(from, who, view) && !self.dice.per_mille(self.weather.lost) {
                    self.after(delay, Event::Deliver { from, to: who, message: message.clone() });
                }
            }
        }
    }

    /// Whether a command of this kind is not final at an instance.
    pub(super) fn wants(&self, who: usize, kind: impl Fn(&Command) -> bool) -> bool {
        let finals = &self.instances[who].final_commands;
        self.commands.iter().any(|command| kind(command) && !finals.contains(&command.number))
    }

    /// Over everything that happened: the same for the same story.
    pub(crate) fn trace(&self) -> Hash {
        self.trace
    }

    pub(super) fn absorb(&mut self, who: usize, what: &[u8]) {
        let bytes = [&self.trace.0[..], &self.now.0.to_le_bytes(), &[u8::try_from(who).unwrap_or(u8::MAX)], what];
        self.trace = Hash::of("sim/trace", &bytes.concat());
    }
}
