//! Random days of a metered village: orders, auctions, readings that come, are missing or wrong, corrections, edges, prices. The audit after
//! every entry recomputes the sums; at the end everything that was settled is settled once more by the twin, watt-hour by watt-hour.

use std::collections::{BTreeMap, BTreeSet};

use gridbook_engine::{
    AccountId, AreaId, Contract, DeliveryPeriod, Energy, LedgerTime, MeterId, Money, Price, Side, TradeKind,
};
use gridbook_ledger::command::{AcceptLosses, AreaReading, Command, Correction, Place, Reading, SetImbalancePrices};
use gridbook_ledger::entry::Entry;
use gridbook_ledger::genesis::{Genesis, SettlementRules};
use gridbook_ledger::record::{AreaResidual, Outcome, PartyRef, Record, RecordEvent, Trade};
use gridbook_ledger::settlement::{AreaFault, Quality, Registers, Residual, ResidualQuality, ResidualRule};
use gridbook_ledger::state::State;

use crate::random::random_commands;
use crate::town::{Dice, START, Town, entry, grid, key, register, with_calls};
use crate::twin::{self, Known};

const MINUTE_MS: u64 = 60_000;
const METERS: u32 = 9;
/// Half of what an auction is made of has no partner: the twin knows him as this one.
const POOL: (u32, u16) = (1_000, 1_000);

/// As the village of the other random days, but metered: half an hour for readings, an hour for corrections.
fn village(seed: u64) -> Town {
    let settlement = SettlementRules {
        reading_deadline_ms: 30 * MINUTE_MS,
        dispute_ms: 60 * MINUTE_MS,
        short_price: Price(600),
        long_price: Price(20),
        short_price_cap: Price(1_000),
        long_price_floor: Price(-200),
        loss_bound_ppm: if seed.is_multiple_of(3) { 80_000 } else { 1_000_000 },
        ..SettlementRules::metered()
    };
    let genesis = if seed.is_multiple_of(2) { grid() } else { with_calls(grid()) };
    let mut town = Town::in_areas(Genesis { settlement, ..genesis }, &[0; 5]);
    town.operator(vec![register(5, AccountId(0), AreaId(0)), register(6, AccountId(0), AreaId(1))]);
    town.operator(vec![register(7, AccountId(1), AreaId(1)), register(8, AccountId(2), AreaId(1))]);
    town
}

/// What a meter's registers truly show at the end of a period.
fn truth(seed: u64, meter: u32, period: DeliveryPeriod) -> Registers {
    let (mut import, mut export) = (10_000, 10_000);
    for past in START - 1..=period.0 {
        let mut dice = Dice(seed ^ (u64::from(meter) << 32) ^ u64::from(past));
        import += dice.below(150);
        export += if meter % 2 == 1 { dice.below(250) } else { 0 };
    }
    Registers { import, export, counter: u64::from(period.0) }
}

/// A period that ended not long ago.
fn recent(town: &Town, dice: &mut Dice) -> DeliveryPeriod {
    let now = DeliveryPeriod::containing(town.state.time(), 15);
    DeliveryPeriod(now.0.saturating_sub(1 + dice.small(6)).max(START - 1))
}

/// Mostly the truth; now and then something impossible.
fn random_reading(dice: &mut Dice, seed: u64, meter: u32, period: DeliveryPeriod) -> Reading {
    let mut registers = truth(seed, meter, period);
    match dice.below(20) {
        0 => registers.import -= dice.below(500),
        1 => registers.export += dice.below(2_000),
        2 => registers.counter = 7,
        _ => {}
    }
    Reading { period, registers }
}

fn random_entry(town: &Town, dice: &mut Dice, seed: u64) -> Entry {
    match dice.below(20) {
        0..=2 => Entry::Time(LedgerTime(town.state.time().0 + (1 + dice.below(9)) * MINUTE_MS)),
        3..=5 => Entry::Work { limit: 1 + dice.small(12) },
        6..=11 => {
            let meter = dice.small(METERS);
            let latest = DeliveryPeriod(DeliveryPeriod::containing(town.state.time(), 15).0 - 1);
            let period = if dice.below(3) == 0 { recent(town, dice) } else { latest };
            let reading = random_reading(dice, seed, meter, period);
            entry(&town.bundle(key(meter + 1), vec![Command::Reading(reading)]))
        }
        12 | 13 => entry(&town.bundle(key(0), vec![random_operator_command(town, dice, seed)])),
        14 => {
            let (meter, command) = between_friends(town, dice);
            entry(&town.bundle(key(meter + 1), vec![command]))
        }
        _ => {
            let meter = dice.small(METERS);
            entry(&town.bundle(key(meter + 1), random_commands(town, dice, meter)))
        }
    }
}

/// Meters 0 and 1, and 2 and 3, are friends, and now and then have prices of their own that they trade at with each other only.
fn between_friends(town: &Town, dice: &mut Dice) -> (u32, Command) {
    let meter = dice.small(4);
    let period = DeliveryPeriod(DeliveryPeriod::containing(town.state.time(), 15).0 + 1 + dice.small(4));
    let side = *dice.one_of(&[Side::Buy, Side::Sell]);
    let (price, energy) = (Price(*dice.one_of(&[-400, 900])), Energy(1 + dice.below(60)));
    let contract = Contract { area: AreaId(0), period };
    let place = Place::limit(400 + dice.below(400), contract, side, price, energy);
    (meter, Command::Place(Place { partner: Some(AccountId(meter ^ 1)), ..place }))
}

fn random_operator_command(town: &Town, dice: &mut Dice, seed: u64) -> Command {
    let area = AreaId(u16::try_from(dice.below(3)).unwrap());
    let period = recent(town, dice);
    let contract = Contract { area, period };
    // Now and then an operator gives up on readings, often for good, and now and then for an amount that is not right.
    let frozen = frozen(town);
    if !frozen.is_empty() && dice.below(3) == 0 {
        let (contract, losses_wh) = *dice.one_of(&frozen);
        return Command::AcceptLosses(AcceptLosses { contract, losses_wh: losses_wh + i64::from(dice.below(6) == 0) });
    }
    match dice.below(8) {
        0..=4 => {
            let meter = dice.small(METERS);
            Command::Correction(Correction {
                meter: MeterId(meter),
                reading: random_reading(dice, seed, meter, period),
            })
        }
        5 => Command::AreaReading(AreaReading { contract, sent_up_wh: i64::try_from(dice.below(500)).unwrap() - 250 }),
        6 => {
            let (short_price, long_price) =
                (Price(300 + dice.small(700).cast_signed()), Price(dice.small(400).cast_signed() - 200));
            let contract = Contract { period: DeliveryPeriod(period.0 + 3), ..contract };
            Command::SetImbalancePrices(SetImbalancePrices { contract, short_price, long_price })
        }
        _ => Command::Deposit { account: AccountId(dice.small(5)), amount: Money(1 + i128::from(dice.below(50_000))) },
    }
}

/// Areas that are frozen for their losses, however long ago, and how much those are.
fn frozen(town: &Town) -> Vec<(Contract, i64)> {
    let periods = START - 1..DeliveryPeriod::containing(town.state.time(), 15).0;
    let contracts = periods
        .flat_map(|period| (0..3).map(move |area| Contract { area: AreaId(area), period: DeliveryPeriod(period) }));
    let losses = contracts.filter_map(|contract| match town.state.frozen(contract)? {
        AreaFault::Losses { losses_wh, .. } => Some((contract, i64::try_from(losses_wh).unwrap())),
        other => panic!("{other}"),
    });
    losses.collect()
}

/// What was told of a meter: money that moved, import and export, and how they are known.
type Told = ([i128; 3], (u64, u64), Quality);

/// What anybody can know of a village who reads its records.
#[derive(Default)]
struct Observer {
    trades: BTreeMap<DeliveryPeriod, Vec<twin::Trade>>,
    auctions: BTreeMap<Contract, i64>,
    prices: BTreeMap<Contract, (i64, i64)>,
    registers: BTreeMap<(DeliveryPeriod, u32), [u64; 3]>,
    sent_up: BTreeMap<Contract, i64>,
    /// By period and meter: what moved for it in all: trades, own trades, rest; and how its delivery is known.
    meters: BTreeMap<(DeliveryPeriod, u32), Told>,
    /// What moved for an area in all: upstream, losses, surplus.
    areas: BTreeMap<Contract, [i128; 3]>,
    /// Orders that were for one account only, by meter, period and name.
    for_partners: BTreeSet<(MeterId, DeliveryPeriod, u64)>,
    /// Trades that nobody else could have made.
    between_partners: u32,
    /// What the virtual meters of areas showed last, and how often that was told.
    residuals: BTreeMap<Contract, (Residual, u32)>,
    frozen: BTreeSet<Contract>,
    /// Corrections that their areas do not bear yet, whatever else is settled there in the meantime.
    held: BTreeSet<(Contract, MeterId)>,
    /// Their operators answer for their losses.
    accepted: BTreeSet<Contract>,
    over: BTreeSet<DeliveryPeriod>,
}

impl Observer {
    fn watch(&mut self, records: &[Record]) {
        for event in records.iter().flat_map(|record| &record.events) {
            match *event {
                RecordEvent::Trade(trade) => self.note_trade(&trade),
                RecordEvent::Filled { order, side, contract, energy, price, .. } => {
                    let (mine, pool, price) = (order.meter.0, POOL.0, i64::from(price.0));
                    let (buyer, seller) = if side == Side::Buy { (mine, pool) } else { (pool, mine) };
                    let (energy, buyer_pays, seller_gets) = (energy.0, price, price);
                    let trade = twin::Trade { buyer, seller, energy, buyer_pays, seller_gets, for_partner: false };
                    self.trades.entry(contract.period).or_default().push(trade);
                    self.auctions.insert(contract, price);
                }
                RecordEvent::ImbalancePricesSet { contract, short_price, long_price } => {
                    self.prices.insert(contract, (short_price.0.into(), long_price.0.into()));
                }
                RecordEvent::Read(read) => {
                    let Registers { import, export, counter } = read.registers;
                    self.registers.insert((read.period, read.meter.0), [import, export, counter]);
                }
                RecordEvent::AreaRead { contract, sent_up_wh } => _ = self.sent_up.insert(contract, sent_up_wh),
                RecordEvent::MeterSettled(settled) => {
                    self.held.remove(&(settled.contract, settled.meter));
                    let of = (settled.contract.period, settled.meter.0);
                    let delivery = (settled.delivery.import.0, settled.delivery.export.0);
                    let row = self.meters.entry(of).or_insert(([0; 3], delivery, settled.quality));
                    for (sum, amount) in row.0.iter_mut().zip([settled.trades, settled.own_trades, settled.rest]) {
                        *sum += amount.0;
                    }
                    (row.1, row.2) = (delivery, settled.quality);
                }
                RecordEvent::AreaSettled(settled) => {
                    self.frozen.remove(&settled.contract);
                    let row = self.areas.entry(settled.contract).or_default();
                    for (sum, amount) in row.iter_mut().zip([settled.upstream, settled.losses, settled.surplus]) {
                        *sum += amount.0;
                    }
                }
                RecordEvent::AreaResidual(AreaResidual { contract, residual }) => {
                    self.frozen.remove(&contract);
                    let told = self.residuals.get(&contract).map_or(0, |(_, told)| *told);
                    self.residuals.insert(contract, (residual, told + 1));
                }
                RecordEvent::LossesAccepted { contract, .. } => _ = self.accepted.insert(contract),
                RecordEvent::AreaFrozen { contract, .. } | RecordEvent::AreaUnfit { contract, .. } => {
                    self.frozen.insert(contract);
                }
                RecordEvent::CorrectionHeld { meter, contract, .. } => _ = self.held.insert((contract, meter)),
                RecordEvent::PeriodFinal { period } => _ = self.over.insert(period),
                _ => {}
            }
        }
    }

    /// Orders that would trade with one account only.
    fn note_orders(&mut self, entry: &Entry, records: &[Record]) {
        let Entry::Bundle(admitted) = entry else { return };
        for (command, record) in admitted.bundle().commands.iter().zip(records) {
            if let (Command::Place(Place { client_id, period, partner: Some(_), .. }), Outcome::Done) =
                (command, record.outcome)
            {
                self.for_partners.insert((record.meter.unwrap(), *period, *client_id));
            }
        }
    }

    fn note_trade(&mut self, trade: &Trade) {
        let names_a_partner =
            |order: PartyRef| self.for_partners.contains(&(order.meter, trade.period, order.client_id));
        let of_orders = [trade.maker, trade.taker].into_iter().any(names_a_partner);
        let for_partner = of_orders || trade.kind == TradeKind::Prearranged;
        self.between_partners += u32::from(for_partner);
        let row = twin::Trade {
            buyer: trade.buyer().meter.0,
            seller: trade.seller().meter.0,
            energy: trade.energy.0,
            buyer_pays: trade.buyer_pays().0.into(),
            seller_gets: trade.seller_gets().0.into(),
            for_partner,
        };
        self.trades.entry(trade.period).or_default().push(row);
    }

    /// One period as the twin takes it. Both feeders hang below area 0.
    fn period(&self, town: &Town, period: DeliveryPeriod) -> twin::Period {
        let rules = town.genesis.settlement;
        let area = |area: u16| {
            let contract = Contract { area: AreaId(area), period };
            let default = (rules.short_price.0.into(), rules.long_price.0.into());
            let (up, down) = self.prices.get(&contract).copied().unwrap_or(default);
            let (up_cap, down_floor) = (rules.short_price_cap.0.into(), rules.long_price_floor.0.into());
            let (auction, edge) = (self.auctions.get(&contract).copied(), self.sent_up.get(&contract).copied());
            let parent = (area == 1 || area == 2).then_some(0);
            let answered = self.accepted.contains(&contract);
            twin::Area { up, down, up_cap, down_floor, auction, parent, edge, answered }
        };
        let areas = (0..3).chain([POOL.1]).map(|number| (number, area(number))).collect();
        let meter = |number: u32| {
            let view = town.state.meter(MeterId(number)).unwrap();
            let start = self.registers.get(&(DeliveryPeriod(period.0 - 1), number)).copied();
            twin::Meter {
                area: view.area.0,
                organisation: view.account.0,
                start,
                end: self.registers.get(&(period, number)).copied(),
                import_max: view.import_max.0,
                export_max: view.export_max.0,
                week_before: None,
            }
        };
        let mut meters: BTreeMap<u32, twin::Meter> = (0..METERS).map(|number| (number, meter(number))).collect();
        let pool = twin::Meter { area: POOL.1, organisation: POOL.0, start: None, end: None, ..meters[&0] };
        meters.insert(POOL.0, pool);
        twin::Period { areas, meters, trades: self.trades.get(&period).cloned().unwrap_or_default() }
    }

    /// Whether something of a contract is not settled, or not as it was corrected: there or, for the area at the root, in an area below it.
    fn is_open(&self, contract: Contract) -> bool {
        let is_held = |(held, _): &(Contract, MeterId)| {
            held.period == contract.period && (held.area == contract.area || contract.area == AreaId(0))
        };
        self.frozen.contains(&contract) || self.held.iter().any(is_held)
    }

    /// Settles a period once more and compares. How many meters and areas were.
    fn check(&self, town: &Town, period: DeliveryPeriod, case: &str) -> (usize, usize) {
        let inputs = self.period(town, period);
        let outcome = twin::settle(&inputs);
        let mut counts = (0, 0);
        for number in 0..METERS {
            let contract = Contract { area: AreaId(inputs.meters[&number].area), period };
            if self.is_open(contract) {
                continue;
            }
            let (import, export, is_estimated) = outcome.deliveries[&number];
            let (own, rest) = outcome.charges[&number];
            let owed = |trade: &twin::Trade| {
                let buys = if trade.buyer == number { -trade.buyer_pays.min(0) } else { 0 };
                let sells = if trade.seller == number { trade.seller_gets.max(0) } else { 0 };
                i128::from(buys + sells) * i128::from(trade.energy)
            };
            let owed: i128 = inputs.trades.iter().map(owed).sum();
            let idle = ([0; 3], (0, 0), Quality::Estimated(gridbook_ledger::settlement::Rule::Missing));
            let (moved, delivery, quality) = self.meters.get(&(period, number)).copied().unwrap_or(idle);
            assert_eq!(moved, [owed, own, rest], "{case}: meter {number} in period {}", period.0);
            let said = (delivery.0, delivery.1, matches!(quality, Quality::Estimated(_)));
            assert_eq!(said, (import, export, is_estimated), "{case}: meter {number} in period {}", period.0);
            counts.0 += usize::from(self.meters.contains_key(&(period, number)));
        }
        for area in 0..3 {
            let contract = Contract { area: AreaId(area), period };
            if self.is_open(contract) {
                continue;
            }
            self.check_residual(contract, &outcome.residuals[&area], case);
            let Some(moved) = self.areas.get(&contract) else { continue };
            let bought = -i128::from(outcome.upstream[&area]).min(0) * i128::from(inputs.areas[&area].up);
            let sold = i128::from(outcome.upstream[&area]).max(0) * i128::from(inputs.areas[&area].down);
            let expected = [bought - sold, outcome.losses[&area], outcome.surplus[&area]];
            assert_eq!(*moved, expected, "{case}: area {area} in period {}", period.0);
            assert!(expected[2] >= 0);
            counts.1 += 1;
        }
        counts
    }
}

impl Observer {
    /// Every area has a virtual meter, whoever lives there. Told once it is measured or estimated, and told again it is corrected.
    fn check_residual(&self, contract: Contract, expected: &([i64; 4], Known), case: &str) {
        let (residual, told) = self.residuals[&contract];
        let known = match residual.quality {
            ResidualQuality::Measured | ResidualQuality::Corrected => Known::Read,
            ResidualQuality::Estimated(ResidualRule::NoReading) => Known::Unread,
            ResidualQuality::Estimated(ResidualRule::NoReadingBelow) => Known::UnreadBelow,
            ResidualQuality::AsTraded => panic!("{case}: meters are read here"),
        };
        let Residual { net_wh, below_wh, sent_up_wh, .. } = residual;
        let shown = [net_wh, below_wh, sent_up_wh, residual.losses_wh()].map(|wh| i64::try_from(wh).unwrap());
        assert_eq!((shown, known), *expected, "{case}: area {} in period {}", contract.area.0, contract.period.0);
        let is_corrected = residual.quality == ResidualQuality::Corrected;
        assert!(known != Known::Read || is_corrected == (told > 1), "{case}: told {told} times, {residual:?}");
    }
}

/// All that was settled on random days, to the last nano. A correction that its area's losses did not bear stays unpaid: such an area
/// is reported, and left out here.
#[test]
fn the_twin_settles_random_days_as_the_ledger_does() {
    let (mut meters, mut areas, mut periods, mut corrected, mut accepted) = (0, 0, 0, 0, [0; 2]);
    let mut between_partners = 0;
    for seed in 0..24 {
        let (mut town, mut dice, mut observer) = (village(seed), Dice(seed), Observer::default());
        for _ in 0..350 {
            let entry = random_entry(&town, &mut dice, seed);
            let records = town.apply(&entry);
            observer.note_orders(&entry, &records);
            observer.watch(&records);
        }
        // Whatever is still open becomes final; what is frozen, long after everything else, where somebody answers for it.
        for round in 0..30 {
            town.time(LedgerTime(town.state.time().0 + 15 * MINUTE_MS));
            observer.watch(&town.work_all(64));
            for (contract, losses_wh) in frozen(&town).into_iter().filter(|_| round > 20) {
                let accept = Command::AcceptLosses(AcceptLosses { contract, losses_wh });
                observer.watch(&town.operator(vec![accept]));
            }
        }
        let case = format!("seed {seed}");
        for period in &observer.over {
            let counts = observer.check(&town, *period, &case);
            (meters, areas, periods) = (meters + counts.0, areas + counts.1, periods + 1);
        }
        let qualities = observer.meters.values().filter(|(_, _, quality)| *quality == Quality::Corrected);
        corrected += qualities.count();
        between_partners += observer.between_partners;
        let settled = observer.accepted.difference(&observer.frozen).filter(|of| observer.over.contains(&of.period));
        settled.for_each(|of| accepted[usize::from(observer.residuals[of].0.losses_wh() < 0)] += 1);
    }
    assert!(meters > 400 && areas > 100 && periods > 100 && corrected > 10, "{meters} {areas} {periods} {corrected}");
    assert!(between_partners > 20, "{between_partners}");
    assert!(accepted.iter().all(|count| *count > 5), "lost and found: {accepted:?}");
}

/// Views change in the middle of a settlement: going back goes back, and forward is the same again.
#[test]
fn settlement_can_be_undone_at_any_slice() {
    for seed in 100..110 {
        let (mut town, mut dice) = (village(seed), Dice(seed));
        for _ in 0..60 {
            for _ in 0..4 {
                let entry = random_entry(&town, &mut dice, seed);
                town.apply(&entry);
            }
            let (mark, seq) = (town.state.mark(), town.next_seq);
            let (root, snapshot) = (town.state.state_root(), town.state.snapshot());
            let mut future = Vec::new();
            for _ in 0..1 + dice.below(6) {
                let entry = random_entry(&town, &mut dice, seed);
                let records = town.apply(&entry);
                future.push((entry, records));
            }
            let snapshot_then = town.state.snapshot();
            town.state.rollback(mark);
            town.next_seq = seq;
            assert!(town.state.snapshot() == snapshot && town.state.state_root() == root, "seed {seed}");
            for (entry, records) in future {
                assert_eq!(town.apply(&entry), records, "seed {seed}");
            }
            assert!(town.state.snapshot() == snapshot_then, "seed {seed}");
        }
    }
}

/// A joiner takes a snapshot in the middle of a settlement and goes on as everybody else does.
#[test]
fn a_snapshot_in_the_middle_of_a_settlement_goes_on_alike() {
    for seed in 200..208 {
        let (mut town, mut dice) = (village(seed), Dice(seed));
        for _ in 0..40 {
            for _ in 0..6 {
                let entry = random_entry(&town, &mut dice, seed);
                town.apply(&entry);
            }
            let state = State::restore(&town.genesis, &town.state.snapshot()).unwrap();
            let mut joiner = Town { genesis: town.genesis.clone(), state, next_seq: town.next_seq, past: Vec::new() };
            for _ in 0..4 {
                let entry = random_entry(&town, &mut dice, seed);
                assert_eq!(joiner.apply(&entry), town.apply(&entry), "seed {seed}");
            }
            assert_eq!(joiner.state.snapshot_root(), town.state.snapshot_root(), "seed {seed}");
        }
    }
}
