//! What becomes of the registry's commands. Whether their sender may give them was decided before ([`super::rights`]).

use gridbook_engine::{AccountId, AreaId, Contract, DeliveryPeriod, LedgerTime, MeterId};

use super::rights::roles_fit_area;
use super::tables::{
    Access, AreaStage, Former, Holder, KeyUse, MeterFacts, Name, Organisation, PeriodTable, Position, Stage, Standing,
};
use super::{OrganisationView, State};
use crate::admission::{DeviceKind, DeviceStatus};
use crate::command::NewOrganisation;
use crate::consent::EndCause;
use crate::crypto::{Hash, PublicKey};
use crate::record::RecordEvent;
use crate::registry::{DeviceStanding, Installation, KeyStanding, ORGANISATIONS_MAX, OrganisationId, Reason, Subject};
use crate::reject::Code;

/// How often a device may change its own key before a registrar has to: bounds what one device can make every validator remember.
pub const ROTATIONS_MAX: u8 = 100;

/// The first period that begins at a moment or after it: the first one that a meter can be settled by which is registered then.
pub(super) fn first_period_after(now: LedgerTime, mtu_minutes: u32) -> DeliveryPeriod {
    let present = DeliveryPeriod::containing(now, mtu_minutes);
    if present.starts_at(mtu_minutes) == now { present } else { DeliveryPeriod(present.0.saturating_add(1)) }
}

/// Enrolling.
impl State {
    /// Numbers are given in order, so that the state tree has a leaf for each and no gaps.
    pub(super) fn register_account(
        &mut self,
        account: AccountId,
        organisation: Option<OrganisationId>,
    ) -> Result<RecordEvent, Code> {
        if account.0 != self.accounts_count() || account.0 == u32::MAX {
            return Err(Code::AuthRegistry);
        }
        if let Some(organisation) = organisation {
            let row = self.tables.organisation(organisation).ok_or(Code::AuthOrganisation)?;
            if row.access.standing == DeviceStanding::Revoked {
                return Err(Code::AuthRevoked);
            }
        }
        self.tables.add_account(organisation);
        Ok(RecordEvent::AccountRegistered { account })
    }

    pub(super) fn register_meter(
        &mut self,
        meter: MeterId,
        account: AccountId,
        key: PublicKey,
        area: AreaId,
        installation: Installation,
    ) -> Result<RecordEvent, Code> {
        if meter.0 != self.meters_count() || meter.0 == u32::MAX {
            return Err(Code::AuthRegistry);
        }
        self.find_account(account)?;
        self.find_area(area)?;
        installation.check()?;
        self.check_new_key(&key)?;
        let Installation { plant, import_max, export_max, certificate } = installation;
        let first_period = first_period_after(self.time(), self.engine.rules().mtu_minutes);
        let facts = MeterFacts { account, key, area, first_period, import_max, export_max, plant, certificate };
        self.tables.add_meter(facts);
        Ok(RecordEvent::MeterRegistered { meter, account })
    }

    pub(super) fn register_organisation(&mut self, new: &NewOrganisation) -> Result<RecordEvent, Code> {
        let NewOrganisation { organisation, key, name, roles, area } = *new;
        if self.organisations_count() >= ORGANISATIONS_MAX {
            return Err(Code::AuthOrganisations);
        }
        if organisation.0 != self.organisations_count() {
            return Err(Code::AuthRegistry);
        }
        if !roles_fit_area(roles, area) {
            return Err(Code::AuthRoles);
        }
        area.map_or(Ok(()), |area| self.find_area(area))?;
        self.check_new_key(&key)?;
        let (access, history) = (Access::default(), Hash::ZERO);
        self.tables.add_organisation(Organisation { key, name, roles, area, access, history });
        Ok(RecordEvent::OrganisationRegistered { organisation })
    }

    /// A key that anybody has, or ever had, is nobody else's: what was signed with it must always mean him.
    fn check_new_key(&self, key: &PublicKey) -> Result<(), Code> {
        let is_free = self.tables.key_use(key).is_none() && *key != self.operator;
        if is_free && key.check().is_ok() { Ok(()) } else { Err(Code::AuthKey) }
    }

    pub(super) fn find_account(&self, account: AccountId) -> Result<(), Code> {
        self.tables.account(Holder::User(account)).map(|_| ()).ok_or(Code::CreditAccount)
    }

    fn find_area(&self, area: AreaId) -> Result<(), Code> {
        if area.0 < self.engine.areas() { Ok(()) } else { Err(Code::FormArea) }
    }

    /// How somebody stands who is registered and not revoked.
    fn find(&self, subject: Subject) -> Result<Access, Code> {
        let unknown = match subject {
            Subject::Meter(_) => Code::AuthMeter,
            Subject::Organisation(_) => Code::AuthOrganisation,
        };
        let access = *self.tables.access(subject).ok_or(unknown)?;
        if access.standing == DeviceStanding::Revoked { Err(Code::AuthRevoked) } else { Ok(access) }
    }
}

/// Changing.
impl State {
    /// From the next entry on it gives no commands. What a meter has open is taken back at once; what it has traded stays, and is settled.
    pub(super) fn suspend(
        &mut self,
        subject: Subject,
        reason: Reason,
        events: &mut Vec<RecordEvent>,
    ) -> Result<(), Code> {
        if self.find(subject)?.standing == DeviceStanding::Suspended {
            return Err(Code::AuthStanding);
        }
        self.set_standing(subject, DeviceStanding::Suspended, reason, events);
        self.withdraw_orders(subject, events);
        Ok(())
    }

    pub(super) fn resume(
        &mut self,
        subject: Subject,
        reason: Reason,
        events: &mut Vec<RecordEvent>,
    ) -> Result<(), Code> {
        if self.find(subject)?.standing == DeviceStanding::Active {
            return Err(Code::AuthStanding);
        }
        self.set_standing(subject, DeviceStanding::Active, reason, events);
        Ok(())
    }

    /// For good. The key stays known, so that it can never be registered again.
    pub(super) fn revoke(
        &mut self,
        subject: Subject,
        reason: Reason,
        events: &mut Vec<RecordEvent>,
    ) -> Result<(), Code> {
        self.find(subject)?;
        if let Subject::Meter(meter) = subject {
            self.note_former(meter);
        }
        self.set_standing(subject, DeviceStanding::Revoked, reason, events);
        self.withdraw_orders(subject, events);
        if let Subject::Meter(meter) = subject {
            // Its key could not take them back any more.
            self.end_grants(meter, EndCause::MeterRevoked, events);
        }
        Ok(())
    }

    fn set_standing(
        &mut self,
        subject: Subject,
        standing: DeviceStanding,
        reason: Reason,
        events: &mut Vec<RecordEvent>,
    ) {
        self.tables.change_access(subject, |access| (access.standing, access.reason) = (standing, reason));
        events.push(RecordEvent::StandingChanged { subject, standing, reason });
    }

    fn withdraw_orders(&mut self, subject: Subject, events: &mut Vec<RecordEvent>) {
        if let Subject::Meter(meter) = subject {
            self.cancel_all(&[meter], events);
        }
    }

    /// A new key begins with no nonce used: whatever the old one signed is void. So a thief who has used up the old key's nonces has
    /// locked nobody out.
    pub(super) fn rotate_key(
        &mut self,
        subject: Subject,
        key: PublicKey,
        by_itself: bool,
    ) -> Result<RecordEvent, Code> {
        let Access { rotations, .. } = self.find(subject)?;
        if by_itself && rotations >= ROTATIONS_MAX {
            return Err(Code::AuthRotations);
        }
        self.check_new_key(&key)?;
        self.tables.replace_key(subject, key);
        let rotations = if by_itself { rotations + 1 } else { 0 };
        self.tables.change_access(subject, |access| (access.nonce, access.rotations) = (0, rotations));
        if let Subject::Meter(meter) = subject {
            // The new key's nonces are others.
            self.tables.set_last_bundle(meter, None);
            // A registrar may replace a stolen key: what that signed proves nothing against whoever has the new one. A device that has changed its key
            // by itself has signed both with what is one hand: the old key named the new one. It could otherwise contradict itself for
            // nothing, by changing its key in between.
            if !by_itself {
                self.tables.disown_readings(meter);
            }
        }
        Ok(RecordEvent::KeyChanged { subject, key })
    }

    /// The new owner takes over a meter that owes nobody anything for its trades; what it took and gave in periods that have begun is still
    /// settled with the old one. Offers that others have made to it wait on: they are to the meter. What the old owner let others read ends: it
    /// was his word, and what is measured from now on is not his.
    pub(super) fn transfer_meter(
        &mut self,
        meter: MeterId,
        to: AccountId,
        reason: Reason,
        events: &mut Vec<RecordEvent>,
    ) -> Result<(), Code> {
        self.find(Subject::Meter(meter))?;
        self.find_account(to)?;
        let from = self.tables.meter(meter).ok_or(Code::AuthMeter)?.facts.account;
        if from == to {
            return Err(Code::AuthTransfer);
        }
        self.check_idle(meter)?;
        events.push(RecordEvent::MeterTransferred { meter, from, to, reason });
        self.end_grants(meter, EndCause::Transferred, events);
        self.note_former(meter);
        self.tables.set_owner(meter, to);
        // Its new owner has failed nobody yet, and has signed nothing.
        self.tables.set_window(meter, None);
        self.tables.set_last_bundle(meter, None);
        self.tables.disown_readings(meter);
        Ok(())
    }

    /// Orders were tested against the connection and the plant that there were: neither changes under them. What was read, and certified, of
    /// periods that have begun is still judged by what there was then.
    pub(super) fn install(&mut self, meter: MeterId, installation: Installation) -> Result<RecordEvent, Code> {
        self.find(Subject::Meter(meter))?;
        installation.check()?;
        let certificate = installation.certificate;
        let present = self.tables.meter(meter).ok_or(Code::AuthMeter)?.facts.installation();
        // Nor does what was promised with them: who sells as solar has a certificate.
        let is_withdrawn = certificate == Hash::ZERO && present.certificate != Hash::ZERO;
        if is_withdrawn || (Installation { certificate, ..present }) != installation {
            self.check_idle(meter)?;
        }
        self.note_former(meter);
        self.tables.install(meter, installation);
        Ok(RecordEvent::InstallationSet { meter, certificate })
    }

    /// A meter is about to change: periods that have begun are settled by what it was.
    fn note_former(&mut self, meter: MeterId) {
        let Some(facts) = self.tables.meter(meter).map(|meter| meter.facts).filter(|_| self.settlement.metering) else {
            return;
        };
        let last = DeliveryPeriod::containing(self.time(), self.engine.rules().mtu_minutes);
        self.tables.note_former(meter, last, Former { account: facts.account, installation: facts.installation() });
    }

    /// Whether a meter has nothing open and nothing that is still to be settled.
    fn check_idle(&self, meter: MeterId) -> Result<(), Code> {
        let is_open = |name: &Name| name.standing != Standing::Over;
        let open = self.tables.meter(meter).is_some_and(|meter| meter.names.values().any(is_open));
        let area = self.tables.meter(meter).ok_or(Code::AuthMeter)?.facts.area;
        let is_settled = |period, table: &PeriodTable| {
            let is_frozen = matches!(self.tables.contract(Contract { area, period }).stage, AreaStage::Frozen(_));
            table.stage == Stage::Settled && !is_frozen
        };
        let mut periods = self.tables.periods().iter().filter(|(period, table)| !is_settled(**period, table));
        let unsettled = periods.any(|(_, table)| table.position(meter) != Position::default());
        if open || unsettled { Err(Code::AuthOpen) } else { Ok(()) }
    }
}

/// Looking.
impl State {
    /// What a key stands for at this point of the log. A key that its device has no more still stands for it, as replaced.
    pub fn device(&self, key: &PublicKey) -> Option<DeviceStatus> {
        if *key == self.operator {
            let nonce = self.tables.counters().operator_nonce;
            return Some(DeviceStatus { kind: DeviceKind::Operator, standing: KeyStanding::Active, nonce });
        }
        let (subject, is_present) = match self.tables.key_use(key)? {
            KeyUse::Present(subject) => (subject, true),
            KeyUse::Replaced(subject) => (subject, false),
        };
        let kind = match subject {
            Subject::Meter(meter) => DeviceKind::Meter { meter, account: self.tables.meter(meter)?.facts.account },
            Subject::Organisation(organisation) => DeviceKind::Organisation(organisation),
        };
        let Access { standing, nonce, .. } = *self.tables.access(subject)?;
        let standing = if is_present { standing.into() } else { KeyStanding::Replaced };
        Some(DeviceStatus { kind, standing, nonce })
    }

    /// The keys whose standing may have changed since the last call, also by a rollback, each once, and how they stand now: none means
    /// that the key's registration was rolled back.
    pub fn touched_devices(&mut self) -> Vec<(PublicKey, Option<DeviceStatus>)> {
        let mut keys = core::mem::take(&mut self.tables.touched_keys);
        if core::mem::take(&mut self.tables.operator_touched) {
            keys.push(self.operator);
        }
        for number in self.tables.touched_organisations.drain() {
            keys.extend(self.tables.organisations().get(super::index(number)).map(|row| row.key));
        }
        for number in self.tables.touched_meters.drain() {
            keys.extend(self.tables.meter(MeterId(number)).map(|meter| meter.facts.key));
        }
        let mut told = std::collections::BTreeSet::new();
        keys.retain(|key| told.insert(*key));
        keys.into_iter().map(|key| (key, self.device(&key))).collect()
    }

    /// An organisation, if it is enrolled.
    pub fn organisation(&self, organisation: OrganisationId) -> Option<OrganisationView> {
        self.tables.organisation(organisation).map(OrganisationView::of)
    }

    /// How many organisations are enrolled: their numbers are `0..`.
    pub fn organisations_count(&self) -> u16 {
        u16::try_from(self.tables.organisations().len()).expect("organisations are limited to fewer")
    }
}
