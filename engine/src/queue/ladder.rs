//! The shape of a long queue: a level for each price, in a window around the best one where their price says, elsewhere in
//! an ordered map.

use super::level::Level;
use super::window::{STEPS_MAX, Window, steps_for};
use super::{NIL, Orders};
use crate::divisor::Divisor;
use crate::units::Energy;
use std::collections::BTreeMap;

/// So many orders come or go outside the window before it may move. Each pays for its share of the move, which takes at most
/// `STEPS_MAX` levels out and as many in: whatever comes, the work per order stays bounded. (Tests want to see it move.)
const PATIENCE: u32 = if cfg!(test) { 8 } else { STEPS_MAX / 4 };

/// Orders by level. A step is the turned price divided by the tick. Should prices of one step differ (they do not, where
/// all are multiples of the tick), they share a level and are still in order.
#[derive(Debug)]
pub(super) struct Ladder {
    tick: Divisor,
    /// Orders that came or went outside the window since it last moved.
    missed: u32,
    len: u32,
    /// Levels outside the window, better and worse ones, by step.
    far: BTreeMap<u32, Level>,
    window: Window,
}

impl Ladder {
    /// A ladder of the `len` orders of a queue, which come best first; `best` is the key of the first.
    pub(super) fn of<O: Orders>(
        orders: &mut O,
        best: u64,
        tick: u32,
        len: u32,
        slots: impl Iterator<Item = u32>,
    ) -> Box<Self> {
        let window = Window::around(turned(best) / tick, steps_for(len));
        let mut ladder = Box::new(Self { tick: Divisor::new(tick), missed: 0, len: 0, far: BTreeMap::new(), window });
        for slot in slots {
            let key = orders.key(slot);
            ladder.insert(orders, slot, key, Level::insert);
        }
        ladder
    }

    #[inline]
    fn step(&self, key: u64) -> u32 {
        self.tick.quotient(turned(key))
    }

    /// Puts an order into its level by `how`: [`Level::insert`] or [`Level::restore`].
    #[inline]
    pub(super) fn insert<O: Orders>(
        &mut self,
        orders: &mut O,
        slot: u32,
        key: u64,
        how: impl Fn(&mut Level, &mut O, u32, u64),
    ) {
        let step = self.step(key);
        self.len += 1;
        if self.window.holds(step) {
            how(self.window.level_mut(step), orders, slot, key);
            self.window.mark(step);
        } else {
            self.insert_far(orders, slot, key, how);
        }
    }

    #[cold]
    fn insert_far<O: Orders>(
        &mut self,
        orders: &mut O,
        slot: u32,
        key: u64,
        how: impl Fn(&mut Level, &mut O, u32, u64),
    ) {
        let step = self.step(key);
        how(self.far.entry(step).or_insert(Level::EMPTY), orders, slot, key);
        self.miss();
    }

    /// Takes out an order that rests here with this key.
    #[inline]
    pub(super) fn remove<O: Orders>(&mut self, orders: &mut O, slot: u32, key: u64) {
        let step = self.step(key);
        self.len -= 1;
        if self.window.holds(step) {
            let level = self.window.level_mut(step);
            level.remove(orders, slot);
            if level.is_empty() {
                self.window.clear(step);
                if self.window.is_empty() {
                    self.follow();
                }
            }
        } else {
            self.remove_far(orders, slot, step);
        }
        if self.len < self.window.steps() / 16
            && let Some(best) = self.first_from(0)
        {
            self.settle(best, steps_for(self.len));
        }
    }

    #[cold]
    fn remove_far<O: Orders>(&mut self, orders: &mut O, slot: u32, step: u32) {
        let level = self.level_mut(step);
        level.remove(orders, slot);
        if level.is_empty() {
            self.far.remove(&step);
        }
        self.miss();
    }

    /// The level of a step at which orders rest.
    #[inline]
    fn level(&self, step: u32) -> &Level {
        if self.window.holds(step) { self.window.level(step) } else { &self.far[&step] }
    }

    #[inline]
    fn level_mut(&mut self, step: u32) -> &mut Level {
        if self.window.holds(step) {
            self.window.level_mut(step)
        } else {
            self.far.get_mut(&step).expect("orders rest at this step")
        }
    }

    #[inline]
    pub(super) fn more(&mut self, key: u64, shown: Energy) {
        self.level_mut(self.step(key)).more(shown);
    }

    #[inline]
    pub(super) fn less(&mut self, key: u64, shown: Energy) {
        self.level_mut(self.step(key)).less(shown);
    }

    /// The first step in use at or behind this one.
    #[inline]
    fn first_from(&self, step: u32) -> Option<u32> {
        let near = if step <= self.window.last() { self.window.first_from(step.max(self.window.base())) } else { None };
        if self.far.is_empty() {
            return near;
        }
        let far = self.far.range(step..).next().map(|(&step, _)| step);
        near.into_iter().chain(far).min()
    }

    fn steps_from(&self, step: u32) -> impl Iterator<Item = u32> + '_ {
        let next = |&step: &u32| self.first_from(step.checked_add(1)?);
        core::iter::successors(self.first_from(step), next)
    }

    /// The next in priority after one that rests here with this key.
    #[inline]
    pub(super) fn after<O: Orders>(&self, orders: &O, slot: u32, key: u64) -> Option<u32> {
        let next = orders.next(slot);
        if next != NIL {
            return Some(next);
        }
        let step = self.first_from(self.step(key).checked_add(1)?)?;
        Some(self.level(step).head)
    }

    /// The turned price of each level and what shows there, best first.
    pub(super) fn levels<'a, O: Orders>(&'a self, orders: &'a O) -> impl Iterator<Item = (u32, u128)> + 'a {
        let shown = |level: &Level| (turned(orders.key(level.head)), level.shown);
        self.steps_from(0).map(move |step| shown(self.level(step)))
    }

    /// Reads the level of the best order, mostly.
    #[inline]
    pub(super) fn touch(&self, best: u64) -> u64 {
        let step = self.step(best);
        if self.window.holds(step) { u64::from(self.window.level(step).head) } else { 0 }
    }

    /// Whether a step's level lies where its price says.
    #[cfg(test)]
    pub(super) fn is_near(&self, step: u32) -> bool {
        self.window.holds(step)
    }

    /// How many steps the window spans.
    #[cfg(test)]
    pub(super) fn steps(&self) -> u32 {
        self.window.steps()
    }

    /// Counts an order outside the window.
    fn miss(&mut self) {
        self.missed = self.missed.saturating_add(1);
        self.follow();
    }

    /// If there was enough patience with the window, it moves, unless the best order lies well in it; then it widens, unless
    /// it is as wide as so many orders are worth.
    #[cold]
    fn follow(&mut self) {
        if self.missed >= PATIENCE
            && let Some(best) = self.first_from(0)
        {
            if !self.window.suits(best) {
                self.settle(best, self.window.steps());
            } else if self.window.steps() < steps_for(self.len) {
                self.settle(best, self.window.steps() * 2);
            }
        }
    }

    /// Moves a window of so many steps to the best price.
    #[cold]
    fn settle(&mut self, best: u32, steps: u32) {
        self.missed = 0;
        let Self { far, window, .. } = self;
        let out = |step, level| {
            far.insert(step, level);
        };
        if steps == window.steps() {
            window.move_around(best, out);
        } else {
            window.drain(out);
            *window = Window::around(best, steps);
        }
        while let Some((&step, _)) = far.range(window.base()..=window.last()).next() {
            *window.level_mut(step) = far.remove(&step).expect("it has just been seen");
            window.mark(step);
        }
    }
}

/// The turned price of a key.
#[inline]
fn turned(key: u64) -> u32 {
    (key >> 32) as u32
}
