//! The replica: log, execution, consensus and state joined in one pure core.
//!
//! [`Replica::handle`] takes what happened and the time, and returns what is to be done. It reads no clock, touches no socket
//! and no disk and starts no thread: a validator process drives it with real ones, a simulation with virtual ones, and both run
//! this very code.
//!
//! Architecture invariant: whatever this validator's word depends on is appended and persisted by effects that stand before the
//! send. Architecture invariant: state is a function of the log; consensus decides which log, and never looks into it.

mod accuse;
#[cfg(test)]
mod attacks;
mod boundary;
mod branches;
mod certified;
mod checkpoint;
mod chunks;
mod epochs;
mod execution;
mod finality;
mod follow;
mod history;
mod join;
mod kept;
mod lead;
mod log_record;
mod messages;
mod peer_gate;
mod pool;
mod recovery;
mod serving;
mod snapshot;
mod tail;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gridbook_engine::depth::DepthWriter;

use crate::command::BundleId;
use crate::crypto::Hash;
use crate::defects::{Defect, omits};
use crate::evidence::KeptEvidence;
use crate::genesis::Genesis;
use crate::header::{Header, LogPoint};
use crate::hotstuff::{self, Core, LogRelation, LogView, Proposal, Recipient, WallTime};
use crate::state::State;
use crate::validators::ValidatorIndex;

pub use boundary::{Effect, FinalBundle, FinalStep, Input};
pub use history::{IndexedHeader, sync_answer};
pub use join::{JOIN_COMMANDS_MIN, SnapshotEffect, SnapshotMessage, VerifiedSnapshotMessage};
pub use kept::Kept;
pub use log_record::{FinalProof, LogRecord, SnapshotPlace, archive, unarchive};
pub use messages::{
    Chunk, PeerFault, PeerMessage, PlacedEntry, Run, SYNC_BYTES_MAX, SyncStep, VerifiedChunk, VerifiedRun,
    VerifiedStep, end_of, read_proofs, verify_evidence, verify_sync,
};
pub use peer_gate::PeerGate;
pub use recovery::{Recovery, RecoveryError, ReplicaConfig};
pub use snapshot::TakenSnapshot;

use branches::Branches;
use certified::Certified;
use chunks::Chunks;
use epochs::{Passage, Seat};
use follow::{Awaited, PendingCheck};
use join::Join;
use lead::Lead;
use pool::Pool;
use serving::Serving;
use snapshot::SnapshotPlan;
use tail::Tail;

/// A validator's whole deterministic part.
#[derive(Debug)]
pub struct Replica {
    config: ReplicaConfig,
    chain: Hash,
    genesis_root: Header,
    passage: Passage,
    seat: Seat,
    core: Core,
    state: State,
    tail: Tail,
    branches: Branches,
    pool: Pool,
    /// The last final header.
    final_header: Header,
    /// The proposal of the last final header; none while that is the root.
    final_proposal: Option<Proposal>,
    /// The last headers that became final here.
    recent_final: VecDeque<Hash>,
    /// The last roots over everything that execution reads, by place.
    snapshot_roots: VecDeque<(LogPoint, Hash)>,
    snapshots: SnapshotPlan,
    join: Join,
    /// Final headers whose log is not executed here yet, oldest first.
    to_finalize: VecDeque<finality::Finalizing>,
    lead: Option<Lead>,
    /// Headers that the core wants checked, by height and hash.
    checks: BTreeMap<(u64, Hash), PendingCheck>,
    /// Where headers end that are to be checked: the state root is noted there in passing.
    cuts: BTreeSet<(u64, Hash)>,
    /// Places in logs that were asked for.
    awaited: BTreeMap<(u64, Hash), Awaited>,
    /// Chunks of a view that this validator has not entered yet.
    early: VecDeque<VerifiedChunk>,
    sync: Option<follow::Syncing>,
    /// The end of the last chunk of this view that was executed.
    followed: Option<LogPoint>,
    /// How many chunks of this view began where nothing was known.
    strays: u32,
    /// What the leader of this view signed of its log.
    chunks: Chunks,
    /// A view whose leader broke a rule of the log plane; it is given up when the present input is done with.
    faulty_view: Option<u64>,
    /// Headers with other results than own execution gives, by their proposer.
    disputed: BTreeMap<ValidatorIndex, Proposal>,
    evidence: KeptEvidence,
    serving: Serving,
    /// Who was asked for history and has not answered.
    asked_history: BTreeSet<ValidatorIndex>,
    certified: Certified,
    waiting_told: bool,
    /// When bundles that wait are told to all, if they wait.
    stranded_at: Option<WallTime>,
    core_wake: Option<WallTime>,
    wake_told: Option<WallTime>,
    now: WallTime,
    halted: bool,
}

/// The core's eyes on the log: what is executed and what else is known.
struct KnownLogs<'a> {
    tail: &'a Tail,
    branches: &'a Branches,
    /// Later than anything an honest validator has voted for.
    far_ahead: gridbook_engine::LedgerTime,
}

impl LogView for KnownLogs<'_> {
    fn relation(&self, first: LogPoint, second: LogPoint) -> LogRelation {
        // The final place and what precedes it is common to all logs that can still matter.
        let base = self.tail.base();
        if first == second {
            LogRelation::Same
        } else if second == base && self.tail.contains(first) {
            LogRelation::FirstContainsSecond
        } else if first == base && self.tail.contains(second) {
            LogRelation::SecondContainsFirst
        } else {
            self.branches.relation(first, second)
        }
    }

    fn is_far_ahead(&self, time_ms: u64) -> bool {
        time_ms > self.far_ahead.0
    }
}

impl Replica {
    /// Takes in what happened at `now` and returns what is to be done, in order.
    pub fn handle(&mut self, input: Input, now: WallTime) -> Vec<Effect> {
        // Wall clocks go backwards; time here does not.
        self.now = self.now.max(now);
        let mut effects = Vec::new();
        if self.halted {
            return effects;
        }
        match input {
            Input::Start => {
                self.mute_from_now();
                self.ask_core(hotstuff::Input::Start, &mut effects);
            }
            Input::Submitted(bundles) => self.take_submitted(bundles, &mut effects),
            Input::Relayed(bundles) => bundles.into_iter().for_each(|bundle| _ = self.pool.insert(bundle)),
            Input::Consensus { from, message } => match message.epoch().filter(|epoch| *epoch != self.epoch()) {
                Some(epoch) => self.meet_other_epoch(from, epoch, &mut effects),
                None => self.ask_core(hotstuff::Input::Message { from, message }, &mut effects),
            },
            Input::Reconfigure(change) => self.take_reconfigure(change, &mut effects),
            Input::Epochs { from, proofs } => self.take_epochs(from, proofs, &mut effects),
            Input::Chunk(chunk) => self.follow_chunk(*chunk, &mut effects),
            Input::BadChunk { epoch, view } if epoch == self.epoch() => {
                self.ask_core(hotstuff::Input::LeaderFault { view }, &mut effects);
            }
            Input::BadChunk { .. } => {}
            Input::Pulled { from, run } => self.take_pulled(from, run, &mut effects),
            Input::Pull { from, target, floor_seq } => self.answer_pull(from, target, floor_seq, &mut effects),
            Input::Synced { from, steps } => self.take_synced(from, steps, &mut effects),
            Input::SyncRequest { from, from_height } => self.answer_sync(from, from_height, &mut effects),
            Input::Served { to, bytes } => self.serving.end(to, bytes, self.now),
            Input::Evidence(evidence) => self.take_evidence(*evidence, &mut effects),
            Input::Snapshot { from, message } => self.on_snapshot(from, message, &mut effects),
            Input::Connected(peer) => self.greet(peer, &mut effects),
            Input::Durable(number) => self.lead_is_durable(number),
            Input::Tick => self.tick(&mut effects),
        }
        if let Some(view) = self.faulty_view.take() {
            self.ask_core(hotstuff::Input::LeaderFault { view }, &mut effects);
        }
        self.begin_epoch_if_over(&mut effects);
        self.tell_certified(&mut effects);
        self.tell_waiting(&mut effects);
        self.tell_wake(&mut effects);
        effects
    }

    fn tick(&mut self, effects: &mut Vec<Effect>) {
        if self.wake_told.is_some_and(|at| at <= self.now) {
            // It was heeded; the next wish is told even if it is the same.
            self.wake_told = None;
        }
        if self.core_wake.is_some_and(|at| at <= self.now) {
            self.core_wake = None;
            self.ask_core(hotstuff::Input::Tick, effects);
        }
        self.retry_checks(effects);
        self.retry_pulls(effects);
        self.retry_sync(effects);
        self.retry_join(effects);
        if self.lead.is_some() {
            self.sequence(effects);
        } else {
            self.relay(effects);
        }
    }

    /// Asks the consensus core, and does what it wants done until it wants nothing more.
    fn ask_core(&mut self, input: hotstuff::Input, effects: &mut Vec<Effect>) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            if omits(Defect::LeadersByHeight) {
                self.core.follow_rota(self.state.epoch().1);
            }
            let mut wishes = Vec::new();
            let far_ahead = self.ledger_time(WallTime(self.now.0.saturating_add(FAR_AHEAD_US)));
            let known = KnownLogs { tail: &self.tail, branches: &self.branches, far_ahead };
            self.core.handle(input, &known, self.now, &mut wishes);
            self.expect_ends(wishes.iter().filter_map(|wish| match wish {
                hotstuff::Effect::Check { header, .. } => Some(&**header),
                _ => None,
            }));
            for wish in wishes {
                self.grant(wish, &mut inputs, effects);
                if self.halted {
                    return;
                }
            }
        }
    }

    /// Does what the core wants, in its order.
    fn grant(&mut self, wish: hotstuff::Effect, inputs: &mut VecDeque<hotstuff::Input>, effects: &mut Vec<Effect>) {
        match wish {
            hotstuff::Effect::KeepProposal(proposal) => effects.push(Effect::Append(LogRecord::Proposal(proposal))),
            hotstuff::Effect::Persist(record) => effects.push(Effect::Persist(record)),
            hotstuff::Effect::Send { to, message } => effects.push(Effect::Send { to, message }),
            hotstuff::Effect::Check { header, sources } => self.begin_check(*header, sources, inputs, effects),
            hotstuff::Effect::Build { rank, parent, carry, tail } => {
                self.begin_build(lead::Build { rank, parent: *parent, carry, tail }, inputs, effects);
            }
            hotstuff::Effect::PullLog { point, sources } => self.pull(point, sources),
            hotstuff::Effect::EnteredView { view, leader } => self.enter_view(view, leader, effects),
            hotstuff::Effect::Final { headers, via, child, qc } => {
                self.make_final(headers, FinalProof { via, child: *child, qc }, effects);
            }
            hotstuff::Effect::Behind { target, sources } => self.fall_behind(target, sources, effects),
            hotstuff::Effect::Evidence { evidence, .. } => self.accuse(*evidence, effects),
            hotstuff::Effect::Diverged { header } => {
                self.halt(format!("the certified header {:?} differs from own execution", header.hash), effects);
            }
            hotstuff::Effect::TermOver { view } => self.end_term(view),
            hotstuff::Effect::WakeAt(at) => self.core_wake = Some(at),
        }
    }

    /// A header that consensus knows, the root among them.
    fn header(&self, hash: Hash) -> Option<Header> {
        if hash == self.final_header.hash() {
            return Some(self.final_header.clone());
        }
        self.core.proposal(hash).map(|proposal| proposal.header.clone())
    }

    fn halt(&mut self, why: String, effects: &mut Vec<Effect>) {
        self.halted = true;
        effects.push(Effect::Halt(why));
    }

    /// Tells a validator that just connected where this one stands.
    fn greet(&mut self, peer: ValidatorIndex, effects: &mut Vec<Effect>) {
        let to = Recipient::One(peer);
        self.tell_standing(to, effects);
        self.tell_change_to(peer, effects);
        if peer == self.core.leader() {
            // What was sent to it before may never have left.
            self.pool.forget_relays();
        }
        // What was proposed while the peer was away is not lost on it. A header beyond `led` was written just before a crash
        // and never sent; it stays so.
        let led = self.core.record().led;
        let mine = |proposal: &&Proposal| proposal.header.proposer == self.seat.me && proposal.header.rank <= led;
        for proposal in self.core.unfinal().filter(mine) {
            let message = hotstuff::ConsensusMessage::Proposal(Box::new(proposal.clone()));
            effects.push(Effect::Send { to, message });
        }
        self.show_evidence(peer, effects);
    }

    fn tell_standing(&self, to: Recipient, effects: &mut Vec<Effect>) {
        let record = self.core.record();
        let note = hotstuff::QcNote { qc: record.high_qc.clone(), tc: record.high_tc.clone() };
        let message = hotstuff::ConsensusMessage::QcNote(Box::new(note));
        effects.push(Effect::Send { to, message });
    }

    /// Tells the core when commands begin or cease to wait: its timer runs only while something does.
    fn tell_waiting(&mut self, effects: &mut Vec<Effect>) {
        // What was sequenced waits too, until it is final: its header may have been lost on the way to everybody.
        let unfinal = self.tail.end() != self.tail.base();
        let waiting = unfinal || self.pool.has_next() || self.change_waits() || self.duties_lie(self.now);
        if waiting != self.waiting_told {
            self.waiting_told = waiting;
            self.ask_core(hotstuff::Input::Waiting(waiting), effects);
        }
    }

    /// Whether something was due on the ledger a while ago, and the leader has not put it into the log.
    fn duties_lie(&self, now: WallTime) -> bool {
        let grace = WallTime(now.0.saturating_sub(DUTY_GRACE_US));
        self.state.has_work() || self.state.next_due().is_some_and(|due| due <= self.ledger_time(grace))
    }

    fn tell_wake(&mut self, effects: &mut Vec<Effect>) {
        let mut wake = self.core_wake;
        let mut sooner = |at: Option<WallTime>| {
            if let Some(at) = at {
                wake = Some(wake.map_or(at, |wake| wake.min(at)));
            }
        };
        sooner(self.checks.values().filter_map(|check| check.hold_until).min());
        let soon = WallTime(self.now.0 + 5_000);
        sooner(self.awaited.values().map(|awaited| awaited.ask_at).min().map(|at| at.max(soon)));
        sooner(self.sync.as_ref().map(|sync| sync.ask_at).filter(|_| !self.is_joining()));
        sooner(self.join_due_at().map(|at| at.max(soon)));
        sooner(self.stranded_at.filter(|_| self.lead.is_none()));
        let due = self.state.next_due().map(|due| self.config.genesis.wall_at(due));
        let grace = if self.lead.is_some() { 0 } else { DUTY_GRACE_US };
        sooner(due.map(|due| WallTime(due.saturating_add(grace)).max(WallTime(self.now.0 + 1_000))));
        if wake != self.wake_told {
            self.wake_told = wake;
            if let Some(at) = wake {
                effects.push(Effect::WakeAt(at));
            }
        }
    }

    /// The ledger time that a wall time stands for.
    fn ledger_time(&self, wall: WallTime) -> gridbook_engine::LedgerTime {
        self.config.genesis.ledger_now(wall.0)
    }

    /// The state, with everything executed so far in it, final or not.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The state, to drain what a driver shows to its gateways.
    pub fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    /// From now on the books' depths are published here, whenever [`Replica::publish_depth`] is called.
    pub fn publish_depth_to(&mut self, writer: DepthWriter) {
        self.state.publish_depth_to(writer);
        self.publish_depth();
    }

    /// Publishes the depths that have changed, as of the sequence number up to which the log is executed, final or not. It costs
    /// next to nothing where nothing has changed.
    pub fn publish_depth(&mut self) {
        self.state.publish_depth(self.tail.end().seq);
    }

    /// The last final header.
    pub fn final_header(&self) -> &Header {
        &self.final_header
    }

    /// The present view and its leader.
    pub fn view(&self) -> (u64, ValidatorIndex) {
        (self.core.view(), self.core.leader())
    }

    /// How many bundles are on their way here; a gateway says busy before this reaches [`Replica::POOL_MAX`].
    pub fn pool_len(&self) -> usize {
        self.pool.len()
    }

    /// The most bundles that are held.
    pub const POOL_MAX: usize = Pool::MAX;

    /// Whether a bundle is held here and not final.
    pub fn is_under_way(&self, bundle: BundleId) -> bool {
        self.pool.holds(bundle)
    }

    /// Whether the chain is known to have gone on further than what is executed here.
    pub fn is_catching_up(&self) -> bool {
        self.sync.is_some() || self.is_joining() || !self.to_finalize.is_empty()
    }

    /// What this replica was made from.
    pub fn config(&self) -> &ReplicaConfig {
        &self.config
    }

    /// What this ledger was made from.
    pub fn genesis(&self) -> &Genesis {
        &self.config.genesis
    }
}

/// What is later than now by more than this, in wall-clock microseconds, was voted for by nobody whose clock is right: three times
/// what a header's time may be ahead of its voter, so that a clock that lags a second lets go of nothing that may be certified.
const FAR_AHEAD_US: u64 = 3 * follow::TIME_TOLERANCE_US;

/// How long a duty may lie before it counts as unsequenced work, in wall-clock microseconds.
const DUTY_GRACE_US: u64 = 500_000;
