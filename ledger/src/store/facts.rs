//! What statements and reports are made of: facts by whose they are and by delivery period, and extracts by account.
//!
//! A bill asks for one meter and some periods, and the ledger tells of them in between everything else: without rows of its own, a year
//! would be found in some hundred thousand records, many of which settle four thousand meters each.

use gridbook_engine::{AreaId, DeliveryPeriod, Energy, MeterId, Money};

use super::IndexBatch;
use crate::bytes::{BytesError, Reader, Writer};
use crate::record::{AreaResidual, AreaSettled, MeterSettled, Outcome, Record, RecordEvent, RegistersRead, Trade};
use crate::settlement::Quality;

/// Whose facts they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FactOwner {
    /// A meter's own: trades, fills, readings, settlement.
    Meter(MeterId),
    /// An area's: prices, exchange, settlement, and its meters taken together.
    Area(AreaId),
    /// Everybody's: that a period is final.
    All,
}

/// Something that bears on one delivery period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// As the ledger told it.
    Event(RecordEvent),
    /// What one command settled of an area's meters, added up.
    Meters(MetersSettled),
}

/// Sums over settled meters of one area and period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MetersSettled {
    /// How many were settled, corrections among them.
    pub count: u32,
    /// How many of those by a delivery that was estimated.
    pub estimated: u32,
    /// ... that the area's operator has corrected.
    pub corrected: u32,
    /// What they took in, in Wh.
    pub import_wh: u128,
    /// What they gave out, in Wh.
    pub export_wh: u128,
    /// From clearing to their accounts, for trades.
    pub trades: Money,
    /// From their accounts for imbalance.
    pub imbalance: Money,
    /// What of that the area's operator bills.
    pub billed: Money,
    /// What of that the default account bore.
    pub defaulted: Money,
}

/// A fact with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FactRow {
    /// The delivery period.
    pub period: DeliveryPeriod,
    /// The command that told it.
    pub seq: u64,
    /// Its place among that command's events; of what was added up, that of the first.
    pub place: u32,
    /// What it is.
    pub fact: Fact,
}

/// What one answer of the index holds of an owner's facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FactPage {
    /// By period, then as the ledger told them.
    pub facts: Vec<FactRow>,
    /// From where to go on; none if that was all.
    pub next: Option<FactPlace>,
    /// How many rows of the index were read for it.
    pub rows_read: usize,
}

/// Where a fact stands among its owner's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FactPlace {
    /// The delivery period that it bears on.
    pub period: DeliveryPeriod,
    /// The command that told it.
    pub seq: u64,
    /// Its place among that command's events.
    pub place: u32,
}

impl FactPlace {
    /// The first of a period.
    pub fn first_of(period: DeliveryPeriod) -> Self {
        Self { period, ..Self::default() }
    }
}

const EVENT: u8 = 1;
const METERS: u8 = 2;

impl FactOwner {
    pub(super) fn key(self) -> [u8; 5] {
        let (tag, number) = match self {
            Self::Meter(meter) => (1, meter.0),
            Self::Area(area) => (2, area.0.into()),
            Self::All => (3, 0),
        };
        let [a, b, c, d] = number.to_be_bytes();
        [tag, a, b, c, d]
    }

    /// Spreads work of each day over its periods.
    pub(super) fn number(self) -> u32 {
        match self {
            Self::Meter(meter) => meter.0,
            Self::Area(area) => area.0.into(),
            Self::All => 0,
        }
    }
}

impl MetersSettled {
    fn add(&mut self, settled: &MeterSettled) {
        self.count += 1;
        self.estimated += u32::from(matches!(settled.quality, Quality::Estimated(_)));
        self.corrected += u32::from(settled.quality == Quality::Corrected);
        let Energy(import) = settled.delivery.import;
        let Energy(export) = settled.delivery.export;
        self.join(&Self {
            import_wh: import.into(),
            export_wh: export.into(),
            trades: settled.trades,
            imbalance: settled.own_trades + settled.rest,
            billed: settled.billed,
            defaulted: settled.defaulted,
            ..Self::default()
        });
    }

    /// Adds the sums of others. Counts stop at what they hold, whoever wrote them.
    pub fn join(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.estimated = self.estimated.saturating_add(other.estimated);
        self.corrected = self.corrected.saturating_add(other.corrected);
        self.import_wh += other.import_wh;
        self.export_wh += other.export_wh;
        self.trades += other.trades;
        self.imbalance += other.imbalance;
        self.billed += other.billed;
        self.defaulted += other.defaulted;
    }

    fn write(&self, w: &mut Writer) {
        w.u32(self.count).u32(self.estimated).u32(self.corrected);
        for energy in [self.import_wh, self.export_wh] {
            w.i128(energy.cast_signed());
        }
        for money in [self.trades, self.imbalance, self.billed, self.defaulted] {
            w.i128(money.0);
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        let (count, estimated, corrected) = (r.u32()?, r.u32()?, r.u32()?);
        let (import_wh, export_wh) = (r.energy_sum()?, r.energy_sum()?);
        let mut money = || r.amount().map(Money);
        let (trades, imbalance) = (money()?, money()?);
        let (billed, defaulted) = (money()?, money()?);
        Ok(Self { count, estimated, corrected, import_wh, export_wh, trades, imbalance, billed, defaulted })
    }
}

impl FactRow {
    fn write(&self, w: &mut Writer) {
        w.u32(self.period.0).u64(self.seq).u32(self.place);
        match &self.fact {
            Fact::Event(event) => event.write(w.u8(EVENT)),
            Fact::Meters(meters) => meters.write(w.u8(METERS)),
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        let (period, seq, place) = (DeliveryPeriod(r.u32()?), r.u64()?, r.u32()?);
        let fact = match r.u8()? {
            EVENT => Fact::Event(RecordEvent::read(r)?),
            METERS => Fact::Meters(MetersSettled::read(r)?),
            _ => return Err(BytesError::Unknown),
        };
        Ok(Self { period, seq, place, fact })
    }

    /// Where it stands among its owner's.
    pub fn place(&self) -> FactPlace {
        FactPlace { period: self.period, seq: self.seq, place: self.place }
    }

    /// Facts one after the other.
    pub fn encode_all(facts: &[Self]) -> Vec<u8> {
        let mut w = Writer::new();
        facts.iter().for_each(|fact| fact.write(&mut w));
        w.finish()
    }

    /// The same, in chunks that each end with the fact that brings them to `bytes`, with the place of the first in each.
    pub(super) fn encode_chunks(facts: &[Self], bytes: usize) -> Vec<(FactPlace, Vec<u8>)> {
        let mut chunks: Vec<(FactPlace, Vec<u8>)> = Vec::new();
        for fact in facts {
            let mut w = Writer::new();
            fact.write(&mut w);
            match chunks.last_mut() {
                Some((_, chunk)) if chunk.len() < bytes => chunk.extend(w.finish()),
                _ => chunks.push((fact.place(), w.finish())),
            }
        }
        chunks
    }

    /// Reads what [`FactRow::encode_all`] wrote.
    pub fn decode_all(bytes: &[u8]) -> Result<Vec<Self>, BytesError> {
        let mut r = Reader::new(bytes);
        let mut facts = Vec::new();
        while r.remaining() > 0 {
            facts.push(Self::read(&mut r)?);
        }
        Ok(facts)
    }
}

impl IndexBatch {
    /// Notes what queries want of a record: its facts, its certificates, and its accounts' extracts.
    pub fn enter(&mut self, record: &Record) {
        if record.outcome == Outcome::Done {
            self.enter_facts(record);
            self.certificates.enter(record);
        }
        // A refusal is in the histories of those whom it convicts.
        let extracts = record.account_extracts().into_iter();
        self.extracts.extend(extracts.map(|(account, extract)| (account.0, record.seq, extract.encode())));
    }

    fn enter_facts(&mut self, record: &Record) {
        let (from, seq) = (self.facts.len(), record.seq);
        for (place, event) in (0..).zip(&record.events) {
            let Some((period, owners)) = bears_on(event) else { continue };
            let row = FactRow { period, seq, place, fact: Fact::Event(*event) };
            if let RecordEvent::MeterSettled(settled) = event {
                self.sum_up(from, FactRow { fact: Fact::Meters(MetersSettled::default()), ..row }, settled);
            }
            self.facts.extend(owners.into_iter().flatten().map(|owner| (owner, row)));
        }
    }

    /// Adds a settled meter to the sums of its area and period, which stand in front of the record's other facts.
    fn sum_up(&mut self, from: usize, empty: FactRow, settled: &MeterSettled) {
        let area = FactOwner::Area(settled.contract.area);
        let of_area = |(owner, row): &(FactOwner, FactRow)| {
            matches!(row.fact, Fact::Meters(_)).then_some((*owner, row.period) == (area, empty.period))
        };
        let sums = self.facts[from..].iter().map_while(of_area).position(|is_it| is_it).map(|place| from + place);
        let at = sums.unwrap_or_else(|| {
            self.facts.insert(from, (area, empty));
            from
        });
        if let Fact::Meters(sums) = &mut self.facts[at].1.fact {
            sums.add(settled);
        }
    }
}

/// The delivery period that an event is a fact of, and whose: none for what no bill or report asks about.
fn bears_on(event: &RecordEvent) -> Option<(DeliveryPeriod, [Option<FactOwner>; 2])> {
    let (meter, area) = (FactOwner::Meter, FactOwner::Area);
    let (period, owner, other) = match *event {
        RecordEvent::Trade(Trade { maker, taker, period, .. }) => {
            (period, meter(maker.meter), Some(meter(taker.meter)).filter(|_| maker.meter != taker.meter))
        }
        RecordEvent::Filled { order, contract, .. } => (contract.period, meter(order.meter), None),
        RecordEvent::Read(RegistersRead { meter: read, period, .. }) => (period, meter(read), None),
        RecordEvent::MeterSettled(MeterSettled { meter: settled, contract, .. }) => {
            (contract.period, meter(settled), None)
        }
        RecordEvent::AreaRead { contract, .. }
        | RecordEvent::ImbalancePricesSet { contract, .. }
        | RecordEvent::AreaSettled(AreaSettled { contract, .. })
        | RecordEvent::AreaResidual(AreaResidual { contract, .. })
        | RecordEvent::AreaFrozen { contract, .. }
        | RecordEvent::LossesAccepted { contract, .. }
        | RecordEvent::AreaUnfit { contract, .. } => (contract.period, area(contract.area), None),
        RecordEvent::Flow { area: below, period, .. } => (period, area(below), None),
        RecordEvent::PeriodFinal { period } => (period, FactOwner::All, None),
        _ => return None,
    };
    Some((period, [Some(owner), other]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::AMOUNT_MAX;

    fn row(meters: MetersSettled) -> FactRow {
        FactRow { period: DeliveryPeriod(900), seq: 7, place: 0, fact: Fact::Meters(meters) }
    }

    /// An area's sums come over the wire from a validator that may lie: energy below zero and amounts beyond any are refused, and as many
    /// of the largest that are read as fit into an answer are added without overflow.
    #[test]
    fn the_sums_of_a_lying_validator_are_refused_or_can_be_added() {
        let most = MetersSettled {
            count: u32::MAX,
            estimated: u32::MAX,
            corrected: u32::MAX,
            import_wh: AMOUNT_MAX.unsigned_abs(),
            export_wh: AMOUNT_MAX.unsigned_abs(),
            trades: Money(AMOUNT_MAX),
            imbalance: Money(-AMOUNT_MAX),
            billed: Money(AMOUNT_MAX),
            defaulted: Money(-AMOUNT_MAX),
        };
        let bytes = FactRow::encode_all(&vec![row(most); 1_000]);
        let mut sums = MetersSettled::default();
        for row in FactRow::decode_all(&bytes).unwrap() {
            let Fact::Meters(meters) = row.fact else { panic!("{row:?}") };
            sums.join(&meters);
        }
        assert_eq!((sums.count, sums.trades), (u32::MAX, Money(1_000 * AMOUNT_MAX)));
        let too_much = Money(AMOUNT_MAX + 1);
        for lie in [
            MetersSettled { import_wh: u128::MAX, ..most },
            MetersSettled { export_wh: 1 << 127, ..most },
            MetersSettled { trades: too_much, ..most },
            MetersSettled { imbalance: -too_much, ..most },
            MetersSettled { defaulted: Money(i128::MIN), ..most },
        ] {
            assert_eq!(FactRow::decode_all(&FactRow::encode_all(&[row(lie)])), Err(BytesError::Amount), "{lie:?}");
        }
    }
}
