//! Messages in words, for whoever reads how a rule was broken.

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::header::{HeaderRef, Rank};
use gridbook_ledger::hotstuff::{ConsensusMessage, TimeoutCert};

/// The view that a message is of, if it says so.
pub(super) fn view_of(message: &ConsensusMessage) -> Option<u64> {
    match message {
        ConsensusMessage::Proposal(proposal) => Some(proposal.header.rank.view),
        ConsensusMessage::Vote(vote) => Some(vote.header.rank.view),
        ConsensusMessage::Timeout(timeout) => Some(timeout.view),
        _ => None,
    }
}

/// A header's hash as a short name.
pub(super) fn name(hash: Hash) -> String {
    hash.to_hex()[..6].to_owned()
}

/// One line for a message.
pub(super) fn line(message: &ConsensusMessage) -> String {
    match message {
        ConsensusMessage::Proposal(p) => {
            let (at, on) = (reference(p.header.reference()), reference(p.header.justify));
            format!("proposal {at} on {on}, log to {}", p.header.last_seq)
        }
        ConsensusMessage::Vote(vote) => format!("vote for {}", reference(vote.header)),
        ConsensusMessage::Timeout(t) => {
            let tip = t.tip.map_or_else(|| "none".to_owned(), reference);
            format!("timeout of view {}, certificate {}, tip {tip}", t.view, rank(t.high_qc.rank()))
        }
        ConsensusMessage::TimeoutCert(tc) => format!("timeout certificate of {}", cert(tc)),
        ConsensusMessage::QcNote(note) => {
            let tc = note.tc.as_ref().map_or_else(String::new, |tc| format!(", timeouts of {}", cert(tc)));
            format!("note of the certificate of {}{tc}", reference(note.qc.header))
        }
        ConsensusMessage::HeaderRequest(hash) => format!("asks for {}", name(*hash)),
        ConsensusMessage::HeaderResponse(p) => format!("gives {}", reference(p.header.reference())),
    }
}

fn cert(tc: &TimeoutCert) -> String {
    let voters: Vec<String> = tc.entries.iter().map(|entry| entry.voter.0.to_string()).collect();
    format!("view {} by {}", tc.view, voters.join(" "))
}

fn reference(header: HeaderRef) -> String {
    format!("{} {}", rank(header.rank), name(header.hash))
}

fn rank(rank: Rank) -> String {
    format!("({}, {})", rank.view, rank.slot)
}
