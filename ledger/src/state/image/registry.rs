//! The rows of who is registered.

use gridbook_engine::{AreaId, Energy};

use super::{AccountImage, FormerImage, MeterImage, OrganisationImage, ReplacedKeyImage};
use crate::bytes::{BytesError, Reader, Writer};
use crate::crypto::{Hash, PublicKey};
use crate::registry::{DeviceStanding, Installation, OrganisationId, OrganisationName, Plant, Reason, Roles, Subject};
use crate::state::LastBundle;
use crate::state::tables::Access;

/// Length of an organisation's row.
pub(super) const ORGANISATION_BYTES: usize = 102;
/// Length of the row of what a meter was.
pub(super) const FORMER_BYTES: usize = 65;
/// Length of a replaced key's row.
pub(super) const REPLACED_KEY_BYTES: usize = 37;

type Read<T> = Result<T, BytesError>;

impl AccountImage {
    pub(super) fn write(&self, w: &mut Writer) {
        let Self { balance, reserved, history, score, share_ppm, organisation } = self;
        w.i128(*balance).i128(*reserved).bytes(&history.0).u16(*score).u32(*share_ppm);
        w.u16(one_more(organisation.map(|organisation| organisation.0)));
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Read<Self> {
        let (balance, reserved, history) = (r.i128()?, r.i128()?, Hash(r.array()?));
        let (score, share_ppm) = (r.u16()?, r.u32()?);
        let organisation = r.u16()?.checked_sub(1).map(OrganisationId);
        Ok(Self { balance, reserved, history, score, share_ppm, organisation })
    }
}

impl MeterImage {
    pub(super) fn write(&self, w: &mut Writer) {
        w.u32(self.account).bytes(&self.key.0).u16(self.area).u32(self.first_period);
        w.u64(self.import_max).u64(self.export_max);
        w.u8(self.plant.source_number()).u32(self.plant.storage_number()).bytes(&self.certificate.0);
        write_access(w, &self.access);
        let (last_seq, last_id) = self.last_bundle.map_or((0, Hash::ZERO), |LastBundle { seq, id }| (seq, id));
        w.u64(last_seq).bytes(&last_id.0).i128(self.charge).bytes(&self.history.0);
        w.bytes(&self.grants.0);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Read<Self> {
        let (account, key, area, first_period) = (r.u32()?, PublicKey(r.array()?), r.u16()?, r.u32()?);
        let (import_max, export_max, source) = (r.u64()?, r.u64()?, r.u8()?);
        let plant = Plant::from_numbers(source, r.u32()?).map_err(|_| BytesError::Unknown)?;
        let (certificate, access, last_bundle) = (Hash(r.array()?), read_access(r)?, read_last_bundle(r)?);
        let (charge, history, grants) = (r.i128()?, Hash(r.array()?), Hash(r.array()?));
        Ok(Self {
            account,
            key,
            area,
            first_period,
            import_max,
            export_max,
            plant,
            certificate,
            access,
            last_bundle,
            charge,
            history,
            grants,
        })
    }
}

impl OrganisationImage {
    pub(super) fn write(&self, w: &mut Writer) {
        let Self { key, name, roles, area, access, history } = self;
        w.bytes(&key.0).bytes(name.bytes()).u8(roles.bits()).u16(one_more(area.map(|area| area.0)));
        write_access(w, access);
        w.bytes(&history.0);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Read<Self> {
        let key = PublicKey(r.array()?);
        let name = OrganisationName::from_bytes(r.array()?).map_err(|_| BytesError::Unknown)?;
        let roles = Roles::from_bits(r.u8()?).ok_or(BytesError::Unknown)?;
        let area = r.u16()?.checked_sub(1).map(AreaId);
        Ok(Self { key, name, roles, area, access: read_access(r)?, history: Hash(r.array()?) })
    }
}

impl ReplacedKeyImage {
    pub(super) fn write(&self, w: &mut Writer) {
        self.subject.write(w.bytes(&self.key.0));
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Read<Self> {
        Ok(Self { key: PublicKey(r.array()?), subject: Subject::read(r)? })
    }
}

impl FormerImage {
    pub(super) fn write(&self, w: &mut Writer) {
        let Self { meter, last, account, installation } = self;
        let Installation { plant, import_max, export_max, certificate } = installation;
        w.u32(*meter).u32(*last).u32(*account).u64(import_max.0).u64(export_max.0);
        w.u8(plant.source_number()).u32(plant.storage_number()).bytes(&certificate.0);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Read<Self> {
        let (meter, last, account) = (r.u32()?, r.u32()?, r.u32()?);
        let (import_max, export_max, source) = (Energy(r.u64()?), Energy(r.u64()?), r.u8()?);
        let plant = Plant::from_numbers(source, r.u32()?).map_err(|_| BytesError::Unknown)?;
        let installation = Installation { plant, import_max, export_max, certificate: Hash(r.array()?) };
        Ok(Self { meter, last, account, installation })
    }
}

/// Sequence number and name; zero if there is none.
fn read_last_bundle(r: &mut Reader<'_>) -> Read<Option<LastBundle>> {
    match (r.u64()?, Hash(r.array()?)) {
        (0, Hash::ZERO) => Ok(None),
        (0, _) => Err(BytesError::Padding),
        (seq, id) => Ok(Some(LastBundle { seq, id })),
    }
}

/// Standing, reason, own rotations, nonce: 11 bytes.
fn write_access(w: &mut Writer, access: &Access) {
    let Access { standing, reason, nonce, rotations } = access;
    w.u8(standing.number()).u8(reason.number()).u8(*rotations).u64(*nonce);
}

fn read_access(r: &mut Reader<'_>) -> Read<Access> {
    let standing = DeviceStanding::from_number(r.u8()?).ok_or(BytesError::Unknown)?;
    let reason = Reason::from_number(r.u8()?).ok_or(BytesError::Unknown)?;
    Ok(Access { standing, reason, rotations: r.u8()?, nonce: r.u64()? })
}

fn one_more(number: Option<u16>) -> u16 {
    number.map_or(0, |number| number.saturating_add(1))
}
