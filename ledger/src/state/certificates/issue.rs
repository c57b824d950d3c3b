//! What plants are certified for.

use gridbook_engine::{DeliveryPeriod, Energy, EnergySources, MeterId};

use super::{measured_net_wh, told};
use crate::crypto::Hash;
use crate::origin::entitled;
use crate::record::{CertificateChange, RecordEvent};
use crate::state::State;
use crate::state::tables::{Certified, CertifiedState, DeliveryRow, PeriodTable};

/// How many meters without certificates one piece of work looks at.
const LOOKS: u32 = 64;

impl State {
    /// Goes on to the next meter that has certified energy, and issues it. Those of frozen areas are passed over, and asked when all are
    /// asked once more. One piece of work.
    pub(super) fn ask_plants(&mut self, period: DeliveryPeriod, events: &mut Vec<RecordEvent>) -> usize {
        let next = self.tables.certificates().get(&period).map_or(0, |table| table.next_plant());
        let until = self
            .tables
            .periods()
            .get(&period)
            .map_or(0, PeriodTable::meters_delivering)
            .min(next.saturating_add(LOOKS));
        for plant in (next..until).map(MeterId) {
            let Some(row) = self.settled_row(period, plant) else { continue };
            if self.certify_export(period, plant, &row, self.certified(period, plant), events) {
                self.tables.set_next_plant(period, plant.0 + 1);
                return 1;
            }
        }
        self.tables.set_next_plant(period, until);
        1
    }

    /// What a plant is certified for: nothing, unless plants are asked once more.
    pub(super) fn certified(&self, period: DeliveryPeriod, plant: MeterId) -> Energy {
        let area = self.tables.meter(plant).expect("a meter that delivered is registered").facts.area;
        let rows = self.tables.certificates().get(&period).into_iter().flat_map(|table| table.of_plant(plant, area));
        rows.fold(Energy::ZERO, |sum, row| sum + row.range.energy())
    }

    /// Issues what a plant measurably gave out beyond the first `certified` watt-hours, as far as it is entitled to it. Tells whether that
    /// was anything.
    pub(super) fn certify_export(
        &mut self,
        period: DeliveryPeriod,
        plant: MeterId,
        row: &DeliveryRow,
        certified: Energy,
        events: &mut Vec<RecordEvent>,
    ) -> bool {
        let net_export = net_export(row);
        let Some(open) = net_export.checked_sub(certified) else { return false };
        let meter = self.tables.meter(plant).expect("a meter that delivered is registered");
        let area = meter.facts.area;
        let then = self.tables.facts_at(plant, period).expect("a meter that delivered is registered").installation;
        let (source, is_installed) = (then.plant.origin(), then.certificate != Hash::ZERO);
        let Some(energy) = entitled(source, is_installed, open, &meter.status.charge) else { return false };
        let Some(range) = self.tables.change_issuer(area, |counts| counts.issue(area, energy)) else { return false };
        if source == EnergySources::STORAGE {
            self.tables.change_charge(plant, |charge| charge.discharge(energy));
        }
        let state = CertifiedState::Moving { from: certified.0, round: 0 };
        let issued = Certified { range, plant, source, holder: plant, account: row.account, state };
        self.tables.put_certificates(period, issued);
        events.push(told(period, &issued, CertificateChange::Issued { source }));
        true
    }
}

/// What a meter measurably gave out more than it took in.
pub(super) fn net_export(row: &DeliveryRow) -> Energy {
    Energy(u64::try_from(measured_net_wh(row).max(0)).unwrap_or(u64::MAX))
}
