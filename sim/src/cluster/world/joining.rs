//! Snapshots: taken, handed to others, fetched, and gone on from.

use gridbook_ledger::hotstuff::Recipient;
use gridbook_ledger::replica::{PeerMessage, SnapshotEffect, SnapshotMessage};
use gridbook_ledger::snapshot::SnapshotError;

use super::super::disk::{End, Incoming, KeptState};
use super::super::process::StorageJob;
use super::World;

/// How long a process takes to begin again in place, in microseconds.
const AGAIN_US: u64 = 20_000;

impl World {
    pub(super) fn hand_out_snapshot(&mut self, from: usize, effect: SnapshotEffect) -> Result<(), String> {
        let now_us = self.now_us();
        match effect {
            SnapshotEffect::Taken(taken) => {
                let header = &taken.proposal.header;
                let (height, seq) = (header.height, header.last_seq);
                self.trace.note(now_us, || format!("{from}: takes a snapshot at {height}"));
                self.processes[from].took_snapshot(seq);
                self.store(from, StorageJob::Keep { seq, state: KeptState::Snapshot(taken) });
            }
            SnapshotEffect::Offer { to, above_height } => {
                let shelf = self.processes[from].disk.shelf();
                let manifest = shelf.and_then(|shelf| shelf.newest_above(above_height));
                if let Some(manifest) = manifest {
                    let offer = SnapshotMessage::Offer(Box::new((*manifest).clone()));
                    self.post(from, Recipient::One(to), &PeerMessage::Snapshot(offer))?;
                }
            }
            SnapshotEffect::SendPiece { to, root, piece } => {
                let Some(shelf) = self.processes[from].disk.shelf() else { return Ok(()) };
                let bytes = shelf.piece(root, piece).map_err(|why| format!("validator {from}: {why}"))?;
                if let Some(bytes) = bytes {
                    let message = SnapshotMessage::Piece { root, piece, bytes };
                    self.post(from, Recipient::One(to), &PeerMessage::Snapshot(message))?;
                }
            }
            SnapshotEffect::Begin(manifest) => {
                let (height, count) = (manifest.header().height, manifest.pieces.count());
                self.trace.note(now_us, || format!("{from}: fetches the snapshot of {height}, {count} pieces"));
                self.store(from, StorageJob::Incoming(Incoming::Begin(manifest)));
            }
            SnapshotEffect::Keep { piece, bytes } => {
                self.store(from, StorageJob::Incoming(Incoming::Keep { piece, bytes }));
            }
            SnapshotEffect::GiveUp => self.store(from, StorageJob::Incoming(Incoming::GiveUp)),
            SnapshotEffect::Restore(snapshot) => self.store(from, StorageJob::Restore(snapshot)),
            // It was asked for before it had come so far itself.
            SnapshotEffect::Refused { why: SnapshotError::Stale { .. }, .. } => {}
            SnapshotEffect::Refused { peer, .. } if self.culprits.contains_key(&usize::from(peer.0)) => {}
            SnapshotEffect::Refused { peer, why } => {
                return Err(format!("validator {from} refuses a snapshot of {}, which is honest: {why}", peer.0));
            }
        }
        Ok(())
    }

    /// A snapshot is whole and kept: the process begins again from there.
    pub(super) fn begin_again(&mut self, index: usize) -> Result<(), String> {
        self.report.joins += 1;
        self.trace.note(self.now_us(), || format!("{index}: goes on from a snapshot"));
        self.crash(index, End::Kill, AGAIN_US);
        self.report.crashes -= 1;
        Ok(())
    }
}
