//! From one epoch to the next (CONSENSUS section 3, Changing the set).

use gridbook_engine::LedgerTime;

use crate::crypto::SecretKey;
use crate::defects::{Defect, omits};
use crate::entry::Entry;
use crate::epoch::{EpochProof, Epochs, Reconfigure};
use crate::header::Header;
use crate::hotstuff::{self, Core, CoreConfig, Proposal, Recipient, SafetyRecord, WallTime};
use crate::validators::{ValidatorIndex, ValidatorSet};

use super::{Effect, FinalProof, PeerMessage, Replica, ReplicaConfig};

/// Where this validator stands in the present epoch.
#[derive(Debug)]
pub(super) struct Seat {
    /// Its place; [`ValidatorIndex::OBSERVER`] if it has none.
    pub(super) me: ValidatorIndex,
    pub(super) key: SecretKey,
}

/// What goes on between epochs.
#[derive(Debug)]
pub(super) struct Passage {
    /// All epochs so far.
    pub(super) epochs: Epochs,
    /// The header that ends the epoch is final: the next one begins before this validator says anything more.
    over: bool,
    /// A change of validators that waits for its place, or has one that is not final.
    change: Option<Box<Reconfigure>>,
    /// A safety record of a later epoch than the log has come to: until then nothing is signed.
    saved: Option<SafetyRecord>,
    /// What was signed in this epoch is not known: nothing is signed until one begins after this ledger time.
    muted: Option<LedgerTime>,
    /// When validators that stayed behind were told last.
    told: Vec<(ValidatorIndex, WallTime)>,
    /// When one that is ahead may be asked again.
    ask_at: WallTime,
}

/// Not more often than this is a validator that stayed behind told of the end of its epoch, and one that is ahead asked, in microseconds.
const TELL_AGAIN_US: u64 = 200_000;
const ASK_AGAIN_US: u64 = 500_000;
/// A header's time may be ahead of the wall by half a second (CONSENSUS section 3); twice that, in microseconds.
const MUTE_MARGIN_US: u64 = 1_000_000;
/// The most proofs in one message; whoever needs more asks again from there.
pub(super) const PROOFS_PER_MESSAGE: usize = 16;

impl ReplicaConfig {
    /// The place in a set that one of the keys given holds. Without one, this is an observer with a key that signs nothing.
    pub(super) fn seat(&self, set: &ValidatorSet) -> Seat {
        let seat = |key: &SecretKey| Some(Seat { me: set.index_of(&key.public())?, key: key.clone() });
        self.keys.iter().find_map(seat).unwrap_or_else(Seat::observer)
    }
}

impl Seat {
    fn observer() -> Self {
        Self { me: ValidatorIndex::OBSERVER, key: SecretKey::from_seed([0; 32]) }
    }
}

impl Passage {
    pub(super) fn new(epochs: Epochs) -> Self {
        Self { epochs, over: false, change: None, saved: None, muted: None, told: Vec::new(), ask_at: WallTime(0) }
    }
}

impl Replica {
    /// All epochs of the ledger so far, with their validators and proofs.
    pub fn epochs(&self) -> &Epochs {
        &self.passage.epochs
    }

    /// This validator's place in the present epoch's set; [`ValidatorIndex::OBSERVER`] if it has none.
    pub fn seat(&self) -> ValidatorIndex {
        self.seat.me
    }

    pub(super) fn epoch(&self) -> u32 {
        self.passage.epochs.present()
    }

    pub(super) fn set(&self) -> &ValidatorSet {
        self.passage.epochs.present_set()
    }

    /// All members of the present set but this validator.
    pub(super) fn others(&self) -> Vec<ValidatorIndex> {
        self.set().indices().filter(|index| *index != self.seat.me).collect()
    }

    /// The core of the present epoch, given what this validator signed in it.
    ///
    /// A record of an earlier epoch says that nothing was signed in this one: it is written before the first signature. A record of a
    /// later one says that the log is of before that: nothing is signed until it has come so far again.
    pub(super) fn make_core(&mut self, record: Option<SafetyRecord>, kept: Vec<Proposal>) {
        let epoch = self.epoch();
        let (record, later) = match record {
            Some(record) if record.epoch > epoch => (None, Some(record)),
            record => (record.filter(|record| record.epoch == epoch), None),
        };
        let silent = later.is_some() || self.is_muted();
        self.seat = if silent { Seat::observer() } else { self.config.seat(self.set()) };
        self.passage.saved = later;
        let root = self.passage.epochs.root().unwrap_or(&self.genesis_root).clone();
        let Seat { me, key } = &self.seat;
        let (set, key, timing) = (self.set().clone(), key.clone(), self.config.timing);
        let last_final = self.final_proposal.clone().filter(|proposal| proposal.header.epoch == epoch);
        let kept = kept.into_iter().filter(|proposal| proposal.header.epoch == epoch).collect();
        self.core = Core::new(CoreConfig { set, me: *me, key, epoch, root, timing }, record, last_final, kept);
    }

    /// Whether this validator signs nothing because it does not know what it signed in this epoch.
    pub fn is_muted(&self) -> bool {
        self.passage.muted.is_some()
    }

    pub(super) fn mute(&mut self) {
        self.passage.muted = Some(LedgerTime(u64::MAX));
    }

    /// The silence lasts until an epoch begins after now: what is known only from history may be of before the record was lost.
    pub(super) fn mute_from_now(&mut self) {
        if self.is_muted() {
            let later = self.ledger_time(WallTime(self.now.0 + MUTE_MARGIN_US));
            self.passage.muted = Some(later);
        }
    }

    /// An epoch begins. This validator cannot have signed in it before, if its root's time is after this process began; that trusts the
    /// own clock not to be behind by more than the time since the record was lost.
    fn unmute_if_new(&mut self) {
        let began = self.passage.epochs.root().map_or(LedgerTime(0), Header::time);
        if self.passage.muted.is_some_and(|since| began > since) {
            self.passage.muted = None;
        }
    }

    /// The header that ends the epoch is final. What the old epoch's core still wants done is done; then the next one begins.
    pub(super) fn end_epoch(&mut self, end: &Header, proof: &FinalProof, next: ValidatorSet) {
        let headers = core::iter::once(end).chain(&proof.via).cloned().collect();
        let (child, qc) = (proof.child.clone(), proof.qc.clone());
        self.passage.epochs.push(EpochProof { headers, child, qc, next });
        self.passage.over = true;
    }

    /// The log is at its end, and with it all epochs that ended in it.
    pub(super) fn settle_epoch(&mut self) {
        self.passage.over = false;
        self.passage.change = None;
    }

    /// Begins the next epoch if this one is over. The proof goes out first, for those who did not see it end.
    pub(super) fn begin_epoch_if_over(&mut self, effects: &mut Vec<Effect>) {
        if !core::mem::take(&mut self.passage.over) {
            return;
        }
        let epoch = self.epoch();
        self.rewind(self.tail.base(), effects);
        self.unmute_if_new();
        let saved = self.passage.saved.take();
        let fresh = saved.as_ref().is_none_or(|record| record.epoch != epoch);
        self.make_core(saved, Vec::new());
        self.passage.change.take_if(|change| change.epoch < epoch);
        self.passage.told.clear();
        self.forget_view();
        let last = self.passage.epochs.proofs().last().map(EpochProof::encode);
        effects.push(Effect::Post { to: Recipient::Others, message: PeerMessage::Epochs(last.into_iter().collect()) });
        effects.push(Effect::Epoch(epoch));
        if fresh && self.seat.me != ValidatorIndex::OBSERVER {
            // Epoch and zeroed ranks change in one write.
            effects.push(Effect::Persist(Box::new(self.core.record().clone())));
        }
        self.ask_core(hotstuff::Input::Start, effects);
        self.tell_standing(Recipient::Others, effects);
    }

    /// What belonged to the views of the old epoch.
    fn forget_view(&mut self) {
        self.lead = None;
        self.checks.clear();
        self.awaited.clear();
        self.early.clear();
        self.sync = None;
        self.followed = None;
        self.strays = 0;
        self.chunks.enter(0);
        self.faulty_view = None;
        self.disputed.clear();
        self.asked_history.clear();
        // In the next set others may have the same numbers.
        self.serving = Default::default();
        self.certified = Default::default();
        self.waiting_told = false;
        self.stranded_at = None;
        self.core_wake = None;
        self.pool.forget_relays();
    }
}

/// The change of validators on its way into the log.
impl Replica {
    /// Takes in a change that enough of the present set have signed, and tells all: whoever leads next must know of it.
    pub(super) fn take_reconfigure(&mut self, change: Box<Reconfigure>, effects: &mut Vec<Effect>) {
        let good = change.verify(self.chain, self.epoch(), self.set()).is_ok();
        if good && self.passage.change.is_none() {
            self.tell_change(&change, Recipient::Others, effects);
            self.passage.change = Some(change);
        }
    }

    pub(super) fn tell_change_to(&self, peer: ValidatorIndex, effects: &mut Vec<Effect>) {
        if let Some(change) = &self.passage.change {
            self.tell_change(change, Recipient::One(peer), effects);
        }
    }

    fn tell_change(&self, change: &Reconfigure, to: Recipient, effects: &mut Vec<Effect>) {
        effects.push(Effect::Post { to, message: PeerMessage::Reconfigure(change.encode()) });
    }

    /// One that came with the log is held as well, so that a change of view that undoes it does not lose it.
    pub(super) fn note_executed_change(&mut self, change: &Reconfigure) {
        if self.passage.change.is_none() {
            self.passage.change = Some(Box::new(change.clone()));
        }
    }

    pub(super) fn change_waits(&self) -> bool {
        self.passage.change.is_some() && !self.epoch_ends()
    }

    /// Whether the executed log ends the epoch: then nothing more is sequenced in it.
    pub(super) fn epoch_ends(&self) -> bool {
        self.tail.epoch_end().is_some()
    }

    pub(super) fn sequence_change(&mut self, effects: &mut Vec<Effect>) {
        if let Some(change) = self.passage.change.clone().filter(|_| !self.epoch_ends()) {
            self.append(Entry::Reconfigure(change), effects);
        }
    }
}

/// Validators in different epochs.
impl Replica {
    /// A message of another epoch: whoever is behind is told how its epoch ended, and whoever is ahead is asked.
    pub(super) fn meet_other_epoch(&mut self, from: ValidatorIndex, epoch: u32, effects: &mut Vec<Effect>) {
        if omits(Defect::OtherEpochUnanswered) {
            return;
        }
        if epoch > self.epoch() {
            self.ask_ahead(from, effects);
        } else {
            self.tell_behind(from, epoch, effects);
        }
    }

    fn ask_ahead(&mut self, from: ValidatorIndex, effects: &mut Vec<Effect>) {
        if self.passage.ask_at <= self.now {
            self.passage.ask_at = WallTime(self.now.0 + ASK_AGAIN_US);
            let from_height = self.final_header.height + 1;
            self.ask_history(from, from_height, effects);
        }
    }

    fn tell_behind(&mut self, to: ValidatorIndex, epoch: u32, effects: &mut Vec<Effect>) {
        let due = self.now.0.saturating_sub(TELL_AGAIN_US);
        self.passage.told.retain(|(_, at)| at.0 > due);
        if !self.passage.told.iter().any(|(told, _)| *told == to) {
            self.passage.told.push((to, self.now));
            self.post_proofs(to, epoch, effects);
        }
    }

    /// Before headers of an epoch that ended come the proofs of how it did. One answer at a time, within the asker's allowance.
    pub(super) fn answer_sync(&mut self, from: ValidatorIndex, from_height: u64, effects: &mut Vec<Effect>) {
        if self.serving.begin(from, self.now) {
            self.post_proofs(from, self.passage.epochs.epoch_of(from_height), effects);
            effects.push(Effect::ServeSync { to: from, from_height });
        }
    }

    fn post_proofs(&self, to: ValidatorIndex, epoch: u32, effects: &mut Vec<Effect>) {
        let proofs = self.passage.epochs.proofs_from(epoch).iter().take(PROOFS_PER_MESSAGE);
        let proofs: Vec<Vec<u8>> = proofs.map(EpochProof::encode).collect();
        if !proofs.is_empty() {
            effects.push(Effect::Post { to: Recipient::One(to), message: PeerMessage::Epochs(proofs) });
        }
    }

    /// Another validator tells how epochs ended. Only the end of the present one can be used now; the next is asked for when it is reached.
    pub(super) fn take_epochs(&mut self, from: ValidatorIndex, proofs: Vec<EpochProof>, effects: &mut Vec<Effect>) {
        let Some(proof) = proofs.into_iter().find(|proof| proof.epoch() == self.epoch()) else { return };
        self.ask_core(hotstuff::Input::EpochEnded(Box::new(proof)), effects);
        // Whoever tells of the end has what comes before it; of the old set not everybody need be there any more.
        if let Some(sync) = &mut self.sync
            && !self.passage.over
        {
            sync.ask_first(from, self.now);
            self.retry_sync(effects);
        }
    }
}
