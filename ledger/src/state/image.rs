//! The shapes of a snapshot: plain data for archives, and their canonical bytes for the root.

use gridbook_engine::image::{self, BookImage, EngineImage, OrderImage};
use rkyv::{Archive, Deserialize, Serialize};

use super::Totals;
use crate::bytes::Writer;
use crate::crypto::{Hash, PublicKey};

/// Everything. Lists by number, periods ascending, names in the order in which they were given.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub(super) struct StateImage {
    pub(super) chain: Hash,
    pub(super) now: u64,
    pub(super) operator_nonce: u64,
    pub(super) totals: TotalsImage,
    pub(super) system: Vec<AccountImage>,
    pub(super) accounts: Vec<AccountImage>,
    pub(super) meters: Vec<MeterImage>,
    pub(super) periods: Vec<PeriodImage>,
    pub(super) engine: EngineImage,
}

#[derive(Clone, Copy, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub(super) struct TotalsImage([u64; 7]);

#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub(super) struct AccountImage {
    pub(super) balance: i128,
    pub(super) reserved: i128,
    pub(super) history: Hash,
}

#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub(super) struct MeterImage {
    pub(super) account: u32,
    pub(super) key: PublicKey,
    pub(super) area: u16,
    pub(super) import_max: u64,
    pub(super) export_max: u64,
    pub(super) suspended: bool,
    pub(super) nonce: u64,
    pub(super) history: Hash,
}

#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub(super) struct PeriodImage {
    pub(super) period: u32,
    pub(super) cleared: i128,
    pub(super) positions: Vec<PositionImage>,
    pub(super) payables: Vec<PayableImage>,
    pub(super) names: Vec<NameImage>,
}

#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub(super) struct PositionImage {
    pub(super) meter: u32,
    pub(super) resting_buys: u64,
    pub(super) resting_sells: u64,
    pub(super) bought: u64,
    pub(super) sold: u64,
}

#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub(super) struct PayableImage {
    pub(super) area: u16,
    pub(super) account: u32,
    pub(super) owed: i128,
    pub(super) held: i128,
}

#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub(super) struct NameImage {
    pub(super) meter: u32,
    pub(super) client_id: u64,
}

impl From<Totals> for TotalsImage {
    fn from(totals: Totals) -> Self {
        let Totals { commands, rejected, orders, trades, energy_wh, settlements, expired } = totals;
        Self([commands, rejected, orders, trades, energy_wh, settlements, expired])
    }
}

impl From<TotalsImage> for Totals {
    fn from(TotalsImage([commands, rejected, orders, trades, energy_wh, settlements, expired]): TotalsImage) -> Self {
        Self { commands, rejected, orders, trades, energy_wh, settlements, expired }
    }
}

impl StateImage {
    /// Every amount of money in it.
    pub(super) fn money(&self) -> impl Iterator<Item = i128> + '_ {
        let accounts = self.system.iter().chain(&self.accounts).flat_map(|row| [row.balance, row.reserved]);
        let payables = self.periods.iter().flat_map(|period| &period.payables).flat_map(|row| [row.owed, row.held]);
        accounts.chain(payables).chain(self.periods.iter().map(|period| period.cleared))
    }

    /// The hash of the canonical bytes: every field in its order, lists behind their length.
    pub(super) fn root(&self) -> Hash {
        let mut w = Writer::new();
        w.bytes(&self.chain.0).u64(self.now).u64(self.operator_nonce);
        for total in self.totals.0 {
            w.u64(total);
        }
        list(&mut w, &self.system, AccountImage::write);
        list(&mut w, &self.accounts, AccountImage::write);
        list(&mut w, &self.meters, MeterImage::write);
        list(&mut w, &self.periods, PeriodImage::write);
        write_engine(&mut w, &self.engine);
        Hash::of("gridbook/snapshot/1", w.as_slice())
    }
}

fn list<T>(w: &mut Writer, items: &[T], write: impl Fn(&T, &mut Writer)) {
    w.u64(items.len() as u64);
    for item in items {
        write(item, w);
    }
}

impl AccountImage {
    fn write(&self, w: &mut Writer) {
        w.i128(self.balance).i128(self.reserved).bytes(&self.history.0);
    }
}

impl MeterImage {
    fn write(&self, w: &mut Writer) {
        w.u32(self.account).bytes(&self.key.0).u16(self.area).u64(self.import_max).u64(self.export_max);
        w.u8(u8::from(self.suspended)).u64(self.nonce).bytes(&self.history.0);
    }
}

impl PeriodImage {
    fn write(&self, w: &mut Writer) {
        w.u32(self.period).i128(self.cleared);
        list(w, &self.positions, |position, w| {
            w.u32(position.meter).u64(position.resting_buys).u64(position.resting_sells);
            w.u64(position.bought).u64(position.sold);
        });
        list(w, &self.payables, |payable, w| {
            w.u16(payable.area).u32(payable.account).i128(payable.owed).i128(payable.held);
        });
        list(w, &self.names, |name, w| {
            w.u32(name.meter).u64(name.client_id);
        });
    }
}

// Taken apart whole, so that nothing the engine adds can be left out of the root.

fn write_engine(w: &mut Writer, EngineImage { now, periods, blocks }: &EngineImage) {
    w.u64(*now);
    list(w, periods, |image::PeriodImage { period, priorities, auctioned, edges, books }, w| {
        w.u32(*period).u32(*priorities).u8(u8::from(*auctioned));
        list(w, edges, |&image::EdgeImage { child, up, down, flow }, w| {
            w.u16(child).u64(up).u64(down).u64(flow.cast_unsigned());
        });
        list(w, books, write_book);
    });
    list(w, blocks, |image::BlockImage { tag, account, meter, area, sells, price, energies }, w| {
        w.u64(*tag).u32(*account).u32(*meter).u16(*area).u8(u8::from(*sells)).i32(*price);
        list(w, energies, |&(period, energy), w| {
            w.u32(period).u64(energy);
        });
    });
}

fn write_book(BookImage { area, flags, bids, asks }: &BookImage, w: &mut Writer) {
    w.u16(*area).u8(*flags);
    list(w, bids, write_order);
    list(w, asks, write_order);
}

fn write_order(order: &OrderImage, w: &mut Writer) {
    let OrderImage { tag, priority, energy, shown, display, until, account, meter, price, post_only, .. } = *order;
    let OrderImage { sources, max_edges, partner, .. } = *order;
    w.u64(tag).u32(priority).u64(energy).u64(shown).u64(display).u64(until).u32(account).u32(meter).i32(price);
    w.u8(u8::from(post_only)).u8(sources).u16(max_edges).u8(u8::from(partner.is_some())).u32(partner.unwrap_or(0));
}
