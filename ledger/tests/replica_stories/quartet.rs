//! Four replicas. Messages take a millisecond; the story sees each on its way, and may change or drop it.

use std::collections::{BTreeMap, VecDeque};

use gridbook_engine::{AccountId, AreaId, DeliveryPeriod, Energy, MarketRules, MeterId};
use gridbook_ledger::admission::{Admitted, Door};
use gridbook_ledger::command::{Bundle, Command, NEVER};
use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::genesis::{Genesis, SettlementRules};
use gridbook_ledger::hotstuff::{Recipient, SafetyRecord, Timing, WallTime};
use gridbook_ledger::registry::Plant;
use gridbook_ledger::replica::{
    Effect, FinalStep, IndexedHeader, Input, LogRecord, PeerFault, PeerGate, PeerMessage, Recovery, Replica,
    ReplicaConfig, sync_answer,
};
use gridbook_ledger::validators::{ValidatorIndex, ValidatorSet};

/// Where wall time begins: an hour after the ledger, so that clocks may go back.
const START_US: u64 = 3_600_000_000;
const HOP_US: u64 = 1_000;

/// A message on its way: sender, receiver, and what it says. Returns what arrives.
pub(crate) type OnTheWay = Box<dyn FnMut(usize, usize, PeerMessage) -> Option<PeerMessage>>;

/// One validator with its disk.
pub(crate) struct Node {
    pub(crate) replica: Replica,
    /// Microseconds that its clock is ahead of the true one; negative if behind.
    pub(crate) ahead_us: i64,
    pub(crate) log: Vec<LogRecord>,
    /// How much of the log was synced with the last safety record.
    pub(crate) synced: usize,
    pub(crate) safety: Option<SafetyRecord>,
    pub(crate) finals: Vec<FinalStep>,
    wake_at: Option<WallTime>,
}

enum Event {
    Message { from: usize, to: usize, message: PeerMessage },
    Tick { to: usize },
    Wake { to: usize, at: WallTime },
}

/// What was sent, and when.
pub(crate) struct Sent {
    pub(crate) at_us: u64,
    pub(crate) from: usize,
    pub(crate) message: PeerMessage,
}

pub(crate) struct Quartet {
    pub(crate) genesis: Genesis,
    pub(crate) nodes: Vec<Node>,
    pub(crate) on_the_way: OnTheWay,
    pub(crate) sent: Vec<Sent>,
    now_us: u64,
    queue: BTreeMap<(u64, u64), Event>,
    count: u64,
}

/// The key that number `n` signs with: validators are 0 to 3, the operator is 9, meter `m` is `10 + m`.
pub(crate) fn key(n: u8) -> SecretKey {
    SecretKey::from_seed([n + 1; 32])
}

fn genesis() -> Genesis {
    Genesis {
        name: "Kirchdorf".into(),
        ledger_start: DeliveryPeriod(1_937_176).starts_at(15),
        wall_start_ms: 0,
        time_scale: 1,
        rules: MarketRules::default(),
        settlement: SettlementRules::default(),
        areas: vec!["north".into()],
        operator: key(9).public(),
        validators: ValidatorSet::new((0..4).map(|n| key(n).public()).collect()).unwrap(),
    }
}

impl Node {
    fn new(genesis: &Genesis, index: usize) -> Self {
        let replica = Recovery::new(config(genesis, index)).finish(None);
        let (log, finals) = (Vec::new(), Vec::new());
        Self { replica, ahead_us: 0, log, synced: 0, safety: None, finals, wake_at: None }
    }

    /// Its final headers from a height on, with their log.
    fn history(&self, from_height: u64) -> Option<PeerMessage> {
        let later = |step: &&FinalStep| step.proposal.header.height >= from_height;
        let indexed =
            |step: &FinalStep| IndexedHeader { proposal: step.proposal.clone(), proof: step.proof.as_deref().cloned() };
        let headers: Vec<IndexedHeader> = self.finals.iter().filter(later).map(indexed).collect();
        let Ok(answer) = sync_answer(&headers, self.log.iter().cloned().map(Ok::<_, std::convert::Infallible>));
        answer
    }
}

fn config(genesis: &Genesis, index: usize) -> ReplicaConfig {
    let keys = vec![key(u8::try_from(index).unwrap())];
    ReplicaConfig { genesis: genesis.clone(), keys, timing: Timing::default() }
}

pub(crate) fn index_of(place: usize) -> ValidatorIndex {
    ValidatorIndex(u16::try_from(place).unwrap())
}

impl Quartet {
    /// Four that are up, with one meter registered.
    pub(crate) fn new() -> Self {
        Self::with_clocks([0; 4])
    }

    /// Four whose clocks are so many microseconds ahead.
    pub(crate) fn with_clocks(ahead_us: [i64; 4]) -> Self {
        let genesis = genesis();
        let mut quartet = Self {
            nodes: (0..4).map(|index| Node::new(&genesis, index)).collect(),
            genesis,
            on_the_way: Box::new(|_, _, message| Some(message)),
            sent: Vec::new(),
            now_us: START_US,
            queue: BTreeMap::new(),
            count: 0,
        };
        for (index, ahead_us) in ahead_us.into_iter().enumerate() {
            quartet.nodes[index].ahead_us = ahead_us;
            quartet.feed(index, Input::Start);
        }
        quartet
    }

    /// Registers meter 0 and waits until that is final.
    pub(crate) fn register(&mut self) {
        let (account, meter, key) = (AccountId(0), MeterId(0), key(10).public());
        let (import_max_wh, export_max_wh) = (Energy(1_000), Energy(1_000));
        let register = Command::RegisterMeter {
            meter,
            account,
            key,
            area: AreaId(0),
            import_max_wh,
            export_max_wh,
            plant: Plant::NONE,
        };
        self.operate(1, vec![Command::RegisterAccount { account, organisation: None }, register]);
        self.run_for(500_000);
        assert!(self.nodes.iter().all(|node| !node.finals.is_empty()), "the meter is registered");
    }

    pub(crate) fn operate(&mut self, nonce: u64, commands: Vec<Command>) {
        let admitted = self.admitted(9, nonce, commands);
        self.submit(1, admitted);
    }

    /// A bundle that the door lets in now.
    pub(crate) fn admitted(&self, signer: u8, nonce: u64, commands: Vec<Command>) -> Admitted {
        let (chain, key) = (self.genesis.chain_id(), key(signer));
        let signed = Bundle { chain, signer: key.public(), nonce, expires_at: NEVER, commands }.sign(&key);
        let lookup = |key: &_| self.nodes[1].replica.state().device(key);
        let now = self.genesis.ledger_now(self.now_us);
        Door { chain, now, lookup }.admit_one(signed.bytes()).expect("a good bundle of a registered device")
    }

    pub(crate) fn submit(&mut self, to: usize, admitted: Admitted) {
        self.feed(to, Input::Submitted(vec![admitted]));
        self.tick_soon(to);
    }

    pub(crate) fn now_us(&self) -> u64 {
        self.now_us
    }

    /// Kills a validator and starts it again with these records of its log, and its last safety record.
    pub(crate) fn restart(&mut self, index: usize, records: usize) {
        let mut recovery = Recovery::new(config(&self.genesis, index));
        let node = &mut self.nodes[index];
        node.log.truncate(records);
        node.finals.clear();
        for record in node.log.clone() {
            for effect in recovery.replay(record).unwrap() {
                if let Effect::Final(step) = effect {
                    node.finals.push(*step);
                }
            }
        }
        node.replica = recovery.finish(node.safety.clone());
        node.wake_at = None;
        self.queue.retain(|_, event| !matches!(event, Event::Message { to, .. } if *to == index));
        self.feed(index, Input::Start);
        for other in (0..4).filter(|other| *other != index) {
            self.feed(index, Input::Connected(index_of(other)));
            self.feed(other, Input::Connected(index_of(index)));
        }
    }

    pub(crate) fn run_for(&mut self, us: u64) {
        let until = self.now_us + us;
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= until) {
            let ((at, _), event) = entry.remove_entry();
            self.now_us = at;
            self.happen(event);
        }
        self.now_us = until;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Message { from, to, message } => {
                if let Some(message) = (self.on_the_way)(from, to, message)
                    && let Ok(input) = self.verify(from, message, to)
                {
                    self.feed(to, input);
                    self.tick_soon(to);
                }
            }
            Event::Tick { to } => self.tick(to),
            Event::Wake { to, at } if self.nodes[to].wake_at == Some(at) => self.tick(to),
            Event::Wake { .. } => {}
        }
    }

    fn tick(&mut self, to: usize) {
        self.feed(to, Input::Tick);
        if self.nodes[to].replica.is_eager() {
            self.tick_soon(to);
        }
    }

    /// As a validator does before its replica hears of anything.
    fn verify(&self, from: usize, message: PeerMessage, to: usize) -> Result<Input, PeerFault> {
        let replica = &self.nodes[to].replica;
        let gate = PeerGate { genesis: &self.genesis, chain: self.genesis.chain_id(), epochs: replica.epochs() };
        gate.input(index_of(from), message, |bundles| {
            let lookup = |key: &_| replica.state().device(key);
            let door = Door { chain: gate.chain, now: self.genesis.ledger_now(self.now_us), lookup };
            door.admit_batch(bundles).into_iter().flatten().collect()
        })
    }

    fn tick_soon(&mut self, to: usize) {
        self.at(self.now_us + 100, Event::Tick { to });
    }

    fn at(&mut self, at_us: u64, event: Event) {
        self.count += 1;
        self.queue.insert((at_us.max(self.now_us), self.count), event);
    }

    pub(crate) fn feed(&mut self, to: usize, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let wall = WallTime(self.now_us.saturating_add_signed(self.nodes[to].ahead_us));
            for effect in self.nodes[to].replica.handle(input, wall) {
                self.hand_out(to, effect, &mut inputs);
            }
        }
    }

    fn hand_out(&mut self, from: usize, effect: Effect, inputs: &mut VecDeque<Input>) {
        let node = &mut self.nodes[from];
        match effect {
            Effect::Append(record) => node.log.push(record),
            Effect::Persist(record) => {
                node.synced = node.log.len();
                node.safety = Some(*record);
            }
            Effect::Notify(number) => inputs.push_back(Input::Durable(number)),
            Effect::Send { to, message } => self.send(from, to, &PeerMessage::Consensus(message)),
            Effect::Post { to, message } => self.send(from, to, &message),
            Effect::ServeSync { to, from_height } => {
                if let Some(answer) = node.history(from_height) {
                    self.send(from, Recipient::One(to), &answer);
                }
            }
            Effect::Final(step) => node.finals.push(*step),
            Effect::WakeAt(at) => {
                node.wake_at = Some(at);
                let at_us = at.0.saturating_add_signed(-node.ahead_us);
                self.at(at_us, Event::Wake { to: from, at });
            }
            Effect::Halt(why) => panic!("validator {from} halts: {why}"),
            _ => {}
        }
    }

    fn send(&mut self, from: usize, to: Recipient, message: &PeerMessage) {
        self.sent.push(Sent { at_us: self.now_us, from, message: message.clone() });
        for other in (0..4).filter(|other| *other != from) {
            if to == Recipient::Others || to == Recipient::One(index_of(other)) {
                self.at(self.now_us + HOP_US, Event::Message { from, to: other, message: message.clone() });
            }
        }
    }

    /// All validators have the same final headers, and there are more than `height`.
    #[track_caller]
    pub(crate) fn assert_agreed_beyond(&self, height: u64) {
        let heights: Vec<u64> = self.nodes.iter().map(|node| node.replica.final_header().height).collect();
        assert!(heights.iter().all(|own| *own > height), "nothing became final beyond {height}: {heights:?}");
        let mut agreed: BTreeMap<u64, Hash> = BTreeMap::new();
        for step in self.nodes.iter().flat_map(|node| &node.finals) {
            let header = &step.proposal.header;
            let first = *agreed.entry(header.height).or_insert(step.hash);
            assert_eq!(first, step.hash, "two final headers of height {}", header.height);
        }
    }
}
