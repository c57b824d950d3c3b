//! What others may see of the state.

use gridbook_engine::{
    AccountId, AreaId, Contract, DeliveryPeriod, Energy, LedgerTime, Money, OrderTerms, Price, RestingOrder, Side,
};

use super::State;
use super::tables::{Access, AreaIncome, AreaStage, Meter, Organisation, PeriodTable, Stage};
use crate::command::Command;
use crate::crypto::{Hash, PublicKey};
use crate::origin::ChargeBalance;
use crate::record::{Outcome, Record, RecordEvent};
use crate::registry::{DeviceStanding, OrganisationId, OrganisationName, Plant, Reason, Roles};
use crate::settlement::{AreaFault, Delivery, Quality};

/// The accounts that every ledger has from its genesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SystemAccount {
    /// Where deposits come from and withdrawals go: minus the money in circulation.
    Issuer = 0,
    /// Holds what buyers paid until the sellers have delivered.
    Clearing = 1,
    /// The operators of areas and edges, together: [`super::State::area_income`] tells them apart.
    Grid = 2,
    /// Is paid by who is short and pays who is long; holds nothing for an area that is settled.
    Imbalance = 3,
    /// The grid upstream: what it was paid for energy that was missing, less what it paid for energy too much.
    Upstream = 4,
    /// What losses cost passes through here and holds nothing.
    Losses = 5,
    /// Minus what accounts could not pay of their own trades' imbalance.
    Default = 6,
}

impl SystemAccount {
    /// How many there are.
    pub const COUNT: usize = 7;

    /// All of them, by number.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Issuer, Self::Clearing, Self::Grid, Self::Imbalance, Self::Upstream, Self::Losses, Self::Default];
}

/// What the operator of an area, and of the edge above it, has taken and spent since genesis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AreaIncomeView {
    /// Fees for energy that crossed the edge.
    pub fees: Money,
    /// The difference of two areas' auction prices beyond the fee, where the edge was full.
    pub rent: Money,
    /// What the area's imbalances left over.
    pub surplus: Money,
    /// What its losses cost.
    pub losses: Money,
    /// What it paid for untraded energy in the place of accounts without money, and bills outside of the ledger.
    pub billed: Money,
}

impl From<AreaIncome> for AreaIncomeView {
    fn from(income: AreaIncome) -> Self {
        let AreaIncome { fees, rent, surplus, losses, billed } = income;
        Self { fees, rent, surplus, losses, billed }
    }
}

/// What a meter is settled by in one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryView {
    /// Whose it was then.
    pub account: AccountId,
    /// What it took in and gave out.
    pub delivery: Delivery,
    /// How that is known.
    pub quality: Quality,
}

/// How far a period has come (MARKET section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeriodStage {
    /// It is traded or delivered, or readings are waited for.
    Open,
    /// It is being settled.
    Settling,
    /// All areas that add up are settled; so many do not and are frozen.
    Settled {
        /// How many areas are frozen.
        frozen: usize,
    },
}

impl State {
    /// Why nobody in an area is paid for a period, if that is so.
    pub fn frozen(&self, contract: Contract) -> Option<AreaFault> {
        match self.tables.contract(contract).stage {
            AreaStage::Frozen(why) => Some(why),
            AreaStage::Open | AreaStage::Good | AreaStage::Settled { .. } => None,
        }
    }
}

impl PeriodStage {
    pub(super) fn of(table: &PeriodTable) -> Self {
        let frozen = table.tally.frozen;
        match table.stage {
            Stage::Open => Self::Open,
            Stage::Settled => Self::Settled { frozen },
            Stage::Adding(_) | Stage::Checking(_) | Stage::Paying(_) | Stage::Closing(_) => Self::Settling,
        }
    }
}

/// An account as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// What it has; negative only for the issuer.
    pub balance: Money,
    /// How much of it is set aside for open orders and unsettled trades.
    pub reserved: Money,
    /// Chain over the leaves of all records that touched it, oldest first: equal heads, equal histories. Zero for the system's
    /// accounts, whose rows are everybody's.
    pub history_head: Hash,
    /// What its conduct is worth: from 0 to [`SCORE_FULL`](crate::conduct::SCORE_FULL).
    pub score: u16,
    /// Which share of the imbalance that it may cause it must cover, in parts per million: follows from the score.
    pub share_ppm: u32,
    /// The organisation that it belongs to: its supplier. None if it stands for itself.
    pub organisation: Option<OrganisationId>,
}

impl AccountView {
    /// What may still be spent: `balance - reserved`.
    pub fn free(&self) -> Money {
        self.balance - self.reserved
    }
}

/// A meter as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeterView {
    /// Who pays and is paid.
    pub account: AccountId,
    /// Who may sign for it.
    pub key: PublicKey,
    /// The only area it may trade in.
    pub area: AreaId,
    /// The first delivery period that it is settled by: the first that began when it was registered, or later.
    pub first_period: DeliveryPeriod,
    /// The most it can take in during one period.
    pub import_max: Energy,
    /// The most it can give out during one period.
    pub export_max: Energy,
    /// What stands behind it.
    pub plant: Plant,
    /// The fingerprint of its certificate of installation; zero if there is none.
    pub certificate: Hash,
    /// Whether it may give commands.
    pub standing: DeviceStanding,
    /// Why it stands so.
    pub reason: Reason,
    /// The nonce of the last bundle that its present key signed and that was executed.
    pub nonce: u64,
    /// How often it has changed its key by itself since a registrar last set it.
    pub rotations: u8,
    /// What used that nonce: another bundle with it would be misconduct. Nothing if there was none, or one that was entered, or if the meter has
    /// changed hands since.
    pub last_bundle: Option<LastBundle>,
    /// What it may still be certified for as a storage.
    pub charge: ChargeBalance,
    /// Chain over the leaves of all records that touched it, oldest first.
    pub history_head: Hash,
    /// Over the grants to others of access to its data ([`grants_hash`](crate::consent::grants_hash)); zero if there are none.
    pub grants: Hash,
}

/// The bundle that used a meter's highest nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastBundle {
    /// The sequence number of its first command.
    pub seq: u64,
    /// Its name.
    pub id: Hash,
}

impl MeterView {
    pub(super) fn of(meter: &Meter) -> Self {
        let Meter { facts, status, .. } = meter;
        let Access { standing, reason, nonce, rotations } = status.access;
        Self {
            account: facts.account,
            key: facts.key,
            area: facts.area,
            first_period: facts.first_period,
            import_max: facts.import_max,
            export_max: facts.export_max,
            plant: facts.plant,
            certificate: facts.certificate,
            standing,
            reason,
            nonce,
            rotations,
            last_bundle: status.last_bundle,
            charge: status.charge,
            history_head: status.history,
            grants: status.grants,
        }
    }
}

/// An organisation as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrganisationView {
    /// Who may sign for it.
    pub key: PublicKey,
    /// What people call it.
    pub name: OrganisationName,
    /// What it may do.
    pub roles: Roles,
    /// The area whose grid it runs, with all areas below, if it is a grid operator.
    pub area: Option<AreaId>,
    /// Whether it may give commands.
    pub standing: DeviceStanding,
    /// Why it stands so.
    pub reason: Reason,
    /// The nonce of the last bundle that its present key signed and that was executed.
    pub nonce: u64,
    /// How often it has changed its key by itself since a registrar last set it.
    pub rotations: u8,
    /// Chain over the leaves of all records that touched it, oldest first.
    pub history_head: Hash,
}

impl OrganisationView {
    pub(super) fn of(organisation: &Organisation) -> Self {
        let Organisation { key, name, roles, area, access, history } = *organisation;
        let Access { standing, reason, nonce, rotations } = access;
        Self { key, name, roles, area, standing, reason, nonce, rotations, history_head: history }
    }
}

/// An order that rests in a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOrder {
    /// The meter's name for it.
    pub client_id: u64,
    /// What is traded.
    pub contract: Contract,
    /// Which way.
    pub side: Side,
    /// The limit.
    pub price: Price,
    /// What is still open.
    pub remaining: Energy,
    /// When it is over, if before the gate.
    pub until: Option<LedgerTime>,
}

impl OpenOrder {
    pub(super) fn new(client_id: u64, order: &RestingOrder) -> Self {
        let OrderTerms { contract, side, price, .. } = order.terms;
        Self { client_id, contract, side, price, remaining: order.remaining, until: order.until }
    }
}

/// What a meter has open and has traded in one period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PositionView {
    /// Open buy orders.
    pub resting_buys: Energy,
    /// Open sell orders.
    pub resting_sells: Energy,
    /// Bought so far.
    pub bought: Energy,
    /// Sold so far.
    pub sold: Energy,
}

/// Running counters since genesis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Commands applied, `Time` and `Work` among them: the number of records.
    pub commands: u64,
    /// Commands refused.
    pub rejected: u64,
    /// Orders taken in.
    pub orders: u64,
    /// Trades.
    pub trades: u64,
    /// Energy traded in Wh, in auctions too. Stays at the largest number rather than start again.
    pub energy_wh: u64,
    /// Meters settled for a period, again if they were corrected.
    pub settlements: u64,
    /// Orders that left the book because their time was over.
    pub expired: u64,
    /// Orders, and blocks in one period each, that traded in call auctions.
    pub fills: u64,
}

impl Totals {
    /// Counts the orders and blocks of a bundle that were taken in.
    pub(super) fn count_orders(&mut self, commands: &[Command], records: &[Record]) {
        let results = commands.iter().zip(records);
        let taken = |(command, record): &(&Command, &Record)| {
            matches!(command, Command::Place(_) | Command::Block(_)) && record.outcome == Outcome::Done
        };
        self.orders += results.filter(taken).count() as u64;
    }

    /// Counts one record more.
    pub(super) fn count(&mut self, record: &Record) {
        self.commands += 1;
        self.rejected += u64::from(record.outcome != Outcome::Done);
        let mut filled_wh = 0_u64;
        for event in &record.events {
            match event {
                RecordEvent::Trade(trade) => {
                    self.trades += 1;
                    self.energy_wh = self.energy_wh.saturating_add(trade.energy.0);
                }
                RecordEvent::Filled { energy, .. } => {
                    self.fills += 1;
                    filled_wh = filled_wh.saturating_add(energy.0);
                }
                RecordEvent::MeterSettled(_) => self.settlements += 1,
                RecordEvent::Expired { .. } => self.expired += 1,
                _ => {}
            }
        }
        // An auction is one piece of work, and in each all that is bought is sold.
        self.energy_wh = self.energy_wh.saturating_add(filled_wh / 2);
    }
}
