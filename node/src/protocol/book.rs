//! A book as a client is shown it.

use gridbook_engine::depth::{DEPTH_LEVELS_MAX, Depth, Level, Levels};
use gridbook_engine::{Energy, Price, Side};
use gridbook_ledger::bytes::{BytesError, Reader, Writer};

/// What rests in one area for one delivery period, as far as others may see it: the shown part of the best prices.
///
/// It is the contract's own book only. What rests in other areas and could be traded from here, at the fees of the way, is not in it. And
/// it is what the validator has executed: the last of it may not be final yet, and may in rare cases never be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Book {
    /// The sequence number of the last command that was taken into account.
    pub as_of: u64,
    /// The levels, and as of which sequence number they last changed. None if the validator has published nothing for this
    /// contract: no order has rested there since it started.
    pub depth: Option<Depth>,
}

impl Book {
    /// What is bought and what is sold, the best first; nothing where nothing is published.
    pub fn sides(&self) -> (Levels, Levels) {
        self.depth.map_or_else(Default::default, |depth| (depth.bids, depth.asks))
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.u64(self.as_of);
        let Some(Depth { epoch, bids, asks }) = &self.depth else {
            w.u8(0);
            return;
        };
        w.u8(1).u64(*epoch);
        for levels in [bids, asks] {
            w.u8(u8::try_from(levels.len()).expect("there are at most DEPTH_LEVELS_MAX"));
            levels.iter().for_each(|(price, energy)| _ = w.i32(price.0).u64(energy.0));
        }
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        let as_of = r.u64()?;
        let depth = match r.u8()? {
            0 => None,
            1 => {
                let epoch = r.u64()?;
                let (bids, asks) = (read_levels(Side::Buy, r)?, read_levels(Side::Sell, r)?);
                Some(Depth { epoch, bids, asks })
            }
            _ => return Err(BytesError::Unknown),
        };
        Ok(Self { as_of, depth })
    }
}

fn read_levels(side: Side, r: &mut Reader<'_>) -> Result<Levels, BytesError> {
    let count = usize::from(r.u8()?);
    if count > DEPTH_LEVELS_MAX {
        return Err(BytesError::TooLong);
    }
    let levels: Vec<Level> =
        (0..count).map(|_| Ok((Price(r.i32()?), Energy(r.u64()?)))).collect::<Result<_, BytesError>>()?;
    let best_first = levels.is_sorted_by(|(better, _), (worse, _)| match side {
        Side::Buy => better > worse,
        Side::Sell => better < worse,
    });
    if !best_first || levels.iter().any(|(_, energy)| energy.is_zero()) {
        return Err(BytesError::Unknown);
    }
    Ok(levels.into_iter().collect())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn levels(prices: impl IntoIterator<Item = i32>) -> Levels {
        prices.into_iter().map(|price| (Price(price), Energy(u64::MAX))).collect()
    }

    pub(in crate::protocol) fn full() -> Book {
        let depth = Depth { epoch: 40, bids: levels((-9..7).rev()), asks: levels(7..23) };
        Book { as_of: 41, depth: Some(depth) }
    }

    fn bytes(book: &Book) -> Vec<u8> {
        let mut w = Writer::new();
        book.write(&mut w);
        w.finish()
    }

    /// Programs in other languages read these bytes.
    #[test]
    fn a_book_is_laid_out_as_it_always_was() {
        let bids = [(Price(-2), Energy(3))].into_iter().collect();
        let book = Book { as_of: 5, depth: Some(Depth { epoch: 4, bids, asks: Levels::default() }) };
        let expected = [
            &[5, 0, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0, 0, 0, 0][..],
            &[1, 0xfe, 0xff, 0xff, 0xff, 3, 0, 0, 0, 0, 0, 0, 0],
            &[0],
        ];
        assert_eq!(bytes(&book), expected.concat());
        assert_eq!(bytes(&Book { as_of: 5, depth: None }), [5, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn more_levels_than_are_ever_published_are_refused_before_they_are_read() {
        let mut many = bytes(&full());
        many[17] = 17;
        assert_eq!(Book::read(&mut Reader::new(&many)), Err(BytesError::TooLong));
    }

    /// A validator that lies or is broken must not make a screen show the second best price as the best.
    #[test]
    fn levels_out_of_order_or_of_nothing_are_refused() {
        let read = |bids: Levels, asks: Levels| {
            let book = Book { as_of: 1, depth: Some(Depth { epoch: 1, bids, asks }) };
            Book::read(&mut Reader::new(&bytes(&book))).map(|read| assert_eq!(read, book))
        };
        let none = Levels::default();
        assert_eq!(read(levels([5, 4]), levels([4, 5])), Ok(()), "in a call phase bids and asks may cross");
        assert_eq!(read(levels([4, 5]), none), Err(BytesError::Unknown));
        assert_eq!(read(levels([5, 5]), none), Err(BytesError::Unknown));
        assert_eq!(read(none, levels([5, 4])), Err(BytesError::Unknown));
        assert_eq!(read(none, [(Price(1), Energy::ZERO)].into_iter().collect()), Err(BytesError::Unknown));
    }

    #[test]
    fn a_mark_without_a_meaning_is_refused() {
        let mut unclear = bytes(&Book { as_of: 1, depth: None });
        unclear[8] = 2;
        assert_eq!(Book::read(&mut Reader::new(&unclear)), Err(BytesError::Unknown));
    }
}
