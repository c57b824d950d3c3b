//! The only thing the engine knows about money and meters (DESIGN.md section 3.5).

use crate::contract::{AccountId, AreaId, Contract, DeliveryPeriod, MeterId};
use crate::order::{OrderTag, Side};
use crate::reject::Reject;
use crate::units::{Energy, Money, Price};

/// The part of an order that its collateral and its meter's headroom depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderTerms {
    /// The caller's name of the order.
    pub tag: OrderTag,
    /// Who pays and is paid.
    pub account: AccountId,
    /// The meter that delivers or takes the energy.
    pub meter: MeterId,
    /// What is traded.
    pub contract: Contract,
    /// Which way.
    pub side: Side,
    /// The limit price, which is what the reservation was computed from.
    pub price: Price,
}

/// Collateral and headroom, kept by whoever keeps the accounts. The engine calls
/// `reserve` once for all the energy of an order before it trades or rests, then, for every part of that energy,
/// exactly one of `fill` and `release`. `mark` and `rollback` nest with the engine's own.
pub trait Limits {
    /// Where to roll back to.
    type Mark: Copy;

    /// Sets collateral and headroom aside for `energy`, or says why not; a refusal changes nothing.
    fn reserve(&mut self, terms: &OrderTerms, energy: Energy) -> Result<(), Reject>;

    /// Frees what was set aside for `energy` that will not trade any more.
    fn release(&mut self, terms: &OrderTerms, energy: Energy);

    /// `energy` of the order traded, and its account pays or gets `price` for it, fees included: what was set aside for it becomes a
    /// position. Called for the maker, then for the taker.
    fn fill(&mut self, terms: &OrderTerms, energy: Energy, price: Price);

    /// The operator of the edge above `child` gets `fee` and `rent`: what buyers pay more than sellers get. Called once for each
    /// edge of a trade's way after its two fills, and once for each edge with a flow after an auction's fills. Neither is negative.
    fn collect(&mut self, child: AreaId, period: DeliveryPeriod, fee: Money, rent: Money);

    /// Names the present state.
    fn mark(&self) -> Self::Mark;

    /// Goes back to a named state; every later mark is void.
    fn rollback(&mut self, mark: Self::Mark);
}

/// No limits: what the order file runner and the benchmarks of the bare engine use.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unlimited;

impl Limits for Unlimited {
    type Mark = ();

    fn reserve(&mut self, _: &OrderTerms, _: Energy) -> Result<(), Reject> {
        Ok(())
    }

    fn release(&mut self, _: &OrderTerms, _: Energy) {}

    fn fill(&mut self, _: &OrderTerms, _: Energy, _: Price) {}

    fn collect(&mut self, _: AreaId, _: DeliveryPeriod, _: Money, _: Money) {}

    fn mark(&self) {}

    fn rollback(&mut self, (): ()) {}
}
