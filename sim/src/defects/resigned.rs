//! A second good signature over the same statement: what an honest signer with a random nonce would make.

use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::{Scalar, clamp_integer};
use gridbook_ledger::crypto::Signature;
use sha2::{Digest as _, Sha512};

/// Signs with another nonce than the one that the rule of ed25519 derives.
pub(super) fn sign_anew(seed: &[u8; 32], message: &[u8]) -> Signature {
    let expanded = Sha512::digest(seed);
    let secret: [u8; 32] = expanded[..32].try_into().expect("half of 64 bytes");
    let secret = Scalar::from_bytes_mod_order(clamp_integer(secret));
    let public = EdwardsPoint::mul_base(&secret).compress();
    let nonce = Scalar::from_bytes_mod_order([9; 32]);
    let point = EdwardsPoint::mul_base(&nonce).compress();
    let challenge = Sha512::new().chain_update(point.0).chain_update(public.0).chain_update(message).finalize();
    let challenge = Scalar::from_bytes_mod_order_wide(&challenge.into());
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&point.0);
    bytes[32..].copy_from_slice((nonce + challenge * secret).as_bytes());
    Signature(bytes)
}
