//! Many signatures at once, at about half the cost, with the accept set of one at a time.

use ed25519_zebra::batch::{Item, Verifier};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::{Hash, Hasher, PublicKey, Signature, memo};

/// Signatures waiting to be verified together.
#[derive(Default)]
pub struct Batch {
    items: Vec<Placed>,
    pushed: usize,
    transcript: Option<Hasher>,
    /// What the thread is to remember if all are good, where it remembers at all.
    names: Vec<Hash>,
}

/// A signature and its place in the order of [`Batch::push`].
#[derive(Clone)]
struct Placed {
    place: usize,
    item: Item,
}

/// Which of a batch's signatures are bad, by their place in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} bad signatures in the batch, the first at {}", .bad.len(), .bad[0])]
pub struct BatchError {
    /// Places in the order of [`Batch::push`], ascending, never empty.
    pub bad: Vec<usize>,
}

impl Batch {
    /// Adds a signature.
    pub fn push(&mut self, key: &PublicKey, message: &[u8], signature: &Signature) {
        let transcript = self.transcript.get_or_insert_with(|| Hasher::new("gridbook/batch/1"));
        transcript.update(&key.0).update(&signature.0).update(&(message.len() as u64).to_le_bytes()).update(message);
        let place = self.pushed;
        self.pushed += 1;
        let name = memo::name(key, message, signature);
        if name.is_some_and(memo::knows) {
            return;
        }
        self.names.extend(name);
        let signature = ed25519_zebra::Signature::from_bytes(&signature.0);
        self.items.push(Placed { place, item: Item::from((key.0.into(), signature, message)) });
    }

    /// How many are waiting.
    pub fn len(&self) -> usize {
        self.pushed
    }

    /// Whether none is waiting.
    pub fn is_empty(&self) -> bool {
        self.pushed == 0
    }

    /// Verifies them all; bad ones are found by halving. The coefficients are drawn from a hash of the whole batch: no source
    /// of randomness is needed, and nobody can choose signatures to fit coefficients that he knows beforehand.
    pub fn verify(self) -> Result<(), BatchError> {
        let Some(transcript) = self.transcript else { return Ok(()) };
        let mut rng = ChaCha20Rng::from_seed(transcript.finish().0);
        let mut bad = Vec::new();
        find_bad(&self.items, &mut rng, &mut bad);
        if !bad.is_empty() {
            return Err(BatchError { bad });
        }
        self.names.into_iter().for_each(memo::remember);
        Ok(())
    }
}

/// Below this many a batch costs as much as one at a time.
const BATCH_MIN: usize = 3;

fn find_bad(items: &[Placed], rng: &mut ChaCha20Rng, bad: &mut Vec<usize>) {
    if items.len() < BATCH_MIN {
        bad.extend(
            items.iter().filter(|placed| placed.item.clone().verify_single().is_err()).map(|placed| placed.place),
        );
        return;
    }
    let mut verifier = Verifier::new();
    for placed in items {
        verifier.queue(placed.item.clone());
    }
    if verifier.verify(&mut *rng).is_err() {
        let (left, right) = items.split_at(items.len() / 2);
        find_bad(left, rng, bad);
        find_bad(right, rng, bad);
    }
}

impl core::fmt::Debug for Batch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Batch of {}", self.pushed)
    }
}
