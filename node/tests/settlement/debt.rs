//! Money that was paid for energy which, as comes out later, was not delivered.

use std::path::Path;

use gridbook_ledger::reject::Code;
use serde_json::{Value, json};

use crate::bill::{read, read_edge, trade, wait_for, wait_for_end};
use crate::house::House;

/// What the registry says of an account.
fn shown(house: &House, account: u32) -> Value {
    let operator = house.network.operator_key_file();
    house.told(&operator, &["registry", "account", "show", &account.to_string(), "--by", operator.to_str().unwrap()])
}

/// The command that the bank gives about Alice's account.
fn pay<'a>(bank: &'a Path, what: &'a str, amount: &'a str) -> [&'a str; 8] {
    ["registry", "account", what, "0", "--by", bank.to_str().unwrap(), "--amount", amount]
}

/// ```text
/// alice      sold 1,000 Wh at 20 ct   showed 1,000        paid 0.20, and takes out all that she has: 100.20
/// bob        bought 1,000 Wh          took 1,000
/// edge       70 Wh came in            70 Wh lost
/// operator   looks at Alice's meter:  it gave 930         70 Wh short at 60 ct: she owes 0.042, and nobody lost anything
/// bank       pays in 1.00             0.042 of it are gone
/// ```
#[test]
fn who_took_her_money_out_before_it_came_out_owes_it_until_she_has_paid_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::start_patient(dir.path());
    let [alice, bob, bank] = ["alice", "bob", "bank"].map(|name| house.new_key(dir.path().join(name)));
    for key in [&alice, &bob] {
        house.does(key, &["meter", "register", "--deposit", "100"]);
    }
    let operator = house.network.operator_key_file();
    let enrol =
        ["registry", "organisation", "enrol", "--name", "Bank", "--role", "bank", "--key", bank.to_str().unwrap()];
    house.does(&bank, &[&enrol[..], &["--by", operator.to_str().unwrap()]].concat());

    let period = trade(&house, &alice, &bob);
    wait_for_end(&house, period);
    read(&house, &alice, period, "500kWh", "81kWh");
    read(&house, &bob, period, "501kWh", "80kWh");
    let number = period.to_string();
    read_edge(&house, period, "-0.07kWh");
    wait_for("the money for what was sold", || (shown(&house, 0)["balance_nano"] == "100200000000").then_some(()));

    // Nobody but a bank pays anything out, and no more than there is.
    let by_alice = house.refuses(&alice, &pay(&alice, "withdraw", "100.20"));
    assert!(by_alice.contains(Code::AuthRole.name()), "{by_alice}");
    let too_much = house.refuses(&bank, &pay(&bank, "withdraw", "100.200000001"));
    assert!(too_much.contains(Code::CreditMoney.name()), "{too_much}");
    let done = house.told(&bank, &pay(&bank, "withdraw", "100.20"));
    let [by_bank, posted] = &done["records"][0]["events"].as_array().unwrap()[..] else { panic!("{done}") };
    let posted = &posted["posted"];
    assert_eq!(
        (&posted["from"], &posted["to"], &posted["amount_nano"]),
        (&json!("account 0"), &json!("outside"), &json!("100200000000")),
        "{done}"
    );
    assert_eq!(by_bank["ordered"]["by"], 0, "{done}");

    let found = ["--import", "500kWh", "--export", "80.93kWh", "--period", &number];
    house.does(&alice, &[&["settlement", "correct", "--meter", "0"], &found[..]].concat());
    let owing = wait_for("what she owes", || Some(shown(&house, 0)).filter(|shown| shown["debt_nano"] != "0"));
    assert_eq!((&owing["debt_nano"], &owing["balance_nano"]), (&json!("42000000"), &json!("0")), "{owing}");
    // The bank sees what is owed, and not by which meters.
    let by_bank = house.told(&bank, &["registry", "account", "show", "0", "--by", bank.to_str().unwrap()]);
    let unseen = (&json!("42000000"), &Value::Null, &Value::Null);
    assert_eq!((&by_bank["debt_nano"], &by_bank["meters"], &by_bank["all_meters"]), unseen, "{by_bank}");
    // So far ahead that its gate does not close while the command starts.
    let order = |house: &House| {
        let later = (house.present() + 120).to_string();
        ["meter", "order", "--side", "sell", "--price", "20", "--energy", "1kWh", "--period", &later].map(str::to_owned)
    };
    let refused = house.refuses(&alice, &order(&house).each_ref().map(String::as_str));
    assert!(refused.contains(Code::DebtOrder.name()), "{refused}");
    let refused = house.refuses(&bank, &pay(&bank, "withdraw", "0.01"));
    assert!(refused.contains(Code::DebtWithdrawal.name()), "{refused}");

    house.does(&bank, &pay(&bank, "deposit", "1"));
    let paid = shown(&house, 0);
    assert_eq!((&paid["debt_nano"], &paid["balance_nano"]), (&json!("0"), &json!("958000000")), "{paid}");
    house.does(&alice, &order(&house).each_ref().map(String::as_str));
}
