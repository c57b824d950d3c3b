//! What becomes of open orders when their account's share of collateral changes (MARKET section 7, Collateral).

use gridbook_engine::{AccountId, Money, NewBlock, Price, Side};

use super::State;
use super::collateral::Collateral;
use super::tables::{Holder, Standing};
use crate::conduct::SCORE_FULL;
use crate::record::RecordEvent;

impl State {
    /// Gives an account its new score, and with it its share. What its open orders and blocks have set aside is computed again in the same
    /// step, so that each of them goes on to free exactly what it has reserved. An account that cannot cover them has all that it has open
    /// withdrawn, as by its kill switch. What trades hold was right when they were made, and stays.
    pub(super) fn set_score(&mut self, account: AccountId, score: u16, events: &mut Vec<RecordEvent>) {
        let holder = Holder::User(account);
        let row = *self.tables.account(holder).expect("only registered accounts have a score");
        let share_ppm = self.tables.collateral().shares.at(score);
        let present = self.reserved_for_open(account, &self.tables.collateral_of(account));
        let needed = self.reserved_for_open(account, &self.tables.collateral().at(share_ppm));
        let mut more = needed - present;
        if more > row.free() {
            self.withdraw_all_of(account, events);
            more = Money::ZERO;
        }
        self.tables.change_account(holder, |row| {
            row.reserved += more;
            (row.score, row.share_ppm) = (score, share_ppm);
        });
    }

    /// What all open orders and blocks of an account set aside under `collateral`. Offers set nothing aside.
    fn reserved_for_open(&self, account: AccountId, collateral: &Collateral) -> Money {
        let meters = self.tables.meters_of(account).iter().filter_map(|meter| self.tables.meter(*meter));
        let standings = meters.flat_map(|meter| meter.names.values()).map(|name| name.standing);
        let amounts = standings.map(|standing| match standing {
            Standing::Resting(order) => {
                let order = self.engine.resting_order(order).expect("a name says what rests under it");
                collateral.reserve(order.terms.side, order.terms.price, order.remaining)
            }
            Standing::Block(tag) => {
                let block = self.engine.waiting_block(tag).expect("a name says which block waits under it");
                self.reserved_for_block(block, collateral)
            }
            Standing::Offer | Standing::Over => Money::ZERO,
        });
        amounts.fold(Money::ZERO, |sum, amount| sum + amount)
    }

    /// How much more an account's open orders and blocks set aside than they would with nothing against it: what its conduct costs it now. Looks
    /// at [`State::conduct_cost_looks_at`] names of orders.
    pub fn conduct_cost(&self, account: AccountId) -> Money {
        let (present, at_best) = (self.tables.collateral_of(account), self.collateral_at_best());
        if present == at_best {
            return Money::ZERO;
        }
        self.reserved_for_open(account, &present) - self.reserved_for_open(account, &at_best)
    }

    /// How many names of orders are looked at for what an account's conduct costs it: none where nothing stands against it, else all that it uses.
    pub fn conduct_cost_looks_at(&self, account: AccountId) -> usize {
        if self.tables.collateral_of(account) == self.collateral_at_best() {
            return 0;
        }
        let meters = self.tables.meters_of(account).iter().filter_map(|meter| self.tables.meter(*meter));
        meters.map(|meter| meter.names.len()).sum::<usize>() * 2
    }

    fn collateral_at_best(&self) -> Collateral {
        self.tables.collateral().at(self.tables.collateral().shares.at(SCORE_FULL))
    }

    /// In a single period a block's price is bounded by the market's limits only, so that is what it sets aside.
    pub(super) fn reserved_for_block(&self, block: &NewBlock, collateral: &Collateral) -> Money {
        let price = self.worst_price(block.side);
        let amounts = block.energies.iter().map(|(_, energy)| collateral.reserve(block.side, price, *energy));
        amounts.fold(Money::ZERO, |sum, amount| sum + amount)
    }

    fn worst_price(&self, side: Side) -> Price {
        match side {
            Side::Buy => self.rules().price_max,
            Side::Sell => self.rules().price_min,
        }
    }
}

#[cfg(test)]
mod tests {
    use gridbook_engine::{AreaId, Contract, DeliveryPeriod, Energy, LedgerTime, MarketRules, MeterId};

    use super::*;
    use crate::command::{Block, BlockPart, Bundle, Command, NEVER, Place};
    use crate::conduct::{DeviceFault, Ruling};
    use crate::crypto::{Hash, PublicKey, SecretKey};
    use crate::entry::Entry;
    use crate::genesis::{Genesis, SettlementRules};
    use crate::record::{Outcome, Record};
    use crate::registry::Plant;
    use crate::validators::ValidatorSet;

    const PERIOD: DeliveryPeriod = DeliveryPeriod(1_937_176);

    fn key(number: u8) -> PublicKey {
        SecretKey::from_seed([number; 32]).public()
    }

    /// Two accounts of 100,000 with a meter each. Who sells covers the way from his price up to 1,000: once at a full score, twice at none.
    /// Periods are in their call phase, so that blocks are taken and nothing trades.
    fn village() -> (Genesis, State) {
        let genesis = Genesis {
            name: "Testdorf".into(),
            ledger_start: LedgerTime(PERIOD.starts_at(15).0 - 3_600_000),
            wall_start_ms: 0,
            time_scale: 1,
            rules: MarketRules {
                tick: 1,
                auction_at_open: true,
                open_lead_ms: 75 * 60_000,
                periods_per_opening: 4,
                ..MarketRules::default()
            },
            settlement: SettlementRules {
                short_price_cap: Price(1_000),
                share_worst_ppm: 2_000_000,
                ..SettlementRules::default()
            },
            areas: vec!["north".into()],
            operator: key(9),
            validators: ValidatorSet::new((1..5).map(key).collect()).unwrap(),
        };
        let mut state = State::genesis(&genesis);
        let (area, import_max_wh, export_max_wh) = (AreaId(0), Energy(1_000), Energy(1_000));
        for number in 0..2 {
            let (account, meter, key) = (AccountId(number), MeterId(number), key(20 + u8::try_from(number).unwrap()));
            let plant = Plant::NONE;
            let register = Command::RegisterMeter { meter, account, key, area, import_max_wh, export_max_wh, plant };
            let open = Command::RegisterAccount { account, organisation: None };
            let deposit = Command::Deposit { account, amount: Money(100_000) };
            done(&genesis, &mut state, 9, vec![open, register, deposit]);
        }
        (genesis, state)
    }

    fn done(genesis: &Genesis, state: &mut State, signer: u8, commands: Vec<Command>) {
        let signer = key(signer);
        let nonce = state.device(&signer).unwrap().nonce + 1;
        let bundle = Bundle { chain: genesis.chain_id(), signer, nonce, expires_at: NEVER, commands };
        let bytes = [vec![1], bundle.content(), vec![0; 64]].concat();
        let mut records: Vec<Record> = Vec::new();
        state.apply(1, &Entry::decode_unverified(&bytes).unwrap().trust(), &mut records);
        assert!(records.iter().all(|record| record.outcome == Outcome::Done), "{records:?}");
        assert_eq!(state.audit(), Ok(()));
    }

    fn sell(client_id: u64, price: i32, energy: u64) -> Command {
        let contract = Contract { area: AreaId(0), period: PERIOD };
        Command::Place(Place::limit(client_id, contract, Side::Sell, Price(price), Energy(energy)))
    }

    /// Ten watt-hours in each of the next two periods.
    fn block(client_id: u64) -> Vec<Command> {
        let (area, side, price) = (AreaId(0), Side::Sell, Price(400));
        let mut energies = [Energy(0); 7];
        energies[..2].fill(Energy(10));
        let part = BlockPart { first: DeliveryPeriod(PERIOD.0), energies };
        vec![Command::Block(Block { client_id, area, side, price, parts: 1 }), Command::BlockPart(part)]
    }

    /// Enters double readings of the account's meter for the first `count` periods. Each costs 200 points, a fifth of the way to the worst share.
    fn blame(state: &mut State, account: u32, count: u32) -> Vec<RecordEvent> {
        let mut events = Vec::new();
        for period in 0..count {
            let (kind, period) = (DeviceFault::DoubleReading, Some(DeliveryPeriod(period)));
            state.enter_device(MeterId(account), kind, period, &[1, 2], &mut events);
            assert_eq!(state.audit(), Ok(()), "reservations are those of the new share");
        }
        events
    }

    /// Strikes the first entry.
    fn strike_first(state: &mut State, account: u32) {
        state.appeal(MeterId(account), 1, Hash::ZERO).unwrap();
        state.rule_appeal(1, Ruling::Struck, Hash::ZERO, &mut Vec::new()).unwrap();
        assert_eq!(state.audit(), Ok(()), "reservations are those of the new share");
    }

    fn purse(state: &State, account: u32) -> (i128, i128) {
        let view = state.account(AccountId(account)).unwrap();
        (view.balance.0, view.reserved.0)
    }

    /// 50 Wh at 600 cover 50 x 400, 10 Wh at 900 cover 10 x 100; at a score of 800 a fifth more, and what is cancelled then frees all of it.
    #[test]
    fn worse_conduct_asks_more_of_open_orders_at_once_and_cancelling_frees_exactly_that() {
        let (genesis, mut state) = village();
        done(&genesis, &mut state, 20, vec![sell(1, 600, 50), sell(2, 900, 10)]);
        assert_eq!(purse(&state, 0), (100_000, 21_000));
        let events = blame(&mut state, 0, 1);
        let changed = RecordEvent::ScoreChanged { account: AccountId(0), score: 800, share_ppm: 1_200_000 };
        assert_eq!(events[1..], [changed], "the entry, and what it changes");
        assert_eq!(purse(&state, 0), (100_000, 25_200));
        assert_eq!((state.conduct_cost(AccountId(0)), state.conduct_cost(AccountId(1))), (Money(4_200), Money(0)));
        done(&genesis, &mut state, 20, vec![Command::Cancel { client_id: 1 }]);
        assert_eq!(purse(&state, 0), (100_000, 1_200));
        strike_first(&mut state, 0);
        assert_eq!(purse(&state, 0), (100_000, 1_000));
        assert_eq!(purse(&state, 1), (100_000, 0), "the neighbour has nothing to do with it");
    }

    /// A block may sell at the market's lowest price in one of its periods: that is what it covers, under either share.
    #[test]
    fn blocks_are_covered_anew_as_orders_are() {
        let (genesis, mut state) = village();
        let enough = Command::Deposit { account: AccountId(0), amount: Money(10_000_000_000) };
        done(&genesis, &mut state, 9, vec![enough]);
        done(&genesis, &mut state, 20, block(7));
        // The lowest price is -9,999,990.
        assert_eq!(purse(&state, 0).1, 20 * 10_000_990);
        blame(&mut state, 0, 5);
        assert_eq!(purse(&state, 0).1, 20 * 20_001_980);
        done(&genesis, &mut state, 20, vec![Command::Cancel { client_id: 7 }]);
        assert_eq!(purse(&state, 0).1, 0);
    }

    /// All of the money is set aside at a full score. Nothing covers more, so all that is open leaves the book, and the purse never
    /// shows less than nothing.
    #[test]
    fn an_account_that_cannot_cover_its_orders_any_more_has_them_withdrawn() {
        let (genesis, mut state) = village();
        done(&genesis, &mut state, 20, vec![sell(1, 0, 60), sell(2, 0, 40)]);
        assert_eq!(purse(&state, 0), (100_000, 100_000));
        let events = blame(&mut state, 0, 1);
        let withdrawn = events[2..].iter().map(|event| match event {
            RecordEvent::Cancelled { order, remaining } => (order.client_id, remaining.0),
            other => panic!("{other:?}"),
        });
        assert_eq!(withdrawn.collect::<Vec<_>>(), [(1, 60), (2, 40)]);
        assert_eq!((purse(&state, 0), state.open_orders(MeterId(0))), ((100_000, 0), vec![]));
    }

    /// A view change takes back a penalty, too.
    #[test]
    fn going_back_brings_back_score_share_and_orders() {
        let (genesis, mut state) = village();
        done(&genesis, &mut state, 20, vec![sell(1, 0, 90)]);
        let (mark, snapshot, root) = (state.mark(), state.snapshot(), state.state_root());
        blame(&mut state, 0, 3);
        strike_first(&mut state, 0);
        assert_ne!(state.state_root(), root);
        state.rollback(mark);
        assert_eq!(state.audit(), Ok(()));
        assert_eq!((state.state_root(), state.snapshot() == snapshot), (root, true));
    }
}
