//! An auditor is given an account's whole history in a file, and asks nobody: only the genesis is trusted.

use gridbook_engine::{AccountId, AreaId, Energy, MeterId, Money};
use gridbook_ledger::bytes::BytesError;
use gridbook_ledger::command::{Bundle, Command, NEVER};
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::entry::Entry;
use gridbook_ledger::epoch::FinalityError;
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::header::Header;
use gridbook_ledger::receipt::{AccountError, AccountHistory, AccountProof};
use gridbook_ledger::record::{Extract, Party, Record};
use gridbook_ledger::registry::Plant;
use gridbook_ledger::state::State;

use super::{after, certificate, genesis, genesis_of, key, rank};

const ACCOUNT: AccountId = AccountId(1);

fn entry(bundle: &Bundle) -> Entry {
    let mut bytes = vec![1];
    bytes.extend(bundle.content());
    bytes.extend([0; 64]);
    Entry::decode_unverified(&bytes).unwrap().trust()
}

/// Three accounts with a meter each, and a deposit a day for a fortnight, in turn.
fn town() -> (State, Vec<Record>) {
    let (mut state, mut records) = (State::genesis(&genesis()), Vec::new());
    let mut apply = |commands: Vec<Command>, nonce| {
        let (chain, signer, expires_at) = (genesis().chain_id(), key(200).public(), NEVER);
        let first_seq = records.len() as u64 + 1;
        state.apply(first_seq, &entry(&Bundle { chain, signer, nonce, expires_at, commands }), &mut records);
    };
    for number in 0..3_u8 {
        let (account, meter, max) = (AccountId(number.into()), MeterId(number.into()), Energy(1_000));
        let meter_key = key(100 + number).public();
        let (area, import_max_wh, export_max_wh) = (AreaId(0), max, max);
        let (key, plant) = (meter_key, Plant::NONE);
        let meter = Command::RegisterMeter { meter, account, key, area, import_max_wh, export_max_wh, plant };
        apply(vec![Command::RegisterAccount { account, organisation: None }, meter], u64::from(number) + 1);
    }
    for day in 0..14_u32 {
        let (account, amount) = (AccountId(day % 3), Money(i128::from(day) + 1));
        apply(vec![Command::Deposit { account, amount }], u64::from(day) + 10);
    }
    (state, records)
}

/// Header B covers all of it, and C makes it final.
fn history() -> AccountHistory {
    let (mut state, records) = town();
    let b = Header {
        state_root: state.state_root(),
        ..after(&genesis().root_header(Hash([1; 32])), rank(2, 0), records.len() as u64)
    };
    let child = after(&b, rank(2, 1), 2);
    let qc = certificate(&child, 1, &[0, 1, 3]);
    let (view, proof) = (state.account(ACCOUNT).unwrap(), state.prove_account(ACCOUNT).unwrap());
    let party = Party::Account(ACCOUNT);
    let extracts = records.iter().filter_map(|record| record.extract_for(party)).map(|extract| extract.encode());
    let proof = AccountProof { epochs: vec![], account: ACCOUNT, state: view, proof, headers: vec![b], child, qc };
    AccountHistory { proof, extracts: extracts.collect() }
}

fn error(history: &AccountHistory) -> Option<AccountError> {
    history.verify(&genesis()).err()
}

/// The good case, through bytes and back.
#[test]
fn a_whole_history_verifies_offline_against_the_genesis_alone() {
    let history = AccountHistory::decode(&history().encode()).unwrap();
    let verified = history.verify(&genesis()).unwrap();
    assert_eq!((verified.extracts.len(), verified.account.height), (7, 1), "account, meter and five deposits");
    assert_eq!(verified.account.state.balance, Money(2 + 5 + 8 + 11 + 14));
    assert_eq!(AccountProof::decode(&history.proof.encode()), Ok(history.proof));
}

/// Whatever bit of the file is altered: it cannot be read, or a step of the proof breaks. Signatures that were not asked for are none.
#[test]
fn every_altered_bit_of_a_history_is_refused() {
    let bytes = history().encode();
    for bit in (0..bytes.len() * 8).step_by(3) {
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        if let Ok(history) = AccountHistory::decode(&altered) {
            assert!(error(&history).is_some(), "bit {bit}");
        }
    }
    assert_eq!(AccountHistory::decode(&bytes[..bytes.len() - 1]), Err(BytesError::Truncated));
    assert_eq!(AccountHistory::decode(&[&bytes[..], &[0]].concat()), Err(BytesError::Trailing));
}

/// A deposit is left out, told twice, swapped with the next, made up, or borrowed from a neighbour: the verifier says what is wrong.
#[test]
fn a_history_that_is_not_whole_is_refused_by_the_step_that_breaks() {
    let whole = history();
    let with = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut history = whole.clone();
        change(&mut history.extracts);
        error(&history)
    };
    assert_eq!(with(&|extracts| _ = extracts.remove(3)), Some(AccountError::Incomplete { count: 6 }));
    assert_eq!(with(&|extracts| _ = extracts.pop()), Some(AccountError::Incomplete { count: 6 }));
    assert_eq!(with(&Vec::clear), Some(AccountError::Incomplete { count: 0 }));
    let seq = Extract::decode(&whole.extracts[3]).unwrap().record().seq;
    let twice = with(&|extracts| extracts.insert(4, extracts[3].clone()));
    assert_eq!(twice, Some(AccountError::Order { number: 4, seq }));
    assert_eq!(with(&|extracts| extracts.swap(3, 4)), Some(AccountError::Order { number: 4, seq }));
    let mut later = whole.extracts[6].clone();
    later[..8].copy_from_slice(&99_u64.to_le_bytes());
    let later = with(&|extracts| extracts.push(later.clone()));
    assert_eq!(later, Some(AccountError::Order { number: 7, seq: 99 }));
    let (_, records) = town();
    let neighbours = records[8].extract_for(Party::Account(AccountId(2))).unwrap();
    let borrowed = with(&|extracts| extracts[4] = neighbours.encode());
    assert_eq!(borrowed, Some(AccountError::Foreign { number: 4, seq: neighbours.record().seq }));
    let cut = with(&|extracts| _ = extracts[2].pop());
    assert_eq!(cut, Some(AccountError::Extract { number: 2, why: BytesError::Truncated }));
    assert_eq!(error(&whole), None);
}

/// The account is made richer, proven under another header's root, or certified by strangers.
#[test]
fn a_history_without_a_proven_account_is_refused() {
    let with = |change: &dyn Fn(&mut AccountProof)| {
        let mut history = history();
        change(&mut history.proof);
        error(&history)
    };
    assert_eq!(with(&|proof| proof.state.balance += Money(1)), Some(AccountError::State));
    assert_eq!(with(&|proof| proof.account = AccountId(2)), Some(AccountError::State));
    assert_eq!(with(&|proof| proof.headers.clear()), Some(AccountError::Size));
    let moved = with(&|proof| proof.headers[0].state_root = Hash([3; 32]));
    assert!(matches!(moved, Some(AccountError::Finality { .. })), "{moved:?}");
    let few = with(&|proof| proof.qc = certificate(&proof.child, 1, &[0, 1]));
    assert!(matches!(few, Some(AccountError::Finality { why: FinalityError::Certificate(_), .. })), "{few:?}");
    let strangers = history().verify(&genesis_of(50, 4)).err();
    assert!(matches!(strangers, Some(AccountError::Finality { .. })), "{strangers:?}");
    let other = Genesis { name: "elsewhere".into(), ..genesis() };
    assert!(history().verify(&other).is_err());
}
