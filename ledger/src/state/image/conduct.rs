//! What stands against whom, in a snapshot.

use gridbook_engine::MeterId;

use super::read::{Read, list as read_list};
use super::write::list as write_list;
use crate::bytes::{BytesError, Reader, Writer};
use crate::conduct::{DeliveryWindow, ENTRY_BYTES_MIN, Entry, Fault, WINDOW_BYTES_MIN};
use crate::evidence::{EvidenceKey, EvidenceKind};
use crate::state::RestoreError;
use crate::state::tables::{ConductTable, Holder, Tables};
use crate::validators::ValidatorIndex;

/// Entries by number, windows by meter, what was entered against validators by epoch.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::state) struct ConductImage {
    /// The number of the last entry ever made.
    pub(in crate::state) last: u64,
    pub(in crate::state) entries: Vec<(u64, Entry)>,
    pub(in crate::state) windows: Vec<(u32, DeliveryWindow)>,
    pub(in crate::state) accused: Vec<EvidenceKey>,
}

impl ConductImage {
    pub(super) fn write(&self, w: &mut Writer) {
        let Self { last, entries, windows, accused } = self;
        w.u64(*last);
        write_list(w, entries, |(number, entry), w| entry.write(w.u64(*number)));
        write_list(w, windows, |(meter, window), w| window.write(w.u32(*meter)));
        write_list(w, accused, |key, w| _ = w.u32(key.epoch).u16(key.culprit.0).u8(key.kind.number()));
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Read<Self> {
        Ok(Self {
            last: r.u64()?,
            entries: read_list(r, 8 + ENTRY_BYTES_MIN, |r| Ok((r.u64()?, Entry::read(r)?)))?,
            windows: read_list(r, 4 + WINDOW_BYTES_MIN, |r| Ok((r.u32()?, DeliveryWindow::read(r)?)))?,
            accused: read_list(r, ACCUSED_BYTES, read_accused)?,
        })
    }

    /// Puts it back into the tables, which have their accounts and meters already.
    pub(in crate::state) fn restore(&self, tables: &mut Tables) -> Result<(), RestoreError> {
        let Self { last, entries, windows, accused } = self;
        let ascend = entries.is_sorted_by(|a, b| a.0 < b.0) && windows.is_sorted_by(|a, b| a.0 < b.0);
        let ascend = ascend && accused.is_sorted_by(|a, b| a < b);
        if !ascend || entries.iter().any(|(number, _)| !(1..=*last).contains(number)) {
            return Err(RestoreError::Row("the order of conduct"));
        }
        for (number, entry) in entries {
            if let Fault::Device { account, meter, .. } = entry.fault
                && (tables.account(Holder::User(account)).is_none() || tables.meter(meter).is_none())
            {
                return Err(RestoreError::Row("an entry's bearer"));
            }
            tables.add_numbered(*number, *entry);
        }
        tables.set_last_entry(*last);
        for (meter, window) in windows {
            tables.meter(MeterId(*meter)).ok_or(RestoreError::Row("a window's meter"))?;
            tables.set_window(MeterId(*meter), Some(*window));
        }
        for key in accused {
            let set = tables.epoch().set_of(key.epoch);
            set.and_then(|set| set.key(key.culprit)).ok_or(RestoreError::Row("who was accused"))?;
            tables.add_accused(*key);
        }
        Ok(())
    }
}

const ACCUSED_BYTES: usize = 4 + 2 + 1;

fn read_accused(r: &mut Reader<'_>) -> Read<EvidenceKey> {
    let (epoch, culprit) = (r.u32()?, ValidatorIndex(r.u16()?));
    Ok(EvidenceKey { epoch, culprit, kind: EvidenceKind::from_number(r.u8()?).ok_or(BytesError::Unknown)? })
}

impl From<&ConductTable> for ConductImage {
    fn from(table: &ConductTable) -> Self {
        Self {
            last: table.last(),
            entries: table.entries().iter().map(|(number, entry)| (*number, *entry)).collect(),
            windows: table.windows().iter().map(|(meter, window)| (meter.0, *window)).collect(),
            accused: table.accused().iter().copied().collect(),
        }
    }
}
