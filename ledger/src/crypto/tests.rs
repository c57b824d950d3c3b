//! Signatures at the edges of the ZIP-215 rule. If a batch and a single check ever disagree, two honest validators disagree
//! about a header, so every case is put to both.

use curve25519_dalek::constants::{ED25519_BASEPOINT_COMPRESSED, EIGHT_TORSION};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use sha2::{Digest, Sha512};

use super::*;

/// The order of the prime-order subgroup, little-endian.
pub(super) const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];
pub(super) const MESSAGE: &[u8] = b"gridbook/test/1: sell 400 Wh";

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

pub(super) fn basepoint() -> EdwardsPoint {
    CompressedEdwardsY(ED25519_BASEPOINT_COMPRESSED.0).decompress().unwrap()
}

pub(super) fn signature(r: [u8; 32], s: [u8; 32]) -> Signature {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&r);
    bytes[32..].copy_from_slice(&s);
    Signature(bytes)
}

/// The challenge of a signature: the hash of R, A and the message, modulo the group order.
pub(super) fn challenge(r: &[u8; 32], a: &[u8; 32], message: &[u8]) -> Scalar {
    let hash = Sha512::new().chain_update(r).chain_update(a).chain_update(message).finalize();
    Scalar::from_bytes_mod_order_wide(&hash.into())
}

/// A signature by secret scalar `a` with public key bytes `key` and the given R, made so that the equation holds but for
/// what R and the key have of small order.
pub(super) fn sign_with(a: Scalar, key: &[u8; 32], nonce: Scalar, r: [u8; 32]) -> Signature {
    signature(r, (nonce + challenge(&r, key, MESSAGE) * a).to_bytes())
}

/// Puts one case to the single check and to batches in which it stands first, in the middle and last.
pub(super) fn accepted_alike(key_bytes: [u8; 32], case: &Signature) -> bool {
    let public = PublicKey(key_bytes);
    let alone = public.verify(MESSAGE, case);
    for place in [0, 3, 6] {
        let mut batch = Batch::default();
        for i in 0..7 {
            if i == place {
                batch.push(&public, MESSAGE, case);
            } else {
                let good = key(100 + i);
                batch.push(&good.public(), MESSAGE, &good.sign(MESSAGE));
            }
        }
        let expected = if alone { Ok(()) } else { Err(BatchError { bad: vec![usize::from(place)] }) };
        assert_eq!(batch.verify(), expected, "the batch disagrees with the single check at place {place}");
    }
    alone
}

/// All encodings of the eight points of small order: the canonical ones, those with y + p, and a sign on x = 0.
pub(super) fn small_order_encodings() -> Vec<[u8; 32]> {
    let mut encodings: Vec<[u8; 32]> = EIGHT_TORSION.iter().map(|point| point.compress().0).collect();
    let mut p = [0xff; 32];
    (p[0], p[31]) = (0xed, 0x7f);
    let mut p_plus_1 = p;
    p_plus_1[0] = 0xee;
    let mut one = [0; 32];
    one[0] = 1;
    let mut minus_one = p;
    minus_one[0] = 0xec;
    for odd in [p, p_plus_1] {
        encodings.push(odd);
        encodings.push(signed(odd));
    }
    encodings.extend([signed(one), signed(minus_one)]);
    encodings
}

fn signed(mut encoding: [u8; 32]) -> [u8; 32] {
    encoding[31] |= 0x80;
    encoding
}

/// A key of small order makes any signature fit any message: it must not get into the registry in any of its encodings.
#[test]
fn keys_of_small_order_are_refused_in_every_encoding() {
    let encodings = small_order_encodings();
    assert_eq!(encodings.len(), 14);
    for encoding in encodings {
        assert!(PublicKey(encoding).check().is_err(), "{encoding:02x?}");
    }
}

/// A key with a torsion part lets its owner sign so that rules other than this one disagree.
#[test]
fn keys_with_a_torsion_part_are_refused() {
    let honest = CompressedEdwardsY(key(1).public().0).decompress().unwrap();
    for torsion in &EIGHT_TORSION[1..] {
        assert_eq!(PublicKey((honest + torsion).compress().0).check(), Err(KeyError::Weak));
    }
    assert_eq!(key(1).public().check(), Ok(()));
}

/// About half of all 32-byte strings are no point at all.
#[test]
fn bytes_that_are_no_point_are_refused() {
    let mut bytes = [0; 32];
    bytes[0] = 2;
    assert!(CompressedEdwardsY(bytes).decompress().is_none());
    assert_eq!(PublicKey(bytes).check(), Err(KeyError::NotAPoint));
    assert_eq!(PublicKey([0xff; 32]).check(), Err(KeyError::NotAPoint));
}

/// The 196 cases by which implementations of ed25519 are told apart: under this rule all of them pass, alone and in a batch.
#[test]
fn small_order_key_and_r_are_judged_alike_in_all_196_encodings() {
    for key_bytes in small_order_encodings() {
        for r in small_order_encodings() {
            assert!(accepted_alike(key_bytes, &signature(r, [0; 32])), "A {key_bytes:02x?} R {r:02x?}");
        }
    }
}

/// A signer adds a point of small order to R: checks without the cofactor refuse it, batches would take it or not by luck.
#[test]
fn a_torsioned_r_is_judged_alike() {
    let (a, nonce) = (Scalar::from(0x1234_5678_9abc_u64), Scalar::from(77_u64));
    let public = (basepoint() * a).compress().0;
    assert!(PublicKey(public).check().is_ok());
    for torsion in EIGHT_TORSION {
        let r = (basepoint() * nonce + torsion).compress().0;
        assert!(accepted_alike(public, &sign_with(a, &public, nonce, r)), "R with torsion");
    }
}

/// The same with the torsion in the key, and in both, so that they may cancel or not.
#[test]
fn torsion_in_key_and_r_together_is_judged_alike() {
    let (a, nonce) = (Scalar::from(0x1234_5678_9abc_u64), Scalar::from(77_u64));
    for key_torsion in EIGHT_TORSION {
        let public = (basepoint() * a + key_torsion).compress().0;
        for r_torsion in EIGHT_TORSION {
            let r = (basepoint() * nonce + r_torsion).compress().0;
            assert!(accepted_alike(public, &sign_with(a, &public, nonce, r)));
        }
    }
}

/// R of small order under an honest key: only s = k * a fits it.
#[test]
fn a_small_order_r_under_an_honest_key_is_judged_alike() {
    let a = Scalar::from(0x1234_5678_9abc_u64);
    let public = (basepoint() * a).compress().0;
    for r in small_order_encodings() {
        assert!(accepted_alike(public, &sign_with(a, &public, Scalar::from(0_u64), r)));
        assert!(!accepted_alike(public, &signature(r, [0; 32])), "s = 0 under an honest key");
    }
}

/// Nobody may turn one good signature into another by adding the group order to s.
#[test]
fn s_plus_the_group_order_is_refused() {
    let honest = key(1);
    let good = honest.sign(MESSAGE);
    assert!(accepted_alike(honest.public().0, &good));
    let (mut carry, mut bytes) = (0, good.0);
    for (byte, l) in bytes[32..].iter_mut().zip(L) {
        let sum = u16::from(*byte) + u16::from(l) + carry;
        (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
    }
    assert_eq!(carry, 0, "s + L fits into 32 bytes");
    assert!(!accepted_alike(honest.public().0, &Signature(bytes)));
    assert!(!accepted_alike(honest.public().0, &signature(good.0[..32].try_into().unwrap(), [0xff; 32])));
}

/// What a lazy or broken device sends.
#[test]
fn an_all_zero_signature_is_refused() {
    assert!(!accepted_alike(key(1).public().0, &Signature([0; 64])));
}

/// R that is no point, and a key that is no point, are bad signatures, not crashes.
#[test]
fn encodings_that_are_no_points_are_refused_alike() {
    let mut no_point = [0; 32];
    no_point[0] = 2;
    let good = key(1).sign(MESSAGE);
    assert!(!accepted_alike(no_point, &good));
    assert!(!accepted_alike(key(1).public().0, &signature(no_point, good.0[32..].try_into().unwrap())));
}

/// Every bit of a signature counts.
#[test]
fn every_flipped_bit_of_a_signature_is_refused() {
    let (public, good) = (key(1).public(), key(1).sign(MESSAGE));
    for bit in 0..512 {
        let mut bytes = good.0;
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(!public.verify(MESSAGE, &Signature(bytes)), "bit {bit}");
    }
}

/// The right signature of somebody else.
#[test]
fn a_signature_under_the_wrong_key_is_refused() {
    assert!(!accepted_alike(key(2).public().0, &key(1).sign(MESSAGE)));
}

/// A vote must never pass for an order, whatever the bytes behind the tag.
#[test]
fn a_signature_in_one_domain_is_none_in_another() {
    let statement = |domain: &str| {
        let mut w = crate::bytes::Writer::new();
        w.domain(domain).bytes(&[7; 40]);
        w.finish()
    };
    let signature = key(1).sign(&statement("gridbook/vote/1"));
    assert!(key(1).public().verify(&statement("gridbook/vote/1"), &signature));
    assert!(!key(1).public().verify(&statement("gridbook/bundle/1"), &signature));
    assert_ne!(Hash::of("gridbook/ab/1", b"c"), Hash::of("gridbook/a/1", b"bc"));
}

/// The sender of a bad signature pays for it, so the batch must name it, wherever it is and however many there are.
#[test]
fn a_batch_names_every_bad_signature_and_no_other() {
    let cases: [(usize, &[usize]); 9] = [
        (1, &[0]),
        (2, &[1]),
        (3, &[0, 2]),
        (17, &[16]),
        (64, &[0, 31, 32, 63]),
        (65, &[64]),
        (8, &[0, 1, 2, 3, 4, 5, 6, 7]),
        (33, &[]),
        (0, &[]),
    ];
    for (count, bad) in cases {
        let mut batch = Batch::default();
        for i in 0..count {
            let signer = key(u8::try_from(i % 5).unwrap());
            let message = format!("{i}");
            let over = if bad.contains(&i) { "another message" } else { &message };
            batch.push(&signer.public(), message.as_bytes(), &signer.sign(over.as_bytes()));
        }
        let expected = if bad.is_empty() { Ok(()) } else { Err(BatchError { bad: bad.to_vec() }) };
        assert_eq!(batch.verify(), expected);
    }
}

/// A swap of two good signatures in a batch leaves sums of naive checks unchanged.
#[test]
fn two_swapped_signatures_are_both_named() {
    let mut batch = Batch::default();
    let messages: Vec<String> = (0..10).map(|i| format!("{i}")).collect();
    for (i, message) in messages.iter().enumerate() {
        let signed = match i {
            4 => &messages[7],
            7 => &messages[4],
            _ => message,
        };
        batch.push(&key(1).public(), message.as_bytes(), &key(1).sign(signed.as_bytes()));
    }
    assert_eq!(batch.verify(), Err(BatchError { bad: vec![4, 7] }));
}

/// Two people must write the same hash and key in the same way, and only in that way.
#[test]
fn hexadecimal_text_reads_back_and_odd_text_is_refused() {
    let hash = Hash::of("gridbook/test/1", b"");
    assert_eq!(Hash::from_hex(&hash.to_hex()), Some(hash));
    assert_eq!(PublicKey::from_hex(&key(1).public().to_hex()), Some(key(1).public()));
    let plus = format!("+1{}", "0".repeat(62));
    let capital = format!("{}B", "0".repeat(63));
    for odd in ["", "00", &plus, &capital, &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"\u{e9}".repeat(32)] {
        assert_eq!(Hash::from_hex(odd), None, "{odd}");
    }
}

/// A key that is printed by mistake must not give itself away.
#[test]
fn a_secret_key_prints_only_its_public_half() {
    let seed_text = Hash([9; 32]).to_hex();
    assert!(!format!("{:?}", SecretKey::from_seed([9; 32])).contains(&seed_text[..8]));
}
