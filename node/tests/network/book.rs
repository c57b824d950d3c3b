//! The books as anybody sees them, live, without a key and without asking the thread that writes them.

use std::io::{BufRead as _, BufReader};
use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

use gridbook_engine::depth::Level;
use gridbook_engine::{AreaId, Contract, DeliveryPeriod, Energy, Price, Side};
use gridbook_ledger::command::{Command, Place};
use gridbook_ledger::crypto::SecretKey;
use gridbook_ledger::record::Outcome;
use gridbook_ledger::reject::Code;
use gridbook_node::client::{Client, ClientError, next_nonce};
use gridbook_node::keyfile::write_key;
use gridbook_node::moment::format_moment;
use gridbook_node::protocol::Book;
use serde_json::{Value, json};

use crate::fixture::{TestMeter, connect, connect_to, fixture, open_period, rich_meter, run, sign};
use crate::validators;

/// A book that no other test trades in, also where a quarter-hour ends before that one asks for its own.
fn own_book(number: u32) -> Contract {
    Contract { area: AreaId(0), period: DeliveryPeriod(open_period().0 + 40 + 4 * number) }
}

/// Places an order; the sequence number at which it is on the ledger.
async fn place(client: &Client, meter: &TestMeter, contract: Contract, side: Side, cents: i32, wh: u64) -> u64 {
    let order = Place::limit(next_nonce(), contract, side, Price(cents * 10_000), Energy(wh));
    let done = client.submit(&sign(&meter.key, vec![Command::Place(order)])).finality().await.unwrap();
    assert_eq!(done.records[0].outcome, Outcome::Done);
    done.records[0].seq
}

/// The book as of `seq` or later. Whoever heard of `seq` from this validator finds it there at once; another may be a moment behind.
async fn book_after(client: &Client, contract: Contract, seq: u64) -> Book {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let book = client.book(contract).await.unwrap();
        if book.as_of >= seq {
            return book;
        }
        assert!(Instant::now() < deadline, "still as of {}, and not of {seq}", book.as_of);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn level(cents: i32, wh: u64) -> Level {
    (Price(cents * 10_000), Energy(wh))
}

#[test]
fn the_orders_of_two_neighbours_are_shown_and_so_is_their_trade() {
    run(async {
        let (client, other) = (connect().await, connect().await);
        let (seller, buyer) = (rich_meter(&client).await, rich_meter(&client).await);
        let contract = own_book(0);
        assert_eq!(client.book(contract).await.unwrap().depth, None, "nobody has come here yet");

        place(&client, &seller, contract, Side::Sell, 25, 300).await;
        place(&client, &seller, contract, Side::Sell, 23, 200).await;
        let seq = place(&client, &buyer, contract, Side::Buy, 20, 400).await;
        let (bids, asks) = book_after(&client, contract, seq).await.sides();
        assert_eq!((&bids[..], &asks[..]), (&[level(20, 400)][..], &[level(23, 200), level(25, 300)][..]));

        // bid 24 ct: 250 Wh meets 200 Wh at 23 ct, and 50 Wh of it rest.
        let seq = place(&client, &buyer, contract, Side::Buy, 24, 250).await;
        for gateway in [&client, &other] {
            let book = book_after(gateway, contract, seq).await;
            let (bids, asks) = book.sides();
            assert_eq!((&bids[..], &asks[..]), (&[level(24, 50), level(20, 400)][..], &[level(25, 300)][..]));
            let changed_at = book.depth.unwrap().epoch;
            assert!(changed_at <= book.as_of, "{changed_at} is not after {}", book.as_of);
        }
    });
}

#[test]
fn there_is_no_book_of_an_area_that_is_not_there() {
    run(async {
        let client = connect().await;
        for area in [1, u16::MAX] {
            let nowhere = Contract { area: AreaId(area), ..own_book(1) };
            assert_eq!(client.book(nowhere).await, Err(ClientError::Refused(Code::FormArea)));
        }
        let far = Contract { area: AreaId(0), period: DeliveryPeriod(u32::MAX) };
        assert_eq!(client.book(far).await.unwrap().depth, None, "the end of time is a period like any other");
    });
}

fn gridbook(arguments: &[&str]) -> Process {
    let mut process = validators::gridbook(&[&["meter", "book"], arguments].concat());
    process.env("GRIDBOOK_NETWORK", fixture().network.network_file());
    process
}

/// Exit code, standard output, standard error.
fn told(arguments: &[&str]) -> (i32, String, String) {
    let output = gridbook(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_command_line_draws_the_book_for_people_and_gives_it_to_programs() {
    let contract = own_book(2);
    let begins = format_moment(contract.period.starts_at(15));
    let dir = tempfile::tempdir().unwrap();
    let key_file = dir.path().join("meter.key");
    let seq = run(async {
        let client = connect().await;
        let (seller, buyer) = (rich_meter(&client).await, rich_meter(&client).await);
        write_key(&key_file, &SecretKey::from_seed(*seller.key.seed())).unwrap();
        place(&client, &seller, contract, Side::Sell, 25, 300).await;
        let seq = place(&client, &buyer, contract, Side::Buy, 20, 1_000).await;
        for validator in &fixture().network.clients.validators {
            book_after(&connect_to(vec![*validator]).await, contract, seq).await;
        }
        seq
    });

    let (code, drawn, _) = told(&["--area", "town", "--period", &begins]);
    let ladder = " bid Wh |  ct/kWh |  ask Wh\n        | 25.0000 |     300\n   1000 | 20.0000 |\n";
    assert!(code == 0 && drawn.contains(ladder), "{code}:\n{drawn}");

    // By the meter's key, which says in which area it is.
    let (code, json, stderr) = told(&["--json", "--period", &begins, "--key", key_file.to_str().unwrap()]);
    let book: Value = serde_json::from_str(&json).unwrap_or_else(|_| panic!("{code}: {json}{stderr}"));
    assert!(book["as_of"].as_u64() >= Some(seq), "{book}");
    assert_eq!((&book["area"], &book["begins"], &book["published"]), (&json!("town"), &json!(begins), &json!(true)));
    assert_eq!(book["bids"], json!([{"price": 200_000, "energy": 1_000}]));
    assert_eq!(book["asks"], json!([{"price": 250_000, "energy": 300}]));

    let unused = format_moment(own_book(3).period.starts_at(15));
    let (code, drawn, _) = told(&["--area", "town", "--period", &unused]);
    assert!(code == 0 && drawn.contains("nothing published"), "{code}: {drawn}");
}

#[test]
fn a_book_that_cannot_be_asked_for_is_answered_by_a_sentence() {
    let begins = format_moment(own_book(4).period.starts_at(15));
    for (area, period, exit, sentence) in [
        ("moon", &begins[..], 2, "there are: town"),
        ("town", "2026-06-17T12:07", 2, "no delivery period of 15 minutes begins"),
        ("town", "noon", 2, "is not a moment"),
        ("town", "5", 1, "ended at 1970-01-01T01:10:00Z"),
        ("town", "4294967295", 1, "begins at"),
    ] {
        let (code, out, sentences) = told(&["--area", area, "--period", period]);
        assert!(code == exit && out.is_empty() && sentences.contains(sentence), "{area} {period}: {code} {sentences}");
    }
}

/// Somebody looks on while a neighbour places an order, and has seen enough.
#[test]
fn a_watched_book_is_shown_again_when_it_changes_and_ctrl_c_ends_it_well() {
    let contract = own_book(5);
    let period = contract.period.0.to_string();
    let mut watcher = gridbook(&["--json", "--watch", "--area", "town", "--period", &period]);
    let mut watcher = watcher.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watcher.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["published"], json!(false));
    run(async {
        let client = connect().await;
        let seller = rich_meter(&client).await;
        place(&client, &seller, contract, Side::Sell, 25, 300).await;
    });
    assert_eq!(next()["asks"], json!([{"price": 250_000, "energy": 300}]));
    let interrupted = Process::new("kill").args(["-INT", &watcher.id().to_string()]).status().unwrap();
    assert!(interrupted.success() && watcher.wait().unwrap().success());
}
