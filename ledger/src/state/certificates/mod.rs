//! Certificates of origin on the ledger (MARKET section 8), in slices, by `Work` entries.
//!
//! When a period is settled, its meters are asked one after the other: a certified plant's measured net
//! export is issued, and then goes to its sales, piece by piece, each the whole way that its watt-hours went. What lands with a buyer as
//! final delivery is claimed at once against his own measured import. Until the period is final, active certificates can be claimed by
//! command, and corrections revoke and issue. Then what is still active expires, every piece is told once more for good, and the
//! period's certificates are forgotten; only the issuers' counts stay.
//!
//! The energies of a frozen area contradict each other: nothing of it is certified or claimed before it is mended, and what would go to it,
//! or through it to others, waits with its plant. Everything else goes on. Where a watt-hour goes follows from trades and from what those
//! took and gave whose hands it goes through, so what has arrived by then has gone where it would have gone later.

mod audit;
mod claim;
mod correct;
mod image;
mod issue;
mod travel;

pub(super) use image::{certificates_image, issuers_image, restore_certificates};

use gridbook_engine::{AccountId, AreaId, Contract, DeliveryPeriod, Energy, EnergySources, MeterId};

use super::State;
use super::tables::{CertificateTable, Certified, CertifiedState, DeliveryRow};
use crate::origin::{CertificateRange, Consumption, IssuerCounts, Standing};
use crate::record::{CertificateChange, Certificates, RecordEvent};
use crate::settlement::Quality;

/// Certificates that follow each other and stand alike, for whoever looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificatesView {
    /// Which.
    pub range: CertificateRange,
    /// Whose energy it was.
    pub plant: MeterId,
    /// What it was made from.
    pub source: EnergySources,
    /// The meter that they are with.
    pub holder: MeterId,
    /// Whose that is.
    pub account: AccountId,
    /// The meter whose import they stand for, if they are claimed; else they are active.
    pub claimed_by: Option<MeterId>,
}

impl State {
    /// What an area has issued since genesis, and what became of it.
    pub fn issuer(&self, area: AreaId) -> IssuerCounts {
        self.tables.issuers().get(&area).copied().unwrap_or_default()
    }

    /// The certificates of a period that is settled and not final yet, by issuer and number.
    pub fn certificates(&self, period: DeliveryPeriod) -> Vec<CertificatesView> {
        let rows = self.tables.certificates().get(&period).into_iter().flat_map(CertificateTable::rows);
        rows.map(CertificatesView::of).collect()
    }

    /// Issues and moves certificates of a settled period: up to `max` pieces of work, and at least one.
    pub(super) fn certify(&mut self, period: DeliveryPeriod, max: usize, events: &mut Vec<RecordEvent>) -> usize {
        let mut done = 0;
        while done < max && !self.tables.is_certified(period) {
            let moving = self.tables.certificates().get(&period).and_then(|table| table.first_moving().copied());
            done += match moving {
                Some(row) => self.send(period, row, events),
                None => self.ask_plants(period, events),
            };
        }
        if self.tables.is_certified(period) {
            self.routes = None;
        }
        done.clamp(1, max)
    }

    /// The period is final: what is still active expires, and every piece is told once more. Does up to `max` of them; says how many.
    pub(super) fn close_certificates(
        &mut self,
        period: DeliveryPeriod,
        max: usize,
        events: &mut Vec<RecordEvent>,
    ) -> usize {
        let rows = self.tables.certificates().get(&period).into_iter().flat_map(CertificateTable::rows);
        let rows: Vec<Certified> = rows.take(max).copied().collect();
        for row in &rows {
            let was_claimed = matches!(row.state, CertifiedState::Claimed { .. });
            if !was_claimed {
                self.recount(row.range, Standing::Active, Standing::Expired);
            }
            self.tables.take_certificates(period, &row.range);
            events.push(told(period, row, CertificateChange::Closed { was_claimed }));
        }
        if rows.is_empty() {
            self.tables.drop_certificates(period);
        }
        rows.len()
    }

    fn delivery_row(&self, period: DeliveryPeriod, meter: MeterId) -> Option<DeliveryRow> {
        self.tables.periods().get(&period)?.delivery(meter)
    }

    /// Whether a meter's area is settled, so that what the meter gave and took is known.
    fn is_settled(&self, period: DeliveryPeriod, meter: MeterId) -> bool {
        let area = self.tables.meter(meter).map(|meter| meter.facts.area);
        area.is_some_and(|area| self.tables.contract(Contract { area, period }).stage.is_settled())
    }

    /// What a meter of a settled area delivered.
    fn settled_row(&self, period: DeliveryPeriod, meter: MeterId) -> Option<DeliveryRow> {
        self.delivery_row(period, meter).filter(|_| self.is_settled(period, meter))
    }

    /// What a meter measurably took in, net, and how much of it is claimed.
    fn consumption(&self, period: DeliveryPeriod, meter: MeterId) -> Consumption {
        let measured = self.delivery_row(period, meter).map_or(0, |row| measured_net_wh(&row).min(0));
        let measured = Energy(u64::try_from(measured.unsigned_abs()).unwrap_or(u64::MAX));
        let table = self.tables.certificates().get(&period);
        Consumption::new(measured, table.map_or(Energy::ZERO, |table| table.covered(meter)))
    }

    fn recount(&mut self, range: CertificateRange, from: Standing, to: Standing) {
        self.tables.change_issuer(range.issuer(), |counts| counts.change(range.energy(), from, to));
    }

    /// A storage that cancels certificates for what it takes in may be certified for what it gives out later. What is taken back is what was
    /// noted: by the plant that there was when the period began.
    fn note_charge(&mut self, period: DeliveryPeriod, meter: MeterId, energy: Energy, is_taken_back: bool) {
        let then = self.tables.facts_at(meter, period).expect("a claim is for a meter");
        let Some(efficiency_ppm) = then.installation.plant.storage_ppm else { return };
        self.tables.change_charge(meter, |charge| match is_taken_back {
            false => charge.charge(energy, efficiency_ppm),
            true => charge.take_back(energy, efficiency_ppm),
        });
    }
}

impl CertificatesView {
    fn of(row: &Certified) -> Self {
        let Certified { range, plant, source, holder, account, state } = *row;
        let claimed_by = match state {
            CertifiedState::Claimed { by } => Some(by),
            CertifiedState::Moving { .. } | CertifiedState::Active => None,
        };
        Self { range, plant, source, holder, account, claimed_by }
    }
}

/// What a meter gave out more than it took in, if that was measured: certificates are neither issued nor claimed for an estimate.
fn measured_net_wh(row: &DeliveryRow) -> i128 {
    match row.quality {
        Quality::Measured | Quality::Corrected => row.delivery.net_wh(),
        Quality::AsTraded | Quality::Estimated(_) => 0,
    }
}

fn told(period: DeliveryPeriod, row: &Certified, change: CertificateChange) -> RecordEvent {
    let Certified { range, holder, account, .. } = *row;
    RecordEvent::Certificates(Certificates { range, period, holder, account, change })
}
