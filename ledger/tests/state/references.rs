//! What the trades of a market say its energy is worth (MARKET section 7, rule 4): whoever misses energy pays at least that. Missing energy costs
//! 600 and surplus brings 20; the bounds are 1,000 and -200.

use gridbook_engine::{AccountId, Energy, MeterId, Price, Side};
use gridbook_ledger::command::{Accept, AgreedTerms, Command, Offer, Place};

use crate::deliveries::{areas, begin, end, metered};
use crate::town::{PERIOD, Town, buy, genesis, order, sell, trades};

/// Two honest neighbours, 0 and 1, two friends, 2 and 3, and a house that will take 50 Wh it never bought.
fn street() -> Town {
    Town::in_areas(metered(genesis()), &[0; 5])
}

/// A trade of the market: `seller` rests, and `buyer` comes.
fn trade(town: &mut Town, (seller, buyer): (u32, u32), client_id: u64, price: i32, energy: u64) {
    town.done(seller, sell(client_id, price, energy));
    assert_eq!(trades(&town.done(buyer, buy(client_id, price, energy))).len(), 1);
}

/// The period passes, and everybody but the house does as traded: what a kWh costs whoever is short and brings whoever is long.
fn rests(town: &mut Town, flows: &[(u32, u64, u64)]) -> (Price, Price) {
    begin(town, 5);
    let records = end(town, &[flows, &[(4, 50, 0)]].concat());
    let area = areas(&records)[0];
    assert_eq!(town.purse(4).0, 1_000_000 - 50 * i128::from(area.short_rest.0));
    (area.short_rest, area.long_rest)
}

/// How two friends say that they trade with nobody else.
#[derive(Clone, Copy, Debug)]
enum Way {
    BothSign,
    TheRestingOrder,
    TheIncomingOrder,
}

/// `seller` sells 100 Wh to `buyer` for 9,000 a kWh, which nobody else can have.
fn agree(town: &mut Town, way: Way, seller: u32, buyer: u32, client_id: u64) {
    let terms = |side| AgreedTerms { period: PERIOD, side, price: Price(9_000), energy: Energy(100) };
    let for_whom = |place: Place, partner| Command::Place(Place { partner: Some(AccountId(partner)), ..place });
    let (ask, bid) = (order(client_id, Side::Sell, 9_000, 100), order(client_id, Side::Buy, 9_000, 100));
    let record = match way {
        Way::BothSign => {
            town.done(seller, Command::Offer(Offer { client_id, partner: MeterId(buyer), terms: terms(Side::Sell) }));
            let (partner, offer) = (MeterId(seller), client_id);
            town.done(buyer, Command::Accept(Accept { client_id, partner, offer, terms: terms(Side::Buy) }))
        }
        Way::TheRestingOrder => {
            town.done(seller, for_whom(ask, buyer));
            town.done(buyer, Command::Place(bid))
        }
        Way::TheIncomingOrder => {
            town.done(seller, Command::Place(ask));
            town.done(buyer, for_whom(bid, seller))
        }
    };
    assert_eq!(trades(&record)[0].price, Price(9_000), "{way:?}");
}

/// The market's trade is 100 Wh at 250. Just before the gate two friends agree on 100 Wh at 9,000, and on 100 Wh back at the same price: they owe
/// each other nothing, and have nothing to deliver. If that counted, the house would pay the highest price there is, and
/// the operator of the area would earn what it pays too much.
///
/// ```text
/// (100 x 250 + 200 x 9,000) / 300 = 6,083, bounded 1,000      each price bounded 750      without the friends 250, so 600
/// ```
#[test]
fn what_friends_agree_between_themselves_says_nothing_of_what_energy_is_worth() {
    for way in [Way::BothSign, Way::TheRestingOrder, Way::TheIncomingOrder] {
        let mut town = street();
        trade(&mut town, (0, 1), 1, 250, 100);
        agree(&mut town, way, 2, 3, 1);
        agree(&mut town, way, 3, 2, 2);
        let flows = [(0, 0, 100), (1, 100, 0), (2, 0, 0), (3, 0, 0)];
        assert_eq!(rests(&mut town, &flows), (Price(600), Price(20)), "{way:?}");
        assert_eq!((town.purse(2), town.purse(3)), ((1_000_000, 0), (1_000_000, 0)), "it costs the friends nothing");
    }
}

/// Somebody buys 10 Wh for 9,000 a kWh, by mistake or not: they weigh as 10 Wh at 1,000, which is all that missing energy can cost.
///
/// ```text
/// (90 x 650 + 10 x 9,000) / 100 = 1,485, bounded 1,000      (90 x 650 + 10 x 1,000) / 100 = 685
/// ```
#[test]
fn a_price_counts_no_further_than_missing_energy_can_cost() {
    let mut town = street();
    trade(&mut town, (0, 1), 1, 650, 90);
    trade(&mut town, (2, 3), 1, 9_000, 10);
    let flows = [(0, 0, 90), (1, 90, 0), (2, 0, 10), (3, 10, 0)];
    assert_eq!(rests(&mut town, &flows), (Price(685), Price(20)));
}

/// The same at noon, when somebody pays 5,000 a kWh to be rid of 10 Wh.
///
/// ```text
/// (90 x 10 - 10 x 5,000) / 100 = -491, bounded -200      (90 x 10 - 10 x 200) / 100 = -11
/// ```
#[test]
fn a_price_counts_no_further_than_surplus_can_cost() {
    let mut town = street();
    trade(&mut town, (2, 3), 1, -5_000, 10);
    trade(&mut town, (0, 1), 1, 10, 90);
    let flows = [(0, 0, 90), (1, 90, 0), (2, 0, 10), (3, 10, 0)];
    assert_eq!(rests(&mut town, &flows), (Price(600), Price(-11)));
}
