//! Every reason to refuse a command, by the harm it keeps away. What is refused leaves no trace: the digest, the limits and the events are
//! as before, which each step of a story is checked for.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod support;

use gridbook_engine::{
    AccountId, AreaId, Contract, DeliveryPeriod, Energy, Engine, EngineImage, Limits, MarketRules, MeterId, Money,
    Network, NewOrder, OrderTag, OrderTerms, Price, Reject, Side, Unlimited,
};
use support::drawn::story::{Story, timed, timeless};

/// `before` happens, and then each of these commands is refused for this reason.
#[track_caller]
fn refused(story: &Story, before: &str, why: Reject, commands: &str) {
    let refusals = commands.lines().map(str::trim).filter(|line| !line.is_empty());
    let told: Vec<String> = refusals
        .map(|command| {
            let at = if command.starts_with("basket") { "0 " } else { "" };
            format!("{command} -> refused {at}{why:?}")
        })
        .collect();
    story.tell(&format!("{before}\n{}", told.join("\n")));
}

/// Ticks of 7 from -7000 to 7000, lots of 7, one edge.
fn sevens() -> Story {
    let rules = MarketRules { tick: 7, lot: 7, price_min: Price(-7_000), price_max: Price(7_000), ..timeless() };
    Story::over("1>0 70/70").rules(rules)
}

#[test]
fn a_price_off_the_tick() {
    refused(
        &sevens(),
        "a1 sells 70 at 14",
        Reject::FormTick,
        "b1 buys 7 at 1
         b1 buys 7 at -1
         b1 buys 7 at 6999
         b1 buys 7 at -6999
         b1 sells 7 at 8 in 1 ioc
         replace a1 70 at 13
         replace a1 7 at 15
         basket b1 buys 7 at 20
         deal d1 a to b 7 at 20",
    );
    refused(&sevens().called(), "", Reject::FormTick, "block k1 sells at 20 of 8:7");
}

#[test]
fn a_price_beyond_the_limits_up_to_the_last_there_is() {
    refused(
        &sevens(),
        "a1 sells 70 at 14",
        Reject::FormPriceLimit,
        "b1 buys 7 at 7007
         b1 buys 7 at 7001
         b1 sells 7 at -7007
         b1 buys 7 at 2^31-1
         b1 buys 7 at -2^31
         b1 sells 7 at 2^31-1 fok
         b1 sells 7 at -2^31 ioc
         replace a1 70 at 2^31-1
         replace a1 7 at -2^31
         basket b1 buys 7 at 2^31-1
         deal d1 a to b 7 at 2^31-1
         deal d1 a to b 7 at -2^31",
    );
    refused(
        &sevens().called(),
        "",
        Reject::FormPriceLimit,
        "block k1 sells at 7007 of 8:7
         block k1 buys at -2^31 of 8:7
         block k1 buys at 2^31-1 of 8:7",
    );
}

/// 2^64 - 1 is no multiple of 7.
#[test]
fn an_energy_off_the_lot() {
    refused(
        &sevens(),
        "a1 sells 70 at 14",
        Reject::FormLot,
        "b1 buys 1 at 14
         b1 buys 8 at 14
         b1 buys 2^64-1 at 14
         b1 sells 2^63 at 14 in 1
         reduce a1 6
         reduce a1 2^64-1
         replace a1 71 at 14
         replace a1 2^64-1 at 21
         basket b1 buys 6 at 14
         deal d1 a to b 6 at 14
         deal d1 a to b 2^64-1 at 14",
    );
    refused(
        &sevens().called(),
        "",
        Reject::FormLot,
        "block k1 sells at 14 of 8:6
         block k1 sells at 14 of 8:7 9:2^63",
    );
}

#[test]
fn an_order_of_nothing() {
    refused(
        &sevens(),
        "a1 sells 70 at 14",
        Reject::FormZeroEnergy,
        "b1 buys 0 at 14
         b1 buys 0 at 14 shows 7
         replace a1 0 at 14
         replace a1 0 at 21
         basket b1 buys 0 at 14
         deal d1 a to b 0 at 14",
    );
    refused(
        &sevens().called(),
        "",
        Reject::FormZeroEnergy,
        "block k1 sells at 14 of 8:0
         block k1 sells at 14 of 8:7 9:0",
    );
    refused(&sevens(), "a1 sells 70 at 14", Reject::MatchNothingToReduce, "reduce a1 0");
}

#[test]
fn an_area_that_is_not_there() {
    refused(
        &sevens(),
        "",
        Reject::FormArea,
        "b1 buys 7 at 14 in 2
         b1 buys 7 at 14 in 65535
         capacity 2 up 7 down 7
         capacity 65535 up 7 down 7
         pay 2
         basket b1 buys 7 at 14 in 2
         block k1 sells at 14 in 2 of 8:7
         deal d1 a to b 7 at 14 from 2 into 0
         deal d1 a to b 7 at 14 from 1 into 65535",
    );
}

/// It asks to rest and not to rest.
#[test]
fn flags_that_contradict_each_other() {
    refused(
        &sevens(),
        "",
        Reject::FormFlags,
        "b1 buys 7 at 14 post ioc
         b1 buys 7 at 14 post fok
         basket b1 buys 7 at 14 post",
    );
}

#[test]
fn a_shown_part_that_hides_nothing_or_would_make_endless_work() {
    refused(
        &sevens(),
        "a1 sells 7000 at 14 shows 7",
        Reject::FormDisplay,
        "b1 buys 7 at 14 shows 7
         b1 buys 7 at 14 shows 14
         b1 buys 70 at 14 shows 8
         b1 buys 70 at 14 shows 1
         b1 buys 7 at 14 shows 2^64-1
         b1 buys 7007 at 14 shows 7
         b1 buys 2^64-2 at 14 shows 7
         b1 buys 70 at 14 shows 7 ioc
         b1 buys 70 at 14 shows 7 fok
         replace a1 7007 at 14
         replace a1 2^64-2 at 21
         basket b1 buys 70 at 14 shows 7",
    );
}

#[test]
fn an_order_for_its_own_account_only() {
    refused(
        &sevens(),
        "",
        Reject::FormPartner,
        "b1 buys 7 at 14 with b
         basket b1 buys 7 at 14 with b",
    );
}

#[test]
fn a_basket_that_is_none() {
    let hundred_and_one = vec!["b1 buys 7 at 14"; 101].join(" + ");
    let commands = format!("basket\nbasket b1 buys 7 at 14 rests\nbasket {hundred_and_one}");
    refused(&sevens(), "a1 sells 7000 at 14", Reject::FormBasket, &commands);
}

#[test]
fn a_block_that_is_none() {
    let hundred_and_one: Vec<String> = (8..109).map(|period| format!("{period}:7")).collect();
    let commands = format!(
        "block k1 sells at 14
         block k1 sells at 14 of 9:7 8:7
         block k1 sells at 14 of 8:7 8:7
         block k1 sells at 14 of 8:7 9:7 9:7
         block k1 sells at 14 of 8:2^63 9:2^63
         block k1 sells at 14 of {}",
        hundred_and_one.join(" ")
    );
    refused(&sevens().called(), "", Reject::FormBlock, &commands);
    let hundred = hundred_and_one[..100].join(" ");
    sevens().called().tell(&format!("block k1 sells at 14 of {hundred} -> k1 rests 700"));
}

#[test]
fn a_capacity_where_no_edge_is() {
    refused(&sevens(), "", Reject::FormEdge, "capacity 0 up 7 down 7");
    refused(&Story::islands(2), "", Reject::FormEdge, "capacity 0 up 7 down 7\ncapacity 1 up 7 down 7");
}

/// More than 2^60 and flows could not be counted.
#[test]
fn a_capacity_beyond_what_is_counted() {
    refused(
        &sevens(),
        "capacity 1 up 2^60 down 2^60",
        Reject::FormCapacity,
        "capacity 1 up 2^60+1 down 0
         capacity 1 up 0 down 2^60+1
         capacity 1 up 2^64-1 down 2^64-1",
    );
}

#[test]
fn too_early() {
    let story = Story::over("1>0 9/9").rules(timed());
    refused(
        &story,
        "clock 59",
        Reject::GateNotOpen,
        "a1 sells 1 at 14
         a1 sells 1 at 14 for 4294967295
         a1 sells 1 at 14 ioc
         pay 0
         basket a1 sells 1 at 14
         block k1 sells at 14 of 8:7
         deal d1 a to b 7 at 14",
    );
}

#[test]
fn too_late() {
    let story = Story::over("1>0 9/9").rules(timed());
    refused(
        &story,
        "clock 60, a1 sells 9 at 20, clock 115",
        Reject::GateClosed,
        "b1 buys 1 at 14
         b1 buys 1 at 14 for 0
         b1 buys 1 at 14 ioc
         replace a1 9 at 21
         pay 0
         capacity 1 up 1 down 1
         basket b1 buys 1 at 14
         block k1 sells at 14 of 8:7
         deal d1 a to b 7 at 14",
    );
}

#[test]
fn an_order_that_is_over_before_it_begins() {
    refused(
        &Story::over("").rules(timed()),
        "clock 60",
        Reject::GateExpired,
        "a1 sells 1 at 14 until 60
         a1 sells 1 at 14 until 59
         a1 sells 1 at 14 until 0",
    );
}

#[test]
fn what_cannot_wait_for_the_auction() {
    refused(
        &Story::over("").called(),
        "a1 sells 1 at 14",
        Reject::GateCallPhase,
        "b1 buys 1 at 14 ioc
         b1 buys 1 at 14 fok
         basket b1 buys 1 at 14",
    );
}

#[test]
fn a_block_without_an_auction_to_come() {
    refused(&Story::over(""), "", Reject::GateNoCall, "block k1 sells at 14 of 8:7");
    refused(
        &Story::over("").called(),
        "auction 9",
        Reject::GateNoCall,
        "block k1 sells at 14 of 9:7
         block k1 sells at 14 of 8:7 9:7",
    );
}

#[test]
fn an_agreed_trade_between_areas_that_do_not_trade_with_each_other() {
    let story = Story::over("1>0 9/9");
    refused(
        &story,
        "cut 1",
        Reject::GateCrossArea,
        "deal d1 a to b 1 at 14 from 1 into 0
         deal d1 a to b 1 at 14 from 0 into 1",
    );
}

#[test]
fn a_post_only_order_that_would_trade() {
    refused(
        &Story::over("1>0 9/9 fee 2/2"),
        "a1 sells 9 at 14, e1 buys 5 at 12 post",
        Reject::MatchPostOnly,
        "b1 buys 1 at 14 post
         b1 buys 1 at 16 in 1 post
         b1 buys 100 at 99 post
         replace e1 5 at 14
         replace e1 6 at 15",
    );
}

#[test]
fn a_fill_or_kill_order_that_would_not_be_filled() {
    refused(
        &Story::over("1>0 9/9 fee 2/2"),
        "a1 sells 20 at 14, b9 sells 20 at 14",
        Reject::MatchFillOrKill,
        "b1 buys 21 at 14 fok
         b1 buys 1 at 13 fok
         b1 buys 10 at 99 in 1 fok
         b1 buys 1 at 15 in 1 fok
         c1 buys 2^64-1 at 14 fok
         basket b1 buys 21 at 14",
    );
}

/// Unknown, somebody else's, filled, cancelled, replaced, over: all alike.
#[test]
fn an_order_that_is_not_there_or_not_yours() {
    refused(
        &Story::over("").rules(timed()),
        "clock 60, a1 sells 5 at 14, a2 sells 5 at 20, a3 sells 5 at 20, a4 sells 5 at 20 until 70
         b1 buys 5 at 14, cancel a2, reduce a3 5, clock 70, sweep, a5 sells 5 at 20",
        Reject::MatchUnknownOrder,
        "cancel zz
         cancel a1
         cancel a2
         cancel a3
         cancel a4
         cancel a5 as b
         reduce a1 1
         reduce a5 1 as b
         reduce zz 0
         replace a1 5 at 20
         replace a5 5 at 20 as b
         replace a5 0 at -2^31 as b
         unblock k1",
    );
}

/// Out of a book with 2^64 - 1 handles: none of them is guessed.
#[test]
fn a_guessed_handle() {
    let mut engine = Engine::new(timeless(), Network::single()).unwrap();
    let mut events = Vec::new();
    let order = plain(1);
    let id = engine.place(order, &mut Unlimited, &mut events).unwrap().unwrap();
    let before = engine.digest();
    let flipped = (0..64).map(|bit| gridbook_engine::OrderId(id.0 ^ (1 << bit)));
    for guess in flipped.chain([0, u64::MAX].map(gridbook_engine::OrderId)) {
        let refused = engine.cancel(guess, order.meter, &mut Unlimited, &mut events);
        assert_eq!(refused, Err(Reject::MatchUnknownOrder), "{guess:?} is not {id:?}");
    }
    assert_eq!((engine.digest(), events.len()), (before, 1));
}

#[test]
fn an_order_that_would_meet_its_own_account_in_the_auction() {
    refused(
        &Story::over("").called(),
        "a1 sells 9 at 14, a2 buys 9 at 13, b1 buys 9 at 14",
        Reject::MatchSelfCross,
        "a3 buys 1 at 14
         a3 buys 1 at 15
         a3 sells 1 at 13
         a3 sells 1 at -14
         replace a2 9 at 14
         replace a1 1 at 13",
    );
}

#[test]
fn a_block_of_a_name_that_waits() {
    refused(
        &Story::over("").called(),
        "block k1 sells at 14 of 8:7",
        Reject::MatchDuplicate,
        "block k1 sells at 14 of 8:7
         block k1 buys at 14 of 9:7 as b",
    );
}

#[test]
fn a_trade_with_oneself() {
    refused(
        &Story::over("1>0 9/9"),
        "",
        Reject::MatchSelfTrade,
        "deal d1 a to a 1 at 14
         deal d1 a to a 1 at 14 from 1 into 0",
    );
}

#[test]
fn an_agreed_trade_that_no_edge_can_carry() {
    refused(
        &Story::over("1>0 9/8"),
        "",
        Reject::MatchCapacity,
        "deal d1 a to b 10 at 14 from 1 into 0
         deal d1 a to b 9 at 14 from 0 into 1
         deal d1 a to b 2^64-1 at 14 from 0 into 1",
    );
    refused(&Story::islands(2), "", Reject::MatchCapacity, "deal d1 a to b 1 at 14 from 0 into 1");
}

#[test]
fn more_than_a_meter_can_carry() {
    refused(
        &Story::over("").budget(10),
        "a1 sells 9 at 14, b1 buys 4 at 9",
        Reject::CreditHeadroom,
        "a2 sells 2 at 14
         a2 sells 2^64-1 at 14
         b2 buys 7 at 14
         b2 buys 7 at 99 ioc
         replace a1 11 at 14
         replace b1 11 at 14
         basket b2 buys 7 at 14
         deal d1 b to c 7 at 14
         deal d1 c to b 7 at 14",
    );
    refused(&Story::over("").called().budget(10), "", Reject::CreditHeadroom, "block k1 sells at 14 of 8:5 9:6");
}

/// An account without money. The engine asks, and takes the answer as it is.
struct Poor;

impl Limits for Poor {
    type Mark = ();

    fn reserve(&mut self, _: &OrderTerms, _: Energy) -> Result<(), Reject> {
        Err(Reject::CreditMoney)
    }

    fn release(&mut self, terms: &OrderTerms, _: Energy) {
        panic!("nothing was set aside for {terms:?}");
    }

    fn fill(&mut self, terms: &OrderTerms, _: Energy, _: Price) {
        panic!("nothing was set aside for {terms:?}");
    }

    fn collect(&mut self, child: AreaId, _: DeliveryPeriod, _: Money, _: Money) {
        panic!("nothing goes over {child:?}");
    }

    fn mark(&self) {}

    fn rollback(&mut self, (): ()) {}
}

fn plain(account: u32) -> NewOrder {
    let contract = Contract { area: AreaId(0), period: DeliveryPeriod(8) };
    let (side, price) = (if account == 1 { Side::Sell } else { Side::Buy }, Price(14));
    NewOrder::limit(
        OrderTag(u64::from(account)),
        AccountId(account),
        MeterId(account),
        contract,
        side,
        price,
        Energy(7),
    )
}

#[test]
fn more_than_there_is_money_for() {
    let mut engine = Engine::new(timeless(), Network::single()).unwrap();
    let mut events = Vec::new();
    engine.place(plain(1), &mut Unlimited, &mut events).unwrap();
    let before = (engine.digest(), events.clone());
    assert_eq!(engine.place(plain(2), &mut Poor, &mut events), Err(Reject::CreditMoney));
    let refused = engine.basket(
        &[NewOrder { time_in_force: gridbook_engine::TimeInForce::FillOrKill, ..plain(2) }],
        &mut Poor,
        &mut events,
    );
    assert_eq!(refused.unwrap_err().why, Reject::CreditMoney);
    assert_eq!((engine.digest(), events), before);
}

/// An engine that was restarted just before its period's priority numbers run out.
#[test]
fn more_orders_than_priority_numbers() {
    let (rules, network) = (timeless(), Network::single());
    let mut engine = Engine::new(rules, network.clone()).unwrap();
    let mut events = Vec::new();
    engine.place(plain(1), &mut Unlimited, &mut events).unwrap();
    let mut image: EngineImage = engine.image();
    image.periods[0].priorities = u32::MAX;
    let mut engine = Engine::from_image(rules, network, image).unwrap();
    let before = (engine.digest(), events.len());
    let again = NewOrder { tag: OrderTag(3), ..plain(1) };
    assert_eq!(engine.place(again, &mut Unlimited, &mut events), Err(Reject::MatchBookFull));
    assert_eq!((engine.digest(), events.len()), before);
    let id = engine.resting().next().unwrap().order.id;
    assert_eq!(engine.cancel(id, plain(1).meter, &mut Unlimited, &mut events), Ok(()), "what rests can leave");
}

/// All faults at once, mended one by one: the order of tests is part of the rules, as others must answer the same.
#[test]
fn of_several_faults_the_first_is_told() {
    let rules = MarketRules { tick: 7, lot: 7, price_min: Price(-7_000), price_max: Price(7_000), ..timed() };
    Story::over("1>0 70/70").rules(rules).budget(10).tell(
        "clock 115
         a1 sells 0 at 8000 in 2 post ioc shows 3 with a  -> refused FormArea
         a1 sells 0 at 8000 in 1 post ioc shows 3 with a  -> refused FormZeroEnergy
         a1 sells 15 at 8000 in 1 post ioc shows 3 with a -> refused FormLot
         a1 sells 14 at 8000 in 1 post ioc shows 3 with a -> refused FormPriceLimit
         a1 sells 14 at 20 in 1 post ioc shows 3 with a   -> refused FormTick
         a1 sells 14 at 21 in 1 post ioc shows 3 with a   -> refused FormFlags
         a1 sells 14 at 21 in 1 post until 9 shows 3 with a -> refused FormDisplay
         a1 sells 14 at 21 in 1 post until 9 shows 7 with a -> refused FormPartner
         a1 sells 14 at 21 in 1 post until 9 shows 7      -> refused GateClosed
         a1 sells 14 at 21 in 1 for 99 post until 9 shows 7 -> refused GateNotOpen
         a1 sells 14 at 21 in 1 for 9 post until 9 shows 7 -> refused GateExpired
         b1 buys 7 at 35 in 0 for 9
         a1 sells 14 at 21 in 0 for 9 post until 116 shows 7 -> refused CreditHeadroom
         a1 sells 7 at 21 in 0 for 9 post until 116       -> refused MatchPostOnly
         a1 sells 7 at 42 in 0 for 9 fok                  -> refused MatchFillOrKill
         a1 sells 7 at 42 in 0 for 9 post until 116       -> a1 rests 7",
    );
}

/// Reads this file: nobody adds a reason without a test that names it.
#[test]
fn every_reason_has_its_test() {
    let here = include_str!("drawn_refusals.rs");
    let reasons = include_str!("../src/reject.rs");
    let names = reasons.lines().filter_map(|line| line.trim().strip_suffix(','));
    let names: Vec<&str> = names.filter(|name| name.chars().all(char::is_alphanumeric)).collect();
    assert!(names.len() >= 27, "{names:?}");
    for name in names {
        assert!(here.contains(&format!("Reject::{name}")), "{name} is never told of");
    }
}
