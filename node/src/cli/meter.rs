//! `gridbook meter`: what a prosumer, and the operator who registers it, do on a live network.

mod agreement;
mod book;
mod capacity;
mod certificate;
mod course;
mod held;
mod read;
mod statement;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use gridbook_engine::{
    AccountId, Contract, DeliveryPeriod, Energy, EnergySources, LedgerTime, MeterId, Money, Price, Side, TimeInForce,
};
use gridbook_ledger::command::{Bundle, Command, NEVER, Place, SignedBundle};
use gridbook_ledger::crypto::{Hash, PublicKey, SecretKey};
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::record::{Outcome, RecordEvent};
use gridbook_ledger::registry::{OrganisationId, Plant};
use gridbook_ledger::reject::Code;
use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;

use course::Course;

use super::genesis::parse_key;
use super::verify::read_genesis;
use super::{Global, Usage};
use crate::amounts::{parse_energy, parse_money, parse_price};
use crate::client::{Client, ClientError, FinalBundle, Patience, WatchEvent, next_nonce, wall_us};
use crate::config::NetworkConfig;
use crate::keyfile::read_key;
use crate::moment::{format_moment, parse_moment, parse_period};
use crate::network::write_new;
use crate::protocol::{QueryKind, SignedQuery, Status};
use crate::record_text::RecordText;

/// Trade: register meters, send and cancel orders, watch, fetch receipts.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Units: prices are in cents per kWh (28.5) or, with a u behind them, in micro-currency per kWh (285000u); energies in Wh (400) or kWh
(0.4kWh); money in units of the currency (12.50); moments in UTC (2026-06-17T12:00).

  export GRIDBOOK_NETWORK=net/network.toml GRIDBOOK_KEY=alice.key
  gridbook meter register --operator-key net/operator.key --import-max 4kWh --export-max 2kWh --deposit 100
  gridbook meter order --side sell --period 2026-06-17T12:00 --price 21 --energy 400
  gridbook meter book --period 2026-06-17T12:00
  gridbook meter read --import 8214.3kWh --export 1020kWh --counter 51236
  gridbook meter watch
  gridbook meter receipt --bundle 5e.. --out trade.receipt && gridbook verify receipt trade.receipt --genesis net/genesis.json")]
pub(crate) enum Meter {
    /// Operator: open an account, register a meter for it, and deposit money.
    Register(RegisterArgs),
    /// Send an order and wait until it is final.
    Order(OrderArgs),
    /// Take one order, block or offer back, or all of them.
    Cancel(CancelArgs),
    /// Offer a trade to another meter.
    Offer(agreement::OfferArgs),
    /// Accept another meter's offer.
    Accept(agreement::AcceptArgs),
    /// Operator: set what an edge carries in one delivery period.
    Capacity(capacity::CapacityArgs),
    /// Tell what the meter's registers show at the end of a delivery period.
    Read(read::ReadArgs),
    /// Print what happens to the meter's orders, until Ctrl-C.
    Watch(WatchArgs),
    /// Show what rests in a book.
    Book(book::BookArgs),
    /// Show the meter's account.
    Account(MeterArgs),
    /// Print the meter's bill: what it traded, delivered, got and paid.
    Statement(statement::StatementArgs),
    /// Fetch the receipt of a command, and check it.
    Receipt(ReceiptArgs),
    /// Fetch the proof of where certificates of origin came from and what became of them, and write it to a file.
    Certificate(certificate::CertificateArgs),
    /// Show how the ledger stands.
    Status(ConnectArgs),
}

/// How to reach a network.
#[derive(Args, Clone, Debug)]
pub(crate) struct ConnectArgs {
    /// The network's file for clients, `network.toml`.
    #[arg(long, value_name = "FILE", env = "GRIDBOOK_NETWORK")]
    network: PathBuf,
    /// How many seconds to wait for finality.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    wait: u64,
}

/// Which meter.
#[derive(Args, Clone, Debug)]
pub(crate) struct MeterArgs {
    #[command(flatten)]
    pub(super) connect: ConnectArgs,
    /// The meter's secret key.
    #[arg(long, value_name = "FILE", env = "GRIDBOOK_KEY")]
    pub(super) key: PathBuf,
}

/// Operator: open an account, register a meter for it, and deposit money.
#[derive(Args, Debug)]
pub(crate) struct RegisterArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    /// The secret key of the operator, or of a registrar.
    #[arg(long, value_name = "FILE", env = "GRIDBOOK_OPERATOR_KEY")]
    operator_key: PathBuf,
    /// The meter's secret key, of which only the public half is used.
    #[arg(long, value_name = "FILE", env = "GRIDBOOK_KEY", required_unless_present = "public")]
    key: Option<PathBuf>,
    /// The meter's public key, where the secret one is not at hand.
    #[arg(long, value_name = "HEX", value_parser = parse_key, conflicts_with = "key")]
    public: Option<PublicKey>,
    /// An account that exists already; without it a new one is opened.
    #[arg(long, value_name = "NUMBER")]
    account: Option<u32>,
    /// The delivery area, by the name in the genesis; without it, the first.
    #[arg(long, value_name = "NAME")]
    area: Option<String>,
    /// The most the connection takes in per delivery period.
    #[arg(long, value_name = "ENERGY", default_value = "4kWh", value_parser = parse_energy)]
    import_max: Energy,
    /// The most the connection gives out per delivery period.
    #[arg(long, value_name = "ENERGY", default_value = "4kWh", value_parser = parse_energy)]
    export_max: Energy,
    /// What is made behind it: solar, wind, hydro, biomass, storage, or grid_mix for nothing. Its sells may claim that, and grid_mix.
    #[arg(long, value_name = "SOURCE", default_value = "grid_mix", value_parser = parse_source)]
    source: EnergySources,
    /// Of each million parts that go into a battery without a meter of its own, how many come out again. What comes out is storage.
    #[arg(long, value_name = "PPM", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    battery_ppm: Option<u32>,
    /// The organisation that a new account belongs to.
    #[arg(long, value_name = "NUMBER", conflicts_with = "account")]
    supplier: Option<u16>,
    /// Money to deposit into the account; for that the key must be the operator's, or a registrar's that is a bank too.
    #[arg(long, value_name = "MONEY", value_parser = parse_money)]
    deposit: Option<Money>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SideArg {
    Buy,
    Sell,
}

impl From<SideArg> for Side {
    fn from(side: SideArg) -> Self {
        match side {
            SideArg::Buy => Self::Buy,
            SideArg::Sell => Self::Sell,
        }
    }
}

/// Send an order and wait until it is final.
#[derive(Args, Debug)]
pub(crate) struct OrderArgs {
    #[command(flatten)]
    meter: MeterArgs,
    /// Buy takes energy in, sell gives it out.
    #[arg(long, value_enum)]
    side: SideArg,
    /// The delivery period, by the moment at which delivery begins, or by number.
    #[arg(long, value_name = "PERIOD")]
    period: String,
    /// The limit: the most to pay, the least to take.
    #[arg(long, value_name = "PRICE", value_parser = parse_price, allow_negative_numbers = true)]
    price: Price,
    /// How much.
    #[arg(long, value_name = "ENERGY", value_parser = parse_energy)]
    energy: Energy,
    /// Fill what can be filled at once and drop the rest.
    #[arg(long, conflicts_with_all = ["fok", "until"])]
    ioc: bool,
    /// Fill all of it at once or nothing.
    #[arg(long, conflicts_with = "until")]
    fok: bool,
    /// Let it rest no longer than until this moment; without it, until the gate closes.
    #[arg(long, value_name = "MOMENT", value_parser = parse_moment)]
    until: Option<LedgerTime>,
    /// Refuse it rather than let it trade on entry.
    #[arg(long)]
    post_only: bool,
    /// How much of it others see while it rests; without it, all. The rest comes up piece by piece, each at the end of the queue.
    #[arg(long, value_name = "ENERGY", value_parser = parse_energy)]
    display: Option<Energy>,
    /// What a buy accepts or a sell delivers, as solar+wind: of solar, wind, hydro, biomass, storage, grid_mix. Without it, a buy
    /// accepts all of them and a sell delivers grid_mix.
    #[arg(long, value_name = "SOURCE+..", value_parser = parse_sources)]
    sources: Option<EnergySources>,
    /// The most edges between buyer and seller: 0 for the own area only. Without it, anywhere.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u8).range(0..=128))]
    max_edges: Option<u8>,
    /// Trade with this account only.
    #[arg(long, value_name = "ACCOUNT", value_parser = clap::value_parser!(u32).range(0..=4_294_967_294))]
    partner: Option<u32>,
    /// The order's name, unique for the meter; without it, one is made from the time.
    #[arg(long, value_name = "NUMBER")]
    client_id: Option<u64>,
    /// Keep the leader's signed word on the order's place in this file; it must not exist. Once the order is final, the word is held against
    /// what the ledger has there: kept; void, because the leader's view ended first; or broken. Of a breach the proof is handed in to all
    /// validators, and written beside the word, as FILE.evidence; the order is as good as ever, and so is the exit code.
    #[arg(long, value_name = "FILE")]
    sequenced: Option<PathBuf>,
}

/// Take one order back, or all of them.
#[derive(Args, Debug)]
pub(crate) struct CancelArgs {
    #[command(flatten)]
    meter: MeterArgs,
    /// The order's name.
    #[arg(long, value_name = "NUMBER", required_unless_present = "all")]
    client_id: Option<u64>,
    /// All orders of this meter.
    #[arg(long, conflicts_with = "client_id")]
    all: bool,
}

/// Print what happens to the meter's orders, until Ctrl-C.
#[derive(Args, Debug)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    meter: MeterArgs,
    /// Stop after so many records.
    #[arg(long, value_name = "COUNT")]
    count: Option<u64>,
}

/// Fetch the receipt of a command, and check it.
#[derive(Args, Debug)]
pub(crate) struct ReceiptArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    /// The bundle, as `meter order` printed it.
    #[arg(long, value_name = "HASH", value_parser = parse_hash, required_unless_present = "seq")]
    bundle: Option<Hash>,
    /// The command's place in the bundle.
    #[arg(long, default_value_t = 0)]
    index: u16,
    /// The command's sequence number, whosever it is: what became of a place that a leader gave its word on.
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["bundle", "index"])]
    seq: Option<u64>,
    /// The file to write; it must not exist.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// A network and a connection to it.
pub(super) struct Session {
    pub(super) genesis: Genesis,
    pub(super) client: Client,
    events: UnboundedReceiver<WatchEvent>,
}

impl Meter {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::Register(args) => args.run(global).await,
            Self::Order(args) => args.run(global).await,
            Self::Cancel(args) => args.run(global).await,
            Self::Offer(args) => args.run(global).await,
            Self::Accept(args) => args.run(global).await,
            Self::Capacity(args) => args.run(global).await,
            Self::Read(args) => args.run(global).await,
            Self::Watch(args) => args.run(global).await,
            Self::Book(args) => args.run(global).await,
            Self::Account(args) => show_account(args, global).await,
            Self::Statement(args) => args.run(global).await,
            Self::Receipt(args) => args.run(global).await,
            Self::Certificate(args) => args.run(global).await,
            Self::Status(args) => show_status(args, global).await,
        }
    }
}

impl Session {
    pub(super) async fn open(args: &ConnectArgs) -> anyhow::Result<Self> {
        let network = NetworkConfig::load(&args.network)?;
        let genesis = read_genesis(&network.genesis_file)?;
        let seed = *SecretKey::generate().context("the system gives no randomness")?.seed();
        let patience = Patience { give_up_after: Duration::from_secs(args.wait), ..Patience::default() };
        let (client, events) = Client::connect(network.validators, seed, patience).await?;
        Ok(Self { genesis, client, events })
    }

    fn sign(&self, key: &SecretKey, commands: Vec<Command>) -> SignedBundle {
        let (chain, signer) = (self.genesis.chain_id(), key.public());
        Bundle { chain, signer, nonce: next_nonce(), expires_at: NEVER, commands }.sign(key)
    }

    pub(super) async fn submit(&self, key: &SecretKey, commands: Vec<Command>) -> Result<FinalBundle, ClientError> {
        self.client.submit(&self.sign(key, commands)).finality().await
    }

    /// Gives a command that needs the next free number. Somebody else may take it at the same time: then asks again, a few times.
    pub(super) async fn submit_with_next(
        &self,
        key: &SecretKey,
        command: impl Fn(&Status) -> Command,
    ) -> anyhow::Result<FinalBundle> {
        for _ in 0..20 {
            let status = self.client.status().await?;
            let done = self.submit(key, vec![command(&status)]).await?;
            if done.records.first().and_then(|record| rejection(record.outcome)) != Some(Code::AuthRegistry) {
                return Ok(done);
            }
        }
        bail!("others keep registering at the same time: try again in a moment")
    }

    /// A question signed by a meter, good for a day of ledger time.
    pub(super) fn query(&self, key: &SecretKey, kind: QueryKind) -> SignedQuery {
        let now = self.genesis.ledger_now(wall_us());
        SignedQuery::sign(self.genesis.chain_id(), kind, LedgerTime(now.0.saturating_add(86_400_000)), key)
    }

    /// Prints what became of a bundle; an error if any of its commands was refused.
    pub(super) fn report(&self, global: &Global, done: &FinalBundle) -> anyhow::Result<()> {
        self.report_with(global, done, None)
    }

    /// The same, with what was heard of it on its way.
    fn report_course(&self, global: &Global, course: &Course) -> anyhow::Result<()> {
        self.report_with(global, &course.done, Some(course))
    }

    fn report_with(&self, global: &Global, done: &FinalBundle, course: Option<&Course>) -> anyhow::Result<()> {
        let records: Vec<_> = done.records.iter().map(|record| self.text(record)).collect();
        let mut value = json!({"bundle": done.bundle.to_hex(), "height": done.height, "records": records});
        if let Some(course) = course {
            value["steps"] = course.to_json();
        }
        global.print(&value, || {
            let lines = records.iter().map(|record| format!("{record}\n"));
            let is_final = course.map_or("final".to_owned(), Course::text);
            format!("{is_final} at height {}, bundle {}\n{}", done.height, done.bundle, lines.collect::<String>())
        })?;
        match done.records.iter().find_map(|record| rejection(record.outcome)) {
            Some(code) => bail!("the ledger refused it: {code}"),
            None => Ok(()),
        }
    }

    fn text<'a>(&self, record: &'a gridbook_ledger::record::Record) -> RecordText<'a> {
        RecordText::of(record, self.genesis.rules.mtu_minutes)
    }
}

impl RegisterArgs {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let operator = read_key(&self.operator_key)?;
        let meter_key = match (self.public, &self.key) {
            (Some(public), _) => public,
            (None, Some(file)) => read_key(file)?.public(),
            (None, None) => return Err(Usage::error("give the meter's key by --key or --public")),
        };
        let session = Session::open(&self.connect).await?;
        let area = area_by_name(&session.genesis, self.area.as_deref())?;
        let plant = Plant { source: self.source, storage_ppm: self.battery_ppm };
        plant.check().map_err(|code| Usage::error(code.to_string()))?;
        // Each in a bundle of its own: commands of a bundle stand for themselves, and where somebody else has taken the account's number
        // meanwhile, the meter must not become a stranger's.
        let mut records = Vec::new();
        let account = match self.account {
            Some(number) => AccountId(number),
            None => {
                let organisation = self.supplier.map(OrganisationId);
                let open =
                    |status: &Status| Command::RegisterAccount { account: AccountId(status.accounts), organisation };
                let done = session.submit_with_next(&operator, open).await?;
                let opened = done.records.iter().flat_map(|record| &record.events).find_map(|event| match event {
                    RecordEvent::AccountRegistered { account } => Some(*account),
                    _ => None,
                });
                let Some(account) = opened else { return session.report(global, &done) };
                records.extend(done.records);
                account
            }
        };
        let (key, import_max_wh, export_max_wh) = (meter_key, self.import_max, self.export_max);
        let register = |status: &Status| {
            let meter = MeterId(status.meters);
            Command::RegisterMeter { meter, account, key, area, import_max_wh, export_max_wh, plant }
        };
        let mut done = session.submit_with_next(&operator, register).await?;
        let is_registered = done.records.iter().all(|record| record.outcome == Outcome::Done);
        records.append(&mut done.records);
        if let (true, Some(amount)) = (is_registered, self.deposit) {
            done = session.submit(&operator, vec![Command::Deposit { account, amount }]).await?;
            records.append(&mut done.records);
        }
        session.report(global, &FinalBundle { records, ..done })
    }
}

impl OrderArgs {
    async fn run(self, global: &Global) -> anyhow::Result<()> {
        let key = read_key(&self.meter.key)?;
        let session = Session::open(&self.meter.connect).await?;
        let period = parse_period(&self.period, session.genesis.rules.mtu_minutes).map_err(Usage::error)?;
        let account = session.client.account(session.query(&key, QueryKind::Account)).await?;
        let side = self.side.into();
        let client_id = self.client_id.unwrap_or_else(next_nonce);
        let contract = Contract { area: account.area, period };
        let place = Place {
            time_in_force: match (self.ioc, self.fok, self.until) {
                (true, ..) => TimeInForce::ImmediateOrCancel,
                (_, true, _) => TimeInForce::FillOrKill,
                (_, _, Some(until)) => TimeInForce::GoodTillTime(until),
                _ => TimeInForce::GoodTillGate,
            },
            post_only: self.post_only,
            display: self.display.unwrap_or(Energy::ZERO),
            sources: self.sources,
            max_edges: self.max_edges,
            partner: self.partner.map(AccountId),
            ..Place::limit(client_id, contract, side, self.price, self.energy)
        };
        let course = session.follow(&key, vec![Command::Place(place)], self.sequenced.as_ref()).await?;
        session.report_course(global, &course)
    }
}

impl CancelArgs {
    async fn run(self, global: &Global) -> anyhow::Result<()> {
        let key = read_key(&self.meter.key)?;
        let session = Session::open(&self.meter.connect).await?;
        let command = self.client_id.map_or(Command::CancelAll, |client_id| Command::Cancel { client_id });
        let done = session.submit(&key, vec![command]).await?;
        session.report(global, &done)
    }
}

impl WatchArgs {
    async fn run(self, global: &Global) -> anyhow::Result<()> {
        let key = read_key(&self.meter.key)?;
        let mut session = Session::open(&self.meter.connect).await?;
        let meter = session.client.watch(session.query(&key, QueryKind::Watch)).await?;
        eprintln!("watching meter {}; Ctrl-C ends it", meter.0);
        let mut left = self.count.unwrap_or(u64::MAX);
        while left > 0 {
            let event = tokio::select! {
                event = session.events.recv() => event.context("the connection has ended")?,
                _ = tokio::signal::ctrl_c() => break,
            };
            let record = session.text(&event.record);
            global.print(&json!({"height": event.height, "record": record}), || record.to_string())?;
            left -= 1;
        }
        Ok(())
    }
}

impl ReceiptArgs {
    async fn run(self, global: &Global) -> anyhow::Result<()> {
        let session = Session::open(&self.connect).await?;
        let bytes = match (self.bundle, self.seq) {
            (Some(bundle), _) => session.client.receipt(bundle, self.index).await?,
            (None, Some(seq)) => session.client.receipt_at(seq).await?,
            (None, None) => return Err(Usage::error("give the command's bundle by --bundle, or its number by --seq")),
        };
        let receipt = gridbook_ledger::receipt::Receipt::decode(&bytes).context("the validator sent no receipt")?;
        let verified = receipt.verify(&session.genesis).context("the validator sent a receipt that proves nothing")?;
        write_new(&self.out, &bytes)?;
        let record = session.text(&verified.record);
        let value = json!({"file": self.out, "bytes": bytes.len(), "verified": true, "record": record});
        global.print(&value, || format!("{} ({} bytes, verified)\n{record}", self.out.display(), bytes.len()))
    }
}

async fn show_account(args: MeterArgs, global: &Global) -> anyhow::Result<()> {
    let key = read_key(&args.key)?;
    let session = Session::open(&args.connect).await?;
    let state = session.client.account(session.query(&key, QueryKind::Account)).await?;
    let area = session.genesis.areas.get(usize::from(state.area.0)).map_or("?", |area| area.name.as_str());
    let value = json!({
        "account": state.account.0, "balance_nano": state.balance.0.to_string(), "reserved_nano": state.reserved.0.to_string(),
        "meter": state.meter.0, "area": area, "nonce": state.nonce, "suspended": state.suspended,
    });
    global.print(&value, || {
        let suspended = if state.suspended { ", suspended" } else { "" };
        format!(
            "account {}: {} of which {} reserved\nmeter {} in {area}{suspended}, last nonce {}",
            state.account.0, state.balance, state.reserved, state.meter.0, state.nonce
        )
    })
}

async fn show_status(args: ConnectArgs, global: &Global) -> anyhow::Result<()> {
    let session = Session::open(&args).await?;
    let status = session.client.status().await?;
    let value = json!({
        "chain": status.chain.to_hex(), "validator": status.validator.0, "height": status.height, "view": status.view,
        "leader": status.leader.0, "ledger_time_ms": status.ledger_time.0, "last_seq": status.last_seq, "accounts": status.accounts,
        "meters": status.meters, "orders_open": status.orders_open, "trades": status.trades,
        "state_root": status.state_root.to_hex(), "money_sum_nano": status.money_sum.0.to_string(),
        "grid_income_nano": status.grid_income.0.to_string(),
    });
    global.print(&value, || {
        format!(
            "height {} at {}, view {} led by validator {} (says validator {})\n{} accounts, {} meters, {} orders open, {} trades\n\
             state root {}",
            status.height,
            format_moment(status.ledger_time),
            status.view,
            status.leader.0,
            status.validator.0,
            status.accounts,
            status.meters,
            status.orders_open,
            status.trades,
            status.state_root
        )
    })
}

pub(super) fn rejection(outcome: Outcome) -> Option<Code> {
    match outcome {
        Outcome::Done => None,
        Outcome::Rejected(code) => Some(code),
    }
}

/// The last delivery period that is over.
pub(super) fn last_ended(genesis: &Genesis) -> DeliveryPeriod {
    DeliveryPeriod(genesis.rules.period_at(genesis.ledger_now(wall_us())).0.saturating_sub(1))
}

pub(super) fn area_by_name(genesis: &Genesis, name: Option<&str>) -> anyhow::Result<gridbook_engine::AreaId> {
    let place = name.map_or(Some(0), |name| genesis.areas.iter().position(|area| area.name == name));
    let place = place.and_then(|place| u16::try_from(place).ok());
    place.map(gridbook_engine::AreaId).ok_or_else(|| {
        let names: Vec<&str> = genesis.areas.iter().map(|area| area.name.as_str()).collect();
        let names = names.join(", ");
        Usage::error(format!("no delivery area is called {:?}; there are: {names}", name.unwrap_or("")))
    })
}

/// One source.
pub(super) fn parse_source(text: &str) -> Result<EnergySources, String> {
    let sources = parse_sources(text)?;
    if sources.bits().is_power_of_two() { Ok(sources) } else { Err(format!("{text:?} is more than one source")) }
}

fn parse_sources(text: &str) -> Result<EnergySources, String> {
    let source = |name: &str| EnergySources::NAMES.iter().find(|(_, known)| *known == name).map(|(source, _)| *source);
    let bits = text.split('+').map(|name| source(name.trim()).ok_or(name));
    let bits = bits.map(|source| source.map(EnergySources::bits)).try_fold(0, |all, bits| Ok(all | bits?));
    bits.and_then(|bits| EnergySources::from_bits(bits).ok_or(text)).map_err(|name: &str| {
        let known: Vec<&str> = EnergySources::NAMES.iter().map(|(_, name)| *name).collect();
        format!("{name:?} is not an energy source: there are {}, joined by + as in solar+wind", known.join(", "))
    })
}

pub(super) fn parse_hash(text: &str) -> Result<Hash, String> {
    Hash::from_hex(text)
        .ok_or_else(|| "a bundle is named by 64 lowercase hexadecimal digits, as `meter order` prints them".to_owned())
}
