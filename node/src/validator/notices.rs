//! What other threads have to tell the core, where they must never wait for it: the core may be waiting for them.

use std::sync::atomic::{AtomicU64, Ordering};

use gridbook_ledger::replica::Input;
use gridbook_ledger::validators::ValidatorIndex;
use parking_lot::Mutex;

/// Bounded by what can be under way: the last durable view, and one answer to each validator.
#[derive(Debug, Default)]
pub(super) struct Notices {
    durable: AtomicU64,
    served: Mutex<Vec<(ValidatorIndex, u64)>>,
}

impl Notices {
    /// Everything up to the notice of this number is on disk. Numbers only grow.
    pub(super) fn durable(&self, number: u64) {
        self.durable.fetch_max(number, Ordering::Release);
    }

    /// An answer out of the history has left, or there was none.
    pub(super) fn served(&self, to: ValidatorIndex, bytes: u64) {
        self.served.lock().push((to, bytes));
    }

    /// What is new since the last time, as the replica wants to hear it.
    pub(super) fn take(&self) -> Vec<Input> {
        let mut inputs = Vec::new();
        let number = self.durable.swap(0, Ordering::Acquire);
        if number > 0 {
            inputs.push(Input::Durable(number));
        }
        let served = std::mem::take(&mut *self.served.lock());
        inputs.extend(served.into_iter().map(|(to, bytes)| Input::Served { to, bytes }));
        inputs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_heard_once() {
        let notices = Notices::default();
        notices.durable(3);
        notices.durable(2);
        notices.served(ValidatorIndex(1), 9);
        let heard = notices.take();
        assert!(
            matches!(heard[..], [Input::Durable(3), Input::Served { to: ValidatorIndex(1), bytes: 9 }]),
            "{heard:?}"
        );
        assert!(notices.take().is_empty());
    }
}
