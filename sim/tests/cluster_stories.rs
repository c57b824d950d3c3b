//! Seeds that once ended badly, and what went wrong in them.

use gridbook_sim::cluster::{ClusterConfig, Faults, run};

fn ends_well(config: ClusterConfig) {
    run(config).unwrap_or_else(|error| panic!("{error}"));
}

fn story(seed: u64, faults: Faults) -> ClusterConfig {
    ClusterConfig { faults, virtual_seconds: 8, ..ClusterConfig::new(seed) }
}

/// A validator asks itself whether a header holds, and by the time its log is there the header is final: what it began from is
/// out of reach, which was taken for a difference, and the validator stopped for good.
#[test]
fn a_header_that_became_final_while_it_was_checked_is_no_contradiction() {
    ends_well(story(0, Faults::None));
    ends_well(story(103, Faults::Crash));
}

/// A validator comes back after more headers than others keep at hand. It had the newest ones, fetched one by one, took them for
/// all, and stayed where it was.
#[test]
fn a_validator_that_missed_many_headers_catches_up() {
    for seed in [102, 109, 110, 111, 113, 115] {
        ends_well(story(seed, Faults::Crash));
    }
}

/// A leader streams log that no header covers, and its header is lost. Its followers held the log for sequenced, saw nothing to do,
/// and nothing ever happened again.
#[test]
fn log_under_a_header_that_was_lost_does_not_wait_for_good() {
    for seed in [302, 303, 306, 307] {
        ends_well(story(seed, Faults::Byzantine));
    }
    for seed in [200, 207, 208] {
        ends_well(story(seed, Faults::Network));
    }
}

/// The next leader does not carry what the last one streamed. A follower kept it executed: its state was never final anywhere.
#[test]
fn log_that_a_new_leader_leaves_out_is_undone() {
    ends_well(story(204, Faults::Network));
    ends_well(story(305, Faults::Byzantine));
}

/// A new leader gets the log of an old leader's header that it had asked for before, executes it, and finds itself on another
/// branch than the one it leads.
#[test]
fn a_late_answer_does_not_move_a_leader_off_its_own_log() {
    ends_well(ClusterConfig { virtual_seconds: 20, ..story(1_023, Faults::All) });
}

/// A leader is killed after its header was written and before its record was: it never gave its word for that header, and told
/// of it all the same when it came back.
#[test]
fn a_header_that_the_record_does_not_know_is_not_sent_after_a_restart() {
    ends_well(ClusterConfig { validators: 7, ..story(2_040, Faults::All) });
}
