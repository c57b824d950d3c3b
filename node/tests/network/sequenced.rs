//! What a client hears before finality: the leader's word on a place, the certificate, and what became of the word.

use gridbook_ledger::command::Command;
use gridbook_ledger::crypto::SecretKey;
use gridbook_ledger::genesis::FIRST_EPOCH;
use gridbook_ledger::receipt::Receipt;
use gridbook_ledger::reject::Code;
use gridbook_ledger::sequenced::{Fate, SequencedReceipt};
use gridbook_node::client::{Client, ClientError, Step};
use gridbook_node::keyfile::write_key;
use gridbook_node::moment::format_moment;
use gridbook_node::protocol::QueryKind;
use serde_json::Value;

use crate::fixture::{TURN, TestMeter, chain, connect, fixture, good_order, open_period, rich_meter, run, sign};
use crate::trade::query;
use crate::validators;

fn receipt_of(seq: u64) -> QueryKind {
    QueryKind::Receipt { seq, of: None, life: None }
}

/// The receipt of the place that a word is about. Where the view has changed, that place may come after the bundle: more orders bring the ledger to
/// it.
async fn settled_at(client: &Client, meter: &TestMeter, word: &SequencedReceipt) -> Vec<u8> {
    for _ in 0..100 {
        match client.settled(word, 0).await {
            Err(ClientError::NotFinal) => {
                client.submit(&sign(&meter.key, vec![Command::Place(good_order())])).finality().await.unwrap();
            }
            other => return other.unwrap(),
        }
    }
    panic!("a hundred orders later there is nothing at {:?}", word.place)
}

/// Four clients, one at each validator: whether it leads or follows, each tells the leader's word before finality, and it is kept.
#[test]
fn every_validator_tells_the_leaders_word_and_it_is_kept() {
    run(async {
        let genesis = &fixture().network.genesis;
        let mut told = 0;
        for _ in 0..4 {
            let client = connect().await;
            let meter = rich_meter(&client).await;
            let mut submission = client.submit(&sign(&meter.key, vec![Command::Place(good_order())]));
            let (mut steps, mut words) = (Vec::new(), Vec::new());
            let done = loop {
                match submission.next().await.unwrap() {
                    Step::Final(done) => break done,
                    Step::Sequenced(receipt) => words.push(*receipt),
                    step => steps.push(step),
                }
            };
            // Another validator, to which the client has gone on, may have it final already.
            if client.failovers() == 0 {
                assert_eq!(steps.first(), Some(&Step::Accepted(done.bundle)));
            }
            let settled =
                Receipt::decode(&client.receipt(query(&meter.key, receipt_of(done.first_seq))).await.unwrap()).unwrap();
            if let Some(word) = words.first() {
                let mut forged = word.clone();
                forged.place.first_seq = word.place.first_seq.saturating_sub(1).max(1);
                let refused = client.settled(&forged, 0).await;
                assert_eq!(refused, Err(ClientError::Refused(Code::EvidenceSignature)), "nobody gave that word");
                let shown = settled_at(&client, &meter, word).await;
                assert_eq!(Receipt::decode(&shown).unwrap().verify(genesis).unwrap().record.seq, word.place.first_seq);
            }
            for word in words {
                let verified = word.verify(chain(), FIRST_EPOCH, &genesis.validators).unwrap();
                assert_eq!(verified.place.entry, done.bundle);
                if verified.place.first_seq == done.first_seq {
                    assert_eq!(word.fate(genesis, &settled), Ok(Fate::Kept));
                    told += 1;
                }
            }
        }
        // A validator that has just changed its view may hear of finality first; not all of four.
        assert!(told >= 2, "{told} of four were told");
    });
}

/// By the command line: an order tells its steps and keeps the leader's word in a file, which says less than a receipt and says so.
#[test]
fn a_leaders_word_is_kept_in_a_file_and_checked_offline() {
    let dir = tempfile::tempdir().unwrap();
    let network = &fixture().network;
    let key = dir.path().join("carol.key");
    write_key(&key, &SecretKey::generate().unwrap()).unwrap();
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let gridbook = |arguments: &[&str]| -> (i32, Value) {
        let output = validators::gridbook(arguments)
            .env("GRIDBOOK_JSON", "1")
            .env("GRIDBOOK_NETWORK", network.network_file())
            .env("GRIDBOOK_OPERATOR_KEY", network.operator_key_file())
            .env("GRIDBOOK_GENESIS_FILE", network.dir.join("genesis.json"))
            .env("GRIDBOOK_KEY", &key)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let json = serde_json::from_slice(&output.stdout).unwrap_or(Value::String(stderr.into_owned()));
        (output.status.code().unwrap(), json)
    };
    let turn = TURN.blocking_lock();
    let (code, told) = gridbook(&["meter", "register", "--deposit", "50"]);
    assert_eq!(code, 0, "{told}");
    drop(turn);
    let begins = format_moment(gridbook_engine::DeliveryPeriod(open_period().0 + 9).starts_at(15));
    let order = ["meter", "order", "--side", "buy", "--period", &begins, "--price", "1", "--energy", "100"];
    let mut attempt = 0;
    // A validator that has just changed its view may hear of finality first; then there is no word to keep. One that changes it in between makes
    // the word void.
    let (word, told) = loop {
        let word = file(&format!("{attempt}.s0"));
        let (code, told) = gridbook(&[&order[..], &["--sequenced", &word]].concat());
        assert_eq!(code, 0, "{told}");
        if told["steps"]["sequenced"].is_object() && told["steps"]["sequenced"]["fate"] != "void" {
            break (word, told);
        }
        attempt += 1;
        assert!(attempt < 5, "{told}");
    };
    let first_seq = told["steps"]["sequenced"]["first_seq"].as_u64().unwrap();
    assert!(told["steps"]["final"]["after_us"].as_u64() >= told["steps"]["sequenced"]["after_us"].as_u64(), "{told}");

    // The client holds the leader to its word by itself.
    assert_eq!(told["steps"]["sequenced"]["fate"].as_str(), Some("kept"), "{told}");
    assert_eq!(told["steps"]["breaches"].as_array().map(Vec::len), Some(0), "{told}");

    let (code, told) = gridbook(&["verify", "receipt", &word]);
    assert_eq!((code, told["verified"].as_bool(), told["final"].as_bool()), (0, Some(true), Some(false)), "{told}");
    assert_eq!(told["first_seq"].as_u64(), Some(first_seq));

    let settled = file("place.receipt");
    let (code, told) = gridbook(&["meter", "receipt", "--seq", &first_seq.to_string(), "--out", &settled]);
    assert_eq!(code, 0, "{told}");
    let by_word = file("word.receipt");
    let (code, told) = gridbook(&["meter", "receipt", "--word", &word, "--out", &by_word]);
    assert_eq!((code, told["record"]["seq"].as_u64()), (0, Some(first_seq)), "{told}");
    assert_eq!(std::fs::read(&by_word).unwrap(), std::fs::read(&settled).unwrap());
    let (code, told) = gridbook(&["meter", "receipt", "--word", &word, "--index", "1", "--out", &by_word]);
    assert!(code == 1 && told.as_str().unwrap().contains("EvidencePlace"), "its bundle has one command: {told}");
    let (code, told) = gridbook(&["verify", "receipt", &word, "--settled", &settled]);
    assert_eq!((code, told["fate"].as_str()), (0, Some("kept")), "{told}");
    let (code, told) = gridbook(&["verify", "receipt", &settled, "--settled", &word]);
    assert_eq!(code, 2, "a final receipt needs nothing beside it: {told}");

    let mut forged = std::fs::read(&word).unwrap();
    let middle = forged.len() / 2;
    forged[middle] ^= 1;
    std::fs::write(&word, forged).unwrap();
    assert_ne!(gridbook(&["verify", "receipt", &word]).0, 0, "a changed word proves nothing");
}
