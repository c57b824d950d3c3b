//! 32-byte BLAKE3 hashes.

use core::fmt;

/// A 32-byte BLAKE3 hash.
#[derive(
    Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// All zero: stands for "none" where a hash is needed.
    pub const ZERO: Self = Self([0; 32]);

    /// The hash of `bytes` under a domain tag, so that bytes of one kind never pass for another.
    pub fn of(domain: &str, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(domain);
        hasher.update(bytes);
        hasher.finish()
    }

    /// Hexadecimal text.
    pub fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads what [`Hash::to_hex`] wrote.
    pub fn from_hex(text: &str) -> Option<Self> {
        decode_hex(text).map(Self)
    }
}

pub(crate) fn decode_hex(text: &str) -> Option<[u8; 32]> {
    // Asked digit by digit: the number parser below would take a plus sign for one, and capitals as well as small letters.
    if text.len() != 64 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut bytes = [0; 32];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(bytes)
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for Hash {
    /// The first eight digits: enough to tell hashes apart when reading.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in &self.0[..4] {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// A hash in the making.
#[derive(Debug)]
pub struct Hasher(blake3::Hasher);

impl Hasher {
    /// Starts a hash with its domain tag, length first.
    pub fn new(domain: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        let length = u8::try_from(domain.len()).expect("domain tags are short literals");
        hasher.update(&[length]);
        hasher.update(domain.as_bytes());
        Self(hasher)
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(bytes);
        self
    }

    /// The hash of all that was added.
    pub fn finish(&self) -> Hash {
        Hash(*self.0.finalize().as_bytes())
    }
}

/// Hashes many short byte strings under one domain: a BLAKE3 keyed by the domain, so that the tag costs nothing for each of them.
#[derive(Clone, Debug)]
pub struct DomainHasher {
    key: [u8; 32],
}

impl DomainHasher {
    /// For a domain tag.
    pub fn new(domain: &str) -> Self {
        Self { key: Hasher::new(domain).finish().0 }
    }

    /// The hash of `bytes`.
    pub fn hash(&self, bytes: &[u8]) -> Hash {
        Hash(*blake3::keyed_hash(&self.key, bytes).as_bytes())
    }
}

/// Joins two hashes into one under a domain: a keyed BLAKE3 of their 64 bytes, which is a single compression, half the cost
/// of a tag in front.
#[derive(Clone, Debug)]
pub struct PairHasher {
    key: [u8; 32],
}

impl PairHasher {
    /// For a domain tag.
    pub fn new(domain: &str) -> Self {
        Self { key: Hasher::new(domain).finish().0 }
    }

    /// The hash of `left`, then `right`.
    pub fn join(&self, left: &Hash, right: &Hash) -> Hash {
        let mut both = [0; 64];
        both[..32].copy_from_slice(&left.0);
        both[32..].copy_from_slice(&right.0);
        Hash(*blake3::keyed_hash(&self.key, &both).as_bytes())
    }
}
