//! Receipts by a bundle's id: who trades with somebody learns the id, and gets by it no more than what names him.

use gridbook_engine::{AccountId, AreaId, DeliveryPeriod, Energy, MeterId, Price, Side};
use gridbook_ledger::command::{Command, NewOrganisation, Place};
use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::receipt::Receipt;
use gridbook_ledger::record::{Outcome, Record, RecordEvent};
use gridbook_ledger::registry::{OrganisationId, OrganisationName, Plant, Reason, Role, Roles, Subject};
use gridbook_ledger::reject::Code;
use gridbook_node::client::{Client, ClientError};
use gridbook_node::protocol::{QueryKind, SignedQuery};

use crate::fixture::{
    HEADROOM, TestMeter, connect, fixture, good_order, is_done, open_period, operate, rich_meter, run, sign,
    try_to_operate,
};
use crate::statement::operator_key;
use crate::trade::query;

/// The record of a command, as its receipt proves it to who asks with a key, perhaps as the reader of a meter.
async fn told(
    client: &Client,
    key: &SecretKey,
    (bundle, index): (Hash, u16),
    of: Option<MeterId>,
) -> Result<Record, ClientError> {
    let receipt = client.receipt(query(key, QueryKind::BundleReceipt { bundle, index, of })).await?;
    Ok(Receipt::decode(&receipt).unwrap().verify(&fixture().network.genesis).unwrap().record)
}

fn refused(code: Code) -> Result<Record, ClientError> {
    Err(ClientError::Refused(code))
}

/// A period that only tests of this room trade in. One that is asked for later may be another.
fn own_period() -> DeliveryPeriod {
    DeliveryPeriod(open_period().0 + 3)
}

fn order(period: DeliveryPeriod, side: Side, price: i32, energy: u64) -> Place {
    Place { period, side, price: Price(price), energy: Energy(energy), ..good_order() }
}

/// Another meter of the same account.
async fn second_meter(client: &Client, first: &TestMeter) -> (MeterId, SecretKey) {
    let key = SecretKey::generate().unwrap();
    loop {
        let meter = MeterId(client.status().await.unwrap().meters);
        let register = Command::RegisterMeter {
            meter,
            account: first.account,
            key: key.public(),
            area: AreaId(0),
            import_max_wh: HEADROOM,
            export_max_wh: HEADROOM,
            plant: Plant::NONE,
        };
        if is_done(&try_to_operate(client, register).await) {
            return (meter, key);
        }
    }
}

/// A seller sends a bundle of three: an order that nobody sees, one that meets a neighbour's bid, and a slip. The neighbour gets the receipt of the
/// second and of no other; the seller gets all three, with either meter of the account; who runs the market too; and nobody else gets anything.
#[test]
fn a_counterparty_gets_the_record_that_names_it_and_no_other_of_the_bundle() {
    run(async {
        let client = connect().await;
        let (seller, buyer, curious) =
            (rich_meter(&client).await, rich_meter(&client).await, rich_meter(&client).await);
        let period = own_period();
        let bid = Place { partner: Some(seller.account), ..order(period, Side::Buy, 250_000, 200) };
        client.submit(&sign(&buyer.key, vec![Command::Place(bid)])).finality().await.unwrap();
        let secret = order(period, Side::Sell, 900_000, 70);
        let ask = Place { partner: Some(buyer.account), ..order(period, Side::Sell, 200_000, 200) };
        let commands =
            vec![Command::Place(secret), Command::Place(ask), Command::Cancel { client_id: secret.client_id + 77 }];
        let done = client.submit(&sign(&seller.key, commands)).finality().await.unwrap();
        let [hidden, traded, slip] = &done.records[..] else { panic!("{done:?}") };
        assert!(traded.events.iter().any(|event| matches!(event, RecordEvent::Trade(_))), "{traded:?}");
        assert_eq!(slip.outcome, Outcome::Rejected(Code::MatchUnknownOrder));
        let place = |index| (done.bundle, index);

        for (index, record) in (0..).zip([hidden, traded, slip]) {
            assert_eq!(
                told(&client, &seller.key, place(index), None).await.as_ref(),
                Ok(record),
                "{index}: its sender"
            );
            assert_eq!(told(&client, &operator_key(), place(index), None).await.as_ref(), Ok(record));
        }
        assert_eq!(told(&client, &buyer.key, place(1), None).await.as_ref(), Ok(traded));
        for index in [0, 2] {
            assert_eq!(told(&client, &buyer.key, place(index), None).await, refused(Code::AuthForeign), "{index}");
        }
        let (second, second_key) = second_meter(&client, &seller).await;
        assert_eq!(told(&client, &second_key, place(0), None).await.as_ref(), Ok(hidden));
        assert_eq!(told(&client, &second_key, place(2), Some(seller.id)).await.as_ref(), Ok(slip));
        assert_eq!(
            told(&client, &seller.key, place(2), Some(second)).await,
            refused(Code::AuthForeign),
            "not that meter"
        );
        for index in 0..3 {
            for of in [None, Some(curious.id), Some(seller.id)] {
                let by_curious = told(&client, &curious.key, place(index), of).await;
                assert_eq!(by_curious, refused(Code::AuthForeign), "{index} of {of:?}");
            }
            let nobody = SecretKey::generate().unwrap();
            assert_eq!(told(&client, &nobody, place(index), None).await, refused(Code::AuthUnknownDevice));
        }
        for key in [&seller.key, &buyer.key, &operator_key()] {
            assert_eq!(told(&client, key, place(3), None).await, Err(ClientError::NotFinal), "it has three commands");
        }
        let kind = QueryKind::BundleReceipt { bundle: done.bundle, index: 0, of: None };
        let forged = SignedQuery { key: seller.key.public(), ..query(&buyer.key, kind) };
        assert_eq!(client.receipt(forged).await, Err(ClientError::Refused(Code::AuthSignature)));
        let other = QueryKind::BundleReceipt { bundle: done.bundle, index: 1, of: None };
        let changed = SignedQuery { kind, ..query(&seller.key, other) };
        assert_eq!(client.receipt(changed).await, Err(ClientError::Refused(Code::AuthSignature)));
    });
}

/// A meter gets a new key: what it did is told to the new one. Then it is sold: who has it now is not told what it did before, and who had it is, by
/// another meter of his.
#[test]
fn a_replaced_key_and_a_new_owner_get_nothing_of_what_was_before() {
    run(async {
        let client = connect().await;
        let (owner, buyer) = (rich_meter(&client).await, rich_meter(&client).await);
        let (_, second_key) = second_meter(&client, &owner).await;
        let resting = order(own_period(), Side::Buy, 10_000, 30);
        let commands = vec![Command::Place(resting), Command::Cancel { client_id: resting.client_id }];
        let done = client.submit(&sign(&owner.key, commands)).finality().await.unwrap();
        let place = (done.bundle, 0);
        assert_eq!(told(&client, &owner.key, place, None).await.as_ref(), Ok(&done.records[0]));

        let new_key = SecretKey::generate().unwrap();
        let rotate = Command::RotateKey { subject: Subject::Meter(owner.id), key: new_key.public() };
        let rotated = client.submit(&sign(&owner.key, vec![rotate])).finality().await.unwrap();
        assert_eq!(rotated.records[0].outcome, Outcome::Done);
        assert_eq!(told(&client, &owner.key, place, None).await, refused(Code::AuthReplaced));
        assert_eq!(told(&client, &new_key, place, None).await.as_ref(), Ok(&done.records[0]));

        let reason = Reason::from_number(1).unwrap();
        let transfer = Command::TransferMeter { meter: owner.id, account: buyer.account, reason };
        operate(&client, transfer).await;
        for index in [0, 1] {
            for (key, of) in [(&new_key, None), (&buyer.key, None), (&buyer.key, Some(owner.id))] {
                assert_eq!(told(&client, key, (done.bundle, index), of).await, refused(Code::AuthForeign));
            }
        }
        assert_eq!(told(&client, &second_key, place, None).await.as_ref(), Ok(&done.records[0]));
    });
}

/// A registrar opens an account and slips once. It gets the receipts of both, as it sent them; a bank gets neither of the first, whatever its roles.
#[test]
fn an_organisation_gets_the_receipts_of_what_it_sent() {
    run(async {
        let client = connect().await;
        let enrol = async |role| {
            let key = SecretKey::generate().unwrap();
            loop {
                let organisation = OrganisationId(client.status().await.unwrap().organisations);
                let name = OrganisationName::new(&format!("Office {}", organisation.0)).unwrap();
                let (roles, area) = (Roles::of(role), None);
                let new = NewOrganisation { organisation, key: key.public(), roles, area, name };
                if is_done(&try_to_operate(&client, Command::RegisterOrganisation(new)).await) {
                    return key;
                }
            }
        };
        let (registrar, bank) = (enrol(Role::Registrar).await, enrol(Role::Bank).await);
        let done = loop {
            let account = AccountId(client.status().await.unwrap().accounts);
            let open = Command::RegisterAccount { account, organisation: None };
            let slip = Command::RegisterAccount { account: AccountId(u32::MAX), organisation: None };
            let done = client.submit(&sign(&registrar, vec![open, slip])).finality().await.unwrap();
            if done.records[0].outcome == Outcome::Done {
                break done;
            }
        };
        assert!(matches!(done.records[1].outcome, Outcome::Rejected(_)), "{done:?}");
        for (index, record) in (0..).zip(&done.records) {
            assert_eq!(told(&client, &registrar, (done.bundle, index), None).await.as_ref(), Ok(record));
        }
        assert_eq!(told(&client, &bank, (done.bundle, 0), None).await, refused(Code::AuthForeign));
        let meter = rich_meter(&client).await;
        for index in [0, 1] {
            assert_eq!(told(&client, &meter.key, (done.bundle, index), None).await, refused(Code::AuthForeign));
        }
    });
}
