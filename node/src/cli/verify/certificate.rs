//! `gridbook verify certificate`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use gridbook_engine::EnergySources;
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::origin::Standing;
use gridbook_ledger::origin::proof::{CertificateProof, Charge, Step, StepKind, VerifiedCertificate};
use gridbook_ledger::receipt::VerifiedHistory;
use serde_json::{Value, json};

use super::super::Global;
use super::read_history;
use crate::moment::format_moment;

/// Traces certificates from the plant's meter to what became of them, and says so step by step.
pub(super) fn verify(global: &Global, file: &Path, histories: &[PathBuf], genesis: &Genesis) -> anyhow::Result<()> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let proof = CertificateProof::decode(&bytes).with_context(|| {
        format!("{} is no certificate: `gridbook meter certificate --out` writes one", file.display())
    })?;
    let verified = proof.verify(genesis).with_context(|| format!("{} proves nothing", file.display()))?;
    let charge = charge_of(&verified, histories, genesis)?;
    let mut value = certificate_json(&verified, genesis);
    if let Some(Charge { cancelled, certified }) = charge {
        value["charge"] = json!({"cancelled": cancelled.0, "certified": certified.0});
    }
    global.print(&value, || certificate_text(&verified, genesis) + &charge_text(&verified, charge))
}

/// What stands behind a storage's certificates, if histories are given that say so.
fn charge_of(verified: &VerifiedCertificate, files: &[PathBuf], genesis: &Genesis) -> anyhow::Result<Option<Charge>> {
    if files.is_empty() {
        return Ok(None);
    }
    let histories: Vec<VerifiedHistory> =
        files.iter().map(|file| Ok(read_history(file, genesis)?.1)).collect::<anyhow::Result<_>>()?;
    let charge = verified.charge(&histories);
    Ok(Some(charge.context("the histories do not show what stands behind the certificates")?))
}

fn charge_text(verified: &VerifiedCertificate, charge: Option<Charge>) -> String {
    match charge {
        Some(Charge { cancelled, certified }) => format!(
            "\nWhen they were issued, {cancelled} were cancelled for what meter {} had taken in, and with them it was certified for {certified}.",
            verified.plant.0
        ),
        None if verified.source == EnergySources::STORAGE => {
            "\nWhat they were charged with is in the history of the storage's account: give it by --history.".to_owned()
        }
        None => String::new(),
    }
}

fn certificate_json(verified: &VerifiedCertificate, genesis: &Genesis) -> Value {
    let VerifiedCertificate { range, period, source, plant, steps, standing, is_final } = verified;
    json!({
        "verified": true,
        "chain": genesis.chain_id().to_hex(),
        "issuer": range.issuer().0,
        "first": range.first(),
        "last": range.last(),
        "energy": range.energy().0,
        "period": period.0,
        "source": source.to_string(),
        "plant": plant.0,
        "standing": standing.name(),
        "final": is_final,
        "steps": steps.iter().map(step_json).collect::<Vec<_>>(),
    })
}

fn step_json(step: &Step) -> Value {
    let mut value = match step.what {
        StepKind::Measured { meter, start_seq, delivery } => json!({
            "step": "measured", "meter": meter.0, "other_reading": start_seq, "import": delivery.import.0, "export": delivery.export.0}),
        StepKind::Issued { among, plant, account } => json!({
            "step": "issued", "meter": plant.0, "account": account.0, "among_first": among.first(), "among_last": among.last()}),
        StepKind::Moved { from, to, account, trade } => json!({
            "step": "moved", "from_meter": from.0, "meter": to.0, "account": account.0, "trade": trade}),
        StepKind::Claimed { holder, by } => json!({"step": "claimed", "meter": holder.0, "by_meter": by.0}),
        StepKind::Unclaimed { by } => json!({"step": "unclaimed", "by_meter": by.0}),
        StepKind::Revoked => json!({"step": "revoked"}),
        StepKind::Closed { was_claimed } => json!({"step": "closed", "was_claimed": was_claimed}),
    };
    value["seq"] = json!(step.seq);
    value["ledger_time_ms"] = json!(step.time.0);
    value
}

fn certificate_text(verified: &VerifiedCertificate, genesis: &Genesis) -> String {
    let VerifiedCertificate { range, period, source, plant, steps, .. } = verified;
    let area = genesis.area_name(range.issuer());
    let mut text = format!(
        "The certificates are good: 2f+1 validators of {:?} made each step final.\n{range}: {} of {source} from meter {} in {area}, \
         delivered {}.",
        genesis.name,
        range.energy(),
        plant.0,
        format_moment(period.starts_at(genesis.rules.mtu_minutes))
    );
    for step in steps {
        text.push_str(&format!("\n  #{} {}: {}", step.seq, format_moment(step.time), step_text(&step.what)));
    }
    text + "\n" + standing_text(verified)
}

fn step_text(what: &StepKind) -> String {
    match what {
        StepKind::Measured { meter, start_seq, delivery } => format!(
            "meter {} has given out {} and taken in {}, by this reading and #{start_seq}",
            meter.0, delivery.export, delivery.import
        ),
        StepKind::Issued { among, plant, account } => {
            format!("issued to meter {} of account {}, among {among}", plant.0, account.0)
        }
        StepKind::Moved { from, to, account, trade } => {
            format!("sold by meter {} to meter {} of account {} in trade #{trade}", from.0, to.0, account.0)
        }
        StepKind::Claimed { holder, by } if holder == by => format!("used up by meter {}", by.0),
        StepKind::Claimed { by, .. } => format!("claimed for what meter {} of the same account used up", by.0),
        StepKind::Unclaimed { by } => format!("the claim is taken back: meter {} has taken in less", by.0),
        StepKind::Revoked => "revoked: the energy was never given out".to_owned(),
        StepKind::Closed { was_claimed: true } => "the period is final, and they are used up for good".to_owned(),
        StepKind::Closed { was_claimed: false } => "the period is final, and they have expired".to_owned(),
    }
}

fn standing_text(verified: &VerifiedCertificate) -> &'static str {
    match (verified.standing, verified.is_final) {
        (Standing::Cancelled, true) => "They stand for that use, for ever: nobody else can use them.",
        (Standing::Cancelled, false) => {
            "They stand for that use so far. The period was not final yet: a correction of a reading could still take it back."
        }
        (Standing::Active, _) => "They are active so far: nobody has claimed them.",
        (Standing::Expired, _) => "They stand for nobody's use, for ever.",
        (Standing::Revoked, _) => "They are revoked: they stand for nothing.",
    }
}
