//! Entries and windows as a snapshot has them, and entries as a validator tells them.

use gridbook_engine::{AccountId, DeliveryPeriod, LedgerTime, MeterId};

use super::delivery::{DeliveryWindow, Failure};
use super::entry::{Entry, EntryState, Fault};
use super::fault::{DeviceFault, Proof};
use crate::bytes::{BytesError, Reader, Writer};
use crate::crypto::{Hash, PublicKey};
use crate::evidence::EvidenceKind;

/// Length of the shortest entry: time, state, tag, account, meter, kind, period, records.
pub const ENTRY_BYTES_MIN: usize = 8 + 1 + 1 + 4 + 4 + 1 + 5 + 8 * Proof::RECORDS_MAX;
/// Length of the shortest window: sales, count, one failure.
pub(crate) const WINDOW_BYTES_MIN: usize = 4 + 1 + 16;

const DEVICE: u8 = 0;
const VALIDATOR: u8 = 1;

impl Entry {
    /// Canonical bytes.
    pub fn write(&self, w: &mut Writer) {
        w.u64(self.at.0).u8(self.state.number());
        match self.fault {
            Fault::Device { account, meter, kind, period, proof } => {
                w.u8(DEVICE).u32(account.0).u32(meter.0).u8(kind.number());
                write_period(w, period);
                proof.write(w);
            }
            Fault::Validator { key, kind, epoch, view, evidence } => {
                w.u8(VALIDATOR).bytes(&key.0).u8(kind.number()).u32(epoch).u64(view).bytes(&evidence.0);
            }
        }
    }

    /// Reads what [`Entry::write`] wrote.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        let at = LedgerTime(r.u64()?);
        let state = EntryState::from_number(r.u8()?).ok_or(BytesError::Unknown)?;
        let fault = match r.u8()? {
            DEVICE => Fault::Device {
                account: AccountId(r.u32()?),
                meter: MeterId(r.u32()?),
                kind: DeviceFault::from_number(r.u8()?).ok_or(BytesError::Unknown)?,
                period: read_period(r)?,
                proof: Proof::read(r)?,
            },
            VALIDATOR => Fault::Validator {
                key: PublicKey(r.array()?),
                kind: EvidenceKind::from_number(r.u8()?).ok_or(BytesError::Unknown)?,
                epoch: r.u32()?,
                view: r.u64()?,
                evidence: Hash(r.array()?),
            },
            _ => return Err(BytesError::Unknown),
        };
        Ok(Self { fault, at, state })
    }
}

/// Whether there is a period, then the period; zero if there is none.
pub(crate) fn write_period(w: &mut Writer, period: Option<DeliveryPeriod>) {
    w.u8(u8::from(period.is_some())).u32(period.unwrap_or_default().0);
}

/// Reads what [`write_period`] wrote.
pub(crate) fn read_period(r: &mut Reader<'_>) -> Result<Option<DeliveryPeriod>, BytesError> {
    match (r.u8()?, r.u32()?) {
        (0, 0) => Ok(None),
        (0, _) => Err(BytesError::Padding),
        (1, period) => Ok(Some(DeliveryPeriod(period))),
        _ => Err(BytesError::Unknown),
    }
}

impl DeliveryWindow {
    /// Canonical bytes.
    pub(crate) fn write(&self, w: &mut Writer) {
        let failures = self.failures();
        w.u32(self.sales()).u8(u8::try_from(failures.len()).expect("a window holds fewer than 4"));
        for Failure { sale, period, record } in failures {
            w.u32(*sale).u32(period.0).u64(*record);
        }
    }

    /// Reads what [`DeliveryWindow::write`] wrote.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        let (sales, count) = (r.u32()?, r.u8()?);
        let failures =
            (0..count).map(|_| Ok(Failure { sale: r.u32()?, period: DeliveryPeriod(r.u32()?), record: r.u64()? }));
        let failures = failures.collect::<Result<Vec<_>, BytesError>>()?;
        Self::from_parts(sales, &failures).ok_or(BytesError::Unknown)
    }
}
