//! A validator whose door lies to clients: it passes on what they say and hear, but on each bundle it gives a word of its own.

use std::path::Path;

use bytes::Bytes;
use gridbook_engine::DeliveryPeriod;
use gridbook_ledger::crypto::SecretKey;
use gridbook_ledger::evidence::Evidence;
use gridbook_ledger::genesis::FIRST_EPOCH;
use gridbook_net::{ConnectionId, MeterClient, MeterEndpoint, MeterEvent, MeterServerConfig, Quotas};
use gridbook_node::client::wall_us;
use gridbook_node::config::Peer;
use gridbook_node::keyfile::write_key;
use gridbook_node::moment::format_moment;
use gridbook_node::protocol::Answer;
use serde_json::Value;

use crate::house::{House, house, run};
use crate::liar;

/// The word that the door gives on every bundle: a place in a view that its validator led.
#[derive(Clone)]
struct Lie {
    house: &'static House,
    key: SecretKey,
    view: u64,
    seq: u64,
}

/// Listens in a validator's name, with its key, and asks the true one. Gives how it is reached.
async fn open_door(lie: Lie, validator: usize) -> Peer {
    let listen = (std::net::Ipv4Addr::LOCALHOST, 0).into();
    let config = MeterServerConfig::new(*lie.key.seed(), listen, Quotas::default());
    let (endpoint, mut events) = MeterEndpoint::bind(config).unwrap();
    let peer = Peer { address: endpoint.local_addr().unwrap(), ..lie.house.peer(validator) };
    tokio::spawn(async move {
        let mut lines = std::collections::BTreeMap::new();
        let mut batch = Vec::new();
        while events.recv_many(&mut batch, 64).await > 0 {
            for event in batch.drain(..) {
                match event {
                    MeterEvent::Opened { connection, .. } => {
                        let line = pass_on(lie.clone(), validator, endpoint.clone(), connection).await;
                        lines.insert(connection, line);
                    }
                    MeterEvent::Frame { connection, bytes } => lines[&connection].send(bytes).await.unwrap(),
                    MeterEvent::OverQuota { .. } => panic!("one client sends a few requests"),
                    MeterEvent::Closed { connection } => _ = lines.remove(&connection),
                }
            }
        }
    });
    peer
}

/// A line to the true validator, whose answers go back to the client: but for its leader's words, in the place of which stands the lie.
async fn pass_on(
    lie: Lie,
    validator: usize,
    endpoint: MeterEndpoint,
    connection: ConnectionId,
) -> gridbook_net::MeterSender {
    let to = lie.house.peer(validator);
    let seed = *SecretKey::generate().unwrap().seed();
    let (sender, mut receiver) = MeterClient::connect(to.address, to.key.0, seed).await.unwrap().split();
    tokio::spawn(async move {
        while let Some(bytes) = receiver.recv().await {
            let answers = match Answer::decode(&bytes).unwrap() {
                Answer::Sequenced { .. } => Vec::new(),
                Answer::Accepted { request_id, bundle } => {
                    let word = liar::word(lie.house, lie.view, &lie.key, lie.seq, bundle);
                    let lie = Answer::Sequenced { request_id, receipt: word.encode() };
                    vec![bytes, Bytes::from(lie.encode())]
                }
                _ => vec![bytes],
            };
            for answer in answers {
                // A client that is gone hears nothing more.
                let _ = endpoint.send(connection, answer);
            }
        }
    });
    sender
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
        let lie = Lie { house, key: house.validator_key(leader), view, seq };
        let door = open_door(lie, leader).await;
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
