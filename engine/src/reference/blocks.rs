//! Block orders until their auction (MARKET sections 3 and 5, Blocks).

use super::orders::first_fault;
use super::state::{energy_of, name_of, terms_of};
use super::{Outside, Reference};
use crate::{Contract, Event, Limits, MarketRules, MeterId, NewBlock, OrderTag, Reject};

impl Reference {
    pub(super) fn take_block<L: Limits>(
        &mut self,
        block: NewBlock,
        outside: &mut Outside<'_, L>,
    ) -> Result<(), Reject> {
        self.test_block(&block)?;
        for (terms, energy) in terms_of(&block, &self.rules) {
            outside.limits.reserve(&terms, energy)?;
            self.record(terms.contract.period);
        }
        outside.events.push(Event::Rested { order: name_of(&block), remaining: energy_of(&block) });
        self.state.blocks.push(block);
        Ok(())
    }

    fn test_block(&self, block: &NewBlock) -> Result<(), Reject> {
        let rules = &self.rules;
        let count = block.energies.len();
        let ascending = block.energies.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let sum: u128 = block.energies.iter().map(|(_, energy)| u128::from(energy.0)).sum();
        let countable = (1..=NewBlock::PERIODS_MAX).contains(&count) && sum <= u128::from(u64::MAX);
        first_fault(&[(!self.has_area(block.area), Reject::FormArea), (!countable || !ascending, Reject::FormBlock)])?;
        for (_, energy) in &block.energies {
            first_fault(&[
                (energy.is_zero(), Reject::FormZeroEnergy),
                (!energy.0.is_multiple_of(rules.lot), Reject::FormLot),
            ])?;
        }
        first_fault(&[
            (block.price < rules.price_min || block.price > rules.price_max, Reject::FormPriceLimit),
            (block.price.0 % rules.tick != 0, Reject::FormTick),
        ])?;
        for &(period, _) in &block.energies {
            first_fault(&self.open_faults(Contract { area: block.area, period }))?;
            first_fault(&[(!self.in_call_phase(period), Reject::GateNoCall)])?;
        }
        first_fault(&[(self.state.blocks.iter().any(|other| other.tag == block.tag), Reject::MatchDuplicate)])
    }

    pub(super) fn take_block_out<L: Limits>(
        &mut self,
        tag: OrderTag,
        meter: MeterId,
        outside: &mut Outside<'_, L>,
    ) -> Result<(), Reject> {
        let wanted = |block: &NewBlock| block.tag == tag && block.meter == meter;
        let at = self.state.blocks.iter().position(wanted).ok_or(Reject::MatchUnknownOrder)?;
        let block = self.state.blocks.remove(at);
        release(&block, &self.rules, outside);
        outside.events.push(Event::Cancelled { order: name_of(&block), remaining: energy_of(&block) });
        self.forget_what_is_over();
        Ok(())
    }
}

/// Where and when a block trades.
pub(super) fn contracts_of(block: &NewBlock) -> impl Iterator<Item = Contract> {
    block.energies.iter().map(|&(period, _)| Contract { area: block.area, period })
}

/// Frees all that was set aside for a block, period by period.
pub(super) fn release<L: Limits>(block: &NewBlock, rules: &MarketRules, outside: &mut Outside<'_, L>) {
    terms_of(block, rules).iter().for_each(|(terms, energy)| outside.limits.release(terms, *energy));
}
