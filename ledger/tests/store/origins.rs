//! The records that tell of certificates are found by their numbers.

use std::collections::BTreeSet;

use gridbook_engine::{AccountId, AreaId, DeliveryPeriod, Energy, EnergySources, MeterId};
use gridbook_ledger::origin::CertificateRange;
use gridbook_ledger::record::{CertificateChange, Certificates, RecordEvent};
use gridbook_ledger::store::{CERTIFICATE_NOTES_PER_PAGE, CertificatePage, Index, QueryIndex};

use crate::batches::{batches, open};

const PERIOD: u32 = 900;
const MANY: usize = 1 << 20;

fn range(issuer: u16, first: u64, energy: u64) -> CertificateRange {
    CertificateRange::new(AreaId(issuer), first, Energy(energy)).unwrap()
}

fn told(range: CertificateRange, period: u32, holder: u32, change: CertificateChange) -> RecordEvent {
    let (holder, account) = (MeterId(holder), AccountId(holder + 100));
    RecordEvent::Certificates(Certificates { range, period: DeliveryPeriod(period), holder, account, change })
}

fn issued(range: CertificateRange, period: u32, plant: u32) -> RecordEvent {
    told(range, period, plant, CertificateChange::Issued { source: EnergySources::SOLAR })
}

fn moved(range: CertificateRange, period: u32, from: u32, to: u32) -> RecordEvent {
    let (from, from_account) = (MeterId(from), AccountId(from + 100));
    told(range, period, to, CertificateChange::Moved { from, from_account, trade: 3 })
}

/// Two plants in two slices of one period, a third of another issuer, and one of the period after.
fn story() -> Vec<Vec<RecordEvent>> {
    let claimed = |range, holder: u32| told(range, PERIOD, holder, CertificateChange::Claimed { by: MeterId(holder) });
    let closed = |range, holder| told(range, PERIOD, holder, CertificateChange::Closed { was_claimed: true });
    vec![
        vec![issued(range(2, 1, 100), PERIOD, 1), issued(range(2, 101, 50), PERIOD, 2)],
        vec![issued(range(2, 151, 40), PERIOD, 3), issued(range(5, 1, 30), PERIOD, 4)],
        vec![moved(range(2, 1, 60), PERIOD, 1, 7), moved(range(2, 101, 50), PERIOD, 2, 7)],
        vec![issued(range(2, 191, 10), PERIOD + 1, 1)],
        vec![claimed(range(2, 1, 60), 7)],
        vec![claimed(range(5, 1, 30), 4)],
        vec![closed(range(2, 1, 60), 7), closed(range(2, 151, 40), 3)],
    ]
}

fn found(index: &Index, range: CertificateRange) -> Vec<u64> {
    let page = index.certificate_records(range, 0, MANY).unwrap();
    assert_eq!(page.next, None);
    page.seqs
}

#[test]
fn records_of_certificates_are_found_by_their_numbers() {
    let home = tempfile::tempdir().unwrap();
    let index = open(&home.path().join("index"));
    batches(story()).chunks(3).for_each(|some| index.apply(some).unwrap());
    // The closing tells of 1 to 190 of that issuer: which of them, the record says.
    assert_eq!(found(&index, range(2, 1, 60)), [1, 3, 5, 7]);
    assert_eq!(found(&index, range(2, 30, 1)), [1, 3, 5, 7]);
    assert_eq!(found(&index, range(2, 120, 1)), [1, 3, 7]);
    assert_eq!(found(&index, range(2, 160, 5)), [2, 7]);
    assert_eq!(found(&index, range(2, 140, 30)), [1, 2, 3, 7]);
    assert_eq!(found(&index, range(2, 195, 1)), [4]);
    assert_eq!(found(&index, range(5, 3, 9)), [2, 6]);
    for nothing in [range(2, 201, 5), range(5, 31, 1), range(4, 1, 1)] {
        assert_eq!(found(&index, nothing), [0_u64; 0], "{nothing}");
    }
    assert_eq!(
        index.certificate_records(range(2, 1, 60), 4, 1).unwrap(),
        CertificatePage { seqs: vec![5], next: Some(7) }
    );
}

/// An index that was lost and is filled from below, some heights of it twice, finds the same records, and each once.
#[test]
fn an_index_made_again_finds_the_same_records() {
    let home = tempfile::tempdir().unwrap();
    let (whole, again) = (open(&home.path().join("whole")), open(&home.path().join("again")));
    let batches = batches(story());
    whole.apply(&batches).unwrap();
    again.begin_at(4).unwrap();
    again.apply(&batches[3..6]).unwrap();
    again.begin_at(6).unwrap();
    again.apply(&batches[5..]).unwrap();
    batches[..5].chunks(2).for_each(|some| again.fill(some).unwrap());
    assert_eq!(again.gap_after(), None);
    for first in 1..210 {
        for range in [range(2, first, 1), range(2, first, 45), range(5, first, 2)] {
            let (expected, found) = (found(&whole, range), found(&again, range));
            assert_eq!(found, expected, "{range}");
            assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), found.len());
        }
    }
}

/// Somebody claims ten thousand watt-hours one by one, each by a command of its own, and a stranger asks for a certificate that none of these
/// records tells of. Each page of his answer looks through a bounded number of them, and the last one has what he asked for.
#[test]
fn a_page_looks_through_a_bounded_number_of_records_whatever_they_tell() {
    let home = tempfile::tempdir().unwrap();
    let index = open(&home.path().join("index"));
    let claims = 10_000;
    let claimed = |number| told(range(2, number, 1), PERIOD, 7, CertificateChange::Claimed { by: MeterId(7) });
    let mut records = vec![vec![issued(range(2, 1, claims + 1), PERIOD, 1)]];
    records.extend((1..=claims).map(|number| vec![claimed(number)]));
    records.push(vec![claimed(claims + 1)]);
    batches(records).chunks(900).for_each(|some| index.apply(some).unwrap());
    let (mut found, mut from, mut pages) = (Vec::new(), 0, 0);
    loop {
        let page = index.certificate_records(range(2, claims + 1, 1), from, 64).unwrap();
        found.extend(page.seqs);
        pages += 1;
        let Some(next) = page.next else { break };
        // The numbers of records that tell of this period follow each other here.
        let looked_through = next - from.max(1);
        assert_eq!(looked_through, CERTIFICATE_NOTES_PER_PAGE as u64);
        from = next;
    }
    assert_eq!((found, pages), (vec![1, claims + 2], 3));
}

/// An index that was told some heights twice, in other pieces, begins a page anywhere and leaves nothing out.
#[test]
fn a_page_begins_anywhere_also_where_heights_were_told_again() {
    let home = tempfile::tempdir().unwrap();
    let index = open(&home.path().join("index"));
    let batches = batches((1..=60).map(|number| vec![issued(range(2, number, 1), PERIOD, 1)]));
    index.begin_at(25).unwrap();
    index.apply(&batches[24..30]).unwrap();
    index.begin_at(40).unwrap();
    index.apply(&batches[39..]).unwrap();
    // One piece reaches over all that was told before of the gap.
    index.fill(&batches[..39]).unwrap();
    assert_eq!(index.gap_after(), None);
    for from in 1..=60 {
        let page = index.certificate_records(range(2, 1, 60), from, MANY).unwrap();
        assert_eq!(page, CertificatePage { seqs: (from..=60).collect(), next: None });
    }
}
