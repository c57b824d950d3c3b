//! What falls due: gates, good-till times, settlement, in slices.

use gridbook_engine::{AreaId, Contract, Expiry, LedgerTime, MeterId, Side, TimeInForce};
use gridbook_ledger::command::{AreaReading, Command, Correction, Place};
use gridbook_ledger::record::{Outcome, RecordEvent};
use gridbook_ledger::reject::Code;
use gridbook_ledger::state::State;

use crate::deliveries::{deadline, end, feeders, final_at, reading};
use crate::town::{CONTRACT, PERIOD, Town, before, buy, delivered, order, sell};

/// A busy quarter-hour: orders of three meters rest, and everybody has traded.
fn busy() -> Town {
    let mut town = Town::of(4);
    for meter in 0..4 {
        for client_id in 0..5 {
            let until = before(20 + client_id);
            let time_in_force =
                if client_id % 2 == 0 { TimeInForce::GoodTillGate } else { TimeInForce::GoodTillTime(until) };
            let side = if meter % 2 == 0 { Side::Buy } else { Side::Sell };
            let price = 100 + i32::try_from(client_id).unwrap() * 10;
            town.done(meter, Command::Place(Place { time_in_force, ..order(client_id, side, price, 30) }));
        }
    }
    town
}

fn events(town: &mut Town, limit: u32) -> Vec<RecordEvent> {
    town.work_all(limit).into_iter().flat_map(|record| record.events).collect()
}

/// One validator's leader does the work in one go, another's one piece at a time: the same things happen in the same order.
#[test]
fn many_small_slices_do_what_one_large_one_does() {
    let (mut whole, mut sliced) = (busy(), busy());
    for at in [before(21), before(5), delivered()] {
        assert_eq!((whole.time(at), sliced.time(at)), (Outcome::Done, Outcome::Done));
        let (all, slices) = (events(&mut whole, 1_000), events(&mut sliced, 1));
        assert!(!all.is_empty());
        assert_eq!(all, slices);
        assert_eq!(format!("{:?}", whole.substance()), format!("{:?}", sliced.substance()));
    }
    assert_eq!(whole.state.next_due(), None, "nothing is left to do");
    assert_eq!(whole.state.payables_sum().0, 0);
}

/// A slice does no more than its limit, and one of nothing does nothing.
#[test]
fn a_slice_keeps_to_its_limit() {
    let mut town = busy();
    town.time(before(5));
    let root = town.state.state_root();
    assert!(town.work(0).events.is_empty());
    assert_eq!(town.state.state_root(), root);
    assert!(town.state.has_work());
    assert_eq!(town.work(3).events.len(), 3);
}

/// The leader is told when there will be work, so that it can put it into the log, and never told of work that is not there.
#[test]
fn due_times_are_the_good_till_times_then_the_gate_then_the_end_of_delivery() {
    let mut town = Town::of(2);
    assert_eq!((town.state.next_due(), town.state.has_work()), (None, false));
    let short = Place { time_in_force: TimeInForce::GoodTillTime(before(30)), ..order(1, Side::Buy, 100, 10) };
    town.done(0, Command::Place(short));
    town.done(0, buy(2, 100, 10));
    let mut due = Vec::new();
    while let Some(at) = town.state.next_due() {
        assert!(!town.state.has_work());
        due.push(at);
        town.time(LedgerTime(at.0 - 1));
        assert!(!town.state.has_work());
        town.time(at);
        assert!(town.state.has_work());
        town.work_all(1);
    }
    assert_eq!(due, [before(30), before(5), delivered()]);
}

/// A metered quarter-hour is due when its readings are, and once more when nothing of it can be changed any more; a correction is due at once.
/// While an area is frozen there is nothing to do but to wait for whoever mends it. The quarter-hour before, of which only the registers at
/// its end are known, goes ahead of it.
#[test]
fn a_metered_period_is_due_at_its_deadline_then_for_corrections_and_when_it_is_final() {
    let sooner = |at: LedgerTime| LedgerTime(at.0 - 15 * 60_000);
    let edge = |sent_up_wh| {
        let contract = Contract { area: AreaId(1), ..CONTRACT };
        vec![Command::AreaReading(AreaReading { contract, sent_up_wh })]
    };
    let mut town = feeders();
    assert_eq!(town.state.next_due(), Some(sooner(deadline())));
    town.operator(edge(50));
    end(&mut town, &[(0, 0, 100), (1, 100, 0)]);
    assert_eq!(town.state.next_due(), Some(sooner(final_at())));
    town.time(sooner(final_at()));
    town.work_all(1);
    assert_eq!(town.state.next_due(), None, "half of what the north gave is missing");
    let (mark, seq) = (town.state.mark(), town.next_seq);
    town.operator(edge(99));
    assert!(town.state.has_work(), "it is looked at again");
    town.work_all(1);
    assert_eq!(town.state.next_due(), Some(final_at()));
    let corrected = Correction { meter: MeterId(1), reading: reading(PERIOD, 101, 0) };
    town.operator(vec![Command::Correction(corrected)]);
    assert!(town.state.has_work(), "the difference is due");
    town.work_all(1);
    assert_eq!(town.state.next_due(), Some(final_at()));
    town.time(final_at());
    town.work_all(1);
    assert_eq!(town.state.next_due(), None, "nothing is left to do");
    town.state.rollback(mark);
    town.next_seq = seq;
    assert_eq!((town.state.next_due(), town.state.audit()), (None, Ok(())), "still frozen");
}

/// The leader is slow with its work: an order whose time is over must not trade all the same, and a gate that has closed stays closed.
#[test]
fn what_is_over_does_not_trade_even_before_the_work_is_done() {
    let mut town = Town::of(2);
    let short = Place { time_in_force: TimeInForce::GoodTillTime(before(30)), ..order(1, Side::Buy, 100, 10) };
    town.done(0, Command::Place(short));
    town.time(before(30));
    let record = town.done(1, sell(1, 100, 10));
    assert!(matches!(record.events[..], [RecordEvent::Rested { .. }]), "{record:?}");
    town.time(before(5));
    assert_eq!(town.refused(0, buy(2, 100, 10)), Code::GateClosed);
    let causes = |event: &RecordEvent| match event {
        RecordEvent::Expired { order, cause, .. } => (order.meter, *cause),
        other => panic!("{other:?}"),
    };
    let swept: Vec<_> = events(&mut town, 100).iter().map(causes).collect();
    assert_eq!(swept, [(MeterId(0), Expiry::Until), (MeterId(1), Expiry::Gate)]);
    assert_eq!((town.purse(0), town.purse(1)), ((1_000_000, 0), (1_000_000, 0)));
}

/// An order may still be cancelled by its owner while it waits to be swept; it is then not swept again.
#[test]
fn an_order_cancelled_after_its_gate_is_not_expired_as_well() {
    let mut town = Town::of(1);
    town.done(0, buy(1, 100, 10));
    town.time(before(5));
    town.done(0, Command::Cancel { client_id: 1 });
    assert!(events(&mut town, 100).is_empty());
}

/// The leader lets gate and delivery pass before it does anything: everything is done in the right order nevertheless.
#[test]
fn work_that_was_let_lie_over_several_deadlines_is_still_done_in_order() {
    let (mut late, mut punctual) = (busy(), busy());
    late.time(delivered());
    let mut all = Vec::new();
    for at in [before(5), delivered()] {
        punctual.time(at);
        all.extend(events(&mut punctual, 7));
    }
    let settled = |events: &[RecordEvent]| {
        let settled = events.iter().filter(|event| matches!(event, RecordEvent::MeterSettled(_)));
        settled.copied().collect::<Vec<_>>()
    };
    assert_eq!(settled(&events(&mut late, 7)), settled(&all));
    assert_eq!(format!("{:?}", late.substance()), format!("{:?}", punctual.substance()));
}

/// A ledger that has traded for a week keeps no more than one that trades its first hour: what is over is forgotten.
#[test]
fn nothing_of_a_delivered_period_is_kept() {
    let mut town = busy();
    town.time(delivered());
    town.work_all(50);
    let after = town.state.snapshot().len();
    let fresh = Town::of(4);
    let before: &State = &fresh.state;
    assert_eq!(after, before.snapshot().len());
}
