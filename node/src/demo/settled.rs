//! What came of the day's deliveries, from the final records of a validator's log, and whether it adds up.
//!
//! The sums are made again here, from what the records say of each meter, and held against what they say of each area: nothing of the
//! ledger's own settlement is used.

use std::collections::{BTreeMap, BTreeSet};

use gridbook_engine::{AreaId, Contract, DeliveryPeriod, MeterId, Money, Price};
use gridbook_ledger::record::{
    AreaSettled, CertificateChange, Certificates, MeterSettled, Outcome, Record, RecordEvent,
};
use gridbook_ledger::reject::Code;
use gridbook_ledger::settlement::{Delivery, Quality};

/// Everything that the records say of settlement.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// What meters and areas of periods that are not final have come to.
    meters: BTreeMap<(DeliveryPeriod, MeterId), MeterRow>,
    areas: BTreeMap<Contract, AreaRow>,
    pub(super) totals: Totals,
    /// Of the meters that are watched, everything that was said.
    pub(super) told: BTreeMap<MeterId, Told>,
    frozen: BTreeSet<Contract>,
    settled: BTreeSet<DeliveryPeriod>,
    /// What does not add up, in words.
    pub(super) violations: Vec<String>,
}

/// What the records say of one meter.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Each settlement, those after corrections too.
    pub(super) settled: Vec<MeterSettled>,
    /// Refused readings.
    pub(super) refused: BTreeMap<&'static str, u64>,
    /// Entries of misconduct.
    pub(super) misconduct: u64,
}

/// Sums over all meters and areas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) readings: u64,
    pub(super) corrections: u64,
    pub(super) certificates: Guarantees,
    /// Entries of devices' misconduct.
    pub(super) misconduct: u64,
    pub(super) area_readings: u64,
    pub(super) periods_settled: u64,
    pub(super) periods_final: u64,
    pub(super) areas_settled: u64,
    pub(super) areas_frozen: u64,
    /// Meters' quarter-hours, and their energy in and out, by how it is known.
    pub(super) measured: Known,
    pub(super) estimated: Known,
    pub(super) corrected: Known,
    pub(super) taken_wh: i128,
    pub(super) given_wh: i128,
    /// What meters had sold less what they had bought; nothing in all, as each trade has two sides.
    pub(super) contracted_wh: i128,
    pub(super) short_wh: i128,
    pub(super) long_wh: i128,
    /// What meters were paid for their trades.
    pub(super) for_trades: Money,
    /// What meters paid for imbalance, and what meters got for it.
    pub(super) paid: Money,
    pub(super) got: Money,
    pub(super) billed: Money,
    pub(super) defaulted: Money,
    /// From the imbalance account to the grid upstream; less than zero for what came from there.
    pub(super) upstream: Money,
    pub(super) losses_wh: i128,
    pub(super) losses: Money,
    pub(super) surplus: Money,
    /// What all trades paid for their way.
    pub(super) fees: Money,
}

/// Certificates of origin, in Wh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Guarantees {
    pub(super) issued: i128,
    /// Went along with trades, each time.
    pub(super) moved: i128,
    /// Claimed, less claims that were taken back.
    pub(super) claimed: i128,
    /// Closed with their period: claimed, or not.
    pub(super) cancelled: i128,
    pub(super) expired: i128,
    pub(super) revoked: i128,
}

impl Guarantees {
    fn follow(&mut self, certificates: &Certificates) {
        let energy = i128::from(certificates.range.energy().0);
        match certificates.change {
            CertificateChange::Issued { .. } => self.issued += energy,
            CertificateChange::Moved { .. } => self.moved += energy,
            CertificateChange::Claimed { .. } => self.claimed += energy,
            CertificateChange::Unclaimed { .. } => self.claimed -= energy,
            CertificateChange::Closed { was_claimed: true } => self.cancelled += energy,
            CertificateChange::Closed { was_claimed: false } => self.expired += energy,
            CertificateChange::Revoked { .. } => self.revoked += energy,
        }
    }

    /// Those whose period is not final.
    fn active(&self) -> i128 {
        self.issued - self.cancelled - self.expired - self.revoked
    }
}

/// How much is known in one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) quarters: u64,
    pub(super) energy_wh: u128,
}

#[derive(Clone, Copy, Debug)]
struct MeterRow {
    contract: Contract,
    delivery: Delivery,
    quality: Quality,
    contracted_wh: i128,
    charge: Money,
}

#[derive(Clone, Copy, Debug)]
struct AreaRow {
    last: AreaSettled,
    upstream: Money,
    losses: Money,
    surplus: Money,
}

impl Settled {
    /// Nothing yet; `watched` are meters of which everything is kept.
    pub(super) fn new(watched: impl Iterator<Item = MeterId>) -> Self {
        Self { told: watched.map(|meter| (meter, Told::default())).collect(), ..Self::default() }
    }

    /// One more final record, in the order of the log.
    pub(super) fn follow(&mut self, record: &Record) {
        if let (Outcome::Rejected(code), Some(meter)) = (record.outcome, record.meter)
            && is_of_reading(code)
            && let Some(told) = self.told.get_mut(&meter)
        {
            *told.refused.entry(code.name()).or_default() += 1;
        }
        for event in &record.events {
            match event {
                RecordEvent::Trade(trade) => self.totals.fees += trade.fee.times(trade.energy),
                RecordEvent::Read(read) if read.is_correction => self.totals.corrections += 1,
                RecordEvent::Read(_) => self.totals.readings += 1,
                RecordEvent::AreaRead { .. } => self.totals.area_readings += 1,
                RecordEvent::MeterSettled(settled) => self.on_meter(settled),
                RecordEvent::AreaSettled(settled) => self.on_area(settled),
                RecordEvent::Certificates(certificates) => self.totals.certificates.follow(certificates),
                RecordEvent::Misconduct { meter, .. } => {
                    self.totals.misconduct += 1;
                    self.told.entry(*meter).and_modify(|told| told.misconduct += 1);
                }
                RecordEvent::AreaFrozen { contract, .. } => _ = self.frozen.insert(*contract),
                RecordEvent::PeriodFinal { period } => {
                    self.totals.periods_final += 1;
                    self.close(*period);
                }
                _ => {}
            }
        }
    }

    /// No more records: what is not final counts as it stands.
    pub(super) fn finish(&mut self) {
        let open: BTreeSet<DeliveryPeriod> = self.areas.keys().map(|contract| contract.period).collect();
        let active = self.totals.certificates.active();
        if active < 0 || (open.is_empty() && active != 0) {
            self.violations.push(format!(
                "{active} Wh of certificates are neither used nor expired nor revoked, and all is final"
            ));
        }
        open.into_iter().for_each(|period| self.close(period));
        self.totals.areas_frozen = self.frozen.len() as u64;
        self.totals.periods_settled = self.settled.len() as u64;
        if self.frozen.is_empty() && self.totals.contracted_wh != 0 {
            self.violations.push(format!("meters sold {} Wh more than meters bought", self.totals.contracted_wh));
        }
    }

    fn on_meter(&mut self, settled: &MeterSettled) {
        let MeterSettled { meter, contract, delivery, quality, contracted_wh, .. } = *settled;
        let charge = settled.own_trades + settled.rest;
        let key = (contract.period, meter);
        let before = self.meters.get(&key).map_or(Money::ZERO, |row| row.charge);
        self.meters.insert(key, MeterRow { contract, delivery, quality, contracted_wh, charge: before + charge });
        self.totals.for_trades += settled.trades;
        self.totals.billed += settled.billed;
        self.totals.defaulted += settled.defaulted;
        if let Some(told) = self.told.get_mut(&meter) {
            told.settled.push(*settled);
        }
    }

    fn on_area(&mut self, settled: &AreaSettled) {
        let nothing = AreaRow { last: *settled, upstream: Money::ZERO, losses: Money::ZERO, surplus: Money::ZERO };
        let row = self.areas.entry(settled.contract).or_insert(nothing);
        row.last = *settled;
        row.upstream += settled.upstream;
        row.losses += settled.losses;
        row.surplus += settled.surplus;
        self.frozen.remove(&settled.contract);
        self.settled.insert(settled.contract.period);
    }

    /// Adds a period up, checks it, and forgets it.
    fn close(&mut self, period: DeliveryPeriod) {
        let meters = (period, MeterId(0))..=(period, MeterId(u32::MAX));
        let meters: Vec<MeterRow> = self.meters.extract_if(meters, |_, _| true).map(|(_, row)| row).collect();
        let of = |area| Contract { area: AreaId(area), period };
        let areas = self.areas.extract_if(of(0)..=of(u16::MAX), |_, _| true);
        let areas: Vec<AreaRow> = areas.map(|(_, row)| row).collect();
        for area in &areas {
            self.check_area(area, meters.iter().filter(|meter| meter.contract == area.last.contract));
            let totals = &mut self.totals;
            totals.areas_settled += 1;
            totals.upstream += area.upstream;
            totals.losses_wh += area.last.losses_wh;
            totals.losses += area.losses;
            totals.surplus += area.surplus;
        }
        meters.iter().for_each(|meter| self.totals.add(meter));
    }

    /// Energy: what its meters gave less what they had sold is what got lost or went upstream. Money: what they were charged, and the
    /// operator for losses, is what went upstream and to the operator.
    fn check_area<'a>(&mut self, area: &AreaRow, meters: impl Iterator<Item = &'a MeterRow>) {
        let AreaSettled { contract, short_price, long_price, net_wh, contracted_wh, losses_wh, .. } = area.last;
        let (mut net, mut contracted, mut charges) = (0, 0, Money::ZERO);
        for meter in meters {
            net += meter.delivery.net_wh();
            contracted += meter.contracted_wh;
            charges += meter.charge;
        }
        let missing_wh = contracted_wh + losses_wh - net_wh;
        let Price(price) = if missing_wh > 0 { short_price } else { long_price };
        let upstream = Money(missing_wh * i128::from(price));
        let wrong = if (net, contracted) != (net_wh, contracted_wh) {
            format!("its meters gave {net} Wh and sold {contracted}, and it is settled by {net_wh} and {contracted_wh}")
        } else if area.upstream != upstream {
            format!("{} went upstream for {missing_wh} Wh, and {upstream} should have", area.upstream)
        } else if charges + area.losses != area.upstream + area.surplus {
            format!("{charges} came in and {} for losses, {} and {} left", area.losses, area.upstream, area.surplus)
        } else {
            return;
        };
        self.violations.push(format!("area {}, period {}: {wrong}", contract.area.0, contract.period.0));
    }
}

impl Totals {
    fn add(&mut self, meter: &MeterRow) {
        let Delivery { import, export } = meter.delivery;
        let known = match meter.quality {
            Quality::AsTraded | Quality::Measured => &mut self.measured,
            Quality::Estimated(_) => &mut self.estimated,
            Quality::Corrected => &mut self.corrected,
        };
        known.quarters += 1;
        known.energy_wh += u128::from(import.0) + u128::from(export.0);
        self.taken_wh += i128::from(import.0);
        self.given_wh += i128::from(export.0);
        self.contracted_wh += meter.contracted_wh;
        let imbalance_wh = meter.delivery.net_wh() - meter.contracted_wh;
        self.long_wh += imbalance_wh.max(0);
        self.short_wh += (-imbalance_wh).max(0);
        self.paid += meter.charge.max(Money::ZERO);
        self.got += (-meter.charge).max(Money::ZERO);
    }

    /// What the grid's operators have, by all of this.
    pub(super) fn grid(&self) -> Money {
        self.fees + self.surplus - self.losses - self.billed
    }
}

/// Refusals of what meters say of themselves.
fn is_of_reading(code: Code) -> bool {
    (901..=929).contains(&code.number())
}

#[cfg(test)]
mod tests {
    use gridbook_engine::{AccountId, Energy};
    use gridbook_ledger::crypto::Hash;
    use gridbook_ledger::settlement::Rule;

    use super::*;

    const HERE: Contract = Contract { area: AreaId(1), period: DeliveryPeriod(7) };

    fn record(events: Vec<RecordEvent>) -> Record {
        Record { seq: 1, entry: Hash::ZERO, index: 0, meter: None, client_id: 0, outcome: Outcome::Done, events }
    }

    fn meter(number: u32, given: u64, contracted_wh: i128, charge: Money) -> MeterSettled {
        MeterSettled {
            meter: MeterId(number),
            account: AccountId(number),
            contract: HERE,
            delivery: Delivery { import: Energy(0), export: Energy(given) },
            quality: Quality::Measured,
            contracted_wh,
            trades: Money::ZERO,
            own_trades: charge,
            rest: Money::ZERO,
            billed: Money::ZERO,
            defaulted: Money::ZERO,
        }
    }

    /// 100 Wh are missing at 50, and 10 got lost: 110 Wh come from upstream, for 5,500.
    fn area() -> AreaSettled {
        AreaSettled {
            contract: HERE,
            short_price: Price(50),
            long_price: Price(10),
            short_rest: Price(50),
            long_rest: Price(10),
            net_wh: 300,
            contracted_wh: 400,
            losses_wh: 10,
            upstream: Money(5_500),
            losses: Money(500),
            surplus: Money(1_000),
        }
    }

    fn settled(meters: &[MeterSettled], area: AreaSettled) -> Settled {
        let mut settled = Settled::new([MeterId(2)].into_iter());
        settled.follow(&record(meters.iter().copied().map(RecordEvent::MeterSettled).collect()));
        settled.follow(&record(vec![RecordEvent::AreaSettled(area)]));
        settled
    }

    fn violations(meters: &[MeterSettled], area: AreaSettled) -> usize {
        let mut settled = settled(meters, area);
        settled.follow(&record(vec![RecordEvent::PeriodFinal { period: HERE.period }]));
        settled.violations.len()
    }

    #[test]
    fn an_area_that_does_not_add_up_is_seen() {
        let meters = [meter(1, 200, 200, Money::ZERO), meter(2, 100, 200, Money(6_000))];
        assert_eq!(violations(&meters, area()), 0);
        assert_eq!(violations(&meters[..1], area()), 1, "energy of a meter that nobody settled");
        assert_eq!(violations(&meters, AreaSettled { losses_wh: 11, ..area() }), 1, "energy that nobody paid for");
        assert_eq!(violations(&meters, AreaSettled { surplus: Money(999), ..area() }), 1, "money that went nowhere");
        let overcharged = [meters[0], meter(2, 100, 200, Money(6_001))];
        assert_eq!(violations(&overcharged, area()), 1, "money from nowhere");
    }

    /// Meter 2 was estimated at 50 Wh, and is found to have given 100: of its charge 3,000 go back, and upstream has 2,500 less.
    #[test]
    fn a_correction_counts_the_energy_anew_and_adds_the_money() {
        let estimated = Quality::Estimated(Rule::Missing);
        let first = MeterSettled { quality: estimated, ..meter(2, 50, 200, Money(9_000)) };
        let area_before = AreaSettled { net_wh: 250, upstream: Money(8_000), surplus: Money(1_500), ..area() };
        let mut settled = settled(&[meter(1, 200, 200, Money::ZERO), first], area_before);
        let corrected = MeterSettled { quality: Quality::Corrected, ..meter(2, 100, 200, Money(-3_000)) };
        let difference = AreaSettled { upstream: Money(-2_500), losses: Money::ZERO, surplus: Money(-500), ..area() };
        settled.follow(&record(vec![RecordEvent::MeterSettled(corrected), RecordEvent::AreaSettled(difference)]));
        settled.follow(&record(vec![RecordEvent::PeriodFinal { period: HERE.period }]));
        assert_eq!(settled.violations, [""; 0]);
        let totals = &settled.totals;
        assert_eq!((totals.estimated.quarters, totals.corrected.energy_wh, totals.short_wh), (0, 100, 100));
        assert_eq!((totals.paid, totals.upstream, totals.surplus), (Money(6_000), Money(5_500), Money(1_000)));
        assert_eq!(settled.told[&MeterId(2)].settled, [first, corrected]);
    }

    #[test]
    fn an_area_is_frozen_until_it_is_settled() {
        let why = gridbook_ledger::settlement::AreaFault::Unsound;
        let frozen = record(vec![RecordEvent::AreaFrozen { contract: HERE, why }]);
        let mut mended = Settled::new(core::iter::empty());
        mended.follow(&frozen);
        mended.follow(&record(vec![RecordEvent::AreaSettled(AreaSettled {
            net_wh: 0,
            contracted_wh: 0,
            losses_wh: 0,
            upstream: Money::ZERO,
            losses: Money::ZERO,
            surplus: Money::ZERO,
            ..area()
        })]));
        // What became known below it does not fit, and it stays settled.
        mended.follow(&record(vec![RecordEvent::AreaUnfit { contract: HERE, why }]));
        mended.finish();
        assert_eq!((mended.totals.areas_frozen, mended.totals.periods_settled), (0, 1));
        let mut left = Settled::new(core::iter::empty());
        left.follow(&frozen);
        left.finish();
        assert_eq!(left.totals.areas_frozen, 1);
    }
}
