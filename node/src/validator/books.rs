//! The books as others see them: a table that the core writes and the door reads, without a lock and without asking the core.

use std::sync::Arc;

use gridbook_engine::depth::{DepthTable, DepthWriter};
use gridbook_engine::{Contract, MarketRules};
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::reject::Code;

use crate::protocol::Book;

/// The most periods in the table: six weeks of quarter-hours.
const PERIODS_MAX: u64 = 1 << 12;
/// The most contracts in the table; each takes 576 bytes.
const CONTRACTS_MAX: u64 = 1 << 17;

/// A table for all contracts that can be traded at one time.
pub(super) fn table(genesis: &Genesis) -> (DepthWriter, Arc<DepthTable>) {
    let areas = u16::try_from(genesis.areas.len()).expect("areas have 16-bit numbers");
    let (window, needed) = (window(&genesis.rules, areas), periods_open(&genesis.rules));
    if u64::from(window) < needed {
        tracing::warn!(
            periods = window,
            needed,
            "not all books can be shown at one time: some will seem not to be there"
        );
    }
    DepthTable::new(areas, window)
}

/// The book of a contract.
///
/// # Errors
/// `FormArea` if there is no such area.
pub(super) fn book(table: &DepthTable, genesis: &Genesis, contract: Contract) -> Result<Book, Code> {
    if usize::from(contract.area.0) >= genesis.areas.len() {
        return Err(Code::FormArea);
    }
    // The number first: what is published meanwhile is newer than it says, never older.
    let as_of = table.epoch();
    Ok(Book { as_of, depth: table.read(contract) })
}

fn window(rules: &MarketRules, areas: u16) -> u32 {
    let most = (CONTRACTS_MAX / u64::from(areas.max(1))).clamp(1, PERIODS_MAX);
    u32::try_from(periods_open(rules).min(most)).expect("it is at most PERIODS_MAX")
}

/// How many periods can be open at one time: those that begin within the lead, the one that is being delivered, and the rest of the group
/// that opens with the last of them.
fn periods_open(rules: &MarketRules) -> u64 {
    let lead = rules.open_lead_ms.div_ceil(u64::from(rules.mtu_minutes) * 60_000);
    lead.saturating_add(1).saturating_add(u64::from(rules.periods_per_opening))
}

#[cfg(test)]
mod tests {
    use gridbook_engine::{AreaId, DeliveryPeriod, LedgerTime};

    use super::*;

    /// Two periods that are both open must not share a row of the table, or one of them would seem not to be there.
    #[test]
    fn the_table_has_room_for_all_periods_that_are_open_at_one_time() {
        let day_ahead = MarketRules { periods_per_opening: 96, ..MarketRules::default() };
        let hours = MarketRules { mtu_minutes: 60, open_lead_ms: 90 * 60_000, ..MarketRules::default() };
        for rules in [MarketRules::default(), day_ahead, hours] {
            let mtu_ms = u64::from(rules.mtu_minutes) * 60_000;
            for now in (0..2 * 86_400_000).step_by(7 * 60_000).map(|ms| LedgerTime(20_000 * 86_400_000 + ms)) {
                let around = now.0 / mtu_ms;
                let periods =
                    (around - 3..around + 600).map(|period| DeliveryPeriod(u32::try_from(period).expect("small")));
                let contracts = periods.map(|period| Contract { period, area: AreaId(0) });
                let is_open = |c: &Contract| rules.opens_at(*c) <= now && now < rules.gate_closes_at(*c);
                let open = contracts.filter(is_open).count() as u64;
                assert!(open > 0 && open <= u64::from(window(&rules, 1)), "{open} are open, {rules:?}");
            }
        }
    }

    #[test]
    fn a_market_without_gates_or_with_very_many_areas_gets_a_table_of_bounded_size() {
        assert_eq!(window(&MarketRules::without_gates(), 1), 1 << 12);
        assert_eq!(window(&MarketRules::without_gates(), u16::MAX), 2);
        assert_eq!(window(&MarketRules::default(), 100), 146);
    }
}
