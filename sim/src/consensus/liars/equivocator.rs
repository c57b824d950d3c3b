//! Proposes two headers at each rank, one to each half, and certifies whatever it can.

use std::collections::BTreeMap;

use gridbook_ledger::crypto::Signature;
use gridbook_ledger::header::{HeaderRef, LogPoint};
use gridbook_ledger::hotstuff::{ConsensusMessage, Proposal, QcNote, Recipient, Vote};
use gridbook_ledger::validators::ValidatorIndex;

use super::{Liar, Sends, Stage};
use crate::consensus::ring::{certificate, index};
use crate::consensus::toy_log::state_root;

#[derive(Debug, Default)]
pub(super) struct Equivocator {
    heard: Vec<(HeaderRef, BTreeMap<ValidatorIndex, Signature>)>,
}

impl Liar for Equivocator {
    fn hear(&mut self, stage: &mut Stage<'_>, message: &ConsensusMessage) -> Sends {
        let ConsensusMessage::Vote(vote) = message else { return Vec::new() };
        self.certify(stage, vote)
    }

    fn say(&mut self, stage: &mut Stage<'_>, to: Recipient, message: ConsensusMessage) -> Sends {
        match message {
            ConsensusMessage::Proposal(proposal) if proposal.header.proposer == index(stage.me.place) => {
                let other = double(stage, &proposal);
                let pick = |who: usize| if who.is_multiple_of(2) { proposal.clone() } else { Box::new(other.clone()) };
                let to_one = |who: usize| (Recipient::One(index(who)), ConsensusMessage::Proposal(pick(who)));
                stage.others().map(to_one).collect()
            }
            message => vec![(to, message)],
        }
    }
}

impl Equivocator {
    /// Adds its own vote to those of others and tells only some of the certificate.
    fn certify(&mut self, stage: &Stage<'_>, vote: &Vote) -> Sends {
        let me = stage.me.place;
        if !self.heard.iter().any(|(header, _)| *header == vote.header) {
            self.heard.push((vote.header, BTreeMap::new()));
        }
        let Some((_, votes)) = self.heard.iter_mut().find(|(header, _)| *header == vote.header) else {
            return Vec::new();
        };
        votes.insert(vote.voter, vote.signature);
        votes.insert(index(me), stage.ring.vote(me, vote.header).signature);
        if votes.len() < stage.ring.set.quorum() {
            return Vec::new();
        }
        let note = QcNote { qc: certificate(vote.header, &*votes), tc: None };
        let to = index((me + 1) % stage.ring.keys.len());
        vec![(Recipient::One(to), ConsensusMessage::QcNote(Box::new(note)))]
    }
}

/// The same header with a different log.
pub(super) fn double(stage: &mut Stage<'_>, proposal: &Proposal) -> Proposal {
    let header = &proposal.header;
    let start = other_log_start(stage, proposal);
    let end = stage.universe.append(start, 1_000_000 + header.rank.view);
    stage.me.take_in(end.digest);
    stage.ring.altered(proposal, stage.me.place, |p| {
        (p.header.last_seq, p.header.log_digest) = (end.seq, end.digest);
        p.header.state_root = state_root(end.digest);
    })
}

/// Where a header's part of the log begins.
fn other_log_start(stage: &Stage<'_>, proposal: &Proposal) -> LogPoint {
    let header = &proposal.header;
    let seq = header.first_seq - 1;
    let log = stage.universe.back_to(header.log_end(), seq).unwrap_or_default();
    LogPoint { seq, digest: log.last().map_or(header.log_digest, |(_, entry)| entry.before) }
}
