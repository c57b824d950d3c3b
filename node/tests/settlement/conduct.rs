//! What stands against an account, from the command line: it is entered by the ledger, read by who may, appealed and ruled on.

use std::fs;
use std::path::{Path, PathBuf};

use gridbook_ledger::reject::Code;
use serde_json::Value;

use crate::house::House;

/// A network, a directory for files, and people with a meter and money each.
pub(crate) struct Street {
    pub(crate) house: House,
    dir: tempfile::TempDir,
}

impl Street {
    pub(crate) fn new(people: &[&str]) -> Self {
        Self::on(House::start, people)
    }

    /// One whose meters have something to tell after a few seconds.
    fn quick(people: &[&str]) -> Self {
        Self::on(House::start_patient, people)
    }

    fn on(start: impl Fn(&Path) -> House, people: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let street = Self { house: start(dir.path()), dir };
        for name in people {
            let key = street.new_key(name);
            street.house.does(&key, &["meter", "register", "--deposit", "100"]);
        }
        street
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn new_key(&self, name: &str) -> PathBuf {
        self.house.new_key(self.dir.path().join(name))
    }

    fn file(&self, name: &str, text: &str) -> String {
        let file = self.dir.path().join(name);
        fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }

    pub(crate) fn told(&self, key: &Path, arguments: &[&str]) -> Value {
        self.house.told(key, arguments)
    }

    /// Signs two different registers for the present period, when that is over, as no honest meter does; tells the period.
    fn contradict_oneself(&self, key: &Path) -> String {
        let period = self.house.present().to_string();
        let reading = ["meter", "read", "--export", "20kWh", "--counter", "8", "--period", &period, "--import"];
        self.house.does_when_due(key, &[&reading[..], &["1000kWh"]].concat(), Code::MeterFuture);
        let refused = self.house.refuses(key, &[&reading[..], &["1001kWh"]].concat());
        assert!(refused.contains("MeterContradiction"), "{refused}");
        period
    }
}

/// Alice's meter signs two registers for one period. She sees what that costs her, and what proves it; Bob sees nothing of it. She appeals,
/// an auditor strikes the entry, and her collateral is what it was.
#[test]
fn an_entry_is_read_appealed_and_struck() {
    let street = Street::quick(&["alice", "bob"]);
    let [alice, bob] = ["alice", "bob"].map(|name| street.dir.path().join(name));
    let clean = street.told(&alice, &["meter", "conduct"]);
    assert_eq!((&clean["score"], &clean["entries"]), (&1_000.into(), &Value::Array(Vec::new())));
    let period = street.contradict_oneself(&alice);
    // A kilowatt-hour sold at 30 ct: 70 ct are missing to the dearest imbalance there can be, and at 120 % that is 14 ct more.
    let open = street.house.present() + 120;
    let sell = ["meter", "order", "--side", "sell", "--price", "30", "--energy", "1kWh", "--period", &open.to_string()];
    street.house.does(&alice, &sell);

    let told = street.told(&alice, &["meter", "conduct"]);
    assert_eq!((&told["account"], &told["score"], &told["share_ppm"]), (&0.into(), &800.into(), &1_200_000.into()));
    assert_eq!(told["cost_nano"], "140000000");
    let entry = &told["entries"][0];
    assert_eq!((&entry["what"], &entry["meter"], &entry["points"]), (&"double reading".into(), &0.into(), &200.into()));
    assert_eq!((entry["period"].to_string(), &entry["state"]), (period, &"stands".into()));
    assert!(entry["advice"].as_str().unwrap().contains("sealed"), "{entry}");
    // What proves it are two records, of which the second is the refusal itself; she can fetch them, and others cannot.
    let records = entry["records"].as_array().unwrap();
    assert_eq!(records.len(), 2);
    for record in records {
        let out = street.dir.path().join(format!("{record}.receipt"));
        let receipt = ["meter", "receipt", "--seq", &record.to_string(), "--out", out.to_str().unwrap()];
        let refused = street.house.refuses(&bob, &receipt);
        assert!(refused.contains("AuthForeign"), "{refused}");
        street.told(&alice, &receipt);
    }
    assert_eq!(street.told(&alice, &["meter", "conduct", "--meter", "0"])["score"], 800);

    // Others are told nothing, not even whether there is such an account.
    for foreign in [["--account", "0"], ["--meter", "0"], ["--account", "77"], ["--meter", "77"]] {
        let refused = street.house.refuses(&bob, &[&["meter", "conduct"], &foreign[..]].concat());
        assert!(refused.contains("AuthForeign"), "{foreign:?}: {refused}");
    }
    let works = street.new_key("works");
    let by = ["--by", works.to_str().unwrap()];
    let operator = street.house.network.operator_key_file();
    let operator = operator.to_str().unwrap();
    let enrol = |key: &Path, role| {
        let organisation = ["registry", "organisation", "enrol", "--by", operator, "--name", role, "--role", role];
        street.told(key, &[&organisation[..], &["--key", key.to_str().unwrap()]].concat());
    };
    enrol(&works, "market-operator");
    let refused = street.house.refuses(&works, &[&["conduct", "show", "0"], &by[..]].concat());
    assert!(refused.contains("AuthForeign"), "running the market gives no right to look: {refused}");
    let refused = street.house.refuses(&works, &[&["conduct", "appeals"], &by[..]].concat());
    assert!(refused.contains("AuthRole"), "{refused}");

    let number = entry["entry"].to_string();
    let why = street.file("why.txt", "The meter was exchanged that day.");
    let appeal = ["meter", "appeal", "--entry", &number, "--statement", &why];
    assert!(street.house.refuses(&bob, &appeal).contains("ConductOther"));
    let told = street.told(&alice, &appeal);
    let fingerprint = blake3::hash(b"The meter was exchanged that day.").to_hex().to_string();
    assert_eq!(told["fingerprint"].as_str(), Some(fingerprint.as_str()));
    assert_eq!(told["counts_until"], entry["until"]);
    assert_eq!(told["records"][0]["events"][0]["conduct_revised"]["fingerprint"].as_str(), Some(fingerprint.as_str()));
    assert!(street.house.refuses(&alice, &appeal).contains("ConductChallenged"));

    // It counts until an auditor has looked at it.
    let told = street.told(&alice, &["meter", "conduct"]);
    assert_eq!((&told["score"], &told["entries"][0]["state"]), (&800.into(), &"appealed".into()));
    let auditor = street.new_key("auditor");
    enrol(&auditor, "auditor");
    let by = ["--by", auditor.to_str().unwrap()];
    let open = street.told(&auditor, &[&["conduct", "appeals"], &by[..]].concat());
    assert_eq!(open["entries"].as_array().unwrap().len(), 1);
    assert_eq!((open["entries"][0]["entry"].to_string(), &open["entries"][0]["account"]), (number.clone(), &0.into()));
    assert_eq!(street.told(&auditor, &[&["conduct", "show", "0"], &by[..]].concat())["score"], 800);
    let unknown = street.house.refuses(&auditor, &[&["conduct", "show", "77"], &by[..]].concat());
    assert!(unknown.contains("CreditAccount"), "an auditor is told that there is none: {unknown}");

    let reasons = street.file("reasons.txt", "So it was.");
    let rule = |entry: &str, ruling| {
        let rule = ["conduct", "rule", "--entry", entry, "--ruling", ruling, "--reasons", &reasons];
        street.house.gridbook(&auditor, &[&rule[..], &by[..]].concat())
    };
    assert!(rule(&number, "struck").status.success());
    let again = rule(&number, "upheld");
    assert!(String::from_utf8_lossy(&again.stderr).contains("ConductNoAppeal"), "{again:?}");
    let nothing = rule("99", "struck");
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("ConductUnknown"), "{nothing:?}");
    let told = street.told(&alice, &["meter", "conduct"]);
    assert_eq!((&told["score"], &told["cost_nano"]), (&1_000.into(), &"0".into()));
    assert_eq!((&told["entries"][0]["state"], &told["entries"][0]["points"]), (&"struck".into(), &0.into()));
    assert_eq!(
        street.told(&auditor, &[&["conduct", "appeals"], &by[..]].concat())["entries"],
        Value::Array(Vec::new())
    );
}

/// A slip of the pen is told before anything is sent, and nothing is signed that says nothing.
#[test]
fn wrong_arguments_about_conduct_are_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (empty, missing) = (dir.path().join("empty"), dir.path().join("missing"));
    fs::write(&empty, "").unwrap();
    let key = dir.path().join("key");
    let gridbook = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_gridbook"))
            .args(arguments)
            .env("GRIDBOOK_NETWORK", dir.path().join("none.toml"))
            .env("GRIDBOOK_KEY", &key)
            .env("GRIDBOOK_BY", &key)
            .output()
            .unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(gridbook(&["keys", "generate", "--out", key.to_str().unwrap()]).0, 0);
    let (empty, missing) = (empty.to_str().unwrap(), missing.to_str().unwrap());
    for (arguments, code, says) in [
        (&["conduct", "rule", "--entry", "1", "--ruling", "maybe", "--reasons", empty][..], 2, "upheld or struck"),
        (&["conduct", "rule", "--entry", "1", "--ruling", "struck", "--reasons", empty], 2, "is empty"),
        (&["conduct", "rule", "--entry", "1", "--ruling", "struck", "--reasons", missing], 1, "cannot read"),
        (&["conduct", "rule", "--entry", "1", "--ruling", "struck"], 2, "--reasons"),
        (&["conduct", "show"], 2, "<ACCOUNT>"),
        (&["meter", "appeal", "--entry", "one", "--statement", empty], 2, "invalid digit"),
        (&["meter", "appeal", "--entry", "1", "--statement", empty], 2, "is empty"),
        (&["meter", "appeal", "--entry", "1", "--statement", missing], 1, "cannot read"),
        (&["meter", "conduct", "--account", "1", "--meter", "1"], 2, "cannot be used with"),
    ] {
        let (exit, told) = gridbook(arguments);
        assert!(exit == code && told.contains(says), "{arguments:?}: {exit} {told}");
    }
}
