//! One row for each meter, found by the meter's number and kept in pages: whoever is first to use a high number pays for one page, and not for a row
//! of everybody below.

use gridbook_engine::MeterId;

/// Rows of a page. With rows of 80 bytes a page is 20 kB; the list of pages for a million meters is 64 kB.
const PAGE: usize = 256;

/// See the module. A row that was never put is the row that says nothing, and cannot be told from one that was put back to it.
#[derive(Clone, Debug)]
pub(in crate::state) struct ByMeter<T> {
    pages: Vec<Option<Box<[T]>>>,
}

impl<T> Default for ByMeter<T> {
    fn default() -> Self {
        Self { pages: Vec::new() }
    }
}

impl<T: Copy + Default + PartialEq> ByMeter<T> {
    /// A meter's row.
    pub(in crate::state) fn get(&self, meter: MeterId) -> T {
        let (page, place) = place_of(meter);
        match self.pages.get(page) {
            Some(Some(rows)) => rows[place],
            _ => T::default(),
        }
    }

    /// Puts a meter's row; what was there before.
    pub(in crate::state) fn put(&mut self, meter: MeterId, row: T) -> T {
        let (page, place) = place_of(meter);
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        let rows = self.pages[page].get_or_insert_with(|| vec![T::default(); PAGE].into_boxed_slice());
        core::mem::replace(&mut rows[place], row)
    }

    /// All rows that say something, by ascending number.
    pub(in crate::state) fn rows(&self) -> impl DoubleEndedIterator<Item = (MeterId, T)> + '_ {
        let pages = self.pages.iter().enumerate().filter_map(|(page, rows)| Some((page, rows.as_deref()?)));
        let rows = pages
            .flat_map(|(page, rows)| rows.iter().enumerate().map(move |(place, row)| (meter_at(page, place), *row)));
        rows.filter(|(_, row)| *row != T::default())
    }
}

fn place_of(meter: MeterId) -> (usize, usize) {
    let meter = super::index(meter.0);
    (meter / PAGE, meter % PAGE)
}

fn meter_at(page: usize, place: usize) -> MeterId {
    MeterId(u32::try_from(page * PAGE + place).expect("rows were put by 32-bit numbers"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is put, also what says nothing: what is found, by number and in order, is what a map of the rows that say something holds.
        #[test]
        fn rows_are_found_as_in_a_map(puts in prop::collection::vec((0_u32..2_000, 0_u64..3), 0..200)) {
            let (mut table, mut map) = (ByMeter::<u64>::default(), BTreeMap::new());
            for (meter, row) in puts {
                prop_assert_eq!(table.put(MeterId(meter), row), map.get(&meter).copied().unwrap_or(0));
                if row == 0 { map.remove(&meter) } else { map.insert(meter, row) };
            }
            let told: Vec<_> = table.rows().map(|(meter, row)| (meter.0, row)).collect();
            prop_assert_eq!(&told, &map.iter().map(|(meter, row)| (*meter, *row)).collect::<Vec<_>>());
            prop_assert!(table.rows().rev().eq(table.rows().collect::<Vec<_>>().into_iter().rev()));
            prop_assert!((0..2_100).all(|meter| table.get(MeterId(meter)) == map.get(&meter).copied().unwrap_or(0)));
        }
    }

    /// The last of a million meters costs a page and the list of pages, and no rows of all the others.
    #[test]
    fn a_high_number_costs_one_page() {
        let mut table = ByMeter::<u64>::default();
        table.put(MeterId(1 << 20), 7);
        assert_eq!(table.pages.iter().flatten().count(), 1);
        assert_eq!(table.rows().collect::<Vec<_>>(), [(MeterId(1 << 20), 7)]);
        assert_eq!((table.get(MeterId((1 << 20) - 1)), table.get(MeterId(u32::MAX))), (0, 0));
    }
}
