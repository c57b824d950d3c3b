//! Who may give which command.
//!
//! | command | who may give it |
//! |---|---|
//! | orders, offers, blocks, baskets, `Reading`, `Claim` | meters, for themselves |
//! | `RotateKey` | the device itself, with its present key; for a meter or a supplier a registrar; for any other organisation the operator |
//! | `RegisterAccount`, `RegisterMeter`, `TransferMeter`, `SetInstallation` | a registrar |
//! | `Suspend`, `Resume`, `Revoke` a meter | a registrar; the first two also the grid operator of its area, where the reason is safety |
//! | `RegisterOrganisation`, `Suspend`, `Resume`, `Revoke` an organisation | a registrar if it is a supplier and nothing else; else the operator |
//! | `SetCapacity`, `AreaReading`, `AcceptLosses` | the grid operator of the area, which for an edge is the one below it |
//! | `Correction` | the grid operator of the meter's area |
//! | `PayAsBid`, `SetImbalancePrices` | a market operator |
//! | `Deposit`, `Withdraw` | a bank |
//! | `Appeal` | a meter, for its account |
//! | `GrantAccess` | a meter, for its own data |
//! | `RevokeAccess` | a meter, for itself and the others of its account |
//! | `RuleAppeal` | an auditor |
//!
//! The operator is the key in the genesis. It is the root of the consortium: it holds every role, for the grid of every area, and cannot
//! be suspended. Nobody else hands out rights, so that a registrar cannot make himself a bank: he enrols suppliers, who have none.
//!
//! A grid operator has one area and all areas below it in the tree: whoever runs a substation runs its feeders, unless a feeder has an
//! operator of its own, who may then do the same. The edge above an area is its operator's.

use gridbook_engine::AreaId;

use super::State;
use crate::admission::DeviceKind;
use crate::command::Command;
use crate::registry::{Reason, Role, Roles, Subject};
use crate::reject::Code;

const SUPPLIER_ONLY: Roles = Roles::of(Role::Supplier);

impl State {
    /// Whether the sender has a role; where the role is of an area ([`Role::GridOperator`]), whether `area` is that one or below it.
    ///
    /// # Errors
    /// `AuthRole`.
    pub fn require(&self, sender: DeviceKind, role: Role, area: Option<AreaId>) -> Result<(), Code> {
        let has_role = match sender {
            DeviceKind::Operator => true,
            DeviceKind::Meter { .. } => false,
            DeviceKind::Organisation(organisation) => {
                let row = self.tables.organisation(organisation).ok_or(Code::AuthOrganisation)?;
                let is_theirs = |area| row.area.is_some_and(|own| self.lies_in(area, own));
                row.roles.has(role) && (role != Role::GridOperator || area.is_none_or(is_theirs))
            }
        };
        if has_role { Ok(()) } else { Err(Code::AuthRole) }
    }

    /// Whether the sender may give this command, as the table of this room says. Meters' own commands are not asked about here.
    pub(super) fn check_right(&self, sender: DeviceKind, command: &Command) -> Result<(), Code> {
        match command {
            Command::RegisterAccount { .. }
            | Command::RegisterMeter { .. }
            | Command::TransferMeter { .. }
            | Command::SetInstallation { .. } => self.require(sender, Role::Registrar, None),
            Command::RegisterOrganisation(new) => self.require_over(sender, new.roles),
            Command::Suspend { subject, reason } => self.check_standing_right(sender, *subject, *reason),
            Command::Resume { subject, reason: _ } => {
                let suspended_for = self.tables.access(*subject).map_or(Reason::Other, |access| access.reason);
                self.check_standing_right(sender, *subject, suspended_for)
            }
            Command::Revoke { subject, .. } => self.check_right_over(sender, *subject),
            Command::RotateKey { subject, .. } if is_itself(sender, *subject) => Ok(()),
            Command::RotateKey { subject, .. } => self.check_right_over(sender, *subject),
            Command::SetCapacity { area, .. } => self.require(sender, Role::GridOperator, Some(*area)),
            Command::AreaReading(reading) => self.require(sender, Role::GridOperator, Some(reading.contract.area)),
            Command::AcceptLosses(accept) => self.require(sender, Role::GridOperator, Some(accept.contract.area)),
            Command::Correction(correction) => {
                let area = self.tables.meter(correction.meter).map(|meter| meter.facts.area);
                // Of a meter that is not there, whoever runs a grid anywhere is told so.
                self.require(sender, Role::GridOperator, area)
            }
            Command::PayAsBid { .. } | Command::SetImbalancePrices(_) => {
                self.require(sender, Role::MarketOperator, None)
            }
            Command::Deposit { .. } | Command::Withdraw { .. } => self.require(sender, Role::Bank, None),
            Command::RuleAppeal { .. } => self.require(sender, Role::Auditor, None),
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
        }
    }

    /// Over meters and suppliers a registrar; over organisations with rights only whoever can give them.
    fn check_right_over(&self, sender: DeviceKind, subject: Subject) -> Result<(), Code> {
        match subject {
            Subject::Meter(_) => self.require(sender, Role::Registrar, None),
            Subject::Organisation(organisation) => {
                // Of one that is not there, nobody but a registrar or the operator is told so.
                let roles = self.tables.organisation(organisation).map_or(SUPPLIER_ONLY, |row| row.roles);
                self.require_over(sender, roles)
            }
        }
    }

    fn require_over(&self, sender: DeviceKind, roles: Roles) -> Result<(), Code> {
        match sender {
            DeviceKind::Operator => Ok(()),
            _ if roles.is_within(SUPPLIER_ONLY) => self.require(sender, Role::Registrar, None),
            _ => Err(Code::AuthRole),
        }
    }

    /// As [`State::check_right_over`], and besides the grid operator over the meters of his areas, if it is for safety.
    fn check_standing_right(&self, sender: DeviceKind, subject: Subject, reason: Reason) -> Result<(), Code> {
        let refusal = match self.check_right_over(sender, subject) {
            Ok(()) => return Ok(()),
            Err(code) => code,
        };
        let Subject::Meter(meter) = subject else { return Err(refusal) };
        let area = self.tables.meter(meter).map(|meter| meter.facts.area).ok_or(refusal)?;
        self.require(sender, Role::GridOperator, Some(area))?;
        if reason == Reason::Unsafe { Ok(()) } else { Err(Code::AuthReason) }
    }

    /// Whether an area is another one or lies below it.
    fn lies_in(&self, area: AreaId, other: AreaId) -> bool {
        area == other || self.engine.network().upwards(area).any(|edge| edge.parent == other)
    }
}

/// Whether somebody has at least one role, and an area if and only if one of them is of an area.
pub(super) fn roles_fit_area(roles: Roles, area: Option<AreaId>) -> bool {
    !roles.is_empty() && roles.has(Role::GridOperator) == area.is_some()
}

pub(super) fn is_itself(sender: DeviceKind, subject: Subject) -> bool {
    match (sender, subject) {
        (DeviceKind::Meter { meter, .. }, Subject::Meter(other)) => meter == other,
        (DeviceKind::Organisation(organisation), Subject::Organisation(other)) => organisation == other,
        _ => false,
    }
}
