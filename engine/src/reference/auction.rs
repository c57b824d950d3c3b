//! Who takes part in a call auction, and what becomes of them (MARKET section 5).

use core::cmp::Reverse;

use super::blocks::{contracts_of, release};
use super::clearing::{Cleared, NodePrice, clear, failed};
use super::curve::{Entry, Limit, Node};
use super::state::{Order, energy_of, name_of, terms_of};
use super::{Outside, Reference};
use crate::digest::ContractFlags;
use crate::{
    AreaId, BlockState, ClearingCase, Contract, DeliveryPeriod, Direction, Energy, Event, Limits, Money, NewBlock,
    Price, Side,
};

/// The most energy of one auction, in watt-hours: beyond it nobody trades, so that no engine has to count further.
const ENERGY_MAX_WH: u128 = 1 << 61;

/// A root with nothing below it.
const ALONE: Node = Node { parent: None, up: 0, down: 0, fee_up: 0, fee_down: 0 };

/// One period of an auction.
struct Called {
    period: DeliveryPeriod,
    /// The tree of areas.
    tree: Group,
    /// The areas whose trading with others was closed by command: their orders clear alone, and energy passes them by in the tree.
    cut_off: Vec<(AreaId, Group)>,
    /// Which blocks are in it, as numbers in the list of blocks. Their entries are the last ones of the tree's.
    blocks: Vec<usize>,
}

/// What clears together in one period.
struct Group {
    /// By area, priority number.
    orders: Vec<Order>,
    /// The orders' entries, then the blocks'.
    entries: Vec<Entry>,
    cleared: Cleared,
}

impl Reference {
    /// Holds the auction of all these periods whose gate has not come, and re-matches them.
    pub(super) fn hold_auction<L: Limits>(&mut self, periods: &[DeliveryPeriod], outside: &mut Outside<'_, L>) {
        let mut periods: Vec<_> = periods.iter().copied().filter(|&period| !self.period_is_over(period)).collect();
        periods.sort_unstable();
        periods.dedup();
        let takes_part = |block: &NewBlock| {
            contracts_of(block).all(|contract| {
                periods.contains(&contract.period) && !self.is_closed(contract) && !self.is_cut_off(contract)
            })
        };
        let blocks: Vec<NewBlock> = self.state.blocks.iter().filter(|block| takes_part(block)).cloned().collect();
        let (called, is_in) = self.clear_with_blocks(&periods, &blocks);
        for &period in &periods {
            if self.rules.auction_at_open {
                self.record(period).auctioned = true;
            }
        }
        called.iter().for_each(|called| self.carry_out(called, outside));
        self.state.blocks.retain(|block| !blocks.iter().any(|held| held.tag == block.tag));
        for (block, is_in) in blocks.iter().zip(is_in) {
            self.tell_block(block, is_in, &called, outside);
        }
        self.reject_blocks_left_behind(outside);
        periods.iter().for_each(|&period| self.rematch(period, outside));
    }

    /// *Blocks*: start with all in; take out the newest that is not placed whole, else the one that loses most; clear again.
    fn clear_with_blocks(&self, periods: &[DeliveryPeriod], blocks: &[NewBlock]) -> (Vec<Called>, Vec<bool>) {
        let mut is_in = vec![true; blocks.len()];
        loop {
            let clear = |&period: &DeliveryPeriod| self.clear_period(period, blocks, &is_in);
            let called: Vec<Called> = periods.iter().map(clear).collect();
            let in_it = || (0..blocks.len()).filter(|&block| is_in[block]);
            let broken = in_it().filter(|&block| !called.iter().all(|called| called.places_whole(block))).max();
            let losses = in_it().map(|block| (gain(&blocks[block], &called), Reverse(block)));
            let worst = losses.filter(|(gain, _)| *gain < 0).min().map(|(_, Reverse(block))| block);
            match broken.or(worst) {
                Some(out) => is_in[out] = false,
                None => return (called, is_in),
            }
        }
    }

    fn clear_period(&self, period: DeliveryPeriod, blocks: &[NewBlock], is_in: &[bool]) -> Called {
        let (mut blocks_in, mut entries) = (Vec::new(), Vec::new());
        for (number, block) in blocks.iter().enumerate().filter(|(number, _)| is_in[*number]) {
            for (_, energy) in block.energies.iter().filter(|(of, _)| *of == period) {
                blocks_in.push(number);
                entries.push(Entry {
                    node: usize::from(block.area.0),
                    side: block.side,
                    limit: if block.side == Side::Sell { Limit::BelowAll } else { Limit::AboveAll },
                    lots: self.lots(*energy),
                    sequence: number as u64,
                });
            }
        }
        let areas = 0..u16::try_from(self.network.areas()).expect("a network has at most 65,535 areas");
        let (alone, joined): (Vec<AreaId>, Vec<AreaId>) =
            areas.map(AreaId).partition(|&area| self.is_cut_off(Contract { area, period }));
        let called_in = |areas: &[AreaId]| -> Vec<Order> {
            areas.iter().flat_map(|&area| self.orders_called(Contract { area, period })).collect()
        };
        let tree = self.clear_group(&self.nodes(period), called_in(&joined), entries, |order| order.area().0.into());
        let single = |area: AreaId| (area, self.clear_group(&[ALONE], called_in(&[area]), Vec::new(), |_| 0));
        Called { period, tree, cut_off: alone.into_iter().map(single).collect(), blocks: blocks_in }
    }

    fn clear_group(
        &self,
        nodes: &[Node],
        orders: Vec<Order>,
        of_blocks: Vec<Entry>,
        node_of: impl Fn(&Order) -> usize,
    ) -> Group {
        let of_orders = orders.iter().map(|order| Entry {
            node: node_of(order),
            side: order.terms.side,
            limit: Limit::At(order.price()),
            lots: self.lots(order.remaining),
            sequence: order.priority,
        });
        let entries: Vec<Entry> = of_orders.chain(of_blocks).collect();
        let lots: i128 = entries.iter().map(|entry| entry.lots).sum();
        let too_much = lots.unsigned_abs() * u128::from(self.rules.lot) > ENERGY_MAX_WH;
        let cleared =
            if too_much { failed(nodes, &entries) } else { clear(nodes, &entries, i64::from(self.rules.tick)) };
        Group { orders, entries, cleared }
    }

    fn lots(&self, energy: Energy) -> i128 {
        i128::from(energy.0 / self.rules.lot)
    }

    fn is_cut_off(&self, contract: Contract) -> bool {
        self.flag(contract, ContractFlags::CROSS_CLOSED)
    }

    /// Every plain limit order of a contract, with all its energy, by priority number.
    fn orders_called(&self, contract: Contract) -> Vec<Order> {
        let takes_part = |order: &&Order| {
            order.terms.contract == contract && order.is_plain() && self.is_alive(order) && !self.is_closed(contract)
        };
        let mut orders: Vec<Order> = self.state.orders.iter().filter(takes_part).copied().collect();
        orders.sort_by_key(|order| order.priority);
        orders
    }

    /// The tree of areas with what its edges have left: nothing once the gates between areas have closed.
    fn nodes(&self, period: DeliveryPeriod) -> Vec<Node> {
        let crossable = self.state.now < self.rules.cross_area_gate_closes_at(period);
        let node = |area| {
            let Some(edge) = self.network.edge(AreaId(area)) else { return ALONE };
            let state = self.edge_state(edge.child, period).expect("it is an edge");
            let left = |direction| {
                let residual = i128::from(state.residual(direction).max(0));
                if crossable { residual / i128::from(self.rules.lot) } else { 0 }
            };
            Node {
                parent: Some(usize::from(edge.parent.0)),
                up: left(Direction::Up),
                down: left(Direction::Down),
                fee_up: i64::from(edge.fee_up.0),
                fee_down: i64::from(edge.fee_down.0),
            }
        };
        (0..u16::try_from(self.network.areas()).expect("a network has at most 65,535 areas")).map(node).collect()
    }

    /// Fills by area and priority number, flows by child, prices by area.
    fn carry_out<L: Limits>(&mut self, called: &Called, outside: &mut Outside<'_, L>) {
        for (order, lots) in called.fills() {
            let (contract, energy) = (order.terms.contract, self.energy(lots));
            let price = called.price(contract.area).expect("what is filled has a price");
            let remaining = self.take_with_reserve(order.name.id, energy).remaining;
            outside.limits.fill(&order.terms, energy, price);
            let side = order.terms.side;
            outside.events.push(Event::Filled { order: order.name, side, contract, energy, price, remaining });
        }
        for child in self.network.edges().map(|edge| edge.child).collect::<Vec<_>>() {
            self.carry_flow(called, child, outside);
        }
        for area in (0..self.network.areas()).map(|area| AreaId(u16::try_from(area).expect("areas have 16 bits"))) {
            let contract = Contract { area, period: called.period };
            let (price, case) = (called.price(area), called.case(area));
            outside.events.push(Event::Cleared { contract, price, case });
        }
    }

    /// *Money*, per edge: `flow x (P_to - P_from)`, of which `|flow| x fee` is fee. The flow adds to what flows already.
    fn carry_flow<L: Limits>(&mut self, called: &Called, child: AreaId, outside: &mut Outside<'_, L>) {
        let lots = called.tree.cleared.exports[usize::from(child.0)];
        if lots == 0 {
            return;
        }
        let period = called.period;
        let edge = *self.network.edge(child).expect("it is an edge");
        let direction = if lots > 0 { Direction::Up } else { Direction::Down };
        let energy = self.energy(lots.abs());
        self.send(period, &[(edge, direction)], energy);
        let price = |area: AreaId| i128::from(called.tree.cleared.prices[usize::from(area.0)].price);
        let up = i128::from(energy.0) * lots.signum();
        let fee = edge.fee(direction).times(energy);
        let rent = Money(up * (price(edge.parent) - price(child)) - fee.0);
        outside.limits.collect(child, period, fee, rent);
        let up = i64::try_from(up).expect("no more than a capacity");
        outside.events.push(Event::Flow { child, period, up, fee, rent });
    }

    fn energy(&self, lots: i128) -> Energy {
        Energy(u64::try_from(lots).expect("no more than was ordered") * self.rules.lot)
    }

    fn tell_block<L: Limits>(&self, block: &NewBlock, is_in: bool, called: &[Called], outside: &mut Outside<'_, L>) {
        let order = name_of(block);
        // An auction that failed has no prices to gain by.
        let mut its_periods =
            called.iter().filter(|called| block.energies.iter().any(|&(period, _)| period == called.period));
        let is_priced = its_periods.all(|called| called.case(block.area) != ClearingCase::Failed);
        let state = match (is_in, is_priced && gain(block, called) > 0) {
            (true, _) => BlockState::Accepted,
            (false, true) => BlockState::ParadoxicallyRejected,
            (false, false) => BlockState::Rejected,
        };
        if is_in {
            let mut remaining = energy_of(block);
            for (terms, energy) in terms_of(block, &self.rules) {
                let price = price_in(called, terms.contract);
                remaining -= energy;
                outside.limits.fill(&terms, energy, price);
                let (side, contract) = (terms.side, terms.contract);
                outside.events.push(Event::Filled { order, side, contract, energy, price, remaining });
            }
        } else {
            release(block, &self.rules, outside);
        }
        outside.events.push(Event::Block { order, state });
    }

    /// Blocks that can never be held any more, because the auction of one of their periods went without them.
    fn reject_blocks_left_behind<L: Limits>(&mut self, outside: &mut Outside<'_, L>) {
        let called = |block: &NewBlock| block.energies.iter().all(|&(period, _)| self.in_call_phase(period));
        let (waiting, left): (Vec<NewBlock>, Vec<NewBlock>) = self.state.blocks.iter().cloned().partition(called);
        self.state.blocks = waiting;
        for block in left {
            release(&block, &self.rules, outside);
            outside.events.push(Event::Block { order: name_of(&block), state: BlockState::Rejected });
        }
    }
}

impl Called {
    /// Every order that is filled, by area and priority number, and with how many lots.
    fn fills(&self) -> Vec<(Order, i128)> {
        let groups = self.cut_off.iter().map(|(_, group)| group).chain([&self.tree]);
        let fills = groups.flat_map(|group| group.orders.iter().copied().zip(group.cleared.filled.iter().copied()));
        let mut fills: Vec<(Order, i128)> = fills.filter(|(_, lots)| *lots > 0).collect();
        fills.sort_by_key(|(order, _)| (order.area(), order.priority));
        fills
    }

    fn told(&self, area: AreaId) -> NodePrice {
        let cut_off = self.cut_off.iter().find(|(of, _)| *of == area);
        cut_off.map_or(self.tree.cleared.prices[usize::from(area.0)], |(_, group)| group.cleared.prices[0])
    }

    /// What the buyers and sellers of an area pay and get; nothing if nothing says anything about it, or it is no price any more.
    fn price(&self, area: AreaId) -> Option<Price> {
        let told = self.told(area);
        i32::try_from(told.price).ok().filter(|_| told.is_told).map(Price)
    }

    fn case(&self, area: AreaId) -> ClearingCase {
        let told = self.told(area);
        if i32::try_from(told.price).is_ok() { told.case } else { ClearingCase::Failed }
    }

    /// Whether all energy is placed that a block has in this period.
    fn places_whole(&self, block: usize) -> bool {
        let Group { orders, entries, cleared } = &self.tree;
        let results = entries.iter().zip(&cleared.filled).skip(orders.len());
        let mut mine = self.blocks.iter().zip(results).filter(|(of, _)| **of == block);
        mine.all(|(_, (entry, filled))| entry.lots == *filled)
    }
}

/// The price of one of the contracts of an auction, zero where there is none.
fn price_in(called: &[Called], contract: Contract) -> Price {
    let called = called.iter().find(|called| called.period == contract.period);
    called.and_then(|called| called.price(contract.area)).unwrap_or_default()
}

/// `sum of energy x (price - limit)` for a sell, mirrored for a buy.
fn gain(block: &NewBlock, called: &[Called]) -> i128 {
    let energies = contracts_of(block).zip(&block.energies);
    let sum: i128 = energies
        .map(|(contract, (_, energy))| price_in(called, contract).times(*energy).0 - block.price.times(*energy).0)
        .sum();
    if block.side == Side::Sell { sum } else { -sum }
}
