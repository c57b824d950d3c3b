//! Neighbours trade: by the client library and by the command line, with a receipt that convinces somebody who was not there.

use std::path::Path;

use gridbook_engine::{Energy, LedgerTime, Price, Side};
use gridbook_ledger::command::{Command, Place};
use gridbook_ledger::crypto::SecretKey;
use gridbook_ledger::receipt::Receipt;
use gridbook_ledger::record::{Outcome, RecordEvent, Trade};
use gridbook_ledger::reject::Code;
use gridbook_node::client::ClientError;
use gridbook_node::keyfile::write_key;
use gridbook_node::moment::format_moment;
use gridbook_node::protocol::{QueryKind, SignedQuery};
use serde_json::Value;

use crate::fixture::{TURN, chain, connect, fixture, good_order, open_period, refusal, rich_meter, run, sign};
use crate::statement::operator_key;
use crate::validators;
use crate::watch::listening;

pub(crate) fn query(key: &SecretKey, kind: QueryKind) -> SignedQuery {
    SignedQuery::sign(chain(), kind, LedgerTime(u64::MAX), key)
}

#[test]
fn a_seller_who_watches_learns_of_the_trade_and_both_get_receipts_that_verify() {
    run(async {
        let buyer_line = connect().await;
        let (seller, buyer) = (rich_meter(&buyer_line).await, rich_meter(&buyer_line).await);
        let (seller_line, mut events) = listening(&buyer_line).await;
        assert_eq!(seller_line.watch(query(&seller.key, QueryKind::Watch)).await, Ok(seller.id));

        // ask 20 ct: 300 Wh | bid 25 ct: 200 Wh, which pays the resting price
        let period = open_period();
        let ask = Place { period, side: Side::Sell, price: Price(200_000), energy: Energy(300), ..good_order() };
        let bid = Place { period, side: Side::Buy, price: Price(250_000), energy: Energy(200), ..good_order() };
        seller_line.submit(&sign(&seller.key, vec![Command::Place(ask)])).finality().await.unwrap();
        let done = buyer_line.submit(&sign(&buyer.key, vec![Command::Place(bid)])).finality().await.unwrap();
        let trade = done.records[0].events.iter().find(|event| matches!(event, RecordEvent::Trade { .. })).copied();
        let Some(RecordEvent::Trade(Trade { maker, taker, price, energy, .. })) = trade else { panic!("{done:?}") };
        assert_eq!((maker.meter, taker.meter, price, energy), (seller.id, buyer.id, Price(200_000), Energy(200)));

        let told = loop {
            let event = tokio::time::timeout(std::time::Duration::from_secs(20), events.recv())
                .await
                .unwrap()
                .unwrap()
                .unwrap();
            assert_eq!(event.meter, seller.id);
            if event.record.seq == done.records[0].seq {
                break event;
            }
        };
        assert!(told.record.events.contains(&trade.unwrap()), "{told:?}");

        let by_bundle = QueryKind::BundleReceipt { bundle: done.bundle, index: 0, of: None };
        let receipt = buyer_line.receipt(query(&buyer.key, by_bundle)).await.unwrap();
        let receipt = Receipt::decode(&receipt).unwrap();
        assert_eq!(receipt.verify(&fixture().network.genesis).unwrap().record, done.records[0]);
        let line = &buyer_line;
        let by_number = async |key: &SecretKey, of| {
            let kind = QueryKind::Receipt { seq: done.records[0].seq, of, life: None };
            line.receipt(query(key, kind)).await.map(|bytes| Receipt::decode(&bytes).unwrap().record)
        };
        for key in [&seller.key, &buyer.key, &operator_key()] {
            assert_eq!(by_number(key, None).await.as_ref(), Ok(&receipt.record), "each side, and who runs the market");
        }
        let (foreign, curious) = (Err(ClientError::Refused(Code::AuthForeign)), rich_meter(line).await);
        assert_eq!(by_number(&curious.key, None).await, foreign, "a neighbour who counts through the records");
        assert_eq!(by_number(&curious.key, Some(seller.id)).await, foreign);
        let nobody = SecretKey::generate().unwrap();
        assert_eq!(by_number(&nobody, None).await, Err(ClientError::Refused(Code::AuthUnknownDevice)));
        let account = buyer_line.account(query(&buyer.key, QueryKind::Account)).await.unwrap();
        assert_eq!((account.meter, account.account), (buyer.id, buyer.account));
        // 200 Wh at 20 ct: four cents, which clearing holds until the energy is delivered.
        assert_eq!((account.balance.0, account.reserved.0), (100_000_000_000 - 40_000_000, 0));
    });
}

/// A neighbour is curious what the others trade.
#[test]
fn nobody_watches_a_meter_without_its_key() {
    run(async {
        let client = connect().await;
        let meter = rich_meter(&client).await;
        let stranger = SecretKey::generate().unwrap();
        let refused = client.watch(query(&stranger, QueryKind::Watch)).await;
        assert_eq!(refused, Err(ClientError::Refused(Code::AuthUnknownDevice)));
        let forged = SignedQuery { key: meter.key.public(), ..query(&stranger, QueryKind::Watch) };
        assert_eq!(client.watch(forged).await, Err(ClientError::Refused(Code::AuthSignature)));
        let past = SignedQuery::sign(chain(), QueryKind::Account, LedgerTime(1), &meter.key);
        assert_eq!(client.account(past).await, Err(ClientError::Refused(Code::AuthExpired)));
        let other_purpose = client.watch(query(&meter.key, QueryKind::Account)).await;
        assert_eq!(other_purpose, Err(ClientError::Refused(Code::AuthRole)));
        let other_kind = SignedQuery { kind: QueryKind::Account, ..query(&meter.key, QueryKind::Watch) };
        assert_eq!(client.account(other_kind).await, Err(ClientError::Refused(Code::AuthSignature)));
    });
}

#[test]
fn a_receipt_for_what_never_was_is_not_final() {
    run(async {
        let client = connect().await;
        let bundle = gridbook_ledger::crypto::Hash([5; 32]);
        let unknown = query(&operator_key(), QueryKind::BundleReceipt { bundle, index: 0, of: None });
        assert_eq!(client.receipt(unknown).await, Err(ClientError::NotFinal));
        assert_eq!(client.header(u64::MAX).await, Err(ClientError::NotFinal));
    });
}

#[test]
fn nobody_cancels_the_order_of_another() {
    run(async {
        let client = connect().await;
        let (owner, thief) = (rich_meter(&client).await, rich_meter(&client).await);
        let order = good_order();
        let cancel = |key| sign(key, vec![Command::Cancel { client_id: order.client_id }]);
        client.submit(&sign(&owner.key, vec![Command::Place(order)])).finality().await.unwrap();
        assert_eq!(refusal(&client, &cancel(&thief.key)).await, Code::MatchUnknownOrder);
        let done = client.submit(&cancel(&owner.key)).finality().await.unwrap();
        assert_eq!(done.records[0].outcome, Outcome::Done);
    });
}

/// The story of the help text, by the command line alone.
#[test]
fn two_neighbours_trade_by_the_command_line_and_a_third_verifies_the_receipt() {
    let dir = tempfile::tempdir().unwrap();
    let network = &fixture().network;
    let key = |name: &str| {
        let file = dir.path().join(name);
        write_key(&file, &SecretKey::generate().unwrap()).unwrap();
        file
    };
    let (alice, bob) = (key("alice.key"), key("bob.key"));
    let gridbook = |key: &Path, arguments: &[&str]| -> (i32, Value) {
        let output = validators::gridbook(arguments)
            .env("GRIDBOOK_JSON", "1")
            .env("GRIDBOOK_NETWORK", network.network_file())
            .env("GRIDBOOK_OPERATOR_KEY", network.operator_key_file())
            .env("GRIDBOOK_GENESIS_FILE", network.dir.join("genesis.json"))
            .env("GRIDBOOK_KEY", key)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let json = serde_json::from_slice(&output.stdout).unwrap_or(Value::String(stderr.into_owned()));
        (output.status.code().unwrap(), json)
    };
    for key in [&alice, &bob] {
        let _turn = TURN.blocking_lock();
        let (code, told) = gridbook(key, &["meter", "register", "--deposit", "50"]);
        assert_eq!(code, 0, "{told}");
    }
    // A period of its own, so that no other test trades in it.
    let period = gridbook_engine::DeliveryPeriod(open_period().0 + 7);
    let begins = format_moment(period.starts_at(15));
    let order = |side, price| {
        ["meter", "order", "--period", &begins, "--energy", "0.5kWh", "--side", side, "--price", price]
            .map(str::to_owned)
    };
    let send = |key: &Path, order: [String; 10]| gridbook(key, &order.each_ref().map(String::as_str));
    let (code, told) = send(&alice, order("sell", "21.5"));
    assert_eq!(code, 0, "{told}");
    let (code, told) = send(&bob, order("buy", "22"));
    assert_eq!(code, 0, "{told}");
    let trade = &told["records"][0]["events"][0]["trade"];
    assert_eq!((trade["price"].as_i64(), trade["energy"].as_u64()), (Some(215_000), Some(500)), "{told}");

    let receipt = dir.path().join("trade.receipt");
    let receipt_text = receipt.to_str().unwrap();
    let bundle = told["bundle"].as_str().unwrap();
    let (code, told) = gridbook(&bob, &["meter", "receipt", "--bundle", bundle, "--out", receipt_text]);
    assert_eq!(code, 0, "{told}");
    let (code, told) = gridbook(&bob, &["verify", "receipt", receipt_text]);
    assert_eq!((code, told["verified"].as_bool()), (0, Some(true)), "{told}");

    let mut forged = std::fs::read(&receipt).unwrap();
    let middle = forged.len() / 2;
    forged[middle] ^= 1;
    std::fs::write(&receipt, forged).unwrap();
    assert_eq!(gridbook(&bob, &["verify", "receipt", receipt_text]).0, 1, "a changed receipt proves nothing");

    let (code, told) =
        gridbook(&bob, &["meter", "order", "--side", "buy", "--period", "5", "--price", "1", "--energy", "10"]);
    assert_eq!(code, 1, "{told}");
    let (code, told) = gridbook(&bob, &["meter", "account"]);
    // 500 Wh at 21.5 ct.
    assert_eq!((code, told["balance_nano"].as_str()), (0, Some("49892500000")), "{told}");

    // What they agree on over the fence needs both of them.
    let meter_of = |key: &Path| gridbook(key, &["meter", "account"]).1["meter"].to_string();
    let (alices, bobs) = (meter_of(&alice), meter_of(&bob));
    let terms = ["--period", &begins, "--price", "18", "--energy", "400"];
    let offer = ["meter", "offer", "--partner", &bobs, "--side", "sell", "--client-id", "12"];
    let (code, told) = gridbook(&alice, &[&offer[..], &terms].concat());
    assert_eq!((code, told["records"][0]["events"][0]["offered"]["to_meter"].to_string()), (0, bobs.clone()), "{told}");
    let accept = |side| ["meter", "accept", "--partner", &alices, "--offer", "12", "--side", side];
    let (code, told) = gridbook(&bob, &[&accept("sell")[..], &terms].concat());
    assert_eq!(code, 1, "both cannot sell: {told}");
    let (code, told) = gridbook(&bob, &[&accept("buy")[..], &terms].concat());
    assert_eq!((code, told["records"][0]["events"][0]["trade"]["kind"].as_str()), (0, Some("prearranged")), "{told}");

    // Bob takes only solar, of which Alice has none.
    let solar = ["meter", "order", "--side", "buy", "--sources", "solar", "--max-edges", "0", "--display", "100"];
    let (code, told) = gridbook(&bob, &[&solar[..], &terms].concat());
    assert_eq!((code, told["records"][0]["events"][0]["rested"]["remaining"].as_u64()), (0, Some(400)), "{told}");
    let (code, told) = send(&alice, order("sell", "17"));
    assert!(code == 0 && told["records"][0]["events"][0]["rested"].is_object(), "{told}");
    let limits = ["meter", "capacity", "--area", "town", "--period", &begins, "--up", "1kWh", "--down", "0"];
    let _turn = TURN.blocking_lock();
    let (code, told) = gridbook(&bob, &limits);
    assert_eq!((code, told["records"][0]["outcome"]["rejected"].as_str()), (1, Some("FormEdge")), "{told}");
}
