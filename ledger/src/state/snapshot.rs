//! Everything that execution reads, as canonical bytes, and the way back from them.

mod registry;

use gridbook_engine::{DeliveryPeriod, Energy, Engine, LedgerTime, MeterId, Money};
use gridbook_engine::{OrderTag, Price, Side};

use super::certificates::{certificates_image, issuers_image, restore_certificates};
use super::collateral::CollateralRules;
use super::pieces::{rest_hashes, snapshot_root_of};
use super::restored::{restore_debts, restore_incomes, restore_readings, restore_settlement};
use super::tables::{Account, Counters, EpochRow, Holder, Name};
use super::tables::{PeriodTable, Position, Standing, Tables};
use super::{AuditError, State, SystemAccount, Totals, image};
use crate::bytes::BytesError;
use crate::command::{AgreedTerms, Offer};
use crate::crypto::Hash;
use crate::defects::{Defect, omits};
use crate::genesis::{FIRST_EPOCH, Genesis};
use crate::validators::ValidatorSet;

use image::{
    AccountImage, AreaIncomeImage, BlockNameImage, ConductImage, ConsentImage, FormerImage, ImportsImage, MeterImage,
    NameImage, OfferImage,
};
use image::{OrganisationImage, PeriodImage, PositionImage, ReadingsImage, ReplacedKeyImage, RestImage, StateImage};

/// No snapshot has larger amounts than this, so that adding up a forged one overflows nothing.
const MONEY_MAX: u128 = 1 << 100;

/// Why a snapshot was not taken for the state of this ledger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Not the bytes of a state.
    #[error("the bytes are not those of a state: {0}")]
    Form(#[from] BytesError),
    /// Bytes that a snapshot of the state they describe would not have.
    #[error("the bytes are not exactly those that a snapshot of this state has")]
    Bytes,
    /// Of another ledger.
    #[error("the snapshot is of another ledger")]
    Chain,
    /// A row that refers to something that is not there, is out of order, or stands there twice.
    #[error("the snapshot contradicts itself in {0}")]
    Row(&'static str),
    /// Books that no engine could have made.
    #[error("the snapshot's books are wrong: {0}")]
    Books(#[from] gridbook_engine::ImageError),
    /// Parts that do not fit together.
    #[error("the snapshot does not fit together: {0}")]
    Audit(#[from] AuditError),
}

impl State {
    /// The whole state as canonical bytes: the same state gives the same bytes. [`PieceList`](super::PieceList) says how they are
    /// sent and checked in pieces.
    pub fn snapshot(&self) -> Vec<u8> {
        image::encode(&self.image())
    }

    /// The root over everything that execution reads, books in priority order: the state root, which covers accounts and meters and
    /// is kept up to date anyway, and the pieces of the rest.
    pub fn snapshot_root(&mut self) -> Hash {
        let rest = image::encode_rest(&self.rest_image());
        snapshot_root_of(&self.state_root(), rest.len() as u64, &rest_hashes(&rest))
    }

    /// Goes on from a snapshot exactly as the state it was taken of. What was before cannot be rolled back to.
    ///
    /// # Errors
    /// If the bytes are not a snapshot of this ledger that fits together. Nothing in them can do worse.
    pub fn restore(genesis: &Genesis, bytes: &[u8]) -> Result<Self, RestoreError> {
        let image = image::decode(bytes)?;
        if image.rest.chain != genesis.chain_id() {
            return Err(RestoreError::Chain);
        }
        if image.amounts().any(|amount| amount.unsigned_abs() > MONEY_MAX) {
            return Err(RestoreError::Row("an absurd amount of money"));
        }
        let tables = restore_tables(genesis, &image)?;
        let network = genesis.network().map_err(|_| RestoreError::Row("areas"))?;
        let engine = Engine::from_image(genesis.rules, network, image.rest.engine)?;
        let mut state = Self::from_parts(genesis, engine, tables);
        state.name_resting_orders()?;
        state.audit()?;
        let start = state.mark();
        state.forget(start);
        if state.snapshot() == bytes { Ok(state) } else { Err(RestoreError::Bytes) }
    }

    fn image(&self) -> StateImage {
        StateImage {
            accounts: self.tables.accounts().iter().map(AccountImage::from).collect(),
            meters: self.tables.meters().iter().map(|meter| MeterImage::new(&meter.facts, &meter.status)).collect(),
            rest: self.rest_image(),
        }
    }

    fn rest_image(&self) -> RestImage {
        let Counters { now, operator_nonce, totals } = *self.tables.counters();
        let totals = if omits(Defect::TotalsNotKept) { Totals::default() } else { totals };
        let EpochRow { number, set, before } = self.tables.epoch();
        let (incomes, imports) = (self.tables.incomes().iter(), self.tables.imports().iter());
        let readings = self.tables.readings().iter().filter(|(_, table)| table.count > 0);
        RestImage {
            chain: self.chain,
            epoch: *number,
            validators: set.clone(),
            validators_before: before.clone(),
            conduct: ConductImage::from(self.tables.conduct()),
            consent: ConsentImage::from(self.tables.consent()),
            debts: self.tables.debts().iter().map(|(account, debt)| (account.0, debt.0)).collect(),
            now: now.0,
            operator_nonce,
            totals: totals.into(),
            system: self.tables.system_accounts().iter().map(AccountImage::from).collect(),
            periods: self.tables.periods().iter().map(|(period, table)| PeriodImage::new(*period, table)).collect(),
            blocks: self.tables.blocks().iter().map(BlockNameImage::from).collect(),
            offers: self.tables.offers().iter().map(OfferImage::from).collect(),
            incomes: incomes.map(|(area, income)| AreaIncomeImage { area: area.0, income: *income }).collect(),
            readings: readings.map(|(period, table)| ReadingsImage::new(*period, table)).collect(),
            imports: imports
                .map(|(period, imports)| ImportsImage { period: period.0, imports: imports.clone() })
                .collect(),
            corrections: self.tables.corrections().iter().map(|(period, meter)| (period.0, meter.0)).collect(),
            organisations: self.tables.organisations().iter().map(OrganisationImage::from).collect(),
            replaced_keys: self.tables.replaced_keys().map(ReplacedKeyImage::from).collect(),
            former_facts: self.tables.former_facts().rows().map(FormerImage::from).collect(),
            certificates: certificates_image(&self.tables),
            issuers: issuers_image(&self.tables),
            engine: self.engine.image(),
        }
    }

    /// Handles are the engine's own and new after a restart: names learn them again.
    fn name_resting_orders(&mut self) -> Result<(), RestoreError> {
        for order in self.engine.resting() {
            let (meter, client_id) = (order.terms.meter, order.terms.tag.0);
            let known = self.tables.meter(meter).is_some_and(|meter| meter.names.contains_key(&client_id));
            if !known {
                return Err(AuditError::Name(meter, client_id).into());
            }
            self.tables.set_standing(meter, client_id, Standing::Resting(order.order.id));
        }
        Ok(())
    }
}

fn restore_tables(genesis: &Genesis, image: &StateImage) -> Result<Tables, RestoreError> {
    let rest = &image.rest;
    let now = LedgerTime(rest.now);
    let (epoch, rules) = (restore_epoch(genesis, rest)?, &genesis.settlement);
    let mut tables = Tables::new(now, epoch, CollateralRules::from(rules), rules.metering);
    let totals = Totals::from(rest.totals);
    tables.set_counters(Counters { now, operator_nonce: rest.operator_nonce, totals });
    if rest.system.len() != SystemAccount::COUNT {
        return Err(RestoreError::Row("the system's accounts"));
    }
    for (account, row) in SystemAccount::ALL.into_iter().zip(&rest.system) {
        tables.change_account(Holder::System(account), |account| *account = row.into());
    }
    registry::restore_organisations(genesis, &mut tables, &rest.organisations)?;
    for row in &image.accounts {
        let is_known = row.organisation.is_none_or(|organisation| tables.organisation(organisation).is_some());
        if !is_known {
            return Err(RestoreError::Row("an account's organisation"));
        }
        let account = tables.add_account(row.organisation);
        tables.change_account(Holder::User(account), |account| *account = row.into());
    }
    for row in &image.meters {
        registry::restore_meter(genesis, &mut tables, row)?;
    }
    registry::restore_replaced_keys(genesis, &mut tables, &rest.replaced_keys)?;
    registry::restore_former_facts(genesis, &mut tables, &rest.former_facts)?;
    if rest.periods.windows(2).any(|pair| pair[0].period >= pair[1].period) {
        return Err(RestoreError::Row("the order of periods"));
    }
    for row in &rest.periods {
        restore_period(genesis, &mut tables, row)?;
    }
    restore_waiting(&mut tables, rest)?;
    restore_incomes(genesis, &mut tables, &rest.incomes)?;
    restore_readings(&mut tables, rest)?;
    rest.conduct.restore(&mut tables)?;
    rest.consent.restore(&mut tables)?;
    restore_debts(&mut tables, &rest.debts)?;
    restore_certificates(genesis, &mut tables, rest)?;
    Ok(tables)
}

/// The epochs between are proven by whoever hands out the snapshot; here they only have to be sets, and those of the first epoch the genesis'.
fn restore_epoch(genesis: &Genesis, rest: &RestImage) -> Result<EpochRow, RestoreError> {
    let (number, set, before) = (rest.epoch, rest.validators.clone(), rest.validators_before.clone());
    let is_first = |set: &ValidatorSet| set.hash() == genesis.validators.hash();
    let fits = match (number.checked_sub(FIRST_EPOCH), &before) {
        (Some(0), None) => is_first(&set),
        (Some(1), Some(before)) => is_first(before),
        (Some(2..), Some(_)) => true,
        _ => false,
    };
    if fits { Ok(EpochRow { number, set, before }) } else { Err(RestoreError::Row("the validators")) }
}

fn restore_period(genesis: &Genesis, tables: &mut Tables, row: &PeriodImage) -> Result<(), RestoreError> {
    let period = DeliveryPeriod(row.period);
    let meters = tables.meters().len();
    if row.positions.windows(2).any(|pair| pair[0].meter >= pair[1].meter)
        || row.positions.last().is_some_and(|last| super::index(last.meter) >= meters)
    {
        return Err(RestoreError::Row("a period's positions"));
    }
    tables.open_period(period);
    tables.restore_cleared(period, Money(row.cleared));
    for position in &row.positions {
        tables.set_position(period, MeterId(position.meter), position.into());
    }
    for NameImage { meter, client_id } in &row.names {
        let (meter, name) = (MeterId(*meter), Name { period, standing: Standing::Over });
        if tables.meter(meter).is_none_or(|meter| meter.names.contains_key(client_id)) {
            return Err(RestoreError::Row("a period's names"));
        }
        tables.add_name(meter, *client_id, name);
    }
    restore_settlement(genesis, tables, row)
}

/// Blocks and offers, whose names the periods have brought.
fn restore_waiting(tables: &mut Tables, image: &RestImage) -> Result<(), RestoreError> {
    let has_free_name = |tables: &Tables, meter: MeterId, client_id: u64| {
        let name = tables.meter(meter).and_then(|meter| meter.names.get(&client_id));
        name.is_some_and(|name| name.standing == Standing::Over)
    };
    if image.blocks.windows(2).any(|pair| pair[0].tag >= pair[1].tag) {
        return Err(RestoreError::Row("the order of blocks"));
    }
    for BlockNameImage { tag, meter, client_id } in &image.blocks {
        if !has_free_name(tables, MeterId(*meter), *client_id) {
            return Err(RestoreError::Row("a block's name"));
        }
        tables.add_block(OrderTag(*tag), MeterId(*meter), *client_id);
    }
    if image.offers.windows(2).any(|pair| (pair[0].meter, pair[0].client_id) >= (pair[1].meter, pair[1].client_id)) {
        return Err(RestoreError::Row("the order of offers"));
    }
    for row in &image.offers {
        let partner_exists = tables.meter(MeterId(row.partner)).is_some();
        if !has_free_name(tables, MeterId(row.meter), row.client_id) || !partner_exists {
            return Err(RestoreError::Row("an offer"));
        }
        tables.add_offer(MeterId(row.meter), row.into());
    }
    Ok(())
}

impl From<(&OrderTag, &(MeterId, u64))> for BlockNameImage {
    fn from((tag, (meter, client_id)): (&OrderTag, &(MeterId, u64))) -> Self {
        Self { tag: tag.0, meter: meter.0, client_id: *client_id }
    }
}

impl From<(&(MeterId, u64), &Offer)> for OfferImage {
    fn from(((meter, client_id), offer): (&(MeterId, u64), &Offer)) -> Self {
        let AgreedTerms { period, side, price, energy } = offer.terms;
        Self {
            meter: meter.0,
            client_id: *client_id,
            partner: offer.partner.0,
            period: period.0,
            sells: side == Side::Sell,
            price: price.0,
            energy: energy.0,
        }
    }
}

impl From<&OfferImage> for Offer {
    fn from(image: &OfferImage) -> Self {
        let terms = AgreedTerms {
            period: DeliveryPeriod(image.period),
            side: if image.sells { Side::Sell } else { Side::Buy },
            price: Price(image.price),
            energy: Energy(image.energy),
        };
        Self { client_id: image.client_id, partner: MeterId(image.partner), terms }
    }
}

impl From<&Account> for AccountImage {
    fn from(account: &Account) -> Self {
        let Account { balance, reserved, history, score, share_ppm, organisation } = *account;
        Self { balance: balance.0, reserved: reserved.0, history, score, share_ppm, organisation }
    }
}

impl From<&AccountImage> for Account {
    fn from(image: &AccountImage) -> Self {
        let AccountImage { balance, reserved, history, score, share_ppm, organisation } = *image;
        Self { balance: Money(balance), reserved: Money(reserved), history, score, share_ppm, organisation }
    }
}

impl PeriodImage {
    fn new(period: DeliveryPeriod, table: &PeriodTable) -> Self {
        let deliveries = table.deliveries.rows().filter_map(|(meter, row)| Some((meter.0, row?)));
        let names = table.names.iter().map(|(meter, client_id)| NameImage { meter: meter.0, client_id: *client_id });
        Self {
            period: period.0,
            cleared: table.cleared.0,
            positions: table.positions.rows().map(|(meter, row)| PositionImage::new(meter.0, &row)).collect(),
            stage: table.stage,
            trades: table.trades.clone(),
            names: names.collect(),
            contracts: table.contracts().iter().map(|(area, row)| (area.0, *row)).collect(),
            deliveries: deliveries.collect(),
            borne: table.borne.iter().map(|(meter, row)| (meter.0, *row)).collect(),
            held_back: table.held_back.iter().map(|meter| meter.0).collect(),
            failed: table.failed.iter().map(|meter| meter.0).collect(),
        }
    }
}

impl PositionImage {
    fn new(meter: u32, position: &Position) -> Self {
        let Position { resting_buys, resting_sells, bought, sold, owed, held, last_trade: _ } = *position;
        let (resting_buys, resting_sells) = (resting_buys.0, resting_sells.0);
        let (bought, sold, owed, held) = (bought.0, sold.0, owed.0, held.0);
        Self { meter, resting_buys, resting_sells, bought, sold, owed, held }
    }
}

impl From<&PositionImage> for Position {
    fn from(image: &PositionImage) -> Self {
        Self {
            resting_buys: Energy(image.resting_buys),
            resting_sells: Energy(image.resting_sells),
            bought: Energy(image.bought),
            sold: Energy(image.sold),
            owed: Money(image.owed),
            held: Money(image.held),
            last_trade: 0,
        }
    }
}

#[cfg(test)]
mod tests;
