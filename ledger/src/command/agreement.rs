//! A pre-arranged trade as both parties sign it (MARKET section 6): one offers, the other accepts the same terms.

use gridbook_engine::{DeliveryPeriod, Energy, MeterId, Price, Side};

use super::order::{side_from_number, side_number};
use crate::bytes::{Reader, Writer};
use crate::reject::Code;

/// What two parties agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgreedTerms {
    /// When the energy is delivered: each party delivers or takes it where its meter is.
    pub period: DeliveryPeriod,
    /// What the signing meter does.
    pub side: Side,
    /// What the seller gets per kWh. The buyer pays this and the fees of the edges in between.
    pub price: Price,
    /// How much: all of it or nothing.
    pub energy: Energy,
}

/// Offers a trade to one meter. It waits until it is accepted, cancelled, or the gate closes, and reserves nothing until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offer {
    /// The offer's name, unique per meter, among its orders too.
    pub client_id: u64,
    /// Whom it is for.
    pub partner: MeterId,
    /// The terms.
    pub terms: AgreedTerms,
}

/// Accepts another meter's offer, by saying all of it again from the other side: the trade takes place at once, or is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Accept {
    /// The accepting party's name for the trade, unique per meter.
    pub client_id: u64,
    /// Whose offer it is.
    pub partner: MeterId,
    /// The offer's name at its meter.
    pub offer: u64,
    /// The terms, seen from here: the sides are opposite.
    pub terms: AgreedTerms,
}

impl AgreedTerms {
    /// The same trade as the other party sees it.
    #[must_use]
    pub fn mirrored(&self) -> Self {
        Self { side: self.side.opposite(), ..*self }
    }

    fn write(&self, w: &mut Writer, partner: MeterId, client_id: u64) {
        w.u8(side_number(self.side)).u16(0).u32(partner.0).u64(client_id);
        w.u64(self.energy.0).i32(self.price.0).u32(self.period.0);
    }

    fn read(r: &mut Reader<'_>) -> Result<(Self, MeterId, u64), Code> {
        let side = side_from_number(r.u8()?).ok_or(Code::FormTag)?;
        r.padding(2)?;
        let (partner, client_id, energy) = (MeterId(r.u32()?), r.u64()?, Energy(r.u64()?));
        let (price, period) = (Price(r.i32()?), DeliveryPeriod(r.u32()?));
        Ok((Self { period, side, price, energy }, partner, client_id))
    }
}

impl Offer {
    /// Side, two zeros, partner, client id, energy, price, period, without the tag.
    pub(super) fn write(&self, w: &mut Writer) {
        self.terms.write(w, self.partner, self.client_id);
    }

    /// Reads what [`Offer::write`] wrote.
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, Code> {
        let (terms, partner, client_id) = AgreedTerms::read(r)?;
        Ok(Self { client_id, partner, terms })
    }
}

impl Accept {
    /// As an offer, then the offer's name.
    pub(super) fn write(&self, w: &mut Writer) {
        self.terms.write(w, self.partner, self.client_id);
        w.u64(self.offer);
    }

    /// Reads what [`Accept::write`] wrote.
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, Code> {
        let (terms, partner, client_id) = AgreedTerms::read(r)?;
        Ok(Self { client_id, partner, offer: r.u64()?, terms })
    }
}
