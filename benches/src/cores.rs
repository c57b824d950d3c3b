//! Consensus cores of a whole set of validators on a simulated network: nothing is executed, nothing is read or written.
//!
//! Time is virtual and passes only between sender and receiver; what the cores cost is measured beside it, in this thread's processor time.
//! The log is a chain of batches, always more of it than fits. Its bytes are hashed by the leader and by every follower.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use gridbook_ledger::crypto::{Hash, Hasher, SecretKey};
use gridbook_ledger::header::{Header, LogPoint, Rank};
use gridbook_ledger::hotstuff::{
    Body, ConsensusMessage, Core, CoreConfig, Effect, Input, LogRelation, LogView, Recipient, Timing, Verdict, WallTime,
};
use gridbook_ledger::replica::PeerMessage;
use gridbook_ledger::validators::{ValidatorIndex, ValidatorSet};

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub struct CoresConfig {
    /// How many validators: 3f + 1.
    pub validators: u16,
    /// Commands in each header.
    pub commands: usize,
    /// Bytes of each command.
    pub command_bytes: usize,
    /// How long a message takes, microseconds.
    pub hop_us: u64,
    /// The pacemaker's durations.
    pub timing: Timing,
}

impl CoresConfig {
    /// A quiet network of half a millisecond, terms without end, 400 commands to a header.
    pub fn new(validators: u16, command_bytes: usize) -> Self {
        let timing = Timing { term_ms: 3_600_000, term_grace_ms: 3_600_000, ..Timing::default() };
        Self { validators, commands: 400, command_bytes, hop_us: 500, timing }
    }
}

/// One validator.
#[derive(Debug)]
struct Member {
    core: Core,
    alive: bool,
    wake_at: Option<WallTime>,
    spent: Duration,
    sent_bytes: u64,
}

#[derive(Debug)]
enum Event {
    Message { to: usize, from: usize, message: ConsensusMessage },
    Wake { to: usize, at: WallTime },
}

/// Every batch that was ever sequenced, by the digest after it.
#[derive(Debug, Default)]
struct Batches(HashMap<Hash, (u64, Hash)>);

/// The set.
#[derive(Debug)]
pub struct Cores {
    config: CoresConfig,
    members: Vec<Member>,
    batches: Batches,
    payload: Vec<u8>,
    now_us: u64,
    queue: BTreeMap<(u64, u64), Event>,
    count: u64,
    /// When each header was proposed.
    proposed_us: HashMap<Hash, u64>,
    /// Of the headers that became final at validator 0 or the first that lives: from proposal to there.
    latencies_us: Vec<u64>,
    final_height: u64,
}

/// What a run came to.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Final headers.
    pub headers: u64,
    /// Virtual time it took, microseconds.
    pub virtual_us: u64,
    /// Median of virtual time from proposal to finality, microseconds.
    pub latency_us: u64,
    /// Processor time of the leader, per final header.
    pub leader: Duration,
    /// Processor time of a follower, per final header.
    pub follower: Duration,
    /// Consensus bytes that the leader sent, per final header.
    pub leader_bytes: u64,
    /// Consensus bytes that a follower sent, per final header.
    pub follower_bytes: u64,
}

/// What this thread has computed so far.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let [seconds, ns] = [time.tv_sec, time.tv_nsec].map(|part| u64::try_from(part).unwrap_or(0));
    Duration::from_secs(seconds) + Duration::from_nanos(ns)
}

/// The key of a validator.
pub fn validator_key(index: u16) -> SecretKey {
    let mut seed = [0xc0; 32];
    seed[..2].copy_from_slice(&index.to_le_bytes());
    SecretKey::from_seed(seed)
}

/// A set of that many.
pub fn validators(count: u16) -> ValidatorSet {
    ValidatorSet::new((0..count).map(|index| validator_key(index).public()).collect()).expect("3f + 1 good keys")
}

/// The header everything begins with.
pub fn root() -> Header {
    let mut root = crate::town::genesis().root_header(Hash([1; 32]));
    root.log_digest = Hash([2; 32]);
    root
}

impl LogView for Batches {
    fn relation(&self, first: LogPoint, second: LogPoint) -> LogRelation {
        match first.seq.cmp(&second.seq) {
            std::cmp::Ordering::Equal if first.digest == second.digest => LogRelation::Same,
            std::cmp::Ordering::Equal => LogRelation::Conflict,
            std::cmp::Ordering::Greater if self.runs_through(first, second) => LogRelation::FirstContainsSecond,
            std::cmp::Ordering::Less if self.runs_through(second, first) => LogRelation::SecondContainsFirst,
            _ => LogRelation::Conflict,
        }
    }
}

impl Batches {
    fn runs_through(&self, long: LogPoint, short: LogPoint) -> bool {
        let LogPoint { mut seq, mut digest } = long;
        while seq > short.seq {
            let Some((before_seq, before)) = self.0.get(&digest) else { return false };
            (seq, digest) = (*before_seq, *before);
        }
        digest == short.digest
    }
}

impl Cores {
    /// Starts a set; `dead` never live.
    pub fn start(config: CoresConfig, dead: &[usize]) -> Self {
        let (set, root) = (validators(config.validators), root());
        let member = |index: u16| {
            let (me, key) = (ValidatorIndex(index), validator_key(index));
            let (set, root, timing) = (set.clone(), root.clone(), config.timing);
            let config = CoreConfig { epoch: root.epoch, set, me, key, root, timing };
            let (alive, spent) = (!dead.contains(&usize::from(index)), Duration::ZERO);
            Member { core: Core::new(config, None, None, Vec::new()), alive, wake_at: None, spent, sent_bytes: 0 }
        };
        let mut cores = Self {
            members: (0..config.validators).map(member).collect(),
            batches: Batches::default(),
            payload: vec![7; config.commands * config.command_bytes],
            now_us: 1_000_000,
            queue: BTreeMap::new(),
            count: 0,
            proposed_us: HashMap::new(),
            latencies_us: Vec::new(),
            final_height: 0,
            config,
        };
        for index in 0..cores.members.len() {
            cores.input(index, Input::Start);
            cores.input(index, Input::Waiting(true));
        }
        cores
    }

    /// Runs until so many more headers are final; what that took.
    ///
    /// # Panics
    /// If nothing happens any more, or not within ten virtual minutes.
    pub fn run(&mut self, headers: u64) -> Measured {
        let (from, began_us) = (self.final_height, self.now_us);
        self.latencies_us.clear();
        for member in &mut self.members {
            (member.spent, member.sent_bytes) = (Duration::ZERO, 0);
        }
        while self.final_height < from + headers {
            assert!(self.step() && self.now_us < began_us + 600_000_000, "no header becomes final any more");
        }
        let leader = self.leader();
        let follower = (0..self.members.len()).find(|index| *index != leader && self.members[*index].alive);
        let [leader, follower] = [leader, follower.expect("a quorum lives")].map(|index| &self.members[index]);
        let each = u32::try_from(headers).expect("not so many");
        self.latencies_us.sort_unstable();
        Measured {
            headers,
            virtual_us: self.now_us - began_us,
            latency_us: self.latencies_us.get(self.latencies_us.len() / 2).copied().unwrap_or(0),
            leader: leader.spent / each,
            follower: follower.spent / each,
            leader_bytes: leader.sent_bytes / headers,
            follower_bytes: follower.sent_bytes / headers,
        }
    }

    /// Runs for a virtual time; how many headers became final.
    pub fn run_for(&mut self, us: u64) -> u64 {
        let (from, until) = (self.final_height, self.now_us + us);
        while self.now_us < until && self.step() {}
        self.final_height - from
    }

    /// Kills the leader; virtual microseconds until the next header is final.
    pub fn kill_leader(&mut self) -> u64 {
        let leader = self.leader();
        self.members[leader].alive = false;
        let (height, killed_us) = (self.final_height, self.now_us);
        while self.final_height == height {
            assert!(self.step() && self.now_us < killed_us + 600_000_000, "the dead leader is not replaced");
        }
        self.now_us - killed_us
    }

    fn leader(&self) -> usize {
        let living = self.members.iter().find(|member| member.alive).expect("a quorum lives");
        usize::from(living.core.leader().0)
    }

    /// Lets the next thing happen; whether there was one.
    fn step(&mut self) -> bool {
        let Some(((at_us, _), event)) = self.queue.pop_first() else { return false };
        self.now_us = at_us;
        match event {
            Event::Message { to, from, message } => {
                let from = ValidatorIndex(u16::try_from(from).expect("at most 49"));
                self.input(to, Input::Message { from, message });
            }
            Event::Wake { to, at } if self.members[to].wake_at == Some(at) => {
                self.members[to].wake_at = None;
                self.input(to, Input::Tick);
            }
            Event::Wake { .. } => {}
        }
        true
    }

    fn input(&mut self, to: usize, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            if !self.members[to].alive {
                return;
            }
            let began = processor_time();
            let mut effects = Vec::new();
            self.members[to].core.handle(input, &self.batches, WallTime(self.now_us), &mut effects);
            self.members[to].spent += processor_time().saturating_sub(began);
            for effect in effects {
                self.hand_out(to, effect, &mut inputs);
            }
        }
    }

    fn hand_out(&mut self, from: usize, effect: Effect, inputs: &mut Vec<Input>) {
        match effect {
            Effect::Send { to, message } => self.send(from, to, message),
            Effect::Check { header, .. } => {
                let began = processor_time();
                std::hint::black_box(self.digest(header.log_digest));
                self.members[from].spent += processor_time().saturating_sub(began);
                inputs.push(Input::Checked { hash: header.hash(), verdict: Verdict::Holds });
            }
            Effect::Build { rank, parent, carry, .. } => {
                let began = processor_time();
                let body = self.build(&parent, carry);
                self.members[from].spent += processor_time().saturating_sub(began);
                inputs.push(Input::Built { rank, body });
            }
            Effect::Final { headers, .. } => self.note_final(&headers),
            Effect::WakeAt(at) => {
                self.members[from].wake_at = Some(at);
                self.at(at.0, Event::Wake { to: from, at });
            }
            _ => {}
        }
    }

    fn note_final(&mut self, headers: &[gridbook_ledger::hotstuff::FinalHeader]) {
        for header in headers.iter().filter(|header| header.proposal.header.height > self.final_height) {
            self.latencies_us.extend(self.proposed_us.remove(&header.hash).map(|at_us| self.now_us - at_us));
        }
        let height = headers.last().map_or(0, |last| last.proposal.header.height);
        self.final_height = self.final_height.max(height);
    }

    /// The digest of the log after one more batch; the whole payload goes through the hash.
    fn digest(&self, before: Hash) -> Hash {
        Hasher::new("gridbook-bench/log/1").update(&before.0).update(&self.payload).finish()
    }

    fn build(&mut self, parent: &Header, carry: Option<LogPoint>) -> Body {
        let before = carry.unwrap_or(parent.log_end());
        let end = LogPoint { seq: before.seq + self.config.commands as u64, digest: self.digest(before.digest) };
        self.batches.0.insert(end.digest, (before.seq, before.digest));
        Body {
            time_ms: parent.time_ms + 1,
            first_seq: parent.last_seq + 1,
            last_seq: end.seq,
            log_digest: end.digest,
            inputs_root: Hash::ZERO,
            results_root: Hash::ZERO,
            state_root: Hash::ZERO,
            snapshot_root: Hash::ZERO,
            flags: 0,
            next_set_hash: Hash::ZERO,
        }
    }

    fn send(&mut self, from: usize, to: Recipient, message: ConsensusMessage) {
        if let ConsensusMessage::Proposal(proposal) = &message
            && proposal.header.rank > Rank::default()
        {
            self.proposed_us.entry(proposal.header.hash()).or_insert(self.now_us);
        }
        let peer_message = PeerMessage::Consensus(message);
        let bytes = peer_message.encode().len() as u64;
        let PeerMessage::Consensus(message) = peer_message else { return };
        for other in (0..self.members.len()).filter(|other| *other != from) {
            let index = ValidatorIndex(u16::try_from(other).expect("at most 49"));
            if to == Recipient::Others || to == Recipient::One(index) {
                self.members[from].sent_bytes += bytes;
                let message = message.clone();
                self.at(self.now_us + self.config.hop_us, Event::Message { to: other, from, message });
            }
        }
    }

    fn at(&mut self, at_us: u64, event: Event) {
        self.count += 1;
        self.queue.insert((at_us.max(self.now_us), self.count), event);
    }
}
