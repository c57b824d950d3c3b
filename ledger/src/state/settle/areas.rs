//! One area in one period: whether its sums hold, and what closes its imbalance account (MARKET section 7, rule 8).
//!
//! **Losses** are what the area's virtual meter shows ([`Residual`]): what its meters gave and what came up from the areas below, less what
//! went up over its own edge. Every area of a metered ledger has one, also where there is no meter of anybody's.

use std::collections::BTreeMap;

use gridbook_engine::{AreaId, Contract, DeliveryPeriod, Energy, Money};

use super::super::State;
use super::super::tables::{AreaStage, ContractRow, Holder, Stage, index};
use super::end_of_slice;
use crate::record::{AreaResidual, AreaSettled, RecordEvent};
use crate::settlement::{AreaClose, AreaFault, AreaSums, ImbalancePrices, Reference, Residual};
use crate::state::{PPM, SystemAccount};

/// What flows physically, by area, of those of which it was asked: the areas below it and its own edge.
pub(super) type Flows = BTreeMap<AreaId, Flow>;

/// One area's part of what flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flow {
    /// What its virtual meter shows.
    residual: Residual,
    /// What crossed the edges directly below it, whichever way it went, in Wh.
    crossing_wh: u128,
}

/// How a settled area was closed: its accounts, and what its virtual meter showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) accounts: AreaClose,
    pub(super) residual: Residual,
}

impl State {
    /// The imbalance prices of a contract, with what its market said the energy was worth.
    pub(in crate::state) fn imbalance_prices(&self, contract: Contract) -> ImbalancePrices {
        let row = self.tables.contract(contract);
        let (short_price, long_price) = row.prices.unwrap_or((self.settlement.short_price, self.settlement.long_price));
        let prices = ImbalancePrices::new(short_price, long_price, &self.settlement)
            .expect("they were checked when they were set");
        let mean = || Reference::mean(row.traded, Energy(row.traded_wh));
        prices.with_reference(row.auction.map_or_else(mean, Reference::Auction))
    }

    /// Looks at up to `max` areas.
    pub(super) fn check_areas(
        &mut self,
        period: DeliveryPeriod,
        from: u32,
        max: usize,
        events: &mut Vec<RecordEvent>,
    ) -> usize {
        let mut flows = Flows::new();
        let until = end_of_slice(from, max, self.engine.areas().into());
        for area in area_numbers(from, until) {
            let contract = Contract { area, period };
            let is_known = self.tables.periods()[&period].contracts().contains_key(&area);
            let row = self.tables.contract(contract);
            if row.stage != AreaStage::Open || !(is_known || self.settlement.metering) {
                continue;
            }
            let stage = match self.close_of(contract, &row, &mut flows) {
                Ok(_) => AreaStage::Good,
                Err(why) => {
                    events.push(RecordEvent::AreaFrozen { contract, why });
                    AreaStage::Frozen(why)
                }
            };
            self.tables.change_contract(contract, |row| row.stage = stage);
        }
        let is_done = until >= u32::from(self.engine.areas());
        let next = match is_done {
            false => Stage::Checking(until),
            // A frozen area that was looked at for nothing costs no walk over all meters.
            true if self.tables.periods()[&period].tally.good == 0 => Stage::Closing(0),
            true => Stage::Paying(0),
        };
        self.tables.set_stage(period, next);
        index(until - from).max(1)
    }

    /// Closes the imbalance accounts of up to `max` areas.
    pub(super) fn close_areas(
        &mut self,
        period: DeliveryPeriod,
        from: u32,
        max: usize,
        events: &mut Vec<RecordEvent>,
    ) -> usize {
        let mut flows = Flows::new();
        let until = end_of_slice(from, max, self.engine.areas().into());
        for area in area_numbers(from, until) {
            let contract = Contract { area, period };
            let row = self.tables.contract(contract);
            if row.stage != AreaStage::Good {
                continue;
            }
            let close =
                self.close_of(contract, &row, &mut flows).expect("its sums were checked, and nothing was added since");
            assert_eq!(close.accounts.charges, row.imbalance, "its meters were charged what was added up");
            self.post_close(contract, &close.accounts);
            // Where there was nothing to close, nothing but its virtual meter is told.
            if row != (ContractRow { stage: AreaStage::Good, ..ContractRow::default() }) {
                events.push(RecordEvent::AreaSettled(self.area_settled(contract, &close.accounts)));
            }
            self.note_residual(contract, close.residual, events);
            self.close_above_again(contract, &mut flows, events);
        }
        let is_done = until >= u32::from(self.engine.areas());
        self.tables.set_stage(period, if is_done { Stage::Settled } else { Stage::Closing(until) });
        if is_done {
            // What did not fit before may fit what is known now.
            self.tables.bring_back(period);
            self.look_at_frozen(period, area_numbers(0, self.engine.areas().into()), events);
        }
        index(until - from).max(1)
    }

    /// What the virtual meter of a settled area shows is kept, and told.
    pub(super) fn note_residual(&mut self, contract: Contract, residual: Residual, events: &mut Vec<RecordEvent>) {
        self.tables.change_contract(contract, |row| row.stage = AreaStage::Settled { residual });
        if self.settlement.metering {
            events.push(RecordEvent::AreaResidual(AreaResidual { contract, residual }));
        }
    }

    /// What closed the imbalance account of an area that is settled, whatever is known of its losses since.
    pub(super) fn closed(&self, contract: Contract, row: &ContractRow) -> Option<Closed> {
        let AreaStage::Settled { residual } = row.stage else { return None };
        let accounts = self.closing(contract, row, &residual);
        Some(Closed {
            accounts: accounts.expect("it was closed like that, and its losses are not looked at again"),
            residual,
        })
    }

    /// What closes the imbalance account of an area whose losses are taken to be right.
    pub(in crate::state) fn closing(
        &self,
        contract: Contract,
        row: &ContractRow,
        residual: &Residual,
    ) -> Result<AreaClose, AreaFault> {
        let sums = AreaSums { exchange_wh: row.exchange_wh, ..row.sums };
        // Whoever answers for losses answers for readings that contradict each other: what they show too much is nobody's energy.
        let losses_wh = residual.losses_wh().max(if row.accepted_wh.is_some() { 0 } else { i128::MIN });
        sums.close(&self.imbalance_prices(contract), losses_wh, PPM, u128::MAX)
    }

    /// What closes an area's imbalance account. What flows is worked out as far as that asks for it.
    pub(super) fn close_of(
        &self,
        contract: Contract,
        row: &ContractRow,
        flows: &mut Flows,
    ) -> Result<Closed, AreaFault> {
        let Flow { residual, crossing_wh } = self.flow(contract, flows);
        let throughput = row.exported_wh.max(row.imported_wh).saturating_add(crossing_wh);
        let sums = AreaSums { exchange_wh: row.exchange_wh, ..row.sums };
        let (prices, losses_wh) = (self.imbalance_prices(contract), residual.losses_wh());
        let (bound_ppm, throughput) = match row.accepted_wh.map(i128::from) {
            Some(accepted_wh) if losses_wh.clamp(accepted_wh.min(0), accepted_wh.max(0)) == losses_wh => {
                (PPM, u128::MAX)
            }
            _ => (self.settlement.loss_bound_ppm, throughput),
        };
        sums.close(&prices, losses_wh, bound_ppm, throughput)?;
        Ok(Closed { accounts: self.closing(contract, row, &residual)?, residual })
    }

    /// Frozen areas of a period that is settled otherwise: what is known now of those below them may make them good, or their losses others.
    pub(super) fn look_at_frozen(
        &mut self,
        period: DeliveryPeriod,
        areas: impl IntoIterator<Item = AreaId>,
        events: &mut Vec<RecordEvent>,
    ) {
        if self.tables.periods()[&period].tally.frozen == 0 {
            return;
        }
        let mut flows = Flows::new();
        for area in areas {
            let contract = Contract { area, period };
            let row = self.tables.contract(contract);
            let AreaStage::Frozen(known) = row.stage else { continue };
            match self.close_of(contract, &row, &mut flows) {
                Ok(_) => self.look_again(contract),
                Err(why) if why == known => {}
                Err(why) => {
                    events.push(RecordEvent::AreaFrozen { contract, why });
                    self.tables.change_contract(contract, |row| row.stage = AreaStage::Frozen(why));
                }
            }
        }
    }

    /// The sums of a frozen area are looked at once more, as they are.
    pub(in crate::state) fn look_again(&mut self, contract: Contract) {
        self.tables.change_contract(contract, |row| row.stage = AreaStage::Open);
        self.tables.set_stage(contract.period, Stage::Checking(0));
        self.ask_plants_again(contract.period);
    }

    /// Moves the money that leaves the imbalance account at nothing.
    pub(super) fn post_close(&mut self, contract: Contract, close: &AreaClose) {
        let imbalance = Holder::System(SystemAccount::Imbalance);
        let (upstream, grid) = (Holder::System(SystemAccount::Upstream), Holder::System(SystemAccount::Grid));
        let losses = Holder::System(SystemAccount::Losses);
        self.transfer(grid, losses, close.losses);
        self.transfer(losses, imbalance, close.losses);
        self.transfer(imbalance, upstream, close.upstream);
        self.transfer(imbalance, grid, close.surplus);
        if (close.losses, close.surplus) != (Money::ZERO, Money::ZERO) {
            self.tables.change_income(contract.area, |income| {
                income.losses += close.losses;
                income.surplus += close.surplus;
            });
        }
        self.tables.change_contract(contract, |row| {
            row.imbalance = row.imbalance + close.losses - close.upstream - close.surplus;
        });
        assert_eq!(
            self.tables.contract(contract).imbalance,
            Money::ZERO,
            "closing leaves nothing on the imbalance account"
        );
    }

    /// Money moves, the other way if it is less than nothing.
    fn transfer(&mut self, from: Holder, to: Holder, amount: Money) {
        if amount > Money::ZERO {
            self.tables.post(from, to, amount);
        } else if amount < Money::ZERO {
            self.tables.post(to, from, -amount);
        }
    }

    pub(super) fn area_settled(&self, contract: Contract, close: &AreaClose) -> AreaSettled {
        let row = self.tables.contract(contract);
        let prices = self.imbalance_prices(contract);
        AreaSettled {
            contract,
            short_price: prices.short_price(),
            long_price: prices.long_price(),
            short_rest: prices.short_rest(),
            long_rest: prices.long_rest(),
            net_wh: row.sums.net_wh,
            contracted_wh: row.sums.contracted_wh,
            losses_wh: close.losses_wh,
            upstream: close.upstream,
            losses: close.losses,
            surplus: close.surplus,
        }
    }

    /// What flows in an area: its children's edges as they were read, and where one was not, what there is to flow below it. `flows` has what
    /// was worked out already.
    fn flow(&self, contract: Contract, flows: &mut Flows) -> Flow {
        let Contract { area, period } = contract;
        if let Some(flow) = flows.get(&area) {
            return *flow;
        }
        let (metering, row) = (self.settlement.metering, self.tables.contract(contract));
        let (mut below_wh, mut crossing_wh, mut is_read_below) = (0, 0_u128, true);
        for child in self.engine.network().below(area) {
            let child = Contract { area: *child, period };
            let read = self.tables.contract(child).sent_up_wh;
            let sent_up_wh = match read.filter(|_| metering) {
                Some(read) => read.into(),
                None => self.flow(child, flows).residual.sent_up_wh,
            };
            below_wh += sent_up_wh;
            crossing_wh = crossing_wh.saturating_add(sent_up_wh.unsigned_abs());
            is_read_below &= read.is_some();
        }
        let residual = match metering {
            true => Residual::new(row.sums.net_wh, below_wh, is_read_below, row.sent_up_wh),
            false => Residual::as_traded(row.sums.net_wh, below_wh),
        };
        let flow = Flow { residual, crossing_wh };
        flows.insert(area, flow);
        flow
    }
}

fn area_numbers(from: u32, until: u32) -> impl Iterator<Item = AreaId> {
    (from..until).map(|area| AreaId(u16::try_from(area).expect("areas have 16-bit numbers")))
}
