//! How much a replica keeps of what others sent it, for whoever watches that no peer makes it keep more and more.

use super::Replica;

/// Counts of what is kept until something becomes final, or is wanted no more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Log entries, on whatever branch, the last final ones among them.
    pub entries: usize,
    /// Chunks of views that have not begun here.
    pub early_chunks: usize,
    /// Headers that wait for their log or their time.
    pub checks: usize,
    /// Places of logs that were asked for.
    pub awaited: usize,
    /// Headers that are not final.
    pub headers: usize,
    /// Bundles that are not final.
    pub bundles: usize,
}

impl Replica {
    /// How much is kept at this moment.
    pub fn kept(&self) -> Kept {
        Kept {
            entries: self.branches.len(),
            early_chunks: self.early.len(),
            checks: self.checks.len(),
            awaited: self.awaited.len(),
            headers: self.core.unfinal().count(),
            bundles: self.pool.len(),
        }
    }
}
