//! What the registry says of somebody, and who may know.

use gridbook_ledger::admission::DeviceKind;
use gridbook_ledger::registry::Role;
use gridbook_ledger::reject::Code;
use gridbook_ledger::state::{MeterView, OrganisationView, State};

use crate::protocol::{AccessState, METERS_PER_ANSWER, RegistryEntry, RegistrySubject};

/// Organisations are known to everybody registered. Of a meter and an account, who they belong to and registrars are told. A
/// bank sees what money there is, and not whose meters it is for.
pub(super) fn entry(state: &State, sender: DeviceKind, subject: RegistrySubject) -> Result<RegistryEntry, Code> {
    match subject {
        RegistrySubject::Organisation(number) => {
            let OrganisationView { key, name, roles, area, standing, reason, nonce, rotations, .. } =
                state.organisation(number).ok_or(Code::AuthOrganisation)?;
            let access = AccessState { key, standing, reason, rotations, nonce };
            Ok(RegistryEntry::Organisation { name, roles, area, access })
        }
        RegistrySubject::Meter(number) => {
            let asks_itself = matches!(sender, DeviceKind::Meter { meter, .. } if meter == number);
            if !asks_itself {
                state.require(sender, Role::Registrar, None)?;
            }
            let view = state.meter(number).ok_or(Code::AuthMeter)?;
            let MeterView { account, key, area, import_max, export_max, plant, certificate, .. } = view;
            let MeterView { standing, reason, nonce, rotations, .. } = view;
            let access = AccessState { key, standing, reason, rotations, nonce };
            Ok(RegistryEntry::Meter { account, area, import_max, export_max, plant, certificate, access })
        }
        RegistrySubject::Account(number) => {
            let is_own = matches!(sender, DeviceKind::Meter { account, .. } if account == number);
            let sees_meters = is_own || state.require(sender, Role::Registrar, None).is_ok();
            if !sees_meters {
                state.require(sender, Role::Bank, None)?;
            }
            let view = state.account(number).ok_or(Code::CreditAccount)?;
            let meters = sees_meters.then(|| state.meters_of(number).iter().take(METERS_PER_ANSWER).copied().collect());
            let (organisation, balance, reserved) = (view.organisation, view.balance, view.reserved);
            let debt = state.debt(number);
            Ok(RegistryEntry::Account { organisation, balance, reserved, debt, meters })
        }
    }
}
