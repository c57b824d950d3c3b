//! Keys of a whole set: whoever simulates can write any message by hand.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use gridbook_ledger::crypto::{Hash, SecretKey, Signature};
use gridbook_ledger::header::{Header, HeaderRef, Rank};
use gridbook_ledger::hotstuff::{CoreConfig, Proposal, QuorumCert, Timeout, TimeoutCert, TimeoutEntry, Timing, Vote};
use gridbook_ledger::validators::{ValidatorIndex, ValidatorSet};

/// The validators of a story, with their keys.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    pub(crate) keys: Vec<SecretKey>,
    pub(crate) set: ValidatorSet,
    pub(crate) root: Header,
    pub(crate) timing: Timing,
}

impl Ring {
    /// The usual set of this size, which is always the same: made once.
    pub(crate) fn of(count: usize) -> Self {
        static MADE: Mutex<BTreeMap<usize, Ring>> = Mutex::new(BTreeMap::new());
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        made.entry(count).or_insert_with(|| Self::new(count)).clone()
    }

    /// Keys from fixed seeds, short timers.
    fn new(count: usize) -> Self {
        let seeds = 1..=u8::try_from(count).expect("at most 49 validators");
        let keys: Vec<SecretKey> = seeds.map(|seed| SecretKey::from_seed([seed; 32])).collect();
        let set = ValidatorSet::new(keys.iter().map(SecretKey::public).collect()).expect("3f + 1 good keys");
        let timing =
            Timing { first_ms: 300, min_ms: 100, max_ms: 2_000, term_ms: 1_500, term_grace_ms: 300, slots_max: 10_000 };
        Self { keys, set, root: root(), timing }
    }

    /// The same with these leaders, in turn from view 0 on.
    pub(crate) fn with_rota(mut self, rota: Vec<ValidatorIndex>) -> Self {
        self.set = self.set.with_rota(rota).expect("leaders are drawn from the set");
        self
    }

    pub(crate) fn config(&self, me: usize) -> CoreConfig {
        CoreConfig {
            epoch: 0,
            set: self.set.clone(),
            me: index(me),
            key: self.keys[me].clone(),
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

    pub(crate) fn timeout(&self, voter: usize, view: u64, high_qc: QuorumCert, tip: Option<HeaderRef>) -> Timeout {
        let signature = Signature([0; 64]);
        let mut timeout = Timeout { epoch: 0, view, high_qc, tip, voter: index(voter), signature, entry: None };
        timeout.signature = self.keys[voter].sign(&timeout.signed_bytes(self.root.chain));
        timeout
    }

    /// The certificate of these timeouts, whether it is valid or not.
    pub(crate) fn tc(&self, view: u64, timeouts: &[Timeout]) -> Option<TimeoutCert> {
        let entry = |t: &Timeout| TimeoutEntry {
            voter: t.voter,
            high_qc_rank: t.high_qc.header.rank,
            tip: t.tip,
            signature: t.signature,
        };
        let high_qc = timeouts.iter().map(|t| &t.high_qc).max_by_key(|qc| qc.header.rank)?.clone();
        Some(TimeoutCert { epoch: 0, view, entries: timeouts.iter().map(entry).collect(), high_qc })
    }

    /// A proposal with its header changed and signed anew.
    pub(crate) fn altered(&self, proposal: &Proposal, signer: usize, change: impl FnOnce(&mut Proposal)) -> Proposal {
        let mut altered = proposal.clone();
        change(&mut altered);
        altered.signature = Proposal::sign(&altered.header, &self.keys[signer]);
        altered
    }
}

/// A certificate of these votes, whether it is valid or not.
pub(crate) fn certificate<'a>(
    header: HeaderRef,
    votes: impl IntoIterator<Item = (&'a ValidatorIndex, &'a Signature)>,
) -> QuorumCert {
    let (mut signers, mut signatures) = (0, Vec::new());
    for (voter, signature) in votes {
        signers |= 1 << voter.0;
        signatures.push(*signature);
    }
    QuorumCert { epoch: 0, header, signers, signatures }
}

pub(crate) fn index(i: usize) -> ValidatorIndex {
    ValidatorIndex(u16::try_from(i).expect("few validators"))
}

fn root() -> Header {
    Header {
        chain: Hash::of("sim/chain", b"x"),
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
