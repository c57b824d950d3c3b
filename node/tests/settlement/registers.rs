//! What meters and operators say was delivered.

use gridbook_ledger::reject::Code;

use crate::bill::wait_for;
use crate::house::House;

/// Alice's meter tells what it would have counted before it was registered, and is refused. It tells its register twice, wants to take the second
/// back, and is refused; the operator reads it in her place. He reads the edge of the area and sets what the next period's imbalance costs; she
/// may do neither.
#[test]
fn meters_and_operators_say_what_was_delivered() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::start_patient(dir.path());
    let alice = dir.path().join("alice.key");
    house.gridbook(&alice, &["keys", "generate", "--out", alice.to_str().unwrap()]);
    house.does(&alice, &["meter", "register", "--deposit", "100"]);

    let genesis = &house.network.genesis;
    let ended = genesis.rules.period_at(genesis.ledger_start).0 - 1;
    let before = (ended - 1).to_string();
    let start = ["--import", "1000kWh", "--export", "20kWh", "--counter", "7", "--period", &before];
    let early = house.refuses(&alice, &[&["meter", "read"], &start[..]].concat());
    assert!(early.contains("MeterTooEarly"), "{early}");

    // It was registered in this period, or in one before: that one's end is late enough.
    let present = house.present().to_string();
    let opening = ["meter", "read", "--import", "1000kWh", "--export", "20kWh", "--counter", "7", "--period", &present];
    let told = house.does_when_due(&alice, &opening, Code::MeterFuture);
    assert_eq!(
        (told["read"]["import_wh"].as_u64(), told["read"]["period"].to_string()),
        (Some(1_000_000), present.clone())
    );

    // Without a period: the last that is over.
    let opened = present.parse::<u32>().unwrap();
    wait_for("the end of another period", || (house.present() > opened + 1).then_some(()));
    let last = ["meter", "read", "--import", "1000.2kWh", "--export", "20kWh", "--counter", "8"];
    let told = house.does_when_due(&alice, &last, Code::MeterFuture);
    let period = told["read"]["period"].as_u64().unwrap();
    assert!(period > u64::from(opened) && !told["read"]["correction"].as_bool().unwrap());

    let period = period.to_string();
    let reading = |import| ["--import", import, "--export", "20kWh", "--counter", "8", "--period", &period];
    let refused = |import| house.refuses(&alice, &[&["meter", "read"], &reading(import)[..]].concat());
    assert!(refused("1000.2kWh").contains("MeterTwice"), "{}", refused("1000.2kWh"));
    assert!(refused("1000.1kWh").contains("MeterContradiction"), "{}", refused("1000.1kWh"));
    let future = (house.present() + 100).to_string();
    let early = house.refuses(&alice, &["meter", "read", "--import", "1", "--export", "0", "--period", &future]);
    assert!(early.contains("MeterFuture"), "{early}");

    let correct = [&["settlement", "correct", "--meter", "0"], &reading("1000.3kWh")[..]].concat();
    let told = house.does(&alice, &correct);
    assert_eq!((&told["read"]["import_wh"], &told["read"]["correction"]), (&1_000_300.into(), &true.into()));
    let by_alice = [&correct[..], &["--operator-key", alice.to_str().unwrap()]].concat();
    let refused = house.refuses(&alice, &by_alice);
    assert!(refused.contains("the ledger refused it") || refused.contains("refused"), "{refused}");

    let edge = ["settlement", "read-area", "--area", "town", "--period", &period, "--sent-up=-0.3kWh"];
    assert_eq!(house.does(&alice, &edge)["area_read"]["sent_up_wh"], -300);
    assert!(house.refuses(&alice, &edge).contains("MeterTwice"), "the same again");

    let next = (house.present() + 3).to_string();
    let prices = |short, long| {
        let contract = ["settlement", "prices", "--area", "town", "--period", &next];
        [&contract[..], &["--short-price", short, "--long-price", long]].concat()
    };
    assert_eq!(house.does(&alice, &prices("45", "-3"))["imbalance_prices_set"]["long_price"], -30_000);
    assert!(
        house.refuses(&alice, &prices("3", "45")).contains("MeterPriceOrder"),
        "who is short paid less than who is long got"
    );
}
