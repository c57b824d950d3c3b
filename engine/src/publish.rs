//! What the engine shows of its books, and how it gets to the tables that others read.

use core::iter::Peekable;

use crate::contract::Contract;
use crate::depth::{DEPTH_LEVELS_MAX, DepthWriter};
use crate::engine::Engine;
use crate::order::Side;
use crate::slab::price_of;
use crate::top_of_book::{Top, TopOfBookWriter};
use crate::units::{Energy, LedgerTime, Price};

impl Engine {
    /// The best prices of a contract at which an incoming order of its area could trade now: none behind a closed gate, and orders that
    /// are over do not count, nor does what is hidden. (An energy beyond [`u64::MAX`] is shown as that.)
    pub fn top(&self, contract: Contract) -> Top {
        let best = |side| self.depth(contract, side).next();
        Top { best_bid: best(Side::Buy), best_ask: best(Side::Sell) }
    }

    /// The price levels of one side of a contract's own book, the best first, as [`Engine::top`] shows the first.
    pub fn depth(&self, contract: Contract, side: Side) -> impl Iterator<Item = (Price, Energy)> + '_ {
        let period = self.calendar.get(contract.period).filter(|_| !self.gate_is_closed(contract));
        let mut queues = period.into_iter().flat_map(move |period| {
            period.classes_in_use(side).filter_map(move |class| period.class(side, class).queue(contract.area.0))
        });
        let (first, second) = (queues.next(), queues.next());
        let (mut single, mut several, mut picked) = (None, None, None);
        match (first, second) {
            _ if self.deadlines.any_due(self.now) => picked = Some(self.levels_of_living(contract, side)),
            (Some(queue), None) => single = Some(queue.levels(&self.slab)),
            (first, second) => {
                let all = first.into_iter().chain(second).chain(queues);
                several = Some(merged(all.map(|queue| queue.levels(&self.slab).peekable()).collect()));
            }
        }
        let levels = single.into_iter().flatten().chain(several.into_iter().flatten());
        levels
            .chain(picked.into_iter().flatten())
            .filter(|&(_, energy)| energy > 0)
            .map(move |(turned, energy)| (price_of(side, turned), Energy(u64::try_from(energy).unwrap_or(u64::MAX))))
    }

    /// The levels of all queues together, without what is over: for the moment until that is swept out.
    fn levels_of_living(&self, contract: Contract, side: Side) -> Vec<(u32, u128)> {
        let Some(period) = self.calendar.get(contract.period).filter(|_| !self.gate_is_closed(contract)) else {
            return Vec::new();
        };
        let mut levels: Vec<(u32, u128)> = Vec::new();
        for slot in period.slots(&self.slab, contract.area, side) {
            let node = self.slab.node(slot);
            if node.until <= self.now {
                continue;
            }
            let (turned, shown) =
                ((node.key() >> 32) as u32, u128::from(crate::queue::Orders::shown(&self.slab, slot).0));
            match levels.last_mut() {
                Some(level) if level.0 == turned => level.1 += shown,
                _ => levels.push((turned, shown)),
            }
        }
        levels
    }

    /// Publishes tops through `writer` from now on, each time [`Engine::publish`] is called, beginning with all that rest now.
    pub fn publish_to(&mut self, writer: TopOfBookWriter) {
        self.tops = Some(writer);
        self.note_all();
        self.publish();
    }

    /// Publishes depths through `writer` too, at each [`Engine::publish_depth`].
    pub fn publish_depth_to(&mut self, mut writer: DepthWriter) {
        writer.shown_at = self.now;
        self.depths = Some(writer);
        self.note_all();
    }

    fn note_all(&mut self) {
        let contracts = self.calendar.periods().flat_map(|period| period.telling().map(|area| period.contract(area)));
        let contracts: Vec<Contract> = contracts.collect();
        contracts.into_iter().for_each(|contract| self.note_change(contract));
    }

    /// Publishes the tops of the contracts that changed since the last call: after each command, or after each batch of them.
    /// Without a publisher it does nothing.
    pub fn publish(&mut self) {
        let Some(mut writer) = self.tops.take() else { return };
        for index in 0..self.changed.len() {
            let contract = self.changed[index];
            writer.publish(contract, self.top(contract));
        }
        self.tops = Some(writer);
        if self.depths.is_none() {
            self.unnote_all();
        }
    }

    /// At the end of a block of commands: publishes the depths of the contracts that changed in it, tagged with its number, and the tops
    /// with them. Without a publisher it does nothing.
    ///
    /// What was rolled back since the last call counts as changed too, so that the tables show the state as it is. The number may then
    /// be lower than before.
    pub fn publish_depth(&mut self, epoch: u64) {
        if let Some(writer) = &mut self.depths {
            let shown_at = core::mem::replace(&mut writer.shown_at, self.now);
            self.note_time(shown_at);
        }
        self.publish();
        let Some(mut writer) = self.depths.take() else { return };
        for index in 0..self.changed.len() {
            let contract = self.changed[index];
            let side = |side| -> Vec<(Price, Energy)> { self.depth(contract, side).take(DEPTH_LEVELS_MAX).collect() };
            let (bids, asks) = (side(Side::Buy), side(Side::Sell));
            writer.publish(contract, epoch, &bids, &asks);
        }
        writer.complete(epoch);
        self.depths = Some(writer);
        self.unnote_all();
    }

    /// Notes what shows something else only because time is another than it was: orders are over and gates have come, or, after a
    /// rollback, no longer.
    fn note_time(&mut self, before: LedgerTime) {
        let (from, to) = (before.min(self.now), before.max(self.now));
        if from == to {
            return;
        }
        let contract_of = |slot| {
            let standing = self.slab.node(slot).standing;
            self.calendar.at(standing.period()).contract(standing.area())
        };
        let mut contracts: Vec<Contract> = self.deadlines.between(from, to).map(contract_of).collect();
        let closed = self.calendar.periods().take_while(|period| period.gate_closes_at <= to);
        for period in closed.filter(|period| period.gate_closes_at > from) {
            contracts.extend(period.telling().map(|area| period.contract(area)));
        }
        contracts.into_iter().for_each(|contract| self.note_change(contract));
    }

    fn unnote_all(&mut self) {
        while let Some(contract) = self.changed.pop() {
            if let Some(index) = self.calendar.find(contract.period) {
                self.calendar.at_mut(index).areas[usize::from(contract.area.0)].changed = false;
            }
        }
    }

    /// Remembers that what a contract shows may have changed.
    #[inline]
    pub(crate) fn note_change(&mut self, contract: Contract) {
        if self.tops.is_some() || self.depths.is_some() {
            self.note_for_publishers(contract);
        }
    }

    fn note_for_publishers(&mut self, contract: Contract) {
        match self.calendar.find(contract.period) {
            Some(index) => {
                let book = &mut self.calendar.at_mut(index).areas[usize::from(contract.area.0)];
                if !book.changed {
                    book.changed = true;
                    self.changed.push(contract);
                }
            }
            None => self.changed.push(contract),
        }
    }
}

/// The levels of several queues as one, the best first. No more of them is looked at than is asked for.
fn merged<I: Iterator<Item = (u32, u128)>>(mut queues: Vec<Peekable<I>>) -> impl Iterator<Item = (u32, u128)> {
    core::iter::from_fn(move || {
        let best = queues.iter_mut().filter_map(|queue| queue.peek().map(|level| level.0)).min()?;
        let there = queues.iter_mut().filter_map(|queue| queue.next_if(|level| level.0 == best));
        Some((best, there.map(|(_, energy)| energy).sum()))
    })
}
