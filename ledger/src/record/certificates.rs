//! Certificates of origin as records tell them (MARKET section 8).

use gridbook_engine::{AccountId, AreaId, DeliveryPeriod, Energy, EnergySources, MeterId};

use crate::bytes::{BytesError, Reader, Writer};
use crate::origin::CertificateRange;

/// What happened to certificates that are in one hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificates {
    /// Which.
    pub range: CertificateRange,
    /// When their energy was delivered.
    pub period: DeliveryPeriod,
    /// The meter that they are with, now.
    pub holder: MeterId,
    /// Whose that is.
    pub account: AccountId,
    /// What happened.
    pub change: CertificateChange,
}

/// What can happen to certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateChange {
    /// The holder's meter has measured their energy on its way out.
    Issued {
        /// What it was made from.
        source: EnergySources,
    },
    /// They went along with a trade to the holder.
    Moved {
        /// Who sold.
        from: MeterId,
        /// Whose that meter is.
        from_account: AccountId,
        /// The command that set the trade off, by its sequence number.
        trade: u64,
    },
    /// They stand for what a meter of the holder's account took in: nobody else can use them.
    Claimed {
        /// Which meter.
        by: MeterId,
    },
    /// A correction says that this meter took in less: they may be claimed again.
    Unclaimed {
        /// Which meter.
        by: MeterId,
    },
    /// A correction says that their energy was never given out.
    Revoked {
        /// Whether somebody had claimed them.
        was_claimed: bool,
    },
    /// Their period is final, and so are they: cancelled if they were claimed, else expired.
    Closed {
        /// Whether they were claimed.
        was_claimed: bool,
    },
}

pub(super) const ISSUED: u8 = 32;
pub(super) const MOVED: u8 = 33;
pub(super) const CLAIMED: u8 = 34;
pub(super) const CLOSED: u8 = 35;
pub(super) const TAKEN_BACK: u8 = 36;

/// Under [`TAKEN_BACK`]: the certificates themselves, unclaimed or claimed, or only a claim.
const UNCLAIMED_CERTIFICATES: u8 = 0;
const CLAIMED_CERTIFICATES: u8 = 1;
const CLAIM: u8 = 2;

impl Certificates {
    /// The tag, then issuer, first number, count, period, holder, account, and what belongs to the change.
    pub(super) fn write(&self, w: &mut Writer) {
        let tag = match self.change {
            CertificateChange::Issued { .. } => ISSUED,
            CertificateChange::Moved { .. } => MOVED,
            CertificateChange::Claimed { .. } => CLAIMED,
            CertificateChange::Closed { .. } => CLOSED,
            CertificateChange::Unclaimed { .. } | CertificateChange::Revoked { .. } => TAKEN_BACK,
        };
        w.u8(tag).u16(self.range.issuer().0).u64(self.range.first()).u64(self.range.energy().0);
        w.u32(self.period.0).u32(self.holder.0).u32(self.account.0);
        match self.change {
            CertificateChange::Issued { source } => w.u8(source.bits()),
            CertificateChange::Moved { from, from_account, trade } => w.u32(from.0).u32(from_account.0).u64(trade),
            CertificateChange::Claimed { by } => w.u32(by.0),
            CertificateChange::Unclaimed { by } => w.u8(CLAIM).u32(by.0),
            CertificateChange::Revoked { was_claimed: false } => w.u8(UNCLAIMED_CERTIFICATES).u32(0),
            CertificateChange::Revoked { was_claimed: true } => w.u8(CLAIMED_CERTIFICATES).u32(0),
            CertificateChange::Closed { was_claimed } => w.u8(u8::from(was_claimed)),
        };
    }

    /// Reads what [`Certificates::write`] wrote behind the tag.
    pub(super) fn read(tag: u8, r: &mut Reader<'_>) -> Result<Self, BytesError> {
        let (issuer, first, length) = (AreaId(r.u16()?), r.u64()?, Energy(r.u64()?));
        let range = CertificateRange::new(issuer, first, length).ok_or(BytesError::Unknown)?;
        let (period, holder, account) = (DeliveryPeriod(r.u32()?), MeterId(r.u32()?), AccountId(r.u32()?));
        let change = match tag {
            ISSUED => {
                let source = EnergySources::from_bits(r.u8()?).ok_or(BytesError::Unknown)?;
                CertificateChange::Issued { source }
            }
            MOVED => {
                let (from, from_account, trade) = (MeterId(r.u32()?), AccountId(r.u32()?), r.u64()?);
                CertificateChange::Moved { from, from_account, trade }
            }
            CLAIMED => CertificateChange::Claimed { by: MeterId(r.u32()?) },
            CLOSED => CertificateChange::Closed {
                was_claimed: match r.u8()? {
                    0 => false,
                    1 => true,
                    _ => return Err(BytesError::Unknown),
                },
            },
            TAKEN_BACK => match (r.u8()?, r.u32()?) {
                (CLAIM, by) => CertificateChange::Unclaimed { by: MeterId(by) },
                (UNCLAIMED_CERTIFICATES, 0) => CertificateChange::Revoked { was_claimed: false },
                (CLAIMED_CERTIFICATES, 0) => CertificateChange::Revoked { was_claimed: true },
                (UNCLAIMED_CERTIFICATES | CLAIMED_CERTIFICATES, _) => return Err(BytesError::Padding),
                _ => return Err(BytesError::Unknown),
            },
            _ => return Err(BytesError::Unknown),
        };
        Ok(Self { range, period, holder, account, change })
    }

    /// Who else is named besides the holder.
    pub fn other(&self) -> Option<(MeterId, AccountId)> {
        match self.change {
            CertificateChange::Moved { from, from_account, .. } => Some((from, from_account)),
            // A meter of the same account.
            CertificateChange::Claimed { by } | CertificateChange::Unclaimed { by } => Some((by, self.account)),
            CertificateChange::Issued { .. } | CertificateChange::Revoked { .. } | CertificateChange::Closed { .. } => {
                None
            }
        }
    }
}
