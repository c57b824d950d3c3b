//! Which trades the metered energy belongs to (MARKET section 7, rule 5). It decides certificates, attestation and conduct, not money.

use gridbook_engine::{Energy, Side};

use super::meter::{TradeSide, gross_wh};

/// How much of each side of a meter's trades was delivered, in the order of `trades`, oldest first. `out` is cleared and filled.
///
/// The meter's own resale passes through first: `min(sold, bought)`, oldest of each. What remains is a position sold or bought, and it is
/// filled oldest first, up to what the meter gave out or took in net. A trade's delivered energy is the smaller of its two sides; the
/// other one is asked for with the other meter's trades.
///
/// Both parts are taken oldest first, so together they are one sum for each side, handed out oldest first.
pub fn delivered(trades: &[TradeSide], net_wh: i128, out: &mut Vec<Energy>) {
    let (bought, sold) = gross_wh(trades);
    let passed = bought.min(sold);
    // More than a side has is no harm: its trades take what they are.
    let (mut bought_left, mut sold_left) = (passed + (-net_wh).max(0), passed + net_wh.max(0));
    out.clear();
    out.extend(trades.iter().map(|trade| {
        let left = match trade.side {
            Side::Buy => &mut bought_left,
            Side::Sell => &mut sold_left,
        };
        let energy = Energy(u64::try_from(*left).map_or(trade.energy.0, |left| left.min(trade.energy.0)));
        *left -= i128::from(energy.0);
        energy
    }));
}

#[cfg(test)]
mod tests {
    use gridbook_engine::Price;

    use super::*;

    fn trade(side: Side, energy: u64) -> TradeSide {
        TradeSide { side, price: Price(100), energy: Energy(energy) }
    }

    fn of(trades: &[TradeSide], net_wh: i128) -> Vec<u64> {
        let mut out = vec![Energy(99)];
        delivered(trades, net_wh, &mut out);
        out.into_iter().map(|energy| energy.0).collect()
    }

    use Side::{Buy, Sell};

    /// Sold 40 and then 60. With 70 metered the first is whole and the second has 30; more than sold changes nothing.
    #[test]
    fn a_plant_delivers_its_oldest_sale_first() {
        let trades = [trade(Sell, 40), trade(Sell, 60)];
        assert_eq!(of(&trades, 70), [40, 30]);
        assert_eq!(of(&trades, 0), [0, 0]);
        assert_eq!(of(&trades, -70), [0, 0], "it took energy: nothing was delivered");
        assert_eq!(of(&trades, 500), [40, 60]);
    }

    #[test]
    fn a_house_takes_its_oldest_purchase_first() {
        let trades = [trade(Buy, 40), trade(Buy, 60)];
        assert_eq!(of(&trades, -70), [40, 30]);
        assert_eq!(of(&trades, 70), [0, 0]);
    }

    /// A trader bought 50 and sold it on in two parts: all of it passes through whatever the own meter shows.
    #[test]
    fn what_was_bought_and_sold_on_passes_through_without_the_own_meter() {
        let trades = [trade(Buy, 50), trade(Sell, 20), trade(Sell, 30)];
        for net_wh in [-10, 0, 10] {
            assert_eq!(of(&trades, net_wh), [50, 20, 30]);
        }
    }

    /// Sold 30 and 40, bought back 50: the oldest 50 sold pass through, and the 20 that remain are from the own roof.
    #[test]
    fn what_remains_after_resale_is_filled_from_the_own_meter() {
        let trades = [trade(Sell, 30), trade(Buy, 50), trade(Sell, 40)];
        assert_eq!(of(&trades, 0), [30, 50, 20]);
        assert_eq!(of(&trades, 15), [30, 50, 35]);
        assert_eq!(of(&trades, 20), [30, 50, 40]);
        assert_eq!(of(&trades, -5), [30, 50, 20], "the position is sold: what was taken does not fill it");
    }

    /// To and fro with more than 64 bits hold.
    #[test]
    fn the_largest_energies_there_are_do_not_overflow() {
        let trades = [trade(Sell, u64::MAX), trade(Sell, u64::MAX), trade(Buy, u64::MAX)];
        assert_eq!(of(&trades, 0), [u64::MAX, 0, u64::MAX]);
        assert_eq!(of(&trades, 7), [u64::MAX, 7, u64::MAX]);
        assert_eq!(of(&[], 7), [0; 0]);
    }
}
