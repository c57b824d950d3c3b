//! Which records tell of certificates, in the sled index.
//!
//! A certificate's life lies within one delivery period (MARKET section 8), and an issuer's numbers go up. So two small tables find it: under
//! (issuer, first number) each run that was issued at once, with its period; and under (period, issuer) the records that tell of any, each with
//! the lowest and the highest number that it tells of. A row for every certificate, or for every watt-hour's way, would cost more than all else of
//! a settled period; a record that tells of some number in between and not of those asked for is told apart by who reads it.

use std::collections::BTreeMap;
use std::ops::Bound;

use gridbook_engine::{AreaId, DeliveryPeriod};

use super::sled_facts::damaged;
use super::sled_index::{Index, Table, index_error, key};
use super::{IndexBatch, StoreError};
use crate::bytes::{BytesError, Reader, Writer};
use crate::origin::CertificateRange;
use crate::record::{CertificateChange, Record, RecordEvent};

/// What the records of a height tell of certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateNotes {
    /// Runs that were issued at once, and when their energy was delivered.
    pub issued: Vec<(CertificateRange, DeliveryPeriod)>,
    /// By the period and the record: from the lowest to the highest number of an issuer that it tells of.
    pub told: Vec<(DeliveryPeriod, u64, CertificateRange)>,
}

impl CertificateNotes {
    /// Notes what a record tells.
    pub(super) fn enter(&mut self, record: &Record) {
        let mut told: BTreeMap<(DeliveryPeriod, AreaId), CertificateRange> = BTreeMap::new();
        for event in &record.events {
            let RecordEvent::Certificates(certificates) = event else { continue };
            let (range, period) = (certificates.range, certificates.period);
            let of_issuer = told.entry((period, range.issuer())).or_insert(range);
            *of_issuer = of_issuer.joined(&range);
            if matches!(certificates.change, CertificateChange::Issued { .. }) {
                match self.issued.last_mut() {
                    // Numbers of one issuer that follow each other are one run.
                    Some((run, of))
                        if *of == period && run.issuer() == range.issuer() && run.end() == range.first() =>
                    {
                        *run = run.joined(&range);
                    }
                    _ => self.issued.push((range, period)),
                }
            }
        }
        self.told.extend(told.into_iter().map(|((period, _), range)| (period, record.seq, range)));
    }
}

/// Which records tell of certificates, as many as were found in one go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificatePage {
    /// Their sequence numbers, ascending.
    pub seqs: Vec<u64>,
    /// From which record to go on; none if that was all.
    pub next: Option<u64>,
}

/// How many notes of records one page looks through, whether they touch what is asked for or not: who claims what he has watt-hour by watt-hour makes
/// as many records of one period.
pub const CERTIFICATE_NOTES_PER_PAGE: usize = 4_096;
/// How many notes lie in one row.
const NOTES_PER_ROW: usize = 512;

/// A record that tells of certificates of an issuer and a period, the first and the last number of them and one.
#[derive(Clone, Copy)]
struct Told {
    seq: u64,
    first: u64,
    end: u64,
}

impl Index {
    /// Adds what heights tell of certificates: a row for each run, and rows for each period and issuer, under the first record in each.
    pub(super) fn add_certificates(&self, changes: &mut sled::Batch, batches: &[IndexBatch]) -> Result<(), StoreError> {
        let mut by_period: BTreeMap<(DeliveryPeriod, AreaId), Vec<Told>> = BTreeMap::new();
        for notes in batches.iter().map(|batch| &batch.certificates) {
            for (run, period) in &notes.issued {
                let mut w = Writer::new();
                w.u64(run.end()).u32(period.0);
                let key = key(Table::Issue, &[&run.issuer().0.to_be_bytes(), &run.first().to_be_bytes()]);
                changes.insert(key, w.finish());
            }
            for (period, seq, range) in &notes.told {
                let told = Told { seq: *seq, first: range.first(), end: range.end() };
                by_period.entry((*period, range.issuer())).or_default().push(told);
            }
        }
        for (of, told) in by_period {
            self.add_told(changes, of, told)?;
        }
        Ok(())
    }

    /// Rows of one period and issuer follow each other and never overlap, so that a page can begin anywhere: where heights are told again they
    /// are laid anew.
    fn add_told(
        &self,
        changes: &mut sled::Batch,
        (period, issuer): (DeliveryPeriod, AreaId),
        mut told: Vec<Told>,
    ) -> Result<(), StoreError> {
        let [Some(first), Some(last)] = [told.first(), told.last()].map(|told| told.map(|told| told.seq)) else {
            return Ok(());
        };
        let at = |seq| told_key(period, issuer, seq);
        let before = self.db.range(at(0)..=at(first)).next_back().transpose().map_err(index_error(&self.dir))?;
        let before = before.map_or(Ok(Vec::new()), |(_, value)| Told::read_all(&value))?;
        let comes_again = before.last().is_some_and(|told| told.seq >= first)
            || self.db.range((Bound::Excluded(at(first)), Bound::Included(at(last)))).next().is_some();
        if comes_again {
            for row in self.db.range(at(0)..=at(u64::MAX)) {
                let (key, value) = row.map_err(index_error(&self.dir))?;
                told.extend(Told::read_all(&value)?);
                changes.remove(key);
            }
            told.sort_unstable_by_key(|told| told.seq);
            told.dedup_by_key(|told| told.seq);
        }
        for row in told.chunks(NOTES_PER_ROW) {
            let mut w = Writer::new();
            row.iter().for_each(|Told { seq, first, end }| _ = w.u64(*seq).u64(*first).u64(*end));
            changes.insert(at(row[0].seq), w.finish());
        }
        Ok(())
    }

    /// See [`QueryIndex::certificate_records`](super::QueryIndex::certificate_records).
    pub(super) fn certificate_records_of(
        &self,
        range: CertificateRange,
        from_seq: u64,
        limit: usize,
    ) -> Result<CertificatePage, StoreError> {
        let (mut page, mut looked_through) = (CertificatePage::default(), 0);
        let Some(period) = self.period_of(range)? else { return Ok(page) };
        let at = |seq| told_key(period, range.issuer(), seq);
        // The row before `from_seq` may reach over it.
        let before = self.db.range(at(0)..=at(from_seq)).next_back().transpose().map_err(index_error(&self.dir))?;
        let start = before.map_or_else(|| at(from_seq), |(key, _)| key.to_vec());
        for row in self.db.range(start..=at(u64::MAX)) {
            let (_, value) = row.map_err(index_error(&self.dir))?;
            for told in Told::read_all(&value)?.into_iter().filter(|told| told.seq >= from_seq) {
                if page.seqs.len() == limit || looked_through == CERTIFICATE_NOTES_PER_PAGE {
                    page.next = Some(told.seq);
                    return Ok(page);
                }
                looked_through += 1;
                if told.first < range.end() && range.first() < told.end {
                    page.seqs.push(told.seq);
                }
            }
        }
        Ok(page)
    }

    /// When the energy of a range's first certificate was delivered, if it was ever issued.
    fn period_of(&self, range: CertificateRange) -> Result<Option<DeliveryPeriod>, StoreError> {
        let issuer = range.issuer().0.to_be_bytes();
        let at = |first: u64| key(Table::Issue, &[&issuer, &first.to_be_bytes()]);
        let found = self.db.range(at(0)..=at(range.first())).next_back().transpose().map_err(index_error(&self.dir))?;
        let Some((_, value)) = found else { return Ok(None) };
        let mut r = Reader::new(&value);
        let (Ok(end), Ok(period)) = (r.u64(), r.u32()) else { return Err(damaged()) };
        Ok((range.first() < end).then_some(DeliveryPeriod(period)))
    }
}

impl Told {
    fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        Ok(Self { seq: r.u64()?, first: r.u64()?, end: r.u64()? })
    }

    /// The notes of a row.
    fn read_all(row: &[u8]) -> Result<Vec<Self>, StoreError> {
        let (mut r, mut told) = (Reader::new(row), Vec::new());
        while r.remaining() > 0 {
            told.push(Self::read(&mut r).map_err(|_| damaged())?);
        }
        Ok(told)
    }
}

fn told_key(period: DeliveryPeriod, issuer: AreaId, seq: u64) -> Vec<u8> {
    key(Table::Origin, &[&period.0.to_be_bytes(), &issuer.0.to_be_bytes(), &seq.to_be_bytes()])
}
