//! What bills and audits are made of: found by whose it is, in any order of writing, and each once.

use gridbook_engine::{AccountId, AreaId, Contract, DeliveryPeriod, Energy, MeterId, Money, Price, Side};
use gridbook_ledger::record::{Extract, MeterSettled, Outcome, Party, PartyRef, Record, RecordEvent};
use gridbook_ledger::reject::Code;
use gridbook_ledger::settlement::{Delivery, Quality, RestPrices, Rule};
use gridbook_ledger::store::{Fact, FactOwner, FactPlace, FactRow, Index, QueryIndex};

use crate::batches::{area_settled, batch, open, record};

const MANY: usize = 1 << 20;

fn settled(meter: u32, period: u32, import: u64, quality: Quality) -> RecordEvent {
    RecordEvent::MeterSettled(MeterSettled {
        meter: MeterId(meter),
        account: AccountId(meter + 100),
        contract: Contract { area: AreaId(2), period: DeliveryPeriod(period) },
        delivery: Delivery { import: Energy(import), export: Energy(1) },
        quality,
        contracted_wh: 0,
        trades: Money(-7),
        own_trades: Money(2),
        rest: Money(3),
        billed: Money(1),
        defaulted: Money(0),
    })
}

fn filled(meter: u32, period: u32) -> RecordEvent {
    let order = PartyRef { account: AccountId(meter + 100), meter: MeterId(meter), client_id: 5 };
    let contract = Contract { area: AreaId(2), period: DeliveryPeriod(period) };
    let (side, energy, price, remaining) = (Side::Buy, Energy(10), Price(250), Energy(0));
    RecordEvent::Filled { order, side, contract, energy, price, remaining }
}

fn periods(index: &Index, owner: FactOwner, from: u32, to: u32) -> Vec<(u32, u64)> {
    let page = index.facts(owner, FactPlace::first_of(DeliveryPeriod(from)), DeliveryPeriod(to), MANY).unwrap();
    assert_eq!(page.next, None);
    page.facts.iter().map(|fact| (fact.period.0, fact.seq)).collect()
}

/// One command settles three meters of an area: each finds its own, the area their sums and its prices, and a refused command leaves nothing.
#[test]
fn each_finds_its_own_facts_and_the_area_the_sums_of_its_meters() {
    let home = tempfile::tempdir().unwrap();
    let index = open(&home.path().join("index"));
    let estimated = Quality::Estimated(Rule::Missing);
    let events = vec![
        settled(1, 900, 10, Quality::Measured),
        settled(2, 900, 20, estimated),
        settled(3, 900, 30, Quality::Corrected),
        area_settled(2, 900, RestPrices { short: Price(600), long: Price(20) }),
        RecordEvent::PeriodFinal { period: DeliveryPeriod(900) },
    ];
    let refused = Record { outcome: Outcome::Rejected(Code::GateClosed), ..record(8, vec![filled(1, 900)]) };
    index.apply(&[batch(1, &[record(7, events.clone()), refused])]).unwrap();
    let all = |owner| index.facts(owner, FactPlace::default(), DeliveryPeriod(u32::MAX), MANY).unwrap().facts;
    let own: Vec<Fact> = all(FactOwner::Meter(MeterId(2))).iter().map(|row| row.fact).collect();
    assert_eq!(own, [Fact::Event(events[1])]);
    let [sums, prices] = &all(FactOwner::Area(AreaId(2)))[..] else { panic!("two facts") };
    let Fact::Meters(sums) = sums.fact else { panic!("the sums of meters come first") };
    assert_eq!((sums.count, sums.estimated, sums.corrected, sums.import_wh, sums.export_wh), (3, 1, 1, 60, 3));
    assert_eq!((sums.trades, sums.imbalance, sums.billed), (Money(-21), Money(15), Money(3)));
    assert_eq!(prices.fact, Fact::Event(events[3]));
    assert_eq!(periods(&index, FactOwner::All, 0, 2_000), [(900, 7)]);
}

/// Three weeks, trade a day and a half ahead and settlement after delivery: days are joined in between, and nothing is lost or moved by it,
/// not even a correction of a day that was joined long ago.
#[test]
fn days_are_joined_and_everything_is_still_there() {
    let home = tempfile::tempdir().unwrap();
    let index = open(&home.path().join("index"));
    let (first, days) = (96 * 1_000, 21);
    let (mut seq, mut height) = (0, 0);
    let (mut expected, mut batches) = (Vec::new(), Vec::new());
    for now in first..first + 96 * days {
        let mut events = vec![filled(7, now + 144)];
        if now >= first + 146 {
            events.push(settled(7, now - 2, 5, Quality::Measured));
        }
        seq += 1;
        height += 1;
        expected.extend(events.iter().map(|event| match event {
            RecordEvent::Filled { contract, .. } => (contract.period.0, seq),
            _ => (now - 2, seq),
        }));
        batches.push(batch(height, &[record(seq, events)]));
        if batches.len() == 12 {
            index.apply(&batches).unwrap();
            batches.clear();
        }
    }
    assert!(batches.is_empty());
    let corrected = first + 150;
    seq += 1;
    index.apply(&[batch(height + 1, &[record(seq, vec![settled(7, corrected, 6, Quality::Corrected)])])]).unwrap();
    expected.push((corrected, seq));
    expected.sort_unstable();
    let owner = FactOwner::Meter(MeterId(7));
    assert_eq!(periods(&index, owner, 0, u32::MAX), expected);
    for (from, to) in [(first + 144, first + 144), (first + 100, first + 300), (corrected, corrected + 96)] {
        let within = expected.iter().filter(|(period, _)| (from..=to).contains(period)).copied();
        assert_eq!(periods(&index, owner, from, to), within.collect::<Vec<_>>(), "from {from} to {to}");
    }
    // Page by page, as clients read it.
    let (mut paged, mut from, mut pages) = (Vec::new(), FactPlace::default(), 0);
    loop {
        let page = index.facts(owner, from, DeliveryPeriod(u32::MAX), 33).unwrap();
        paged.extend(page.facts.iter().map(|fact| (fact.period.0, fact.seq)));
        pages += 1;
        let Some(next) = page.next else { break };
        assert!(next > from);
        from = next;
    }
    assert_eq!((paged, pages > 10), (expected, true));
}

/// A lost index is made again behind the newest heights, some of which are then fed twice: each fact and extract is there once.
#[test]
fn heights_that_come_twice_or_late_are_there_once() {
    let home = tempfile::tempdir().unwrap();
    let index = open(&home.path().join("index"));
    let height = |height: u64| {
        let period = 900 + u32::try_from(height).unwrap() / 3;
        batch(height, &[record(height, vec![filled(1, period), settled(2, period, 5, Quality::Measured)])])
    };
    index.begin_at(20).unwrap();
    index.apply(&(20..=29).map(height).collect::<Vec<_>>()).unwrap();
    index.begin_at(25).unwrap();
    index.apply(&(25..=40).map(height).collect::<Vec<_>>()).unwrap();
    index.fill(&(1..=24).map(height).collect::<Vec<_>>()).unwrap();
    let expected: Vec<(u32, u64)> = (1..=40).map(|seq| (900 + u32::try_from(seq).unwrap() / 3, seq)).collect();
    for meter in [1, 2] {
        assert_eq!(periods(&index, FactOwner::Meter(MeterId(meter)), 0, 2_000), expected, "meter {meter}");
    }
    let extracts = index.extracts(102, 0, MANY).unwrap();
    let seqs = extracts.iter().map(|bytes| Extract::decode(bytes).unwrap().record().seq);
    assert_eq!(seqs.collect::<Vec<_>>(), (1..=40).collect::<Vec<_>>());
    assert_eq!(index.gap_after(), None);
}

/// The same where a day was joined before its heights came again: what comes again lies beside what was joined, and is the same.
#[test]
fn a_day_that_was_joined_and_is_told_again_is_there_once() {
    let home = tempfile::tempdir().unwrap();
    let index = open(&home.path().join("index"));
    let height = |height: u64| {
        let period = 96_000 + u32::try_from(height).unwrap();
        batch(height, &[record(height, vec![settled(7, period, 5, Quality::Measured)])])
    };
    let heights: Vec<_> = (0..96 * 6).map(|place| height(place + 1)).collect();
    heights.chunks(16).for_each(|some| index.apply(some).unwrap());
    let expected: Vec<(u32, u64)> = (1..=96 * 6).map(|place| (96_000 + place, u64::from(place))).collect();
    let owner = FactOwner::Meter(MeterId(7));
    assert_eq!(periods(&index, owner, 0, u32::MAX), expected);
    index.begin_at(1).unwrap();
    heights.chunks(16).for_each(|some| index.apply(some).unwrap());
    assert_eq!(periods(&index, owner, 0, u32::MAX), expected);
}

/// An auditor asks for an account's extracts a few at a time: he gets what the records say of that account, in order, and nothing of others.
#[test]
fn extracts_of_an_account_come_in_pages_and_are_those_of_its_history() {
    let home = tempfile::tempdir().unwrap();
    let index = open(&home.path().join("index"));
    let records: Vec<Record> = (1..=50)
        .map(|seq| record(seq, vec![filled(1, 900), filled(2, 901), filled(u32::try_from(seq % 3).unwrap(), 902)]))
        .collect();
    for heights in (1..).zip(&records).collect::<Vec<_>>().chunks(7) {
        let batches: Vec<_> =
            heights.iter().map(|(height, record)| batch(*height, core::slice::from_ref(*record))).collect();
        index.apply(&batches).unwrap();
    }
    for account in [100, 101, 102, 103] {
        let party = Party::Account(AccountId(account));
        let expected: Vec<Extract> = records.iter().filter_map(|record| record.extract_for(party)).collect();
        let (mut found, mut from) = (Vec::new(), 0);
        loop {
            let page = index.extracts(account, from, 1_000).unwrap();
            let page: Vec<Extract> = page.iter().map(|bytes| Extract::decode(bytes).unwrap()).collect();
            let Some(last) = page.last() else { break };
            from = last.record().seq + 1;
            found.extend(page);
        }
        assert_eq!(found, expected, "account {account}");
    }
    assert_eq!(index.extracts(101, 13, 1).unwrap().len(), 1, "one is always there");
}

/// An index has a gap, some heights in it, and another gap: it is gone on with from a second snapshot before it was whole. It is filled in other pieces
/// than those heights came in, and a history that is asked for from anywhere has no hole.
#[test]
fn a_page_of_a_history_begins_anywhere_also_where_heights_were_told_again() {
    let home = tempfile::tempdir().unwrap();
    let index = open(&home.path().join("index"));
    let heights: Vec<_> = (1..=60).map(|height| batch(height, &[record(height, vec![filled(1, 900)])])).collect();
    index.begin_at(25).unwrap();
    index.apply(&heights[24..30]).unwrap();
    index.begin_at(40).unwrap();
    index.apply(&heights[39..]).unwrap();
    heights[..39].chunks(16).for_each(|some| index.fill(some).unwrap());
    assert_eq!(index.gap_after(), None);
    for from in 1..=60 {
        let extracts = index.extracts(101, from, MANY).unwrap();
        let seqs = extracts.iter().map(|bytes| Extract::decode(bytes).unwrap().record().seq);
        assert_eq!(seqs.collect::<Vec<_>>(), (from..=60).collect::<Vec<_>>());
        assert_eq!(periods(&index, FactOwner::Meter(MeterId(1)), 900, 900).len(), 60);
    }
}

/// A damaged row of facts is said to be one, not read as something else.
#[test]
fn facts_read_back_or_are_refused() {
    let fact = FactRow { period: DeliveryPeriod(900), seq: 3, place: 4, fact: Fact::Event(filled(1, 900)) };
    let bytes = FactRow::encode_all(&[fact, fact]);
    assert_eq!(FactRow::decode_all(&bytes), Ok(vec![fact, fact]));
    assert!(FactRow::decode_all(&bytes[..bytes.len() - 1]).is_err());
    let mut unknown = bytes;
    unknown[16] = 9; // behind period, number and place
    assert!(FactRow::decode_all(&unknown).is_err());
}
