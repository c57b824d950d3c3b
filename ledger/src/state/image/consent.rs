//! Who may read what of which meter, in a snapshot.

use gridbook_engine::MeterId;

use super::read::{Read, list as read_list};
use super::write::list as write_list;
use crate::bytes::{Reader, Writer};
use crate::consent::{GRANT_ROW_BYTES, Grant, GrantReader};
use crate::state::RestoreError;
use crate::state::tables::{ConsentTable, Tables};

/// Grants by meter, then by reader.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::state) struct ConsentImage(pub(in crate::state) Vec<(u32, GrantReader, Grant)>);

impl ConsentImage {
    pub(super) fn write(&self, w: &mut Writer) {
        write_list(w, &self.0, |(meter, reader, grant), w| {
            reader.write(w.u32(*meter));
            grant.write(w);
        });
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Read<Self> {
        read_list(r, 4 + GRANT_ROW_BYTES, |r| Ok((r.u32()?, GrantReader::read(r)?, Grant::read(r)?))).map(Self)
    }

    /// Puts it back into the tables, which have their meters and organisations already. Whether it is what the meters' rows say is for
    /// the audit.
    pub(in crate::state) fn restore(&self, tables: &mut Tables) -> Result<(), RestoreError> {
        if !self.0.is_sorted_by(|a, b| (a.0, a.1) < (b.0, b.1)) {
            return Err(RestoreError::Row("the order of grants"));
        }
        for (meter, reader, grant) in &self.0 {
            let reader_exists = match reader {
                GrantReader::Organisation(organisation) => tables.organisation(*organisation).is_some(),
                GrantReader::Key(key) => key.check().is_ok(),
            };
            if tables.meter(MeterId(*meter)).is_none() || !reader_exists {
                return Err(RestoreError::Row("a grant's meter or reader"));
            }
            tables.restore_grant(MeterId(*meter), *reader, Some(*grant));
        }
        Ok(())
    }
}

impl From<&ConsentTable> for ConsentImage {
    fn from(table: &ConsentTable) -> Self {
        Self(table.grants().iter().map(|((meter, reader), grant)| (meter.0, *reader, *grant)).collect())
    }
}
