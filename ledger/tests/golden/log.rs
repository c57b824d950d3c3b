//! What stands in the log, what is voted for, and what names a ledger.

use gridbook_engine::{AreaId, Energy, LedgerTime, MarketRules, Price};
use gridbook_ledger::command::{Bundle, Command, NEVER, SignedBundle};
use gridbook_ledger::crypto::{Hash, PublicKey, SecretKey};
use gridbook_ledger::entry::{Entry, UnverifiedEntry, log_digest};
use gridbook_ledger::genesis::{Area, AreaEdge, Genesis, SettlementRules};
use gridbook_ledger::header::{Header, HeaderRef, Rank};
use gridbook_ledger::hotstuff::Vote;
use gridbook_ledger::merkle;
use gridbook_ledger::validators::{ValidatorIndex, ValidatorSet};

use crate::{KEY, assert_golden, hex, key};

#[test]
fn bundle_bytes() {
    let commands = vec![Command::CancelAll, Command::Cancel { client_id: 3 }];
    let signed =
        Bundle { chain: Hash([0xc4; 32]), signer: key().public(), nonce: 9, expires_at: NEVER, commands }.sign(&key());
    let chain = "c4".repeat(32);
    let (first, second) =
        (format!("05{}", "00".repeat(63)), format!("02000000000000000300000000000000{}", "00".repeat(48)));
    assert_golden(
        signed.bytes(),
        &[
            ("domain: length and gridbook/bundle/1", "11 67726964626f6f6b2f62756e646c652f31"),
            ("version", "0100"),
            ("chain", &chain),
            ("signer", KEY),
            ("nonce", "0900000000000000"),
            ("expires at: never", "ffffffffffffffff"),
            ("count", "0200"),
            ("gap", "0000"),
            ("cancel all", &first),
            ("cancel", &second),
            ("signature", SIGNATURE),
        ],
    );
    assert_eq!(signed.id().0.to_hex(), BUNDLE_ID);
    assert!(SignedBundle::decode(signed.bytes()).is_ok());
}

const SIGNATURE: &str = "2d4b89ac9944e70f81949ec1e3fa22d69c99ed8452db1b757f8b66a6ae5b71bcf73621ebde52b5cffb30b581c8633b4f6b4228b910e5b3c6af5acc729bbe8807";

const BUNDLE_ID: &str = "464bb6c7b2ff681b18d4cacb433ff83a63df5620048041fb4bd284ec9f4f289f";

fn header() -> Header {
    Header {
        chain: Hash([1; 32]),
        epoch: 2,
        rank: Rank { view: 3, slot: 4 },
        height: 5,
        proposer: ValidatorIndex(6),
        time_ms: 7,
        parent: Hash([8; 32]),
        justify: HeaderRef { rank: Rank { view: 9, slot: 10 }, hash: Hash([11; 32]) },
        tc_hash: Hash([12; 32]),
        first_seq: 13,
        last_seq: 14,
        log_digest: Hash([15; 32]),
        inputs_root: Hash([16; 32]),
        results_root: Hash([17; 32]),
        state_root: Hash([18; 32]),
        snapshot_root: Hash([19; 32]),
        flags: 20,
        next_set_hash: Hash([21; 32]),
    }
}

#[test]
fn header_bytes() {
    let hash = |number: u8| hex(&[number; 32]);
    assert_golden(
        &header().encode(),
        &[
            ("chain", &hash(1)),
            ("epoch", "02000000"),
            ("view", "0300000000000000"),
            ("slot", "04000000"),
            ("height", "0500000000000000"),
            ("proposer", "0600"),
            ("time", "0700000000000000"),
            ("parent", &hash(8)),
            ("justify view", "0900000000000000"),
            ("justify slot", "0a000000"),
            ("justify hash", &hash(11)),
            ("timeout certificate", &hash(12)),
            ("first number", "0d00000000000000"),
            ("last number", "0e00000000000000"),
            ("log digest", &hash(15)),
            ("inputs root", &hash(16)),
            ("results root", &hash(17)),
            ("state root", &hash(18)),
            ("snapshot root", &hash(19)),
            ("flags", "14000000"),
            ("next set", &hash(21)),
        ],
    );
    assert_eq!(header().hash().to_hex(), HEADER_HASH);
    assert_eq!(Header::decode(&header().encode()), Ok(header()));
}

const HEADER_HASH: &str = "245600b814dd8ce0f411a4397672644ff23090d9e606d0b011cdd22d7737bcb1";

#[test]
fn vote_bytes() {
    let (chain, block) = ("01".repeat(32), HeaderRef { rank: Rank { view: 3, slot: 4 }, hash: Hash([8; 32]) });
    let vote = Vote::sign(Hash([1; 32]), 2, block, ValidatorIndex(0), &key());
    assert_golden(
        &vote.signed_bytes(Hash([1; 32])),
        &[
            ("domain: length and gridbook/vote/1", "0f 67726964626f6f6b2f766f74652f31"),
            ("chain", &chain),
            ("epoch", "02000000"),
            ("view", "0300000000000000"),
            ("slot", "04000000"),
            ("header", &"08".repeat(32)),
        ],
    );
    assert!(key().public().verify(&vote.signed_bytes(Hash([1; 32])), &vote.signature));
}

#[test]
fn log_entry_bytes_and_digest() {
    let (time, work) = (Entry::Time(LedgerTime(7)), Entry::Work { limit: 1_000 });
    assert_golden(&time.encode(), &[("time", "02 0700000000000000")]);
    assert_golden(&work.encode(), &[("work", "03 e8030000")]);
    let bundle = Bundle {
        chain: Hash([1; 32]),
        signer: PublicKey([2; 32]),
        nonce: 1,
        expires_at: NEVER,
        commands: vec![Command::CancelAll],
    };
    let signed = bundle.sign(&key());
    let bytes = [&[1], signed.bytes()].concat();
    let entry = UnverifiedEntry::decode(&bytes).unwrap().trust();
    assert_eq!(entry.encode(), bytes);
    let digest = [&time, &work, &entry]
        .into_iter()
        .fold((Hash::ZERO, 1), |(before, seq), entry| (log_digest(before, seq, entry), seq + entry.count()));
    assert_eq!(digest.0.to_hex(), LOG_DIGEST);
}

const LOG_DIGEST: &str = "9b9e5084c95a3b0736de01f8139b8ed9ac7ab5255c5ac73c505f0dfef974cb3c";

#[test]
fn merkle_roots() {
    let leaves: Vec<Hash> = (0..5).map(|number| Hash([number; 32])).collect();
    assert_eq!(merkle::root(&[]).to_hex(), ROOT_OF_NONE);
    assert_eq!(merkle::root(&leaves[..1]).to_hex(), ROOT_OF_ONE);
    assert_eq!(merkle::root(&leaves).to_hex(), ROOT_OF_FIVE);
}

const ROOT_OF_NONE: &str = "2d47ab3c22f20cf22f1d061c3c497a30403f4e0e07f763a7c30132cbe2cfa99b";

const ROOT_OF_ONE: &str = "871b73a06228e78b9257dc40da2140ae17dfdf0f2dab939a5a130975557e24cc";

const ROOT_OF_FIVE: &str = "20fd854dc3cde875665ab3f1cb4af8c8257ac8ed4d57defa0c3b5e9cbc161026";

#[test]
fn chain_id() {
    let keys = (1..5).map(|number| SecretKey::from_seed([number; 32]).public()).collect();
    let genesis = Genesis {
        name: "town".into(),
        ledger_start: LedgerTime(1_743_451_200_000),
        wall_start_ms: 1_743_451_200_000,
        time_scale: 60,
        rules: MarketRules::default(),
        settlement: SettlementRules::default(),
        areas: vec!["north".into(), "south".into()],
        operator: key().public(),
        validators: ValidatorSet::new(keys).unwrap(),
    };
    assert_eq!(genesis.chain_id().to_hex(), CHAIN_ID);
    let edge =
        AreaEdge { parent: AreaId(1), up: Energy(5_000), down: Energy(7_000), fee_up: Price(10), fee_down: Price(20) };
    let north = Area { name: "north".into(), edge: Some(edge) };
    let tree = Genesis { areas: vec![north, "south".into()], ..genesis.clone() };
    assert_eq!(tree.chain_id().to_hex(), CHAIN_ID_OF_TREE);
    assert_eq!(genesis.initial_log_digest().to_hex(), FIRST_DIGEST);
}

const CHAIN_ID: &str = "36ac54a3da405ac1dcc3e55ae5d2ea59161c67b9d8eb158ffe545172ed431887";

const CHAIN_ID_OF_TREE: &str = "00ad71fe96d8d49f659ac087ce0614fb069d8a4856ad86ef4bdbda9e83ca92a8";

const FIRST_DIGEST: &str = "37866404583fc28b938acb9cfb6cfb7126b73baacc69f44febbc009393d4fd30";
