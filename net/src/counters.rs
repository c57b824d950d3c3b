//! What endpoints count, for metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::class::Class;

/// What a validator endpoint has counted since it was bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Traffic by class, in the order of [`Class::ALL`].
    pub classes: [ClassStats; 3],
    /// Peers connected now.
    pub connections: u64,
    /// Connections that came to be, ever.
    pub connections_made: u64,
    /// Attempts that failed, in either direction: not reachable, wrong key, wrong protocol.
    pub handshakes_failed: u64,
    /// Connections closed because the peer broke the framing.
    pub frames_refused: u64,
}

impl Stats {
    /// The traffic of one class.
    pub fn of(&self, class: Class) -> ClassStats {
        self.classes[class.index()]
    }
}

/// Traffic of one class of frames, all peers together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClassStats {
    /// Frames received.
    pub frames_in: u64,
    /// Bytes received, headers included.
    pub bytes_in: u64,
    /// Frames handed to the transport.
    pub frames_out: u64,
    /// Bytes handed to the transport, headers included.
    pub bytes_out: u64,
    /// Frames dropped because a queue was full.
    pub frames_dropped: u64,
}

/// What a meter endpoint has counted since it was bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MeterStats {
    /// Requests in, answers and pushed events out.
    pub traffic: ClassStats,
    /// Connections open now.
    pub connections: u64,
    /// Connections let in, ever.
    pub connections_made: u64,
    /// Connections turned away for their number.
    pub connections_refused: u64,
    /// Attempts that failed: wrong protocol, no key, too slow.
    pub handshakes_failed: u64,
    /// Attempts that were told to prove their address first.
    pub retries_sent: u64,
    /// Frames discarded because a quota was spent.
    pub frames_over_quota: u64,
    /// Connections closed for breaking the framing, going on over quota, or not reading.
    pub connections_dismissed: u64,
}

/// Counters of one direction pair.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    frames_in: AtomicU64,
    bytes_in: AtomicU64,
    frames_out: AtomicU64,
    bytes_out: AtomicU64,
    frames_dropped: AtomicU64,
}

impl Traffic {
    pub(crate) fn frame_in(&self, bytes: usize) {
        self.frames_in.fetch_add(1, Relaxed);
        self.bytes_in.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn bytes_out(&self, bytes: usize) {
        self.bytes_out.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn frames_out(&self, frames: u64) {
        self.frames_out.fetch_add(frames, Relaxed);
    }

    pub(crate) fn frame_dropped(&self) {
        self.frames_dropped.fetch_add(1, Relaxed);
    }

    pub(crate) fn snapshot(&self) -> ClassStats {
        ClassStats {
            frames_in: self.frames_in.load(Relaxed),
            bytes_in: self.bytes_in.load(Relaxed),
            frames_out: self.frames_out.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            frames_dropped: self.frames_dropped.load(Relaxed),
        }
    }
}

/// Counters of a validator endpoint.
#[derive(Debug, Default)]
pub(crate) struct PeerCounters {
    pub(crate) classes: [Traffic; 3],
    pub(crate) connections: Count,
    pub(crate) connections_made: Count,
    pub(crate) handshakes_failed: Count,
    pub(crate) frames_refused: Count,
}

impl PeerCounters {
    pub(crate) fn of(&self, class: Class) -> &Traffic {
        &self.classes[class.index()]
    }

    pub(crate) fn snapshot(&self) -> Stats {
        Stats {
            classes: Class::ALL.map(|class| self.of(class).snapshot()),
            connections: self.connections.now(),
            connections_made: self.connections_made.now(),
            handshakes_failed: self.handshakes_failed.now(),
            frames_refused: self.frames_refused.now(),
        }
    }
}

/// Counters of a meter endpoint.
#[derive(Debug, Default)]
pub(crate) struct MeterCounters {
    pub(crate) traffic: Traffic,
    pub(crate) connections: Count,
    pub(crate) connections_made: Count,
    pub(crate) connections_refused: Count,
    pub(crate) handshakes_failed: Count,
    pub(crate) retries_sent: Count,
    pub(crate) frames_over_quota: Count,
    pub(crate) connections_dismissed: Count,
}

impl MeterCounters {
    pub(crate) fn snapshot(&self) -> MeterStats {
        MeterStats {
            traffic: self.traffic.snapshot(),
            connections: self.connections.now(),
            connections_made: self.connections_made.now(),
            connections_refused: self.connections_refused.now(),
            handshakes_failed: self.handshakes_failed.now(),
            retries_sent: self.retries_sent.now(),
            frames_over_quota: self.frames_over_quota.now(),
            connections_dismissed: self.connections_dismissed.now(),
        }
    }
}

/// One counter.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn up(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub(crate) fn down(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    pub(crate) fn now(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
