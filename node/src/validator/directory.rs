//! The registry as gateways see it: which key may send, and the last nonce it used.

use std::collections::HashMap;

use gridbook_ledger::admission::DeviceStatus;
use gridbook_ledger::crypto::PublicKey;
use parking_lot::RwLock;

/// A copy of the registry that admission reads while the core writes. It only refuses early: execution decides again.
#[derive(Debug, Default)]
pub(super) struct Directory(RwLock<HashMap<PublicKey, DeviceStatus>>);

impl Directory {
    pub(super) fn update(&self, changes: Vec<(PublicKey, Option<DeviceStatus>)>) {
        if changes.is_empty() {
            return;
        }
        let mut devices = self.0.write();
        for (key, status) in changes {
            match status {
                Some(status) => _ = devices.insert(key, status),
                None => _ = devices.remove(&key),
            }
        }
    }

    pub(super) fn device(&self, key: &PublicKey) -> Option<DeviceStatus> {
        self.0.read().get(key).copied()
    }
}
