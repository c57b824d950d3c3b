//! What a leader must not sign together.
//!
//! A leader proposes one header of each rank. All it streams in a view is one log: each chunk begins where the one before it ended, and its
//! headers end on it. After a restart it proposes and streams nothing in a view that it led before.

use super::{SignedHeader, Statement};
use crate::header::LogPoint;
use crate::record::Record;
use crate::sequenced::{ChunkStatement, SequencedReceipt};

/// Two headers of one rank.
pub(super) fn double_proposal(a: &Statement, b: &Statement) -> bool {
    let (Statement::Header(a), Statement::Header(b)) = (a, b) else { return false };
    let (a, b) = (&a.header, &b.header);
    a.epoch == b.epoch && a.proposer == b.proposer && a.rank == b.rank && a != b
}

/// Two chunks of one number.
pub(super) fn double_chunk(a: &Statement, b: &Statement) -> bool {
    let (Statement::Chunk(a), Statement::Chunk(b)) = (a, b) else { return false };
    same_view(a, b) && a.number == b.number && !a.says_the_same(b)
}

/// Two places that do not lie on one log: of two chunks, the earlier one first; or of a header, which stands first, and a chunk; or of two
/// headers, the lower one first.
pub(super) fn two_logs(a: &Statement, b: &Statement) -> bool {
    match (a, b) {
        (Statement::Chunk(a), Statement::Chunk(b)) => {
            let gap = a.number.checked_add(1) == Some(b.number) && a.end != b.start;
            let part = [a.start, a.end].iter().any(|at| [b.start, b.end].iter().any(|other| parts(*at, *other)));
            same_view(a, b) && a.number < b.number && (gap || b.start.seq < a.end.seq || part)
        }
        (Statement::Header(header), Statement::Chunk(chunk)) => {
            let header = &header.header;
            let end = header.log_end();
            let of_view = header.epoch == chunk.epoch && header.rank.view == chunk.view;
            of_view && (parts(end, chunk.start) || parts(end, chunk.end))
        }
        (Statement::Header(a), Statement::Header(b)) => {
            let (a, b) = (&a.header, &b.header);
            let of_view = a.epoch == b.epoch && a.proposer == b.proposer && a.rank.view == b.rank.view;
            of_view && a.rank < b.rank && (parts(a.log_end(), b.log_end()) || b.last_seq < a.last_seq)
        }
        _ => false,
    }
}

/// An S0 receipt, and another entry at one of its places: in another receipt of the view, which stands behind it by its place; in a header of
/// the view that shows its record; or by what is final, as far as that binds the leader.
pub(super) fn receipt_breach(a: &Statement, b: &Statement) -> bool {
    let Statement::Sequenced(promise) = a else { return false };
    match b {
        Statement::Sequenced(other) => {
            same_view(&promise.chunk, &other.chunk)
                && promise.place < other.place
                && promise.place.overlaps(&other.place)
        }
        Statement::Result { header, record, .. } => breaks(promise, header, record),
        Statement::Final(settled) => promise.is_broken_by(settled),
        _ => false,
    }
}

fn breaks(promise: &SequencedReceipt, header: &SignedHeader, record: &[u8]) -> bool {
    let header = &header.header;
    let Ok(record) = Record::decode(record) else { return false };
    let of_view = header.epoch == promise.chunk.epoch && header.rank.view == promise.chunk.view;
    of_view && promise.place.holds(&record) == Some(false)
}

fn same_view(a: &ChunkStatement, b: &ChunkStatement) -> bool {
    a.epoch == b.epoch && a.view == b.view
}

/// Whether two places have one number and different digests.
fn parts(a: LogPoint, b: LogPoint) -> bool {
    a.seq == b.seq && a.digest != b.digest
}
