//! Collateral and headroom: what the engine asks before an order trades or rests (MARKET section 7, Collateral).

use gridbook_engine::{Energy, Limits, Money, OrderTerms, Price, Reject, Side};

use super::tables::{Holder, MeterFacts, Payable, Position, Tables};

impl Limits for Tables {
    type Mark = u64;

    /// Headroom first, because it needs no money to be hopeless; then money.
    fn reserve(&mut self, terms: &OrderTerms, energy: Energy) -> Result<(), Reject> {
        let facts = self.meter(terms.meter).ok_or(Reject::CreditHeadroom)?.facts;
        let mut position = self.position(terms.contract.period, terms.meter);
        position.open(&facts, terms.side, energy)?;
        let holder = Holder::User(terms.account);
        let amount = self.collateral.reserve(terms.side, terms.price, energy);
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
        let amount = self.collateral.reserve(terms.side, terms.price, energy);
        if amount > Money::ZERO {
            self.change_account(Holder::User(terms.account), |account| account.reserved -= amount);
        }
    }

    /// One side of a trade: its reservation ends, its payment goes to clearing, and what clearing will owe it is noted.
    fn fill(&mut self, terms: &OrderTerms, energy: Energy, price: Price) {
        let (period, area) = (terms.contract.period, terms.contract.area);
        let mut position = self.position(period, terms.meter);
        *position.resting(terms.side) -= energy;
        *position.traded(terms.side) += energy;
        self.set_position(period, terms.meter, position);

        let freed = self.collateral.reserve(terms.side, terms.price, energy);
        let held = self.collateral.held(terms.side, price, energy);
        let payer = Holder::User(terms.account);
        if freed != held {
            self.change_account(payer, |account| account.reserved = account.reserved - freed + held);
        }
        let payment = self.collateral.payment(terms.side, price, energy);
        if payment > Money::ZERO {
            self.pay_in(period, payer, payment);
        }
        let owed = self.collateral.payment(terms.side.opposite(), price, energy);
        if owed > Money::ZERO || held > Money::ZERO {
            self.add_payable(period, area, terms.account, Payable { owed, held });
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
