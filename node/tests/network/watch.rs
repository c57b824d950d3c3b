//! Watches that end: whoever watched is told why, and nothing more.

use std::process::Stdio;
use std::time::Duration;

use gridbook_ledger::command::{Command, SignedBundle};
use gridbook_ledger::crypto::SecretKey;
use gridbook_ledger::record::{Outcome, RecordEvent};
use gridbook_ledger::registry::{Reason, Subject};
use gridbook_ledger::reject::Code;
use gridbook_node::client::{Client, ClientError, Patience, WatchEnd, WatchEvent, WatchEvents};
use gridbook_node::keyfile::write_key;
use gridbook_node::protocol::QueryKind;

use crate::fixture::{TestMeter, connect, fixture, good_order, operate, rich_meter, run, sign};
use crate::trade::query;
use crate::validators;

/// A client whose events are listened to, at a validator that has told all that `other` has heard of.
pub(crate) async fn listening(other: &Client) -> (Client, WatchEvents) {
    let seed = *SecretKey::generate().unwrap().seed();
    let validators = fixture().network.clients.validators.clone();
    let (line, events) = Client::connect(validators, seed, Patience::default()).await.unwrap();
    wait_until_told(&line, other.status().await.unwrap().height).await;
    (line, events)
}

/// Waits until a client's validator has told those who watch of everything up to a height: it shows a header when that is done.
pub(crate) async fn wait_until_told(line: &Client, height: u64) {
    let shown = async {
        while line.header(height).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), shown).await.expect("the validator catches up");
}

async fn next(events: &mut WatchEvents) -> Result<WatchEvent, WatchEnd> {
    tokio::time::timeout(Duration::from_secs(30), events.recv()).await.expect("something is told").unwrap()
}

fn an_order(key: &SecretKey) -> SignedBundle {
    sign(key, vec![Command::Place(good_order())])
}

fn rotation(meter: &TestMeter, key: &SecretKey) -> Command {
    Command::RotateKey { subject: Subject::Meter(meter.id), key: key.public() }
}

/// A thief has copied a meter's key and watches. Its owner changes the key: the thief hears of that, and why he hears nothing more. The owner's own watch
/// ends too, for it was asked for with the old key; by the new one he watches on.
#[test]
fn a_watch_ends_with_the_key_and_says_why() {
    run(async {
        let client = connect().await;
        let meter = rich_meter(&client).await;
        let ((thief, mut stolen), (owner, mut own)) = (listening(&client).await, listening(&client).await);
        for line in [&thief, &owner] {
            assert_eq!(line.watch(query(&meter.key, QueryKind::Watch)).await, Ok(meter.id));
        }
        let new_key = SecretKey::generate().unwrap();
        let rotated = client.submit(&sign(&meter.key, vec![rotation(&meter, &new_key)])).finality().await.unwrap();
        assert_eq!(rotated.records[0].outcome, Outcome::Done);
        for events in [&mut stolen, &mut own] {
            let told = next(events).await.unwrap();
            assert_eq!((told.record.seq, told.meter), (rotated.first_seq, meter.id), "the change itself");
            let end = next(events).await.unwrap_err();
            assert_eq!(end, WatchEnd { meter: meter.id, code: Code::AuthReplaced });
            assert!(end.to_string().contains("newer key"), "{end}");
        }
        assert_eq!(owner.watch(query(&new_key, QueryKind::Watch)).await, Ok(meter.id));
        let again = thief.watch(query(&meter.key, QueryKind::Watch)).await;
        assert_eq!(again, Err(ClientError::Refused(Code::AuthReplaced)));

        let ordered = client.submit(&an_order(&new_key)).finality().await.unwrap();
        assert_eq!(next(&mut own).await.unwrap().record.seq, ordered.first_seq);
        wait_until_told(&thief, ordered.height).await;
        assert!(stolen.try_recv().is_err(), "nothing after the end");
    });
}

/// A meter is sold with its house. Who had it hears of the sale, and that it is another's now; of what the new owner does with it he hears nothing. A
/// new watch with the key, which came along with the meter, is the new owner's.
#[test]
fn a_watch_ends_with_the_transfer_and_says_why() {
    run(async {
        let client = connect().await;
        let (meter, buyer) = (rich_meter(&client).await, rich_meter(&client).await);
        let (seller_line, mut sold) = listening(&client).await;
        assert_eq!(seller_line.watch(query(&meter.key, QueryKind::Watch)).await, Ok(meter.id));
        let reason = Reason::from_number(1).unwrap();
        let transfer = Command::TransferMeter { meter: meter.id, account: buyer.account, reason };
        let done = operate(&client, transfer).await;
        let told = next(&mut sold).await.unwrap();
        assert!(
            told.record.events.iter().any(|event| matches!(event, RecordEvent::MeterTransferred { .. })),
            "{told:?}"
        );
        let end = next(&mut sold).await.unwrap_err();
        assert_eq!(end, WatchEnd { meter: meter.id, code: Code::AuthForeign });
        assert!(end.to_string().contains("another account"), "{end}");

        let (buyer_line, mut bought) = listening(&client).await;
        wait_until_told(&buyer_line, done.height).await;
        assert_eq!(buyer_line.watch(query(&meter.key, QueryKind::Watch)).await, Ok(meter.id));
        let ordered = client.submit(&an_order(&meter.key)).finality().await.unwrap();
        assert_eq!(next(&mut bought).await.unwrap().record.seq, ordered.first_seq);
        wait_until_told(&seller_line, ordered.height).await;
        assert!(sold.try_recv().is_err(), "nothing after the end");
    });
}

/// By the command line: `meter watch` ends with the reason, and not as if all were well.
#[test]
fn the_command_line_says_why_a_watch_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let (meter, registered) = run(async {
        let client = connect().await;
        let meter = rich_meter(&client).await;
        let registered = client.status().await.unwrap().height;
        // The command asks the same validator first.
        listening(&client).await;
        (meter, registered)
    });
    let key_file = dir.path().join("meter.key");
    write_key(&key_file, &meter.key).unwrap();
    let mut watching = validators::gridbook(&["meter", "watch"])
        .env("GRIDBOOK_NETWORK", fixture().network.network_file())
        .env("GRIDBOOK_KEY", &key_file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = std::io::BufReader::new(watching.stderr.take().unwrap());
    let mut first = String::new();
    std::io::BufRead::read_line(&mut said, &mut first).unwrap();
    assert!(first.contains("watching meter"), "{first}");
    run(async {
        let client = connect().await;
        wait_until_told(&client, registered).await;
        let new_key = SecretKey::generate().unwrap();
        client.submit(&sign(&meter.key, vec![rotation(&meter, &new_key)])).finality().await.unwrap();
    });
    let ended = watching.wait_with_output().unwrap();
    let mut why = String::new();
    std::io::Read::read_to_string(&mut said, &mut why).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{why}");
    assert!(why.contains("watched no longer") && why.contains("AuthReplaced"), "{why}");
    assert!(String::from_utf8(ended.stdout).unwrap().contains("key"), "the change itself was told");
}
