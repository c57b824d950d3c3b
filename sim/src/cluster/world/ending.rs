//! The end: everything submitted is final, and all hold the same state.

use gridbook_ledger::replica::Kept;

use super::super::process::Process;
use super::agenda::Event;
use super::{LOOK_AROUND_US, SETTLE_US, World};

/// The most chunks of views to come: 64 of each of 4, as the replica has it.
const EARLY_CHUNKS_MAX: usize = 4 * 64;
/// The most checks, and places in logs, that wait: as the replica has it.
const WAITING_MAX: usize = 64;
/// The most headers that are not final. A leader adds no log when 32 are certified and not final, and goes on with empty ones at the speed
/// of the network while it waits for an old one to be sent again: some 80 were seen. A core refuses all beyond 1,024.
const HEADERS_MAX: usize = 256;
/// The most log entries that are not final: what clients have under way, with times and work between, on a few branches. Some 200 were seen.
const ENTRIES_MAX: usize = 600;

/// What is due later than so much ledger time from now is an entry of conduct that expires: no run waits for it.
const QUIET_MS: u64 = 24 * 3_600_000;

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
        self.honest().try_for_each(|process| self.check_memory_of(process))
    }

    pub(super) fn check_memory_of(&self, process: &Process) -> Result<(), String> {
        let Some(running) = &process.running else { return Ok(()) };
        let kept = running.replica.kept();
        let Kept { entries, early_chunks, checks, awaited, headers, bundles } = kept;
        // Nobody makes bundles but the clients.
        let bounded = early_chunks <= EARLY_CHUNKS_MAX
            && checks <= WAITING_MAX
            && awaited <= WAITING_MAX
            && headers <= HEADERS_MAX
            && bundles as u64 <= self.report.bundles
            && entries <= self.witness.entries() + ENTRIES_MAX;
        if bounded { Ok(()) } else { Err(format!("validator {} keeps too much: {kept:?}", process.index)) }
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
                    && state.next_due().is_none_or(|due| due.0 > state.time().0 + QUIET_MS)
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

#[cfg(test)]
mod tests {
    use gridbook_engine::{AccountId, Money};
    use gridbook_ledger::command::{Bundle, Command, NEVER};
    use gridbook_ledger::entry::Entry;

    use super::super::super::{ClusterConfig, Faults};
    use super::*;

    /// A short story in which nothing goes wrong, at its good end.
    fn ended_well() -> World {
        let (faults, meters, operators) = (Faults::None, Some(4), Some(false));
        let config = ClusterConfig { faults, meters, operators, virtual_seconds: 4, ..ClusterConfig::new(1) };
        let mut world = World::new(config).unwrap();
        loop {
            let event = world.agenda.next().unwrap();
            if world.happen(event).unwrap() {
                return world;
            }
        }
    }

    /// Carries out at one validator what is in nobody's log.
    fn do_alone(world: &mut World, index: usize, entry: &Entry) {
        let state = world.processes[index].running.as_mut().unwrap().replica.state_mut();
        let next = state.totals().commands + 1;
        state.apply(next, entry, &mut Vec::new());
    }

    #[test]
    fn a_validator_with_more_money_than_the_others_does_not_end_well() {
        let mut world = ended_well();
        world.check_the_end().unwrap();
        let commands = vec![Command::Deposit { account: AccountId(0), amount: Money(1) }];
        let (chain, key) = (world.market.chain, world.market.operator.clone());
        let bundle = Bundle { chain, signer: key.public(), nonce: 1 << 40, expires_at: NEVER, commands }.sign(&key);
        let entry = Entry::decode_unverified(&[&[1], bundle.bytes()].concat()).unwrap().trust();
        do_alone(&mut world, 2, &entry);
        let found = world.check_the_end().unwrap_err();
        assert_eq!(found, "the state of validator 2 is not that of its last final header");
    }

    /// One command more or less was told as final than all validators hold.
    #[test]
    fn a_command_that_was_told_and_is_in_no_state_does_not_end_well() {
        let mut world = ended_well();
        world.witness.commands += 1;
        let found = world.check_the_end().unwrap_err();
        assert_eq!(found, "validator 0 counted other totals than were told as final");
    }
}
