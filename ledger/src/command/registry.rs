//! The registry's commands as bytes, each behind its tag. What was a reserved zero before is zero for what was meant then: no
//! organisation, the grid's mix, no battery, a meter, another reason.

use gridbook_engine::{AccountId, AreaId, Energy, MeterId};

use super::Command;
use crate::bytes::{Reader, Writer};
use crate::crypto::{Hash, PublicKey};
use crate::registry::{Installation, OrganisationId, OrganisationName, Plant, Reason, Roles, Subject};
use crate::reject::Code;

/// An organisation that is enrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewOrganisation {
    /// Must be the next free number.
    pub organisation: OrganisationId,
    /// The key that signs for it.
    pub key: PublicKey,
    /// What people call it.
    pub name: OrganisationName,
    /// What it may do.
    pub roles: Roles,
    /// The area whose grid it runs, with all areas below, if it is a grid operator.
    pub area: Option<AreaId>,
}

impl NewOrganisation {
    /// Roles, number, area + 1 or zero for none, two zeros, key, name, without the tag.
    pub(super) fn write(&self, w: &mut Writer) {
        let Self { organisation, key, name, roles, area } = self;
        w.u8(roles.bits()).u16(organisation.0).u16(one_more(area.map(|area| area.0))).u16(0);
        w.bytes(&key.0).bytes(name.bytes());
    }

    /// Reads what [`NewOrganisation::write`] wrote.
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, Code> {
        let roles = Roles::from_bits(r.u8()?).ok_or(Code::FormTag)?;
        let (organisation, area) = (OrganisationId(r.u16()?), r.u16()?.checked_sub(1).map(AreaId));
        r.padding(2)?;
        let (key, name) = (PublicKey(r.array()?), OrganisationName::from_bytes(r.array()?)?);
        Ok(Self { organisation, key, name, roles, area })
    }
}

/// A zero, organisation + 1 or zero for none, account.
pub(super) fn write_account(w: &mut Writer, account: AccountId, organisation: Option<OrganisationId>) {
    w.u8(0).u16(one_more(organisation.map(|organisation| organisation.0))).u32(account.0);
}

pub(super) fn read_account(r: &mut Reader<'_>) -> Result<Command, Code> {
    r.padding(1)?;
    let organisation = r.u16()?.checked_sub(1).map(OrganisationId);
    Ok(Command::RegisterAccount { account: AccountId(r.u32()?), organisation })
}

/// Source, area, meter, account, efficiency of the battery, most import, most export, key.
pub(super) fn read_meter(r: &mut Reader<'_>) -> Result<Command, Code> {
    let (source, area, meter, account) = (r.u8()?, AreaId(r.u16()?), MeterId(r.u32()?), AccountId(r.u32()?));
    let plant = Plant::from_numbers(source, r.u32()?)?;
    let (import_max_wh, export_max_wh) = (Energy(r.u64()?), Energy(r.u64()?));
    let key = PublicKey(r.array()?);
    Ok(Command::RegisterMeter { meter, account, key, area, import_max_wh, export_max_wh, plant })
}

/// Kind of the subject, reason, a zero, the subject's number.
pub(super) fn write_reasoned(w: &mut Writer, subject: Subject, reason: Reason) {
    w.u8(subject.kind()).u8(reason.number()).u8(0).u32(subject.number());
}

pub(super) fn read_reasoned(r: &mut Reader<'_>) -> Result<(Subject, Reason), Code> {
    let (kind, reason) = (r.u8()?, read_reason(r)?);
    r.padding(1)?;
    let subject = Subject::from_parts(kind, r.u32()?).ok_or(Code::FormTag)?;
    Ok((subject, reason))
}

/// Kind of the subject, two zeros, the subject's number, key.
pub(super) fn write_rotation(w: &mut Writer, subject: Subject, key: &PublicKey) {
    w.u8(subject.kind()).u16(0).u32(subject.number()).bytes(&key.0);
}

pub(super) fn read_rotation(r: &mut Reader<'_>) -> Result<Command, Code> {
    let kind = r.u8()?;
    r.padding(2)?;
    let subject = Subject::from_parts(kind, r.u32()?).ok_or(Code::FormTag)?;
    Ok(Command::RotateKey { subject, key: PublicKey(r.array()?) })
}

/// Reason, two zeros, meter, account.
pub(super) fn write_transfer(w: &mut Writer, meter: MeterId, account: AccountId, reason: Reason) {
    w.u8(reason.number()).u16(0).u32(meter.0).u32(account.0);
}

pub(super) fn read_transfer(r: &mut Reader<'_>) -> Result<Command, Code> {
    let reason = read_reason(r)?;
    r.padding(2)?;
    Ok(Command::TransferMeter { meter: MeterId(r.u32()?), account: AccountId(r.u32()?), reason })
}

/// Source, two zeros, meter, efficiency of the battery, four zeros, most import, most export, certificate.
pub(super) fn write_installation(w: &mut Writer, meter: MeterId, installation: &Installation) {
    let Installation { plant, import_max, export_max, certificate } = installation;
    w.u8(plant.source_number()).u16(0).u32(meter.0).u32(plant.storage_number()).u32(0);
    w.u64(import_max.0).u64(export_max.0).bytes(&certificate.0);
}

pub(super) fn read_installation(r: &mut Reader<'_>) -> Result<Command, Code> {
    let source = r.u8()?;
    r.padding(2)?;
    let meter = MeterId(r.u32()?);
    let plant = Plant::from_numbers(source, r.u32()?)?;
    r.padding(4)?;
    let (import_max, export_max, certificate) = (Energy(r.u64()?), Energy(r.u64()?), Hash(r.array()?));
    Ok(Command::SetInstallation { meter, installation: Installation { plant, import_max, export_max, certificate } })
}

fn read_reason(r: &mut Reader<'_>) -> Result<Reason, Code> {
    Reason::from_number(r.u8()?).ok_or(Code::FormTag)
}

/// Where zero stands for none. The last number is never given out, so that every one has a successor.
fn one_more(number: Option<u16>) -> u16 {
    number.map_or(0, |number| number.saturating_add(1))
}
