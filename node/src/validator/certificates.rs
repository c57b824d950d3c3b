//! What became of a meter's certificates of origin, out of what the ledger told of its account.

use gridbook_engine::{AccountId, MeterId};
use gridbook_ledger::record::{Extract, Record, RecordEvent};
use gridbook_ledger::store::{QueryIndex, StoreError};

/// How many bytes of extracts are asked of the index at a time.
const READ_BYTES: usize = 128 << 10;
/// How many bytes of extracts one answer has looked through: an account's certificates lie between all that it traded.
const LOOKED_THROUGH_BYTES: usize = 1 << 20;
/// How many bytes of records one answer carries; the last may reach over it.
const ANSWER_BYTES: usize = 64 << 10;

/// Records cut to what they say of a meter's certificates, as many as were found in one go.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// Their bytes, in the ledger's order.
    pub(super) records: Vec<Vec<u8>>,
    /// From which command to go on; none if that was all.
    pub(super) next: Option<u64>,
}

/// Looks from a command on.
///
/// # Errors
/// Those of the index.
pub(super) fn page(
    index: &impl QueryIndex,
    meter: MeterId,
    account: AccountId,
    from_seq: u64,
) -> Result<Page, StoreError> {
    let (mut page, mut from_seq, mut looked_through, mut told) = (Page::default(), from_seq, 0, 0);
    while looked_through < LOOKED_THROUGH_BYTES && told < ANSWER_BYTES {
        let extracts = index.extracts(account.0, from_seq, READ_BYTES)?;
        let Some(last) = extracts.last() else { return Ok(page) };
        let damaged = |_| StoreError::Index("an extract cannot be read".into());
        from_seq = Extract::decode(last).map_err(damaged)?.record().seq + 1;
        for bytes in &extracts {
            looked_through += bytes.len();
            let extract = Extract::decode(bytes).map_err(damaged)?;
            if let Some(record) = certificates_in(&extract, meter, account) {
                let bytes = record.encode();
                told += bytes.len();
                page.records.push(bytes);
            }
        }
    }
    page.next = Some(from_seq);
    Ok(page)
}

/// What an extract says of the certificates of one meter of its account; nothing if it says nothing. An account that bought a meter has certificates of
/// its own from before, which came from that meter: those are the other owner's side.
fn certificates_in(extract: &Extract, meter: MeterId, account: AccountId) -> Option<Record> {
    let of_meter = |event: &&RecordEvent| match event {
        RecordEvent::Certificates(told) => {
            (told.holder, told.account) == (meter, account) || told.other() == Some((meter, account))
        }
        _ => false,
    };
    let record = extract.record();
    let events: Vec<RecordEvent> = record.events.iter().filter(of_meter).copied().collect();
    (!events.is_empty()).then(|| Record { events, ..record.clone() })
}

#[cfg(test)]
mod tests {
    use gridbook_engine::{AreaId, DeliveryPeriod, Energy, EnergySources};
    use gridbook_ledger::crypto::Hash;
    use gridbook_ledger::origin::CertificateRange;
    use gridbook_ledger::record::{CertificateChange, Certificates, Outcome};

    use super::*;

    const ROOF: MeterId = MeterId(1);
    const FLAT: MeterId = MeterId(2);
    const SELLER: AccountId = AccountId(11);
    const BUYER: AccountId = AccountId(12);

    fn told(holder: (MeterId, AccountId), change: CertificateChange) -> RecordEvent {
        let range = CertificateRange::new(AreaId(0), 1, Energy(300)).unwrap();
        let (holder, account) = holder;
        RecordEvent::Certificates(Certificates { range, period: DeliveryPeriod(9), holder, account, change })
    }

    fn record(events: Vec<RecordEvent>) -> Record {
        Record { seq: 7, entry: Hash([1; 32]), index: 0, meter: None, client_id: 0, outcome: Outcome::Done, events }
    }

    /// A slice of settlement issues to the roof, moves to the flat, and pays both. Each is told of his certificates, and of the move both.
    #[test]
    fn a_meter_is_told_of_its_own_certificates_and_of_nothing_else() {
        let issued = told((ROOF, SELLER), CertificateChange::Issued { source: EnergySources::SOLAR });
        let moved = CertificateChange::Moved { from: ROOF, from_account: SELLER, trade: 5 };
        let moved = told((FLAT, BUYER), moved);
        let claimed = told((FLAT, BUYER), CertificateChange::Claimed { by: FLAT });
        let paid = RecordEvent::AccountRegistered { account: SELLER };
        let extracts = record(vec![paid, issued, moved, claimed]).account_extracts();
        let of = |account, meter| certificates_in(&extracts[&account], meter, account).map(|record| record.events);
        assert_eq!(of(SELLER, ROOF), Some(vec![issued, moved]));
        assert_eq!(of(BUYER, FLAT), Some(vec![moved, claimed]));
        assert_eq!(of(SELLER, FLAT), None);
    }

    /// The flat bought the roof later: what came from it when it was another's is no certificate of its own roof.
    #[test]
    fn what_a_meter_gave_when_it_was_anothers_is_not_told_as_its_new_owners() {
        let moved = CertificateChange::Moved { from: ROOF, from_account: SELLER, trade: 5 };
        let extracts = record(vec![told((FLAT, BUYER), moved)]).account_extracts();
        assert_eq!(certificates_in(&extracts[&BUYER], ROOF, BUYER), None);
    }
}
