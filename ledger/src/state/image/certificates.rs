//! Certificates of origin in a snapshot.

use gridbook_engine::{AreaId, Energy};

use super::read::{Read, list};
use super::write::list as write_list;
use crate::bytes::{BytesError, Reader, Writer};
use crate::origin::CertificateRange;

/// The certificates of one period that is settled and not final yet; rows by issuer and number.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::state) struct CertificatesImage {
    pub(in crate::state) period: u32,
    pub(in crate::state) next_plant: u32,
    pub(in crate::state) round: u32,
    pub(in crate::state) rows: Vec<CertifiedImage>,
}

/// Certificates that follow each other and stand alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::state) struct CertifiedImage {
    pub(in crate::state) range: CertificateRange,
    pub(in crate::state) plant: u32,
    pub(in crate::state) source: u8,
    pub(in crate::state) holder: u32,
    pub(in crate::state) account: u32,
    /// 0 still with the plant, 1 active, 2 claimed.
    pub(in crate::state) state: u8,
    /// Which watt-hour of the plant the first one is, or which meter claimed them; else 0.
    pub(in crate::state) of: u64,
    /// From which round on they are followed, if they are still with the plant; else 0.
    pub(in crate::state) round: u32,
}

/// What became of an issuer's certificates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::state) struct IssuerImage {
    pub(in crate::state) area: u16,
    /// Issued, active, cancelled, expired, revoked.
    pub(in crate::state) counts: [u64; 5],
}

const ROW_BYTES: usize = 44;
const ISSUER_BYTES: usize = 42;

pub(super) fn write(w: &mut Writer, certificates: &[CertificatesImage], issuers: &[IssuerImage]) {
    write_list(w, certificates, |CertificatesImage { period, next_plant, round, rows }, w| {
        w.u32(*period).u32(*next_plant).u32(*round);
        write_list(w, rows, write_row);
    });
    write_list(w, issuers, |IssuerImage { area, counts }, w| {
        w.u16(*area);
        counts.iter().for_each(|count| {
            w.u64(*count);
        });
    });
}

pub(super) fn read(r: &mut Reader<'_>) -> Read<Vec<CertificatesImage>> {
    list(r, 20, |r| {
        let (period, next_plant, round) = (r.u32()?, r.u32()?, r.u32()?);
        Ok(CertificatesImage { period, next_plant, round, rows: list(r, ROW_BYTES, read_row)? })
    })
}

pub(super) fn read_issuers(r: &mut Reader<'_>) -> Read<Vec<IssuerImage>> {
    list(r, ISSUER_BYTES, |r| {
        Ok(IssuerImage { area: r.u16()?, counts: [r.u64()?, r.u64()?, r.u64()?, r.u64()?, r.u64()?] })
    })
}

fn write_row(row: &CertifiedImage, w: &mut Writer) {
    let CertifiedImage { range, plant, source, holder, account, state, of, round } = *row;
    w.u16(range.issuer().0).u64(range.first()).u64(range.energy().0);
    w.u32(plant).u8(source).u32(holder).u32(account).u8(state).u64(of).u32(round);
}

fn read_row(r: &mut Reader<'_>) -> Read<CertifiedImage> {
    let (issuer, first, energy) = (AreaId(r.u16()?), r.u64()?, Energy(r.u64()?));
    let range = CertificateRange::new(issuer, first, energy).ok_or(BytesError::Unknown)?;
    let (plant, source, holder, account) = (r.u32()?, r.u8()?, r.u32()?, r.u32()?);
    let (state, of, round) = (r.u8()?, r.u64()?, r.u32()?);
    Ok(CertifiedImage { range, plant, source, holder, account, state, of, round })
}
