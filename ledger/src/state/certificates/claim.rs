//! Claims by command.

use gridbook_engine::MeterId;

use crate::command::Claim;
use crate::record::RecordEvent;
use crate::reject::Code;
use crate::state::State;
use crate::state::tables::{Certified, CertifiedState};

impl State {
    /// A holder lets certificates stand for what a meter of his took in, all of them or none.
    pub(in crate::state) fn claim(
        &mut self,
        sender: MeterId,
        claim: &Claim,
        events: &mut Vec<RecordEvent>,
    ) -> Result<(), Code> {
        let Claim { range, period, meter: by } = *claim;
        let account = self.tables.meter(sender).ok_or(Code::AuthMeter)?.facts.account;
        // From then on it is closed piece by piece, and what stood for an import is forgotten before the rest is.
        if self.final_at(period) <= self.time() {
            return Err(Code::OriginPeriod);
        }
        let table = self.tables.certificates().get(&period).filter(|_| self.tables.is_certified(period));
        let held = table.ok_or(Code::OriginPeriod)?.holding(&range);
        let held = held.filter(|row| row.account == account && row.state == CertifiedState::Active);
        let held = *held.ok_or(Code::OriginHolder)?;
        if self.delivery_row(period, by).is_none_or(|row| row.account != account) {
            return Err(Code::OriginMeter);
        }
        if !self.is_settled(period, by) {
            return Err(Code::OriginPeriod);
        }
        if self.consumption(period, by).open() < range.energy() {
            return Err(Code::OriginImport);
        }
        let (before, rest) = held.range.split(gridbook_engine::Energy(range.first() - held.range.first()));
        let behind = rest.and_then(|rest| rest.split(range.energy()).1);
        for range in [before, behind].into_iter().flatten() {
            self.tables.put_certificates(period, Certified { range, ..held });
        }
        self.note_claim(period, Certified { range, state: CertifiedState::Claimed { by }, ..held }, events);
        Ok(())
    }
}
