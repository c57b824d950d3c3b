//! What a bill comes to.

use gridbook_engine::{Money, Side};

use super::{PeriodStatement, SettledLine};
use crate::bytes::{BytesError, Reader, Writer};
use crate::settlement::Quality;

/// Sums over periods. Sums of parts that share no period add up to those of the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatementTotals {
    /// Energy bought, in Wh.
    pub bought_wh: u128,
    /// What was paid for it; less than zero, or more where prices were below zero.
    pub bought: Money,
    /// Energy sold, in Wh.
    pub sold_wh: u128,
    /// What was got for it.
    pub sold: Money,
    /// What of that went to operators of edges: at least zero, and contained in `bought` and `sold`.
    pub fees: Money,
    /// Taken in, in Wh.
    pub import_wh: u128,
    /// Given out, in Wh.
    pub export_wh: u128,
    /// Energy missing, in Wh.
    pub short_wh: u128,
    /// Energy too much, in Wh.
    pub long_wh: u128,
    /// What was got or paid for imbalance.
    pub imbalance: Money,
    /// What of that is billed by the area's operator.
    pub billed: Money,
    /// What of that the default account bore.
    pub defaulted: Money,
    /// What of `bought` and `sold` is still to be paid out: it is, once the period is settled. At least zero.
    pub pending: Money,
    /// Periods whose figures are in doubt.
    pub doubtful: u32,
    /// Periods in which anything was traded or settled.
    pub periods: u32,
    /// Those of them that are not settled yet.
    pub unsettled: u32,
    /// Those of them that may still change.
    pub not_final: u32,
    /// Those settled by a delivery that was estimated.
    pub estimated: u32,
    /// Those settled by a delivery that the area's operator has corrected.
    pub corrected: u32,
    /// Those settled more than once.
    pub settled_again: u32,
}

impl StatementTotals {
    /// What the account has more than before: trades and imbalance, without what others paid in its place, and without what is still to
    /// be paid out.
    pub fn balance(&self) -> Money {
        self.bought + self.sold + self.imbalance + self.billed + self.defaulted - self.pending
    }

    /// Adds a period.
    pub(super) fn add(&mut self, period: &PeriodStatement) {
        for trade in &period.trades {
            let (energy, money) = match trade.side {
                Side::Buy => (&mut self.bought_wh, &mut self.bought),
                Side::Sell => (&mut self.sold_wh, &mut self.sold),
            };
            *energy += u128::from(trade.energy.0);
            *money += trade.money();
            // Who pays has paid when the trade was made; who is paid waits.
            if period.settled.is_none() {
                self.pending += trade.money().max(Money::ZERO);
            }
            self.fees += trade.fee.times(trade.energy);
        }
        match &period.settled {
            Some(settled) => self.add_settled(settled),
            None => self.unsettled += 1,
        }
        self.doubtful += u32::from(period.doubt.is_some());
        self.periods += 1;
        self.not_final += u32::from(!period.is_final);
    }

    fn add_settled(&mut self, settled: &SettledLine) {
        self.import_wh += u128::from(settled.delivery.import.0);
        self.export_wh += u128::from(settled.delivery.export.0);
        let energy = if settled.imbalance_wh < 0 { &mut self.short_wh } else { &mut self.long_wh };
        *energy += settled.imbalance_wh.unsigned_abs();
        self.imbalance += settled.imbalance;
        self.billed += settled.billed;
        self.defaulted += settled.defaulted;
        self.estimated += u32::from(matches!(settled.quality, Quality::Estimated(_)));
        self.corrected += u32::from(settled.quality == Quality::Corrected);
        self.settled_again += u32::from(settled.times > 1);
    }

    /// Adds the sums of other periods. Counts stop at what they hold, whoever wrote them.
    pub fn join(&mut self, other: &Self) {
        self.bought_wh += other.bought_wh;
        self.bought += other.bought;
        self.sold_wh += other.sold_wh;
        self.sold += other.sold;
        self.fees += other.fees;
        self.import_wh += other.import_wh;
        self.export_wh += other.export_wh;
        self.short_wh += other.short_wh;
        self.long_wh += other.long_wh;
        self.imbalance += other.imbalance;
        self.billed += other.billed;
        self.defaulted += other.defaulted;
        self.pending += other.pending;
        self.doubtful = self.doubtful.saturating_add(other.doubtful);
        self.periods = self.periods.saturating_add(other.periods);
        self.unsettled = self.unsettled.saturating_add(other.unsettled);
        self.not_final = self.not_final.saturating_add(other.not_final);
        self.estimated = self.estimated.saturating_add(other.estimated);
        self.corrected = self.corrected.saturating_add(other.corrected);
        self.settled_again = self.settled_again.saturating_add(other.settled_again);
    }

    /// Writes them: energies, money, counts.
    pub fn write(&self, w: &mut Writer) {
        let Self { bought_wh, sold_wh, import_wh, export_wh, short_wh, long_wh, .. } = *self;
        for energy in [bought_wh, sold_wh, import_wh, export_wh, short_wh, long_wh] {
            w.i128(energy.cast_signed());
        }
        let Self { bought, sold, fees, imbalance, billed, defaulted, pending, .. } = *self;
        for Money(amount) in [bought, sold, fees, imbalance, billed, defaulted, pending] {
            w.i128(amount);
        }
        let Self { doubtful, periods, unsettled, not_final, estimated, corrected, settled_again, .. } = *self;
        for count in [doubtful, periods, unsettled, not_final, estimated, corrected, settled_again] {
            w.u32(count);
        }
    }

    /// Reads what [`StatementTotals::write`] wrote.
    ///
    /// # Errors
    /// If the bytes end, or an amount is beyond what any bill comes to ([`crate::bytes::AMOUNT_MAX`]).
    pub fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        let mut energy = || r.energy_sum();
        let (bought_wh, sold_wh, import_wh) = (energy()?, energy()?, energy()?);
        let (export_wh, short_wh, long_wh) = (energy()?, energy()?, energy()?);
        let mut money = || r.amount().map(Money);
        let (bought, sold, fees) = (money()?, money()?, money()?);
        let (imbalance, billed, defaulted, pending) = (money()?, money()?, money()?, money()?);
        let (doubtful, periods, unsettled, not_final) = (r.u32()?, r.u32()?, r.u32()?, r.u32()?);
        let (estimated, corrected, settled_again) = (r.u32()?, r.u32()?, r.u32()?);
        Ok(Self {
            bought_wh,
            bought,
            sold_wh,
            sold,
            fees,
            import_wh,
            export_wh,
            short_wh,
            long_wh,
            imbalance,
            billed,
            defaulted,
            pending,
            doubtful,
            periods,
            unsettled,
            not_final,
            estimated,
            corrected,
            settled_again,
        })
    }
}
