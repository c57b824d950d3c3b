//! Going back.

use gridbook_engine::{AccountId, AreaId, DeliveryPeriod, MeterId, Money, OrderTag};

use super::{
    Account, Counters, EdgeIncome, EpochRow, Holder, MeterStatus, Name, Payable, PeriodTable, Position, Tables, index,
};
use crate::command::Offer;
use crate::defects::{Defect, omits};

/// How to take one change back.
#[derive(Clone, Debug)]
pub(super) enum Undo {
    Epoch(Box<EpochRow>),
    Counters(Box<Counters>),
    Account(Holder, Account),
    AccountAdded,
    Meter(MeterId, MeterStatus),
    MeterAdded,
    Period(DeliveryPeriod),
    PeriodDropped(DeliveryPeriod, Box<PeriodTable>),
    Position(DeliveryPeriod, MeterId, Position),
    Payable(DeliveryPeriod, AreaId, AccountId, Option<Payable>),
    Cleared(DeliveryPeriod, Money),
    Named(DeliveryPeriod, MeterId, u64),
    Name(MeterId, u64, Name),
    NameForgotten(MeterId, u64, Name),
    BlockAdded(OrderTag),
    BlockDropped(OrderTag, MeterId, u64),
    OfferAdded(MeterId, u64),
    OfferDropped(MeterId, Offer),
    Income(AreaId, Option<EdgeIncome>),
}

impl Tables {
    pub(in crate::state) fn place_in_journal(&self) -> u64 {
        self.journal.mark()
    }

    pub(in crate::state) fn forget(&mut self, mark: u64) {
        self.journal.forget(mark);
    }

    pub(in crate::state) fn undo_to(&mut self, mark: u64) {
        while let Some(undo) = self.journal.pop_after(mark) {
            self.undo(undo);
        }
    }

    fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Epoch(old) => self.epoch = *old,
            Undo::Counters(old) => {
                self.operator_touched |= old.operator_nonce != self.counters.operator_nonce;
                let totals = if omits(Defect::TotalsNotUndone) { self.counters.totals } else { old.totals };
                self.counters = Counters { totals, ..*old };
            }
            Undo::Account(Holder::System(account), old) => self.system[account as usize] = old,
            Undo::Account(Holder::User(account), old) => {
                self.stale_accounts.touch(account.0);
                self.accounts[index(account.0)] = old;
            }
            Undo::AccountAdded => {
                self.accounts.pop();
                self.owned.pop();
            }
            Undo::Meter(meter, old) => self.undo_meter(meter, old),
            Undo::MeterAdded => self.undo_add_meter(),
            Undo::Period(period) => {
                self.periods.remove(&period);
            }
            Undo::PeriodDropped(period, table) => {
                self.periods.insert(period, *table);
            }
            Undo::Position(period, meter, old) => self.table(period).positions[index(meter.0)] = old,
            Undo::Payable(period, area, account, old) => self.undo_payable(period, (area, account), old),
            Undo::Cleared(period, old) => self.table(period).cleared = old,
            Undo::Named(period, meter, client_id) => {
                self.table(period).names.pop();
                self.meters[index(meter.0)].names.remove(&client_id);
            }
            Undo::Name(meter, client_id, old) => {
                self.meters[index(meter.0)].names.insert(client_id, old);
            }
            Undo::NameForgotten(meter, client_id, old) => {
                self.table(old.period).names.push((meter, client_id));
                self.meters[index(meter.0)].names.insert(client_id, old);
            }
            Undo::BlockAdded(tag) => {
                self.blocks.remove(&tag);
            }
            Undo::BlockDropped(tag, meter, client_id) => {
                self.blocks.insert(tag, (meter, client_id));
            }
            Undo::OfferAdded(meter, client_id) => {
                self.offers.remove(&(meter, client_id));
            }
            Undo::OfferDropped(meter, offer) => {
                self.offers.insert((meter, offer.client_id), offer);
            }
            Undo::Income(area, Some(old)) => {
                self.edges.insert(area, old);
            }
            Undo::Income(area, None) => {
                self.edges.remove(&area);
            }
        }
    }

    fn undo_meter(&mut self, meter: MeterId, old: MeterStatus) {
        let status = &mut self.meters[index(meter.0)].status;
        if (old.suspended, old.nonce) != (status.suspended, status.nonce) {
            self.touched_meters.touch(meter.0);
        }
        let history = if omits(Defect::HistoryNotUndone) { status.history } else { old.history };
        *status = MeterStatus { history, ..old };
        self.stale_meters.touch(meter.0);
    }

    fn undo_add_meter(&mut self) {
        let meter = self.meters.pop().expect("it was added");
        self.keys.remove(&meter.facts.key);
        self.owned[index(meter.facts.account.0)].pop();
        self.unregistered.push(meter.facts.key);
    }

    fn undo_payable(&mut self, period: DeliveryPeriod, key: (AreaId, AccountId), old: Option<Payable>) {
        let payables = &mut self.table(period).payables;
        match old {
            Some(old) => payables.insert(key, old),
            None => payables.remove(&key),
        };
    }

    fn table(&mut self, period: DeliveryPeriod) -> &mut PeriodTable {
        self.periods.get_mut(&period).expect("a period whose change is undone exists")
    }
}
