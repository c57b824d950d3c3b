//! Makes certificates of too few, doubled and invented signatures, and shows them around.

use std::collections::BTreeMap;

use gridbook_ledger::crypto::Signature;
use gridbook_ledger::header::HeaderRef;
use gridbook_ledger::hotstuff::{ConsensusMessage, QcNote, QuorumCert, Timeout, TimeoutCert};
use gridbook_ledger::validators::ValidatorIndex;

use super::{Liar, Sends, Stage, to_each};
use crate::consensus::ring::{certificate, index};

/// Each time another kind.
#[derive(Debug, Default)]
pub(super) struct Forger {
    turn: usize,
    /// Timeouts of one view, the highest that it heard of.
    heard: BTreeMap<ValidatorIndex, Timeout>,
}

impl Liar for Forger {
    fn hear(&mut self, stage: &mut Stage<'_>, message: &ConsensusMessage) -> Sends {
        self.turn += 1;
        match message {
            ConsensusMessage::Proposal(proposal) => {
                let qc = self.false_qc(stage, proposal.header.reference());
                to_each(stage, &ConsensusMessage::QcNote(Box::new(QcNote { qc, tc: None })))
            }
            ConsensusMessage::Timeout(timeout) => {
                self.heard.retain(|_, heard| heard.view == timeout.view);
                self.heard.insert(timeout.voter, (**timeout).clone());
                let Some(tc) = self.false_tc(stage, timeout) else { return Vec::new() };
                to_each(stage, &ConsensusMessage::TimeoutCert(Box::new(tc)))
            }
            _ => Vec::new(),
        }
    }
}

impl Forger {
    fn false_qc(&self, stage: &Stage<'_>, header: HeaderRef) -> QuorumCert {
        let me = stage.me.place;
        let own = stage.ring.vote(me, header).signature;
        let alone = certificate(header, [(&index(me), &own)]);
        let quorum = stage.ring.set.quorum();
        // Its own bit comes first among those claimed, so that a check of the first signature alone is content.
        let others = (0..stage.ring.keys.len()).filter(|who| *who > me).take(quorum - 1);
        let claimed = others.fold(alone.signers, |bits, who| bits | 1 << who);
        match self.turn % 3 {
            0 => QuorumCert { signers: claimed, ..alone },
            1 => {
                let signatures = vec![Signature([3; 64]); claimed.count_ones() as usize];
                QuorumCert { signers: claimed, signatures, ..alone }
            }
            _ => alone,
        }
    }

    /// From one timeout of another and its own.
    fn false_tc(&self, stage: &Stage<'_>, other: &Timeout) -> Option<TimeoutCert> {
        let ring = stage.ring;
        let (quorum, me) = (ring.set.quorum(), stage.me.place);
        let own = ring.timeout(me, other.view, ring.root_qc(), None);
        let mut pair = vec![own, other.clone()];
        pair.sort_by_key(|timeout| timeout.voter);
        let mut tc = ring.tc(other.view, &pair)?;
        match self.turn % 4 {
            3 => {
                let all: Vec<Timeout> = self.heard.values().cloned().collect();
                tc = ring.tc(other.view, &all)?;
                tc.high_qc = all.iter().map(|timeout| &timeout.high_qc).min_by_key(|qc| qc.rank())?.clone();
            }
            0 => {
                let last = tc.entries.last()?.clone();
                tc.entries.resize(quorum, last);
            }
            1 => {
                let mut invented = tc.entries[0].clone();
                let others = (0..ring.keys.len()).map(index).filter(|who| pair.iter().all(|t| t.voter != *who));
                invented.signature = Signature([5; 64]);
                for voter in others.take(quorum - 2) {
                    invented.voter = voter;
                    tc.entries.push(invented.clone());
                }
                tc.entries.sort_by_key(|entry| entry.voter);
            }
            _ => {}
        }
        Some(tc)
    }
}
