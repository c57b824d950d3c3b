//! Each kind: the guilty are proven guilty, and nobody else can be accused.

use super::*;
use crate::crypto::{SecretKey, Signature};
use crate::header::{Header, HeaderRef, LogPoint, Rank};
use crate::hotstuff::{QuorumCert, Vote, statement};
use crate::merkle::{self, Path};
use crate::receipt::Receipt;
use crate::record::{Outcome, Record, leaf_hash};
use crate::sequenced::{ChunkStatement, Place, SequencedChunk, SequencedReceipt, places_root};

const CHAIN: Hash = Hash([5; 32]);
const CULPRIT: ValidatorIndex = ValidatorIndex(2);
/// A view that the culprit leads.
const VIEW: u64 = 6;

fn key(index: u16) -> SecretKey {
    SecretKey::from_seed([u8::try_from(index).unwrap() + 1; 32])
}

fn set() -> ValidatorSet {
    ValidatorSet::new((0..4).map(|index| key(index).public()).collect()).unwrap()
}

fn header(slot: u32, last_seq: u64, digest: u8) -> Header {
    let mut header = crate::hotstuff::scenes::root_header();
    (header.chain, header.rank, header.proposer) = (CHAIN, Rank { view: VIEW, slot }, CULPRIT);
    (header.first_seq, header.last_seq, header.log_digest) = (11, last_seq, Hash([digest; 32]));
    header.justify = HeaderRef { rank: Rank { view: VIEW - 1, slot: 3 }, hash: Hash([4; 32]) };
    header
}

fn signed(header: Header) -> SignedHeader {
    let signature = key(header.proposer.0).sign(&statement::proposal_bytes(&header));
    SignedHeader { header, signature }
}

fn proposal(header: Header) -> Statement {
    Statement::Header(Box::new(signed(header)))
}

fn reference(view: u64, slot: u32, hash: u8) -> HeaderRef {
    HeaderRef { rank: Rank { view, slot }, hash: Hash([hash; 32]) }
}

fn vote(header: HeaderRef) -> Vote {
    Vote::sign(CHAIN, 0, header, CULPRIT, &key(CULPRIT.0))
}

fn timeout(view: u64, high_qc_rank: Rank, tip: Option<HeaderRef>) -> Statement {
    let signature = key(CULPRIT.0).sign(&statement::timeout_bytes(CHAIN, 0, view, high_qc_rank, tip));
    Statement::Timeout(SignedTimeout { epoch: 0, view, high_qc_rank, tip, voter: CULPRIT, signature })
}

fn point(seq: u64, digest: u8) -> LogPoint {
    LogPoint { seq, digest: Hash([digest; 32]) }
}

fn chunk(number: u32, start: LogPoint, end: LogPoint) -> ChunkStatement {
    chunk_of(number, start, end, Hash([8; 32]))
}

fn chunk_of(number: u32, start: LogPoint, end: LogPoint, places_root: Hash) -> ChunkStatement {
    let signature = Signature([0; 64]);
    ChunkStatement { epoch: 0, view: VIEW, number, cut: false, start, end, places_root, signature }
        .sign(CHAIN, &key(CULPRIT.0))
}

fn s0(number: u32, entry: u8) -> SequencedReceipt {
    let places: Vec<Place> =
        (0..5).map(|i| Place { first_seq: 11 + 2 * i, count: 2, entry: Hash([entry; 32]) }).collect();
    let statement = chunk_of(number, point(10, 1), point(20, 2), places_root(&places));
    SequencedChunk::new(statement, places).receipts(&[3]).remove(0)
}

/// The record of the command that a header has at a sequence number.
fn result(seq: u64, index: u16, entry: u8) -> Statement {
    let record = |seq, index, entry| Record {
        seq,
        entry: Hash([entry; 32]),
        index,
        meter: None,
        client_id: 0,
        outcome: Outcome::Done,
        events: Vec::new(),
    };
    let records: Vec<Vec<u8>> =
        (11..21).map(|at| if at == seq { record(at, index, entry) } else { record(at, 0, 77) }.encode()).collect();
    let leaves: Vec<Hash> = records.iter().map(|record| leaf_hash(record)).collect();
    let mut header = header(0, 20, 2);
    header.results_root = merkle::root(&leaves);
    let place = usize::try_from(seq - 11).unwrap();
    let path = Path::build(&leaves, place).unwrap();
    Statement::Result { header: Box::new(signed(header)), record: records[place].clone(), path }
}

/// That a quorum made the same record final by headers of a view.
fn settled(view: u64, seq: u64, index: u16, entry: u8) -> Receipt {
    let Statement::Result { header, record, path } = result(seq, index, entry) else { panic!("made above") };
    let mut first = header.header;
    (first.rank.view, first.proposer) = (view, set().leader(view));
    let mut child = first.clone();
    (child.rank.slot, child.height, child.parent) = (first.rank.slot + 1, first.height + 1, first.hash());
    let qc = certificate(child.reference());
    Receipt { epochs: Vec::new(), record, path, headers: vec![first], child, qc }
}

fn final_result(view: u64, seq: u64, index: u16, entry: u8) -> Statement {
    Statement::of_receipt(&settled(view, seq, index, entry))
}

fn certificate(header: HeaderRef) -> QuorumCert {
    let votes = (0..3).map(|index| Vote::sign(CHAIN, 0, header, ValidatorIndex(index), &key(index)));
    QuorumCert { epoch: 0, header, signers: 0b111, signatures: votes.map(|vote| vote.signature).collect() }
}

fn certified(header: Header) -> Statement {
    let qc = certificate(header.reference());
    Statement::Certified(Box::new(header), qc)
}

/// One or more pairs of every kind that nobody honest signs.
fn guilty() -> Vec<(EvidenceKind, Statement, Statement)> {
    use EvidenceKind::*;
    let rank = |view, slot| Rank { view, slot };
    let tip = reference(VIEW, 2, 1);
    let voted = header(1, 20, 2);
    let wrong = |change: fn(&mut Header)| {
        let mut header = header(0, 20, 2);
        change(&mut header);
        proposal(header)
    };
    vec![
        (DoubleProposal, proposal(header(1, 20, 2)), proposal(header(1, 21, 3))),
        (DoubleChunk, chunk(4, point(10, 1), point(20, 2)).into(), chunk(4, point(10, 1), point(20, 3)).into()),
        (DoubleChunk, chunk(4, point(10, 1), point(20, 2)).into(), chunk(4, point(5, 1), point(9, 3)).into()),
        // The next one does not begin where the last one ended: before it, after it, on another branch.
        (TwoLogs, chunk(4, point(10, 1), point(20, 2)).into(), chunk(5, point(10, 1), point(15, 3)).into()),
        (TwoLogs, chunk(4, point(10, 1), point(20, 2)).into(), chunk(5, point(25, 3), point(30, 4)).into()),
        (TwoLogs, chunk(4, point(10, 1), point(20, 2)).into(), chunk(5, point(20, 3), point(30, 4)).into()),
        // A later one that begins before this one ends.
        (TwoLogs, chunk(4, point(10, 1), point(20, 2)).into(), chunk(9, point(15, 3), point(30, 4)).into()),
        // A header ends beside its chunk, or one header beside the one before it.
        (TwoLogs, proposal(header(0, 20, 3)), chunk(4, point(10, 1), point(20, 2)).into()),
        (TwoLogs, proposal(header(0, 10, 3)), chunk(4, point(10, 1), point(20, 2)).into()),
        (TwoLogs, proposal(header(0, 20, 2)), proposal(header(1, 20, 3))),
        (TwoLogs, proposal(header(0, 20, 2)), proposal(header(2, 19, 3))),
        (DoubleVote, Statement::Vote(vote(tip)), Statement::Vote(vote(reference(VIEW, 2, 2)))),
        (DoubleTimeout, timeout(VIEW, rank(2, 0), Some(tip)), timeout(VIEW, rank(2, 0), None)),
        (DoubleTimeout, timeout(VIEW, rank(2, 0), Some(tip)), timeout(VIEW, rank(2, 1), Some(tip))),
        // It voted at (6, 2), and its timeout of view 6 tells of nothing, of less, of another header there.
        (VoteAfterTimeout, Statement::Vote(vote(tip)), timeout(VIEW, rank(2, 0), None)),
        (VoteAfterTimeout, Statement::Vote(vote(tip)), timeout(VIEW, rank(2, 0), Some(reference(VIEW, 1, 1)))),
        (VoteAfterTimeout, Statement::Vote(vote(tip)), timeout(VIEW, rank(2, 0), Some(reference(VIEW, 2, 9)))),
        // Or its timeout of a later view.
        (Amnesia, Statement::Vote(vote(tip)), timeout(VIEW + 1, rank(2, 0), Some(reference(VIEW, 1, 1)))),
        // It voted for a header that builds on (5, 3), and knows only of (5, 2) later.
        (
            Amnesia,
            Statement::VoteFor(vote(voted.reference()), Box::new(voted.clone())),
            timeout(VIEW, rank(VIEW - 1, 2), Some(voted.reference())),
        ),
        // One timeout forgets what an earlier one told of.
        (Amnesia, timeout(VIEW, rank(2, 1), Some(tip)), timeout(VIEW + 1, rank(2, 0), Some(tip))),
        (Amnesia, timeout(VIEW, rank(2, 1), Some(tip)), timeout(VIEW + 2, rank(2, 1), None)),
        (ReceiptBreach, Statement::Sequenced(Box::new(s0(4, 1))), Statement::Sequenced(Box::new(s0(7, 2)))),
        // The place 17..=18 was promised to entry 1: the header has another there, or the same elsewhere.
        (ReceiptBreach, Statement::Sequenced(Box::new(s0(4, 1))), result(18, 1, 2)),
        (ReceiptBreach, Statement::Sequenced(Box::new(s0(4, 1))), result(17, 1, 1)),
        // The same by what is final, in its view or before it.
        (ReceiptBreach, Statement::Sequenced(Box::new(s0(4, 1))), final_result(VIEW, 18, 1, 2)),
        (ReceiptBreach, Statement::Sequenced(Box::new(s0(4, 1))), final_result(VIEW, 17, 1, 1)),
        (ReceiptBreach, Statement::Sequenced(Box::new(s0(4, 1))), final_result(VIEW - 1, 18, 1, 2)),
        (ExecutionFault, wrong(|h| h.state_root = Hash([9; 32])), certified(header(3, 20, 2))),
        (ExecutionFault, wrong(|h| h.time_ms = 9), certified(header(3, 20, 2))),
        (ExecutionFault, wrong(|h| h.results_root = Hash([9; 32])), certified(header(3, 20, 2))),
    ]
}

impl From<ChunkStatement> for Statement {
    fn from(chunk: ChunkStatement) -> Self {
        Self::Chunk(chunk)
    }
}

#[test]
fn every_kind_of_misconduct_is_proven_by_two_statements() {
    let mut seen = std::collections::BTreeSet::new();
    for (place, (kind, a, b)) in guilty().into_iter().enumerate() {
        let evidence = Evidence::of(b, a).unwrap_or_else(|| panic!("row {place}: nothing found"));
        assert_eq!(evidence.kind, kind, "row {place}");
        assert_eq!(evidence.verify(CHAIN, 0, &set()), Ok(CULPRIT), "row {place}");
        seen.insert(kind);
    }
    assert_eq!(seen.len(), EvidenceKind::ALL.len(), "every kind has a row");
}

/// What an honest validator signs one after the other, also across a restart, is no evidence in any pairing.
#[test]
fn nothing_that_an_honest_validator_signs_contradicts_itself() {
    let rank = |view, slot| Rank { view, slot };
    let at = |slot| reference(VIEW, slot, u8::try_from(slot).unwrap());
    let whole = header(0, 20, 2);
    let honest: Vec<Statement> = vec![
        // A leader of view 6: chunks, and headers on them; the second chunk is followed by one that came two numbers later.
        chunk(0, point(10, 1), point(20, 2)).into(),
        chunk(1, point(20, 2), point(25, 3)).into(),
        chunk(3, point(31, 4), point(40, 5)).into(),
        proposal(whole.clone()),
        proposal(header(1, 20, 2)),
        proposal(header(2, 25, 3)),
        certified(whole),
        Statement::Sequenced(Box::new(s0(0, 1))),
        result(17, 0, 1),
        // What became final where it gave its word, and what a later view put at a place whose view ended first.
        final_result(VIEW, 17, 0, 1),
        final_result(VIEW, 18, 1, 1),
        final_result(VIEW + 1, 18, 1, 2),
        final_result(VIEW, 14, 0, 2),
        // A voter of rising ranks, who gives views up with what it last voted for.
        Statement::Vote(vote(reference(VIEW - 1, 0, 1))),
        timeout(VIEW - 1, rank(2, 0), Some(reference(VIEW - 1, 0, 1))),
        Statement::Vote(vote(at(0))),
        Statement::Vote(vote(at(1))),
        timeout(VIEW, rank(VIEW, 0), Some(at(1))),
        timeout(VIEW + 1, rank(VIEW, 0), Some(at(1))),
        Statement::Vote(vote(reference(VIEW + 3, 0, 7))),
    ];
    for (i, a) in honest.iter().enumerate() {
        for (j, b) in honest.iter().enumerate() {
            assert_eq!(Evidence::of(a.clone(), b.clone()).map(|e| e.kind), None, "statements {i} and {j}");
        }
    }
}

/// Row 7 of CONSENSUS section 4: a second signature over the same statement is no second statement.
#[test]
fn a_statement_that_was_signed_again_proves_nothing() {
    let again = Signature([3; 64]);
    let header = header(1, 20, 2);
    let first = Statement::Vote(vote(reference(VIEW, 2, 1)));
    let second = Statement::Vote(Vote { signature: again, ..vote(reference(VIEW, 2, 1)) });
    let pairs = [
        (proposal(header.clone()), Statement::Header(Box::new(SignedHeader { header, signature: again }))),
        (chunk(4, point(10, 1), point(20, 2)).into(), {
            ChunkStatement { signature: again, ..chunk(4, point(10, 1), point(20, 2)) }.into()
        }),
        (first, second),
    ];
    for (a, b) in pairs {
        assert_eq!(Evidence::of(a, b), None);
    }
}

/// Whoever is innocent cannot be made guilty by changing a bit of what others signed: a changed evidence is unreadable, proves nothing, or (in
/// fields that no signature needs to cover) still proves what it proved of the same validator.
#[test]
fn no_flipped_bit_accuses_anybody_else() {
    let mut seen = Vec::new();
    for (kind, a, b) in guilty() {
        let made_of = (kind, core::mem::discriminant(&b));
        if seen.contains(&made_of) {
            continue;
        }
        seen.push(made_of);
        let evidence = Evidence::of(a, b).unwrap();
        let bytes = evidence.encode();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            if let Ok(other) = Evidence::decode(&changed) {
                assert_ne!(other, evidence, "{kind:?}, byte {at}");
                let verdict = other.verify(CHAIN, 0, &set());
                assert!(verdict.is_err() || verdict == Ok(CULPRIT), "{kind:?}, byte {at}: {verdict:?}");
            }
        }
    }
}

#[test]
fn evidence_of_another_chain_epoch_or_set_proves_nothing() {
    let others = ValidatorSet::new((10..14).map(|index| key(index).public()).collect()).unwrap();
    for (kind, a, b) in guilty() {
        let evidence = Evidence::of(a, b).unwrap();
        assert!(evidence.verify(Hash([6; 32]), 0, &set()).is_err(), "{kind:?} on another chain");
        let expected = EvidenceError::Epoch { found: 0, expected: 1 };
        assert_eq!(evidence.verify(CHAIN, 1, &set()), Err(expected), "{kind:?} in another epoch");
        assert!(evidence.verify(CHAIN, 0, &others).is_err(), "{kind:?} against other validators");
    }
}

/// Two validators each voted once: their votes together are nobody's fault.
#[test]
fn statements_of_two_signers_accuse_nobody() {
    let mine = vote(reference(VIEW, 2, 1));
    let other = ValidatorIndex(1);
    let theirs = Vote::sign(CHAIN, 0, reference(VIEW, 2, 2), other, &key(1));
    assert_eq!(Evidence::of(Statement::Vote(mine.clone()), Statement::Vote(theirs.clone())), None);
    let forged = Evidence { kind: EvidenceKind::DoubleVote, a: Statement::Vote(mine), b: Statement::Vote(theirs) };
    assert_eq!(forged.verify(CHAIN, 0, &set()), Err(EvidenceError::Signers(CULPRIT, other)));
}

/// The other validators cannot sign in the culprit's name either.
#[test]
fn a_forged_signature_accuses_nobody() {
    let mut forged = vote(reference(VIEW, 2, 2));
    forged.signature = key(1).sign(&forged.signed_bytes(CHAIN));
    let evidence = Evidence::of(Statement::Vote(vote(reference(VIEW, 2, 1))), Statement::Vote(forged)).unwrap();
    assert_eq!(evidence.verify(CHAIN, 0, &set()), Err(EvidenceError::Signature));
}

/// A header that fewer than a quorum certified says nothing about execution.
#[test]
fn a_certificate_of_too_few_proves_no_execution_fault() {
    let mut accused = header(0, 20, 2);
    accused.state_root = Hash([9; 32]);
    let Statement::Certified(header, mut qc) = certified(header(3, 20, 2)) else { panic!("made above") };
    (qc.signers, qc.signatures) = (0b11, qc.signatures[..2].to_vec());
    let evidence = Evidence::of(proposal(accused), Statement::Certified(header, qc)).unwrap();
    assert_eq!(evidence.verify(CHAIN, 0, &set()), Err(EvidenceError::Signature));
}

/// The record that a breach shows must lie under the root that the leader signed.
#[test]
fn a_record_that_is_not_in_the_header_proves_no_breach() {
    let Statement::Result { header, record, mut path } = result(18, 1, 2) else { panic!("made above") };
    path.siblings[0] = Hash([1; 32]);
    let promise = Statement::Sequenced(Box::new(s0(4, 1)));
    let evidence = Evidence::of(promise, Statement::Result { header, record, path }).unwrap();
    assert_eq!(evidence.verify(CHAIN, 0, &set()), Err(EvidenceError::Signature));
}

/// What makes a place final must hold as a receipt does: enough signatures, the record under its root, one way to write it.
#[test]
fn a_place_that_is_not_proven_final_proves_no_breach() {
    let promise = || Statement::Sequenced(Box::new(s0(4, 1)));
    let spoil = |change: fn(&mut Receipt)| {
        let mut settled = settled(VIEW, 18, 1, 2);
        change(&mut settled);
        Evidence::of(promise(), Statement::Final(Box::new(settled))).unwrap().verify(CHAIN, 0, &set())
    };
    assert_eq!(spoil(|_| {}), Ok(CULPRIT));
    let too_few = |r: &mut Receipt| (r.qc.signers, r.qc.signatures) = (0b11, r.qc.signatures[..2].to_vec());
    assert_eq!(spoil(too_few), Err(EvidenceError::Signature));
    assert_eq!(spoil(|r| r.path.siblings[0] = Hash([1; 32])), Err(EvidenceError::Signature));
    assert_eq!(spoil(|r| r.child.rank.slot += 1), Err(EvidenceError::Signature));
    assert_eq!(spoil(|r| r.child.chain = Hash([6; 32])), Err(EvidenceError::Chain));
    let Statement::Final(mut settled) = final_result(VIEW, 18, 1, 2) else { panic!("made above") };
    settled.headers.clear();
    let evidence = Evidence { kind: EvidenceKind::ReceiptBreach, a: promise(), b: Statement::Final(settled) };
    assert!(evidence.verify(CHAIN, 0, &set()).is_err(), "without headers nothing is final");
}

/// A final receipt brings the proofs of its epochs; in evidence they would be a second form of one statement.
#[test]
fn evidence_holds_no_proofs_of_epochs() {
    let settled = settled(VIEW, 18, 1, 2);
    let next = crate::epoch::EpochProof {
        headers: settled.headers.clone(),
        child: settled.child.clone(),
        qc: settled.qc.clone(),
        next: set(),
    };
    let long = Receipt { epochs: vec![next], ..settled };
    let promise = || Statement::Sequenced(Box::new(s0(4, 1)));
    let evidence = Evidence::of(promise(), Statement::Final(Box::new(long.clone()))).unwrap();
    assert_eq!(evidence.verify(CHAIN, 0, &set()), Err(EvidenceError::Signature));
    assert_eq!(Evidence::decode(&evidence.encode()), Err(crate::bytes::BytesError::TooLong));
    let short = Evidence::of(promise(), Statement::of_receipt(&long)).unwrap();
    assert_eq!(short.verify(CHAIN, 0, &set()), Ok(CULPRIT));
}

#[test]
fn evidence_comes_back_from_its_bytes_and_a_pair_has_one_form() {
    for (kind, a, b) in guilty() {
        let evidence = Evidence::of(a.clone(), b.clone()).unwrap();
        assert_eq!(Evidence::of(b, a).as_ref(), Some(&evidence), "{kind:?}");
        let bytes = evidence.encode();
        assert_eq!(Evidence::decode(&bytes).as_ref(), Ok(&evidence), "{kind:?}");
        for length in 0..bytes.len() {
            assert!(Evidence::decode(&bytes[..length]).is_err(), "{kind:?} cut to {length}");
        }
        assert!(Evidence::decode(&[&bytes[..], &[0]].concat()).is_err(), "{kind:?} with a byte more");
        let turned = Evidence { kind, a: evidence.b.clone(), b: evidence.a.clone() };
        assert!(turned.verify(CHAIN, 0, &set()).is_err(), "{kind:?} the other way round");
    }
}

#[test]
fn evidence_beyond_its_limit_is_not_read() {
    assert_eq!(Evidence::decode(&vec![0; EVIDENCE_BYTES_MAX + 1]), Err(crate::bytes::BytesError::TooLong));
}

/// A validator contradicts itself a thousand times: one evidence of each kind is kept.
#[test]
fn one_evidence_of_each_kind_is_kept_against_a_validator() {
    let mut kept = KeptEvidence::default();
    let mut new = 0;
    for slot in 0..100 {
        let pair = [1, 2].map(|hash| Statement::Vote(vote(reference(VIEW, slot, hash))));
        let [a, b] = pair;
        let verified = VerifiedEvidence::check(Evidence::of(a, b).unwrap(), CHAIN, 0, &set()).unwrap();
        new += usize::from(kept.insert(verified));
    }
    assert_eq!((new, kept.len()), (1, 1));
}

/// When there is too much of it, the oldest goes; what is older than all that is kept is not taken, however often it is brought.
#[test]
fn evidence_older_than_all_that_is_kept_is_not_taken_when_there_is_no_room() {
    let of_epoch = |epoch: u32| {
        let vote = |hash| Vote::sign(CHAIN, epoch, reference(VIEW, 2, hash), CULPRIT, &key(CULPRIT.0));
        let evidence = Evidence::of(Statement::Vote(vote(1)), Statement::Vote(vote(2))).unwrap();
        VerifiedEvidence::check(evidence, CHAIN, epoch, &set()).unwrap()
    };
    let mut kept = KeptEvidence::default();
    let mut epoch = 1;
    while !kept.is_too_old(of_epoch(0).key()) {
        assert!(kept.insert(of_epoch(epoch)));
        epoch += 1;
    }
    let (full, oldest) = (kept.len(), of_epoch(1).key());
    assert!(!kept.insert(of_epoch(0)) && kept.holds(oldest));
    assert!(kept.insert(of_epoch(epoch)) && !kept.holds(oldest));
    assert_eq!(kept.len(), full);
}

/// The end of an epoch may pass over whoever is proven guilty in it, whatever the kinds.
#[test]
fn the_guilty_of_an_epoch_are_named_once() {
    let mut kept = KeptEvidence::default();
    for (_, a, b) in guilty() {
        kept.insert(VerifiedEvidence::check(Evidence::of(a, b).unwrap(), CHAIN, 0, &set()).unwrap());
    }
    assert_eq!(kept.len(), EvidenceKind::ALL.len());
    assert_eq!(kept.guilty(0).into_iter().collect::<Vec<_>>(), [CULPRIT]);
    assert!(kept.guilty(1).is_empty());
}
