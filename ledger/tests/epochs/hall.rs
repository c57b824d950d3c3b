//! A town hall of replicas on virtual time: whole validators with logs and records, a network that can be cut, and nothing else.
//!
//! Everybody is known by his place in the hall. To each other validators are known as they are over QUIC: by their place in the
//! present set of whoever speaks, and by a name above all places if they have none.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gridbook_engine::{AccountId, LedgerTime, MarketRules};
use gridbook_ledger::admission::{DeviceKind, DeviceStatus, Door};
use gridbook_ledger::command::{Bundle, Command, NEVER};
use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::epoch::Reconfigure;
use gridbook_ledger::genesis::{Genesis, SettlementRules};
use gridbook_ledger::hotstuff::{ConsensusMessage, Recipient, SafetyRecord, Timing, WallTime};
use gridbook_ledger::registry::KeyStanding;
use gridbook_ledger::replica::{
    Effect, FinalStep, IndexedHeader, Input, LogRecord, PeerFault, PeerGate, PeerMessage, Recovery, Replica,
    ReplicaConfig, sync_answer,
};
use gridbook_ledger::validators::{ValidatorIndex, ValidatorSet};

/// How long a message takes, in microseconds.
const HOP_US: u64 = 1_000;
/// Names of those without a place begin here.
const STRANGERS: u16 = 100;

/// A validator with its disk.
pub(crate) struct Guest {
    pub(crate) keys: Vec<SecretKey>,
    pub(crate) replica: Option<Replica>,
    pub(crate) log: Vec<LogRecord>,
    pub(crate) safety: Option<SafetyRecord>,
    pub(crate) finals: BTreeMap<u64, FinalStep>,
    /// What it signed: the epoch of each vote, timeout and proposal.
    pub(crate) signed: Vec<u32>,
    /// Who led the views it entered.
    pub(crate) leaders: Vec<(u32, u16)>,
    wake_at: Option<WallTime>,
}

enum Event {
    Message { from: usize, to: usize, message: PeerMessage },
    Connected { from: usize, to: usize },
    Tick { to: usize },
    Wake { to: usize, at: WallTime },
}

pub(crate) struct Hall {
    pub(crate) genesis: Genesis,
    pub(crate) guests: Vec<Guest>,
    pub(crate) now_us: u64,
    queue: BTreeMap<(u64, u64), Event>,
    count: u64,
    /// Those that nobody hears and that hear nobody.
    pub(crate) away: BTreeSet<usize>,
    nonce: u64,
}

pub(crate) fn key(number: u8) -> SecretKey {
    SecretKey::from_seed([number; 32])
}

pub(crate) fn set_of(keys: &[u8]) -> ValidatorSet {
    ValidatorSet::new(keys.iter().map(|number| key(*number).public()).collect()).expect("distinct good keys")
}

impl Hall {
    /// Guests with the keys given; the first four are the validators of the genesis, by their first keys.
    pub(crate) fn new(keys: &[&[u8]]) -> Self {
        let validators: Vec<u8> = keys[..4].iter().map(|keys| keys[0]).collect();
        let genesis = Genesis {
            name: "Kirchdorf".into(),
            ledger_start: LedgerTime(1_743_451_200_000),
            wall_start_ms: 0,
            time_scale: 1,
            rules: MarketRules::default(),
            settlement: SettlementRules::default(),
            areas: vec!["north".into()],
            operator: key(200).public(),
            validators: set_of(&validators),
        };
        let guest = |keys: &&[u8]| Guest {
            keys: keys.iter().map(|number| key(*number)).collect(),
            replica: None,
            log: Vec::new(),
            safety: None,
            finals: BTreeMap::new(),
            signed: Vec::new(),
            leaders: Vec::new(),
            wake_at: None,
        };
        let guests = keys.iter().map(guest).collect();
        let (queue, away) = (BTreeMap::new(), BTreeSet::new());
        let mut hall = Self { genesis, guests, now_us: 1_000_000, queue, count: 0, away, nonce: 0 };
        (0..keys.len()).for_each(|place| hall.start(place));
        hall
    }

    /// Starts a validator from its disk.
    pub(crate) fn start(&mut self, place: usize) {
        let guest = &mut self.guests[place];
        let (genesis, keys) = (self.genesis.clone(), guest.keys.clone());
        let mut recovery = Recovery::new(ReplicaConfig { genesis, keys, timing: Timing::default() });
        for record in guest.log.clone() {
            let _ = recovery.replay(record).expect("its own log");
        }
        guest.replica = Some(recovery.finish(guest.safety.clone()));
        guest.wake_at = None;
        self.feed(place, Input::Start);
        self.tick_soon(place);
        self.come_back(place);
    }

    pub(crate) fn kill(&mut self, place: usize) {
        self.guests[place].replica = None;
    }

    /// Connections of this validator are up again.
    pub(crate) fn come_back(&mut self, place: usize) {
        self.away.remove(&place);
        for other in (0..self.guests.len()).filter(|other| *other != place) {
            self.at(self.now_us + HOP_US, Event::Connected { from: place, to: other });
            self.at(self.now_us + HOP_US, Event::Connected { from: other, to: place });
        }
    }

    /// Lets so much time pass.
    pub(crate) fn pass(&mut self, us: u64) {
        let until = self.now_us + us;
        while let Some((&(at, _), _)) = self.queue.first_key_value()
            && at <= until
        {
            let (_, event) = self.queue.pop_first().expect("looked at");
            self.now_us = at;
            self.happen(event);
        }
        self.now_us = until;
    }

    /// Lets time pass until it is so, for half a minute at most.
    pub(crate) fn pass_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..3_000 {
            if is_so(self) {
                return;
            }
            self.pass(10_000);
        }
        panic!("in vain: {what}; {}", self.standing());
    }

    pub(crate) fn replica(&self, place: usize) -> &Replica {
        self.guests[place].replica.as_ref().expect("it is up")
    }

    pub(crate) fn epoch(&self, place: usize) -> u32 {
        self.replica(place).epochs().present()
    }

    pub(crate) fn height(&self, place: usize) -> u64 {
        self.replica(place).final_header().height
    }

    fn standing(&self) -> String {
        let guest = |(place, guest): (usize, &Guest)| match &guest.replica {
            None => format!("{place}: down"),
            Some(replica) => {
                let header = replica.final_header();
                let (epoch, seat) = (replica.epochs().present(), replica.seat().0);
                format!(
                    "{place}: epoch {epoch} seat {seat} view {:?} final {} seq {}",
                    replica.view(),
                    header.height,
                    header.last_seq
                )
            }
        };
        self.guests.iter().enumerate().map(guest).collect::<Vec<_>>().join("; ")
    }

    /// The operator opens an account, through this validator. Gives the bundle's name.
    pub(crate) fn open_account(&mut self, through: usize) -> Hash {
        self.nonce += 1;
        let commands = vec![Command::RegisterAccount {
            account: AccountId(u32::try_from(self.nonce - 1).unwrap()),
            organisation: None,
        }];
        let (chain, signer) = (self.genesis.chain_id(), key(200).public());
        let bundle = Bundle { chain, signer, nonce: self.nonce, expires_at: NEVER, commands }.sign(&key(200));
        let status = DeviceStatus { kind: DeviceKind::Operator, standing: KeyStanding::Active, nonce: 0 };
        let door = Door { chain, now: self.genesis.ledger_start, lookup: |_: &_| Some(status) };
        let admitted = door.admit_one(bundle.bytes()).expect("a good bundle");
        self.feed(through, Input::Submitted(vec![admitted]));
        self.tick_soon(through);
        bundle.id().0
    }

    /// Whether a bundle is final at a validator.
    pub(crate) fn has(&self, place: usize, bundle: Hash) -> bool {
        self.guests[place].finals.values().any(|step| step.bundles.iter().any(|done| done.id == bundle))
    }

    /// A change of validators, signed by these keys, is given to a validator.
    pub(crate) fn reconfigure(&mut self, through: usize, next: &ValidatorSet, signers: &[u8]) {
        let (epoch, present) = {
            let epochs = self.replica(through).epochs();
            (epochs.present(), epochs.present_set().clone())
        };
        let mut change = Reconfigure::propose(self.genesis.chain_id(), epoch, next);
        signers.iter().for_each(|signer| _ = change.approve(&present, &key(*signer)).expect("a member"));
        self.feed(through, Input::Reconfigure(Box::new(change)));
        self.tick_soon(through);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Message { from, to, message } => self.deliver(from, to, message),
            Event::Connected { from, to } => {
                if self.reaches(from, to) {
                    let name = self.name(to, from);
                    self.feed(to, Input::Connected(name));
                    self.tick_soon(to);
                }
            }
            Event::Tick { to } => self.tick(to),
            Event::Wake { to, at } if self.guests[to].wake_at == Some(at) => self.tick(to),
            Event::Wake { .. } => {}
        }
    }

    fn reaches(&self, from: usize, to: usize) -> bool {
        let up = |place: usize| self.guests[place].replica.is_some() && !self.away.contains(&place);
        up(from) && up(to)
    }

    fn deliver(&mut self, from: usize, to: usize, message: PeerMessage) {
        if !self.reaches(from, to) {
            return;
        }
        let (name, message) = (self.name(to, from), PeerMessage::decode(&message.encode()).expect("encoded"));
        match self.verify(name, message, to) {
            Ok(input) => self.feed(to, input),
            Err(PeerFault::Epoch) => {}
            Err(fault) => panic!("{to} drops a message of {from}: {fault}"),
        }
        self.tick_soon(to);
    }

    /// What a validator calls another: its place in the set it knows, or a name of its own.
    fn name(&self, by: usize, of: usize) -> ValidatorIndex {
        let set = self.replica(by).epochs().present_set();
        let place = self.guests[of].keys.iter().find_map(|key| set.index_of(&key.public()));
        place.unwrap_or(ValidatorIndex(STRANGERS + u16::try_from(of).unwrap()))
    }

    fn verify(&self, from: ValidatorIndex, message: PeerMessage, by: usize) -> Result<Input, PeerFault> {
        let replica = self.replica(by);
        let gate = PeerGate { genesis: &self.genesis, chain: self.genesis.chain_id(), epochs: replica.epochs() };
        gate.input(from, message, |bundles| {
            let lookup = |key: &_| replica.state().device(key);
            let door = Door { chain: gate.chain, now: self.genesis.ledger_start, lookup };
            door.admit_batch(bundles).into_iter().flatten().collect()
        })
    }

    fn tick(&mut self, to: usize) {
        self.feed(to, Input::Tick);
        if self.guests[to].replica.as_ref().is_some_and(Replica::is_eager) {
            self.tick_soon(to);
        }
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
            let Some(replica) = &mut self.guests[to].replica else { return };
            for effect in replica.handle(input, WallTime(self.now_us)) {
                self.hand_out(to, effect, &mut inputs);
            }
        }
    }

    fn hand_out(&mut self, from: usize, effect: Effect, inputs: &mut VecDeque<Input>) {
        let guest = &mut self.guests[from];
        match effect {
            Effect::Append(record) => guest.log.push(record),
            Effect::Persist(record) => {
                let before = guest.safety.as_ref().map_or(0, |record| record.epoch);
                assert!(record.epoch >= before, "a record never goes back to an epoch that is over");
                guest.safety = Some(*record);
            }
            Effect::Notify(number) => inputs.push_back(Input::Durable(number)),
            Effect::Send { to, message } => {
                guest.signed.extend(signed_in(&message));
                self.send(from, to, &PeerMessage::Consensus(message));
            }
            Effect::Post { to, message } => self.send(from, to, &message),
            Effect::ServeSync { to, from_height } => self.serve(from, to, from_height),
            Effect::Final(step) => self.finalise(from, *step),
            Effect::WakeAt(at) => {
                guest.wake_at = Some(at);
                self.at(at.0, Event::Wake { to: from, at });
            }
            Effect::View { leader, .. } => {
                let epoch = guest.replica.as_ref().expect("it speaks").epochs().present();
                guest.leaders.push((epoch, leader.0));
            }
            Effect::Epoch(_) | Effect::Sequenced(_) | Effect::Certified { .. } | Effect::AlreadyFinal(_) => {}
            // Nobody here keeps snapshots.
            Effect::Snapshot(_) => {}
            Effect::Halt(why) => panic!("{from} halts: {why}"),
            other => panic!("{from}: {other:?}"),
        }
    }

    /// Everybody makes the same final, in the same order, each height once.
    fn finalise(&mut self, at: usize, step: FinalStep) {
        let height = step.proposal.header.height;
        for guest in &self.guests {
            assert!(guest.finals.get(&height).is_none_or(|other| other.hash == step.hash), "two ledgers at {height}");
        }
        let finals = &mut self.guests[at].finals;
        let next = finals.last_key_value().map_or(1, |(last, _)| last + 1);
        assert_eq!(height, next, "{at} tells a height twice or leaves one out");
        finals.insert(height, step);
    }

    fn serve(&mut self, from: usize, to: ValidatorIndex, from_height: u64) {
        let guest = &self.guests[from];
        let indexed =
            |step: &FinalStep| IndexedHeader { proposal: step.proposal.clone(), proof: step.proof.as_deref().cloned() };
        let headers: Vec<IndexedHeader> =
            guest.finals.range(from_height..).take(40).map(|(_, step)| indexed(step)).collect();
        let records = guest.log.iter().cloned().map(Ok::<_, std::convert::Infallible>);
        let Ok(answer) = sync_answer(&headers, records);
        let bytes = answer.as_ref().map_or(0, |answer| answer.encode().len() as u64);
        if let Some(answer) = answer {
            self.send(from, Recipient::One(to), &answer);
        }
        self.feed(from, Input::Served { to, bytes });
    }

    fn send(&mut self, from: usize, to: Recipient, message: &PeerMessage) {
        for other in (0..self.guests.len()).filter(|other| *other != from) {
            let meant = match to {
                Recipient::Others => true,
                Recipient::One(name) => self.name(from, other) == name,
            };
            if meant && self.guests[other].replica.is_some() {
                let message = message.clone();
                self.at(self.now_us + HOP_US, Event::Message { from, to: other, message });
            }
        }
    }
}

/// The epoch of what its sender signs in a message.
fn signed_in(message: &ConsensusMessage) -> Option<u32> {
    match message {
        ConsensusMessage::Vote(vote) => Some(vote.epoch),
        ConsensusMessage::Timeout(timeout) => Some(timeout.epoch),
        _ => None,
    }
}
