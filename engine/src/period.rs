//! One delivery period: its books in all areas, what is said about its contracts, and its edges.

use std::collections::{BTreeMap, BTreeSet};

use crate::contract::{AccountId, AreaId, Contract, DeliveryPeriod};
use crate::digest::ContractFlags;
use crate::grid::Grid;
use crate::order::{EnergySources, Preferences, Side};
use crate::queue::Queue;
use crate::slab::{NIL, OrderSlab, Standing};
use crate::tree::{AreaTree, Bests, Key, NOTHING, cost, key_of};
use crate::units::{Energy, LedgerTime};

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
    buys: SideBooks,
    sells: SideBooks,
    /// How many nodes have a plain bid and a plain ask that could meet there. At rest none, but where self-trade keeps them apart.
    crossed: u32,
    /// How many areas are cut off from all others by command.
    cut_off: u32,
    /// While a call phase lasts: the plain orders by account, so that an order that crosses an own one is found.
    pub(crate) own: BTreeSet<(AccountId, AreaId, Side, u64)>,
}

/// What there is to know of an area in a period, besides its queues.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AreaBook {
    /// How many orders rest.
    pub(crate) orders: u32,
    pub(crate) flags: ContractFlags,
    /// Noted as changed since the last publication.
    pub(crate) changed: bool,
}

/// All orders of one side, by what they prefer.
#[derive(Debug)]
pub(crate) struct SideBooks {
    /// The first is the plain one. The others are used and reused like a stack, so that undoing in reverse order finds each where it was.
    classes: Vec<Class>,
    free: Vec<u32>,
    /// The classes in use but the plain one, those for one partner behind those for everybody.
    by_preferences: BTreeMap<(Option<AccountId>, EnergySources, u16), u32>,
}

/// The orders of one side with the same preferences, in all areas.
#[derive(Debug)]
pub(crate) struct Class {
    pub(crate) preferences: Preferences,
    pub(crate) orders: u32,
    queues: Queues,
    pub(crate) bests: Bests,
}

/// A queue for each area, or only for those where one was needed.
#[derive(Debug)]
enum Queues {
    Dense(Vec<Queue>),
    Sparse(BTreeMap<u16, Queue>),
}

impl Class {
    fn plain(side: Side, areas: usize, tree: Option<&AreaTree>) -> Self {
        let nodes = tree.map_or(0, AreaTree::len);
        Self {
            preferences: Preferences::none(side),
            orders: 0,
            queues: Queues::Dense((0..areas).map(|_| Queue::new()).collect()),
            bests: Bests::Dense(vec![NOTHING; nodes]),
        }
    }

    fn special(preferences: Preferences) -> Self {
        let (queues, bests) = (Queues::Sparse(BTreeMap::new()), Bests::Sparse(BTreeMap::new()));
        Self { preferences, orders: 0, queues, bests }
    }

    #[inline]
    pub(crate) fn queue(&self, area: u16) -> Option<&Queue> {
        match &self.queues {
            Queues::Dense(queues) => queues.get(usize::from(area)),
            Queues::Sparse(queues) => queues.get(&area),
        }
    }

    #[inline]
    fn queue_mut(&mut self, area: u16) -> &mut Queue {
        match &mut self.queues {
            Queues::Dense(queues) => &mut queues[usize::from(area)],
            Queues::Sparse(queues) => queues.entry(area).or_insert_with(Queue::new),
        }
    }

    /// The areas in which something rests, ascending, with their queues.
    pub(crate) fn filled(&self) -> impl Iterator<Item = (AreaId, &Queue)> {
        let (dense, sparse) = match &self.queues {
            Queues::Dense(queues) => (Some(queues.iter().enumerate()), None),
            Queues::Sparse(queues) => (None, Some(queues.iter())),
        };
        let dense = dense.into_iter().flatten().map(|(area, queue)| (AreaId(area as u16), queue));
        let sparse = sparse.into_iter().flatten().map(|(&area, queue)| (AreaId(area), queue));
        dense.chain(sparse).filter(|(_, queue)| !queue.is_empty())
    }
}

impl SideBooks {
    fn new(side: Side, areas: usize, tree: Option<&AreaTree>) -> Self {
        Self { classes: vec![Class::plain(side, areas, tree)], free: Vec::new(), by_preferences: BTreeMap::new() }
    }

    #[inline]
    pub(crate) fn class(&self, class: u32) -> &Class {
        &self.classes[class as usize]
    }

    /// Whether only plain orders rest, or rested until lately.
    #[inline]
    pub(crate) fn all_are_plain(&self) -> bool {
        self.by_preferences.is_empty()
    }

    /// All classes in use, the plain one first.
    pub(crate) fn in_use(&self) -> impl Iterator<Item = u32> + '_ {
        core::iter::once(PLAIN).chain(self.by_preferences.values().copied())
    }

    /// The classes besides the plain one whose orders would trade with this account as far as their partner goes.
    pub(crate) fn special_for(&self, account: AccountId) -> impl Iterator<Item = u32> + '_ {
        let of = |partner| (partner, EnergySources::NAMES[0].0, 0)..=(partner, EnergySources::ALL, u16::MAX);
        let open = self.by_preferences.range(of(None));
        open.chain(self.by_preferences.range(of(Some(account)))).map(|(_, &class)| class)
    }
}

fn sort_key(preferences: &Preferences) -> (Option<AccountId>, EnergySources, u16) {
    (preferences.partner, preferences.sources, preferences.max_edges)
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
            buys: SideBooks::new(Side::Buy, areas, tree),
            sells: SideBooks::new(Side::Sell, areas, tree),
            crossed: 0,
            cut_off: 0,
            own: BTreeSet::new(),
        }
    }

    /// A place for a period that is not in use.
    pub(crate) fn vacant() -> Self {
        Self::new(DeliveryPeriod(0), 0, None, None)
    }

    #[inline]
    pub(crate) fn side(&self, side: Side) -> &SideBooks {
        match side {
            Side::Buy => &self.buys,
            Side::Sell => &self.sells,
        }
    }

    #[inline]
    fn side_mut(&mut self, side: Side) -> &mut SideBooks {
        match side {
            Side::Buy => &mut self.buys,
            Side::Sell => &mut self.sells,
        }
    }

    #[inline]
    pub(crate) fn contract(&self, area: AreaId) -> Contract {
        Contract { period: self.period, area }
    }

    pub(crate) fn preferences(&self, standing: Standing) -> Preferences {
        self.side(standing.side()).class(standing.class()).preferences
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
        let books = self.side(side);
        let queues = books.in_use().filter_map(|class| books.class(class).queue(area.0));
        let mut slots: Vec<u32> = queues.flat_map(|queue| queue.slots(orders)).collect();
        if !books.all_are_plain() {
            slots.sort_unstable_by_key(|&slot| orders.node(slot).key());
        }
        slots
    }

    /// Whether anything was said about a contract, or rests in it.
    pub(crate) fn tells(&self, area: AreaId) -> bool {
        let book = &self.areas[usize::from(area.0)];
        book.orders > 0 || book.flags.any()
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
        self.side(side).by_preferences.get(&sort_key(preferences)).copied()
    }

    /// How many classes a side has ever had at one time.
    pub(crate) fn classes(&self, side: Side) -> usize {
        self.side(side).classes.len()
    }

    /// Puts a class into use.
    pub(crate) fn assign_class(&mut self, side: Side, preferences: Preferences) -> u32 {
        let books = self.side_mut(side);
        let class = books.free.pop().unwrap_or_else(|| {
            books.classes.push(Class::special(preferences));
            u32::try_from(books.classes.len() - 1).expect("classes are bounded")
        });
        books.classes[class as usize].preferences = preferences;
        books.by_preferences.insert(sort_key(&preferences), class);
        class
    }

    /// Takes a class without orders out of use: also the inverse of [`Period::assign_class`].
    pub(crate) fn free_class(&mut self, side: Side, class: u32) -> Preferences {
        let books = self.side_mut(side);
        let entry = &mut books.classes[class as usize];
        assert_eq!(entry.orders, 0, "only empty classes go out of use");
        let preferences = entry.preferences;
        entry.queues = Queues::Sparse(BTreeMap::new());
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
    pub(crate) fn enqueue(&mut self, orders: &mut OrderSlab, tree: &AreaTree, slot: u32, tick: u32) {
        self.admit(orders, tree, slot, |queue, orders| queue.insert(orders, slot, tick));
    }

    /// Puts an order back where it was before [`Period::dequeue`], of which it still knows its neighbours.
    pub(crate) fn put_back(&mut self, orders: &mut OrderSlab, tree: &AreaTree, slot: u32, tick: u32) {
        self.admit(orders, tree, slot, |queue, orders| queue.restore(orders, slot, tick));
    }

    fn admit(
        &mut self,
        orders: &mut OrderSlab,
        tree: &AreaTree,
        slot: u32,
        insert: impl FnOnce(&mut Queue, &mut OrderSlab),
    ) {
        let standing = orders.node(slot).standing;
        let (side, area) = (standing.side(), standing.area().0);
        let class = &mut self.side_mut(side).classes[standing.class() as usize];
        class.orders += 1;
        let queue = class.queue_mut(area);
        let before = queue.best_key();
        insert(queue, orders);
        let changed = queue.best_key() != before;
        self.orders += 1;
        self.areas[usize::from(area)].orders += 1;
        if changed {
            self.refresh(tree, side, standing.class(), u32::from(area));
        }
        if !self.auctioned && standing.class() == PLAIN {
            let node = orders.node(slot);
            self.own.insert((node.account, standing.area(), side, node.key()));
        }
    }

    pub(crate) fn dequeue(&mut self, orders: &mut OrderSlab, tree: &AreaTree, slot: u32) {
        let standing = orders.node(slot).standing;
        let (side, area) = (standing.side(), standing.area().0);
        let class = &mut self.side_mut(side).classes[standing.class() as usize];
        class.orders -= 1;
        let queue = class.queue_mut(area);
        let before = queue.best_key();
        queue.remove(orders, slot);
        let changed = queue.best_key() != before;
        self.orders -= 1;
        self.areas[usize::from(area)].orders -= 1;
        if changed {
            self.refresh(tree, side, standing.class(), u32::from(area));
        }
        if !self.own.is_empty() {
            let node = orders.node(slot);
            self.own.remove(&(node.account, standing.area(), side, node.key()));
        }
    }

    /// A resting order shows more or less than before; where it stands does not change.
    pub(crate) fn note_shown(&mut self, standing: Standing, key: u64, less: Energy, more: Energy) {
        let class = &mut self.side_mut(standing.side()).classes[standing.class() as usize];
        let queue = class.queue_mut(standing.area().0);
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
            for (area, queue) in self.side(side).class(PLAIN).filled() {
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

    // What searches go by.

    /// The best offer of a class in one area, as other areas may have it.
    fn own_best(&self, side: Side, class: u32, area: u32) -> Key {
        if !self.is_reachable(AreaId(area as u16)) {
            return NOTHING;
        }
        let best = self.side(side).class(class).queue(area as u16).map_or(Queue::NOTHING, Queue::best_key);
        if best == Queue::NOTHING { NOTHING } else { key_of(side, best, area as u16) }
    }

    /// What of a child can be had at its parent.
    pub(crate) fn offered(&self, tree: &AreaTree, side: Side, class: u32, child: u32) -> Key {
        let best = self.side(side).class(class).bests.at(child);
        let node = tree.node(child);
        let passes = !node.has_edge || self.grid.as_ref().is_some_and(|grid| grid.lets_out(child, side));
        if best == NOTHING || !passes { NOTHING } else { best + node.step_out(side) }
    }

    fn best_of(&self, tree: &AreaTree, side: Side, class: u32, node: u32) -> Key {
        let own = if (node as usize) < self.areas.len() { self.own_best(side, class, node) } else { NOTHING };
        let below = tree.children(node).iter().map(|&child| self.offered(tree, side, class, child));
        below.fold(own, Key::min)
    }

    /// Brings the bests up to date after a change in one node: upwards, for as long as anything changes.
    fn refresh(&mut self, tree: &AreaTree, side: Side, class: u32, from: u32) {
        if self.grid.is_none() {
            return;
        }
        let mut node = from;
        loop {
            let best = self.best_of(tree, side, class, node);
            if best == self.side(side).class(class).bests.at(node) {
                return;
            }
            self.put_best(side, class, node, best);
            let up = tree.node(node);
            if up.parent == NIL {
                return;
            }
            node = up.parent;
        }
    }

    fn put_best(&mut self, side: Side, class: u32, node: u32, best: Key) {
        let before = self.crosses_at(node);
        self.side_mut(side).classes[class as usize].bests.put(node, best);
        if class == PLAIN {
            self.crossed = self.crossed + u32::from(self.crosses_at(node)) - u32::from(before);
        }
    }

    /// Whether the best plain bid and the best plain ask at a node could meet there.
    fn crosses_at(&self, node: u32) -> bool {
        crosses(self.buys.classes[0].bests.at(node), self.sells.classes[0].bests.at(node))
    }

    fn refresh_classes(&mut self, tree: &AreaTree, side: Side, node: u32) {
        let classes: Vec<u32> = self.side(side).in_use().collect();
        classes.into_iter().for_each(|class| self.refresh(tree, side, class, node));
    }

    /// Moves `flow` on an edge, and what can be had across it if that changes.
    pub(crate) fn change_edge(
        &mut self,
        tree: &AreaTree,
        child: AreaId,
        change: impl FnOnce(&mut crate::market::EdgeState),
    ) {
        let node = u32::from(child.0);
        let Some(grid) = &mut self.grid else { return };
        let before = [Side::Buy, Side::Sell].map(|side| grid.lets_out(node, side));
        change(grid.edge_mut(child));
        let after = [Side::Buy, Side::Sell].map(|side| grid.lets_out(node, side));
        for (index, side) in [Side::Buy, Side::Sell].into_iter().enumerate() {
            if before[index] != after[index] {
                self.refresh_classes(tree, side, tree.node(node).parent);
            }
        }
    }

    /// Whether orders of two classes could meet anywhere, as far as prices go.
    pub(crate) fn classes_cross(&self, bids: u32, asks: u32) -> bool {
        if (bids, asks) == (PLAIN, PLAIN) {
            return self.crossed > 0;
        }
        let (bids, asks) = (&self.buys.class(bids).bests, &self.sells.class(asks).bests);
        match (bids, asks) {
            (Bests::Sparse(keys), _) => keys.iter().any(|(&node, &bid)| crosses(bid, asks.at(node))),
            (_, Bests::Sparse(keys)) => keys.iter().any(|(&node, &ask)| crosses(bids.at(node), ask)),
            (Bests::Dense(keys), _) => keys.iter().zip(0..).any(|(&bid, node)| crosses(bid, asks.at(node))),
        }
    }
}

/// Whether what a bid and an ask cost each other leaves nothing missing.
fn crosses(bid: Key, ask: Key) -> bool {
    bid != NOTHING && ask != NOTHING && cost(bid) + cost(ask) <= 0
}
