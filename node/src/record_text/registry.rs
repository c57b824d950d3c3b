//! What the registry's events say.

use gridbook_ledger::record::RecordEvent;
use gridbook_ledger::registry::{DeviceStanding, Subject};
use serde_json::{Value, json};

/// Nothing for an event of another room.
pub(super) fn registry_text(event: &RecordEvent) -> Option<String> {
    Some(match *event {
        RecordEvent::Ordered { by } => format!("ordered by organisation {}", by.0),
        RecordEvent::OrganisationRegistered { organisation } => format!("organisation {} enrolled", organisation.0),
        RecordEvent::StandingChanged { subject, standing, reason } => {
            let what = match standing {
                DeviceStanding::Active => "let in again",
                DeviceStanding::Suspended => "suspended",
                DeviceStanding::Revoked => "revoked for good",
            };
            format!("{} {what}: {}", subject_text(subject), reason.sentence())
        }
        RecordEvent::KeyChanged { subject, key } => {
            format!("{} has a new key: {}", subject_text(subject), key.to_hex())
        }
        RecordEvent::MeterTransferred { meter, from, to, reason } => {
            format!("meter {} passes from account {} to account {}: {}", meter.0, from.0, to.0, reason.sentence())
        }
        RecordEvent::InstallationSet { meter, certificate } => {
            format!("installation of meter {} set, certificate {}", meter.0, certificate.to_hex())
        }
        _ => return None,
    })
}

/// Nothing for an event of another room.
pub(super) fn registry_json(event: &RecordEvent) -> Option<Value> {
    Some(match *event {
        RecordEvent::Ordered { by } => json!({"ordered": {"by": by.0}}),
        RecordEvent::OrganisationRegistered { organisation } => {
            json!({"organisation_registered": {"organisation": organisation.0}})
        }
        RecordEvent::StandingChanged { subject, standing, reason } => json!({"standing_changed": {
            "subject": subject_json(subject), "standing": standing.name(), "reason": reason.name()}}),
        RecordEvent::KeyChanged { subject, key } => {
            json!({"key_changed": {"subject": subject_json(subject), "key": key.to_hex()}})
        }
        RecordEvent::MeterTransferred { meter, from, to, reason } => json!({"meter_transferred": {
            "meter": meter.0, "from": from.0, "to": to.0, "reason": reason.name()}}),
        RecordEvent::InstallationSet { meter, certificate } => {
            json!({"installation_set": {"meter": meter.0, "certificate": certificate.to_hex()}})
        }
        _ => return None,
    })
}

fn subject_text(subject: Subject) -> String {
    match subject {
        Subject::Meter(meter) => format!("meter {}", meter.0),
        Subject::Organisation(organisation) => format!("organisation {}", organisation.0),
    }
}

fn subject_json(subject: Subject) -> Value {
    match subject {
        Subject::Meter(meter) => json!({"meter": meter.0}),
        Subject::Organisation(organisation) => json!({"organisation": organisation.0}),
    }
}
