//! A header whose results do not follow from its log.
//!
//! That cannot be proven by the header alone without executing the whole log. It can by a second header that ends at the same place of
//! the same log (the digest says so) and that a quorum certified: of 2f + 1 validators at least f + 1 are honest and executed it. What
//! depends on the log up to that place only must then be the same: time and state root; and, where the two begin at the same place too, the roots
//! over inputs and results.

use super::Statement;

/// The accused header, and the certified one.
pub(super) fn fault(a: &Statement, b: &Statement) -> bool {
    let (Statement::Header(accused), Statement::Certified(certified, _)) = (a, b) else { return false };
    let accused = &accused.header;
    let same_log = accused.chain == certified.chain && accused.log_end() == certified.log_end();
    let other_state = accused.state_root != certified.state_root || accused.time_ms != certified.time_ms;
    let same_span = accused.first_seq == certified.first_seq;
    let other_results = accused.inputs_root != certified.inputs_root || accused.results_root != certified.results_root;
    same_log && (other_state || (same_span && other_results))
}
