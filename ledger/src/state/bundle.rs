//! Bundles: who may do what (DESIGN section 9), decided at the bundle's place in the log.

use gridbook_engine::MeterId;

use super::tables::Counters;
use super::{State, outcome_of};
use crate::admission::{DeviceKind, is_expired};
use crate::command::{Bundle, Command};
use crate::crypto::Hash;
use crate::record::{Record, RecordEvent};
use crate::reject::Code;

impl State {
    /// One record for each command. A bundle that is refused as a whole gets the same refusal for each.
    pub(super) fn apply_bundle(&mut self, first_seq: u64, entry: Hash, bundle: &Bundle, records: &mut Vec<Record>) {
        let sender = self.authorise(bundle);
        let meter = match self.device(&bundle.signer).map(|device| device.kind) {
            Some(DeviceKind::Meter { meter, .. }) => Some(meter),
            Some(DeviceKind::Operator) | None => None,
        };
        for (seq, (index, command)) in (first_seq..).zip((0..).zip(&bundle.commands)) {
            let mut events = Vec::new();
            let result = sender.and_then(|sender| self.execute(sender, command, &mut events));
            let (outcome, client_id) = (outcome_of(result), client_id_of(command));
            records.push(Record { seq, entry, index, meter, client_id, outcome, events });
        }
    }

    /// Who gives the bundle's commands. Its nonce is used from here on, whatever becomes of it, unless the bundle is not a
    /// device's, not for this ledger, or has been here before.
    fn authorise(&mut self, bundle: &Bundle) -> Result<DeviceKind, Code> {
        if bundle.chain != self.chain {
            return Err(Code::AuthChain);
        }
        let device = self.device(&bundle.signer).ok_or(Code::AuthUnknownDevice)?;
        let is_new = bundle.nonce > device.nonce;
        if is_new {
            self.use_nonce(device.kind, bundle.nonce);
        }
        if device.suspended {
            Err(Code::AuthSuspended)
        } else if !is_new {
            Err(Code::AuthReplay)
        } else if is_expired(bundle, self.time()) {
            Err(Code::AuthExpired)
        } else {
            Ok(device.kind)
        }
    }

    fn use_nonce(&mut self, device: DeviceKind, nonce: u64) {
        match device {
            DeviceKind::Meter { meter, .. } => self.tables.change_standing(meter, |status| status.nonce = nonce),
            DeviceKind::Operator => {
                let counters = *self.tables.counters();
                self.tables.set_counters(Counters { operator_nonce: nonce, ..counters });
            }
        }
    }

    fn execute(&mut self, sender: DeviceKind, command: &Command, events: &mut Vec<RecordEvent>) -> Result<(), Code> {
        match sender {
            DeviceKind::Operator => self.execute_for_operator(command, events),
            DeviceKind::Meter { meter, .. } => self.execute_for_meter(meter, command, events),
        }
    }

    fn execute_for_operator(&mut self, command: &Command, events: &mut Vec<RecordEvent>) -> Result<(), Code> {
        let event = match *command {
            Command::RegisterAccount { account } => self.register_account(account),
            Command::RegisterMeter { meter, account, key, area, import_max_wh, export_max_wh } => {
                self.register_meter(meter, account, key, area, (import_max_wh, export_max_wh))
            }
            Command::SuspendMeter { meter } => self.suspend(meter),
            Command::ResumeMeter { meter } => self.resume(meter),
            Command::Deposit { account, amount } => self.deposit(account, amount),
            Command::Withdraw { account, amount } => self.withdraw(account, amount),
            Command::SetCapacity { .. } | Command::PayAsBid { .. } => Err(Code::FormUnsupported),
            Command::Basket { .. }
            | Command::Block(_)
            | Command::BlockPart(_)
            | Command::Offer(_)
            | Command::Accept(_)
            | Command::Place(_)
            | Command::Cancel { .. }
            | Command::Reduce { .. }
            | Command::Replace { .. }
            | Command::CancelAll
            | Command::CancelAllOfAccount => Err(Code::AuthRole),
        }?;
        events.push(event);
        Ok(())
    }

    fn execute_for_meter(
        &mut self,
        meter: MeterId,
        command: &Command,
        events: &mut Vec<RecordEvent>,
    ) -> Result<(), Code> {
        match command {
            Command::Place(place) => self.place(meter, place, events),
            Command::Cancel { client_id } => self.cancel(meter, *client_id, events),
            Command::Reduce { client_id, by } => self.reduce(meter, *client_id, *by, events),
            Command::Replace { client_id, price, energy } => self.replace(meter, *client_id, *price, *energy, events),
            Command::CancelAll => {
                self.cancel_all(&[meter], events);
                Ok(())
            }
            Command::CancelAllOfAccount => self.cancel_all_of_account(meter, events),
            Command::Basket { .. }
            | Command::Block(_)
            | Command::BlockPart(_)
            | Command::Offer(_)
            | Command::Accept(_) => Err(Code::FormUnsupported),
            Command::RegisterAccount { .. }
            | Command::RegisterMeter { .. }
            | Command::SuspendMeter { .. }
            | Command::ResumeMeter { .. }
            | Command::Deposit { .. }
            | Command::Withdraw { .. }
            | Command::SetCapacity { .. }
            | Command::PayAsBid { .. } => Err(Code::AuthRole),
        }
    }
}

fn client_id_of(command: &Command) -> u64 {
    match command {
        Command::Place(place) => place.client_id,
        Command::Cancel { client_id } | Command::Reduce { client_id, .. } | Command::Replace { client_id, .. } => {
            *client_id
        }
        _ => 0,
    }
}
