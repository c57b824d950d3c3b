//! What the leader of the present view signed of its log, to notice when it leads two.

use std::collections::BTreeMap;

use crate::evidence::{Evidence, Statement};
use crate::hotstuff::Proposal;
use crate::sequenced::ChunkStatement;

/// The last chunks of one view by their number.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    view: u64,
    heard: BTreeMap<u32, ChunkStatement>,
}

/// How many are remembered: chunks and headers come on different streams, and these may be so far apart.
const HEARD_MAX: usize = 64;

impl Chunks {
    /// Begins anew with a view.
    pub(super) fn enter(&mut self, view: u64) {
        self.view = view;
        self.heard.clear();
    }

    /// Takes in a verified chunk of this view. What it proves together with one that came before comes back; it is not remembered then.
    pub(super) fn hear(&mut self, chunk: &ChunkStatement) -> Option<Evidence> {
        if chunk.view != self.view {
            return None;
        }
        let before = self.heard.range(..chunk.number).next_back();
        let after = self.heard.range(chunk.number..).take(2);
        let mut neighbours = before.into_iter().chain(after).map(|(_, neighbour)| neighbour);
        let contradiction =
            neighbours.find_map(|other| Evidence::of(Statement::Chunk(*other), Statement::Chunk(*chunk)));
        if contradiction.is_none() {
            self.heard.insert(chunk.number, *chunk);
            while self.heard.len() > HEARD_MAX {
                self.heard.pop_first();
            }
        }
        contradiction
    }

    /// What a header of this view proves together with the chunks: that it ends beside their log.
    pub(super) fn against(&self, proposal: &Proposal) -> Option<Evidence> {
        let (header, statement) = (&proposal.header, Statement::of_proposal(proposal));
        if header.rank.view != self.view {
            return None;
        }
        let end = header.log_end();
        let parts = |chunk: &&ChunkStatement| {
            [chunk.start, chunk.end].iter().any(|at| at.seq == end.seq && at.digest != end.digest)
        };
        let beside = self.heard.values().find(parts)?;
        Evidence::of(statement, Statement::Chunk(*beside))
    }
}
