//! What became of a meter's grants.

use gridbook_engine::{AccountId, MeterId};

use crate::bytes::{BytesError, Reader, Writer};
use crate::consent::{EndCause, Grant, GrantReader};

/// The tag of an event that grants.
pub(super) const GRANTED: u8 = 46;
/// The tag of an event that ends a grant.
pub(super) const ENDED: u8 = 47;

/// A grant of a meter was given or has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consent {
    /// The meter.
    pub meter: MeterId,
    /// Whose it was when it was granted.
    pub account: AccountId,
    /// Who may read, or might.
    pub reader: GrantReader,
    /// Which of the two.
    pub change: ConsentChange,
}

/// What became of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentChange {
    /// It was given, or took the place of the one that the reader had.
    Granted(Grant),
    /// It has ended, and is forgotten.
    Ended(EndCause),
}

impl Consent {
    pub(super) fn write(&self, w: &mut Writer) {
        let Self { meter, account, reader, change } = self;
        w.u8(match change {
            ConsentChange::Granted(_) => GRANTED,
            ConsentChange::Ended(_) => ENDED,
        });
        reader.write(w.u32(meter.0).u32(account.0));
        match change {
            ConsentChange::Granted(Grant { scope, until }) => _ = w.u8(scope.bits()).u64(until.0),
            ConsentChange::Ended(cause) => _ = w.u8(cause.number()),
        }
    }

    /// What stands behind the tag.
    pub(super) fn read(tag: u8, r: &mut Reader<'_>) -> Result<Self, BytesError> {
        let (meter, account, reader) = (MeterId(r.u32()?), AccountId(r.u32()?), GrantReader::read(r)?);
        let change = match tag {
            GRANTED => ConsentChange::Granted(Grant::read(r)?),
            ENDED => ConsentChange::Ended(EndCause::from_number(r.u8()?).ok_or(BytesError::Unknown)?),
            _ => return Err(BytesError::Unknown),
        };
        Ok(Self { meter, account, reader, change })
    }
}
