//! Bundles: who may do what (DESIGN section 9), decided at the bundle's place in the log.

use gridbook_engine::MeterId;

use super::State;
use super::basket::Refused;
use super::tables::Counters;
use crate::admission::{DeviceKind, is_expired};
use crate::command::{Bundle, Command, group_length};
use crate::crypto::Hash;
use crate::record::{Outcome, Record, RecordEvent};
use crate::reject::Code;

impl State {
    /// One record for each command. A bundle that is refused as a whole gets the same refusal for each.
    pub(super) fn apply_bundle(&mut self, first_seq: u64, entry: Hash, bundle: &Bundle, records: &mut Vec<Record>) {
        let sender = self.authorise(bundle);
        let meter = match self.device(&bundle.signer).map(|device| device.kind) {
            Some(DeviceKind::Meter { meter, .. }) => Some(meter),
            Some(DeviceKind::Operator) | None => None,
        };
        let mut at = 0;
        while at < bundle.commands.len() {
            let commands = &bundle.commands[at..];
            // Decoding has seen to it that heads have their followers; a bundle that was made here may not have been decoded.
            let (length, form) = group_length(commands).map_or_else(|code| (1, Err(code)), |length| (length, Ok(())));
            let seq = first_seq + at as u64;
            self.seq = seq;
            let mut events = Vec::new();
            let result = sender.and_then(|sender| form.map(|()| sender)).map_err(Refused::from);
            let result = result.and_then(|sender| self.execute(sender, seq, &commands[..length], &mut events));
            for (place, command) in commands[..length].iter().enumerate() {
                let outcome =
                    result.map_or_else(|refused| Outcome::Rejected(refused.code_of(place)), |()| Outcome::Done);
                let index = u16::try_from(at + place).expect("a bundle has at most 1,024 commands");
                let (seq, client_id) = (seq + place as u64, client_id_of(command));
                // What a group sets off is its head's: a basket's trades carry the basket's number (MARKET section 4).
                let events = core::mem::take(&mut events);
                records.push(Record { seq, entry, index, meter, client_id, outcome, events });
            }
            at += length;
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

    /// Carries out one command, or a head with its followers.
    fn execute(
        &mut self,
        sender: DeviceKind,
        seq: u64,
        group: &[Command],
        events: &mut Vec<RecordEvent>,
    ) -> Result<(), Refused> {
        let Some((command, followers)) = group.split_first() else { return Ok(()) };
        match sender {
            DeviceKind::Operator => Ok(self.execute_for_operator(command, events)?),
            DeviceKind::Meter { meter, .. } => match command {
                Command::Basket { .. } => self.basket(meter, followers, events),
                Command::Block(block) => Ok(self.place_block(seq, meter, block, followers, events)?),
                command => Ok(self.execute_for_meter(meter, seq, command, events)?),
            },
        }
    }

    fn execute_for_operator(&mut self, command: &Command, events: &mut Vec<RecordEvent>) -> Result<(), Code> {
        let event = match *command {
            Command::SetCapacity { area, period, up, down } => {
                return self.set_capacity(area, period, up, down, events);
            }
            Command::PayAsBid { contract } => return self.pay_as_bid(contract, events),
            Command::SetImbalancePrices(ref prices) => return self.set_imbalance_prices(prices, events),
            Command::AreaReading(ref reading) => return self.read_area(reading, events),
            Command::Correction(ref correction) => return self.correct(correction, events),
            Command::RegisterAccount { account } => self.register_account(account),
            Command::RegisterMeter { meter, account, key, area, import_max_wh, export_max_wh } => {
                self.register_meter(meter, account, key, area, (import_max_wh, export_max_wh))
            }
            Command::SuspendMeter { meter } => self.suspend(meter),
            Command::ResumeMeter { meter } => self.resume(meter),
            Command::Deposit { account, amount } => self.deposit(account, amount),
            Command::Withdraw { account, amount } => self.withdraw(account, amount),
            Command::Place(_)
            | Command::Cancel { .. }
            | Command::Reduce { .. }
            | Command::Replace { .. }
            | Command::CancelAll
            | Command::CancelAllOfAccount
            | Command::Basket { .. }
            | Command::Block(_)
            | Command::BlockPart(_)
            | Command::Offer(_)
            | Command::Accept(_)
            | Command::Reading(_) => Err(Code::AuthRole),
        }?;
        events.push(event);
        Ok(())
    }

    fn execute_for_meter(
        &mut self,
        meter: MeterId,
        seq: u64,
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
            Command::Offer(offer) => self.offer(meter, offer, events),
            Command::Reading(reading) => self.read(meter, reading, events),
            Command::Correction(_) => Err(Code::MeterForeign),
            Command::Accept(accept) => self.accept(seq, meter, accept, events),
            // Heads are taken with their followers; a follower by itself has lost its head.
            Command::Basket { .. } => Err(Code::FormBasket),
            Command::Block(_) | Command::BlockPart(_) => Err(Code::FormBlock),
            Command::RegisterAccount { .. }
            | Command::RegisterMeter { .. }
            | Command::SuspendMeter { .. }
            | Command::ResumeMeter { .. }
            | Command::Deposit { .. }
            | Command::Withdraw { .. }
            | Command::SetCapacity { .. }
            | Command::SetImbalancePrices(_)
            | Command::AreaReading(_)
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
        Command::Block(block) => block.client_id,
        Command::Offer(offer) => offer.client_id,
        Command::Accept(accept) => accept.client_id,
        _ => 0,
    }
}
