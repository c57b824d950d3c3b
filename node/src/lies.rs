//! Whatever a validator writes into its answers, a client refuses it or shows it, and never ends in the middle of a sum.
//!
//! Every number in every event that has one is set to the edges of its type, one at a time. What can still be read is shown as each
//! command shows it: as a record, on a bill, in an area's report.

use std::sync::LazyLock;

use gridbook_engine::{
    AccountId, AreaId, BlockState, ClearingCase, Contract, DeliveryPeriod, Direction, Energy, Expiry, MeterId, Money,
    Price, Side, TradeKind,
};
use gridbook_ledger::bytes::{AMOUNT_MAX, Reader, Writer};
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::record::{
    AreaResidual, AreaSettled, MeterSettled, Outcome, PartyRef, Purse, Record, RecordEvent, RegistersRead, Trade,
};
use gridbook_ledger::settlement::statement::{Statement, StatementTotals};
use gridbook_ledger::settlement::{AreaFault, Delivery, Quality, Registers, Residual};
use gridbook_ledger::store::{Fact, FactRow, MetersSettled, SumRow};

use crate::area_report::AreaReport;
use crate::bill::{Bill, DayBill};
use crate::record_text::RecordText;

const METER: MeterId = MeterId(2);
const CONTRACT: Contract = Contract { area: AreaId(0), period: DeliveryPeriod(8) };

/// One of each event that has an amount of energy or money, a price, or a number that something is reckoned from.
fn events() -> Vec<RecordEvent> {
    let order = PartyRef { account: AccountId(1), meter: METER, client_id: 3 };
    let other = PartyRef { account: AccountId(4), meter: MeterId(5), client_id: 6 };
    let Contract { area, period } = CONTRACT;
    let (price, energy, remaining) = (Price(9), Energy(10), Energy(11));
    let trade = Trade {
        maker: order,
        taker: other,
        period,
        maker_area: area,
        taker_area: AreaId(1),
        taker_side: Side::Buy,
        kind: TradeKind::Continuous,
        price,
        fee: Price(3),
        energy,
    };
    let settled = MeterSettled {
        meter: METER,
        account: AccountId(1),
        contract: CONTRACT,
        delivery: Delivery { import: Energy(17), export: Energy(18) },
        quality: Quality::Measured,
        contracted_wh: 10,
        trades: Money(20),
        own_trades: Money(-21),
        rest: Money(22),
        billed: Money(23),
        defaulted: Money(-24),
    };
    let area_settled = AreaSettled {
        contract: CONTRACT,
        short_price: price,
        long_price: price,
        short_rest: price,
        long_rest: price,
        net_wh: 29,
        contracted_wh: 30,
        losses_wh: 31,
        upstream: Money(-32),
        losses: Money(33),
        surplus: Money(34),
    };
    let registers = Registers { import: 14, export: 15, counter: 16 };
    let read = RegistersRead { meter: METER, account: AccountId(1), period, registers, is_correction: false };
    let (contract, to) = (CONTRACT, MeterId(5));
    vec![
        RecordEvent::Trade(trade),
        RecordEvent::Trade(Trade { maker: other, taker: order, maker_area: AreaId(1), taker_area: area, ..trade }),
        RecordEvent::Filled { order, side: Side::Sell, contract, energy, price, remaining },
        RecordEvent::Rested { order, remaining },
        RecordEvent::Expired { order, remaining, cause: Expiry::Gate },
        RecordEvent::Cleared { contract, price: Some(price), case: ClearingCase::Exact },
        RecordEvent::Flow { area, period, up: -5, fee: Money(6), rent: Money(7) },
        RecordEvent::Block { order, state: BlockState::Accepted },
        RecordEvent::CapacitySet { area, period, up: energy, down: remaining },
        RecordEvent::Overload { area, period, direction: Direction::Up, by: energy },
        RecordEvent::Offered { offer: order, to_account: AccountId(4), to, period, side: Side::Buy, price, energy },
        RecordEvent::Read(read),
        RecordEvent::AreaRead { contract, sent_up_wh: 5 },
        RecordEvent::ImbalancePricesSet { contract, short_price: price, long_price: price },
        RecordEvent::MeterSettled(settled),
        RecordEvent::AreaSettled(area_settled),
        RecordEvent::AreaResidual(AreaResidual { contract, residual: Residual::new(9, 8, true, Some(7)) }),
        RecordEvent::AreaFrozen { contract, why: AreaFault::Contracted { contracted_wh: 1, exchange_wh: 2 } },
        RecordEvent::AreaFrozen { contract, why: AreaFault::Losses { losses_wh: 1, throughput_wh: 2 } },
        RecordEvent::AreaUnfit { contract, why: AreaFault::Deficit(Money(-1)) },
        RecordEvent::PeriodFinal { period },
        RecordEvent::Posted { from: Purse::Outside, to: Purse::Account(AccountId(1)), amount: Money(12) },
        RecordEvent::ScoreChanged { account: AccountId(1), score: 900, share_ppm: 1_100_000 },
    ]
}

/// Copies of some bytes with one number at the edge of its type, wherever one may stand.
fn lies(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let edges = |width: usize| {
        let (mut most, mut least) = (vec![0xff; width], vec![0; width]);
        (most[width - 1], least[width - 1]) = (0x7f, 0x80);
        let mut edges = vec![vec![0; width], vec![0xff; width], most, least];
        if width == 16 {
            edges.extend([AMOUNT_MAX, AMOUNT_MAX + 1, -AMOUNT_MAX].map(|amount| amount.to_le_bytes().to_vec()));
        }
        edges
    };
    let cuts = [4, 8, 16].into_iter().flat_map(move |width| edges(width).into_iter().map(move |edge| (width, edge)));
    cuts.flat_map(move |(width, edge)| {
        (0..=bytes.len().saturating_sub(width)).filter(move |at| at + width <= bytes.len()).map(move |at| {
            let mut lie = bytes.to_vec();
            lie[at..at + width].copy_from_slice(&edge);
            lie
        })
    })
}

/// Everything that can be read of a record with any of these events, one number changed.
static TOLD: LazyLock<Vec<RecordEvent>> = LazyLock::new(|| {
    let (entry, outcome) = (Hash::ZERO, Outcome::Done);
    let record = |event| Record { seq: 9, entry, index: 0, meter: None, client_id: 0, outcome, events: vec![event] };
    let bytes = events().into_iter().map(|event| record(event).encode());
    let read = bytes.flat_map(|bytes| lies(&bytes).filter_map(|lie| Record::decode(&lie).ok()).collect::<Vec<_>>());
    read.flat_map(|record| record.events).collect()
});

fn facts() -> Vec<FactRow> {
    let row = |(seq, event): (u64, &RecordEvent)| FactRow {
        period: CONTRACT.period,
        seq,
        place: 0,
        fact: Fact::Event(*event),
    };
    (1..).zip(TOLD.iter()).map(row).collect()
}

#[test]
fn any_record_that_can_be_read_can_be_shown() {
    assert!(TOLD.len() > 5_000, "{}", TOLD.len());
    for event in TOLD.iter() {
        let record = Record {
            seq: u64::MAX,
            entry: Hash::ZERO,
            index: u16::MAX,
            meter: Some(METER),
            client_id: u64::MAX,
            outcome: Outcome::Done,
            events: vec![*event],
        };
        let text = RecordText::of(&record, 60);
        assert!(text.to_string().lines().count() >= 2, "{event:?}");
        assert!(serde_json::to_value(text).unwrap()["events"][0].is_object(), "{event:?}");
    }
}

/// Each lie alone beside the truth, and all of them together.
#[test]
fn any_facts_that_can_be_read_make_a_bill() {
    let areas = ["north".to_owned()];
    let show = |events: &[RecordEvent]| {
        let statement = Statement::of(METER, (1..).zip(events));
        let bill = Bill { statement: &statement, span: "a day".into(), areas: &areas, mtu_minutes: 60 };
        assert!(!bill.text().is_empty() && bill.csv().lines().count() > 0 && bill.json().is_object());
        for account in [1, 4, u32::MAX] {
            let _ = statement.clone().only_of(AccountId(account));
        }
    };
    show(&TOLD);
    let truth = events();
    let bears_on_bills = |event: &&RecordEvent| {
        matches!(
            event,
            RecordEvent::Trade(_)
                | RecordEvent::Filled { .. }
                | RecordEvent::MeterSettled(_)
                | RecordEvent::AreaSettled(_)
                | RecordEvent::PeriodFinal { .. }
        )
    };
    for lie in TOLD.iter().filter(bears_on_bills) {
        show(&[&truth[..], &[*lie]].concat());
        // The trade or the price is the lie, and the settlement comes after it.
        show(&[&[*lie], &truth[..]].concat());
    }
}

#[test]
fn any_facts_that_can_be_read_make_a_report() {
    let mut facts = facts();
    let most = MetersSettled {
        count: u32::MAX,
        import_wh: AMOUNT_MAX.unsigned_abs(),
        trades: Money(AMOUNT_MAX),
        imbalance: Money(-AMOUNT_MAX),
        ..MetersSettled::default()
    };
    let row = FactRow { period: DeliveryPeriod(u32::MAX), seq: u64::MAX, place: u32::MAX, fact: Fact::Meters(most) };
    facts.extend([row, row]);
    let report = AreaReport::of(&facts);
    assert!(report.text("Area north", 60).lines().count() > 2 && report.csv(60).lines().count() > 1);
    assert!(report.json(60).is_object());
    for fact in &facts {
        let report = AreaReport::of(core::slice::from_ref(fact));
        assert!(!report.text("Area north", 60).is_empty() && report.json(60).is_object());
    }
}

/// A month and a year come as sums, which are as good as whoever tells them.
#[test]
fn any_sums_that_can_be_read_make_a_bill() {
    let totals = StatementTotals { periods: 24, sold_wh: 400, sold: Money(84), ..StatementTotals::default() };
    let mut w = Writer::new();
    totals.write(&mut w);
    let told: Vec<SumRow> = lies(w.as_slice())
        .filter_map(|lie| StatementTotals::read(&mut Reader::new(&lie)).ok())
        .map(|totals| SumRow { first: DeliveryPeriod(u32::MAX), account: AccountId(1), totals })
        .collect();
    assert!(told.len() > 500, "{}", told.len());
    let show = |rows: &[SumRow]| {
        let bill = DayBill::of(METER, "a month".into(), rows, 60);
        assert!(!bill.text().is_empty() && bill.csv().lines().count() == 2 && bill.json().is_object());
    };
    show(&told);
    told.iter().for_each(|row| show(core::slice::from_ref(row)));
}
