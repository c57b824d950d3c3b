//! Trades that two parties agreed on elsewhere: one offers, the other accepts, both sign.

use clap::Args;
use gridbook_engine::{Energy, MeterId, Price};
use gridbook_ledger::command::{Accept, AgreedTerms, Command, Offer};

use super::{MeterArgs, SideArg};
use crate::amounts::{parse_energy, parse_price};
use crate::cli::Global;
use crate::client::next_nonce;
use crate::keyfile::read_key;

/// What is agreed on, as the signing party sees it.
#[derive(Args, Debug)]
struct TermsArgs {
    /// The number of the other party's meter.
    #[arg(long, value_name = "METER")]
    partner: u32,
    /// What this meter does: buy takes energy in, sell gives it out.
    #[arg(long, value_enum)]
    side: SideArg,
    /// The delivery period, by the moment at which delivery begins, or by number.
    #[arg(long, value_name = "PERIOD")]
    period: String,
    /// What the seller gets per kWh. The buyer pays this, and the fees of the edges in between.
    #[arg(long, value_name = "PRICE", value_parser = parse_price, allow_negative_numbers = true)]
    price: Price,
    /// How much, all or nothing.
    #[arg(long, value_name = "ENERGY", value_parser = parse_energy)]
    energy: Energy,
    /// This meter's name for it, unique among its orders too; without it, one is made from the time.
    #[arg(long, value_name = "NUMBER")]
    client_id: Option<u64>,
}

/// Offer a trade to another meter. It waits until that one accepts, the meter cancels it, or the gate closes.
#[derive(Args, Debug)]
#[command(after_help = "\
The other party accepts by saying the same from its side, with the name that this command prints:

  gridbook meter offer  --partner 7 --side sell --period 2026-06-17T12:00 --price 18 --energy 400 --client-id 12
  gridbook meter accept --partner 3 --offer 12 --side buy --period 2026-06-17T12:00 --price 18 --energy 400")]
pub(crate) struct OfferArgs {
    #[command(flatten)]
    meter: MeterArgs,
    #[command(flatten)]
    terms: TermsArgs,
}

/// Accept another meter's offer: the trade takes place at once, or the offer goes on waiting.
#[derive(Args, Debug)]
#[command(after_help = "\
All terms are those of the offer, from this meter's side:

  gridbook meter accept --key bob.key --partner 3 --offer 12 --side buy --period 2026-06-17T12:00 --price 18 --energy 400")]
pub(crate) struct AcceptArgs {
    #[command(flatten)]
    meter: MeterArgs,
    #[command(flatten)]
    terms: TermsArgs,
    /// The offer's name at the other party's meter.
    #[arg(long, value_name = "NUMBER")]
    offer: u64,
}

impl TermsArgs {
    /// Gives the command that the terms make, with this meter's name for it, and says what became of it.
    async fn agree(
        self,
        meter: &MeterArgs,
        global: &Global,
        command: impl FnOnce(u64, MeterId, AgreedTerms) -> Command,
    ) -> anyhow::Result<()> {
        let key = read_key(&meter.key)?;
        let network = meter.connect.known()?;
        let period = network.period(&self.period)?;
        let terms = AgreedTerms { period, side: self.side.into(), price: self.price, energy: self.energy };
        let session = network.open().await?;
        let client_id = self.client_id.unwrap_or_else(next_nonce);
        let done = session.submit(&key, vec![command(client_id, MeterId(self.partner), terms)]).await?;
        session.report(global, &done)
    }
}

impl OfferArgs {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let offer = |client_id, partner, terms| Command::Offer(Offer { client_id, partner, terms });
        self.terms.agree(&self.meter, global, offer).await
    }
}

impl AcceptArgs {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let offer = self.offer;
        let accept = |client_id, partner, terms| Command::Accept(Accept { client_id, partner, offer, terms });
        self.terms.agree(&self.meter, global, accept).await
    }
}
