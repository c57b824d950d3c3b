//! Bundles: who may do what (DESIGN section 9), decided at the bundle's place in the log.

use gridbook_engine::MeterId;

use super::basket::Refused;
use super::rights::is_itself;
use super::tables::Counters;
use super::{LastBundle, State};
use crate::admission::{DeviceKind, DeviceStatus, is_expired};
use crate::command::{Bundle, Command, group_length};
use crate::crypto::Hash;
use crate::record::{Outcome, Record, RecordEvent};
use crate::registry::{Installation, Subject};
use crate::reject::Code;

impl State {
    /// One record for each command. A bundle that is refused as a whole gets the same refusal for each.
    pub(super) fn apply_bundle(&mut self, first_seq: u64, entry: Hash, bundle: &Bundle, records: &mut Vec<Record>) {
        let device = self.device(&bundle.signer);
        let sender = self.authorise(bundle, device, LastBundle { seq: first_seq, id: entry });
        // A refusal that proves misconduct is the one that sets something off: the record that proves it tells of it.
        let mut proven = Vec::new();
        if sender == Err(Code::AuthReplay) {
            self.blame_for_reuse(bundle, entry, first_seq, &mut proven);
        }
        let meter = match device.map(|device| device.kind) {
            Some(DeviceKind::Meter { meter, .. }) => Some(meter),
            Some(DeviceKind::Operator | DeviceKind::Organisation(_)) | None => None,
        };
        let mut at = 0;
        while at < bundle.commands.len() {
            let commands = &bundle.commands[at..];
            // Decoding has seen to it that heads have their followers; a bundle that was made here may not have been decoded.
            let (length, form) = group_length(commands).map_or_else(|code| (1, Err(code)), |length| (length, Ok(())));
            let seq = first_seq + at as u64;
            self.seq = seq;
            let mut events = core::mem::take(&mut proven);
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

    /// Who gives the bundle's commands. Its nonce is used from here on, whatever becomes of it, unless the bundle is not of a
    /// device's present key, not for this ledger, or has been here before.
    fn authorise(
        &mut self,
        bundle: &Bundle,
        device: Option<DeviceStatus>,
        here: LastBundle,
    ) -> Result<DeviceKind, Code> {
        if bundle.chain != self.chain {
            return Err(Code::AuthChain);
        }
        let device = device.ok_or(Code::AuthUnknownDevice)?;
        // Keys that will never sign again use up nothing: a thief cannot lock out whoever has the device's present key.
        if let Some(code @ (Code::AuthRevoked | Code::AuthReplaced)) = device.standing.refusal() {
            return Err(code);
        }
        let is_new = bundle.nonce > device.nonce;
        if is_new {
            self.use_nonce(device.kind, bundle.nonce, here);
        }
        if let Some(code) = device.standing.refusal() {
            Err(code)
        } else if !is_new {
            Err(Code::AuthReplay)
        } else if is_expired(bundle, self.time()) {
            Err(Code::AuthExpired)
        } else {
            Ok(device.kind)
        }
    }

    fn use_nonce(&mut self, device: DeviceKind, nonce: u64, here: LastBundle) {
        match device {
            DeviceKind::Meter { meter, .. } => self.tables.use_nonce(meter, nonce, here),
            DeviceKind::Organisation(organisation) => {
                self.tables.change_access(Subject::Organisation(organisation), |access| access.nonce = nonce);
            }
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
            DeviceKind::Operator | DeviceKind::Organisation(_) => Ok(self.execute_office(sender, command, events)?),
            DeviceKind::Meter { meter, .. } => match command {
                Command::Basket { .. } => self.basket(meter, followers, events),
                Command::Block(block) => Ok(self.place_block(seq, meter, block, followers, events)?),
                Command::RotateKey { .. } => Ok(self.execute_office(sender, command, events)?),
                command => Ok(self.execute_for_meter(meter, seq, command, events)?),
            },
        }
    }

    /// Commands that a meter cannot give, and [`Command::RotateKey`], which everybody can: the right first, then the deed.
    fn execute_office(
        &mut self,
        sender: DeviceKind,
        command: &Command,
        events: &mut Vec<RecordEvent>,
    ) -> Result<(), Code> {
        self.check_right(sender, command)?;
        if let DeviceKind::Organisation(by) = sender {
            events.push(RecordEvent::Ordered { by });
        }
        let result = self.carry_out(sender, command, events);
        if result.is_err() {
            events.clear();
        }
        result
    }

    fn carry_out(&mut self, sender: DeviceKind, command: &Command, events: &mut Vec<RecordEvent>) -> Result<(), Code> {
        let event = match *command {
            Command::SetCapacity { area, period, up, down } => {
                return self.set_capacity(area, period, up, down, events);
            }
            Command::PayAsBid { contract } => return self.pay_as_bid(contract, events),
            Command::SetImbalancePrices(ref prices) => return self.set_imbalance_prices(prices, events),
            Command::AreaReading(ref reading) => return self.read_area(reading, events),
            Command::AcceptLosses(ref accept) => return self.accept_losses(accept, events),
            Command::Correction(ref correction) => return self.correct(correction, events),
            Command::RuleAppeal { entry, ruling, reasons } => return self.rule_appeal(entry, ruling, reasons, events),
            Command::Suspend { subject, reason } => return self.suspend(subject, reason, events),
            Command::Resume { subject, reason } => return self.resume(subject, reason, events),
            Command::Revoke { subject, reason } => return self.revoke(subject, reason, events),
            Command::RegisterAccount { account, organisation } => self.register_account(account, organisation),
            Command::RegisterMeter { meter, account, key, area, import_max_wh, export_max_wh, plant } => {
                let (import_max, export_max, certificate) = (import_max_wh, export_max_wh, Hash::ZERO);
                let installation = Installation { plant, import_max, export_max, certificate };
                self.register_meter(meter, account, key, area, installation)
            }
            Command::RegisterOrganisation(ref new) => self.register_organisation(new),
            Command::RotateKey { subject, key } => self.rotate_key(subject, key, is_itself(sender, subject)),
            Command::TransferMeter { meter, account, reason } => {
                return self.transfer_meter(meter, account, reason, events);
            }
            Command::SetInstallation { meter, installation } => self.install(meter, installation),
            Command::Deposit { account, amount } => return self.deposit(account, amount, events),
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
            | Command::Claim(_)
            | Command::Reading(_)
            | Command::GrantAccess(_)
            | Command::RevokeAccess { .. }
            | Command::Appeal { .. } => Err(Code::AuthRole),
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
            Command::Claim(claim) => self.claim(meter, claim, events),
            Command::Reading(reading) => self.read(meter, reading, events),
            Command::Correction(_) => Err(Code::MeterForeign),
            Command::Accept(accept) => self.accept(seq, meter, accept, events),
            Command::Appeal { entry, statement } => {
                events.push(self.appeal(meter, *entry, *statement)?);
                Ok(())
            }
            Command::GrantAccess(grant) => self.grant_access(meter, grant, events),
            Command::RevokeAccess { meter: of, reader } => {
                events.push(self.revoke_access(meter, *of, *reader)?);
                Ok(())
            }
            // Heads are taken with their followers; a follower by itself has lost its head.
            Command::Basket { .. } => Err(Code::FormBasket),
            Command::Block(_) | Command::BlockPart(_) => Err(Code::FormBlock),
            Command::RegisterAccount { .. }
            | Command::RegisterMeter { .. }
            | Command::RegisterOrganisation(_)
            | Command::RotateKey { .. }
            | Command::TransferMeter { .. }
            | Command::SetInstallation { .. }
            | Command::Suspend { .. }
            | Command::Resume { .. }
            | Command::Revoke { .. }
            | Command::Deposit { .. }
            | Command::Withdraw { .. }
            | Command::SetCapacity { .. }
            | Command::SetImbalancePrices(_)
            | Command::AreaReading(_)
            | Command::AcceptLosses(_)
            | Command::PayAsBid { .. }
            | Command::RuleAppeal { .. } => Err(Code::AuthRole),
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
