//! ed25519 keys and signatures, verified by the cofactored ZIP-215 rule.

use core::fmt;

use curve25519_dalek::edwards::CompressedEdwardsY;
use zeroize::Zeroizing;

use super::hash::decode_hex;
use super::memo;

/// A public key as its 32 bytes. Any 32 bytes may stand here; [`PublicKey::check`] says whether they may be registered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct PublicKey(pub [u8; 32]);

/// A signature as its 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Signature(pub [u8; 64]);

/// A secret key; wiped when dropped, and never printed.
#[derive(Clone)]
pub struct SecretKey {
    seed: Zeroizing<[u8; 32]>,
    signing: ed25519_zebra::SigningKey,
}

/// Why a public key may not be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not the canonical encoding of a point.
    #[error("the bytes are not a canonical curve point")]
    NotAPoint,
    /// Of small order, or with a torsion part: signatures under it would not bind.
    #[error("the key is weak: it is not in the prime-order subgroup")]
    Weak,
}

impl PublicKey {
    /// Refuses keys under which a signature does not bind one signer to one message.
    pub fn check(&self) -> Result<(), KeyError> {
        memo::checked_once(self, || self.check_anew())
    }

    fn check_anew(&self) -> Result<(), KeyError> {
        let point = CompressedEdwardsY(self.0).decompress().ok_or(KeyError::NotAPoint)?;
        if point.compress().0 != self.0 {
            return Err(KeyError::NotAPoint);
        }
        if point.is_small_order() || !point.is_torsion_free() {
            return Err(KeyError::Weak);
        }
        Ok(())
    }

    /// Whether `signature` is this key's over `message`.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        let name = memo::name(self, message, signature);
        if name.is_some_and(memo::knows) {
            return true;
        }
        let is_good = ed25519_zebra::VerificationKey::try_from(self.0)
            .and_then(|key| key.verify(&ed25519_zebra::Signature::from_bytes(&signature.0), message))
            .is_ok();
        if let (true, Some(name)) = (is_good, name) {
            memo::remember(name);
        }
        is_good
    }

    /// Hexadecimal text.
    pub fn to_hex(self) -> String {
        super::Hash(self.0).to_hex()
    }

    /// Reads what [`PublicKey::to_hex`] wrote.
    pub fn from_hex(text: &str) -> Option<Self> {
        decode_hex(text).map(Self)
    }
}

impl SecretKey {
    /// A new key from the operating system's randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut())?;
        Ok(Self::from_seed(*seed))
    }

    /// The key that a 32-byte seed stands for.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self { seed: Zeroizing::new(seed), signing: ed25519_zebra::SigningKey::from(seed) }
    }

    /// The seed, for writing to a file only its owner can read.
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(ed25519_zebra::VerificationKeyBytes::from(&self.signing).into())
    }

    /// Signs a message. Callers sign a domain tag first, always.
    pub fn sign(&self, message: &[u8]) -> Signature {
        memo::made_once(&self.public(), message, || Signature(self.signing.sign(message).to_bytes()))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {:?})", self.public())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::Hash(self.0).fmt(f)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sig:{:02x}{:02x}..", self.0[0], self.0[1])
    }
}
