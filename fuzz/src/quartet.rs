//! A day of four real replicas, whose messages, log and proofs are what mutation begins with.
//!
//! They trade, the leader falls silent and is replaced, and one that missed it all catches up.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::LazyLock;

use gridbook_ledger::admission::Door;
use gridbook_ledger::command::SignedBundle;
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::header::{Header, HeaderRef};
use gridbook_ledger::hotstuff::{ConsensusMessage, Recipient, SafetyRecord, Timing, WallTime};
use gridbook_ledger::merkle::Path;
use gridbook_ledger::receipt::Receipt;
use gridbook_ledger::record::leaf_hash;
use gridbook_ledger::replica::{
    Effect, FinalStep, IndexedHeader, Input, LogRecord, PeerFault, PeerGate, PeerMessage, Recovery, Replica,
    ReplicaConfig, sync_answer,
};
use gridbook_ledger::validators::ValidatorIndex;

use crate::village::{WALL_START_US, bundle, chain, genesis, registrations, stories, validator};

/// How long a message takes.
const HOP_US: u64 = 1_000;
/// The validator that is cut off for a while.
const CUT_OFF: usize = 3;

/// What a day leaves behind.
#[derive(Debug, Default)]
pub(crate) struct Day {
    /// Every message that validator 2 heard, with its sender, in order.
    pub(crate) heard: Vec<(u16, PeerMessage)>,
    /// Every message that anybody sent, each once.
    pub(crate) sent: Vec<PeerMessage>,
    /// The log of validator 2.
    pub(crate) log: Vec<LogRecord>,
    /// Its last safety record.
    pub(crate) safety: Option<SafetyRecord>,
    /// A checkpoint of it.
    pub(crate) checkpoint: Vec<u8>,
    /// Its state.
    pub(crate) snapshot: Vec<u8>,
    /// What it found final.
    pub(crate) finals: Vec<FinalStep>,
    /// Every header that somebody proposed.
    pub(crate) proposed: HashSet<HeaderRef>,
    /// Every view that somebody gave up.
    pub(crate) given_up: BTreeSet<u64>,
}

/// The day, made once.
pub(crate) fn day() -> &'static Day {
    static DAY: LazyLock<Day> = LazyLock::new(Quartet::live);
    &DAY
}

/// A replica as one that has heard nothing yet.
pub(crate) fn replica(index: u16) -> Replica {
    recovery(index).finish(None)
}

/// Where a replica begins.
pub(crate) fn recovery(index: u16) -> Recovery {
    Recovery::new(config(index))
}

/// What a replica is made from.
pub(crate) fn config(index: u16) -> ReplicaConfig {
    ReplicaConfig { genesis: genesis().clone(), keys: vec![validator(index)], timing: Timing::default() }
}

/// Verifies a message as a validator does before its replica hears of it.
pub(crate) fn verified(from: ValidatorIndex, message: PeerMessage, replica: &Replica) -> Result<Input, PeerFault> {
    let gate = PeerGate { genesis: genesis(), chain: chain(), epochs: replica.epochs() };
    gate.input(from, message, |bundles| {
        let lookup = |key: &_| replica.state().device(key);
        let door = Door { chain: chain(), now: genesis().ledger_start, lookup };
        door.admit_batch(bundles).into_iter().flatten().collect()
    })
}

#[derive(Debug)]
enum Event {
    Message { from: usize, to: usize, message: PeerMessage },
    Tick { to: usize },
    Wake { to: usize, at: WallTime },
}

#[derive(Debug)]
struct Node {
    replica: Replica,
    log: Vec<LogRecord>,
    safety: Option<SafetyRecord>,
    finals: Vec<FinalStep>,
    wake_at: Option<WallTime>,
}

impl Node {
    /// Its final headers from a height on, with their log.
    fn history(&self, from_height: u64) -> Option<PeerMessage> {
        let later = |step: &&FinalStep| step.proposal.header.height >= from_height;
        let indexed =
            |step: &FinalStep| IndexedHeader { proposal: step.proposal.clone(), proof: step.proof.as_deref().cloned() };
        let headers: Vec<IndexedHeader> = self.finals.iter().filter(later).map(indexed).collect();
        let records = self.log.iter().cloned().map(Ok::<_, std::convert::Infallible>);
        let Ok(answer) = sync_answer(&headers, records);
        answer
    }
}

struct Quartet {
    nodes: Vec<Node>,
    now_us: u64,
    queue: BTreeMap<(u64, u64), Event>,
    count: u64,
    cut: BTreeSet<usize>,
    seen: BTreeSet<Vec<u8>>,
    day: Day,
}

impl Quartet {
    fn live() -> Day {
        let node = |index| {
            let (log, finals) = (Vec::new(), Vec::new());
            Node { replica: replica(index), log, safety: None, finals, wake_at: None }
        };
        let mut quartet = Self {
            nodes: (0..4).map(node).collect(),
            now_us: WALL_START_US,
            queue: BTreeMap::new(),
            count: 0,
            cut: BTreeSet::new(),
            seen: BTreeSet::new(),
            day: Day::default(),
        };
        (0..4).for_each(|index| quartet.feed(index, Input::Start));
        quartet.trade();
        quartet.into_day()
    }

    fn trade(&mut self) {
        self.submit(0, &registrations());
        self.run_for(300_000);
        let stories = stories();
        let (morning, noon) = stories.split_at(stories.len() / 2);
        morning.iter().for_each(|signed| self.submit(0, signed));
        self.run_for(300_000);
        // One hears nothing, and the next leader is killed under its eyes.
        self.cut.insert(CUT_OFF);
        noon.iter().for_each(|signed| self.submit(2, signed));
        self.run_for(300_000);
        self.cut.remove(&CUT_OFF);
        let leader = usize::from(self.nodes[2].replica.view().1.0);
        self.cut.insert(leader);
        self.submit(2, &bundle(1, 90, vec![gridbook_ledger::command::Command::CancelAll]));
        self.run_for(5_000_000);
        self.cut.clear();
        for (one, other) in [(2, leader), (leader, 2), (2, CUT_OFF), (CUT_OFF, 2)] {
            self.feed(one, Input::Connected(index_of(other)));
        }
        self.submit(2, &bundle(2, 90, vec![gridbook_ledger::command::Command::CancelAll]));
        self.run_for(12_000_000);
    }

    fn into_day(mut self) -> Day {
        self.note(&PeerMessage::SyncRequest { from_height: 1 });
        if let Some(answer) = self.nodes[2].history(1) {
            self.note(&answer);
        }
        let two = &mut self.nodes[2];
        self.day.checkpoint = two.replica.checkpoint().expect("something is final");
        self.day.snapshot = two.replica.state().snapshot();
        self.day.log = std::mem::take(&mut two.log);
        self.day.safety = two.safety.take();
        self.day.finals = std::mem::take(&mut two.finals);
        self.day
    }

    fn submit(&mut self, to: usize, signed: &SignedBundle) {
        let lookup = |key: &_| self.nodes[to].replica.state().device(key);
        let admitted = Door { chain: chain(), now: genesis().ledger_start, lookup }.admit_one(signed.bytes());
        let admitted = admitted.expect("the stories are told to a ledger that knows their meters");
        self.feed(to, Input::Submitted(vec![admitted]));
        self.tick_soon(to);
    }

    fn run_for(&mut self, us: u64) {
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
                if self.cut.contains(&from) || self.cut.contains(&to) {
                    return;
                }
                if to == 2 {
                    self.day.heard.push((index_of(from).0, message.clone()));
                }
                let input = verified(index_of(from), message, &self.nodes[to].replica).expect("all are honest");
                self.feed(to, input);
                self.tick_soon(to);
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
            for effect in self.nodes[to].replica.handle(input, WallTime(self.now_us)) {
                self.hand_out(to, effect, &mut inputs);
            }
        }
    }

    fn hand_out(&mut self, from: usize, effect: Effect, inputs: &mut VecDeque<Input>) {
        let node = &mut self.nodes[from];
        match effect {
            Effect::Append(record) => node.log.push(record),
            Effect::Persist(record) => node.safety = Some(*record),
            Effect::Notify(number) => inputs.push_back(Input::Durable(number)),
            Effect::Send { to, message } => self.send(from, to, PeerMessage::Consensus(message)),
            Effect::Post { to, message } => self.send(from, to, message),
            Effect::ServeSync { to, from_height } => {
                let answer = node.history(from_height);
                let bytes = answer.as_ref().map_or(0, |answer| answer.encode().len() as u64);
                inputs.push_back(Input::Served { to, bytes });
                if let Some(answer) = answer {
                    self.send(from, Recipient::One(to), answer);
                }
            }
            Effect::Final(step) => node.finals.push(*step),
            Effect::WakeAt(at) => {
                node.wake_at = Some(at);
                self.at(at.0, Event::Wake { to: from, at });
            }
            Effect::Evidence(evidence) => panic!("evidence against an honest validator: {evidence:?}"),
            Effect::Halt(why) => panic!("validator {from} halts: {why}"),
            Effect::View { .. } | Effect::Epoch(_) | Effect::Snapshot(_) | Effect::Sequenced(_) => {}
            Effect::Certified { .. } | Effect::AlreadyFinal(_) => {}
        }
    }

    fn send(&mut self, from: usize, to: Recipient, message: PeerMessage) {
        self.note(&message);
        for other in (0..self.nodes.len()).filter(|other| *other != from) {
            if to == Recipient::Others || to == Recipient::One(index_of(other)) {
                self.at(self.now_us + HOP_US, Event::Message { from, to: other, message: message.clone() });
            }
        }
    }

    fn note(&mut self, message: &PeerMessage) {
        match message {
            PeerMessage::Consensus(ConsensusMessage::Proposal(proposal)) => {
                self.day.proposed.insert(proposal.header.reference());
            }
            PeerMessage::Consensus(ConsensusMessage::Timeout(timeout)) => _ = self.day.given_up.insert(timeout.view),
            _ => {}
        }
        if self.seen.insert(message.encode()) {
            self.day.sent.push(message.clone());
        }
    }
}

/// A receipt for the first record of each final header, as a validator's desk would make it.
pub(crate) fn receipts(day: &Day) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    for (number, step) in day.finals.iter().enumerate().filter(|(_, step)| !step.records.is_empty()) {
        let Some((length, proof)) =
            (1..).zip(&day.finals[number..]).find_map(|(length, step)| Some((length, step.proof.as_ref()?)))
        else {
            continue;
        };
        let leaves: Vec<Hash> = step.records.iter().map(|record| leaf_hash(record)).collect();
        let headers: Vec<Header> =
            day.finals[number..number + length].iter().map(|step| step.proposal.header.clone()).collect();
        receipts.push(Receipt {
            epochs: Vec::new(),
            record: step.records[0].clone(),
            path: Path::build(&leaves, 0).expect("there is a first record"),
            headers,
            child: proof.child.clone(),
            qc: proof.qc.clone(),
        });
    }
    receipts
}

fn index_of(place: usize) -> ValidatorIndex {
    ValidatorIndex(u16::try_from(place).expect("four validators"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is not in the corpus is hardly ever reached from it.
    #[test]
    fn a_day_has_every_kind_of_message_and_record_in_it() {
        let day = day();
        let mut kinds: BTreeSet<&str> = BTreeSet::new();
        for message in &day.sent {
            kinds.insert(match message {
                PeerMessage::Consensus(ConsensusMessage::Proposal(_)) => "proposal",
                PeerMessage::Consensus(ConsensusMessage::Vote(_)) => "vote",
                PeerMessage::Consensus(ConsensusMessage::Timeout(_)) => "timeout",
                PeerMessage::Consensus(ConsensusMessage::TimeoutCert(_)) => "timeout certificate",
                PeerMessage::Consensus(ConsensusMessage::QcNote(_)) => "note",
                PeerMessage::Chunk(_) => "chunk",
                PeerMessage::Relay(_) => "relay",
                PeerMessage::Snapshot(_) => "snapshots",
                PeerMessage::SyncRequest { .. } => "sync request",
                PeerMessage::SyncResponse { .. } => "sync response",
                _ => "other",
            });
        }
        for kind in ["proposal", "vote", "timeout", "note", "chunk", "relay", "sync request", "sync response"] {
            assert!(kinds.contains(kind), "no {kind} among {kinds:?}");
        }
        assert!(day.finals.len() > 5 && day.log.len() > 20 && day.safety.is_some());
        let receipts = receipts(day);
        assert!(!receipts.is_empty());
        assert!(receipts.iter().all(|receipt| receipt.verify(genesis()).is_ok()));
    }
}
