//! A bill out of sums is the bill out of facts: for any span, at any time, in whatever order the index was told.

use std::collections::BTreeMap;

use gridbook_engine::{AccountId, AreaId, Contract, DeliveryPeriod, Energy, MeterId, Money, Price, Side, TradeKind};
use gridbook_ledger::bytes::BytesError;
use gridbook_ledger::record::{MeterSettled, PartyRef, RecordEvent, Trade};
use gridbook_ledger::settlement::statement::{Statement, StatementTotals};
use gridbook_ledger::settlement::{Delivery, Quality, RestPrices, Rule, TradeSide, portions};
use gridbook_ledger::store::{Fact, FactOwner, FactPlace, FactRow, Index, PERIODS_PER_SUM, QueryIndex, SumRow};

use crate::batches::{area_settled, batches, open};

const FIRST: u32 = 96 * 1_000;
const DAYS: u32 = 9;
const METERS: u32 = 3;
const MANY: usize = 1 << 20;

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn small(&mut self, bound: u32) -> u32 {
        u32::try_from(self.below(bound.into())).unwrap()
    }
}

/// Meters 0 and 1 are of one account in area 2; meter 2 is in area 4 and is sold in the middle of a day.
fn party(meter: u32, period: u32) -> PartyRef {
    let account = match meter {
        2 if period >= FIRST + 96 * 4 + 30 => 105,
        2 => 103,
        _ => 101,
    };
    PartyRef { account: AccountId(account), meter: MeterId(meter), client_id: 5 }
}

fn contract(meter: u32, period: u32) -> Contract {
    Contract { area: AreaId(if meter == 2 { 4 } else { 2 }), period: DeliveryPeriod(period) }
}

fn prices(period: u32) -> RestPrices {
    RestPrices { short: Price(600 + i32::try_from(period % 7).unwrap()), long: Price(20) }
}

/// What a ledger tells in nine days, by the moment it tells it: trades up to a day and a half ahead, settlement half an hour later, finality a
/// day after that, all of it sometimes much later or never; readings that never came, corrections, charges that are wrong, an area that was
/// settled by other prices than are told at first.
struct Story<'a> {
    dice: &'a mut Dice,
    told: Told,
}

type Told = BTreeMap<u32, Vec<RecordEvent>>;

fn told(dice: &mut Dice) -> Told {
    let mut story = Story { dice, told: Told::new() };
    for period in FIRST..FIRST + 96 * DAYS {
        let sides = story.trade(period);
        story.settle_areas(period);
        for (meter, sides) in (0..).zip(&sides) {
            if !story.happens(15) {
                story.settle(meter, period, sides);
            }
        }
        if !story.happens(20) {
            let late = story.late(30);
            let event = RecordEvent::PeriodFinal { period: DeliveryPeriod(period) };
            story.tell(period + 100 + late, event);
        }
    }
    story.told
}

impl Story<'_> {
    /// Once in so many times.
    fn happens(&mut self, once_in: u64) -> bool {
        self.dice.below(once_in) == 0
    }

    fn late(&mut self, once_in: u64) -> u32 {
        if self.happens(once_in) { self.dice.small(700) } else { 0 }
    }

    fn tell(&mut self, at: u32, event: RecordEvent) {
        self.told.entry(at).or_default().push(event);
    }

    /// What each meter trades in a period.
    fn trade(&mut self, period: u32) -> [Vec<TradeSide>; METERS as usize] {
        let mut sides = [(); METERS as usize].map(|()| Vec::new());
        let at = period - self.dice.small(144);
        for meter in 0..METERS {
            if self.happens(3) {
                continue;
            }
            let side = if self.happens(2) { Side::Buy } else { Side::Sell };
            let other = if side == Side::Buy { Side::Sell } else { Side::Buy };
            let energy = Energy(10 + self.dice.below(90));
            let price = Price(200 + i32::try_from(self.dice.below(99)).unwrap());
            let place = meter as usize;
            if meter != 0 || self.happens(2) {
                sides[place].push(TradeSide { side, price, energy });
                let (order, contract) = (party(meter, period), contract(meter, period));
                self.tell(at, RecordEvent::Filled { order, side, contract, energy, price, remaining: Energy(0) });
                continue;
            }
            // With the third meter, over an edge.
            let pays = Price(price.0 + if side == Side::Buy { 30 } else { -30 });
            sides[place].push(TradeSide { side, price: pays, energy });
            sides[2].push(TradeSide { side: other, price, energy });
            let trade = Trade {
                maker: party(2, period),
                taker: party(meter, period),
                period: DeliveryPeriod(period),
                maker_area: AreaId(4),
                taker_area: AreaId(2),
                taker_side: side,
                kind: TradeKind::Continuous,
                price,
                fee: Price(30),
                energy,
            };
            self.tell(at, RecordEvent::Trade(trade));
        }
        sides
    }

    fn settle_areas(&mut self, period: u32) {
        for area in [2, 4] {
            let late = self.late(30);
            if !self.happens(40) {
                self.tell(period + 2 + late, area_settled(area, period, prices(period)));
            }
            if self.happens(40) {
                let (other, late) = (RestPrices { short: Price(700), long: Price(10) }, self.dice.small(700));
                self.tell(period + 2 + late, area_settled(area, period, other));
            }
        }
    }

    /// Settles a meter, and now and then corrects it, once or twice.
    fn settle(&mut self, meter: u32, period: u32, sides: &[TradeSide]) {
        let traded = |side| sides.iter().filter(move |own| own.side == side).map(|own| i128::from(own.energy.0));
        let contracted_wh = traded(Side::Sell).sum::<i128>() - traded(Side::Buy).sum::<i128>();
        let (mut charged, mut at, mut is_again) = (0, period + 2, false);
        loop {
            let delivery = Delivery { import: Energy(self.dice.below(120)), export: Energy(self.dice.below(90)) };
            let parts = portions(sides, delivery.net_wh() - contracted_wh, prices(period));
            let charge: i128 = parts.map(|part| part.charge().0).sum();
            let quality = match (is_again, self.happens(8)) {
                (false, true) => Quality::Estimated(Rule::Missing),
                (false, false) => Quality::Measured,
                (true, _) => Quality::Corrected,
            };
            let settled = MeterSettled {
                delivery,
                quality,
                contracted_wh: contracted_wh + i128::from(self.happens(40)),
                own_trades: Money(charge - charged + i128::from(self.happens(25))),
                billed: Money(self.dice.below(3).into()),
                defaulted: Money(self.dice.below(2).into()),
                ..idle(meter, period)
            };
            self.tell(at, RecordEvent::MeterSettled(settled));
            if !self.happens(if is_again { 3 } else { 10 }) {
                break;
            }
            (charged, is_again) = (charge, true);
            at += 1 + if self.happens(2) { self.dice.small(60) } else { self.dice.small(700) };
        }
    }
}

/// A meter that did nothing.
fn idle(meter: u32, period: u32) -> MeterSettled {
    MeterSettled {
        meter: MeterId(meter),
        account: party(meter, period).account,
        contract: contract(meter, period),
        delivery: Delivery::default(),
        quality: Quality::Measured,
        contracted_wh: 0,
        trades: Money(0),
        own_trades: Money(0),
        rest: Money(0),
        billed: Money(0),
        defaulted: Money(0),
    }
}

/// The plain way: all facts, all lines, added up.
fn by_facts(index: &Index, meter: MeterId, (from, to): (u32, u32)) -> BTreeMap<(u32, AccountId), StatementTotals> {
    let owners = [FactOwner::Meter(meter), FactOwner::Area(AreaId(2)), FactOwner::Area(AreaId(4)), FactOwner::All];
    let (from, to) = (FactPlace::first_of(DeliveryPeriod(from)), DeliveryPeriod(to));
    let facts = owners.iter().flat_map(|owner| index.facts(*owner, from, to, MANY).unwrap().facts);
    let facts: Vec<FactRow> = facts.collect();
    let statement = Statement::of(
        meter,
        facts.iter().filter_map(|row| match &row.fact {
            Fact::Event(event) => Some((row.seq, event)),
            Fact::Meters(_) => None,
        }),
    );
    let (mut pieces, mut whole) = (BTreeMap::<_, StatementTotals>::new(), StatementTotals::default());
    for period in &statement.periods {
        let first = period.contract.period.0 / PERIODS_PER_SUM * PERIODS_PER_SUM;
        pieces.entry((first, period.account)).or_default().join(&period.totals());
    }
    pieces.values().for_each(|totals| whole.join(totals));
    assert_eq!(whole, statement.totals);
    pieces
}

/// The same out of sums, page by page, and of how many days there were any.
fn by_sums(
    index: &Index,
    meter: MeterId,
    (from, to): (u32, u32),
    limit: usize,
) -> (BTreeMap<(u32, AccountId), StatementTotals>, usize) {
    let (mut rows, mut from, mut days) = (Vec::new(), DeliveryPeriod(from), 0);
    loop {
        let page = index.sums(meter, from, DeliveryPeriod(to), limit).unwrap();
        assert_eq!(SumRow::decode_all(&SumRow::encode_all(&page.rows)).as_ref(), Ok(&page.rows));
        rows.extend(page.rows);
        days += page.days_found;
        let Some(next) = page.next else { break };
        assert!(next > from && next.0 <= to);
        from = next;
    }
    let count = rows.len();
    let rows: BTreeMap<_, _> = rows.into_iter().map(|row| ((row.first.0, row.account), row.totals)).collect();
    assert_eq!(rows.len(), count, "each piece is told once");
    (rows, days)
}

/// Asks for random spans of all meters, and says how many days were found summed up.
fn compare(index: &Index, dice: &mut Dice, told: &str) -> usize {
    let mut days_found = 0;
    for _ in 0..12 {
        let meter = MeterId(dice.small(METERS + 1));
        let from = FIRST - 96 + dice.small(96 * (DAYS + 2));
        let span = match dice.below(5) {
            0 => (0, u32::MAX),
            1 => (from, from + dice.small(30)),
            2 => (from / 24 * 24, from / 24 * 24 + 24 * (1 + dice.small(30)) - 1),
            3 => (from / 96 * 96, from / 96 * 96 + 96 * (1 + dice.small(8)) - 1),
            _ => (from, from + dice.small(900)),
        };
        let limit = [1, 2, 30, MANY][usize::try_from(dice.below(4)).unwrap()];
        let (found, days) = by_sums(index, meter, span, limit);
        let expected = by_facts(index, meter, span);
        let other = found.iter().zip(&expected).find(|(found, expected)| found != expected);
        assert!(found == expected, "{told}: {meter:?}, {span:?}, limit {limit}: {other:?}");
        days_found += days;
    }
    days_found
}

/// Told in order, in pieces of any size. Bills are asked for in between, when corrections, late prices and late finality have come for some
/// of the days that were summed up, and for others not yet.
#[test]
fn a_bill_out_of_sums_is_the_bill_out_of_facts_at_any_time() {
    let (mut days_found, mut seen) = (0, StatementTotals::default());
    for seed in 0..6 {
        let home = tempfile::tempdir().unwrap();
        let index = open(&home.path().join("index"));
        let mut dice = Dice(seed);
        let batches = batches(told(&mut dice).into_values());
        let mut rest = &batches[..];
        while !rest.is_empty() {
            let (some, left) = rest.split_at(rest.len().min(1 + usize::try_from(dice.below(90)).unwrap()));
            index.apply(some).unwrap();
            rest = left;
            let told = format!("seed {seed}, {} heights left", rest.len());
            days_found += compare(&index, &mut dice, &told);
        }
        let all = by_sums(&index, MeterId(2), (0, u32::MAX), MANY).0;
        all.values().for_each(|totals| seen.join(totals));
        // It was sold in the middle of a piece.
        let accounts: Vec<u32> = all.keys().map(|(_, account)| account.0).collect();
        let pieces: std::collections::BTreeSet<u32> = all.keys().map(|(first, _)| *first).collect();
        assert_eq!((accounts.contains(&103), accounts.contains(&105), pieces.len() < all.len()), (true, true, true));
    }
    assert!(days_found > 300, "{days_found} days were found summed up");
    let StatementTotals { doubtful, unsettled, not_final, estimated, corrected, settled_again, .. } = seen;
    for count in [doubtful, unsettled, not_final, estimated, corrected, settled_again] {
        assert!(count > 50, "{seen:?}");
    }
}

/// A lost index is made again behind the newest heights, some of them told twice: in the gap and after it the sums are those of the facts,
/// and at the end they are those of an index that lost nothing.
#[test]
fn sums_made_again_around_a_gap_are_the_same() {
    let mut days_found = 0;
    for seed in 10..14 {
        let home = tempfile::tempdir().unwrap();
        let (whole, index) = (open(&home.path().join("whole")), open(&home.path().join("index")));
        let mut dice = Dice(seed);
        let batches = batches(told(&mut dice).into_values());
        whole.apply(&batches).unwrap();
        let mut place = |from: usize, to: usize| from + usize::try_from(dice.below((to - from) as u64)).unwrap();
        let first = place(300, 500);
        let second = place(first + 50, batches.len() - 50);
        index.begin_at(first as u64 + 1).unwrap();
        // Heights from there on, with those between the two twice.
        index.apply(&batches[first..(second + 40).min(batches.len())]).unwrap();
        index.begin_at(second as u64 + 1).unwrap();
        for some in batches[second..].chunks(37) {
            index.apply(some).unwrap();
        }
        let mut dice = Dice(seed + 100);
        for some in batches[..second].chunks(53) {
            compare(&index, &mut dice, &format!("seed {seed}, in the gap"));
            index.fill(some).unwrap();
        }
        assert_eq!(index.gap_after(), None);
        days_found += compare(&index, &mut dice, &format!("seed {seed}, after it"));
        for meter in (0..METERS).map(MeterId) {
            let all = |index| by_sums(index, meter, (0, u32::MAX), MANY).0;
            assert!(all(&index) == all(&whole), "seed {seed}, {meter:?}");
        }
    }
    assert!(days_found > 5, "{days_found} days were found summed up");
}

/// A day's sums are found with its prices mended since: the doubt is by what is known now. The day is summed up again when something of the
/// meter's own comes.
#[test]
fn prices_mended_after_a_day_was_summed_up_are_heeded() {
    let home = tempfile::tempdir().unwrap();
    let index = open(&home.path().join("index"));
    let mut told = Told::new();
    let settled = |charge| {
        let (delivery, own_trades) = (Delivery { import: Energy(50), export: Energy(0) }, Money(charge));
        RecordEvent::MeterSettled(MeterSettled { delivery, own_trades, ..idle(2, FIRST) })
    };
    told.insert(1, vec![settled(30_000), area_settled(4, FIRST, RestPrices { short: Price(600), long: Price(20) })]);
    told.insert(2, (0..96).map(|period| RecordEvent::MeterSettled(idle(2, FIRST + 96 * 4 + period))).collect());
    let other = RestPrices { short: Price(500), long: Price(20) };
    told.insert(3, vec![area_settled(4, FIRST, other)]);
    told.insert(4, vec![area_settled(4, FIRST + 1, other)]);
    told.insert(5, vec![settled(-5_000)]);
    let mut expected = [(0, 0), (0, 1), (1, 0), (1, 0), (0, 1)].into_iter();
    let day = (FIRST, FIRST + 95);
    for batch in batches(told.values().cloned()) {
        index.apply(&[batch]).unwrap();
        let (rows, days_found) = by_sums(&index, MeterId(2), day, MANY);
        assert_eq!(rows, by_facts(&index, MeterId(2), day));
        let doubtful: u32 = rows.values().map(|totals| totals.doubtful).sum();
        assert_eq!(Some((doubtful, days_found)), expected.next());
    }
    // Told again, as when a gap is filled, the same prices mend nothing.
    index.begin_at(1).unwrap();
    batches(told.values().cloned()).into_iter().for_each(|batch| index.apply(&[batch]).unwrap());
    assert_eq!(by_sums(&index, MeterId(2), day, MANY).1, 1);
}

/// A piece that begins nowhere, with more periods than a piece has or more that are not final than there are, is none.
#[test]
fn sums_read_back_or_are_refused() {
    let totals = StatementTotals { periods: 24, bought_wh: 7, ..StatementTotals::default() };
    let row = SumRow { first: DeliveryPeriod(48), account: AccountId(3), totals };
    let bytes = SumRow::encode_all(&[row, row]);
    assert_eq!(SumRow::decode_all(&bytes), Ok(vec![row, row]));
    assert_eq!(SumRow::decode_all(&bytes[..bytes.len() - 1]), Err(BytesError::Truncated));
    let crowded = SumRow { totals: StatementTotals { periods: 25, ..totals }, ..row };
    let doubled = SumRow { totals: StatementTotals { not_final: 25, ..totals }, ..row };
    for wrong in [crowded, doubled, SumRow { first: DeliveryPeriod(49), ..row }] {
        assert_eq!(SumRow::decode_all(&SumRow::encode_all(&[wrong])), Err(BytesError::Unknown));
    }
}
