//! A disk that forgets what was not synced.

use gridbook_ledger::hotstuff::SafetyRecord;
use gridbook_ledger::replica::{LogRecord, archive, unarchive};

use super::dice::Dice;

/// One validator's log and safety record.
#[derive(Debug, Default)]
pub(super) struct Disk {
    records: Vec<LogRecord>,
    /// How many of them survive anything.
    synced: usize,
    record: Option<SafetyRecord>,
    /// A sync that has begun: how many records it covers, and the safety record that follows it.
    begun: Option<(usize, Option<SafetyRecord>)>,
}

/// How often, in a thousand, a crash in the middle of a sync comes just after it: on the disk, but never told.
const SYNCED_IN_SECRET: u64 = 300;

impl Disk {
    pub(super) fn append(&mut self, record: LogRecord) {
        self.records.push(record);
    }

    pub(super) fn begin_sync(&mut self, record: Option<SafetyRecord>) {
        self.begun = Some((self.records.len(), record));
    }

    pub(super) fn end_sync(&mut self) {
        let Some((synced, record)) = self.begun.take() else { return };
        self.synced = synced;
        if record.is_some() {
            self.record = record;
        }
    }

    /// Power cut or kill: of what was not synced, the first few may be there afterwards, or all, or nothing.
    pub(super) fn crash(&mut self, dice: &mut Dice) {
        if self.begun.is_some() && dice.per_mille(SYNCED_IN_SECRET) {
            self.end_sync();
        }
        self.begun = None;
        let unsynced = self.records.len() - self.synced;
        self.records.truncate(self.synced + dice.place(unsynced + 1));
    }

    /// The records as they are read after a start.
    pub(super) fn read(&self) -> Result<Vec<LogRecord>, String> {
        let reread = |record: &LogRecord| {
            let (kind, payload) = record.encode();
            LogRecord::decode(kind, &payload).map_err(|error| format!("a log record cannot be read again: {error}"))
        };
        self.records.iter().map(reread).collect()
    }

    /// The safety record as it is read after a start.
    pub(super) fn read_safety(&self) -> Result<Option<SafetyRecord>, String> {
        let reread =
            |record| unarchive(&archive(record)).map_err(|_| "the safety record cannot be read again".to_owned());
        self.record.as_ref().map(reread).transpose()
    }

    /// What a reader of the open log sees: also what is not synced.
    pub(super) fn records(&self) -> &[LogRecord] {
        &self.records
    }

    /// What is promised, durably.
    pub(super) fn safety(&self) -> Option<&SafetyRecord> {
        self.record.as_ref()
    }
}
