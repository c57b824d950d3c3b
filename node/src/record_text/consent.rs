//! What is said of grants.

use gridbook_ledger::consent::{EndCause, Grant, GrantReader};
use gridbook_ledger::record::{Consent, ConsentChange};
use serde_json::{Value, json};

use crate::moment::format_moment;

/// For people.
pub(super) fn consent_text(consent: &Consent) -> String {
    let Consent { meter, account, reader, change } = consent;
    let (meter, account, reader) = (meter.0, account.0, reader_text(reader));
    match change {
        ConsentChange::Granted(Grant { scope, until }) => {
            let until = format_moment(*until);
            format!("{reader} may read of meter {meter} of account {account} until {until}: {scope}")
        }
        ConsentChange::Ended(cause) => {
            let why = match cause {
                EndCause::Revoked => "its owner has taken that back",
                EndCause::Expired => "its time is over",
                EndCause::Transferred => "the meter has a new owner",
                EndCause::MeterRevoked => "the meter is revoked",
            };
            format!("{reader} may read nothing of meter {meter} of account {account} any more: {why}")
        }
    }
}

/// For programs.
pub(super) fn consent_json(consent: &Consent) -> Value {
    let Consent { meter, account, reader, change } = consent;
    let (meter, account, reader) = (meter.0, account.0, reader_json(reader));
    match change {
        ConsentChange::Granted(Grant { scope, until }) => json!({"access_granted": {"meter": meter, "account": account,
            "reader": reader, "scope": scope.to_string(), "until": format_moment(*until)}}),
        ConsentChange::Ended(cause) => json!({"access_ended": {"meter": meter, "account": account, "reader": reader,
            "cause": cause.name()}}),
    }
}

/// Whom something is granted to, for people.
pub(crate) fn reader_text(reader: &GrantReader) -> String {
    match reader {
        GrantReader::Organisation(organisation) => format!("organisation {}", organisation.0),
        GrantReader::Key(key) => format!("the key {key}"),
    }
}

/// Whom something is granted to, for programs.
pub(crate) fn reader_json(reader: &GrantReader) -> Value {
    match reader {
        GrantReader::Organisation(organisation) => json!({"organisation": organisation.0}),
        GrantReader::Key(key) => json!({"key": key.to_hex()}),
    }
}
