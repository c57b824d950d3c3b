//! Reading the canonical bytes of a snapshot, which may come from anybody.

use gridbook_engine::image::{self, BlockImage, BookImage, EdgeImage, EngineImage, OrderImage};

use super::period::read_reading;
use super::registry::{FORMER_BYTES, ORGANISATION_BYTES, REPLACED_KEY_BYTES};
use super::{ACCOUNT_BYTES, ConductImage, ConsentImage, METER_BYTES, certificates};
use super::{
    AccountImage, AreaIncomeImage, BlockNameImage, FormerImage, ImportsImage, MeterImage, OfferImage, PeriodImage,
};
use super::{OrganisationImage, ReadingsImage, ReplacedKeyImage, RestImage, StateImage, TotalsImage};
use crate::bytes::{BytesError, Reader};
use crate::crypto::Hash;
use crate::validators::ValidatorSet;

pub(super) type Read<T> = Result<T, BytesError>;

/// Everything, and not a byte more.
pub(in crate::state) fn decode(bytes: &[u8]) -> Read<StateImage> {
    let mut r = Reader::new(bytes);
    let (accounts, meters) = read_counts(&mut r)?;
    let accounts = read_accounts(r.bytes(rows_bytes(accounts, ACCOUNT_BYTES)?)?)?;
    let meters = read_meters(r.bytes(rows_bytes(meters, METER_BYTES)?)?)?;
    let rest = read_rest(&mut r)?;
    r.finish()?;
    Ok(StateImage { accounts, meters, rest })
}

/// How many accounts and meters follow.
pub(in crate::state) fn read_counts(r: &mut Reader<'_>) -> Read<(u32, u32)> {
    Ok((r.u32()?, r.u32()?))
}

/// Rows of accounts.
pub(in crate::state) fn read_accounts(bytes: &[u8]) -> Read<Vec<AccountImage>> {
    rows(bytes, ACCOUNT_BYTES, AccountImage::read)
}

/// Rows of meters.
pub(in crate::state) fn read_meters(bytes: &[u8]) -> Read<Vec<MeterImage>> {
    rows(bytes, METER_BYTES, MeterImage::read)
}

fn rows<T>(bytes: &[u8], row_bytes: usize, read: fn(&mut Reader<'_>) -> Read<T>) -> Read<Vec<T>> {
    if !bytes.len().is_multiple_of(row_bytes) {
        return Err(BytesError::Truncated);
    }
    bytes.chunks_exact(row_bytes).map(|row| read(&mut Reader::new(row))).collect()
}

fn rows_bytes(count: u32, row_bytes: usize) -> Read<usize> {
    usize::try_from(count).ok().and_then(|count| count.checked_mul(row_bytes)).ok_or(BytesError::TooLong)
}

/// A list behind its length. A length that the bytes left cannot hold is refused before room is made for it.
pub(super) fn list<T>(r: &mut Reader<'_>, row_bytes_min: usize, read: fn(&mut Reader<'_>) -> Read<T>) -> Read<Vec<T>> {
    let count = usize::try_from(r.u64()?).map_err(|_| BytesError::TooLong)?;
    if count > r.remaining() / row_bytes_min {
        return Err(BytesError::Truncated);
    }
    (0..count).map(|_| read(r)).collect()
}

pub(super) fn read_bool(r: &mut Reader<'_>) -> Read<bool> {
    match r.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(BytesError::Unknown),
    }
}

/// What the rest begins with, and what the counters' hash covers.
pub(in crate::state) struct Head {
    pub(in crate::state) chain: Hash,
    pub(in crate::state) now: u64,
    pub(in crate::state) operator_nonce: u64,
    pub(in crate::state) totals: TotalsImage,
    pub(in crate::state) system: Vec<AccountImage>,
    pub(in crate::state) organisations: Vec<OrganisationImage>,
}

/// The beginning of the rest.
pub(in crate::state) fn read_head(r: &mut Reader<'_>) -> Read<Head> {
    let (chain, now, operator_nonce) = (Hash(r.array()?), r.u64()?, r.u64()?);
    let mut totals = [0; 8];
    for total in &mut totals {
        *total = r.u64()?;
    }
    Ok(Head {
        chain,
        now,
        operator_nonce,
        totals: TotalsImage(totals),
        system: list(r, ACCOUNT_BYTES, AccountImage::read)?,
        organisations: list(r, ORGANISATION_BYTES, OrganisationImage::read)?,
    })
}

/// The rest, up to its end.
fn read_rest(r: &mut Reader<'_>) -> Read<RestImage> {
    let Head { chain, now, operator_nonce, totals, system, organisations } = read_head(r)?;
    Ok(RestImage {
        chain,
        now,
        operator_nonce,
        totals,
        system,
        organisations,
        periods: list(r, 89, PeriodImage::read)?,
        blocks: list(r, 20, |r| Ok(BlockNameImage { tag: r.u64()?, meter: r.u32()?, client_id: r.u64()? }))?,
        offers: list(r, 33, read_offer)?,
        incomes: list(r, 82, AreaIncomeImage::read)?,
        readings: list(r, 12, |r| {
            Ok(ReadingsImage { period: r.u32()?, registers: list(r, 36, |r| Ok((r.u32()?, read_reading(r)?)))? })
        })?,
        imports: list(r, 12, |r| Ok(ImportsImage { period: r.u32()?, imports: list(r, 4, |r| r.u32())? }))?,
        corrections: list(r, 8, |r| Ok((r.u32()?, r.u32()?)))?,
        replaced_keys: list(r, REPLACED_KEY_BYTES, ReplacedKeyImage::read)?,
        former_facts: list(r, FORMER_BYTES, FormerImage::read)?,
        certificates: certificates::read(r)?,
        issuers: certificates::read_issuers(r)?,
        epoch: r.u32()?,
        validators: ValidatorSet::read(r)?,
        validators_before: read_bool(r)?.then(|| ValidatorSet::read(r)).transpose()?,
        conduct: ConductImage::read(r)?,
        consent: ConsentImage::read(r)?,
        debts: list(r, 20, |r| Ok((r.u32()?, r.i128()?)))?,
        engine: read_engine(r)?,
    })
}

fn read_offer(r: &mut Reader<'_>) -> Read<OfferImage> {
    Ok(OfferImage {
        meter: r.u32()?,
        client_id: r.u64()?,
        partner: r.u32()?,
        period: r.u32()?,
        sells: read_bool(r)?,
        price: r.i32()?,
        energy: r.u64()?,
    })
}

fn read_engine(r: &mut Reader<'_>) -> Read<EngineImage> {
    Ok(EngineImage { now: r.u64()?, periods: list(r, 26, read_engine_period)?, blocks: list(r, 31, read_block)? })
}

fn read_engine_period(r: &mut Reader<'_>) -> Read<image::PeriodImage> {
    Ok(image::PeriodImage {
        period: r.u32()?,
        priorities: r.u32()?,
        auctioned: read_bool(r)?,
        rematching: read_bool(r)?,
        edges: list(r, 26, |r| {
            Ok(EdgeImage { child: r.u16()?, up: r.u64()?, down: r.u64()?, flow: r.u64()?.cast_signed() })
        })?,
        books: list(r, 19, |r| {
            let (area, flags) = (r.u16()?, r.u8()?);
            Ok(BookImage { area, flags, bids: list(r, 65, read_order)?, asks: list(r, 65, read_order)? })
        })?,
    })
}

fn read_order(r: &mut Reader<'_>) -> Read<OrderImage> {
    Ok(OrderImage {
        tag: r.u64()?,
        priority: r.u32()?,
        energy: r.u64()?,
        shown: r.u64()?,
        display: r.u64()?,
        until: r.u64()?,
        account: r.u32()?,
        meter: r.u32()?,
        price: r.i32()?,
        post_only: read_bool(r)?,
        sources: r.u8()?,
        max_edges: r.u16()?,
        partner: read_partner(r)?,
    })
}

fn read_partner(r: &mut Reader<'_>) -> Read<Option<u32>> {
    match (read_bool(r)?, r.u32()?) {
        (true, partner) => Ok(Some(partner)),
        (false, 0) => Ok(None),
        (false, _) => Err(BytesError::Padding),
    }
}

fn read_block(r: &mut Reader<'_>) -> Read<BlockImage> {
    Ok(BlockImage {
        tag: r.u64()?,
        account: r.u32()?,
        meter: r.u32()?,
        area: r.u16()?,
        sells: read_bool(r)?,
        price: r.i32()?,
        energies: list(r, 12, |r| Ok((r.u32()?, r.u64()?)))?,
    })
}
