//! S1: telling which bundles a certificate covers, before they are final (CONSENSUS section 1).

use crate::entry::Entry;
use crate::header::{LogPoint, Rank};

use super::{Effect, FinalBundle, Replica};

/// Up to where it was told.
#[derive(Debug, Default)]
pub(super) struct Certified {
    rank: Rank,
    end: LogPoint,
}

impl Replica {
    /// Tells of the bundles that the highest certificate covers and none before did, as soon as their log is executed here.
    pub(super) fn tell_certified(&mut self, effects: &mut Vec<Effect>) {
        let header = self.core.high_qc().header;
        if header.rank <= self.certified.rank {
            return;
        }
        let Some(end) = self.core.proposal(header.hash).map(|proposal| proposal.header.log_end()) else { return };
        if !self.tail.contains(end) {
            return;
        }
        let told = Some(self.certified.end).filter(|end| self.tail.contains(*end)).unwrap_or(self.tail.base());
        self.certified = Certified { rank: header.rank, end };
        let Some(executed) = self.tail.between(told, end) else { return };
        let bundles = executed
            .filter(|executed| matches!(executed.entry, Entry::Bundle(_) | Entry::Reconfigure(_) | Entry::Evidence(_)));
        let bundles: Vec<FinalBundle> = bundles.map(|executed| FinalBundle::at(executed.place())).collect();
        if !bundles.is_empty() {
            effects.push(Effect::Certified { header, bundles });
        }
    }
}
