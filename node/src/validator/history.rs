//! What is final, as other validators ask for it: headers from the index, their commands from the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use gridbook_ledger::bytes::{Reader, Writer};
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::replica::{IndexedHeader, LogRecord, PeerMessage, SnapshotMessage, sync_answer, unarchive};
use gridbook_ledger::store::{Index, LogPosition, LogReader, LogRecordRef, QueryIndex, StoreError};
use parking_lot::Mutex;

use super::shelf::Shelf;

/// Where in the log file the entries of final headers begin: one place for about every 256 KiB, so that years of log fit.
#[derive(Clone, Debug, Default)]
pub struct Positions(Arc<Mutex<Places>>);

#[derive(Debug, Default)]
struct Places {
    /// Entries that are not final: sequence number before the first command, and place.
    unfinal: BTreeMap<u64, LogPosition>,
    /// The first proposal of each height that is not final.
    proposals: BTreeMap<u64, LogPosition>,
    /// Sparse places of final entries.
    known: BTreeMap<u64, LogPosition>,
}

/// The distance between two known places, at least.
const PLACE_BYTES: u64 = 256 << 10;

impl Positions {
    /// A record was written at a place.
    pub fn note(&self, record: &LogRecord, position: LogPosition) {
        let mut places = self.0.lock();
        match record {
            LogRecord::Entry { start_seq, .. } => _ = places.unfinal.insert(*start_seq, position),
            LogRecord::Truncate { to_seq } => drop(places.unfinal.split_off(to_seq)),
            LogRecord::Proposal(proposal) => {
                places.proposals.entry(proposal.header.height).or_insert(position);
            }
            LogRecord::Final { height, last_seq, .. } => places.finalize(*height, *last_seq),
            LogRecord::Snapshot(place) => {
                let header = &place.proposal.header;
                places.finalize(header.height, header.last_seq);
            }
            LogRecord::Evidence(_) => {}
        }
    }

    /// A place from which the log must be read to find the commands after `seq`.
    /// Nothing if that is before `start`, where the log begins.
    fn before(&self, seq: u64, start: LogPosition) -> Option<LogPosition> {
        let places = self.0.lock();
        let place = places.known.range(..=seq).next_back().map_or(LogPosition::START, |(_, position)| *position);
        (place >= start).then_some(place)
    }

    /// The first command that is known to be in the log.
    fn first_seq(&self) -> Option<u64> {
        self.0.lock().known.keys().next().map(|seq| seq + 1)
    }

    /// Where everything stands that is not final, in a log that ends at `end`.
    pub(super) fn unfinal_from(&self, end: LogPosition) -> LogPosition {
        let places = self.0.lock();
        let first = |map: &BTreeMap<u64, LogPosition>| map.values().min().copied();
        [first(&places.unfinal), first(&places.proposals)].into_iter().flatten().fold(end, LogPosition::min)
    }

    /// The log before a place is no longer there.
    pub(super) fn forget_before(&self, start: LogPosition) {
        self.0.lock().known.retain(|_, position| *position >= start);
    }

    /// The known places as bytes, for a checkpoint.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::new();
        for (seq, position) in &self.0.lock().known {
            w.u64(*seq).bytes(&position.to_bytes());
        }
        w.finish()
    }

    /// Reads what [`Positions::to_bytes`] wrote.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader::new(bytes);
        let mut places = Places::default();
        while r.remaining() > 0 {
            places.known.insert(r.u64().ok()?, LogPosition::from_bytes(r.array().ok()?));
        }
        Some(Self(Arc::new(Mutex::new(places))))
    }
}

impl Places {
    fn finalize(&mut self, height: u64, last_seq: u64) {
        self.proposals = self.proposals.split_off(&(height + 1));
        let rest = self.unfinal.split_off(&last_seq);
        let done = std::mem::replace(&mut self.unfinal, rest);
        for (seq, position) in done {
            let far = self.known.last_key_value().is_none_or(|(_, last)| {
                last.segment != position.segment || position.offset >= last.offset + PLACE_BYTES
            });
            if far {
                self.known.insert(seq, position);
            }
        }
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
        let bytes = self.shelf.piece(root, piece)?;
        Ok(bytes.map(|bytes| PeerMessage::Snapshot(SnapshotMessage::Piece { root, piece, bytes })))
    }

    /// The height after the one that holds the first command known to be in the log: that one may begin before it.
    fn first_height_in_log(&self) -> Result<Option<u64>, StoreError> {
        let Some(seq) = self.positions.first_seq() else { return Ok(None) };
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
        let Some(place) = self.positions.before(first.proposal.header.first_seq - 1, self.reader.start()) else {
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
