//! What a correction changes, until the period is final.

use gridbook_engine::{AreaId, DeliveryPeriod, Energy, EnergySources, MeterId};

use super::issue::net_export;
use super::told;
use crate::origin::Standing;
use crate::record::{CertificateChange, RecordEvent};
use crate::state::State;
use crate::state::tables::{CertificateTable, Certified, CertifiedState};

impl State {
    /// A meter's delivery is another one than certificates went by: what it did not give out is revoked, newest first, what it gave out
    /// more is issued, and what it did not take in is no longer claimed. Certificates that have arrived stay where they are.
    pub(in crate::state) fn correct_certificates(
        &mut self,
        period: DeliveryPeriod,
        meter: MeterId,
        events: &mut Vec<RecordEvent>,
    ) {
        // Trades may be delivered otherwise now.
        self.routes = None;
        let Some(table) = self.tables.certificates().get(&period) else { return };
        let row = self.delivery_row(period, meter);
        let area = self.tables.meter(meter).expect("it was corrected").facts.area;
        let was_asked = meter.0 < table.next_plant();
        let certified = self.certified(period, meter);
        match (certified.checked_sub(row.map_or(Energy::ZERO, |row| net_export(&row))), row) {
            (Some(never_given), _) => self.revoke_certificates(period, meter, area, never_given, events),
            // Who was not asked yet will be, and tells what is right now.
            (None, Some(row)) if was_asked => {
                self.certify_export(period, meter, &row, certified, events);
            }
            (None, _) => {}
        }
        self.take_claims_back(period, meter, events);
    }

    /// An area of a settled period is added up once more: its plants may have something to tell that was not known before, and what waits
    /// for it may go on.
    pub(in crate::state) fn ask_plants_again(&mut self, period: DeliveryPeriod) {
        self.routes = None;
        if let Some(round) = self.tables.certificates().get(&period).map(CertificateTable::round) {
            self.tables.set_next_plant(period, 0);
            self.tables.set_round(period, round + 1);
        }
    }

    /// Takes the highest numbers of a plant back, wherever they are.
    fn revoke_certificates(
        &mut self,
        period: DeliveryPeriod,
        plant: MeterId,
        area: AreaId,
        energy: Energy,
        events: &mut Vec<RecordEvent>,
    ) {
        let cuts = self.tables.certificates().get(&period).map(|table| cut(table.of_plant(plant, area), energy));
        for Cut { kept, cut } in cuts.unwrap_or_default() {
            match kept {
                Some(kept) => self.tables.put_certificates(period, kept),
                None => self.tables.take_certificates(period, &cut.range),
            }
            let was_claimed = matches!(cut.state, CertifiedState::Claimed { .. });
            let before = if was_claimed { Standing::Cancelled } else { Standing::Active };
            self.recount(cut.range, before, Standing::Revoked);
            if let CertifiedState::Claimed { by } = cut.state {
                self.note_charge(period, by, cut.range.energy(), true);
            }
            if cut.source == EnergySources::STORAGE {
                self.tables.change_charge(plant, |charge| charge.give_back(cut.range.energy()));
            }
            events.push(told(period, &cut, CertificateChange::Revoked { was_claimed }));
        }
    }

    /// More is claimed for a meter than it measurably took in: the highest numbers may be claimed again.
    fn take_claims_back(&mut self, period: DeliveryPeriod, by: MeterId, events: &mut Vec<RecordEvent>) {
        let excess = self.consumption(period, by).excess();
        let cuts = self.tables.certificates().get(&period).map(|table| cut(table.claimed_by(by), excess));
        for Cut { kept, cut } in cuts.unwrap_or_default() {
            if let Some(kept) = kept {
                self.tables.put_certificates(period, kept);
            }
            let cut = Certified { state: CertifiedState::Active, ..cut };
            self.tables.put_certificates(period, cut);
            self.recount(cut.range, Standing::Cancelled, Standing::Active);
            self.note_charge(period, by, cut.range.energy(), true);
            events.push(told(period, &cut, CertificateChange::Unclaimed { by }));
        }
    }
}

/// The end of a row that is cut off, and what is left before it.
struct Cut {
    kept: Option<Certified>,
    cut: Certified,
}

/// Cuts so much off rows that come highest numbers first.
fn cut<'a>(rows: impl Iterator<Item = &'a Certified>, energy: Energy) -> Vec<Cut> {
    let (mut left, mut cuts) = (energy, Vec::new());
    for row in rows {
        let taken = left.min(row.range.energy());
        let (kept, Some(range)) = row.range.split(row.range.energy() - taken) else { break };
        cuts.push(Cut { kept: kept.map(|range| Certified { range, ..*row }), cut: Certified { range, ..*row } });
        left -= taken;
    }
    cuts
}
