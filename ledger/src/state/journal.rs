//! What the tables held before, so that they can hold it again.

use std::collections::VecDeque;

/// Old values in the order in which they were replaced. Marks are places in it; they nest, and stay valid until the journal
/// is rolled back or cut past them.
#[derive(Clone, Debug)]
pub(super) struct Journal<U> {
    start: u64,
    undo: VecDeque<U>,
}

impl<U> Default for Journal<U> {
    fn default() -> Self {
        Self { start: 0, undo: VecDeque::new() }
    }
}

impl<U> Journal<U> {
    /// Notes how to take one change back.
    pub(super) fn push(&mut self, undo: U) {
        self.undo.push_back(undo);
    }

    /// The present place.
    pub(super) fn mark(&self) -> u64 {
        self.start + self.undo.len() as u64
    }

    /// The latest change after `mark`, to be taken back now.
    pub(super) fn pop_after(&mut self, mark: u64) -> Option<U> {
        assert!(mark >= self.start, "rollback to a mark that was forgotten");
        if self.mark() > mark { self.undo.pop_back() } else { None }
    }

    /// Gives up going back to before `mark`.
    pub(super) fn forget(&mut self, mark: u64) {
        let count = mark.saturating_sub(self.start).min(self.undo.len() as u64);
        self.undo.drain(..usize::try_from(count).expect("no more than the journal's length"));
        self.start += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_come_back_latest_first_and_only_down_to_the_mark() {
        let mut journal = Journal::default();
        journal.push(1);
        let mark = journal.mark();
        journal.push(2);
        journal.push(3);
        assert_eq!(journal.pop_after(mark), Some(3));
        assert_eq!(journal.pop_after(mark), Some(2));
        assert_eq!(journal.pop_after(mark), None);
    }

    #[test]
    #[should_panic(expected = "forgotten")]
    fn a_forgotten_mark_is_not_gone_back_to_in_silence() {
        let mut journal = Journal::default();
        let mark = journal.mark();
        journal.push(1);
        journal.forget(journal.mark());
        journal.pop_after(mark);
    }

    #[test]
    fn forgetting_keeps_later_marks_valid() {
        let mut journal = Journal::default();
        journal.push(1);
        let early = journal.mark();
        journal.push(2);
        let late = journal.mark();
        journal.push(3);
        journal.forget(early);
        assert_eq!(journal.pop_after(late), Some(3));
        assert_eq!(journal.pop_after(late), None);
        assert_eq!(journal.pop_after(early), Some(2));
    }
}
