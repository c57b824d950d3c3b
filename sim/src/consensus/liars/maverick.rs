//! Leads as it likes: its headers break one rule, and if the others vote for them it goes on from there.

use std::collections::BTreeMap;

use gridbook_ledger::crypto::{Hash, Signature};
use gridbook_ledger::hotstuff::{ConsensusMessage, Proposal, Recipient, Vote};
use gridbook_ledger::validators::ValidatorIndex;

use super::equivocator::double;
use super::{Liar, Sends, Stage, to_each};
use crate::consensus::ring::{certificate, index};
use crate::consensus::toy_log::state_root;

/// Which rule it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whim {
    /// Slot 2 builds on what slot 0 was built on.
    Rewind,
    /// Slot 2 names the certificate of slot 1 and the parent of slot 0.
    WrongParent,
    /// Slot 0 comes without a timeout certificate and builds on the root.
    NoTc,
    /// Slot 0 builds on the root.
    StaleJustify,
    /// A header skips a height.
    Leap,
    /// The state is not what the log leads to.
    WrongState,
}

#[derive(Debug)]
pub(super) struct Maverick {
    whim: Whim,
    /// The first header it ever saw: it is built on the root.
    first: Option<Proposal>,
    /// Its own header of slot 0 of the view it leads.
    opened: Option<Proposal>,
    /// Its own headers that break the rule, or come after one that does.
    crafted: BTreeMap<Hash, (Proposal, BTreeMap<ValidatorIndex, Signature>)>,
}

impl Maverick {
    pub(super) fn new(whim: Whim) -> Self {
        Self { whim, first: None, opened: None, crafted: BTreeMap::new() }
    }

    /// A header of its own in place of the one that its core proposes; `None` to leave it as it is.
    fn craft(&mut self, stage: &mut Stage<'_>, proposal: &Proposal) -> Option<Proposal> {
        let (rank, me) = (proposal.header.rank, stage.me.place);
        let opened = self.opened.clone()?;
        match self.whim {
            Whim::Rewind if rank.slot == 2 => Some(beside(stage, &opened, |p| {
                p.header.rank = rank;
                (p.tc, p.header.tc_hash) = (None, Hash::ZERO);
            })),
            Whim::WrongParent if rank.slot == 2 => Some(beside(stage, &opened, |p| {
                p.header.rank = rank;
                (p.tc, p.header.tc_hash) = (None, Hash::ZERO);
                (p.header.justify, p.justify) = (proposal.header.justify, proposal.justify.clone());
            })),
            Whim::NoTc | Whim::StaleJustify if rank.slot == 0 && rank.view > 1 => {
                let first = self.first.clone()?;
                let carries = self.whim == Whim::StaleJustify;
                let header = proposal.header.clone();
                Some(stage.ring.altered(&first, me, |p| {
                    (p.header.rank, p.header.proposer) = (rank, index(me));
                    (p.header.last_seq, p.header.log_digest) = (header.last_seq, header.log_digest);
                    p.header.state_root = header.state_root;
                    if carries {
                        (p.tc, p.header.tc_hash) = (proposal.tc.clone(), header.tc_hash);
                    }
                }))
            }
            Whim::Leap if !proposal.header.is_empty() => {
                Some(stage.ring.altered(proposal, me, |p| p.header.height += 1))
            }
            Whim::WrongState if !proposal.header.is_empty() => {
                Some(stage.ring.altered(proposal, me, |p| p.header.state_root = Hash::of("sim/wrong", b"state")))
            }
            _ => None,
        }
    }

    /// Counts a vote for one of its headers, and proposes the next when there are enough.
    fn count(&mut self, stage: &mut Stage<'_>, vote: &Vote) -> Option<Proposal> {
        let quorum = stage.ring.set.quorum();
        let (proposal, votes) = self.crafted.get_mut(&vote.header.hash)?;
        votes.insert(vote.voter, vote.signature);
        votes.insert(index(stage.me.place), stage.ring.vote(stage.me.place, vote.header).signature);
        if votes.len() != quorum {
            return None;
        }
        let justify = certificate(vote.header, &*votes);
        let parent = proposal.clone();
        let end = stage.universe.append(parent.header.log_end(), 2_000_000 + u64::from(parent.header.rank.slot));
        stage.me.take_in(end.digest);
        Some(stage.ring.altered(&parent, stage.me.place, |p| {
            p.header.rank.slot += 1;
            p.header.height += 1;
            (p.header.parent, p.header.justify, p.justify) = (vote.header.hash, vote.header, justify);
            (p.tc, p.header.tc_hash) = (None, Hash::ZERO);
            p.header.first_seq = parent.header.last_seq + 1;
            (p.header.last_seq, p.header.log_digest) = (end.seq, end.digest);
            p.header.state_root = state_root(end.digest);
        }))
    }

    fn propose(&mut self, stage: &Stage<'_>, proposal: Proposal) -> Sends {
        self.crafted.insert(proposal.header.hash(), (proposal.clone(), BTreeMap::new()));
        to_each(stage, &ConsensusMessage::Proposal(Box::new(proposal)))
    }
}

impl Liar for Maverick {
    fn hear(&mut self, stage: &mut Stage<'_>, message: &ConsensusMessage) -> Sends {
        match message {
            ConsensusMessage::Proposal(proposal) if proposal.header.height == 1 => {
                self.first.get_or_insert_with(|| (**proposal).clone());
                Vec::new()
            }
            ConsensusMessage::Vote(vote) => match self.count(stage, vote) {
                Some(next) => self.propose(stage, next),
                None => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn say(&mut self, stage: &mut Stage<'_>, to: Recipient, message: ConsensusMessage) -> Sends {
        match &message {
            ConsensusMessage::Proposal(proposal) if proposal.header.proposer == index(stage.me.place) => {
                if proposal.header.height == 1 {
                    self.first.get_or_insert_with(|| (**proposal).clone());
                }
                if proposal.header.rank.slot == 0 {
                    self.opened = Some((**proposal).clone());
                }
                match self.craft(stage, proposal) {
                    Some(crafted) => self.propose(stage, crafted),
                    None => vec![(to, message)],
                }
            }
            _ => vec![(to, message)],
        }
    }
}

/// A header beside another, with a log of its own.
fn beside(stage: &mut Stage<'_>, other: &Proposal, change: impl FnOnce(&mut Proposal)) -> Proposal {
    let doubled = double(stage, other);
    stage.ring.altered(&doubled, stage.me.place, change)
}
