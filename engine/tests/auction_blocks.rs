//! Block orders: one price, several periods, all or nothing; nobody who is accepted loses.

#![allow(clippy::unwrap_used)]

use BlockState::{Accepted, ParadoxicallyRejected, Rejected};
use Side::{Buy, Sell};
use gridbook_engine::auction::{
    AuctionOrder, AuctionRules, AuctionTree, BlockClearing, BlockOrder, BlockState, Clearing, Injection, PeriodBook,
    clear, clear_with_blocks,
};
use gridbook_engine::{AreaId, Edge, Energy, Network, Price, Side};

fn rules() -> AuctionRules {
    AuctionRules::new(1, 1)
}

fn order(area: u16, side: Side, price: i32, energy: u64, sequence: u64) -> AuctionOrder {
    AuctionOrder { area: AreaId(area), side, price: Price(price), energy: Energy(energy), sequence }
}

/// The same energy in each of these periods.
fn block(side: Side, price: i32, energy: u64, periods: &[usize], sequence: u64) -> BlockOrder {
    let energies = periods.iter().map(|period| (*period, Energy(energy))).collect();
    BlockOrder { area: AreaId(0), side, price: Price(price), energies, sequence }
}

/// One area; the orders of each period.
fn cleared(periods: &[Vec<AuctionOrder>], blocks: &[BlockOrder]) -> BlockClearing {
    let tree = AuctionTree::new(&Network::single());
    let books: Vec<PeriodBook<'_>> = periods.iter().map(|orders| PeriodBook::plain(&tree, orders)).collect();
    clear_with_blocks(rules(), &books, blocks)
}

fn prices(clearing: &BlockClearing) -> Vec<i32> {
    clearing.periods.iter().map(|period| period.areas[0].price.unwrap().0).collect()
}

/// Sells 10 in two periods at 30: at 20 it loses, at 50 it gains more. `-10 | block | buy 20`, `-10 | block | buy 50`.
#[test]
fn a_block_may_lose_in_one_period_if_it_gains_over_all() {
    let periods = [vec![order(0, Buy, 20, 10, 0)], vec![order(0, Buy, 50, 10, 1)]];
    let clearing = cleared(&periods, &[block(Sell, 30, 10, &[0, 1], 2)]);
    assert_eq!((clearing.states.as_slice(), prices(&clearing)), (&[Accepted][..], vec![20, 50]));
    // With less in the good period it would lose, and all its energy leaves both.
    let blocks = [BlockOrder { energies: vec![(0, Energy(10)), (1, Energy(2))], ..block(Sell, 30, 0, &[], 2) }];
    let clearing = cleared(&periods, &blocks);
    assert_eq!(clearing.states, [Rejected]);
    assert!(clearing.periods.iter().all(|period| period.accepted == [Energy(0)]));
}

/// 10 are wanted at 50; 15 in one block at 30 do not fit. Without it the price lies between 45 and 50, and the block would have gained.
#[test]
fn a_block_that_does_not_fit_is_left_out_though_it_would_gain() {
    let periods = [vec![order(0, Buy, 50, 10, 0), order(0, Sell, 45, 10, 1)]];
    let clearing = cleared(&periods, &[block(Sell, 30, 15, &[0], 2)]);
    assert_eq!((clearing.states.as_slice(), prices(&clearing)), (&[ParadoxicallyRejected][..], vec![47]));
    assert_eq!(clearing.periods[0].accepted, [Energy(10), Energy(10)]);
}

#[test]
fn of_blocks_that_do_not_fit_together_the_newest_leaves() {
    let periods = [vec![order(0, Buy, 50, 10, 0)]];
    let clearing = cleared(&periods, &[block(Sell, 20, 10, &[0], 7), block(Sell, 10, 10, &[0], 5)]);
    assert_eq!(clearing.states, [ParadoxicallyRejected, Accepted]);
    assert_eq!(clearing.periods[0].injected, [Energy(10)]);
}

/// Both lose at 30. The one that loses most leaves; then the price is 40 and the other one stays.
#[test]
fn of_losing_blocks_the_one_that_loses_most_leaves_first() {
    let orders = vec![order(0, Buy, 40, 10, 0), order(0, Buy, 30, 10, 1)];
    let clearing = cleared(std::slice::from_ref(&orders), &[block(Sell, 35, 10, &[0], 2), block(Sell, 34, 5, &[0], 3)]);
    assert_eq!((clearing.states.as_slice(), prices(&clearing)), (&[ParadoxicallyRejected, Accepted][..], vec![40]));
    // Of equals the newest: the older one stays.
    let clearing = cleared(&[orders], &[block(Sell, 35, 6, &[0], 2), block(Sell, 35, 6, &[0], 3)]);
    assert_eq!(clearing.states, [Accepted, ParadoxicallyRejected]);
}

#[test]
fn a_block_buys_as_it_sells() {
    let periods = [vec![order(0, Sell, 20, 10, 0)], vec![order(0, Sell, 60, 10, 1)]];
    assert_eq!(cleared(&periods, &[block(Buy, 40, 10, &[0, 1], 2)]).states, [Accepted]);
    assert_eq!(cleared(&periods, &[block(Buy, 39, 10, &[0, 1], 2)]).states, [Rejected]);
    assert_eq!(cleared(&periods, &[block(Buy, 90, 11, &[0, 1], 2)]).states, [ParadoxicallyRejected]);
}

/// The buying block needs the selling one. When the seller leaves for its loss, the buyer does not fit any more.
#[test]
fn blocks_that_only_meet_each_other_trade_at_zero_or_not_at_all() {
    let pair = |sell, buy| [block(Sell, sell, 10, &[0], 0), block(Buy, buy, 10, &[0], 1)];
    let clearing = cleared(&[vec![]], &pair(-5, 5));
    assert_eq!((clearing.states.as_slice(), prices(&clearing)), (&[Accepted, Accepted][..], vec![0]));
    assert_eq!(cleared(&[vec![]], &pair(5, 8)).states, [Rejected, ParadoxicallyRejected]);
}

#[test]
fn a_block_sells_over_an_edge_within_its_capacity() {
    let (up, down) = (Energy(8), Energy(0));
    let edge = Edge { child: AreaId(1), parent: AreaId(0), up, down, fee_up: Price(5), fee_down: Price(0) };
    let tree = AuctionTree::new(&Network::new(2, 1, &[edge]).unwrap());
    let orders = [order(0, Buy, 50, 20, 0)];
    let books = [PeriodBook::plain(&tree, &orders)];
    let below = |energy| BlockOrder { area: AreaId(1), ..block(Sell, 30, energy, &[0], 1) };
    let clearing = clear_with_blocks(rules(), &books, &[below(8)]);
    assert_eq!((clearing.states.as_slice(), clearing.periods[0].edges[1].flow_wh), (&[Accepted][..], 8));
    assert_eq!(clear_with_blocks(rules(), &books, &[below(9)]).states[0], ParadoxicallyRejected);
}

/// The rule of MARKET section 5 once more, written without care for time: clear everything, find who leaves, clear everything again.
fn slowly(tree: &AuctionTree, periods: &[Vec<AuctionOrder>], blocks: &[BlockOrder]) -> (Vec<bool>, Vec<Clearing>) {
    let mut is_in = vec![true; blocks.len()];
    loop {
        let mut whole = vec![true; blocks.len()];
        let mut gain = vec![0_i128; blocks.len()];
        let mut clearings = Vec::new();
        for (period, orders) in periods.iter().enumerate() {
            let of_period = |at: &usize| blocks[*at].energies.iter().find(|(place, _)| *place == period);
            let entered: Vec<usize> = (0..blocks.len()).filter(|at| is_in[*at] && of_period(at).is_some()).collect();
            let injection = |at: &usize| Injection {
                area: blocks[*at].area,
                side: blocks[*at].side,
                energy: of_period(at).unwrap().1,
                sequence: blocks[*at].sequence,
            };
            let injections: Vec<Injection> = entered.iter().map(injection).collect();
            let clearing = clear(rules(), &PeriodBook { injections: &injections, ..PeriodBook::plain(tree, orders) });
            for (at, injected) in entered.iter().zip(&clearing.injected) {
                whole[*at] &= *injected == of_period(at).unwrap().1;
            }
            for at in (0..blocks.len()).filter(|at| of_period(at).is_some()) {
                let price = clearing.areas[usize::from(blocks[at].area.0)].price.unwrap_or(Price(0));
                let one = i128::from(price.0 - blocks[at].price.0) * i128::from(of_period(&at).unwrap().1.0);
                gain[at] += if blocks[at].side == Sell { one } else { -one };
            }
            clearings.push(clearing);
        }
        let candidates = || (0..blocks.len()).filter(|at| is_in[*at]);
        let broken = candidates().filter(|at| !whole[*at]).max_by_key(|at| blocks[*at].sequence);
        let losing = candidates().filter(|at| gain[*at] < 0);
        let losing = losing.max_by_key(|at| (-gain[*at], blocks[*at].sequence));
        match broken.or(losing) {
            Some(out) => is_in[out] = false,
            None => return (is_in, clearings),
        }
    }
}

/// Thousands of small markets with blocks: the quick way gives what the slow way gives, and nobody who is accepted loses.
#[test]
fn random_blocks_are_all_or_nothing_and_never_lose() {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut below = |end: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % end
    };
    let (up, down) = (Energy(12), Energy(9));
    let edge = Edge { child: AreaId(1), parent: AreaId(0), up, down, fee_up: Price(1), fee_down: Price(2) };
    let tree = AuctionTree::new(&Network::new(2, 1, &[edge]).unwrap());
    let mut seen = [0; 3];
    for round in 0..2_000 {
        let side = |dice: u64| if dice == 0 { Buy } else { Sell };
        let limit = |dice: u64| i32::try_from(dice).unwrap() - 5;
        let mut orders = || -> Vec<AuctionOrder> {
            let count = below(9);
            (0..count).map(|at| order(below(2) as u16, side(below(2)), limit(below(40)), 1 + below(20), at)).collect()
        };
        let periods = [orders(), orders(), orders()];
        let count = below(5);
        let blocks: Vec<BlockOrder> = (0..count)
            .map(|at| {
                let from = below(3);
                let energies =
                    (from..=from.max(below(3))).map(|period| (period as usize, Energy(1 + below(12)))).collect();
                let (area, side, price) = (AreaId(below(2) as u16), side(below(2)), Price(limit(below(40))));
                BlockOrder { area, side, price, energies, sequence: 100 + (at * 7) % 5 }
            })
            .collect();
        let books: Vec<PeriodBook<'_>> = periods.iter().map(|orders| PeriodBook::plain(&tree, orders)).collect();
        let quick = clear_with_blocks(rules(), &books, &blocks);
        let (is_in, clearings) = slowly(&tree, &periods, &blocks);
        let states: Vec<bool> = quick.states.iter().map(|state| *state == Accepted).collect();
        assert_eq!(states, is_in, "round {round}: {blocks:?}");
        assert_eq!(quick.periods, clearings, "round {round}");
        for state in &quick.states {
            seen[[Accepted, Rejected, ParadoxicallyRejected].iter().position(|one| one == state).unwrap()] += 1;
        }
    }
    assert!(seen.iter().all(|count| *count > 100), "every state happens: {seen:?}");
}
