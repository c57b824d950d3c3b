//! Who may read what of a meter: granted and taken back by its owner, ended by time, by a new owner, and with the meter.

use std::collections::BTreeMap;

use gridbook_engine::{AccountId, LedgerTime, MeterId};
use gridbook_ledger::command::{Command, GrantAccess, NewOrganisation};
use gridbook_ledger::consent::{
    EndCause, GRANT_MS_MAX, GRANTS_MAX, Grant, GrantReader, REMEMBERED_MS, Scope, grants_hash,
};
use gridbook_ledger::crypto::{Hash, PublicKey};
use gridbook_ledger::record::{Consent, ConsentChange, Outcome, Party, Record, RecordEvent};
use gridbook_ledger::registry::{OrganisationId, OrganisationName, Reason, Role, Roles, Subject};
use gridbook_ledger::reject::Code;
use gridbook_ledger::state::State;

use crate::town::{Dice, Town, key, refusal};

const HOUR_MS: u64 = 3_600_000;
const WORKS: GrantReader = GrantReader::Organisation(OrganisationId(0));
const WORKS_KEY: u32 = 2_000;

/// Meters 0 and 1 of two accounts, meter 2 of the first as well, and the works, who sell advice.
fn town() -> Town {
    let mut town = Town::of(2);
    let works = NewOrganisation {
        organisation: OrganisationId(0),
        key: key(WORKS_KEY),
        name: OrganisationName::new("Works").unwrap(),
        roles: Roles::of(Role::Supplier),
        area: None,
    };
    let third = crate::town::register(2, AccountId(0), gridbook_engine::AreaId(0));
    let records = town.operator(vec![Command::RegisterOrganisation(works), third]);
    assert!(records.iter().all(|record| record.outcome == Outcome::Done), "{records:?}");
    town
}

/// Whoever has the key, as the meter of nobody.
fn reader(number: u32) -> GrantReader {
    GrantReader::Key(key(5_000 + number))
}

fn in_hours(town: &Town, hours: u64) -> LedgerTime {
    LedgerTime(town.state.time().0 + hours * HOUR_MS)
}

fn grant(meter: u32, reader: GrantReader, scope: Scope, until: LedgerTime) -> Command {
    Command::GrantAccess(GrantAccess { meter: MeterId(meter), reader, scope, until })
}

fn revoke(meter: u32, reader: GrantReader) -> Command {
    Command::RevokeAccess { meter: MeterId(meter), reader }
}

fn consent(meter: u32, account: u32, reader: GrantReader, change: ConsentChange) -> RecordEvent {
    RecordEvent::Consent(Consent { meter: MeterId(meter), account: AccountId(account), reader, change })
}

fn check(town: &Town, meter: u32, reader: GrantReader, scope: Scope) -> Result<(), Code> {
    town.state.check_grant(MeterId(meter), reader, scope).map(|_| ())
}

fn go_to(town: &mut Town, at: u64) {
    assert_eq!(town.time(LedgerTime(at)), Outcome::Done);
}

/// The works may read the bills for a day, and nothing beside them; another meter's not at all. The owner thinks better of it.
#[test]
fn an_owner_lets_somebody_read_and_takes_it_back() {
    let mut town = town();
    let until = in_hours(&town, 24);
    let before = town.state.meter(MeterId(0)).unwrap().grants;
    assert_eq!((before, check(&town, 0, WORKS, Scope::STATEMENT)), (Hash::ZERO, Err(Code::AuthForeign)));

    let given = Grant { scope: Scope::STATEMENT, until };
    let record = town.done(0, grant(0, WORKS, Scope::STATEMENT, until));
    assert_eq!(record.events, [consent(0, 0, WORKS, ConsentChange::Granted(given))]);
    let parties = [Party::Account(AccountId(0)), Party::Meter(MeterId(0)), Party::Organisation(OrganisationId(0))];
    assert_eq!(record.parties(), parties, "the works' own history says what they were let read");
    assert_eq!(check(&town, 0, WORKS, Scope::STATEMENT), Ok(()));
    assert_eq!(check(&town, 0, WORKS, Scope::CONDUCT), Err(Code::ConsentScope));
    assert_eq!(check(&town, 0, WORKS, Scope::ALL), Err(Code::ConsentScope));
    for meter in [1, 2] {
        assert_eq!(check(&town, meter, WORKS, Scope::STATEMENT), Err(Code::AuthForeign), "meter {meter}");
    }
    assert_eq!(check(&town, 0, reader(1), Scope::STATEMENT), Err(Code::AuthForeign));
    assert_eq!(town.state.meter(MeterId(0)).unwrap().grants, grants_hash([(&WORKS, &given)].into_iter()));

    // Another word to the same reader takes the first one's place.
    town.done(0, grant(0, WORKS, Scope::CONDUCT, until));
    assert_eq!(check(&town, 0, WORKS, Scope::STATEMENT), Err(Code::ConsentScope));
    assert_eq!(town.state.grants_of(MeterId(0)), [(WORKS, Grant { scope: Scope::CONDUCT, until })]);

    let record = town.done(0, revoke(0, WORKS));
    assert_eq!(record.events, [consent(0, 0, WORKS, ConsentChange::Ended(EndCause::Revoked))]);
    assert_eq!(check(&town, 0, WORKS, Scope::CONDUCT), Err(Code::AuthForeign));
    assert_eq!(town.state.meter(MeterId(0)).unwrap().grants, Hash::ZERO);
    assert_eq!(town.refused(0, revoke(0, WORKS)), Code::ConsentUnknown);
}

/// A neighbour cannot open my data, nor close what I opened; another meter of mine cannot open them either, but it can close them.
#[test]
fn nobody_else_speaks_for_a_meter() {
    let mut town = town();
    let until = in_hours(&town, 1);
    for other in [1, 2] {
        assert_eq!(town.refused(other, grant(0, WORKS, Scope::ALL, until)), Code::ConsentForeign);
    }
    town.done(0, grant(0, WORKS, Scope::ALL, until));
    assert_eq!(town.refused(1, revoke(0, WORKS)), Code::ConsentForeign);
    assert_eq!(town.refused(0, revoke(9, WORKS)), Code::ConsentForeign, "a meter that is not there");
    for command in [grant(0, WORKS, Scope::ALL, until), revoke(0, WORKS)] {
        assert_eq!(refusal(&town.operator(vec![command])[0]), Some(Code::AuthRole), "not even the operator");
    }
    // The meter is suspended, and gives no commands; the owner's other one closes what it had opened.
    let suspend = Command::Suspend { subject: Subject::Meter(MeterId(0)), reason: Reason::Tampering };
    assert_eq!(town.operator(vec![suspend])[0].outcome, Outcome::Done);
    assert_eq!(town.refused(0, revoke(0, WORKS)), Code::AuthSuspended);
    assert_eq!(check(&town, 0, WORKS, Scope::ALL), Ok(()));
    let record = town.done(2, revoke(0, WORKS));
    assert_eq!(record.events, [consent(0, 0, WORKS, ConsentChange::Ended(EndCause::Revoked))]);
}

/// At the moment itself it is over. For a week the reader is told so, then the row is let go of, by a record that says it.
#[test]
fn a_grant_ends_by_ledger_time_and_is_forgotten_a_week_later() {
    let mut town = town();
    let until = in_hours(&town, 2);
    town.done(0, grant(0, WORKS, Scope::ALL, until));
    town.done(0, grant(0, reader(1), Scope::ALL, LedgerTime(until.0 + 1)));
    go_to(&mut town, until.0 - 1);
    assert_eq!(check(&town, 0, WORKS, Scope::ALL), Ok(()));
    assert!(town.state.is_granted_anything(WORKS));
    go_to(&mut town, until.0);
    assert_eq!(check(&town, 0, WORKS, Scope::ALL), Err(Code::ConsentExpired));
    assert!(!town.state.is_granted_anything(WORKS) && town.state.is_granted_anything(reader(1)));
    town.work_all(100);
    go_to(&mut town, until.0 + REMEMBERED_MS - 1);
    town.work_all(100);
    assert_eq!(check(&town, 0, WORKS, Scope::ALL), Err(Code::ConsentExpired));

    go_to(&mut town, until.0 + REMEMBERED_MS);
    assert!(town.state.has_work());
    let events: Vec<RecordEvent> = town.work_all(100).into_iter().flat_map(|record| record.events).collect();
    assert_eq!(events, [consent(0, 0, WORKS, ConsentChange::Ended(EndCause::Expired))]);
    assert_eq!(check(&town, 0, WORKS, Scope::ALL), Err(Code::AuthForeign));
    assert_eq!(check(&town, 0, reader(1), Scope::ALL), Err(Code::ConsentExpired));
}

/// However many end at one time, a slice of work lets go of no more than it may.
#[test]
fn grants_are_forgotten_in_slices() {
    let mut town = town();
    let until = in_hours(&town, 2);
    for number in 0..10 {
        town.done(0, grant(0, reader(number), Scope::ALL, until));
    }
    go_to(&mut town, until.0 + REMEMBERED_MS);
    let slices: Vec<usize> = town.work_all(4).iter().map(|record: &Record| record.events.len()).collect();
    assert_eq!(slices, [4, 4, 2]);
    assert_eq!(town.state.grants_of(MeterId(0)), []);
}

#[test]
fn a_grant_that_is_over_already_or_ends_too_late_is_refused() {
    let mut town = town();
    let now = town.state.time().0;
    for until in [0, now - 1, now, now + GRANT_MS_MAX + 1, u64::MAX] {
        assert_eq!(town.refused(0, grant(0, WORKS, Scope::ALL, LedgerTime(until))), Code::ConsentUntil, "{until}");
    }
    for until in [now + 1, now + GRANT_MS_MAX] {
        town.done(0, grant(0, WORKS, Scope::ALL, LedgerTime(until)));
    }
}

#[test]
fn a_reader_that_is_nobody_or_has_a_weak_key_is_refused() {
    let mut town = town();
    let until = in_hours(&town, 1);
    let nobody = GrantReader::Organisation(OrganisationId(1));
    // The neutral element of the group signs for everybody.
    let weak = GrantReader::Key(PublicKey([&[1][..], &[0; 31]].concat().try_into().unwrap()));
    for reader in [nobody, weak] {
        assert_eq!(town.refused(0, grant(0, reader, Scope::ALL, until)), Code::ConsentReader, "{reader:?}");
    }
    let revoke = Command::Revoke { subject: Subject::Organisation(OrganisationId(0)), reason: Reason::Misconduct };
    assert_eq!(town.operator(vec![revoke])[0].outcome, Outcome::Done);
    assert_eq!(town.refused(0, grant(0, WORKS, Scope::ALL, until)), Code::ConsentReader);
}

/// What one owner can make everybody remember is bounded; a grant whose time is over makes room, the one that ended first before others.
#[test]
fn a_meter_has_thirty_two_readers_and_no_more() {
    let mut town = town();
    let (soon, late) = (in_hours(&town, 1), in_hours(&town, 48));
    for number in 0..u32::try_from(GRANTS_MAX).unwrap() {
        let until = if number == 7 {
            LedgerTime(soon.0 - 1)
        } else if number == 3 {
            soon
        } else {
            late
        };
        town.done(0, grant(0, reader(number), Scope::ALL, until));
    }
    let root = town.state.snapshot_root();
    assert_eq!(town.refused(0, grant(0, WORKS, Scope::ALL, late)), Code::ConsentFull);
    assert_ne!(town.state.snapshot_root(), root, "the nonce is used");
    town.done(0, grant(0, reader(9), Scope::CONDUCT, late));
    town.done(2, grant(2, WORKS, Scope::ALL, late));

    go_to(&mut town, soon.0);
    let record = town.done(0, grant(0, WORKS, Scope::ALL, late));
    let made_room = consent(0, 0, reader(7), ConsentChange::Ended(EndCause::Expired));
    let given = ConsentChange::Granted(Grant { scope: Scope::ALL, until: late });
    assert_eq!(record.events, [made_room, consent(0, 0, WORKS, given)]);
    town.done(0, grant(0, reader(40), Scope::ALL, late));
    assert_eq!(town.refused(0, grant(0, reader(41), Scope::ALL, late)), Code::ConsentFull);
    assert_eq!(town.state.grants_of(MeterId(0)).len(), GRANTS_MAX);
    town.done(0, revoke(0, reader(40)));
    town.done(0, grant(0, reader(41), Scope::ALL, late));
}

/// The house is sold. What its old owner let others read was his word; the new one begins with none, and the record says whose word ended.
#[test]
fn a_new_owner_begins_without_any_grant() {
    let mut town = town();
    let until = in_hours(&town, 48);
    town.done(2, grant(2, WORKS, Scope::ALL, until));
    town.done(2, grant(2, reader(1), Scope::STATEMENT, until));
    town.done(0, grant(0, WORKS, Scope::ALL, until));
    let (meter, account, reason) = (MeterId(2), AccountId(1), Reason::MovedOut);
    let record = town.operator(vec![Command::TransferMeter { meter, account, reason }]).remove(0);
    let from = AccountId(0);
    let ended = ConsentChange::Ended(EndCause::Transferred);
    let expected = [
        RecordEvent::MeterTransferred { meter, from, to: account, reason },
        consent(2, 0, WORKS, ended),
        consent(2, 0, reader(1), ended),
    ];
    assert_eq!(record.events, expected);
    assert_eq!((check(&town, 2, WORKS, Scope::ALL), town.state.grants_of(meter)), (Err(Code::AuthForeign), vec![]));
    assert_eq!(check(&town, 0, WORKS, Scope::ALL), Ok(()), "the other meter stays with its owner");
    assert_eq!(town.refused(0, revoke(2, WORKS)), Code::ConsentForeign);
}

/// The key of a meter that is revoked signs nothing any more, and could not take anything back.
#[test]
fn what_a_meter_has_granted_ends_when_it_is_revoked() {
    let mut town = town();
    let until = in_hours(&town, 48);
    town.done(0, grant(0, WORKS, Scope::ALL, until));
    let revoke = Command::Revoke { subject: Subject::Meter(MeterId(0)), reason: Reason::ContractEnded };
    let record = town.operator(vec![revoke]).remove(0);
    assert_eq!(record.events[1..], [consent(0, 0, WORKS, ConsentChange::Ended(EndCause::MeterRevoked))]);
    assert_eq!(check(&town, 0, WORKS, Scope::ALL), Err(Code::AuthForeign));
}

/// A view change takes a grant back, and a revocation too; a snapshot brings both to whoever joins.
#[test]
fn grants_are_undone_by_a_rollback_and_restored_from_a_snapshot() {
    let mut town = town();
    let (soon, until) = (in_hours(&town, 1), in_hours(&town, 48));
    town.done(0, grant(0, WORKS, Scope::ALL, until));
    town.done(1, grant(1, reader(1), Scope::STATEMENT, soon));
    let (mark, seq) = (town.state.mark(), town.next_seq);
    let (root, snapshot) = (town.state.state_root(), town.state.snapshot());
    town.done(0, revoke(0, WORKS));
    town.done(0, grant(0, reader(2), Scope::CONDUCT, until));
    town.done(1, grant(1, reader(1), Scope::ALL, until));
    go_to(&mut town, until.0 + REMEMBERED_MS);
    town.work_all(100);
    assert_eq!(town.state.audit(), Ok(()));
    assert_ne!(town.state.state_root(), root);
    town.state.rollback(mark);
    town.next_seq = seq;
    assert_eq!(town.state.audit(), Ok(()));
    assert_eq!((town.state.state_root(), town.state.snapshot() == snapshot), (root, true));
    assert_eq!(town.state.next_due(), State::restore(&town.genesis, &snapshot).unwrap().next_due());

    let mut joined = State::restore(&town.genesis, &snapshot).unwrap();
    assert_eq!(joined.state_root(), root);
    assert_eq!(joined.grants_of(MeterId(0)), [(WORKS, Grant { scope: Scope::ALL, until })]);
    assert!(joined.is_granted_anything(reader(1)));
}

/// The root says what a meter has granted: an auditor is shown a meter's grants and its leaf, and they fit.
#[test]
fn the_state_root_covers_what_a_meter_has_granted() {
    let mut town = town();
    let until = in_hours(&town, 48);
    town.done(0, grant(0, WORKS, Scope::ALL, until));
    let (root, view) = (town.state.state_root(), town.state.meter(MeterId(0)).unwrap());
    let proof = town.state.prove_meter(MeterId(0)).unwrap();
    let grants = town.state.grants_of(MeterId(0));
    assert_eq!(view.grants, grants_hash(grants.iter().map(|(reader, grant)| (reader, grant))));
    assert!(proof.verify_meter(MeterId(0), &view, &root));
    let forged = gridbook_ledger::state::MeterView { grants: Hash::ZERO, ..view };
    assert!(!proof.verify_meter(MeterId(0), &forged, &root), "a grant cannot be hidden");
}

/// The rules as one would say them: a list of who was let read what until when.
#[derive(Default)]
struct Model(BTreeMap<(u32, GrantReader), (Scope, u64)>);

impl Model {
    fn forget(&mut self, now: u64) {
        self.0.retain(|_, (_, until)| now < *until + REMEMBERED_MS);
    }

    /// What becomes of a command of a meter.
    fn obey(&mut self, owners: &[u32], sender: u32, command: &Command, now: u64) -> Result<(), Code> {
        match *command {
            Command::GrantAccess(GrantAccess { meter, reader, scope, until }) => {
                let row = (meter.0, reader);
                let (until, of_meter) = (until.0, |(of, _): &(u32, GrantReader)| *of == meter.0);
                if sender != meter.0 {
                    return Err(Code::ConsentForeign);
                }
                if until <= now || until > now + GRANT_MS_MAX {
                    return Err(Code::ConsentUntil);
                }
                if !self.0.contains_key(&row) && self.0.keys().filter(|row| of_meter(row)).count() == GRANTS_MAX {
                    let over = self.0.iter().filter(|(row, (_, until))| of_meter(row) && *until <= now);
                    let (_, first) = over.map(|(row, (_, until))| (*until, *row)).min().ok_or(Code::ConsentFull)?;
                    self.0.remove(&first);
                }
                self.0.insert(row, (scope, until));
                Ok(())
            }
            Command::RevokeAccess { meter, reader } => {
                if owners[sender as usize] != owners[meter.0 as usize] {
                    return Err(Code::ConsentForeign);
                }
                self.0.remove(&(meter.0, reader)).map(|_| ()).ok_or(Code::ConsentUnknown)
            }
            _ => unreachable!("only grants are drawn"),
        }
    }

    fn check(&self, meter: u32, reader: GrantReader, scope: Scope, now: u64) -> Result<(), Code> {
        match self.0.get(&(meter, reader)) {
            None => Err(Code::AuthForeign),
            Some((_, until)) if *until <= now => Err(Code::ConsentExpired),
            Some((granted, _)) if granted.bits() & scope.bits() != scope.bits() => Err(Code::ConsentScope),
            Some(_) => Ok(()),
        }
    }
}

/// Years of random grants, revocations, waiting and moves between two houses: after each step everybody may read exactly what the list says,
/// no meter has more readers than it may, and the state fits together.
#[test]
fn random_grants_open_what_a_plain_list_says_and_nothing_else() {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..3 {
        let (mut town, mut dice) = (town(), Dice(seed));
        let (mut model, mut owners) = (Model::default(), vec![0, 1, 0]);
        let readers: Vec<GrantReader> = [WORKS].into_iter().chain((0..100).map(reader)).collect();
        for _ in 0..1_000 {
            let now = town.state.time().0;
            let (meter, sender) = (dice.small(3), dice.small(3));
            let sender = if dice.below(4) == 0 { sender } else { meter };
            let reader = *dice.one_of(&readers);
            match dice.below(20) {
                0 => {
                    let waited = *dice.one_of(&[HOUR_MS, 24 * HOUR_MS, 100 * HOUR_MS]);
                    go_to(&mut town, now + waited);
                    town.work_all(3);
                    model.forget(now + waited);
                }
                1 if dice.below(3) == 0 => {
                    let account = 1 - owners[2];
                    let (meter, reason) = (MeterId(2), Reason::MovedOut);
                    let transfer = Command::TransferMeter { meter, account: AccountId(account), reason };
                    assert_eq!(town.operator(vec![transfer])[0].outcome, Outcome::Done);
                    owners[2] = account;
                    model.0.retain(|(of, _), _| *of != 2);
                }
                kind => {
                    let command = if kind < 3 {
                        revoke(meter, reader)
                    } else {
                        let scope = Scope::from_bits(1 + u8::try_from(dice.below(7)).unwrap()).unwrap();
                        let hours = *dice.one_of(&[0, 1, 30, 300, 9_600, 9_600, 9_600, 9_601]);
                        grant(meter, reader, scope, LedgerTime(now + hours * HOUR_MS))
                    };
                    let expected = model.obey(&owners, sender, &command, now);
                    let record = town.meter(sender, vec![command]).remove(0);
                    assert_eq!(refusal(&record), expected.err(), "seed {seed}: {sender} {command:?}");
                    *seen.entry(format!("{expected:?}")).or_default() += 1;
                }
            }
            let now = town.state.time().0;
            for (meter, reader) in (0..3).flat_map(|meter| readers.iter().map(move |reader| (meter, *reader))) {
                let scope = Scope::from_bits(1 + u8::try_from(dice.below(7)).unwrap()).unwrap();
                let expected = model.check(meter, reader, scope, now);
                assert_eq!(check(&town, meter, reader, scope), expected, "seed {seed}: {meter} {reader:?} {scope}");
                *seen.entry(format!("read {expected:?}")).or_default() += 1;
            }
            let most = (0..3).map(|meter| town.state.grants_of(MeterId(meter)).len()).max();
            assert!(most <= Some(GRANTS_MAX));
        }
        assert_eq!(town.state.audit(), Ok(()));
    }
    assert_eq!(seen.len(), 9, "every answer was given: {seen:?}");
}
