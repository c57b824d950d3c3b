//! Which records tell of certificates, in the sled index.
//!
//! A certificate's life lies within one delivery period (MARKET section 8), and an issuer's numbers go up. So two small tables find it: under
//! (issuer, first number) each run that was issued at once, with its period; and under (period, issuer) the records that tell of any, each with
//! the lowest and the highest number that it tells of. A row for every certificate, or for every watt-hour's way, would cost more than all else of
//! a settled period; a record that tells of some number in between and not of those asked for is told apart by who reads it.

use std::collections::{BTreeMap, BTreeSet};

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

/// A record that tells of certificates of an issuer and a period.
struct Told {
    seq: u64,
    first: u64,
    end: u64,
}

/// Adds what heights tell of certificates: a row for each run, and one for each period and issuer, under its first record.
pub(super) fn add_certificates(changes: &mut sled::Batch, batches: &[IndexBatch]) {
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
    for ((period, issuer), told) in by_period {
        let (first_seq, mut w) = (told.first().map_or(0, |told| told.seq), Writer::new());
        for Told { seq, first, end } in told {
            w.u64(seq).u64(first).u64(end);
        }
        changes.insert(told_key(period, issuer, first_seq), w.finish());
    }
}

impl Index {
    /// See [`QueryIndex::certificate_records`](super::QueryIndex::certificate_records).
    pub(super) fn certificate_records_of(
        &self,
        range: CertificateRange,
        from_seq: u64,
        limit: usize,
    ) -> Result<Vec<u64>, StoreError> {
        let Some(period) = self.period_of(range)? else { return Ok(Vec::new()) };
        let issuer = range.issuer();
        let told = self.told(told_key(period, issuer, 0), told_key(period, issuer, u64::MAX))?;
        // A set: heights that were told twice lie in two rows.
        let touching = told.iter().filter(|told| told.first < range.end() && range.first() < told.end);
        let seqs: BTreeSet<u64> = touching.map(|told| told.seq).filter(|seq| *seq >= from_seq).collect();
        Ok(seqs.into_iter().take(limit).collect())
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

    fn told(&self, from: Vec<u8>, to: Vec<u8>) -> Result<Vec<Told>, StoreError> {
        let mut told = Vec::new();
        for row in self.db.range(from..=to) {
            let (_, value) = row.map_err(index_error(&self.dir))?;
            let mut r = Reader::new(&value);
            while r.remaining() > 0 {
                told.push(Told::read(&mut r).map_err(|_| damaged())?);
            }
        }
        Ok(told)
    }
}

impl Told {
    fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        Ok(Self { seq: r.u64()?, first: r.u64()?, end: r.u64()? })
    }
}

fn told_key(period: DeliveryPeriod, issuer: AreaId, seq: u64) -> Vec<u8> {
    key(Table::Origin, &[&period.0.to_be_bytes(), &issuer.0.to_be_bytes(), &seq.to_be_bytes()])
}
