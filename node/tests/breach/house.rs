//! One network for all tests, and what each of them needs of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use gridbook_engine::{AccountId, AreaId, Energy, LedgerTime, MeterId, Money};
use gridbook_ledger::command::{Bundle, Command as Order, NEVER};
use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::receipt::Receipt;
use gridbook_ledger::record::Outcome;
use gridbook_ledger::registry::Plant;
use gridbook_ledger::sequenced::SequencedReceipt;
use gridbook_net::MeterClient;
use gridbook_node::client::{Client, ClientError, FinalBundle, Patience, next_nonce, wall_us};
use gridbook_node::config::{NetworkConfig, Peer};
use gridbook_node::keyfile::read_key;
use gridbook_node::network::Network;
use gridbook_node::protocol::{QueryKind, SignedQuery};
use serde_json::Value;

use crate::validators;

pub(crate) struct House {
    pub(crate) network: Network,
    /// They end when this process does, because their standard input ends then.
    children: Mutex<Vec<Option<Child>>>,
    /// Whoever opens a door to a validator holds it to read, whoever kills one to write: a door leads nowhere without its validator.
    pub(crate) doors: tokio::sync::RwLock<()>,
}

/// A machine may be busy with everything else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Whose clients may send less than others'.
pub(crate) const STRICT: usize = 1;

/// Frames per second under one key there; twice as many at once.
pub(crate) const STRICT_FRAMES: u64 = 20;

pub(crate) fn house() -> &'static House {
    static HOUSE: OnceLock<House> = OnceLock::new();
    // On a thread of its own: whoever asks first may be within a runtime.
    HOUSE.get_or_init(|| std::thread::spawn(House::start).join().unwrap())
}

impl House {
    fn start() -> Self {
        let dir = own_dir();
        let mut network = validators::plan("breach").make(&dir).unwrap();
        let strict = &mut network.configs[STRICT];
        strict.quotas.frames_per_second_per_key = STRICT_FRAMES;
        fs::write(&network.config_files[STRICT], strict.to_commented_toml()).unwrap();
        let house = Self {
            network,
            children: Mutex::new((0..4).map(|_| None).collect()),
            doors: tokio::sync::RwLock::default(),
        };
        (0..4).for_each(|index| house.start_one(index));
        run(async {
            for index in 0..4 {
                house.wait_until_ready(index).await;
            }
        });
        house
    }

    pub(crate) fn start_one(&self, index: usize) {
        let child = validators::command(&self.network.config_files[index]).spawn();
        self.children.lock().unwrap()[index] = Some(child.unwrap());
    }

    /// Kills a validator without warning.
    pub(crate) fn kill(&self, index: usize) {
        let mut child = self.children.lock().unwrap()[index].take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub(crate) async fn wait_until_ready(&self, index: usize) {
        validators::wait_until_ready(self.network.configs[index].listen.admin).await;
    }

    pub(crate) fn genesis(&self) -> &Genesis {
        &self.network.genesis
    }

    pub(crate) fn genesis_file(&self) -> String {
        self.network.dir.join("genesis.json").to_str().unwrap().to_owned()
    }

    pub(crate) fn chain(&self) -> Hash {
        self.genesis().chain_id()
    }

    /// The key of a validator, in whose name the tests lie.
    pub(crate) fn validator_key(&self, index: usize) -> SecretKey {
        read_key(&self.network.configs[index].key_file).unwrap()
    }

    pub(crate) fn peer(&self, index: usize) -> Peer {
        self.network.clients.validators[index]
    }

    /// A client that knows only these validators, in this order.
    pub(crate) async fn client_of(&self, validators: &[usize]) -> Client {
        let peers: Vec<Peer> = validators.iter().map(|index| self.peer(*index)).collect();
        let seed = *SecretKey::generate().unwrap().seed();
        let patience = Patience { give_up_after: PATIENCE, ..Patience::default() };
        let deadline = Instant::now() + PATIENCE;
        loop {
            match Client::connect(peers.clone(), seed, patience).await {
                Ok((client, _events)) => return client,
                // Another test has just killed it.
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// A connection to a validator, and nothing that asks again.
    pub(crate) async fn line_to(&self, index: usize) -> MeterClient {
        let (peer, seed) = (self.peer(index), *SecretKey::generate().unwrap().seed());
        let deadline = Instant::now() + PATIENCE;
        loop {
            match MeterClient::connect(peer.address, peer.key.0, seed).await {
                Ok(line) => return line,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
        }
    }

    /// A file for clients that names these validators only.
    pub(crate) fn network_file_of(&self, name: &str, validators: Vec<Peer>) -> PathBuf {
        let file = self.network.dir.join(format!("{name}.toml"));
        let config = NetworkConfig { genesis_file: self.genesis_file().into(), validators };
        fs::write(&file, config.to_toml()).unwrap();
        file
    }

    /// The operator opens an account, with a meter and money if a key is given; all of it is final.
    pub(crate) async fn open_account(&self, client: &Client, meter: Option<&SecretKey>) -> FinalBundle {
        // The operator has one line of nonces, and all tests share it. What they hold is the next account's number, and the next meter's: the validator
        // that is asked may not have come to what another one has just told as final, and a meter must not become a stranger's.
        static NEXT: tokio::sync::Mutex<(u32, u32)> = tokio::sync::Mutex::const_new((0, 0));
        let mut next = NEXT.lock().await;
        let status = client.status().await.unwrap();
        *next = (next.0.max(status.accounts), next.1.max(status.meters));
        let account = AccountId(next.0);
        let after = (next.0 + 1, next.1 + u32::from(meter.is_some()));
        let mut commands = vec![Order::RegisterAccount { account, organisation: None }];
        if let Some(key) = meter {
            let (meter, key, area) = (MeterId(next.1), key.public(), AreaId(0));
            let (import_max_wh, export_max_wh) = (Energy(4_000), Energy(4_000));
            commands.push(Order::RegisterMeter {
                meter,
                account,
                key,
                area,
                import_max_wh,
                export_max_wh,
                plant: Plant::NONE,
            });
            commands.push(Order::Deposit { account, amount: Money(100_000_000_000) });
        }
        let operator = read_key(&self.network.operator_key_file()).unwrap();
        let (chain, signer) = (self.chain(), operator.public());
        let bundle = Bundle { chain, signer, nonce: next_nonce(), expires_at: NEVER, commands }.sign(&operator);
        let done = client.submit(&bundle).finality().await.unwrap();
        assert!(done.records.iter().all(|record| record.outcome == Outcome::Done), "{:?}", done.records);
        // Only now: after one that failed, nobody else must be refused for leaving a number out.
        *next = after;
        done
    }

    /// A final command, by its receipt.
    pub(crate) async fn settled(&self, client: &Client) -> Receipt {
        let done = self.open_account(client, None).await;
        self.receipt_at(client, done.first_seq).await
    }

    /// The receipt of what is final at a place.
    pub(crate) async fn receipt_at(&self, client: &Client, seq: u64) -> Receipt {
        let operator = read_key(&self.network.operator_key_file()).unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let kind = QueryKind::Receipt { seq, of: None, life: None };
            let expires_at = LedgerTime(self.genesis().ledger_now(wall_us()).0 + 600_000);
            let query = SignedQuery::sign(self.chain(), kind, expires_at, &operator);
            match client.receipt(query).await {
                Ok(bytes) => return Receipt::decode(&bytes).unwrap(),
                // Another test killed the validator that told of it, and the next one is behind.
                Err(error) => assert!(error == ClientError::NotFinal && Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The receipt of what is final at one of a word's places, or why it is not told.
    pub(crate) async fn settled_by(
        &self,
        client: &Client,
        word: &SequencedReceipt,
        index: u64,
    ) -> Result<Receipt, ClientError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match client.settled(word, index).await {
                // Another test killed the validator that told of it, and the next one is behind.
                Err(ClientError::NotFinal) => assert!(Instant::now() < deadline, "not final: place {index}"),
                told => return told.map(|bytes| Receipt::decode(&bytes).unwrap()),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Runs a command; its exit code, and what it printed for programs, or said if it printed nothing.
    pub(crate) fn gridbook(&self, network_file: &Path, arguments: &[&str]) -> (i32, Value) {
        let output = validators::gridbook(arguments)
            .env("GRIDBOOK_JSON", "1")
            .env("GRIDBOOK_NETWORK", network_file)
            .env("GRIDBOOK_GENESIS_FILE", self.genesis_file())
            .env("GRIDBOOK_OPERATOR_KEY", self.network.operator_key_file())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let json = serde_json::from_slice(&output.stdout).unwrap_or(Value::String(stderr.into_owned()));
        (output.status.code().unwrap(), json)
    }
}

/// Nothing is dropped when the tests end: what earlier runs left is removed by the next. Their validators may still be about to end, and write
/// a last checkpoint; so no run has the directory of another.
fn own_dir() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for left in fs::read_dir(dir).unwrap().flatten() {
        if left.file_name().to_string_lossy().starts_with("breach-") {
            let _ = fs::remove_dir_all(left.path());
        }
    }
    dir.join(format!("breach-{}", std::process::id()))
}

/// Waits until something is so.
pub(crate) async fn wait_for(what: &str, is_so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Runs a test's story.
pub(crate) fn run<T>(story: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(story)
}
