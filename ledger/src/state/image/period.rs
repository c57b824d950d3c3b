//! A period and what settlement keeps of it, as canonical bytes.

use gridbook_engine::{AccountId, Energy, EnergySources, MeterId, Money, Price};

use super::read::{Read, list as read_list, read_bool};
use super::write::list;
use super::{AreaIncomeImage, NameImage, PeriodImage, PositionImage};
use crate::bytes::{BytesError, Reader, Writer};
use crate::record::{read_fault, write_fault};
use crate::settlement::{AreaSums, Delivery, Quality, Registers, Residual};
use crate::state::tables::{AreaIncome, AreaStage, Borne, ContractRow, DeliveryRow, ReadingRow, Stage, TradeRow};

impl PeriodImage {
    pub(super) fn write(&self, w: &mut Writer) {
        let Self { period, stage, cleared, positions, trades, names, contracts, .. } = self;
        let Self { deliveries, borne, held_back, failed, .. } = self;
        write_stage(w.u32(*period), *stage);
        w.i128(*cleared);
        list(w, positions, |position, w| {
            let PositionImage { meter, resting_buys, resting_sells, bought, sold, owed, held } = *position;
            w.u32(meter).u64(resting_buys).u64(resting_sells).u64(bought).u64(sold).i128(owed).i128(held);
        });
        list(w, trades, write_trade);
        list(w, names, |name, w| {
            w.u32(name.meter).u64(name.client_id);
        });
        list(w, contracts, |(area, row), w| write_contract(w.u16(*area), row));
        list(w, deliveries, |(meter, row), w| {
            let DeliveryRow { account, delivery: Delivery { import, export }, quality } = *row;
            w.u32(*meter).u32(account.0).u64(import.0).u64(export.0).u8(quality.number());
        });
        list(w, borne, |(meter, Borne { billed, defaulted }), w| {
            w.u32(*meter).i128(billed.0).i128(defaulted.0);
        });
        for meters in [held_back, failed] {
            list(w, meters, |meter, w| {
                w.u32(*meter);
            });
        }
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Read<Self> {
        Ok(Self {
            period: r.u32()?,
            stage: read_stage(r)?,
            cleared: r.i128()?,
            positions: read_list(r, 68, |r| {
                let (meter, resting_buys, resting_sells, bought, sold) =
                    (r.u32()?, r.u64()?, r.u64()?, r.u64()?, r.u64()?);
                Ok(PositionImage { meter, resting_buys, resting_sells, bought, sold, owed: r.i128()?, held: r.i128()? })
            })?,
            trades: read_list(r, 33, read_trade)?,
            names: read_list(r, 12, |r| Ok(NameImage { meter: r.u32()?, client_id: r.u64()? }))?,
            contracts: read_list(r, 197, |r| Ok((r.u16()?, read_contract(r)?)))?,
            deliveries: read_list(r, 25, |r| Ok((r.u32()?, read_delivery(r)?)))?,
            borne: read_list(r, 36, |r| {
                Ok((r.u32()?, Borne { billed: Money(r.i128()?), defaulted: Money(r.i128()?) }))
            })?,
            held_back: read_list(r, 4, |r| r.u32())?,
            failed: read_list(r, 4, |r| r.u32())?,
        })
    }
}

impl AreaIncomeImage {
    pub(super) fn write(&self, w: &mut Writer) {
        let AreaIncome { fees, rent, surplus, losses, billed } = self.income;
        w.u16(self.area).i128(fees.0).i128(rent.0).i128(surplus.0).i128(losses.0).i128(billed.0);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Read<Self> {
        let area = r.u16()?;
        let mut money = || r.i128().map(Money);
        let (fees, rent, surplus, losses, billed) = (money()?, money()?, money()?, money()?, money()?);
        Ok(Self { area, income: AreaIncome { fees, rent, surplus, losses, billed } })
    }
}

pub(super) fn write_reading(w: &mut Writer, row: &ReadingRow) {
    let ReadingRow { registers, record } = row;
    w.u64(registers.import).u64(registers.export).u64(registers.counter).u64(*record);
}

pub(super) fn read_reading(r: &mut Reader<'_>) -> Read<ReadingRow> {
    let registers = Registers { import: r.u64()?, export: r.u64()?, counter: r.u64()? };
    Ok(ReadingRow { registers, record: r.u64()? })
}

/// A tag, then which meter or area is next.
fn write_stage(w: &mut Writer, stage: Stage) {
    let (tag, next) = match stage {
        Stage::Open => (0, 0),
        Stage::Adding(next) => (1, next),
        Stage::Checking(next) => (2, next),
        Stage::Paying(next) => (3, next),
        Stage::Closing(next) => (4, next),
        Stage::Settled => (5, 0),
    };
    w.u8(tag).u32(next);
}

fn read_stage(r: &mut Reader<'_>) -> Read<Stage> {
    Ok(match (r.u8()?, r.u32()?) {
        (0, 0) => Stage::Open,
        (1, next) => Stage::Adding(next),
        (2, next) => Stage::Checking(next),
        (3, next) => Stage::Paying(next),
        (4, next) => Stage::Closing(next),
        (5, 0) => Stage::Settled,
        (0 | 5, _) => return Err(BytesError::Padding),
        _ => return Err(BytesError::Unknown),
    })
}

fn write_trade(trade: &TradeRow, w: &mut Writer) {
    let TradeRow { seq, energy, buyer, seller, buyer_pays, seller_gets, sources, .. } = *trade;
    w.u64(seq).u64(energy.0).u32(buyer.0).u32(seller.0).i32(buyer_pays.0).i32(seller_gets.0).u8(sources.bits());
}

fn read_trade(r: &mut Reader<'_>) -> Read<TradeRow> {
    let (seq, energy, buyer, seller) = (r.u64()?, Energy(r.u64()?), MeterId(r.u32()?), MeterId(r.u32()?));
    let (buyer_pays, seller_gets) = (Price(r.i32()?), Price(r.i32()?));
    let sources = EnergySources::from_bits(r.u8()?).ok_or(BytesError::Unknown)?;
    Ok(TradeRow { seq, energy, buyer, seller, buyer_pays, seller_gets, sources, buyer_before: 0, seller_before: 0 })
}

fn write_contract(w: &mut Writer, row: &ContractRow) {
    let ContractRow { prices, auction, traded, traded_wh, sent_up_wh, accepted_wh, exchange_wh, .. } = *row;
    let ContractRow { stage, sums, exported_wh, imported_wh, imbalance, .. } = *row;
    let (short_price, long_price) = prices.unwrap_or_default();
    w.u8(u8::from(prices.is_some())).i32(short_price.0).i32(long_price.0);
    w.u8(u8::from(auction.is_some())).i32(auction.unwrap_or_default().0);
    w.u8(u8::from(sent_up_wh.is_some())).u64(sent_up_wh.unwrap_or_default().cast_unsigned());
    w.u8(u8::from(accepted_wh.is_some())).u64(accepted_wh.unwrap_or_default().cast_unsigned());
    w.i128(traded.0).u64(traded_wh).i128(exchange_wh);
    match stage {
        AreaStage::Open => w.u8(0),
        AreaStage::Good => w.u8(1),
        AreaStage::Settled { residual } => residual.write(w.u8(2)),
        AreaStage::Frozen(_) => w.u8(3),
    };
    if let AreaStage::Frozen(fault) = stage {
        write_fault(w, fault);
    }
    let AreaSums { exchange_wh, net_wh, contracted_wh, imbalance_wh, charges, is_sound } = sums;
    for sum in [exchange_wh, net_wh, contracted_wh, imbalance_wh, charges.0] {
        w.i128(sum);
    }
    w.u8(u8::from(is_sound)).i128(exported_wh.cast_signed()).i128(imported_wh.cast_signed()).i128(imbalance.0);
}

fn read_contract(r: &mut Reader<'_>) -> Read<ContractRow> {
    let (has_prices, short_price, long_price) = (read_bool(r)?, Price(r.i32()?), Price(r.i32()?));
    let (has_auction, auction) = (read_bool(r)?, Price(r.i32()?));
    let (has_sent, sent_up_wh) = (read_bool(r)?, r.u64()?.cast_signed());
    let (has_accepted, accepted_wh) = (read_bool(r)?, r.u64()?.cast_signed());
    let (traded, traded_wh, exchange_wh) = (Money(r.i128()?), r.u64()?, r.i128()?);
    let stage = match r.u8()? {
        0 => AreaStage::Open,
        1 => AreaStage::Good,
        2 => AreaStage::Settled { residual: Residual::read(r)? },
        3 => AreaStage::Frozen(read_fault(r)?),
        _ => return Err(BytesError::Unknown),
    };
    let mut sum = || r.i128();
    let sums = AreaSums {
        exchange_wh: sum()?,
        net_wh: sum()?,
        contracted_wh: sum()?,
        imbalance_wh: sum()?,
        charges: Money(sum()?),
        is_sound: read_bool(r)?,
    };
    Ok(ContractRow {
        prices: has_prices.then_some((short_price, long_price)),
        auction: has_auction.then_some(auction),
        traded,
        traded_wh,
        sent_up_wh: has_sent.then_some(sent_up_wh),
        accepted_wh: has_accepted.then_some(accepted_wh),
        exchange_wh,
        stage,
        sums,
        exported_wh: r.i128()?.cast_unsigned(),
        imported_wh: r.i128()?.cast_unsigned(),
        imbalance: Money(r.i128()?),
    })
}

fn read_delivery(r: &mut Reader<'_>) -> Read<DeliveryRow> {
    let (account, import, export) = (AccountId(r.u32()?), Energy(r.u64()?), Energy(r.u64()?));
    let quality = Quality::from_number(r.u8()?).ok_or(BytesError::Unknown)?;
    Ok(DeliveryRow { account, delivery: Delivery { import, export }, quality })
}
