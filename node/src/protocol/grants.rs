//! What the owner of a meter has granted others.

use gridbook_engine::{LedgerTime, MeterId};
use gridbook_ledger::bytes::{BytesError, Reader, Writer};
use gridbook_ledger::consent::{GRANTS_MAX, Grant, GrantReader};

/// All grants of a meter, as of the last command executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantList {
    /// Ledger time. A grant that is over by then opens nothing, and is forgotten some days later.
    pub as_of: LedgerTime,
    /// The meter.
    pub meter: MeterId,
    /// By reader, ascending: at most [`GRANTS_MAX`].
    pub grants: Vec<(GrantReader, Grant)>,
}

impl GrantList {
    pub(super) fn write(&self, w: &mut Writer) {
        let Self { as_of, meter, grants } = self;
        w.u64(as_of.0).u32(meter.0).u8(u8::try_from(grants.len()).expect("at most GRANTS_MAX"));
        for (reader, grant) in grants {
            reader.write(w);
            grant.write(w);
        }
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        let (as_of, meter, count) = (LedgerTime(r.u64()?), MeterId(r.u32()?), usize::from(r.u8()?));
        if count > GRANTS_MAX {
            return Err(BytesError::TooLong);
        }
        let grants = (0..count).map(|_| Ok((GrantReader::read(r)?, Grant::read(r)?)));
        Ok(Self { as_of, meter, grants: grants.collect::<Result<_, BytesError>>()? })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use gridbook_ledger::consent::Scope;
    use gridbook_ledger::crypto::PublicKey;
    use gridbook_ledger::registry::OrganisationId;

    use super::*;

    /// One to an organisation, one to a key.
    pub(in crate::protocol) fn full() -> GrantList {
        let grant = Grant { scope: Scope::STATEMENT, until: LedgerTime(9) };
        let wider = Grant { scope: Scope::ALL, ..grant };
        let grants =
            vec![(GrantReader::Organisation(OrganisationId(3)), grant), (GrantReader::Key(PublicKey([7; 32])), wider)];
        GrantList { as_of: LedgerTime(5), meter: MeterId(4), grants }
    }

    #[test]
    fn more_grants_than_a_meter_has_are_refused_before_any_is_read() {
        let mut w = Writer::new();
        w.u64(5).u32(4).u8(33);
        assert_eq!(GrantList::read(&mut Reader::new(&w.finish())), Err(BytesError::TooLong));
    }
}
