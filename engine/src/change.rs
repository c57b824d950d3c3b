//! The few changes that every command is made of, each with its inverse. All state is changed here and nowhere else.

use crate::checks::until_of;
use crate::contract::{AreaId, Contract, DeliveryPeriod};
use crate::digest::ContractFlags;
use crate::engine::Engine;
use crate::grid::Grid;
use crate::journal::{Mark, Undo};
use crate::market::EdgeState;
use crate::order::{NewBlock, NewOrder, Preferences, Side};
use crate::period::{PLAIN, Period};
use crate::queue::Orders as _;
use crate::reject::Reject;
use crate::slab::{FOREVER, Hidden, Node, Standing};
use crate::units::{Energy, LedgerTime};

/// Priority numbers of a period that orders on their way in leave to the fresh clips of those that rest.
const KEPT_FOR_CLIPS: u32 = 1 << 20;

impl Engine {
    /// The record of a period, made if there is none. The caller knows that there is room for it.
    pub(crate) fn find_or_open(&mut self, period: DeliveryPeriod) -> u32 {
        if let Some(index) = self.calendar.find(period) {
            return index;
        }
        let index = self.calendar.open(self.new_record(period));
        self.journal.push(|| Undo::PeriodOpened(index));
        index
    }

    fn new_record(&self, period: DeliveryPeriod) -> Period {
        let rules = &self.rules;
        let contract = Contract { period, area: AreaId(0) };
        let (tree, grid) = match self.network.has_edges() {
            true => (Some(&self.tree), Some(Grid::new(&self.network, rules.lot))),
            false => (None, None),
        };
        let mut record = Period::new(period, self.network.areas(), tree, grid);
        record.auctioned = !rules.auction_at_open || rules.call_ends_at(period) <= self.now;
        record.opens_at = rules.opens_at(contract);
        record.gate_closes_at = rules.gate_closes_at(contract);
        record.cross_area_gate_closes_at = rules.cross_area_gate_closes_at(period);
        record
    }

    /// Whether an order that rests here can be counted and named, given its period's record. What fresh clips may use up is kept free.
    #[inline]
    pub(crate) fn check_room(&self, found: Option<u32>, order: &NewOrder) -> Result<(), Reject> {
        let fits = match found {
            None => !self.calendar.is_full(),
            Some(index) => {
                let period = self.calendar.at(index);
                // There is room for another class, and who uses one that is there needs none: it need not be looked up.
                let class_fits = order.preferences.are_none(order.side)
                    || period.classes(order.side) < Standing::CLASSES_MAX
                    || period.find_class(order.side, &order.preferences).is_some();
                class_fits && period.priorities < u32::MAX - KEPT_FOR_CLIPS
            }
        };
        if fits { Ok(()) } else { Err(Reject::MatchBookFull) }
    }

    /// Puts the order last announced, or the `energy` that is left of it, at the end of its queue, with the next priority number of its
    /// period, whose record is given if there is one. There is room for it.
    #[inline]
    pub(crate) fn rest(&mut self, found: Option<u32>, order: &NewOrder, energy: Energy) -> u32 {
        let NewOrder { tag, account, meter, contract, side, price, .. } = *order;
        let index = match found {
            Some(index) => index,
            None => self.find_or_open(contract.period),
        };
        let class = match order.preferences.are_none(side) {
            true => PLAIN,
            false => self.find_or_assign_class(index, side, &order.preferences),
        };
        let hides = !order.display.is_zero();
        let standing = Standing::new(index, class, contract.area, side).with_flags(order.post_only, hides);
        let until = until_of(order.time_in_force);
        let period = self.calendar.at_mut(index);
        let priority = period.priorities;
        period.priorities += 1;
        let node = Node { tag, energy, until, standing, account, meter, price, priority, ..Node::default() };
        let slot = self.slab.insert(node);
        if hides {
            let shown = order.display.min(energy);
            self.slab.set_hidden(slot, Some(Hidden { display: order.display, shown }));
        }
        period.enqueue(&mut self.slab, &self.tree, slot, self.rules.tick.unsigned_abs());
        if until != FOREVER {
            self.deadlines.insert(until, slot);
        }
        self.journal.push(|| Undo::Rested(slot));
        self.note_change(contract);
        slot
    }

    fn find_or_assign_class(&mut self, index: u32, side: Side, preferences: &Preferences) -> u32 {
        let period = self.calendar.at_mut(index);
        if let Some(class) = period.find_class(side, preferences) {
            return class;
        }
        let class = period.assign_class(side, *preferences);
        self.journal.push(|| Undo::ClassAssigned { period: index, side, class });
        class
    }

    fn undo_rest(&mut self, slot: u32) {
        let node = *self.slab.node(slot);
        let period = self.calendar.at_mut(node.standing.period());
        period.dequeue(&mut self.slab, &self.tree, slot);
        period.priorities = node.priority;
        let contract = period.contract(node.standing.area());
        if node.until != FOREVER {
            self.deadlines.remove(node.until, slot);
        }
        if node.standing.hides() {
            self.slab.set_hidden(slot, None);
        }
        self.slab.undo_insert(slot);
        self.note_change(contract);
    }

    /// Takes an order out of its book, whatever is left of it, and tells how it was.
    #[inline]
    pub(crate) fn remove(&mut self, slot: u32) -> Node {
        let node = *self.slab.node(slot);
        let (index, standing) = (node.standing.period(), node.standing);
        let period = self.calendar.at_mut(index);
        period.dequeue(&mut self.slab, &self.tree, slot);
        let contract = period.contract(standing.area());
        if period.flags(contract.area).has(ContractFlags::CLOSED) && !period.has_orders(contract.area) {
            self.calendar.closing.remove(&contract);
        }
        if node.until != FOREVER {
            self.deadlines.remove(node.until, slot);
        }
        self.slab.remove(slot);
        self.journal.push(|| Undo::Removed { slot, node });
        if standing.hides()
            && let Some(hidden) = self.slab.set_hidden(slot, None)
        {
            self.journal.push(|| Undo::Unhidden { slot, hidden });
        }
        if standing.class() != PLAIN {
            self.free_class_if_empty(index, standing);
        }
        self.note_change(contract);
        self.forget_if_spent(index);
        node
    }

    fn free_class_if_empty(&mut self, index: u32, standing: Standing) {
        let (side, class) = (standing.side(), standing.class());
        let period = self.calendar.at_mut(index);
        if period.class_is_empty(side, class) {
            let preferences = period.free_class(side, class);
            self.journal.push(|| Undo::ClassFreed { period: index, side, class, preferences });
        }
    }

    fn undo_remove(&mut self, slot: u32, node: Node) {
        self.slab.undo_remove(slot, node);
        let period = self.calendar.at_mut(node.standing.period());
        period.put_back(&mut self.slab, &self.tree, slot, self.rules.tick.unsigned_abs());
        let contract = period.contract(node.standing.area());
        if period.flags(contract.area).has(ContractFlags::CLOSED) {
            self.calendar.closing.insert(contract);
        }
        if node.until != FOREVER {
            self.deadlines.insert(node.until, slot);
        }
        self.note_change(contract);
    }

    /// Takes a part of an order's energy, and `shown` of it out of what it shows; the order stays where it is.
    #[inline]
    pub(crate) fn take(&mut self, slot: u32, energy: Energy, shown: Energy) {
        let node = self.slab.node_mut(slot);
        node.energy -= energy;
        let standing = node.standing;
        self.show(slot, standing, shown, Energy::ZERO);
        self.journal.push(|| Undo::Taken { slot, energy, shown });
    }

    /// Shows more of an order than before, out of its reserve.
    pub(crate) fn show_more(&mut self, slot: u32, more: Energy) {
        let standing = self.slab.node(slot).standing;
        self.show(slot, standing, Energy::ZERO, more);
        self.journal.push(|| Undo::ShowedMore { slot, more });
    }

    /// Changes what an order shows, in its reserve and in its queue.
    #[inline]
    fn show(&mut self, slot: u32, standing: Standing, less: Energy, more: Energy) {
        if standing.hides() {
            let hidden = self.slab.hidden(slot).expect("it hides something");
            let shown = hidden.shown + more - less;
            self.slab.set_hidden(slot, Some(Hidden { shown, ..hidden }));
        }
        let key = self.slab.key(slot);
        let period = self.calendar.at_mut(standing.period());
        period.note_shown(standing, key, less, more);
        let contract = period.contract(standing.area());
        self.note_change(contract);
    }

    /// Gives an order whose clip is used up a fresh one, and a new place at the end of its price (MARKET section 4, step 6).
    ///
    /// A period that has run out of priority numbers keeps the order where it is: nothing can be refused here.
    pub(crate) fn refresh_clip(&mut self, slot: u32) {
        let node = *self.slab.node(slot);
        let hidden = self.slab.hidden(slot).expect("it hides something");
        let index = node.standing.period();
        let period = self.calendar.at_mut(index);
        let number = period.priorities;
        let fresh = number.checked_add(1).map_or(node.priority, |_| number);
        period.priorities = number.saturating_add(1);
        self.journal.push(|| Undo::Refreshed { slot, priority: node.priority, shown: hidden.shown });
        let shown = hidden.display.min(node.energy);
        self.requeue(slot, fresh, Hidden { shown, ..hidden });
    }

    fn requeue(&mut self, slot: u32, priority: u32, hidden: Hidden) {
        let standing = self.slab.node(slot).standing;
        let period = self.calendar.at_mut(standing.period());
        period.dequeue(&mut self.slab, &self.tree, slot);
        self.slab.node_mut(slot).priority = priority;
        self.slab.set_hidden(slot, Some(hidden));
        period.enqueue(&mut self.slab, &self.tree, slot, self.rules.tick.unsigned_abs());
        let contract = period.contract(standing.area());
        self.note_change(contract);
    }

    /// Says something about a contract.
    pub(crate) fn flag(&mut self, contract: Contract, flag: u8) {
        let index = self.find_or_open(contract.period);
        let period = self.calendar.at_mut(index);
        let flags = ContractFlags(period.flags(contract.area).0 | flag);
        let before = period.set_flags(&self.tree, contract.area, flags);
        self.calendar.closed +=
            usize::from(flags.has(ContractFlags::CLOSED)) - usize::from(before.has(ContractFlags::CLOSED));
        let period = self.calendar.at(index);
        if flag == ContractFlags::CLOSED && period.has_orders(contract.area) {
            self.calendar.closing.insert(contract);
        }
        self.queue.clear();
        self.journal.push(|| Undo::Flagged { contract, before });
        self.note_change(contract);
    }

    fn undo_flag(&mut self, contract: Contract, before: ContractFlags) {
        let index = self.calendar.find(contract.period).expect("what was flagged has a record");
        let period = self.calendar.at_mut(index);
        let after = period.set_flags(&self.tree, contract.area, before);
        self.calendar.closed -=
            usize::from(after.has(ContractFlags::CLOSED)) - usize::from(before.has(ContractFlags::CLOSED));
        if !before.has(ContractFlags::CLOSED) {
            self.calendar.closing.remove(&contract);
        }
        self.note_change(contract);
    }

    /// Changes an edge.
    pub(crate) fn change_edge(&mut self, index: u32, child: AreaId, after: EdgeState) {
        let period = self.calendar.at_mut(index);
        let Some(grid) = &period.grid else { return };
        let before = *grid.edge(child);
        period.change_edge(&self.tree, child, |edge| *edge = after);
        self.journal.push(|| Undo::Edge { period: index, child, before });
    }

    /// Notes that the opening auction of a period was held.
    pub(crate) fn set_auctioned(&mut self, index: u32) {
        let period = self.calendar.at_mut(index);
        if !period.auctioned {
            period.auctioned = true;
            period.own.clear();
            let named = period.period;
            self.calendar.calling.remove(&named);
            self.journal.push(|| Undo::Auctioned(index));
        }
    }

    /// Notes whether re-matching of a period was left unfinished.
    pub(crate) fn set_rematching(&mut self, index: u32, rematching: bool) {
        if self.calendar.at(index).rematching != rematching {
            self.turn_rematching(index);
            self.journal.push(|| Undo::Rematching(index));
        }
    }

    fn turn_rematching(&mut self, index: u32) {
        let period = self.calendar.at_mut(index);
        period.rematching = !period.rematching;
        let (named, rematching) = (period.period, period.rematching);
        match rematching {
            true => self.calendar.rematching.insert(named),
            false => self.calendar.rematching.remove(&named),
        };
    }

    pub(crate) fn undo_auctioned(&mut self, index: u32) {
        let period = self.calendar.at_mut(index);
        period.auctioned = false;
        period.gather_own(&self.slab);
        let named = period.period;
        self.calendar.calling.insert(named);
    }

    /// Puts a block among those that wait, as the newest. Its periods have records.
    pub(crate) fn wait(&mut self, block: NewBlock) {
        self.count_block(&block, true);
        self.blocks.push(block);
        self.journal.push(|| Undo::BlockPlaced);
    }

    /// Takes a waiting block out.
    pub(crate) fn stop_waiting(&mut self, arrival: u64) -> NewBlock {
        let block = self.blocks.remove(arrival);
        self.count_block(&block, false);
        self.journal.push(|| Undo::BlockGone { arrival, block: Box::new(block.clone()) });
        for &(period, _) in &block.energies {
            if let Some(index) = self.calendar.find(period) {
                self.forget_if_spent(index);
            }
        }
        block
    }

    fn count_block(&mut self, block: &NewBlock, comes: bool) {
        for &(period, _) in &block.energies {
            let index = self.find_or_open(period);
            let blocks = &mut self.calendar.at_mut(index).blocks;
            *blocks = if comes { *blocks + 1 } else { *blocks - 1 };
        }
    }

    fn undo_block_placed(&mut self) {
        let block = self.blocks.pop().expect("the newest block is the one that was placed");
        self.count_block(&block, false);
    }

    fn undo_block_gone(&mut self, arrival: u64, block: NewBlock) {
        self.count_block(&block, true);
        self.blocks.put_back(arrival, block);
    }

    /// Moves the market's time.
    pub(crate) fn set_now(&mut self, now: LedgerTime) {
        let before = core::mem::replace(&mut self.now, now);
        self.journal.push(|| Undo::Advanced(before));
    }

    /// Forgets the periods whose gate has come and in which nothing waits, so that memory does not grow with time.
    pub(crate) fn forget_spent_periods(&mut self) {
        loop {
            let now = self.now;
            let over = self.calendar.periods().take_while(|period| period.gate_closes_at <= now);
            let spent =
                over.filter(|period| period.orders == 0 && period.blocks == 0).map(|period| period.period).next();
            let Some(index) = spent.and_then(|period| self.calendar.find(period)) else { return };
            self.forget_if_spent(index);
        }
    }

    #[inline]
    fn forget_if_spent(&mut self, index: u32) {
        let period = self.calendar.at(index);
        if period.orders == 0 && period.blocks == 0 && period.gate_closes_at <= self.now {
            self.forget_period(index);
        }
    }

    #[cold]
    fn forget_period(&mut self, index: u32) {
        let record = self.calendar.forget(index);
        self.journal.push(|| Undo::PeriodGone { index, record: Box::new(record) });
    }

    /// Goes back to a named state; later marks are void. Afterwards the books, priority counters, gates, edges, blocks and time are as they
    /// were at the mark, and so is everything that follows from them. (New handles differ from those given out in the undone
    /// future, so that none of those ever hits another order.) The limits are rolled back by whoever keeps them.
    ///
    /// # Panics
    /// If `mark` was forgotten or rolled back.
    pub fn rollback(&mut self, mark: Mark) {
        while let Some(undo) = self.journal.pop_after(mark) {
            self.undo(undo);
        }
        self.queue.clear();
    }

    fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Rested(slot) => self.undo_rest(slot),
            Undo::Taken { slot, energy, shown } => {
                let node = self.slab.node_mut(slot);
                node.energy += energy;
                let standing = node.standing;
                self.show(slot, standing, Energy::ZERO, shown);
            }
            Undo::ShowedMore { slot, more } => {
                let standing = self.slab.node(slot).standing;
                self.show(slot, standing, more, Energy::ZERO);
            }
            Undo::Refreshed { slot, priority, shown } => {
                let standing = self.slab.node(slot).standing;
                let number = self.slab.node(slot).priority;
                let hidden = self.slab.hidden(slot).expect("it hides something");
                self.requeue(slot, priority, Hidden { shown, ..hidden });
                if number != priority {
                    self.calendar.at_mut(standing.period()).priorities = number;
                }
            }
            Undo::Removed { slot, node } => self.undo_remove(slot, node),
            Undo::Unhidden { slot, hidden } => {
                self.slab.set_hidden(slot, Some(hidden));
            }
            Undo::Advanced(before) => self.now = before,
            Undo::Flagged { contract, before } => self.undo_flag(contract, before),
            Undo::PeriodOpened(index) => {
                self.calendar.forget(index);
            }
            Undo::PeriodGone { index, record } => self.calendar.undo_forget(index, *record),
            Undo::Rematching(index) => self.turn_rematching(index),
            Undo::Auctioned(index) => self.undo_auctioned(index),
            Undo::ClassAssigned { period, side, class } => {
                self.calendar.at_mut(period).free_class(side, class);
            }
            Undo::ClassFreed { period, side, class, preferences } => {
                self.calendar.at_mut(period).undo_free_class(side, class, preferences);
            }
            Undo::Edge { period, child, before } => {
                self.calendar.at_mut(period).change_edge(&self.tree, child, |edge| *edge = before);
            }
            Undo::BlockPlaced => self.undo_block_placed(),
            Undo::BlockGone { arrival, block } => self.undo_block_gone(arrival, *block),
        }
    }
}
