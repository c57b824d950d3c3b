//! One core to which all is said by hand.

use gridbook_ledger::header::{Header, HeaderRef, Rank};
use gridbook_ledger::hotstuff::{
    ConsensusMessage, Core, Effect, Input, Proposal, QcNote, QuorumCert, SafetyRecord, Timeout, TimeoutCert, Verdict,
    WallTime,
};

use crate::ring::{Ring, index};
use crate::toy_log::{OwnLogs, Universe, body};

/// One core among hand-written peers. It has every log, and every check holds.
pub(crate) struct Solo {
    pub(crate) ring: Ring,
    pub(crate) universe: Universe,
    pub(crate) core: Core,
    pub(crate) now: WallTime,
}

impl Solo {
    pub(crate) fn new(me: usize) -> Self {
        let ring = Ring::new(4);
        let core = Core::new(ring.config(me), None, None, Vec::new());
        Self { ring, universe: Universe::default(), core, now: WallTime(1_000_000) }
    }

    pub(crate) fn started(me: usize) -> Self {
        let mut solo = Self::new(me);
        solo.input(Input::Start);
        solo
    }

    /// The same validator after a crash, with what was on disk.
    pub(crate) fn restarted(self, me: usize, record: SafetyRecord, kept: Vec<Proposal>) -> (Self, Vec<Effect>) {
        let core = Core::new(self.ring.config(me), Some(record), None, kept);
        let mut solo = Self { core, ..self };
        let effects = solo.input(Input::Start);
        (solo, effects)
    }

    pub(crate) fn input(&mut self, input: Input) -> Vec<Effect> {
        let mut all = Vec::new();
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let has = self.universe.digests();
            let logs = OwnLogs { universe: &self.universe, has: &has };
            let mut effects = Vec::new();
            self.core.handle(input, &logs, self.now, &mut effects);
            for effect in &effects {
                if let Effect::Check { header, .. } = effect {
                    inputs.push(Input::Checked { hash: header.hash(), verdict: Verdict::Holds });
                }
            }
            all.extend(effects);
        }
        all
    }

    pub(crate) fn hear(&mut self, from: usize, message: ConsensusMessage) -> Vec<Effect> {
        self.input(Input::Message { from: index(from), message })
    }

    pub(crate) fn hear_proposal(&mut self, proposal: &Proposal) -> Vec<Effect> {
        self.hear(proposal.header.proposer.0.into(), ConsensusMessage::Proposal(Box::new(proposal.clone())))
    }

    pub(crate) fn hear_cert(&mut self, header: HeaderRef) -> Vec<Effect> {
        let qc = self.ring.qc(&[0, 1, 2], header);
        self.hear(0, ConsensusMessage::QcNote(Box::new(QcNote { qc, tc: None })))
    }

    /// A header with `commands` more than its parent.
    pub(crate) fn propose(&mut self, at: Rank, parent: &Header, tc: Option<TimeoutCert>, commands: &[u64]) -> Proposal {
        let justify = self.qc_of(parent);
        let end = commands.iter().fold(parent.log_end(), |end, c| self.universe.append(end, *c));
        self.ring.proposal(at, parent, justify, tc, body(parent, end, 0))
    }

    pub(crate) fn qc_of(&self, header: &Header) -> QuorumCert {
        if header.height == 0 { self.ring.root_qc() } else { self.ring.qc(&[0, 1, 2], header.reference()) }
    }

    /// TC(view) by 0, 1 and 2, all with this certificate and tip.
    pub(crate) fn tc(&self, view: u64, high_qc: &QuorumCert, tip: Option<HeaderRef>) -> TimeoutCert {
        let timeouts: Vec<Timeout> = (0..3).map(|i| self.ring.timeout(i, view, high_qc.clone(), tip)).collect();
        self.ring.tc(view, &timeouts)
    }
}

pub(crate) fn votes(effects: &[Effect]) -> Vec<HeaderRef> {
    sent(effects).filter_map(|m| if let ConsensusMessage::Vote(v) = m { Some(v.header) } else { None }).collect()
}

pub(crate) fn timeouts(effects: &[Effect]) -> Vec<u64> {
    sent(effects).filter_map(|m| if let ConsensusMessage::Timeout(t) = m { Some(t.view) } else { None }).collect()
}

pub(crate) fn sent(effects: &[Effect]) -> impl Iterator<Item = &ConsensusMessage> {
    effects.iter().filter_map(|e| if let Effect::Send { message, .. } = e { Some(message) } else { None })
}

pub(crate) fn finals(effects: &[Effect]) -> Vec<u64> {
    let one = |e: &Effect| match e {
        Effect::Final { headers, .. } => headers.iter().map(|h| h.proposal.header.height).collect(),
        _ => Vec::new(),
    };
    effects.iter().flat_map(one).collect()
}

pub(crate) fn last_record(effects: &[Effect]) -> SafetyRecord {
    let mut records = effects.iter().filter_map(|e| if let Effect::Persist(r) = e { Some(r) } else { None });
    (**records.next_back().expect("something was persisted")).clone()
}

pub(crate) fn has_evidence(effects: &[Effect]) -> bool {
    effects.iter().any(|e| matches!(e, Effect::Evidence { .. }))
}
