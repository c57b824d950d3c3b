//! Operators change the validators of a running network, by the command line, over QUIC and real disks.

use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::evidence::{Evidence, Statement};
use gridbook_ledger::header::{HeaderRef, Rank};
use gridbook_ledger::hotstuff::Vote;
use gridbook_ledger::receipt::Receipt;
use gridbook_ledger::validators::ValidatorIndex;
use gridbook_node::config::LogOptions;
use gridbook_node::keyfile::{read_key, write_key};
use serde_json::Value;

use crate::house::House;

/// Validator 2 gets a new key while accounts are opened all the time. It then dies and comes back, and votes with the new one.
#[test]
fn a_key_is_rotated_under_load_and_old_and_new_receipts_verify() {
    let mut house = House::new("rotation", LogOptions::default());
    let new_key = SecretKey::generate().unwrap();
    let key_file = house.home(2).join("next.key");
    write_key(&key_file, &new_key).unwrap();
    house.settings(2, |config| config.next_key_file = Some(key_file));
    house.start_all();

    let before = house.open_accounts(5);
    let load = house.load();
    let change = house.dir().join("change.json");
    let change = change.to_str().unwrap();
    let rotate = format!("2={}", new_key.public());
    let proposed = house.gridbook(&["epoch", "propose", "--rotate", &rotate, "--out", change]);
    assert_eq!((proposed["ends_epoch"].as_u64(), proposed["approvals_needed"].as_u64()), (Some(0), Some(3)));
    let refused = house.gridbook_fails(&["epoch", "submit", change]);
    assert!(refused.contains("EpochQuorum"), "{refused}");
    for (index, count) in [(0, 1), (3, 2), (1, 3)] {
        let key = house.home(index).join("validator.key");
        let approved = house.gridbook(&["epoch", "approve", change, "--key", key.to_str().unwrap()]);
        assert_eq!(approved["approvals"].as_u64(), Some(count));
    }
    let stranger = house.dir().join("operator.key");
    let refused = house.gridbook_fails(&["epoch", "approve", change, "--key", stranger.to_str().unwrap()]);
    assert!(refused.contains("EpochSigner"), "{refused}");
    let submitted = house.gridbook(&["epoch", "submit", change]);
    assert_eq!(submitted["epoch"].as_u64(), Some(1));
    let again = house.gridbook(&["epoch", "submit", change]);
    assert_eq!(again["epoch"].as_u64(), Some(1), "who lost the answer asks again");
    let under_way = load.end();
    let after = house.open_accounts(5);

    // Without validator 0 nothing is final but with the vote of 2.
    house.kill(2);
    house.start(2);
    house.wait_until_ready(&[2]);
    house.kill(0);
    let by_the_new_key = house.open_accounts(3);
    house.start(0);
    house.wait_until_ready(&[0]);
    let shown = house.gridbook(&["epoch", "show"]);
    assert_eq!(shown["epoch"].as_u64(), Some(1));
    assert_eq!(shown["validators"][2]["key"].as_str(), Some(new_key.public().to_hex().as_str()));

    let mut epochs = Vec::new();
    for bundle in before.iter().chain(&under_way).chain(&after).chain(&by_the_new_key) {
        let receipt = house.receipt(*bundle);
        receipt.verify(house.genesis()).unwrap();
        epochs.push(receipt.qc.epoch);
    }
    assert!(epochs.starts_with(&[0; 5]) && epochs.ends_with(&[1; 8]), "{epochs:?}");
    verify_by_the_command_line(&house, &house.receipt(by_the_new_key[0]));
    let old_key = read_key(&house.home(2).join("validator.key")).unwrap();
    evidence_is_held_against_the_set_of_its_epoch(&house, &old_key, &new_key);
}

/// A double vote of validator 2, in either epoch: it proves something if the key of that epoch signed it, and nothing if the other did.
fn evidence_is_held_against_the_set_of_its_epoch(house: &House, old_key: &SecretKey, new_key: &SecretKey) {
    let submit = |epoch: u32, key: &SecretKey| {
        let vote = |hash: u8| {
            let header = HeaderRef { rank: Rank { view: 9, slot: 4 }, hash: Hash([hash; 32]) };
            Statement::Vote(Vote::sign(house.genesis().chain_id(), epoch, header, ValidatorIndex(2), key))
        };
        let file = house.dir().join("double-vote.evidence");
        std::fs::write(&file, Evidence::of(vote(1), vote(2)).unwrap().encode()).unwrap();
        house.try_gridbook(&["evidence", "submit", file.to_str().unwrap()])
    };
    for (epoch, key, other) in [(0, old_key, new_key), (1, new_key, old_key)] {
        let (taken, told) = submit(epoch, other);
        let codes = told["submitted"][0]["answers"].as_array().unwrap().iter().map(|answer| &answer["code"]);
        assert!(!taken && codes.into_iter().all(|code| code == "EvidenceSignature"), "epoch {epoch}: {told}");
        let (taken, told) = submit(epoch, key);
        assert!(taken && told["submitted"][0]["epoch"] == epoch, "epoch {epoch}: {told}");
    }
    let shown = house.gridbook(&["evidence"]);
    let shown: Vec<_> = shown["evidence"].as_array().unwrap().iter().map(|found| &found["epoch"]).collect();
    assert_eq!(shown, [0, 1]);
}

/// The receipt as a file convinces somebody who has the genesis and nothing else; without its proof it does not.
fn verify_by_the_command_line(house: &House, receipt: &Receipt) {
    let (file, genesis) = (house.dir().join("new.receipt"), house.dir().join("genesis.json"));
    let verify = ["verify", "receipt", file.to_str().unwrap(), "--genesis", genesis.to_str().unwrap()];
    std::fs::write(&file, receipt.encode()).unwrap();
    assert_eq!(house.gridbook(&verify)["verified"], Value::Bool(true));
    std::fs::write(&file, Receipt { epochs: Vec::new(), ..receipt.clone() }.encode()).unwrap();
    assert!(house.gridbook_fails(&verify).contains("another epoch"));
}

/// Validator 3's machine is lost. Another operator starts one with an empty disk; it takes the place and makes up for it.
#[test]
fn a_validator_is_replaced_by_one_with_an_empty_disk() {
    let mut house = House::new("replacement", LogOptions::default());
    house.start_all();
    let before = house.open_accounts(10);
    house.kill(3);

    let (newcomer, key) = house.add_newcomer(3);
    let address = house.listens_at(newcomer);
    let replace = format!("3={}@{address}", key.public());
    let proposed = house.end_epoch(&["--replace", &replace], [0, 1, 2]);
    assert_eq!(proposed["newcomers"].as_u64(), Some(1));
    let between = house.open_accounts(3);
    house.start(newcomer);
    house.wait_until_ready(&[newcomer]);
    // One of the old ones falls out too: from here on every header needs the newcomer's vote.
    house.kill(1);
    let after = house.open_accounts(5);
    for bundle in before.iter().chain(&between).chain(&after) {
        house.receipt(*bundle).verify(house.genesis()).unwrap();
    }
    house.kill(0);
    house.kill(2);
    house.kill(newcomer);
    let chain = house.verify_chain(newcomer);
    assert_eq!(chain["verified"], Value::Bool(true), "{chain}");
}
