//! What is final, as other validators ask for it: headers from the index, their commands from the log.

use std::sync::Arc;

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::replica::{IndexedHeader, LogRecord, PeerMessage, SnapshotMessage, sync_answer, unarchive};
use gridbook_ledger::shelf::{Places, Shelf, ShelfError};
use gridbook_ledger::store::{Index, LogPosition, LogReader, LogRecordRef, QueryIndex, StoreError};
use parking_lot::Mutex;

/// Where in the log file final entries begin, for those who write it and those who read it.
#[derive(Clone, Debug, Default)]
pub struct Positions(Arc<Mutex<Places>>);

impl Positions {
    /// As far as it was known with a kept state.
    pub(super) fn of(places: Places) -> Self {
        Self(Arc::new(Mutex::new(places)))
    }

    /// A record was written at a place.
    pub fn note(&self, record: &LogRecord, position: LogPosition) {
        self.0.lock().note(record, position);
    }

    /// Where everything stands that is not final, in a log that ends at `end`.
    pub(super) fn unfinal_from(&self, end: LogPosition) -> LogPosition {
        self.0.lock().unfinal_from(end)
    }

    /// The log before a place is no longer there.
    pub(super) fn forget_before(&self, start: LogPosition) {
        self.0.lock().forget_before(start);
    }

    /// All that is known at this moment, for a kept state.
    pub(super) fn places(&self) -> Places {
        self.0.lock().clone()
    }
}

/// Reads final headers and their commands for others.
#[derive(Debug)]
pub(super) struct History {
    positions: Positions,
    reader: LogReader,
    index: Arc<Index>,
    shelf: Shelf,
}

/// Says that history begins later here.
fn not_here(first_height: u64) -> PeerMessage {
    PeerMessage::Snapshot(SnapshotMessage::NotHere { first_height })
}

/// The most headers in one answer.
const HEADERS_MAX: u64 = 512;

impl History {
    pub(super) fn new(positions: Positions, reader: LogReader, index: Arc<Index>, shelf: Shelf) -> Self {
        Self { positions, reader, index, shelf }
    }

    /// Tells of the newest snapshot beyond a height.
    pub(super) fn newest_snapshot(&self, above_height: u64) -> Option<PeerMessage> {
        let manifest = self.shelf.newest_above(above_height)?;
        Some(PeerMessage::Snapshot(SnapshotMessage::Offer(Box::new((*manifest).clone()))))
    }

    /// A piece of a snapshot that is kept here.
    pub(super) fn piece(&self, root: Hash, piece: u32) -> Result<Option<PeerMessage>, StoreError> {
        let bytes = match self.shelf.piece(root, piece) {
            Ok(bytes) => bytes,
            Err(ShelfError::Store(error)) => return Err(error),
            Err(error @ ShelfError::Damaged { .. }) => {
                tracing::error!("{error}");
                None
            }
        };
        Ok(bytes.map(|bytes| PeerMessage::Snapshot(SnapshotMessage::Piece { root, piece, bytes })))
    }

    /// The height after the one that holds the first command known to be in the log: that one may begin before it.
    fn first_height_in_log(&self) -> Result<Option<u64>, StoreError> {
        let Some(seq) = self.positions.0.lock().first_seq() else { return Ok(None) };
        Ok(self.index.height_of_seq(seq)?.map(|height| height + 1))
    }

    /// The header of a height, if it is final and indexed.
    pub(super) fn header(&self, height: u64) -> Result<Option<IndexedHeader>, StoreError> {
        let Some(bytes) = self.index.header(height)? else { return Ok(None) };
        Ok(unarchive(&bytes).ok())
    }

    /// Headers from a height on with their commands, and the certificate of the last.
    pub(super) fn answer(&self, from_height: u64) -> Result<Option<PeerMessage>, StoreError> {
        let mut headers = Vec::new();
        for height in from_height..from_height.saturating_add(HEADERS_MAX) {
            match self.header(height)? {
                Some(indexed) => headers.push(indexed),
                None => break,
            }
        }
        let begins_later = || self.index.first_height().filter(|first| from_height < *first).map(not_here);
        let Some(first) = headers.first() else { return Ok(begins_later()) };
        let first_seq = first.proposal.header.first_seq;
        let Some(place) = self.positions.0.lock().before(first_seq - 1, self.reader.start()) else {
            return Ok(Some(not_here(self.first_height_in_log()?.unwrap_or(from_height + 1))));
        };
        let mut records = self.reader.read_from(place);
        let readable = std::iter::from_fn(move || {
            loop {
                match records.advance() {
                    Ok(Some(LogRecordRef { kind, payload, .. })) => match LogRecord::decode(kind, payload) {
                        Ok(record) => return Some(Ok(record)),
                        Err(_) => continue,
                    },
                    Ok(None) => return None,
                    Err(error) => return Some(Err(error)),
                }
            }
        });
        // The last header before a gap has its certificate in the next, which is not here.
        Ok(sync_answer(&headers, readable)?.or_else(begins_later))
    }
}
