//! What is kept of one delivery period, from its first order until it is final (MARKET section 2).

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use gridbook_engine::{AccountId, AreaId, Energy, EnergySources, MeterId, Money, Price, Side};

use super::agenda::Awaits;
use super::by_meter::ByMeter;
use crate::settlement::{AreaFault, AreaSums, Delivery, Quality, Residual};

/// What a meter has open and has traded in one period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::state) struct Position {
    pub(in crate::state) resting_buys: Energy,
    pub(in crate::state) resting_sells: Energy,
    pub(in crate::state) bought: Energy,
    pub(in crate::state) sold: Energy,
    /// What clearing owes its account for these trades.
    pub(in crate::state) owed: Money,
    /// What its account keeps reserved for them until they are settled.
    pub(in crate::state) held: Money,
    /// Its latest trade in the period's list, counted from 1; 0 for none.
    pub(in crate::state) last_trade: u32,
}

/// One trade of a period. Each names the trade before it of either side's meter, so that a meter's trades are found without a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::state) struct TradeRow {
    /// The command that set it off.
    pub(in crate::state) seq: u64,
    pub(in crate::state) energy: Energy,
    pub(in crate::state) buyer: MeterId,
    pub(in crate::state) seller: MeterId,
    /// Per kWh, fees included.
    pub(in crate::state) buyer_pays: Price,
    /// Per kWh, fees taken off.
    pub(in crate::state) seller_gets: Price,
    /// What the seller delivers.
    pub(in crate::state) sources: EnergySources,
    /// The buyer's trade before this one, counted from 1; 0 for none.
    pub(in crate::state) buyer_before: u32,
    /// The seller's trade before this one.
    pub(in crate::state) seller_before: u32,
}

impl TradeRow {
    /// Which side a meter of the two has.
    pub(in crate::state) fn side_of(&self, meter: MeterId) -> Side {
        if self.buyer == meter { Side::Buy } else { Side::Sell }
    }

    /// The trade before this one of a meter of the two.
    pub(in crate::state) fn before_of(&self, meter: MeterId) -> u32 {
        match self.side_of(meter) {
            Side::Buy => self.buyer_before,
            Side::Sell => self.seller_before,
        }
    }
}

/// What is said of a contract, and how far its settlement has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::state) struct ContractRow {
    /// The imbalance prices for short and long, where they were set.
    pub(in crate::state) prices: Option<(Price, Price)>,
    /// The price of its last auction in which energy was accepted.
    pub(in crate::state) auction: Option<Price>,
    /// Its trades on the market between accounts of different organisations, each price within the bounds of the genesis: money and energy.
    pub(in crate::state) traded: Money,
    pub(in crate::state) traded_wh: u64,
    /// What flowed up the area's edge, as its operator has metered it; for the root, to the grid upstream.
    pub(in crate::state) sent_up_wh: Option<i64>,
    /// Losses in Wh that its operator answers for, though they are beyond the genesis' bound.
    pub(in crate::state) accepted_wh: Option<i64>,
    /// What its trades send to other areas, less what they bring in.
    pub(in crate::state) exchange_wh: i128,
    pub(in crate::state) stage: AreaStage,
    /// Of its meters, once they are added up.
    pub(in crate::state) sums: AreaSums,
    /// What its meters gave out and took in together.
    pub(in crate::state) exported_wh: u128,
    pub(in crate::state) imported_wh: u128,
    /// What the imbalance account holds for it: nothing before its meters are charged, and nothing after it is closed.
    pub(in crate::state) imbalance: Money,
}

impl Default for ContractRow {
    fn default() -> Self {
        Self {
            prices: None,
            auction: None,
            traded: Money::ZERO,
            traded_wh: 0,
            sent_up_wh: None,
            accepted_wh: None,
            exchange_wh: 0,
            stage: AreaStage::Open,
            sums: AreaSums::new(0),
            exported_wh: 0,
            imported_wh: 0,
            imbalance: Money::ZERO,
        }
    }
}

impl ContractRow {
    /// Adds what a meter gave out and took in.
    pub(in crate::state) fn count(&mut self, delivery: Delivery) {
        self.exported_wh += u128::from(delivery.export.0);
        self.imported_wh += u128::from(delivery.import.0);
    }

    /// What a meter is known to have given out and taken in was something else.
    pub(in crate::state) fn count_again(&mut self, old: Delivery, new: Delivery) {
        self.exported_wh -= u128::from(old.export.0);
        self.imported_wh -= u128::from(old.import.0);
        self.count(new);
    }
}

/// How far the settlement of one contract has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::state) enum AreaStage {
    /// Its meters' sums are being added up, or not even that.
    #[default]
    Open,
    /// Its sums are good: its meters are being paid.
    Good,
    /// Its sums contradict each other: nobody is paid until that is mended.
    Frozen(AreaFault),
    /// All is paid.
    Settled {
        /// What its virtual meter showed as far as was known: what its accounts were closed by.
        residual: Residual,
    },
}

impl AreaStage {
    /// Whether all is paid.
    pub(in crate::state) fn is_settled(self) -> bool {
        matches!(self, Self::Settled { .. })
    }
}

/// How far the settlement of a period has come (MARKET section 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::state) enum Stage {
    /// It is traded or delivered, or readings are waited for.
    #[default]
    Open,
    /// The sums of areas are added up; this meter is next.
    Adding(u32),
    /// Each area's sums are looked at; this area is next.
    Checking(u32),
    /// Meters of good areas are paid and charged; this meter is next.
    Paying(u32),
    /// Each good area's own accounts are settled; this area is next.
    Closing(u32),
    /// Waits to become final; corrections may come.
    Settled,
}

/// What others bore of a meter's charge because its account had not enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::state) struct Borne {
    /// The operator of the area, who bills it.
    pub(in crate::state) billed: Money,
    /// The default account.
    pub(in crate::state) defaulted: Money,
}

/// What a meter is settled by in one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::state) struct DeliveryRow {
    /// Whose it was then.
    pub(in crate::state) account: AccountId,
    pub(in crate::state) delivery: Delivery,
    pub(in crate::state) quality: Quality,
}

/// Everything that is forgotten when a period is final.
#[derive(Clone, Debug, Default)]
pub(in crate::state) struct PeriodTable {
    pub(in crate::state) stage: Stage,
    pub(in crate::state) positions: ByMeter<Position>,
    /// Oldest first.
    pub(in crate::state) trades: Vec<TradeRow>,
    /// The numbers of all meters that traded are below this. Lengths of lists say nothing: they depend on what was rolled back.
    pub(in crate::state) traders: u32,
    /// Client ids to forget once the gate is swept.
    pub(in crate::state) names: Vec<(MeterId, u64)>,
    /// What was paid into clearing for this period and not paid out yet.
    pub(in crate::state) cleared: Money,
    contracts: BTreeMap<AreaId, ContractRow>,
    /// What the contracts come to.
    pub(in crate::state) tally: Tally,
    /// What follows from all of this: what the period waits for.
    pub(super) awaits: Awaits,
    /// Empty until sums are added up.
    pub(in crate::state) deliveries: ByMeter<Option<DeliveryRow>>,
    /// What others bore of what meters were charged.
    pub(in crate::state) borne: BTreeMap<MeterId, Borne>,
    /// Meters whose corrections wait until the losses that they would make fit.
    pub(in crate::state) held_back: BTreeSet<MeterId>,
    /// Meters whose failure to deliver was counted: of each period at most one is.
    pub(in crate::state) failed: BTreeSet<MeterId>,
}

/// How many contracts of a period are such that others ask for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::state) struct Tally {
    /// Their sums contradict each other.
    pub(in crate::state) frozen: usize,
    /// Their sums are good, and their meters are to be paid.
    pub(in crate::state) good: usize,
    /// Somebody has read the area's edge.
    pub(in crate::state) read: usize,
}

impl Tally {
    pub(in crate::state) fn of<'a>(rows: impl IntoIterator<Item = &'a ContractRow>) -> Self {
        rows.into_iter().fold(Self::default(), |sum, row| {
            let Self { frozen, good, read } = Self::of_one(row);
            Self { frozen: sum.frozen + frozen, good: sum.good + good, read: sum.read + read }
        })
    }

    fn of_one(row: &ContractRow) -> Self {
        let is_frozen = matches!(row.stage, AreaStage::Frozen(_));
        Self {
            frozen: usize::from(is_frozen),
            good: usize::from(row.stage == AreaStage::Good),
            read: usize::from(row.sent_up_wh.is_some()),
        }
    }
}

impl PeriodTable {
    /// What is said of an area's contract.
    pub(in crate::state) fn contract(&self, area: AreaId) -> ContractRow {
        self.contracts.get(&area).copied().unwrap_or_default()
    }

    /// What is said of each contract of which anything is said.
    pub(in crate::state) fn contracts(&self) -> &BTreeMap<AreaId, ContractRow> {
        &self.contracts
    }

    /// Changes a contract's row; what was there before.
    pub(super) fn change_contract(
        &mut self,
        area: AreaId,
        change: impl FnOnce(&mut ContractRow),
    ) -> Option<ContractRow> {
        let (old, row) = match self.contracts.entry(area) {
            Entry::Vacant(place) => (None, place.insert(ContractRow::default())),
            Entry::Occupied(row) => (Some(*row.get()), row.into_mut()),
        };
        change(row);
        let come = Tally::of_one(row);
        self.recount(&old, come);
        old
    }

    /// The way back.
    pub(super) fn put_contract(&mut self, area: AreaId, row: Option<ContractRow>) {
        let gone = match row {
            Some(row) => self.contracts.insert(area, row),
            None => self.contracts.remove(&area),
        };
        self.recount(&gone, Tally::of(&row));
    }

    fn recount(&mut self, gone: &Option<ContractRow>, come: Tally) {
        let gone = Tally::of(gone);
        self.tally.frozen = self.tally.frozen + come.frozen - gone.frozen;
        self.tally.good = self.tally.good + come.good - gone.good;
        self.tally.read = self.tally.read + come.read - gone.read;
    }

    pub(in crate::state) fn position(&self, meter: MeterId) -> Position {
        self.positions.get(meter)
    }

    /// Meters from this number on have no delivery.
    pub(in crate::state) fn meters_delivering(&self) -> u32 {
        self.deliveries.rows().next_back().map_or(0, |(last, _)| last.0 + 1)
    }

    pub(in crate::state) fn delivery(&self, meter: MeterId) -> Option<DeliveryRow> {
        self.deliveries.get(meter)
    }

    /// A meter's trades, newest first.
    pub(in crate::state) fn trades_of(&self, meter: MeterId) -> impl Iterator<Item = &TradeRow> + '_ {
        let mut next = self.position(meter).last_trade;
        core::iter::from_fn(move || {
            let row = self.trades.get(super::index(next.checked_sub(1)?)).expect("a trade that is named exists");
            next = row.before_of(meter);
            Some(row)
        })
    }
}
