//! One of four validators loses its disk and joins again by a snapshot. Then the tools look at what it left.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gridbook_engine::{AccountId, LedgerTime, MarketRules};
use gridbook_ledger::command::{Bundle, Command as Order, NEVER};
use gridbook_ledger::crypto::SecretKey;
use gridbook_node::admin;
use gridbook_node::client::{Client, Patience, next_nonce, wall_us};
use gridbook_node::config::{IndexOptions, LogOptions, Quotas};
use gridbook_node::keyfile::read_key;
use gridbook_node::network::{Network, NetworkPlan, loopback_free};
use serde_json::Value;

/// A machine may be busy with everything else.
const PATIENCE: Duration = Duration::from_secs(240);

struct House {
    network: Network,
    children: Vec<Option<Child>>,
}

impl House {
    fn new(dir: &Path) -> Self {
        let _ = fs::remove_dir_all(dir);
        let wall_ms = wall_us() / 1000;
        let plan = NetworkPlan {
            name: "join".to_owned(),
            listen: loopback_free(4).unwrap(),
            areas: vec!["town".into()],
            rules: MarketRules::default(),
            ledger_start: LedgerTime(wall_ms),
            wall_start_ms: wall_ms,
            time_scale: 1,
            quotas: Quotas::one_host(),
            log: LogOptions { snapshot_commands: 100, join_commands: 50, ..LogOptions::default() },
            index_options: IndexOptions::default(),
        };
        let network = plan.make(dir).unwrap();
        let mut house = Self { network, children: (0..4).map(|_| None).collect() };
        (0..4).for_each(|index| house.start(index));
        house
    }

    fn data_dir(&self, index: usize) -> &Path {
        &self.network.configs[index].data_dir
    }

    fn config(&self, index: usize) -> PathBuf {
        self.network.config_files[index].clone()
    }

    fn genesis(&self) -> PathBuf {
        self.network.dir.join("genesis.json")
    }

    /// It ends with this process, because its standard input does.
    fn start(&mut self, index: usize) {
        let log = self.config(index).with_file_name("validator.log");
        let log = File::options().create(true).append(true).open(log).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_gridbook"))
            .args(["validator", "--stop-with-stdin", "--config"])
            .arg(self.config(index))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.children[index] = Some(child.unwrap());
    }

    fn kill(&mut self, index: usize) {
        let mut child = self.children[index].take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Ends it as its operator would.
    fn stop(&mut self, index: usize) {
        let mut child = self.children[index].take().unwrap();
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    async fn metric(&self, index: usize, name: &str) -> Option<u64> {
        let (_, body) = admin::fetch(self.network.configs[index].listen.admin, "/metrics").await.ok()?;
        body.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    async fn wait_for_height(&self, index: usize, height: u64) {
        let deadline = Instant::now() + PATIENCE;
        while self.metric(index, "gridbook_height ").await.is_none_or(|found| found < height) {
            assert!(Instant::now() < deadline, "validator {index} does not reach height {height}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn wait_until_ready(&self, index: usize) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok((200, body)) = admin::fetch(self.network.configs[index].listen.admin, "/readyz").await {
                return body;
            }
            assert!(Instant::now() < deadline, "validator {index} is not ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Opens accounts, a few in each bundle, until it is told to end.
    async fn load(&self, client: &Client, end: &AtomicBool) -> u32 {
        let operator = read_key(&self.network.operator_key_file()).unwrap();
        let mut accounts = 0;
        while !end.load(Ordering::Relaxed) {
            let commands = (accounts..accounts + 4)
                .map(|account| Order::RegisterAccount { account: AccountId(account) })
                .collect();
            accounts += 4;
            let (chain, signer) = (self.network.genesis.chain_id(), operator.public());
            let bundle = Bundle { chain, signer, nonce: next_nonce(), expires_at: NEVER, commands }.sign(&operator);
            client.submit(&bundle).finality().await.unwrap();
        }
        accounts
    }
}

fn gridbook(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gridbook")).args(arguments).output().unwrap()
}

fn json(arguments: &[&str]) -> Value {
    let output = gridbook(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// ```text
/// 0  1  2   trade on
/// 3 ......x          its disk is lost; an empty one: snapshot of header 256 or later, then what came after
/// ```
#[test]
fn a_validator_that_lost_its_directory_joins_again_by_snapshot() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("join");
    let mut house = House::new(&dir);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for index in 0..4 {
            house.wait_until_ready(index).await;
        }
        // Clients stay with those that are not touched.
        let validators = house.network.clients.validators[..3].to_vec();
        let client = Client::connect(validators, *SecretKey::generate().unwrap().seed(), Patience::default());
        let client = client.await.unwrap().0;
        let end = Arc::new(AtomicBool::new(false));
        let story = async {
            house.wait_for_height(0, 270).await;
            let deadline = Instant::now() + PATIENCE;
            while fs::read_dir(house.data_dir(0).join("snapshots")).unwrap().next().is_none() {
                assert!(Instant::now() < deadline, "no snapshot was taken");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            end.store(true, Ordering::Relaxed);
        };
        tokio::join!(house.load(&client, &end), story);
    });
    house.kill(3);
    fs::remove_dir_all(house.data_dir(3)).unwrap();
    house.start(3);
    let ready = runtime.block_on(async {
        let height = house.metric(0, "gridbook_height ").await.unwrap();
        house.wait_for_height(3, height).await;
        house.wait_until_ready(3).await
    });
    assert!(ready.contains("signs nothing"), "{ready}");
    look_at_what_it_left(&mut house);
}

/// Its log goes on from the snapshot, and is verified from there; snapshots are copied, checked, and restored into an empty directory only.
fn look_at_what_it_left(house: &mut House) {
    let running = json(&["--json", "inspect", house.data_dir(3).to_str().unwrap()]);
    let from = running["log"]["from_snapshots"][0].as_u64().unwrap();
    assert!(from >= 256 && from.is_multiple_of(256), "{running}");
    assert!(running["index"]["state"].as_str().unwrap().contains("running"), "{running}");
    (0..4).for_each(|index| house.stop(index));

    let data = house.data_dir(3).to_str().unwrap().to_owned();
    let genesis = house.genesis().to_str().unwrap().to_owned();
    let stopped = json(&["--json", "inspect", &data]);
    assert_eq!(stopped["index"]["first_height"], from + 1, "{stopped}");
    assert!(stopped["safety"]["state"].as_str().unwrap().starts_with("none"), "{stopped}");
    let chain = json(&["--json", "verify", "chain", &data, "--genesis", &genesis]);
    assert_eq!(chain["from_height"].as_u64().unwrap() % 256, 0, "{chain}");
    let records = gridbook(&["inspect", "log", &data, "--limit", "3"]);
    assert_eq!(String::from_utf8_lossy(&records.stdout).lines().count(), 3);

    let out = house.network.dir.join("monday.snapshot");
    let (out, config) = (out.to_str().unwrap(), house.config(0));
    let made = json(&["--json", "snapshot", "create", "--config", config.to_str().unwrap(), "--out", out]);
    let checked = json(&["--json", "snapshot", "verify", out, "--genesis", &genesis]);
    assert_eq!(made["snapshot_root"], checked["snapshot_root"]);
    let config = house.config(3);
    let restore = ["snapshot", "restore", out, "--config", config.to_str().unwrap()];
    let refused = gridbook(&restore);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is not empty"), "{refused:?}");
    fs::remove_dir_all(&data).unwrap();
    assert!(gridbook(&restore).status.success());
    let restored = json(&["--json", "inspect", &data]);
    assert_eq!(restored["log"]["from_snapshots"][0], made["height"], "{restored}");
    assert!(restored["safety"]["state"].as_str().unwrap().starts_with("none"), "{restored}");
    spoil(Path::new(out));
    assert_eq!(gridbook(&["snapshot", "verify", out, "--genesis", &genesis]).status.code(), Some(1));
}

fn spoil(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(file, bytes).unwrap();
}
