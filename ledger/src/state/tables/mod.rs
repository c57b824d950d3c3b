//! Everything the state keeps besides the order books, in plain tables, each change of which can be taken back.
//!
//! Rows are read freely and changed only through the functions here, which note the old value in the journal and mark the
//! row's leaf of the state tree as stale.

mod agenda;
mod by_meter;
mod certificates;
mod changes;
mod conduct;
mod consent;
mod debts;
mod former;
mod keys;
mod periods;
mod registry;
mod rows;
mod undo;

pub(super) use agenda::{Agenda, Awaits};
pub(super) use certificates::{CertificateTable, Certified, CertifiedState};
pub(super) use conduct::ConductTable;
pub(super) use consent::ConsentTable;
pub(super) use former::{Former, FormerFacts};
pub(super) use periods::{AreaStage, Borne, ContractRow, DeliveryRow, PeriodTable, Position, Stage, Tally, TradeRow};
pub(super) use rows::{
    Access, Account, AreaIncome, Counters, EpochRow, Holder, KeyUse, Meter, MeterFacts, MeterStatus, Name,
};
pub(super) use rows::{Organisation, ReadingRow, ReadingTable, Standing};

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use gridbook_engine::{AccountId, AreaId, Contract, DeliveryPeriod, LedgerTime, MeterId, Money, OrderTag};

use self::keys::Keys;
use self::undo::Undo;
use super::collateral::{Collateral, CollateralRules};
use super::dirty::Dirty;
use super::journal::Journal;
use super::{LastBundle, SystemAccount, Totals};
use crate::command::Offer;
use crate::crypto::{Hash, PublicKey};
use crate::origin::{ChargeBalance, IssuerCounts};
use crate::record::history_head;
use crate::registry::OrganisationId;
use crate::settlement::Registers;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    collateral: CollateralRules,
    /// Whether this ledger reads meters.
    metering: bool,
    epoch: EpochRow,
    counters: Counters,
    system: [Account; SystemAccount::COUNT],
    accounts: Vec<Account>,
    /// All balances together, kept as they change. Follows from their rows.
    balances: Money,
    /// The meters of each account, ascending.
    owned: Vec<Vec<MeterId>>,
    meters: Vec<Meter>,
    organisations: Vec<Organisation>,
    keys: Keys,
    periods: BTreeMap<DeliveryPeriod, PeriodTable>,
    agenda: Agenda,
    /// Blocks that wait for their auction, by the engine's tag: their names.
    blocks: BTreeMap<OrderTag, (MeterId, u64)>,
    /// Offers that wait for their answer, by their names.
    offers: BTreeMap<(MeterId, u64), Offer>,
    /// What areas, and the edges above them, have brought their operators and cost them.
    incomes: BTreeMap<AreaId, AreaIncome>,
    /// Registers at the ends of periods.
    readings: BTreeMap<DeliveryPeriod, ReadingTable>,
    /// How many meters are revoked. Follows from their rows.
    revoked_meters: u32,
    /// What meters took in, in periods that are final: by meter number, in Wh and one more; 0 where it is not known.
    imports: BTreeMap<DeliveryPeriod, Vec<u32>>,
    /// Settled meters whose readings were corrected since.
    corrections: BTreeSet<(DeliveryPeriod, MeterId)>,
    /// What meters were before, where that can still matter.
    former_facts: FormerFacts,
    conduct: ConductTable,
    consent: ConsentTable,
    /// What the default account has paid in the place of accounts, and not had back.
    debts: BTreeMap<AccountId, Money>,
    /// Certificates of origin of periods that are settled and not final yet.
    certificates: BTreeMap<DeliveryPeriod, CertificateTable>,
    /// How many certificates each area has issued, and what became of them.
    issuers: BTreeMap<AreaId, IssuerCounts>,
    journal: Journal<Undo>,
    /// Leaves of the state tree to be hashed again.
    pub(super) stale_accounts: Dirty,
    /// Leaves of the state tree to be hashed again.
    pub(super) stale_meters: Dirty,
    /// Leaves of the state tree to be hashed again.
    pub(super) stale_organisations: Dirty,
    /// Meters whose standing at admission may have changed.
    pub(super) touched_meters: Dirty,
    /// The same of organisations.
    pub(super) touched_organisations: Dirty,
    /// Keys that came to somebody or left him, also by a rollback.
    pub(super) touched_keys: Vec<PublicKey>,
    /// Whether the operator's nonce may have changed.
    pub(super) operator_touched: bool,
}

impl Tables {
    pub(super) fn new(now: LedgerTime, epoch: EpochRow, collateral: CollateralRules, metering: bool) -> Self {
        Self {
            collateral,
            metering,
            epoch,
            counters: Counters { now, operator_nonce: 0, totals: Totals::default() },
            system: [Account::new(&collateral.shares); SystemAccount::COUNT],
            accounts: Vec::new(),
            balances: Money::ZERO,
            owned: Vec::new(),
            meters: Vec::new(),
            organisations: Vec::new(),
            keys: Keys::default(),
            periods: BTreeMap::new(),
            agenda: Agenda::default(),
            blocks: BTreeMap::new(),
            offers: BTreeMap::new(),
            incomes: BTreeMap::new(),
            readings: BTreeMap::new(),
            revoked_meters: 0,
            imports: BTreeMap::new(),
            corrections: BTreeSet::new(),
            former_facts: FormerFacts::default(),
            conduct: ConductTable::default(),
            consent: ConsentTable::default(),
            debts: BTreeMap::new(),
            certificates: BTreeMap::new(),
            issuers: BTreeMap::new(),
            journal: Journal::default(),
            stale_accounts: Dirty::default(),
            stale_meters: Dirty::default(),
            stale_organisations: Dirty::default(),
            touched_meters: Dirty::default(),
            touched_organisations: Dirty::default(),
            touched_keys: Vec::new(),
            operator_touched: true,
        }
    }
}

/// Reading.
impl Tables {
    pub(super) fn epoch(&self) -> &EpochRow {
        &self.epoch
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(super) fn system_accounts(&self) -> &[Account] {
        &self.system
    }

    pub(super) fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// All balances together.
    pub(super) fn balances(&self) -> Money {
        self.balances
    }

    pub(super) fn meters(&self) -> &[Meter] {
        &self.meters
    }

    pub(super) fn meter(&self, id: MeterId) -> Option<&Meter> {
        self.meters.get(index(id.0))
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

    /// What may still be spent of an account; nothing of one that is not there.
    pub(super) fn free_of(&self, holder: Holder) -> Money {
        self.account(holder).map_or(Money::ZERO, |account| account.free().max(Money::ZERO))
    }

    pub(super) fn collateral(&self) -> &CollateralRules {
        &self.collateral
    }

    /// What an account's orders must be covered by, at its conduct of now.
    pub(super) fn collateral_of(&self, account: AccountId) -> Collateral {
        let row = self.account(Holder::User(account));
        self.collateral.at(row.map_or(self.collateral.shares.worst_ppm, |row| row.share_ppm))
    }

    pub(super) fn periods(&self) -> &BTreeMap<DeliveryPeriod, PeriodTable> {
        &self.periods
    }

    pub(super) fn blocks(&self) -> &BTreeMap<OrderTag, (MeterId, u64)> {
        &self.blocks
    }

    pub(super) fn offers(&self) -> &BTreeMap<(MeterId, u64), Offer> {
        &self.offers
    }

    pub(super) fn incomes(&self) -> &BTreeMap<AreaId, AreaIncome> {
        &self.incomes
    }

    pub(super) fn readings(&self) -> &BTreeMap<DeliveryPeriod, ReadingTable> {
        &self.readings
    }

    pub(super) fn imports(&self) -> &BTreeMap<DeliveryPeriod, Vec<u32>> {
        &self.imports
    }

    pub(super) fn corrections(&self) -> &BTreeSet<(DeliveryPeriod, MeterId)> {
        &self.corrections
    }

    pub(super) fn conduct(&self) -> &ConductTable {
        &self.conduct
    }

    pub(super) fn consent(&self) -> &ConsentTable {
        &self.consent
    }

    pub(super) fn position(&self, period: DeliveryPeriod, meter: MeterId) -> Position {
        self.periods.get(&period).map_or_else(Position::default, |table| table.position(meter))
    }

    pub(super) fn contract(&self, contract: Contract) -> ContractRow {
        self.periods.get(&contract.period).map_or_else(ContractRow::default, |table| table.contract(contract.area))
    }

    /// How many meters are revoked.
    pub(super) fn revoked_meters(&self) -> u32 {
        self.revoked_meters
    }

    /// The registers of a meter at the end of a period.
    pub(super) fn registers(&self, period: DeliveryPeriod, meter: MeterId) -> Option<Registers> {
        self.reading(period, meter).map(|row| row.registers)
    }

    /// The same, with who said so.
    pub(super) fn reading(&self, period: DeliveryPeriod, meter: MeterId) -> Option<ReadingRow> {
        self.readings.get(&period)?.of(meter)
    }
}

/// Changing.
impl Tables {
    pub(super) fn set_epoch(&mut self, epoch: EpochRow) {
        let old = core::mem::replace(&mut self.epoch, epoch);
        self.journal.push(Undo::Epoch(Box::new(old)));
    }

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
        let before = *account;
        change(account);
        self.balances += account.balance - before.balance;
        self.journal.push(Undo::Account(holder, before));
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

    /// An edge's operator takes his part of what was paid in.
    pub(super) fn collect_for(&mut self, area: AreaId, period: DeliveryPeriod, fees: Money, rent: Money) {
        self.pay_out(period, Holder::System(SystemAccount::Grid), fees + rent);
        self.change_income(area, |income| {
            income.fees += fees;
            income.rent += rent;
        });
    }

    pub(super) fn change_income(&mut self, area: AreaId, change: impl FnOnce(&mut AreaIncome)) {
        let income = self.incomes.entry(area);
        let old = match &income {
            Entry::Vacant(_) => None,
            Entry::Occupied(income) => Some(*income.get()),
        };
        change(income.or_default());
        self.journal.push(Undo::Income(area, old.map(Box::new)));
    }

    fn change_cleared(&mut self, period: DeliveryPeriod, amount: Money) {
        let cleared = &mut self.period_mut(period).cleared;
        let old = *cleared;
        *cleared += amount;
        self.journal.push(Undo::Cleared(period, old));
    }

    pub(super) fn change_meter(&mut self, meter: MeterId, change: impl FnOnce(&mut MeterStatus)) {
        self.stale_meters.touch(meter.0);
        let status = &mut self.meters[index(meter.0)].status;
        let old = *status;
        self.journal.push(Undo::Meter(meter, old));
        change(status);
        let now = status.access.standing;
        self.recount_revoked(meter, old.access.standing, now);
    }

    /// What used a meter's highest nonce.
    pub(super) fn set_last_bundle(&mut self, meter: MeterId, bundle: Option<LastBundle>) {
        self.change_meter(meter, |status| status.last_bundle = bundle);
    }

    /// Changes what a storage may still be certified for.
    pub(super) fn change_charge(&mut self, meter: MeterId, change: impl FnOnce(&mut ChargeBalance)) {
        self.change_meter(meter, |status| change(&mut status.charge));
    }

    /// Adds what a record says of an account to its history.
    pub(super) fn chain_account(&mut self, holder: Holder, extract_leaf: &Hash) {
        self.change_account(holder, |account| account.history = history_head(&account.history, extract_leaf));
    }

    /// Adds what a record says of a meter to its history.
    pub(super) fn chain_meter(&mut self, meter: MeterId, extract_leaf: &Hash) {
        self.change_meter(meter, |status| status.history = history_head(&status.history, extract_leaf));
    }

    /// Adds what a record says of an organisation to its history.
    pub(super) fn chain_organisation(&mut self, organisation: OrganisationId, extract_leaf: &Hash) {
        self.change_organisation(organisation, |row| row.history = history_head(&row.history, extract_leaf));
    }

    fn period_mut(&mut self, period: DeliveryPeriod) -> &mut PeriodTable {
        self.periods.entry(period).or_insert_with(|| {
            self.journal.push(Undo::Period(period));
            self.agenda.open(period);
            PeriodTable::default()
        })
    }

    /// A period is kept from now on, whether anybody traded in it or not.
    pub(super) fn open_period(&mut self, period: DeliveryPeriod) {
        self.period_mut(period);
    }

    /// For a snapshot: what was paid in for a period.
    pub(super) fn restore_cleared(&mut self, period: DeliveryPeriod, cleared: Money) {
        self.change_cleared(period, cleared);
    }

    /// Whether a trade between two accounts says nothing of what energy is worth.
    pub(super) fn are_of_one_organisation(&self, one: AccountId, other: AccountId) -> bool {
        let organisation = |account| self.account(Holder::User(account)).and_then(|row| row.organisation);
        one == other || organisation(one).is_some_and(|theirs| organisation(other) == Some(theirs))
    }

    pub(super) fn set_position(&mut self, period: DeliveryPeriod, meter: MeterId, position: Position) {
        let old = self.period_mut(period).positions.put(meter, position);
        self.journal.push(Undo::Position(period, meter, old));
    }

    /// Gives a new order its name.
    pub(super) fn add_name(&mut self, meter: MeterId, client_id: u64, name: Name) {
        self.meters[index(meter.0)].names.insert(client_id, name);
        self.period_mut(name.period).names.push((meter, client_id));
        self.journal.push(Undo::Named(name.period, meter, client_id));
        self.note_names(name.period);
    }

    /// Notes what is open under a name now.
    pub(super) fn set_standing(&mut self, meter: MeterId, client_id: u64, standing: Standing) {
        let names = &mut self.meters[index(meter.0)].names;
        let name = names.get_mut(&client_id).expect("an order has its name until its gate is swept");
        if name.standing != standing {
            self.journal.push(Undo::Name(meter, client_id, *name));
            name.standing = standing;
        }
    }

    /// A named block waits from now on.
    pub(super) fn add_block(&mut self, tag: OrderTag, meter: MeterId, client_id: u64) {
        self.blocks.insert(tag, (meter, client_id));
        self.journal.push(Undo::BlockAdded(tag));
        self.set_standing(meter, client_id, Standing::Block(tag));
    }

    /// A block waits no more.
    pub(super) fn drop_block(&mut self, tag: OrderTag) {
        let (meter, client_id) = self.blocks.remove(&tag).expect("a block has its name while it waits");
        self.journal.push(Undo::BlockDropped(tag, meter, client_id));
        self.set_standing(meter, client_id, Standing::Over);
    }

    /// A named offer waits from now on.
    pub(super) fn add_offer(&mut self, meter: MeterId, offer: Offer) {
        self.offers.insert((meter, offer.client_id), offer);
        self.journal.push(Undo::OfferAdded(meter, offer.client_id));
        self.set_standing(meter, offer.client_id, Standing::Offer);
    }

    /// An offer waits no more.
    pub(super) fn drop_offer(&mut self, meter: MeterId, client_id: u64) -> Offer {
        let offer = self.offers.remove(&(meter, client_id)).expect("an offer is there while its name says so");
        self.journal.push(Undo::OfferDropped(meter, offer));
        self.set_standing(meter, client_id, Standing::Over);
        offer
    }

    /// The name that is forgotten next of a period.
    pub(super) fn newest_name(&self, period: DeliveryPeriod) -> Option<(MeterId, u64, Standing)> {
        let (meter, client_id) = *self.periods.get(&period)?.names.last()?;
        Some((meter, client_id, self.meter(meter)?.names.get(&client_id)?.standing))
    }

    /// Forgets the newest name of a period; tells whether there was one.
    pub(super) fn forget_name(&mut self, period: DeliveryPeriod) -> bool {
        let Some(table) = self.periods.get_mut(&period) else { return false };
        let Some((meter, client_id)) = table.names.pop() else { return false };
        let names = &mut self.meters[index(meter.0)].names;
        let name = names.remove(&client_id).expect("listed names exist");
        assert_eq!(name.standing, Standing::Over, "a name is forgotten only when its order is over");
        self.journal.push(Undo::NameForgotten(meter, client_id, name));
        self.note_names(period);
        true
    }
}

/// A registration number as a place in a table.
pub(super) fn index(number: u32) -> usize {
    usize::try_from(number).expect("usize holds 32 bits")
}

/// A place in a table as a registration number.
fn number(index: usize) -> u32 {
    u32::try_from(index).expect("the registry is full only after four billion entries")
}
