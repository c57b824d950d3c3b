//! The storage thread of a validator: what waits for its disk, strictly in order.

use gridbook_ledger::replica::{Input, PeerMessage};
use gridbook_ledger::store::StoreError;

use super::super::disk::{Disk, End, Group};
use super::super::process::StorageJob;
use super::agenda::Event;
use super::{FULL_US, SYNC_US, World};

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
            let jobs: Vec<StorageJob> = running.storage.drain(..count).collect();
            let (group, after) = match write(&mut process.disk, jobs) {
                Ok(written) => written,
                Err(error) => return self.disk_fails(index, &error),
            };
            if let Some(group) = group {
                process.disk.begin_sync(group);
                if let Some(running) = &mut process.running {
                    running.syncing = Some(after);
                }
                let stalled_us = process.disk_stalls_until_us.saturating_sub(now_us);
                let (life, takes_us) = (process.life, process.dice.delay(SYNC_US * process.slowness, 1));
                self.after(takes_us + stalled_us, Event::Synced { to: index, life });
                return Ok(());
            }
            self.follow_sync(index, after)?;
        }
    }

    pub(super) fn end_sync(&mut self, index: usize) -> Result<(), String> {
        let process = &mut self.processes[index];
        match process.disk.end_sync() {
            Ok(false) => {}
            Ok(true) => return self.begin_again(index),
            Err(error) => return self.disk_fails(index, &error),
        }
        let after = process.running.as_mut().and_then(|running| running.syncing.take()).unwrap_or_default();
        if !self.culprits.contains_key(&index) {
            self.compare_with_restart(index)?;
        }
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
                StorageJob::Append(_)
                | StorageJob::Persist(_)
                | StorageJob::Keep { .. }
                | StorageJob::Incoming(_)
                | StorageJob::Restore(_) => {}
            }
        }
        for number in notices {
            self.feed(index, Input::Durable(number))?;
            self.end_turn(index);
        }
        Ok(())
    }

    /// An error of the disk ends the process; it is never retried. Only a full disk may give one.
    pub(super) fn disk_fails(&mut self, index: usize, error: &StoreError) -> Result<(), String> {
        if !is_full(error) {
            return Err(format!("validator {index}: its disk: {error}"));
        }
        self.report.full_disks += 1;
        self.trace.note(self.agenda.now_us(), || format!("{index}: stops, for its disk is full"));
        self.crash(index, End::Kill, FULL_US);
        Ok(())
    }
}

/// Whether there was no space.
pub(super) fn is_full(error: &StoreError) -> bool {
    matches!(error, StoreError::NoSpace { .. })
}

/// Writes what is to be written. Gives what must be synced, if anything, and what is done afterwards.
fn write(disk: &mut Disk, jobs: Vec<StorageJob>) -> Result<(Option<Group>, Vec<StorageJob>), StoreError> {
    let (mut group, mut after, mut needed) = (Group::default(), Vec::new(), false);
    for job in jobs {
        match job {
            StorageJob::Append(record) => disk.append(&record)?,
            StorageJob::Persist(newest) => (group.record, needed) = (Some(newest), true),
            StorageJob::Keep { seq, state } => {
                group.kept.extend(disk.keep(seq, state));
                needed = true;
            }
            StorageJob::Incoming(job) => disk.take_in(job)?,
            StorageJob::Restore(snapshot) => {
                group.kept.extend(disk.restore(snapshot)?);
                needed = true;
            }
            StorageJob::Notify(_) => {
                (group.sync, needed) = (true, true);
                after.push(job);
            }
            StorageJob::Send { .. } => after.push(job),
        }
    }
    Ok((needed.then_some(group), after))
}
