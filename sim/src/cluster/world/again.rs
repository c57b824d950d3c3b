//! Restart equivalence: a validator that is made from its disk is the one that wrote it.

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::replica::Replica;

use super::super::process::Started;
use super::World;

/// Of so many syncs about one is followed by a comparison.
const COMPARED_OF: u64 = 300;
/// At most so many comparisons in one story: each executes a whole log twice.
const COMPARED_MAX: u64 = 6;

impl World {
    /// Now and then, when all that a validator did is on its disk, it is made again from there, beside the running one: from its
    /// newest kept state, and, where it has its whole log, from genesis. All must be the same.
    pub(super) fn compare_with_restart(&mut self, index: usize) -> Result<(), String> {
        let process = &mut self.processes[index];
        let idle = process.running.as_ref().is_some_and(|running| running.storage.is_empty());
        if !idle || self.report.restarts_compared >= COMPARED_MAX || process.dice.below(COMPARED_OF) > 0 {
            return Ok(());
        }
        self.report.restarts_compared += 1;
        let Some(running) = &mut process.running else { return Ok(()) };
        let now = Standing::of(&mut running.replica);
        let ways = if self.processes[index].has_whole_log() { &[false, true][..] } else { &[false] };
        for at_genesis in ways {
            let mut aside = self.processes[index].aside();
            let Started { mut replica, .. } = aside
                .recover(&self.market, *at_genesis)
                .map_err(|why| format!("validator {index}, made again: {why}"))?;
            let again = Standing::of(&mut replica);
            if again != now {
                return Err(format!("validator {index}, made again from its disk, is another: {again:?}, not {now:?}"));
            }
        }
        Ok(())
    }
}

/// What must be the same.
#[derive(Debug, PartialEq, Eq)]
struct Standing {
    final_header: Hash,
    height: u64,
    commands: u64,
    state_root: Hash,
    snapshot_root: Hash,
}

impl Standing {
    fn of(replica: &mut Replica) -> Self {
        let header = replica.final_header();
        let (final_header, height) = (header.hash(), header.height);
        let state = replica.state_mut();
        let commands = state.totals().commands;
        Self { final_header, height, commands, state_root: state.state_root(), snapshot_root: state.snapshot_root() }
    }
}
