//! What meters and operators say was delivered.

use crate::house::House;

/// Alice's meter tells its register twice, wants to take the second back, and is refused; the operator reads it in her place. He reads the
/// edge of the area and sets what the next period's imbalance costs; she may do neither.
#[test]
fn meters_and_operators_say_what_was_delivered() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::start(dir.path());
    let alice = dir.path().join("alice.key");
    house.gridbook(&alice, &["keys", "generate", "--out", alice.to_str().unwrap()]);
    house.does(&alice, &["meter", "register", "--deposit", "100"]);

    let genesis = &house.network.genesis;
    let ended = genesis.rules.period_at(genesis.ledger_start).0 - 1;
    let before = (ended - 1).to_string();
    let start = ["--import", "1000kWh", "--export", "20kWh", "--counter", "7", "--period", &before];
    let told = house.does(&alice, &[&["meter", "read"], &start[..]].concat());
    assert_eq!((&told["read"]["import_wh"], &told["read"]["period"]), (&1_000_000.into(), &(ended - 1).into()));

    // Without a period: the last that is over.
    let told = house.does(&alice, &["meter", "read", "--import", "1000.2kWh", "--export", "20kWh", "--counter", "8"]);
    let period = told["read"]["period"].as_u64().unwrap();
    assert!(period >= u64::from(ended) && !told["read"]["correction"].as_bool().unwrap());

    let period = period.to_string();
    let reading = |import| ["--import", import, "--export", "20kWh", "--counter", "8", "--period", &period];
    let refused = |import| house.refuses(&alice, &[&["meter", "read"], &reading(import)[..]].concat());
    assert!(refused("1000.2kWh").contains("MeterTwice"), "{}", refused("1000.2kWh"));
    assert!(refused("1000.1kWh").contains("MeterContradiction"), "{}", refused("1000.1kWh"));
    let future = (period.parse::<u32>().unwrap() + 9).to_string();
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

    let next = (period.parse::<u32>().unwrap() + 3).to_string();
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
