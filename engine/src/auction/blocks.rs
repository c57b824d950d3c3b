//! Block orders: one price, several periods, all or nothing (MARKET section 5, Blocks).

use crate::contract::AreaId;
use crate::event::BlockState;
use crate::order::Side;
use crate::units::{Energy, Money, Price};

use super::book::{AuctionRules, Injection, PeriodBook};
use super::clearer::Clearer;
use super::clearing::{Case, Clearing};

/// An order over several periods that is filled in all of them or in none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockOrder {
    /// Where it trades.
    pub area: AreaId,
    /// Which way.
    pub side: Side,
    /// The worst price that it accepts on the average of its energy.
    pub price: Price,
    /// Its energy by place in the list of books: whole lots.
    pub energies: Vec<(usize, Energy)>,
    /// Its age, unlike that of any other order: the newest is taken out first.
    pub sequence: u64,
}

/// The result of clearing several periods with blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockClearing {
    /// By place in the list of books. [`Clearing::injected`] has the book's own injections, and behind them the accepted blocks that
    /// touch the period, in the order given.
    pub periods: Vec<Clearing>,
    /// By place in the list of blocks.
    pub states: Vec<BlockState>,
}

/// Clears several periods together with the blocks that join them. No accepted block loses at the prices.
///
/// # Panics
/// If a block names a place beyond the list of books.
pub fn clear_with_blocks(rules: AuctionRules, books: &[PeriodBook<'_>], blocks: &[BlockOrder]) -> BlockClearing {
    let mut auction = BlockAuction {
        rules,
        books,
        blocks,
        is_in: vec![true; blocks.len()],
        periods: vec![Clearing::default(); books.len()],
        placed: vec![Vec::new(); books.len()],
        clearer: Clearer::new(),
        injections: Vec::new(),
    };
    for period in 0..books.len() {
        auction.clear(period);
    }
    while let Some(out) = auction.first_to_leave() {
        auction.is_in[out] = false;
        for (period, _) in &blocks[out].energies {
            auction.clear(*period);
        }
    }
    let states = (0..blocks.len()).map(|block| auction.state(block)).collect();
    BlockClearing { periods: auction.periods, states }
}

struct BlockAuction<'a> {
    rules: AuctionRules,
    books: &'a [PeriodBook<'a>],
    blocks: &'a [BlockOrder],
    is_in: Vec<bool>,
    periods: Vec<Clearing>,
    /// By period: the blocks that were entered, and whether they were placed whole.
    placed: Vec<Vec<(usize, bool)>>,
    clearer: Clearer,
    injections: Vec<Injection>,
}

impl BlockAuction<'_> {
    /// Clears one period with the blocks that are in.
    fn clear(&mut self, period: usize) {
        let book = &self.books[period];
        let placed = &mut self.placed[period];
        placed.clear();
        self.injections.clear();
        self.injections.extend_from_slice(book.injections);
        for (index, block) in self.blocks.iter().enumerate().filter(|(index, _)| self.is_in[*index]) {
            for (_, energy) in block.energies.iter().filter(|(at, _)| *at == period) {
                let BlockOrder { area, side, sequence, .. } = *block;
                self.injections.push(Injection { area, side, energy: *energy, sequence });
                placed.push((index, false));
            }
        }
        let book = PeriodBook { injections: &self.injections, ..*book };
        self.clearer.clear_into(self.rules, &book, &mut self.periods[period]);
        let from = self.injections.len() - placed.len();
        let results = self.injections[from..].iter().zip(&self.periods[period].injected[from..]);
        for (entry, (wanted, got)) in placed.iter_mut().zip(results) {
            entry.1 = self.rules.lots(wanted.energy) == self.rules.lots(*got);
        }
    }

    /// The block that must be taken out: the newest that is not placed whole, else the one that loses most, the newest of equals.
    fn first_to_leave(&self) -> Option<usize> {
        let sequence = |block: &usize| self.blocks[*block].sequence;
        let broken = self.placed.iter().flatten().filter(|(_, is_whole)| !is_whole).map(|(block, _)| *block);
        broken.max_by_key(sequence).or_else(|| {
            let losing = (0..self.blocks.len()).filter(|block| self.is_in[*block]);
            let losing = losing.map(|block| (self.gain(block), block)).filter(|(gain, _)| gain.0 < 0);
            losing.min_by_key(|(gain, block)| (*gain, core::cmp::Reverse(sequence(block)))).map(|(_, block)| block)
        })
    }

    /// What a block gains at the prices: `sum of energy x (price - limit)` for a sell, mirrored for a buy.
    fn gain(&self, block: usize) -> Money {
        let BlockOrder { area, side, price: limit, energies, .. } = &self.blocks[block];
        let sum = energies.iter().map(|(period, energy)| {
            let cleared = self.periods[*period].areas.get(usize::from(area.0)).and_then(|area| area.price);
            i128::from(energy.0) * (i128::from(cleared.unwrap_or(Price(0)).0) - i128::from(limit.0))
        });
        // Saturating: beyond the largest sum the sign is all that matters.
        let sum = sum.fold(0_i128, i128::saturating_add);
        Money(if *side == Side::Sell { sum } else { sum.saturating_neg() })
    }

    /// Whether there are prices to gain by: an auction that failed has none.
    fn is_priced(&self, block: usize) -> bool {
        let BlockOrder { area, energies, .. } = &self.blocks[block];
        let cleared = |period: usize| self.periods[period].areas.get(usize::from(area.0));
        let failed = |period: usize| cleared(period).is_some_and(|area| matches!(area.case, Case::Failed(_)));
        !energies.iter().any(|&(period, _)| failed(period))
    }

    fn state(&self, block: usize) -> BlockState {
        match (self.is_in[block], self.is_priced(block) && self.gain(block).0 > 0) {
            (true, _) => BlockState::Accepted,
            (false, true) => BlockState::ParadoxicallyRejected,
            (false, false) => BlockState::Rejected,
        }
    }
}
