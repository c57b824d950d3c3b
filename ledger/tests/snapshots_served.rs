//! A joiner is served a snapshot by one validator that lies: of an older state, of a header that was never final, of another ledger, or
//! with pieces of its own making.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use gridbook_engine::{AccountId, DeliveryPeriod, MarketRules, Money};
use gridbook_ledger::command::{Bundle, Command, NEVER};
use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::entry::Entry;
use gridbook_ledger::genesis::{Genesis, SettlementRules};
use gridbook_ledger::header::{Header, Rank};
use gridbook_ledger::hotstuff::{Proposal, QuorumCert, Vote};
use gridbook_ledger::replica::FinalProof;
use gridbook_ledger::snapshot::{Incoming, Manifest, Snapshot, SnapshotError};
use gridbook_ledger::state::{PieceError, PieceList, State};
use gridbook_ledger::validators::{ValidatorIndex, ValidatorSet};

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

/// The state after one account was opened, and so many deposits.
fn state(deposits: u64) -> State {
    let genesis = genesis();
    let mut state = State::genesis(&genesis);
    let account = AccountId(0);
    for nonce in 1..=deposits + 1 {
        let command = match nonce {
            1 => Command::RegisterAccount { account, organisation: None },
            _ => Command::Deposit { account, amount: Money(7) },
        };
        let (chain, signer) = (genesis.chain_id(), key(9).public());
        let bundle = Bundle { chain, signer, nonce, expires_at: NEVER, commands: vec![command] }.sign(&key(9));
        let entry = Entry::decode_unverified(&[&[1], bundle.bytes()].concat()).unwrap().verify().unwrap();
        state.apply(nonce, &entry, &mut Vec::new());
    }
    state
}

fn child(parent: &Header, slot: u32) -> Header {
    let set = genesis().validators;
    Header {
        rank: Rank { view: 1, slot },
        proposer: set.leader(1),
        height: parent.height + 1,
        parent: parent.hash(),
        justify: parent.reference(),
        first_seq: parent.last_seq + 1,
        flags: 0,
        snapshot_root: Hash::ZERO,
        ..parent.clone()
    }
}

fn certified(header: &Header, signers: &[u8]) -> QuorumCert {
    let vote =
        |n: &u8| Vote::sign(header.chain, 0, header.reference(), ValidatorIndex((*n - 1).into()), &key(*n)).signature;
    let bits = signers.iter().fold(0, |bits, n| bits | 1 << (n - 1));
    QuorumCert { epoch: 0, header: header.reference(), signers: bits, signatures: signers.iter().map(vote).collect() }
}

/// ```text
/// root <- A (1, 0) <- B (1, 1), the checkpoint <- C (1, 2), certified
/// ```
fn snapshot_of(mut state: State) -> Snapshot {
    let root = genesis().root_header(State::genesis(&genesis()).state_root());
    let a = child(&root, 0);
    let (state_root, snapshot_root) = (state.state_root(), state.snapshot_root());
    let b = Header { flags: Header::CHECKPOINT, state_root, snapshot_root, last_seq: 9, ..child(&a, 1) };
    let c = child(&b, 2);
    let leader = key(u8::try_from(b.proposer.0).unwrap() + 1);
    let proposal =
        Proposal { signature: Proposal::sign(&b, &leader), justify: certified(&a, &[1, 2, 3]), tc: None, header: b };
    let proof = FinalProof { via: Vec::new(), qc: certified(&c, &[1, 2, 4]), child: c };
    let state = state.snapshot();
    let pieces = PieceList::of(&state).unwrap();
    Snapshot { manifest: Manifest { proposal, proof, epochs: Vec::new(), pieces }, state }
}

fn fetched(manifest: &Manifest, state: &[u8]) -> Result<Snapshot, PieceError> {
    let mut incoming = Incoming::new(manifest.clone())?;
    for piece in 0..manifest.pieces.count() {
        let range = manifest.pieces.range(piece).unwrap();
        let bytes = state.get(range.start as usize..range.end as usize).unwrap_or_default();
        incoming.put(piece, bytes)?;
    }
    Ok(incoming.finish().unwrap())
}

#[test]
fn a_good_snapshot_is_fetched_piece_by_piece_and_gone_on_from() {
    let served = snapshot_of(state(3));
    assert_eq!(served.manifest.verify(&genesis()), Ok(()));
    let snapshot = fetched(&served.manifest, &served.state).unwrap();
    assert_eq!(snapshot, served);
    assert_eq!(snapshot.verify(&genesis()).unwrap().accounts_count(), 1);
}

/// The header is the newest there is and the state under it an older one, in which a payment has not been made yet.
#[test]
fn a_stale_state_under_a_final_header_is_refused() {
    let (new, old) = (snapshot_of(state(3)), state(2).snapshot());
    // With the list of the old state: the roots are not the header's.
    let listed = Manifest { pieces: PieceList::of(&old).unwrap(), ..new.manifest.clone() };
    assert_eq!(listed.verify(&genesis()), Err(SnapshotError::OtherRoot { height: 2 }));
    // With the list of the new one: the first piece that differs is named.
    assert!(matches!(fetched(&new.manifest, &old), Err(PieceError::Hash(_))));
    // As a whole file.
    let file = Snapshot { manifest: new.manifest, state: old };
    assert_eq!(file.verify(&genesis()).err(), Some(SnapshotError::OtherRoot { height: 2 }));
}

/// A header that its leader signed, and that never got a quorum behind its child.
#[test]
fn a_snapshot_of_a_header_that_is_not_final_is_refused() {
    let good = snapshot_of(state(3)).manifest;
    let FinalProof { child, .. } = &good.proof;
    let few = FinalProof { qc: certified(child, &[1, 2]), ..good.proof.clone() };
    let of_itself = FinalProof { qc: certified(good.header(), &[1, 2, 3]), ..good.proof.clone() };
    let mut later = child.clone();
    later.rank.slot += 1;
    let gap = FinalProof { qc: certified(&later, &[1, 2, 3]), child: later, ..good.proof.clone() };
    for proof in [few, of_itself, gap] {
        let manifest = Manifest { proof, ..good.clone() };
        assert!(
            matches!(manifest.verify(&genesis()), Err(SnapshotError::NotFinal(_))),
            "{:?}",
            manifest.verify(&genesis())
        );
    }
}

#[test]
fn a_snapshot_of_another_ledger_or_without_a_checkpoint_is_refused() {
    let good = snapshot_of(state(3)).manifest;
    let other = Genesis { name: "elsewhere".into(), ..genesis() };
    assert_eq!(good.verify(&other), Err(SnapshotError::Chain));
    let mut plain = good.clone();
    plain.proposal.header.flags = 0;
    assert_eq!(plain.verify(&genesis()), Err(SnapshotError::NotCheckpoint));
    let mut unsigned = good;
    unsigned.proposal.signature.0[3] ^= 1;
    assert_eq!(unsigned.verify(&genesis()), Err(SnapshotError::Proposal));
}

/// One byte of one piece is wrong: that piece is refused by its number, and can be had from another.
#[test]
fn a_spoilt_piece_is_named_and_fetched_from_another() {
    let served = snapshot_of(state(3));
    let mut incoming = Incoming::new(served.manifest.clone()).unwrap();
    for piece in 0..served.manifest.pieces.count() {
        let range = served.manifest.pieces.range(piece).unwrap();
        let good = &served.state[range.start as usize..range.end as usize];
        let mut spoilt = good.to_vec();
        spoilt[0] ^= 1;
        assert_eq!(incoming.put(piece, &spoilt), Err(PieceError::Hash(piece)));
        assert_eq!(incoming.put(piece, &good[1..]), Err(PieceError::Hash(piece)));
        assert_eq!(incoming.put(piece, good), Ok(()));
    }
    assert_eq!(incoming.put(u32::MAX, &[]), Err(PieceError::Number(u32::MAX)));
    assert_eq!(incoming.finish().unwrap().state, served.state);
}
