//! What stands against whom, in a snapshot.

use gridbook_engine::MeterId;

use super::read::{Read, list as read_list};
use super::write::list as write_list;
use crate::bytes::{Reader, Writer};
use crate::conduct::{DeliveryWindow, ENTRY_BYTES_MIN, Entry, Fault, WINDOW_BYTES_MIN};
use crate::state::RestoreError;
use crate::state::tables::{ConductTable, Holder, Tables};

/// Entries by number, windows by meter.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::state) struct ConductImage {
    /// The number of the last entry ever made.
    pub(in crate::state) last: u64,
    pub(in crate::state) entries: Vec<(u64, Entry)>,
    pub(in crate::state) windows: Vec<(u32, DeliveryWindow)>,
}

impl ConductImage {
    pub(super) fn write(&self, w: &mut Writer) {
        let Self { last, entries, windows } = self;
        w.u64(*last);
        write_list(w, entries, |(number, entry), w| entry.write(w.u64(*number)));
        write_list(w, windows, |(meter, window), w| window.write(w.u32(*meter)));
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Read<Self> {
        Ok(Self {
            last: r.u64()?,
            entries: read_list(r, 8 + ENTRY_BYTES_MIN, |r| Ok((r.u64()?, Entry::read(r)?)))?,
            windows: read_list(r, 4 + WINDOW_BYTES_MIN, |r| Ok((r.u32()?, DeliveryWindow::read(r)?)))?,
        })
    }

    /// Puts it back into the tables, which have their accounts and meters already.
    pub(in crate::state) fn restore(&self, tables: &mut Tables) -> Result<(), RestoreError> {
        let Self { last, entries, windows } = self;
        let ascend = entries.is_sorted_by(|a, b| a.0 < b.0) && windows.is_sorted_by(|a, b| a.0 < b.0);
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
        Ok(())
    }
}

impl From<&ConductTable> for ConductImage {
    fn from(table: &ConductTable) -> Self {
        Self {
            last: table.last(),
            entries: table.entries().iter().map(|(number, entry)| (*number, *entry)).collect(),
            windows: table.windows().iter().map(|(meter, window)| (meter.0, *window)).collect(),
        }
    }
}
