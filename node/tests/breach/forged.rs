//! What proves nothing is refused with its code, and nothing of it is kept.

use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::evidence::{EVIDENCE_BYTES_MAX, Evidence, EvidenceKind, SignedHeader, Statement};
use gridbook_ledger::genesis::FIRST_EPOCH;
use gridbook_ledger::header::{Header, HeaderRef, Rank};
use gridbook_ledger::hotstuff::{Proposal, Vote};
use gridbook_ledger::reject::Code;
use gridbook_ledger::validators::ValidatorIndex;
use gridbook_node::client::ClientError;

use crate::house::{House, house, run};
use crate::liar;

const ACCUSED: ValidatorIndex = ValidatorIndex(2);

fn vote_by(key: &SecretKey, chain: Hash, voter: ValidatorIndex, epoch: u32, hash: u8) -> Statement {
    let header = HeaderRef { rank: Rank { view: 9, slot: 4 }, hash: Hash([hash; 32]) };
    Statement::Vote(Vote::sign(chain, epoch, header, voter, key))
}

/// A vote of validator 2 of this network, for one of many headers of one rank.
fn vote(house: &House, hash: u8) -> Statement {
    vote_by(&house.validator_key(2), house.chain(), ACCUSED, FIRST_EPOCH, hash)
}

fn double_vote(a: Statement, b: Statement) -> Vec<u8> {
    let (a, b) = if Evidence::of(a.clone(), b.clone()).is_some_and(|found| found.a == a) { (a, b) } else { (b, a) };
    Evidence { kind: EvidenceKind::DoubleVote, a, b }.encode()
}

/// Hands bytes in to every validator; each refuses them with the code and a sentence that helps, and holds nothing of the kind afterwards.
fn refused(code: Code, sentence: &str, forge: impl FnOnce(&House) -> Vec<u8>) {
    let house = house();
    let bytes = forge(house);
    run(async {
        for index in [0, 2, 3] {
            let client = house.client_of(&[index]).await;
            assert_eq!(client.hand_in(bytes.clone()).await, Err(ClientError::Refused(code)));
            let kept = client.evidence().await.unwrap();
            let kinds = kept.iter().map(|item| Evidence::decode(item).unwrap().kind);
            assert!(kinds.into_iter().all(|kind| kind == EvidenceKind::ReceiptBreach), "{} kept it", index);
        }
    });
    assert!(code.sentence().contains(sentence), "{}", code.sentence());
}

/// Somebody else signs a second vote in validator 2's name.
#[test]
fn evidence_with_a_forged_signature_is_refused() {
    refused(Code::EvidenceSignature, "not signed", |house| {
        let forged = vote_by(&house.validator_key(1), house.chain(), ACCUSED, FIRST_EPOCH, 2);
        double_vote(vote(house, 1), forged)
    });
}

#[test]
fn evidence_of_one_statement_twice_is_refused() {
    refused(Code::EvidenceCompatible, "do not contradict", |house| double_vote(vote(house, 1), vote(house, 1)));
}

/// A validator of two ledgers may sign on one what contradicts the other.
#[test]
fn evidence_of_another_ledger_is_refused() {
    let elsewhere = Hash([9; 32]);
    refused(Code::EvidenceSignature, "on this ledger", |house| {
        let votes = [1, 2].map(|hash| vote_by(&house.validator_key(2), elsewhere, ACCUSED, FIRST_EPOCH, hash));
        let [a, b] = votes;
        double_vote(a, b)
    });
    refused(Code::EvidenceChain, "another ledger", |house| {
        let proposal = |time_ms| {
            let root = house.genesis().root_header(Hash([1; 32]));
            let header = Header { chain: elsewhere, proposer: ACCUSED, time_ms, ..root };
            let signature = Proposal::sign(&header, &house.validator_key(2));
            Statement::Header(Box::new(SignedHeader { header, signature }))
        };
        Evidence::of(proposal(1), proposal(2)).unwrap().encode()
    });
}

#[test]
fn evidence_of_two_signers_is_refused() {
    refused(Code::EvidenceSigners, "two validators", |house| {
        let other = vote_by(&house.validator_key(3), house.chain(), ValidatorIndex(3), FIRST_EPOCH, 2);
        double_vote(vote(house, 1), other)
    });
}

#[test]
fn evidence_against_nobody_of_the_set_is_refused() {
    refused(Code::EvidenceStranger, "nobody who was a validator", |house| {
        let stranger = SecretKey::generate().unwrap();
        let votes = [1, 2].map(|hash| vote_by(&stranger, house.chain(), ValidatorIndex(77), FIRST_EPOCH, hash));
        let [a, b] = votes;
        double_vote(a, b)
    });
}

#[test]
fn evidence_of_an_epoch_that_has_not_begun_is_refused() {
    refused(Code::EvidenceEpoch, "not known here", |house| {
        let [a, b] = [1, 2].map(|hash| vote_by(&house.validator_key(2), house.chain(), ACCUSED, 7, hash));
        double_vote(a, b)
    });
}

#[test]
fn evidence_in_the_wrong_order_is_refused() {
    refused(Code::EvidenceOrder, "canonical order", |house| {
        let Evidence { kind, a, b } = Evidence::of(vote(house, 1), vote(house, 2)).unwrap();
        Evidence { kind, a: b, b: a }.encode()
    });
}

#[test]
fn bytes_that_are_no_evidence_are_refused_wherever_they_end() {
    run(async {
        let house = house();
        let client = house.client_of(&[0]).await;
        let good = double_vote(vote(house, 1), vote(house, 2));
        for length in 0..good.len() {
            let cut = good[..length].to_vec();
            assert_eq!(client.hand_in(cut).await, Err(ClientError::Refused(Code::EvidenceForm)), "cut to {length}");
        }
        let longer = [&good[..], &[0]].concat();
        assert_eq!(client.hand_in(longer).await, Err(ClientError::Refused(Code::EvidenceForm)));
        let longest = vec![0; EVIDENCE_BYTES_MAX + 1];
        assert_eq!(client.hand_in(longest).await, Err(ClientError::Refused(Code::EvidenceLength)));
    });
}

/// Whoever wants to see an honest leader punished takes its word and another command that is final elsewhere, or a word that it never gave.
#[test]
fn a_kept_word_and_a_word_never_given_are_no_breach() {
    let house = house();
    let settled = run(async { house.settled(&house.client_of(&[0, 2, 3]).await).await });
    let (leader, view, seq) = liar::led(house, &settled);
    let breach = |word| {
        let (a, b) = (Statement::Sequenced(Box::new(word)), Statement::of_receipt(&settled));
        Evidence { kind: EvidenceKind::ReceiptBreach, a, b }.encode()
    };
    refused(Code::EvidenceCompatible, "do not contradict", |house| {
        let entry = gridbook_ledger::record::Record::decode(&settled.record).unwrap().entry;
        breach(liar::word(house, view, &house.validator_key(leader), seq, entry))
    });
    refused(Code::EvidenceCompatible, "do not contradict", |house| {
        breach(liar::word(house, view, &house.validator_key(leader), seq + 1, Hash([9; 32])))
    });
    refused(Code::EvidenceCompatible, "do not contradict", |house| {
        // The view before ended first: a later one may rightly put another command there.
        let before = usize::from(house.genesis().validators.leader(view - 1).0);
        breach(liar::word(house, view - 1, &house.validator_key(before), seq, Hash([9; 32])))
    });
    refused(Code::EvidenceSignature, "not signed", |house| {
        let other = house.validator_key((leader + 1) % 4);
        breach(liar::word(house, view, &other, seq, Hash([9; 32])))
    });
}

/// By the command line: what proves nothing, or is not there, fails and says why.
#[test]
fn the_command_line_says_why_evidence_is_not_taken() {
    let house = house();
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let file = dir.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let network = house.network_file_of("without-the-strict", [0, 2, 3].map(|index| house.peer(index)).to_vec());
    let same = file("same.evidence", &double_vote(vote(house, 1), vote(house, 1)));
    let long = file("long.evidence", &vec![0; 1 << 20]);
    let (code, told) = house.gridbook(&network, &["evidence", "submit", &same, &long]);
    assert_eq!(code, 1, "{told}");
    let codes = |place: usize| {
        let submitted = &told["submitted"][place];
        assert_eq!((submitted["taken"].as_bool(), submitted["taken_by"].as_u64()), (Some(false), Some(0)), "{told}");
        submitted["answers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|answer| answer["code"].as_str().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(codes(0), ["EvidenceCompatible"; 3]);
    assert_eq!(codes(1), ["EvidenceLength"; 3]);
    let missing = dir.path().join("missing.evidence");
    let (code, told) = house.gridbook(&network, &["evidence", "submit", missing.to_str().unwrap()]);
    assert!(code == 1 && told.as_str().is_some_and(|said| said.contains("missing.evidence")), "{told}");
    assert_eq!(house.gridbook(&network, &["evidence", "submit"]).0, 2, "without a file it is wrong usage");
}
