//! What is proven against validators, by the command line.

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::evidence::{Evidence, Statement};
use gridbook_ledger::header::{HeaderRef, Rank};
use gridbook_ledger::hotstuff::Vote;
use gridbook_ledger::validators::ValidatorIndex;
use gridbook_node::keyfile::read_key;
use serde_json::Value;

use crate::fixture::{chain, fixture};
use crate::validators;

fn gridbook(arguments: &[&str]) -> (i32, Value) {
    let network = &fixture().network;
    let output = validators::gridbook(arguments)
        .env("GRIDBOOK_JSON", "1")
        .env("GRIDBOOK_NETWORK", network.network_file())
        .env("GRIDBOOK_GENESIS_FILE", network.dir.join("genesis.json"))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let json = serde_json::from_slice(&output.stdout).unwrap_or(Value::String(stderr.into_owned()));
    (output.status.code().unwrap(), json)
}

/// Four honest validators under load by all other tests: whatever they did, nobody holds anything against anybody.
#[test]
fn nothing_is_proven_against_honest_validators() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("proofs");
    let (code, told) = gridbook(&["evidence", "--out", out.to_str().unwrap()]);
    assert_eq!((code, told["evidence"].as_array().map(Vec::len)), (0, Some(0)), "{told}");
    assert_eq!(std::fs::read_dir(out).unwrap().count(), 0);
}

/// Validator 2 of this network voted for two headers of one rank: two votes in a file convince whoever has the genesis. One of them alone,
/// or a changed one, convinces nobody.
#[test]
fn a_proof_in_a_file_is_checked_offline() {
    let dir = tempfile::tempdir().unwrap();
    let network = &fixture().network;
    let key = read_key(&network.configs[2].key_file).unwrap();
    let vote = |hash: u8| {
        let header = HeaderRef { rank: Rank { view: 9, slot: 4 }, hash: Hash([hash; 32]) };
        Statement::Vote(Vote::sign(chain(), 0, header, ValidatorIndex(2), &key))
    };
    let evidence = Evidence::of(vote(1), vote(2)).unwrap();
    let file = dir.path().join("double-vote.evidence");
    let path = file.to_str().unwrap();
    std::fs::write(&file, evidence.encode()).unwrap();
    let (code, told) = gridbook(&["verify", "evidence", path]);
    assert_eq!((code, told["validator"].as_u64(), told["kind"].as_str()), (0, Some(2), Some("double vote")), "{told}");

    let mut forged = evidence.encode();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    std::fs::write(&file, forged).unwrap();
    assert_eq!(gridbook(&["verify", "evidence", path]).0, 1);
    let alone = Evidence { b: evidence.a.clone(), ..evidence };
    std::fs::write(&file, alone.encode()).unwrap();
    assert_eq!(gridbook(&["verify", "evidence", path]).0, 1);
}
