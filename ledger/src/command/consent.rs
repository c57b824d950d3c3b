//! Granting others access to a meter's data, and taking it back, as bytes.

use gridbook_engine::{LedgerTime, MeterId};

use crate::bytes::{Reader, Writer};
use crate::consent::{GrantReader, Scope};
use crate::reject::Code;

/// Lets somebody read a meter's data until a moment. A grant to a reader who has one already takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantAccess {
    /// The meter, whose own key must sign.
    pub meter: MeterId,
    /// Who may read.
    pub reader: GrantReader,
    /// What.
    pub scope: Scope,
    /// The ledger time at and after which nothing is told any more: at most [`GRANT_MS_MAX`](crate::consent::GRANT_MS_MAX) ahead.
    pub until: LedgerTime,
}

impl GrantAccess {
    /// Scope, two zeros, meter, until, reader, without the tag.
    pub(super) fn write(&self, w: &mut Writer) {
        let Self { meter, reader, scope, until } = self;
        reader.write(w.u8(scope.bits()).u16(0).u32(meter.0).u64(until.0));
    }

    /// Reads what [`GrantAccess::write`] wrote.
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, Code> {
        let scope = Scope::from_bits(r.u8()?).ok_or(Code::FormTag)?;
        r.padding(2)?;
        let (meter, until) = (MeterId(r.u32()?), LedgerTime(r.u64()?));
        Ok(Self { meter, reader: GrantReader::read(r)?, scope, until })
    }
}

/// Three zeros, meter, eight zeros, reader: where a grant has them.
pub(super) fn write_revocation(w: &mut Writer, meter: MeterId, reader: &GrantReader) {
    reader.write(w.bytes(&[0; 3]).u32(meter.0).u64(0));
}

pub(super) fn read_revocation(r: &mut Reader<'_>) -> Result<(MeterId, GrantReader), Code> {
    r.padding(3)?;
    let meter = MeterId(r.u32()?);
    r.padding(8)?;
    Ok((meter, GrantReader::read(r)?))
}
