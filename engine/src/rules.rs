//! The constants of a market, fixed in its genesis (MARKET.md sections 1 and 2).

use crate::contract::{Contract, DeliveryPeriod};
use crate::units::{Energy, LedgerTime, Price};

/// The constants of a market. Check with [`MarketRules::validate`] before use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketRules {
    /// Length of a delivery period: 5, 15, 30 or 60 minutes.
    pub mtu_minutes: u32,
    /// Prices are multiples of this; positive.
    pub tick: i32,
    /// Energies are multiples of this; positive.
    pub lot: u64,
    /// The lowest price allowed, a multiple of the tick.
    pub price_min: Price,
    /// The highest price allowed, a multiple of the tick.
    pub price_max: Price,
    /// How long before delivery a contract opens, in ledger milliseconds; [`MarketRules::NO_GATES_MS`] for never acting by time.
    pub open_lead_ms: u64,
    /// How long before delivery trading in an area ends, in ledger milliseconds.
    pub gate_ms: u64,
    /// How long before delivery trading across edges ends, in ledger milliseconds; not shorter than `gate_ms`.
    pub cross_area_gate_ms: u64,
    /// Whether a contract opens with a call phase, in which orders are collected, and a call auction at its end (MARKET section 2).
    pub auction_at_open: bool,
    /// How long the call phase lasts, in ledger milliseconds.
    pub call_ms: u64,
    /// How many delivery periods open together, so that one auction holds them all: 1 for each by itself, 96 quarter-hours for a day.
    pub periods_per_opening: u32,
}

impl Default for MarketRules {
    /// The defaults of MARKET.md: 15 minutes, tick 10 (= 0.01/MWh), 1 Wh lots, 36 h lead, gates 30 min before delivery
    /// across edges and 5 min inside an area, no auction at the opening.
    fn default() -> Self {
        Self {
            mtu_minutes: 15,
            tick: 10,
            lot: 1,
            price_min: Price(-9_999_990),
            price_max: Price(9_999_990),
            open_lead_ms: 36 * 3_600_000,
            gate_ms: 5 * 60_000,
            cross_area_gate_ms: 30 * 60_000,
            auction_at_open: false,
            call_ms: 30 * 60_000,
            periods_per_opening: 1,
        }
    }
}

/// What is wrong with a set of market rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// Not 5, 15, 30 or 60.
    #[error("a delivery period of {0} minutes: only 5, 15, 30 and 60 are possible")]
    Mtu(u32),
    /// Not positive.
    #[error("tick and lot must be positive")]
    Step,
    /// Limits off the tick, or the wrong way round.
    #[error("price limits must be multiples of the tick, the lower one first")]
    Limits,
    /// The gate closes before the contract opens.
    #[error("a contract must open before its gate closes")]
    Lead,
    /// Trading across edges would last longer than trading inside an area.
    #[error("trading across edges cannot end later than trading inside an area")]
    CrossAreaGate,
    /// Not between 1 and 200.
    #[error("between 1 and 200 delivery periods open together")]
    Opening,
    /// The call phase of the opening auction would not end before trading does.
    #[error("the call phase must be over before trading ends")]
    Call,
}

impl MarketRules {
    /// An `open_lead_ms` that says: no gate acts by time. Contracts are open from the start and close by command only.
    pub const NO_GATES_MS: u64 = u64::MAX;

    /// The default rules, but no gate acts by time: for order files without rules, whose periods are just numbers.
    pub fn without_gates() -> Self {
        Self { open_lead_ms: Self::NO_GATES_MS, ..Self::default() }
    }

    /// Checks that the rules make sense together.
    pub fn validate(&self) -> Result<(), RulesError> {
        if ![5, 15, 30, 60].contains(&self.mtu_minutes) {
            return Err(RulesError::Mtu(self.mtu_minutes));
        }
        if self.tick <= 0 || self.lot == 0 {
            return Err(RulesError::Step);
        }
        if self.price_min > self.price_max || self.price_min.0 % self.tick != 0 || self.price_max.0 % self.tick != 0 {
            return Err(RulesError::Limits);
        }
        if self.open_lead_ms <= self.gate_ms {
            return Err(RulesError::Lead);
        }
        if self.cross_area_gate_ms < self.gate_ms {
            return Err(RulesError::CrossAreaGate);
        }
        if !(1..=200).contains(&self.periods_per_opening) {
            return Err(RulesError::Opening);
        }
        if self.auction_at_open && self.call_ms >= self.open_lead_ms - self.gate_ms {
            return Err(RulesError::Call);
        }
        Ok(())
    }

    /// When trading of a contract opens: `open_lead_ms` before the first delivery of all that open together.
    pub fn opens_at(&self, contract: Contract) -> LedgerTime {
        let first = contract.period.0 - contract.period.0 % self.periods_per_opening;
        LedgerTime(DeliveryPeriod(first).starts_at(self.mtu_minutes).0.saturating_sub(self.open_lead_ms))
    }

    /// When trading of a contract ends; the end of time where no gate acts by time.
    pub fn gate_closes_at(&self, contract: Contract) -> LedgerTime {
        if self.open_lead_ms == Self::NO_GATES_MS {
            return LedgerTime(u64::MAX);
        }
        LedgerTime(contract.period.starts_at(self.mtu_minutes).0.saturating_sub(self.gate_ms))
    }

    /// When trading of a period across edges ends; the end of time where no gate acts by time.
    pub fn cross_area_gate_closes_at(&self, period: DeliveryPeriod) -> LedgerTime {
        if self.open_lead_ms == Self::NO_GATES_MS {
            return LedgerTime(u64::MAX);
        }
        LedgerTime(period.starts_at(self.mtu_minutes).0.saturating_sub(self.cross_area_gate_ms))
    }

    /// When the call phase of a period ends and its opening auction is due; the end of time where no gate acts by time, so that
    /// only a command clears.
    pub fn call_ends_at(&self, period: DeliveryPeriod) -> LedgerTime {
        if self.open_lead_ms == Self::NO_GATES_MS {
            return LedgerTime(u64::MAX);
        }
        let opens_at = self.opens_at(Contract { period, ..Contract::default() });
        LedgerTime(opens_at.0.saturating_add(self.call_ms))
    }

    /// The period being delivered at `time`.
    pub fn period_at(&self, time: LedgerTime) -> DeliveryPeriod {
        DeliveryPeriod::containing(time, self.mtu_minutes)
    }

    /// Whether a price is inside the limits and on the tick.
    pub fn price_is_valid(&self, price: Price) -> bool {
        (self.price_min..=self.price_max).contains(&price) && price.0 % self.tick == 0
    }

    /// Whether an energy is positive and on the lot.
    pub fn energy_is_valid(&self, energy: Energy) -> bool {
        energy.0 > 0 && energy.0.is_multiple_of(self.lot)
    }
}
