//! Sums of a meter's days in the sled index.
//!
//! A day's sums are made when its facts are joined (see `sled_facts`), four days later, and lie under (meter, day). What they depend on may still
//! change:
//!
//! - *A later fact of the meter*, a correction say: its day is summed up again in the batch that brings it.
//! - *A later settlement of its area*, with the prices that the meter's charge is held against. That concerns all meters of the area: their
//!   sums are not touched, but the area's count of mended prices for that day goes up, and sums that were made by an earlier count are not
//!   used any more. What is asked then is worked out of facts, as on days that have no sums yet.
//! - *That a period is final* is kept once, as a bit for each period of the day, and laid over the sums when they are read.
//!
//! All of it is a function of the facts that are there, in whatever order they came and however often, but for the count, which goes up only.

use std::collections::{BTreeMap, BTreeSet};

use gridbook_engine::{AccountId, AreaId, DeliveryPeriod, MeterId};

use super::sled_facts::{DAY, FactsByKey, damaged, last_of, put_in_order};
use super::sled_index::{Index, Table, index_error, key};
use super::sums::{SummedDay, SummedPiece};
use super::{Fact, FactOwner, FactPlace, FactRow, PERIODS_PER_SUM, StoreError, SumPage, SumRow};
use crate::record::{MeterSettled, RecordEvent};
use crate::settlement::statement::{Statement, StatementTotals};

/// One more than the last day of which any meter has sums.
const SUMMED_TO: &[u8] = b"\0summed_to";

/// What working a day out of facts costs at least, where finding its sums costs 1, ...
const DAY_OF_FACTS: usize = 24;
/// ... and how many facts cost 1: an ordinary day has some five hundred.
const FACTS_PER_COST: usize = 32;

/// Sums as one batch of heights makes and mends them.
pub(super) struct NewSums<'a> {
    index: &'a Index,
    new: &'a FactsByKey,
    /// One more than the last day that has sums: before this batch, and with it.
    summed_to: (u32, u32),
    /// What settled each area on a day, and how often that was mended.
    prices: BTreeMap<(AreaId, u32), AreaDay>,
    made: BTreeSet<(MeterId, u32)>,
}

/// An area's settlements on one day.
#[derive(Clone, Debug, Default)]
struct AreaDay {
    mended: u32,
    settled: Vec<(u64, RecordEvent)>,
}

impl<'a> NewSums<'a> {
    /// Notes what is final, and whose prices are mended.
    pub(super) fn begin(index: &'a Index, changes: &mut sled::Batch, new: &'a FactsByKey) -> Result<Self, StoreError> {
        let summed_to = index.get(SUMMED_TO)?.map_or(Ok(0), |value| u32_from(&value))?;
        let mut sums =
            Self { index, new, summed_to: (summed_to, summed_to), prices: BTreeMap::new(), made: BTreeSet::new() };
        sums.note_final(changes)?;
        sums.note_mended(changes)?;
        Ok(sums)
    }

    fn note_final(&self, changes: &mut sled::Batch) -> Result<(), StoreError> {
        let mut by_day: BTreeMap<u32, u128> = BTreeMap::new();
        for (_, period) in self.new.range((FactOwner::All, DeliveryPeriod(0))..).map(|(key, _)| key) {
            *by_day.entry(period.0 / DAY).or_default() |= 1 << (period.0 % DAY);
        }
        for (day, periods) in by_day {
            let known = self.index.final_periods(day)?;
            changes.insert(sum_key(FactOwner::All, day), &(known | periods).to_be_bytes()[..]);
        }
        Ok(())
    }

    fn note_mended(&mut self, changes: &mut sled::Batch) -> Result<(), StoreError> {
        let is_settlement = |row: &&FactRow| matches!(row.fact, Fact::Event(RecordEvent::AreaSettled(_)));
        let mut late: BTreeMap<(AreaId, u32), BTreeSet<FactPlace>> = BTreeMap::new();
        for ((owner, period), rows) in self.new {
            let FactOwner::Area(area) = *owner else { continue };
            let day = period.0 / DAY;
            if day < self.summed_to.0 {
                let places = rows.iter().filter(is_settlement).map(FactRow::place);
                late.entry((area, day)).or_default().extend(places);
            }
        }
        for ((area, day), places) in late {
            let (owner, periods) = (FactOwner::Area(area), (DeliveryPeriod(day * DAY), last_of(day)));
            // Nobody's sums were made by them yet.
            let Some(mended) = self.index.mended(area, day)? else { continue };
            let known = self.index.facts_of(owner, FactPlace::first_of(periods.0), periods.1, usize::MAX)?;
            let known: BTreeSet<FactPlace> = known.facts.iter().map(FactRow::place).collect();
            if !places.is_subset(&known) {
                self.prices.insert((area, day), AreaDay { mended: mended + 1, settled: self.settled(area, day)? });
                changes.insert(sum_key(owner, day), &(mended + 1).to_be_bytes()[..]);
            }
        }
        Ok(())
    }

    /// Sums up a day of a meter out of all its facts.
    pub(super) fn make(
        &mut self,
        changes: &mut sled::Batch,
        meter: MeterId,
        day: u32,
        facts: &[FactRow],
    ) -> Result<(), StoreError> {
        let areas = areas_of(facts);
        let mut priced_by = Vec::new();
        for area in &areas {
            priced_by.push((*area, self.prices_of(changes, *area, day)?.mended));
        }
        let prices = areas.iter().filter_map(|area| self.prices.get(&(*area, day)));
        let prices = prices.flat_map(|prices| prices.settled.iter().map(|(seq, event)| (*seq, event)));
        let statement = Statement::of(meter, facts.iter().filter_map(event_of).chain(prices));
        let summed = SummedDay { priced_by, pieces: SummedDay::pieces_of(&statement) };
        changes.insert(sum_key(FactOwner::Meter(meter), day), summed.encode());
        self.made.insert((meter, day));
        if day >= self.summed_to.1 {
            self.summed_to.1 = day + 1;
            changes.insert(SUMMED_TO, &(day + 1).to_be_bytes()[..]);
        }
        Ok(())
    }

    /// Sums up again what was summed up before one of the new facts came.
    pub(super) fn mend(&mut self, changes: &mut sled::Batch) -> Result<(), StoreError> {
        let mut days = BTreeSet::new();
        for (owner, period) in self.new.keys() {
            if let FactOwner::Meter(meter) = *owner {
                days.extend(Some((meter, period.0 / DAY)).filter(|(_, day)| *day < self.summed_to.0));
            }
        }
        for (meter, day) in days {
            let is_summed = self.index.get(&sum_key(FactOwner::Meter(meter), day))?.is_some();
            if is_summed && !self.made.contains(&(meter, day)) {
                let facts = self.facts(FactOwner::Meter(meter), day)?;
                self.make(changes, meter, day, &facts)?;
            }
        }
        Ok(())
    }

    fn prices_of(&mut self, changes: &mut sled::Batch, area: AreaId, day: u32) -> Result<&AreaDay, StoreError> {
        if !self.prices.contains_key(&(area, day)) {
            let mended = self.index.mended(area, day)?;
            if mended.is_none() {
                // From now on there are sums that depend on them.
                changes.insert(sum_key(FactOwner::Area(area), day), &0_u32.to_be_bytes()[..]);
            }
            let settled = self.settled(area, day)?;
            self.prices.insert((area, day), AreaDay { mended: mended.unwrap_or(0), settled });
        }
        Ok(&self.prices[&(area, day)])
    }

    fn settled(&self, area: AreaId, day: u32) -> Result<Vec<(u64, RecordEvent)>, StoreError> {
        let facts = self.facts(FactOwner::Area(area), day)?;
        let settled = facts.iter().filter_map(event_of);
        Ok(settled
            .filter(|(_, event)| matches!(event, RecordEvent::AreaSettled(_)))
            .map(|(seq, event)| (seq, *event))
            .collect())
    }

    /// What is known of an owner's day with this batch.
    fn facts(&self, owner: FactOwner, day: u32) -> Result<Vec<FactRow>, StoreError> {
        let (from, to) = (DeliveryPeriod(day * DAY), last_of(day));
        let mut facts = self.index.facts_of(owner, FactPlace::first_of(from), to, usize::MAX)?.facts;
        facts.extend(self.new.range((owner, from)..=(owner, to)).flat_map(|(_, rows)| rows));
        put_in_order(&mut facts);
        Ok(facts)
    }
}

impl Index {
    /// See [`QueryIndex::sums`](super::QueryIndex::sums).
    pub(super) fn sums_of(
        &self,
        meter: MeterId,
        (from, to): (DeliveryPeriod, DeliveryPeriod),
        limit: usize,
    ) -> Result<SumPage, StoreError> {
        let (mut page, mut cost) = (SumPage::default(), 0);
        let (owner, last_day) = (FactOwner::Meter(meter), to.0 / DAY);
        let mut days = self.db.range(sum_key(owner, from.0 / DAY)..=sum_key(owner, last_day));
        let mut next_summed = || -> Result<Option<(u32, SummedDay)>, StoreError> {
            let Some(row) = days.next() else { return Ok(None) };
            let (key, value) = row.map_err(index_error(&self.dir))?;
            let day = key.last_chunk().map(|day| u32::from_be_bytes(*day)).ok_or_else(damaged)?;
            Ok(Some((day, SummedDay::decode(&value).map_err(|_| damaged())?)))
        };
        let mut summed = next_summed()?;
        let mut wanted = Some(from.0 / DAY).filter(|_| from <= to);
        while let Some(day) = wanted.filter(|day| *day <= last_day) {
            if cost >= limit.max(1) {
                page.next = Some(DeliveryPeriod(day * DAY).max(from));
                break;
            }
            // Days without anything are skipped.
            let day = match &summed {
                Some((summed, _)) if *summed == day => day,
                _ => {
                    let until = summed.as_ref().map_or(last_day, |(summed, _)| summed - 1);
                    match self.next_day_of_facts(owner, day, until)? {
                        Some(day) => day,
                        None if until == last_day => break,
                        None => until + 1,
                    }
                }
            };
            let span = (from.max(DeliveryPeriod(day * DAY)), to.min(last_of(day)));
            let kept = match &summed {
                Some((at, kept)) if *at == day && is_whole(span) && self.is_good(kept, day)? => Some(kept),
                _ => None,
            };
            match kept {
                Some(kept) => {
                    page.rows.extend(rows_of(&kept.pieces, span, self.final_periods(day)?));
                    (cost, page.days_found) = (cost + 1, page.days_found + 1);
                }
                None => {
                    let (statement, facts) = self.statement(meter, span)?;
                    let pieces = SummedDay::pieces_of(&statement);
                    page.rows.extend(rows_of(&pieces, span, self.final_periods(day)?));
                    cost += DAY_OF_FACTS.max(facts / FACTS_PER_COST);
                }
            }
            if summed.as_ref().is_some_and(|(at, _)| *at == day) {
                summed = next_summed()?;
            }
            wanted = day.checked_add(1);
        }
        Ok(page)
    }

    /// The first day on which an owner has facts, of those from one to another.
    fn next_day_of_facts(&self, owner: FactOwner, day: u32, until: u32) -> Result<Option<u32>, StoreError> {
        let (from, to) = (FactPlace::first_of(DeliveryPeriod(day * DAY)), last_of(until));
        Ok(self.facts_of(owner, from, to, 1)?.facts.first().map(|fact| fact.period.0 / DAY))
    }

    /// A bill out of facts, and of how many; what is final is not looked at.
    fn statement(
        &self,
        meter: MeterId,
        (from, to): (DeliveryPeriod, DeliveryPeriod),
    ) -> Result<(Statement, usize), StoreError> {
        let from = FactPlace::first_of(from);
        let mut facts = self.facts_of(FactOwner::Meter(meter), from, to, usize::MAX)?.facts;
        for area in areas_of(&facts) {
            facts.extend(self.facts_of(FactOwner::Area(area), from, to, usize::MAX)?.facts);
        }
        Ok((Statement::of(meter, facts.iter().filter_map(event_of)), facts.len()))
    }

    /// Whether sums were made by the prices that are known now.
    fn is_good(&self, kept: &SummedDay, day: u32) -> Result<bool, StoreError> {
        for (area, mended) in &kept.priced_by {
            if self.mended(*area, day)? != Some(*mended) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How often an area's prices of a day were mended since sums were made by them; none if none were.
    fn mended(&self, area: AreaId, day: u32) -> Result<Option<u32>, StoreError> {
        self.get(&sum_key(FactOwner::Area(area), day))?.map(|value| u32_from(&value)).transpose()
    }

    /// Which periods of a day are final, the first as the lowest bit.
    fn final_periods(&self, day: u32) -> Result<u128, StoreError> {
        let Some(value) = self.get(&sum_key(FactOwner::All, day))? else { return Ok(0) };
        value.as_ref().try_into().map(u128::from_be_bytes).map_err(|_| damaged())
    }

    fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>, StoreError> {
        self.db.get(key).map_err(index_error(&self.dir))
    }
}

/// Sums of the pieces that a span begins and ends with, for who asks.
fn rows_of(
    pieces: &BTreeMap<(u32, AccountId), SummedPiece>,
    (from, to): (DeliveryPeriod, DeliveryPeriod),
    final_periods: u128,
) -> impl Iterator<Item = SumRow> {
    let wanted = from.0 / PERIODS_PER_SUM..=to.0 / PERIODS_PER_SUM;
    pieces.iter().filter(move |((piece, _), _)| wanted.contains(piece)).map(move |((piece, account), summed)| {
        let first = piece * PERIODS_PER_SUM;
        // A piece's bits fit: a day is a whole number of pieces.
        let final_periods = final_periods >> (first % DAY);
        let not_final = (u128::from(summed.periods) & !final_periods).count_ones();
        let totals = StatementTotals { not_final, ..summed.totals };
        SumRow { first: DeliveryPeriod(first), account: *account, totals }
    })
}

/// Whether a span is a whole number of pieces.
fn is_whole((from, to): (DeliveryPeriod, DeliveryPeriod)) -> bool {
    from.0.is_multiple_of(PERIODS_PER_SUM) && (to.0 == u32::MAX || (to.0 + 1).is_multiple_of(PERIODS_PER_SUM))
}

/// The areas whose prices applied to a meter: those of its settlements.
fn areas_of(facts: &[FactRow]) -> BTreeSet<AreaId> {
    let settled = facts.iter().filter_map(|row| match &row.fact {
        Fact::Event(RecordEvent::MeterSettled(MeterSettled { contract, .. })) => Some(contract.area),
        _ => None,
    });
    settled.collect()
}

fn event_of(row: &FactRow) -> Option<(u64, &RecordEvent)> {
    match &row.fact {
        Fact::Event(event) => Some((row.seq, event)),
        Fact::Meters(_) => None,
    }
}

fn sum_key(owner: FactOwner, day: u32) -> Vec<u8> {
    key(Table::Sum, &[&owner.key(), &day.to_be_bytes()])
}

fn u32_from(value: &[u8]) -> Result<u32, StoreError> {
    value.try_into().map(u32::from_be_bytes).map_err(|_| damaged())
}
