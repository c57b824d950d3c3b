//! Who waits for which bundle to become final.

use std::collections::HashMap;
use std::time::Instant;

use gridbook_ledger::crypto::Hash;
use gridbook_net::ConnectionId;
use parking_lot::Mutex;

use crate::protocol::RequestId;

/// A client that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) connection: ConnectionId,
    pub(super) request_id: RequestId,
    pub(super) since: Instant,
}

/// Clients by the bundle they wait for.
#[derive(Debug, Default)]
pub(super) struct Pending(Mutex<HashMap<Hash, Vec<Waiting>>>);

/// One bundle is waited for by at most this many requests; a client that asks more often than that hears nothing.
const WAITING_MAX: usize = 8;

impl Pending {
    /// Somebody waits for a bundle from now on.
    pub(super) fn wait(&self, bundle: Hash, connection: ConnectionId, request_id: RequestId) {
        let mut pending = self.0.lock();
        let waiting = pending.entry(bundle).or_default();
        if waiting.len() < WAITING_MAX {
            waiting.push(Waiting { connection, request_id, since: Instant::now() });
        }
    }

    /// Whether somebody waits for it already.
    pub(super) fn is_awaited(&self, bundle: &Hash) -> bool {
        self.0.lock().contains_key(bundle)
    }

    /// Who waits for some of these bundles, with their places in the list. They go on waiting.
    pub(super) fn waiting_for(&self, bundles: impl Iterator<Item = Hash>) -> Vec<(usize, Vec<Waiting>)> {
        let pending = self.0.lock();
        if pending.is_empty() {
            return Vec::new();
        }
        bundles.enumerate().filter_map(|(place, bundle)| Some((place, pending.get(&bundle)?.clone()))).collect()
    }

    /// Nobody waits for it any longer; who did.
    pub(super) fn take(&self, bundle: &Hash) -> Vec<Waiting> {
        self.0.lock().remove(bundle).unwrap_or_default()
    }

    /// A client is gone.
    pub(super) fn forget(&self, connection: ConnectionId) {
        self.0.lock().retain(|_, waiting| {
            waiting.retain(|waiting| waiting.connection != connection);
            !waiting.is_empty()
        });
    }
}
