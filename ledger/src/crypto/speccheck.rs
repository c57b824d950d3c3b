//! The twelve cases by which "Taming the Many EdDSAs" (Chalkias, Garillot, Nikolaenko, 2020; its tool is ed25519-speccheck) tells
//! verifiers apart, made anew here: what each case is follows from the table there, the bytes are our own. ZIP-215 takes cases 0 to
//! 5 and 9 to 11, and refuses 6 to 8; alone and in a batch.

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;

use super::tests::{L, MESSAGE, accepted_alike, basepoint, challenge, sign_with, signature, small_order_encodings};
use super::{PublicKey, Signature};

const ACCEPTED: bool = true;
const REFUSED: bool = false;

fn secret() -> Scalar {
    Scalar::from(0x0dec_afc0_ffee_u64)
}

fn nonce(number: u64) -> Scalar {
    Scalar::from(0x1000 + number)
}

fn bytes(point: EdwardsPoint) -> [u8; 32] {
    point.compress().0
}

/// `s` plus `times` the group order.
fn plus_orders(good: &Signature, times: u16) -> Signature {
    let mut bytes = good.0;
    for _ in 0..times {
        let mut carry = 0;
        for (byte, l) in bytes[32..].iter_mut().zip(L) {
            let sum = u16::from(*byte) + u16::from(l) + carry;
            (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
        }
        assert_eq!(carry, 0, "the sum fits into 32 bytes");
    }
    Signature(bytes)
}

#[track_caller]
fn judged(key: [u8; 32], case: &Signature, expected: bool) {
    assert_eq!(accepted_alike(key, case), expected);
}

/// Case 0: s = 0, key and R of small order. Any message fits.
#[test]
fn case_0_everything_of_small_order_is_accepted() {
    judged(bytes(EIGHT_TORSION[1]), &signature(bytes(EIGHT_TORSION[3]), [0; 32]), ACCEPTED);
}

/// Case 1: the key is of small order, R is not, and s is not zero.
#[test]
fn case_1_a_small_order_key_with_a_mixed_r_is_accepted() {
    let key = bytes(EIGHT_TORSION[2]);
    let r = bytes(basepoint() * nonce(1) + EIGHT_TORSION[5]);
    judged(key, &signature(r, nonce(1).to_bytes()), ACCEPTED);
}

/// Case 2: R is of small order, the key has a torsion part.
#[test]
fn case_2_a_mixed_key_with_a_small_order_r_is_accepted() {
    let key = bytes(basepoint() * secret() + EIGHT_TORSION[1]);
    let r = bytes(EIGHT_TORSION[6]);
    judged(key, &sign_with(secret(), &key, Scalar::ZERO, r), ACCEPTED);
}

/// Cases 3 and 4: key and R have torsion parts; in 3 they cancel, so that a check without the cofactor takes it as well, in 4 they do
/// not. Both must be judged alike by everybody.
#[test]
fn cases_3_and_4_a_mixed_key_with_a_mixed_r_is_accepted_whether_or_not_the_torsion_cancels() {
    let torsion = EIGHT_TORSION[1];
    let key = bytes(basepoint() * secret() + torsion);
    let (mut cancelled, mut left) = (0, 0);
    for number in 0..64 {
        let r = bytes(basepoint() * nonce(number) + EIGHT_TORSION[3]);
        let k = challenge(&r, &key, MESSAGE);
        if bytes(torsion * k + EIGHT_TORSION[3]) == bytes(EIGHT_TORSION[0]) {
            cancelled += 1
        } else {
            left += 1
        }
        judged(key, &sign_with(secret(), &key, nonce(number), r), ACCEPTED);
    }
    assert!(cancelled > 0 && left > 0, "both cases are among them: {cancelled} and {left}");
}

/// Case 5: the key has a torsion part, R has none. Whoever multiplies the challenge by 8 and reduces before multiplying fails here.
#[test]
fn case_5_a_mixed_key_under_a_plain_r_is_accepted() {
    let key = bytes(basepoint() * secret() + EIGHT_TORSION[1]);
    for number in 0..16 {
        let r = bytes(basepoint() * nonce(number));
        judged(key, &sign_with(secret(), &key, nonce(number), r), ACCEPTED);
    }
}

/// Cases 6 and 7: s is at least the group order, by a little and by much. One signature would be many.
#[test]
fn cases_6_and_7_an_s_beyond_the_group_order_is_refused() {
    let key = bytes(basepoint() * secret());
    let r = bytes(basepoint() * nonce(6));
    let good = sign_with(secret(), &key, nonce(6), r);
    judged(key, &good, ACCEPTED);
    for times in [1, 2, 7, 14] {
        judged(key, &plus_orders(&good, times), REFUSED);
    }
    judged(key, &signature(r, L), REFUSED);
}

/// The encodings that are not those a point is written with.
fn odd_encodings() -> impl Iterator<Item = ([u8; 32], [u8; 32])> {
    let read = |odd: [u8; 32]| (odd, bytes(CompressedEdwardsY(odd).decompress().expect("all of them are points")));
    small_order_encodings().into_iter().map(read).filter(|(odd, proper)| odd != proper)
}

/// Cases 8 and 9: R is written otherwise than points are. The challenge is over the bytes as they came (9); over those that they
/// should have been (8) it is another signature.
#[test]
fn cases_8_and_9_a_non_canonical_r_is_hashed_as_it_came() {
    let key = bytes(basepoint() * secret());
    assert_eq!(odd_encodings().count(), 6);
    for (odd, proper) in odd_encodings() {
        judged(key, &sign_with(secret(), &key, Scalar::ZERO, odd), ACCEPTED);
        let over_proper = (challenge(&proper, &key, MESSAGE) * secret()).to_bytes();
        judged(key, &signature(odd, over_proper), REFUSED);
    }
}

/// Cases 10 and 11: the key is written otherwise than points are. Its small order makes every challenge fit. It is judged alike by
/// everybody, and gets into no registry.
#[test]
fn cases_10_and_11_a_non_canonical_key_is_judged_alike_and_never_registered() {
    for (odd, proper) in odd_encodings() {
        for hashed in [odd, proper] {
            let r = bytes(basepoint() * (nonce(10) + challenge(&[7; 32], &hashed, MESSAGE)));
            let s = nonce(10) + challenge(&[7; 32], &hashed, MESSAGE);
            judged(odd, &signature(r, s.to_bytes()), ACCEPTED);
        }
        assert!(PublicKey(odd).check().is_err());
    }
}
