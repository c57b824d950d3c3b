//! Whose device may connect: real handshakes under the devices' own keys.

use gridbook_ledger::command::{Command, NewOrganisation};
use gridbook_ledger::crypto::SecretKey;
use gridbook_ledger::record::Outcome;
use gridbook_ledger::registry::{OrganisationId, OrganisationName, Reason, Role, Roles, Subject};
use gridbook_net::{CloseCode, MeterClient, MeterClientError};
use gridbook_node::client::{Client, ClientError, Patience};
use gridbook_node::config::Peer;

use crate::fixture::{connect_to, fixture, is_done, operate, register, run, sign, try_to_operate};

/// One validator: what it has told as final holds at its own door.
fn validator() -> Peer {
    fixture().network.clients.validators[1]
}

async fn client_of_one() -> Client {
    connect_to(vec![validator()]).await
}

/// Connects as the device itself.
async fn dial(key: &SecretKey) -> Result<MeterClient, MeterClientError> {
    let Peer { key: server, address, .. } = validator();
    MeterClient::connect(address, server.0, *key.seed()).await
}

async fn why_refused(key: &SecretKey) -> String {
    match dial(key).await {
        Err(MeterClientError::KeyNotServed { why, .. }) => why,
        other => panic!("not refused: {other:?}"),
    }
}

/// A meter is stolen while it is connected. It is disconnected, told why, and not let in again until a registrar says so; the others of its
/// kind, and keys that nobody has registered, notice nothing.
#[test]
fn a_suspended_meter_is_disconnected_and_kept_out_until_it_is_resumed() {
    run(async {
        let client = client_of_one().await;
        let (stolen, other) = (register(&client, None).await, register(&client, None).await);
        let subject = Subject::Meter(stolen.id);
        let mut line = dial(&stolen.key).await.unwrap();
        let _neighbour = dial(&other.key).await.unwrap();
        operate(&client, Command::Suspend { subject, reason: Reason::Tampering }).await;
        assert_eq!(line.recv().await, None, "its line is cut");
        assert_eq!(line.close_code(), Some(CloseCode::KeyNotServed));
        let why = line.closed_because().unwrap();
        assert!(why.contains(&format!("meter {}'s key", stolen.id.0)) && why.contains("suspended"), "{why}");
        let why = why_refused(&stolen.key).await;
        assert!(why.contains("ask the registrar why"), "{why}");
        dial(&other.key).await.unwrap();
        dial(&SecretKey::generate().unwrap()).await.unwrap();
        operate(&client, Command::Resume { subject, reason: Reason::Resolved }).await;
        dial(&stolen.key).await.unwrap();
    });
}

/// After a rotation the new key is let in and the old one, which somebody may have copied, is not; a revoked meter never is again.
#[test]
fn a_replaced_key_and_a_revoked_meter_are_kept_out() {
    run(async {
        let client = client_of_one().await;
        let meter = register(&client, None).await;
        let subject = Subject::Meter(meter.id);
        let new = SecretKey::generate().unwrap();
        let rotate = sign(&meter.key, vec![Command::RotateKey { subject, key: new.public() }]);
        let done = client.submit(&rotate).finality().await.unwrap();
        assert_eq!(done.records[0].outcome, Outcome::Done);
        let why = why_refused(&meter.key).await;
        assert!(why.contains("newer key"), "{why}");
        let mut line = dial(&new).await.unwrap();
        operate(&client, Command::Revoke { subject, reason: Reason::KeyLost }).await;
        assert_eq!(line.recv().await, None);
        let why = why_refused(&new).await;
        assert!(why.contains("revoked"), "{why}");
    });
}

/// An organisation is a device like any other: a suspended bank does not connect.
#[test]
fn a_suspended_organisation_is_kept_out() {
    run(async {
        let client = client_of_one().await;
        let key = SecretKey::generate().unwrap();
        let name = OrganisationName::new("Sparkasse").unwrap();
        let organisation = loop {
            let organisation = OrganisationId(client.status().await.unwrap().organisations);
            let roles = Roles::of(Role::Bank);
            let new = NewOrganisation { organisation, key: key.public(), name, roles, area: None };
            if is_done(&try_to_operate(&client, Command::RegisterOrganisation(new)).await) {
                break organisation;
            }
        };
        let mut line = dial(&key).await.unwrap();
        let subject = Subject::Organisation(organisation);
        operate(&client, Command::Suspend { subject, reason: Reason::ContractEnded }).await;
        assert_eq!(line.recv().await, None);
        let why = why_refused(&key).await;
        assert!(why.contains(&format!("organisation {}'s key", organisation.0)) && why.contains("suspended"), "{why}");
    });
}

/// The client library says at once what is wrong, instead of trying for half a minute: to whoever connects, and to whoever is connected.
#[test]
fn a_client_of_a_suspended_meter_is_told_so_at_once() {
    run(async {
        let client = client_of_one().await;
        let meter = register(&client, None).await;
        let connect = || Client::connect(vec![validator()], *meter.key.seed(), Patience::default());
        let (own, _events) = connect().await.unwrap();
        own.status().await.unwrap();
        operate(&client, Command::Suspend { subject: Subject::Meter(meter.id), reason: Reason::Unsafe }).await;
        assert!(matches!(connect().await, Err(ClientError::ShutOut(why)) if why.contains("suspended")));
        let told = own.status().await;
        assert!(matches!(&told, Err(ClientError::ShutOut(why)) if why.contains("suspended")), "{told:?}");
    });
}
