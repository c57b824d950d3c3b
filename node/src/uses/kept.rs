//! Where uses stand in the log, by meter and by segment.

use std::collections::{BTreeMap, VecDeque};

use gridbook_engine::{LedgerTime, MeterId};
use gridbook_ledger::store::LogPosition;

/// See the module. A meter's uses have numbers that follow each other; those of the oldest segment are let go of together.
#[derive(Debug, Default)]
pub(super) struct Places {
    meters: BTreeMap<MeterId, MeterPlaces>,
    /// Those that hold a use, oldest first.
    segments: VecDeque<SegmentUses>,
}

#[derive(Debug, Default)]
struct MeterPlaces {
    /// The number of the oldest use that is kept.
    first: u64,
    places: VecDeque<LogPosition>,
}

/// The uses of one segment.
#[derive(Debug)]
pub(super) struct SegmentUses {
    /// Its number.
    pub(super) number: u64,
    /// When the first of them was noted.
    pub(super) began: LedgerTime,
    /// The latest moment of any of them.
    pub(super) newest: LedgerTime,
    /// Whose they are, in the order in which they stand.
    meters: Vec<MeterId>,
}

impl Places {
    /// The number of a meter's next use. Where all were let go of, numbers begin anew, as they do for a validator that starts then.
    pub(super) fn next_number(&self, meter: MeterId) -> u64 {
        self.meters.get(&meter).map_or(1, |uses| uses.first + uses.places.len() as u64)
    }

    /// A use of this number stands at a place. False if it cannot have that number.
    pub(super) fn note(&mut self, meter: MeterId, number: u64, at: LedgerTime, position: LogPosition) -> bool {
        let uses = self.meters.entry(meter).or_default();
        // What an older program noted has no numbers, and begins anew where some of it was let go of: the next one that has a number knows.
        let Some(first) = number.checked_sub(uses.places.len() as u64).filter(|first| *first > 0) else { return false };
        uses.first = first;
        uses.places.push_back(position);
        match self.segments.back_mut().filter(|segment| segment.number == position.segment) {
            Some(segment) => {
                segment.newest = segment.newest.max(at);
                segment.meters.push(meter);
            }
            None => {
                let (number, meters) = (position.segment, vec![meter]);
                self.segments.push_back(SegmentUses { number, began: at, newest: at, meters });
            }
        }
        true
    }

    /// At most `limit` uses of a meter from a number on, each with its number, and from which number to go on.
    pub(super) fn page(&self, meter: MeterId, from: u64, limit: usize) -> (Vec<(u64, LogPosition)>, Option<u64>) {
        let Some(MeterPlaces { first, places }) = self.meters.get(&meter) else { return (Vec::new(), None) };
        let skipped = usize::try_from(from.saturating_sub(*first)).unwrap_or(usize::MAX).min(places.len());
        let numbered = (*first..).zip(places).skip(skipped).take(limit).map(|(number, place)| (number, *place));
        let page: Vec<_> = numbered.collect();
        let end = skipped + page.len();
        (page, (end < places.len()).then_some(first + end as u64))
    }

    pub(super) fn oldest_segment(&self) -> Option<&SegmentUses> {
        self.segments.front()
    }

    pub(super) fn newest_segment(&self) -> Option<&SegmentUses> {
        self.segments.back()
    }

    /// The oldest segment is gone, and the uses that it held: each meter's oldest ones.
    pub(super) fn forget_oldest_segment(&mut self) {
        let Some(segment) = self.segments.pop_front() else { return };
        for meter in segment.meters {
            let Some(uses) = self.meters.get_mut(&meter) else { continue };
            uses.places.pop_front();
            uses.first += 1;
            if uses.places.is_empty() {
                self.meters.remove(&meter);
            }
        }
    }
}
