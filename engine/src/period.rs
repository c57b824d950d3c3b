//! One delivery period: its books in all areas, what is said about its contracts, and its edges.

use std::collections::{BTreeMap, BTreeSet};

use crate::contract::{AccountId, AreaId, Contract, DeliveryPeriod};
use crate::digest::ContractFlags;
use crate::grid::Grid;
use crate::order::{EnergySources, Preferences, Side};
use crate::queue::Queue;
use crate::slab::{NIL, OrderSlab, Standing};
use crate::tree::{AreaTree, Key, NOTHING, cost, farther, key_of};
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

/// The orders of one side that are not plain, by what they prefer.
#[derive(Debug, Default)]
pub(crate) struct SpecialBooks {
    /// Class `n` lies at `n - 1`. They are used and reused like a stack, so that undoing in reverse order finds each where it was.
    classes: Vec<SpecialClass>,
    free: Vec<u32>,
    /// The classes in use, those for one partner behind those for everybody.
    by_preferences: BTreeMap<(Option<AccountId>, EnergySources, u16), u32>,
}

/// The orders of one side with the same preferences, in all areas.
#[derive(Debug)]
pub(crate) struct SpecialClass {
    preferences: Preferences,
    orders: u32,
    /// For those areas where one was needed.
    queues: BTreeMap<u16, Queue>,
    bests: BTreeMap<u32, Key>,
}

/// A look at the orders of one side with the same preferences.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Class<'a> {
    Plain(&'a Period, Side),
    Special(&'a SpecialClass),
}

impl<'a> Class<'a> {
    #[inline]
    pub(crate) fn preferences(self) -> Preferences {
        match self {
            Self::Plain(_, side) => Preferences::none(side),
            Self::Special(class) => class.preferences,
        }
    }

    #[inline]
    pub(crate) fn queue(self, area: u16) -> Option<&'a Queue> {
        match self {
            Self::Plain(period, side) => period.plain.get(usize::from(area)).map(|queues| &queues[side as usize]),
            Self::Special(class) => class.queues.get(&area),
        }
    }

    /// The key of the best offer in and below a node.
    #[inline]
    pub(crate) fn best_at(self, node: u32) -> Key {
        match self {
            Self::Plain(period, side) => period.bests[node as usize][side as usize],
            Self::Special(class) => class.bests.get(&node).copied().unwrap_or(NOTHING),
        }
    }

    /// The areas in which something rests, ascending, with their queues.
    pub(crate) fn filled(self) -> impl Iterator<Item = (AreaId, &'a Queue)> {
        let (plain, special) = match self {
            Self::Plain(period, side) => (Some(period.plain.iter().map(move |queues| &queues[side as usize])), None),
            Self::Special(class) => (None, Some(class.queues.iter())),
        };
        let plain = plain.into_iter().flatten().enumerate().map(|(area, queue)| (AreaId(area as u16), queue));
        let special = special.into_iter().flatten().map(|(&area, queue)| (AreaId(area), queue));
        plain.chain(special).filter(|(_, queue)| !queue.is_empty())
    }
}

impl SpecialBooks {
    fn class(&self, class: u32) -> &SpecialClass {
        &self.classes[class as usize - 1]
    }

    fn class_mut(&mut self, class: u32) -> &mut SpecialClass {
        &mut self.classes[class as usize - 1]
    }

    /// Whether no order rests that is not plain.
    #[inline]
    pub(crate) fn are_empty(&self) -> bool {
        self.by_preferences.is_empty()
    }

    /// The classes that are for everybody.
    pub(crate) fn for_everybody(&self) -> impl Iterator<Item = u32> + '_ {
        let first = (None, EnergySources::NAMES[0].0, 0);
        let last = (None, EnergySources::ALL, u16::MAX);
        self.by_preferences.range(first..=last).map(|(_, &class)| class)
    }

    /// The classes that are for one partner only.
    pub(crate) fn for_one_partner(&self) -> impl Iterator<Item = u32> + '_ {
        let first = (Some(AccountId(0)), EnergySources::NAMES[0].0, 0);
        self.by_preferences.range(first..).map(|(_, &class)| class)
    }

    /// The classes whose orders would trade with this account as far as their partner goes.
    pub(crate) fn open_to(&self, account: AccountId) -> impl Iterator<Item = u32> + '_ {
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

    // What searches go by.

    /// The best offer of a class in one area, as other areas may have it.
    fn own_best(&self, side: Side, class: u32, area: u32) -> Key {
        if !self.is_reachable(AreaId(area as u16)) {
            return NOTHING;
        }
        let best = self.class(side, class).queue(area as u16).map_or(Queue::NOTHING, Queue::best_key);
        seen_at_home(side, best, area as u16)
    }

    /// Whether an offer of this side below the edge above `child` can be had above it.
    #[inline]
    fn lets_out(&self, child: u32, side: Side) -> bool {
        self.grid.as_ref().is_some_and(|grid| grid.lets_out(child, side))
    }

    /// What of a child can be had at its parent.
    pub(crate) fn offered(&self, tree: &AreaTree, side: Side, class: u32, child: u32) -> Key {
        let best = self.class(side, class).best_at(child);
        let node = tree.node(child);
        let passes = !node.has_edge || self.lets_out(child, side);
        if best == NOTHING || !passes { NOTHING } else { best + node.step_out(side) }
    }

    fn best_of(&self, tree: &AreaTree, side: Side, class: u32, node: u32) -> Key {
        let own = if (node as usize) < self.areas.len() { self.own_best(side, class, node) } else { NOTHING };
        let below = tree.children(node).iter().map(|&child| self.offered(tree, side, class, child));
        below.fold(own, Key::min)
    }

    /// Brings the bests up to date after the best order of a queue has changed. Only where the former best leaves nothing better than
    /// itself behind does anybody have to look at what else there is.
    fn pass_on(&mut self, tree: &AreaTree, standing: Standing, before: u64, after: u64) {
        let (side, class, area) = (standing.side(), standing.class(), standing.area());
        if !self.is_reachable(area) {
            return;
        }
        let (mut old, mut new) = (seen_at_home(side, before, area.0), seen_at_home(side, after, area.0));
        let mut node = u32::from(area.0);
        loop {
            let best = self.class(side, class).best_at(node);
            let next = if new <= best {
                new
            } else if old != best {
                return;
            } else {
                self.best_of(tree, side, class, node)
            };
            if next == best {
                return;
            }
            self.put_best(side, class, node, next);
            let up = tree.node(node);
            if up.parent == NIL || (up.has_edge && !self.lets_out(node, side)) {
                return;
            }
            let step = up.step_out(side);
            (old, new) = (farther(best, step), farther(next, step));
            node = up.parent;
        }
    }

    /// Brings the bests up to date after a change in one node: upwards, for as long as anything changes.
    fn refresh(&mut self, tree: &AreaTree, side: Side, class: u32, from: u32) {
        if self.grid.is_none() {
            return;
        }
        let mut node = from;
        loop {
            let best = self.best_of(tree, side, class, node);
            if best == self.class(side, class).best_at(node) {
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
        if class == PLAIN {
            let before = self.crosses_at(node);
            self.bests[node as usize][side as usize] = best;
            self.crossed = self.crossed + u32::from(self.crosses_at(node)) - u32::from(before);
            return;
        }
        let bests = &mut self.special_mut(side).class_mut(class).bests;
        match best {
            NOTHING => bests.remove(&node),
            best => bests.insert(node, best),
        };
    }

    /// Whether the best plain bid and the best plain ask at a node could meet there.
    fn crosses_at(&self, node: u32) -> bool {
        let [bid, ask] = self.bests[node as usize];
        crosses(bid, ask)
    }

    fn refresh_classes(&mut self, tree: &AreaTree, side: Side, node: u32) {
        let classes: Vec<u32> = self.classes_in_use(side).collect();
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
                self.loosened |= after[index];
                self.refresh_classes(tree, side, tree.node(node).parent);
            }
        }
    }

    /// Whether orders of two classes could meet anywhere, as far as prices go.
    pub(crate) fn classes_cross(&self, bids: u32, asks: u32) -> bool {
        let (bids, asks) = (self.class(Side::Buy, bids), self.class(Side::Sell, asks));
        match (bids, asks) {
            (Class::Special(bids), _) => bids.bests.iter().any(|(&node, &bid)| crosses(bid, asks.best_at(node))),
            (_, Class::Special(asks)) => asks.bests.iter().any(|(&node, &ask)| crosses(bids.best_at(node), ask)),
            (Class::Plain(..), Class::Plain(..)) => self.crossed > 0,
        }
    }
}

/// The best key of a queue as the tree has it, seen from its own area.
#[inline]
fn seen_at_home(side: Side, best: u64, area: u16) -> Key {
    if best == Queue::NOTHING { NOTHING } else { key_of(side, best, area) }
}

/// Whether what a bid and an ask cost each other leaves nothing missing.
fn crosses(bid: Key, ask: Key) -> bool {
    bid != NOTHING && ask != NOTHING && cost(bid) + cost(ask) <= 0
}
