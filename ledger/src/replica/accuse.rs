//! Evidence: kept once, written to the log, told to all.

use crate::evidence::{Evidence, EvidenceKey, KeptEvidence, Statement, VerifiedEvidence};
use crate::header::{Header, LogPoint};
use crate::hotstuff::{LogRelation, Proposal, QuorumCert, Recipient};
use crate::sequenced::ChunkStatement;
use crate::validators::ValidatorIndex;

use super::{Effect, LogRecord, PeerMessage, Replica};

/// The most headers with wrong results that are remembered until a certified one can be laid beside them; one of each proposer.
const DISPUTED_MAX: usize = 64;

impl Replica {
    /// Evidence found here, as far as anybody else may have found it: it counts only if it verifies.
    pub(super) fn accuse(&mut self, evidence: Evidence, effects: &mut Vec<Effect>) {
        if let Some(verified) = self.checked(evidence) {
            self.take_evidence(verified, effects);
        }
    }

    /// Takes evidence in: from here, or from another validator. What is new goes to the log and on to all others, once.
    pub(super) fn take_evidence(&mut self, verified: VerifiedEvidence, effects: &mut Vec<Effect>) {
        if !self.evidence.insert(verified.clone()) {
            return;
        }
        let evidence = verified.evidence();
        let present = (evidence.epoch(), evidence.view()) == (self.epoch(), self.core.view());
        if present && evidence.kind.is_of_leader() && self.core.leader() == verified.culprit() {
            self.blame_leader();
        }
        let bytes = evidence.encode();
        effects.push(Effect::Append(LogRecord::Evidence(bytes.clone())));
        effects.push(Effect::Post { to: Recipient::Others, message: PeerMessage::Evidence(bytes) });
        effects.push(Effect::Evidence(Box::new(verified)));
    }

    /// Takes evidence back out of the own log, which was checked before it was written.
    pub(super) fn recall_evidence(&mut self, bytes: &[u8]) {
        if let Some(verified) = Evidence::decode(bytes).ok().and_then(|evidence| self.checked(evidence)) {
            self.evidence.insert(verified);
        }
    }

    fn checked(&self, evidence: Evidence) -> Option<VerifiedEvidence> {
        let epoch = evidence.epoch();
        let set = self.passage.epochs.set(epoch)?;
        VerifiedEvidence::check(evidence, self.chain, epoch, set).ok()
    }

    /// The oldest that is kept and can be entered on the ledger, but is not.
    pub(super) fn unentered_evidence(&self) -> Option<(EvidenceKey, Evidence)> {
        let enters = |key: &EvidenceKey| self.state.takes_evidence_of(key.epoch) && !self.state.holds_evidence(*key);
        let mut recent = self.evidence.since(self.state.epoch().0.saturating_sub(1));
        recent.find(|(key, _)| enters(key)).map(|(key, evidence)| (*key, evidence.clone()))
    }

    /// Shows a validator that just connected what is kept of this epoch.
    pub(super) fn show_evidence(&self, peer: ValidatorIndex, effects: &mut Vec<Effect>) {
        let epoch = self.epoch();
        for (_, evidence) in self.evidence.iter().filter(|(key, _)| key.epoch == epoch && key.culprit != peer) {
            let message = PeerMessage::Evidence(evidence.encode());
            effects.push(Effect::Post { to: Recipient::One(peer), message });
        }
    }

    /// The leader of this view broke a rule of the log plane: the view is given up when the present input is done with.
    pub(super) fn blame_leader(&mut self) {
        self.faulty_view = Some(self.core.view());
    }

    /// Takes in what a leader signed about its chunk; false if it contradicts an earlier one.
    pub(super) fn hear_chunk(&mut self, chunk: &ChunkStatement, effects: &mut Vec<Effect>) -> bool {
        let Some(evidence) = self.chunks.hear(chunk) else { return true };
        self.accuse(evidence, effects);
        self.blame_leader();
        false
    }

    /// Whether a place lies beside the log that was followed in this view. An honest leader leads along one log, so only a faulty one makes its
    /// followers undo what they executed for it, and it does so at most once.
    pub(super) fn leaves_followed(&self, end: LogPoint) -> bool {
        let Some(followed) = self.followed.filter(|followed| followed.seq > self.tail.base().seq) else { return false };
        end.seq > self.tail.base().seq && self.branches.relation(end, followed) == LogRelation::Conflict
    }

    /// A header of this view ends beside the log that its leader streamed.
    pub(super) fn blame_for_header(&mut self, header: &Header, effects: &mut Vec<Effect>) {
        let evidence = self.core.proposal(header.hash()).and_then(|proposal| self.chunks.against(proposal));
        if let Some(evidence) = evidence {
            self.accuse(evidence, effects);
        }
        self.blame_leader();
    }

    /// Remembers a header whose results are not those of own execution, until one of the same log is certified.
    pub(super) fn dispute(&mut self, header: &Header) {
        let Some(proposal) = self.core.proposal(header.hash()) else { return };
        self.disputed.insert(header.proposer, proposal.clone());
        while self.disputed.len() > DISPUTED_MAX {
            self.disputed.pop_first();
        }
    }

    /// Lays what is disputed beside a certified header.
    pub(super) fn settle_disputes(&mut self, certified: &Header, qc: &QuorumCert, effects: &mut Vec<Effect>) {
        let end = certified.log_end();
        let disputed: Vec<Proposal> =
            self.disputed.values().filter(|proposal| proposal.header.log_end() == end).cloned().collect();
        for proposal in disputed {
            let certified = Statement::Certified(Box::new(certified.clone()), qc.clone());
            if let Some(evidence) = Evidence::of(Statement::of_proposal(&proposal), certified) {
                self.accuse(evidence, effects);
            }
            self.disputed.remove(&proposal.header.proposer);
        }
    }

    /// What is kept, as records of the log. They are written again behind every state that the log is gone on from, for what comes before
    /// it is not read any more.
    pub fn evidence_records(&self) -> impl Iterator<Item = LogRecord> {
        self.evidence.iter().map(|(_, evidence)| LogRecord::Evidence(evidence.encode()))
    }

    /// What is proven against whom: one evidence for each validator, kind and epoch.
    pub fn evidence(&self) -> &KeptEvidence {
        &self.evidence
    }

    /// Whether evidence of this kind would say nothing new.
    pub fn knows_evidence(&self, key: EvidenceKey) -> bool {
        self.evidence.holds(key)
    }
}
