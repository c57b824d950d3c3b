//! Events as they stand in a record.

use gridbook_engine::{AccountId, AreaId, Contract, DeliveryPeriod, Energy, EnergySources, LedgerTime, MeterId};
use gridbook_ledger::conduct::{DeviceFault, EntryState, Proof};
use gridbook_ledger::consent::{EndCause, Grant, GrantReader, Scope};
use gridbook_ledger::crypto::{Hash, PublicKey};
use gridbook_ledger::evidence::EvidenceKind;
use gridbook_ledger::origin::CertificateRange;
use gridbook_ledger::record::{
    AreaResidual, CertificateChange, Certificates, Consent, ConsentChange, Outcome, Record, RecordEvent,
};
use gridbook_ledger::registry::OrganisationId;
use gridbook_ledger::reject::Code;
use gridbook_ledger::settlement::Residual;

use crate::{Fields, assert_golden};

/// The bytes of one event in a record, which stand behind everything else.
#[track_caller]
fn assert_event(event: RecordEvent, fields: Fields<'_>) {
    let outcome = Outcome::Rejected(Code::AuthReplay);
    let (entry, meter) = (Hash([2; 32]), Some(MeterId(4)));
    let record = Record { seq: 1, entry, index: 3, meter, client_id: 5, outcome, events: vec![event] };
    assert_golden(&record.encode()[60..], fields);
}

#[test]
fn consent_event_bytes() {
    let (meter, account, reader) = (MeterId(5), AccountId(4), GrantReader::Organisation(OrganisationId(3)));
    let zeros = "00".repeat(30);
    let whom = [("meter", "05000000"), ("account", "04000000"), ("organisation", "00 0300"), ("gap", zeros.as_str())];
    let granted = ConsentChange::Granted(Grant { scope: Scope::ALL, until: LedgerTime(9) });
    let fields = [&[("tag", "2e")][..], &whom, &[("all", "07"), ("until", "0900000000000000")]].concat();
    assert_event(RecordEvent::Consent(Consent { meter, account, reader, change: granted }), &fields);
    let ended = ConsentChange::Ended(EndCause::Transferred);
    let fields = [&[("tag", "2f")][..], &whom, &[("transferred", "03")]].concat();
    assert_event(RecordEvent::Consent(Consent { meter, account, reader, change: ended }), &fields);
}

#[test]
fn conduct_event_bytes() {
    let (account, meter, hash) = (AccountId(4), MeterId(5), "ab".repeat(32));
    let (kind, period, proof) = (DeviceFault::DoubleReading, Some(DeliveryPeriod(8)), Proof::of(&[6, 7]).unwrap());
    assert_event(
        RecordEvent::Misconduct { entry: 9, account, meter, kind, period, proof },
        &[
            ("tag", "25"),
            ("entry", "0900000000000000"),
            ("account and meter", "04000000 05000000"),
            ("double reading", "01"),
            ("period", "01 08000000"),
            ("records", "0600000000000000 0700000000000000 0000000000000000 0000000000000000"),
        ],
    );
    let (validator, evidence) = (PublicKey([0xab; 32]), Hash([0xab; 32]));
    assert_event(
        RecordEvent::ValidatorMisconduct { entry: 9, validator, kind: EvidenceKind::DoubleVote, evidence },
        &[("tag", "26"), ("entry", "0900000000000000"), ("key", &hash), ("double vote", "04"), ("evidence", &hash)],
    );
    assert_event(
        RecordEvent::ConductRevised { entry: 9, account, state: EntryState::Struck, fingerprint: evidence },
        &[("tag", "27"), ("entry", "0900000000000000"), ("account", "04000000"), ("struck", "03"), ("reasons", &hash)],
    );
    assert_event(
        RecordEvent::ConductExpired { entry: 9, account: Some(account) },
        &[("tag", "28"), ("entry", "0900000000000000"), ("account", "01 04000000")],
    );
    assert_event(
        RecordEvent::ConductExpired { entry: 9, account: None },
        &[("tag", "28"), ("entry", "0900000000000000"), ("nobody", "00 00000000")],
    );
    assert_event(
        RecordEvent::ScoreChanged { account, score: 980, share_ppm: 1_100_000 },
        &[("tag", "29"), ("account", "04000000"), ("score", "d403"), ("share", "e0c81000")],
    );
}

#[test]
fn residual_event_bytes() {
    let contract = Contract { area: AreaId(7), period: DeliveryPeriod(8) };
    let residual = Residual::new(35, -36, false, Some(37));
    let (net, below, up) = (format!("23{}", "00".repeat(15)), format!("dc{}", "ff".repeat(15)), "00".repeat(15));
    assert_event(
        RecordEvent::AreaResidual(AreaResidual { contract, residual }),
        &[
            ("area residual", "2c 0700 08000000"),
            ("given by its meters", &net),
            ("came up from below", &below),
            ("went up", &format!("25{up}")),
            ("estimated: an edge below was not read", "11"),
        ],
    );
}

#[test]
fn certificate_event_bytes() {
    let range = CertificateRange::new(AreaId(3), 1_001, Energy(500)).unwrap();
    let (period, holder, account) = (DeliveryPeriod(8), MeterId(2), AccountId(1));
    let told = |change| RecordEvent::Certificates(Certificates { range, period, holder, account, change });
    let record = Record {
        seq: 1,
        entry: Hash([2; 32]),
        index: 0,
        meter: None,
        client_id: 0,
        outcome: Outcome::Done,
        events: vec![
            told(CertificateChange::Issued { source: EnergySources::SOLAR }),
            told(CertificateChange::Moved { from: MeterId(5), from_account: AccountId(4), trade: 99 }),
            told(CertificateChange::Claimed { by: MeterId(6) }),
            told(CertificateChange::Closed { was_claimed: true }),
            told(CertificateChange::Unclaimed { by: MeterId(6) }),
            told(CertificateChange::Revoked { was_claimed: true }),
        ],
    };
    let entry = "02".repeat(32);
    let which = "0300 e903000000000000 f401000000000000 08000000 02000000 01000000";
    let events = [
        ("issued", "20"),
        ("issuer, first, how many, period, holder, account", which),
        ("solar", "01"),
        ("moved", "21"),
        ("the same", which),
        ("from meter 5 of account 4 with trade 99", "05000000 04000000 6300000000000000"),
        ("claimed", "22"),
        ("the same", which),
        ("for meter 6", "06000000"),
        ("closed", "23"),
        ("the same", which),
        ("was claimed", "01"),
        ("taken back", "24"),
        ("the same", which),
        ("the claim for meter 6", "02 06000000"),
        ("taken back", "24"),
        ("the same", which),
        ("claimed certificates", "01 00000000"),
    ];
    let head = [
        ("number", "0100000000000000"),
        ("entry", &entry),
        ("place", "0000"),
        ("no meter", "ffffffff"),
        ("no order", "0000000000000000"),
        ("done", "0000"),
        ("events", "06000000"),
    ];
    assert_golden(&record.encode(), &[&head[..], &events].concat());
}
