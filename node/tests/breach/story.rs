//! From the broken word to every validator's list, and what is left of it after a crash.

use std::time::Duration;

use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::evidence::{Evidence, EvidenceKey, EvidenceKind};
use gridbook_ledger::genesis::FIRST_EPOCH;
use gridbook_ledger::record::Record;
use gridbook_ledger::reject::Code;
use gridbook_ledger::sequenced::{Fate, Place};
use gridbook_ledger::validators::ValidatorIndex;
use gridbook_node::client::{ClientError, Taken};
use serde_json::Value;

use crate::house::{House, PATIENCE, house, run, wait_for};
use crate::liar;

/// A leader signs an S0 receipt for a place that is final otherwise in a header of its own. The client that holds the receipt judges it by the
/// ledger, builds the proof and hands it to one validator; all four show it, also after that one was killed; and it convinces whoever has
/// the genesis.
#[test]
fn a_broken_word_is_judged_handed_in_and_shown_by_every_validator() {
    run(async {
        let house = house();
        let client = house.client_of(&[0, 2, 3]).await;
        let settled = house.settled(&client).await;
        let (leader, view, seq) = liar::led(house, &settled);
        let word = liar::word(house, view, &house.validator_key(leader), seq, Hash([9; 32]));

        let verdict = client.judge(house.genesis(), &word, PATIENCE).await.unwrap();
        assert_eq!(verdict.fate, Fate::Breach);
        let evidence = *verdict.evidence.expect("a breach comes with its proof");
        let culprit = ValidatorIndex(leader.try_into().unwrap());
        assert_eq!(evidence.verify(house.chain(), FIRST_EPOCH, &house.genesis().validators), Ok(culprit));

        // To one that did not do it; it tells the others.
        let honest = [0, 3].into_iter().find(|index| *index != leader).unwrap();
        let witness = house.client_of(&[honest]).await;
        let key = EvidenceKey { epoch: FIRST_EPOCH, culprit, kind: EvidenceKind::ReceiptBreach };
        let taken = witness.hand_in(evidence.encode()).await.unwrap();
        assert_eq!(taken.key, key);
        let again = witness.hand_in(evidence.encode()).await.unwrap();
        assert_eq!(again, Taken { key, is_new: false }, "taken again, and said to be known");

        let files: Vec<_> =
            (0..4).map(|index| house.network_file_of(&format!("only-{index}"), vec![house.peer(index)])).collect();
        let shows = |index: usize| shown(house, &files[index]).iter().any(|found| is_breach_of(found, leader));
        for index in 0..4 {
            wait_for(&format!("validator {index} shows the breach of {leader}, told to {honest}"), async || {
                shows(index)
            })
            .await;
        }
        // It was promised to be on the disk.
        let no_door = house.doors.write().await;
        house.kill(honest);
        house.start_one(honest);
        house.wait_until_ready(honest).await;
        drop(no_door);
        assert!(shows(honest), "it is there after a crash");

        by_the_command_line(house, &evidence, leader);
        wait_for("the breach is on the ledger", async || is_convicted(house, leader)).await;
        house.open_account(&client, None).await;
    });
}

fn shown(house: &House, network_file: &std::path::Path) -> Vec<Value> {
    let (code, told) = house.gridbook(network_file, &["evidence"]);
    assert_eq!(code, 0, "{told}");
    told["evidence"].as_array().unwrap().clone()
}

/// Whether the ledger holds a breach against the leader.
fn is_convicted(house: &House, leader: usize) -> bool {
    let operator = house.network.operator_key_file();
    let arguments = ["conduct", "validators", "--by", operator.to_str().unwrap()];
    let (code, told) = house.gridbook(&house.network.network_file(), &arguments);
    assert_eq!(code, 0, "{told}");
    let key = house.validator_key(leader).public().to_hex();
    // Of each kind one is kept and entered: other tests in this house may have brought theirs first.
    let is_breach = |entry: &&Value| entry["validator"] == key.as_str() && entry["what"] == "receipt breach";
    let found = told["entries"].as_array().unwrap().iter().find(is_breach).is_some_and(|entry| entry["points"] == 250);
    let score = |it: &&Value| it["key"] == key.as_str() && it["score"].as_u64() <= Some(750);
    found && told["validators"].as_array().is_some_and(|all| all.iter().any(|it| score(&it)))
}

fn is_breach_of(found: &Value, leader: usize) -> bool {
    let culprit = found["validator"].as_u64() == Some(leader as u64);
    culprit && found["kind"].as_str() == Some("receipt breach") && found["verified"].as_bool() == Some(true)
}

/// The proof as a file, as the network gives it out and as the client made it.
fn by_the_command_line(house: &House, evidence: &Evidence, leader: usize) {
    let dir = tempfile::tempdir().unwrap();
    let network = house.network.network_file();
    let out = dir.path().join("proofs");
    let (code, told) = house.gridbook(&network, &["evidence", "--out", out.to_str().unwrap()]);
    assert_eq!(code, 0, "{told}");
    let place = told["evidence"].as_array().unwrap().iter().position(|found| is_breach_of(found, leader)).unwrap();
    let file = out.join(format!("{place}.evidence"));
    let (code, told) = house.gridbook(&network, &["verify", "evidence", file.to_str().unwrap()]);
    assert_eq!(
        (code, told["validator"].as_u64(), told["kind"].as_str()),
        (0, Some(leader as u64), Some("receipt breach"))
    );

    let own = dir.path().join("own.evidence");
    std::fs::write(&own, evidence.encode()).unwrap();
    let submit = ["evidence", "submit", file.to_str().unwrap(), own.to_str().unwrap()];
    let (code, told) = house.gridbook(&network, &submit);
    assert_eq!(code, 0, "{told}");
    for submitted in told["submitted"].as_array().unwrap() {
        assert_eq!((submitted["taken_by"].as_u64(), submitted["asked"].as_u64()), (Some(4), Some(4)), "{told}");
        assert_eq!(submitted["culprit"].as_u64(), Some(leader as u64));
        assert!(submitted["answers"].as_array().unwrap().iter().all(|answer| answer["new"] == false), "{told}");
    }
}

/// A leader promises a bundle of one command two places, and keeps its word on the first: the client looks at the last one too. On a place that the
/// ledger has not come to nothing is decided.
#[test]
fn a_word_on_more_places_than_the_bundle_takes_is_broken_and_one_on_a_place_to_come_is_open() {
    run(async {
        let house = house();
        let client = house.client_of(&[0, 2, 3]).await;
        let first = Record::decode(&house.settled(&client).await.record).unwrap();
        house.open_account(&client, None).await;
        let next = house.receipt_at(&client, first.seq + 1).await;
        let (leader, view, _) = liar::led(house, &next);
        let key = house.validator_key(leader);

        let place = Place { first_seq: first.seq, count: 2, entry: first.entry };
        let greedy = liar::word_on(house, view, &key, place);
        let verdict = client.judge(house.genesis(), &greedy, PATIENCE).await.unwrap();
        assert_eq!((verdict.fate, verdict.settled.record), (Fate::Breach, next.record));
        let evidence = verdict.evidence.unwrap();
        let culprit = evidence.verify(house.chain(), FIRST_EPOCH, &house.genesis().validators);
        assert_eq!(culprit, Ok(ValidatorIndex(leader.try_into().unwrap())));

        let to_come = liar::word(house, view, &key, first.seq + (1 << 40), first.entry);
        let verdict = client.judge(house.genesis(), &to_come, Duration::ZERO).await;
        assert_eq!(verdict, Err(ClientError::NotFinal));
    });
}

/// A gateway speaks for a meter and has no key of it: by the leader's word it gets the receipts of all commands of the meter's bundle. Where a leader signs
/// places that others took, the gateway sees what decides that the word is broken, and nothing of what lies between.
#[test]
fn a_word_tells_of_its_own_bundle_and_at_its_ends_of_what_broke_it() {
    run(async {
        let house = house();
        let client = house.client_of(&[0, 2, 3]).await;
        let key = SecretKey::generate().unwrap();
        let done = house.open_account(&client, Some(&key)).await;
        assert_eq!(done.records.len(), 3, "account, meter, deposit");
        let (leader, view, _) = liar::led(house, &house.receipt_at(&client, done.first_seq).await);
        let place = Place { first_seq: done.first_seq, count: 3, entry: done.bundle };
        let word_on = |place| liar::word_on(house, view, &house.validator_key(leader), place);

        let word = word_on(place);
        for (index, record) in (0..).zip(&done.records) {
            let receipt = house.settled_by(&client, &word, index).await.unwrap();
            assert_eq!(receipt.verify(house.genesis()).unwrap().record, *record);
        }
        let refused = |code| Err(ClientError::Refused(code));
        assert_eq!(house.settled_by(&client, &word, 3).await, refused(Code::EvidencePlace));
        assert_eq!(house.settled_by(&client, &word, u64::MAX).await, refused(Code::EvidencePlace));

        let lie = word_on(Place { entry: Hash([9; 32]), ..place });
        assert_eq!(house.settled_by(&client, &lie, 1).await, refused(Code::AuthForeign), "between the ends");
        for (index, record) in [(0, &done.records[0]), (2, &done.records[2])] {
            let receipt = house.settled_by(&client, &lie, index).await.unwrap();
            assert_eq!(receipt.verify(house.genesis()).unwrap().record, *record);
        }
    });
}

/// Without a network: the word and the final receipt of its place, as files, make the proof.
#[test]
fn two_files_make_the_proof_offline() {
    run(async {
        let house = house();
        let client = house.client_of(&[0, 2, 3]).await;
        let settled = house.settled(&client).await;
        let (leader, view, seq) = liar::led(house, &settled);
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let (word, place, proof) = (file("order.s0"), file("place.receipt"), file("order.s0.evidence"));
        let lie = liar::word(house, view, &house.validator_key(leader), seq, Hash([8; 32]));
        std::fs::write(&word, lie.encode()).unwrap();
        std::fs::write(&place, settled.encode()).unwrap();
        let nowhere = dir.path().join("no-network.toml");
        let judge = ["verify", "receipt", &word, "--settled", &place, "--evidence", &proof];
        let (code, told) = house.gridbook(&nowhere, &judge);
        assert_eq!(
            (code, told["fate"].as_str(), told["evidence"].as_str()),
            (1, Some("breach"), Some(&*proof)),
            "{told}"
        );
        let (code, told) = house.gridbook(&nowhere, &["verify", "evidence", &proof]);
        assert_eq!((code, told["validator"].as_u64()), (0, Some(leader as u64)), "{told}");
    });
}
