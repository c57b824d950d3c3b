//! Whom an owner lets read a meter's data, from the command line: granted, read, listed, taken back, over.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gridbook_engine::{AccountId, DeliveryPeriod, LedgerTime, MeterId};
use gridbook_ledger::store::{DataDir, LogIdentity, StdDisk};
use gridbook_node::client::wall_us;
use gridbook_node::moment::format_moment;
use gridbook_node::protocol::{QueryKind, Use};
use gridbook_node::uses::UseLog;
use serde_json::Value;

use crate::bill::wait_for;
use crate::conduct::Street;

const DAY: &str = "2026-06-17";

/// Alice and Bob have a meter each, 0 and 1; the works are organisation 0 and supply nobody; the adviser has a key that nobody has registered.
struct People {
    street: Street,
    alice: PathBuf,
    bob: PathBuf,
    works: PathBuf,
    adviser: PathBuf,
    adviser_key: String,
}

impl People {
    fn new() -> Self {
        let street = Street::new(&["alice", "bob"]);
        let [alice, bob] = ["alice", "bob"].map(|name| street.path(name));
        let [works, adviser] = ["works", "adviser"].map(|name| street.new_key(name));
        let operator = street.house.network.operator_key_file();
        let enrol = ["registry", "organisation", "enrol", "--by", operator.to_str().unwrap(), "--name", "Works"];
        street.told(&works, &[&enrol[..], &["--role", "supplier", "--key", works.to_str().unwrap()]].concat());
        let adviser_key = gridbook_node::keyfile::read_key(&adviser).unwrap().public().to_hex();
        Self { street, alice, bob, works, adviser, adviser_key }
    }

    fn told(&self, key: &Path, arguments: &[&str]) -> Value {
        self.street.told(key, arguments)
    }

    #[track_caller]
    fn refused(&self, key: &Path, arguments: &[&str], code: &str) {
        let refused = self.street.house.refuses(key, arguments);
        assert!(refused.contains(code), "{arguments:?}: {refused}");
    }

    /// Everything that validators say they have told of Alice's meter: who asked, and what.
    fn uses(&self) -> Vec<(Value, String)> {
        // Each of four validators is reached by itself, in a few seconds or not at all: those that were not are asked again.
        let told = wait_for("what every validator has told", || {
            let output = self.street.house.gridbook(&self.alice, &["meter", "grants", "--uses"]);
            let said = String::from_utf8_lossy(&output.stderr);
            let is_silent = said.contains("of 4 validators did not say");
            assert!(output.status.success() || is_silent, "{output:?}");
            output.status.success().then(|| serde_json::from_slice::<Value>(&output.stdout).unwrap())
        });
        let validators = told["validators"].as_array().unwrap();
        assert_eq!(validators.len(), 4, "each was asked: {told}");
        let uses = validators.iter().flat_map(|validator| validator["uses"].as_array().unwrap());
        uses.map(|used| (used["organisation"].clone(), used["what"].as_str().unwrap().to_owned())).collect()
    }

    /// Which organisation was told what, `null` standing for a key; how often is no question. Who waits long for an answer asks again, and what is told
    /// again is noted again.
    fn told_of_alice(&self) -> BTreeSet<(String, String)> {
        self.uses().into_iter().map(|(by, what)| (by.to_string(), what)).collect()
    }
}

const BILL: [&str; 6] = ["meter", "statement", "--meter", "0", "--day", DAY];
const CONDUCT: [&str; 4] = ["meter", "conduct", "--meter", "0"];

/// The works may read Alice's bill, the adviser what stands against her meter, and nobody anything else. She sees who read what, and when she
/// takes it back the door is shut; what was read stays written down.
#[test]
fn an_owner_lets_others_read_and_sees_what_was_read() {
    let people = People::new();
    let People { alice, bob, works, adviser, .. } = &people;
    for (key, code) in [(works, "AuthForeign"), (bob, "AuthForeign"), (adviser, "AuthUnknownDevice")] {
        people.refused(key, &BILL, code);
        people.refused(key, &CONDUCT, code);
    }
    let advice = people.street.house.refuses(works, &BILL);
    assert!(advice.contains("gridbook meter grant"), "it says what the owner can do: {advice}");
    assert!(people.uses().is_empty(), "what was refused is no use");

    let to_works = ["--organisation", "0"];
    let to_adviser = ["--reader", &people.adviser_key];
    let grant = |reader: &[&str], scope| {
        let grant = ["meter", "grant", "--scope", scope, "--days", "30"];
        people.told(alice, &[&grant[..], reader].concat())
    };
    grant(&to_works, "statement");
    grant(&to_adviser, "conduct");
    people.told(works, &BILL);
    let conduct = people.told(adviser, &CONDUCT);
    assert_eq!((&conduct["entries"], &conduct["score"]), (&Value::Array(Vec::new()), &Value::Null), "no score");
    people.refused(works, &CONDUCT, "ConsentScope");
    let certificates = ["meter", "certificates", "--meter", "0"];
    people.refused(works, &certificates, "ConsentScope");
    grant(&to_works, "statement+certificates");
    people.told(works, &certificates);
    people.told(works, &BILL);
    people.refused(adviser, &BILL, "ConsentScope");
    people.refused(bob, &BILL, "AuthForeign");
    let bill_of_bob = ["meter", "statement", "--meter", "1", "--day", DAY];
    people.refused(works, &bill_of_bob, "AuthForeign");
    people.refused(adviser, &bill_of_bob, "AuthForeign");

    // Whom she lets read is her own business, and so is what they read.
    let listed = people.told(alice, &["meter", "grants"]);
    let grants = listed["grants"].as_array().unwrap();
    assert_eq!(grants.len(), 2);
    assert_eq!(
        (&grants[0]["reader"]["organisation"], &grants[0]["scope"]),
        (&0.into(), &"statement+certificates".into())
    );
    assert_eq!(grants[1]["reader"]["key"].as_str(), Some(people.adviser_key.as_str()));
    for key in [bob, works] {
        people.refused(key, &["meter", "grants", "--meter", "0"], "AuthForeign");
        people.refused(key, &["meter", "grants", "--meter", "0", "--uses"], "validators did not say");
    }
    let uses = people.told_of_alice();
    assert!(uses.iter().any(|(by, what)| by == "0" && what.contains("meter 0")), "{uses:?}");
    let by_others: Vec<_> = uses.iter().filter(|(by, _)| by != "0").collect();
    assert_eq!(by_others, [&("null".to_owned(), "what stands against meter 0".to_owned())]);

    // Bob may read, too; suspended he looks at his own meter only.
    let bobs_key = gridbook_node::keyfile::read_key(bob).unwrap().public().to_hex();
    grant(&["--reader", &bobs_key], "statement");
    people.told(bob, &BILL);
    let operator = people.street.house.network.operator_key_file();
    let suspend = ["registry", "meter", "suspend", "1", "--reason", "tampering", "--by", operator.to_str().unwrap()];
    people.told(bob, &suspend);
    people.refused(bob, &BILL, "AuthSuspended");
    people.told(bob, &["meter", "statement", "--day", DAY]);
    let uses = people.told_of_alice();

    let revoke = [&["meter", "revoke-grant"], &to_works[..]].concat();
    people.told(alice, &revoke);
    people.refused(works, &BILL, "AuthForeign");
    people.refused(alice, &revoke, "ConsentUnknown");
    assert_eq!(people.told_of_alice(), uses, "what was read before stays written down, and nothing else was");
}

/// All scopes of an account's only meter open its history, with the proof that it is whole. Less than all does not.
#[test]
fn a_whole_history_needs_everything() {
    let people = People::new();
    let People { street, alice, adviser, .. } = &people;
    let out = street.path("account.history");
    let history = ["report", "account", "--account", "0", "--out", out.to_str().unwrap()];
    let grant = |scope| {
        let grant = ["meter", "grant", "--days", "1", "--reader", &people.adviser_key, "--scope", scope];
        people.told(alice, &grant);
    };
    grant("statement+conduct");
    people.refused(adviser, &history, "ConsentScope");
    grant("all");
    assert_eq!(people.told(adviser, &history)["verified"], true);
    let uses = people.uses();
    assert!(uses.iter().any(|(_, what)| what.contains("with the proof")), "{uses:?}");
    assert!(uses.iter().any(|(_, what)| what.contains("history of account 0")), "{uses:?}");
}

/// A grant for some seconds: the adviser reads, and asks again and again until it is over. Then he is told that, and not as if it had never
/// been. Where it was over before he had read, she grants again, for longer.
#[test]
fn a_grant_that_is_over_opens_nothing() {
    let people = People::new();
    let People { street, alice, adviser, .. } = &people;
    let now_s = || street.house.network.genesis.ledger_now(wall_us()).0 / 1_000;
    let granted = [15, 60, 240].into_iter().find_map(|seconds| {
        let until_s = now_s() + seconds;
        let until = format_moment(LedgerTime(until_s * 1_000));
        let grant = ["meter", "grant", "--scope", "statement", "--reader", &people.adviser_key, "--until", &until];
        let read = [street.house.gridbook(alice, &grant), street.house.gridbook(adviser, &BILL)];
        let is_read = read.iter().all(|output| output.status.success());
        assert!(is_read || now_s() >= until_s, "{read:?}");
        is_read.then_some(until)
    });
    let until = granted.expect("four minutes are enough to grant and to read");
    let deadline = Instant::now() + Duration::from_secs(300);
    let refused = loop {
        let output = street.house.gridbook(adviser, &BILL);
        if !output.status.success() {
            break String::from_utf8(output.stderr).unwrap();
        }
        assert!(Instant::now() < deadline, "it never ends");
    };
    assert!(refused.contains("ConsentExpired"), "{refused}");
    let ended = street.house.network.genesis.ledger_now(wall_us());
    assert!(format_moment(ended) >= until, "not before its time: {} and {until}", format_moment(ended));
}

/// By the logs that validators kept, the adviser read Alice's bill two years ago, and again a year ago. The first is let go of as soon as anything is
/// final; the second may still matter to her.
#[test]
fn what_was_read_two_years_ago_is_let_go_of() {
    let mut people = People::new();
    let (genesis, year_ms) = (people.street.house.network.genesis.clone(), 365 * 86_400_000);
    let now = genesis.ledger_now(wall_us());
    let used = |years: u64, first: u32| Use {
        at: LedgerTime(now.0 - years * year_ms),
        meter: MeterId(0),
        account: AccountId(0),
        key: gridbook_node::keyfile::read_key(&people.adviser).unwrap().public(),
        organisation: None,
        scope: 1,
        question: QueryKind::Bill { meter: MeterId(0), from: DeliveryPeriod(first), to: DeliveryPeriod(first + 95) },
    };
    let (old, younger) = (used(2, 96), used(1, 192));
    people.street.house.start_again_after(|network| {
        for (validator, config) in (0..).zip(&network.configs) {
            let dir = DataDir::open(&config.data_dir).unwrap().uses_dir();
            let identity = LogIdentity { chain: genesis.chain_id(), validator };
            let mut uses = UseLog::open(Arc::new(StdDisk), &dir, identity).unwrap();
            uses.note(&[old]).unwrap();
            uses.note(&[younger]).unwrap();
        }
    });
    people.told(
        &people.alice,
        &["meter", "grant", "--scope", "statement", "--days", "1", "--reader", &people.adviser_key],
    );
    let deadline = Instant::now() + Duration::from_secs(60);
    // A validator may hear a moment later that the grant is final.
    let kept = loop {
        let kept = people.uses();
        if kept.len() == 4 {
            break kept;
        }
        assert!(kept.len() < 9 && Instant::now() < deadline, "{kept:?}");
    };
    assert!(kept.iter().all(|(_, what)| what.contains("1970-01-03")), "one at each validator: {kept:?}");
}

/// An owner lets an adviser read everything. He gets the receipt of what her meter did, by its number and by its bundle, and she sees that he did; of
/// what does not name her meter he gets none. When she takes it back, he gets nothing more.
#[test]
fn a_receipt_is_told_under_a_grant_noted_and_then_refused() {
    let people = People::new();
    let People { street, alice, bob, adviser, .. } = &people;
    let open = street.house.present() + 20;
    let order = ["meter", "order", "--side", "buy", "--price", "1", "--energy", "100", "--period", &open.to_string()];
    let [alices, bobs] = [alice, bob].map(|key| street.told(key, &order)["bundle"].as_str().unwrap().to_owned());
    let fetch = |which: [&str; 2], file: &str| {
        let out = street.path(file);
        let receipt = ["meter", "receipt", "--meter", "0", "--out", out.to_str().unwrap()];
        street.house.gridbook(adviser, &[&receipt[..], &which].concat())
    };
    let refused = |which: [&str; 2], code: &str| {
        let output = fetch(which, "none.receipt");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && said.contains(code), "{which:?}: {said}");
    };
    refused(["--bundle", &alices], "AuthUnknownDevice");
    let grant = |scope| {
        let grant = ["meter", "grant", "--days", "1", "--reader", &people.adviser_key, "--scope", scope];
        people.told(alice, &grant);
    };
    grant("statement+conduct");
    refused(["--bundle", &alices], "ConsentScope");
    assert!(people.uses().is_empty(), "what was refused is no use");
    grant("all");
    let by_bundle = fetch(["--bundle", &alices], "bundle.receipt");
    assert!(by_bundle.status.success(), "{by_bundle:?}");
    let record: Value = serde_json::from_slice(&by_bundle.stdout).unwrap();
    let seq = record["record"]["seq"].to_string();
    assert!(fetch(["--seq", &seq], "number.receipt").status.success());
    let files = ["bundle.receipt", "number.receipt"].map(|file| std::fs::read(street.path(file)).unwrap());
    assert_eq!(files[0], files[1]);
    refused(["--bundle", &bobs], "AuthForeign");
    let expected = BTreeSet::from([
        ("null".to_owned(), format!("record {seq}, whole and with the proof")),
        ("null".to_owned(), format!("the record of command 0 of bundle {alices}, whole and with the proof")),
    ]);
    assert_eq!(people.told_of_alice(), expected);

    people.told(alice, &["meter", "revoke-grant", "--reader", &people.adviser_key]);
    refused(["--bundle", &alices], "AuthUnknownDevice");
    refused(["--seq", &seq], "AuthUnknownDevice");
    assert_eq!(people.told_of_alice(), expected);
}

/// The house is sold, and the meter with it. Whom Alice let read reads nothing of the new owner, who is not told what was read of Alice either.
#[test]
fn a_new_owner_grants_anew() {
    let people = People::new();
    let People { street, alice, works, .. } = &people;
    people.told(alice, &["meter", "grant", "--days", "30", "--organisation", "0", "--scope", "all"]);
    people.told(works, &BILL);
    assert!(!people.uses().is_empty());
    let operator = street.house.network.operator_key_file();
    let transfer = ["registry", "meter", "transfer", "0", "--to", "1", "--by", operator.to_str().unwrap()];
    people.told(alice, &transfer);
    people.refused(works, &BILL, "AuthForeign");
    assert_eq!(people.told(alice, &["meter", "grants"])["grants"], Value::Array(Vec::new()));
    assert!(people.uses().is_empty());
}

/// A slip of the pen is told before anything is sent, with what there is.
#[test]
fn wrong_arguments_about_grants_are_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let gridbook = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_gridbook"))
            .args(arguments)
            .env("GRIDBOOK_NETWORK", dir.path().join("none.toml"))
            .env("GRIDBOOK_KEY", dir.path().join("none.key"))
            .output()
            .unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    for (arguments, says) in [
        (&["meter", "grant", "--organisation", "0", "--scope", "everything", "--days", "1"][..], "certificates"),
        (&["meter", "grant", "--organisation", "0", "--scope", "", "--days", "1"], "is no scope"),
        (&["meter", "grant", "--organisation", "0", "--days", "1"], "--scope"),
        (&["meter", "grant", "--scope", "all", "--days", "1"], "--organisation"),
        (&["meter", "grant", "--organisation", "0", "--scope", "all"], "--until"),
        (&["meter", "grant", "--organisation", "0", "--scope", "all", "--until", "someday"], "not a moment"),
        (&["meter", "grant", "--organisation", "0", "--scope", "all", "--until", DAY, "--days", "1"], "cannot be used"),
        (&["meter", "grant", "--organisation", "0", "--reader", "00", "--scope", "all", "--days", "1"], "64 lowercase"),
        (&["meter", "revoke-grant"], "--reader"),
        (&["meter", "grants", "--meter", "mine"], "invalid digit"),
    ] {
        let (exit, told) = gridbook(arguments);
        assert!(exit == 2 && told.contains(says), "{arguments:?}: {exit} {told}");
    }
}
