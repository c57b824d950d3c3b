//! Validators that come back with less than they had.

use gridbook_ledger::command::Command;

use crate::quartet::Quartet;

/// What was executed and not yet promised to anybody may be missing from the log after a power cut, from any record on. The
/// validator comes back to the same final headers and goes on with the others.
#[test]
fn a_speculative_tail_cut_anywhere_is_fetched_again() {
    let unsynced = story().0.nodes[2].log.len() - story().0.nodes[2].synced;
    for kept in 0..=unsynced {
        let (mut quartet, height) = story();
        let synced = quartet.nodes[2].synced;
        quartet.restart(2, synced + kept);
        assert!(quartet.nodes[2].replica.final_header().height >= height.saturating_sub(2));
        let cancel = quartet.admitted(10, 50, vec![Command::CancelAll]);
        quartet.submit(1, cancel);
        quartet.run_for(6_000_000);
        quartet.assert_agreed_beyond(height);
    }
}

/// Some bundles, of which the last is still on its way.
fn story() -> (Quartet, u64) {
    let mut quartet = Quartet::new();
    quartet.register();
    for nonce in 1..4 {
        let cancel = quartet.admitted(10, nonce, vec![Command::CancelAll; 3]);
        quartet.submit(1, cancel);
        quartet.run_for(20_000);
    }
    let last = quartet.admitted(10, 4, vec![Command::CancelAll; 3]);
    quartet.submit(1, last);
    quartet.run_for(1_500);
    let height = quartet.nodes[2].replica.final_header().height;
    (quartet, height)
}

/// Everybody at once: what was final anywhere is final everywhere afterwards.
#[test]
fn a_power_cut_for_all_loses_nothing_final() {
    let (mut quartet, height) = story();
    for index in 0..4 {
        let synced = quartet.nodes[index].synced;
        quartet.restart(index, synced);
    }
    let cancel = quartet.admitted(10, 50, vec![Command::CancelAll]);
    quartet.submit(1, cancel);
    quartet.run_for(8_000_000);
    quartet.assert_agreed_beyond(height);
}
