//! An operator who cannot explain what his edge showed answers for it, and who traded there has what is theirs.

use serde_json::json;

use crate::bill::{read, trade, wait_for, wait_for_end};
use crate::house::House;

/// Alice gave Bob his kilowatt-hour, and the town's edge is read as if 900 Wh had left it. Nobody is paid. The report tells the operator what he
/// can do; another amount is not taken, that one is, and Alice has her money.
#[test]
fn a_frozen_area_is_settled_once_its_operator_answers_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::start_patient(dir.path());
    let [alice, bob] = ["alice", "bob"].map(|name| house.new_key(dir.path().join(name)));
    for key in [&alice, &bob] {
        house.does(key, &["meter", "register", "--deposit", "100"]);
    }
    let (period, operator) = (trade(&house, &alice, &bob), house.network.operator_key_file());
    let number = period.to_string();
    wait_for_end(&house, period);
    let of_area = ["--area", "town", "--period", &number];
    let does = |what: &str, amount: &str| {
        let arguments = [&["settlement", what][..], &of_area, &[amount]].concat();
        house.gridbook(&operator, &arguments)
    };
    assert_eq!(does("read-area", "--sent-up=900Wh").status.code(), Some(0));
    read(&house, &alice, period, "500kWh", "81kWh");
    read(&house, &bob, period, "501kWh", "80kWh");

    let report = || house.told(&operator, &["report", "area", "--period", &number]);
    let frozen = wait_for("the frozen area", || Some(report()).filter(|told| told["frozen_periods"] == json!(1)));
    let why = frozen["periods"][0]["frozen"].as_str().unwrap();
    assert!(why.contains("-900 Wh lost"), "{why}");
    let other = does("accept-losses", "--losses=-901Wh");
    let said = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(!other.status.success() && said.contains("MeterOtherLosses"), "{said}");
    let accepted = does("accept-losses", "--losses=-900Wh");
    assert_eq!(accepted.status.code(), Some(0), "{}", String::from_utf8_lossy(&accepted.stderr));

    let settled = wait_for("the settled area", || Some(report()).filter(|told| told["settled_periods"] == json!(1)));
    let of_period = &settled["periods"][0];
    assert_eq!((&of_period["accepted_wh"], &of_period["frozen"]), (&json!("-900"), &json!(null)), "{settled}");
    assert_eq!((&of_period["losses_nano"], &of_period["upstream_nano"]), (&json!("0"), &json!("0")), "{settled}");
    let bill = house.told(&alice, &["meter", "statement", "--period", &number]);
    assert_eq!(bill["totals"]["balance_nano"], "200000000", "{bill}");
}
