//! Whom an order will trade with: sources, distance, partner (MARKET sections 3 and 4, compatible).
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod support;

use gridbook_engine::{
    AccountId, AreaId, Contract, DeliveryPeriod, Energy, EnergySources, Engine, Event, MeterId, Network, NewOrder,
    OrderTag, Preferences, Price, Side, TimeInForce, Unlimited,
};
use support::drawn::story::{Story, timeless};

/// Every set that a seller can deliver against every set that a buyer can accept: 63 x 63.
#[test]
fn a_buyer_gets_what_he_accepts_and_nothing_else_for_all_sets_of_six_sources() {
    let mut engine = Engine::new(timeless(), Network::single()).unwrap();
    engine.without_undo();
    let contract = Contract { area: AreaId(0), period: DeliveryPeriod(8) };
    let order = |account: u32, side, bits: u8| {
        let price = Price(30);
        let order =
            NewOrder::limit(OrderTag(9), AccountId(account), MeterId(account), contract, side, price, Energy(1));
        let sources = EnergySources::from_bits(bits).unwrap();
        NewOrder { preferences: Preferences { sources, ..Preferences::none(side) }, ..order }
    };
    let mut met = 0;
    for (delivers, accepts) in (1..64).flat_map(|delivers| (1..64).map(move |accepts| (delivers, accepts))) {
        let mut events = Vec::new();
        let rests = engine.place(order(1, Side::Sell, delivers), &mut Unlimited, &mut events).unwrap().unwrap();
        let buy = NewOrder { time_in_force: TimeInForce::ImmediateOrCancel, ..order(2, Side::Buy, accepts) };
        engine.place(buy, &mut Unlimited, &mut events).unwrap();
        let meets = matches!(events[1], Event::Trade(trade) if trade.sources.bits() == delivers);
        assert_eq!(meets, delivers & !accepts == 0, "{delivers:06b} to a buyer of {accepts:06b}");
        met += u32::from(meets);
        assert_eq!(engine.cancel(rests, MeterId(1), &mut Unlimited, &mut events).is_ok(), !meets);
    }
    assert_eq!(met, 3_u32.pow(6) - 2_u32.pow(6), "each source is accepted and delivered, accepted, or neither");
}

/// Certificates follow what the seller said it delivers, not what the buyer would have accepted, whichever of the two came first.
#[test]
fn a_trade_tells_what_its_seller_delivers() {
    let mut engine = Engine::new(timeless(), Network::single()).unwrap();
    let contract = Contract { area: AreaId(0), period: DeliveryPeriod(8) };
    let wind_or_sun = EnergySources::WIND.with(EnergySources::SOLAR);
    for first in [Side::Buy, Side::Sell] {
        let mut events = Vec::new();
        for (account, side) in [(1, first), (2, first.opposite())] {
            let price = Price(30);
            let order =
                NewOrder::limit(OrderTag(9), AccountId(account), MeterId(account), contract, side, price, Energy(1));
            let sources = if side == Side::Buy { wind_or_sun } else { EnergySources::WIND };
            let preferences = Preferences { sources, ..Preferences::none(side) };
            engine.place(NewOrder { preferences, ..order }, &mut Unlimited, &mut events).unwrap();
        }
        assert!(matches!(events[1], Event::Trade(trade) if trade.sources == EnergySources::WIND), "{events:?}");
    }
}

/// ```text
///              | price | ask
///              |  40   | d1:10 grid mix (says nothing)
///              |  35   | c1:10 wind
///              |  30   | a1:10 solar
/// ```
#[test]
fn a_buyer_of_wind_passes_cheaper_sun_by_and_a_plain_buyer_takes_the_cheapest() {
    Story::over("").tell(
        "a1 sells 10 at 30 of solar, c1 sells 10 at 35 of wind, d1 sells 10 at 40
         b1 buys 15 at 50 of wind       -> c1>b1 10@35; b1 rests 5
         b2 buys 15 at 50               -> a1>b2 10@30; d1>b2 5@40
         e1 sells 9 at 45 of solar+wind -> e1 rests 9        // b1 does not accept sun
         b3 buys 4 at 45 of solar       -> b3 rests 4        // and b3 no wind
         b4 buys 4 at 45 of wind+solar+hydro -> e1>b4 4@45
         e2 sells 3 at 45 of wind       -> e2>b1 3@50",
    );
}

/// ```text
///              | price | ask
///              |  41   | c1:10 plain
///              |  40   | a1:10 only to z
/// ```
#[test]
fn an_order_for_one_partner_does_not_hide_the_next_one() {
    Story::over("").tell(
        "a1 sells 10 at 40 with z, c1 sells 10 at 41
         b1 buys 5 at 45         -> c1>b1 5@41
         b2 buys 5 at 41 fok     -> c1>b2 5@41
         b3 buys 5 at 45 fok     -> refused MatchFillOrKill
         b4 buys 5 at 45 post    -> b4 rests 5
         z1 buys 5 at 45         -> a1>z1 5@40",
    );
}

/// ```text
/// bid               | price | ask
/// b1:10 only from c |  50   |
///                   |  40   | a1:10 only to b
/// ```
#[test]
fn both_must_name_the_other_if_they_name_anybody() {
    Story::over("").tell(
        "a1 sells 10 at 40 with b
         b1 buys 10 at 50 with c -> b1 rests 10
         b2 buys 3 at 50 with a  -> a1>b2 3@40
         b3 buys 3 at 50         -> a1>b3 3@40
         c1 buys 9 at 50         -> c1 rests 9
         c2 sells 2 at 40 with b -> c2>b1 2@50
         c3 sells 2 at 40        -> c3>b1 2@50
         d1 sells 9 at 40        -> d1>c1 9@50",
    );
}

/// ```text
///     0   d1:10@30 within 1
///     |
///     1   c1:10@31 within 0
///     |
///     2   a1:10@32        the buyer is here
/// ```
#[test]
fn the_smaller_distance_of_the_two_counts() {
    Story::over("1>0 99/99, 2>1 99/99").tell(
        "d1 sells 10 at 30 in 0 within 1, c1 sells 10 at 31 in 1 within 0, a1 sells 10 at 32 in 2
         b1 buys 5 at 40 in 2                  -> a1>b1 5@32
         b2 buys 5 at 31 in 2                  -> b2 rests 5
         b3 buys 5 at 40 in 1 within 0         -> c1>b3 5@31
         b4 buys 5 at 40 in 1                  -> d1>b4 5@30
         e1 sells 5 at 20 in 0 within 2        -> e1>b2 5@31
         b5 buys 5 at 40 in 0 within 1 ioc     -> d1>b5 5@30
         b6 buys 5 at 40 in 0 within 1 ioc     -> b6 drops 5
         b7 buys 5 at 40 in 0 within 2         -> a1>b7 5@32",
    );
}

/// ```text
/// bid in 0 | price | ask in 1
/// b1:10    |  40   |
///          |  40   | a1:10 comes in, within 0: at home there is nobody
/// ```
#[test]
fn who_wants_only_neighbours_rests_in_a_book_that_looks_crossed() {
    Story::over("1>0 99/99").tell(
        "b1 buys 10 at 40 in 0
         a1 sells 10 at 30 in 1 within 0 -> a1 rests 10
         view 0                          -> 40:10 | 30:10
         c1 sells 4 at 35 in 1           -> c1>b1 4@40
         c2 buys 4 at 35 in 1            -> a1>c2 4@30",
    );
}

/// ```text
/// bid             | price | ask
///                 |  40   | a1:10 sun, a2:10 sun   (1st, 3rd)
///                 |  40   | c1:10 mix              (2nd)
/// ```
#[test]
fn time_counts_over_all_preferences_alike() {
    Story::over("").tell(
        "a1 sells 10 at 40 of solar, c1 sells 10 at 40, a2 sells 10 at 40 of solar
         b1 buys 25 at 40           -> a1>b1 10@40; c1>b1 10@40; a2>b1 5@40
         d1 buys 10 at 39 with e, d2 buys 10 at 39, d3 buys 10 at 39 within 0
         e1 sells 25 at 39          -> e1>d1 10@39; e1>d2 10@39; e1>d3 5@39",
    );
}
