//! A few words that one thread writes and any number read whole, without a lock.
//!
//! The writer makes a sequence number odd, writes the words, makes it even again; a reader that sees an odd number, or a different
//! one after reading than before, tries again. The words are atomics, so a reader that loses the race reads a mixture it
//! throws away, never undefined memory, and no `unsafe` is needed.
//!
//! Orderings, after Boehm, "Can seqlocks get along with programming language memory models?" (MSPC 2012):
//! - The writer's release fence after the odd number keeps the words from becoming visible before it. The even number is
//!   stored with release, so whoever sees it sees all words.
//! - The reader's acquire load of the first number keeps its reads of the words behind it. Its acquire fence keeps them before the second
//!   load; together with the writer's fence: a reader that saw any word of a later writing sees its odd number too.

use crate::sync::{AtomicU64, Ordering, fence, spin_loop};

/// In cache lines of its own, so that readers of one do not disturb the writing of the next.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Seqlock<const WORDS: usize> {
    /// Odd while the words are being written.
    sequence: AtomicU64,
    words: [AtomicU64; WORDS],
}

/// The words as they are just now, perhaps a mixture of two writings.
#[derive(Debug)]
pub(crate) struct Glimpse<'a>(&'a [AtomicU64]);

impl<const WORDS: usize> Seqlock<WORDS> {
    /// All zeros.
    pub(crate) fn new() -> Self {
        Self { sequence: AtomicU64::new(0), words: core::array::from_fn(|_| AtomicU64::new(0)) }
    }

    /// Writes the first words; those that `words` does not reach stay as they are. There must be one writer at a time.
    pub(crate) fn write(&self, words: impl IntoIterator<Item = u64>) {
        let even = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(even.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        for (place, word) in self.words.iter().zip(words) {
            place.store(word, Ordering::Relaxed);
        }
        self.sequence.store(even.wrapping_add(2), Ordering::Release);
    }

    /// What `look` makes of the words as one writing left them. Until that succeeds `look` may be shown mixtures: each word by
    /// itself was once written, or zero, but they need not fit together.
    ///
    /// Never blocks the writer. It spins only while these very words are being written.
    pub(crate) fn read<R>(&self, look: impl Fn(Glimpse<'_>) -> R) -> R {
        loop {
            let before = self.sequence.load(Ordering::Acquire);
            if before.is_multiple_of(2) {
                let seen = look(self.glimpse());
                fence(Ordering::Acquire);
                if self.sequence.load(Ordering::Relaxed) == before {
                    return seen;
                }
            }
            spin_loop();
        }
    }

    /// The words as the writer left them, for the writer's own eyes.
    pub(crate) fn glimpse(&self) -> Glimpse<'_> {
        Glimpse(&self.words)
    }
}

impl Glimpse<'_> {
    /// One word.
    #[inline]
    pub(crate) fn word(&self, place: usize) -> u64 {
        self.0[place].load(Ordering::Relaxed)
    }
}
