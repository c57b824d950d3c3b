//! What a meter's bill comes to, in pieces that a month or a year is put together from.
//!
//! A year of one meter is some 200,000 facts in 35,040 periods; what its bill comes to is a few numbers for each day. They are what the bill
//! worked out of that day's facts says ([`Statement`]), its doubts among them: nothing here is reckoned by other rules.

use std::collections::BTreeMap;

use gridbook_engine::{AccountId, AreaId, DeliveryPeriod};

use crate::bytes::{BytesError, Reader, Writer};
use crate::settlement::statement::{Statement, StatementTotals};

/// Periods in one piece. Days, and with them months and years, are whole numbers of pieces, whether a period has 5, 15, 30 or 60 minutes.
pub const PERIODS_PER_SUM: u32 = 24;

/// What some of a meter's periods come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SumRow {
    /// The first period of the piece, a multiple of [`PERIODS_PER_SUM`], whether or not it is among those asked about.
    pub first: DeliveryPeriod,
    /// Whose the meter was then.
    pub account: AccountId,
    /// Their sums.
    pub totals: StatementTotals,
}

/// What one answer of the index holds of a meter's sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SumPage {
    /// By piece, then account. Pieces in which nothing was traded or settled are not there.
    pub rows: Vec<SumRow>,
    /// From where to go on; none if that was all.
    pub next: Option<DeliveryPeriod>,
    /// How many days of quarter-hours were found summed up. All others were worked out of their facts.
    pub days_found: usize,
}

impl SumRow {
    /// Rows one after the other.
    pub fn encode_all(rows: &[Self]) -> Vec<u8> {
        let mut w = Writer::new();
        for Self { first, account, totals } in rows {
            totals.write(w.u32(first.0).u32(account.0));
        }
        w.finish()
    }

    /// Reads what [`SumRow::encode_all`] wrote.
    ///
    /// # Errors
    /// If the bytes end within a row, or hold no sums of a piece.
    pub fn decode_all(bytes: &[u8]) -> Result<Vec<Self>, BytesError> {
        let mut r = Reader::new(bytes);
        let mut rows = Vec::new();
        while r.remaining() > 0 {
            let (first, account) = (DeliveryPeriod(r.u32()?), AccountId(r.u32()?));
            let totals = StatementTotals::read(&mut r)?;
            let StatementTotals {
                periods, doubtful, unsettled, not_final, estimated, corrected, settled_again, ..
            } = totals;
            let counts = [doubtful, unsettled, not_final, estimated, corrected, settled_again];
            let is_piece = first.0.is_multiple_of(PERIODS_PER_SUM) && periods <= PERIODS_PER_SUM;
            if !is_piece || counts.into_iter().any(|count| count > periods) {
                return Err(BytesError::Unknown);
            }
            rows.push(Self { first, account, totals });
        }
        Ok(rows)
    }
}

/// The sums of one day of a meter, as they are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SummedDay {
    /// Whose prices the day was worked out by, and how often they had been mended by then: mended since, the doubts may be others.
    pub(super) priced_by: Vec<(AreaId, u32)>,
    /// By piece and account.
    pub(super) pieces: BTreeMap<(u32, AccountId), SummedPiece>,
}

/// What is kept of a piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SummedPiece {
    /// Sums as if nothing was final: that is known by period, once for all meters.
    pub(super) totals: StatementTotals,
    /// Which periods they are of; the first of the piece is the lowest bit.
    pub(super) periods: u32,
}

impl SummedDay {
    /// Each period goes to its piece.
    pub(super) fn pieces_of(statement: &Statement) -> BTreeMap<(u32, AccountId), SummedPiece> {
        let mut pieces: BTreeMap<_, SummedPiece> = BTreeMap::new();
        for period in &statement.periods {
            let DeliveryPeriod(at) = period.contract.period;
            let piece = pieces.entry((at / PERIODS_PER_SUM, period.account)).or_default();
            piece.totals.join(&period.totals());
            piece.periods |= 1 << (at % PERIODS_PER_SUM);
        }
        pieces
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u16(u16::try_from(self.priced_by.len()).expect("a day has fewer periods"));
        for (area, mended) in &self.priced_by {
            w.u16(area.0).u32(*mended);
        }
        for ((piece, account), SummedPiece { totals, periods }) in &self.pieces {
            totals.write(w.u32(*piece).u32(account.0).u32(*periods));
        }
        w.finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, BytesError> {
        let mut r = Reader::new(bytes);
        let mut day = Self::default();
        for _ in 0..r.u16()? {
            day.priced_by.push((AreaId(r.u16()?), r.u32()?));
        }
        while r.remaining() > 0 {
            let (key, periods) = ((r.u32()?, AccountId(r.u32()?)), r.u32()?);
            let totals = StatementTotals::read(&mut r)?;
            day.pieces.insert(key, SummedPiece { totals, periods });
        }
        Ok(day)
    }
}
