//! Bytes that another validator sends: archives that were cut, flipped, moved or forged. None of them crashes a validator, and none
//! makes it believe a statement that nobody signed.
//!
//! An archive is read from its end, and is not canonical: garbage in front of it is not looked at. What counts is signed in
//! hand-laid bytes, and those are what is compared here.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;

use gridbook_engine::LedgerTime;
use gridbook_ledger::command::{Bundle, Command, NEVER, SignedBundle};
use gridbook_ledger::crypto::{Hash, SecretKey, Signature};
use gridbook_ledger::entry::{Entry, UnverifiedEntry};
use gridbook_ledger::header::{Header, HeaderRef, LogPoint, Rank};
use gridbook_ledger::hotstuff::{
    ConsensusMessage, Proposal, QcNote, QuorumCert, Timeout, TimeoutCert, TimeoutEntry, Vote,
};
use gridbook_ledger::replica::{Chunk, PeerFault, PeerMessage, Run, end_of};
use gridbook_ledger::sequenced::places_root;
use gridbook_ledger::validators::{ValidatorIndex, ValidatorSet};

const CHAIN: Hash = Hash([7; 32]);

fn key(index: u16) -> SecretKey {
    SecretKey::from_seed([u8::try_from(index).unwrap() + 1; 32])
}

fn set() -> ValidatorSet {
    ValidatorSet::new((0..4).map(|index| key(index).public()).collect()).unwrap()
}

fn header() -> Header {
    let justify = HeaderRef { rank: Rank { view: 2, slot: 5 }, hash: Hash([3; 32]) };
    Header {
        chain: CHAIN,
        epoch: 0,
        rank: Rank { view: 3, slot: 0 },
        height: 9,
        proposer: ValidatorIndex(3),
        time_ms: 1_750_000_000_000,
        parent: justify.hash,
        justify,
        tc_hash: timeout_cert().hash(),
        first_seq: 20,
        last_seq: 22,
        log_digest: Hash([4; 32]),
        inputs_root: Hash([5; 32]),
        results_root: Hash([6; 32]),
        state_root: Hash([8; 32]),
        snapshot_root: Hash::ZERO,
        flags: 0,
        next_set_hash: Hash::ZERO,
    }
}

fn vote(voter: u16, header: HeaderRef) -> Vote {
    Vote::sign(CHAIN, 0, header, ValidatorIndex(voter), &key(voter))
}

fn cert(header: HeaderRef) -> QuorumCert {
    QuorumCert { epoch: 0, header, signers: 0b1101, signatures: [0, 2, 3].map(|v| vote(v, header).signature).to_vec() }
}

fn timeout(voter: u16) -> Timeout {
    let high_qc = cert(HeaderRef { rank: Rank { view: 2, slot: 5 }, hash: Hash([3; 32]) });
    let voter_key = key(voter);
    let (tip, signature) = (Some(high_qc.header), Signature([0; 64]));
    let mut timeout = Timeout { epoch: 0, view: 2, high_qc, tip, voter: ValidatorIndex(voter), signature, entry: None };
    timeout.signature = voter_key.sign(&timeout.signed_bytes(CHAIN));
    timeout
}

fn timeout_cert() -> TimeoutCert {
    let entry = |voter| {
        let Timeout { voter, high_qc, tip, signature, .. } = timeout(voter);
        TimeoutEntry { voter, high_qc_rank: high_qc.rank(), tip, signature }
    };
    TimeoutCert { epoch: 0, view: 2, entries: [0, 1, 2].map(entry).to_vec(), high_qc: timeout(0).high_qc }
}

fn bundle() -> SignedBundle {
    let meter = key(40);
    let commands = vec![Command::CancelAll];
    Bundle { chain: CHAIN, signer: meter.public(), nonce: 1, expires_at: NEVER, commands }.sign(&meter)
}

fn run() -> Run {
    let entries = vec![Entry::Time(LedgerTime(5)).encode(), [&[1], bundle().bytes()].concat()];
    Run { start: LogPoint { seq: 19, digest: Hash([1; 32]) }, entries }
}

fn chunk(cut: bool) -> Chunk {
    let run = run();
    let end = run.entries.iter().fold(run.start, |at, entry| end_of(at, entry).unwrap());
    let places_root = places_root(&run.verify().unwrap().places());
    let signature = Signature([0; 64]);
    Chunk { epoch: 0, view: 3, number: 1, cut, run, end, places_root, signature }.sign(CHAIN, &key(3))
}

/// One of each kind that carries a signature.
fn messages() -> Vec<PeerMessage> {
    let header = header();
    let proposal = |tc| Proposal {
        signature: Proposal::sign(&header, &key(3)),
        justify: cert(header.justify),
        tc,
        header: header.clone(),
    };
    let consensus = PeerMessage::Consensus;
    vec![
        consensus(ConsensusMessage::Vote(vote(1, header.reference()))),
        consensus(ConsensusMessage::Proposal(Box::new(proposal(None)))),
        consensus(ConsensusMessage::Timeout(Box::new(timeout(2)))),
        consensus(ConsensusMessage::TimeoutCert(Box::new(timeout_cert()))),
        consensus(ConsensusMessage::QcNote(Box::new(QcNote { qc: cert(header.reference()), tc: None }))),
        PeerMessage::Chunk(Box::new(chunk(false))),
        PeerMessage::Relay(vec![bundle().bytes().to_vec()]),
    ]
}

/// Whether a signature holds.
type Check<'a> = Box<dyn Fn() -> bool + 'a>;

/// The bytes that are signed, and the check of their signature.
type Said<'a> = (Vec<u8>, Check<'a>);

/// Everything that a message says under somebody's name, as the bytes that are signed, with the check of the signature.
fn said(message: &PeerMessage) -> Vec<Said<'_>> {
    match message {
        PeerMessage::Consensus(message) => said_of_headers(message),
        PeerMessage::Chunk(chunk) => {
            vec![(chunk.statement().signed_bytes(CHAIN), Box::new(|| chunk.verify(CHAIN, &set()).is_ok()))]
        }
        PeerMessage::Relay(bundles) => bundles.iter().filter_map(|bytes| said_by_bundle(bytes)).collect(),
        _ => Vec::new(),
    }
}

fn said_of_headers(message: &ConsensusMessage) -> Vec<Said<'_>> {
    match message {
        ConsensusMessage::Vote(vote) => vec![(vote.signed_bytes(CHAIN), Box::new(|| vote.verify(CHAIN, &set())))],
        ConsensusMessage::Proposal(proposal) => {
            let signed: Check<'_> = Box::new(|| proposal.verify(&set()));
            vec![(proposal.signed_bytes(), signed), said_by_cert(&proposal.justify)]
        }
        ConsensusMessage::Timeout(timeout) => {
            let signed: Check<'_> = Box::new(|| timeout.verify(CHAIN, &set()));
            vec![(timeout.signed_bytes(CHAIN), signed), said_by_cert(&timeout.high_qc)]
        }
        ConsensusMessage::TimeoutCert(tc) => {
            let mut bytes = tc.view.to_le_bytes().to_vec();
            for entry in &tc.entries {
                bytes.extend(format!("{:?} {:?} {:?}", entry.voter, entry.high_qc_rank, entry.tip).bytes());
            }
            vec![(bytes, Box::new(|| tc.verify(CHAIN, &set(), &cert(HeaderRef::default())).is_ok()))]
        }
        ConsensusMessage::QcNote(note) => vec![said_by_cert(&note.qc)],
        _ => Vec::new(),
    }
}

fn said_by_cert(qc: &QuorumCert) -> Said<'_> {
    let QuorumCert { epoch, header, .. } = *qc;
    let vote = Vote { epoch, header, voter: ValidatorIndex(0), signature: Signature([0; 64]) };
    (vote.signed_bytes(CHAIN), Box::new(|| qc.verify(CHAIN, &set()).is_ok()))
}

fn said_by_bundle(bytes: &[u8]) -> Option<Said<'static>> {
    let signed = SignedBundle::decode(bytes).ok()?;
    let content = signed.content().to_vec();
    Some((content, Box::new(move || signed.bundle().signer.verify(signed.content(), signed.signature()))))
}

/// What is believed of a message, without what is known anyway.
fn believed_beyond(known: &BTreeSet<Vec<u8>>, message: &PeerMessage) -> BTreeSet<Vec<u8>> {
    let new = said(message).into_iter().filter(|(bytes, _)| !known.contains(bytes));
    new.filter(|(_, holds)| holds()).map(|(bytes, _)| bytes).collect()
}

/// Altered bytes are refused, or say nothing that the message did not say.
#[track_caller]
fn nothing_new(altered: &[u8], message: &PeerMessage) {
    match PeerMessage::decode(altered) {
        Err(fault) => assert_eq!(fault, PeerFault::Form),
        Ok(read) => {
            let known = said(message).into_iter().map(|(bytes, _)| bytes).collect();
            let new = believed_beyond(&known, &read);
            assert!(new.is_empty(), "believed out of altered bytes: {read:?}");
        }
    }
}

#[test]
fn a_message_comes_back_as_it_was_sent_and_is_believed() {
    for message in messages() {
        assert_eq!(PeerMessage::decode(&message.encode()), Ok(message.clone()));
        assert!(!believed_beyond(&BTreeSet::new(), &message).is_empty(), "{message:?}");
    }
}

#[test]
fn a_message_cut_at_any_byte_is_refused_or_says_nothing_new() {
    for message in messages() {
        let bytes = message.encode();
        assert_eq!(PeerMessage::decode(&[]), Err(PeerFault::Form));
        (0..bytes.len()).for_each(|length| nothing_new(&bytes[..length], &message));
    }
}

#[test]
fn a_flipped_bit_at_any_place_makes_nobody_believe_anything_else() {
    for message in messages() {
        let bytes = message.encode();
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            nothing_new(&flipped, &message);
        }
    }
}

/// A header of another protocol, a proxy's greeting, a stray frame.
#[test]
fn garbage_in_front_of_a_message_or_behind_it_changes_nothing_of_what_it_says() {
    for message in messages() {
        for length in 1..40 {
            for filling in [0x00, 0x47, 0xff] {
                let garbage = vec![filling; length];
                nothing_new(&[&garbage[..], &message.encode()].concat(), &message);
                nothing_new(&[&message.encode()[..], &garbage].concat(), &message);
            }
        }
    }
}

/// Frames lie wherever the network put them; an archive is read in place and wants alignment.
#[test]
fn a_message_is_read_at_any_address() {
    for message in messages() {
        let bytes = message.encode();
        for shift in 0..32 {
            let shifted = [&vec![0; shift][..], &bytes].concat();
            assert_eq!(PeerMessage::decode(&shifted[shift..]), Ok(message.clone()), "at {shift}");
        }
    }
}

fn root_of(bytes: &[u8]) -> usize {
    bytes.len() - size_of::<rkyv::Archived<PeerMessage>>()
}

/// A kind of message that only a later version knows.
#[test]
fn a_kind_of_message_without_a_meaning_is_refused() {
    for message in messages() {
        for kind in [200, 255] {
            let mut bytes = message.encode();
            let root = root_of(&bytes);
            bytes[root] = kind;
            assert_eq!(PeerMessage::decode(&bytes), Err(PeerFault::Form));
        }
    }
}

#[test]
fn a_yes_or_no_that_is_neither_is_refused() {
    let [no, yes] = [false, true]
        .map(|cut| PeerMessage::Chunk(Box::new(Chunk { signature: Signature([0; 64]), ..chunk(cut) })).encode());
    let places: Vec<usize> = (0..no.len()).filter(|place| no[*place] != yes[*place]).collect();
    assert_eq!(places.len(), 1, "the flag is one byte");
    let mut neither = no;
    neither[places[0]] = 2;
    assert_eq!(PeerMessage::decode(&neither), Err(PeerFault::Form));
}

/// A relay of two bundles: each is a relative pointer and a length, and so is their list.
///
/// ```text
/// a a a a | b b b b | -> a, 4 | -> b, 4 | kind, -> list, 2
/// ```
fn relay() -> (PeerMessage, Vec<u8>) {
    let message = PeerMessage::Relay(vec![vec![0xaa; 40], vec![0xbb; 40]]);
    let bytes = message.encode();
    (message, bytes)
}

/// Where a number stands in an archive, by what it is.
fn places_of(bytes: &[u8], number: u32) -> Vec<usize> {
    let words = bytes.chunks_exact(4).enumerate();
    words.filter(|(_, word)| *word == number.to_le_bytes()).map(|(place, _)| 4 * place).collect()
}

#[test]
fn a_list_that_claims_to_be_longer_than_its_bytes_is_refused() {
    let (_, bytes) = relay();
    for place in lengths(&bytes) {
        for claimed in [1_000_u32, 1 << 24, 1 << 30, i32::MAX.unsigned_abs(), u32::MAX] {
            let mut lying = bytes.clone();
            lying[place..place + 4].copy_from_slice(&claimed.to_le_bytes());
            assert_eq!(PeerMessage::decode(&lying), Err(PeerFault::Form), "{claimed} at {place}");
        }
    }
}

/// Where the lengths of the two bundles and of their list stand.
fn lengths(bytes: &[u8]) -> [usize; 3] {
    let of_list = places_of(bytes, 2).into_iter().filter(|place| *place > root_of(bytes));
    let all: Vec<usize> = places_of(bytes, 40).into_iter().take(2).chain(of_list).collect();
    all.try_into().expect("two bundles and their list")
}

/// The word before each length is its pointer.
fn pointers(bytes: &[u8]) -> [usize; 3] {
    lengths(bytes).map(|place| place - 4)
}

fn pointed(bytes: &[u8], pointer: usize, offset: i32) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    changed[pointer..pointer + 4].copy_from_slice(&offset.to_le_bytes());
    changed
}

#[test]
fn a_pointer_out_of_the_message_is_refused() {
    let (_, bytes) = relay();
    for pointer in pointers(&bytes) {
        let (before, behind) = (i32::try_from(pointer).unwrap(), i32::try_from(bytes.len() - pointer).unwrap());
        for offset in [i32::MIN, i32::MIN + 1, -before - 1, -before - 4, behind, behind + 1, i32::MAX] {
            assert_eq!(PeerMessage::decode(&pointed(&bytes, pointer, offset)), Err(PeerFault::Form), "{offset}");
        }
    }
}

/// One bundle named twice costs its sender half, and the receiver double; a list that contains itself never ends.
#[test]
fn pointers_that_overlap_or_lead_in_circles_are_refused() {
    let (_, bytes) = relay();
    let all = pointers(&bytes);
    let offset_at = |place: usize| i32::from_le_bytes(bytes[place..place + 4].try_into().unwrap());
    for &pointer in &all {
        let to = |place: usize| i32::try_from(place).unwrap() - i32::try_from(pointer).unwrap();
        // To itself, to each other pointer, into the root.
        for place in all.iter().copied().chain([root_of(&bytes)]).filter(|place| to(*place) != offset_at(pointer)) {
            let circle = pointed(&bytes, pointer, to(place));
            assert_eq!(PeerMessage::decode(&circle), Err(PeerFault::Form), "{pointer} -> {place}");
        }
    }
    let [first, second] = [all[0], all[1]];
    let start_of_first = i32::try_from(first).unwrap() + offset_at(first);
    for shift in [0, 4, 39] {
        let overlapping = pointed(&bytes, second, start_of_first + shift - i32::try_from(second).unwrap());
        assert_eq!(PeerMessage::decode(&overlapping), Err(PeerFault::Form), "shifted by {shift}");
    }
}

/// Every word of every message replaced by what pointers and lengths fear.
#[test]
fn no_word_of_a_message_can_be_made_to_crash_its_reader() {
    for message in messages() {
        let bytes = message.encode();
        for place in (0..bytes.len() / 4).map(|word| 4 * word) {
            let here = i32::try_from(place).unwrap();
            for number in [0, 1, -1, 4, -4, -here, here, i32::MAX, i32::MIN, 0x0100_0000] {
                nothing_new(&pointed(&bytes, place, number), &message);
            }
        }
    }
}

/// More entries than anybody sends, each as small as can be: refused by their number, before a signature is looked at.
#[test]
fn a_run_of_more_entries_than_anyone_sends_is_refused() {
    let entry = Entry::Work { limit: 1 }.encode();
    assert!(UnverifiedEntry::decode(&entry).is_ok());
    let most = 1 << 17;
    let run = |count: usize| Run { start: LogPoint::default(), entries: vec![entry.clone(); count] };
    assert_eq!(run(most + 1).verify().err(), Some(PeerFault::Size));
    assert!(run(64).verify().is_ok());
}

/// A run that would count beyond the last sequence number.
#[test]
fn a_run_beyond_the_end_of_all_numbers_is_refused() {
    let start = LogPoint { seq: u64::MAX, digest: Hash([1; 32]) };
    let run = Run { start, entries: vec![Entry::Work { limit: 1 }.encode()] };
    assert_eq!(run.verify().err(), Some(PeerFault::Size));
}
