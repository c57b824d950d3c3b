//! Collateral and headroom: what the engine asks before an order trades or rests (MARKET section 7, Collateral).

use gridbook_engine::{AreaId, DeliveryPeriod, Energy, Limits, Money, OrderTerms, Price, Reject, Side};

use super::tables::{Holder, MeterFacts, Position, Tables};
use crate::defects::{Defect, omits};

impl Limits for Tables {
    type Mark = u64;

    /// Headroom first, because it needs no money to be hopeless; then money.
    fn reserve(&mut self, terms: &OrderTerms, energy: Energy) -> Result<(), Reject> {
        let facts = self.meter(terms.meter).ok_or(Reject::CreditHeadroom)?.facts;
        let mut position = self.position(terms.contract.period, terms.meter);
        position.open(&facts, terms.side, energy)?;
        let holder = Holder::User(terms.account);
        let amount = self.collateral_of(terms.account).reserve(terms.side, terms.price, energy);
        if amount > self.account(holder).ok_or(Reject::CreditMoney)?.free() {
            return Err(Reject::CreditMoney);
        }
        self.set_position(terms.contract.period, terms.meter, position);
        if amount > Money::ZERO {
            self.change_account(holder, |account| account.reserved += amount);
        }
        Ok(())
    }

    fn release(&mut self, terms: &OrderTerms, energy: Energy) {
        let mut position = self.position(terms.contract.period, terms.meter);
        *position.resting(terms.side) -= energy;
        self.set_position(terms.contract.period, terms.meter, position);
        let amount = self.collateral_of(terms.account).reserve(terms.side, terms.price, energy);
        if amount > Money::ZERO {
            self.change_account(Holder::User(terms.account), |account| account.reserved -= amount);
        }
    }

    /// One side of a trade: its reservation ends, its payment goes to clearing, and what clearing will owe it is noted. The trade itself
    /// is noted when the engine reports it, with both its sides.
    fn fill(&mut self, terms: &OrderTerms, energy: Energy, price: Price) {
        let period = terms.contract.period;
        let mut position = self.position(period, terms.meter);
        *position.resting(terms.side) -= energy;
        if terms.side == Side::Buy || !omits(Defect::SoldUncounted) {
            *position.traded(terms.side) += energy;
        }
        let collateral = self.collateral_of(terms.account);
        let freed = collateral.reserve(terms.side, terms.price, energy);
        let held = collateral.held(terms.side, price, energy);
        position.owed += collateral.payment(terms.side.opposite(), price, energy);
        position.held += held;
        self.set_position(period, terms.meter, position);

        let payer = Holder::User(terms.account);
        if freed != held {
            self.change_account(payer, |account| account.reserved = account.reserved - freed + held);
        }
        let payment = collateral.payment(terms.side, price, energy);
        if payment > Money::ZERO {
            self.pay_in(period, payer, payment);
        }
    }

    /// What buyers paid in beyond what sellers are owed is the edges' operators', at once: delivered or not, the capacity is used.
    fn collect(&mut self, child: AreaId, period: DeliveryPeriod, fee: Money, rent: Money) {
        if fee + rent > Money::ZERO {
            self.collect_for(child, period, fee, rent);
        }
    }

    fn mark(&self) -> u64 {
        self.place_in_journal()
    }

    fn rollback(&mut self, mark: u64) {
        self.undo_to(mark);
    }
}

impl Position {
    /// Opens `energy` more on one side, if the meter's connection could carry it.
    fn open(&mut self, facts: &MeterFacts, side: Side, energy: Energy) -> Result<(), Reject> {
        let (max, traded, back) = match side {
            Side::Sell => (facts.export_max, self.sold, self.bought),
            Side::Buy => (facts.import_max, self.bought, self.sold),
        };
        let resting = self.resting(side);
        let open = resting.checked_add(energy).ok_or(Reject::CreditHeadroom)?;
        // Bounds the running sums themselves, so that trading to and fro can never overflow them.
        let gross = open.checked_add(traded).ok_or(Reject::CreditHeadroom)?;
        if i128::from(gross.0) - i128::from(back.0) > i128::from(max.0) {
            return Err(Reject::CreditHeadroom);
        }
        *resting = open;
        Ok(())
    }

    fn resting(&mut self, side: Side) -> &mut Energy {
        match side {
            Side::Buy => &mut self.resting_buys,
            Side::Sell => &mut self.resting_sells,
        }
    }

    fn traded(&mut self, side: Side) -> &mut Energy {
        match side {
            Side::Buy => &mut self.bought,
            Side::Sell => &mut self.sold,
        }
    }
}

#[cfg(test)]
mod tests {
    use gridbook_engine::{AccountId, Contract, LedgerTime, MeterId, OrderTag};

    use super::*;
    use crate::crypto::{Hash, PublicKey, SecretKey};
    use crate::registry::Plant;
    use crate::state::collateral::CollateralRules;
    use crate::state::tables::EpochRow;
    use crate::validators::ValidatorSet;

    /// Two accounts of 1,000,000 with a meter each, and imbalance prices of up to 1,000 down to -100.
    fn tables() -> Tables {
        let keys = (1..5).map(|seed| SecretKey::from_seed([seed; 32]).public()).collect();
        let epoch = EpochRow { number: 0, set: ValidatorSet::new(keys).unwrap(), before: None };
        let (short_price_cap, long_price_floor) = (Price(1_000), Price(-100));
        let collateral = CollateralRules { short_price_cap, long_price_floor, ..CollateralRules::default() };
        let mut tables = Tables::new(LedgerTime(0), epoch, collateral, false);
        for number in 0..2 {
            let account = tables.add_account(None);
            tables.post(Holder::System(super::super::SystemAccount::Issuer), Holder::User(account), Money(1_000_000));
            let (key, max) = (PublicKey([number; 32]), Energy(1_000));
            let (plant, certificate) = (Plant::NONE, Hash::ZERO);
            let facts = MeterFacts {
                account,
                key,
                area: AreaId(0),
                first_period: DeliveryPeriod(0),
                import_max: max,
                export_max: max,
                plant,
                certificate,
            };
            tables.add_meter(facts);
        }
        tables
    }

    fn terms(number: u32, side: Side, price: i32) -> OrderTerms {
        let contract = Contract { area: AreaId(0), period: DeliveryPeriod(9) };
        let (account, meter, price) = (AccountId(number), MeterId(number), Price(price));
        OrderTerms { tag: OrderTag(1), account, meter, contract, side, price }
    }

    fn purse(tables: &Tables, number: u32) -> (i128, i128) {
        let account = tables.account(Holder::User(AccountId(number))).unwrap();
        (account.balance.0, account.reserved.0)
    }

    /// A seller who may fail to deliver, and a buyer who may fail to take it, are good for the imbalance until settlement.
    #[test]
    fn a_trade_keeps_the_collateral_for_its_imbalance_until_it_is_settled() {
        let mut tables = tables();
        let (buy, sell) = (terms(0, Side::Buy, 300), terms(1, Side::Sell, 200));
        tables.reserve(&sell, Energy(100)).unwrap();
        tables.reserve(&buy, Energy(100)).unwrap();
        assert_eq!((purse(&tables, 0), purse(&tables, 1)), ((1_000_000, 40_000), (1_000_000, 80_000)));
        tables.fill(&sell, Energy(60), Price(200));
        tables.fill(&buy, Energy(60), Price(200));
        // The buyer has paid 60 x 200 and stays good for 60 x 100, besides 40 x 400 for what is still open.
        assert_eq!(purse(&tables, 0), (988_000, 6_000 + 16_000));
        assert_eq!(purse(&tables, 1), (1_000_000, 60 * 800 + 40 * 800));
        tables.release(&sell, Energy(40));
        tables.release(&buy, Energy(40));
        let position = |number| tables.position(DeliveryPeriod(9), MeterId(number));
        let (bought, sold) = (position(0), position(1));
        assert_eq!((bought.owed, bought.held), (Money(0), Money(6_000)));
        assert_eq!((sold.owed, sold.held), (Money(12_000), Money(48_000)));
        assert_eq!((purse(&tables, 0).1, purse(&tables, 1).1), (bought.held.0, sold.held.0));
    }

    /// A refusal, for whatever reason, changes nothing and needs no undoing.
    #[test]
    fn a_refused_reservation_leaves_the_journal_as_it_was() {
        let mut tables = tables();
        let before = tables.place_in_journal();
        assert_eq!(tables.reserve(&terms(0, Side::Buy, 999), Energy(1_000)), Err(Reject::CreditMoney));
        assert_eq!(tables.reserve(&terms(0, Side::Sell, 999), Energy(1_001)), Err(Reject::CreditHeadroom));
        assert_eq!(tables.place_in_journal(), before);
        assert!(tables.periods().is_empty());
    }
}
