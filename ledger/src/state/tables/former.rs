//! What a meter was, for as long as something that began before it changed can still be settled, or settled again.
//!
//! A period is settled by what its meters were when it began: whose, behind which connection, with which plant. All of that may change
//! before the period is settled, or final.

use std::collections::{BTreeMap, BTreeSet};

use gridbook_engine::{AccountId, DeliveryPeriod, Energy, MeterId};

use super::Tables;
use super::undo::Undo;
use crate::registry::Installation;

/// The most rows that are forgotten with one period: what is left goes with the next.
const FORGOTTEN_AT_ONCE: usize = 1_024;

/// What a meter was that the registry can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::state) struct Former {
    pub(in crate::state) account: AccountId,
    pub(in crate::state) installation: Installation,
}

/// What a meter was when a period began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::state) struct FactsThen {
    pub(in crate::state) account: AccountId,
    pub(in crate::state) installation: Installation,
    /// It had given its last command before.
    pub(in crate::state) is_revoked: bool,
}

/// What meters were. What they are is in their rows.
#[derive(Clone, Debug, Default)]
pub(in crate::state) struct FormerFacts {
    /// By meter and the last period that had begun when something changed. A meter of which something could change was not revoked.
    rows: BTreeMap<(MeterId, DeliveryPeriod), Former>,
    /// The same rows, to find those that are over.
    by_period: BTreeSet<(DeliveryPeriod, MeterId)>,
}

impl FormerFacts {
    /// What a meter was when a period began, if something changed since.
    fn at(&self, meter: MeterId, period: DeliveryPeriod) -> Option<Former> {
        let later = self.rows.range((meter, period)..=(meter, DeliveryPeriod(u32::MAX)));
        later.map(|(_, former)| *former).next()
    }

    /// Meter, last period, what it was.
    pub(in crate::state) fn rows(&self) -> impl Iterator<Item = (MeterId, DeliveryPeriod, Former)> + '_ {
        self.rows.iter().map(|((meter, last), former)| (*meter, *last, *former))
    }

    fn insert(&mut self, meter: MeterId, last: DeliveryPeriod, former: Former) {
        self.rows.insert((meter, last), former);
        self.by_period.insert((last, meter));
    }

    fn remove(&mut self, meter: MeterId, last: DeliveryPeriod) -> Option<Former> {
        self.by_period.remove(&(last, meter));
        self.rows.remove(&(meter, last))
    }

    /// Undoes [`Tables::note_former`].
    pub(super) fn undo_note(&mut self, meter: MeterId, last: DeliveryPeriod) {
        self.remove(meter, last);
    }

    /// Undoes [`Tables::forget_former`] for one row.
    pub(super) fn undo_forget(&mut self, meter: MeterId, last: DeliveryPeriod, former: Former) {
        self.insert(meter, last, former);
    }
}

impl Tables {
    pub(in crate::state) fn former_facts(&self) -> &FormerFacts {
        &self.former_facts
    }

    /// What a registered meter was when a period began; what it is, if that is yet to come.
    pub(in crate::state) fn facts_at(&self, meter: MeterId, period: DeliveryPeriod) -> Option<FactsThen> {
        let row = self.meter(meter)?;
        let then = self.former_facts.at(meter, period);
        let is_revoked = then.is_none() && row.is_revoked();
        let present = || Former { account: row.facts.account, installation: row.facts.installation() };
        let Former { account, installation } = then.unwrap_or_else(present);
        Some(FactsThen { account, installation, is_revoked })
    }

    /// The most that a registered meter's connection took in and gave out in a period. In the period in which it was changed that is the larger
    /// one of both, since nobody knows what flowed before and what after.
    pub(in crate::state) fn connection_at(&self, meter: MeterId, period: DeliveryPeriod) -> Option<(Energy, Energy)> {
        let begun = self.facts_at(meter, period)?.installation;
        let ended = self.facts_at(meter, DeliveryPeriod(period.0.saturating_add(1)))?.installation;
        Some((begun.import_max.max(ended.import_max), begun.export_max.max(ended.export_max)))
    }

    /// What a meter is changes; `last` is the last period that has begun. What it was for a part of a period only, and not at its
    /// beginning, it was for none.
    pub(in crate::state) fn note_former(&mut self, meter: MeterId, last: DeliveryPeriod, former: Former) {
        if !self.former_facts.rows.contains_key(&(meter, last)) {
            self.former_facts.insert(meter, last, former);
            self.journal.push(Undo::FormerNoted(meter, last));
        }
    }

    /// Forgets what meters were until a period before this one, a bounded number of them.
    pub(in crate::state) fn forget_former(&mut self, before: DeliveryPeriod) {
        for _ in 0..FORGOTTEN_AT_ONCE {
            let first = self.former_facts.by_period.first().copied().filter(|(last, _)| *last < before);
            let Some((last, meter)) = first else { return };
            let former = self.former_facts.remove(meter, last).expect("a row is listed twice");
            self.journal.push(Undo::FormerForgotten(meter, last, Box::new(former)));
        }
    }
}
