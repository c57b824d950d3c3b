//! The registry as gateways see it: which key may send, and the last nonce it used.

use std::collections::HashMap;

use gridbook_ledger::admission::{DeviceKind, DeviceStatus};
use gridbook_ledger::crypto::PublicKey;
use parking_lot::RwLock;

/// What a device is told that may not connect.
pub(super) fn why_shut_out(status: &DeviceStatus) -> Option<String> {
    let code = status.standing.refusal()?;
    let who = match status.kind {
        DeviceKind::Operator => "this is the operator's key".to_owned(),
        DeviceKind::Organisation(organisation) => format!("this is organisation {}'s key", organisation.0),
        DeviceKind::Meter { meter, .. } => format!("this is meter {}'s key", meter.0),
    };
    Some(format!("{who}. {code}"))
}

/// A copy of the registry that admission reads while the core writes. It only refuses early: execution decides again.
#[derive(Debug, Default)]
pub(super) struct Directory(RwLock<HashMap<PublicKey, DeviceStatus>>);

impl Directory {
    pub(super) fn update(&self, changes: &[(PublicKey, Option<DeviceStatus>)]) {
        if changes.is_empty() {
            return;
        }
        let mut devices = self.0.write();
        for (key, status) in changes {
            match status {
                Some(status) => _ = devices.insert(*key, *status),
                None => _ = devices.remove(key),
            }
        }
    }

    /// Why a key may not connect, for a person; nothing if it may. Keys of nobody may: they are gateways'.
    pub(super) fn shuts_out(&self, key: &PublicKey) -> Option<String> {
        self.device(key).and_then(|status| why_shut_out(&status))
    }

    pub(super) fn device(&self, key: &PublicKey) -> Option<DeviceStatus> {
        self.0.read().get(key).copied()
    }
}
