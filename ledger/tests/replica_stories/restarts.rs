//! Validators that come back with less than they had.

use gridbook_ledger::command::Command;
use gridbook_ledger::replica::PeerMessage;

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

/// A validator hears of headers and of their finality, and the log of them never comes: it is more than others have at hand, or than a
/// leader's log is followed. It fetches it as history, also if it is started again in between: the headers are in its own log then. It used to
/// ask for it here and there, and in the end for nothing more.
#[test]
fn headers_that_are_final_and_whose_log_nobody_has_at_hand_are_no_dead_end() {
    [false, true].into_iter().for_each(waits_for_log_that_nobody_has_at_hand);
}

fn waits_for_log_that_nobody_has_at_hand(starts_again: bool) {
    let (mut quartet, height) = story();
    quartet.on_the_way = Box::new(|_, to, message| {
        let is_log = matches!(message, PeerMessage::Chunk(_) | PeerMessage::Pulled { .. });
        (to != 2 || !is_log).then_some(message)
    });
    for nonce in 50..70 {
        let cancel = quartet.admitted(10, nonce, vec![Command::CancelAll; 3]);
        quartet.submit(1, cancel);
        quartet.run_for(20_000);
    }
    if starts_again {
        assert!(quartet.nodes[2].replica.is_catching_up());
        let records = quartet.nodes[2].log.len();
        quartet.restart(2, records);
    }
    quartet.run_for(60_000_000);
    quartet.assert_agreed_beyond(height + 10);
    let height = |quartet: &Quartet, index: usize| quartet.nodes[index].replica.final_header().height;
    // History ends before the last header, of which no other holds a certificate.
    assert!(height(&quartet, 2) + 1 >= height(&quartet, 0));
    quartet.on_the_way = Box::new(|_, _, message| Some(message));
    quartet.run_for(10_000_000);
    assert_eq!(height(&quartet, 2), height(&quartet, 0));
    assert!(!quartet.nodes[2].replica.is_catching_up());
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
