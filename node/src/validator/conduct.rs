//! What stands against an account, and who may know.

use gridbook_engine::AccountId;
use gridbook_ledger::admission::DeviceKind;
use gridbook_ledger::conduct::{Bearer, Entry, EntryState, Fault};
use gridbook_ledger::registry::Role;
use gridbook_ledger::reject::Code;
use gridbook_ledger::state::State;

use super::leave::{Asker, Leave};
use super::reader::Reader;
use crate::protocol::{CONDUCT_ENTRIES_MAX, ConductBook, ConductStanding, ConductSubject, QueryKind, Use};

/// An account's conduct is its own business: its meters are told, and auditors, who rule on it; neither its supplier nor who runs the market.
/// What validators did is everybody's business: all rely on them.
///
/// # Errors
/// `AuthForeign` for others' conduct, also where there is no such account or meter: only an auditor is told that. `AuthRole` for appeals,
/// and for what only a meter has.
fn book(state: &State, asker: DeviceKind, subject: ConductSubject) -> Result<ConductBook, Code> {
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
        ConductSubject::Appealed { from } => return audits.map(|()| listed(state, from, is_appealed)),
        ConductSubject::Validators { from } => return Ok(listed(state, from, is_of_validator)),
    };
    if own != Some(account) && audits.is_err() {
        return Err(Code::AuthForeign);
    }
    book_of(state, account)
}

/// The same, or, where the owner of a meter has granted it, what that meter did: of its account and what others of its meters did nothing is told.
///
/// # Errors
/// As [`book`], and as [`Leave::under_grants`].
pub(super) fn told(state: &State, asker: &Asker, subject: ConductSubject) -> Result<(ConductBook, Leave), Code> {
    match asker.device.map(|device| book(state, device, subject)) {
        None | Some(Err(Code::AuthForeign)) => {
            let leave = Leave::under_grants(state, asker, QueryKind::Conduct(subject))?;
            let entries = leave.under.iter().flat_map(|used| entries_of(state, used)).collect();
            Ok((ConductBook { as_of: state.time(), standing: None, entries, next: None }, leave))
        }
        Some(by_right) => by_right.map(|book| (book, Leave::of_right(Reader::Anybody))),
    }
}

fn entries_of(state: &State, used: &Use) -> Vec<(u64, Entry)> {
    let mut entries = state.conduct_of(Bearer::Account(used.account));
    entries.retain(|(_, entry)| matches!(entry.fault, Fault::Device { meter, .. } if meter == used.meter));
    entries
}

fn book_of(state: &State, account: AccountId) -> Result<ConductBook, Code> {
    let view = state.account(account).ok_or(Code::CreditAccount)?;
    let (score, share_ppm, cost) = (view.score, view.share_ppm, state.conduct_cost(account));
    let standing = Some(ConductStanding { account, score, share_ppm, cost });
    let entries = state.conduct_of(Bearer::Account(account));
    Ok(ConductBook { as_of: state.time(), standing, entries, next: None })
}

fn is_appealed(entry: &Entry) -> bool {
    entry.state == EntryState::Appealed
}

fn is_of_validator(entry: &Entry) -> bool {
    matches!(entry.fault.bearer(), Bearer::Validator(_))
}

/// Entries of a kind, whoever bears them, from a number on, as many as fit.
fn listed(state: &State, from: u64, is_wanted: fn(&Entry) -> bool) -> ConductBook {
    let wanted = state.conduct().filter(|(number, entry)| *number >= from && is_wanted(entry));
    let mut wanted = wanted.map(|(number, entry)| (number, *entry));
    let entries: Vec<(u64, Entry)> = wanted.by_ref().take(CONDUCT_ENTRIES_MAX).collect();
    let next = wanted.next().map(|(number, _)| number);
    ConductBook { as_of: state.time(), standing: None, entries, next }
}
