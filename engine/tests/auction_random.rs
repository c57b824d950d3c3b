//! Auctions of thousands of small random trees, checked from outside: by trying every possible result, and by the conditions that make
//! prices and energies right whatever way they were found.

#![allow(clippy::unwrap_used)]

use gridbook_engine::auction::{AuctionOrder, AuctionRules, AuctionTree, Case, Clearer, Clearing, PeriodBook, clear};
use gridbook_engine::{AreaId, Edge, Energy, Money, Network, Price, Side};

/// xorshift64*: tests need dice, not quality.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % end
    }

    fn between(&mut self, from: i32, to: i32) -> i32 {
        from + i32::try_from(self.below(u64::try_from(to - from + 1).unwrap())).unwrap()
    }
}

/// What a random market may hold.
struct Size {
    areas: u64,
    orders: u64,
    energy: u64,
    prices: i32,
    fee: u64,
    capacity: u64,
}

struct Market {
    network: Network,
    edges: Vec<Edge>,
    orders: Vec<AuctionOrder>,
}

impl Market {
    fn draw(dice: &mut Dice, size: &Size) -> Self {
        let areas = 1 + u16::try_from(dice.below(size.areas)).unwrap();
        let mut edges = Vec::new();
        for child in 1..areas {
            let parent = AreaId(u16::try_from(dice.below(u64::from(child))).unwrap());
            let mut fee = || Price(i32::try_from(dice.below(size.fee + 1)).unwrap());
            let (fee_up, fee_down) = (fee(), fee());
            let mut capacity = || Energy(dice.below(size.capacity + 1));
            let (up, down) = (capacity(), capacity());
            edges.push(Edge { child: AreaId(child), parent, up, down, fee_up, fee_down });
        }
        let orders = (0..dice.below(size.orders + 1)).map(|sequence| AuctionOrder {
            area: AreaId(u16::try_from(dice.below(u64::from(areas))).unwrap()),
            side: if dice.below(2) == 0 { Side::Buy } else { Side::Sell },
            price: Price(dice.between(-2, size.prices)),
            energy: Energy(1 + dice.below(size.energy)),
            sequence,
        });
        let orders = orders.collect();
        Self { network: Network::new(areas, 1, &edges).unwrap(), edges, orders }
    }

    fn clear(&self, rules: AuctionRules) -> Clearing {
        clear(rules, &PeriodBook::plain(&AuctionTree::new(&self.network), &self.orders))
    }

    /// Net export of each area and all below it, for these fills; nothing if an edge cannot carry it or the root does not balance.
    fn flows(&self, fills: &[u64]) -> Option<Vec<i64>> {
        let mut exports = vec![0; self.network.areas()];
        for (order, fill) in self.orders.iter().zip(fills) {
            let fill = i64::try_from(*fill).unwrap();
            exports[usize::from(order.area.0)] += if order.side == Side::Sell { fill } else { -fill };
        }
        // Parents have lower numbers here.
        for edge in self.edges.iter().rev() {
            let flow = exports[usize::from(edge.child.0)];
            if flow > signed(edge.up) || -flow > signed(edge.down) {
                return None;
            }
            exports[usize::from(edge.parent.0)] += flow;
        }
        (exports[0] == 0).then_some(exports)
    }

    /// What the fills are worth to buyers, less what they cost sellers and the grid; and how much energy is sold.
    fn welfare(&self, fills: &[u64], flows: &[i64]) -> (i128, u64) {
        let mut welfare = 0;
        let mut sold = 0;
        for (order, fill) in self.orders.iter().zip(fills) {
            let value = i128::from(order.price.0) * i128::from(*fill);
            welfare += if order.side == Side::Buy { value } else { -value };
            sold += if order.side == Side::Sell { *fill } else { 0 };
        }
        for edge in &self.edges {
            let flow = i128::from(flows[usize::from(edge.child.0)]);
            welfare -= if flow > 0 { flow * i128::from(edge.fee_up.0) } else { -flow * i128::from(edge.fee_down.0) };
        }
        (welfare, sold)
    }

    /// The most welfare, and then the most energy, over every possible set of fills.
    fn best_of_all(&self) -> (i128, u64) {
        let mut fills = vec![0; self.orders.len()];
        let mut best = (0, 0);
        loop {
            if let Some(flows) = self.flows(&fills) {
                best = best.max(self.welfare(&fills, &flows));
            }
            let Some(next) = (0..fills.len()).find(|at| fills[*at] < self.orders[*at].energy.0) else { return best };
            fills[..next].fill(0);
            fills[next] += 1;
        }
    }

    /// The conditions of MARKET section 5 that can be checked without knowing how a result was found.
    fn check(&self, clearing: &Clearing) {
        let fills: Vec<u64> = clearing.accepted.iter().map(|energy| energy.0).collect();
        let flows = self.flows(&fills).expect("energy is conserved and edges carry it");
        for edge in &self.edges {
            let at = usize::from(edge.child.0);
            assert_eq!(clearing.edges[at].flow_wh, flows[at]);
            self.check_edge(edge, clearing);
        }
        for (order, accepted) in self.orders.iter().zip(&clearing.accepted) {
            let Some(price) = clearing.areas[usize::from(order.area.0)].price else {
                panic!("an area with orders has a price");
            };
            let above = i64::from(price.0) - i64::from(order.price.0);
            let gain = if order.side == Side::Sell { above } else { -above };
            assert!(
                gain <= 0 || *accepted == order.energy,
                "in the money and not filled whole: {order:?} at {price:?}"
            );
            assert!(gain >= 0 || accepted.is_zero(), "traded beyond its limit: {order:?} at {price:?}");
        }
        assert_eq!(self.money_left(clearing), Money(0), "buyers' payments = sellers' receipts + fees + rent");
    }

    /// Prices at both ends of an edge are what its flow, its capacities and its fees ask for.
    fn check_edge(&self, edge: &Edge, clearing: &Clearing) {
        let result = &clearing.edges[usize::from(edge.child.0)];
        assert!(result.fee.0 >= 0 && result.rent.0 >= 0, "{result:?}");
        let price = |area: AreaId| clearing.areas[usize::from(area.0)].price.map(|price| i64::from(price.0));
        let (Some(above), Some(below)) = (price(edge.parent), price(edge.child)) else { return };
        let spread = above - below;
        let (up, down) = (signed(edge.up), signed(edge.down));
        if result.flow_wh < up {
            assert!(spread <= i64::from(edge.fee_up.0), "more should flow up: {edge:?} {result:?} {spread}");
        }
        if -result.flow_wh < down {
            assert!(-spread <= i64::from(edge.fee_down.0), "more should flow down: {edge:?} {result:?} {spread}");
        }
        if result.flow_wh != 0 && result.flow_wh < up && -result.flow_wh < down {
            assert_eq!(result.rent, Money(0), "an edge that is not full earns no rent");
        }
    }

    fn money_left(&self, clearing: &Clearing) -> Money {
        let mut left = Money(0);
        for (order, accepted) in self.orders.iter().zip(&clearing.accepted).filter(|(_, accepted)| !accepted.is_zero())
        {
            let money = clearing.areas[usize::from(order.area.0)].price.unwrap().times(*accepted);
            left += if order.side == Side::Buy { money } else { -money };
        }
        clearing.edges.iter().fold(left, |left, edge| left - edge.fee - edge.rent)
    }

    /// Without fees: wherever energy could still be moved between two orders of one price, the shares are equal but for rounding.
    fn check_equal_shares(&self, clearing: &Clearing) {
        let price = |area: AreaId| clearing.areas[usize::from(area.0)].price;
        let marginal: Vec<usize> =
            (0..self.orders.len()).filter(|at| price(self.orders[*at].area) == Some(self.orders[*at].price)).collect();
        for (a, b) in marginal.iter().flat_map(|a| marginal.iter().map(move |b| (*a, *b))) {
            let (first, second) = (&self.orders[a], &self.orders[b]);
            let is_pair = first.side == second.side && first.price == second.price;
            if !is_pair || !self.has_room(clearing, first.area, second.area) {
                continue;
            }
            // Energy could go from a to b: a sell less filled than b could sell more, a buy more filled could leave some.
            let share = |at: usize| clearing.accepted[at].0 as f64 / self.orders[at].energy.0 as f64;
            let gap = if first.side == Side::Sell { share(b) - share(a) } else { share(a) - share(b) };
            let lots = (self.network.areas() + 2) as f64;
            let rounding = lots / first.energy.0 as f64 + lots / second.energy.0 as f64;
            assert!(gap <= rounding, "{first:?} and {second:?}: gap {gap}, rounding {rounding}");
        }
    }

    /// Whether every edge on the way still has room.
    fn has_room(&self, clearing: &Clearing, from: AreaId, to: AreaId) -> bool {
        let way = |area| self.network.upwards(area).map(|edge| edge.child).collect::<Vec<_>>();
        let (up, down) = (way(from), way(to));
        let flow = |area: AreaId| clearing.edges[usize::from(area.0)].flow_wh;
        let edge = |area: AreaId| self.network.edge(area).unwrap();
        let slack = 1 + i64::try_from(self.network.areas()).unwrap();
        let goes_up = up.iter().filter(|area| !down.contains(area));
        let goes_down = down.iter().filter(|area| !up.contains(area));
        goes_up.into_iter().all(|area| flow(*area) + slack < signed(edge(*area).up))
            && goes_down.into_iter().all(|area| -flow(*area) + slack < signed(edge(*area).down))
    }
}

/// A capacity may be more than a flow can ever be.
fn signed(energy: Energy) -> i64 {
    i64::try_from(energy.0).unwrap_or(i64::MAX)
}

fn rules() -> AuctionRules {
    AuctionRules::new(1, 1)
}

/// Every possible set of fills of small markets is tried: none is worth more, and none worth as much trades more energy.
#[test]
fn no_other_result_is_worth_more_or_trades_more_for_the_same() {
    let size = Size { areas: 4, orders: 6, energy: 3, prices: 5, fee: 2, capacity: 4 };
    for seed in 0..3_000 {
        let market = Market::draw(&mut Dice::new(seed), &size);
        let clearing = market.clear(rules());
        let fills: Vec<u64> = clearing.accepted.iter().map(|energy| energy.0).collect();
        let flows = market.flows(&fills).unwrap();
        assert_eq!(market.welfare(&fills, &flows), market.best_of_all(), "seed {seed}: {:?}", market.orders);
    }
}

/// Limits, capacities, fee wedges, dead bands, energy and money, on markets too large to try everything.
#[test]
fn prices_hold_every_order_to_its_limit_and_every_edge_to_its_capacity_and_fee() {
    let sizes = [
        Size { areas: 3, orders: 12, energy: 9, prices: 6, fee: 3, capacity: 9 },
        Size { areas: 9, orders: 40, energy: 50, prices: 12, fee: 4, capacity: 80 },
        Size { areas: 30, orders: 120, energy: 1_000, prices: 30, fee: 2, capacity: 3_000 },
    ];
    for (size, seed) in sizes.iter().flat_map(|size| (0..2_000).map(move |seed| (size, seed))) {
        let market = Market::draw(&mut Dice::new(seed), size);
        market.check(&market.clear(rules()));
    }
}

/// One price everywhere, no fees: all that can differ is who shares.
#[test]
fn orders_of_one_step_are_filled_to_one_fraction_wherever_edges_allow() {
    let sizes = [
        Size { areas: 6, orders: 14, energy: 1_000, prices: 0, fee: 0, capacity: 1_500 },
        Size { areas: 12, orders: 30, energy: 100_000, prices: 1, fee: 0, capacity: 60_000 },
    ];
    for (size, seed) in sizes.iter().flat_map(|size| (0..2_000).map(move |seed| (size, seed))) {
        let market = Market::draw(&mut Dice::new(seed), size);
        let clearing = market.clear(rules());
        market.check(&clearing);
        market.check_equal_shares(&clearing);
    }
}

/// Orders come from a map, from a file, from another validator: only their numbers may count.
#[test]
fn the_order_in_which_orders_are_given_does_not_matter() {
    let size = Size { areas: 5, orders: 30, energy: 7, prices: 3, fee: 1, capacity: 15 };
    let mut clearer = Clearer::new();
    for seed in 0..1_000 {
        let mut dice = Dice::new(seed);
        let mut market = Market::draw(&mut dice, &size);
        let before = market.clear(rules());
        for at in (1..market.orders.len()).rev() {
            market.orders.swap(at, usize::try_from(dice.below(at as u64 + 1)).unwrap());
        }
        // A clearer that has seen other auctions gives the same.
        let mut after = Clearing::default();
        let tree = AuctionTree::new(&market.network);
        clearer.clear_into(rules(), &PeriodBook::plain(&tree, &market.orders), &mut after);
        assert_eq!((&before.areas, &before.edges), (&after.areas, &after.edges), "seed {seed}");
        for (order, accepted) in market.orders.iter().zip(&after.accepted) {
            assert_eq!(before.accepted[usize::try_from(order.sequence).unwrap()], *accepted, "seed {seed}: {order:?}");
        }
    }
}

/// A market counted in lots of seven is the market counted in ones, seven times over.
#[test]
fn lots_and_ticks_scale() {
    let size = Size { areas: 5, orders: 20, energy: 9, prices: 5, fee: 2, capacity: 12 };
    for seed in 0..500 {
        let market = Market::draw(&mut Dice::new(seed), &size);
        let ones = market.clear(rules());
        let mut large = market;
        for order in &mut large.orders {
            // What is beyond whole lots does not take part.
            order.energy = Energy(order.energy.0 * 7 + 6);
        }
        for edge in &mut large.edges {
            (edge.up, edge.down) = (Energy(edge.up.0 * 7 + 3), Energy(edge.down.0 * 7));
        }
        let areas = u16::try_from(large.network.areas()).unwrap();
        large.network = Network::new(areas, 1, &large.edges).unwrap();
        let sevens = large.clear(AuctionRules::new(1, 7));
        assert_eq!(ones.areas, sevens.areas, "seed {seed}");
        let times_seven: Vec<Energy> = ones.accepted.iter().map(|energy| Energy(energy.0 * 7)).collect();
        assert_eq!(times_seven, sevens.accepted, "seed {seed}");
    }
}

/// Prices and energies at the ends of what types can hold, in every mix: the result is right or the auction says why it failed.
#[test]
fn extremes_of_price_and_energy_never_overflow() {
    const PRICES: [i32; 6] = [i32::MIN, i32::MIN + 1, -1, 0, i32::MAX - 1, i32::MAX];
    const ENERGIES: [u64; 6] = [0, 1, 1 << 40, (1 << 58) - 1, 1 << 60, u64::MAX];
    const FEES: [i32; 3] = [0, 1, Network::FEES_MAX.0 / 3];
    let mut failed = 0;
    for seed in 0..4_000 {
        let mut dice = Dice::new(seed);
        let size = Size { areas: 4, orders: 8, energy: 1, prices: 0, fee: 0, capacity: 1 };
        let mut market = Market::draw(&mut dice, &size);
        let mut pick = |list: &[u64]| list[usize::try_from(dice.below(list.len() as u64)).unwrap()];
        // Half of the markets stay below the largest sum.
        let energies = if seed % 2 == 0 { &ENERGIES[..4] } else { &ENERGIES[..] };
        for order in &mut market.orders {
            order.energy = Energy(pick(energies));
            order.price = Price(PRICES[usize::try_from(pick(&[0, 1, 2, 3, 4, 5])).unwrap()]);
        }
        for edge in &mut market.edges {
            let mut capacity = || Energy(pick(&ENERGIES)).min(Network::CAPACITY_MAX);
            (edge.up, edge.down) = (capacity(), capacity());
            edge.fee_up = Price(FEES[usize::try_from(pick(&[0, 1, 2])).unwrap()]);
            edge.fee_down = Price(FEES[usize::try_from(pick(&[0, 1, 2])).unwrap()]);
        }
        let areas = u16::try_from(market.network.areas()).unwrap();
        market.network = Network::new(areas, 1, &market.edges).unwrap();
        let clearing = market.clear(rules());
        let is_failed = clearing.areas.iter().any(|area| matches!(area.case, Case::Failed(_)));
        let total: u128 = market.orders.iter().map(|order| u128::from(order.energy.0)).sum();
        if total > u128::from(gridbook_engine::auction::ENERGY_MAX_WH) {
            assert!(is_failed && clearing.accepted.iter().all(|energy| energy.is_zero()));
            failed += 1;
        } else if !is_failed && market.orders.iter().all(|order| !order.energy.is_zero()) {
            market.check(&clearing);
        }
    }
    assert!(failed > 100, "both ways are tried");
}
