//! Proof that a storage was charged with what it gave out: the cancelled certificates behind its own (MARKET section 8).
//!
//! A storage is certified for no more than the certificates that it cancelled for what it took in, less its losses. Which cancelled
//! certificate became which of its own nobody can say, as nobody can say it of the energy. What can be shown is the sum: out of the whole
//! histories of the accounts that had the storage, all that it cancelled and all that it was certified for until then.

use std::collections::BTreeMap;

use gridbook_engine::{Energy, EnergySources, MeterId};

use super::{StepKind, VerifiedCertificate};
use crate::origin::CertificateRange;
use crate::receipt::VerifiedHistory;
use crate::record::{CertificateChange, Certificates, Extract, RecordEvent};

/// What stands behind a storage's certificates, when they were issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// What the storage had cancelled certificates for, of what it took in.
    pub cancelled: Energy,
    /// What it had been certified for, these certificates among it: no more than `cancelled`, the rest was lost or is still to come.
    pub certified: Energy,
}

/// Why histories do not show what stands behind a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChargeError {
    /// Nothing has to stand behind the certificates of other plants but their meter.
    #[error("the certificates are not of a storage: no charge stands behind them")]
    NoStorage,
    /// Of other accounts, or of too short a time.
    #[error(
        "record {0}, by which the certificates were issued, is in none of the histories: give that of the account that had the storage then"
    )]
    NotIssued(u64),
    /// More was given out than was put in.
    #[error(
        "until then {} Wh were cancelled for what meter {} took in, and it was certified for {} Wh: the history of an earlier owner is missing",
        .charge.cancelled.0, .plant.0, .charge.certified.0
    )]
    Uncharged {
        /// The storage.
        plant: MeterId,
        /// What is known.
        charge: Charge,
    },
}

impl VerifiedCertificate {
    /// Holds a storage's certificates against the whole histories of the accounts that had it.
    ///
    /// What is revoked of the storage's own certificates in others' hands is not in these histories, and still counts as certified: so a
    /// proof can fail that is good, and none is taken that is not.
    ///
    /// # Errors
    /// Says what is missing.
    pub fn charge(&self, histories: &[VerifiedHistory]) -> Result<Charge, ChargeError> {
        if self.source != EnergySources::STORAGE {
            return Err(ChargeError::NoStorage);
        }
        let issued_by = self.steps.iter().find(|step| matches!(step.what, StepKind::Issued { .. }));
        let issued_by = issued_by.expect("what is verified was issued").seq;
        let mut tally = Tally::of(self.plant);
        for (seq, event) in in_order(histories) {
            tally.note(event);
            if seq == issued_by && event.range.contains(&self.range) && is_issue(event) {
                let charge = tally.charge();
                let is_covered = charge.certified <= charge.cancelled;
                return if is_covered { Ok(charge) } else { Err(ChargeError::Uncharged { plant: self.plant, charge }) };
            }
        }
        Err(ChargeError::NotIssued(issued_by))
    }
}

/// What histories say of certificates, in the ledger's order. A history that is given twice, or two that tell of one trade, say nothing
/// more.
fn in_order(histories: &[VerifiedHistory]) -> impl Iterator<Item = (u64, &Certificates)> {
    let mut by_record: BTreeMap<u64, Vec<&Certificates>> = BTreeMap::new();
    for record in histories.iter().flat_map(|history| &history.extracts).map(Extract::record) {
        let told = by_record.entry(record.seq).or_default();
        for event in &record.events {
            if let RecordEvent::Certificates(event) = event
                && !told.contains(&event)
            {
                told.push(event);
            }
        }
    }
    by_record.into_iter().flat_map(|(seq, told)| told.into_iter().map(move |event| (seq, event)))
}

fn is_issue(event: &Certificates) -> bool {
    matches!(event.change, CertificateChange::Issued { .. })
}

/// What a storage cancelled and was certified for so far.
struct Tally {
    plant: MeterId,
    /// Others' certificates that stand for its import.
    cancelled: Vec<CertificateRange>,
    /// Its own.
    certified: Vec<CertificateRange>,
}

impl Tally {
    fn of(plant: MeterId) -> Self {
        Self { plant, cancelled: Vec::new(), certified: Vec::new() }
    }

    fn note(&mut self, event: &Certificates) {
        match event.change {
            CertificateChange::Issued { .. } if event.holder == self.plant => self.certified.push(event.range),
            CertificateChange::Claimed { by } if by == self.plant => self.cancelled.push(event.range),
            CertificateChange::Unclaimed { by } if by == self.plant => take(&mut self.cancelled, &event.range),
            CertificateChange::Revoked { .. } => {
                take(&mut self.cancelled, &event.range);
                take(&mut self.certified, &event.range);
            }
            CertificateChange::Issued { .. }
            | CertificateChange::Claimed { .. }
            | CertificateChange::Unclaimed { .. }
            | CertificateChange::Moved { .. }
            | CertificateChange::Closed { .. } => {}
        }
    }

    fn charge(&self) -> Charge {
        let sum = |ranges: &[CertificateRange]| ranges.iter().fold(Energy::ZERO, |sum, range| sum + range.energy());
        Charge { cancelled: sum(&self.cancelled), certified: sum(&self.certified) }
    }
}

/// Takes a range out, wherever it lies.
fn take(ranges: &mut Vec<CertificateRange>, gone: &CertificateRange) {
    *ranges = ranges.iter().flat_map(|range| range.without(gone)).flatten().collect();
}
