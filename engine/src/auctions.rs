//! Call auctions in the life of a contract: who takes part, and what the result does to the books (MARKET sections 2 and 5).

use crate::auction::{
    AuctionOrder, AuctionRules, AuctionTree, BlockClearing, BlockOrder, Case, Clearing, PeriodBook, clear,
    clear_with_blocks,
};
use crate::contract::{AreaId, DeliveryPeriod, MeterId};
use crate::digest::ContractFlags;
use crate::engine::Engine;
use crate::event::{BlockState, ClearingCase, Event};
use crate::limits::Limits;
use crate::network::{Direction, Edge, Network};
use crate::order::{NewBlock, OrderTag, Side};
use crate::period::PLAIN;
use crate::reject::Reject;
use crate::slab::FOREVER;
use crate::units::{Energy, Price};

/// The orders of one period that take part.
struct Call {
    period: DeliveryPeriod,
    tree: AuctionTree,
    /// Of all areas but those that are cut off.
    orders: Vec<AuctionOrder>,
    /// Where they rest, in the same order.
    slots: Vec<u32>,
    /// The areas that are cut off, each an auction of its own.
    alone: Vec<(AreaId, Vec<AuctionOrder>, Vec<u32>)>,
}

/// How an area of a call came out.
#[derive(Clone, Copy)]
struct Outcome {
    price: Option<Price>,
    case: ClearingCase,
}

impl Engine {
    /// Takes a block order in, for the auction of its periods, all of which are in their call phase.
    ///
    /// # Errors
    /// `Form*`, `GateNotOpen`, `GateClosed`, `GateNoCall`, `MatchDuplicate`, what [`Limits::reserve`] answers for any of its periods.
    pub fn place_block<L: Limits>(
        &mut self,
        block: NewBlock,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        let remaining = self.check_block(&block)?;
        let before = limits.mark();
        for &(period, energy) in &block.energies {
            if let Err(reject) = limits.reserve(&block.terms(period, &self.rules), energy) {
                limits.rollback(before);
                return Err(reject);
            }
        }
        events.push(Event::Rested { order: block.order_ref(), remaining });
        self.wait(block);
        Ok(())
    }

    fn check_block(&self, block: &NewBlock) -> Result<Energy, Reject> {
        if block.area.0 >= self.areas() {
            return Err(Reject::FormArea);
        }
        let ascending = block.energies.windows(2).all(|pair| pair[0].0 < pair[1].0);
        if block.energies.is_empty() || block.energies.len() > NewBlock::PERIODS_MAX || !ascending {
            return Err(Reject::FormBlock);
        }
        let remaining = block.energy().ok_or(Reject::FormBlock)?;
        block.energies.iter().try_for_each(|&(_, energy)| self.check_energy(energy))?;
        self.check_price(block.price)?;
        for &(period, _) in &block.energies {
            self.check_gate(self.calendar.find(period), crate::Contract { period, area: block.area }, FOREVER)?;
            if !self.is_calling(period) {
                return Err(Reject::GateNoCall);
            }
            if self.calendar.find(period).is_none() && self.calendar.is_full() {
                return Err(Reject::MatchBookFull);
            }
        }
        if self.blocks.find(block.tag).is_some() { Err(Reject::MatchDuplicate) } else { Ok(remaining) }
    }

    /// Takes a waiting block order out: [`Event::Cancelled`] with all its energy.
    ///
    /// # Errors
    /// `MatchUnknownOrder` if no block of this name waits, or it is another meter's.
    pub fn cancel_block<L: Limits>(
        &mut self,
        tag: OrderTag,
        meter: MeterId,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        let arrival = self.blocks.find_owned(tag, meter).ok_or(Reject::MatchUnknownOrder)?;
        let block = self.withdraw(arrival, limits);
        let remaining = block.energy().expect("it was counted when it came");
        events.push(Event::Cancelled { order: block.order_ref(), remaining });
        Ok(())
    }

    /// Takes a block out and frees what was set aside for it.
    pub(crate) fn withdraw<L: Limits>(&mut self, arrival: u64, limits: &mut L) -> NewBlock {
        let block = self.stop_waiting(arrival);
        for &(period, energy) in &block.energies {
            limits.release(&block.terms(period, &self.rules), energy);
        }
        block
    }

    /// Holds the call auction of these periods together now (MARKET section 5), ends their call phase if they are in one, and re-matches
    /// what rests. Blocks take part whose periods are all among them. Repeats are held once; contracts that are closed stay out.
    pub fn auction<L: Limits>(&mut self, periods: &[DeliveryPeriod], limits: &mut L, events: &mut Vec<Event>) {
        let mut periods: Vec<DeliveryPeriod> =
            periods.iter().copied().filter(|&period| self.period_gate(period) > self.now).collect();
        periods.sort_unstable();
        periods.dedup();
        let tree = AuctionTree::new(&self.auction_network());
        let calls: Vec<Call> = periods.iter().map(|&period| self.call(period, tree.clone())).collect();
        let arrivals: Vec<u64> = self.blocks_for(&periods);
        let result = self.clear_calls(&calls, &periods, &arrivals);
        let prices: Vec<Vec<Outcome>> = calls
            .iter()
            .zip(&result.periods)
            .map(|(call, clearing)| self.settle_call(call, clearing, limits, events))
            .collect();
        for (&arrival, &state) in arrivals.iter().zip(&result.states) {
            self.settle_block(arrival, state, &periods, &prices, limits, events);
        }
        for &period in &periods {
            let has_record = self.calendar.find(period).is_some();
            if has_record || (self.rules.auction_at_open && !self.calendar.is_full()) {
                let index = self.find_or_open(period);
                self.set_auctioned(index);
            }
        }
        self.reject_blocks_left_behind(limits, events);
        periods.into_iter().for_each(|period| self.rematch(period, limits, events));
    }

    /// Gathers what takes part of one period.
    fn call(&self, period: DeliveryPeriod, tree: AuctionTree) -> Call {
        let mut call = Call { period, tree, orders: Vec::new(), slots: Vec::new(), alone: Vec::new() };
        let Some(record) = self.calendar.get(period) else {
            if self.rules.cross_area_gate_closes_at(period) <= self.now {
                let nothing = vec![Energy::ZERO; usize::from(self.areas())];
                call.tree.set_capacities(&nothing, &nothing);
            }
            return call;
        };
        for area in (0..self.areas()).map(AreaId).filter(|&area| record.flags(area).has(ContractFlags::CROSS_CLOSED)) {
            call.own_of(area);
        }
        if let Some(grid) = &record.grid {
            let cross_is_open = self.now < record.cross_area_gate_closes_at;
            let room = |child: AreaId, direction| Energy(if cross_is_open { grid.room(child, direction) } else { 0 });
            let areas = || (0..self.areas()).map(AreaId);
            let up: Vec<Energy> = areas().map(|child| room(child, Direction::Up)).collect();
            let down: Vec<Energy> = areas().map(|child| room(child, Direction::Down)).collect();
            call.tree.set_capacities(&up, &down);
        }
        for side in [Side::Sell, Side::Buy] {
            for (area, queue) in record.class(side, PLAIN).filled() {
                let flags = record.flags(area);
                if flags.has(ContractFlags::CLOSED) {
                    continue;
                }
                let alone = flags.has(ContractFlags::CROSS_CLOSED);
                for slot in queue.slots(&self.slab) {
                    let node = self.slab.node(slot);
                    if node.until <= self.now {
                        continue;
                    }
                    let (price, energy, sequence) = (node.price, node.energy, u64::from(node.priority));
                    let order = AuctionOrder { area, side, price, energy, sequence };
                    let (orders, slots) = if alone { call.own_of(area) } else { (&mut call.orders, &mut call.slots) };
                    orders.push(if alone { AuctionOrder { area: AreaId(0), ..order } } else { order });
                    slots.push(slot);
                }
            }
        }
        call
    }

    /// The network as auctions take it: islands hang together by edges that carry nothing.
    fn auction_network(&self) -> Network {
        if self.network.has_edges() {
            return self.network.clone();
        }
        let root = self.network.root();
        let nothing = |child| Edge {
            child,
            parent: root,
            up: Energy::ZERO,
            down: Energy::ZERO,
            fee_up: Price(0),
            fee_down: Price(0),
        };
        let edges: Vec<Edge> = (0..self.areas()).map(AreaId).filter(|&area| area != root).map(nothing).collect();
        Network::new(self.areas(), self.rules.tick, &edges).expect("a star is a tree")
    }

    /// The blocks whose periods are all held now and open to them, by arrival.
    fn blocks_for(&self, periods: &[DeliveryPeriod]) -> Vec<u64> {
        let takes_part = |block: &NewBlock| {
            block.energies.iter().all(|&(period, _)| {
                let flags = self.flags(crate::Contract { period, area: block.area });
                periods.binary_search(&period).is_ok()
                    && !flags.has(ContractFlags::CLOSED | ContractFlags::CROSS_CLOSED)
            })
        };
        self.blocks.iter().filter(|(_, block)| takes_part(block)).map(|(arrival, _)| arrival).collect()
    }

    fn clear_calls(&self, calls: &[Call], periods: &[DeliveryPeriod], arrivals: &[u64]) -> BlockClearing {
        let rules = self.auction_rules();
        let books: Vec<PeriodBook<'_>> = calls.iter().map(|call| PeriodBook::plain(&call.tree, &call.orders)).collect();
        let place = |period| periods.binary_search(&period).expect("only blocks of these periods take part");
        let blocks: Vec<BlockOrder> = arrivals
            .iter()
            .map(|&arrival| {
                let block = self.blocks.get(arrival);
                let energies = block.energies.iter().map(|&(period, energy)| (place(period), energy)).collect();
                // Behind all orders, whose numbers have 32 bits.
                let sequence = (1 << 32) + arrival;
                BlockOrder { area: block.area, side: block.side, price: block.price, energies, sequence }
            })
            .collect();
        clear_with_blocks(rules, &books, &blocks)
    }

    fn auction_rules(&self) -> AuctionRules {
        AuctionRules::new(self.rules.tick, self.rules.lot)
    }

    /// Fills the orders of one period, moves its flows and tells its prices.
    fn settle_call<L: Limits>(
        &mut self,
        call: &Call,
        clearing: &Clearing,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Vec<Outcome> {
        let mut outcomes: Vec<Outcome> = clearing.areas.iter().map(|area| outcome(area.price, area.case)).collect();
        let mut fills: Vec<(u32, Energy)> = call.slots.iter().copied().zip(clearing.accepted.iter().copied()).collect();
        for (area, orders, slots) in &call.alone {
            let single = AuctionTree::new(&Network::single());
            let own = clear(self.auction_rules(), &PeriodBook::plain(&single, orders));
            outcomes[usize::from(area.0)] = outcome(own.areas[0].price, own.areas[0].case);
            fills.extend(slots.iter().copied().zip(own.accepted.iter().copied()));
        }
        fills.retain(|(_, energy)| !energy.is_zero());
        fills.sort_unstable_by_key(|&(slot, _)| {
            let node = self.slab.node(slot);
            (node.standing.area(), node.priority)
        });
        for (slot, energy) in fills {
            let node = *self.slab.node(slot);
            let contract = crate::Contract { period: call.period, area: node.standing.area() };
            let price = outcomes[usize::from(contract.area.0)].price.expect("what was accepted has a price");
            let remaining = node.energy - energy;
            let terms = node.terms(call.period);
            limits.fill(&terms, energy, price);
            let (order, side) = (node.order_ref(slot), terms.side);
            events.push(Event::Filled { order, side, contract, energy, price, remaining });
            if remaining.is_zero() {
                self.remove(slot);
            } else {
                self.take_keeping_place(slot, energy);
            }
        }
        self.settle_flows(call.period, clearing, limits, events);
        for (area, outcome) in (0..self.areas()).map(AreaId).zip(&outcomes) {
            let contract = crate::Contract { period: call.period, area };
            events.push(Event::Cleared { contract, price: outcome.price, case: outcome.case });
        }
        outcomes
    }

    fn settle_flows<L: Limits>(
        &mut self,
        period: DeliveryPeriod,
        clearing: &Clearing,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) {
        for (child, edge) in (0..self.areas()).map(AreaId).zip(&clearing.edges) {
            if edge.flow_wh == 0 {
                continue;
            }
            let index = self.find_or_open(period);
            if let Some(grid) = &self.calendar.at(index).grid {
                let mut after = *grid.edge(child);
                after.flow += edge.flow_wh;
                self.change_edge(index, child, after);
            }
            limits.collect(child, period, edge.fee, edge.rent);
            events.push(Event::Flow { child, period, up: edge.flow_wh, fee: edge.fee, rent: edge.rent });
        }
    }

    fn settle_block<L: Limits>(
        &mut self,
        arrival: u64,
        state: BlockState,
        periods: &[DeliveryPeriod],
        prices: &[Vec<Outcome>],
        limits: &mut L,
        events: &mut Vec<Event>,
    ) {
        if state != BlockState::Accepted {
            let block = self.withdraw(arrival, limits);
            events.push(Event::Block { order: block.order_ref(), state });
            return;
        }
        let block = self.stop_waiting(arrival);
        let mut remaining = block.energy().expect("it was counted when it came");
        for &(period, energy) in &block.energies {
            let place = periods.binary_search(&period).expect("only blocks of these periods take part");
            let price = prices[place][usize::from(block.area.0)].price.expect("where energy was accepted is a price");
            let contract = crate::Contract { period, area: block.area };
            remaining -= energy;
            limits.fill(&block.terms(period, &self.rules), energy, price);
            let (order, side) = (block.order_ref(), block.side);
            events.push(Event::Filled { order, side, contract, energy, price, remaining });
        }
        events.push(Event::Block { order: block.order_ref(), state });
    }

    /// Blocks of which a period is past its call can never be held any more.
    fn reject_blocks_left_behind<L: Limits>(&mut self, limits: &mut L, events: &mut Vec<Event>) {
        let is_left = |block: &NewBlock| block.energies.iter().any(|&(period, _)| !self.is_calling(period));
        let left: Vec<u64> =
            self.blocks.iter().filter(|(_, block)| is_left(block)).map(|(arrival, _)| arrival).collect();
        for arrival in left {
            let block = self.withdraw(arrival, limits);
            events.push(Event::Block { order: block.order_ref(), state: BlockState::Rejected });
        }
    }
}

impl Call {
    /// The orders of an area that is cut off.
    fn own_of(&mut self, area: AreaId) -> (&mut Vec<AuctionOrder>, &mut Vec<u32>) {
        let at = self.alone.iter().position(|(own, ..)| *own == area).unwrap_or_else(|| {
            self.alone.push((area, Vec::new(), Vec::new()));
            self.alone.len() - 1
        });
        let (_, orders, slots) = &mut self.alone[at];
        (orders, slots)
    }
}

fn outcome(price: Option<Price>, case: Case) -> Outcome {
    let case = match case {
        Case::MarginalSeller => ClearingCase::MarginalSeller,
        Case::MarginalBuyer => ClearingCase::MarginalBuyer,
        Case::Border => ClearingCase::Border,
        Case::Exact => ClearingCase::Exact,
        Case::Empty => ClearingCase::Empty,
        Case::Failed(_) => ClearingCase::Failed,
    };
    Outcome { price, case }
}
