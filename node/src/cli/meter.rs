//! `gridbook meter`: what a prosumer, and the operator who registers it, do on a live network.

mod agreement;
mod book;
mod capacity;
mod certificate;
mod certificates;
mod conduct;
mod course;
mod grants;
mod held;
mod order;
mod read;
mod receipt;
mod register;
mod session;
mod sources;
mod standing;
mod statement;
mod uses;
mod watch;

use clap::Subcommand;
use gridbook_engine::{AreaId, DeliveryPeriod};
use gridbook_ledger::genesis::Genesis;

use super::{Global, Usage};
use crate::client::wall_us;
use order::SideArg;

pub(super) use conduct::fingerprint;
pub(super) use register::RegisterArgs;
pub(super) use session::{ConnectArgs, KnownNetwork, MeterArgs, Session};
pub(super) use sources::parse_source;
pub(super) use standing::debt_text;

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
    Order(order::OrderArgs),
    /// Take one order, block or offer back, or all of them.
    Cancel(order::CancelArgs),
    /// Offer a trade to another meter.
    Offer(agreement::OfferArgs),
    /// Accept another meter's offer.
    Accept(agreement::AcceptArgs),
    /// Operator: set what an edge carries in one delivery period.
    Capacity(capacity::CapacityArgs),
    /// Tell what the meter's registers show at the end of a delivery period.
    Read(read::ReadArgs),
    /// Print what happens to the meter's orders, until Ctrl-C.
    Watch(watch::WatchArgs),
    /// Show what rests in a book.
    Book(book::BookArgs),
    /// Show the meter's account.
    #[command(after_help = "  gridbook meter account --key alice.key
  gridbook meter account --key alice.key --json")]
    Account(MeterArgs),
    /// Print the meter's bill: what it traded, delivered, got and paid.
    Statement(statement::StatementArgs),
    /// Print what stands against the meter's account, what it costs, and what to do about it.
    Conduct(conduct::ConductArgs),
    /// Challenge an entry against the meter's account.
    Appeal(conduct::AppealArgs),
    /// Let somebody read the meter's data until a moment.
    Grant(grants::GrantArgs),
    /// Take access to the meter's data back.
    RevokeGrant(grants::RevokeGrantArgs),
    /// Print whom the meter lets read its data, or who has read what.
    Grants(grants::GrantsArgs),
    /// Fetch the receipt of a command, and check it.
    Receipt(receipt::ReceiptArgs),
    /// Fetch the proof of where certificates of origin came from and what became of them, and write it to a file.
    Certificate(certificate::CertificateArgs),
    /// Print what became of the meter's certificates of origin: issued, moved, claimed, closed.
    Certificates(certificates::CertificatesArgs),
    /// Show how the ledger stands.
    #[command(after_help = "  gridbook meter status --network net/network.toml
  gridbook meter status --network net/network.toml --json")]
    Status(ConnectArgs),
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
            Self::Account(args) => standing::show_account(args, global).await,
            Self::Statement(args) => args.run(global).await,
            Self::Conduct(args) => args.run(global).await,
            Self::Appeal(args) => args.run(global).await,
            Self::Grant(args) => args.run(global).await,
            Self::RevokeGrant(args) => args.run(global).await,
            Self::Grants(args) => args.run(global).await,
            Self::Receipt(args) => args.run(global).await,
            Self::Certificate(args) => args.run(global).await,
            Self::Certificates(args) => args.run(global).await,
            Self::Status(args) => standing::show_status(args, global).await,
        }
    }
}

/// The last delivery period that is over.
pub(super) fn last_ended(genesis: &Genesis) -> DeliveryPeriod {
    DeliveryPeriod(genesis.rules.period_at(genesis.ledger_now(wall_us())).0.saturating_sub(1))
}

pub(super) fn area_by_name(genesis: &Genesis, name: Option<&str>) -> anyhow::Result<AreaId> {
    let place = name.map_or(Some(0), |name| genesis.areas.iter().position(|area| area.name == name));
    let place = place.and_then(|place| u16::try_from(place).ok());
    place.map(AreaId).ok_or_else(|| {
        let names: Vec<&str> = genesis.areas.iter().map(|area| area.name.as_str()).collect();
        let names = names.join(", ");
        Usage::error(format!("no delivery area is called {:?}; there are: {names}", name.unwrap_or("")))
    })
}
