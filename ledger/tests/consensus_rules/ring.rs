//! Keys of a whole set, to write any message by hand.

use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::header::{Header, HeaderRef, Rank};
use gridbook_ledger::hotstuff::{CoreConfig, Proposal, QuorumCert, Timeout, TimeoutCert, TimeoutEntry, Timing, Vote};
use gridbook_ledger::validators::{ValidatorIndex, ValidatorSet};

#[derive(Clone)]
pub(crate) struct Ring {
    pub(crate) keys: Vec<SecretKey>,
    pub(crate) set: ValidatorSet,
    pub(crate) root: Header,
    pub(crate) timing: Timing,
}

impl Ring {
    pub(crate) fn new(count: u8) -> Self {
        let keys: Vec<SecretKey> = (0..count).map(|i| SecretKey::from_seed([i + 1; 32])).collect();
        let set = ValidatorSet::new(keys.iter().map(SecretKey::public).collect()).expect("4 or 7 good keys");
        let timing =
            Timing { first_ms: 300, min_ms: 100, max_ms: 2_000, term_ms: 1_500, term_grace_ms: 300, slots_max: 10_000 };
        Self { keys, set, root: root(), timing }
    }

    pub(crate) fn config(&self, me: usize) -> CoreConfig {
        CoreConfig {
            set: self.set.clone(),
            me: index(me),
            key: self.keys[me].clone(),
            epoch: 0,
            root: self.root.clone(),
            timing: self.timing,
        }
    }

    pub(crate) fn root_qc(&self) -> QuorumCert {
        QuorumCert::root(0, &self.root)
    }

    pub(crate) fn vote(&self, voter: usize, header: HeaderRef) -> Vote {
        Vote::sign(self.root.chain, 0, header, index(voter), &self.keys[voter])
    }

    pub(crate) fn qc(&self, voters: &[usize], header: HeaderRef) -> QuorumCert {
        let signers = voters.iter().fold(0, |bits, v| bits | 1 << v);
        let signatures = voters.iter().map(|v| self.vote(*v, header).signature).collect();
        QuorumCert { epoch: 0, header, signers, signatures }
    }

    pub(crate) fn timeout(&self, voter: usize, view: u64, high_qc: QuorumCert, tip: Option<HeaderRef>) -> Timeout {
        let signature = gridbook_ledger::crypto::Signature([0; 64]);
        let mut timeout = Timeout { epoch: 0, view, high_qc, tip, voter: index(voter), signature, entry: None };
        timeout.signature = self.keys[voter].sign(&timeout.signed_bytes(self.root.chain));
        timeout
    }

    pub(crate) fn tc(&self, view: u64, timeouts: &[Timeout]) -> TimeoutCert {
        let entry = |t: &Timeout| TimeoutEntry {
            voter: t.voter,
            high_qc_rank: t.high_qc.header.rank,
            tip: t.tip,
            signature: t.signature,
        };
        let high_qc = timeouts.iter().map(|t| &t.high_qc).max_by_key(|qc| qc.header.rank).expect("timeouts").clone();
        TimeoutCert { epoch: 0, view, entries: timeouts.iter().map(entry).collect(), high_qc }
    }

    /// A header on `parent` with a log up to `end`, by the leader of its view.
    pub(crate) fn proposal(
        &self,
        rank: Rank,
        parent: &Header,
        justify: QuorumCert,
        tc: Option<TimeoutCert>,
        body: gridbook_ledger::hotstuff::Body,
    ) -> Proposal {
        let proposer = self.set.leader(rank.view);
        let header = Header {
            chain: self.root.chain,
            epoch: 0,
            rank,
            height: parent.height + 1,
            proposer,
            time_ms: body.time_ms,
            parent: justify.header.hash,
            justify: justify.header,
            tc_hash: tc.as_ref().map_or(Hash::ZERO, TimeoutCert::hash),
            first_seq: body.first_seq,
            last_seq: body.last_seq,
            log_digest: body.log_digest,
            inputs_root: body.inputs_root,
            results_root: body.results_root,
            state_root: body.state_root,
            snapshot_root: body.snapshot_root,
            flags: body.flags,
            next_set_hash: body.next_set_hash,
        };
        let signature = Proposal::sign(&header, &self.keys[usize::from(proposer.0)]);
        Proposal { header, signature, justify, tc }
    }
}

pub(crate) fn index(i: usize) -> ValidatorIndex {
    ValidatorIndex(u16::try_from(i).expect("few validators"))
}

pub(crate) fn rank(view: u64, slot: u32) -> Rank {
    Rank { view, slot }
}

fn root() -> Header {
    Header {
        chain: Hash::of("toy/chain", b"x"),
        epoch: 0,
        rank: Rank::default(),
        height: 0,
        proposer: ValidatorIndex(0),
        time_ms: 0,
        parent: Hash::ZERO,
        justify: HeaderRef::default(),
        tc_hash: Hash::ZERO,
        first_seq: 1,
        last_seq: 0,
        log_digest: Hash::ZERO,
        inputs_root: Hash::ZERO,
        results_root: Hash::ZERO,
        state_root: Hash::ZERO,
        snapshot_root: Hash::ZERO,
        flags: 0,
        next_set_hash: Hash::ZERO,
    }
}
