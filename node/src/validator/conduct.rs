//! What stands against an account, and who may know.

use gridbook_engine::{AccountId, LedgerTime};
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
/// and for what only a meter has. What `pay` says to the number of names of orders that are looked at for it.
fn book(
    state: &State,
    asker: DeviceKind,
    subject: ConductSubject,
    pay: impl FnOnce(usize) -> Result<(), Code>,
) -> Result<ConductBook, Code> {
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
        ConductSubject::Appealed { from } => {
            return audits.map(|()| listed(state.time(), state.conduct_from(from), is_appealed));
        }
        ConductSubject::Validators { from } => {
            return Ok(listed(state.time(), state.conduct_from(from), is_of_validator));
        }
    };
    if own != Some(account) && audits.is_err() {
        return Err(Code::AuthForeign);
    }
    pay(state.conduct_cost_looks_at(account))?;
    book_of(state, account)
}

/// The same, or, where the owner of a meter has granted it, what that meter did: of its account and what others of its meters did nothing is told.
///
/// # Errors
/// As [`book`], and as [`Leave::under_grants`].
pub(super) fn told(
    state: &State,
    asker: &Asker,
    subject: ConductSubject,
    pay: impl FnOnce(usize) -> Result<(), Code>,
) -> Result<(ConductBook, Leave), Code> {
    match asker.device.map(|device| book(state, device, subject, pay)) {
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

/// How many entries one answer looks through, whether they are of the kind that is asked for or not.
const LOOKED_THROUGH_MAX: usize = 4_096;

/// Of these entries those of a kind, whoever bears them, as many as fit.
fn listed<'a>(
    as_of: LedgerTime,
    all: impl Iterator<Item = (u64, &'a Entry)>,
    is_wanted: fn(&Entry) -> bool,
) -> ConductBook {
    let mut book = ConductBook { as_of, standing: None, entries: Vec::new(), next: None };
    for (looked_through, (number, entry)) in all.enumerate() {
        if looked_through == LOOKED_THROUGH_MAX || book.entries.len() == CONDUCT_ENTRIES_MAX {
            book.next = Some(number);
            break;
        }
        book.entries.extend(Some((number, *entry)).filter(|(_, entry)| is_wanted(entry)));
    }
    book
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use gridbook_ledger::crypto::{Hash, PublicKey};
    use gridbook_ledger::evidence::EvidenceKind;

    use super::*;

    /// A hundred thousand accounts have entries, and one of the last has appealed. An auditor finds it page by page, and no page looks through more
    /// than a few thousand.
    #[test]
    fn a_page_of_entries_looks_through_a_bounded_number_of_them() {
        let entry = |number: u64| {
            let state = if number == 99_000 { EntryState::Appealed } else { EntryState::Stands };
            (number, entry_of(state))
        };
        let entries: Vec<(u64, Entry)> = (1..=100_000).map(entry).collect();
        let (mut found, mut from, mut pages) = (Vec::new(), 0, 0);
        loop {
            let looked_at = Cell::new(0);
            let rest = entries.iter().skip_while(|(number, _)| *number < from).map(|(number, entry)| {
                looked_at.set(looked_at.get() + 1);
                (*number, entry)
            });
            let page = listed(LedgerTime(5), rest, is_appealed);
            assert!(looked_at.get() <= LOOKED_THROUGH_MAX + 1, "{}", looked_at.get());
            found.extend(page.entries.iter().map(|(number, _)| *number));
            pages += 1;
            let Some(next) = page.next else { break };
            assert!(next > from);
            from = next;
        }
        assert_eq!((found, pages), (vec![99_000], 25));
    }

    fn entry_of(state: EntryState) -> Entry {
        let fault = Fault::Validator {
            key: PublicKey([1; 32]),
            kind: EvidenceKind::DoubleVote,
            epoch: 0,
            view: 1,
            evidence: Hash::ZERO,
        };
        Entry { fault, at: LedgerTime(1), state }
    }
}
