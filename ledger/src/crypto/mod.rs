//! Hashes, keys and signatures: BLAKE3 and ed25519 under the ZIP-215 rule, single and batch with the same accept set.

mod batch;
mod hash;
mod keys;
mod memo;
#[cfg(test)]
mod speccheck;
#[cfg(test)]
mod tests;

pub use batch::{Batch, BatchError};
pub use hash::{DomainHasher, Hash, Hasher, PairHasher};
pub use keys::{KeyError, PublicKey, SecretKey, Signature};
pub use memo::SignatureMemo;
