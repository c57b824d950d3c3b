//! From the order to the bill, on a ledger whose quarter-hours pass in three seconds.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::house::House;

/// How many times faster than others its clock goes.
pub(crate) const TIME_SCALE: u32 = 300;
const PATIENCE: Duration = Duration::from_secs(120);

/// Gives a meter's registers before and after a period, as it can show them only when it is over; the numbers of the two records.
pub(crate) fn read(house: &House, key: &Path, period: u32, taken: &str, given: &str) -> [String; 2] {
    let [before, period] = [period - 1, period].map(|period| period.to_string());
    [(&before, "500kWh", "80kWh"), (&period, taken, given)].map(|(period, import, export)| {
        let reading = ["meter", "read", "--import", import, "--export", export, "--period", period];
        house.told(key, &reading)["records"][0]["seq"].to_string()
    })
}

/// Tells what left the area in a period, net, which makes the readings of that period complete once its meters were read.
pub(crate) fn read_edge(house: &House, period: u32, sent_up: &str) {
    let (operator, number) = (house.network.operator_key_file(), period.to_string());
    let sent_up = format!("--sent-up={sent_up}");
    house.told(&operator, &["settlement", "read-area", "--area", "town", "--period", &number, &sent_up]);
}

/// Alice sells Bob a kilowatt-hour at 20 ct, in the first period in which both are in time. On a busy machine an order may take many periods to
/// be given: each attempt leaves it twice as many.
pub(crate) fn trade(house: &House, alice: &Path, bob: &Path) -> u32 {
    for ahead in [4, 8, 16, 32, 64, 128] {
        let period = house.present() + ahead;
        let number = period.to_string();
        let order = |side| ["meter", "order", "--side", side, "--price", "20", "--energy", "1kWh", "--period", &number];
        let given = [(alice, "sell"), (bob, "buy")].map(|(key, side)| house.gridbook(key, &order(side)));
        if given.iter().all(|output| output.status.success()) {
            let done: Value = serde_json::from_slice(&given[1].stdout).unwrap();
            assert!(done["records"][0]["events"][0].get("trade").is_some(), "{done}");
            return period;
        }
        let said = given.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
        assert!(said.iter().any(|said| said.contains("Gate")), "{said:?}");
    }
    panic!("two orders take more than six minutes")
}

/// The clock decides when: a period further ahead takes longer to end.
pub(crate) fn wait_for_end(house: &House, period: u32) {
    while house.present() <= period {
        std::thread::sleep(Duration::from_millis(200));
    }
}

pub(crate) fn wait_for<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} does not come");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// The bill of one period, once it is settled.
fn bill(house: &House, key: &Path, period: u32) -> Value {
    let number = period.to_string();
    wait_for("the settled bill", || {
        let told = house.told(key, &["meter", "statement", "--period", &number]);
        let settled = told["periods"].as_array().is_some_and(|all| all.iter().any(|one| !one["settled"].is_null()));
        settled.then_some(told)
    })
}

/// ```text
/// alice  sold 1,000 Wh at 20 ct    gave 700    300 Wh short at 60 ct
/// bob    bought 1,000 Wh at 20 ct  took 1,000  nothing of Alice's fault is his
/// area   300 Wh come from upstream at 60 ct; what it keeps is nothing
/// ```
/// Nobody reads the area's edge: the period is settled at the reading deadline, 48 seconds after its end.
#[test]
fn a_short_delivery_is_on_the_bill_of_who_was_short_and_on_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::start_quick(dir.path(), 4 * 3_600_000);
    let [alice, bob] = ["alice", "bob"].map(|name| house.new_key(dir.path().join(name)));
    for key in [&alice, &bob] {
        house.does(key, &["meter", "register", "--deposit", "100"]);
    }
    let period = trade(&house, &alice, &bob);
    wait_for_end(&house, period);
    read(&house, &alice, period, "500kWh", "80.7kWh");
    read(&house, &bob, period, "501kWh", "80kWh");

    let of_alice = bill(&house, &alice, period);
    let settled = &of_alice["periods"][0]["settled"];
    assert_eq!((&settled["quality"], &settled["imbalance_wh"]), (&json!("measured"), &json!("-300")), "{of_alice}");
    let totals = &of_alice["totals"];
    assert_eq!((&totals["sold_nano"], &totals["short_wh"]), (&json!("200000000"), &json!("300")), "{of_alice}");
    assert_eq!((&totals["imbalance_nano"], &totals["doubtful"]), (&json!("-180000000"), &json!(0)), "{of_alice}");
    assert_eq!(totals["balance_nano"], "20000000");

    let of_bob = bill(&house, &bob, period);
    let totals = &of_bob["totals"];
    assert_eq!((&totals["bought_nano"], &totals["imbalance_nano"]), (&json!("-200000000"), &json!("0")), "{of_bob}");
    assert_eq!((&totals["balance_nano"], &totals["doubtful"]), (&json!("-200000000"), &json!(0)), "{of_bob}");

    let operator = house.network.operator_key_file();
    let report = house.told(&operator, &["report", "area", "--period", &period.to_string()]);
    let of_area = &report["totals"];
    assert_eq!((&of_area["upstream_nano"], &of_area["surplus_nano"]), (&json!("180000000"), &json!("0")), "{report}");
    assert_eq!((&report["settled_periods"], &report["frozen_periods"]), (&json!(1), &json!(0)), "{report}");
}
