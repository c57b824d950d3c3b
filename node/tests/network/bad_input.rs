//! Bad input over the real path: each is refused with its code and a sentence that helps, and the network serves on.

use bytes::Bytes;
use gridbook_engine::{DeliveryPeriod, Energy, LedgerTime, Price};
use gridbook_ledger::command::{BUNDLE_BYTES_MAX, COMMAND_BYTES, Command, NEVER, Place};
use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::registry::{Reason, Subject};
use gridbook_ledger::reject::Code;
use gridbook_net::MeterClient;
use gridbook_node::client::{Client, Patience, next_nonce, wall_us};
use gridbook_node::keyfile::read_key;
use gridbook_node::protocol::{Answer, Request, RequestBody};

use crate::fixture::{
    HEADROOM, LOT, assert_serves, chain, connect, fixture, good_order, operate, refusal, refusal_of, register,
    rich_meter, run, sign, sign_with,
};

/// Sends bytes instead of a bundle, checks the refusal, and that a good order of the same meter is taken afterwards.
fn refused_bytes(change: impl FnOnce(Vec<u8>) -> Vec<u8>, code: Code, sentence: &str) {
    run(async {
        let client = connect().await;
        let meter = rich_meter(&client).await;
        let bytes = sign(&meter.key, vec![Command::Place(good_order())]).bytes().to_vec();
        assert_refused(refusal_of(client.submit_bytes(change(bytes)).finality().await), code, sentence);
        assert_serves(&client, &meter).await;
    });
}

/// Sends an order with something wrong with it, checks the refusal, and that a good order of the same meter is taken afterwards.
fn refused_order(change: impl FnOnce(Place) -> Place, code: Code, sentence: &str) {
    run(async {
        let client = connect().await;
        let meter = rich_meter(&client).await;
        let bundle = sign(&meter.key, vec![Command::Place(change(good_order()))]);
        assert_refused(refusal(&client, &bundle).await, code, sentence);
        assert_serves(&client, &meter).await;
    });
}

#[track_caller]
fn assert_refused(found: Code, expected: Code, sentence: &str) {
    assert_eq!(found, expected);
    assert!(found.sentence().contains(sentence), "{}: {}", found.name(), found.sentence());
}

#[test]
fn a_bundle_longer_than_any_bundle_is_refused() {
    refused_bytes(|_| vec![7; BUNDLE_BYTES_MAX + 1], Code::FormLength, "longer than a bundle can be");
}

#[test]
fn an_empty_bundle_is_refused() {
    refused_bytes(|_| Vec::new(), Code::FormTruncated, "ends too early");
}

/// A meter's modem drops the line in the middle: whatever arrives is refused, at every length.
#[test]
fn a_truncated_bundle_is_refused_wherever_it_was_cut() {
    run(async {
        let client = connect().await;
        let meter = rich_meter(&client).await;
        let bundle = sign(&meter.key, vec![Command::Place(good_order())]);
        for length in 0..bundle.bytes().len() {
            let cut = bundle.bytes()[..length].to_vec();
            let code = refusal_of(client.submit_bytes(cut).finality().await);
            assert_refused(code, Code::FormTruncated, "ends too early");
        }
        assert_serves(&client, &meter).await;
    });
}

#[test]
fn bytes_behind_a_bundle_are_refused() {
    refused_bytes(|bytes| [&bytes[..], &[0]].concat(), Code::FormTrailing, "bytes after the end");
}

#[test]
fn an_unknown_command_tag_is_refused() {
    let change = |mut bytes: Vec<u8>| {
        let first_command = bytes.len() - 64 - COMMAND_BYTES;
        bytes[first_command] = 0xEE;
        bytes
    };
    refused_bytes(change, Code::FormTag, "means nothing here");
}

/// An attacker on the way changes the energy of somebody's order.
#[test]
fn a_bundle_changed_on_its_way_is_refused() {
    let change = |mut bytes: Vec<u8>| {
        let first_command = bytes.len() - 64 - COMMAND_BYTES;
        bytes[first_command + 16] ^= 1;
        bytes
    };
    refused_bytes(change, Code::AuthSignature, "does not fit");
}

#[test]
fn a_changed_signature_is_refused() {
    let change = |mut bytes: Vec<u8>| {
        let last = bytes.len() - 1;
        bytes[last - 40] ^= 4;
        bytes
    };
    refused_bytes(change, Code::AuthSignature, "does not fit");
}

#[test]
fn an_unknown_meter_is_refused() {
    run(async {
        let client = connect().await;
        let stranger = SecretKey::generate().unwrap();
        let bundle = sign(&stranger, vec![Command::Place(good_order())]);
        assert_refused(refusal(&client, &bundle).await, Code::AuthUnknownDevice, "No device with this key");
        assert_serves(&client, &rich_meter(&client).await).await;
    });
}

/// Every validator's key is known to all, and is nobody's meter: its connection is as good as any, its bundles are not.
#[test]
fn a_validators_key_signs_no_orders() {
    run(async {
        let config = &fixture().network.configs[2];
        let key = read_key(&config.key_file).unwrap();
        let validators = fixture().network.clients.validators.clone();
        let (as_validator, _) = Client::connect(validators, *key.seed(), Patience::default()).await.unwrap();
        let bundle = sign(&key, vec![Command::Place(good_order())]);
        assert_refused(refusal(&as_validator, &bundle).await, Code::AuthUnknownDevice, "No device with this key");
        assert_serves(&as_validator, &rich_meter(&as_validator).await).await;
    });
}

#[test]
fn a_suspended_meter_is_refused_until_it_is_let_in_again() {
    run(async {
        let client = connect().await;
        let meter = rich_meter(&client).await;
        operate(&client, Command::Suspend { subject: Subject::Meter(meter.id), reason: Reason::Other }).await;
        let bundle = sign(&meter.key, vec![Command::Place(good_order())]);
        assert_refused(refusal(&client, &bundle).await, Code::AuthSuspended, "suspended");
        operate(&client, Command::Resume { subject: Subject::Meter(meter.id), reason: Reason::Other }).await;
        assert_serves(&client, &meter).await;
    });
}

/// The same bundle twice is one bundle; another bundle under a used or lower nonce is a replay.
#[test]
fn a_reused_and_a_lower_nonce_are_refused_and_the_same_bundle_counts_once() {
    run(async {
        let client = connect().await;
        let meter = rich_meter(&client).await;
        let nonce = next_nonce();
        let order = |nonce| sign_with(&meter.key, nonce, chain(), NEVER, vec![Command::Place(good_order())]);
        let first = order(nonce);
        let done = client.submit(&first).finality().await.unwrap();
        assert_eq!(client.submit(&first).finality().await.unwrap(), done, "sent again, answered as the first time");
        for used in [nonce, nonce - 1, 0] {
            assert_refused(refusal(&client, &order(used)).await, Code::AuthReplay, "nonce is not higher");
        }
        assert_serves(&client, &meter).await;
    });
}

/// A recording of another ledger, or of a test network, is played to this one.
#[test]
fn a_bundle_for_another_ledger_is_refused() {
    run(async {
        let client = connect().await;
        let meter = rich_meter(&client).await;
        let elsewhere = Hash([9; 32]);
        let bundle = sign_with(&meter.key, next_nonce(), elsewhere, NEVER, vec![Command::Place(good_order())]);
        assert_refused(refusal(&client, &bundle).await, Code::AuthChain, "another ledger");
        assert_serves(&client, &meter).await;
    });
}

#[test]
fn an_expired_bundle_is_refused() {
    run(async {
        let client = connect().await;
        let meter = rich_meter(&client).await;
        let past = LedgerTime(wall_us() / 1000 - 3_600_000);
        let bundle = sign_with(&meter.key, next_nonce(), chain(), past, vec![Command::Place(good_order())]);
        assert_refused(refusal(&client, &bundle).await, Code::AuthExpired, "expiry time has passed");
        assert_serves(&client, &meter).await;
    });
}

#[test]
fn an_order_for_a_closed_gate_is_refused() {
    let now = || fixture().network.genesis.rules.period_at(LedgerTime(wall_us() / 1000));
    refused_order(|order| Place { period: now(), ..order }, Code::GateClosed, "has ended");
}

#[test]
fn an_order_for_a_period_far_ahead_is_refused() {
    let change = |order: Place| Place { period: DeliveryPeriod(order.period.0 + 10_000), ..order };
    refused_order(change, Code::GateNotOpen, "has not opened");
}

#[test]
fn a_price_off_the_tick_is_refused() {
    refused_order(|order| Place { price: Price(10_001), ..order }, Code::FormTick, "multiple of the tick");
}

#[test]
fn an_energy_off_the_lot_is_refused() {
    refused_order(|order| Place { energy: Energy(LOT + 1), ..order }, Code::FormLot, "multiple of the lot");
}

#[test]
fn an_order_of_no_energy_is_refused() {
    refused_order(|order| Place { energy: Energy::ZERO, ..order }, Code::FormZeroEnergy, "no energy");
}

#[test]
fn an_order_beyond_the_connection_is_refused() {
    let change = |order| Place { energy: Energy(HEADROOM.0 + LOT), ..order };
    refused_order(change, Code::CreditHeadroom, "more than the meter's connection");
}

#[test]
fn a_purchase_without_money_is_refused() {
    run(async {
        let client = connect().await;
        let poor = register(&client, None).await;
        let bundle = sign(&poor.key, vec![Command::Place(good_order())]);
        assert_refused(refusal(&client, &bundle).await, Code::CreditMoney, "not enough free money");
        assert_serves(&client, &rich_meter(&client).await).await;
    });
}

/// Frames that are no requests are refused by number as far as they have one, on a connection that then goes on.
#[test]
fn frames_that_are_no_requests_are_refused_and_the_connection_goes_on() {
    run(async {
        let server = fixture().network.clients.validators[0];
        let seed = *SecretKey::generate().unwrap().seed();
        let mut line = MeterClient::connect(server.address, server.key.0, seed).await.unwrap();
        let status = |request_id| Request { request_id, body: RequestBody::Status }.encode();
        let unknown_tag = [&77_u64.to_le_bytes()[..], &[200]].concat();
        let truncated = status(78)[..8].to_vec();
        let trailing = [&status(79)[..], &[0]].concat();
        for (frame, request_id, code) in [
            (unknown_tag, 77, Code::FormTag),
            (truncated, 78, Code::FormTruncated),
            (trailing, 79, Code::FormTrailing),
            (vec![1, 2, 3], 0, Code::FormTruncated),
        ] {
            line.send(Bytes::from(frame)).await.unwrap();
            let answer = Answer::decode(&line.recv().await.unwrap()).unwrap();
            assert_eq!(answer, Answer::Refused { request_id, code });
        }
        line.send(Bytes::from(status(80))).await.unwrap();
        let answer = Answer::decode(&line.recv().await.unwrap()).unwrap();
        assert!(matches!(answer, Answer::Status { request_id: 80, .. }), "{answer:?}");
    });
}
