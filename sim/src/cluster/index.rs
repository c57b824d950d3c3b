//! The query index of a validator: what it looks up to answer others and its clients. It may lag behind the log after a crash.

use std::collections::{BTreeMap, BTreeSet};

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::replica::{FinalStep, IndexedHeader};

use super::dice::Dice;

/// Final headers and bundles by height.
#[derive(Debug, Default)]
pub(super) struct Index {
    heights: BTreeMap<u64, (IndexedHeader, Vec<Hash>)>,
    /// The height before the first that it may know.
    begins_after: u64,
    bundles: BTreeSet<Hash>,
    /// What it knew once and its log still says: out of this a gap is filled.
    in_log: BTreeMap<u64, (IndexedHeader, Vec<Hash>)>,
}

/// How many heights it may lose in a crash: it is written in pieces.
const LAG_MAX: u64 = 20;

impl Index {
    pub(super) fn last_height(&self) -> u64 {
        self.heights.last_key_value().map_or(self.begins_after, |(height, _)| *height)
    }

    /// The first height that it knows, if it knows any.
    pub(super) fn first_height(&self) -> Option<u64> {
        self.heights.keys().next().copied()
    }

    /// The height that holds a command, if it is known.
    pub(super) fn height_of(&self, seq: u64) -> Option<u64> {
        let holds = |header: &IndexedHeader| {
            let header = &header.proposal.header;
            (header.first_seq..=header.last_seq).contains(&seq)
        };
        self.heights.iter().find(|(_, (header, _))| holds(header)).map(|(height, _)| *height)
    }

    /// Heights before this one are not known here: everything is forgotten, and begins there.
    pub(super) fn begin_at(&mut self, height: u64) {
        self.cut(0);
        self.begins_after = height - 1;
    }

    /// Whether heights are missing that a log from genesis on says.
    pub(super) fn has_gap(&self) -> bool {
        self.begins_after > 0 && self.in_log.range(..=self.begins_after).count() as u64 == self.begins_after
    }

    /// The log was read again from its beginning, behind everything else: what is missing is known again.
    pub(super) fn fill(&mut self) {
        if !self.has_gap() {
            return;
        }
        for (height, (header, bundles)) in self.in_log.range(..=self.begins_after) {
            self.bundles.extend(bundles);
            self.heights.insert(*height, (header.clone(), bundles.clone()));
        }
        self.begins_after = 0;
    }

    /// Notes a final header. They must come in order, each once.
    pub(super) fn note(&mut self, step: &FinalStep) -> Result<(), String> {
        let (height, next) = (step.proposal.header.height, self.last_height() + 1);
        if height != next {
            return Err(format!("height {height} is told as final where {next} is next"));
        }
        let bundles: Vec<Hash> = step.bundles.iter().map(|bundle| bundle.id).collect();
        self.bundles.extend(&bundles);
        let header = IndexedHeader { proposal: step.proposal.clone(), proof: step.proof.as_deref().cloned() };
        self.in_log.insert(height, (header.clone(), bundles.clone()));
        self.heights.insert(height, (header, bundles));
        Ok(())
    }

    /// A crash: the newest heights may be gone.
    pub(super) fn crash(&mut self, dice: &mut Dice) {
        let lost = if dice.per_mille(500) { 0 } else { dice.below(LAG_MAX) };
        self.cut(self.last_height().saturating_sub(lost).max(self.begins_after));
    }

    /// Forgets what is higher.
    pub(super) fn cut(&mut self, height: u64) {
        for (_, bundles) in self.heights.split_off(&(height + 1)).into_values() {
            for bundle in bundles {
                self.bundles.remove(&bundle);
            }
        }
    }

    /// Headers from a height on.
    pub(super) fn headers(&self, from_height: u64, count_max: usize) -> Vec<IndexedHeader> {
        self.heights.range(from_height..).take(count_max).map(|(_, (header, _))| header.clone()).collect()
    }

    pub(super) fn knows(&self, bundle: Hash) -> bool {
        self.bundles.contains(&bundle)
    }
}
