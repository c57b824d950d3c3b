//! Bills and histories over the wire: one's own is told, others' are not, and an auditor needs nobody.

use std::path::Path;

use gridbook_engine::{AccountId, DeliveryPeriod, Energy, LedgerTime, Money, Price, Side};
use gridbook_ledger::command::{Command, Place};
use gridbook_ledger::crypto::SecretKey;
use gridbook_ledger::receipt::AccountHistory;
use gridbook_ledger::record::RecordEvent;
use gridbook_ledger::reject::Code;
use gridbook_ledger::settlement::statement::Statement;
use gridbook_ledger::store::{Fact, FactOwner, FactRow};
use gridbook_node::client::{Client, ClientError};
use gridbook_node::keyfile::{read_key, write_key};
use gridbook_node::moment::format_moment;
use gridbook_node::protocol::{QueryKind, SignedQuery};
use serde_json::Value;

use crate::fixture::{TestMeter, chain, connect, fixture, good_order, open_period, rich_meter, run, sign};
use crate::validators;
use crate::watch::listening;

fn signed_by(key: &SecretKey) -> impl Fn(QueryKind) -> SignedQuery + use<'_> {
    move |kind| SignedQuery::sign(chain(), kind, LedgerTime(u64::MAX), key)
}

pub(crate) fn operator_key() -> SecretKey {
    read_key(&fixture().network.operator_key_file()).unwrap()
}

/// Seller and buyer trade 300 Wh at 20 ct in the period of all tests, which is told: a quarter-hour may end meanwhile.
async fn traded() -> (Client, TestMeter, TestMeter, DeliveryPeriod) {
    let (client, period) = (connect().await, open_period());
    let (seller, buyer) = (rich_meter(&client).await, rich_meter(&client).await);
    // Only each other: the other tests' orders rest in the same book.
    let own = |side, partner| Place {
        side,
        price: Price(200_000),
        energy: Energy(300),
        partner: Some(partner),
        period,
        ..good_order()
    };
    let ask = Command::Place(own(Side::Sell, buyer.account));
    let bid = Command::Place(own(Side::Buy, seller.account));
    client.submit(&sign(&seller.key, vec![ask])).finality().await.unwrap();
    let done = client.submit(&sign(&buyer.key, vec![bid])).finality().await.unwrap();
    assert!(done.records[0].events.iter().any(|event| matches!(event, RecordEvent::Trade(_))), "{done:?}");
    (client, seller, buyer, period)
}

fn trades(facts: &[FactRow]) -> usize {
    facts.iter().filter(|row| matches!(row.fact, Fact::Event(RecordEvent::Trade(_)))).count()
}

/// A neighbour signs a perfectly good question about somebody else's meter and account: it is refused with a reason. Who runs the market is
/// answered, and so is the owner.
#[test]
fn another_accounts_data_are_not_told_and_ones_own_are() {
    run(async {
        let (client, seller, buyer, _) = traded().await;
        let (from, to) = (DeliveryPeriod(0), DeliveryPeriod(u32::MAX));
        let owner = FactOwner::Meter(seller.id);
        let operator = operator_key();
        for key in [&seller.key, &operator] {
            assert_eq!(trades(&client.facts(signed_by(key), owner, from, to).await.unwrap()), 1);
        }
        let foreign = Some(ClientError::Refused(Code::AuthForeign));
        let curious = signed_by(&buyer.key);
        assert_eq!(client.facts(&curious, owner, from, to).await.err(), foreign);
        assert_eq!(client.account_history(&curious, seller.account).await.err(), foreign);
        let forged = |kind| SignedQuery { key: seller.key.public(), ..curious(kind) };
        let refused = client.facts(forged, owner, from, to).await.err();
        assert_eq!(refused, Some(ClientError::Refused(Code::AuthSignature)));
        let unknown = FactOwner::Meter(gridbook_engine::MeterId(u32::MAX - 1));
        assert_eq!(client.facts(&curious, unknown, from, to).await.err(), Some(ClientError::Refused(Code::AuthMeter)));
        // Prices are everybody's; the sums of an area's meters are not.
        let area = FactOwner::Area(gridbook_engine::AreaId(0));
        let facts = client.facts(&curious, area, from, to).await.unwrap();
        assert!(facts.iter().all(|row| matches!(row.fact, Fact::Event(_))), "{facts:?}");
        assert_eq!(client.area_facts(&curious, gridbook_engine::AreaId(0), from, to).await.err(), foreign);
    });
}

/// A month's bill without its lines comes to what its lines come to, for the meter and for who runs the market; a neighbour is told neither.
#[test]
fn a_bill_day_by_day_comes_to_what_its_lines_come_to() {
    run(async {
        let (client, seller, buyer, _) = traded().await;
        let (from, to) = (DeliveryPeriod(0), DeliveryPeriod(u32::MAX));
        let operator = operator_key();
        for key in [&seller.key, &operator] {
            let sums = client.bill(signed_by(key), seller.id, from, to).await.unwrap();
            let facts = client.facts(signed_by(key), FactOwner::Meter(seller.id), from, to).await.unwrap();
            let events = facts.iter().filter_map(|row| match &row.fact {
                Fact::Event(event) => Some((row.seq, event)),
                Fact::Meters(_) => None,
            });
            let [row] = &sums[..] else { panic!("one trade in one piece: {sums:?}") };
            assert_eq!((row.account, row.totals), (seller.account, Statement::of(seller.id, events).totals));
            assert_eq!((row.totals.sold_wh, row.totals.sold, row.totals.unsettled), (300, Money(60_000_000), 1));
        }
        let foreign = client.bill(signed_by(&buyer.key), seller.id, from, to).await.err();
        assert_eq!(foreign, Some(ClientError::Refused(Code::AuthForeign)));
    });
}

/// The whole way of an audit: extracts and proof from a validator, verified against the genesis alone; one extract less and it fails.
#[test]
fn an_accounts_history_is_complete_and_proven() {
    run(async {
        let (client, seller, ..) = traded().await;
        let operator = operator_key();
        for key in [&seller.key, &operator] {
            let history = client.account_history(signed_by(key), seller.account).await.unwrap();
            let verified = history.verify(&fixture().network.genesis).unwrap();
            // Opened, its meter registered, a deposit, an order, and the trade that the buyer's order brought.
            assert_eq!(verified.extracts.len(), 5);
            assert_eq!(verified.account.state.balance, Money(100_000_000_000));
            for missing in 0..history.extracts.len() {
                let mut extracts = history.extracts.clone();
                extracts.remove(missing);
                let short = AccountHistory { extracts, ..history.clone() };
                assert!(short.verify(&fixture().network.genesis).is_err(), "without {missing}");
            }
        }
        let nobody = client.account_history(signed_by(&operator), AccountId(u32::MAX - 1)).await.err();
        assert_eq!(nobody, Some(ClientError::NotFinal));
    });
}

/// By the command line: a prosumer reads the bill, an auditor checks a file offline and a changed file says which step breaks.
#[test]
fn a_bill_and_an_audit_by_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let (seller, period) = run(async {
        let (client, seller, _, period) = traded().await;
        // The command asks another validator first.
        listening(&client).await;
        (seller, period)
    });
    let key = dir.path().join("seller.key");
    write_key(&key, &seller.key).unwrap();
    let network = &fixture().network;
    let gridbook = |key: &Path, json: &str, arguments: &[&str]| -> (i32, String) {
        let output = validators::gridbook(arguments)
            .env("GRIDBOOK_JSON", json)
            .env("GRIDBOOK_NETWORK", network.network_file())
            .env("GRIDBOOK_GENESIS_FILE", network.dir.join("genesis.json"))
            .env("GRIDBOOK_KEY", key)
            .output()
            .unwrap();
        (
            output.status.code().unwrap(),
            [output.stdout, output.stderr].map(|out| String::from_utf8(out).unwrap()).concat(),
        )
    };
    let (begins, period) = (format_moment(period.starts_at(15)), period.0.to_string());
    let (code, told) = gridbook(&key, "true", &["meter", "statement", "--period", &period]);
    let bill: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((code, &bill["totals"]["sold_nano"]), (0, &Value::from("60000000")), "{told}");
    let (code, told) = gridbook(&key, "false", &["meter", "statement", "--period", &period]);
    assert!(code == 0 && told.contains("not settled yet") && told.contains("0.060000000"), "{told}");
    let (code, told) = gridbook(&key, "false", &["meter", "statement", "--period", &period, "--csv"]);
    assert!(code == 0 && told.starts_with("period,begins,area,area_name,line"), "{told}");
    assert_eq!(gridbook(&key, "false", &["meter", "statement", "--day", "someday"]).0, 2);
    let (day, month, year) = (&begins[..10], &begins[..7], &begins[..4]);
    for span in [["--month", month], ["--year", year]] {
        let (code, told) = gridbook(&key, "true", &["meter", "statement", span[0], span[1]]);
        let in_all: Value = serde_json::from_str(&told).unwrap();
        assert_eq!((code, &in_all["totals"]), (0, &bill["totals"]), "{told}");
        assert_eq!((in_all["days"].as_array().unwrap().len(), &in_all["days"][0]["day"]), (1, &Value::from(day)));
        let (code, told) = gridbook(&key, "false", &["meter", "statement", span[0], span[1]]);
        assert!(code == 0 && told.contains("1 period, 1 not settled yet, 1 not final"), "{told}");
        let (code, told) = gridbook(&key, "false", &["meter", "statement", span[0], span[1], "--lines", "--csv"]);
        assert!(code == 0 && told.starts_with("period,begins,area,area_name,line"), "{told}");
    }

    // A report of zeros would be believed.
    let (code, told) = gridbook(&key, "true", &["report", "area", "--period", &period]);
    assert!(code == 1 && told.contains("AuthForeign"), "{told}");
    let operator = network.operator_key_file();
    let (code, told) = gridbook(&operator, "true", &["report", "area", "--period", &period]);
    let report: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((code, &report["area"]), (0, &Value::from("town")), "{told}");

    let file = dir.path().join("account.history");
    let (file_text, account) = (file.to_str().unwrap(), seller.account.0.to_string());
    let (code, told) = gridbook(&operator, "true", &["report", "account", "--account", &account, "--out", file_text]);
    assert_eq!(code, 0, "{told}");
    let (code, told) = gridbook(&operator, "false", &["verify", "account", file_text, "--records"]);
    assert!(code == 0 && told.contains("complete up to height") && told.contains("5 records"), "{told}");
    let whole = AccountHistory::decode(&std::fs::read(&file).unwrap()).unwrap();
    let mut extracts = whole.extracts.clone();
    extracts.remove(2);
    std::fs::write(&file, AccountHistory { extracts, ..whole.clone() }.encode()).unwrap();
    let (code, told) = gridbook(&operator, "false", &["verify", "account", file_text]);
    assert!(code == 1 && told.contains("one is missing"), "{told}");
    let mut richer = whole;
    richer.proof.state.balance += Money(1);
    std::fs::write(&file, richer.encode()).unwrap();
    let (code, told) = gridbook(&operator, "false", &["verify", "account", file_text]);
    assert!(code == 1 && told.contains("did not stand so"), "{told}");
}
