//! Where things lie in the log: what is not final, and some of what is.

use std::collections::BTreeMap;

use crate::bytes::{Reader, Writer};
use crate::replica::LogRecord;
use crate::store::LogPosition;

/// Where entries and proposals lie that are not final, and where some of the final entries begin: one place for about every so many bytes,
/// so that years of log fit.
#[derive(Clone, Debug)]
pub struct Places {
    /// Entries that are not final: sequence number before the first command, and place.
    unfinal: BTreeMap<u64, LogPosition>,
    /// The first proposal of each height that is not final.
    proposals: BTreeMap<u64, LogPosition>,
    /// Sparse places of final entries.
    known: BTreeMap<u64, LogPosition>,
    apart_bytes: u64,
}

impl Default for Places {
    fn default() -> Self {
        Self::apart(Self::APART_BYTES)
    }
}

impl Places {
    /// The distance between two known places, at least.
    pub const APART_BYTES: u64 = 256 << 10;

    /// As far apart as this, at least.
    pub fn apart(apart_bytes: u64) -> Self {
        Self { unfinal: BTreeMap::new(), proposals: BTreeMap::new(), known: BTreeMap::new(), apart_bytes }
    }

    /// A record lies at a place.
    pub fn note(&mut self, record: &LogRecord, position: LogPosition) {
        match record {
            LogRecord::Entry { start_seq, .. } => _ = self.unfinal.insert(*start_seq, position),
            LogRecord::Truncate { to_seq } => drop(self.unfinal.split_off(to_seq)),
            LogRecord::Proposal(proposal) => {
                self.proposals.entry(proposal.header.height).or_insert(position);
            }
            LogRecord::Final { height, last_seq, .. } => self.finalize(*height, *last_seq),
            LogRecord::Snapshot(place) => {
                let header = &place.proposal.header;
                self.finalize(header.height, header.last_seq);
            }
            LogRecord::Evidence(_) => {}
        }
    }

    fn finalize(&mut self, height: u64, last_seq: u64) {
        self.proposals = self.proposals.split_off(&(height + 1));
        let rest = self.unfinal.split_off(&last_seq);
        let done = std::mem::replace(&mut self.unfinal, rest);
        for (seq, position) in done {
            let far = self.known.last_key_value().is_none_or(|(_, last)| {
                last.segment != position.segment || position.offset >= last.offset + self.apart_bytes
            });
            if far {
                self.known.insert(seq, position);
            }
        }
    }

    /// A place from which the log must be read to find the commands after `seq`.
    /// Nothing if that is before `start`, where the log begins.
    pub fn before(&self, seq: u64, start: LogPosition) -> Option<LogPosition> {
        let place = self.known.range(..=seq).next_back().map_or(LogPosition::START, |(_, position)| *position);
        (place >= start).then_some(place)
    }

    /// The first command that is known to be in the log.
    pub fn first_seq(&self) -> Option<u64> {
        self.known.keys().next().map(|seq| seq + 1)
    }

    /// Where everything stands that is not final, in a log that ends at `end`.
    pub fn unfinal_from(&self, end: LogPosition) -> LogPosition {
        self.unfinal.values().chain(self.proposals.values()).copied().fold(end, LogPosition::min)
    }

    /// The log before a place is no longer there.
    pub fn forget_before(&mut self, start: LogPosition) {
        self.known.retain(|_, position| *position >= start);
    }

    /// What stands before the state in a kept state: the known places behind their length.
    pub fn to_front(&self) -> Vec<u8> {
        let mut w = Writer::new();
        for (seq, position) in &self.known {
            w.u64(*seq).bytes(&position.to_bytes());
        }
        let places = w.finish();
        [&(places.len() as u64).to_le_bytes()[..], &places].concat()
    }

    /// Takes a kept state apart: the known places, and the rest.
    pub fn split_from(bytes: &[u8], apart_bytes: u64) -> Option<(Self, &[u8])> {
        let (length, rest) = bytes.split_first_chunk::<8>()?;
        let (front, image) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        let (mut r, mut places) = (Reader::new(front), Self::apart(apart_bytes));
        while r.remaining() > 0 {
            places.known.insert(r.u64().ok()?, LogPosition::from_bytes(r.array().ok()?));
        }
        Some((places, image))
    }
}
