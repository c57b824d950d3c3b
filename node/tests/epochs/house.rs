//! A network of its own for one test, with what its operators do.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gridbook_engine::{AccountId, LedgerTime, MarketRules};
use gridbook_ledger::command::{Bundle, Command as Order, NEVER};
use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::receipt::Receipt;
use gridbook_node::admin;
use gridbook_node::client::{Client, ClientError, Patience, next_nonce, wall_us};
use gridbook_node::config::{IndexOptions, LogOptions, Peer, Quotas, ValidatorConfig};
use gridbook_node::keyfile::{read_key, write_key};
use gridbook_node::network::{Network, NetworkPlan, loopback_free};
use serde_json::Value;

pub(crate) struct House {
    network: Network,
    children: Vec<Option<Child>>,
    /// The next account's number, shared with whoever opens accounts besides.
    next_account: Arc<AtomicU32>,
}

/// So many are opened at least, some of them after the change.
const LEAST: usize = 6;

/// Accounts that are opened all the time until somebody says stop.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    bundles: JoinHandle<Vec<Hash>>,
}

impl Load {
    pub(crate) fn end(self) -> Vec<Hash> {
        self.stop.store(true, Ordering::Relaxed);
        self.bundles.join().unwrap()
    }
}

impl House {
    pub(crate) fn new(name: &str) -> Self {
        // Nothing is dropped when the tests end: what an earlier run left is removed by the next.
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("epochs-{name}"));
        let _ = fs::remove_dir_all(&dir);
        let wall_ms = wall_us() / 1000;
        let plan = NetworkPlan {
            name: name.to_owned(),
            listen: loopback_free(4).unwrap(),
            areas: vec!["town".into()],
            rules: MarketRules::default(),
            ledger_start: LedgerTime(wall_ms),
            wall_start_ms: wall_ms,
            time_scale: 1,
            quotas: Quotas::one_host(),
            log: LogOptions::default(),
            index_options: IndexOptions::default(),
        };
        let network = plan.make(&dir).unwrap();
        Self { network, children: (0..4).map(|_| None).collect(), next_account: Arc::default() }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.network.dir
    }

    pub(crate) fn genesis(&self) -> &Genesis {
        &self.network.genesis
    }

    pub(crate) fn home(&self, index: usize) -> PathBuf {
        self.network.config_files[index].parent().unwrap().to_owned()
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

    /// Starts a validator; it ends with this process, because its standard input does.
    pub(crate) fn start(&mut self, index: usize) {
        let log = File::options().create(true).append(true).open(self.home(index).join("validator.log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_gridbook"))
            .args(["validator", "--stop-with-stdin", "--config"])
            .arg(&self.network.config_files[index])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.children[index] = Some(child.unwrap());
    }

    pub(crate) fn kill(&mut self, index: usize) {
        let mut child = self.children[index].take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub(crate) fn wait_until_ready(&self, indices: &[usize]) {
        let deadline = Instant::now() + Duration::from_secs(60);
        run(async {
            for index in indices {
                let admin = self.network.configs[*index].listen.admin;
                while !matches!(admin::fetch(admin, "/readyz").await, Ok((200, _))) {
                    assert!(Instant::now() < deadline, "validator {index} is not ready");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        });
    }

    /// The operator opens so many accounts, one after the other, each until it is final.
    pub(crate) fn open_accounts(&self, count: usize) -> Vec<Hash> {
        let teller = self.teller();
        run(async {
            let client = teller.connect().await;
            let mut bundles = Vec::new();
            for _ in 0..count {
                bundles.push(teller.open_account(&client).await.unwrap());
            }
            bundles
        })
    }

    /// Opens accounts on a thread of its own.
    pub(crate) fn load(&self) -> Load {
        let (teller, stop) = (self.teller(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let bundles = std::thread::spawn(move || {
            run(async {
                let client = teller.connect().await;
                let mut bundles = Vec::new();
                while !stopped.load(Ordering::Relaxed) || bundles.len() < LEAST {
                    bundles.push(teller.open_account(&client).await.unwrap());
                }
                bundles
            })
        });
        Load { stop, bundles }
    }

    pub(crate) fn receipt(&self, bundle: Hash) -> Receipt {
        let teller = self.teller();
        run(async {
            let client = teller.connect().await;
            for _ in 0..100 {
                match client.receipt(bundle, 0).await {
                    Ok(bytes) => return Receipt::decode(&bytes).unwrap(),
                    Err(ClientError::NotFinal) => tokio::time::sleep(Duration::from_millis(50)).await,
                    Err(error) => panic!("{error}"),
                }
            }
            panic!("no receipt for {bundle}");
        })
    }

    fn teller(&self) -> Teller {
        Teller {
            validators: self.network.clients.validators.clone(),
            chain: self.genesis().chain_id(),
            operator: read_key(&self.network.operator_key_file()).unwrap(),
            next_account: Arc::clone(&self.next_account),
        }
    }

    /// Runs a command that must succeed; what it printed.
    pub(crate) fn gridbook(&self, arguments: &[&str]) -> Value {
        let (good, stdout, stderr) = self.run_gridbook(arguments);
        assert!(good, "{arguments:?}: {stderr}");
        serde_json::from_str(&stdout).unwrap()
    }

    /// Runs a command that must fail; what it said.
    pub(crate) fn gridbook_fails(&self, arguments: &[&str]) -> String {
        let (good, stdout, stderr) = self.run_gridbook(arguments);
        assert!(!good, "{arguments:?}: {stdout}");
        stderr
    }

    fn run_gridbook(&self, arguments: &[&str]) -> (bool, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_gridbook"))
            .args(arguments)
            .env("GRIDBOOK_JSON", "1")
            .env("GRIDBOOK_NETWORK", self.network.network_file())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    }

    /// Re-executes the data directory of a validator that is down.
    pub(crate) fn verify_chain(&self, index: usize) -> Value {
        let (data, genesis) = (&self.network.configs[index].data_dir, self.dir().join("genesis.json"));
        self.gridbook(&["verify", "chain", data.to_str().unwrap(), "--genesis", genesis.to_str().unwrap()])
    }
}

/// Opens accounts in the operator's name.
struct Teller {
    validators: Vec<Peer>,
    chain: Hash,
    operator: SecretKey,
    next_account: Arc<AtomicU32>,
}

/// The operator has one line of nonces, and all threads share it.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

impl Teller {
    async fn connect(&self) -> Client {
        let seed = *SecretKey::generate().unwrap().seed();
        let patience = Patience { give_up_after: Duration::from_secs(60), ..Patience::default() };
        Client::connect(self.validators.clone(), seed, patience).await.unwrap().0
    }

    async fn open_account(&self, client: &Client) -> Result<Hash, ClientError> {
        let _turn = TURN.lock().await;
        let account = AccountId(self.next_account.fetch_add(1, Ordering::Relaxed));
        let commands = vec![Order::RegisterAccount { account }];
        let (chain, signer) = (self.chain, self.operator.public());
        let bundle = Bundle { chain, signer, nonce: next_nonce(), expires_at: NEVER, commands }.sign(&self.operator);
        let done = client.submit(&bundle).finality().await?;
        assert_eq!(done.records.len(), 1);
        Ok(done.bundle)
    }
}

fn run<T>(story: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(story)
}
