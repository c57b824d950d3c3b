//! Certificates go where their energy went.

use gridbook_engine::{AccountId, DeliveryPeriod, Energy, MeterId};

use super::told;
use crate::origin::{Arrival, Hop, Journey, Leg, Routes, Standing};
use crate::record::{CertificateChange, Certificates, RecordEvent};
use crate::state::State;
use crate::state::tables::{Certified, CertifiedState};

impl State {
    /// Sends the first certificates of a row as far as their watt-hours went, and claims them if they arrived. A piece of work, and one
    /// more for each hand. What would go to a frozen area stays with its plant and waits.
    pub(super) fn send(&mut self, period: DeliveryPeriod, row: Certified, events: &mut Vec<RecordEvent>) -> usize {
        let CertifiedState::Moving { from, round } = row.state else { return 1 };
        let mut hops = core::mem::take(&mut self.hops);
        let journey = self.follow(period, &row, from, &mut hops);
        let (Some(sent), behind) = row.range.split(journey.energy) else { return 1 };
        if let Some(range) = behind {
            let state = CertifiedState::Moving { from: from + journey.energy.0, round };
            self.tables.put_certificates(period, Certified { range, state, ..row });
        }
        if journey.arrival == Arrival::Unsettled {
            let round = self.tables.certificates()[&period].round() + 1;
            let state = CertifiedState::Moving { from, round };
            self.tables.put_certificates(period, Certified { range: sent, state, ..row });
            self.hops = hops;
            return 1;
        }
        for hop in &hops {
            events.extend(self.moved(period, sent, hop));
        }
        let account = self.account_then(period, journey.holder);
        let state = CertifiedState::Active;
        self.arrive(period, Certified { range: sent, holder: journey.holder, account, state, ..row }, &journey, events);
        let work = 1 + hops.len();
        self.hops = hops;
        work
    }

    /// What a buyer keeps is his: it is claimed at once, as far as he measurably took it in.
    fn arrive(&mut self, period: DeliveryPeriod, arrived: Certified, journey: &Journey, events: &mut Vec<RecordEvent>) {
        let (by, mut consumption) = (arrived.holder, self.consumption(period, arrived.holder));
        let claimed = match journey.arrival {
            Arrival::Kept => consumption.claim(arrived.range.energy()),
            Arrival::Unsold | Arrival::Undelivered | Arrival::OtherSource | Arrival::TooFar | Arrival::Unsettled => {
                Energy::ZERO
            }
        };
        let (claimed, active) = arrived.range.split(claimed);
        if let Some(range) = active {
            self.tables.put_certificates(period, Certified { range, ..arrived });
        }
        if let Some(range) = claimed {
            self.note_claim(period, Certified { range, state: CertifiedState::Claimed { by }, ..arrived }, events);
        }
    }

    /// Certificates stand for what a meter took in from now on.
    pub(super) fn note_claim(&mut self, period: DeliveryPeriod, claimed: Certified, events: &mut Vec<RecordEvent>) {
        let CertifiedState::Claimed { by } = claimed.state else { return };
        self.tables.put_certificates(period, claimed);
        self.recount(claimed.range, Standing::Active, Standing::Cancelled);
        self.note_charge(period, by, claimed.range.energy(), false);
        events.push(told(period, &claimed, CertificateChange::Claimed { by }));
    }

    /// Nothing where a meter traded with itself in an auction.
    fn moved(&self, period: DeliveryPeriod, range: crate::origin::CertificateRange, hop: &Hop) -> Option<RecordEvent> {
        let Hop { trade, seller: from, buyer: holder } = *hop;
        let trade = self.tables.periods()[&period].trades[trade].seq;
        let (account, from_account) = (self.account_then(period, holder), self.account_then(period, from));
        let change = CertificateChange::Moved { from, from_account, trade };
        (from != holder).then_some(RecordEvent::Certificates(Certificates { range, period, holder, account, change }))
    }

    /// Whose a meter was when the period began.
    fn account_then(&self, period: DeliveryPeriod, meter: MeterId) -> AccountId {
        let row = self.delivery_row(period, meter);
        row.map_or_else(|| self.owner_at(meter, period).expect("it traded"), |row| row.account)
    }

    /// The ways of the period are laid out once for all of its plants.
    fn follow(&mut self, period: DeliveryPeriod, row: &Certified, from: u64, hops: &mut Vec<Hop>) -> Journey {
        let routes = match self.routes.take() {
            Some((of, routes)) if of == period => routes,
            _ => self.routes_of(period),
        };
        let journey = routes.follow(row.plant, row.source, Energy(from), row.range.energy(), hops);
        self.routes = Some((period, routes));
        journey
    }

    fn routes_of(&self, period: DeliveryPeriod) -> Routes {
        let table = &self.tables.periods()[&period];
        let legs = table.trades.iter().map(|trade| Leg {
            seller: trade.seller,
            buyer: trade.buyer,
            energy: trade.energy,
            sources: trade.sources,
        });
        let net_wh = |meter| table.delivery(meter).map_or(0, |row| row.delivery.net_wh());
        Routes::new(legs, |meter| self.is_settled(period, meter).then(|| net_wh(meter)))
    }
}
