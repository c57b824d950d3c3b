//! Records, and what is chained of them for each party.

use gridbook_engine::{
    AccountId, AreaId, BlockState, ClearingCase, Contract, DeliveryPeriod, Direction, Energy, Expiry, MeterId, Money,
    Price, Side, TradeKind,
};
use gridbook_ledger::crypto::{Hash, Hasher};
use gridbook_ledger::record::{
    AreaSettled, MeterSettled, Outcome, Party, PartyRef, Purse, Record, RecordEvent, RegistersRead, Trade, history_head,
};
use gridbook_ledger::registry::{DeviceStanding, OrganisationId, Reason, Subject};
use gridbook_ledger::reject::Code;
use gridbook_ledger::settlement::{AreaFault, Delivery, Quality, Registers};

use crate::{KEY, assert_golden, key};

#[test]
fn record_bytes() {
    let order = PartyRef { account: AccountId(1), meter: MeterId(2), client_id: 3 };
    let taker = PartyRef { account: AccountId(4), meter: MeterId(5), client_id: 6 };
    let contract = Contract { area: AreaId(7), period: DeliveryPeriod(8) };
    let (remaining, subject) = (Energy(11), Subject::Organisation(OrganisationId(4)));
    let (area, period) = (contract.area, contract.period);
    let (to_account, to, price, energy) = (AccountId(4), MeterId(5), Price(9), Energy(10));
    let offered = RecordEvent::Offered { offer: order, to_account, to, period, side: Side::Sell, price, energy };
    let posted = RecordEvent::Posted { from: Purse::Account(AccountId(1)), to: Purse::Imbalance, amount: Money(-1) };
    let settled = MeterSettled {
        meter: MeterId(2),
        account: AccountId(1),
        contract,
        delivery: Delivery { import: Energy(17), export: Energy(18) },
        quality: Quality::Corrected,
        contracted_wh: -19,
        trades: Money(20),
        own_trades: Money(-21),
        rest: Money(22),
        billed: Money(23),
        defaulted: Money(-24),
    };
    let area_settled = AreaSettled {
        contract,
        short_price: Price(25),
        long_price: Price(-26),
        short_rest: Price(27),
        long_rest: Price(-28),
        net_wh: 29,
        contracted_wh: -30,
        losses_wh: 31,
        upstream: Money(-32),
        losses: Money(33),
        surplus: Money(34),
    };
    let record = Record {
        seq: 1,
        entry: Hash([2; 32]),
        index: 3,
        meter: Some(MeterId(4)),
        client_id: 5,
        outcome: Outcome::Done,
        events: vec![
            RecordEvent::Trade(Trade {
                maker: order,
                taker,
                period,
                maker_area: area,
                taker_area: AreaId(6),
                taker_side: Side::Sell,
                kind: TradeKind::PayAsBid,
                price: Price(9),
                fee: Price(13),
                energy: Energy(10),
            }),
            RecordEvent::Rested { order, remaining },
            RecordEvent::Dropped { order, remaining },
            RecordEvent::Cancelled { order, remaining },
            RecordEvent::Reduced { order, remaining },
            RecordEvent::Expired { order, remaining, cause: Expiry::Gate },
            posted,
            RecordEvent::AccountRegistered { account: AccountId(1) },
            RecordEvent::MeterRegistered { meter: MeterId(2), account: AccountId(1) },
            RecordEvent::Filled { order, side: Side::Sell, contract, energy: Energy(10), price: Price(9), remaining },
            RecordEvent::Cleared { contract, price: Some(Price(9)), case: ClearingCase::Border },
            RecordEvent::Flow { area, period, up: -2, fee: Money(12), rent: Money(12) },
            RecordEvent::Block { order, state: BlockState::ParadoxicallyRejected },
            RecordEvent::CapacitySet { area, period, up: Energy(10), down: remaining },
            RecordEvent::Overload { area, period, direction: Direction::Down, by: Energy(10) },
            offered,
            RecordEvent::Read(RegistersRead {
                meter: MeterId(2),
                account: AccountId(1),
                period: DeliveryPeriod(8),
                registers: Registers { import: 14, export: 15, counter: 16 },
                is_correction: true,
            }),
            RecordEvent::AreaRead { contract, sent_up_wh: -2 },
            RecordEvent::ImbalancePricesSet { contract, short_price: Price(13), long_price: Price(9) },
            RecordEvent::MeterSettled(settled),
            RecordEvent::AreaSettled(area_settled),
            RecordEvent::AreaFrozen { contract, why: AreaFault::Losses { losses_wh: 12, throughput_wh: 12 } },
            RecordEvent::PeriodFinal { period: DeliveryPeriod(8) },
            RecordEvent::Ordered { by: OrganisationId(3) },
            RecordEvent::OrganisationRegistered { organisation: OrganisationId(4) },
            RecordEvent::StandingChanged { subject, standing: DeviceStanding::Revoked, reason: Reason::Tampering },
            RecordEvent::KeyChanged { subject: Subject::Meter(MeterId(2)), key: key().public() },
            RecordEvent::MeterTransferred {
                meter: MeterId(2),
                from: AccountId(1),
                to: to_account,
                reason: Reason::MovedOut,
            },
            RecordEvent::InstallationSet { meter: MeterId(2), certificate: Hash([9; 32]) },
        ],
    };
    let certificate = "09".repeat(32);
    let (entry, one) = ("02".repeat(32), "01000000 02000000 0300000000000000");
    let open = format!("{one} 0b00000000000000");
    let wide = |number: i128| number.to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (twelve, minus_one) = (format!("0c{}", "00".repeat(15)), "ff".repeat(16));
    assert_golden(
        &record.encode(),
        &[
            ("number", "0100000000000000"),
            ("entry", &entry),
            ("place in the bundle", "0300"),
            ("meter", "04000000"),
            ("client id", "0500000000000000"),
            ("outcome: done", "0000"),
            ("events", "1d000000"),
            ("trade", "01"),
            ("maker", one),
            ("taker", "04000000 05000000 0600000000000000"),
            ("period and areas", "08000000 0700 0600"),
            ("taker sells, pay-as-bid", "01 01"),
            ("price, fee, energy", "09000000 0d000000 0a00000000000000"),
            ("rested", "02"),
            ("order and energy", &open),
            ("dropped", "03"),
            ("order and energy", &open),
            ("cancelled", "04"),
            ("order and energy", &open),
            ("reduced", "05"),
            ("order and energy", &open),
            ("expired", "06"),
            ("order and energy", &open),
            ("by the gate", "01"),
            ("posted", "08"),
            ("from account 1 to imbalance", "00 01000000 03 00000000"),
            ("amount", &minus_one),
            ("account registered", "09 01000000"),
            ("meter registered", "0a 02000000 01000000"),
            ("filled", "0d"),
            ("order and what is left", &open),
            ("contract", "0700 08000000"),
            ("energy and price", "0a00000000000000 09000000"),
            ("its side, a sale", "01"),
            ("cleared", "0e"),
            ("contract", "0700 08000000"),
            ("border, a price, 9", "02 01 09000000"),
            ("flow", "0f"),
            ("edge and period", "0700 08000000"),
            ("down", "feffffffffffffff"),
            ("fee", &twelve),
            ("rent", &twelve),
            ("block", "10"),
            ("order", one),
            ("paradoxically rejected", "02"),
            ("capacity set", "11"),
            ("edge and period", "0700 08000000"),
            ("up and down", "0a00000000000000 0b00000000000000"),
            ("overload", "12"),
            ("edge and period", "0700 08000000"),
            ("down, by", "01 0a00000000000000"),
            ("offered", "13"),
            ("offer", one),
            ("to", "04000000 05000000"),
            ("period, sells", "08000000 01"),
            ("price and energy", "09000000 0a00000000000000"),
            ("read: meter, account, period", "1a 02000000 01000000 08000000"),
            ("import, export, counter", "0e00000000000000 0f00000000000000 1000000000000000"),
            ("a correction", "01"),
            ("area read", "1b 0700 08000000 feffffffffffffff"),
            ("imbalance prices", "19 0700 08000000 0d000000 09000000"),
            ("meter settled: meter, account", "1c 02000000 01000000"),
            ("contract", "0700 08000000"),
            ("import and export, corrected", "1100000000000000 1200000000000000 02"),
            ("contracted", &wide(-19)),
            ("trades", &wide(20)),
            ("own trades", &wide(-21)),
            ("rest", &wide(22)),
            ("billed", &wide(23)),
            ("defaulted", &wide(-24)),
            ("area settled", "1d 0700 08000000"),
            ("short and long price", "19000000 e6ffffff"),
            ("short and long rest", "1b000000 e4ffffff"),
            ("net", &wide(29)),
            ("contracted", &wide(-30)),
            ("losses", &wide(31)),
            ("upstream", &wide(-32)),
            ("money for losses", &wide(33)),
            ("surplus", &wide(34)),
            ("area frozen", "1e 0700 08000000"),
            ("losses of 12 in 12", "02"),
            ("lost", &twelve),
            ("flowed", &twelve),
            ("period final", "1f 08000000"),
            ("ordered by", "14 0300"),
            ("organisation registered", "15 0400"),
            ("standing changed", "16"),
            ("organisation 4 revoked for tampering", "01 04000000 02 04"),
            ("key changed", "17"),
            ("meter 2", "00 02000000"),
            ("key", KEY),
            ("meter transferred", "18"),
            ("meter, from, to, moved out", "02000000 01000000 04000000 03"),
            ("installation set", "2b"),
            ("meter", "02000000"),
            ("certificate", &certificate),
        ],
    );
    assert_eq!(record.leaf_hash().to_hex(), RECORD_LEAF);
    let refused = Record { meter: None, outcome: Outcome::Rejected(Code::GateClosed), events: vec![], ..record };
    assert_golden(
        &refused.encode()[42..],
        &[("no meter", "ffffffff"), ("client id", "0500000000000000"), ("402", "9201"), ("events", "00000000")],
    );
}

const RECORD_LEAF: &str = "045075600452fafc0c2aace16e5c9ea82c398c1a6f49326113697bb23d81f197";

/// What is chained for a meter: the record's bytes with only its own events, hashed under a key of the domain.
#[test]
fn extract_bytes_and_history() {
    let order = PartyRef { account: AccountId(1), meter: MeterId(2), client_id: 3 };
    let other = PartyRef { account: AccountId(4), meter: MeterId(5), client_id: 6 };
    let expired = |order| RecordEvent::Expired { order, remaining: Energy(11), cause: Expiry::Gate };
    let events = vec![expired(other), expired(order)];
    let (seq, entry, index, client_id, outcome) = (1, Hash([2; 32]), 3, 0, Outcome::Done);
    let record = Record { seq, entry, index, meter: None, client_id, outcome, events };
    let extract = record.extract_for(Party::Meter(MeterId(2))).unwrap();
    assert_golden(
        &extract.encode(),
        &[
            ("sequence number", "0100000000000000"),
            ("entry", &"02".repeat(32)),
            ("index", "0300"),
            ("no meter", "ffffffff"),
            ("client id", "0000000000000000"),
            ("done", "0000"),
            ("events", "01000000"),
            ("expired", "06"),
            ("account", "01000000"),
            ("meter", "02000000"),
            ("client id", "0300000000000000"),
            ("remaining", "0b00000000000000"),
            ("at the gate", EXPIRED_AT_GATE),
        ],
    );
    let key = Hasher::new("gridbook/extract/1").finish();
    assert_eq!(extract.leaf_hash().to_hex(), blake3::keyed_hash(&key.0, &extract.encode()).to_hex().as_str());
    assert_eq!(extract.leaf_hash().to_hex(), EXTRACT_LEAF);
    assert_eq!(history_head(&Hash::ZERO, &extract.leaf_hash()).to_hex(), HISTORY_HEAD);
}

const EXPIRED_AT_GATE: &str = "01";

const EXTRACT_LEAF: &str = "edbceb06670174c107bf0c2f68b62efaa47ff5218191bc01915dc65cd5adb927";

const HISTORY_HEAD: &str = "48c6ad74422b65f351c4b88e1729c30820e650b56de059e468aef3a3ace8b216";
