//! What gateways are shown of the books while the log goes forward and back.

use gridbook_engine::depth::DepthTable;
use gridbook_engine::{Energy, Price};

use crate::town::{CONTRACT, Town, buy, sell};

/// `bid | price | ask` after a trade ahead of finality, and after the log goes on along another branch.
#[test]
fn a_trade_on_a_branch_that_was_given_up_is_shown_no_more() {
    let mut town = Town::of(2);
    let (writer, books) = DepthTable::new(2, 146);
    town.done(0, sell(1, 300, 50));
    town.state.publish_depth_to(writer);
    town.state.publish_depth(town.next_seq - 1);
    assert_eq!(books.read(CONTRACT).unwrap().asks[..], [(Price(300), Energy(50))], "what rested before is shown too");

    let (mark, seq) = (town.state.mark(), town.next_seq);
    town.done(1, buy(1, 300, 20));
    town.done(1, buy(2, 250, 10));
    town.state.publish_depth(town.next_seq - 1);
    let ahead = books.read(CONTRACT).unwrap();
    assert_eq!((&ahead.bids[..], &ahead.asks[..]), (&[(Price(250), Energy(10))][..], &[(Price(300), Energy(30))][..]));
    assert_eq!((books.epoch(), ahead.epoch), (seq + 1, seq + 1));

    town.state.rollback(mark);
    town.next_seq = seq;
    town.done(1, buy(3, 200, 5));
    town.state.publish_depth(town.next_seq - 1);
    let other = books.read(CONTRACT).unwrap();
    assert_eq!((&other.bids[..], &other.asks[..]), (&[(Price(200), Energy(5))][..], &[(Price(300), Energy(50))][..]));
    assert_eq!((books.epoch(), other.epoch), (seq, seq));
}
