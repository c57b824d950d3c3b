//! Who watches which meter, and for how long.

use std::collections::BTreeMap;

use gridbook_engine::{AccountId, LedgerTime, MeterId};
use gridbook_ledger::crypto::PublicKey;
use gridbook_ledger::record::{Party, Record, RecordEvent};
use gridbook_ledger::registry::Subject;
use gridbook_ledger::reject::Code;
use gridbook_net::ConnectionId;

use crate::protocol::{cut_to, meters_in};

/// By whose leave a connection is told of a meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::validator) struct Watcher {
    /// Whose key signed the question.
    pub(in crate::validator) account: AccountId,
    /// With which key.
    pub(in crate::validator) key: PublicKey,
    /// When the question is void.
    pub(in crate::validator) expires_at: LedgerTime,
}

/// What a watching connection is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// What of a record is its own.
    Event(Record),
    /// That it is told nothing more, and why.
    Ended(Code),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Watchers(BTreeMap<MeterId, BTreeMap<ConnectionId, Watcher>>);

impl Watchers {
    pub(super) fn add(&mut self, meter: MeterId, connection: ConnectionId, watcher: Watcher) {
        self.0.entry(meter).or_default().insert(connection, watcher);
    }

    pub(super) fn closed(&mut self, connection: ConnectionId) {
        self.retain(|_, other, _| *other != connection);
    }

    /// What of a record each connection is told: of its own meter, and of a time when that was another's nothing. When a meter changes its key
    /// or its owner, or is taken down, only those go on watching whom `check` lets by what the registry says now; the others are told why not.
    pub(super) fn told(
        &mut self,
        record: &Record,
        now: LedgerTime,
        check: impl Fn(MeterId, &Watcher) -> Result<(), Code>,
    ) -> Vec<(ConnectionId, MeterId, Told)> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let mut told = Vec::new();
        for meter in meters_in(record) {
            let Some(watchers) = self.0.get_mut(&meter) else { continue };
            let is_good = |watcher: &Watcher| if now < watcher.expires_at { Ok(()) } else { Err(Code::AuthExpired) };
            told.extend(end(watchers, meter, is_good));
            let of_meter = cut_to(record, meter);
            let own = watchers.iter().filter_map(|(connection, watcher)| {
                Some((*connection, meter, Told::Event(of_account(&of_meter, watcher.account)?)))
            });
            told.extend(own);
        }
        for meter in record.events.iter().filter_map(changed_meter) {
            if let Some(watchers) = self.0.get_mut(&meter) {
                told.extend(end(watchers, meter, |watcher| check(meter, watcher)));
            }
        }
        self.0.retain(|_, watchers| !watchers.is_empty());
        told
    }

    fn retain(&mut self, keep: impl Fn(MeterId, &ConnectionId, &Watcher) -> bool) {
        self.0.retain(|meter, watchers| {
            watchers.retain(|connection, watcher| keep(*meter, connection, watcher));
            !watchers.is_empty()
        });
    }
}

/// Ends the watches of a meter that do not hold, and says so.
fn end(
    watchers: &mut BTreeMap<ConnectionId, Watcher>,
    meter: MeterId,
    check: impl Fn(&Watcher) -> Result<(), Code>,
) -> Vec<(ConnectionId, MeterId, Told)> {
    let refused = watchers.iter().filter_map(|(connection, watcher)| Some((*connection, check(watcher).err()?)));
    let refused: Vec<(ConnectionId, Code)> = refused.collect();
    refused.iter().for_each(|(connection, _)| _ = watchers.remove(connection));
    refused.into_iter().map(|(connection, code)| (connection, meter, Told::Ended(code))).collect()
}

/// The meter whose key, owner or standing an event changes.
fn changed_meter(event: &RecordEvent) -> Option<MeterId> {
    match event {
        RecordEvent::KeyChanged { subject: Subject::Meter(meter), .. }
        | RecordEvent::StandingChanged { subject: Subject::Meter(meter), .. }
        | RecordEvent::MeterTransferred { meter, .. } => Some(*meter),
        _ => None,
    }
}

/// A record with only those events that name an account, or none; nothing if all are of others.
fn of_account(record: &Record, account: AccountId) -> Option<Record> {
    let is_own = |event: &&RecordEvent| {
        let mut parties = Vec::new();
        event.name_parties(&mut parties);
        let mut accounts = parties.iter().filter(|party| matches!(party, Party::Account(_))).peekable();
        accounts.peek().is_none() || accounts.any(|party| *party == Party::Account(account))
    };
    let events: Vec<RecordEvent> = record.events.iter().filter(is_own).copied().collect();
    (record.events.is_empty() || !events.is_empty()).then(|| Record { events, ..record.clone() })
}

#[cfg(test)]
mod tests {
    use gridbook_engine::{Energy, Expiry};
    use gridbook_ledger::crypto::Hash;
    use gridbook_ledger::record::{Outcome, PartyRef};
    use gridbook_ledger::registry::Reason;

    use super::*;

    const METER: MeterId = MeterId(1);
    const SELLER: AccountId = AccountId(11);
    const BUYER: AccountId = AccountId(12);

    fn record(event: RecordEvent) -> Record {
        let (entry, outcome) = (Hash::ZERO, Outcome::Done);
        Record { seq: 9, entry, index: 0, meter: None, client_id: 0, outcome, events: vec![event] }
    }

    fn expired(account: AccountId) -> Record {
        let order = PartyRef { account, meter: METER, client_id: 7 };
        record(RecordEvent::Expired { order, remaining: Energy(5), cause: Expiry::Gate })
    }

    fn watcher(account: AccountId, key: u8, expires_at: u64) -> Watcher {
        Watcher { account, key: PublicKey([key; 32]), expires_at: LedgerTime(expires_at) }
    }

    /// Who is told of a record, and whose watch ends, where those go on of whom `may` says so.
    fn whom(
        watchers: &mut Watchers,
        record: &Record,
        now: u64,
        may: impl Fn(&Watcher) -> bool,
    ) -> (Vec<u64>, Vec<(u64, Code)>) {
        let check = |_, watcher: &Watcher| if may(watcher) { Ok(()) } else { Err(Code::AuthForeign) };
        let (mut events, mut ends) = (Vec::new(), Vec::new());
        for (connection, meter, told) in watchers.told(record, LedgerTime(now), check) {
            assert_eq!(meter, METER);
            match told {
                Told::Event(_) => events.push(connection.0),
                Told::Ended(code) => ends.push((connection.0, code)),
            }
        }
        (events, ends)
    }

    /// A meter is sold. Who had it hears of the sale and then of nothing more, and who has it now hears nothing of what it did before.
    #[test]
    fn a_former_owner_is_told_of_the_sale_and_of_nothing_after_it() {
        let mut watchers = Watchers::default();
        watchers.add(METER, ConnectionId(1), watcher(SELLER, 1, 1_000));
        watchers.add(METER, ConnectionId(2), watcher(BUYER, 1, 1_000));
        assert_eq!(whom(&mut watchers, &expired(SELLER), 5, |_| true), (vec![1], vec![]));
        let reason = Reason::from_number(1).unwrap();
        let sale = record(RecordEvent::MeterTransferred { meter: METER, from: SELLER, to: BUYER, reason });
        let ended = vec![(1, Code::AuthForeign)];
        assert_eq!(whom(&mut watchers, &sale, 6, |watcher| watcher.account == BUYER), (vec![1, 2], ended));
        assert_eq!(whom(&mut watchers, &expired(BUYER), 7, |_| true), (vec![2], vec![]));
        let settled_late = whom(&mut watchers, &expired(SELLER), 7, |_| true);
        assert_eq!(settled_late, (vec![], vec![]), "it is not the buyer's");
    }

    /// A key is stolen and replaced. Its thief goes on holding a connection under some key of his own.
    #[test]
    fn whoever_watches_by_a_replaced_key_is_told_nothing_more() {
        let mut watchers = Watchers::default();
        watchers.add(METER, ConnectionId(1), watcher(SELLER, 1, 1_000));
        watchers.add(METER, ConnectionId(2), watcher(SELLER, 2, 1_000));
        let changed = RecordEvent::KeyChanged { subject: Subject::Meter(METER), key: PublicKey([2; 32]) };
        let (_, ended) = whom(&mut watchers, &record(changed), 5, |watcher| watcher.key == PublicKey([2; 32]));
        assert_eq!(ended, [(1, Code::AuthForeign)]);
        assert_eq!(whom(&mut watchers, &expired(SELLER), 6, |_| true), (vec![2], vec![]));
    }

    #[test]
    fn a_watch_ends_when_its_question_is_void_or_its_line_closed() {
        let mut watchers = Watchers::default();
        watchers.add(METER, ConnectionId(1), watcher(SELLER, 1, 100));
        watchers.add(METER, ConnectionId(2), watcher(SELLER, 1, 101));
        let told = whom(&mut watchers, &expired(SELLER), 100, |_| true);
        assert_eq!(told, (vec![2], vec![(1, Code::AuthExpired)]));
        assert_eq!(whom(&mut watchers, &expired(SELLER), 100, |_| true), (vec![2], vec![]), "said once");
        watchers.closed(ConnectionId(2));
        assert!(watchers.0.is_empty(), "nothing of them is kept");
    }
}
