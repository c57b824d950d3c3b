//! `gridbook meter grants --uses`: what was read of a meter under its grants.

use anyhow::bail;
use gridbook_engine::{LedgerTime, MeterId};
use gridbook_ledger::crypto::SecretKey;

use super::Session;
use crate::cli::Global;
use crate::client::{uses_by_validator, wall_us};
use crate::protocol::SignedQuery;
use crate::uses::UsesText;

/// Asks every validator what it has told others of a meter under grants, and prints it. What some of them said is worth printing; that
/// not all did is an error.
pub(super) async fn show_uses(
    session: &Session,
    key: SecretKey,
    meter: MeterId,
    global: &Global,
) -> anyhow::Result<()> {
    let (chain, now) = (session.genesis.chain_id(), session.genesis.ledger_now(wall_us()));
    let expires_at = LedgerTime(now.0.saturating_add(86_400_000));
    let sign = move |kind| SignedQuery::sign(chain, kind, expires_at, &key);
    let (validators, patience) = session.client.reach();
    let told = uses_by_validator(validators, patience, sign, meter).await;
    let text = UsesText { meter, told: &told, mtu_minutes: session.genesis.rules.mtu_minutes };
    global.print(&text.json(), || text.text())?;
    let silent = told.iter().filter(|(_, told)| told.is_err()).count();
    if silent > 0 {
        bail!("{silent} of {} validators did not say what they have told", told.len());
    }
    Ok(())
}
