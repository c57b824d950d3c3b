//! Whether certificates add up.

use std::collections::BTreeMap;

use gridbook_engine::{AreaId, DeliveryPeriod, Energy};

use super::issue::net_export;
use crate::origin::{IssuerCounts, Standing};
use crate::state::tables::{CertificateTable, CertifiedState, Stage};
use crate::state::{AuditError, State};

impl State {
    /// Issued = active + cancelled + expired + revoked for each issuer; what is active is somewhere; no plant has more certificates than
    /// it measurably gave out, and no consumer more than he measurably took in.
    pub(in crate::state) fn audit_certificates(&self) -> Result<(), AuditError> {
        let mut active: BTreeMap<AreaId, u128> = BTreeMap::new();
        let mut cancelled: BTreeMap<AreaId, u128> = BTreeMap::new();
        for (period, table) in self.tables.certificates() {
            self.audit_table(*period, table)?;
            for row in table.rows() {
                let counts = self.issuer(row.range.issuer());
                let is_claimed = matches!(row.state, CertifiedState::Claimed { .. });
                let sums = if is_claimed { &mut cancelled } else { &mut active };
                *sums.entry(row.range.issuer()).or_default() += u128::from(row.range.energy().0);
                if row.range.last() > counts.issued() {
                    return Err(AuditError::Certificates(row.range.issuer()));
                }
            }
        }
        let issuers = self.tables.issuers().keys().chain(active.keys()).chain(cancelled.keys());
        for area in issuers.copied() {
            let counts: IssuerCounts = self.issuer(area);
            let of = |sums: &BTreeMap<AreaId, u128>| sums.get(&area).copied().unwrap_or_default();
            let stands = |standing| u128::from(counts.standing(standing));
            // Claims of final periods are forgotten, what they cancelled stays counted.
            let fits = stands(Standing::Active) == of(&active) && stands(Standing::Cancelled) >= of(&cancelled);
            if !counts.add_up() || !fits {
                return Err(AuditError::Certificates(area));
            }
        }
        Ok(())
    }

    fn audit_table(&self, period: DeliveryPeriod, table: &CertificateTable) -> Result<(), AuditError> {
        let wrong = AuditError::CertificatesOf(period);
        let is_settled = self.tables.periods().get(&period).is_some_and(|table| table.stage != Stage::Open);
        // An area can be added up once more while others are certified.
        if !table.is_consistent() || !is_settled || !self.settlement.metering {
            return Err(wrong);
        }
        let mut certified: BTreeMap<_, Energy> = BTreeMap::new();
        for row in table.rows() {
            let is_known = |meter| self.is_settled(period, meter);
            if !is_known(row.plant) || !is_known(row.holder) {
                return Err(wrong);
            }
            *certified.entry(row.plant).or_default() += row.range.energy();
            let consumption = match row.state {
                CertifiedState::Claimed { by } if !is_known(by) => return Err(wrong),
                CertifiedState::Claimed { by } => self.consumption(period, by),
                CertifiedState::Moving { .. } | CertifiedState::Active => continue,
            };
            if !consumption.excess().is_zero() {
                return Err(wrong);
            }
        }
        for (plant, energy) in certified {
            let given = self.delivery_row(period, plant).map_or(Energy::ZERO, |row| net_export(&row));
            if energy > given {
                return Err(wrong);
            }
        }
        Ok(())
    }
}
