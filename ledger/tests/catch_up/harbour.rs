//! A harbour of four replicas on virtual time, each with a disk that keeps a log, a safety record, snapshots and what comes in of one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gridbook_engine::{AccountId, LedgerTime, MarketRules};
use gridbook_ledger::admission::{DeviceKind, DeviceStatus, Door};
use gridbook_ledger::command::{Bundle, Command, NEVER};
use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::genesis::{Genesis, SettlementRules};
use gridbook_ledger::hotstuff::{ConsensusMessage, Recipient, SafetyRecord, Timing, WallTime};
use gridbook_ledger::registry::KeyStanding;
use gridbook_ledger::replica::{
    Effect, FinalStep, IndexedHeader, Input, LogRecord, PeerFault, PeerGate, PeerMessage, Recovery, Replica,
    ReplicaConfig, SnapshotEffect, SnapshotMessage, SnapshotPlace, sync_answer,
};
use gridbook_ledger::snapshot::{Incoming, Snapshot, SnapshotError};
use gridbook_ledger::validators::{ValidatorIndex, ValidatorSet};

/// How long a message takes, in microseconds.
const HOP_US: u64 = 1_000;
/// A snapshot about every so many commands, and fetched if it saves so many.
const SNAPSHOT_COMMANDS: u64 = 100;
const JOIN_COMMANDS: u64 = 50;

/// A validator with its disk.
#[derive(Default)]
pub(crate) struct Ship {
    pub(crate) replica: Option<Replica>,
    pub(crate) log: Vec<LogRecord>,
    pub(crate) safety: Option<SafetyRecord>,
    /// Whether it has a safety record, if only an empty one.
    pub(crate) born: bool,
    /// Snapshots, with how many records the log had then.
    pub(crate) kept: Vec<(Snapshot, usize)>,
    pub(crate) incoming: Option<Incoming>,
    /// Final headers since its history begins.
    pub(crate) finals: BTreeMap<u64, FinalStep>,
    /// Its history before this height was removed.
    pub(crate) first_height: u64,
    /// How many votes and timeouts it signed, and how many pieces came in.
    pub(crate) signed: usize,
    pub(crate) pieces_in: usize,
    pub(crate) refused: Vec<(ValidatorIndex, SnapshotError)>,
    /// Whether it sends garbage for pieces.
    pub(crate) garbage: bool,
    wake_at: Option<WallTime>,
}

enum Event {
    Message { from: usize, to: usize, message: PeerMessage },
    Connected { from: usize, to: usize },
    Tick { to: usize },
    Wake { to: usize, at: WallTime },
    Restart { place: usize },
}

pub(crate) struct Harbour {
    pub(crate) genesis: Genesis,
    pub(crate) ships: Vec<Ship>,
    pub(crate) away: BTreeSet<usize>,
    /// Whether a snapshot that is whole is put in place; else the power goes just before.
    pub(crate) restores: bool,
    /// How much longer than other messages an answer out of the history takes.
    pub(crate) history_takes_us: u64,
    /// How many headers there are in one.
    pub(crate) headers_per_answer: usize,
    now_us: u64,
    queue: BTreeMap<(u64, u64), Event>,
    count: u64,
    nonce: u64,
    accounts: u32,
}

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed([number; 32])
}

impl Harbour {
    pub(crate) fn new() -> Self {
        let keys = (1..5).map(|number| key(number).public()).collect();
        let genesis = Genesis {
            name: "Hafen".into(),
            ledger_start: LedgerTime(1_743_451_200_000),
            wall_start_ms: 0,
            time_scale: 1,
            rules: MarketRules::default(),
            settlement: SettlementRules::default(),
            areas: vec!["north".into()],
            operator: key(200).public(),
            validators: ValidatorSet::new(keys).unwrap(),
        };
        let ships = (0..4).map(|_| Ship { born: true, first_height: 1, ..Ship::default() }).collect();
        let (queue, away) = (BTreeMap::new(), BTreeSet::new());
        let mut harbour = Self {
            genesis,
            ships,
            away,
            restores: true,
            history_takes_us: 0,
            headers_per_answer: 40,
            now_us: 1_000_000,
            queue,
            count: 0,
            nonce: 0,
            accounts: 0,
        };
        (0..4).for_each(|place| harbour.start(place));
        harbour
    }

    /// Starts a validator from its disk, as a process does: from the newest snapshot, else from genesis.
    pub(crate) fn start(&mut self, place: usize) {
        let config = ReplicaConfig {
            genesis: self.genesis.clone(),
            keys: vec![key(u8::try_from(place).unwrap() + 1)],
            timing: Timing::default(),
        };
        let ship = &mut self.ships[place];
        let (mut recovery, from) = match ship.kept.last() {
            Some((snapshot, from)) => (Recovery::from_snapshot(config, snapshot).unwrap(), *from),
            None => (Recovery::new(config), 0),
        };
        let begin = recovery.replica().final_header().height;
        ship.finals.retain(|height, _| *height <= begin);
        for record in ship.log[from..].iter().cloned() {
            for effect in recovery.replay(record).expect("its own log") {
                let Effect::Final(step) = effect else { continue };
                ship.finals.insert(step.proposal.header.height, *step);
            }
        }
        let mut replica = if ship.born { recovery.finish(ship.safety.clone()) } else { recovery.finish_muted() };
        replica.snapshot_every(SNAPSHOT_COMMANDS);
        replica.join_from(JOIN_COMMANDS);
        if let Some(incoming) = ship.incoming.clone() {
            replica.resume_join(incoming);
        }
        ship.replica = Some(replica);
        ship.wake_at = None;
        self.feed(place, Input::Start);
        self.tick_soon(place);
        for other in (0..4).filter(|other| *other != place) {
            self.at(self.now_us + HOP_US, Event::Connected { from: place, to: other });
            self.at(self.now_us + HOP_US, Event::Connected { from: other, to: place });
        }
    }

    pub(crate) fn kill(&mut self, place: usize) {
        self.ships[place].replica = None;
    }

    /// Its disk is replaced by an empty one.
    pub(crate) fn lose_disk(&mut self, place: usize) {
        self.ships[place] = Ship { first_height: 1, ..Ship::default() };
    }

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

    /// Lets time pass until it is so, under a trickle of load if wanted, for a minute at most.
    pub(crate) fn pass_until(&mut self, what: &str, load_through: Option<usize>, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..6_000 {
            if is_so(self) {
                return;
            }
            if let Some(through) = load_through {
                self.open_accounts(through, 1);
            }
            self.pass(10_000);
        }
        panic!("in vain: {what}; heights {:?}", (0..4).map(|place| self.try_height(place)).collect::<Vec<_>>());
    }

    /// So many headers with a command each, through a validator that is up.
    pub(crate) fn trade(&mut self, through: usize, headers: u64) {
        let until = self.height(through) + headers;
        self.pass_until("headers become final", Some(through), |harbour| harbour.height(through) >= until);
    }

    pub(crate) fn replica(&self, place: usize) -> &Replica {
        self.ships[place].replica.as_ref().expect("it is up")
    }

    pub(crate) fn height(&self, place: usize) -> u64 {
        self.replica(place).final_header().height
    }

    fn try_height(&self, place: usize) -> Option<u64> {
        self.ships[place].replica.as_ref().map(|replica| replica.final_header().height)
    }

    /// All who are up hold the same ledger.
    pub(crate) fn assert_one_ledger(&mut self) {
        let up: Vec<usize> = (0..4).filter(|place| self.ships[*place].replica.is_some()).collect();
        self.pass_until("all are equally far", None, |harbour| {
            up.iter().all(|place| harbour.height(*place) == harbour.height(up[0]))
        });
        for place in &up {
            assert_eq!(self.replica(*place).final_header(), self.replica(up[0]).final_header());
            self.replica(*place).state().audit().unwrap();
        }
    }

    /// The operator opens accounts, through this validator.
    pub(crate) fn open_accounts(&mut self, through: usize, count: u32) {
        self.nonce += 1;
        let accounts = self.accounts..self.accounts + count;
        self.accounts += count;
        let commands = accounts
            .map(|account| Command::RegisterAccount { account: AccountId(account), organisation: None })
            .collect();
        let (chain, signer) = (self.genesis.chain_id(), key(200).public());
        let bundle = Bundle { chain, signer, nonce: self.nonce, expires_at: NEVER, commands }.sign(&key(200));
        let status = DeviceStatus { kind: DeviceKind::Operator, standing: KeyStanding::Active, nonce: 0 };
        let door = Door { chain, now: self.genesis.ledger_start, lookup: |_: &_| Some(status) };
        let admitted = door.admit_one(bundle.bytes()).expect("a good bundle");
        self.feed(through, Input::Submitted(vec![admitted]));
        self.tick_soon(through);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Message { from, to, message } if self.reaches(from, to) => {
                let message = PeerMessage::decode(&message.encode()).expect("encoded");
                let name = ValidatorIndex(u16::try_from(from).unwrap());
                match self.verify(name, message, to) {
                    Ok(input) => self.feed(to, input),
                    Err(fault) => panic!("{to} drops a message of {from}: {fault}"),
                }
                self.tick_soon(to);
            }
            Event::Connected { from, to } if self.reaches(from, to) => {
                self.feed(to, Input::Connected(ValidatorIndex(u16::try_from(from).unwrap())));
                self.tick_soon(to);
            }
            Event::Tick { to } => self.tick(to),
            Event::Wake { to, at } if self.ships[to].wake_at == Some(at) => self.tick(to),
            Event::Restart { place } => self.start(place),
            Event::Message { .. } | Event::Connected { .. } | Event::Wake { .. } => {}
        }
    }

    fn reaches(&self, from: usize, to: usize) -> bool {
        let up = |place: usize| self.ships[place].replica.is_some() && !self.away.contains(&place);
        up(from) && up(to)
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
        if self.ships[to].replica.as_ref().is_some_and(Replica::is_eager) {
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

    fn feed(&mut self, to: usize, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let Some(replica) = &mut self.ships[to].replica else { return };
            for effect in replica.handle(input, WallTime(self.now_us)) {
                self.hand_out(to, effect, &mut inputs);
            }
        }
    }

    fn hand_out(&mut self, from: usize, effect: Effect, inputs: &mut VecDeque<Input>) {
        let ship = &mut self.ships[from];
        match effect {
            Effect::Append(record) => ship.log.push(record),
            Effect::Persist(record) => ship.safety = Some(*record),
            Effect::Notify(number) => inputs.push_back(Input::Durable(number)),
            Effect::Send { to, message } => {
                let signs = matches!(message, ConsensusMessage::Vote(_) | ConsensusMessage::Timeout(_));
                ship.signed += usize::from(signs);
                self.send(from, to, &PeerMessage::Consensus(message));
            }
            Effect::Post { to, message } => self.send(from, to, &message),
            Effect::ServeSync { to, from_height } => self.serve(from, to, from_height),
            Effect::Final(step) => _ = ship.finals.insert(step.proposal.header.height, *step),
            Effect::WakeAt(at) => {
                ship.wake_at = Some(at);
                self.at(at.0, Event::Wake { to: from, at });
            }
            Effect::Snapshot(effect) => self.hand_out_snapshot(from, effect),
            Effect::Halt(why) => panic!("{from} halts: {why}"),
            Effect::Evidence { .. } => panic!("{from} accuses somebody"),
            _ => {}
        }
    }

    fn hand_out_snapshot(&mut self, from: usize, effect: SnapshotEffect) {
        let ship = &mut self.ships[from];
        match effect {
            SnapshotEffect::Taken(taken) => {
                ship.kept.push((Snapshot::new(*taken).unwrap(), ship.log.len()));
                let surplus = ship.kept.len().saturating_sub(2);
                ship.kept.drain(..surplus);
            }
            SnapshotEffect::Offer { to, above_height } => {
                let newest = ship.kept.iter().rev().map(|(snapshot, _)| &snapshot.manifest);
                if let Some(manifest) = newest.into_iter().find(|manifest| manifest.header().height > above_height) {
                    let offer = SnapshotMessage::Offer(Box::new(manifest.clone()));
                    self.send(from, Recipient::One(to), &PeerMessage::Snapshot(offer));
                }
            }
            SnapshotEffect::SendPiece { to, root, piece } => {
                let Some((snapshot, _)) = ship.kept.iter().find(|(kept, _)| kept.manifest.root() == root) else {
                    return;
                };
                let mut bytes = snapshot.piece(piece).unwrap().to_vec();
                if ship.garbage {
                    bytes[0] ^= 1;
                }
                let message = SnapshotMessage::Piece { root, piece, bytes };
                self.send(from, Recipient::One(to), &PeerMessage::Snapshot(message));
            }
            SnapshotEffect::Begin(manifest) => ship.incoming = Some(Incoming::new(*manifest).unwrap()),
            SnapshotEffect::Keep { piece, bytes } => {
                ship.pieces_in += 1;
                ship.incoming.as_mut().expect("it began").put(piece, &bytes).unwrap();
            }
            SnapshotEffect::GiveUp => ship.incoming = None,
            SnapshotEffect::Restore(snapshot) => self.restore(from, *snapshot),
            SnapshotEffect::Refused { peer, why } => ship.refused.push((peer, why)),
        }
    }

    /// First the log says where it goes on, then the state is kept; then the process begins again.
    fn restore(&mut self, place: usize, snapshot: Snapshot) {
        let ship = &mut self.ships[place];
        let (proposal, proof) = (snapshot.manifest.proposal.clone(), snapshot.manifest.proof.clone());
        ship.log.push(LogRecord::Snapshot(Box::new(SnapshotPlace { proposal, proof })));
        if self.restores {
            ship.first_height = snapshot.manifest.header().height + 1;
            ship.finals.clear();
            ship.kept.push((snapshot, ship.log.len()));
            ship.incoming = None;
        }
        ship.replica = None;
        self.at(self.now_us + HOP_US, Event::Restart { place });
    }

    fn serve(&mut self, from: usize, to: ValidatorIndex, from_height: u64) {
        let ship = &self.ships[from];
        let indexed =
            |step: &FinalStep| IndexedHeader { proposal: step.proposal.clone(), proof: step.proof.as_deref().cloned() };
        let answer = if from_height < ship.first_height {
            let first_height = ship.first_height;
            Some(PeerMessage::Snapshot(SnapshotMessage::NotHere { first_height }))
        } else {
            let headers: Vec<IndexedHeader> =
                ship.finals.range(from_height..).take(self.headers_per_answer).map(|(_, step)| indexed(step)).collect();
            let records = ship.log.iter().cloned().map(Ok::<_, std::convert::Infallible>);
            let Ok(answer) = sync_answer(&headers, records);
            answer
        };
        let bytes = answer.as_ref().map_or(0, |answer| answer.encode().len() as u64);
        if let Some(answer) = answer {
            self.send(from, Recipient::One(to), &answer);
        }
        self.feed(from, Input::Served { to, bytes });
    }

    fn send(&mut self, from: usize, to: Recipient, message: &PeerMessage) {
        let history_us = if matches!(message, PeerMessage::SyncResponse { .. }) { self.history_takes_us } else { 0 };
        for other in (0..4).filter(|other| *other != from) {
            let meant = match to {
                Recipient::Others => true,
                Recipient::One(name) => usize::from(name.0) == other,
            };
            if meant {
                let message = message.clone();
                self.at(self.now_us + HOP_US + history_us, Event::Message { from, to: other, message });
            }
        }
    }
}

/// The root of a validator's newest snapshot.
pub(crate) fn newest_root(ship: &Ship) -> Option<Hash> {
    ship.kept.last().map(|(snapshot, _)| snapshot.manifest.root())
}
