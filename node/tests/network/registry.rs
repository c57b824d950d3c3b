//! The registry from the command line: a town hall is enrolled and runs it, with keys of its own.

use std::path::{Path, PathBuf};

use gridbook_engine::AccountId;
use gridbook_ledger::command::{Command, NEVER, NewOrganisation};
use gridbook_ledger::crypto::SecretKey;
use gridbook_ledger::registry::{OrganisationId, OrganisationName, Role, Roles};
use gridbook_node::client::wall_us;
use gridbook_node::keyfile::{read_key, write_key};
use serde_json::Value;

use crate::fixture::{TURN, chain, connect, fixture, is_done, run, sign_with, try_to_operate};
use crate::validators;
use crate::watch::{listening, wait_until_told};

/// Runs `gridbook registry ..` in the network's directory and tells its exit code and what it printed.
fn registry(arguments: &[&str]) -> (i32, Value) {
    let network = &fixture().network;
    let output = validators::gridbook(&[&["registry"], arguments].concat())
        .env("GRIDBOOK_JSON", "1")
        .env("GRIDBOOK_NETWORK", network.network_file())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let json = serde_json::from_slice(&output.stdout).unwrap_or(Value::String(stderr.into_owned()));
    (output.status.code().unwrap(), json)
}

#[track_caller]
fn done(arguments: &[&str]) -> Value {
    let (code, told) = registry(arguments);
    assert_eq!(code, 0, "{arguments:?}: {told}");
    told
}

#[track_caller]
fn refused(arguments: &[&str], why: &str) {
    let (code, told) = registry(arguments);
    assert_eq!((code, told["records"][0]["outcome"]["rejected"].as_str()), (1, Some(why)), "{arguments:?}: {told}");
}

/// The number in the last event of a name, which says what was registered.
fn number(told: &Value, event: &str, field: &str) -> String {
    let events = told["records"].as_array().unwrap().iter().flat_map(|record| record["events"].as_array().unwrap());
    let found = events.filter_map(|told| told[event][field].as_u64()).next_back();
    found.unwrap_or_else(|| panic!("no {event} in {told}")).to_string()
}

/// A new key in a file.
fn key(dir: &Path, name: &str) -> (PathBuf, String) {
    let (path, key) = (dir.join(name), SecretKey::generate().unwrap());
    write_key(&path, &key).unwrap();
    (path, key.public().to_hex())
}

#[test]
fn a_town_hall_runs_the_registry_from_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let operator = fixture().network.operator_key_file();
    let operator = operator.to_str().unwrap();
    let paths = ["hall", "works", "alice", "alice-new", "bank"].map(|name| key(dir.path(), name));
    let [hall, works, alice, alice_new, bank] = paths.each_ref().map(|(path, _)| path.to_str().unwrap());

    // The operator enrols the town hall; the town hall enrols the works that supply the town, and no bank.
    let enrol =
        ["organisation", "enrol", "--by", operator, "--key", hall, "--name", "Town hall", "--role", "registrar"];
    let turn = TURN.blocking_lock();
    done(&enrol);
    drop(turn);
    let enrol = ["organisation", "enrol", "--by", hall, "--key", works, "--name", "Stadtwerke", "--role", "supplier"];
    let supplier = number(&done(&enrol), "organisation_registered", "organisation");
    let enrol = ["organisation", "enrol", "--by", hall, "--key", bank, "--name", "Hall bank", "--role", "bank"];
    refused(&enrol, "AuthRole");
    let told = done(&["organisation", "show", &supplier, "--by", works]);
    assert_eq!((told["name"].as_str(), told["roles"].as_str()), (Some("Stadtwerke"), Some("supplier")));

    // Alice gets an account at the works and a meter below her roof; the certificate comes by post.
    let account =
        number(&done(&["account", "open", "--by", hall, "--supplier", &supplier]), "account_registered", "account");
    let told =
        done(&["meter", "enrol", "--operator-key", hall, "--key", alice, "--account", &account, "--source", "solar"]);
    let meter = number(&told, "meter_registered", "meter");
    let certificate = "5e".repeat(32);
    done(&["meter", "install", &meter, "--by", hall, "--certificate", &certificate]);
    let told = done(&["meter", "show", &meter, "--by", alice]);
    assert_eq!((told["source"].as_str(), told["certificate"].as_str()), (Some("solar"), Some(certificate.as_str())));
    assert_eq!(told["access"]["standing"].as_str(), Some("active"));
    let told = done(&["account", "show", &account, "--by", hall]);
    assert_eq!((told["supplier"].to_string(), told["meters"][0].to_string()), (supplier, meter.clone()));
    let (code, told) = registry(&["account", "show", &account, "--by", works]);
    assert!(code == 1 && told.as_str().unwrap().contains("AuthRole"), "a supplier sees no purse: {told}");

    // It is tampered with, looked at, and gets a new key, which Alice changes once more by herself.
    done(&["meter", "suspend", &meter, "--by", hall, "--reason", "tampering"]);
    let told = done(&["meter", "show", &meter, "--by", alice]);
    assert_eq!(
        (told["access"]["standing"].as_str(), told["access"]["reason"].as_str()),
        (Some("suspended"), Some("tampering")),
        "she may still see why"
    );
    refused(&["meter", "suspend", &meter, "--by", hall, "--reason", "other"], "AuthStanding");
    done(&["meter", "resume", &meter, "--by", hall, "--reason", "resolved"]);
    done(&["meter", "rotate", &meter, "--by", alice, "--key", alice_new]);
    let told = done(&["meter", "show", &meter, "--by", alice_new]);
    assert_eq!(told["access"]["key"].as_str(), Some(paths[3].1.as_str()));
    let (code, told) = registry(&["meter", "show", &meter, "--by", alice]);
    assert!(code == 1 && told.as_str().unwrap().contains("AuthReplaced"), "{told}");

    // She moves out; whoever comes has an account without a supplier. In the end the meter is scrapped.
    let next = number(&done(&["account", "open", "--by", hall]), "account_registered", "account");
    let told = done(&["meter", "transfer", &meter, "--by", hall, "--to", &next]);
    assert_eq!(number(&told, "meter_transferred", "to"), next);
    done(&["meter", "revoke", &meter, "--by", hall, "--reason", "contract-ended"]);
    refused(&["meter", "resume", &meter, "--by", hall, "--reason", "other"], "AuthRevoked");
}

/// Two desks of a town hall sign with its key, and the clock of one is two seconds ahead: whatever the other gives has the lower nonce, and does
/// nothing. It is signed again until the clock has caught up.
#[test]
fn a_desk_whose_clock_is_behind_signs_again() {
    let dir = tempfile::tempdir().unwrap();
    let (file, _) = key(dir.path(), "hall");
    let (hall, hall_key) = (file.to_str().unwrap(), read_key(&file).unwrap());
    let alice = key(dir.path(), "alice").1;
    let enrolled = run(async {
        let (client, name) = (connect().await, OrganisationName::new("Two desks").unwrap());
        let roles: Roles = [Role::Registrar, Role::Bank].into_iter().collect();
        loop {
            let organisation = OrganisationId(client.status().await.unwrap().organisations);
            let new = NewOrganisation { organisation, key: hall_key.public(), name, roles, area: None };
            let done = try_to_operate(&client, Command::RegisterOrganisation(new)).await;
            if is_done(&done) {
                // The commands ask another validator first.
                listening(&client).await;
                return done.height;
            }
        }
    });
    let other_desk = |ahead_s: u64| {
        run(async {
            let client = connect().await;
            wait_until_told(&client, enrolled).await;
            loop {
                let account = AccountId(client.status().await.unwrap().accounts);
                let open = vec![Command::RegisterAccount { account, organisation: None }];
                let ahead = sign_with(&hall_key, wall_us() + ahead_s * 1_000_000, chain(), NEVER, open);
                if is_done(&client.submit(&ahead).finality().await.unwrap()) {
                    return;
                }
            }
        });
    };
    other_desk(2);
    let account = number(&done(&["account", "open", "--by", hall]), "account_registered", "account");
    other_desk(2);
    let enrol = ["meter", "enrol", "--operator-key", hall, "--public", &alice, "--account", &account];
    let meter = number(&done(&[&enrol[..], &["--deposit", "50"]].concat()), "meter_registered", "meter");
    let told = done(&["account", "show", &account, "--by", hall]);
    assert_eq!((told["meters"][0].to_string(), told["balance_nano"].as_str()), (meter.clone(), Some("50000000000")));
    other_desk(2);
    done(&["meter", "suspend", &meter, "--by", hall, "--reason", "tampering"]);

    // Money is another matter: whoever signed it again by one validator's word might pay it twice. By a clock an hour ahead, for seconds may pass until
    // it is signed.
    other_desk(3_600);
    let (code, told) = registry(&["account", "deposit", &account, "--by", hall, "--amount", "50"]);
    assert!(code == 1 && told.to_string().contains("AuthReplay"), "at the door or on the ledger: {told}");
    let told = done(&["account", "show", &account, "--by", hall]);
    assert_eq!(told["balance_nano"].as_str(), Some("50000000000"));
}

/// A slip of the pen is told before anything is sent, with what there is.
#[test]
fn words_that_the_registry_does_not_know_are_told_with_those_it_does() {
    for (arguments, known) in [
        (&["meter", "suspend", "0", "--by", "x", "--reason", "annoying"][..], "owners-wish"),
        (&["organisation", "enrol", "--by", "x", "--key", "x", "--name", "x", "--role", "king"], "market-operator"),
        (&["organisation", "enrol", "--by", "x", "--key", "x", "--name", " x", "--role", "bank"], "1 to 24 bytes"),
        (&["meter", "install", "0", "--by", "x", "--source", "coal"], "biomass"),
        (&["meter", "install", "0", "--by", "x", "--source", "solar+wind"], "more than one source"),
        (&["organisation", "enrol", "--by", "x", "--name", "x", "--role", "bank"], "--public"),
    ] {
        let (code, told) = registry(arguments);
        assert!(code == 2 && told.as_str().unwrap().contains(known), "{arguments:?}: {told}");
    }
}
