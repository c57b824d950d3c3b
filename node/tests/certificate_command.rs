//! `gridbook verify certificate`: a file and the genesis, and nobody to ask.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::path::Path;
use std::process::{Command, Output};

use gridbook_engine::{
    AccountId, AreaId, DeliveryPeriod, Energy, EnergySources, LedgerTime, MarketRules, MeterId, Price, Side, TradeKind,
};
use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::genesis::{Genesis, SettlementRules};
use gridbook_ledger::header::{Header, Rank};
use gridbook_ledger::hotstuff::{QuorumCert, Vote};
use gridbook_ledger::merkle::{self, Path as Way};
use gridbook_ledger::origin::CertificateRange;
use gridbook_ledger::origin::proof::CertificateProof;
use gridbook_ledger::receipt::Receipt;
use gridbook_ledger::record::{
    CertificateChange, Certificates, Outcome, PartyRef, Record, RecordEvent, RegistersRead, Trade,
};
use gridbook_ledger::settlement::Registers;
use gridbook_ledger::validators::{ValidatorIndex, ValidatorSet};
use serde_json::Value;

const PERIOD: DeliveryPeriod = DeliveryPeriod(1_937_180);

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed([number; 32])
}

fn genesis() -> Genesis {
    Genesis {
        name: "Sonnendorf".into(),
        ledger_start: LedgerTime(1_743_451_200_000),
        wall_start_ms: 1_743_451_200_000,
        time_scale: 1,
        rules: MarketRules::default(),
        settlement: SettlementRules::metered(),
        areas: vec!["village".into()],
        operator: key(200).public(),
        validators: ValidatorSet::new((1..5).map(|number| key(number).public()).collect()).unwrap(),
    }
}

/// Roof 0 measures 280 Wh out, sells 300 to house 1, which measures 320 in: what the ledger says of it.
fn story() -> Vec<RecordEvent> {
    let read = |meter: u32, period: u32, import, export| {
        RecordEvent::Read(RegistersRead {
            meter: MeterId(meter),
            account: AccountId(meter),
            period: DeliveryPeriod(period),
            registers: Registers { import, export, counter: period.into() },
            is_correction: false,
        })
    };
    let order = |meter: u32| PartyRef { account: AccountId(meter), meter: MeterId(meter), client_id: 1 };
    let trade = RecordEvent::Trade(Trade {
        maker: order(0),
        taker: order(1),
        period: PERIOD,
        maker_area: AreaId(0),
        taker_area: AreaId(0),
        taker_side: Side::Buy,
        kind: TradeKind::Continuous,
        price: Price(120_000),
        fee: Price(0),
        energy: Energy(300),
    });
    let told = |holder: u32, change| {
        let range = CertificateRange::new(AreaId(0), 501, Energy(280)).unwrap();
        let (holder, account) = (MeterId(holder), AccountId(holder));
        RecordEvent::Certificates(Certificates { range, period: PERIOD, holder, account, change })
    };
    vec![
        trade,
        read(0, PERIOD.0 - 1, 40, 7_000),
        read(0, PERIOD.0, 40, 7_280),
        read(1, PERIOD.0 - 1, 9_000, 0),
        read(1, PERIOD.0, 9_320, 0),
        told(0, CertificateChange::Issued { source: EnergySources::SOLAR }),
        told(1, CertificateChange::Moved { from: MeterId(0), from_account: AccountId(0), trade: 1 }),
        told(1, CertificateChange::Claimed { by: MeterId(1) }),
        told(1, CertificateChange::Closed { was_claimed: true }),
    ]
}

/// Each event in a record of its own, all in one final header.
fn proof() -> CertificateProof {
    let genesis = genesis();
    let record = |(seq, event): (u64, RecordEvent)| Record {
        seq,
        entry: Hash([7; 32]),
        index: 0,
        meter: None,
        client_id: 0,
        outcome: Outcome::Done,
        events: vec![event],
    };
    let records: Vec<Record> = (1..).zip(story()).map(record).collect();
    let leaves: Vec<Hash> = records.iter().map(Record::leaf_hash).collect();
    let root = genesis.root_header(Hash([1; 32]));
    let after = |parent: &Header, slot: u32| Header {
        rank: Rank { view: 1, slot },
        height: parent.height + 1,
        proposer: ValidatorIndex(1),
        time_ms: PERIOD.ends_at(15).0,
        parent: parent.hash(),
        justify: parent.reference(),
        ..parent.clone()
    };
    let last = leaves.len() as u64;
    let a = Header { first_seq: 1, last_seq: last, results_root: merkle::root(&leaves), ..after(&root, 0) };
    let c = Header { first_seq: last + 1, last_seq: last, results_root: merkle::root(&[]), ..after(&a, 1) };
    let vote = |voter: u16| {
        let key = key(u8::try_from(voter).unwrap() + 1);
        Vote::sign(c.chain, c.epoch, c.reference(), ValidatorIndex(voter), &key).signature
    };
    let signatures = (0..3).map(vote).collect();
    let qc = QuorumCert { epoch: c.epoch, header: c.reference(), signers: 0b111, signatures };
    let receipts = records.iter().enumerate().map(|(index, record)| Receipt {
        epochs: vec![],
        record: record.encode(),
        path: Way::build(&leaves, index).unwrap(),
        headers: vec![a.clone()],
        child: c.clone(),
        qc: qc.clone(),
    });
    let range = CertificateRange::new(AreaId(0), 601, Energy(100)).unwrap();
    CertificateProof { range, receipts: receipts.collect() }
}

fn verify(dir: &Path, bytes: &[u8], options: &[&str]) -> Output {
    let (file, genesis_file) = (dir.join("sun.certificate"), dir.join("genesis.json"));
    std::fs::write(&file, bytes).unwrap();
    std::fs::write(&genesis_file, genesis().to_json()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_gridbook"));
    command.args(["verify", "certificate"]).arg(&file).arg("--genesis").arg(&genesis_file).args(options);
    command.output().unwrap()
}

/// A person reads each step of a hundred watt-hours, from the roof to the house.
#[test]
fn a_certificate_is_traced_in_sentences() {
    let dir = tempfile::tempdir().unwrap();
    let output = verify(dir.path(), &proof().encode(), &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    for sentence in [
        "2f+1 validators of \"Sonnendorf\" made each step final",
        "0/601-700: 100 Wh of solar from meter 0 in village",
        "meter 0 has given out 280 Wh and taken in 0 Wh",
        "issued to meter 0 of account 0, among 0/501-780",
        "sold by meter 0 to meter 1 of account 1 in trade #1",
        "meter 1 has given out 0 Wh and taken in 320 Wh",
        "used up by meter 1",
        "They stand for that use, for ever: nobody else can use them.",
    ] {
        assert!(text.contains(sentence), "{sentence} is not in\n{text}");
    }
}

#[test]
fn a_program_reads_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let output = verify(dir.path(), &proof().encode(), &["--json"]);
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((value["verified"].as_bool(), value["final"].as_bool()), (Some(true), Some(true)));
    assert_eq!((value["standing"].as_str(), value["source"].as_str()), (Some("cancelled"), Some("solar")));
    assert_eq!((value["first"].as_u64(), value["energy"].as_u64()), (Some(601), Some(100)));
    let steps: Vec<&str> =
        value["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["measured", "issued", "moved", "measured", "claimed", "closed"]);
}

/// Altered bytes, a step left out, another ledger's genesis, no certificate at all: exit code 1, and why.
#[test]
fn what_does_not_prove_it_ends_with_one_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |bytes: &[u8], why: &str| {
        let output = verify(dir.path(), bytes, &[]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(why) && output.stdout.is_empty(), "{error}");
    };
    let good = proof().encode();
    let mut altered = good.clone();
    let middle = altered.len() / 2;
    altered[middle] ^= 1;
    refused(&altered, "sun.certificate");
    refused(&good[..good.len() - 1], "is no certificate");
    let without = |place: usize| {
        let mut proof = proof();
        proof.receipts.remove(place);
        proof.encode()
    };
    refused(&without(0), "the trade that they went along with, from meter 0 to meter 1 in record 1, is missing");
    refused(&without(2), "no two readings say that meter 0 gave out 280 Wh in the period");
    refused(&without(4), "no two readings say that meter 1 took in 100 Wh in the period");
    refused(&without(5), "no record says that these certificates were issued");
    refused(&without(6), "a step is missing");
}

/// Nobody has closed them: the last line says that it may still change.
#[test]
fn a_period_that_is_not_final_is_said_not_to_be() {
    let dir = tempfile::tempdir().unwrap();
    let mut proof = proof();
    proof.receipts.pop();
    let output = verify(dir.path(), &proof.encode(), &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(text.contains("The period was not final yet"), "{text}");
}
