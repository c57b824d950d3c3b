//! The headers known here: the last final one, some before it to serve others, and those after it in all their branches.

use std::collections::BTreeMap;

use super::boundary::Verdict;
use super::messages::Proposal;
use crate::crypto::Hash;
use crate::header::{Header, HeaderRef, Rank};

/// A header after the last final one.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) proposal: Proposal,
    /// Whether it was given to the log to keep.
    pub(super) kept: bool,
    /// Whether [`super::Effect::Check`] was asked for.
    pub(super) asked: bool,
    /// The answer.
    pub(super) verdict: Option<Verdict>,
}

/// How a header hangs together with the last final one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// The headers after the last final one up to it, oldest first; none if it is final.
    Whole(Vec<Hash>),
    /// This one is not known; the lowest known after it has this height.
    Missing(Hash, Option<u64>),
    /// It does not descend from the last final header: more than f validators are Byzantine.
    Fork,
}

/// See the module.
#[derive(Debug)]
pub(super) struct HeaderTree {
    last_final: Header,
    last_final_hash: Hash,
    unfinal: BTreeMap<Hash, Known>,
    served: BTreeMap<u64, (Hash, Proposal)>,
}

/// How many final proposals stay here for validators that are close behind.
pub(super) const SERVED_MAX: usize = 64;

/// For how many views a header that nobody certified is kept.
const VIEWS_KEPT: u64 = 8;

impl HeaderTree {
    /// `last_final_hash` is told because an epoch's root has the hash of the header that it was in the epoch before.
    pub(super) fn new(last_final: Header, last_final_hash: Hash) -> Self {
        Self { last_final, last_final_hash, unfinal: BTreeMap::new(), served: BTreeMap::new() }
    }

    /// The last final header and its hash.
    pub(super) fn last_final(&self) -> (&Header, Hash) {
        (&self.last_final, self.last_final_hash)
    }

    /// A header that may be built on or compared with: the last final one, or one after it.
    pub(super) fn header(&self, hash: Hash) -> Option<&Header> {
        if hash == self.last_final_hash {
            return Some(&self.last_final);
        }
        self.unfinal.get(&hash).map(|k| &k.proposal.header)
    }

    /// A whole proposal, final ones among the last few too.
    pub(super) fn proposal(&self, hash: Hash) -> Option<&Proposal> {
        let served = || self.served.values().rev().find(|(h, _)| *h == hash).map(|(_, p)| p);
        self.unfinal.get(&hash).map(|k| &k.proposal).or_else(served)
    }

    pub(super) fn known(&self, hash: Hash) -> Option<&Known> {
        self.unfinal.get(&hash)
    }

    pub(super) fn known_mut(&mut self, hash: Hash) -> Option<&mut Known> {
        self.unfinal.get_mut(&hash)
    }

    pub(super) fn insert(&mut self, hash: Hash, proposal: Proposal, kept: bool) {
        let known = Known { proposal, kept, asked: false, verdict: None };
        self.unfinal.entry(hash).or_insert(known);
    }

    /// Remembers a final proposal for others.
    pub(super) fn serve(&mut self, hash: Hash, proposal: Proposal) {
        self.served.insert(proposal.header.height, (hash, proposal));
        while self.served.len() > SERVED_MAX {
            self.served.pop_first();
        }
    }

    pub(super) fn at_rank(&self, rank: Rank) -> impl Iterator<Item = (Hash, &Known)> {
        self.unfinal.iter().filter(move |(_, k)| k.proposal.header.rank == rank).map(|(hash, k)| (*hash, k))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (Hash, &Known)> {
        self.unfinal.iter().map(|(hash, k)| (*hash, k))
    }

    /// The headers of a view.
    pub(super) fn in_view(&self, view: u64) -> impl Iterator<Item = (Hash, &Known)> {
        self.unfinal.iter().filter(move |(_, k)| k.proposal.header.rank.view == view).map(|(hash, k)| (*hash, k))
    }

    pub(super) fn proposals(&self) -> impl Iterator<Item = &Proposal> {
        self.unfinal.values().map(|k| &k.proposal)
    }

    pub(super) fn unfinal_count(&self) -> usize {
        self.unfinal.len()
    }

    /// How a header hangs together with the last final one.
    pub(super) fn path_to(&self, tip: HeaderRef) -> Path {
        let mut path = Vec::new();
        let (mut hash, mut lowest) = (tip.hash, None);
        while hash != self.last_final_hash {
            let Some(known) = self.unfinal.get(&hash) else {
                let below = tip.rank <= self.last_final.rank || self.served.values().any(|(h, _)| *h == hash);
                return match lowest {
                    None if below => Path::Whole(Vec::new()),
                    Some(height) if height <= self.last_final.height + 1 => Path::Fork,
                    lowest => Path::Missing(hash, lowest),
                };
            };
            let header = &known.proposal.header;
            if header.height <= self.last_final.height {
                return Path::Fork;
            }
            lowest = Some(header.height);
            path.push(hash);
            hash = header.parent;
        }
        path.reverse();
        Path::Whole(path)
    }

    /// Makes the headers of a path final and forgets what can never be: all others that are not above them in rank.
    /// `tip` is spared, for it may have to be shown to others.
    pub(super) fn finalise(&mut self, path: &[Hash], tip: Option<Hash>) -> Vec<Proposal> {
        let mut proposals = Vec::with_capacity(path.len());
        for hash in path {
            let known = self.unfinal.remove(hash).expect("a path holds known headers");
            self.last_final = known.proposal.header.clone();
            self.last_final_hash = *hash;
            self.serve(*hash, known.proposal.clone());
            proposals.push(known.proposal);
        }
        let rank = self.last_final.rank;
        self.unfinal.retain(|hash, k| k.proposal.header.rank > rank || Some(*hash) == tip);
        proposals
    }

    /// Forgets headers of long past views that nobody certified.
    pub(super) fn forget_before(&mut self, view: u64, certified: HeaderRef, tip: Option<Hash>) {
        let path = match self.path_to(certified) {
            Path::Whole(path) => path,
            Path::Missing(..) | Path::Fork => return,
        };
        self.unfinal.retain(|hash, k| {
            k.proposal.header.rank.view.saturating_add(VIEWS_KEPT) >= view || path.contains(hash) || Some(*hash) == tip
        });
    }
}
