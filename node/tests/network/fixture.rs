//! One network for all tests, and what each of them needs of it.

use std::path::Path;
use std::process::Child;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use gridbook_engine::{
    AccountId, AreaId, Contract, DeliveryPeriod, Energy, LedgerTime, MarketRules, MeterId, Money, Price, Side,
};
use gridbook_ledger::command::{Bundle, Command as Order, NEVER, Place, SignedBundle};
use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::record::Outcome;
use gridbook_ledger::registry::Plant;
use gridbook_ledger::reject::Code;
use gridbook_node::client::{Client, ClientError, FinalBundle, Patience, next_nonce, wall_us};
use gridbook_node::config::Peer;
use gridbook_node::keyfile::read_key;
use gridbook_node::network::{Network, NetworkPlan};

use crate::validators;

/// The network. Its validators end when this process does, because their standard input ends then.
pub(crate) struct Fixture {
    pub(crate) network: Network,
    _validators: Vec<Child>,
}

/// Energy comes in steps of ten watt-hours here, so that there is something off the lot.
pub(crate) const LOT: u64 = 10;

/// What every meter's connection takes in or gives out per delivery period.
pub(crate) const HEADROOM: Energy = Energy(4_000);

/// A registered meter of one test.
pub(crate) struct TestMeter {
    pub(crate) id: MeterId,
    pub(crate) account: AccountId,
    pub(crate) key: SecretKey,
}

pub(crate) fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| std::thread::spawn(start).join().unwrap())
}

fn start() -> Fixture {
    // Nothing is dropped when the tests end: what an earlier run left is removed by the next.
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("network");
    let _ = std::fs::remove_dir_all(&dir);
    let plan = NetworkPlan { rules: MarketRules { lot: LOT, ..MarketRules::default() }, ..validators::plan("test") };
    let network = plan.make(&dir).unwrap();
    let started = network.config_files.iter().map(|config| validators::command(config).spawn().unwrap()).collect();
    run(async {
        for config in &network.configs {
            validators::wait_until_ready(config.listen.admin).await;
        }
    });
    Fixture { network, _validators: started }
}

/// Runs a test's story.
pub(crate) fn run<T>(story: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(story)
}

/// A client of the network that begins at one of its validators, in turn.
pub(crate) async fn connect() -> Client {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut validators = fixture().network.clients.validators.clone();
    validators.rotate_left(NEXT.fetch_add(1, Ordering::Relaxed) as usize % 4);
    connect_to(validators).await
}

/// A client of these validators.
pub(crate) async fn connect_to(validators: Vec<Peer>) -> Client {
    let seed = *SecretKey::generate().unwrap().seed();
    Client::connect(validators, seed, Patience::default()).await.unwrap().0
}

/// The operator has one line of nonces, and all tests share it: whoever signs for the operator, here or in a process of its own, has the turn.
pub(crate) static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Has the operator give a command, which is carried out.
pub(crate) async fn operate(client: &Client, command: Order) -> FinalBundle {
    let done = try_to_operate(client, command).await;
    assert_eq!(done.records[0].outcome, Outcome::Done, "{done:?}");
    done
}

/// Has the operator give a command, which may come to nothing.
pub(crate) async fn try_to_operate(client: &Client, command: Order) -> FinalBundle {
    let operator = read_key(&fixture().network.operator_key_file()).unwrap();
    let _turn = TURN.lock().await;
    client.submit(&sign(&operator, vec![command])).finality().await.unwrap()
}

/// Registers a new meter with an account of its own and so much money.
pub(crate) async fn register(client: &Client, deposit: Option<Money>) -> TestMeter {
    let key = SecretKey::generate().unwrap();
    // Each command in a bundle of its own: where another test took a number meanwhile, nothing must become a stranger's.
    let account = loop {
        let account = AccountId(client.status().await.unwrap().accounts);
        if is_done(&try_to_operate(client, Order::RegisterAccount { account, organisation: None }).await) {
            break account;
        }
    };
    let id = loop {
        let id = MeterId(client.status().await.unwrap().meters);
        let register = Order::RegisterMeter {
            meter: id,
            account,
            key: key.public(),
            area: AreaId(0),
            import_max_wh: HEADROOM,
            export_max_wh: HEADROOM,
            plant: Plant::NONE,
        };
        if is_done(&try_to_operate(client, register).await) {
            break id;
        }
    };
    if let Some(amount) = deposit {
        operate(client, Order::Deposit { account, amount }).await;
    }
    TestMeter { id, account, key }
}

/// Whether the only command was carried out; else its number was taken by then.
pub(crate) fn is_done(done: &FinalBundle) -> bool {
    match done.records[0].outcome {
        Outcome::Done => true,
        Outcome::Rejected(code) => {
            assert_eq!(code, Code::AuthRegistry);
            false
        }
    }
}

/// A meter with a hundred units of currency.
pub(crate) async fn rich_meter(client: &Client) -> TestMeter {
    register(client, Some(Money(100_000_000_000))).await
}

pub(crate) fn chain() -> Hash {
    fixture().network.genesis.chain_id()
}

/// A bundle as it should be.
pub(crate) fn sign(key: &SecretKey, commands: Vec<Order>) -> SignedBundle {
    sign_with(key, next_nonce(), chain(), NEVER, commands)
}

pub(crate) fn sign_with(
    key: &SecretKey,
    nonce: u64,
    chain: Hash,
    expires_at: LedgerTime,
    commands: Vec<Order>,
) -> SignedBundle {
    Bundle { chain, signer: key.public(), nonce, expires_at, commands }.sign(key)
}

/// A delivery period that is open for hours to come.
pub(crate) fn open_period() -> DeliveryPeriod {
    let genesis = &fixture().network.genesis;
    DeliveryPeriod(genesis.rules.period_at(genesis.ledger_now(wall_us())).0 + 20)
}

/// An order that nothing is wrong with, and that nobody trades with: 1 ct/kWh is too little for any seller here.
pub(crate) fn good_order() -> Place {
    let contract = Contract { area: AreaId(0), period: open_period() };
    Place::limit(next_nonce(), contract, Side::Buy, Price(10_000), Energy(100))
}

/// Sends a bundle with one command and gives the code with which it was refused, at the door or in execution.
pub(crate) async fn refusal(client: &Client, bundle: &SignedBundle) -> Code {
    refusal_of(client.submit(bundle).finality().await)
}

pub(crate) fn refusal_of(answer: Result<FinalBundle, ClientError>) -> Code {
    match answer {
        Err(ClientError::Refused(code)) => code,
        Ok(done) => match done.records[..] {
            [ref record] => match record.outcome {
                Outcome::Rejected(code) => code,
                Outcome::Done => panic!("accepted: {done:?}"),
            },
            _ => panic!("one command, {} records", done.records.len()),
        },
        Err(other) => panic!("no answer: {other}"),
    }
}

/// The network still takes a good order of this meter.
pub(crate) async fn assert_serves(client: &Client, meter: &TestMeter) {
    let bundle = sign(&meter.key, vec![Order::Place(good_order())]);
    let done = client.submit(&bundle).finality().await.unwrap();
    assert_eq!(done.records.len(), 1);
    assert_eq!(done.records[0].outcome, Outcome::Done, "a good order of meter {:?} of {:?}", meter.id, meter.account);
}
