//! Leading a view: giving commands their place, streaming them out, and proposing headers over them.

use std::collections::VecDeque;

use crate::admission::Admitted;
use crate::command::COMMANDS_MAX;
use crate::crypto::Signature;
use crate::defects::{Defect, omits};
use crate::entry::Entry;
use crate::header::{Header, LogPoint, Rank};
use crate::hotstuff::{self, HEADER_COMMANDS_MAX, Recipient, WallTime};
use crate::sequenced::{Place, SequencedChunk, places_root};
use crate::validators::ValidatorIndex;

use super::branches::NoPath;
use super::messages::{Chunk, Run};
use super::{Effect, PeerMessage, Replica};

/// A view that this validator leads.
#[derive(Debug)]
pub(super) struct Lead {
    view: u64,
    /// Whether `led` is on disk: before that nothing leaves this validator.
    durable: bool,
    /// Whether the log was taken back or brought forward to where the view begins.
    aligned: bool,
    /// The header the core waits for.
    build: Option<Build>,
    /// Up to where the log ran in the answer that was given, if one was.
    answered: Option<LogPoint>,
    /// The term ends: nothing new is sequenced, only what is becomes final.
    term_over: bool,
    chunks: u32,
    /// Up to where the log was streamed.
    streamed: LogPoint,
    /// About how much of it was not.
    unstreamed_bytes: usize,
    /// Whether the log had its time since the last header.
    timed: bool,
    /// The sequence number after which the header under way begins.
    header_from: u64,
}

/// A header that the core asked for.
#[derive(Debug)]
pub(super) struct Build {
    pub(super) rank: Rank,
    pub(super) parent: Header,
    pub(super) carry: Option<LogPoint>,
    pub(super) tail: bool,
}

/// The most commands executed and not final: beyond that bundles wait in the pool.
const SPECULATION_MAX: u64 = 200_000;
/// The most headers that are certified and not final before nothing new is sequenced; followers are patient for twice as many.
const HEADERS_AHEAD_MAX: usize = 32;
/// The most commands sequenced in one go, so that headers are not late.
const COMMANDS_PER_TICK: u64 = 8_192;
/// The most work done by one command.
const WORK_LIMIT: u32 = 1_024;
/// About how many bytes travel in one chunk or relay: with the largest bundle on top it stays under a frame's cap.
const CHUNK_BYTES: usize = 256 * 1024;

/// After how long without an empty pool what waits in it is told to all, in microseconds, and how much of it at a time.
const STRANDED_US: u64 = 1_000_000;
const STRANDED_MAX: usize = 256;

/// Sends bundles on, in messages of about a chunk's size.
fn hand_over(bundles: &[Admitted], to: Recipient, effects: &mut Vec<Effect>) {
    let mut message = Vec::new();
    let mut bytes = 0;
    for bundle in bundles {
        bytes += bundle.signed().bytes().len();
        message.push(bundle.signed().bytes().to_vec());
        if bytes > CHUNK_BYTES {
            effects.push(Effect::Post { to, message: PeerMessage::Relay(std::mem::take(&mut message)) });
            bytes = 0;
        }
    }
    if !message.is_empty() {
        effects.push(Effect::Post { to, message: PeerMessage::Relay(message) });
    }
}

impl Replica {
    pub(super) fn enter_view(&mut self, view: u64, leader: ValidatorIndex, effects: &mut Vec<Effect>) {
        effects.push(Effect::View { view, leader });
        self.followed = None;
        self.chunks.enter(view);
        self.shed_unvoted(effects);
        self.forget_cuts();
        self.forget_strays();
        self.lead = (leader == self.seat.me).then(|| Lead {
            view,
            durable: false,
            aligned: false,
            build: None,
            answered: None,
            term_over: false,
            chunks: 0,
            streamed: self.tail.end(),
            unstreamed_bytes: 0,
            timed: false,
            header_from: self.tail.base().seq,
        });
        self.pool.forget_relays();
        self.take_early_chunks(effects);
    }

    /// Takes bundles of own clients in. One that became final after it was admitted would never be told of again.
    pub(super) fn take_submitted(&mut self, bundles: Vec<Admitted>, effects: &mut Vec<Effect>) {
        for bundle in bundles {
            let id = bundle.id();
            if !self.pool.insert(bundle) {
                effects.push(Effect::AlreadyFinal(id));
            }
        }
    }

    /// Cuts of headers that nobody looks at any more are forgotten, so that a leader's headers that were never certified take no room.
    pub(super) fn forget_cuts(&mut self) {
        let checked = self.checks.values().map(|check| check.header().log_end());
        let unfinal = self.core.unfinal().map(|proposal| proposal.header.log_end());
        let finalizing = self.to_finalize.iter().map(|next| next.log_end());
        self.cuts = checked.chain(unfinal).chain(finalizing).map(|end| (end.seq, end.digest)).collect();
    }

    /// Hands the leader what it may not know of.
    pub(super) fn relay(&mut self, effects: &mut Vec<Effect>) {
        let bundles = self.pool.take_unrelayed();
        let leader = self.core.leader();
        if leader != self.seat.me {
            hand_over(&bundles, Recipient::One(leader), effects);
        }
        self.relay_stranded(effects);
    }

    /// What waits for too long was lost on its way to the leader, or the leader leaves it out: all are told of it, so that more than
    /// one validator waits for it and the view is given up if the leader goes on like that.
    fn relay_stranded(&mut self, effects: &mut Vec<Effect>) {
        if !self.pool.has_next() {
            self.stranded_at = None;
            return;
        }
        let at = *self.stranded_at.get_or_insert(WallTime(self.now.0 + STRANDED_US));
        if at <= self.now {
            self.stranded_at = Some(WallTime(self.now.0 + STRANDED_US));
            hand_over(&self.pool.waiting(STRANDED_MAX), Recipient::Others, effects);
        }
    }

    /// The core asks for a header.
    pub(super) fn begin_build(
        &mut self,
        build: Build,
        inputs: &mut VecDeque<hotstuff::Input>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(lead) = &mut self.lead else { return };
        let first = build.rank.slot == 0 && lead.build.is_none();
        lead.header_from = build.parent.last_seq;
        lead.build = Some(build);
        lead.answered = None;
        if first {
            self.align(effects);
            // Everything of this view waits until `led`, persisted by an effect before this one, is on disk.
            let view = self.lead.as_ref().map_or(0, |lead| lead.view);
            effects.push(Effect::Notify(view));
        } else {
            inputs.extend(self.try_build(effects));
        }
    }

    /// Brings the executed log to where a new view's log begins: the tip it must carry, or its parent's end.
    pub(super) fn align(&mut self, effects: &mut Vec<Effect>) {
        let Some(Build { rank: Rank { slot: 0, .. }, parent, carry, .. }) =
            self.lead.as_ref().and_then(|lead| lead.build.as_ref())
        else {
            return;
        };
        let parent_end = parent.log_end();
        let target = carry.unwrap_or(parent_end);
        match self.go_through(target, effects) {
            Ok(()) => {
                self.rewind(target, effects);
                if let Some(lead) = &mut self.lead {
                    // The carried log is streamed again, under the new leader's name.
                    lead.streamed = parent_end;
                    lead.header_from = parent_end.seq;
                    lead.aligned = true;
                }
            }
            Err(NoPath::Missing(point)) => {
                self.pull(point, self.others());
            }
            Err(NoPath::Conflict) => {}
        }
    }

    pub(super) fn lead_is_durable(&mut self, number: u64) {
        if let Some(lead) = &mut self.lead
            && lead.view == number
        {
            lead.durable = true;
        }
    }

    /// Whether this validator leads, and its executed log is that of its view.
    pub(super) fn is_on_its_own_log(&self) -> bool {
        self.lead.as_ref().is_some_and(|lead| lead.aligned)
    }

    fn may_sequence(&self) -> bool {
        let led = |lead: &Lead| lead.durable || omits(Defect::LedNotAwaited);
        self.lead.as_ref().is_some_and(|lead| led(lead) && lead.aligned) && self.to_finalize.is_empty()
    }

    /// Gives waiting commands their place, and proposes if the core waits for a header.
    pub(super) fn sequence(&mut self, effects: &mut Vec<Effect>) {
        if self.lead.as_ref().is_some_and(|lead| !lead.aligned) {
            self.align(effects);
        }
        if !self.may_sequence() {
            return;
        }
        if self.may_extend() {
            self.sequence_duties(effects);
            self.sequence_evidence(effects);
            self.sequence_change(effects);
            if self.may_extend() {
                self.sequence_bundles(effects);
            }
        }
        let built = self.try_build(effects);
        if let Some(input) = built {
            self.ask_core(input, effects);
        }
        self.stream(false, effects);
    }

    /// Puts the time into the log when something is due or waits, and does due work in slices.
    fn sequence_duties(&mut self, effects: &mut Vec<Effect>) {
        if !self.has_room(2) {
            return;
        }
        let ledger_now = self.ledger_time(self.now);
        let due = self.state.next_due().is_some_and(|due| due <= ledger_now);
        let timed = self.lead.as_ref().is_some_and(|lead| lead.timed);
        let waits = self.pool.has_next() || self.unentered_evidence().is_some();
        if (due || (waits && !timed)) && ledger_now > self.state.time() {
            self.append(Entry::Time(ledger_now), effects);
            if let Some(lead) = &mut self.lead {
                lead.timed = true;
            }
        }
        if self.state.has_work() {
            self.append(Entry::Work { limit: WORK_LIMIT }, effects);
        }
    }

    /// Puts what is proven against validators into the log, where it is not yet.
    fn sequence_evidence(&mut self, effects: &mut Vec<Effect>) {
        while self.has_room(1)
            && let Some((key, evidence)) = self.unentered_evidence()
        {
            let bytes = evidence.encode().len();
            self.append(Entry::Evidence(Box::new(evidence)), effects);
            assert!(self.state.holds_evidence(key), "what was verified when it was kept is good in its place");
            self.count_unstreamed(bytes, effects);
        }
    }

    /// A chunk goes out as soon as there is one's worth.
    fn count_unstreamed(&mut self, bytes: usize, effects: &mut Vec<Effect>) {
        let Some(lead) = &mut self.lead else { return };
        lead.unstreamed_bytes += bytes;
        if lead.unstreamed_bytes > CHUNK_BYTES {
            self.stream(false, effects);
        }
    }

    fn sequence_bundles(&mut self, effects: &mut Vec<Effect>) {
        let from = self.tail.end().seq;
        while self.tail.end().seq - from < COMMANDS_PER_TICK
            && self.has_room(COMMANDS_MAX as u64)
            && let Some(bundle) = self.pool.next()
        {
            let bytes = bundle.signed().bytes().len();
            self.append(Entry::Bundle(bundle), effects);
            self.count_unstreamed(bytes, effects);
        }
    }

    /// Whether there is more to sequence right now than one tick did.
    pub fn is_eager(&self) -> bool {
        self.may_sequence()
            && (self.pool.has_next() || self.state.has_work())
            && self.has_room(COMMANDS_MAX as u64)
            && self.may_extend()
    }

    /// Whether so many more commands fit into the header that is being filled, and not too much waits to become final.
    fn has_room(&self, count: u64) -> bool {
        let Some(lead) = &self.lead else { return false };
        let end = self.tail.end().seq;
        let filled = end.saturating_sub(lead.header_from);
        filled + count <= HEADER_COMMANDS_MAX
            && end - self.tail.base().seq < SPECULATION_MAX
            && self.core.unfinal_depth() < HEADERS_AHEAD_MAX
    }

    fn may_extend(&self) -> bool {
        self.lead.as_ref().is_some_and(|lead| !lead.term_over) && !self.epoch_ends()
    }

    pub(super) fn end_term(&mut self, view: u64) {
        if let Some(lead) = &mut self.lead
            && lead.view == view
        {
            lead.term_over = true;
        }
    }

    /// Answers the core's request for a header, if there is something to say.
    pub(super) fn try_build(&mut self, effects: &mut Vec<Effect>) -> Option<hotstuff::Input> {
        if !self.may_sequence() {
            return None;
        }
        let lead = self.lead.as_ref()?;
        let build = lead.build.as_ref()?;
        let (rank, tail, height) = (build.rank, build.tail, build.parent.height + 1);
        let (parent_end, end) = (build.parent.log_end(), self.tail.end());
        let has_log = end.seq > parent_end.seq;
        // An empty answer may have come to nothing; log that comes later is then worth a second one.
        if !self.tail.contains(lead.streamed) {
            // What others certified took the place of what was streamed. To go on would be to lead two logs.
            return Some(hotstuff::Input::LeaderFault { view: rank.view });
        }
        let answered = lead.answered.is_some_and(|at| at == end || at != parent_end);
        if answered || !(has_log || tail || rank.slot == 0) {
            return None;
        }
        self.cut();
        self.stream(true, effects);
        let lead = self.lead.as_mut()?;
        lead.answered = Some(end);
        lead.timed = false;
        lead.header_from = end.seq;
        match self.body(height, parent_end, end, effects) {
            Some(body) => Some(hotstuff::Input::Built { rank, body }),
            // A certificate of another branch came after this view's log was begun, or that log was taken back for what others
            // certified meanwhile. The log that was streamed cannot be another, so the view is given up.
            None => Some(hotstuff::Input::LeaderFault { view: rank.view }),
        }
    }

    /// Sends out what was sequenced: when a header ends here, when there is a chunk's worth, or when a tick ends.
    fn stream(&mut self, cut: bool, effects: &mut Vec<Effect>) {
        let Some(lead) = &self.lead else { return };
        let (start, end) = (lead.streamed, self.tail.end());
        if start == end {
            return;
        }
        let epoch = self.epoch();
        let Some(executed) = self.tail.between(start, end) else { return };
        let (entries, places): (Vec<Vec<u8>>, Vec<Place>) =
            executed.map(|executed| (executed.entry.encode(), executed.place())).unzip();
        let Some(lead) = &mut self.lead else { return };
        lead.streamed = end;
        lead.unstreamed_bytes = 0;
        let chunk = Chunk {
            epoch,
            view: lead.view,
            number: lead.chunks,
            cut,
            run: Run { start, entries },
            end,
            places_root: places_root(&places),
            signature: Signature([0; 64]),
        };
        lead.chunks += 1;
        let chunk = chunk.sign(self.chain, &self.seat.key);
        let sequenced = SequencedChunk::new(chunk.statement(), places);
        effects.push(Effect::Post { to: Recipient::Others, message: PeerMessage::Chunk(Box::new(chunk)) });
        effects.push(Effect::Sequenced(Box::new(sequenced)));
    }
}
