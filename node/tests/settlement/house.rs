//! A network of one test: four validators of this binary that read meters.

use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gridbook_ledger::genesis::SettlementRules;
use gridbook_ledger::reject::Code;
use gridbook_node::client::wall_us;
use gridbook_node::network::{Network, NetworkPlan};
use serde_json::Value;

use crate::bill::{TIME_SCALE, wait_for};
use crate::validators;

/// A network that ends with the test.
pub(crate) struct House {
    pub(crate) network: Network,
    validators: Vec<Child>,
}

impl House {
    /// In which ledger time goes as fast as any other.
    pub(crate) fn start(dir: &Path) -> Self {
        Self::start_by(dir, 1, SettlementRules::metered())
    }

    /// In which quarter-hours pass in three seconds, and readings may come for as long as the test takes.
    pub(crate) fn start_patient(dir: &Path) -> Self {
        Self::start_quick(dir, 7 * 86_400_000)
    }

    /// In which quarter-hours pass in three seconds, and readings may come for so long.
    pub(crate) fn start_quick(dir: &Path, reading_deadline_ms: u64) -> Self {
        Self::start_by(dir, TIME_SCALE, SettlementRules { reading_deadline_ms, ..SettlementRules::metered() })
    }

    fn start_by(dir: &Path, time_scale: u32, settlement: SettlementRules) -> Self {
        let _turn = turn();
        let plan = NetworkPlan { settlement, time_scale, ..validators::plan("settled") };
        let network = plan.make(&dir.join("net")).unwrap();
        let started = start_all(&network);
        let mut house = Self { network, validators: started };
        house.wait_until_ready();
        house
    }

    /// Kills all validators, does something to what they left, and starts them again.
    pub(crate) fn start_again_after(&mut self, between: impl FnOnce(&Network)) {
        let _turn = turn();
        for validator in &mut self.validators {
            validator.kill().unwrap();
            validator.wait().unwrap();
        }
        between(&self.network);
        self.validators = start_all(&self.network);
        self.wait_until_ready();
    }

    fn wait_until_ready(&mut self) {
        let ready = async {
            for (validator, config) in self.validators.iter_mut().zip(&self.network.configs) {
                tokio::select! {
                    () = validators::wait_until_ready(config.listen.admin) => {}
                    status = end_of(validator) => panic!("a validator has ended ({status}): see {}", config.data_dir.display()),
                }
            }
        };
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(ready);
    }

    /// Runs a command on this network.
    pub(crate) fn gridbook(&self, key: &Path, arguments: &[&str]) -> Output {
        validators::gridbook(arguments)
            .arg("--json")
            .env("GRIDBOOK_NETWORK", self.network.network_file())
            .env("GRIDBOOK_KEY", key)
            .env("GRIDBOOK_OPERATOR_KEY", self.network.operator_key_file())
            .output()
            .unwrap()
    }

    /// ... and gives the first event of its last record.
    pub(crate) fn does(&self, key: &Path, arguments: &[&str]) -> Value {
        let output = self.gridbook(key, arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        let done: Value = serde_json::from_slice(&output.stdout).unwrap();
        done["records"].as_array().unwrap().last().unwrap()["events"][0].clone()
    }

    /// ... as soon as the ledger's clock lets it: before that it is refused for this.
    pub(crate) fn does_when_due(&self, key: &Path, arguments: &[&str], too_early: Code) -> Value {
        wait_for("a reading that is taken", || {
            let output = self.gridbook(key, arguments);
            let said = String::from_utf8_lossy(&output.stderr);
            if !output.status.success() {
                assert!(said.contains(too_early.name()), "{arguments:?}: {said}");
                return None;
            }
            let done: Value = serde_json::from_slice(&output.stdout).unwrap();
            Some(done["records"][0]["events"][0].clone())
        })
    }

    /// ... that must succeed, and gives what it printed.
    pub(crate) fn told(&self, key: &Path, arguments: &[&str]) -> Value {
        let output = self.gridbook(key, arguments);
        let said = [&output.stderr, &output.stdout].map(|text| String::from_utf8_lossy(text));
        assert!(output.status.success(), "{arguments:?}: {said:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A new key, in a file of its own.
    pub(crate) fn new_key(&self, file: PathBuf) -> PathBuf {
        let made = self.gridbook(&file, &["keys", "generate", "--out", file.to_str().unwrap()]);
        assert!(made.status.success(), "{made:?}");
        file
    }

    /// The delivery period that it is in.
    pub(crate) fn present(&self) -> u32 {
        let genesis = &self.network.genesis;
        genesis.rules.period_at(genesis.ledger_now(wall_us())).0
    }

    /// ... and gives what it says when it fails.
    pub(crate) fn refuses(&self, key: &Path, arguments: &[&str]) -> String {
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

/// Ports that are free now are anybody's until validators have bound them: no other test looks for some in between.
fn turn() -> MutexGuard<'static, ()> {
    static STARTING: Mutex<()> = Mutex::new(());
    STARTING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until a validator ends by itself.
async fn end_of(validator: &mut Child) -> ExitStatus {
    loop {
        if let Some(status) = validator.try_wait().unwrap() {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn start_all(network: &Network) -> Vec<Child> {
    network.config_files.iter().map(|config| validators::command(config).spawn().unwrap()).collect()
}
