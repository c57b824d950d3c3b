//! How delivery is settled: what a new ledger is told of it, and `gridbook settlement`, what its operators do about it.

use anyhow::bail;
use clap::{Args, Subcommand};
use gridbook_engine::{Contract, Energy, MeterId, Price};
use gridbook_ledger::command::{AcceptLosses, AreaReading, Command, Correction, Reading, SetImbalancePrices};
use gridbook_ledger::genesis::SettlementRules;
use gridbook_ledger::settlement::Registers;
use std::path::PathBuf;

use super::meter::{ConnectArgs, KnownNetwork, area_by_name, last_ended};
use super::{Global, Usage};
use crate::amounts::{parse_energy, parse_price, parse_signed_energy};
use crate::keyfile::read_key;

/// What `genesis` and `init` ask about settlement. Without any of it, meters are read, on the terms of [`SettlementRules::metered`].
#[derive(Args, Debug)]
pub(crate) struct SettlementArgs {
    /// Read no meters: every trade counts as delivered as it was traded, and is paid when its period ends.
    #[arg(long, conflicts_with_all = ["reading_deadline_minutes", "dispute_minutes", "short_price", "long_price", "short_price_cap",
        "long_price_floor", "loss_bound_ppm", "share_ppm", "share_worst_ppm"])]
    unmetered: bool,
    /// For how many minutes after a period its readings are waited for; then what is missing is estimated against its owner.
    /// Without it, 120.
    #[arg(long, value_name = "MINUTES")]
    reading_deadline_minutes: Option<u64>,
    /// For how many minutes after that a settled period can be corrected; then it is final. Without it, 1440.
    #[arg(long, value_name = "MINUTES")]
    dispute_minutes: Option<u64>,
    /// What missing energy costs where nobody sets another price for the period. Without it, 60 ct per kWh.
    #[arg(long, value_name = "PRICE", value_parser = parse_price, allow_negative_numbers = true)]
    short_price: Option<Price>,
    /// What energy too much brings where nobody sets another price for the period. Without it, 2 ct per kWh.
    #[arg(long, value_name = "PRICE", value_parser = parse_price, allow_negative_numbers = true)]
    long_price: Option<Price>,
    /// The most that missing energy may ever cost: sellers cover the difference to their price. Without it, 100 ct per kWh.
    #[arg(long, value_name = "PRICE", value_parser = parse_price, allow_negative_numbers = true)]
    short_price_cap: Option<Price>,
    /// The least that energy too much may ever bring: buyers cover the difference to their price. Without it, -20 ct per kWh.
    #[arg(long, value_name = "PRICE", value_parser = parse_price, allow_negative_numbers = true)]
    long_price_floor: Option<Price>,
    /// The most of an area's energy that may be lost in it, in parts per million; a period beyond that is frozen. Without it, 80000.
    #[arg(long, value_name = "PPM")]
    loss_bound_ppm: Option<u32>,
    /// How much of what imbalance could cost is covered by collateral at the best conduct, in parts per million. Without it, 1000000.
    #[arg(long, value_name = "PPM")]
    share_ppm: Option<u32>,
    /// ... and at the worst. Without it, 2000000.
    #[arg(long, value_name = "PPM")]
    share_worst_ppm: Option<u32>,
}

impl SettlementArgs {
    /// The rules, checked.
    pub(crate) fn rules(&self) -> anyhow::Result<SettlementRules> {
        if self.unmetered {
            return Ok(SettlementRules::default());
        }
        let usual = SettlementRules::metered();
        let ms = |minutes: Option<u64>, usual: u64| minutes.map_or(usual, |minutes| minutes.saturating_mul(60_000));
        let rules = SettlementRules {
            reading_deadline_ms: ms(self.reading_deadline_minutes, usual.reading_deadline_ms),
            dispute_ms: ms(self.dispute_minutes, usual.dispute_ms),
            short_price: self.short_price.unwrap_or(usual.short_price),
            long_price: self.long_price.unwrap_or(usual.long_price),
            short_price_cap: self.short_price_cap.unwrap_or(usual.short_price_cap),
            long_price_floor: self.long_price_floor.unwrap_or(usual.long_price_floor),
            loss_bound_ppm: self.loss_bound_ppm.unwrap_or(usual.loss_bound_ppm),
            share_ppm: self.share_ppm.unwrap_or(usual.share_ppm),
            share_worst_ppm: self.share_worst_ppm.unwrap_or(usual.share_worst_ppm),
            ..usual
        };
        rules.validate().map_err(|error| Usage::error(error.to_string()))?;
        Ok(rules)
    }
}

/// Operators: read areas, correct what meters said or did not say, set what imbalance costs.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
A period goes its way by ledger time: it is delivered, its meters are read until the reading deadline, it is settled, and when the time
for disputes is over it is final. A meter that was not read by the deadline is estimated against its owner: as if it had given nothing
and taken all that it bought, or what it took a week before. Until the period is final a correction settles the difference.

  export GRIDBOOK_NETWORK=net/network.toml GRIDBOOK_OPERATOR_KEY=net/operator.key
  gridbook settlement prices --area north --period 2026-06-17T12:00 --short-price 45 --long-price 3
  gridbook settlement read-area --area north --period 2026-06-17T12:00 --sent-up 12.4kWh
  gridbook settlement correct --meter 7 --period 2026-06-17T12:00 --import 8214.3kWh --export 0 --counter 51236")]
pub(crate) enum Settlement {
    /// Tell what was metered at the edge of an area in a period that is over.
    ReadArea(ReadAreaArgs),
    /// Read a meter in its owner's place, where its reading is missing or wrong.
    Correct(CorrectArgs),
    /// Answer for losses of an area that are too large, so that a period of it is settled.
    AcceptLosses(AcceptLossesArgs),
    /// Set what imbalance costs and brings in a period.
    Prices(PricesArgs),
}

/// Who acts.
#[derive(Args, Debug)]
pub(crate) struct OperatorArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    /// The secret key of who acts: the operator, the area's grid operator, or for prices a market operator.
    #[arg(long, value_name = "FILE", env = "GRIDBOOK_OPERATOR_KEY")]
    operator_key: PathBuf,
}

/// Where and when.
#[derive(Args, Debug)]
pub(crate) struct ContractArgs {
    /// The delivery area, by the name in the genesis.
    #[arg(long, value_name = "NAME")]
    area: String,
    /// The delivery period, by the moment at which delivery begins, or by number.
    #[arg(long, value_name = "PERIOD")]
    period: String,
}

/// What a meter's registers show at the end of a period.
#[derive(Args, Debug)]
pub(crate) struct RegisterArgs {
    /// The register of all energy taken in so far.
    #[arg(long, value_name = "ENERGY", value_parser = parse_energy)]
    import: Energy,
    /// The register of all energy given out so far.
    #[arg(long, value_name = "ENERGY", value_parser = parse_energy)]
    export: Energy,
    /// How often the meter has read itself: a counter that goes on also where no energy flows. Without it, the period's number.
    #[arg(long, value_name = "NUMBER")]
    counter: Option<u64>,
    /// The delivery period at whose end they show it, by the moment at which delivery begins, or by number. Without it, the last that
    /// is over.
    #[arg(long, value_name = "PERIOD")]
    period: Option<String>,
}

/// Tell what was metered at the edge of an area in a period that is over.
#[derive(Args, Debug)]
#[command(after_help = "\
What the meters below the edge gave beyond that was lost on the way, and is paid by the edge's operator. Where nobody reads an edge,
nothing counts as lost below it. An area whose losses are beyond the genesis' bound is frozen, and mended by another reading, or by
`accept-losses`.

  gridbook settlement read-area --operator-key net/operator.key --area north --period 2026-06-17T12:00 --sent-up 12.4kWh
  gridbook settlement read-area --operator-key net/operator.key --area south --period 2026-06-17T12:00 --sent-up=-3kWh")]
pub(crate) struct ReadAreaArgs {
    #[command(flatten)]
    operator: OperatorArgs,
    #[command(flatten)]
    contract: ContractArgs,
    /// What left the area over the edge above it; of the root, to the grid upstream. Less than zero if it came in.
    #[arg(long, value_name = "ENERGY", value_parser = parse_signed_energy, allow_hyphen_values = true)]
    sent_up: i64,
}

/// Answer for losses of an area that are too large, so that a period of it is settled.
#[derive(Args, Debug)]
#[command(after_help = "\
An area whose losses are beyond the genesis' bound is frozen: nobody in it is paid, and its trades hold their collateral. Better readings
mend it until the period is final. Where there are none, also later, the area's operator ends it by answering for the losses: he pays for what
is missing, at the price of missing energy, and gets nothing for what was found. `gridbook area report` tells which periods are frozen,
and for how much.

  gridbook settlement accept-losses --operator-key net/operator.key --area south --period 2026-06-17T12:00 --losses 550Wh
  gridbook settlement accept-losses --operator-key net/operator.key --area south --period 2026-06-17T12:15 --losses=-30Wh")]
pub(crate) struct AcceptLossesArgs {
    #[command(flatten)]
    operator: OperatorArgs,
    #[command(flatten)]
    contract: ContractArgs,
    /// What is missing, as the ledger tells it: any other amount is refused. Less than zero for energy found.
    #[arg(long, value_name = "ENERGY", value_parser = parse_signed_energy, allow_hyphen_values = true)]
    losses: i64,
}

/// Read a meter in its owner's place, where its reading is missing or wrong.
#[derive(Args, Debug)]
#[command(after_help = "\
The correction is a new entry: what the meter said before stays in the log, and no longer counts. If the period is settled, the
difference is settled, for the meter, its area, and the areas above.

  gridbook settlement correct --operator-key net/operator.key --meter 7 --period 2026-06-17T12:00 --import 8214.3kWh --export 0 \\
                              --counter 51236")]
pub(crate) struct CorrectArgs {
    #[command(flatten)]
    operator: OperatorArgs,
    /// Whose registers.
    #[arg(long, value_name = "NUMBER")]
    meter: u32,
    #[command(flatten)]
    registers: RegisterArgs,
}

/// Set what imbalance costs and brings in a period.
#[derive(Args, Debug)]
#[command(after_help = "\
They hold for the area and period, and can be set until its reading deadline. Who is short never pays less than the short price, nor
less than the market paid for that energy; who is long never gets more than the long price.

  gridbook settlement prices --operator-key net/operator.key --area north --period 2026-06-17T12:00 --short-price 45 --long-price 3")]
pub(crate) struct PricesArgs {
    #[command(flatten)]
    operator: OperatorArgs,
    #[command(flatten)]
    contract: ContractArgs,
    /// What missing energy costs.
    #[arg(long, value_name = "PRICE", value_parser = parse_price, allow_negative_numbers = true)]
    short_price: Price,
    /// What energy too much brings: no more than the short price.
    #[arg(long, value_name = "PRICE", value_parser = parse_price, allow_negative_numbers = true)]
    long_price: Price,
}

impl Settlement {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::ReadArea(args) => args.run(global).await,
            Self::Correct(args) => args.run(global).await,
            Self::AcceptLosses(args) => args.run(global).await,
            Self::Prices(args) => args.run(global).await,
        }
    }
}

impl OperatorArgs {
    async fn submit(
        &self,
        global: &Global,
        command: impl FnOnce(&KnownNetwork) -> anyhow::Result<Command>,
    ) -> anyhow::Result<()> {
        let operator = read_key(&self.operator_key)?;
        let network = self.connect.known()?;
        check_metered(&network)?;
        let command = command(&network)?;
        let session = network.open().await?;
        let done = session.submit(&operator, vec![command]).await?;
        session.report(global, &done)
    }
}

impl ContractArgs {
    fn contract(&self, network: &KnownNetwork) -> anyhow::Result<Contract> {
        let area = area_by_name(&network.genesis, Some(&self.area))?;
        Ok(Contract { area, period: network.period(&self.period)? })
    }
}

impl RegisterArgs {
    /// The reading as the ledger takes it.
    pub(crate) fn reading(&self, network: &KnownNetwork) -> anyhow::Result<Reading> {
        let period = match &self.period {
            Some(text) => network.period(text)?,
            None => last_ended(&network.genesis),
        };
        let counter = self.counter.unwrap_or(period.0.into());
        Ok(Reading { period, registers: Registers { import: self.import.0, export: self.export.0, counter } })
    }
}

impl ReadAreaArgs {
    async fn run(self, global: &Global) -> anyhow::Result<()> {
        let Self { operator, contract, sent_up } = self;
        let command =
            |network: &KnownNetwork| Ok(AreaReading { contract: contract.contract(network)?, sent_up_wh: sent_up });
        operator.submit(global, |network| command(network).map(Command::AreaReading)).await
    }
}

impl AcceptLossesArgs {
    async fn run(self, global: &Global) -> anyhow::Result<()> {
        let Self { operator, contract, losses: losses_wh } = self;
        let command = |network: &KnownNetwork| Ok(AcceptLosses { contract: contract.contract(network)?, losses_wh });
        operator.submit(global, |network| command(network).map(Command::AcceptLosses)).await
    }
}

impl CorrectArgs {
    async fn run(self, global: &Global) -> anyhow::Result<()> {
        let Self { operator, meter, registers } = self;
        let meter = MeterId(meter);
        let command = |network: &KnownNetwork| Ok(Correction { meter, reading: registers.reading(network)? });
        operator.submit(global, |network| command(network).map(Command::Correction)).await
    }
}

impl PricesArgs {
    async fn run(self, global: &Global) -> anyhow::Result<()> {
        let Self { operator, contract, short_price, long_price } = self;
        let command = |network: &KnownNetwork| {
            let contract = contract.contract(network)?;
            Ok(SetImbalancePrices { contract, short_price, long_price })
        };
        operator.submit(global, |network| command(network).map(Command::SetImbalancePrices)).await
    }
}

/// Before anything is sent that this ledger can only refuse.
pub(crate) fn check_metered(network: &KnownNetwork) -> anyhow::Result<()> {
    if network.genesis.settlement.metering {
        return Ok(());
    }
    bail!("this ledger reads no meters: its genesis says that every trade counts as delivered as it was traded")
}
