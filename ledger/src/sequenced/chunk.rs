//! What a leader signs about a piece of its log.

use rkyv::{Archive, Deserialize, Serialize};

use crate::bytes::Writer;
use crate::crypto::{Hash, Hasher, SecretKey, Signature};
use crate::header::LogPoint;
use crate::merkle;
use crate::validators::{ValidatorIndex, ValidatorSet};

/// A leader's signed word about a chunk: all of it but the bodies, which the digests and the root stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct ChunkStatement {
    /// The validator set's number.
    pub epoch: u32,
    /// The leader's view.
    pub view: u64,
    /// Counted from 0 in each view. Each chunk begins where the one before it ended.
    pub number: u32,
    /// Whether the leader ends a header here.
    pub cut: bool,
    /// The place before the first entry.
    pub start: LogPoint,
    /// The place after the last entry.
    pub end: LogPoint,
    /// Merkle root over the [`Place`]s of its entries.
    pub places_root: Hash,
    /// The leader's signature.
    pub signature: Signature,
}

impl ChunkStatement {
    const DOMAIN: &'static str = "gridbook/chunk/1";

    /// The canonical bytes that the leader signs.
    pub fn signed_bytes(&self, chain: Hash) -> Vec<u8> {
        let mut w = Writer::new();
        w.domain(Self::DOMAIN).bytes(&chain.0).u32(self.epoch).u64(self.view).u32(self.number).u8(u8::from(self.cut));
        w.u64(self.start.seq).bytes(&self.start.digest.0).u64(self.end.seq).bytes(&self.end.digest.0);
        w.bytes(&self.places_root.0);
        w.finish()
    }

    /// Signs it.
    pub fn sign(mut self, chain: Hash, key: &SecretKey) -> Self {
        self.signature = key.sign(&self.signed_bytes(chain));
        self
    }

    /// Who has to have signed it.
    pub fn leader(&self, set: &ValidatorSet) -> ValidatorIndex {
        set.leader(self.view)
    }

    /// Whether the leader of its view signed it.
    #[must_use]
    pub fn verify(&self, chain: Hash, set: &ValidatorSet) -> bool {
        set.key(self.leader(set)).is_some_and(|key| key.verify(&self.signed_bytes(chain), &self.signature))
    }

    /// Whether two statements say the same, whatever their signatures are.
    pub fn says_the_same(&self, other: &Self) -> bool {
        Self { signature: other.signature, ..*self } == *other
    }
}

/// An entry and the sequence numbers that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The sequence number of its first command.
    pub first_seq: u64,
    /// How many it takes.
    pub count: u64,
    /// The entry's name: the bundle's id.
    pub entry: Hash,
}

impl Place {
    /// The sequence number of its last command; none where it takes none, or more than there are numbers.
    pub fn last_seq(&self) -> Option<u64> {
        self.first_seq.checked_add(self.count.checked_sub(1)?)
    }

    /// Its leaf under the chunk's root.
    pub fn leaf(&self) -> Hash {
        let mut hasher = Hasher::new("gridbook/place/1");
        hasher.update(&self.first_seq.to_le_bytes()).update(&self.count.to_le_bytes()).update(&self.entry.0);
        hasher.finish()
    }

    /// Whether some sequence number belongs to both.
    pub fn overlaps(&self, other: &Self) -> bool {
        let end = |place: &Self| place.first_seq.saturating_add(place.count);
        self.first_seq < end(other) && other.first_seq < end(self)
    }
}

/// The root over a chunk's places.
pub fn places_root(places: &[Place]) -> Hash {
    merkle::root(&places.iter().map(Place::leaf).collect::<Vec<_>>())
}
