//! Orders of one side by what they prefer.

use std::collections::BTreeMap;

use super::Period;
use crate::contract::{AccountId, AreaId};
use crate::order::{EnergySources, Preferences, Side};
use crate::queue::Queue;
use crate::tree::{Key, NOTHING};

/// The orders of one side that are not plain, by what they prefer.
#[derive(Debug, Default)]
pub(crate) struct SpecialBooks {
    /// Class `n` lies at `n - 1`. They are used and reused like a stack, so that undoing in reverse order finds each where it was.
    pub(super) classes: Vec<SpecialClass>,
    pub(super) free: Vec<u32>,
    /// The classes in use, those for one partner behind those for everybody.
    pub(super) by_preferences: BTreeMap<(Option<AccountId>, EnergySources, u16), u32>,
}

/// The orders of one side with the same preferences, in all areas.
#[derive(Debug)]
pub(crate) struct SpecialClass {
    pub(super) preferences: Preferences,
    pub(super) orders: u32,
    /// For those areas where one was needed.
    pub(super) queues: BTreeMap<u16, Queue>,
    pub(super) bests: BTreeMap<u32, Key>,
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
    pub(super) fn class(&self, class: u32) -> &SpecialClass {
        &self.classes[class as usize - 1]
    }

    pub(super) fn class_mut(&mut self, class: u32) -> &mut SpecialClass {
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

pub(super) fn sort_key(preferences: &Preferences) -> (Option<AccountId>, EnergySources, u16) {
    (preferences.partner, preferences.sources, preferences.max_edges)
}
