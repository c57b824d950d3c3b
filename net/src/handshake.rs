//! Taking up connection attempts without being exhausted by them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use quinn::{Connection, Incoming};

use crate::identity::remote_key;
use crate::patience::within;

/// How long a handshake may take, and opening the first stream after it.
pub(crate) const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);

/// How many times the retry threshold may be pending before attempts are refused outright.
const REFUSE_FACTOR: usize = 8;

/// Counts the handshakes under way. Above a threshold, a client must first prove that it receives packets at its
/// address (a Retry, RFC 9000 section 8.1.2), so that forged addresses cost it nothing; far above, it is refused.
#[derive(Debug, Clone)]
pub(crate) struct HandshakeGate {
    pending: Arc<AtomicUsize>,
    retry_above: usize,
}

/// What became of an attempt that may not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TurnedAway {
    /// It was told to prove its address.
    Retried,
    /// It was refused.
    Refused,
}

impl HandshakeGate {
    pub(crate) fn new(retry_above: usize) -> Self {
        Self { pending: Arc::default(), retry_above }
    }

    /// Lets an attempt go on while the guard is held, or turns it away.
    pub(crate) fn consider(&self, incoming: Incoming) -> Result<(Incoming, Pending), TurnedAway> {
        let pending = self.pending.load(Relaxed);
        if pending >= self.retry_above && incoming.may_retry() {
            // It may retry, so asking it to cannot fail.
            return Err(incoming.retry().map_or(TurnedAway::Refused, |()| TurnedAway::Retried));
        }
        if pending >= self.retry_above.saturating_mul(REFUSE_FACTOR).max(1) {
            incoming.refuse();
            return Err(TurnedAway::Refused);
        }
        self.pending.fetch_add(1, Relaxed);
        Ok((incoming, Pending(Arc::clone(&self.pending))))
    }
}

/// A handshake under way.
#[derive(Debug)]
pub(crate) struct Pending(Arc<AtomicUsize>);

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Completes a handshake: the connection, and the key its other end has proved.
pub(crate) async fn complete(incoming: Incoming) -> Option<(Connection, [u8; 32])> {
    let remote = incoming.remote_address();
    let connection = match within(HANDSHAKE_DEADLINE, incoming.into_future()).await {
        Some(Ok(connection)) => connection,
        Some(Err(error)) => {
            tracing::debug!(%remote, %error, "handshake failed");
            return None;
        }
        None => {
            tracing::debug!(%remote, "handshake took too long");
            return None;
        }
    };
    let key = remote_key(&connection)?;
    Some((connection, key))
}
