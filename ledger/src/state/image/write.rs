//! The canonical bytes of a snapshot: every field in its order, lists behind their length.

use gridbook_engine::image::{self, BlockImage, BookImage, EdgeImage, EngineImage, OrderImage};

use super::period::write_reading;
use super::{ACCOUNT_BYTES, COUNTS_BYTES, METER_BYTES, certificates};
use super::{
    AccountImage, AreaIncomeImage, BlockNameImage, FormerImage, ImportsImage, OfferImage, OrganisationImage,
    PeriodImage, ReadingsImage, ReplacedKeyImage, RestImage, StateImage,
};
use crate::bytes::Writer;

/// Everything, as the module says.
pub(in crate::state) fn encode(image: &StateImage) -> Vec<u8> {
    let StateImage { accounts, meters, rest } = image;
    let rest = encode_rest(rest);
    let rows = accounts.len() * ACCOUNT_BYTES + meters.len() * METER_BYTES;
    let mut w = Writer::with_capacity(COUNTS_BYTES + rows + rest.len());
    w.u32(count(accounts.len())).u32(count(meters.len()));
    accounts.iter().for_each(|row| row.write(&mut w));
    meters.iter().for_each(|row| row.write(&mut w));
    w.bytes(&rest);
    w.finish()
}

/// The rest alone.
pub(in crate::state) fn encode_rest(rest: &RestImage) -> Vec<u8> {
    let RestImage {
        chain,
        now,
        operator_nonce,
        totals,
        system,
        organisations,
        periods,
        blocks,
        offers,
        incomes,
        readings,
        imports,
        corrections,
        replaced_keys,
        former_facts,
        certificates,
        issuers,
        epoch,
        validators,
        validators_before,
        conduct,
        consent,
        debts,
        engine,
    } = rest;
    let mut w = Writer::new();
    w.bytes(&chain.0).u64(*now).u64(*operator_nonce);
    for total in totals.0 {
        w.u64(total);
    }
    list(&mut w, system, AccountImage::write);
    list(&mut w, organisations, OrganisationImage::write);
    list(&mut w, periods, PeriodImage::write);
    list(&mut w, blocks, |BlockNameImage { tag, meter, client_id }, w| {
        w.u64(*tag).u32(*meter).u64(*client_id);
    });
    list(&mut w, offers, OfferImage::write);
    list(&mut w, incomes, AreaIncomeImage::write);
    list(&mut w, readings, |ReadingsImage { period, registers }, w| {
        list(w.u32(*period), registers, |(meter, row), w| write_reading(w.u32(*meter), row));
    });
    list(&mut w, imports, |ImportsImage { period, imports }, w| {
        list(w.u32(*period), imports, |import, w| {
            w.u32(*import);
        });
    });
    list(&mut w, corrections, |(period, meter), w| {
        w.u32(*period).u32(*meter);
    });
    list(&mut w, replaced_keys, ReplacedKeyImage::write);
    list(&mut w, former_facts, FormerImage::write);
    certificates::write(&mut w, certificates, issuers);
    validators.write(w.u32(*epoch));
    w.u8(u8::from(validators_before.is_some()));
    if let Some(before) = validators_before {
        before.write(&mut w);
    }
    conduct.write(&mut w);
    consent.write(&mut w);
    list(&mut w, debts, |(account, debt), w| {
        w.u32(*account).i128(*debt);
    });
    write_engine(&mut w, engine);
    w.finish()
}

fn count(rows: usize) -> u32 {
    u32::try_from(rows).expect("accounts and meters have 32-bit numbers")
}

pub(super) fn list<T>(w: &mut Writer, items: &[T], write: impl Fn(&T, &mut Writer)) {
    w.u64(items.len() as u64);
    for item in items {
        write(item, w);
    }
}

impl OfferImage {
    fn write(&self, w: &mut Writer) {
        let Self { meter, client_id, partner, period, sells, price, energy } = *self;
        w.u32(meter).u64(client_id).u32(partner).u32(period).u8(u8::from(sells)).i32(price).u64(energy);
    }
}

// Taken apart whole, so that nothing the engine adds can be left out of the root.

fn write_engine(w: &mut Writer, EngineImage { now, periods, blocks }: &EngineImage) {
    w.u64(*now);
    list(w, periods, write_period);
    list(w, blocks, write_block);
}

fn write_period(period: &image::PeriodImage, w: &mut Writer) {
    let image::PeriodImage { period, priorities, auctioned, rematching, edges, books } = period;
    w.u32(*period).u32(*priorities).u8(u8::from(*auctioned)).u8(u8::from(*rematching));
    list(w, edges, |EdgeImage { child, up, down, flow }, w| {
        w.u16(*child).u64(*up).u64(*down).u64(flow.cast_unsigned());
    });
    list(w, books, write_book);
}

fn write_book(BookImage { area, flags, bids, asks }: &BookImage, w: &mut Writer) {
    w.u16(*area).u8(*flags);
    list(w, bids, write_order);
    list(w, asks, write_order);
}

fn write_order(order: &OrderImage, w: &mut Writer) {
    let OrderImage {
        tag,
        priority,
        energy,
        shown,
        display,
        until,
        account,
        meter,
        price,
        post_only,
        sources,
        max_edges,
        partner,
    } = *order;
    w.u64(tag).u32(priority).u64(energy).u64(shown).u64(display).u64(until).u32(account).u32(meter).i32(price);
    w.u8(u8::from(post_only)).u8(sources).u16(max_edges).u8(u8::from(partner.is_some())).u32(partner.unwrap_or(0));
}

fn write_block(BlockImage { tag, account, meter, area, sells, price, energies }: &BlockImage, w: &mut Writer) {
    w.u64(*tag).u32(*account).u32(*meter).u16(*area).u8(u8::from(*sells)).i32(*price);
    list(w, energies, |(period, energy), w| {
        w.u32(*period).u64(*energy);
    });
}
