//! Following a leader: taking its log in, checking its headers, and fetching what was missed.

use std::collections::{BTreeSet, VecDeque};

use crate::crypto::Hash;
use crate::defects::{Defect, omits};
use crate::header::{Header, HeaderRef, LogPoint};
use crate::hotstuff::{self, Recipient, Verdict, WallTime};
use crate::sequenced::SequencedChunk;
use crate::validators::ValidatorIndex;

use super::branches::NoPath;
use super::messages::{Run, SYNC_BYTES_MAX, VerifiedChunk, VerifiedRun, VerifiedStep};
use super::{Effect, PeerMessage, Replica};

/// A header that the core wants checked.
#[derive(Debug)]
pub(super) struct PendingCheck {
    header: Header,
    sources: Vec<ValidatorIndex>,
    /// Its time is ahead of this validator's: held until then, not refused.
    pub(super) hold_until: Option<WallTime>,
}

impl PendingCheck {
    pub(super) fn header(&self) -> &Header {
        &self.header
    }
}

/// A place in the log that was asked for.
#[derive(Debug)]
pub(super) struct Awaited {
    sources: Vec<ValidatorIndex>,
    asked: usize,
    /// Who was asked: nobody else's answer is taken.
    asked_of: BTreeSet<ValidatorIndex>,
    pub(super) ask_at: WallTime,
}

/// A stretch of the chain that was asked for.
#[derive(Debug)]
pub(super) struct Syncing {
    target: HeaderRef,
    sources: Vec<ValidatorIndex>,
    asked: usize,
    pub(super) ask_at: WallTime,
}

/// How long a header may be ahead of its log before the log is asked for, and how long an answer may take, in microseconds.
const PULL_AFTER_US: u64 = 30_000;
const PULL_AGAIN_US: u64 = 1_000_000;
const SYNC_AGAIN_US: u64 = 3_000_000;
/// How far a header's time may be ahead of own wall time, in microseconds (CONSENSUS section 3).
pub(super) const TIME_TOLERANCE_US: u64 = 500_000;
/// The most checks, pulls and chunks of each view to come that are kept waiting.
const CHECKS_MAX: usize = 64;
const AWAITED_MAX: usize = 64;
const EARLY_MAX: usize = 64;
/// How many views ahead chunks are kept: whoever leads one far away cannot take the room of those that come next.
const EARLY_VIEWS: u64 = 4;
/// How many chunks of a view are kept that begin where nothing is known. Those of an honest leader follow each other; where one is lost
/// on the way, what is missing is asked for when its header comes.
const STRAYS_MAX: u32 = 64;
/// How many pulls are under way at a time.
const PULLS_MAX: usize = 2;
/// What a pull counts for at least, in bytes: looking for what is not there takes time too.
const PULL_COST_MIN: u64 = 4 << 10;
/// The most commands past finality that a leader's log is followed.
const AHEAD_MAX: u64 = 1_000_000;

impl Syncing {
    /// Asks this validator next, and now.
    pub(super) fn ask_first(&mut self, source: ValidatorIndex, now: WallTime) {
        self.sources.retain(|other| *other != source);
        self.sources.insert(0, source);
        (self.asked, self.ask_at) = (0, now);
    }
}

impl Replica {
    /// Takes in a piece of the leader's log and executes it, so that its header finds the work done.
    pub(super) fn follow_chunk(&mut self, chunk: VerifiedChunk, effects: &mut Vec<Effect>) {
        if chunk.statement.epoch != self.epoch() {
            return;
        }
        let view = self.core.view();
        if chunk.view() > view {
            let of_view = self.early.iter().filter(|early| early.view() == chunk.view()).count();
            let bounded = chunk.view() - view <= EARLY_VIEWS && of_view < EARLY_MAX;
            if bounded || omits(Defect::EarlyUnbounded) {
                self.early.push_back(chunk);
            }
            return;
        }
        let too_far = chunk.run.end.seq > self.tail.base().seq.saturating_add(AHEAD_MAX);
        if chunk.view() < view || self.core.leader() == self.seat.me || !self.hear_chunk(&chunk.statement, effects) {
            return;
        }
        if too_far {
            return;
        }
        let (end, cut) = (chunk.run.end, chunk.statement.cut);
        let places = chunk.run.places();
        if !self.learn_chunk(chunk.run) {
            return;
        }
        effects.push(Effect::Sequenced(Box::new(SequencedChunk::new(chunk.statement, places))));
        if self.leaves_followed(end) {
            // Chunks that were left out lie between: no two statements prove it, but no honest leader does it.
            return self.blame_leader();
        }
        if !self.to_finalize.is_empty() || self.core.has_given_up() {
            // Of a view that is given up only what is certified counts, and that is executed when its header is looked at.
            return self.log_grew(effects);
        }
        match self.go_through(end, effects) {
            Ok(()) => {
                self.followed = Some(end);
                if cut && self.tail.end() == end {
                    self.cut();
                }
            }
            Err(NoPath::Conflict) => {}
            Err(NoPath::Missing(point)) => {
                let leader = self.core.leader();
                self.pull(point, vec![leader]);
            }
        }
        self.log_grew(effects);
    }

    /// A view is over: of its log only what was voted for or certified may live on. The rest is undone, so that its bundles
    /// are in the pool again, for the next leader, who may know nothing of them.
    pub(super) fn shed_unvoted(&mut self, effects: &mut Vec<Effect>) {
        let record = self.core.record();
        let ends = [record.last_voted, Some(record.high_qc.header)].into_iter().flatten();
        let ends = ends.filter_map(|header| Some(self.core.proposal(header.hash)?.header.log_end()));
        let keep = ends.filter(|end| self.tail.contains(*end)).max_by_key(|end| end.seq).unwrap_or(self.tail.base());
        self.rewind(keep, effects);
    }

    /// The header of a new leader that streamed nothing beyond it leaves out what was executed beyond it in views before.
    fn shed_beyond(&mut self, header: &Header, effects: &mut Vec<Effect>) {
        let leads_me = header.rank.view == self.core.view() && header.proposer != self.seat.me;
        let end = header.log_end();
        if leads_me && self.followed.is_none_or(|followed| followed.seq <= end.seq) {
            self.rewind(end, effects);
        }
    }

    pub(super) fn take_early_chunks(&mut self, effects: &mut Vec<Effect>) {
        let view = self.core.view();
        let early = std::mem::take(&mut self.early);
        for chunk in early {
            if chunk.view() > view {
                self.early.push_back(chunk);
            } else if chunk.view() == view
                && self.hear_chunk(&chunk.statement, effects)
                && chunk.run.end.seq <= self.tail.base().seq.saturating_add(AHEAD_MAX)
            {
                // The core is in the middle of its effects: only learn, the header's check executes.
                self.learn_chunk(chunk.run);
            }
        }
    }

    /// Learns a leader's log, unless too much of what it sent hangs together with nothing. True if it was learned.
    fn learn_chunk(&mut self, run: VerifiedRun) -> bool {
        if run.entries.first().is_some_and(|first| !self.knows_log(first.start)) {
            self.strays += 1;
            if self.strays > STRAYS_MAX && !omits(Defect::StraysKept) {
                return false;
            }
        }
        self.learn(run);
        true
    }

    /// Forgets the log of views that are over if no header that is known runs through it: a leader can make up as much as its line
    /// carries. Whoever needs it after all asks for it.
    pub(super) fn forget_strays(&mut self) {
        self.strays = 0;
        if omits(Defect::StraysKept) {
            return;
        }
        let checked = self.checks.values().map(|check| check.header.log_end());
        let unfinal = self.core.unfinal().map(|proposal| proposal.header.log_end());
        let finalizing = self.to_finalize.iter().map(|next| next.log_end());
        let ends = checked.chain(unfinal).chain(finalizing).chain([self.tail.end()]);
        self.branches.keep_paths(ends, self.tail.base().seq);
    }

    fn learn(&mut self, run: VerifiedRun) {
        for placed in run.entries {
            if placed.end.seq > self.tail.base().seq {
                self.branches.insert(placed);
            }
        }
    }

    /// More of the log is known: what waited for it may go on.
    fn log_grew(&mut self, effects: &mut Vec<Effect>) {
        self.finalize_ready(effects);
        let known: Vec<(u64, Hash)> = self
            .awaited
            .keys()
            .filter(|(seq, digest)| self.knows_log(LogPoint { seq: *seq, digest: *digest }))
            .copied()
            .collect();
        for key in &known {
            self.awaited.remove(key);
        }
        self.retry_checks(effects);
        if !known.is_empty() {
            self.ask_core(hotstuff::Input::LogGrew, effects);
        }
    }

    pub(super) fn knows_log(&self, point: LogPoint) -> bool {
        self.tail.contains(point) || self.branches.entry(point).is_some() || point.seq <= self.tail.base().seq
    }

    /// The core asks whether a header holds.
    pub(super) fn begin_check(
        &mut self,
        header: Header,
        sources: Vec<ValidatorIndex>,
        inputs: &mut VecDeque<hotstuff::Input>,
        effects: &mut Vec<Effect>,
    ) {
        let (height, hash) = (header.height, header.hash());
        let mut check = PendingCheck { header, sources, hold_until: None };
        if let Some(verdict) = self.check(&mut check, effects) {
            inputs.push_back(hotstuff::Input::Checked { hash, verdict });
        } else if self.checks.len() < CHECKS_MAX && height > self.final_header.height {
            self.checks.insert((height, hash), check);
        }
    }

    pub(super) fn retry_checks(&mut self, effects: &mut Vec<Effect>) {
        let (height, recent) = (self.final_header.height, &self.recent_final);
        // What did not become final at its height never will.
        self.checks.retain(|(at, hash), _| *at > height || recent.contains(hash));
        // From parent to child: the other way round each would undo what the other executed.
        for ((height, hash), mut check) in std::mem::take(&mut self.checks) {
            if check.hold_until.is_some_and(|until| until > self.now) {
                // Its roots are not computed again before its time has come.
                self.checks.insert((height, hash), check);
                continue;
            }
            check.hold_until = None;
            match self.check(&mut check, effects) {
                Some(verdict) => self.ask_core(hotstuff::Input::Checked { hash, verdict }, effects),
                None => {
                    self.checks.insert((height, hash), check);
                }
            }
        }
    }

    /// Whether a header holds, as soon as that can be told.
    fn check(&mut self, check: &mut PendingCheck, effects: &mut Vec<Effect>) -> Option<Verdict> {
        if !self.to_finalize.is_empty() || check.header.epoch != self.epoch() {
            return None;
        }
        if self.recent_final.contains(&check.header.hash()) {
            // It was compared when it became final, and its log can no longer be told apart from what precedes it.
            return Some(Verdict::Holds);
        }
        let header = check.header.clone();
        if header.height <= self.final_header.height {
            // Another one became final in its place, and what it began from is out of reach now.
            return None;
        }
        let parent = self.header(header.parent)?;
        let (parent_end, parent_time_ms, end) = (parent.log_end(), parent.time_ms, header.log_end());
        if !self.is_relevant(&header, effects) {
            return None;
        }
        match self.go_through(end, effects) {
            Ok(()) => {}
            Err(NoPath::Missing(point)) => {
                let sources = check.sources.clone();
                self.pull(point, sources);
                return None;
            }
            // It does not continue what is final: no vote, and nothing to compare.
            Err(NoPath::Conflict) => return None,
        }
        if self.verdict(&header, parent_end, effects) == Verdict::Differs {
            self.dispute(&header);
            return Some(Verdict::Differs);
        }
        let votable_from = self.config.genesis.wall_at(gridbook_engine::LedgerTime(header.time_ms));
        let votable_from = votable_from.saturating_sub(TIME_TOLERANCE_US);
        if header.time_ms > parent_time_ms && votable_from > self.now.0 {
            check.hold_until = Some(WallTime(votable_from));
            return None;
        }
        self.shed_beyond(&header, effects);
        Some(Verdict::Holds)
    }

    /// Whether a header is worth executing now: one of this view, or a certified one. A leader stays on the log of its view
    /// whatever else turns up: it builds on it.
    fn is_relevant(&mut self, header: &Header, effects: &mut Vec<Effect>) -> bool {
        if self.is_on_its_own_log() && !self.tail.contains(header.log_end()) {
            return false;
        }
        if self.is_certified(header) {
            return true;
        }
        let too_far = header.last_seq > self.tail.base().seq.saturating_add(AHEAD_MAX);
        if header.rank.view != self.core.view() || too_far {
            return false;
        }
        let beside = header.proposer != self.seat.me && self.leaves_followed(header.log_end());
        if beside {
            self.blame_for_header(header, effects);
        }
        !beside
    }

    fn is_certified(&self, header: &Header) -> bool {
        let (wanted, mut at) = (header.hash(), self.core.high_qc().header.hash);
        while at != wanted {
            match self.core.proposal(at) {
                Some(proposal) if proposal.header.height > header.height => at = proposal.header.parent,
                _ => return false,
            }
        }
        true
    }

    /// Whether own execution gives what a header says. Its log must be executed.
    pub(super) fn verdict(&mut self, header: &Header, parent_end: LogPoint, effects: &mut Vec<Effect>) -> Verdict {
        let Some(body) = self.body(header.height, parent_end, header.log_end(), effects) else {
            return Verdict::Differs;
        };
        let same = body.time_ms == header.time_ms
            && body.first_seq == header.first_seq
            && body.inputs_root == header.inputs_root
            && body.results_root == header.results_root
            && body.state_root == header.state_root
            && body.snapshot_root == header.snapshot_root
            && body.flags == header.flags
            && body.next_set_hash == header.next_set_hash;
        if same { Verdict::Holds } else { Verdict::Differs }
    }

    /// Wants the log up to a place; [`Replica::retry_pulls`] asks for it, soon and again after a while: the sources first, and then
    /// any other, for a leader may keep its log from one validator.
    pub(super) fn pull(&mut self, point: LogPoint, mut sources: Vec<ValidatorIndex>) {
        let key = (point.seq, point.digest);
        let others = self.others().into_iter().filter(|other| !sources.contains(other));
        sources.extend(others.collect::<Vec<_>>());
        let is_full = self.awaited.len() >= AWAITED_MAX && !omits(Defect::PullsUnbounded);
        if self.awaited.contains_key(&key) || is_full {
            return;
        }
        // A header often overtakes its log, which is already on its way on another stream.
        let ask_at = WallTime(self.now.0 + PULL_AFTER_US);
        self.awaited.insert(key, Awaited { sources, asked: 0, asked_of: BTreeSet::new(), ask_at });
    }

    /// Asks for the earliest place that is missing, few at a time: what comes after it is often known by then. One that nobody
    /// answered for stands back.
    pub(super) fn retry_pulls(&mut self, effects: &mut Vec<Effect>) {
        let base = self.tail.base().seq;
        // What nobody has after many rounds is not waited for any longer; whoever needs it asks again.
        self.awaited.retain(|(seq, _), awaited| *seq > base && awaited.asked <= 4 * awaited.sources.len());
        let (now, executed) = (self.now, self.tail.end().seq);
        let under_way = self.awaited.values().filter(|awaited| awaited.asked > 0 && awaited.ask_at > now).count();
        let due = self.awaited.iter_mut().filter(|(_, awaited)| awaited.ask_at <= now);
        let Some(((seq, digest), awaited)) = due.min_by_key(|(key, awaited)| (awaited.asked, key.0)) else { return };
        if under_way >= PULLS_MAX {
            return;
        }
        let to = awaited.sources[awaited.asked % awaited.sources.len()];
        awaited.asked += 1;
        awaited.asked_of.insert(to);
        awaited.ask_at = WallTime(now.0 + PULL_AGAIN_US);
        // Most likely it continues what is executed here. If not, the answer's start is not known, and is asked for in turn.
        let floor_seq = if *seq > executed { executed } else { base };
        let message = PeerMessage::Pull { target: LogPoint { seq: *seq, digest: *digest }, floor_seq };
        effects.push(Effect::Post { to: Recipient::One(to), message });
    }

    /// Asks a validator for history; only from who was asked is any taken.
    pub(super) fn ask_history(&mut self, to: ValidatorIndex, from_height: u64, effects: &mut Vec<Effect>) {
        self.asked_history.insert(to);
        effects.push(Effect::Post { to: Recipient::One(to), message: PeerMessage::SyncRequest { from_height } });
    }

    pub(super) fn answer_pull(
        &mut self,
        from: ValidatorIndex,
        target: LogPoint,
        floor_seq: u64,
        effects: &mut Vec<Effect>,
    ) {
        if !self.serving.may_take(from, self.now) {
            return;
        }
        let (start, entries) = self.branches.run_to(target, floor_seq, SYNC_BYTES_MAX);
        let bytes: usize = entries.iter().map(Vec::len).sum();
        self.serving.charge(from, (bytes as u64).max(PULL_COST_MIN), self.now);
        if !entries.is_empty() {
            let message = PeerMessage::Pulled { end: target, run: Run { start, entries } };
            effects.push(Effect::Post { to: Recipient::One(from), message });
        }
    }

    pub(super) fn take_pulled(&mut self, from: ValidatorIndex, run: VerifiedRun, effects: &mut Vec<Effect>) {
        // An answer without a single entry would end the question, and the same validator would be asked first the next time.
        let Some(start) = run.entries.first().map(|placed| placed.start) else { return };
        // Only what was asked for, of whom it was asked: anybody could fill the memory otherwise.
        let key = (run.end.seq, run.end.digest);
        if omits(Defect::UnaskedLogTaken) {
            self.learn(run.clone());
        }
        if !self.awaited.get(&key).is_some_and(|awaited| awaited.asked_of.contains(&from)) {
            return;
        }
        let Some(mut awaited) = self.awaited.remove(&key) else { return };
        self.learn(run);
        if !self.knows_log(start) {
            // It was too long for one answer: the earlier part is asked for as well, of the next in turn, for this one may give
            // little at a time.
            let turn = awaited.asked % awaited.sources.len();
            awaited.sources.rotate_left(turn);
            self.pull(start, awaited.sources);
        }
        self.log_grew(effects);
    }

    /// The chain went on without this validator: fetch headers and log.
    pub(super) fn fall_behind(&mut self, target: HeaderRef, sources: Vec<ValidatorIndex>, effects: &mut Vec<Effect>) {
        if self.sync.as_ref().is_some_and(|sync| sync.target.rank >= target.rank) || sources.is_empty() {
            return;
        }
        let asked = self.sync.as_ref().map_or(0, |sync| sync.asked);
        let ask_at = self.sync.as_ref().map_or(self.now, |sync| sync.ask_at);
        self.sync = Some(Syncing { target, sources, asked, ask_at });
        self.ask_for_snapshots(effects);
        self.retry_sync(effects);
    }

    /// Whoever was asked last does not have what is needed.
    pub(super) fn ask_next_for_history(&mut self) {
        if let Some(sync) = &mut self.sync {
            sync.ask_at = WallTime(self.now.0 + PULL_AFTER_US);
        }
    }

    pub(super) fn retry_sync(&mut self, effects: &mut Vec<Effect>) {
        if self.is_joining() {
            return;
        }
        if self.sync.as_ref().is_none_or(|sync| sync.ask_at > self.now) {
            return;
        }
        // The end of the log is in no answer: whoever waits for it asks for it again.
        self.finalize_ready(effects);
        if self.end_sync_if_caught_up() {
            return;
        }
        let from_height = self.final_header.height + 1;
        let Some(sync) = &mut self.sync else { return };
        let to = sync.sources[sync.asked % sync.sources.len()];
        sync.asked += 1;
        sync.ask_at = WallTime(self.now.0 + SYNC_AGAIN_US);
        self.ask_history(to, from_height, effects);
    }

    /// What is final is known and its log is not. Others have only the newest of it at hand, and a leader's log is followed only so far: if no pull
    /// brings it soon, it is fetched as history.
    pub(super) fn await_history(&mut self) {
        if let (None, Some(last)) = (&self.sync, self.to_finalize.back()) {
            let (target, sources) = (last.reference(), self.others());
            let ask_at = WallTime(self.now.0 + PULL_AGAIN_US);
            self.sync = Some(Syncing { target, sources, asked: 0, ask_at });
        }
    }

    /// The history is here once all headers are, and the log of those that are final.
    pub(super) fn end_sync_if_caught_up(&mut self) -> bool {
        let done =
            self.to_finalize.is_empty() && self.sync.as_ref().is_some_and(|sync| self.hangs_together(sync.target));
        if done {
            self.sync = None;
            self.found_history();
        }
        done
    }

    /// Whether every header from the last final one to this one is known. To know it alone is not enough: headers are also
    /// fetched one by one from the newest backwards, as far back as others keep them at hand.
    fn hangs_together(&self, target: HeaderRef) -> bool {
        let (end, end_hash) = (self.core.final_header(), self.core.final_hash());
        let mut hash = target.hash;
        while hash != end_hash && target.rank > end.rank {
            match self.core.proposal(hash) {
                Some(proposal) if proposal.header.height > end.height => hash = proposal.header.parent,
                _ => return false,
            }
        }
        true
    }

    /// Another validator's history: executed and compared before it is believed.
    pub(super) fn take_synced(&mut self, from: ValidatorIndex, steps: Vec<VerifiedStep>, effects: &mut Vec<Effect>) {
        if !self.asked_history.remove(&from) {
            return;
        }
        self.expect_ends(steps.iter().map(|step| &step.proposal.header));
        let mut parent = self.final_header.clone();
        let mut held = Vec::new();
        for step in steps {
            let header = step.proposal.header.clone();
            if header.height <= parent.height {
                continue;
            }
            if header.parent != parent.hash() || header.first_seq != parent.last_seq + 1 {
                break;
            }
            self.learn(step.run);
            if self.go_through(header.log_end(), effects).is_err() {
                break;
            }
            if self.verdict(&header, parent.log_end(), effects) == Verdict::Differs {
                return self.halt(format!("certified header {} differs from own execution", header.height), effects);
            }
            held.push(step.proposal);
            parent = header;
        }
        if held.is_empty() {
            return;
        }
        self.found_history();
        self.ask_core(hotstuff::Input::CaughtUp(held), effects);
        if let Some(sync) = &mut self.sync {
            // There may be more: ask again at once.
            sync.ask_at = self.now;
        }
        self.retry_sync(effects);
        self.log_grew(effects);
    }

    /// Headers end at these places of the log: whenever it is executed there from now on, the root is noted. All that are known are told
    /// before the first of them is looked at. Where the log is executed further already, that costs one undo and redo then; told one by one,
    /// each of them would cost one.
    pub(super) fn expect_ends<'a>(&mut self, headers: impl Iterator<Item = &'a Header>) {
        self.cuts.extend(headers.map(|header| (header.last_seq, header.log_digest)));
    }

    pub(super) fn cut_at(&mut self, end: LogPoint) {
        if self.tail.end() == end {
            self.cut();
        }
    }
}
