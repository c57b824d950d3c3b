//! Claims of certificates of origin (MARKET section 8).

use gridbook_engine::{AreaId, DeliveryPeriod, Energy, MeterId};

use crate::bytes::{Reader, Writer};
use crate::origin::CertificateRange;
use crate::reject::Code;

/// Claims certificates for what a meter took in: from then on nobody else can use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which: all or a part of one range that a meter of the sender's account holds, as its records tell it.
    pub range: CertificateRange,
    /// When their energy was delivered, and taken in.
    pub period: DeliveryPeriod,
    /// The meter that took the energy in, of the same account.
    pub meter: MeterId,
}

impl Claim {
    /// Behind the tag, a zero byte: issuer u16, period u32, first number u64, how many u64, meter u32.
    pub(super) fn write(&self, w: &mut Writer) {
        w.u8(0).u16(self.range.issuer().0).u32(self.period.0);
        w.u64(self.range.first()).u64(self.range.energy().0).u32(self.meter.0);
    }

    /// Reads what [`Claim::write`] wrote.
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, Code> {
        r.padding(1)?;
        let (issuer, period) = (AreaId(r.u16()?), DeliveryPeriod(r.u32()?));
        let (first, energy) = (r.u64()?, Energy(r.u64()?));
        let range = CertificateRange::new(issuer, first, energy).ok_or(Code::OriginRange)?;
        Ok(Self { range, period, meter: MeterId(r.u32()?) })
    }
}
