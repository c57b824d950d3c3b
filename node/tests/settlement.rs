//! The commands of settlement against a network of their own: four validators of this binary that read meters.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use gridbook_engine::{LedgerTime, MarketRules};
use gridbook_ledger::genesis::SettlementRules;
use gridbook_node::admin;
use gridbook_node::client::wall_us;
use gridbook_node::config::{IndexOptions, LogOptions, Quotas};
use gridbook_node::network::{Network, NetworkPlan, loopback_free};
use serde_json::Value;

/// A network that ends with the test.
struct House {
    network: Network,
    validators: Vec<Child>,
}

impl House {
    fn start(dir: &Path) -> Self {
        let wall_ms = wall_us() / 1000;
        let plan = NetworkPlan {
            name: "settled".to_owned(),
            listen: loopback_free(4).unwrap(),
            areas: vec!["town".into()],
            rules: MarketRules::default(),
            settlement: SettlementRules::metered(),
            ledger_start: LedgerTime(wall_ms),
            wall_start_ms: wall_ms,
            time_scale: 1,
            quotas: Quotas::one_host(),
            log: LogOptions::default(),
            index_options: IndexOptions::default(),
        };
        let network = plan.make(&dir.join("net")).unwrap();
        let validators = network.config_files.iter().map(spawn).collect();
        let house = Self { network, validators };
        let ready = async {
            for config in &house.network.configs {
                let deadline = Instant::now() + Duration::from_secs(60);
                while !matches!(admin::fetch(config.listen.admin, "/readyz").await, Ok((200, _))) {
                    assert!(Instant::now() < deadline, "the validator at {} is not ready", config.listen.admin);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        };
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(ready);
        house
    }

    /// Runs a command on this network.
    fn gridbook(&self, key: &Path, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_gridbook"))
            .args(arguments)
            .arg("--json")
            .env("GRIDBOOK_NETWORK", self.network.network_file())
            .env("GRIDBOOK_KEY", key)
            .env("GRIDBOOK_OPERATOR_KEY", self.network.operator_key_file())
            .output()
            .unwrap()
    }

    /// ... and gives the first event of its last record.
    fn does(&self, key: &Path, arguments: &[&str]) -> Value {
        let output = self.gridbook(key, arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        let done: Value = serde_json::from_slice(&output.stdout).unwrap();
        done["records"].as_array().unwrap().last().unwrap()["events"][0].clone()
    }

    /// ... and gives what it says when it fails.
    fn refuses(&self, key: &Path, arguments: &[&str]) -> String {
        let output = self.gridbook(key, arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        for validator in &mut self.validators {
            // It may have ended by itself.
            let _ = validator.kill();
            let _ = validator.wait();
        }
    }
}

fn spawn(config: &PathBuf) -> Child {
    let log = std::fs::File::create(config.with_file_name("validator.log")).unwrap();
    Command::new(env!("CARGO_BIN_EXE_gridbook"))
        .args(["validator", "--stop-with-stdin", "--config"])
        .arg(config)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

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
