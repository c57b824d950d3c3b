//! Catching up by a snapshot: far behind, or with an empty disk (CONSENSUS section 3, Catching up).
//!
//! Whoever falls behind asks all others for their newest snapshot, and goes on fetching history meanwhile. An offer that saves enough
//! is taken: its pieces come from all who offered the same, a few at a time from each, and each is checked when it comes. Once all
//! are here the driver puts the snapshot in the place of the state, notes it in the log, and begins again from there.

use std::collections::{BTreeMap, BTreeSet};

use rkyv::{Archive, Deserialize, Serialize};

use super::{Effect, PeerFault, PeerMessage, Replica, TakenSnapshot};
use crate::crypto::Hash;
use crate::genesis::Genesis;
use crate::hotstuff::{Recipient, WallTime};
use crate::snapshot::{Incoming, Manifest, Snapshot, SnapshotError};
use crate::state::PIECE_BYTES_MAX;
use crate::validators::ValidatorIndex;

/// What validators say to each other about snapshots.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub enum SnapshotMessage {
    /// Asks for the newest snapshot beyond a height.
    Request {
        /// What is final at the asker.
        above_height: u64,
    },
    /// Answers it.
    Offer(Box<Manifest>),
    /// Asks for a piece.
    PieceRequest {
        /// The root of the snapshot.
        root: Hash,
        /// Which piece.
        piece: u32,
    },
    /// Answers it.
    Piece {
        /// The root of the snapshot.
        root: Hash,
        /// Which piece.
        piece: u32,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// Answers a sync request: history begins later here, ask another.
    NotHere {
        /// The first height that is here.
        first_height: u64,
    },
}

/// A message about snapshots; an offer in it has a final header and a list of pieces that is that header's.
#[derive(Clone, Debug)]
pub struct VerifiedSnapshotMessage(SnapshotMessage);

impl SnapshotMessage {
    /// Checks an offer against the genesis. Pieces are checked when it is known which were asked for.
    ///
    /// # Errors
    /// [`PeerFault::Snapshot`].
    pub fn verify(self, genesis: &Genesis) -> Result<VerifiedSnapshotMessage, PeerFault> {
        if let Self::Offer(manifest) = &self {
            manifest.verify(genesis).map_err(|_| PeerFault::Snapshot)?;
        }
        Ok(VerifiedSnapshotMessage(self))
    }
}

/// What a replica wants done about snapshots.
#[derive(Clone, Debug)]
pub enum SnapshotEffect {
    /// The state as of the header that became final just now: to be kept, with this place in the log, for those who join later.
    Taken(Box<TakenSnapshot>),
    /// Tell another validator of the newest snapshot beyond a height, if there is one.
    Offer {
        /// Who asks.
        to: ValidatorIndex,
        /// What it has.
        above_height: u64,
    },
    /// Send another validator a piece, if it is here.
    SendPiece {
        /// Who asks.
        to: ValidatorIndex,
        /// The root of the snapshot.
        root: Hash,
        /// Which piece.
        piece: u32,
    },
    /// A snapshot begins to come in: keep this, so that it goes on after a restart; whatever came in before is not needed any more.
    Begin(Box<Manifest>),
    /// Keep a piece of it.
    Keep {
        /// Which piece.
        piece: u32,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// It is given up: forget what came in.
    GiveUp,
    /// It is whole: put it in the place of the state, note it in the log, and begin again from there. This replica does nothing more.
    Restore(Box<Snapshot>),
    /// Another validator's snapshot is not taken, and why.
    Refused {
        /// Whose.
        peer: ValidatorIndex,
        /// Why.
        why: SnapshotError,
    },
}

/// A snapshot that comes in.
#[derive(Debug)]
struct Joining {
    incoming: Incoming,
    sources: Vec<Source>,
    /// Pieces that were asked for: of whom, and when another is asked.
    asked: BTreeMap<u32, (ValidatorIndex, WallTime)>,
    /// When it is given up if nobody has it.
    patience: WallTime,
}

/// Somebody who offered the snapshot.
#[derive(Debug)]
struct Source {
    peer: ValidatorIndex,
    /// How often in a row it did not answer.
    silent: u32,
}

/// Everything about joining.
#[derive(Debug)]
pub(super) struct Join {
    /// The fewest commands that a snapshot must save.
    commands_min: u64,
    joining: Option<Joining>,
    /// Who sent a bad piece: nothing is taken from it again.
    distrusted: BTreeSet<ValidatorIndex>,
    /// One that was asked has removed the history that is needed, and nobody has given it since: any snapshot is welcome.
    needed: bool,
    ask_at: WallTime,
}

/// Re-executing fewer commands than this takes a second or two: no snapshot is worth it.
pub const JOIN_COMMANDS_MIN: u64 = 500_000;
/// What an offer counts for: the list of pieces of a large ledger.
const OFFER_COST: u64 = 256 << 10;
/// How often others are asked what they have, in microseconds.
const ASK_AGAIN_US: u64 = 5_000_000;
/// How long a piece may take, in microseconds.
const PIECE_AGAIN_US: u64 = 3_000_000;
/// How many pieces are asked of one validator at a time.
const PIECES_PER_SOURCE: usize = 2;
/// After so many pieces in a row that did not come a validator is asked no more.
const SILENT_MAX: u32 = 3;
/// How long a snapshot that nobody has is waited for, in microseconds.
const PATIENCE_US: u64 = 20_000_000;

impl Default for Join {
    fn default() -> Self {
        Self {
            commands_min: JOIN_COMMANDS_MIN,
            joining: None,
            distrusted: BTreeSet::new(),
            needed: false,
            ask_at: WallTime(0),
        }
    }
}

impl Replica {
    /// From now on a snapshot is fetched if it saves so many commands.
    pub fn join_from(&mut self, commands_min: u64) {
        self.join.commands_min = commands_min;
    }

    /// Goes on fetching a snapshot of which a part is here, from before a restart. One that is not needed any more is left alone.
    pub fn resume_join(&mut self, incoming: Incoming) {
        if incoming.manifest().header().height > self.final_header.height {
            let patience = WallTime(0);
            self.join.joining = Some(Joining { incoming, sources: Vec::new(), asked: BTreeMap::new(), patience });
        }
    }

    /// How many pieces of a snapshot are here, and how many there are, while one comes in.
    pub fn join_progress(&self) -> Option<(u32, u32)> {
        let incoming = &self.join.joining.as_ref()?.incoming;
        let count = incoming.manifest().pieces.count();
        Some((count - incoming.missing_count(), count))
    }

    pub(super) fn is_joining(&self) -> bool {
        self.join.joining.is_some()
    }

    /// Another validator said something about snapshots.
    pub(super) fn on_snapshot(
        &mut self,
        from: ValidatorIndex,
        message: VerifiedSnapshotMessage,
        effects: &mut Vec<Effect>,
    ) {
        match message.0 {
            SnapshotMessage::Request { above_height } if self.may_give(from, OFFER_COST) => {
                effects.push(Effect::Snapshot(SnapshotEffect::Offer { to: from, above_height }));
            }
            SnapshotMessage::PieceRequest { root, piece } if self.may_give(from, PIECE_BYTES_MAX as u64) => {
                effects.push(Effect::Snapshot(SnapshotEffect::SendPiece { to: from, root, piece }));
            }
            SnapshotMessage::Offer(manifest) => self.take_offer(from, *manifest, effects),
            SnapshotMessage::Piece { root, piece, bytes } => self.take_piece(from, root, piece, bytes, effects),
            SnapshotMessage::NotHere { first_height } if first_height > self.final_header.height + 1 => {
                if !self.join.needed {
                    // What was offered before was weighed against the history, and left.
                    self.join.needed = true;
                    self.join.ask_at = self.now;
                }
                self.ask_for_snapshots(effects);
                self.ask_next_for_history();
            }
            // It has had enough for now, and asks again.
            SnapshotMessage::Request { .. }
            | SnapshotMessage::PieceRequest { .. }
            | SnapshotMessage::NotHere { .. } => {}
        }
        self.retry_join(effects);
    }

    /// Whether a validator gets something out of what every other may be given of the history, and counts it.
    fn may_give(&mut self, to: ValidatorIndex, bytes: u64) -> bool {
        let may = self.serving.may_take(to, self.now);
        if may {
            self.serving.charge(to, bytes, self.now);
        }
        may
    }

    /// Asks all others for their newest snapshot, not too often.
    pub(super) fn ask_for_snapshots(&mut self, effects: &mut Vec<Effect>) {
        if self.join.ask_at <= self.now {
            self.join.ask_at = WallTime(self.now.0 + ASK_AGAIN_US);
            let message = SnapshotMessage::Request { above_height: self.final_header.height };
            effects.push(Effect::Post { to: Recipient::Others, message: PeerMessage::Snapshot(message) });
        }
    }

    /// Somebody has what is needed: from now on a snapshot must be worth it again. Who was away a moment much later would lose the log of
    /// that moment otherwise.
    pub(super) fn found_history(&mut self) {
        self.join.needed = false;
    }

    fn take_offer(&mut self, from: ValidatorIndex, manifest: Manifest, effects: &mut Vec<Effect>) {
        let (height, last_seq) = (manifest.header().height, manifest.header().last_seq);
        let final_height = self.final_header.height;
        if height <= final_height {
            let why = SnapshotError::Stale { height, final_height };
            return effects.push(Effect::Snapshot(SnapshotEffect::Refused { peer: from, why }));
        }
        let saves = last_seq.saturating_sub(self.final_header.last_seq);
        let worth = self.join.needed || saves >= self.join.commands_min;
        if self.join.distrusted.contains(&from) || !(worth || self.is_joining()) {
            return;
        }
        let source = Source { peer: from, silent: 0 };
        match &mut self.join.joining {
            Some(joining) if joining.incoming.manifest().root() == manifest.root() => {
                if joining.sources.iter().all(|source| source.peer != from) {
                    joining.sources.push(source);
                }
            }
            // It has others to give it.
            Some(joining) if !joining.sources.is_empty() => {}
            _ => self.begin_join(manifest, source, effects),
        }
    }

    fn begin_join(&mut self, manifest: Manifest, source: Source, effects: &mut Vec<Effect>) {
        let peer = source.peer;
        match Incoming::new(manifest.clone()) {
            Ok(incoming) => {
                let patience = WallTime(self.now.0 + PATIENCE_US);
                let joining = Joining { incoming, sources: vec![source], asked: BTreeMap::new(), patience };
                self.join.joining = Some(joining);
                effects.push(Effect::Snapshot(SnapshotEffect::Begin(Box::new(manifest))));
            }
            Err(error) => effects.push(Effect::Snapshot(SnapshotEffect::Refused { peer, why: error.into() })),
        }
    }

    /// Only pieces that were asked for are taken, and only of whom they were asked.
    fn take_piece(&mut self, from: ValidatorIndex, root: Hash, piece: u32, bytes: Vec<u8>, effects: &mut Vec<Effect>) {
        let Some(joining) = &mut self.join.joining else { return };
        let asked = joining.asked.get(&piece).is_some_and(|(peer, _)| *peer == from);
        if !asked || joining.incoming.manifest().root() != root {
            return;
        }
        match joining.incoming.put(piece, &bytes) {
            Ok(()) => {
                joining.asked.remove(&piece);
                joining.patience = WallTime(self.now.0 + PATIENCE_US);
                if let Some(source) = joining.sources.iter_mut().find(|source| source.peer == from) {
                    source.silent = 0;
                }
                effects.push(Effect::Snapshot(SnapshotEffect::Keep { piece, bytes }));
            }
            Err(error) => {
                // Found at the first bad piece; and it pays: it is asked for nothing more.
                joining.sources.retain(|source| source.peer != from);
                joining.asked.retain(|_, (peer, _)| *peer != from);
                self.join.distrusted.insert(from);
                effects.push(Effect::Snapshot(SnapshotEffect::Refused { peer: from, why: error.into() }));
            }
        }
    }

    /// Does what is due: the snapshot is whole, pieces did not come, more can be asked for, nobody has it.
    pub(super) fn retry_join(&mut self, effects: &mut Vec<Effect>) {
        let (now, height) = (self.now, self.final_header.height);
        let Some(joining) = &mut self.join.joining else { return };
        if joining.incoming.missing_count() == 0 || joining.incoming.manifest().header().height <= height {
            return self.end_join(effects);
        }
        if joining.patience == WallTime(0) {
            joining.patience = WallTime(now.0 + PATIENCE_US);
        }
        joining.forget_silent(now);
        joining.ask(now, effects);
        if joining.sources.is_empty() {
            if joining.patience <= now {
                self.join.joining = None;
                return effects.push(Effect::Snapshot(SnapshotEffect::GiveUp));
            }
            self.ask_for_snapshots(effects);
        }
    }

    fn end_join(&mut self, effects: &mut Vec<Effect>) {
        let Some(Joining { incoming, .. }) = self.join.joining.take() else { return };
        if incoming.manifest().header().height <= self.final_header.height {
            return effects.push(Effect::Snapshot(SnapshotEffect::GiveUp));
        }
        if let Ok(snapshot) = incoming.finish() {
            self.halted = true;
            effects.push(Effect::Snapshot(SnapshotEffect::Restore(Box::new(snapshot))));
        }
    }

    /// When something is due.
    pub(super) fn join_due_at(&self) -> Option<WallTime> {
        let joining = self.join.joining.as_ref()?;
        let pieces = joining.asked.values().map(|(_, until)| *until).min();
        let ask_at = joining.sources.is_empty().then_some(self.join.ask_at);
        [pieces, ask_at, Some(joining.patience)].into_iter().flatten().min()
    }
}

impl Joining {
    /// Pieces that did not come are asked of others, and whoever lets many lie is asked no more.
    fn forget_silent(&mut self, now: WallTime) {
        let late = self.asked.extract_if(.., |_, (_, until)| *until <= now);
        for (_, (peer, _)) in late {
            if let Some(source) = self.sources.iter_mut().find(|source| source.peer == peer) {
                source.silent += 1;
            }
        }
        self.sources.retain(|source| source.silent < SILENT_MAX);
    }

    /// Keeps every source busy, and gives it no more than it can be expected to serve beside its work.
    fn ask(&mut self, now: WallTime, effects: &mut Vec<Effect>) {
        let root = self.incoming.manifest().root();
        let mut open: Vec<ValidatorIndex> = Vec::new();
        for round in 0..PIECES_PER_SOURCE {
            for source in &self.sources {
                let busy = self.asked.values().filter(|(peer, _)| *peer == source.peer).count();
                if busy + round < PIECES_PER_SOURCE {
                    open.push(source.peer);
                }
            }
        }
        let free = self.incoming.missing().filter(|piece| !self.asked.contains_key(piece)).take(open.len());
        let pieces: Vec<u32> = free.collect();
        for (piece, to) in pieces.into_iter().zip(open) {
            self.asked.insert(piece, (to, WallTime(now.0 + PIECE_AGAIN_US)));
            let message = PeerMessage::Snapshot(SnapshotMessage::PieceRequest { root, piece });
            effects.push(Effect::Post { to: Recipient::One(to), message });
        }
    }
}
