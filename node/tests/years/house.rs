//! A network of its own for one test, with what its operators do.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gridbook_engine::{AccountId, LedgerTime};
use gridbook_ledger::command::{Bundle, Command as Order, NEVER};
use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::header::Header;
use gridbook_ledger::receipt::{AccountHistory, Receipt};
use gridbook_ledger::record::Outcome;
use gridbook_node::admin;
use gridbook_node::client::{Client, ClientError, Patience, next_nonce};
use gridbook_node::config::{LogOptions, Peer, ValidatorConfig};
use gridbook_node::keyfile::{read_key, write_key};
use gridbook_node::network::{Network, NetworkPlan, loopback_free};
use gridbook_node::protocol::{QueryKind, SignedQuery};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::validators;

/// A machine may be busy with everything else.
const PATIENCE: Duration = Duration::from_secs(600);
/// Between two looks at something that is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

pub(crate) struct House {
    network: Network,
    children: Vec<Option<Child>>,
    /// The next account's number. Whoever opens accounts holds it meanwhile: the operator has one line of nonces.
    next_account: Arc<Mutex<u32>>,
}

/// So many are opened at least, some of them after the change.
const LEAST: usize = 6;

/// Accounts that are opened all the time until somebody says stop.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    bundles: JoinHandle<Vec<Hash>>,
}

impl Load {
    /// All of its bundles: each was final before the next was sent.
    pub(crate) fn end(self) -> Vec<Hash> {
        self.stop.store(true, Ordering::Relaxed);
        self.bundles.join().unwrap()
    }
}

impl House {
    pub(crate) fn new(name: &str, log: LogOptions) -> Self {
        // Nothing is dropped when the tests end: what an earlier run left is removed by the next.
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("years-{name}"));
        let _ = fs::remove_dir_all(&dir);
        let plan = NetworkPlan { log, ..validators::plan(name) };
        let network = plan.make(&dir).unwrap();
        Self { network, children: (0..4).map(|_| None).collect(), next_account: Arc::default() }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.network.dir
    }

    pub(crate) fn genesis(&self) -> &Genesis {
        &self.network.genesis
    }

    pub(crate) fn genesis_file(&self) -> PathBuf {
        self.dir().join("genesis.json")
    }

    pub(crate) fn home(&self, index: usize) -> PathBuf {
        self.network.config_files[index].parent().unwrap().to_owned()
    }

    pub(crate) fn config_file(&self, index: usize) -> &Path {
        &self.network.config_files[index]
    }

    pub(crate) fn data_dir(&self, index: usize) -> &Path {
        &self.network.configs[index].data_dir
    }

    pub(crate) fn listens_at(&self, index: usize) -> SocketAddr {
        self.network.configs[index].listen.validators
    }

    /// An operator edits his settings.
    pub(crate) fn settings(&mut self, index: usize, change: impl FnOnce(&mut ValidatorConfig)) {
        change(&mut self.network.configs[index]);
        fs::write(&self.network.config_files[index], self.network.configs[index].to_commented_toml()).unwrap();
    }

    /// Another operator prepares a validator for a place, with a key and an empty disk; its peers are the others of the present set.
    pub(crate) fn add_newcomer(&mut self, place: u16) -> (usize, SecretKey) {
        let home = self.dir().join("newcomer");
        fs::create_dir_all(&home).unwrap();
        let key = SecretKey::generate().unwrap();
        write_key(&home.join("validator.key"), &key).unwrap();
        let others = self.network.configs.iter().zip(&self.network.clients.validators);
        let peer = |(config, client): (&ValidatorConfig, &Peer)| Peer {
            index: config.index,
            key: client.key,
            address: config.listen.validators,
        };
        let config = ValidatorConfig {
            index: place,
            key_file: home.join("validator.key"),
            data_dir: home.join("data"),
            listen: loopback_free(1).unwrap()[0],
            peers: others.map(peer).filter(|peer| peer.index != place).collect(),
            ..self.network.configs[0].clone()
        };
        self.network.config_files.push(home.join("validator.toml"));
        self.network.configs.push(config);
        self.children.push(None);
        let index = self.children.len() - 1;
        self.settings(index, |_| {});
        // Its key has never signed: the operator says so once, when he makes the directory.
        gridbook_node::validator::give_birth(&self.network.configs[index]).unwrap();
        (index, key)
    }

    /// Starts all validators and waits until they serve.
    pub(crate) fn start_all(&mut self) {
        let all: Vec<usize> = (0..self.children.len()).collect();
        all.iter().for_each(|index| self.start(*index));
        self.wait_until_ready(&all);
    }

    /// Starts a validator; it ends with this process, because its standard input does.
    pub(crate) fn start(&mut self, index: usize) {
        let child = validators::command(&self.network.config_files[index])
            .envs([("GRIDBOOK_LOG", "info"), ("GRIDBOOK_LOG_FORMAT", "json")])
            .spawn();
        self.children[index] = Some(child.unwrap());
    }

    pub(crate) fn kill(&mut self, index: usize) {
        let mut child = self.children[index].take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Ends it as its operator would.
    pub(crate) fn stop(&mut self, index: usize) {
        let mut child = self.children[index].take().unwrap();
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success(), "validator {index} did not end well:\n{}", self.said(index));
    }

    /// What a validator has said in all its lives.
    pub(crate) fn said(&self, index: usize) -> String {
        fs::read_to_string(self.home(index).join("validator.log")).unwrap()
    }

    /// What a validator has said with these words, each time: the values that it named.
    pub(crate) fn told(&self, index: usize, words: &str) -> Vec<Value> {
        let said = self.said(index);
        let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let fields = lines.map(|mut line| line["fields"].take());
        fields.filter(|fields| fields["message"].as_str().is_some_and(|message| message.contains(words))).collect()
    }

    /// Looks again and again until something is so.
    pub(crate) fn wait_until(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "waited in vain: {what}");
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    pub(crate) fn wait_until_ready(&self, indices: &[usize]) {
        for index in indices {
            run(validators::wait_until_ready(self.network.configs[*index].listen.admin));
        }
    }

    /// Waits until a validator is ready and signs.
    pub(crate) fn wait_until_it_signs(&self, index: usize) {
        self.wait_until(&format!("validator {index} is ready and signs"), |house| {
            house.readiness(index).as_deref() == Some("ready\n")
        });
    }

    /// What a validator says that is ready. Any may be behind again for a moment: it says so when it is not.
    pub(crate) fn when_ready(&self, index: usize) -> String {
        let mut said = None;
        self.wait_until(&format!("validator {index} is ready"), |house| {
            said = house.readiness(index);
            said.is_some()
        });
        said.unwrap()
    }

    /// What "/readyz" says; nothing while it is not ready.
    fn readiness(&self, index: usize) -> Option<String> {
        match self.admin(index, "/readyz")? {
            (200, body) => Some(body),
            _ => None,
        }
    }

    /// The height that is final at a validator; nothing while it is down.
    pub(crate) fn height(&self, index: usize) -> Option<u64> {
        self.metric(index, "gridbook_height ")
    }

    /// How many commands are.
    pub(crate) fn last_seq(&self, index: usize) -> Option<u64> {
        self.metric(index, "gridbook_last_seq ")
    }

    fn metric(&self, index: usize, name: &str) -> Option<u64> {
        let (_, body) = self.admin(index, "/metrics")?;
        body.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    pub(crate) fn wait_for_height(&self, index: usize, height: u64) {
        self.wait_until(&format!("validator {index} is at height {height}"), |house| {
            house.height(index).is_some_and(|found| found >= height)
        });
    }

    fn admin(&self, index: usize, path: &str) -> Option<(u16, String)> {
        run(admin::fetch(self.network.configs[index].listen.admin, path)).ok()
    }

    /// The operator opens so many accounts, one after the other, each until it is final.
    pub(crate) fn open_accounts(&self, count: usize) -> Vec<Hash> {
        let teller = self.teller();
        run(async {
            let client = teller.connect().await;
            let mut bundles = Vec::new();
            for _ in 0..count {
                bundles.push(teller.open_accounts(&client, 1).await.unwrap());
            }
            bundles
        })
    }

    /// Opens accounts on a thread of its own, through whichever validator is there.
    pub(crate) fn load(&self) -> Load {
        self.load_through(&[0, 1, 2, 3], 1)
    }

    /// Opens so many accounts in each bundle, through one of these validators.
    pub(crate) fn load_through(&self, indices: &[usize], accounts: u32) -> Load {
        let validators = indices.iter().map(|index| self.network.clients.validators[*index]).collect();
        let (teller, stop) = (Teller { validators, ..self.teller() }, Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let bundles = std::thread::spawn(move || {
            run(async {
                let client = teller.connect().await;
                let mut bundles = Vec::new();
                while !stopped.load(Ordering::Relaxed) || bundles.len() < LEAST {
                    bundles.push(teller.open_accounts(&client, accounts).await.unwrap());
                }
                bundles
            })
        });
        Load { stop, bundles }
    }

    /// The receipt of a bundle's first command, from any validator.
    pub(crate) fn receipt(&self, bundle: Hash) -> Receipt {
        self.ask_for_receipt(&[0, 1, 2, 3], bundle).unwrap()
    }

    /// As one validator hands it out.
    pub(crate) fn receipt_from(&self, index: usize, bundle: Hash) -> Receipt {
        self.ask_for_receipt(&[index], bundle).unwrap_or_else(|error| panic!("{bundle} at validator {index}: {error}"))
    }

    /// Asks for a receipt, the first of these validators first; what is not final yet is waited for.
    pub(crate) fn ask_for_receipt(&self, indices: &[usize], bundle: Hash) -> Result<Receipt, ClientError> {
        let validators: Vec<Peer> = indices.iter().map(|index| self.network.clients.validators[*index]).collect();
        let deadline = Instant::now() + PATIENCE;
        let operator = read_key(&self.network.operator_key_file()).unwrap();
        let kind = QueryKind::BundleReceipt { bundle, index: 0, of: None };
        let query = SignedQuery::sign(self.genesis().chain_id(), kind, LedgerTime(u64::MAX), &operator);
        run(async {
            let client = connect(&validators).await;
            loop {
                match client.receipt(query.clone()).await {
                    Err(ClientError::NotFinal) => tokio::time::sleep(LOOK_AGAIN).await,
                    answer => return answer.map(|bytes| Receipt::decode(&bytes).unwrap()),
                }
                assert!(Instant::now() < deadline, "no receipt for {bundle}");
            }
        })
    }

    /// The whole history of the first account, as the operator gets it from the first of some validators that has all of it.
    pub(crate) fn ask_for_history(&self, indices: &[usize]) -> Result<AccountHistory, ClientError> {
        let validators: Vec<Peer> = indices.iter().map(|index| self.network.clients.validators[*index]).collect();
        let operator = read_key(&self.network.operator_key_file()).unwrap();
        let chain = self.genesis().chain_id();
        let sign = |kind| SignedQuery::sign(chain, kind, LedgerTime(u64::MAX), &operator);
        let deadline = Instant::now() + PATIENCE;
        run(async {
            let client = connect(&validators).await;
            loop {
                let history = client.account_history(sign, AccountId(0)).await?;
                // The one with the proof may have been ahead of the one with the extracts.
                if history.verify(self.genesis()).is_ok() {
                    return Ok(history);
                }
                assert!(Instant::now() < deadline, "no whole history: {:?}", history.verify(self.genesis()));
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        })
    }

    /// The final header at a height, as one validator tells it.
    pub(crate) fn header_from(&self, index: usize, height: u64) -> Header {
        let validators = &self.network.clients.validators[index..=index];
        let bytes = run(async { connect(validators).await.header(height).await });
        Header::decode(&bytes.unwrap_or_else(|error| panic!("header {height} of validator {index}: {error}"))).unwrap()
    }

    fn teller(&self) -> Teller {
        Teller {
            validators: self.network.clients.validators.clone(),
            chain: self.genesis().chain_id(),
            operator: read_key(&self.network.operator_key_file()).unwrap(),
            next_account: Arc::clone(&self.next_account),
        }
    }

    /// So many operators end the epoch with a change that three of four approve; what was proposed.
    pub(crate) fn end_epoch(&self, wish: &[&str], approvers: [usize; 3]) -> Value {
        let change = self.dir().join("change.json");
        let change = change.to_str().unwrap();
        let proposed = self.gridbook(&[&["epoch", "propose", "--out", change], wish].concat());
        for index in approvers {
            let key = self.home(index).join("validator.key");
            self.gridbook(&["epoch", "approve", change, "--key", key.to_str().unwrap()]);
        }
        self.gridbook(&["epoch", "submit", change]);
        proposed
    }

    /// Runs a command that must succeed; what it printed.
    pub(crate) fn gridbook(&self, arguments: &[&str]) -> Value {
        let output = self.run_gridbook(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs a command that must fail with exit code 1; what it said.
    pub(crate) fn gridbook_fails(&self, arguments: &[&str]) -> String {
        let output = self.run_gridbook(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Runs a command that may fail; whether it did not, and what it printed.
    pub(crate) fn try_gridbook(&self, arguments: &[&str]) -> (bool, Value) {
        let output = self.run_gridbook(arguments);
        (output.status.success(), serde_json::from_slice(&output.stdout).unwrap())
    }

    fn run_gridbook(&self, arguments: &[&str]) -> Output {
        validators::gridbook(arguments)
            .env("GRIDBOOK_JSON", "1")
            .env("GRIDBOOK_NETWORK", self.network.network_file())
            .output()
            .unwrap()
    }

    /// What a data directory holds.
    pub(crate) fn inspect(&self, index: usize) -> Value {
        self.gridbook(&["inspect", self.data_dir(index).to_str().unwrap()])
    }

    /// Re-executes the data directory of a validator that is down.
    pub(crate) fn verify_chain(&self, index: usize) -> Value {
        let (data, genesis) = (self.data_dir(index), self.genesis_file());
        self.gridbook(&["verify", "chain", data.to_str().unwrap(), "--genesis", genesis.to_str().unwrap()])
    }
}

/// Opens accounts in the operator's name.
struct Teller {
    validators: Vec<Peer>,
    chain: Hash,
    operator: SecretKey,
    next_account: Arc<Mutex<u32>>,
}

impl Teller {
    async fn connect(&self) -> Client {
        connect(&self.validators).await
    }

    /// So many accounts in one bundle.
    async fn open_accounts(&self, client: &Client, count: u32) -> Result<Hash, ClientError> {
        let mut next_account = self.next_account.lock().await;
        let accounts = *next_account..*next_account + count;
        let commands = accounts
            .clone()
            .map(|account| Order::RegisterAccount { account: AccountId(account), organisation: None })
            .collect();
        *next_account = accounts.end;
        let (chain, signer) = (self.chain, self.operator.public());
        let bundle = Bundle { chain, signer, nonce: next_nonce(), expires_at: NEVER, commands }.sign(&self.operator);
        let done = client.submit(&bundle).finality().await?;
        assert_eq!(done.records.len(), count as usize);
        assert!(done.records.iter().all(|record| record.outcome == Outcome::Done), "{:?}", done.records);
        Ok(done.bundle)
    }
}

async fn connect(validators: &[Peer]) -> Client {
    let seed = *SecretKey::generate().unwrap().seed();
    let patience = Patience { give_up_after: PATIENCE, ..Patience::default() };
    Client::connect(validators.to_vec(), seed, patience).await.unwrap().0
}

fn run<T>(story: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(story)
}
