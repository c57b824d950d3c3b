//! What validators told before anything was final, and whether it was kept (CONSENSUS section 1).

use std::collections::{BTreeMap, BTreeSet};

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::header::{Header, Rank};
use gridbook_ledger::hotstuff::ConsensusMessage;
use gridbook_ledger::replica::{FinalBundle, FinalProof, PeerMessage};
use gridbook_ledger::sequenced::SequencedChunk;

/// Promises of honest validators, and what became final.
#[derive(Debug, Default)]
pub(super) struct Promises {
    /// Final log entries by the sequence number of their first command.
    entries: BTreeMap<u64, FinalEntry>,
    last_seq: u64,
    /// Up to where it was told what made the entries final.
    proven_seq: u64,
    /// S1: places and entries that a certificate covers.
    certified: BTreeSet<(u64, Hash)>,
    /// S0: places that an honest leader gave to entries, with its epoch and view.
    sequenced: BTreeSet<(u64, Hash, u32, u64)>,
    /// What those who lie have signed, by kind of statement, signer, epoch and rank.
    signed: BTreeMap<(bool, usize, u32, Rank), Hash>,
    equivocated: bool,
    pub(super) kept: u64,
}

#[derive(Clone, Copy, Debug)]
struct FinalEntry {
    id: Hash,
    epoch: u32,
    /// Of its header.
    view: u64,
    /// Of the certificate that made it final.
    final_by: u64,
}

impl Promises {
    /// How many log entries are final.
    pub(super) fn entries(&self) -> usize {
        self.entries.len()
    }

    /// An honest validator tells that a certificate covers these bundles.
    pub(super) fn certify(&mut self, from: usize, bundles: &[FinalBundle]) -> Result<(), String> {
        for bundle in bundles {
            let place = (bundle.first_seq, bundle.id);
            if bundle.first_seq <= self.last_seq {
                self.check_certified(place).map_err(|why| format!("validator {from}, late: {why}"))?;
            } else {
                self.certified.insert(place);
            }
        }
        Ok(())
    }

    /// An honest leader tells which entry has which place.
    pub(super) fn sequence(&mut self, chunk: &SequencedChunk) -> Result<(), String> {
        let (epoch, view) = (chunk.statement().epoch, chunk.statement().view);
        for place in chunk.places() {
            let promise = (place.first_seq, place.entry, epoch, view);
            if place.first_seq <= self.proven_seq {
                self.check_sequenced(promise)?;
            } else {
                self.sequenced.insert(promise);
            }
        }
        Ok(())
    }

    /// A header became final, for the first time anywhere; `entries` begin at these sequence numbers. What made it final comes with the last of
    /// several that became so at once.
    pub(super) fn settle(
        &mut self,
        header: &Header,
        entries: impl Iterator<Item = (u64, Hash)>,
        proof: Option<&FinalProof>,
    ) -> Result<(), String> {
        let (epoch, view) = (header.epoch, header.rank.view);
        self.entries
            .extend(entries.map(|(first_seq, id)| (first_seq, FinalEntry { id, epoch, view, final_by: u64::MAX })));
        self.last_seq = self.last_seq.max(header.last_seq);
        let beyond = (header.last_seq + 1, Hash::ZERO);
        let later = self.certified.split_off(&beyond);
        for place in std::mem::replace(&mut self.certified, later) {
            self.check_certified(place)?;
        }
        let Some(proof) = proof else { return Ok(()) };
        let unproven = self.entries.range_mut(self.proven_seq + 1..);
        unproven.for_each(|(_, entry)| entry.final_by = proof.child.rank.view);
        self.proven_seq = self.last_seq;
        let later = self.sequenced.split_off(&(beyond.0, Hash::ZERO, 0, 0));
        for promise in std::mem::replace(&mut self.sequenced, later) {
            self.check_sequenced(promise)?;
        }
        Ok(())
    }

    /// What is certified is never dropped, unless somebody signed two headers of one rank.
    fn check_certified(&mut self, (first_seq, entry): (u64, Hash)) -> Result<(), String> {
        let is_there = self.entries.get(&first_seq).is_some_and(|there| there.id == entry);
        if !is_there && !self.equivocated {
            return Err(format!("the bundle {entry:?} was told to be certified at {first_seq}, and was dropped"));
        }
        self.kept += u64::from(is_there);
        Ok(())
    }

    /// A place that an honest leader gave is kept, or its view ended before: neither its own header nor what was final by its view has
    /// another entry there. Whoever holds the receipt against the ledger accuses a leader of that.
    fn check_sequenced(&mut self, (first_seq, entry, epoch, view): (u64, Hash, u32, u64)) -> Result<(), String> {
        // In the middle of another entry: its header is that of the entry.
        let there = self.entries.range(..=first_seq).next_back();
        let Some((at, other)) = there else { return Ok(()) };
        let is_kept = *at == first_seq && other.id == entry;
        let is_bound = other.epoch == epoch && (other.view == view || other.final_by <= view);
        if !is_kept && is_bound {
            return Err(format!("the leader of view {view} gave {first_seq} to {entry:?}, and {other:?} is there"));
        }
        self.kept += u64::from(is_kept);
        Ok(())
    }

    /// One that lies sends a message.
    pub(super) fn lied(&mut self, from: usize, message: &PeerMessage) {
        let (kind, epoch, rank, hash) = match message {
            PeerMessage::Consensus(ConsensusMessage::Proposal(proposal)) => {
                let header = &proposal.header;
                (true, header.epoch, header.rank, header.hash())
            }
            PeerMessage::Consensus(ConsensusMessage::Vote(vote)) => {
                (false, vote.epoch, vote.header.rank, vote.header.hash)
            }
            _ => return,
        };
        let before = self.signed.insert((kind, from, epoch, rank), hash);
        self.equivocated |= before.is_some_and(|before| before != hash);
    }
}
