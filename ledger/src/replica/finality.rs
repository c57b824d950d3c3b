//! What is final leaves the tail: it can no longer be undone, and is told to whoever waits.

use crate::crypto::Hash;
use crate::entry::Entry;
use crate::header::{HeaderRef, LogPoint};
use crate::hotstuff::{FinalHeader, Proposal, Verdict};

use super::branches::NoPath;
use super::{Effect, FinalBundle, FinalProof, FinalStep, LogRecord, Replica};

/// A header that is final, but perhaps not executed here yet.
#[derive(Debug)]
pub(super) struct Finalizing {
    proposal: Proposal,
    hash: Hash,
    proof: Option<Box<FinalProof>>,
}

impl Finalizing {
    pub(super) fn reference(&self) -> HeaderRef {
        self.proposal.header.reference()
    }

    pub(super) fn log_end(&self) -> LogPoint {
        self.proposal.header.log_end()
    }
}

/// How many final headers are remembered: consensus may still ask about them.
const RECENT_FINAL: usize = 128;
/// How many final commands stay at hand for validators that missed a little.
const KEEP_FINAL: u64 = 1 << 16;

impl Replica {
    pub(super) fn make_final(&mut self, headers: Vec<FinalHeader>, proof: FinalProof, effects: &mut Vec<Effect>) {
        self.expect_ends(headers.iter().map(|known| &known.proposal.header));
        let last = headers.len().saturating_sub(1);
        for (i, FinalHeader { proposal, hash }) in headers.into_iter().enumerate() {
            let proof = (i == last).then(|| Box::new(proof.clone()));
            self.to_finalize.push_back(Finalizing { proposal, hash, proof });
        }
        self.finalize_ready(effects);
    }

    /// Finalises what is executed, executing and fetching what is not.
    pub(super) fn finalize_ready(&mut self, effects: &mut Vec<Effect>) {
        while let Some(next) = self.to_finalize.pop_front() {
            match self.go_through(next.proposal.header.log_end(), effects) {
                Ok(()) => self.finalize(next, effects),
                Err(NoPath::Missing(point)) => {
                    self.pull(point, self.others());
                    self.to_finalize.push_front(next);
                    return self.await_history();
                }
                Err(NoPath::Conflict) => {
                    return self.halt("a final header contradicts one that was final before".into(), effects);
                }
            }
            if self.halted {
                return;
            }
        }
        self.end_sync_if_caught_up();
    }

    /// As [`Replica::make_final`] for a single header that the log file says is final, and that was checked.
    pub(super) fn finalize_known(
        &mut self,
        proposal: Proposal,
        hash: Hash,
        proof: Option<Box<FinalProof>>,
        effects: &mut Vec<Effect>,
    ) {
        self.finalize(Finalizing { proposal, hash, proof }, effects);
    }

    fn finalize(&mut self, next: Finalizing, effects: &mut Vec<Effect>) {
        let header = next.proposal.header.clone();
        assert_eq!(header.height, self.final_header.height + 1, "finality goes from parent to child");
        if !self.disputed.is_empty() && next.proposal.justify.header == self.final_header.reference() {
            let certified = self.final_header.clone();
            self.settle_disputes(&certified, &next.proposal.justify, effects);
        }
        if self.verdict(&header, self.final_header.log_end(), effects) == Verdict::Differs {
            let why = format!("the final header {} differs from own execution", header.height);
            return self.halt(why, effects);
        }
        let mut step = FinalStep {
            proposal: next.proposal,
            hash: next.hash,
            records: Vec::new(),
            bundles: Vec::new(),
            proof: next.proof,
        };
        let mut next_set = None;
        for executed in self.tail.finalize(header.log_end(), header.state_root) {
            if let Entry::Bundle(bundle) = &executed.entry {
                self.pool.finished(bundle.id());
            }
            if matches!(executed.entry, Entry::Bundle(_) | Entry::Reconfigure(_) | Entry::Evidence(_)) {
                step.bundles.push(FinalBundle::at(executed.place()));
            }
            next_set = next_set.or(executed.next_set);
            step.records.extend(executed.records);
        }
        let horizon = self.tail.oldest_mark().unwrap_or_else(|| self.state.mark());
        self.state.forget(horizon);
        self.cuts = self.cuts.split_off(&(header.last_seq + 1, Hash::ZERO));
        self.branches.forget(header.last_seq.saturating_sub(KEEP_FINAL));
        self.final_header = header;
        self.final_proposal = Some(step.proposal.clone());
        self.recent_final.push_back(step.hash);
        if self.recent_final.len() > RECENT_FINAL {
            self.recent_final.pop_front();
        }
        if let (Some(next_set), Some(proof)) = (next_set, &step.proof) {
            let end = self.final_header.clone();
            self.end_epoch(&end, proof, *next_set);
        }
        let (height, hash, proof) = (self.final_header.height, step.hash, step.proof.clone());
        let last_seq = self.final_header.last_seq;
        effects.push(Effect::Append(LogRecord::Final { height, hash, last_seq, proof: proof.clone() }));
        effects.push(Effect::Final(Box::new(step)));
        self.take_snapshot(proof, effects);
    }
}
