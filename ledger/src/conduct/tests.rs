use gridbook_engine::{AccountId, DeliveryPeriod, Energy, LedgerTime, MeterId};

use super::fault::{DAY_MS, POINTS_MIN};
use super::*;
use crate::bytes::{BytesError, Reader, Writer};
use crate::crypto::{Hash, PublicKey};
use crate::evidence::EvidenceKind;

fn device(kind: DeviceFault, period: Option<u32>, records: &[u64]) -> Fault {
    let (account, meter) = (AccountId(3), MeterId(5));
    Fault::Device { account, meter, kind, period: period.map(DeliveryPeriod), proof: Proof::of(records).unwrap() }
}

fn validator(kind: EvidenceKind, view: u64) -> Fault {
    Fault::Validator { key: PublicKey([7; 32]), kind, epoch: 2, view, evidence: Hash([9; 32]) }
}

fn entered(fault: Fault) -> Entry {
    Entry::new(fault, LedgerTime(10 * DAY_MS))
}

/// The published formula: a thousand, less the points of what is not struck, and never less than nothing.
#[test]
fn the_score_is_a_thousand_less_the_points_of_what_is_not_struck() {
    let double = entered(device(DeviceFault::DoubleReading, Some(4), &[1, 2]));
    let reuse = entered(device(DeviceFault::NonceReuse, None, &[1, 2]));
    assert_eq!(score([].iter()), 1_000);
    assert_eq!(score([double, reuse].iter()), 1_000 - 200 - 20);
    for (state, left) in
        [(EntryState::Stands, 780), (EntryState::Appealed, 780), (EntryState::Upheld, 780), (EntryState::Struck, 980)]
    {
        let double = Entry { state, ..double };
        assert_eq!(score([double, reuse].iter()), left, "{}", state.name());
    }
    assert_eq!(score([double; 6].iter()), 0);
    assert_eq!(score([entered(validator(EvidenceKind::DoubleVote, 1)); ENTRIES_MAX].iter()), 0, "and no overflow");
}

/// What everybody was told beforehand: the table of the module, number by number.
#[test]
fn points_and_lifetimes_are_those_of_the_published_table() {
    let days = |terms: Terms| (terms.points, terms.lifetime_ms / 86_400_000);
    let devices: Vec<_> = DeviceFault::ALL.map(|kind| days(kind.terms())).into();
    assert_eq!(devices, [(200, 180), (40, 60), (100, 60), (20, 30)]);
    for kind in EvidenceKind::ALL {
        let weaker = [EvidenceKind::ReceiptBreach, EvidenceKind::Amnesia, EvidenceKind::ExecutionFault].contains(&kind);
        assert_eq!(days(terms_of_evidence(kind)), if weaker { (250, 180) } else { (500, 365) }, "{}", kind.name());
    }
    let least = devices.iter().map(|(points, _)| *points).min().unwrap();
    assert_eq!(least, POINTS_MIN, "nothing costs less, so that a full list of entries leaves no score");
}

/// One fault is one entry, however often its proof is brought; the next day, period or epoch is another.
#[test]
fn an_entry_covers_what_would_say_the_same_again() {
    let at = LedgerTime(10 * DAY_MS);
    let double = entered(device(DeviceFault::DoubleReading, Some(4), &[1, 2]));
    assert!(double.covers(&device(DeviceFault::DoubleReading, Some(4), &[1, 3]), at));
    assert!(!double.covers(&device(DeviceFault::DoubleReading, Some(5), &[1, 3]), at));
    assert!(!double.covers(&device(DeviceFault::ImpossibleReading, Some(4), &[3]), at));
    let impossible = entered(device(DeviceFault::ImpossibleReading, Some(4), &[3]));
    let again = device(DeviceFault::ImpossibleReading, Some(5), &[6]);
    assert!(impossible.covers(&again, LedgerTime(at.0 + DAY_MS - 1)));
    assert!(!impossible.covers(&again, LedgerTime(at.0 + DAY_MS)));
    let vote = entered(validator(EvidenceKind::DoubleVote, 8));
    assert!(vote.covers(&validator(EvidenceKind::DoubleVote, 8), at));
    assert!(vote.covers(&validator(EvidenceKind::DoubleVote, 9), at), "in a later view");
    let Fault::Validator { key, kind, epoch, view, evidence } = vote.fault else { panic!() };
    assert!(!vote.covers(&Fault::Validator { key, kind, epoch: epoch + 1, view, evidence }, at));
    assert!(!vote.covers(&validator(EvidenceKind::DoubleTimeout, 8), at));
}

/// A period that its own record settles: numbers alike.
fn sale(record: u64, sold: u64, delivered: u64) -> Sale {
    let period = DeliveryPeriod(u32::try_from(record).unwrap());
    Sale { period, sold: Energy(sold), delivered: Energy(delivered), record }
}

/// A plant sells four watt-hours in every quarter-hour; `#` delivers one of them, `.` two.
fn judged(story: &str) -> Vec<(usize, [u64; 4])> {
    let (mut window, mut entries) = (None, Vec::new());
    for (at, mark) in story.chars().enumerate() {
        let delivered = Energy(if mark == '#' { 1 } else { 2 });
        match DeliveryWindow::judge(window, &sale(at as u64 + 1, 4, delivered.0)) {
            Judgement::Clean => window = None,
            Judgement::Watched(watched) => window = Some(watched),
            Judgement::Failed(records) => {
                entries.push((at, records));
                window = None;
            }
        }
    }
    entries
}

#[test]
fn the_fourth_failure_in_96_sales_is_an_entry_and_counting_begins_anew() {
    assert_eq!(judged("###"), []);
    assert_eq!(judged("####"), [(3, [1, 2, 3, 4])]);
    assert_eq!(judged("#######"), [(3, [1, 2, 3, 4])], "three more are not four");
    assert_eq!(judged("########"), [(3, [1, 2, 3, 4]), (7, [5, 6, 7, 8])]);
    // The first and the fourth failure: 96 periods with sales, both counted, then 97.
    let apart = |between: usize| format!("###{}#", ".".repeat(between));
    assert_eq!(judged(&apart(92)), [(95, [1, 2, 3, 96])]);
    assert_eq!(judged(&apart(93)), []);
    let one_is_over = format!("#{}##{}##", ".".repeat(49), ".".repeat(44));
    assert_eq!(judged(&one_is_over), [(97, [51, 52, 97, 98])], "the first is over, the others are not");
}

#[test]
fn half_of_what_was_sold_is_enough_and_no_sales_say_nothing() {
    assert!(has_failed(Energy(5), Energy(2)) && !has_failed(Energy(4), Energy(2)));
    assert!(has_failed(Energy(u64::MAX), Energy(u64::MAX / 2)) && has_failed(Energy(1), Energy(0)));
    let Judgement::Watched(window) = DeliveryWindow::judge(None, &sale(1, 9, 0)) else { panic!("it failed") };
    let kept = DeliveryWindow::judge(Some(window), &sale(2, 0, 0));
    assert_eq!(kept, Judgement::Watched(window), "who sells nothing fails nobody, and his window does not move");
    assert_eq!(DeliveryWindow::judge(None, &sale(2, 0, 0)), Judgement::Clean);
}

/// What is over takes no room: 95 good periods after a single failure, nothing is remembered.
#[test]
fn a_window_without_failures_is_forgotten() {
    let mut window = None;
    for (record, delivered) in (1..).zip([0].into_iter().chain([9; 96])) {
        window = match DeliveryWindow::judge(window, &sale(record, 9, delivered)) {
            Judgement::Watched(window) => Some(window),
            Judgement::Clean => None,
            Judgement::Failed(_) => panic!("one failure is not four"),
        };
        assert_eq!(window.is_some(), record <= 96, "record {record}");
    }
}

/// The grid operator reads a meter that had been silent: it had delivered. What was remembered against it for that period goes.
#[test]
fn a_corrected_failure_is_forgotten() {
    let mut window = None;
    for (record, delivered) in [(1, 0), (2, 9), (3, 0), (4, 0)] {
        let Judgement::Watched(watched) = DeliveryWindow::judge(window, &sale(record, 9, delivered)) else { panic!() };
        window = Some(watched);
    }
    let window = window.unwrap();
    let records = |window: DeliveryWindow| window.failures().iter().map(|f| f.record).collect::<Vec<_>>();
    assert_eq!(records(window.without(DeliveryPeriod(3)).unwrap()), [1, 4]);
    assert_eq!(window.without(DeliveryPeriod(2)), Some(window), "nothing was remembered of it");
    let later = window.without(DeliveryPeriod(1)).unwrap();
    assert_eq!((records(later), later.failures()[0].sale, later.sales()), (vec![3, 4], 0, 1));
    assert_eq!(later.without(DeliveryPeriod(3)).unwrap().without(DeliveryPeriod(4)), None);
}

/// Two sales were good when they were settled, and lies, as corrections show after the third. Both count from then on, as if they had been that
/// third one: they are over with it, 96 sales later, and with two more there is an entry.
#[test]
fn a_failure_that_is_found_out_counts_from_then_on() {
    let lie = |record, period| Sale { period: DeliveryPeriod(period), ..sale(record, 9, 0) };
    let watched = |judgement| match judgement {
        Judgement::Watched(window) => window,
        other => panic!("{other:?}"),
    };
    let first = watched(DeliveryWindow::judge(None, &sale(3, 9, 0)));
    let second = watched(DeliveryWindow::find_out(Some(first), &lie(4, 1)));
    let third = watched(DeliveryWindow::find_out(Some(second), &lie(4, 2)));
    let told = |window: DeliveryWindow| window.failures().iter().map(|f| (f.sale, f.record)).collect::<Vec<_>>();
    assert_eq!((told(third), third.sales()), (vec![(0, 3), (0, 4), (0, 4)], 0));
    assert_eq!(DeliveryWindow::judge(Some(third), &sale(5, 9, 0)), Judgement::Failed([3, 4, 4, 5]));
    assert_eq!(DeliveryWindow::find_out(Some(third), &lie(5, 3)), Judgement::Failed([3, 4, 4, 5]));
    let mut window = watched(DeliveryWindow::find_out(None, &lie(4, 1)));
    assert_eq!(told(window), [(0, 4)]);
    for record in 5..100 {
        window = watched(DeliveryWindow::judge(Some(window), &sale(record, 9, 9)));
    }
    assert_eq!(DeliveryWindow::judge(Some(window), &sale(100, 9, 9)), Judgement::Clean);
}

#[test]
fn a_proof_is_one_to_four_records_in_order() {
    assert_eq!(Proof::of(&[3, 3, 9]).unwrap().records(), [3, 3, 9]);
    for bad in [&[][..], &[0], &[2, 1], &[0, 1], &[1, 2, 3, 4, 5]] {
        assert_eq!(Proof::of(bad), None, "{bad:?}");
    }
}

/// What a snapshot holds is read back, and nothing that could not have been written.
#[test]
fn entries_and_windows_are_read_back_and_forged_ones_are_not() {
    let faults = [
        device(DeviceFault::NonDelivery, None, &[1, 2, 3, 4]),
        device(DeviceFault::DoubleReading, Some(0), &[1, 2]),
        validator(EvidenceKind::Amnesia, 3),
    ];
    for fault in faults {
        let entry = Entry { state: EntryState::Appealed, ..entered(fault) };
        let mut w = Writer::new();
        entry.write(&mut w);
        assert!(w.as_slice().len() >= ENTRY_BYTES_MIN);
        assert_eq!(Entry::read(&mut Reader::new(w.as_slice())), Ok(entry));
        let mut forged = w.as_slice().to_vec();
        forged[8] = 4;
        assert_eq!(Entry::read(&mut Reader::new(&forged)), Err(BytesError::Unknown), "no such state");
    }
    let mut w = Writer::new();
    entered(device(DeviceFault::NonceReuse, None, &[5])).write(&mut w);
    let mut forged = w.as_slice().to_vec();
    *forged.last_mut().unwrap() = 1;
    assert_eq!(Entry::read(&mut Reader::new(&forged)), Err(BytesError::Padding), "a record behind the end");

    let window = |sales: u32, failures: &[(u32, u64)]| {
        let mut w = Writer::new();
        w.u32(sales).u8(u8::try_from(failures.len()).unwrap());
        for (sale, record) in failures {
            w.u32(*sale).u32(77).u64(*record);
        }
        DeliveryWindow::read(&mut Reader::new(w.as_slice())).map(|window| {
            let mut again = Writer::new();
            window.write(&mut again);
            again.as_slice() == w.as_slice()
        })
    };
    assert_eq!(window(95, &[(0, 1), (7, 9), (95, 9)]), Ok(true));
    assert_eq!(window(8, &[(0, 1), (7, 9), (7, 9)]), Ok(true), "two that were found out together");
    for (sales, failures) in [
        (0, &[][..]),
        (96, &[(0, 1)]),
        (0, &[(1, 1)]),
        (3, &[(0, 0)]),
        (3, &[(0, 5), (2, 4)]),
        (3, &[(0, 1), (2, 4), (1, 5)]),
        (3, &[(0, 1), (4, 2)]),
        (9, &[(0, 1), (1, 2), (2, 3), (3, 4)]),
    ] {
        assert_eq!(window(sales, failures), Err(BytesError::Unknown), "{sales} {failures:?}");
    }
}
