//! What the registry says about somebody, for those who may know.

use gridbook_engine::{AccountId, AreaId, Energy, EnergySources, MeterId, Money};
use gridbook_ledger::bytes::{BytesError, Reader, Writer};
use gridbook_ledger::crypto::{Hash, PublicKey};
use gridbook_ledger::registry::{DeviceStanding, OrganisationId, OrganisationName, Plant, Reason, Roles};

/// The most meters of an account that one answer names.
pub const METERS_PER_ANSWER: usize = 4_096;

/// The count of meters that are not told.
const METERS_NOT_TOLD: u16 = u16::MAX;

/// Who is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrySubject {
    /// An organisation: anybody registered may ask.
    Organisation(OrganisationId),
    /// A meter: itself, or a registrar.
    Meter(MeterId),
    /// An account: its meters, a registrar, or a bank.
    Account(AccountId),
}

/// How a device or an organisation may sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessState {
    /// The key that signs for it.
    pub key: PublicKey,
    /// Whether it may give commands.
    pub standing: DeviceStanding,
    /// Why it stands so.
    pub reason: Reason,
    /// How often it has changed its key by itself since a registrar last set it.
    pub rotations: u8,
    /// The nonce of its last bundle under this key.
    pub nonce: u64,
}

/// What the registry says, as of the last command executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryEntry {
    /// An organisation.
    Organisation {
        /// What people call it.
        name: OrganisationName,
        /// What it may do.
        roles: Roles,
        /// Whose grid it runs, with all areas below.
        area: Option<AreaId>,
        /// Its key and standing.
        access: AccessState,
    },
    /// A meter.
    Meter {
        /// Whose it is.
        account: AccountId,
        /// Where it is connected.
        area: AreaId,
        /// The most its connection takes in per delivery period.
        import_max: Energy,
        /// The most its connection gives out per delivery period.
        export_max: Energy,
        /// What stands behind it.
        plant: Plant,
        /// The fingerprint of its certificate of installation; zero for none.
        certificate: Hash,
        /// Its key and standing.
        access: AccessState,
    },
    /// An account.
    Account {
        /// Its supplier, if it has one.
        organisation: Option<OrganisationId>,
        /// What it has, reservations included.
        balance: Money,
        /// How much of that is set aside.
        reserved: Money,
        /// What it owes for energy that it sold and did not deliver.
        debt: Money,
        /// Its meters, ascending; the first [`METERS_PER_ANSWER`] of them. None if whoever asks is not told, as a bank is not.
        meters: Option<Vec<MeterId>>,
    },
}

impl RegistrySubject {
    pub(super) fn write(self, w: &mut Writer) {
        match self {
            Self::Organisation(organisation) => _ = w.u8(1).u32(organisation.0.into()),
            Self::Meter(meter) => _ = w.u8(2).u32(meter.0),
            Self::Account(account) => _ = w.u8(3).u32(account.0),
        }
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        match (r.u8()?, r.u32()?) {
            (1, number) => u16::try_from(number)
                .map(|number| Self::Organisation(OrganisationId(number)))
                .map_err(|_| BytesError::Unknown),
            (2, number) => Ok(Self::Meter(MeterId(number))),
            (3, number) => Ok(Self::Account(AccountId(number))),
            _ => Err(BytesError::Unknown),
        }
    }
}

impl AccessState {
    fn write(&self, w: &mut Writer) {
        w.bytes(&self.key.0).u8(self.standing.number()).u8(self.reason.number()).u8(self.rotations).u64(self.nonce);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        Ok(Self {
            key: PublicKey(r.array()?),
            standing: DeviceStanding::from_number(r.u8()?).ok_or(BytesError::Unknown)?,
            reason: Reason::from_number(r.u8()?).ok_or(BytesError::Unknown)?,
            rotations: r.u8()?,
            nonce: r.u64()?,
        })
    }
}

impl RegistryEntry {
    pub(super) fn write(&self, w: &mut Writer) {
        match self {
            Self::Organisation { name, roles, area, access } => {
                w.u8(1).bytes(name.bytes()).u8(roles.bits());
                write_option(w, area.map(|area| area.0));
                access.write(w);
            }
            Self::Meter { account, area, import_max, export_max, plant, certificate, access } => {
                w.u8(2).u32(account.0).u16(area.0).u64(import_max.0).u64(export_max.0);
                w.u8(plant.source.bits()).u32(plant.storage_ppm.unwrap_or(0)).bytes(&certificate.0);
                access.write(w);
            }
            Self::Account { organisation, balance, reserved, debt, meters } => {
                write_option(w.u8(3), organisation.map(|organisation| organisation.0));
                w.i128(balance.0).i128(reserved.0).i128(debt.0);
                let count = |meters: &Vec<MeterId>| u16::try_from(meters.len()).expect("at most METERS_PER_ANSWER");
                w.u16(meters.as_ref().map_or(METERS_NOT_TOLD, count));
                meters.iter().flatten().for_each(|meter| _ = w.u32(meter.0));
            }
        }
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        Ok(match r.u8()? {
            1 => Self::Organisation {
                name: OrganisationName::from_bytes(r.array()?).map_err(|_| BytesError::Unknown)?,
                roles: Roles::from_bits(r.u8()?).ok_or(BytesError::Unknown)?,
                area: read_option(r)?.map(AreaId),
                access: AccessState::read(r)?,
            },
            2 => Self::Meter {
                account: AccountId(r.u32()?),
                area: AreaId(r.u16()?),
                import_max: Energy(r.u64()?),
                export_max: Energy(r.u64()?),
                plant: read_plant(r)?,
                certificate: Hash(r.array()?),
                access: AccessState::read(r)?,
            },
            3 => {
                let organisation = read_option(r)?.map(OrganisationId);
                let (balance, reserved, debt) = (Money(r.i128()?), Money(r.i128()?), Money(r.i128()?));
                let meters = match r.u16()? {
                    METERS_NOT_TOLD => None,
                    count if usize::from(count) > METERS_PER_ANSWER => return Err(BytesError::TooLong),
                    count => Some((0..count).map(|_| r.u32().map(MeterId)).collect::<Result<_, _>>()?),
                };
                Self::Account { organisation, balance, reserved, debt, meters }
            }
            _ => return Err(BytesError::Unknown),
        })
    }
}

fn read_plant(r: &mut Reader<'_>) -> Result<Plant, BytesError> {
    let source = EnergySources::from_bits(r.u8()?).ok_or(BytesError::Unknown)?;
    let plant = Plant { source, storage_ppm: Some(r.u32()?).filter(|ppm| *ppm > 0) };
    plant.check().map(|()| plant).map_err(|_| BytesError::Unknown)
}

/// The number + 1, zero for none: the last number is never given out.
fn write_option(w: &mut Writer, number: Option<u16>) {
    w.u16(number.map_or(0, |number| number.saturating_add(1)));
}

fn read_option(r: &mut Reader<'_>) -> Result<Option<u16>, BytesError> {
    Ok(r.u16()?.checked_sub(1))
}

#[cfg(test)]
pub(super) fn one_of_each() -> Vec<RegistryEntry> {
    let access = AccessState {
        key: PublicKey([7; 32]),
        standing: DeviceStanding::Suspended,
        reason: Reason::Tampering,
        rotations: 3,
        nonce: 9,
    };
    let name = OrganisationName::new("Stadtwerke").expect("a good name");
    let roles = Roles::of(gridbook_ledger::registry::Role::GridOperator);
    let plant = Plant { storage_ppm: Some(900_000), ..Plant::of(EnergySources::SOLAR) };
    let (account, area, certificate) = (AccountId(4), AreaId(2), Hash([5; 32]));
    let (import_max, export_max) = (Energy(1), Energy(2));
    let organisation = Some(OrganisationId(0));
    vec![
        RegistryEntry::Organisation { name, roles, area: Some(AreaId(0)), access },
        RegistryEntry::Meter { account, area, import_max, export_max, plant, certificate, access },
        RegistryEntry::Account {
            organisation,
            balance: Money(-1),
            reserved: Money(2),
            debt: Money(4),
            meters: Some(vec![MeterId(3)]),
        },
        RegistryEntry::Account {
            organisation: None,
            balance: Money(1),
            reserved: Money(0),
            debt: Money(0),
            meters: Some(Vec::new()),
        },
        RegistryEntry::Account {
            organisation: None,
            balance: Money(1),
            reserved: Money(0),
            debt: Money(0),
            meters: None,
        },
    ]
}
