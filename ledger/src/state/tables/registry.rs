//! Who is registered, by which key, and how they stand.

use std::collections::BTreeMap;

use gridbook_engine::{AccountId, MeterId};

use super::undo::Undo;
use super::{Access, Account, KeyUse, Meter, MeterFacts, MeterStatus, Organisation, Tables, index, number};
use crate::crypto::PublicKey;
use crate::registry::{DeviceStanding, Installation, OrganisationId, Subject};
use crate::state::LastBundle;

/// Reading.
impl Tables {
    pub(in crate::state) fn organisations(&self) -> &[Organisation] {
        &self.organisations
    }

    pub(in crate::state) fn organisation(&self, id: OrganisationId) -> Option<&Organisation> {
        self.organisations.get(usize::from(id.0))
    }

    /// What a key is or was.
    pub(in crate::state) fn key_use(&self, key: &PublicKey) -> Option<KeyUse> {
        self.keys.used(key)
    }

    /// Keys that their devices have no more, ascending, with whose they were.
    pub(in crate::state) fn replaced_keys(&self) -> impl Iterator<Item = (&PublicKey, Subject)> {
        self.keys.replaced()
    }

    /// How somebody registered stands.
    pub(in crate::state) fn access(&self, subject: Subject) -> Option<&Access> {
        match subject {
            Subject::Meter(meter) => self.meter(meter).map(|meter| &meter.status.access),
            Subject::Organisation(organisation) => self.organisation(organisation).map(|row| &row.access),
        }
    }

    fn key_mut(&mut self, subject: Subject) -> &mut PublicKey {
        match subject {
            Subject::Meter(meter) => &mut self.meters[index(meter.0)].facts.key,
            Subject::Organisation(organisation) => &mut self.organisations[usize::from(organisation.0)].key,
        }
    }
}

/// Changing.
impl Tables {
    pub(in crate::state) fn add_account(&mut self, organisation: Option<OrganisationId>) -> AccountId {
        let id = AccountId(number(self.accounts.len()));
        self.accounts.push(Account { organisation, ..Account::new(&self.collateral.shares) });
        self.owned.push(Vec::new());
        self.stale_accounts.touch(id.0);
        self.journal.push(Undo::AccountAdded);
        id
    }

    pub(in crate::state) fn add_meter(&mut self, facts: MeterFacts) -> MeterId {
        let id = MeterId(number(self.meters.len()));
        self.meters.push(Meter { facts, status: MeterStatus::default(), names: BTreeMap::new() });
        self.keys.sign_for(facts.key, Subject::Meter(id));
        self.owned[index(facts.account.0)].push(id);
        self.stale_meters.touch(id.0);
        self.touched_meters.touch(id.0);
        self.journal.push(Undo::MeterAdded);
        id
    }

    pub(in crate::state) fn add_organisation(&mut self, row: Organisation) -> OrganisationId {
        let id = u16::try_from(self.organisations.len()).expect("organisations are limited to fewer");
        self.organisations.push(row);
        self.keys.sign_for(row.key, Subject::Organisation(OrganisationId(id)));
        self.stale_organisations.touch(id.into());
        self.touched_organisations.touch(id.into());
        self.journal.push(Undo::OrganisationAdded);
        OrganisationId(id)
    }

    /// For a snapshot: a key that its device has no more.
    pub(in crate::state) fn add_replaced_key(&mut self, key: PublicKey, subject: Subject) {
        self.keys.replace(key, subject);
        self.touched_keys.push(key);
    }

    /// A meter's bundle is carried out: its nonce is used from here on.
    pub(in crate::state) fn use_nonce(&mut self, meter: MeterId, nonce: u64, bundle: LastBundle) {
        self.touched_meters.touch(meter.0);
        self.change_meter(meter, |status| {
            status.access.nonce = nonce;
            status.last_bundle = Some(bundle);
        });
    }

    /// Changes what decides whether somebody is let in.
    pub(in crate::state) fn change_access(&mut self, subject: Subject, change: impl FnOnce(&mut Access)) {
        self.touch(subject);
        match subject {
            Subject::Meter(meter) => self.change_meter(meter, |status| change(&mut status.access)),
            Subject::Organisation(organisation) => {
                self.change_organisation(organisation, |row| change(&mut row.access))
            }
        }
    }

    pub(super) fn change_organisation(&mut self, id: OrganisationId, change: impl FnOnce(&mut Organisation)) {
        self.stale_organisations.touch(id.0.into());
        let row = &mut self.organisations[usize::from(id.0)];
        self.journal.push(Undo::Organisation(id, Box::new(*row)));
        change(row);
    }

    /// Gives somebody another key. The old one stays known.
    pub(in crate::state) fn replace_key(&mut self, subject: Subject, key: PublicKey) {
        self.touch(subject);
        let old = core::mem::replace(self.key_mut(subject), key);
        self.keys.replace(old, subject);
        self.keys.sign_for(key, subject);
        self.touched_keys.push(old);
        self.journal.push(Undo::KeyReplaced(subject, old));
    }

    pub(super) fn undo_replace_key(&mut self, subject: Subject, old: PublicKey) {
        self.touch(subject);
        let key = core::mem::replace(self.key_mut(subject), old);
        self.keys.forget(&key);
        self.keys.sign_for(old, subject);
        self.touched_keys.push(key);
    }

    /// Gives a meter to another account.
    pub(in crate::state) fn set_owner(&mut self, meter: MeterId, account: AccountId) {
        let old = self.move_meter(meter, account);
        self.journal.push(Undo::Owner(meter, old));
    }

    /// Says whose it was.
    pub(super) fn move_meter(&mut self, meter: MeterId, account: AccountId) -> AccountId {
        self.touch(Subject::Meter(meter));
        self.stale_meters.touch(meter.0);
        let old = core::mem::replace(&mut self.meters[index(meter.0)].facts.account, account);
        let left = &mut self.owned[index(old.0)];
        let place = left.binary_search(&meter).expect("an account's meters are listed");
        left.remove(place);
        let joined = &mut self.owned[index(account.0)];
        let place = joined.binary_search(&meter).expect_err("a meter has one account");
        joined.insert(place, meter);
        old
    }

    /// Sets what stands behind a meter.
    pub(in crate::state) fn install(&mut self, meter: MeterId, installation: Installation) {
        let facts = &mut self.meters[index(meter.0)].facts;
        let old = facts.installation();
        facts.install(installation);
        self.stale_meters.touch(meter.0);
        self.journal.push(Undo::Installation(meter, Box::new(old)));
    }

    pub(super) fn undo_install(&mut self, meter: MeterId, old: Installation) {
        self.meters[index(meter.0)].facts.install(old);
        self.stale_meters.touch(meter.0);
    }

    /// A meter stood otherwise before. Keeps how many are revoked, and how many readings of each period are theirs.
    pub(super) fn recount_revoked(&mut self, meter: MeterId, old: DeviceStanding, now: DeviceStanding) {
        let [was_revoked, is_revoked] = [old, now].map(|standing| u32::from(standing == DeviceStanding::Revoked));
        if was_revoked == is_revoked {
            return;
        }
        self.revoked_meters = self.revoked_meters + is_revoked - was_revoked;
        for table in self.readings.values_mut().filter(|table| table.of(meter).is_some()) {
            table.of_revoked = table.of_revoked + is_revoked - was_revoked;
        }
    }

    pub(super) fn touch(&mut self, subject: Subject) {
        match subject {
            Subject::Meter(meter) => {
                self.touched_meters.touch(meter.0);
                self.stale_meters.touch(meter.0);
            }
            Subject::Organisation(organisation) => {
                self.touched_organisations.touch(organisation.0.into());
                self.stale_organisations.touch(organisation.0.into());
            }
        }
    }
}

impl MeterFacts {
    /// What stands behind the meter.
    pub(in crate::state) fn installation(&self) -> Installation {
        let Self { plant, import_max, export_max, certificate, .. } = *self;
        Installation { plant, import_max, export_max, certificate }
    }

    fn install(&mut self, Installation { plant, import_max, export_max, certificate }: Installation) {
        *self = Self { plant, import_max, export_max, certificate, ..*self };
    }
}

#[cfg(test)]
mod tests {
    use gridbook_engine::LedgerTime;

    use super::*;
    use crate::crypto::SecretKey;
    use crate::state::tables::EpochRow;
    use crate::validators::ValidatorSet;

    /// A supplier that trades with its own customers back and forth could set the reference price: such trades say nothing. Accounts
    /// without an organisation are each their own.
    #[test]
    fn accounts_of_one_organisation_are_told_apart_from_others() {
        let keys = (1..5).map(|seed| SecretKey::from_seed([seed; 32]).public()).collect();
        let epoch = EpochRow { number: 0, set: ValidatorSet::new(keys).unwrap(), before: None };
        let mut tables = Tables::new(LedgerTime(0), epoch, Default::default(), false);
        let organisations = [None, None, Some(0), Some(0), Some(1)].map(|number| number.map(OrganisationId));
        let accounts = organisations.map(|organisation| tables.add_account(organisation));
        let pairs = (0..5).flat_map(|one| (0..5).map(move |other| (one, other)));
        let same = pairs.filter(|(one, other)| tables.are_of_one_organisation(accounts[*one], accounts[*other]));
        let same: Vec<(usize, usize)> = same.filter(|(one, other)| one < other).collect();
        assert_eq!(same, [(2, 3)]);
        assert!(tables.are_of_one_organisation(accounts[0], accounts[0]));
    }
}
