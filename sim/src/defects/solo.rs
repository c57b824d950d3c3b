//! One core among peers written by hand. It has every log, and every check holds.

use std::collections::BTreeSet;

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::header::{Header, HeaderRef, Rank};
use gridbook_ledger::hotstuff::{
    ConsensusMessage, Core, Effect, Input, Proposal, QcNote, QuorumCert, SafetyRecord, Timeout, TimeoutCert, Verdict,
    WallTime,
};

use crate::consensus::{OwnLogs, Ring, Universe, body, certificate, index};

pub(super) struct Solo {
    pub(super) ring: Ring,
    universe: Universe,
    has: BTreeSet<Hash>,
    pub(super) core: Core,
    now: WallTime,
}

impl Solo {
    pub(super) fn started(me: usize) -> Self {
        let ring = Ring::of(4);
        let core = Core::new(ring.config(me), None, None, Vec::new());
        let mut solo =
            Self { ring, universe: Universe::default(), has: BTreeSet::new(), core, now: WallTime(1_000_000) };
        solo.input(Input::Start);
        solo
    }

    /// The same validator after a crash, with what was on disk.
    pub(super) fn restarted(self, me: usize, record: SafetyRecord, kept: Vec<Proposal>) -> (Self, Vec<Effect>) {
        let core = Core::new(self.ring.config(me), Some(record), None, kept);
        let mut solo = Self { core, ..self };
        let effects = solo.input(Input::Start);
        (solo, effects)
    }

    pub(super) fn input(&mut self, input: Input) -> Vec<Effect> {
        let (mut all, mut inputs) = (Vec::new(), vec![input]);
        while let Some(input) = inputs.pop() {
            let logs = OwnLogs { universe: &self.universe, has: &self.has };
            let mut effects = Vec::new();
            self.core.handle(input, &logs, self.now, &mut effects);
            let checks = effects.iter().filter_map(|effect| match effect {
                Effect::Check { header, .. } => Some(header.hash()),
                _ => None,
            });
            inputs.extend(checks.map(|hash| Input::Checked { hash, verdict: Verdict::Holds }));
            all.extend(effects);
        }
        all
    }

    /// Some time later, and nothing happened since.
    pub(super) fn wait(&mut self, us: u64) -> Vec<Effect> {
        self.now = WallTime(self.now.0 + us);
        self.input(Input::Tick)
    }

    pub(super) fn hear(&mut self, from: usize, message: ConsensusMessage) -> Vec<Effect> {
        self.input(Input::Message { from: index(from), message })
    }

    pub(super) fn hear_proposal(&mut self, proposal: &Proposal) -> Vec<Effect> {
        let message = ConsensusMessage::Proposal(Box::new(proposal.clone()));
        self.hear(proposal.header.proposer.0.into(), message)
    }

    pub(super) fn hear_certificate(&mut self, from: usize, header: HeaderRef) -> Vec<Effect> {
        let note = QcNote { qc: self.qc(header), tc: None };
        self.hear(from, ConsensusMessage::QcNote(Box::new(note)))
    }

    /// A header with `commands` more than its parent.
    pub(super) fn propose(
        &mut self,
        (view, slot): (u64, u32),
        parent: &Header,
        tc: Option<TimeoutCert>,
        commands: &[u64],
    ) -> Proposal {
        let mut end = parent.log_end();
        for command in commands {
            end = self.universe.append(end, *command);
            self.has.insert(end.digest);
        }
        let justify = if parent.height == 0 { self.ring.root_qc() } else { self.qc(parent.reference()) };
        let proposer = self.ring.set.leader(view);
        let body = body(parent, end);
        let header = Header {
            rank: Rank { view, slot },
            height: parent.height + 1,
            proposer,
            time_ms: body.time_ms,
            parent: justify.header.hash,
            justify: justify.header,
            tc_hash: tc.as_ref().map_or(Hash::ZERO, TimeoutCert::hash),
            first_seq: body.first_seq,
            last_seq: body.last_seq,
            log_digest: body.log_digest,
            state_root: body.state_root,
            ..self.ring.root.clone()
        };
        let signature = Proposal::sign(&header, &self.ring.keys[usize::from(proposer.0)]);
        Proposal { header, signature, justify, tc }
    }

    /// The certificate of 0, 1 and 2.
    pub(super) fn qc(&self, header: HeaderRef) -> QuorumCert {
        let votes: Vec<_> = (0..3).map(|who| (index(who), self.ring.vote(who, header).signature)).collect();
        certificate(header, votes.iter().map(|(voter, signature)| (voter, signature)))
    }

    /// The certificate of the timeouts of 0, 1 and 2 with these tips.
    pub(super) fn tc(&self, view: u64, high_qc: &QuorumCert, tips: [Option<HeaderRef>; 3]) -> TimeoutCert {
        let timeout = |(who, tip)| self.ring.timeout(who, view, high_qc.clone(), tip);
        let timeouts: Vec<Timeout> = (0..).zip(tips).map(timeout).collect();
        self.ring.tc(view, &timeouts).expect("three timeouts")
    }
}

/// What is sent, in order.
pub(super) fn sent(effects: &[Effect]) -> impl Iterator<Item = &ConsensusMessage> {
    effects.iter().filter_map(|effect| match effect {
        Effect::Send { message, .. } => Some(message),
        _ => None,
    })
}

/// The vote that is sent, if one is.
pub(super) fn vote(effects: &[Effect]) -> Option<&ConsensusMessage> {
    sent(effects).find(|message| matches!(message, ConsensusMessage::Vote(_)))
}
