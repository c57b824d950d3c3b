//! Records are read years later, by programs that trust nobody.

use std::collections::BTreeSet;

use gridbook_engine::{
    AccountId, AreaId, BlockState, ClearingCase, Contract, DeliveryPeriod, Direction, Energy, EnergySources, Expiry,
    LedgerTime, MeterId,
};
use gridbook_engine::{Money, Price, Side, TradeKind};

use super::*;
use crate::bytes::{AMOUNT_MAX, BytesError};
use crate::conduct::{DeviceFault, EntryState, Proof};
use crate::consent::{EndCause, Grant, GrantReader, Scope};
use crate::crypto::PublicKey;
use crate::evidence::EvidenceKind;
use crate::origin::CertificateRange;
use crate::registry::{DeviceStanding, OrganisationId, Reason, Subject};
use crate::settlement::{AreaFault, Delivery, Quality, Registers, Residual, Rule};

fn consent(reader: GrantReader, change: ConsentChange) -> RecordEvent {
    RecordEvent::Consent(Consent { meter: MeterId(2), account: AccountId(1), reader, change })
}

fn events() -> Vec<RecordEvent> {
    let order = PartyRef { account: AccountId(1), meter: MeterId(2), client_id: 3 };
    let taker = PartyRef { account: AccountId(4), meter: MeterId(5), client_id: 6 };
    let contract = Contract { area: AreaId(7), period: DeliveryPeriod(8) };
    let (price, energy, remaining, amount) = (Price(-9), Energy(10), Energy(11), Money(-12));
    let (area, period, fee) = (AreaId(7), DeliveryPeriod(8), Price(13));
    let (maker_area, taker_area, kind) = (area, AreaId(9), TradeKind::Continuous);
    let trade =
        Trade { maker: order, taker, period, maker_area, taker_area, taker_side: Side::Sell, kind, price, fee, energy };
    let flow = RecordEvent::Flow { area, period, up: 5, fee: Money(6), rent: Money(7) };
    let (to_account, to) = (AccountId(4), MeterId(5));
    let registers = Registers { import: 14, export: 15, counter: 16 };
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
    let mut events = vec![
        RecordEvent::Trade(trade),
        RecordEvent::Trade(Trade { maker: taker, taker: order, taker_side: Side::Buy, ..trade }),
        RecordEvent::Trade(Trade { kind: TradeKind::PayAsBid, ..trade }),
        RecordEvent::Trade(Trade { kind: TradeKind::Prearranged, ..trade }),
        RecordEvent::Trade(Trade { maker_area: taker_area, taker_area: maker_area, ..trade }),
        RecordEvent::Trade(Trade { fee: Price(0), ..trade }),
        RecordEvent::Filled { order, side: Side::Sell, contract, energy, price, remaining },
        flow,
        RecordEvent::Flow { area, period, up: -5, fee: Money(6), rent: Money(7) },
        RecordEvent::Flow { area, period, up: i64::MIN, fee: Money(0), rent: Money(0) },
        RecordEvent::CapacitySet { area, period, up: energy, down: remaining },
        RecordEvent::Overload { area, period, direction: Direction::Up, by: energy },
        RecordEvent::Overload { area, period, direction: Direction::Down, by: energy },
        RecordEvent::Offered { offer: order, to_account, to, period, side: Side::Sell, price, energy },
        RecordEvent::Offered { offer: order, to_account, to, period, side: Side::Buy, price, energy },
        RecordEvent::Rested { order, remaining },
        RecordEvent::Dropped { order, remaining },
        RecordEvent::Cancelled { order, remaining },
        RecordEvent::Reduced { order, remaining },
        RecordEvent::Expired { order, remaining, cause: Expiry::Until },
        RecordEvent::Expired { order, remaining, cause: Expiry::Gate },
        RecordEvent::Read(RegistersRead {
            meter: MeterId(2),
            account: AccountId(1),
            period,
            registers,
            is_correction: true,
        }),
        RecordEvent::AreaRead { contract, sent_up_wh: -3 },
        RecordEvent::LossesAccepted { contract, losses_wh: -3 },
        RecordEvent::ImbalancePricesSet { contract, short_price: Price(13), long_price: Price(-9) },
        RecordEvent::MeterSettled(settled),
        RecordEvent::MeterSettled(MeterSettled { quality: Quality::Estimated(Rule::NoStart), ..settled }),
        RecordEvent::AreaSettled(area_settled),
        RecordEvent::AreaResidual(AreaResidual { contract, residual: Residual::as_traded(-AMOUNT_MAX, 0) }),
        RecordEvent::AreaResidual(AreaResidual { contract, residual: Residual::new(35, -36, false, Some(37)) }),
        RecordEvent::AreaFrozen { contract, why: AreaFault::Unsound },
        RecordEvent::AreaFrozen { contract, why: AreaFault::Contracted { contracted_wh: -1, exchange_wh: 2 } },
        RecordEvent::AreaFrozen { contract, why: AreaFault::Losses { losses_wh: -1, throughput_wh: 2 } },
        RecordEvent::AreaFrozen { contract, why: AreaFault::Deficit(Money(-1)) },
        RecordEvent::AreaUnfit { contract, why: AreaFault::Losses { losses_wh: -1, throughput_wh: 2 } },
        RecordEvent::PeriodFinal { period },
        RecordEvent::CorrectionHeld { meter: MeterId(2), contract, why: AreaFault::Unsound },
        RecordEvent::AccountRegistered { account: AccountId(1) },
        RecordEvent::MeterRegistered { meter: MeterId(2), account: AccountId(1) },
        RecordEvent::Ordered { by: OrganisationId(3) },
        RecordEvent::OrganisationRegistered { organisation: OrganisationId(3) },
        RecordEvent::MeterTransferred {
            meter: MeterId(2),
            from: AccountId(1),
            to: to_account,
            reason: Reason::MovedOut,
        },
        RecordEvent::InstallationSet { meter: MeterId(2), certificate: Hash([9; 32]) },
        consent(GrantReader::Organisation(OrganisationId(3)), ConsentChange::Ended(EndCause::Transferred)),
        RecordEvent::ConductExpired { entry: 3, account: Some(AccountId(0)) },
        RecordEvent::ConductExpired { entry: 3, account: None },
        RecordEvent::ScoreChanged { account: AccountId(1), score: 980, share_ppm: 1_020_000 },
    ];
    for subject in [Subject::Meter(MeterId(2)), Subject::Organisation(OrganisationId(2))] {
        events.push(RecordEvent::KeyChanged { subject, key: PublicKey([8; 32]) });
        let standings = [DeviceStanding::Active, DeviceStanding::Suspended, DeviceStanding::Revoked];
        let reason = Reason::Tampering;
        events.extend(standings.map(|standing| RecordEvent::StandingChanged { subject, standing, reason }));
    }
    let (account, meter, fingerprint) = (AccountId(1), MeterId(2), Hash([9; 32]));
    for (kind, records) in DeviceFault::ALL.into_iter().zip([&[5][..], &[5, 5], &[5, 6, 7], &[5, 6, 7, 8]]) {
        let (period, proof) = (Some(period).filter(|_| records.len() > 1), Proof::of(records).unwrap());
        events.push(RecordEvent::Misconduct { entry: 3, account, meter, kind, period, proof });
    }
    let states = EntryState::ALL.map(|state| RecordEvent::ConductRevised { entry: 3, account, state, fingerprint });
    events.extend(states);
    let (validator, evidence) = (PublicKey([7; 32]), fingerprint);
    let kinds = EvidenceKind::ALL.map(|kind| RecordEvent::ValidatorMisconduct { entry: 4, validator, kind, evidence });
    events.extend(kinds);
    let grant = Grant { scope: Scope::STATEMENT | Scope::CONDUCT, until: LedgerTime(1 << 40) };
    events.push(consent(GrantReader::Key(PublicKey([6; 32])), ConsentChange::Granted(grant)));
    let causes = EndCause::ALL.map(|cause| consent(GrantReader::Key(PublicKey([6; 32])), ConsentChange::Ended(cause)));
    events.extend(causes);
    let states = [BlockState::Accepted, BlockState::Rejected, BlockState::ParadoxicallyRejected];
    events.extend(states.map(|state| RecordEvent::Block { order, state }));
    let cases = [
        ClearingCase::MarginalSeller,
        ClearingCase::MarginalBuyer,
        ClearingCase::Border,
        ClearingCase::Exact,
        ClearingCase::Empty,
        ClearingCase::Failed,
    ];
    events.extend(cases.map(|case| RecordEvent::Cleared { contract, price: Some(price), case }));
    events.extend([None, Some(Price(0))].map(|price| RecordEvent::Cleared { contract, price, case: cases[4] }));
    let purses = [
        Purse::Account(AccountId(0)),
        Purse::Account(AccountId(1)),
        Purse::Outside,
        Purse::Operator,
        Purse::Imbalance,
        Purse::Upstream,
        Purse::Losses,
        Purse::Rounding,
    ];
    events.extend(purses.map(|to| RecordEvent::Posted { from: Purse::Outside, to, amount }));
    events.extend(certificate_events());
    events
}

fn certificate_events() -> [RecordEvent; 9] {
    let range = CertificateRange::new(AreaId(7), 1_001, Energy(500)).unwrap();
    let (period, holder, account) = (DeliveryPeriod(8), MeterId(2), AccountId(1));
    let by = MeterId(3);
    [
        CertificateChange::Issued { source: EnergySources::SOLAR },
        CertificateChange::Issued { source: EnergySources::STORAGE },
        CertificateChange::Moved { from: MeterId(5), from_account: AccountId(4), trade: 99 },
        CertificateChange::Claimed { by },
        CertificateChange::Unclaimed { by },
        CertificateChange::Revoked { was_claimed: false },
        CertificateChange::Revoked { was_claimed: true },
        CertificateChange::Closed { was_claimed: false },
        CertificateChange::Closed { was_claimed: true },
    ]
    .map(|change| RecordEvent::Certificates(Certificates { range, period, holder, account, change }))
}

/// Tag, issuer, first, count, period, holder, account stand alike in all of them.
#[test]
fn certificates_without_a_number_or_meaning_are_refused() {
    let bytes = |event| Record { events: vec![event], ..record() }.encode();
    let decode = |event, behind_tag: usize, value: &[u8]| {
        let mut bytes = bytes(event);
        let at = bytes.len() - certificate_bytes(&event) + behind_tag;
        bytes[at..at + value.len()].copy_from_slice(value);
        Record::decode(&bytes)
    };
    let [issued, _, _, _, unclaimed, revoked, _, closed, _] = certificate_events();
    for (event, at, value) in [
        (issued, 3, &[0; 8][..]),
        (issued, 11, &[0; 8]),
        (issued, 3, &[255; 8]),
        (issued, 31, &[0]),
        (issued, 31, &[64]),
        (closed, 31, &[2]),
        (unclaimed, 31, &[3]),
    ] {
        assert_eq!(decode(event, at, value), Err(BytesError::Unknown), "{event:?} {at}");
    }
    assert_eq!(decode(revoked, 32, &[1]), Err(BytesError::Padding));
    assert!(decode(issued, 31, &[2]).is_ok(), "wind");
}

fn certificate_bytes(event: &RecordEvent) -> usize {
    let with = |events| Record { events, ..record() }.encode().len();
    with(vec![*event]) - with(Vec::new())
}

fn record() -> Record {
    Record {
        seq: 1,
        entry: Hash([2; 32]),
        index: 3,
        meter: Some(MeterId(4)),
        client_id: 5,
        outcome: Outcome::Rejected(Code::GateClosed),
        events: events(),
    }
}

/// What was written comes back, for every event and outcome.
#[test]
fn a_record_reads_back() {
    let records = [record(), Record { meter: None, outcome: Outcome::Done, events: vec![], ..record() }];
    for record in records {
        assert_eq!(Record::decode(&record.encode()), Ok(record));
    }
    for code in Code::ALL {
        let record = Record { outcome: Outcome::Rejected(*code), ..record() };
        assert_eq!(Record::decode(&record.encode()), Ok(record));
    }
}

/// A record cut at any byte is refused, and so is one with a byte behind it.
#[test]
fn a_cut_or_lengthened_record_is_refused() {
    let bytes = record().encode();
    for length in 0..bytes.len() {
        assert_eq!(Record::decode(&bytes[..length]), Err(BytesError::Truncated), "cut at {length}");
    }
    assert_eq!(Record::decode(&[&bytes[..], &[0]].concat()), Err(BytesError::Trailing));
}

/// One altered bit: refused, or another record with another leaf. Never the same one.
#[test]
fn no_altered_bit_reads_as_the_same_record() {
    let bytes = record().encode();
    for bit in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = Record::decode(&altered) {
            assert_eq!(other.encode(), altered, "bit {bit}");
            assert_ne!(other.leaf_hash(), record().leaf_hash());
        }
    }
}

/// Every event has bytes of its own: a trade cannot be read as a cancel.
#[test]
fn events_differ_in_their_bytes() {
    let leaves: BTreeSet<Hash> =
        events().into_iter().map(|event| Record { events: vec![event], ..record() }.leaf_hash()).collect();
    assert_eq!(leaves.len(), events().len());
}

/// A count of four billion events in front of nothing must not allocate for them.
#[test]
fn a_count_without_events_is_refused() {
    let mut bytes = Record { events: vec![], ..record() }.encode();
    let count_at = bytes.len() - 4;
    bytes[count_at..].fill(0xff);
    assert_eq!(Record::decode(&bytes), Err(BytesError::Truncated));
}

/// A reason that no ledger ever gave, an event that none ever wrote, and a number where none belongs.
#[test]
fn values_without_a_meaning_are_refused() {
    let mut reason = Record { events: vec![], ..record() }.encode();
    let reason_at = reason.len() - 6;
    reason[reason_at..reason_at + 2].copy_from_slice(&9_999_u16.to_le_bytes());
    assert_eq!(Record::decode(&reason), Err(BytesError::Unknown));
    let posted = RecordEvent::Posted { from: Purse::Outside, to: Purse::Operator, amount: Money(1) };
    let posted = Record { events: vec![posted], ..record() }.encode();
    let event_at = posted.len() - 27;
    for (at, value, error) in [
        (0, 0, BytesError::Unknown),
        (0, 11, BytesError::Unknown),
        (0, 99, BytesError::Unknown),
        (1, 8, BytesError::Unknown),
        (2, 1, BytesError::Padding),
    ] {
        let mut altered = posted.clone();
        altered[event_at + at] = value;
        assert_eq!(Record::decode(&altered), Err(error), "byte {at}");
    }
}

/// Whoever shows or adds what a lying validator sends must not overflow: no ledger comes to such amounts.
#[test]
fn amounts_beyond_any_settlement_are_refused() {
    let mut seen = [0; 6];
    for event in events() {
        let (kind, lies) = match event {
            RecordEvent::MeterSettled(settled) => {
                let lies = [
                    MeterSettled { own_trades: Money(i128::MAX), ..settled },
                    MeterSettled { rest: Money(-AMOUNT_MAX - 1), ..settled },
                    MeterSettled { contracted_wh: i128::MIN, ..settled },
                ];
                (0, lies.map(RecordEvent::MeterSettled).to_vec())
            }
            RecordEvent::AreaSettled(settled) => {
                let lies = [
                    AreaSettled { upstream: Money(i128::MIN), ..settled },
                    AreaSettled { net_wh: AMOUNT_MAX + 1, ..settled },
                ];
                (1, lies.map(RecordEvent::AreaSettled).to_vec())
            }
            RecordEvent::AreaResidual(told) => {
                let residual = Residual { below_wh: i128::MAX, ..told.residual };
                (2, vec![RecordEvent::AreaResidual(AreaResidual { residual, ..told })])
            }
            RecordEvent::Posted { from, to, .. } => (
                3,
                [i128::MIN, AMOUNT_MAX + 1].map(|lie| RecordEvent::Posted { from, to, amount: Money(lie) }).to_vec(),
            ),
            RecordEvent::Flow { area, period, up, fee, rent } => {
                let (too_much, debt) = (Money(AMOUNT_MAX + 1), Money(i128::MIN));
                let lies = [(too_much, rent), (fee, debt)];
                (4, lies.map(|(fee, rent)| RecordEvent::Flow { area, period, up, fee, rent }).to_vec())
            }
            RecordEvent::AreaFrozen { contract, .. } => {
                let faults = [
                    AreaFault::Contracted { contracted_wh: i128::MAX, exchange_wh: 0 },
                    AreaFault::Contracted { contracted_wh: 0, exchange_wh: -AMOUNT_MAX - 1 },
                    AreaFault::Losses { losses_wh: i128::MIN, throughput_wh: 0 },
                    // Written as a number with a sign, it would be less than nothing.
                    AreaFault::Losses { losses_wh: 0, throughput_wh: u128::MAX },
                    AreaFault::Losses { losses_wh: 0, throughput_wh: AMOUNT_MAX.unsigned_abs() + 1 },
                    AreaFault::Deficit(Money(i128::MIN)),
                ];
                (5, faults.map(|why| RecordEvent::AreaFrozen { contract, why }).to_vec())
            }
            _ => continue,
        };
        seen[kind] += 1;
        for lie in lies {
            let record = Record { events: vec![lie], ..record() };
            assert_eq!(Record::decode(&record.encode()), Err(BytesError::Amount), "{lie:?}");
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}

/// What an honest validator writes at its largest is read: a deposit of all that one may be, and the dearest energy over an edge.
#[test]
fn the_largest_amounts_of_an_honest_ledger_are_read() {
    let (from, to, period) = (Purse::Outside, Purse::Account(AccountId(1)), DeliveryPeriod(8));
    let (fee, rent) = (Price(i32::MAX).times(Energy(u64::MAX)), Money(2 * Price(i32::MAX).times(Energy(u64::MAX)).0));
    let most = [
        RecordEvent::Posted { from, to, amount: crate::command::AMOUNT_MAX },
        RecordEvent::Flow { area: AreaId(7), period, up: i64::MAX, fee, rent },
    ];
    for event in most {
        let record = Record { events: vec![event], ..record() };
        assert_eq!(Record::decode(&record.encode()), Ok(record));
    }
}

/// A contract without a price has zeros where the price would be: nothing can hide there.
#[test]
fn a_price_that_is_none_has_no_number() {
    let contract = Contract { area: AreaId(7), period: DeliveryPeriod(8) };
    let cleared = RecordEvent::Cleared { contract, price: None, case: ClearingCase::Empty };
    let bytes = Record { events: vec![cleared], ..record() }.encode();
    let price_at = bytes.len() - 4;
    for (at, value, error) in [
        (price_at, 1, BytesError::Padding),
        (price_at - 1, 2, BytesError::Unknown),
        (price_at - 2, 6, BytesError::Unknown),
    ] {
        let mut altered = bytes.clone();
        altered[at] = value;
        assert_eq!(Record::decode(&altered), Err(error));
    }
}

/// Whoever came to the other pays the way; the one who waited pays or gets the price as it stands.
#[test]
fn the_taker_of_a_trade_bears_the_fee() {
    let RecordEvent::Trade(trade) = events()[0] else { panic!("the first is a trade") };
    let buys = Trade { taker_side: Side::Buy, price: Price(100), fee: Price(30), ..trade };
    let sells = Trade { taker_side: Side::Sell, ..buys };
    assert_eq!((buys.buyer(), buys.seller()), (trade.taker, trade.maker));
    assert_eq!((buys.buyer_pays(), buys.seller_gets()), (Price(130), Price(100)));
    assert_eq!((sells.buyer(), sells.seller()), (trade.maker, trade.taker));
    assert_eq!((sells.buyer_pays(), sells.seller_gets()), (Price(100), Price(70)));
}
