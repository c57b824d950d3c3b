//! The shapes of a snapshot: plain data for archives, and their canonical bytes for the root.

use gridbook_engine::image::{self, BlockImage, BookImage, EdgeImage, EngineImage, OrderImage};
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
    pub(super) blocks: Vec<BlockNameImage>,
    pub(super) offers: Vec<OfferImage>,
    pub(super) edges: Vec<EdgeIncomeImage>,
    pub(super) engine: EngineImage,
}

#[derive(Clone, Copy, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub(super) struct TotalsImage([u64; 8]);

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

/// The name of a block that waits in the engine.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub(super) struct BlockNameImage {
    pub(super) tag: u64,
    pub(super) meter: u32,
    pub(super) client_id: u64,
}

/// An offer that waits for its answer.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub(super) struct OfferImage {
    pub(super) meter: u32,
    pub(super) client_id: u64,
    pub(super) partner: u32,
    pub(super) period: u32,
    pub(super) sells: bool,
    pub(super) price: i32,
    pub(super) energy: u64,
}

/// What an edge has brought its operator.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub(super) struct EdgeIncomeImage {
    pub(super) area: u16,
    pub(super) fees: i128,
    pub(super) rent: i128,
}

impl From<Totals> for TotalsImage {
    fn from(totals: Totals) -> Self {
        let Totals { commands, rejected, orders, trades, energy_wh, settlements, expired, fills } = totals;
        Self([commands, rejected, orders, trades, energy_wh, settlements, expired, fills])
    }
}

impl From<TotalsImage> for Totals {
    fn from(TotalsImage(totals): TotalsImage) -> Self {
        let [commands, rejected, orders, trades, energy_wh, settlements, expired, fills] = totals;
        Self { commands, rejected, orders, trades, energy_wh, settlements, expired, fills }
    }
}

impl StateImage {
    /// Every amount of money in it.
    pub(super) fn money(&self) -> impl Iterator<Item = i128> + '_ {
        let accounts = self.system.iter().chain(&self.accounts).flat_map(|row| [row.balance, row.reserved]);
        let payables = self.periods.iter().flat_map(|period| &period.payables).flat_map(|row| [row.owed, row.held]);
        let edges = self.edges.iter().flat_map(|edge| [edge.fees, edge.rent]);
        accounts.chain(payables).chain(edges).chain(self.periods.iter().map(|period| period.cleared))
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
        list(&mut w, &self.blocks, |BlockNameImage { tag, meter, client_id }, w| {
            w.u64(*tag).u32(*meter).u64(*client_id);
        });
        list(&mut w, &self.offers, OfferImage::write);
        list(&mut w, &self.edges, |EdgeIncomeImage { area, fees, rent }, w| {
            w.u16(*area).i128(*fees).i128(*rent);
        });
        write_engine(&mut w, &self.engine);
        Hash::of("gridbook/snapshot/2", w.as_slice())
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

impl OfferImage {
    fn write(&self, w: &mut Writer) {
        let Self { meter, client_id, partner, period, sells, price, energy } = *self;
        w.u32(meter).u64(client_id).u32(partner).u32(period).u8(u8::from(sells)).i32(price).u64(energy);
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
