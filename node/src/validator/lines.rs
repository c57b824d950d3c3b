//! Which connections are under which key, so that a device that is suspended can be disconnected.

use std::collections::HashMap;

use gridbook_ledger::crypto::PublicKey;
use gridbook_net::ConnectionId;
use parking_lot::Mutex;

/// Connections by their keys. Keys of gateways are here too: one may be registered later.
#[derive(Debug, Default)]
pub(super) struct Lines(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    keys: HashMap<ConnectionId, PublicKey>,
    connections: HashMap<PublicKey, Vec<ConnectionId>>,
}

impl Lines {
    pub(super) fn opened(&self, connection: ConnectionId, key: PublicKey) {
        let mut inner = self.0.lock();
        inner.keys.insert(connection, key);
        inner.connections.entry(key).or_default().push(connection);
    }

    pub(super) fn closed(&self, connection: ConnectionId) {
        let mut inner = self.0.lock();
        let Some(key) = inner.keys.remove(&connection) else { return };
        if let Some(of_key) = inner.connections.get_mut(&key) {
            of_key.retain(|other| *other != connection);
            if of_key.is_empty() {
                inner.connections.remove(&key);
            }
        }
    }

    /// Whether a connection is open: where it is, whoever is told that it is closed is told so later.
    pub(super) fn is_open(&self, connection: ConnectionId) -> bool {
        self.0.lock().keys.contains_key(&connection)
    }

    /// The connections under a key.
    pub(super) fn of(&self, key: &PublicKey) -> Vec<ConnectionId> {
        self.0.lock().connections.get(key).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_found_by_their_key_until_they_close() {
        let (lines, key, other) = (Lines::default(), PublicKey([1; 32]), PublicKey([2; 32]));
        let [first, second, third] = [1, 2, 3].map(ConnectionId);
        lines.opened(first, key);
        lines.opened(second, key);
        lines.opened(third, other);
        assert_eq!(lines.of(&key), [first, second]);
        lines.closed(first);
        lines.closed(first);
        assert_eq!((lines.of(&key), lines.of(&other)), (vec![second], vec![third]));
        assert_eq!([first, second, third].map(|line| lines.is_open(line)), [false, true, true]);
        lines.closed(second);
        lines.closed(third);
        let inner = lines.0.lock();
        assert!(inner.keys.is_empty() && inner.connections.is_empty(), "nothing of them is kept");
    }
}
