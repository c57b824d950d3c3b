//! The engine and its slow twin get the same commands and must say the same, after every single one.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod support;

use std::collections::BTreeSet;

use gridbook_engine::reference::Reference;
use gridbook_engine::{
    Engine, EngineImage, Event, Limits, Mark, Market as _, MeterId, Network, OrderId, OrderRef, OrderTag, Reject,
};
use support::accounts::Accounts;
use support::stream::{AREAS, Command, Stream, rules};

const COMMANDS_PER_SEED: usize = 5_000;
const SEEDS: u64 = 12;
const _: () = assert!(SEEDS as usize * COMMANDS_PER_SEED >= 60_000);

#[test]
fn the_engine_does_what_the_reference_does() {
    let mut refused = BTreeSet::new();
    for seed in 0..SEEDS {
        let mut twins = Twins::new(seed);
        for step in 0..COMMANDS_PER_SEED {
            twins.step(Case { seed, step });
        }
        twins.check_that_much_happened();
        refused.append(&mut twins.refused);
    }
    // All kinds but the one of money, which these limits do not know.
    assert_eq!(refused.len(), 14, "{refused:?}");
}

#[test]
fn an_engine_that_is_restarted_from_its_image_now_and_then_does_what_the_reference_does() {
    for seed in 1_000..1_004 {
        let mut twins = Twins::new(seed);
        for step in 0..COMMANDS_PER_SEED {
            let case = Case { seed, step };
            twins.step(case);
            if step % 97 == 0 {
                twins.restart(case);
            }
        }
    }
}

/// Which step of which stream: enough to run it again.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "it is printed when a test fails")]
struct Case {
    seed: u64,
    step: usize,
}

/// A handle as both know it.
#[derive(Clone, Copy, Debug)]
struct Handle {
    tag: OrderTag,
    meter: MeterId,
    engine: OrderId,
    reference: OrderId,
}

/// Where both stood.
struct Marks {
    engine: Mark,
    reference: Mark,
    accounts: [usize; 2],
    digest: [u8; 32],
}

struct Twins {
    stream: Stream,
    engine: Engine,
    reference: Reference,
    accounts: [Accounts; 2],
    handles: Vec<Handle>,
    marks: Vec<Marks>,
    trades: usize,
    refused: BTreeSet<Reject>,
    expired: usize,
    rolled_back: usize,
}

impl Twins {
    fn new(seed: u64) -> Self {
        Self {
            stream: Stream::new(seed),
            engine: Engine::new(rules(), Network::islands(AREAS)).unwrap(),
            reference: Reference::new(rules(), Network::islands(AREAS)).unwrap(),
            accounts: [Accounts::new(200), Accounts::new(200)],
            handles: Vec::new(),
            marks: Vec::new(),
            trades: 0,
            refused: BTreeSet::new(),
            expired: 0,
            rolled_back: 0,
        }
    }

    fn step(&mut self, case: Case) {
        self.stream.set_now(self.engine.now());
        let command = self.stream.next();
        let case = &(case, command);
        match command {
            Command::Mark => self.mark(),
            Command::Rollback => self.rollback(case),
            Command::Forget => {
                let kept = self.marks.first().map_or(self.engine.mark(), |marks| marks.engine);
                self.engine.forget(kept);
            }
            Command::Advance(now) => {
                self.engine.advance(now);
                self.reference.advance(now);
            }
            Command::Close(contract) => {
                self.engine.close(contract);
                self.reference.close(contract);
            }
            _ => self.trade(command, case),
        }
        assert_eq!(self.engine.digest(), self.reference.digest(), "{case:?}");
        let now = self.engine.now();
        let due = [self.engine.next_due(), self.reference.next_due()].map(|due| due.map(|due| due.max(now)));
        assert_eq!(due[0], due[1], "{case:?}");
    }

    fn trade(&mut self, command: Command, case: &(Case, Command)) {
        let mut events = [Vec::new(), Vec::new()];
        let before = self.engine.mark();
        let results = self.both(command, &mut events);
        assert_eq!(results[0].map(|id| id.is_some()), results[1].map(|id| id.is_some()), "{case:?}");
        assert_eq!(nameless(&events[0]), nameless(&events[1]), "{case:?}");
        match (results, command) {
            ([Ok(Some(engine)), Ok(Some(reference))], Command::Place(order)) => {
                self.handles.push(Handle { tag: order.tag, meter: order.meter, engine, reference });
            }
            ([Ok(Some(engine)), Ok(Some(reference))], Command::Replace { order, .. }) => {
                let old = self.handle(order);
                self.handles.push(Handle { engine, reference, ..old });
            }
            ([Err(reject), _], _) => {
                assert!(events[0].is_empty(), "{case:?}: a refusal reports nothing");
                assert_eq!(self.engine.mark(), before, "{case:?}: a refusal leaves nothing to undo");
                self.refused.insert(reject);
            }
            _ => {}
        }
        self.trades += events[0].iter().filter(|event| matches!(event, Event::Trade(_))).count();
        self.expired += events[0].iter().filter(|event| matches!(event, Event::Expired { .. })).count();
    }

    fn both(&mut self, command: Command, events: &mut [Vec<Event>; 2]) -> [Result<Option<OrderId>, Reject>; 2] {
        let [limits, twin_limits] = &mut self.accounts;
        let [events, twin_events] = events;
        let handles = &self.handles;
        let handle = |ago: u64| nth_last(handles, ago);
        let (engine, twin) = (&mut self.engine, &mut self.reference);
        match command {
            Command::Place(order) => [engine.place(order, limits, events), twin.place(order, twin_limits, twin_events)],
            Command::Cancel { order } => {
                let Handle { engine: id, reference: twin_id, meter, .. } = handle(order);
                [
                    engine.cancel(id, meter, limits, events).map(|()| None),
                    twin.cancel(twin_id, meter, twin_limits, twin_events).map(|()| None),
                ]
            }
            Command::Steal { order } => {
                let Handle { engine: id, reference: twin_id, meter, .. } = handle(order);
                let thief = MeterId(meter.0 + 1);
                [
                    engine.cancel(id, thief, limits, events).map(|()| None),
                    twin.cancel(twin_id, thief, twin_limits, twin_events).map(|()| None),
                ]
            }
            Command::Reduce { order, by } => {
                let Handle { engine: id, reference: twin_id, meter, .. } = handle(order);
                [
                    engine.reduce(id, meter, by, limits, events).map(|()| None),
                    twin.reduce(twin_id, meter, by, twin_limits, twin_events).map(|()| None),
                ]
            }
            Command::Replace { order, price, energy } => {
                let Handle { engine: id, reference: twin_id, meter, .. } = handle(order);
                [
                    engine.replace(id, meter, price, energy, limits, events),
                    twin.replace(twin_id, meter, price, energy, twin_limits, twin_events),
                ]
            }
            Command::Sweep(max) => {
                let swept = engine.sweep(max, limits, events);
                assert_eq!(swept, twin.sweep(max, twin_limits, twin_events));
                [Ok(None), Ok(None)]
            }
            other => panic!("{other:?} is no trading command"),
        }
    }

    fn handle(&self, ago: u64) -> Handle {
        nth_last(&self.handles, ago)
    }

    fn mark(&mut self) {
        self.marks.push(Marks {
            engine: self.engine.mark(),
            reference: self.reference.mark(),
            accounts: [0, 1].map(|twin: usize| Limits::mark(&self.accounts[twin])),
            digest: self.engine.digest(),
        });
        // Few at a time, or the copies of the reference take too long.
        if self.marks.len() > 6 {
            self.marks.clear();
        }
    }

    fn rollback(&mut self, case: &(Case, Command)) {
        let deep = self.stream.dice.below(self.marks.len() as u64 + 1) as usize;
        self.marks.truncate(deep + 1);
        let Some(marks) = self.marks.pop() else { return };
        self.engine.rollback(marks.engine);
        self.reference.rollback(marks.reference);
        for (accounts, mark) in self.accounts.iter_mut().zip(marks.accounts) {
            Limits::rollback(accounts, mark);
        }
        assert_eq!(self.engine.digest(), marks.digest, "{case:?}");
        self.rolled_back += 1;
    }

    /// Puts a copy made from bytes in the engine's place.
    fn restart(&mut self, case: Case) {
        let image = self.engine.image();
        let bytes = rkyv::to_bytes::<rkyv::rancor::Error>(&image).unwrap();
        let read = rkyv::from_bytes::<EngineImage, rkyv::rancor::Error>(&bytes).unwrap();
        assert_eq!(read, image, "{case:?}");
        let copy = Engine::from_image(rules(), Network::islands(AREAS), read).unwrap();
        assert_eq!(copy.digest(), self.engine.digest(), "{case:?}");
        assert_eq!(copy.image(), image, "{case:?}");
        self.engine = copy;
        self.marks.clear();
        for handle in &mut self.handles {
            let again = self.engine.resting().find(|order| order.terms.tag == handle.tag);
            let is_the_one = again.is_some_and(|_| self.reference.holds(handle.reference));
            handle.engine = again.filter(|_| is_the_one).map_or(OrderId(0), |order| order.order.id);
        }
    }

    fn check_that_much_happened(&self) {
        assert!(self.trades > 300, "{} trades", self.trades);
        assert!(self.expired > 100, "{} expired", self.expired);
        assert!(self.rolled_back > 40, "{} rollbacks", self.rolled_back);
    }
}

fn nth_last(handles: &[Handle], ago: u64) -> Handle {
    let never = Handle { tag: OrderTag(0), meter: MeterId(0), engine: OrderId(0), reference: OrderId(0) };
    handles.iter().rev().nth(ago as usize).copied().unwrap_or(never)
}

/// Events without handles, which are each engine's own.
fn nameless(events: &[Event]) -> Vec<Event> {
    let hide = |order: &mut OrderRef| order.id = OrderId(0);
    let mut events = events.to_vec();
    for event in &mut events {
        match event {
            Event::Cleared { .. } | Event::Flow { .. } | Event::Overload { .. } => {}
            Event::Filled { order, .. } | Event::Block { order, .. } => hide(order),
            Event::Trade(trade) => {
                hide(&mut trade.maker);
                hide(&mut trade.taker);
            }
            Event::Rested { order, .. }
            | Event::Dropped { order, .. }
            | Event::Cancelled { order, .. }
            | Event::Reduced { order, .. }
            | Event::Expired { order, .. } => hide(order),
        }
    }
    events
}
