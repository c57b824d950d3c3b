//! Who may read what of a meter's data: granted and taken back by its owner, ended by time and by a new owner ([`crate::consent`]).

use gridbook_engine::{LedgerTime, MeterId};

use super::State;
use super::audit::AuditError;
use crate::command::GrantAccess;
use crate::consent::{EndCause, GRANT_MS_MAX, GRANTS_MAX, Grant, GrantReader, Scope, grants_hash};
use crate::crypto::Hash;
use crate::record::{Consent, ConsentChange, RecordEvent};
use crate::registry::DeviceStanding;
use crate::reject::Code;

/// Granting.
impl State {
    /// A meter lets somebody read its data. Where it has as many readers as it may, one whose time is over makes room.
    pub(super) fn grant_access(
        &mut self,
        sender: MeterId,
        command: &GrantAccess,
        events: &mut Vec<RecordEvent>,
    ) -> Result<(), Code> {
        let GrantAccess { meter, reader, scope, until } = *command;
        if sender != meter {
            return Err(Code::ConsentForeign);
        }
        self.check_grant_reader(reader)?;
        if until <= self.time() || until.0 > self.time().0.saturating_add(GRANT_MS_MAX) {
            return Err(Code::ConsentUntil);
        }
        let grants = self.tables.consent();
        if grants.grant(meter, reader).is_none() && grants.of(meter).count() >= GRANTS_MAX {
            let first_over = grants.of(meter).filter(|(_, grant)| !grant.is_live(self.time()));
            let (_, over) = first_over.map(|(reader, grant)| (grant.until, *reader)).min().ok_or(Code::ConsentFull)?;
            events.push(self.end_grant(meter, over, EndCause::Expired));
        }
        let grant = Grant { scope, until };
        self.tables.set_grant(meter, reader, Some(grant));
        events.push(self.consent_event(meter, reader, ConsentChange::Granted(grant)));
        Ok(())
    }

    /// Any meter of an account takes back what another has granted: one that is suspended, or whose key is lost, cannot do it by itself.
    pub(super) fn revoke_access(
        &mut self,
        sender: MeterId,
        meter: MeterId,
        reader: GrantReader,
    ) -> Result<RecordEvent, Code> {
        let account = |meter| self.tables.meter(meter).map(|meter| meter.facts.account);
        if account(sender) != account(meter) {
            return Err(Code::ConsentForeign);
        }
        self.tables.consent().grant(meter, reader).ok_or(Code::ConsentUnknown)?;
        Ok(self.end_grant(meter, reader, EndCause::Revoked))
    }

    fn check_grant_reader(&self, reader: GrantReader) -> Result<(), Code> {
        let is_good = match reader {
            GrantReader::Organisation(organisation) => {
                let row = self.tables.organisation(organisation);
                row.is_some_and(|row| row.access.standing != DeviceStanding::Revoked)
            }
            GrantReader::Key(key) => key.check().is_ok(),
        };
        if is_good { Ok(()) } else { Err(Code::ConsentReader) }
    }
}

/// Ending.
impl State {
    /// All that a meter has granted ends.
    pub(super) fn end_grants(&mut self, meter: MeterId, cause: EndCause, events: &mut Vec<RecordEvent>) {
        let readers: Vec<GrantReader> = self.tables.consent().of(meter).map(|(reader, _)| *reader).collect();
        for reader in readers {
            events.push(self.end_grant(meter, reader, cause));
        }
    }

    fn end_grant(&mut self, meter: MeterId, reader: GrantReader, cause: EndCause) -> RecordEvent {
        self.tables.set_grant(meter, reader, None);
        self.consent_event(meter, reader, ConsentChange::Ended(cause))
    }

    fn consent_event(&self, meter: MeterId, reader: GrantReader, change: ConsentChange) -> RecordEvent {
        let account = self.tables.meter(meter).expect("only registered meters grant anything").facts.account;
        RecordEvent::Consent(Consent { meter, account, reader, change })
    }

    /// When the next grant is forgotten.
    pub(super) fn next_grant_due(&self) -> Option<LedgerTime> {
        self.tables.consent().next_end().map(|(at, ..)| at)
    }

    /// Forgets up to `max` grants that are over long enough; tells how many.
    pub(super) fn forget_grants(&mut self, max: usize, events: &mut Vec<RecordEvent>) -> usize {
        for gone in 0..max {
            let due = self.tables.consent().next_end().filter(|(at, ..)| *at <= self.time());
            let Some((_, meter, reader)) = due else { return gone };
            events.push(self.end_grant(meter, reader, EndCause::Expired));
        }
        max
    }
}

/// Looking.
impl State {
    /// What a meter has granted to a reader, also while it is over and remembered.
    pub fn grant(&self, meter: MeterId, reader: GrantReader) -> Option<Grant> {
        self.tables.consent().grant(meter, reader)
    }

    /// All that a meter has granted, by reader: live, or over and remembered.
    pub fn grants_of(&self, meter: MeterId) -> Vec<(GrantReader, Grant)> {
        self.tables.consent().of(meter).map(|(reader, grant)| (*reader, *grant)).collect()
    }

    /// Whether a reader may now read what of a meter is in `scope`.
    ///
    /// # Errors
    /// `AuthForeign` without a grant, `ConsentExpired` if it is over, `ConsentScope` if it is for something else.
    pub fn check_grant(&self, meter: MeterId, reader: GrantReader, scope: Scope) -> Result<Grant, Code> {
        let grant = self.grant(meter, reader).ok_or(Code::AuthForeign)?;
        if !grant.is_live(self.time()) {
            return Err(Code::ConsentExpired);
        }
        if grant.scope.covers(scope) { Ok(grant) } else { Err(Code::ConsentScope) }
    }

    /// Whether anybody lets a reader read anything now.
    pub fn is_granted_anything(&self, reader: GrantReader) -> bool {
        let consent = self.tables.consent();
        consent
            .meters_open_to(reader)
            .any(|meter| consent.grant(meter, reader).is_some_and(|grant| grant.is_live(self.time())))
    }

    /// The rows of meters say what their grants are, and there are no more than there may be.
    pub(super) fn audit_consent(&self) -> Result<(), AuditError> {
        let consent = self.tables.consent();
        if let Some((meter, _)) = consent.grants().keys().find(|(meter, _)| self.tables.meter(*meter).is_none()) {
            return Err(AuditError::Consent(*meter));
        }
        // Meters without grants are the many: of them only that their rows say so.
        for (number, row) in (0..).map(MeterId).zip(self.tables.meters()) {
            if row.status.grants == Hash::ZERO && consent.of(number).next().is_none() {
                continue;
            }
            if consent.of(number).count() > GRANTS_MAX || row.status.grants != grants_hash(consent.of(number)) {
                return Err(AuditError::Consent(number));
            }
        }
        Ok(())
    }
}
