//! The log of a validator, as it lies on its disk: entries, headers, and what made them final.

use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::entry::{Entry, log_digest};
use gridbook_ledger::header::{Header, LogPoint, Rank};
use gridbook_ledger::hotstuff::{Proposal, QuorumCert, SafetyRecord, Vote};
use gridbook_ledger::merkle;
use gridbook_ledger::record::Record;
use gridbook_ledger::replica::{FinalProof, LogRecord};
use gridbook_ledger::state::State;
use gridbook_ledger::validators::ValidatorIndex;

use crate::town::{VALIDATOR_KEYS, bundle, entries, genesis, key, registrations, trusted};

/// Headers are checkpoints at multiples of this.
const CHECKPOINT_HEIGHTS: u64 = 256;

/// A validator's log and what it made of it.
#[derive(Debug)]
pub struct History {
    /// The records, oldest first.
    pub records: Vec<LogRecord>,
    /// Commands in them.
    pub commands: u64,
    /// The state in the end.
    pub state: State,
    /// The last certificate.
    pub qc: QuorumCert,
}

/// The key of one of the town's validators.
pub fn validator(index: u16) -> SecretKey {
    key(VALIDATOR_KEYS + u32::from(index))
}

impl History {
    /// A ledger on which `meters` meters trade `orders` orders, 96 to a bundle and ten bundles to a header, as validators of one view
    /// would have written it. One header after another; each is final by the next.
    pub fn of(meters: u32, orders: usize, seed: u64) -> Self {
        let genesis = genesis();
        let mut state = State::genesis(&genesis);
        let root = genesis.root_header(state.state_root());
        let mut history = Self { records: Vec::new(), commands: 0, state, qc: QuorumCert::root(root.epoch, &root) };
        let registrations = registrations(meters);
        let bundles = registrations.chunks(1_023).zip(1..);
        let first: Vec<Entry> = bundles
            .map(|(commands, nonce)| trusted(&bundle(genesis.chain_id(), key(0).public(), nonce, commands.to_vec())))
            .collect();
        let mut parent = history.header(&root, 0, &first);
        for (entries, slot) in entries(meters, 96, orders / 96, seed).chunks(10).zip(1..) {
            parent = history.header(&parent, slot, entries);
        }
        history
    }

    /// Adds a header with these entries, and makes its parent final by it.
    fn header(&mut self, parent: &Header, slot: u32, entries: &[Entry]) -> Header {
        let (mut end, mut results) = (parent.log_end(), Vec::new());
        for entry in entries {
            let before = end;
            let mut records = Vec::new();
            self.state.apply(before.seq + 1, entry, &mut records);
            results.extend(records.iter().map(Record::leaf_hash));
            let digest = log_digest(before.digest, before.seq + 1, entry);
            end = LogPoint { seq: before.seq + entry.count(), digest };
            let (start_seq, before) = (before.seq, before.digest);
            self.records.push(LogRecord::Entry { start_seq, before, entry: entry.encode() });
        }
        self.state.forget(self.state.mark());
        let height = parent.height + 1;
        let is_checkpoint = height.is_multiple_of(CHECKPOINT_HEIGHTS);
        let header = Header {
            rank: Rank { view: 1, slot },
            height,
            proposer: ValidatorIndex(1),
            time_ms: self.state.time().0,
            parent: parent.hash(),
            justify: self.qc.header,
            first_seq: parent.last_seq + 1,
            last_seq: end.seq,
            log_digest: end.digest,
            inputs_root: merkle::root(&entries.iter().map(Entry::id).collect::<Vec<Hash>>()),
            results_root: merkle::root(&results),
            state_root: self.state.state_root(),
            snapshot_root: if is_checkpoint { self.state.snapshot_root() } else { Hash::ZERO },
            flags: if is_checkpoint { Header::CHECKPOINT } else { 0 },
            ..parent.clone()
        };
        self.commands += end.seq - parent.last_seq;
        self.certify(&header, parent);
        header
    }

    fn certify(&mut self, header: &Header, parent: &Header) {
        let (justify, signature) = (self.qc.clone(), Proposal::sign(header, &validator(1)));
        let proposal = Proposal { header: header.clone(), signature, justify, tc: None };
        self.records.push(LogRecord::Proposal(Box::new(proposal)));
        let reference = header.reference();
        let vote = |voter| {
            Vote::sign(header.chain, header.epoch, reference, ValidatorIndex(voter), &validator(voter)).signature
        };
        let signatures = [0, 1, 2].map(vote).to_vec();
        self.qc = QuorumCert { epoch: header.epoch, header: reference, signers: 0b111, signatures };
        if parent.height > 0 {
            let proof = FinalProof { via: Vec::new(), child: header.clone(), qc: self.qc.clone() };
            let (height, hash, last_seq) = (parent.height, parent.hash(), parent.last_seq);
            self.records.push(LogRecord::Final { height, hash, last_seq, proof: Some(Box::new(proof)) });
        }
    }

    /// The safety record of a validator that has voted for the last header.
    pub fn safety_record(&self) -> SafetyRecord {
        let (epoch, high_qc) = (self.qc.epoch, self.qc.clone());
        let (last_voted, last_vote, last_timeout) = (Some(self.qc.header), vec![7; 200], vec![7; 600]);
        let (timeout_view, high_tc, led) = (0, None, Rank::default());
        SafetyRecord { epoch, last_voted, last_vote, timeout_view, last_timeout, high_qc, high_tc, led }
    }
}
