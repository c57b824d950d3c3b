//! A receipt to verify, as a ledger of four would give it.

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::header::{Header, Rank};
use gridbook_ledger::hotstuff::{QuorumCert, Vote};
use gridbook_ledger::merkle::{self, Path};
use gridbook_ledger::receipt::Receipt;
use gridbook_ledger::record::Record;
use gridbook_ledger::validators::ValidatorIndex;

use crate::town::{VALIDATOR_KEYS, genesis, key};

/// Proves the record in the middle of `records`, which fill one header; three of four validators have signed the one behind it.
pub fn receipt(records: &[Record]) -> (Genesis, Receipt) {
    let genesis = genesis();
    let leaves: Vec<Hash> = records.iter().map(Record::leaf_hash).collect();
    let root = genesis.root_header(Hash([1; 32]));
    let first_seq = records.first().map_or(1, |record| record.seq);
    let header = Header {
        first_seq,
        last_seq: first_seq + records.len() as u64 - 1,
        results_root: merkle::root(&leaves),
        ..child_of(&root, 0)
    };
    let child = child_of(&header, 1);
    let place = records.len() / 2;
    let path = Path::build(&leaves, place).expect("the middle is inside");
    let (signers, qc_header) = (0b0111, child.reference());
    let vote = |voter: u16| {
        let key = key(VALIDATOR_KEYS + u32::from(voter));
        Vote::sign(child.chain, child.epoch, qc_header, ValidatorIndex(voter), &key).signature
    };
    let qc = QuorumCert { epoch: child.epoch, header: qc_header, signers, signatures: (0..3).map(vote).collect() };
    let record = records[place].encode();
    (genesis, Receipt { epochs: Vec::new(), record, path, headers: vec![header], child, qc })
}

fn child_of(parent: &Header, slot: u32) -> Header {
    Header {
        rank: Rank { view: 1, slot },
        height: parent.height + 1,
        parent: parent.hash(),
        justify: parent.reference(),
        first_seq: parent.last_seq + 1,
        last_seq: parent.last_seq + 1,
        ..parent.clone()
    }
}
