//! Four validators as processes of their own, on loopback, for as long as a value lives.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use gridbook_engine::{DeliveryPeriod, MarketRules};
use gridbook_ledger::command::{Bundle, Command as Order, NEVER};
use gridbook_ledger::genesis::SettlementRules;
use gridbook_ledger::record::Outcome;
use gridbook_node::admin;
use gridbook_node::client::{Client, Patience, next_nonce, wall_us};
use gridbook_node::config::{IndexOptions, LogOptions, Quotas};
use gridbook_node::keyfile::read_key;
use gridbook_node::network::{Network, NetworkPlan, loopback_free};
use tempfile::TempDir;

use crate::conditions::cpu_seconds;
use crate::town::{AREAS, key, registrations};

/// How many validators: the fewest that tolerate one traitor.
pub const VALIDATORS: u16 = 4;

/// How long a validator may take to be ready.
const READY_MAX: Duration = Duration::from_secs(60);

/// A running network. Its processes end with it, also when this process is killed: each ends when its standard input does.
#[derive(Debug)]
pub struct Cluster {
    /// Keys, genesis and addresses.
    pub network: Network,
    children: Vec<Child>,
    /// Removed at the end.
    _dir: TempDir,
}

impl Cluster {
    /// Makes a network and starts its validators.
    pub async fn start() -> anyhow::Result<Self> {
        let binary = binary()?;
        let dir = tempfile::tempdir().context("no temporary directory")?;
        let network = plan()?.make(&dir.path().join("network"))?;
        let children = network.config_files.iter().map(|file| spawn(&binary, file)).collect::<anyhow::Result<_>>()?;
        let mut cluster = Self { network, children, _dir: dir };
        cluster.wait_until_ready().await?;
        Ok(cluster)
    }

    /// One connection to each validator; each fails over to the others.
    pub async fn clients(&self) -> anyhow::Result<Vec<Client>> {
        let patience = Patience { resend_after: Duration::from_secs(10), ..Patience::default() };
        let mut clients = Vec::new();
        for (first, seed) in (0..self.network.clients.validators.len()).zip(1..) {
            let mut order = self.network.clients.validators.clone();
            order.rotate_left(first);
            clients.push(Client::connect(order, [seed; 32], patience).await?.0);
        }
        Ok(clients)
    }

    /// Has the operator register `meters` meters, whose keys are [`key`]`(meter + 1)`.
    pub async fn register(&self, client: &Client, meters: u32) -> anyhow::Result<()> {
        let operator = read_key(&self.network.operator_key_file())?;
        for commands in registrations(meters).chunks(1_023) {
            let bundle = self.bundle(operator.public(), commands.to_vec()).sign(&operator);
            let done = client.submit(&bundle).finality().await.context("the meters could not be registered")?;
            ensure!(done.records.iter().all(|record| record.outcome == Outcome::Done), "a registration was refused");
        }
        Ok(())
    }

    /// A bundle of meter `meter`, signed, as bytes.
    pub fn signed(&self, meter: u32, commands: Vec<Order>) -> Vec<u8> {
        let key = key(meter + 1);
        self.bundle(key.public(), commands).sign(&key).bytes().to_vec()
    }

    fn bundle(&self, signer: gridbook_ledger::crypto::PublicKey, commands: Vec<Order>) -> Bundle {
        Bundle { chain: self.network.genesis.chain_id(), signer, nonce: next_nonce(), expires_at: NEVER, commands }
    }

    /// The first period that is traded: an hour ahead.
    pub fn first_period(&self) -> DeliveryPeriod {
        let rules = &self.network.genesis.rules;
        DeliveryPeriod(rules.period_at(self.network.genesis.ledger_start).0 + 5)
    }

    /// Processor time that the validators have used together, in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        self.children.iter().map(|child| cpu_seconds(&child.id().to_string())).sum()
    }

    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_MAX;
        for (config, child) in self.network.configs.iter().zip(&mut self.children) {
            while !matches!(admin::fetch(config.listen.admin, "/readyz").await, Ok((200, _))) {
                if let Some(status) = child.try_wait()? {
                    bail!("validator {} ended by itself: {status}", config.index);
                }
                ensure!(Instant::now() < deadline, "validator {} is not ready", config.index);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in &mut self.children {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn plan() -> anyhow::Result<NetworkPlan> {
    let now_ms = wall_us() / 1_000;
    Ok(NetworkPlan {
        name: "bench".to_owned(),
        listen: loopback_free(VALIDATORS)?,
        areas: (0..AREAS).map(|area| format!("area {area}").into()).collect(),
        rules: MarketRules::default(),
        settlement: SettlementRules::default(),
        ledger_start: gridbook_engine::LedgerTime(now_ms),
        wall_start_ms: now_ms,
        time_scale: 1,
        quotas: Quotas::one_host(),
        log: LogOptions::default(),
        index_options: IndexOptions::default(),
    })
}

fn spawn(binary: &Path, config: &Path) -> anyhow::Result<Child> {
    let log = File::create(config.with_file_name("validator.log"))?;
    let mut command = Command::new(binary);
    command.args(["--log", "warn", "validator", "--stop-with-stdin", "--config"]).arg(config);
    command.stdin(Stdio::piped()).stdout(Stdio::from(log.try_clone()?)).stderr(Stdio::from(log));
    command.spawn().with_context(|| format!("cannot start {}", binary.display()))
}

/// The `gridbook` binary: `GRIDBOOK_BIN`, or the one beside this benchmark.
fn binary() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("GRIDBOOK_BIN") {
        return Ok(path.into());
    }
    let own = std::env::current_exe()?;
    // <target>/release/deps/end_to_end-<hash>
    let beside = own.parent().and_then(Path::parent).map(|release| release.join("gridbook"));
    let found = beside.filter(|path| path.is_file());
    found.context("there is no gridbook binary: run `cargo build --release` first, or set GRIDBOOK_BIN to one")
}
