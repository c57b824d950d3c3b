//! Whose a meter was, for as long as something that began under a former owner can still be settled, or settled again.

use std::collections::{BTreeMap, BTreeSet};

use gridbook_engine::{AccountId, DeliveryPeriod, MeterId};

use super::Tables;
use super::undo::Undo;

/// The most rows that are forgotten with one period: what is left goes with the next.
const FORGOTTEN_AT_ONCE: usize = 1_024;

/// Former owners of meters. The present one is in the meter's row.
#[derive(Clone, Debug, Default)]
pub(in crate::state) struct FormerOwners {
    /// By meter and the last period that had begun when the owner left.
    rows: BTreeMap<(MeterId, DeliveryPeriod), AccountId>,
    /// The same rows, to find those that are over.
    by_period: BTreeSet<(DeliveryPeriod, MeterId)>,
}

impl FormerOwners {
    /// Whose a meter was when a period began, if somebody else has it by now.
    pub(in crate::state) fn at(&self, meter: MeterId, period: DeliveryPeriod) -> Option<AccountId> {
        let later = self.rows.range((meter, period)..=(meter, DeliveryPeriod(u32::MAX)));
        later.map(|(_, account)| *account).next()
    }

    /// Meter, last period, account.
    pub(in crate::state) fn rows(&self) -> impl Iterator<Item = (MeterId, DeliveryPeriod, AccountId)> + '_ {
        self.rows.iter().map(|((meter, last), account)| (*meter, *last, *account))
    }

    fn insert(&mut self, meter: MeterId, last: DeliveryPeriod, account: AccountId) {
        self.rows.insert((meter, last), account);
        self.by_period.insert((last, meter));
    }

    fn remove(&mut self, meter: MeterId, last: DeliveryPeriod) -> Option<AccountId> {
        self.by_period.remove(&(last, meter));
        self.rows.remove(&(meter, last))
    }

    /// Undoes [`Tables::note_former_owner`].
    pub(super) fn undo_note(&mut self, meter: MeterId, last: DeliveryPeriod) {
        self.remove(meter, last);
    }

    /// Undoes [`Tables::forget_former_owners`] for one row.
    pub(super) fn undo_forget(&mut self, meter: MeterId, last: DeliveryPeriod, account: AccountId) {
        self.insert(meter, last, account);
    }
}

impl Tables {
    pub(in crate::state) fn former_owners(&self) -> &FormerOwners {
        &self.former_owners
    }

    /// An owner leaves a meter; `last` is the last period that has begun. Whoever had it for a part of a period only, and not at its
    /// beginning, was never its owner for any period.
    pub(in crate::state) fn note_former_owner(&mut self, meter: MeterId, last: DeliveryPeriod, account: AccountId) {
        if !self.former_owners.rows.contains_key(&(meter, last)) {
            self.former_owners.insert(meter, last, account);
            self.journal.push(Undo::FormerOwnerNoted(meter, last));
        }
    }

    /// Forgets owners who left in a period before this one, a bounded number of them.
    pub(in crate::state) fn forget_former_owners(&mut self, before: DeliveryPeriod) {
        for _ in 0..FORGOTTEN_AT_ONCE {
            let first = self.former_owners.by_period.first().copied().filter(|(last, _)| *last < before);
            let Some((last, meter)) = first else { return };
            let account = self.former_owners.remove(meter, last).expect("a row is listed twice");
            self.journal.push(Undo::FormerOwnerForgotten(meter, last, account));
        }
    }
}
