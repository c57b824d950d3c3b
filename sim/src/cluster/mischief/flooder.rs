//! A validator that sends whatever others might keep or work on, without end.

use gridbook_engine::LedgerTime;
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::entry::Entry;
use gridbook_ledger::header::{HeaderRef, LogPoint, Rank};
use gridbook_ledger::hotstuff::{ConsensusMessage, Proposal, Timeout, Vote};
use gridbook_ledger::replica::{Chunk, PeerMessage, Run, end_of};
use gridbook_ledger::sequenced::places_root;
use gridbook_ledger::validators::ValidatorIndex;

use super::super::dice::Dice;
use super::{Culprit, Mischief, Words};

/// Besides what its replica says, it votes for headers that nobody made, gives up views in a million years, proposes in slots and
/// views to come, streams chunks of them, asks for log and history that there is not, answers what nobody asked, and sends junk. Now and
/// then, where it leads, it proposes a hundred headers for one, or streams a hundred chunks of logs that begin nowhere.
#[derive(Debug)]
pub(super) struct Flooder {
    proposal: Option<Box<Proposal>>,
    timeout: Option<Box<Timeout>>,
    chunk: Option<Box<Chunk>>,
    spates: u32,
    dice: Dice,
}

/// How much of each kind at a time.
const BURST: u64 = 8;
/// The longest piece of junk, in bytes.
const JUNK_MAX: u64 = 2_000;
/// How much of one kind comes in one go now and then.
const SPATE: u64 = 300;
/// How many of a thousand of its own headers and chunks bring a spate, and how many come in all.
const SPATES_PER_MILLE: u64 = 200;
const SPATES_MAX: u32 = 24;
/// How many chunks of views to come at a time.
const EARLY_CHUNKS: u64 = 40;
/// How many entries a chunk has that begins nowhere.
const STRAY_ENTRIES: u64 = 3;
/// How many entries a log has that nobody asked for.
const MADE_UP_ENTRIES: u64 = 200;

impl Flooder {
    pub(super) fn new(dice: Dice) -> Self {
        Self { proposal: None, timeout: None, chunk: None, spates: 0, dice }
    }

    /// Of the near future, of a far one, or of the last that there is.
    fn far(&mut self, from: u64) -> u64 {
        match self.dice.below(4) {
            0 => from.saturating_add(self.dice.between(1, 5)),
            1 => from.saturating_add(self.dice.below(1 << 20)),
            2 => u64::MAX - self.dice.below(5),
            _ => self.dice.below(from.saturating_add(1)),
        }
    }

    fn vote(&mut self, culprit: &Culprit, view: u64) -> PeerMessage {
        let rank = Rank { view: self.far(view), slot: u32::try_from(self.dice.below(20_000)).unwrap_or(0) };
        let header = HeaderRef { rank, hash: self.hash() };
        PeerMessage::Consensus(ConsensusMessage::Vote(Vote::sign(culprit.chain, 0, header, culprit.me, &culprit.key)))
    }

    fn hash(&mut self) -> Hash {
        Hash::of("gridbook/no-header/1", &self.dice.below(u64::MAX).to_le_bytes())
    }

    fn proposal(&mut self, culprit: &Culprit) -> Option<PeerMessage> {
        let mut proposal = self.proposal.clone()?;
        let header = &mut proposal.header;
        header.rank.slot = header.rank.slot.saturating_add(u32::try_from(self.dice.between(1, 30)).unwrap_or(1));
        if self.dice.per_mille(500) {
            // Views that it will lead itself.
            header.rank.view = header.rank.view.saturating_add(self.dice.between(1, 9) * 4);
        }
        header.state_root = self.hash();
        proposal.signature = Proposal::sign(&proposal.header, &culprit.key);
        Some(PeerMessage::Consensus(ConsensusMessage::Proposal(proposal)))
    }

    fn bursts_out(&mut self) -> bool {
        let bursts_out = self.spates < SPATES_MAX && self.dice.per_mille(SPATES_PER_MILLE);
        self.spates += u32::from(bursts_out);
        bursts_out
    }

    /// Many more headers of one rank, as proposals or as answers.
    fn headers(&mut self, culprit: &Culprit, model: &Proposal) -> Vec<PeerMessage> {
        let answers = self.dice.per_mille(500);
        let another = |_| {
            let mut proposal = Box::new(model.clone());
            proposal.header.inputs_root = self.hash();
            proposal.signature = Proposal::sign(&proposal.header, &culprit.key);
            PeerMessage::Consensus(match answers {
                true => ConsensusMessage::HeaderResponse(proposal),
                false => ConsensusMessage::Proposal(proposal),
            })
        };
        (0..SPATE).map(another).collect()
    }

    /// Many chunks of one view, each of a log of its own.
    fn beginnings(&mut self, culprit: &Culprit, model: &Chunk) -> Vec<PeerMessage> {
        let another = |number: u64| {
            let (run, end) = self.made_up(model.end.seq + 1 + (STRAY_ENTRIES + 1) * number, STRAY_ENTRIES)?;
            let places_root = places_root(&run.verify().ok()?.places());
            // With numbers between, so that no two of them contradict each other.
            let number = model.number.saturating_add(2 + 2 * u32::try_from(number).ok()?);
            let chunk = Chunk { number, cut: false, run, end, places_root, ..model.clone() };
            Some(PeerMessage::Chunk(Box::new(chunk.sign(culprit.chain, &culprit.key))))
        };
        (0..SPATE).filter_map(another).collect()
    }

    /// Log that begins at a place that there is not, and where it ends.
    fn made_up(&mut self, seq: u64, count: u64) -> Option<(Run, LogPoint)> {
        let start = LogPoint { seq, digest: self.hash() };
        let (mut entries, mut end) = (Vec::new(), start);
        for moment in 0..count {
            let entry = Entry::Time(LedgerTime(moment)).encode();
            end = end_of(end, &entry)?;
            entries.push(entry);
        }
        Some((Run { start, entries }, end))
    }

    fn unasked(&mut self) -> Option<PeerMessage> {
        let seq = self.dice.below(1 << 20);
        let (run, end) = self.made_up(seq, MADE_UP_ENTRIES)?;
        Some(PeerMessage::Pulled { end, run })
    }

    fn timeout(&mut self, culprit: &Culprit) -> Option<PeerMessage> {
        let mut timeout = self.timeout.clone()?;
        timeout.view = self.far(timeout.view);
        timeout.signature = culprit.key.sign(&timeout.signed_bytes(culprit.chain));
        Some(PeerMessage::Consensus(ConsensusMessage::Timeout(timeout)))
    }

    fn chunks(&mut self, culprit: &Culprit) -> Vec<PeerMessage> {
        let Some(model) = self.chunk.clone() else { return Vec::new() };
        let another = |_| {
            let mut chunk = model.clone();
            chunk.number = u32::try_from(self.dice.below(1 << 31)).unwrap_or(0);
            chunk.view = chunk.view.saturating_add(self.dice.between(0, 3) * 4);
            PeerMessage::Chunk(Box::new(chunk.sign(culprit.chain, &culprit.key)))
        };
        (0..EARLY_CHUNKS).map(another).collect()
    }

    fn request(&mut self) -> PeerMessage {
        let target = LogPoint { seq: self.dice.below(1 << 20), digest: self.hash() };
        match self.dice.below(3) {
            0 => PeerMessage::Pull { target, floor_seq: self.dice.below(target.seq + 1) },
            1 => PeerMessage::SyncRequest { from_height: self.dice.below(200) },
            _ => PeerMessage::Consensus(ConsensusMessage::HeaderRequest(target.digest)),
        }
    }

    fn junk(&mut self) -> Vec<u8> {
        let length = self.dice.below(JUNK_MAX);
        (0..length).map(|_| u8::try_from(self.dice.below(256)).unwrap_or(0)).collect()
    }
}

impl Mischief for Flooder {
    fn twist(&mut self, culprit: &Culprit, _to: ValidatorIndex, message: PeerMessage) -> Vec<PeerMessage> {
        let mut words = vec![message];
        match &words[0] {
            PeerMessage::Consensus(ConsensusMessage::Proposal(proposal)) if proposal.header.proposer == culprit.me => {
                self.proposal = Some(proposal.clone());
                if self.bursts_out() {
                    let model = proposal.clone();
                    words.extend(self.headers(culprit, &model));
                }
            }
            PeerMessage::Consensus(ConsensusMessage::Timeout(timeout)) => self.timeout = Some(timeout.clone()),
            PeerMessage::Chunk(chunk) => {
                self.chunk = Some(chunk.clone());
                if self.bursts_out() {
                    let model = chunk.clone();
                    words.extend(self.beginnings(culprit, &model));
                }
            }
            _ => {}
        }
        words
    }

    fn volunteer(&mut self, culprit: &Culprit, _to: ValidatorIndex) -> Vec<Words> {
        let view = self.timeout.as_ref().map_or(1, |timeout| timeout.view);
        let mut words = Vec::new();
        for _ in 0..self.dice.below(BURST) {
            match self.dice.below(7) {
                0 => words.push(Words::Message(self.vote(culprit, view))),
                1 => words.extend(self.proposal(culprit).map(Words::Message)),
                2 => words.extend(self.timeout(culprit).map(Words::Message)),
                3 => words.extend(self.chunks(culprit).into_iter().map(Words::Message)),
                4 => words.push(Words::Message(self.request())),
                5 => words.extend(self.unasked().map(Words::Message)),
                _ => words.push(Words::Junk(self.junk())),
            }
        }
        words
    }
}
