//! Sees everything that all validators do, and holds it against the rules.

use std::collections::{BTreeMap, BTreeSet};

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::header::{HeaderRef, LogPoint};
use gridbook_ledger::hotstuff::{Core, Proposal, SafetyRecord, TimeoutEntry};

use super::ring::Ring;
use super::toy_log::Universe;
use super::violation::Violation;

/// What all validators together made final, certified and voted for.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    finals: BTreeMap<u64, (Hash, Proposal)>,
    certified: BTreeMap<Hash, (HeaderRef, LogPoint)>,
    /// Which validators voted for what, also if they could not say it.
    votes: BTreeSet<(usize, Hash)>,
    gave_up: BTreeSet<(usize, u64)>,
    /// Who was proven guilty.
    pub(crate) guilty: BTreeSet<usize>,
}

impl Witness {
    /// A header became final somewhere.
    pub(crate) fn note_final(&mut self, hash: Hash, proposal: &Proposal, universe: &Universe) -> Result<(), Violation> {
        let height = proposal.header.height;
        let (first, _) = self.finals.entry(height).or_insert_with(|| (hash, proposal.clone()));
        if *first != hash {
            return Err(Violation::Fork { height });
        }
        if !universe.bears_out(&proposal.header) {
            return Err(Violation::WrongState { height });
        }
        Ok(())
    }

    /// A validator is about to stand by a record.
    pub(crate) fn note_record(&mut self, place: usize, record: &SafetyRecord) {
        self.votes.extend(record.last_voted.map(|voted| (place, voted.hash)));
        self.gave_up.insert((place, record.timeout_view));
    }

    /// Notes what a validator stands by after an input, and checks the certificates it holds.
    pub(crate) fn look_at(
        &mut self,
        place: usize,
        core: &Core,
        ring: &Ring,
        honest: impl Fn(usize) -> bool,
    ) -> Result<(), Violation> {
        self.note_record(place, core.record());
        if honest(place) { self.check_certificates(core, ring, honest) } else { Ok(()) }
    }

    fn check_certificates(
        &mut self,
        core: &Core,
        ring: &Ring,
        honest: impl Fn(usize) -> bool,
    ) -> Result<(), Violation> {
        let qc = core.high_qc();
        if qc.header != ring.root.reference() && !self.certified.contains_key(&qc.header.hash) {
            let voters: Vec<usize> = qc.voters().map(|voter| voter.0.into()).collect();
            let given = |voter: &usize| !honest(*voter) || self.votes.contains(&(*voter, qc.header.hash));
            if voters.len() < ring.set.quorum() || !voters.iter().all(given) {
                return Err(Violation::FalseCertificate("votes of honest validators that never were"));
            }
            if let Some(proposal) = core.proposal(qc.header.hash) {
                self.certified.insert(qc.header.hash, (qc.header, proposal.header.log_end()));
            }
        }
        let Some(tc) = &core.record().high_tc else { return Ok(()) };
        let voters: BTreeSet<usize> = tc.entries.iter().map(|entry| entry.voter.0.into()).collect();
        let given = |voter: &usize| !honest(*voter) || self.gave_up.contains(&(*voter, tc.view));
        if voters.len() < ring.set.quorum() || !voters.iter().all(given) {
            return Err(Violation::FalseCertificate("timeouts of honest validators that never were"));
        }
        let highest = tc.entries.iter().map(|entry| entry.high_qc_rank).max();
        if highest != Some(tc.high_qc.rank()) {
            return Err(Violation::FalseCertificate("timeouts that hide the highest certificate among them"));
        }
        let above = |entry: &TimeoutEntry| entry.tip.is_some_and(|tip| tip.rank.view > tc.view);
        if tc.entries.iter().any(above) {
            return Err(Violation::FalseCertificate("a timeout that tells of a rank above its view"));
        }
        Ok(())
    }

    /// At the end: whatever was certified is in the final log.
    pub(crate) fn check_nothing_certified_was_lost(&self, universe: &Universe) -> Result<(), Violation> {
        let end = self.finals.last_key_value().map_or_else(LogPoint::default, |(_, (_, last))| last.header.log_end());
        let lost = self.certified.values().find(|(_, point)| !universe.contains(end, *point));
        lost.map_or(Ok(()), |(header, _)| Err(Violation::CertifiedLost { rank: header.rank }))
    }

    /// Final proposals from this height on, for a validator that is behind.
    pub(crate) fn history(&self, from: u64, to: u64) -> Vec<Proposal> {
        self.finals.range(from..=to.max(from)).map(|(_, (_, proposal))| proposal.clone()).collect()
    }

    pub(crate) fn height(&self) -> u64 {
        self.finals.last_key_value().map_or(0, |(height, _)| *height)
    }
}
