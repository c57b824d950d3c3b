//! The chain of records behind each account and meter.

use gridbook_engine::{AccountId, MeterId};

use super::State;
use super::tables::Holder;
use crate::record::{MeterSettled, Outcome, PartyRef, Purse, Record, RecordEvent, RegistersRead, Trade};

/// Somebody whom a record names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Party {
    Account(AccountId),
    Meter(MeterId),
}

impl State {
    /// Adds each record that was carried out to the histories of those whom it names. The system's accounts have none: their
    /// rows are everybody's.
    pub(super) fn chain_histories(&mut self, records: &[Record]) {
        let mut parties = core::mem::take(&mut self.parties);
        for record in records.iter().filter(|record| record.outcome == Outcome::Done) {
            self.name_sender(record, &mut parties);
            for event in &record.events {
                name_parties(event, &mut parties);
            }
            if parties.is_empty() {
                continue;
            }
            parties.sort_unstable();
            parties.dedup();
            let leaf = record.leaf_hash();
            for party in parties.drain(..) {
                match party {
                    Party::Account(account) => self.tables.chain_account(Holder::User(account), &leaf),
                    Party::Meter(meter) => self.tables.chain_meter(meter, &leaf),
                }
            }
        }
        self.parties = parties;
    }

    fn name_sender(&self, record: &Record, parties: &mut Vec<Party>) {
        if let Some((id, meter)) = record.meter.and_then(|id| Some((id, self.tables.meter(id)?))) {
            parties.extend([Party::Meter(id), Party::Account(meter.facts.account)]);
        }
    }
}

fn name_parties(event: &RecordEvent, parties: &mut Vec<Party>) {
    let order = |order: &PartyRef| [Party::Meter(order.meter), Party::Account(order.account)];
    match event {
        RecordEvent::Trade(Trade { maker, taker, .. }) => parties.extend(order(maker).into_iter().chain(order(taker))),
        RecordEvent::Offered { offer, to_account, to, .. } => {
            parties.extend(order(offer).into_iter().chain([Party::Meter(*to), Party::Account(*to_account)]));
        }
        RecordEvent::Cleared { .. }
        | RecordEvent::Flow { .. }
        | RecordEvent::CapacitySet { .. }
        | RecordEvent::Overload { .. }
        | RecordEvent::AreaRead { .. }
        | RecordEvent::ImbalancePricesSet { .. }
        | RecordEvent::AreaSettled(_)
        | RecordEvent::AreaFrozen { .. }
        | RecordEvent::PeriodFinal { .. } => {}
        RecordEvent::Rested { order: party, .. }
        | RecordEvent::Dropped { order: party, .. }
        | RecordEvent::Cancelled { order: party, .. }
        | RecordEvent::Reduced { order: party, .. }
        | RecordEvent::Expired { order: party, .. }
        | RecordEvent::Filled { order: party, .. }
        | RecordEvent::Block { order: party, .. } => parties.extend(order(party)),
        RecordEvent::Read(RegistersRead { meter, account, .. })
        | RecordEvent::MeterSettled(MeterSettled { meter, account, .. }) => {
            parties.extend([Party::Meter(*meter), Party::Account(*account)]);
        }
        RecordEvent::AccountRegistered { account } => parties.push(Party::Account(*account)),
        RecordEvent::Posted { from, to, .. } => {
            let account = |purse: &Purse| match purse {
                Purse::Account(account) => Some(Party::Account(*account)),
                _ => None,
            };
            parties.extend([from, to].into_iter().filter_map(account));
        }
        RecordEvent::MeterRegistered { meter, account } => {
            parties.extend([Party::Meter(*meter), Party::Account(*account)]);
        }
        RecordEvent::MeterSuspended { meter } | RecordEvent::MeterResumed { meter } => {
            parties.push(Party::Meter(*meter));
        }
    }
}
