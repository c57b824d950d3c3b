//! One delivery period: its books in all areas, what is said about its contracts, and its edges.

mod bests;
mod class;

use std::collections::{BTreeMap, BTreeSet};

use crate::contract::{AccountId, AreaId, Contract, DeliveryPeriod};
use crate::digest::ContractFlags;
use crate::grid::Grid;
use crate::order::{Preferences, Side};
use crate::queue::Queue;
use crate::slab::{OrderSlab, Standing};
use crate::tree::{AreaTree, Key, NOTHING};
use crate::units::{Energy, LedgerTime};

pub(crate) use class::{Class, SpecialBooks};
use class::{SpecialClass, sort_key};

/// The class of plain orders: always there, on both sides.
pub(crate) const PLAIN: u32 = 0;

/// One delivery period.
#[derive(Debug)]
pub(crate) struct Period {
    pub(crate) period: DeliveryPeriod,
    /// How many priority numbers have been given out; the next order gets this one.
    pub(crate) priorities: u32,
    /// How many orders rest in all areas together.
    pub(crate) orders: u32,
    /// How many waiting blocks name this period.
    pub(crate) blocks: u32,
    /// Whether its opening auction was held, or none is to be.
    pub(crate) auctioned: bool,
    /// Whether re-matching was left unfinished.
    pub(crate) rematching: bool,
    /// The times that the rules give it, kept at hand.
    pub(crate) opens_at: LedgerTime,
    pub(crate) gate_closes_at: LedgerTime,
    pub(crate) cross_area_gate_closes_at: LedgerTime,
    /// By area.
    pub(crate) areas: Vec<AreaBook>,
    /// Its edges; none where the network has none.
    pub(crate) grid: Option<Grid>,
    /// By area: the queues of its plain bids and asks. They lie side by side, as an order on its way in looks at both.
    plain: Vec<[Queue; 2]>,
    /// By node of the tree: the best plain bid and ask in and below it.
    bests: Vec<[Key; 2]>,
    buys: SpecialBooks,
    sells: SpecialBooks,
    /// How many nodes have a plain bid and a plain ask that could meet there. At rest none, but where self-trade keeps them apart.
    crossed: u32,
    /// Whether an edge has room in a direction in which it had none when re-matching was last through. Only then resting orders can meet
    /// that could not before; after an undo it may say so for nothing.
    pub(crate) loosened: bool,
    /// How many areas are cut off from all others by command.
    cut_off: u32,
    /// While a call phase lasts: the plain orders by account, so that an order that crosses an own one is found.
    pub(crate) own: BTreeSet<(AccountId, AreaId, Side, u64)>,
}

/// What there is to know of an area in a period, besides its queues.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AreaBook {
    pub(crate) flags: ContractFlags,
    /// Noted as changed since the last publication.
    pub(crate) changed: bool,
}

impl Period {
    /// A period in which nothing has happened yet. The tree is given where areas can meet.
    pub(crate) fn new(period: DeliveryPeriod, areas: usize, tree: Option<&AreaTree>, grid: Option<Grid>) -> Self {
        Self {
            period,
            priorities: 0,
            orders: 0,
            blocks: 0,
            auctioned: true,
            rematching: false,
            opens_at: LedgerTime(0),
            gate_closes_at: LedgerTime(u64::MAX),
            cross_area_gate_closes_at: LedgerTime(u64::MAX),
            areas: vec![AreaBook::default(); areas],
            grid,
            plain: (0..areas).map(|_| [Queue::new(), Queue::new()]).collect(),
            bests: vec![[NOTHING; 2]; tree.map_or(0, AreaTree::len)],
            buys: SpecialBooks::default(),
            sells: SpecialBooks::default(),
            crossed: 0,
            cut_off: 0,
            loosened: false,
            own: BTreeSet::new(),
        }
    }

    /// A place for a period that is not in use.
    pub(crate) fn vacant() -> Self {
        Self::new(DeliveryPeriod(0), 0, None, None)
    }

    /// The orders of a side that are not plain.
    #[inline]
    pub(crate) fn special(&self, side: Side) -> &SpecialBooks {
        match side {
            Side::Buy => &self.buys,
            Side::Sell => &self.sells,
        }
    }

    #[inline]
    fn special_mut(&mut self, side: Side) -> &mut SpecialBooks {
        match side {
            Side::Buy => &mut self.buys,
            Side::Sell => &mut self.sells,
        }
    }

    /// The class of this number, which is in use.
    #[inline]
    pub(crate) fn class(&self, side: Side, class: u32) -> Class<'_> {
        if class == PLAIN { Class::Plain(self, side) } else { Class::Special(self.special(side).class(class)) }
    }

    /// All classes in use of a side, the plain one first.
    pub(crate) fn classes_in_use(&self, side: Side) -> impl Iterator<Item = u32> + '_ {
        core::iter::once(PLAIN).chain(self.special(side).by_preferences.values().copied())
    }

    /// The queue in which an order stands or stood, if it is a plain one.
    #[inline]
    pub(crate) fn plain_of(&self, standing: Standing) -> Option<&Queue> {
        let queues = self.plain.get(usize::from(standing.area().0))?;
        (standing.class() == PLAIN).then(|| &queues[standing.side() as usize])
    }

    /// The plain orders of one side of one area.
    #[inline]
    pub(crate) fn plain(&self, side: Side, area: AreaId) -> &Queue {
        &self.plain[usize::from(area.0)][side as usize]
    }

    #[inline]
    pub(crate) fn contract(&self, area: AreaId) -> Contract {
        Contract { period: self.period, area }
    }

    pub(crate) fn preferences(&self, standing: Standing) -> Preferences {
        self.class(standing.side(), standing.class()).preferences()
    }

    #[inline]
    pub(crate) fn flags(&self, area: AreaId) -> ContractFlags {
        self.areas[usize::from(area.0)].flags
    }

    /// Whether orders of an area may trade with other areas as far as commands go: neither gate of it was closed.
    #[inline]
    pub(crate) fn is_reachable(&self, area: AreaId) -> bool {
        !self.flags(area).has(ContractFlags::CLOSED | ContractFlags::CROSS_CLOSED)
    }

    /// All orders of a contract's side over all classes, in price-time order.
    pub(crate) fn slots(&self, orders: &OrderSlab, area: AreaId, side: Side) -> Vec<u32> {
        let queues = self.classes_in_use(side).filter_map(|class| self.class(side, class).queue(area.0));
        let mut slots: Vec<u32> = queues.flat_map(|queue| queue.slots(orders)).collect();
        if !self.special(side).are_empty() {
            slots.sort_unstable_by_key(|&slot| orders.node(slot).key());
        }
        slots
    }

    /// Whether any order rests in an area.
    pub(crate) fn has_orders(&self, area: AreaId) -> bool {
        let rests = |class: &SpecialClass| class.queues.get(&area.0).is_some_and(|queue| !queue.is_empty());
        self.plain[usize::from(area.0)].iter().any(|queue| !queue.is_empty())
            || [&self.buys, &self.sells].iter().any(|books| books.classes.iter().any(rests))
    }

    /// Whether anything was said about a contract, or rests in it.
    pub(crate) fn tells(&self, area: AreaId) -> bool {
        self.flags(area).any() || self.has_orders(area)
    }

    /// The areas about which there is anything to tell, ascending.
    pub(crate) fn telling(&self) -> impl Iterator<Item = AreaId> + '_ {
        (0..self.areas.len()).map(|area| AreaId(area as u16)).filter(|&area| self.tells(area))
    }

    /// The class of these preferences, if it is in use.
    #[inline]
    pub(crate) fn find_class(&self, side: Side, preferences: &Preferences) -> Option<u32> {
        if preferences.are_none(side) {
            return Some(PLAIN);
        }
        self.special(side).by_preferences.get(&sort_key(preferences)).copied()
    }

    /// How many classes a side has ever had at one time.
    pub(crate) fn classes(&self, side: Side) -> usize {
        self.special(side).classes.len() + 1
    }

    /// Puts a class into use.
    pub(crate) fn assign_class(&mut self, side: Side, preferences: Preferences) -> u32 {
        let books = self.special_mut(side);
        let class = books.free.pop().unwrap_or_else(|| {
            let (queues, bests) = (BTreeMap::new(), BTreeMap::new());
            books.classes.push(SpecialClass { preferences, orders: 0, queues, bests });
            u32::try_from(books.classes.len()).expect("classes are bounded")
        });
        books.class_mut(class).preferences = preferences;
        books.by_preferences.insert(sort_key(&preferences), class);
        class
    }

    /// Whether no order of a class that is not plain rests any more.
    pub(crate) fn class_is_empty(&self, side: Side, class: u32) -> bool {
        self.special(side).class(class).orders == 0
    }

    /// Takes a class without orders out of use: also the inverse of [`Period::assign_class`].
    pub(crate) fn free_class(&mut self, side: Side, class: u32) -> Preferences {
        let books = self.special_mut(side);
        let entry = books.class_mut(class);
        assert_eq!(entry.orders, 0, "only empty classes go out of use");
        entry.queues.clear();
        let preferences = entry.preferences;
        books.by_preferences.remove(&sort_key(&preferences));
        books.free.push(class);
        preferences
    }

    /// The inverse of [`Period::free_class`].
    pub(crate) fn undo_free_class(&mut self, side: Side, class: u32, preferences: Preferences) {
        let again = self.assign_class(side, preferences);
        assert_eq!(again, class, "classes are undone in reverse order");
    }

    // How orders come and go. The caller counts priorities and keeps the journal.

    /// Puts an order where its key says, in most cases at the end of its price.
    #[inline]
    pub(crate) fn enqueue(&mut self, orders: &mut OrderSlab, tree: &AreaTree, slot: u32, tick: u32) {
        self.change_queue(orders, tree, slot, |queue, orders| queue.insert(orders, slot, tick));
        self.count_in(orders, slot);
    }

    /// Puts an order back where it was before [`Period::dequeue`], of which it still knows its neighbours.
    pub(crate) fn put_back(&mut self, orders: &mut OrderSlab, tree: &AreaTree, slot: u32, tick: u32) {
        self.change_queue(orders, tree, slot, |queue, orders| queue.restore(orders, slot, tick));
        self.count_in(orders, slot);
    }

    #[inline]
    pub(crate) fn dequeue(&mut self, orders: &mut OrderSlab, tree: &AreaTree, slot: u32) {
        self.change_queue(orders, tree, slot, |queue, orders| queue.remove(orders, slot));
        self.orders -= 1;
        let standing = orders.node(slot).standing;
        if standing.class() != PLAIN {
            self.special_mut(standing.side()).class_mut(standing.class()).orders -= 1;
        }
        if !self.own.is_empty() {
            let node = orders.node(slot);
            self.own.remove(&(node.account, standing.area(), standing.side(), node.key()));
        }
    }

    #[inline]
    fn count_in(&mut self, orders: &OrderSlab, slot: u32) {
        self.orders += 1;
        let standing = orders.node(slot).standing;
        if standing.class() != PLAIN {
            self.special_mut(standing.side()).class_mut(standing.class()).orders += 1;
        } else if !self.auctioned {
            let node = orders.node(slot);
            self.own.insert((node.account, standing.area(), standing.side(), node.key()));
        }
    }

    /// Changes the queue of an order, and what other areas know of it.
    #[inline]
    fn change_queue(
        &mut self,
        orders: &mut OrderSlab,
        tree: &AreaTree,
        slot: u32,
        change: impl FnOnce(&mut Queue, &mut OrderSlab),
    ) {
        let standing = orders.node(slot).standing;
        let queue = self.queue_mut(standing);
        let before = queue.best_key();
        change(queue, orders);
        let after = queue.best_key();
        if before != after && self.grid.is_some() {
            self.pass_on(tree, standing, before, after);
        }
    }

    #[inline]
    fn queue_mut(&mut self, standing: Standing) -> &mut Queue {
        let area = standing.area().0;
        if standing.class() == PLAIN {
            &mut self.plain[usize::from(area)][standing.side() as usize]
        } else {
            self.special_queue_mut(standing)
        }
    }

    #[cold]
    fn special_queue_mut(&mut self, standing: Standing) -> &mut Queue {
        let class = self.special_mut(standing.side()).class_mut(standing.class());
        class.queues.entry(standing.area().0).or_insert_with(Queue::new)
    }

    /// A resting order shows more or less than before; where it stands does not change.
    #[inline]
    pub(crate) fn note_shown(&mut self, standing: Standing, key: u64, less: Energy, more: Energy) {
        let queue = self.queue_mut(standing);
        if !more.is_zero() {
            queue.shows_more(key, more);
        }
        if !less.is_zero() {
            queue.shows_less(key, less);
        }
    }

    /// Sets what is said about a contract, and tells what was said before.
    pub(crate) fn set_flags(&mut self, tree: &AreaTree, area: AreaId, flags: ContractFlags) -> ContractFlags {
        let before = core::mem::replace(&mut self.areas[usize::from(area.0)].flags, flags);
        let cut_off = |flags: ContractFlags| u32::from(flags.has(ContractFlags::CROSS_CLOSED));
        self.cut_off = self.cut_off + cut_off(flags) - cut_off(before);
        for side in [Side::Buy, Side::Sell] {
            self.refresh_classes(tree, side, u32::from(area.0));
        }
        before
    }

    /// Gathers the plain orders by account anew.
    pub(crate) fn gather_own(&mut self, orders: &OrderSlab) {
        let mut own = BTreeSet::new();
        for side in [Side::Buy, Side::Sell] {
            for (area, queue) in self.class(side, PLAIN).filled() {
                let nodes = queue.slots(orders).map(|slot| orders.node(slot));
                own.extend(nodes.map(|node| (node.account, area, side, node.key())));
            }
        }
        self.own = own;
    }

    /// Whether an area is cut off by command, so that what it has is known to nobody else.
    pub(crate) fn some_are_cut_off(&self) -> bool {
        self.cut_off > 0
    }
}
