//! Pre-arranged trades: one party's offer waits here until the other has signed the same terms (MARKET section 6).

use gridbook_engine::{Contract, MeterId, OrderTag, Party, Prearranged, Side};

use super::State;
use super::tables::{MeterFacts, Name, Standing};
use crate::command::{Accept, AgreedTerms, Offer};
use crate::record::{PartyRef, RecordEvent};
use crate::reject::Code;

/// The most offers of one meter that wait at a time: bounds what a meter can make every validator remember.
pub const OFFERS_MAX: usize = 256;

impl State {
    /// An offer reserves nothing: money, headroom and capacity are tested when it is accepted.
    pub(super) fn offer(&mut self, meter: MeterId, offer: &Offer, events: &mut Vec<RecordEvent>) -> Result<(), Code> {
        let account = self.check_new(meter, offer.client_id)?;
        let partner = self.tables.meter(offer.partner).ok_or(Code::AuthMeter)?.facts.account;
        if partner == account {
            return Err(Code::MatchSelfTrade);
        }
        self.check_terms(&offer.terms)?;
        let waiting = self.tables.offers().range((meter, 0)..=(meter, u64::MAX)).count();
        if waiting >= OFFERS_MAX {
            return Err(Code::QuotaOffers);
        }
        let AgreedTerms { period, side, price, energy } = offer.terms;
        self.tables.add_name(meter, offer.client_id, Name { period, standing: Standing::Over });
        self.tables.add_offer(meter, *offer);
        let name = PartyRef { account, meter, client_id: offer.client_id };
        let (to_account, to) = (partner, offer.partner);
        events.push(RecordEvent::Offered { offer: name, to_account, to, period, side, price, energy });
        Ok(())
    }

    /// What the engine will test again when the trade takes place; said early, to the party that can correct it. It bounds memory too: a
    /// name is kept until the gate of its period, so that no period may lie further ahead than what can be traded.
    fn check_terms(&self, terms: &AgreedTerms) -> Result<(), Code> {
        let rules = self.engine.rules();
        let contract = Contract { period: terms.period, ..Contract::default() };
        if terms.energy.is_zero() {
            Err(Code::FormZeroEnergy)
        } else if !rules.energy_is_valid(terms.energy) {
            Err(Code::FormLot)
        } else if terms.price < rules.price_min || terms.price > rules.price_max {
            Err(Code::FormPriceLimit)
        } else if !rules.price_is_valid(terms.price) {
            Err(Code::FormTick)
        } else if rules.opens_at(contract) > self.time() {
            Err(Code::GateNotOpen)
        } else if self.gate_of(terms.period) <= self.time() {
            Err(Code::GateClosed)
        } else {
            Ok(())
        }
    }

    /// Both have signed: the trade takes place now, or the offer goes on waiting.
    pub(super) fn accept(
        &mut self,
        seq: u64,
        meter: MeterId,
        accept: &Accept,
        events: &mut Vec<RecordEvent>,
    ) -> Result<(), Code> {
        self.check_new(meter, accept.client_id)?;
        let waiting = self.tables.offers().get(&(accept.partner, accept.offer));
        waiting
            .filter(|offer| offer.partner == meter && offer.terms == accept.terms.mirrored())
            .ok_or(Code::MatchOffer)?;
        let (mine, theirs) = (self.party(meter)?, self.party(accept.partner)?);
        let AgreedTerms { period, side, price, energy } = accept.terms;
        let (buyer, seller) = match side {
            Side::Buy => (mine, theirs),
            Side::Sell => (theirs, mine),
        };
        let trade = Prearranged { tag: OrderTag(seq), buyer, seller, period, price, energy };
        self.engine.prearranged(trade, &mut self.tables, &mut self.events)?;
        self.tables.drop_offer(accept.partner, accept.offer);
        self.tables.add_name(meter, accept.client_id, Name { period, standing: Standing::Over });
        self.report_agreed(&[(meter, accept.client_id), (accept.partner, accept.offer)], events);
        Ok(())
    }

    fn party(&self, meter: MeterId) -> Result<Party, Code> {
        let MeterFacts { account, area, .. } = self.tables.meter(meter).ok_or(Code::AuthMeter)?.facts;
        Ok(Party { account, meter, area })
    }

    /// Takes an offer back, or lets it expire: tells what it was about.
    pub(super) fn end_offer(&mut self, meter: MeterId, client_id: u64) -> (PartyRef, Offer) {
        let offer = self.tables.drop_offer(meter, client_id);
        let account = self.tables.meter(meter).expect("an offer's meter is registered").facts.account;
        (PartyRef { account, meter, client_id }, offer)
    }
}
