//! The replicated state: what every validator derives, alike, from the same log.
//!
//! [`State::apply`] takes the log's entries in order and turns each command into one [`Record`]. It never fails: a refusal is a
//! record too. Accounts are kept by double entry ([`SystemAccount`]), orders rest in the engine's books, and everything that a
//! period leaves to do is done later, in slices, by `Work` entries.
//!
//! Architecture invariant: no clock, no randomness, no floating point, no iteration in an order that is not defined here.
//! Architecture invariant: balances change only by postings, so all accounts together always hold nothing.
//!
//! **Names.** A meter's client id stays taken until the gate of its order's period is swept; after that it may be used again, so that
//! the names kept are bounded by what can be traded.
//!
//! **What waits.** Orders rest in the engine's books, and blocks wait there for their auction, under the sequence number of their
//! command as the engine's tag. Offers of pre-arranged trades wait here: the engine hears of one only when both parties have signed.
//!
//! **Histories.** Each account, meter and organisation has a `history_head`: `head' = H(head, leaf)` over what the records with outcome `Done`,
//! and refusals that prove misconduct, say
//! of it, oldest first ([`Extract`](crate::record::Extract)): each record with only those events that name it, once, if there are
//! any or if the meter has sent the command. Whoever holds these extracts can so prove that none was left out.

mod agreements;
mod audit;
mod audit_settlement;
mod basket;
mod blocks;
mod bundle;
mod cash;
mod certificates;
mod collateral;
mod conduct;
mod consent;
mod debts;
mod dirty;
mod edges;
mod epoch;
mod history;
mod image;
mod journal;
mod limits;
mod orders;
mod pieces;
mod readings;
mod registry;
mod restored;
mod rights;
mod roots;
mod settle;
mod share;
mod snapshot;
mod tables;
mod trades;
mod view;
mod work;

pub use agreements::OFFERS_MAX;
pub use audit::AuditError;
pub use certificates::CertificatesView;
pub use collateral::{Collateral, CollateralRules, PPM};
pub use pieces::{PIECE_BYTES_MAX, PieceError, PieceList};
pub use registry::ROTATIONS_MAX;
pub use roots::{StateProof, account_leaf, meter_leaf};
pub use snapshot::RestoreError;
pub use view::{
    AccountView, AreaIncomeView, DeliveryView, LastBundle, MeterView, OpenOrder, OrganisationView, PeriodStage,
    PositionView, SystemAccount, Totals,
};
pub use work::WORK_ITEMS_MAX;

use gridbook_engine::depth::DepthWriter;
use gridbook_engine::{
    AccountId, DeliveryPeriod, Engine, Event, LedgerTime, Mark, MarketRules, MeterId, Money, TopOfBookWriter,
};

use self::roots::Trees;
use self::tables::{Account, EpochRow, Holder, Standing, Tables, index};
use crate::crypto::{Hash, PublicKey};
use crate::entry::Entry;
use crate::genesis::{Genesis, SettlementRules};
use crate::origin::{Hop, Routes};
use crate::record::{ExtractLeaves, Outcome, Record, RecordEvent};
use crate::reject::Code;
use crate::settlement::{Registers, TradeSide};

/// The replicated state of one ledger. See the [module](self).
///
/// What can be rolled back is remembered, so call [`State::forget`] from time to time, also where nothing is ever rolled back.
#[derive(Debug)]
pub struct State {
    chain: Hash,
    operator: PublicKey,
    settlement: SettlementRules,
    engine: Engine,
    tables: Tables,
    trees: Trees,
    /// Kept for its room only; empty between commands.
    events: Vec<Event>,
    /// Kept for its room only; empty between records.
    extract_leaves: ExtractLeaves,
    /// Kept for its room only.
    sides: Vec<TradeSide>,
    /// Kept for its room only.
    hops: Vec<Hop>,
    /// The ways of certificates of the period that is being certified. They follow from its trades and deliveries, and are laid out
    /// again where they are missing.
    routes: Option<(DeliveryPeriod, Routes)>,
    /// The command that is carried out.
    seq: u64,
}

/// A point to roll back to. Marks nest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StateMark {
    engine: Mark,
    tables: u64,
}

impl State {
    /// The state before the first entry.
    ///
    /// # Panics
    /// If the genesis' market rules contradict themselves, or its areas make no network; reading a genesis refuses both.
    pub fn genesis(genesis: &Genesis) -> Self {
        let network = genesis.network().expect("a genesis has areas that make a network");
        let mut engine = Engine::new(genesis.rules, network).expect("a genesis has valid market rules");
        engine.advance(genesis.ledger_start);
        engine.forget(engine.mark());
        let collateral = CollateralRules::from(&genesis.settlement);
        let epoch = EpochRow::first(genesis);
        let tables = Tables::new(genesis.ledger_start, epoch, collateral, genesis.settlement.metering);
        Self::from_parts(genesis, engine, tables)
    }

    fn from_parts(genesis: &Genesis, engine: Engine, tables: Tables) -> Self {
        Self {
            chain: genesis.chain_id(),
            operator: genesis.operator,
            settlement: genesis.settlement,
            engine,
            tables,
            trees: Trees::default(),
            events: Vec::new(),
            extract_leaves: ExtractLeaves::default(),
            sides: Vec::new(),
            hops: Vec::new(),
            routes: None,
            seq: 0,
        }
    }

    /// Carries out the next entry of the log, whose first command has the sequence number `first_seq`, and appends exactly
    /// [`Entry::count`] records. What is refused is recorded as refused and changes nothing but, as the case may be, the nonce.
    pub fn apply(&mut self, first_seq: u64, entry: &Entry, records: &mut Vec<Record>) {
        let from = records.len();
        self.seq = first_seq;
        match entry {
            Entry::Bundle(admitted) => self.apply_bundle(first_seq, entry.id(), admitted.bundle(), records),
            Entry::Time(at) => {
                let outcome = self.apply_time(*at);
                records.push(bare_record(first_seq, entry, outcome, Vec::new()));
            }
            Entry::Reconfigure(change) => {
                let outcome = self.apply_reconfigure(change);
                records.push(bare_record(first_seq, entry, outcome, Vec::new()));
            }
            Entry::Evidence(evidence) => {
                let mut events = Vec::new();
                let outcome = self.apply_evidence(evidence, &mut events);
                records.push(bare_record(first_seq, entry, outcome, events));
            }
            Entry::Work { limit } => {
                let events = self.apply_work(*limit);
                records.push(bare_record(first_seq, entry, Ok(()), events));
            }
        }
        let records = &records[from..];
        assert_eq!(records.len() as u64, entry.count(), "one record for each command");
        self.chain_histories(records);
        self.count(entry, records);
    }

    /// Time moves forward only, and never to its very end, which stands for "never".
    fn apply_time(&mut self, at: LedgerTime) -> Result<(), Code> {
        if at <= self.time() || at.0 == u64::MAX {
            return Err(Code::FormTime);
        }
        let counters = *self.tables.counters();
        self.tables.set_counters(tables::Counters { now: at, ..counters });
        self.engine.advance(at);
        Ok(())
    }

    fn count(&mut self, entry: &Entry, records: &[Record]) {
        let mut counters = *self.tables.counters();
        for record in records {
            counters.totals.count(record);
        }
        if let Entry::Bundle(admitted) = entry {
            counters.totals.count_orders(&admitted.bundle().commands, records);
        }
        self.tables.set_counters(counters);
    }

    /// Ledger time: that of the last `Time` entry that moved it.
    pub fn time(&self) -> LedgerTime {
        self.tables.counters().now
    }

    /// Names the present state.
    pub fn mark(&self) -> StateMark {
        StateMark { engine: self.engine.mark(), tables: self.tables.place_in_journal() }
    }

    /// Goes back to a named state, exactly: roots, snapshots and everything that follows are as if the entries since had never been.
    ///
    /// # Panics
    /// If `mark` was forgotten.
    pub fn rollback(&mut self, mark: StateMark) {
        self.engine.rollback(mark.engine);
        self.tables.undo_to(mark.tables);
        self.routes = None;
    }

    /// Gives up going back to before `mark`, so that the journal does not grow.
    pub fn forget(&mut self, mark: StateMark) {
        self.engine.forget(mark.engine);
        self.tables.forget(mark.tables);
    }
}

/// Looking.
impl State {
    /// The market's constants.
    pub fn rules(&self) -> &MarketRules {
        self.engine.rules()
    }

    /// The books.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// From now on the books' tops are published here, whenever [`State::publish_tops`] is called.
    pub fn publish_tops_to(&mut self, writer: TopOfBookWriter) {
        self.engine.publish_to(writer);
    }

    /// Publishes the tops that have changed.
    pub fn publish_tops(&mut self) {
        self.engine.publish();
    }

    /// From now on the books' depths are published here, whenever [`State::publish_depth`] is called.
    pub fn publish_depth_to(&mut self, writer: DepthWriter) {
        self.engine.publish_depth_to(writer);
    }

    /// Publishes the depths that have changed, also by a rollback, as of the sequence number `seq`.
    pub fn publish_depth(&mut self, seq: u64) {
        self.engine.publish_depth(seq);
    }

    /// An account, if it is registered.
    pub fn account(&self, account: AccountId) -> Option<AccountView> {
        self.tables.account(Holder::User(account)).map(view_of)
    }

    /// One of the accounts that every ledger has.
    pub fn system_account(&self, account: SystemAccount) -> AccountView {
        view_of(&self.tables.system_accounts()[account as usize])
    }

    /// A meter, if it is registered.
    pub fn meter(&self, meter: MeterId) -> Option<MeterView> {
        self.tables.meter(meter).map(MeterView::of)
    }

    /// How many accounts are registered: their numbers are `0..`.
    pub fn accounts_count(&self) -> u32 {
        u32::try_from(self.tables.accounts().len()).expect("accounts have 32-bit numbers")
    }

    /// How many meters are registered: their numbers are `0..`.
    pub fn meters_count(&self) -> u32 {
        u32::try_from(self.tables.meters().len()).expect("meters have 32-bit numbers")
    }

    /// The meters of an account, ascending.
    pub fn meters_of(&self, account: AccountId) -> &[MeterId] {
        self.tables.meters_of(account)
    }

    /// Whose a meter was when a period began. Remembered until the period can be settled no more; later it is whose the meter was then
    /// or since.
    pub fn owner_at(&self, meter: MeterId, period: DeliveryPeriod) -> Option<AccountId> {
        self.tables.facts_at(meter, period).map(|then| then.account)
    }

    /// The resting orders of a meter, by client id.
    pub fn open_orders(&self, meter: MeterId) -> Vec<OpenOrder> {
        let names = self.tables.meter(meter).into_iter().flat_map(|meter| &meter.names);
        let resting = names.filter_map(|(client_id, name)| match name.standing {
            Standing::Resting(order) => Some((*client_id, self.engine.resting_order(order)?)),
            _ => None,
        });
        resting.map(|(client_id, order)| OpenOrder::new(client_id, &order)).collect()
    }

    /// What a meter has open and has traded in a period that is not settled yet.
    pub fn position(&self, meter: MeterId, period: DeliveryPeriod) -> PositionView {
        let tables::Position { resting_buys, resting_sells, bought, sold, .. } = self.tables.position(period, meter);
        PositionView { resting_buys, resting_sells, bought, sold }
    }

    /// What a meter's registers showed at the end of a period, as long as that can matter.
    pub fn registers(&self, meter: MeterId, period: DeliveryPeriod) -> Option<Registers> {
        self.tables.registers(period, meter)
    }

    /// What a meter is settled by in a period that is being settled, or is and not yet final.
    pub fn delivery(&self, meter: MeterId, period: DeliveryPeriod) -> Option<DeliveryView> {
        let row = self.tables.periods().get(&period)?.delivery(meter)?;
        Some(DeliveryView { account: row.account, delivery: row.delivery, quality: row.quality })
    }

    /// How far a period has come; none if nothing is kept of it: nobody has traded or read a meter in it, or it is final.
    pub fn period_stage(&self, period: DeliveryPeriod) -> Option<PeriodStage> {
        let table = self.tables.periods().get(&period)?;
        Some(PeriodStage::of(table))
    }

    /// What clearing owes for contracts that are not settled yet: always equal to what it holds.
    pub fn payables_sum(&self) -> Money {
        let positions = self.tables.periods().values().flat_map(|table| table.positions.rows());
        positions.fold(Money::ZERO, |sum, (_, position)| sum + position.owed)
    }

    /// All balances together, the system's among them, as it was kept while they changed: always zero, and told without looking at any.
    pub fn money_kept(&self) -> Money {
        self.tables.balances()
    }

    /// The same, added up: for checks, for it looks at every account.
    pub fn money_sum(&self) -> Money {
        let accounts = self.tables.system_accounts().iter().chain(self.tables.accounts());
        accounts.fold(Money::ZERO, |sum, account| sum + account.balance)
    }

    /// Running counters since genesis.
    pub fn totals(&self) -> Totals {
        self.tables.counters().totals
    }
}

fn view_of(account: &Account) -> AccountView {
    let Account { balance, reserved, history, score, share_ppm, organisation } = *account;
    AccountView { balance, reserved, history_head: history, score, share_ppm, organisation }
}

/// The record of an entry that no device signed.
fn bare_record(seq: u64, entry: &Entry, result: Result<(), Code>, events: Vec<RecordEvent>) -> Record {
    let outcome = outcome_of(result);
    Record { seq, entry: entry.id(), index: 0, meter: None, client_id: 0, outcome, events }
}

fn outcome_of(result: Result<(), Code>) -> Outcome {
    result.map_or_else(Outcome::Rejected, |()| Outcome::Done)
}
