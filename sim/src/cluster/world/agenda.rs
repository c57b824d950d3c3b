//! What is going to happen, in the order of virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;

use gridbook_ledger::hotstuff::WallTime;

/// What happens at a moment.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Deliver {
        from: usize,
        to: usize,
        generation: u64,
        bytes: Arc<[u8]>,
    },
    Connected {
        to: usize,
        peer: usize,
    },
    Tick {
        to: usize,
        life: u64,
    },
    Wake {
        to: usize,
        life: u64,
        at: WallTime,
    },
    Synced {
        to: usize,
        life: u64,
    },
    Serve {
        to: usize,
        life: u64,
        asker: usize,
        from_height: u64,
    },
    /// The gap of its index is closed.
    Fill {
        to: usize,
        life: u64,
    },
    Client(usize),
    Restart(usize),
    /// A disk that was full has space again.
    Space(usize),
    /// Those who lie speak of their own accord.
    Volunteer(usize),
    Weather,
    /// Operators change the validators.
    Reconfigure,
    Heal {
        from: Vec<usize>,
        to: Vec<usize>,
    },
    Calm,
    /// The last trouble is over: everything is mended.
    Mend,
    LookAround,
}

/// Everything that is going to happen; what is to happen at one moment does so in the order in which it was put down.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    now_us: u64,
    next_event: u64,
    queue: BTreeMap<(u64, u64), Event>,
}

impl Agenda {
    /// Virtual time, in microseconds since the beginning.
    pub(super) fn now_us(&self) -> u64 {
        self.now_us
    }

    /// Puts an event down for a moment that is not over yet.
    pub(super) fn at(&mut self, at_us: u64, event: Event) {
        self.next_event += 1;
        self.queue.insert((at_us.max(self.now_us), self.next_event), event);
    }

    /// The next event; time goes on to its moment.
    pub(super) fn next(&mut self) -> Option<Event> {
        let ((at_us, _), event) = self.queue.pop_first()?;
        self.now_us = at_us;
        Some(event)
    }
}
