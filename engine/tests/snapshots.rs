//! An image that no engine could have made is refused with its reason, never believed and never a panic.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod support;

use gridbook_engine::image::{BookImage, OrderImage, PeriodImage};
use gridbook_engine::{
    AreaId, Contract, Energy, EnergySources, Engine, EngineImage, Event, ImageError, LedgerTime, MarketRules, Network,
    NewOrder, OrderTag, Price, RulesError, Side, TimeInForce, Unlimited,
};
use support::drawn::{CONTRACT, Drawn, order};

const PERIOD: u32 = CONTRACT.period.0;

fn bid(account: u32, priority: u32, price: i32) -> OrderImage {
    OrderImage {
        tag: u64::from(priority),
        priority,
        energy: 10,
        shown: 10,
        until: u64::MAX,
        account,
        meter: account,
        price,
        sources: EnergySources::ALL.bits(),
        max_edges: u16::MAX,
        ..OrderImage::default()
    }
}

fn ask(account: u32, priority: u32, price: i32) -> OrderImage {
    OrderImage { sources: EnergySources::GRID_MIX.bits(), ..bid(account, priority, price) }
}

/// Two bids and an ask in one area, at a time when the contract is open.
fn good() -> EngineImage {
    let (bids, asks) = (vec![bid(1, 2, 20), bid(1, 0, 10)], vec![ask(2, 1, 30)]);
    let book = BookImage { area: 0, flags: 0, bids, asks };
    let edges = vec![];
    let period =
        PeriodImage { period: PERIOD, priorities: 3, auctioned: true, rematching: false, edges, books: vec![book] };
    EngineImage { now: 80 * 60_000, periods: vec![period], blocks: vec![] }
}

fn rules() -> MarketRules {
    MarketRules { tick: 10, lot: 10, open_lead_ms: 3_600_000, ..MarketRules::default() }
}

fn read(change: impl FnOnce(&mut EngineImage)) -> Result<EngineImage, ImageError> {
    let mut image = good();
    change(&mut image);
    Engine::from_image(rules(), Network::islands(2), image).map(|engine| engine.image())
}

fn read_period(change: impl FnOnce(&mut PeriodImage)) -> Result<EngineImage, ImageError> {
    read(|image| change(&mut image.periods[0]))
}

fn read_book(change: impl FnOnce(&mut BookImage)) -> Result<EngineImage, ImageError> {
    read_period(|period| change(&mut period.books[0]))
}

#[test]
fn a_good_image_comes_back_as_it_was() {
    assert_eq!(read(|_| ()), Ok(good()));
}

#[test]
fn rules_that_make_no_sense_are_refused() {
    let wrong = MarketRules { tick: 0, ..rules() };
    let refused = Engine::from_image(wrong, Network::islands(2), good()).map(|_| ());
    assert_eq!(refused, Err(ImageError::Rules(RulesError::Step)));
}

#[test]
fn the_end_of_time_is_refused() {
    assert_eq!(read(|image| image.now = u64::MAX), Err(ImageError::Time));
}

#[test]
fn periods_twice_or_out_of_order_are_refused() {
    let twice = |image: &mut EngineImage| image.periods.push(image.periods[0].clone());
    assert_eq!(read(twice), Err(ImageError::Order(PERIOD)));
}

#[test]
fn areas_twice_or_unknown_are_refused() {
    let twice = |period: &mut PeriodImage| period.books.push(period.books[0].clone());
    assert_eq!(read_period(twice), Err(ImageError::Order(PERIOD)));
    assert_eq!(read_book(|book| book.area = 2), Err(ImageError::Area(PERIOD)));
}

#[test]
fn orders_out_of_price_time_priority_are_refused() {
    assert_eq!(read_book(|book| book.bids.swap(0, 1)), Err(ImageError::Order(PERIOD)));
    let later_first = |book: &mut BookImage| book.bids[1].price = 20;
    assert_eq!(read_book(later_first), Err(ImageError::Order(PERIOD)));
}

#[test]
fn prices_and_energies_that_the_rules_do_not_allow_are_refused() {
    assert_eq!(read_book(|book| book.bids[0].price = 15), Err(ImageError::Form(PERIOD)));
    assert_eq!(read_book(|book| book.asks[0].price = i32::MAX), Err(ImageError::Form(PERIOD)));
    assert_eq!(read_book(|book| book.asks[0].energy = 5), Err(ImageError::Form(PERIOD)));
    assert_eq!(read_book(|book| book.asks[0].energy = 0), Err(ImageError::Form(PERIOD)));
}

#[test]
fn priority_numbers_given_out_twice_or_never_are_refused() {
    assert_eq!(read_book(|book| book.asks[0].priority = 2), Err(ImageError::Priority(PERIOD)));
    assert_eq!(read_book(|book| book.asks[0].priority = 3), Err(ImageError::Priority(PERIOD)));
}

#[test]
fn a_bid_and_an_ask_that_should_have_met_are_refused() {
    let cross = |book: &mut BookImage| book.bids[0].price = 30;
    assert_eq!(read_book(cross), Err(ImageError::Crossed(PERIOD)));
    let own = |book: &mut BookImage| {
        cross(book);
        book.bids[0].account = 2;
    };
    assert!(read_book(own).is_ok(), "an account's own orders may stand across");
    let over = |book: &mut BookImage| {
        cross(book);
        book.bids[0].until = 80 * 60_000;
    };
    assert!(read_book(over).is_ok(), "so may one that is over and not yet swept");
}

#[test]
fn periods_and_books_that_say_nothing_are_refused() {
    let bare = |period: &mut PeriodImage| *period = PeriodImage { period: PERIOD, ..PeriodImage::default() };
    assert_eq!(read_period(bare), Err(ImageError::Empty(PERIOD)));
    let empty = |period: &mut PeriodImage| period.books.push(BookImage { area: 1, ..BookImage::default() });
    assert_eq!(read_period(empty), Err(ImageError::Empty(PERIOD)));
    let over = |image: &mut EngineImage| {
        image.now = 115 * 60_000;
        image.periods[0].books.clear();
    };
    assert_eq!(read(over), Err(ImageError::Empty(PERIOD)));
}

#[test]
fn the_restored_market_goes_on_with_the_next_priority_number_and_the_same_gates() {
    let mut market = Drawn::new();
    market.buy("a1", 10, 20);
    market.buy("b1", 10, 20);
    market.cancel("b1").unwrap();
    let until = TimeInForce::GoodTillTime(LedgerTime(90 * 60_000));
    market.place(NewOrder { time_in_force: until, post_only: true, ..order("c1", Side::Sell, 10, 30) }).unwrap();
    let elsewhere = Contract { area: AreaId(1), ..CONTRACT };
    market.engine.close(elsewhere);

    let mut copy = Engine::from_image(*market.engine.rules(), Network::islands(2), market.engine.image()).unwrap();
    assert_eq!(copy.digest(), market.engine.digest());
    assert_eq!(copy.next_due(), market.engine.next_due());

    // Handles are new; names, terms and the rest are what they were.
    let handles: Vec<_> = copy.resting().map(|order| (order.order.id, order.terms.tag)).collect();
    assert_eq!(handles.len(), 2);
    for (id, tag) in handles {
        assert_eq!(copy.resting_order(id).unwrap().terms.tag, tag);
    }
    for engine in [&mut copy, &mut market.engine] {
        engine.place(order("d1", Side::Buy, 10, 20), &mut Unlimited, &mut Vec::new()).unwrap();
        let closed = engine.place(
            NewOrder { contract: elsewhere, ..order("e1", Side::Buy, 10, 20) },
            &mut Unlimited,
            &mut Vec::new(),
        );
        assert!(closed.is_err());
        engine.advance(LedgerTime(90 * 60_000));
    }
    assert_eq!(copy.digest(), market.engine.digest());
    let mut events = Vec::new();
    copy.sweep(9, &mut Unlimited, &mut events);
    assert!(matches!(events[..], [Event::Expired { remaining: Energy(10), .. }]));
}

#[test]
fn a_rollback_across_a_forgotten_period_brings_its_counter_and_its_gates_back() {
    let mut market = Drawn::new();
    let elsewhere = Contract { area: AreaId(1), ..CONTRACT };
    market.buy("a1", 10, 20);
    market.engine.close(elsewhere);
    let (mark, digest) = (market.engine.mark(), market.engine.digest());

    market.minute(115);
    assert_eq!(market.sweep(9).len(), 1);
    assert!(market.engine.image().periods.is_empty(), "nothing of the period is left");
    let next = Contract { period: gridbook_engine::DeliveryPeriod(9), ..CONTRACT };
    market.place(NewOrder { contract: next, ..order("b1", Side::Buy, 1, 1) }).unwrap();

    market.engine.rollback(mark);
    assert_eq!(market.engine.digest(), digest);
    let told = market.engine.place(order("c1", Side::Buy, 10, 20), &mut Unlimited, &mut Vec::new()).unwrap();
    assert_eq!(market.engine.resting_order(told.unwrap()).unwrap().priority, 1);
    assert!(
        market.engine.cancel(market.handle("a1").0, market.handle("a1").1, &mut Unlimited, &mut Vec::new()).is_ok()
    );
}

#[test]
fn the_hash_is_what_it_was_yesterday() {
    // Golden bytes: whoever changes the layout of the state must know that old snapshots and headers no longer match.
    let engine = Engine::from_image(rules(), Network::islands(2), good()).unwrap();
    let hex: String = engine.digest().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "762cfb7829cb4decfad4b1202fc2d1ee19d23aacdfe5a2968fa23b586b209b5f");
    let names: Vec<(OrderTag, Price)> = engine.resting().map(|order| (order.terms.tag, order.terms.price)).collect();
    assert_eq!(names, [(OrderTag(2), Price(20)), (OrderTag(0), Price(10)), (OrderTag(1), Price(30))]);
}
