//! Everything the state keeps besides the order books, in plain tables, each change of which can be taken back.
//!
//! Rows are read freely and changed only through the functions here, which note the old value in the journal and mark the
//! row's leaf of the state tree as stale.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use gridbook_engine::{AccountId, AreaId, DeliveryPeriod, Energy, LedgerTime, MeterId, Money, OrderId};

use super::collateral::CollateralRules;
use super::dirty::Dirty;
use super::journal::Journal;
use super::{SystemAccount, Totals};
use crate::crypto::{Hash, PairHasher, PublicKey};

/// One account, a user's or the system's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Account {
    /// What it has; negative only for the issuer.
    pub(super) balance: Money,
    /// How much of it is set aside for open orders and unsettled trades.
    pub(super) reserved: Money,
    /// Chain over the records that touched it.
    pub(super) history: Hash,
}

impl Account {
    /// What may still be spent.
    pub(super) fn free(&self) -> Money {
        self.balance - self.reserved
    }
}

/// What is fixed when a meter is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MeterFacts {
    pub(super) account: AccountId,
    pub(super) key: PublicKey,
    pub(super) area: AreaId,
    pub(super) import_max: Energy,
    pub(super) export_max: Energy,
}

/// What changes about a meter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MeterStatus {
    pub(super) suspended: bool,
    pub(super) nonce: u64,
    /// Chain over the records that touched it.
    pub(super) history: Hash,
}

/// One meter with the names of its orders.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    pub(super) facts: MeterFacts,
    pub(super) status: MeterStatus,
    /// Its client ids of contracts that are not over yet.
    pub(super) names: BTreeMap<u64, Name>,
}

/// What a client id stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) period: DeliveryPeriod,
    /// The engine's handle while the order rests.
    pub(super) order: Option<OrderId>,
}

/// What a meter has open and has traded in one period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) resting_buys: Energy,
    pub(super) resting_sells: Energy,
    pub(super) bought: Energy,
    pub(super) sold: Energy,
}

/// What an account is still owed, and keeps reserved, for its trades in one contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Payable {
    pub(super) owed: Money,
    pub(super) held: Money,
}

/// Everything that is forgotten when a period is over.
#[derive(Clone, Debug, Default)]
pub(super) struct PeriodTable {
    /// By meter number; short where the last meters have none.
    pub(super) positions: Vec<Position>,
    pub(super) payables: BTreeMap<(AreaId, AccountId), Payable>,
    /// Client ids to forget once the gate is swept.
    pub(super) names: Vec<(MeterId, u64)>,
    /// What was paid into clearing for this period and not paid out yet.
    pub(super) cleared: Money,
}

/// The few single values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) now: LedgerTime,
    pub(super) operator_nonce: u64,
    pub(super) totals: Totals,
}

/// An account of either kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holder {
    System(SystemAccount),
    User(AccountId),
}

/// How to take one change back.
#[derive(Clone, Debug)]
enum Undo {
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
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    pub(super) collateral: CollateralRules,
    counters: Counters,
    system: [Account; SystemAccount::COUNT],
    accounts: Vec<Account>,
    /// The meters of each account, ascending.
    owned: Vec<Vec<MeterId>>,
    meters: Vec<Meter>,
    keys: BTreeMap<PublicKey, MeterId>,
    periods: BTreeMap<DeliveryPeriod, PeriodTable>,
    journal: Journal<Undo>,
    /// Leaves of the state tree to be hashed again.
    pub(super) stale_accounts: Dirty,
    /// Leaves of the state tree to be hashed again.
    pub(super) stale_meters: Dirty,
    /// Meters whose standing at admission may have changed.
    pub(super) touched_meters: Dirty,
    /// Keys whose registration was rolled back.
    pub(super) unregistered: Vec<PublicKey>,
    /// Whether the operator's nonce may have changed.
    pub(super) operator_touched: bool,
}

impl Tables {
    pub(super) fn new(now: LedgerTime) -> Self {
        Self {
            collateral: CollateralRules::default(),
            counters: Counters { now, operator_nonce: 0, totals: Totals::default() },
            system: [Account::default(); SystemAccount::COUNT],
            accounts: Vec::new(),
            owned: Vec::new(),
            meters: Vec::new(),
            keys: BTreeMap::new(),
            periods: BTreeMap::new(),
            journal: Journal::default(),
            stale_accounts: Dirty::default(),
            stale_meters: Dirty::default(),
            touched_meters: Dirty::default(),
            unregistered: Vec::new(),
            operator_touched: true,
        }
    }
}

/// Reading.
impl Tables {
    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(super) fn system_accounts(&self) -> &[Account] {
        &self.system
    }

    pub(super) fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    pub(super) fn meters(&self) -> &[Meter] {
        &self.meters
    }

    pub(super) fn meter(&self, id: MeterId) -> Option<&Meter> {
        self.meters.get(index(id.0))
    }

    pub(super) fn meter_of(&self, key: &PublicKey) -> Option<MeterId> {
        self.keys.get(key).copied()
    }

    pub(super) fn meters_of(&self, account: AccountId) -> &[MeterId] {
        self.owned.get(index(account.0)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn account(&self, holder: Holder) -> Option<&Account> {
        match holder {
            Holder::System(account) => Some(&self.system[account as usize]),
            Holder::User(account) => self.accounts.get(index(account.0)),
        }
    }

    pub(super) fn periods(&self) -> &BTreeMap<DeliveryPeriod, PeriodTable> {
        &self.periods
    }

    pub(super) fn position(&self, period: DeliveryPeriod, meter: MeterId) -> Position {
        let positions = self.periods.get(&period).map_or(&[][..], |table| &table.positions);
        positions.get(index(meter.0)).copied().unwrap_or_default()
    }
}

/// Changing.
impl Tables {
    pub(super) fn set_counters(&mut self, counters: Counters) {
        self.journal.push(Undo::Counters(Box::new(self.counters)));
        self.operator_touched |= counters.operator_nonce != self.counters.operator_nonce;
        self.counters = counters;
    }

    pub(super) fn change_account(&mut self, holder: Holder, change: impl FnOnce(&mut Account)) {
        let account = match holder {
            Holder::System(account) => &mut self.system[account as usize],
            Holder::User(account) => {
                self.stale_accounts.touch(account.0);
                &mut self.accounts[index(account.0)]
            }
        };
        self.journal.push(Undo::Account(holder, *account));
        change(account);
    }

    /// Moves money: the only way in which a balance changes, so that all balances together are always zero.
    pub(super) fn post(&mut self, from: Holder, to: Holder, amount: Money) {
        assert!(amount >= Money::ZERO, "postings have a direction, amounts no sign");
        self.change_account(from, |account| account.balance -= amount);
        self.change_account(to, |account| account.balance += amount);
    }

    /// A buyer, or at a negative price a seller, pays for his part of a trade.
    pub(super) fn pay_in(&mut self, period: DeliveryPeriod, from: Holder, amount: Money) {
        self.post(from, Holder::System(SystemAccount::Clearing), amount);
        self.change_cleared(period, amount);
    }

    /// Clearing pays for what was delivered.
    pub(super) fn pay_out(&mut self, period: DeliveryPeriod, to: Holder, amount: Money) {
        self.post(Holder::System(SystemAccount::Clearing), to, amount);
        self.change_cleared(period, -amount);
    }

    fn change_cleared(&mut self, period: DeliveryPeriod, amount: Money) {
        let cleared = &mut self.period_mut(period).cleared;
        let old = *cleared;
        *cleared += amount;
        self.journal.push(Undo::Cleared(period, old));
    }

    pub(super) fn add_account(&mut self) -> AccountId {
        let id = AccountId(number(self.accounts.len()));
        self.accounts.push(Account::default());
        self.owned.push(Vec::new());
        self.stale_accounts.touch(id.0);
        self.journal.push(Undo::AccountAdded);
        id
    }

    pub(super) fn add_meter(&mut self, facts: MeterFacts) -> MeterId {
        let id = MeterId(number(self.meters.len()));
        self.meters.push(Meter { facts, status: MeterStatus::default(), names: BTreeMap::new() });
        self.keys.insert(facts.key, id);
        self.owned[index(facts.account.0)].push(id);
        self.stale_meters.touch(id.0);
        self.touched_meters.touch(id.0);
        self.journal.push(Undo::MeterAdded);
        id
    }

    /// Changes what decides whether a meter is let in.
    pub(super) fn change_standing(&mut self, meter: MeterId, change: impl FnOnce(&mut MeterStatus)) {
        self.touched_meters.touch(meter.0);
        self.change_meter(meter, change);
    }

    fn change_meter(&mut self, meter: MeterId, change: impl FnOnce(&mut MeterStatus)) {
        self.stale_meters.touch(meter.0);
        let status = &mut self.meters[index(meter.0)].status;
        self.journal.push(Undo::Meter(meter, *status));
        change(status);
    }

    /// Adds a record to the history of an account.
    pub(super) fn chain_account(&mut self, holder: Holder, record: &Hash) {
        self.change_account(holder, |account| account.history = chained(&account.history, record));
    }

    /// Adds a record to the history of a meter.
    pub(super) fn chain_meter(&mut self, meter: MeterId, record: &Hash) {
        self.change_meter(meter, |status| status.history = chained(&status.history, record));
    }

    fn period_mut(&mut self, period: DeliveryPeriod) -> &mut PeriodTable {
        self.periods.entry(period).or_insert_with(|| {
            self.journal.push(Undo::Period(period));
            PeriodTable::default()
        })
    }

    /// For a snapshot: a period with what was paid in for it.
    pub(super) fn open_period(&mut self, period: DeliveryPeriod, cleared: Money) {
        self.change_cleared(period, cleared);
    }

    pub(super) fn set_position(&mut self, period: DeliveryPeriod, meter: MeterId, position: Position) {
        let positions = &mut self.period_mut(period).positions;
        if positions.len() <= index(meter.0) {
            positions.resize(index(meter.0) + 1, Position::default());
        }
        let old = core::mem::replace(&mut positions[index(meter.0)], position);
        self.journal.push(Undo::Position(period, meter, old));
    }

    pub(super) fn add_payable(&mut self, period: DeliveryPeriod, area: AreaId, account: AccountId, more: Payable) {
        let payables = &mut self.period_mut(period).payables;
        let old = payables.get(&(area, account)).copied();
        let Payable { owed, held } = old.unwrap_or_default();
        payables.insert((area, account), Payable { owed: owed + more.owed, held: held + more.held });
        self.journal.push(Undo::Payable(period, area, account, old));
    }

    /// Takes the first payable of a period, by area and account.
    pub(super) fn pop_payable(&mut self, period: DeliveryPeriod) -> Option<(AreaId, AccountId, Payable)> {
        let ((area, account), payable) = self.periods.get_mut(&period)?.payables.pop_first()?;
        self.journal.push(Undo::Payable(period, area, account, Some(payable)));
        Some((area, account, payable))
    }

    pub(super) fn drop_period(&mut self, period: DeliveryPeriod) {
        if let Some(table) = self.periods.remove(&period) {
            self.journal.push(Undo::PeriodDropped(period, Box::new(table)));
        }
    }

    /// Gives a new order its name.
    pub(super) fn add_name(&mut self, meter: MeterId, client_id: u64, name: Name) {
        self.meters[index(meter.0)].names.insert(client_id, name);
        self.period_mut(name.period).names.push((meter, client_id));
        self.journal.push(Undo::Named(name.period, meter, client_id));
    }

    /// Notes where a named order rests now, if it does.
    pub(super) fn set_order(&mut self, meter: MeterId, client_id: u64, order: Option<OrderId>) {
        let names = &mut self.meters[index(meter.0)].names;
        let name = names.get_mut(&client_id).expect("an order has its name until its gate is swept");
        if name.order != order {
            self.journal.push(Undo::Name(meter, client_id, *name));
            name.order = order;
        }
    }

    /// Forgets the newest name of a period; tells whether there was one.
    pub(super) fn forget_name(&mut self, period: DeliveryPeriod) -> bool {
        let Some(table) = self.periods.get_mut(&period) else { return false };
        let Some((meter, client_id)) = table.names.pop() else { return false };
        let names = &mut self.meters[index(meter.0)].names;
        let name = names.remove(&client_id).expect("listed names exist");
        assert!(name.order.is_none(), "a name is forgotten only when its order is over");
        self.journal.push(Undo::NameForgotten(meter, client_id, name));
        true
    }
}

/// Going back.
impl Tables {
    pub(super) fn place_in_journal(&self) -> u64 {
        self.journal.mark()
    }

    pub(super) fn forget(&mut self, mark: u64) {
        self.journal.forget(mark);
    }

    pub(super) fn undo_to(&mut self, mark: u64) {
        while let Some(undo) = self.journal.pop_after(mark) {
            self.undo(undo);
        }
    }

    fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Counters(old) => {
                self.operator_touched |= old.operator_nonce != self.counters.operator_nonce;
                self.counters = *old;
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
        }
    }

    fn undo_meter(&mut self, meter: MeterId, old: MeterStatus) {
        let status = &mut self.meters[index(meter.0)].status;
        if (old.suspended, old.nonce) != (status.suspended, status.nonce) {
            self.touched_meters.touch(meter.0);
        }
        *status = old;
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

static HISTORY: LazyLock<PairHasher> = LazyLock::new(|| PairHasher::new("gridbook/history/1"));

fn chained(head: &Hash, record: &Hash) -> Hash {
    HISTORY.join(head, record)
}

/// A registration number as a place in a table.
pub(super) fn index(number: u32) -> usize {
    usize::try_from(number).expect("usize holds 32 bits")
}

/// A place in a table as a registration number.
fn number(index: usize) -> u32 {
    u32::try_from(index).expect("the registry is full only after four billion entries")
}
