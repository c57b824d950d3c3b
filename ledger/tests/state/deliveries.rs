//! What delivered energy costs and brings (MARKET section 7). Missing energy costs 600, energy too much brings 20; the tables say who pays.

use gridbook_engine::{AccountId, AreaId, Contract, DeliveryPeriod, Energy, LedgerTime, MeterId, Money, Price};
use gridbook_ledger::command::{AreaReading, Command, Reading, SetImbalancePrices};
use gridbook_ledger::genesis::{Genesis, SettlementRules};
use gridbook_ledger::record::{AreaSettled, MeterSettled, Record, RecordEvent};
use gridbook_ledger::settlement::{AreaFault, Delivery, Quality, Registers, Rule};
use gridbook_ledger::state::{PeriodStage, SystemAccount};

use crate::town::{CONTRACT, PERIOD, Town, at, buy, delivered, genesis, grid, refusal, sell};

/// An hour for readings, two for corrections.
pub(crate) fn metered(genesis: Genesis) -> Genesis {
    let settlement = SettlementRules {
        reading_deadline_ms: 3_600_000,
        dispute_ms: 2 * 3_600_000,
        short_price: Price(600),
        long_price: Price(20),
        short_price_cap: Price(1_000),
        long_price_floor: Price(-200),
        ..SettlementRules::metered()
    };
    Genesis { settlement, ..genesis }
}

/// When readings of [`PERIOD`] are due.
pub(crate) fn deadline() -> LedgerTime {
    LedgerTime(delivered().0 + 3_600_000)
}

/// When nothing of [`PERIOD`] can be changed any more.
pub(crate) fn final_at() -> LedgerTime {
    LedgerTime(deadline().0 + 2 * 3_600_000)
}

/// A reading in which everything counts from 10,000.
pub(crate) fn reading(period: DeliveryPeriod, import: u64, export: u64) -> Reading {
    let registers = Registers { import: 10_000 + import, export: 10_000 + export, counter: period.0.into() };
    Reading { period, registers }
}

pub(crate) const BEFORE: DeliveryPeriod = DeliveryPeriod(PERIOD.0 - 1);

/// The period begins: the first `read` meters tell their registers.
pub(crate) fn begin(town: &mut Town, read: u32) {
    town.time(PERIOD.starts_at(15));
    town.work_all(100);
    for meter in 0..read {
        town.done(meter, Command::Reading(reading(BEFORE, 0, 0)));
    }
}

/// The period is over: each meter tells what it took and gave, and the deadline passes. What was settled.
pub(crate) fn end(town: &mut Town, flows: &[(u32, u64, u64)]) -> Vec<Record> {
    town.time(delivered());
    for (meter, import, export) in flows {
        town.done(*meter, Command::Reading(reading(PERIOD, *import, *export)));
    }
    town.time(deadline());
    town.work_all(100)
}

pub(crate) fn settled(records: &[Record]) -> Vec<MeterSettled> {
    let of = |event: &RecordEvent| match event {
        RecordEvent::MeterSettled(settled) => Some(*settled),
        _ => None,
    };
    records.iter().flat_map(|record| &record.events).filter_map(of).filter(|of| of.contract.period == PERIOD).collect()
}

pub(crate) fn areas(records: &[Record]) -> Vec<AreaSettled> {
    let of = |event: &RecordEvent| match event {
        RecordEvent::AreaSettled(settled) => Some(*settled),
        _ => None,
    };
    records.iter().flat_map(|record| &record.events).filter_map(of).filter(|of| of.contract.period == PERIOD).collect()
}

/// Imbalance, upstream, losses, default, grid.
fn system(town: &Town) -> [i128; 5] {
    use SystemAccount::{Default, Grid, Imbalance, Losses, Upstream};
    [Imbalance, Upstream, Losses, Default, Grid].map(|account| town.state.system_account(account).balance.0)
}

/// Two neighbours: 1 has sold 100 Wh to 0 at 250, and the period begins.
fn neighbours() -> Town {
    let mut town = Town::in_areas(metered(genesis()), &[0, 0]);
    town.done(0, buy(1, 250, 100));
    town.done(1, sell(1, 200, 100));
    begin(&mut town, 2);
    assert_eq!(town.purse(1), (1_000_000, 75_000), "it stays good for 100 x (1,000 - 250)");
    town
}

/// A feeder in the north has sold 100 Wh to one in the south, and the period is over.
pub(crate) fn feeders() -> Town {
    let mut town = Town::in_areas(metered(grid()), &[1, 2]);
    town.done(0, at(1, sell(1, 200, 100)));
    town.done(1, at(2, buy(1, 300, 100)));
    begin(&mut town, 2);
    town.time(delivered());
    town
}

/// Both did what they had said. Nobody owes anything but the trade.
#[test]
fn who_delivers_what_he_sold_is_paid_for_it_and_that_is_all() {
    let mut town = neighbours();
    let records = end(&mut town, &[(0, 100, 0), (1, 0, 100)]);
    assert_eq!((town.purse(0), town.purse(1)), ((975_000, 0), (1_025_000, 0)));
    assert_eq!(system(&town), [0; 5]);
    let sold = settled(&records)[1];
    let delivery = Delivery { import: Energy(0), export: Energy(100) };
    assert_eq!((sold.meter, sold.account, sold.delivery), (MeterId(1), AccountId(1), delivery));
    assert_eq!((sold.quality, sold.trades, sold.own_trades), (Quality::Measured, Money(25_000), Money(0)));
    assert_eq!(town.state.period_stage(PERIOD), Some(PeriodStage::Settled { frozen: 0 }));
}

/// A cloud: 60 of the 100 sold. The 40 that were missing cost 600 each, more than the 250 they brought; the buyer has his 100 whatever his
/// neighbour's meter shows.
///
/// | | trade | imbalance | |
/// |---|---|---|---|
/// | 0 | -25,000 | 0 | |
/// | 1 | +25,000 | -40 x 600 | goes upstream, where the energy came from |
#[test]
fn who_is_short_pays_for_his_own_sale_and_nobody_else_does() {
    let mut town = neighbours();
    let records = end(&mut town, &[(0, 100, 0), (1, 0, 60)]);
    assert_eq!((town.purse(0), town.purse(1)), ((975_000, 0), (1_025_000 - 24_000, 0)));
    assert_eq!(system(&town), [0, 24_000, 0, 0, 0]);
    assert_eq!((settled(&records)[1].own_trades, settled(&records)[1].rest), (Money(24_000), Money(0)));
    let area = areas(&records)[0];
    assert_eq!((area.net_wh, area.contracted_wh, area.upstream, area.surplus), (-40, 0, Money(24_000), Money(0)));
    assert_eq!(
        (area.short_rest, area.long_rest),
        (Price(600), Price(20)),
        "the mean of the trades, 250, makes neither worse"
    );
}

/// Nobody was at home: 30 of the 100 bought. The 70 too much bring 20 each, not the 250 they cost; the seller is paid in full.
#[test]
fn who_is_long_gets_the_low_price_and_the_seller_his_own() {
    let mut town = neighbours();
    end(&mut town, &[(0, 30, 0), (1, 0, 100)]);
    assert_eq!((town.purse(0), town.purse(1)), ((975_000 + 1_400, 0), (1_025_000, 0)));
    assert_eq!(system(&town), [0, -1_400, 0, 0, 0]);
}

/// One is 40 short, the other 70 long: 30 go upstream for 20 each, and what the two prices differ by is the operator's.
///
/// ```text
/// in  40 x 600 = 24,000, 30 x 20 = 600     out 70 x 20 = 1,400     left 23,200
/// ```
#[test]
fn what_opposite_imbalances_leave_goes_to_the_area_and_is_never_negative() {
    let mut town = neighbours();
    let records = end(&mut town, &[(0, 30, 0), (1, 0, 60)]);
    assert_eq!((town.purse(0), town.purse(1)), ((976_400, 0), (1_001_000, 0)));
    assert_eq!(system(&town), [0, -600, 0, 0, 23_200]);
    assert_eq!(areas(&records)[0].surplus, Money(23_200));
    assert_eq!(town.state.area_income(AreaId(0)).surplus, Money(23_200));
}

/// A plant sells its whole day and never runs: its energy earns nothing, and it pays the difference.
#[test]
fn selling_and_not_delivering_never_pays() {
    let mut town = Town::in_areas(metered(genesis()), &[0, 0]);
    town.done(0, buy(1, 900, 100));
    town.done(1, sell(1, 900, 100));
    begin(&mut town, 2);
    end(&mut town, &[(0, 100, 0), (1, 0, 0)]);
    assert_eq!(town.purse(1), (1_000_000, 0), "90,000 for the trade, and 100 x 900 back: not 100 x 600");
    assert_eq!(system(&town), [0, 60_000, 0, 0, 30_000]);
}

/// A house without money takes 50 Wh that it did not buy: the operator pays the 30,000 and sends a bill. The neighbours' money is not
/// touched.
#[test]
fn energy_taken_without_a_trade_is_billed_by_the_operator_if_the_account_is_empty() {
    let mut town = Town::in_areas(metered(genesis()), &[0, 0]);
    town.operator(vec![Command::Withdraw { account: AccountId(0), amount: Money(990_000) }]);
    begin(&mut town, 2);
    let records = end(&mut town, &[(0, 50, 0), (1, 0, 0)]);
    assert_eq!(town.purse(0), (0, 0), "what it had, it paid");
    assert_eq!(system(&town), [0, 30_000, 0, 0, -20_000]);
    assert_eq!((settled(&records)[0].billed, settled(&records)[0].defaulted), (Money(20_000), Money(0)));
    assert_eq!(town.state.area_income(AreaId(0)).billed, Money(20_000));
}

/// A ledger that asks for half of the collateral: a seller who takes his money out and delivers nothing leaves a loss, and it is booked.
///
/// ```text
/// covers 100 x 1/2 x (1,000 - 200) = 40,000    is paid 20,000    owes 100 x 1,000    short by 40,000
/// ```
#[test]
fn what_a_smaller_share_does_not_cover_is_booked_as_a_loss_and_not_dropped() {
    let genesis = metered(genesis());
    let settlement = SettlementRules { share_ppm: 500_000, share_worst_ppm: 500_000, ..genesis.settlement };
    let mut town = Town::in_areas(Genesis { settlement, ..genesis }, &[0, 0]);
    town.done(0, buy(1, 200, 100));
    town.done(1, sell(1, 200, 100));
    town.operator(vec![Command::Withdraw { account: AccountId(1), amount: Money(960_000) }]);
    let prices = SetImbalancePrices { contract: CONTRACT, short_price: Price(1_000), long_price: Price(0) };
    town.operator(vec![Command::SetImbalancePrices(prices)]);
    begin(&mut town, 2);
    let records = end(&mut town, &[(0, 100, 0), (1, 0, 0)]);
    assert_eq!(town.purse(1), (0, 0));
    assert_eq!(system(&town), [0, 100_000, 0, -40_000, 0]);
    assert_eq!(settled(&records)[1].defaulted, Money(40_000));
}

/// A meter that says nothing counts as having given nothing and taken all that it bought: silence never pays.
#[test]
fn a_missing_reading_is_estimated_against_its_owner_and_says_so() {
    let mut town = neighbours();
    let records = end(&mut town, &[]);
    assert_eq!((town.purse(0), town.purse(1)), ((975_000, 0), (1_025_000 - 60_000, 0)));
    let qualities: Vec<_> = settled(&records).iter().map(|settled| settled.quality).collect();
    assert_eq!(qualities, [Quality::Estimated(Rule::Missing); 2]);
    let taken = town.state.delivery(MeterId(0), PERIOD).unwrap();
    assert_eq!(taken.delivery, Delivery { import: Energy(100), export: Energy(0) });
}

/// There is too much wind: whoever takes energy is paid for it, and energy too much costs. A house that bought 100 Wh and switched itself off
/// would have to pay for not taking them; its silence does not say that it took them.
///
/// ```text
/// short -100, long -200 a kWh        taken 100: 0        nothing taken: 100 Wh too much, 20,000
/// ```
#[test]
fn silence_does_not_pay_either_where_taking_energy_is_paid_for() {
    let mut town = neighbours();
    let prices = SetImbalancePrices { contract: CONTRACT, short_price: Price(-100), long_price: Price(-200) };
    town.operator(vec![Command::SetImbalancePrices(prices)]);
    let records = end(&mut town, &[(1, 0, 100)]);
    let house = settled(&records)[0];
    assert_eq!((house.delivery, house.quality), (Delivery::default(), Quality::Estimated(Rule::Missing)));
    assert_eq!((house.own_trades, house.rest), (Money(20_000), Money(0)));
}

/// It took 80 Wh a week ago. That it took them today, when 100 a kWh were paid for it, it would have to show.
#[test]
fn a_silent_house_is_not_paid_for_what_it_took_a_week_before() {
    let mut town = Town::in_areas(metered(genesis()), &[0, 0]);
    begin(&mut town, 2);
    end(&mut town, &[(0, 80, 0)]);
    let week_later = DeliveryPeriod(PERIOD.0 + 7 * 96);
    town.time(week_later.starts_at(15));
    town.work_all(100);
    let contract = Contract { period: week_later, ..CONTRACT };
    let prices = SetImbalancePrices { contract, short_price: Price(-100), long_price: Price(-200) };
    assert_eq!(refusal(&town.operator(vec![Command::SetImbalancePrices(prices)])[0]), None);
    let before = town.purse(0);
    town.time(LedgerTime(week_later.ends_at(15).0 + 1));
    town.done(1, Command::Reading(reading(week_later, 0, 0)));
    town.time(LedgerTime(week_later.ends_at(15).0 + 3_600_000));
    town.work_all(100);
    assert_eq!((town.purse(0), town.state.delivery(MeterId(0), week_later)), (before, None));
}

/// ```text
/// week       0      1           2      3
/// house     80     idle        (80)   (80)     one quarter-hour in which taking is paid for does not end its estimates
/// prices           -100, -200
/// ```
#[test]
fn a_house_taken_for_idle_once_is_estimated_again_a_week_later() {
    let mut town = Town::in_areas(metered(genesis()), &[0, 0]);
    begin(&mut town, 2);
    end(&mut town, &[(0, 80, 0)]);
    for week in 1..=3 {
        let period = DeliveryPeriod(PERIOD.0 + week * 7 * 96);
        town.time(period.starts_at(15));
        town.work_all(100);
        if week == 1 {
            let contract = Contract { period, ..CONTRACT };
            let prices = SetImbalancePrices { contract, short_price: Price(-100), long_price: Price(-200) };
            assert_eq!(refusal(&town.operator(vec![Command::SetImbalancePrices(prices)])[0]), None);
        }
        town.time(LedgerTime(period.ends_at(15).0 + 1));
        town.done(1, Command::Reading(reading(period, 0, 0)));
        town.time(LedgerTime(period.ends_at(15).0 + 3_600_000));
        town.work_all(100);
        let taken = town.state.delivery(MeterId(0), period).map(|taken| taken.delivery.import);
        assert_eq!(taken, (week > 1).then_some(Energy(80)), "week {week}");
    }
}

/// What nobody knows the beginning of cannot be measured: a first reading is the start of the next period only.
#[test]
fn a_reading_without_one_before_it_settles_nothing_yet() {
    let mut town = Town::in_areas(metered(genesis()), &[0, 0]);
    town.done(0, buy(1, 250, 100));
    town.done(1, sell(1, 200, 100));
    begin(&mut town, 1);
    let records = end(&mut town, &[(0, 100, 0), (1, 0, 100)]);
    let qualities: Vec<_> = settled(&records).iter().map(|settled| settled.quality).collect();
    assert_eq!(qualities, [Quality::Measured, Quality::Estimated(Rule::NoStart)]);
}

/// A house that took 80 Wh a week ago and is silent now is taken to have done the same again, bought or not.
#[test]
fn a_silent_house_is_estimated_by_what_it_took_a_week_before() {
    let mut town = Town::in_areas(metered(genesis()), &[0]);
    begin(&mut town, 1);
    end(&mut town, &[(0, 80, 0)]);
    town.time(final_at());
    town.work_all(100);
    assert_eq!(town.state.period_stage(PERIOD), None, "it is final and forgotten");
    let week_later = DeliveryPeriod(PERIOD.0 + 7 * 96);
    town.time(LedgerTime(week_later.starts_at(15).0 - 7_200_000));
    town.operator(vec![crate::town::register(1, AccountId(0), AreaId(0))]);
    let place = |command| match command {
        Command::Place(place) => Command::Place(gridbook_ledger::command::Place { period: week_later, ..place }),
        other => other,
    };
    let seller = vec![
        Command::RegisterAccount { account: AccountId(1), organisation: None },
        crate::town::register(2, AccountId(1), AreaId(0)),
        Command::Deposit { account: AccountId(1), amount: Money(1_000_000) },
    ];
    town.operator(seller);
    town.done(0, place(buy(7, 250, 30)));
    town.done(2, place(sell(7, 250, 30)));
    town.time(LedgerTime(week_later.ends_at(15).0 + 3_600_000));
    town.work_all(100);
    let taken = town.state.delivery(MeterId(0), week_later).unwrap();
    assert_eq!(taken.delivery, Delivery { import: Energy(80), export: Energy(0) });
    assert_eq!(taken.quality, Quality::Estimated(Rule::Missing));
}

/// ```text
/// week       0      1      2      3
/// house     80    (80)   (80)   (80)     silent for good: a meter that is switched off is no cheaper the longer it is
/// neighbour  read, so that the quarter-hour is one of which something is known
/// ```
#[test]
fn a_house_that_stays_silent_for_weeks_is_estimated_in_each_of_them() {
    let mut town = Town::in_areas(metered(genesis()), &[0, 0]);
    begin(&mut town, 2);
    end(&mut town, &[(0, 80, 0)]);
    for week in 1..=3 {
        let period = DeliveryPeriod(PERIOD.0 + week * 7 * 96);
        town.time(LedgerTime(period.ends_at(15).0 + 1));
        town.work_all(100);
        assert_eq!(town.state.period_stage(PERIOD), None, "the first week is final and forgotten");
        town.done(1, Command::Reading(reading(period, 0, 0)));
        town.time(LedgerTime(period.ends_at(15).0 + 3_600_000));
        town.work_all(100);
        let taken = town.state.delivery(MeterId(0), period).expect("it is billed");
        assert_eq!(
            (taken.delivery.import, taken.quality),
            (Energy(80), Quality::Estimated(Rule::Missing)),
            "week {week}"
        );
    }
}

/// Everything is known an hour before the deadline: nobody has to wait for it.
#[test]
fn a_period_in_which_everything_was_read_is_settled_at_once() {
    let mut town = Town::in_areas(metered(genesis()), &[0, 0]);
    town.done(0, buy(1, 250, 100));
    town.done(1, sell(1, 200, 100));
    begin(&mut town, 2);
    town.time(delivered());
    town.done(0, Command::Reading(reading(PERIOD, 100, 0)));
    town.done(1, Command::Reading(reading(PERIOD, 0, 100)));
    assert!(!town.state.has_work(), "the edges are not read");
    for area in 0..2 {
        let contract = Contract { area: AreaId(area), ..CONTRACT };
        town.operator(vec![Command::AreaReading(AreaReading { contract, sent_up_wh: 0 })]);
    }
    assert!(town.state.has_work());
    town.work_all(100);
    assert_eq!(town.purse(1), (1_025_000, 0));
}

/// A feeder in the north sells 100 Wh to one in the south, 4 Wh are lost on the way, all of them in the north.
///
/// ```text
///                0 substation   no meters
///       96 up   /            \\   96 down
///      1 north                2 south
///     sold 100, gave 100     bought 100, took 96
/// ```
/// The 4 that south did not take are its own imbalance, at 20; the 4 lost in the north cost its operator 600 each.
#[test]
fn losses_are_paid_by_the_operator_of_the_area_they_occur_in() {
    let mut town = Town::in_areas(metered(grid()), &[1, 2]);
    town.done(0, at(1, sell(1, 200, 100)));
    town.done(1, at(2, buy(1, 300, 100)));
    let fees = town.state.system_account(SystemAccount::Grid).balance.0;
    assert_eq!(fees, 100 * (10 + 40));
    begin(&mut town, 2);
    town.time(delivered());
    for (area, sent_up_wh) in [(1, 96), (2, -96)] {
        let contract = Contract { area: AreaId(area), ..CONTRACT };
        town.operator(vec![Command::AreaReading(AreaReading { contract, sent_up_wh })]);
    }
    let records = end(&mut town, &[(0, 0, 100), (1, 96, 0)]);
    let of = |area: usize| areas(&records)[area];
    assert_eq!((of(0).contract.area, of(0).losses_wh, of(0).losses), (AreaId(1), 4, Money(2_400)));
    assert_eq!((of(1).contract.area, of(1).losses_wh, of(1).upstream), (AreaId(2), 0, Money(-80)));
    assert_eq!((of(0).contracted_wh, of(1).contracted_wh), (100, -100), "what one sends the other receives");
    assert_eq!(system(&town), [0, 2_400 - 80, 0, 0, fees - 2_400]);
}

/// 50 of 100 Wh are said to be lost in the north: that cannot be. Its meters are not paid, the south is; then the operator finds his
/// mistake.
#[test]
fn an_area_whose_energies_contradict_each_other_is_frozen_and_others_go_on() {
    let mut town = feeders();
    let north = Contract { area: AreaId(1), ..CONTRACT };
    town.operator(vec![Command::AreaReading(AreaReading { contract: north, sent_up_wh: 50 })]);
    let records = end(&mut town, &[(0, 0, 100), (1, 100, 0)]);
    let why = AreaFault::Losses { losses_wh: 50, throughput_wh: 100 };
    let frozen = RecordEvent::AreaFrozen { contract: north, why };
    assert!(records.iter().any(|record| record.events.contains(&frozen)), "{records:?}");
    assert_eq!(town.state.period_stage(PERIOD), Some(PeriodStage::Settled { frozen: 1 }));
    let clearing = |town: &Town| town.state.system_account(SystemAccount::Clearing).balance.0;
    assert_eq!((clearing(&town), settled(&records).len()), (20_000, 1), "the seller's money waits");
    town.time(final_at());
    town.work_all(100);
    let stage = town.state.period_stage(PERIOD);
    assert_eq!(stage, Some(PeriodStage::Settled { frozen: 1 }), "a frozen area does not become final");

    let mut town = feeders();
    town.operator(vec![Command::AreaReading(AreaReading { contract: north, sent_up_wh: 50 })]);
    end(&mut town, &[(0, 0, 100), (1, 100, 0)]);
    town.operator(vec![Command::AreaReading(AreaReading { contract: north, sent_up_wh: 99 })]);
    let records = town.work_all(100);
    assert_eq!((settled(&records).len(), areas(&records).len()), (1, 1), "only the north");
    assert_eq!((clearing(&town), areas(&records)[0].losses), (0, Money(600)));
    assert_eq!(town.state.period_stage(PERIOD), Some(PeriodStage::Settled { frozen: 0 }));
}

/// One leader settles in one go, another's slices are one meter or area long.
#[test]
fn many_small_slices_settle_what_one_large_one_does() {
    let story = |limit: u32| {
        let mut town = Town::in_areas(metered(grid()), &[1, 2, 0, 2]);
        town.done(0, at(1, sell(1, 200, 100)));
        town.done(1, at(2, buy(1, 300, 60)));
        town.done(3, at(2, buy(1, 300, 40)));
        begin(&mut town, 3);
        town.time(delivered());
        for (meter, import, export) in [(0, 0, 70), (1, 80, 0), (2, 5, 0)] {
            town.done(meter, Command::Reading(reading(PERIOD, import, export)));
        }
        town.time(deadline());
        let events: Vec<RecordEvent> = town.work_all(limit).into_iter().flat_map(|record| record.events).collect();
        (events, format!("{:?}", town.substance()), town.state.state_root())
    };
    let (whole, sliced) = (story(1_000), story(1));
    assert!(whole.0.len() > 4);
    assert_eq!((&whole.0, &whole.1), (&sliced.0, &sliced.1));
}

/// Tampering with the price list: both prices stay within what collateral covers, and being long never pays more than being short costs.
#[test]
fn imbalance_prices_are_set_before_settlement_and_within_the_bounds() {
    use gridbook_ledger::reject::Code;
    let mut town = Town::in_areas(metered(genesis()), &[0, 0]);
    let set = |town: &mut Town, contract, short_price, long_price| {
        let prices = SetImbalancePrices { contract, short_price: Price(short_price), long_price: Price(long_price) };
        crate::town::refusal(&town.operator(vec![Command::SetImbalancePrices(prices)])[0])
    };
    assert_eq!(set(&mut town, CONTRACT, 19, 20), Some(Code::MeterPriceOrder));
    assert_eq!(set(&mut town, CONTRACT, 1_001, 20), Some(Code::MeterPriceBounds));
    assert_eq!(set(&mut town, CONTRACT, 600, -201), Some(Code::MeterPriceBounds));
    assert_eq!(set(&mut town, Contract { area: AreaId(9), ..CONTRACT }, 600, 20), Some(Code::FormArea));
    let far = Contract { period: DeliveryPeriod(PERIOD.0 + 9_999), ..CONTRACT };
    assert_eq!(set(&mut town, far, 600, 20), Some(Code::GateNotOpen));
    assert_eq!(set(&mut town, CONTRACT, 700, -100), None);
    let prices = SetImbalancePrices { contract: CONTRACT, short_price: Price(700), long_price: Price(-100) };
    assert_eq!(town.refused(0, Command::SetImbalancePrices(prices)), Code::AuthRole);
    begin(&mut town, 2);
    end(&mut town, &[(0, 10, 0), (1, 0, 10)]);
    assert_eq!(town.purse(0).0, 1_000_000 - 10 * 700);
    assert_eq!(town.purse(1).0, 1_000_000 - 10 * 100, "energy nobody bought costs money");
    assert_eq!(set(&mut town, CONTRACT, 700, -100), Some(Code::MeterSettling));
}
