//! A validator whose door passes on what clients say and hear, but on each bundle it gives a word of its own.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use gridbook_engine::DeliveryPeriod;
use gridbook_ledger::crypto::SecretKey;
use gridbook_ledger::evidence::Evidence;
use gridbook_ledger::genesis::FIRST_EPOCH;
use gridbook_node::client::wall_us;
use gridbook_node::keyfile::write_key;
use gridbook_node::moment::format_moment;
use gridbook_node::protocol::Answer;
use serde_json::Value;

use crate::door::open_door;
use crate::house::{House, house, run};
use crate::liar;

/// Gives one word of its own on every bundle: a place in a view that its validator led. A bundle that is sent again is accepted again, and
/// its word was given.
fn false_word(house: &'static House, leader: usize, view: u64, seq: u64) -> impl Fn(Answer) -> Vec<Answer> + Clone {
    let key = house.validator_key(leader);
    let given = Arc::new(Mutex::new(BTreeSet::new()));
    move |answer| match answer {
        Answer::Sequenced { .. } => Vec::new(),
        Answer::Accepted { request_id, bundle } if given.lock().unwrap().insert(bundle) => {
            let word = liar::word(house, view, &key, seq, bundle);
            vec![answer, Answer::Sequenced { request_id, receipt: word.encode() }]
        }
        _ => vec![answer],
    }
}

/// A meter sends an order to the very validator that led a view, and is given a place there which is final otherwise. The order becomes
/// final, the command line says that the word was broken, hands the proof in to all validators, and leaves it beside the word.
#[test]
fn an_order_whose_leader_lies_ends_with_the_proof_handed_in() {
    let house = house();
    let dir = tempfile::tempdir().unwrap();
    let key = SecretKey::generate().unwrap();
    let key_file = dir.path().join("carol.key");
    write_key(&key_file, &key).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (network, leader) = runtime.block_on(async {
        let client = house.client_of(&[0, 2, 3]).await;
        house.open_account(&client, Some(&key)).await;
        let settled = house.settled(&client).await;
        let (leader, view, seq) = liar::led(house, &settled);
        let door = open_door(house, leader, false_word(house, leader, view, seq)).await;
        // The liar is whom the client asks first, and one of those whom it tells.
        let others = (0..4).filter(|index| *index != leader).map(|index| house.peer(index));
        let validators = std::iter::once(door).chain(others).collect();
        (house.network_file_of("with-a-liar", validators), leader)
    });

    let word = dir.path().join("order.s0");
    let told = order(house, &network, &key_file, &word);
    assert_eq!(told["steps"]["sequenced"]["fate"].as_str(), Some("breach"), "{told}");
    let [breach] = &told["steps"]["breaches"].as_array().unwrap()[..] else { panic!("one breach: {told}") };
    let handed_in = &breach["handed_in"];
    assert_eq!(
        (handed_in["taken"].as_bool(), handed_in["culprit"].as_u64()),
        (Some(true), Some(leader as u64)),
        "{told}"
    );

    let proof = dir.path().join("order.s0.evidence");
    assert_eq!(breach["proof"].as_str(), proof.to_str(), "{told}");
    let evidence = Evidence::decode(&std::fs::read(&proof).unwrap()).unwrap();
    let culprit = evidence.verify(house.chain(), FIRST_EPOCH, &house.genesis().validators).unwrap();
    assert_eq!(usize::from(culprit.0), leader);
    let (code, told) = house.gridbook(&network, &["evidence", "submit", proof.to_str().unwrap()]);
    assert_eq!((code, told["submitted"][0]["taken"].as_bool()), (0, Some(true)), "handed in again: {told}");
    run(async { _ = house.open_account(&house.client_of(&[0, 2, 3]).await, None).await });
}

/// Sends a good order, whose word is to be kept in a file; it is final, whatever its leader said.
fn order(house: &House, network: &Path, key: &Path, word: &Path) -> Value {
    let rules = &house.genesis().rules;
    let period = DeliveryPeriod(rules.period_at(house.genesis().ledger_now(wall_us())).0 + 20);
    let begins = format_moment(period.starts_at(rules.mtu_minutes));
    let what = ["meter", "order", "--side", "buy", "--period", &begins, "--price", "1", "--energy", "100"];
    let files = ["--key", key.to_str().unwrap(), "--sequenced", word.to_str().unwrap()];
    let (code, told) = house.gridbook(network, &[&what[..], &files[..]].concat());
    assert_eq!(code, 0, "{told}");
    told
}
