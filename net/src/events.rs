//! What an endpoint tells the node: a queue bounded by bytes, not by dropping.

use std::sync::Arc;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender, WeakUnboundedSender, error::TryRecvError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What an event is charged beyond its bytes, so that many small frames are bounded as well.
const EVENT_BYTES: usize = 128;

/// The receiving end of an endpoint's events.
///
/// A frame counts against the budget of its sender until it is received here; while the budget is spent, the sender's
/// stream is not read. Dropping the receiver stops the endpoint.
#[derive(Debug)]
pub struct Events<E> {
    queue: UnboundedReceiver<Envelope<E>>,
}

impl<E> Events<E> {
    /// The next event; `None` once the endpoint is closed and everything has been received. Cancel-safe.
    pub async fn recv(&mut self) -> Option<E> {
        self.queue.recv().await.map(|envelope| envelope.event)
    }

    /// Up to `limit` events at once, appended to `events`; how many, zero once the endpoint is closed. Cancel-safe.
    pub async fn recv_many(&mut self, events: &mut Vec<E>, limit: usize) -> usize {
        let Some(first) = self.recv().await else { return 0 };
        events.push(first);
        let mut received = 1;
        while received < limit {
            let Ok(event) = self.try_recv() else { break };
            events.push(event);
            received += 1;
        }
        received
    }

    /// The next event if one is waiting.
    ///
    /// # Errors
    /// `Empty` when none waits now, `Disconnected` when none will come.
    pub fn try_recv(&mut self) -> Result<E, TryRecvError> {
        self.queue.try_recv().map(|envelope| envelope.event)
    }
}

/// The sending end, one for each task of the endpoint.
#[derive(Debug)]
pub(crate) struct EventSender<E> {
    queue: UnboundedSender<Envelope<E>>,
}

impl<E> EventSender<E> {
    /// Sends an event with what it holds of budgets; whether anybody still receives.
    pub(crate) fn send(&self, event: E, charges: Charges) -> bool {
        self.queue.send(Envelope { event, _charges: charges }).is_ok()
    }

    /// A sender that does not keep the events from ending.
    pub(crate) fn downgrade(&self) -> WeakEventSender<E> {
        WeakEventSender { queue: self.queue.downgrade() }
    }

    /// Resolves when the receiver is gone.
    pub(crate) async fn closed(&self) {
        self.queue.closed().await;
    }
}

impl<E> Clone for EventSender<E> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

/// For tasks that may be started later.
#[derive(Debug)]
pub(crate) struct WeakEventSender<E> {
    queue: WeakUnboundedSender<Envelope<E>>,
}

impl<E> WeakEventSender<E> {
    /// A sender, if any is left.
    pub(crate) fn upgrade(&self) -> Option<EventSender<E>> {
        Some(EventSender { queue: self.queue.upgrade()? })
    }
}

/// A queue of events. Its length is unbounded: what may enter is bounded by [`Budget`]s.
pub(crate) fn channel<E>() -> (EventSender<E>, Events<E>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (EventSender { queue: sender }, Events { queue: receiver })
}

/// The budgets an event holds until it is received.
pub(crate) type Charges = [Option<OwnedSemaphorePermit>; 2];

/// For an event that is bounded by something else.
pub(crate) const FREE: Charges = [None, None];

/// How many bytes may wait to be received.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    permits: Arc<Semaphore>,
    bytes_max: u32,
}

impl Budget {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let bytes_max = u32::try_from(bytes_max).unwrap_or(u32::MAX);
        Self { permits: Arc::new(Semaphore::new(bytes_max as usize)), bytes_max }
    }

    /// Waits until `bytes` and their event fit; in turn, so that a large frame is not starved by small ones.
    pub(crate) async fn reserve(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let cost = u32::try_from(bytes + EVENT_BYTES).unwrap_or(u32::MAX).min(self.bytes_max);
        Arc::clone(&self.permits).acquire_many_owned(cost).await.ok()
    }
}

#[derive(Debug)]
struct Envelope<E> {
    event: E,
    _charges: Charges,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_full_budget_waits_until_the_event_is_received() {
        let (sender, mut events) = channel();
        let budget = Budget::new(1000);
        assert!(sender.send(1, [budget.reserve(800).await, None]));
        let second = tokio::time::timeout(Duration::from_millis(20), budget.reserve(100)).await;
        assert!(second.is_err(), "reserved beyond the budget");
        assert_eq!(events.recv().await, Some(1));
        assert!(budget.reserve(100).await.is_some());
    }

    #[tokio::test]
    async fn a_frame_larger_than_the_budget_passes_alone() {
        let budget = Budget::new(1000);
        assert!(budget.reserve(5000).await.is_some());
    }
}
