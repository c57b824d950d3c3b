//! The bill of a year of one meter, out of the index: 35,040 periods, each with two trades, a reading and a settlement, told to the index as
//! the ledger tells them. Once out of facts, with all its lines, and once out of sums; beside it what the index costs to write.

use std::time::Instant;

use gridbook_benches::conditions;
use gridbook_engine::{AccountId, AreaId, Contract, DeliveryPeriod, Energy, MeterId, Money, Price, Side};
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::record::{AreaSettled, MeterSettled, Outcome, PartyRef, Record, RecordEvent, RegistersRead};
use gridbook_ledger::settlement::statement::{Statement, StatementTotals};
use gridbook_ledger::settlement::{Delivery, Quality, Registers};
use gridbook_ledger::store::{Fact, FactOwner, FactPlace, FactRow, Index, IndexBatch, LogIdentity, QueryIndex};

const METER: MeterId = MeterId(7);
const AREA: AreaId = AreaId(2);
const FIRST: u32 = 1_975_632;

fn main() {
    let quick = std::env::var_os("GRIDBOOK_BENCH_QUICK").is_some();
    let days = if quick { 14 } else { 365 };
    println!("bill of one meter out of the index, wall time; {}\n", conditions::line());
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target directory is writable");
    let identity = LogIdentity { chain: Hash([1; 32]), validator: 0 };
    let index = Index::open(&dir.path().join("index"), identity, 64 << 20, None).expect("a new index opens");
    let periods = 96 * days;
    let began = Instant::now();
    let batches: Vec<IndexBatch> = (0..periods).map(batch).collect();
    batches.chunks(16).for_each(|batches| index.apply(batches).expect("heights follow each other"));
    let written = began.elapsed();
    println!(
        "| days | periods | written, a period | facts found | and billed | out of sums | days summed up | times as fast |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for days in [1, 30, days].into_iter().filter(|some| *some <= days) {
        let (from, to) = (DeliveryPeriod(FIRST), DeliveryPeriod(FIRST + 96 * days - 1));
        let mut times = Vec::new();
        // In turn, so that whatever else the machine does falls on all alike.
        for _ in 0..21 {
            let began = Instant::now();
            let facts = found(&index, from, to);
            let read = began.elapsed();
            let statement = Statement::of(METER, facts.iter().filter_map(event));
            let billed = began.elapsed();
            let began = Instant::now();
            let (totals, days_found) = summed(&index, from, to);
            let summed = began.elapsed();
            assert_eq!((statement.periods.len(), statement.totals.doubtful), (96 * days as usize, 0));
            assert_eq!(totals, statement.totals);
            times.push(([read, billed, summed].map(|time| time.as_secs_f64() * 1e3), days_found));
        }
        let days_found = times[0].1;
        let [read, billed, summed] = [0, 1, 2].map(|place| {
            let mut times: Vec<f64> = times.iter().map(|(times, _)| times[place]).collect();
            times.sort_unstable_by(f64::total_cmp);
            times[times.len() / 2]
        });
        let each = written.as_secs_f64() * 1e6 / f64::from(periods);
        let faster = billed / summed;
        println!(
            "| {days} | {} | {each:.0} us | {read:.2} ms | {billed:.2} ms | {summed:.2} ms | {days_found} | {faster:.1} |",
            96 * days
        );
    }
}

/// The bill out of sums, and of how many days there were any: all but the newest.
fn summed(index: &Index, from: DeliveryPeriod, to: DeliveryPeriod) -> (StatementTotals, usize) {
    let page = index.sums(METER, from, to, usize::MAX).expect("the index answers");
    assert_eq!(page.next, None);
    let mut totals = StatementTotals::default();
    page.rows.iter().for_each(|row| totals.join(&row.totals));
    (totals, page.days_found)
}

fn event(row: &FactRow) -> Option<(u64, &RecordEvent)> {
    match &row.fact {
        Fact::Event(event) => Some((row.seq, event)),
        Fact::Meters(_) => None,
    }
}

fn found(index: &Index, from: DeliveryPeriod, to: DeliveryPeriod) -> Vec<FactRow> {
    let mut all = Vec::new();
    for owner in [FactOwner::Meter(METER), FactOwner::Area(AREA), FactOwner::All] {
        let page = index.facts(owner, FactPlace::first_of(from), to, usize::MAX).expect("the index answers");
        assert_eq!(page.next, None);
        all.extend(page.facts);
    }
    all
}

/// What is told at one time: of a period a day ahead two fills, of the one that has just ended a reading, and of the one before its settlement.
fn batch(number: u32) -> IndexBatch {
    let order = |client_id| PartyRef { account: AccountId(3), meter: METER, client_id };
    let contract = |period| Contract { area: AREA, period: DeliveryPeriod(period) };
    let period = FIRST + number;
    let filled = |client_id, price| {
        let (energy, remaining) = (Energy(150), Energy(0));
        let price = Price(price);
        RecordEvent::Filled {
            order: order(client_id),
            side: Side::Buy,
            contract: contract(period),
            energy,
            price,
            remaining,
        }
    };
    let read = RecordEvent::Read(RegistersRead {
        meter: METER,
        account: AccountId(3),
        period: DeliveryPeriod(period),
        registers: Registers { import: u64::from(number) * 290, export: 0, counter: u64::from(number) },
        is_correction: false,
    });
    // 300 Wh bought at 21 and 22 ct, 290 taken: ten too much, at two cents.
    let settled = RecordEvent::MeterSettled(MeterSettled {
        meter: METER,
        account: AccountId(3),
        contract: contract(period),
        delivery: Delivery { import: Energy(290), export: Energy(0) },
        quality: Quality::Measured,
        contracted_wh: -300,
        trades: Money(-64_500_000),
        own_trades: Money(-200_000),
        rest: Money(0),
        billed: Money(0),
        defaulted: Money(0),
    });
    let area = RecordEvent::AreaSettled(AreaSettled {
        contract: contract(period),
        short_price: Price(600_000),
        long_price: Price(20_000),
        short_rest: Price(600_000),
        long_rest: Price(20_000),
        net_wh: -290,
        contracted_wh: -300,
        losses_wh: 0,
        upstream: Money(0),
        losses: Money(0),
        surplus: Money(0),
    });
    let finished = RecordEvent::PeriodFinal { period: DeliveryPeriod(period) };
    let events = vec![filled(1, 210_000), filled(2, 220_000), read, settled, area, finished];
    let seq = u64::from(number) + 1;
    let (entry, outcome) = (Hash([2; 32]), Outcome::Done);
    let record = Record { seq, entry, index: 0, meter: None, client_id: 0, outcome, events };
    let (height, header, first_seq, last_seq) = (seq, vec![0; 500], seq, seq);
    let mut batch = IndexBatch { height, header, first_seq, last_seq, ..IndexBatch::default() };
    batch.enter(&record);
    batch
}
