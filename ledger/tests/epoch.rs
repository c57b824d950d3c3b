//! A validator set gives way to the next: who may say so, how it is proven, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use gridbook_engine::{LedgerTime, MarketRules};
use gridbook_ledger::bytes::BytesError;
use gridbook_ledger::crypto::{Hash, PublicKey, SecretKey, Signature};
use gridbook_ledger::entry::Entry;
use gridbook_ledger::epoch::{EpochError, EpochProof, Epochs, FinalityError, Reconfigure};
use gridbook_ledger::genesis::{Genesis, SettlementRules};
use gridbook_ledger::header::{Header, Rank};
use gridbook_ledger::hotstuff::{CertError, QuorumCert, Vote};
use gridbook_ledger::merkle::{self, Path};
use gridbook_ledger::receipt::{Receipt, ReceiptError};
use gridbook_ledger::record::{Outcome, Record};
use gridbook_ledger::reject::Code;
use gridbook_ledger::state::State;
use gridbook_ledger::validators::{Member, ValidatorIndex, ValidatorSet};

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed([number; 32])
}

fn set_of(keys: &[u8]) -> ValidatorSet {
    ValidatorSet::new(keys.iter().map(|number| key(*number).public()).collect()).expect("distinct good keys")
}

fn genesis() -> Genesis {
    Genesis {
        name: "town".into(),
        ledger_start: LedgerTime(1_743_451_200_000),
        wall_start_ms: 1_743_451_200_000,
        time_scale: 1,
        rules: MarketRules::default(),
        settlement: SettlementRules::default(),
        areas: vec!["town".into()],
        operator: key(200).public(),
        validators: set_of(&FIRST),
    }
}

/// The keys of each epoch's validators: the third is rotated, then the fourth replaced and the first rotated.
const FIRST: [u8; 4] = [1, 2, 3, 4];
const SECOND: [u8; 4] = [1, 2, 13, 4];
const THIRD: [u8; 4] = [11, 2, 13, 24];

fn chain() -> Hash {
    genesis().chain_id()
}

/// The wish for `next` after epoch 0, signed by some of the first set.
fn change(next: &ValidatorSet, signers: &[u8]) -> Reconfigure {
    let mut change = Reconfigure::propose(chain(), 0, next);
    for signer in signers {
        change.approve(&set_of(&FIRST), &key(*signer)).expect("a member");
    }
    change
}

fn verify(change: &Reconfigure) -> Result<ValidatorSet, Code> {
    change.verify(chain(), 0, &set_of(&FIRST))
}

#[test]
fn three_of_four_may_end_the_epoch_and_two_may_not() {
    let next = set_of(&SECOND);
    assert_eq!(verify(&change(&next, &[1, 2, 4])), Ok(next.clone()));
    assert_eq!(verify(&change(&next, &[1, 2, 3, 4])), Ok(next.clone()));
    assert_eq!(verify(&change(&next, &[1, 2])), Err(Code::EpochQuorum));
    assert_eq!(verify(&change(&next, &[])), Err(Code::EpochQuorum));
}

/// One operator sends his approval twice, or signs in the place of another: it still counts once.
#[test]
fn a_duplicate_signer_cannot_be_written_down() {
    let next = set_of(&SECOND);
    let twice = change(&next, &[1, 2, 2, 1]);
    assert_eq!((twice.signers, twice.signatures.len()), (0b0011, 2));
    assert_eq!(verify(&twice), Err(Code::EpochQuorum));
    let mut padded = change(&next, &[1, 2]);
    padded.signatures.push(padded.signatures[1]);
    assert_eq!(verify(&padded), Err(Code::EpochSigner), "a signature without a signer");
    padded.signers |= 1 << 3;
    assert_eq!(verify(&padded), Err(Code::EpochSignature), "nor does it pass for another's");
}

#[test]
fn a_change_for_another_epoch_or_ledger_is_refused() {
    let next = set_of(&SECOND);
    let good = change(&next, &[1, 2, 3]);
    assert_eq!(good.verify(chain(), 1, &set_of(&FIRST)), Err(Code::EpochNumber), "it was put in before");
    assert_eq!(good.verify(Hash([7; 32]), 0, &set_of(&FIRST)), Err(Code::AuthChain));
}

#[test]
fn a_change_with_a_bad_signature_or_altered_after_signing_is_refused() {
    let next = set_of(&SECOND);
    let mut forged = change(&next, &[1, 2, 3]);
    forged.signatures[1] = Signature([9; 64]);
    assert_eq!(verify(&forged), Err(Code::EpochSignature));
    let mut altered = change(&next, &[1, 2, 3]);
    altered.members[0].key = key(66).public();
    assert_eq!(verify(&altered), Err(Code::EpochSignature), "somebody slips his own key in");
    let mut penalised = change(&next, &[1, 2, 3]);
    penalised.penalised = vec![ValidatorIndex(1)];
    assert_eq!(verify(&penalised), Err(Code::EpochSignature));
    let mut moved = change(&next, &[1, 2, 3]);
    moved.members[1].address = Some("10.0.0.66:7100".parse().unwrap());
    assert_eq!(verify(&moved), Err(Code::EpochSignature));
}

#[test]
fn a_signer_who_is_no_member_is_refused() {
    let next = set_of(&SECOND);
    let stranger = Reconfigure::propose(chain(), 0, &next).approve(&set_of(&FIRST), &key(13));
    assert_eq!(stranger, Err(Code::EpochSigner), "the new key is not a member yet");
    let mut beyond = change(&next, &[1, 2, 3]);
    (beyond.signers, beyond.signatures) =
        (beyond.signers | 1 << 40, [beyond.signatures, vec![Signature([1; 64])]].concat());
    assert_eq!(verify(&beyond), Err(Code::EpochSigner));
}

/// A set is judged before signatures are: 2f + 1 operators can be mistaken together.
#[test]
fn a_next_set_that_is_none_is_refused_whoever_signed() {
    let keys = |numbers: &[u8]| -> Vec<PublicKey> { numbers.iter().map(|number| key(*number).public()).collect() };
    let with = |keys: Vec<PublicKey>, penalised: &[u16]| {
        let mut change = change(&set_of(&SECOND), &[1, 2, 3]);
        change.members = keys.into_iter().map(|key| Member { key, address: None }).collect();
        change.penalised = penalised.iter().copied().map(ValidatorIndex).collect();
        verify(&change)
    };
    assert_eq!(with(keys(&[1, 2, 3, 4, 5]), &[]), Err(Code::EpochSize));
    assert_eq!(with(keys(&[1, 2, 3]), &[]), Err(Code::EpochSize));
    assert_eq!(with(keys(&[1, 2, 3, 3]), &[]), Err(Code::EpochDuplicate));
    let weak = PublicKey([0; 32]);
    assert_eq!(with([keys(&[1, 2, 3]), vec![weak]].concat(), &[]), Err(Code::EpochKey));
    assert_eq!(with(keys(&SECOND), &[0, 1]), Err(Code::EpochPenalty), "more than f");
    assert_eq!(with(keys(&SECOND), &[4]), Err(Code::EpochPenalty), "nobody");
}

#[test]
fn a_change_comes_back_from_its_bytes_and_from_no_others() {
    let whole = change(&set_of(&SECOND), &[1, 2, 4]);
    let bytes = whole.encode();
    assert_eq!(Reconfigure::decode(&bytes), Ok(whole));
    for length in 0..bytes.len() {
        assert_eq!(Reconfigure::decode(&bytes[..length]), Err(BytesError::Truncated), "cut to {length}");
    }
    assert_eq!(Reconfigure::decode(&[&bytes[..], &[0]].concat()), Err(BytesError::Trailing));
    let mut endless = bytes;
    endless[36..38].copy_from_slice(&u16::MAX.to_le_bytes());
    assert_eq!(Reconfigure::decode(&endless), Err(BytesError::TooLong));
}

/// Largest set, all of whom sign.
#[test]
fn forty_nine_validators_fit_into_one_entry() {
    let set = set_of(&(1..50).collect::<Vec<u8>>());
    let mut change = Reconfigure::propose(chain(), 0, &set);
    (1..50).for_each(|number| _ = change.approve(&set, &key(number)).unwrap());
    assert_eq!(change.verify(chain(), 0, &set), Ok(set));
    let entry = Entry::Reconfigure(Box::new(change));
    let again = Entry::decode_unverified(&entry.encode()).unwrap().verify().unwrap();
    assert_eq!(again, entry);
}

/// The same wish with other signatures is another entry: whether it is carried out depends on them.
#[test]
fn two_entries_that_differ_in_signatures_alone_have_two_names() {
    let next = set_of(&SECOND);
    assert_ne!(change(&next, &[1, 2, 3]).id(), change(&next, &[1, 2]).id());
}

fn apply(state: &mut State, seq: u64, change: Reconfigure) -> Outcome {
    let mut records = Vec::new();
    state.apply(seq, &Entry::Reconfigure(Box::new(change)), &mut records);
    assert_eq!(records.len(), 1);
    records[0].outcome
}

/// Executed, it counts from the next entry on; refused, it leaves a record and nothing else; taken back, it never was.
#[test]
fn execution_judges_a_change_at_its_place_in_the_log() {
    let mut state = State::genesis(&genesis());
    let (mark, root) = (state.mark(), state.snapshot_root());
    assert_eq!(apply(&mut state, 1, change(&set_of(&SECOND), &[1, 2])), Outcome::Rejected(Code::EpochQuorum));
    assert_eq!(state.epoch(), (0, &set_of(&FIRST)));
    let good = change(&set_of(&SECOND), &[1, 2, 3]);
    assert_eq!(apply(&mut state, 2, good.clone()), Outcome::Done);
    assert_eq!(state.epoch(), (1, &set_of(&SECOND)));
    assert_eq!(apply(&mut state, 3, good), Outcome::Rejected(Code::EpochNumber), "it was good once");
    let mut third = Reconfigure::propose(chain(), 1, &set_of(&THIRD));
    for signer in [1, 2, 13] {
        third.approve(&set_of(&SECOND), &key(signer)).unwrap();
    }
    let again = State::restore(&genesis(), &state.snapshot()).unwrap();
    assert_eq!(again.epoch(), (1, &set_of(&SECOND)));
    assert_eq!(apply(&mut state, 4, third), Outcome::Done);
    state.rollback(mark);
    assert_eq!(state.epoch(), (0, &set_of(&FIRST)));
    assert_eq!(state.snapshot_root(), root);
}

/// Headers of a ledger, one after the other.
struct Headers(Vec<Header>);

fn rank(view: u64, slot: u32) -> Rank {
    Rank { view, slot }
}

fn record(seq: u64) -> Record {
    let entry = Hash([7; 32]);
    Record { seq, entry, index: 0, meter: None, client_id: 0, outcome: Outcome::Done, events: Vec::new() }
}

impl Headers {
    fn begin() -> Self {
        Self(vec![genesis().root_header(Hash([1; 32]))])
    }

    /// Adds a header of an epoch with so many records.
    fn add(&mut self, epoch: u32, rank: Rank, count: u64) -> Header {
        let parent = self.0.last().expect("the root at least");
        let (first_seq, last_seq) = (parent.last_seq + 1, parent.last_seq + count);
        let leaves: Vec<Hash> = (first_seq..=last_seq).map(|seq| record(seq).leaf_hash()).collect();
        let header = Header {
            epoch,
            rank,
            height: parent.height + 1,
            parent: parent.hash(),
            first_seq,
            last_seq,
            results_root: merkle::root(&leaves),
            flags: 0,
            next_set_hash: Hash::ZERO,
            ..parent.clone()
        };
        self.0.push(header.clone());
        header
    }

    /// Adds the header that ends an epoch.
    fn end(&mut self, epoch: u32, rank: Rank, next: &ValidatorSet) -> Header {
        self.add(epoch, rank, 1);
        let last = self.0.last_mut().expect("just added");
        (last.flags, last.next_set_hash) = (Header::EPOCH_END, next.hash());
        last.clone()
    }
}

fn certificate(header: &Header, epoch_keys: &[u8; 4]) -> QuorumCert {
    let vote = |place: &usize| {
        let voter = ValidatorIndex(u16::try_from(*place).unwrap());
        Vote::sign(header.chain, header.epoch, header.reference(), voter, &key(epoch_keys[*place])).signature
    };
    let signatures = [0, 1, 3].iter().map(vote).collect();
    QuorumCert { epoch: header.epoch, header: header.reference(), signers: 0b1011, signatures }
}

/// ```text
/// epoch 0: root <- A (1, 0) <- END (1, 1) <- (2, 0) <- C (2, 1)      a change of view before the end is final
/// epoch 1: END <- D (1, 0) <- END (1, 1) <- C (1, 2)
/// epoch 2: END <- E (1, 0), with records <- C (1, 1)
/// ```
struct Story {
    proofs: [EpochProof; 2],
    receipt: Receipt,
}

fn story() -> Story {
    let mut headers = Headers::begin();
    headers.add(0, rank(1, 0), 3);
    let end = headers.end(0, rank(1, 1), &set_of(&SECOND));
    let between = headers.add(0, rank(2, 0), 0);
    let child = headers.add(0, rank(2, 1), 0);
    let qc = certificate(&child, &FIRST);
    let first = EpochProof { headers: vec![end.clone(), between], child, qc, next: set_of(&SECOND) };

    headers.0 = vec![end];
    headers.add(1, rank(1, 0), 2);
    let end = headers.end(1, rank(1, 1), &set_of(&THIRD));
    let child = headers.add(1, rank(1, 2), 0);
    let qc = certificate(&child, &SECOND);
    let second = EpochProof { headers: vec![end.clone()], child, qc, next: set_of(&THIRD) };

    headers.0 = vec![end];
    let header = headers.add(2, rank(1, 0), 4);
    let child = headers.add(2, rank(1, 1), 1);
    let leaves: Vec<Hash> = (header.first_seq..=header.last_seq).map(|seq| record(seq).leaf_hash()).collect();
    let (record, path) = (record(header.first_seq + 2).encode(), Path::build(&leaves, 2).unwrap());
    let qc = certificate(&child, &THIRD);
    let receipt =
        Receipt { epochs: vec![first.clone(), second.clone()], record, path, headers: vec![header], child, qc };
    Story { proofs: [first, second], receipt }
}

fn refusal(receipt: &Receipt) -> Option<ReceiptError> {
    receipt.verify(&genesis()).err()
}

fn not_proven(number: usize, why: EpochError) -> Option<ReceiptError> {
    Some(ReceiptError::Epochs { number, why })
}

fn unfinal(epoch: u32, why: FinalityError) -> Option<ReceiptError> {
    Some(ReceiptError::Finality { epoch, why })
}

/// Two changes later, none of those who sign now was known to the genesis alone.
#[test]
fn a_receipt_of_epoch_2_verifies_against_the_genesis_alone() {
    let receipt = story().receipt;
    let again = Receipt::decode(&receipt.encode()).unwrap();
    assert_eq!(again, receipt);
    assert_eq!(again.verify(&genesis()).unwrap().header, receipt.headers[0].reference());
}

#[test]
fn a_receipt_whose_proofs_are_missing_is_refused() {
    let Story { proofs: [first, second], receipt } = story();
    let with = |epochs: Vec<EpochProof>| refusal(&Receipt { epochs, ..receipt.clone() });
    assert_eq!(with(vec![]), unfinal(0, FinalityError::Epoch));
    assert_eq!(with(vec![first.clone()]), unfinal(1, FinalityError::Epoch));
    assert_eq!(with(vec![second.clone()]), not_proven(0, FinalityError::Epoch.into()));
    assert_eq!(with(vec![second.clone(), first.clone()]), not_proven(0, FinalityError::Epoch.into()));
    assert_eq!(with(vec![first.clone(), first, second]), not_proven(1, FinalityError::Epoch.into()));
}

/// Three who were validators once, or never, make a set of their own and prove it to each other.
#[test]
fn a_forged_proof_is_refused() {
    let Story { proofs: [first, second], receipt } = story();
    let mut own_set = first.clone();
    own_set.next = set_of(&[61, 62, 63, 64]);
    let with = |first: EpochProof| refusal(&Receipt { epochs: vec![first, second.clone()], ..receipt.clone() });
    assert_eq!(with(own_set.clone()), not_proven(0, EpochError::OtherSet));
    own_set.headers[0].next_set_hash = own_set.next.hash();
    assert_eq!(with(own_set.clone()), not_proven(0, FinalityError::Link(1).into()));
    own_set.headers[1].parent = own_set.headers[0].hash();
    own_set.child.parent = own_set.headers[1].hash();
    assert_eq!(with(own_set.clone()), not_proven(0, FinalityError::WrongHeader.into()));
    own_set.qc = certificate(&own_set.child, &[61, 62, 63, 64]);
    assert_eq!(with(own_set), not_proven(0, FinalityError::Certificate(CertError::Signature).into()));
}

/// A header that ends nothing, or one after the end that goes on as if nothing were.
#[test]
fn a_proof_must_begin_with_the_end_and_go_on_empty() {
    let Story { proofs: [first, _], .. } = story();
    let set = set_of(&FIRST);
    assert_eq!(first.verify(chain(), 0, &set), Ok(()));
    let mut headers = Headers::begin();
    let plain = headers.add(0, rank(1, 0), 1);
    let child = headers.add(0, rank(1, 1), 0);
    let qc = certificate(&child, &FIRST);
    let endless = EpochProof { headers: vec![plain], child, qc, next: set_of(&SECOND) };
    assert_eq!(endless.verify(chain(), 0, &set), Err(EpochError::NoEnd));
    let mut headers = Headers::begin();
    let end = headers.end(0, rank(1, 0), &set_of(&SECOND));
    let child = headers.add(0, rank(1, 1), 1);
    let qc = certificate(&child, &FIRST);
    let goes_on = EpochProof { headers: vec![end], child, qc, next: set_of(&SECOND) };
    assert_eq!(goes_on.verify(chain(), 0, &set), Err(EpochError::NoEnd));
}

/// The end is certified, but by a child of another view: another branch may have been final instead.
#[test]
fn an_end_that_is_not_final_proves_nothing() {
    let mut headers = Headers::begin();
    let end = headers.end(0, rank(1, 0), &set_of(&SECOND));
    let child = headers.add(0, rank(2, 0), 0);
    let qc = certificate(&child, &FIRST);
    let proof = EpochProof { headers: vec![end], child, qc, next: set_of(&SECOND) };
    let refused = proof.verify(chain(), 0, &set_of(&FIRST));
    assert_eq!(refused, Err(FinalityError::NotConsecutive.into()));
}

/// Another town's validators changed too, and are the very same people.
#[test]
fn a_proof_of_another_chain_is_refused() {
    let Story { proofs: [first, second], receipt } = story();
    let elsewhere = Genesis { name: "test town".into(), ..genesis() };
    let refused = receipt.verify(&elsewhere).err();
    assert_eq!(refused, not_proven(0, FinalityError::Chain.into()));
    let mut relabelled = second;
    relabelled.headers[0].chain = elsewhere.chain_id();
    let mut epochs = Epochs::new(&genesis());
    epochs.extend(first).unwrap();
    assert_eq!(epochs.extend(relabelled), Err(FinalityError::Chain.into()));
    assert_eq!((epochs.present(), epochs.present_set()), (1, &set_of(&SECOND)));
}

/// The keys of a former epoch are stolen long after they were rotated away.
#[test]
fn a_certificate_of_another_epoch_or_its_set_is_refused() {
    let Story { receipt, .. } = story();
    let by_first = Receipt { qc: certificate(&receipt.child, &FIRST), ..receipt.clone() };
    assert_eq!(refusal(&by_first), unfinal(2, FinalityError::Certificate(CertError::Signature)));
    let mut labelled = receipt.clone();
    labelled.qc.epoch = 1;
    assert_eq!(refusal(&labelled), unfinal(2, FinalityError::Epoch));
    let mut all_of_epoch_1 = receipt.clone();
    (all_of_epoch_1.headers[0].epoch, all_of_epoch_1.child.epoch) = (1, 1);
    assert_eq!(refusal(&all_of_epoch_1), unfinal(2, FinalityError::Epoch));
}

/// Every byte of the proofs counts.
#[test]
fn a_receipt_across_epochs_altered_in_any_byte_is_refused() {
    let bytes = story().receipt.encode();
    for place in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[place] ^= 1 << (place % 8);
        let refused = Receipt::decode(&altered).map_or(true, |receipt| receipt.verify(&genesis()).is_err());
        assert!(refused, "byte {place} of {}", bytes.len());
    }
}

#[test]
fn a_list_of_epochs_knows_who_ran_each_of_them_and_which_keys_are_revoked() {
    let Story { proofs: [first, second], .. } = story();
    let mut epochs = Epochs::new(&genesis());
    assert_eq!(epochs.extend(second.clone()), Err(FinalityError::Epoch.into()), "one was left out");
    epochs.extend(first.clone()).unwrap();
    epochs.extend(second.clone()).unwrap();
    for (epoch, keys) in (0..).zip([&FIRST, &SECOND, &THIRD]) {
        assert_eq!(epochs.set(epoch), Some(&set_of(keys)));
    }
    assert_eq!(epochs.set(3), None);
    assert_eq!([1, 2, 3, 4, 5].map(|height| epochs.epoch_of(height)), [0, 0, 1, 1, 2]);
    assert!(epochs.has_seen(&key(3).public()) && !epochs.has_seen(&key(99).public()));
    assert_eq!(epochs.proofs_from(1), [second]);
    assert_eq!(epochs.proofs_to(1), Some(&[first][..]));
    assert_eq!((epochs.proofs_to(3), epochs.proofs_from(7).len()), (None, 0));
}
