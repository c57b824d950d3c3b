//! The roof's energy at night: into the battery, out again, and what stands behind it.

use std::path::Path;

use serde_json::json;

use crate::bill::{read_edge, trade, wait_for, wait_for_end};
use crate::house::House;

/// Gives a meter's registers before and after a period, in kilowatt-hours taken in and given out.
fn read(house: &House, key: &Path, period: u32, registers: [[&str; 2]; 2]) {
    for (at, [import, export]) in [period - 1, period].iter().zip(registers) {
        house.does(key, &["meter", "read", "--import", import, "--export", export, "--period", &at.to_string()]);
    }
}

/// ```text
/// Alice's roof  1,000 Wh ->  Bob's battery, at 90 %  900 Wh ->  Carol
/// solar 1-1000               cancelled 1-1000
///                            storage 1001-1900    ->            used up
/// ```
/// Carol holds the certificates of the night. What she has proves that the battery gave them out; Bob's history, that it was charged with the sun.
#[test]
fn what_a_battery_gives_out_is_traced_to_what_it_was_charged_with() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::start_patient(dir.path());
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| house.new_key(dir.path().join(name)));
    let register = ["meter", "register", "--deposit", "100"];
    house.does(&alice, &[&register[..], &["--source", "solar"]].concat());
    house.does(&bob, &[&register[..], &["--source", "storage", "--battery-ppm", "900000"]].concat());
    house.does(&carol, &register);
    let operator = house.network.operator_key_file();
    for meter in ["0", "1"] {
        let install = ["registry", "meter", "install", meter, "--certificate", &"5e".repeat(32), "--by"];
        house.told(&operator, &[&install[..], &[operator.to_str().unwrap()]].concat());
    }

    let day = trade(&house, &alice, &bob);
    wait_for_end(&house, day);
    read(&house, &alice, day, [["7kWh", "80kWh"], ["7kWh", "81kWh"]]);
    read(&house, &bob, day, [["300kWh", "200kWh"], ["301kWh", "200kWh"]]);
    read(&house, &carol, day, [["900kWh", "0"], ["900kWh", "0"]]);
    read_edge(&house, day, "0");
    wait_for("the charge", || {
        let told = house.told(&bob, &["meter", "certificates"]).to_string();
        told.contains("certificates_claimed").then_some(())
    });

    let night = trade(&house, &bob, &carol);
    wait_for_end(&house, night);
    read(&house, &alice, night, [["7kWh", "81kWh"], ["7kWh", "81kWh"]]);
    read(&house, &bob, night, [["301kWh", "200kWh"], ["301kWh", "200.95kWh"]]);
    read(&house, &carol, night, [["900kWh", "0"], ["901kWh", "0"]]);
    read_edge(&house, night, "-50Wh");
    let (number, file) = (night.to_string(), dir.path().join("night.certificate"));
    let file_text = file.to_str().unwrap();
    wait_for("Carol's certificates", || {
        let fetch = ["meter", "certificate", "--period", &number, "--out", file_text];
        house.gridbook(&carol, &fetch).status.success().then_some(())
    });

    let history = dir.path().join("bob.history");
    let history_text = history.to_str().unwrap();
    let report = ["report", "account", "--account", "1", "--out", history_text];
    house.told(&bob, &report);
    let genesis = house.network.dir.join("genesis.json");
    let verify = ["verify", "certificate", file_text, "--genesis", genesis.to_str().unwrap()];
    let plain = house.told(&carol, &verify);
    assert_eq!((&plain["source"], &plain["energy"], &plain["plant"]), (&json!("storage"), &json!(900), &json!(1)));
    assert_eq!(plain["charge"], json!(null));
    let traced = house.told(&carol, &[&verify[..], &["--history", history_text]].concat());
    assert_eq!(traced["charge"], json!({"cancelled": 1_000, "certified": 900}), "{traced}");

    // A history that says nothing of the battery, and a certificate of the roof, to which no charge belongs.
    let other = dir.path().join("alice.history");
    let other_text = other.to_str().unwrap();
    house.told(&alice, &["report", "account", "--account", "0", "--out", other_text]);
    let refused = house.refuses(&carol, &[&verify[..], &["--history", other_text]].concat());
    assert!(refused.contains("is in none of the histories"), "{refused}");
    let (number, roof) = (day.to_string(), dir.path().join("roof.certificate"));
    let roof_text = roof.to_str().unwrap();
    house.told(&alice, &["meter", "certificate", "--period", &number, "--out", roof_text]);
    let verify =
        ["verify", "certificate", roof_text, "--genesis", genesis.to_str().unwrap(), "--history", history_text];
    assert!(house.refuses(&carol, &verify).contains("not of a storage"));
}
