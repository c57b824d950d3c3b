//! Certificates of origin from the command line: who has them, where they came from, and that others are not told.

use std::path::Path;

use gridbook_node::keyfile::read_key;
use serde_json::{Value, json};

use crate::bill::{read, read_edge, trade, wait_for, wait_for_end};
use crate::house::House;

/// All events of records, with what they are called.
fn events(told: &Value) -> Vec<(String, Value)> {
    let records = told["records"].as_array().unwrap().iter();
    let events = records.flat_map(|record| record["events"].as_array().unwrap());
    events.flat_map(|event| event.as_object().unwrap()).map(|(name, event)| (name.clone(), event.clone())).collect()
}

/// Alice's roof gives 1.3 kWh, of which Bob bought one: it is certified, Bob's part goes to him, and he has used it up. Each sees his own part, with the
/// numbers of the records that prove it; Carol sees neither's.
#[test]
fn who_has_certificates_sees_where_they_came_from_and_nobody_else_does() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::start_patient(dir.path());
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| house.new_key(dir.path().join(name)));
    house.does(&alice, &["meter", "register", "--deposit", "100", "--source", "solar"]);
    house.does(&bob, &["meter", "register", "--deposit", "100"]);
    let operator = house.network.operator_key_file();
    let install = ["registry", "meter", "install", "0", "--certificate", &"5e".repeat(32), "--by"];
    house.told(&operator, &[&install[..], &[operator.to_str().unwrap()]].concat());
    assert_eq!(events(&house.told(&alice, &["meter", "certificates"])), []);

    let period = trade(&house, &alice, &bob);
    wait_for_end(&house, period);
    let given = read(&house, &alice, period, "500kWh", "81.3kWh");
    read(&house, &bob, period, "501kWh", "80kWh");
    read_edge(&house, period, "300Wh");
    let of_bob = wait_for("Bob's certificates", || {
        let told = house.told(&bob, &["meter", "certificates"]);
        events(&told).iter().any(|(name, _)| name == "certificates_claimed").then_some(told)
    });
    // Carol comes now: the settlement would have waited for her readings too, and its record would name her.
    house.does(&carol, &["meter", "register", "--deposit", "100"]);
    let of_alice = events(&house.told(&alice, &["meter", "certificates"]));
    let names = |events: &[(String, Value)]| events.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&of_alice)[..2], ["certificates_issued", "certificates_moved"], "{of_alice:?}");
    let (_, issued) = &of_alice[0];
    assert_eq!((&issued["energy"], &issued["source"], &issued["meter"]), (&json!(1_300), &json!("solar"), &json!(0)));
    let (_, moved) = &events(&of_bob)[0];
    assert_eq!((&moved["from_meter"], &moved["meter"], &moved["energy"]), (&json!(0), &json!(1), &json!(1_000)));

    // The record is found by its number, and proven.
    let seq = of_bob["records"][0]["seq"].to_string();
    let out = dir.path().join("moved.receipt");
    let receipt = ["meter", "receipt", "--seq", &seq, "--out", out.to_str().unwrap()];
    let refused = house.refuses(&carol, &receipt);
    assert!(refused.contains("AuthForeign"), "{refused}");
    house.told(&bob, &receipt);

    // So are the certificates themselves: Bob's are found by his meter and the period, and by their numbers. He is told of Alice's readings of that period because they
    // measured what is his now; of others of hers he is not. Alice's part stayed with her, and Carol, who never had any, is told nothing.
    let proven = |file: &Path| {
        let genesis = house.network.dir.join("genesis.json");
        let told = house
            .told(&carol, &["verify", "certificate", file.to_str().unwrap(), "--genesis", genesis.to_str().unwrap()]);
        (told["first"].clone(), told["last"].clone(), told["standing"].clone())
    };
    let number = period.to_string();
    wait_for_end(&house, period + 1);
    let later = house.told(&alice, &["meter", "read", "--import", "500kWh", "--export", "82kWh"]);
    let later = later["records"][0]["seq"].to_string();
    let out = dir.path().join("sun.certificate");
    house.told(&bob, &["meter", "certificate", "--period", &number, "--out", out.to_str().unwrap()]);
    assert_eq!(proven(&out), (json!(1), json!(1_000), json!("cancelled")));
    let by_number = dir.path().join("by-number.certificate");
    let certificate = ["meter", "certificate", "0/501-600", "--out", by_number.to_str().unwrap()];
    let refused = house.refuses(&carol, &certificate);
    assert!(refused.contains("AuthForeign") && !by_number.exists(), "{refused}");
    let other = [&certificate[..], &["--seq", &given[0], "--seq", &later]].concat();
    let refused = house.refuses(&bob, &other);
    assert!(refused.contains("AuthForeign") && !by_number.exists(), "{refused}");
    house.told(&bob, &certificate);
    assert_eq!(proven(&by_number), (json!(501), json!(600), json!("cancelled")));
    let both = dir.path().join("roof.certificate");
    house.told(&alice, &["meter", "certificate", "--period", &number, "--out", both.to_str().unwrap()]);
    assert_eq!(proven(&dir.path().join("roof-1.certificate")), (json!(1), json!(1_000), json!("cancelled")));
    let (first, last, _) = proven(&dir.path().join("roof-2.certificate"));
    assert_eq!((first, last), (json!(1_001), json!(1_300)));
    let out = dir.path().join("none.certificate");
    let none = ["meter", "certificate", "0/5001-5002", "--out", out.to_str().unwrap()];
    assert!(house.refuses(&carol, &none).contains("no final record tells of the certificates 0/5001-5002"));
    let others = ["meter", "certificate", "--period", &number, "--meter", "1", "--out", out.to_str().unwrap()];
    assert!(house.refuses(&carol, &others).contains("AuthForeign") && !out.exists());

    for number in ["0", "1"] {
        let refused = house.refuses(&carol, &["meter", "certificates", "--meter", number]);
        assert!(refused.contains("AuthForeign"), "{refused}");
    }
    let refused = house.refuses(&carol, &["meter", "certificates", "--meter", "9"]);
    assert!(refused.contains("AuthMeter"), "{refused}");
    assert_eq!(events(&house.told(&operator, &["meter", "certificates", "--meter", "0"]))[0], of_alice[0]);
    assert_eq!(events(&house.told(&carol, &["meter", "certificates"])), []);

    // An adviser, whose key nobody has registered, is let see where Alice's energy went: for that another scope is not enough.
    let adviser = house.new_key(dir.path().join("adviser"));
    let key = read_key(&adviser).unwrap().public().to_hex();
    let grant = |scope| house.does(&alice, &["meter", "grant", "--days", "30", "--reader", &key, "--scope", scope]);
    let asked = ["meter", "certificates", "--meter", "0"];
    assert!(house.refuses(&adviser, &asked).contains("AuthUnknownDevice"));
    grant("statement+conduct");
    assert!(house.refuses(&adviser, &asked).contains("ConsentScope"));
    grant("certificates");
    assert_eq!(events(&house.told(&adviser, &asked))[..2], of_alice[..2]);
    assert!(house.refuses(&adviser, &["meter", "certificates", "--meter", "1"]).contains("AuthForeign"));
}
