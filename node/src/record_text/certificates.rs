//! Certificates of origin as people and programs read them.

use gridbook_ledger::record::{CertificateChange, Certificates};
use serde_json::{Value, json};

use crate::moment::format_moment;

/// One line about them.
pub(super) fn certificates_text(certificates: &Certificates, mtu_minutes: u32) -> String {
    let Certificates { range, period, holder, change, .. } = certificates;
    let (energy, holder, begins) = (range.energy(), holder.0, format_moment(period.starts_at(mtu_minutes)));
    let what = match change {
        CertificateChange::Issued { source } => format!("issued to meter {holder} for {energy} of {source}"),
        CertificateChange::Moved { from, trade, .. } => {
            format!("for {energy} go from meter {} to meter {holder} with trade #{trade}", from.0)
        }
        CertificateChange::Claimed { by } => format!("claimed: {energy} that meter {} took in", by.0),
        CertificateChange::Unclaimed { by } => {
            format!("no longer claimed: meter {} took in {energy} less", by.0)
        }
        CertificateChange::Revoked { .. } => format!("revoked: {energy} were never given out"),
        CertificateChange::Closed { was_claimed: true } => format!("of meter {holder} used up for good"),
        CertificateChange::Closed { .. } => format!("of meter {holder} expired, claimed by nobody"),
    };
    format!("certificates {range} {what}, delivery {begins}")
}

/// The same as JSON, under its name.
pub(super) fn certificates_json(certificates: &Certificates) -> Value {
    let Certificates { range, period, holder, account, change } = certificates;
    let mut value = json!({
        "issuer": range.issuer().0, "first": range.first(), "last": range.last(), "energy": range.energy().0, "period": period.0,
        "meter": holder.0, "account": account.0});
    let name = match change {
        CertificateChange::Issued { source } => {
            value["source"] = json!(source.to_string());
            "certificates_issued"
        }
        CertificateChange::Moved { from, from_account, trade } => {
            value["from_meter"] = json!(from.0);
            value["from_account"] = json!(from_account.0);
            value["trade"] = json!(trade);
            "certificates_moved"
        }
        CertificateChange::Claimed { by } => {
            value["by_meter"] = json!(by.0);
            "certificates_claimed"
        }
        CertificateChange::Unclaimed { by } => {
            value["by_meter"] = json!(by.0);
            "certificates_unclaimed"
        }
        CertificateChange::Revoked { was_claimed } => {
            value["was_claimed"] = json!(was_claimed);
            "certificates_revoked"
        }
        CertificateChange::Closed { was_claimed } => {
            value["was_claimed"] = json!(was_claimed);
            "certificates_closed"
        }
    };
    json!({name: value})
}
