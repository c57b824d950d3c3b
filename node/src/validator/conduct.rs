//! What stands against an account, and who may know.

use gridbook_engine::AccountId;
use gridbook_ledger::admission::DeviceKind;
use gridbook_ledger::conduct::{Bearer, Entry, EntryState};
use gridbook_ledger::registry::Role;
use gridbook_ledger::reject::Code;
use gridbook_ledger::state::State;

use crate::protocol::{CONDUCT_ENTRIES_MAX, ConductBook, ConductStanding, ConductSubject};

/// An account's conduct is its own business: its meters are told, and auditors, who rule on it; neither its supplier nor who runs the market.
///
/// # Errors
/// `AuthForeign` for others' conduct, also where there is no such account or meter: only an auditor is told that. `AuthRole` for appeals,
/// and for what only a meter has.
pub(super) fn book(state: &State, asker: DeviceKind, subject: ConductSubject) -> Result<ConductBook, Code> {
    let audits = state.require(asker, Role::Auditor, None);
    let own = match asker {
        DeviceKind::Meter { account, .. } => Some(account),
        DeviceKind::Operator | DeviceKind::Organisation(_) => None,
    };
    let account = match subject {
        ConductSubject::Own => own.ok_or(Code::AuthRole)?,
        ConductSubject::Account(account) => account,
        ConductSubject::Meter(meter) => match state.meter(meter) {
            Some(meter) => meter.account,
            None => return Err(audits.map_or(Code::AuthForeign, |()| Code::AuthMeter)),
        },
        ConductSubject::Appealed { from } => return audits.map(|()| appealed(state, from)),
    };
    if own != Some(account) && audits.is_err() {
        return Err(Code::AuthForeign);
    }
    book_of(state, account)
}

fn book_of(state: &State, account: AccountId) -> Result<ConductBook, Code> {
    let view = state.account(account).ok_or(Code::CreditAccount)?;
    let (score, share_ppm, cost) = (view.score, view.share_ppm, state.conduct_cost(account));
    let standing = Some(ConductStanding { account, score, share_ppm, cost });
    let entries = state.conduct_of(Bearer::Account(account));
    Ok(ConductBook { as_of: state.time(), standing, entries, next: None })
}

/// Entries that wait for a ruling, as many as fit.
fn appealed(state: &State, from: u64) -> ConductBook {
    let is_open = |(number, entry): &(u64, &Entry)| *number >= from && entry.state == EntryState::Appealed;
    let mut open = state.conduct().filter(is_open).map(|(number, entry)| (number, *entry));
    let entries: Vec<(u64, Entry)> = open.by_ref().take(CONDUCT_ENTRIES_MAX).collect();
    let next = open.next().map(|(number, _)| number);
    ConductBook { as_of: state.time(), standing: None, entries, next }
}
