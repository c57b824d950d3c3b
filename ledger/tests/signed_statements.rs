//! Keys that sign for nobody in particular, and signatures that are taken to another place than they were made for.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use gridbook_engine::{AccountId, AreaId, DeliveryPeriod, Energy, MarketRules, MeterId};
use gridbook_ledger::command::{Bundle, Command, NEVER};
use gridbook_ledger::crypto::{Hash, PublicKey, SecretKey, Signature};
use gridbook_ledger::entry::Entry;
use gridbook_ledger::genesis::{Genesis, GenesisError, SettlementRules};
use gridbook_ledger::header::{HeaderRef, LogPoint, Rank};
use gridbook_ledger::hotstuff::{Proposal, QuorumCert, Timeout, Vote};
use gridbook_ledger::record::Outcome;
use gridbook_ledger::registry::Plant;
use gridbook_ledger::reject::Code;
use gridbook_ledger::replica::{Chunk, Run};
use gridbook_ledger::state::State;
use gridbook_ledger::validators::{ValidatorIndex, ValidatorSet, ValidatorSetError};

fn key(n: u8) -> SecretKey {
    SecretKey::from_seed([n; 32])
}

fn genesis() -> Genesis {
    Genesis {
        name: "town".into(),
        ledger_start: DeliveryPeriod(1_937_176).starts_at(15),
        wall_start_ms: 0,
        time_scale: 1,
        rules: MarketRules::default(),
        settlement: SettlementRules::default(),
        areas: vec!["town".into()],
        operator: key(9).public(),
        validators: ValidatorSet::new((1..5).map(|n| key(n).public()).collect()).unwrap(),
    }
}

/// Keys under which signatures bind nobody: of small order, with a torsion part, no point, and a second spelling of a point.
fn weak_keys() -> Vec<PublicKey> {
    let known = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        // Not canonical.
        "0100000000000000000000000000000000000000000000000000000000000080",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        // No point.
        "0200000000000000000000000000000000000000000000000000000000000000",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ];
    let mut keys: Vec<PublicKey> = known.iter().map(|text| PublicKey::from_hex(text).unwrap()).collect();
    // A good key and a point of order 8 together.
    let torsion = curve25519_dalek::constants::EIGHT_TORSION[1];
    let good = curve25519_dalek::edwards::CompressedEdwardsY(key(1).public().0).decompress().unwrap();
    keys.push(PublicKey((good + torsion).compress().0));
    keys
}

#[test]
fn a_weak_key_gets_into_no_validator_set() {
    for weak in weak_keys() {
        let keys = vec![key(1).public(), key(2).public(), weak, key(4).public()];
        assert_eq!(ValidatorSet::new(keys), Err(ValidatorSetError::Key(2)), "{weak}");
    }
}

#[test]
fn a_genesis_with_a_weak_key_is_refused() {
    let good = genesis().to_json();
    for weak in weak_keys() {
        for (field, key) in [("operator", key(9).public()), ("validators[1]", key(2).public())] {
            let error = Genesis::from_json(&good.replace(&key.to_hex(), &weak.to_hex())).unwrap_err();
            assert!(matches!(&error, GenesisError::Key { field: named } if named == field), "{error}");
        }
        let built = Genesis { operator: weak, ..genesis() };
        assert!(matches!(built.validate(), Err(GenesisError::Key { .. })));
    }
}

/// The operator is talked into registering a device whose key is worth nothing.
#[test]
fn a_weak_key_is_no_meters_key() {
    let genesis = genesis();
    let mut state = State::genesis(&genesis);
    let mut apply = |nonce: u64, commands: Vec<Command>| {
        let (chain, signer) = (genesis.chain_id(), key(9).public());
        let signed = Bundle { chain, signer, nonce, expires_at: NEVER, commands }.sign(&key(9));
        let entry = Entry::decode_unverified(&[&[1], signed.bytes()].concat()).unwrap().verify().unwrap();
        let mut records = Vec::new();
        state.apply(nonce, &entry, &mut records);
        records.remove(0).outcome
    };
    let account = AccountId(0);
    assert_eq!(apply(1, vec![Command::RegisterAccount { account, organisation: None }]), Outcome::Done);
    let register = |key| Command::RegisterMeter {
        meter: MeterId(0),
        account,
        key,
        area: AreaId(0),
        import_max_wh: Energy(1),
        export_max_wh: Energy(1),
        plant: Plant::NONE,
    };
    for (weak, nonce) in weak_keys().into_iter().zip(2..) {
        assert_eq!(apply(nonce, vec![register(weak)]), Outcome::Rejected(Code::AuthKey), "{weak}");
    }
    assert_eq!(apply(100, vec![register(key(40).public())]), Outcome::Done);
}

/// Everything that one key may be asked to sign, as it is signed.
fn statements(key: &SecretKey) -> Vec<(&'static str, Vec<u8>, Signature)> {
    let genesis = genesis();
    let (chain, me) = (genesis.chain_id(), ValidatorIndex(0));
    let mut header = genesis.root_header(Hash([1; 32]));
    (header.rank, header.height) = (Rank { view: 4, slot: 0 }, 1);
    let vote = Vote::sign(chain, 0, header.reference(), me, key);
    let high_qc = QuorumCert { epoch: 0, header: HeaderRef::default(), signers: 0, signatures: Vec::new() };
    let unsigned = Signature([0; 64]);
    let tip = Some(header.reference());
    let timeout = Timeout { epoch: 0, view: 4, high_qc, tip, voter: me, signature: unsigned, entry: None };
    let run = Run { start: LogPoint::default(), entries: Vec::new() };
    let end = LogPoint::default();
    let chunk =
        Chunk { epoch: 0, view: 4, number: 0, cut: false, run, end, places_root: Hash::ZERO, signature: unsigned };
    let chunk = chunk.sign(chain, key);
    let commands = vec![Command::CancelAll];
    let bundle = Bundle { chain, signer: key.public(), nonce: 1, expires_at: NEVER, commands }.sign(key);
    let proposal =
        Proposal { signature: Proposal::sign(&header, key), justify: timeout.high_qc.clone(), tc: None, header };
    vec![
        ("vote", vote.signed_bytes(chain), vote.signature),
        ("timeout", timeout.signed_bytes(chain), key.sign(&timeout.signed_bytes(chain))),
        ("proposal", proposal.signed_bytes(), proposal.signature),
        ("chunk", chunk.statement().signed_bytes(chain), chunk.signature),
        ("bundle", bundle.content().to_vec(), *bundle.signature()),
    ]
}

/// A vote is taken for an order, a timeout for a vote: no signature serves as another, and no statement is the beginning of another.
#[test]
fn a_signature_of_one_kind_of_statement_is_none_of_another() {
    let key = key(1);
    let all = statements(&key);
    for (said, bytes, _) in &all {
        for (signed, other, signature) in &all {
            assert_eq!(key.public().verify(bytes, signature), said == signed, "{signed} as {said}");
            assert!(said == signed || !other.starts_with(bytes), "{said} begins {signed}");
        }
    }
}

/// The same statement on another ledger is another statement.
#[test]
fn a_statement_is_of_one_ledger() {
    let key = key(1);
    let header = HeaderRef { rank: Rank { view: 4, slot: 0 }, hash: Hash([3; 32]) };
    let vote = Vote::sign(Hash([1; 32]), 0, header, ValidatorIndex(0), &key);
    assert!(key.public().verify(&vote.signed_bytes(Hash([1; 32])), &vote.signature));
    assert!(!key.public().verify(&vote.signed_bytes(Hash([2; 32])), &vote.signature));
    let later = Vote { epoch: 1, ..vote.clone() };
    assert!(!key.public().verify(&later.signed_bytes(Hash([1; 32])), &vote.signature));
}
