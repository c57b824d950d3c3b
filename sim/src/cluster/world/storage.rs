//! The storage thread of a validator: what waits for its disk, strictly in order.

use gridbook_ledger::replica::{Input, PeerMessage};

use super::super::process::StorageJob;
use super::agenda::Event;
use super::{SYNC_US, World};

impl World {
    pub(super) fn store(&mut self, index: usize, job: StorageJob) {
        if let Some(running) = &mut self.processes[index].running {
            running.storage.push_back(job);
        }
    }

    /// Does what waits for the disk, until a sync is needed.
    pub(super) fn begin_sync(&mut self, index: usize) -> Result<(), String> {
        let now_us = self.now_us();
        loop {
            let process = &mut self.processes[index];
            let Some(running) = process.running.as_mut().filter(|running| running.syncing.is_none()) else {
                return Ok(());
            };
            if running.storage.is_empty() {
                return Ok(());
            }
            // The thread takes what is there; which may be only some of it.
            let count =
                if process.dice.per_mille(200) { 1 + process.dice.place(running.storage.len()) } else { usize::MAX };
            let count = count.min(running.storage.len());
            let (mut record, mut after, mut needed) = (None, Vec::new(), false);
            for job in running.storage.drain(..count) {
                match job {
                    StorageJob::Append(entry) => process.disk.append(entry),
                    StorageJob::Persist(newest) => (record, needed) = (Some(*newest), true),
                    StorageJob::Notify(_) => {
                        needed = true;
                        after.push(job);
                    }
                    StorageJob::Send { .. } => after.push(job),
                }
            }
            if needed {
                process.disk.begin_sync(record);
                running.syncing = Some(after);
                let stalled_us = process.disk_stalls_until_us.saturating_sub(now_us);
                let (life, takes_us) = (process.life, process.dice.delay(SYNC_US));
                self.after(takes_us + stalled_us, Event::Synced { to: index, life });
                return Ok(());
            }
            self.follow_sync(index, after)?;
        }
    }

    pub(super) fn end_sync(&mut self, index: usize) -> Result<(), String> {
        let process = &mut self.processes[index];
        process.disk.end_sync();
        let after = process.running.as_mut().and_then(|running| running.syncing.take()).unwrap_or_default();
        self.follow_sync(index, after)?;
        self.begin_sync(index)
    }

    fn follow_sync(&mut self, index: usize, after: Vec<StorageJob>) -> Result<(), String> {
        // The core hears on a thread of its own: what it does then cannot overtake what the storage thread still sends.
        let mut notices = Vec::new();
        for job in after {
            match job {
                StorageJob::Notify(number) => notices.push(number),
                StorageJob::Send { to, message } => self.post(index, to, &PeerMessage::Consensus(message))?,
                StorageJob::Append(_) | StorageJob::Persist(_) => {}
            }
        }
        for number in notices {
            self.feed(index, Input::Durable(number))?;
            self.end_turn(index);
        }
        Ok(())
    }
}
