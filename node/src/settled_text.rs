//! Readings and settlement as people and programs read them.

use gridbook_engine::{DeliveryPeriod, Money};
use gridbook_ledger::record::{AreaResidual, AreaSettled, MeterSettled, RecordEvent, RegistersRead};
use gridbook_ledger::settlement::{Quality, Residual, ResidualQuality, ResidualRule, Rule};
use serde_json::{Value, json};

use crate::amounts::format_price;

/// The event in words, if it is of this kind. `begins` says when a period begins.
pub(crate) fn settled_text(event: &RecordEvent, begins: impl Fn(DeliveryPeriod) -> String) -> Option<String> {
    Some(match event {
        RecordEvent::Read(read) => {
            let RegistersRead { meter, account: _, period, registers, is_correction } = read;
            let how = if *is_correction { "corrected to" } else { "read" };
            let (import, export) = (registers.import, registers.export);
            format!(
                "meter {} {how} {import} Wh in, {export} Wh out at the end of delivery {}",
                meter.0,
                begins(*period)
            )
        }
        RecordEvent::AreaRead { contract, sent_up_wh } => {
            let (area, begins) = (contract.area.0, begins(contract.period));
            format!("area {area} sent {sent_up_wh} Wh over the edge above it, delivery {begins}")
        }
        RecordEvent::ImbalancePricesSet { contract, short_price, long_price } => format!(
            "in area {} missing energy costs {} ct/kWh and energy too much brings {}, delivery {}",
            contract.area.0,
            format_price(*short_price),
            format_price(*long_price),
            begins(contract.period)
        ),
        RecordEvent::MeterSettled(settled) => meter_text(settled, &begins(settled.contract.period)),
        RecordEvent::AreaSettled(settled) => area_text(settled, &begins(settled.contract.period)),
        RecordEvent::AreaResidual(told) => residual_text(told, &begins(told.contract.period)),
        RecordEvent::AreaFrozen { contract, why } => {
            format!("area {} does not add up, delivery {}: {why}", contract.area.0, begins(contract.period))
        }
        RecordEvent::LossesAccepted { contract, losses_wh } => format!(
            "the operator of area {} answers for losses of {losses_wh} Wh, delivery {}",
            contract.area.0,
            begins(contract.period)
        ),
        RecordEvent::AreaUnfit { contract, why } => format!(
            "area {} stays settled though it does not add up any more, delivery {}: {why}",
            contract.area.0,
            begins(contract.period)
        ),
        RecordEvent::CorrectionHeld { meter, contract, why } => format!(
            "the correction of meter {} waits until something else is corrected in area {} or above it, delivery {}: {why}",
            meter.0,
            contract.area.0,
            begins(contract.period)
        ),
        RecordEvent::PeriodFinal { period } => format!("delivery {} is final", begins(*period)),
        _ => return None,
    })
}

fn meter_text(settled: &MeterSettled, begins: &str) -> String {
    let MeterSettled { meter, account, delivery, quality, contracted_wh, trades, own_trades, rest, .. } = *settled;
    let (import, export, quality) = (delivery.import, delivery.export, quality_text(quality));
    let imbalance = own_trades + rest;
    let mut text = format!(
        "meter {} settled, delivery {begins}: {import} in, {export} out ({quality}), {contracted_wh} Wh sold; account {} gets {trades} for \
         trades and {} {}",
        meter.0,
        account.0,
        if imbalance > Money::ZERO { "pays" } else { "gets" },
        if imbalance > Money::ZERO {
            format!("{imbalance} for imbalance")
        } else {
            format!("{} for imbalance", -imbalance)
        },
    );
    for (amount, who) in
        [(settled.billed, "billed by the grid operator"), (settled.defaulted, "borne by the default account")]
    {
        if amount != Money::ZERO {
            text.push_str(&format!(", {amount} of it {who}"));
        }
    }
    text
}

fn area_text(settled: &AreaSettled, begins: &str) -> String {
    let AreaSettled { contract, net_wh, contracted_wh, losses_wh, upstream, losses, surplus, .. } = *settled;
    format!(
        "area {} settled, delivery {begins}: {net_wh} Wh given, {contracted_wh} Wh sold, {losses_wh} Wh lost; {upstream} to the grid upstream, \
         {losses} from the operator for losses, {surplus} to the operator",
        contract.area.0
    )
}

fn residual_text(told: &AreaResidual, begins: &str) -> String {
    let AreaResidual { contract, residual } = *told;
    let Residual { net_wh, below_wh, sent_up_wh, quality } = residual;
    format!(
        "virtual meter of area {}, delivery {begins}: {net_wh} Wh given and {below_wh} Wh up from below, {sent_up_wh} Wh up over the edge, \
         {} Wh lost ({})",
        contract.area.0,
        residual.losses_wh(),
        residual_quality_text(quality)
    )
}

/// How a residual is known, for a person.
pub(crate) fn residual_quality_text(quality: ResidualQuality) -> &'static str {
    match quality {
        ResidualQuality::AsTraded => "as traded",
        ResidualQuality::Measured => "measured",
        ResidualQuality::Corrected => "corrected",
        ResidualQuality::Estimated(ResidualRule::NoReading) => "estimated at nothing, no reading of the edge came",
        ResidualQuality::Estimated(ResidualRule::NoReadingBelow) => "estimated, no reading of an edge below came",
    }
}

/// How a delivery is known, for a person.
pub(crate) fn quality_text(quality: Quality) -> &'static str {
    match quality {
        Quality::AsTraded => "as traded",
        Quality::Measured => "measured",
        Quality::Corrected => "corrected",
        Quality::Estimated(Rule::Missing) => "estimated, no reading came",
        Quality::Estimated(Rule::NoStart) => "estimated, the reading before is missing",
        Quality::Estimated(Rule::Impossible(_)) => "estimated, the readings are impossible",
    }
}

/// The event as JSON, if it is of this kind.
pub(crate) fn settled_json(event: &RecordEvent) -> Option<Value> {
    Some(match *event {
        RecordEvent::Read(RegistersRead { meter, account, period, registers, is_correction }) => json!({"read": {
            "meter": meter.0, "account": account.0, "period": period.0, "import_wh": registers.import, "export_wh": registers.export,
            "counter": registers.counter, "correction": is_correction}}),
        RecordEvent::AreaRead { contract, sent_up_wh } => json!({"area_read": {
            "area": contract.area.0, "period": contract.period.0, "sent_up_wh": sent_up_wh}}),
        RecordEvent::ImbalancePricesSet { contract, short_price, long_price } => json!({"imbalance_prices_set": {
            "area": contract.area.0, "period": contract.period.0, "short_price": short_price.0, "long_price": long_price.0}}),
        RecordEvent::MeterSettled(settled) => json!({"meter_settled": {
            "meter": settled.meter.0, "account": settled.account.0, "area": settled.contract.area.0, "period": settled.contract.period.0,
            "import_wh": settled.delivery.import.0, "export_wh": settled.delivery.export.0, "quality": settled.quality.name(),
            "contracted_wh": wide(settled.contracted_wh), "trades_nano": nano(settled.trades), "own_trades_nano": nano(settled.own_trades),
            "rest_nano": nano(settled.rest), "billed_nano": nano(settled.billed), "defaulted_nano": nano(settled.defaulted)}}),
        RecordEvent::AreaSettled(settled) => json!({"area_settled": {
            "area": settled.contract.area.0, "period": settled.contract.period.0, "short_price": settled.short_price.0,
            "long_price": settled.long_price.0, "short_rest": settled.short_rest.0, "long_rest": settled.long_rest.0,
            "net_wh": wide(settled.net_wh), "contracted_wh": wide(settled.contracted_wh), "losses_wh": wide(settled.losses_wh),
            "upstream_nano": nano(settled.upstream), "losses_nano": nano(settled.losses), "surplus_nano": nano(settled.surplus)}}),
        RecordEvent::AreaResidual(AreaResidual { contract, residual }) => json!({"area_residual": {
            "area": contract.area.0, "period": contract.period.0, "net_wh": wide(residual.net_wh), "below_wh": wide(residual.below_wh),
            "sent_up_wh": wide(residual.sent_up_wh), "losses_wh": wide(residual.losses_wh()), "quality": residual.quality.name()}}),
        RecordEvent::AreaFrozen { contract, why } => json!({"area_frozen": {
            "area": contract.area.0, "period": contract.period.0, "why": why.to_string()}}),
        RecordEvent::LossesAccepted { contract, losses_wh } => json!({"losses_accepted": {
            "area": contract.area.0, "period": contract.period.0, "losses_wh": losses_wh}}),
        RecordEvent::AreaUnfit { contract, why } => json!({"area_unfit": {
            "area": contract.area.0, "period": contract.period.0, "why": why.to_string()}}),
        RecordEvent::CorrectionHeld { meter, contract, why } => json!({"correction_held": {
            "meter": meter.0, "area": contract.area.0, "period": contract.period.0, "why": why.to_string()}}),
        RecordEvent::PeriodFinal { period } => json!({"period_final": {"period": period.0}}),
        _ => return None,
    })
}

/// Money as text: more than a JSON number holds.
fn nano(amount: Money) -> String {
    amount.0.to_string()
}

/// Sums of energy as text: more than a JSON number holds.
fn wide(energy: i128) -> String {
    energy.to_string()
}
