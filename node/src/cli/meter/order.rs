//! `gridbook meter order` and `cancel`: an order goes in, and comes out again.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gridbook_engine::{AccountId, Contract, Energy, EnergySources, LedgerTime, Price, Side, TimeInForce};
use gridbook_ledger::command::{Command, Place};

use super::sources::parse_sources;
use super::{MeterArgs, Session};
use crate::amounts::{parse_energy, parse_price};
use crate::cli::Global;
use crate::client::next_nonce;
use crate::keyfile::read_key;
use crate::moment::parse_moment;
use crate::protocol::QueryKind;

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum SideArg {
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
#[command(
    after_help = "  gridbook meter order --key alice.key --side sell --period 2026-06-17T12:00 --price 21 --energy 400
  gridbook meter order --key bob.key --side buy --period 2026-06-17T12:00 --price 28.5 --energy 0.4kWh --ioc"
)]
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
#[command(after_help = "  gridbook meter cancel --key alice.key --client-id 12
  gridbook meter cancel --key alice.key --all")]
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

impl OrderArgs {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let key = read_key(&self.meter.key)?;
        let network = self.meter.connect.known()?;
        let period = network.period(&self.period)?;
        let session = network.open().await?;
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
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let key = read_key(&self.meter.key)?;
        let session = Session::open(&self.meter.connect).await?;
        let command = self.client_id.map_or(Command::CancelAll, |client_id| Command::Cancel { client_id });
        let done = session.submit(&key, vec![command]).await?;
        session.report(global, &done)
    }
}
