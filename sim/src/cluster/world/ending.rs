//! The end: everything submitted is final, and all hold the same state.

use gridbook_ledger::replica::Kept;

use super::super::process::Process;
use super::agenda::Event;
use super::{LOOK_AROUND_US, SETTLE_US, World};

/// The most chunks of views to come, 64 of each of 4.
const EARLY_CHUNKS_MAX: usize = 256;
/// The most checks, and places in logs, that wait.
const WAITING_MAX: usize = 64;
/// The most headers that are not final.
const HEADERS_MAX: usize = 1_024;
/// The most log entries that never become final.
const ENTRIES_MAX: usize = 20_000;

impl World {
    pub(super) fn look_around(&mut self) -> Result<bool, String> {
        self.after(LOOK_AROUND_US, Event::LookAround);
        self.check_memory()?;
        let Some(unrest) = self.unrest() else { return self.check_the_end().map(|()| true) };
        let deadline_us = self.closes_at_us() + SETTLE_US;
        if self.now_us() >= deadline_us {
            return Err(format!("no end long after all was mended: {unrest}"));
        }
        Ok(false)
    }

    /// Nobody makes an honest validator keep more and more.
    pub(super) fn check_memory(&self) -> Result<(), String> {
        for process in self.honest() {
            let Some(running) = &process.running else { continue };
            let Kept { entries, early_chunks, checks, awaited, headers, bundles } = running.replica.kept();
            let commands = usize::try_from(self.witness.commands).expect("there are few");
            let bounded = early_chunks <= EARLY_CHUNKS_MAX
                && checks <= WAITING_MAX
                && awaited <= WAITING_MAX
                && headers <= HEADERS_MAX
                && bundles as u64 <= self.report.bundles
                && entries <= commands + ENTRIES_MAX;
            if !bounded {
                return Err(format!("validator {} keeps too much: {:?}", process.index, running.replica.kept()));
            }
        }
        Ok(())
    }

    fn honest(&self) -> impl Iterator<Item = &Process> {
        self.processes.iter().filter(|process| !self.culprits.contains_key(&process.index))
    }

    /// What is not as it should be in the end, if anything.
    fn unrest(&self) -> Option<String> {
        let waiting = self.clients.iter().filter(|client| client.under_way.is_some()).count();
        if waiting > 0 || self.clients[0].is_setting_up() {
            return Some(format!("{waiting} clients wait for their bundles; {}", self.standing()));
        }
        let settled = self.honest().all(|process| {
            process.running.as_ref().is_some_and(|running| {
                let (header, state) = (running.replica.final_header(), running.replica.state());
                header.height == self.witness.height()
                    && header.last_seq == state.totals().commands
                    && state.next_due().is_none()
                    && !running.replica.is_catching_up()
            })
        });
        (!settled).then(|| self.standing())
    }

    /// Where everybody stands, in words.
    fn standing(&self) -> String {
        let mut text = format!("highest {}", self.witness.height());
        for process in &self.processes {
            let Some(running) = &process.running else {
                text += &format!("; {} is down", process.index);
                continue;
            };
            let replica = &running.replica;
            text += &format!(
                "; {}: final {}, view {}, log {} of {}, pool {}, due {:?}, catching up: {}",
                process.index,
                replica.final_header().height,
                replica.view().0,
                replica.final_header().last_seq,
                replica.state().totals().commands,
                replica.pool_len(),
                replica.state().next_due().map(|due| due.0),
                replica.is_catching_up(),
            );
        }
        text
    }

    fn check_the_end(&mut self) -> Result<(), String> {
        let honest: Vec<usize> = self.honest().map(|process| process.index).collect();
        let mut first = None;
        for index in honest {
            self.audit(index)?;
            let Some(running) = &mut self.processes[index].running else { continue };
            let root = running.replica.final_header().state_root;
            let state = running.replica.state_mut();
            if state.money_sum() != gridbook_engine::Money(0) {
                return Err(format!("validator {index} made or lost money: {}", state.money_sum()));
            }
            if state.state_root() != root {
                return Err(format!("the state of validator {index} is not that of its last final header"));
            }
            let end = (root, state.totals());
            if *first.get_or_insert(end) != end {
                return Err(format!("validator {index} ends in another state than the first"));
            }
            if end.1.commands != self.witness.commands || end.1.trades != self.witness.trades {
                return Err(format!("validator {index} counted other totals than were told as final"));
            }
        }
        Ok(())
    }

    pub(super) fn audit(&self, index: usize) -> Result<(), String> {
        let Some(running) = &self.processes[index].running else { return Ok(()) };
        running.replica.state().audit().map_err(|error| format!("the books of validator {index}: {error}"))
    }
}
