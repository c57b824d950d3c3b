//! A whole set of validators on one virtual clock, with a network that misbehaves.

use std::collections::{BTreeMap, BTreeSet};

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::header::{Header, HeaderRef, LogPoint};
use gridbook_ledger::hotstuff::{ConsensusMessage, Effect, Input, Proposal, Recipient, Verdict, WallTime};

use crate::byzantine::{Byzantine, Strategy};
use crate::ring::{Ring, index};
use crate::rng::Rng;
use crate::toy_log::{OwnLogs, Universe, body, state_root};
use crate::validator::{OpenBuild, Validator};

pub(crate) enum Event {
    Deliver { from: usize, to: usize, message: ConsensusMessage },
    Wake { to: usize },
    Check { to: usize, life: u64, header: Box<Header> },
    Pull { to: usize, life: u64, point: LogPoint },
    Sync { to: usize, life: u64, target: HeaderRef },
    Command,
    Restart { who: usize },
    Partition(BTreeSet<usize>),
    Heal,
}

/// How bad it gets before the network heals.
#[derive(Clone, Copy)]
pub(crate) struct Weather {
    pub(crate) drop_per_mille: u64,
    pub(crate) duplicate_per_mille: u64,
    pub(crate) crash_per_mille: u64,
    pub(crate) delay_us: u64,
    pub(crate) partitions: u64,
    pub(crate) commands: u64,
    pub(crate) heal_at_us: u64,
}

impl Weather {
    pub(crate) const FAIR: Self = Self {
        drop_per_mille: 0,
        duplicate_per_mille: 0,
        crash_per_mille: 0,
        delay_us: 10_000,
        partitions: 0,
        commands: 10,
        heal_at_us: 2_000_000,
    };
    pub(crate) const STORM: Self =
        Self { drop_per_mille: 60, duplicate_per_mille: 60, crash_per_mille: 4, partitions: 2, ..Self::FAIR };
}

pub(crate) struct Cluster {
    pub(crate) ring: Ring,
    pub(crate) universe: Universe,
    pub(crate) validators: Vec<Validator>,
    pub(crate) now: WallTime,
    pub(crate) rng: Rng,
    pub(crate) weather: Weather,
    pub(crate) byzantine: BTreeMap<usize, Byzantine>,
    pub(crate) finals: BTreeMap<u64, (Hash, Proposal)>,
    pub(crate) certified: BTreeMap<Hash, LogPoint>,
    pub(crate) commands: u64,
    planned: u64,
    pub(crate) sent: u64,
    pub(crate) guilty: BTreeSet<usize>,
    queue: BTreeMap<(u64, u64), Event>,
    count: u64,
    apart: BTreeSet<usize>,
    trace: Hash,
}

impl Cluster {
    pub(crate) fn new(count: u8, seed: u64, weather: Weather, byzantine: &[(usize, Strategy)]) -> Self {
        let ring = Ring::new(count);
        let validators = (0..usize::from(count)).map(|i| Validator::new(&ring, i)).collect();
        let mut cluster = Self {
            ring,
            universe: Universe::default(),
            validators,
            now: WallTime(1_000_000),
            rng: Rng::new(seed),
            weather,
            byzantine: byzantine.iter().map(|(who, strategy)| (*who, Byzantine::new(*strategy))).collect(),
            finals: BTreeMap::new(),
            certified: BTreeMap::new(),
            commands: 0,
            planned: 0,
            sent: 0,
            guilty: BTreeSet::new(),
            queue: BTreeMap::new(),
            count: 0,
            apart: BTreeSet::new(),
            trace: Hash::ZERO,
        };
        cluster.plan();
        for who in 0..cluster.validators.len() {
            cluster.input(who, Input::Start);
        }
        cluster
    }

    fn plan(&mut self) {
        self.planned = self.weather.commands + 1;
        let Weather { commands, heal_at_us, partitions, .. } = self.weather;
        for _ in 0..commands {
            let at = self.rng.below(heal_at_us);
            self.after(at, Event::Command);
        }
        for _ in 0..partitions {
            let at = self.rng.below(heal_at_us);
            let size = 1 + self.rng.below(self.validators.len() as u64 - 1);
            let apart = (0..size).map(|_| self.rng.below(self.validators.len() as u64) as usize).collect();
            self.after(at, Event::Partition(apart));
        }
        self.after(heal_at_us, Event::Heal);
        // One after everything healed, so that there is always something to finish.
        self.after(heal_at_us + 1, Event::Command);
    }

    pub(crate) fn after(&mut self, delay_us: u64, event: Event) {
        self.count += 1;
        self.queue.insert((self.now.0 + delay_us, self.count), event);
    }

    pub(crate) fn is_honest(&self, who: usize) -> bool {
        !self.byzantine.contains_key(&who)
    }

    /// Runs until every honest validator has every command final; false if that takes longer.
    pub(crate) fn run_until_all_final(&mut self, limit_us: u64) -> bool {
        let limit = self.now.0 + limit_us;
        while self.now.0 < limit {
            if !self.step() || self.all_final() {
                break;
            }
        }
        self.all_final()
    }

    /// Lets time pass.
    pub(crate) fn run_for(&mut self, us: u64) {
        let end = self.now.0 + us;
        while self.queue.first_key_value().is_some_and(|((at, _), _)| *at <= end) {
            self.step();
        }
        self.now = WallTime(end);
    }

    pub(crate) fn all_final(&self) -> bool {
        self.planned == 0
            && (0..self.validators.len()).filter(|who| self.is_honest(*who)).all(|who| {
                let v = &self.validators[who];
                v.alive && v.core.final_header().last_seq >= self.commands && !self.waits(who)
            })
    }

    fn step(&mut self) -> bool {
        let Some(((at, _), event)) = self.queue.pop_first() else { return false };
        self.now = WallTime(self.now.0.max(at));
        self.trace = Hash::of("toy/trace", &[&self.trace.0[..], &at.to_le_bytes()].concat());
        match event {
            Event::Deliver { from, to, message } => self.deliver(from, to, message),
            Event::Wake { to } => {
                if self.validators[to].wake_at.is_some_and(|wish| wish <= self.now) {
                    self.validators[to].wake_at = None;
                    self.input(to, Input::Tick);
                }
            }
            Event::Check { to, life, header } => self.check(to, life, header),
            Event::Pull { to, life, point } => self.pull(to, life, point),
            Event::Sync { to, life, target } => self.sync(to, life, target),
            Event::Command => self.command(),
            Event::Restart { who } => {
                let ring = self.ring.clone();
                self.validators[who].restart(&ring, who);
                self.input(who, Input::Start);
            }
            Event::Partition(apart) => self.apart = apart,
            Event::Heal => self.heal(),
        }
        true
    }

    pub(crate) fn heal(&mut self) {
        self.apart.clear();
        self.weather.drop_per_mille = 0;
        self.weather.crash_per_mille = 0;
    }

    fn command(&mut self) {
        self.commands += 1;
        self.planned -= 1;
        for who in 0..self.validators.len() {
            self.input(who, Input::Tick);
        }
    }

    fn deliver(&mut self, from: usize, to: usize, message: ConsensusMessage) {
        if !self.validators[to].alive {
            return;
        }
        if let Some(mut byzantine) = self.byzantine.remove(&to) {
            let sends = byzantine.hear(&self.ring, to, &message);
            self.byzantine.insert(to, byzantine);
            for (recipient, message) in sends {
                self.transmit(to, recipient, message);
            }
        }
        self.input(to, Input::Message { from: index(from), message });
    }

    /// Whether a validator could get this log from anybody it can reach.
    fn reachable(&self, to: usize, point: LogPoint) -> bool {
        point.seq == 0
            || (0..self.validators.len()).any(|who| {
                let v = &self.validators[who];
                v.alive && self.connected(who, to) && v.has.contains(&point.digest)
            })
    }

    fn obtain(&mut self, to: usize, point: LogPoint) -> bool {
        if !self.reachable(to, point) {
            return false;
        }
        for (digest, _) in self.universe.back_to(point, 0).unwrap_or_default() {
            if !self.validators[to].has.insert(digest) {
                break;
            }
        }
        true
    }

    fn check(&mut self, to: usize, life: u64, header: Box<Header>) {
        if self.validators[to].life != life {
            return;
        }
        if !self.obtain(to, header.log_end()) {
            self.after(20_000, Event::Check { to, life, header });
            return;
        }
        let holds = header.state_root == state_root(header.log_digest)
            && self.universe.back_to(header.log_end(), header.first_seq - 1).is_some();
        let verdict = if holds { Verdict::Holds } else { Verdict::Differs };
        self.input(to, Input::Checked { hash: header.hash(), verdict });
    }

    fn pull(&mut self, to: usize, life: u64, point: LogPoint) {
        if self.validators[to].life != life {
            return;
        }
        if self.obtain(to, point) {
            self.input(to, Input::LogGrew);
        } else {
            self.after(20_000, Event::Pull { to, life, point });
        }
    }

    fn sync(&mut self, to: usize, life: u64, target: HeaderRef) {
        if self.validators[to].life != life {
            return;
        }
        let peer = (0..self.validators.len())
            .filter(|who| *who != to && self.validators[*who].alive && self.connected(*who, to))
            .max_by_key(|who| self.validators[*who].final_height);
        let Some(height) = peer.map(|who| self.validators[who].final_height) else {
            self.after(50_000, Event::Sync { to, life, target });
            return;
        };
        let from = self.validators[to].final_height + 1;
        let proposals: Vec<Proposal> =
            self.finals.range(from..=height.max(from)).map(|(_, (_, proposal))| proposal.clone()).collect();
        if let Some(last) = proposals.last() {
            let point = last.header.log_end();
            self.obtain(to, point);
        }
        self.input(to, Input::CaughtUp(proposals));
    }

    fn connected(&self, a: usize, b: usize) -> bool {
        self.apart.contains(&a) == self.apart.contains(&b)
    }

    /// Feeds one input, then carries the effects out in order; a crash may fall between any two.
    pub(crate) fn input(&mut self, who: usize, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            if !self.validators[who].alive {
                return;
            }
            let mut effects = Vec::new();
            let v = &mut self.validators[who];
            if let Input::Waiting(waiting) = input {
                v.waiting = waiting;
            }
            let logs = OwnLogs { universe: &self.universe, has: &v.has };
            v.core.handle(input, &logs, self.now, &mut effects);
            for effect in effects {
                if self.weather.crash_per_mille > 0 && self.is_honest(who) && self.crashes_now() {
                    self.validators[who].crash();
                    let down = 10_000 + self.rng.below(300_000);
                    self.after(down, Event::Restart { who });
                    return;
                }
                self.effect(who, effect);
            }
            self.note_certified(who);
            inputs.extend(self.built(who));
            let waits = self.waits(who);
            inputs.extend((self.validators[who].waiting != waits).then_some(Input::Waiting(waits)));
        }
    }

    fn crashes_now(&mut self) -> bool {
        let down = self.validators.iter().filter(|v| !v.alive).count() + self.byzantine.len();
        // Even all honest ones may be down at once: that must cost time only.
        let chance = if down == 0 { self.weather.crash_per_mille } else { self.weather.crash_per_mille / 2 };
        self.rng.per_mille(chance)
    }

    /// Whether a command is not final here. Twins of headers hold commands that nobody gave, so the length is not enough.
    fn waits(&self, who: usize) -> bool {
        let end = self.validators[who].core.final_header().log_end();
        let all = |commands: BTreeSet<u64>| (1..=self.commands).all(|c| commands.contains(&c));
        end.seq < self.commands || (!self.byzantine.is_empty() && !all(self.universe.commands(end)))
    }

    fn note_certified(&mut self, who: usize) {
        let core = &self.validators[who].core;
        let hash = core.high_qc().header.hash;
        if let Some(proposal) = core.proposal(hash) {
            self.certified.insert(hash, proposal.header.log_end());
        }
    }

    fn effect(&mut self, who: usize, effect: Effect) {
        let life = self.validators[who].life;
        match effect {
            Effect::KeepProposal(proposal) => self.validators[who].keep(*proposal),
            Effect::Persist(record) => self.validators[who].flush(*record),
            Effect::Send { to, message } => self.send(who, to, message),
            Effect::Check { header, .. } => {
                let delay = self.rng.below(2_000);
                self.after(delay, Event::Check { to: who, life, header });
            }
            Effect::Build { rank, parent, carry, tail } => {
                self.validators[who].build = Some(OpenBuild { rank, parent: *parent, carry, tail });
            }
            Effect::PullLog { point, .. } => self.after(5_000, Event::Pull { to: who, life, point }),
            Effect::EnteredView { .. } => self.validators[who].build = None,
            Effect::TermOver { .. } => {}
            Effect::Final { headers, via, child, qc } => {
                assert!(via.is_empty(), "no epoch ends here");
                assert_eq!(child.parent, headers.last().expect("never empty").hash);
                assert_eq!(qc.header, child.reference());
                for header in headers {
                    self.finalise(who, header.hash, &header.proposal);
                }
            }
            Effect::Behind { target, .. } => self.after(10_000, Event::Sync { to: who, life, target }),
            Effect::Evidence { culprit, .. } => {
                assert!(!self.is_honest(culprit.0.into()), "evidence against an honest validator");
                self.guilty.insert(culprit.0.into());
            }
            Effect::Diverged { header } => panic!("{who} diverged at {header:?}"),
            Effect::WakeAt(at) => {
                self.validators[who].wake_at = Some(at);
                let delay = at.0.saturating_sub(self.now.0).max(1);
                self.after(delay, Event::Wake { to: who });
            }
        }
    }

    fn finalise(&mut self, who: usize, hash: Hash, proposal: &Proposal) {
        let height = proposal.header.height;
        let (first, _) = self.finals.entry(height).or_insert_with(|| (hash, proposal.clone()));
        assert_eq!(*first, hash, "two final headers at height {height}");
        assert_eq!(hash, proposal.header.hash());
        // A log that is not here yet is pulled by the replica before it tells clients.
        for (digest, _) in self.universe.back_to(proposal.header.log_end(), 0).expect("final logs exist") {
            if !self.validators[who].has.insert(digest) {
                break;
            }
        }
        self.validators[who].finalise(proposal);
    }

    fn send(&mut self, who: usize, to: Recipient, message: ConsensusMessage) {
        if let Some(mut byzantine) = self.byzantine.remove(&who) {
            let sends = byzantine.say(&self.ring, &mut self.universe, &mut self.validators[who].has, who, to, message);
            self.byzantine.insert(who, byzantine);
            for (recipient, message) in sends {
                self.transmit(who, recipient, message);
            }
            return;
        }
        self.validators[who].say(&message);
        self.transmit(who, to, message);
    }

    fn transmit(&mut self, from: usize, to: Recipient, message: ConsensusMessage) {
        let recipients: Vec<usize> = match to {
            Recipient::One(one) => vec![one.0.into()],
            Recipient::Others => (0..self.validators.len()).filter(|who| *who != from).collect(),
        };
        for to in recipients {
            self.sent += 1;
            let copies = 1 + u64::from(self.rng.per_mille(self.weather.duplicate_per_mille));
            for _ in 0..copies {
                let delay = 1_000 + self.rng.below(self.weather.delay_us);
                if self.connected(from, to) && !self.rng.per_mille(self.weather.drop_per_mille) {
                    self.after(delay, Event::Deliver { from, to, message: message.clone() });
                }
            }
        }
    }

    /// Answers an open question for the next header, if there is log or it is to be answered at once.
    fn built(&mut self, who: usize) -> Option<Input> {
        let open = self.validators[who].build.clone()?;
        let mut end = open.carry.unwrap_or(open.parent.log_end());
        let sequenced = self.universe.commands(end);
        let fresh: Vec<u64> = (1..=self.commands).filter(|c| !sequenced.contains(c)).collect();
        if fresh.is_empty() && !open.tail {
            return None;
        }
        for command in fresh {
            end = self.universe.append(end, command);
            self.validators[who].has.insert(end.digest);
        }
        self.validators[who].build = None;
        let body = body(&open.parent, end, self.now.0 / 1_000);
        Some(Input::Built { rank: open.rank, body })
    }

    /// At the end: whatever was certified is in the final log.
    pub(crate) fn assert_nothing_certified_was_lost(&self) {
        let (_, last) = self.finals.last_key_value().expect("something is final").1;
        let end = last.header.log_end();
        for (hash, point) in &self.certified {
            assert!(self.universe.contains(end, *point), "certified {hash:?} at {point:?} is not in the final log");
        }
    }

    pub(crate) fn trace(&self) -> Hash {
        self.trace
    }
}
