//! The three classes of traffic between validators.

use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// What a frame between validators belongs to; each class has its own stream, queue and caps, so that one never waits
/// behind another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Proposals, votes, timeouts: small and urgent, always sent first.
    Consensus,
    /// Payload batches and the log's tail.
    Log,
    /// Snapshots and history for a validator that has fallen behind; sent only when nothing else waits.
    Sync,
}

impl Class {
    /// Every class, most urgent first.
    pub const ALL: [Self; 3] = [Self::Consensus, Self::Log, Self::Sync];

    /// The longest payload of one frame, in bytes.
    pub const fn frame_bytes_max(self) -> usize {
        match self {
            Self::Consensus => MIB,
            Self::Log => 2 * MIB,
            Self::Sync => 16 * MIB,
        }
    }

    /// The most bytes that wait to be sent to one peer; a frame beyond is dropped and counted.
    pub const fn queue_bytes_max(self) -> usize {
        match self {
            Self::Consensus => 8 * MIB,
            Self::Log | Self::Sync => 64 * MIB,
        }
    }

    /// The most bytes received from one peer that wait for the node to take them; beyond, the stream is not read.
    pub(crate) const fn inbox_bytes_max(self) -> usize {
        match self {
            Self::Consensus => 4 * MIB,
            Self::Log => 16 * MIB,
            Self::Sync => 32 * MIB,
        }
    }

    /// How long one frame may take to arrive, given the deadline of a small one. The longest class goes last on the
    /// wire as well, so it gets more time.
    pub(crate) fn frame_deadline(self, deadline: Duration) -> Duration {
        match self {
            Self::Consensus | Self::Log => deadline,
            Self::Sync => deadline.saturating_mul(6),
        }
    }

    /// Higher is sent first (quinn's stream priority).
    pub(crate) const fn priority(self) -> i32 {
        match self {
            Self::Consensus => 2,
            Self::Log => 1,
            Self::Sync => 0,
        }
    }

    /// The byte that opens a stream of this class.
    pub(crate) const fn tag(self) -> u8 {
        match self {
            Self::Consensus => 1,
            Self::Log => 2,
            Self::Sync => 3,
        }
    }

    /// The class a stream's opening byte names, if any.
    pub(crate) fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.tag() == tag)
    }

    /// The position in arrays by class.
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Consensus => 0,
            Self::Log => 1,
            Self::Sync => 2,
        }
    }
}

// A frame of full length must fit the queue it is put in and the budget it is received under.
const _: () = {
    let mut at = 0;
    while at < Class::ALL.len() {
        let class = Class::ALL[at];
        assert!(class.frame_bytes_max() + KIB <= class.queue_bytes_max());
        assert!(class.frame_bytes_max() + KIB <= class.inbox_bytes_max());
        assert!(class.index() == at);
        at += 1;
    }
};
