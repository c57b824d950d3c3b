//! Headers that are asked of others.

use std::collections::BTreeMap;

use super::boundary::{Effect, Recipient, WallTime};
use super::messages::ConsensusMessage;
use crate::crypto::Hash;
use crate::validators::ValidatorIndex;

/// What is wanted, from whom. Everything wanted is named again after each input, so that nothing stays that nobody needs.
#[derive(Debug, Default)]
pub(super) struct Requests {
    wanted: BTreeMap<Hash, Wanted>,
}

#[derive(Clone, Debug)]
struct Wanted {
    sources: Vec<ValidatorIndex>,
    attempts: usize,
    again_at: WallTime,
    named: bool,
}

/// After this long another source is asked.
const ANSWER_US: u64 = 100_000;
/// How many headers may be wanted at once: a parent and the tips of a whole set.
const WANTED_MAX: usize = 64;

impl Requests {
    /// Begins to name what is wanted.
    pub(super) fn begin(&mut self) {
        self.wanted.values_mut().for_each(|w| w.named = false);
    }

    /// Names a wanted header and who should have it.
    pub(super) fn want(&mut self, hash: Hash, sources: impl IntoIterator<Item = ValidatorIndex>, me: ValidatorIndex) {
        let room = self.wanted.len() < WANTED_MAX;
        if let Some(wanted) = self.wanted.get_mut(&hash) {
            wanted.named = true;
        } else if room {
            let sources: Vec<ValidatorIndex> = sources.into_iter().filter(|s| *s != me).collect();
            let wanted = Wanted { sources, attempts: 0, again_at: WallTime(0), named: true };
            self.wanted.insert(hash, wanted);
        }
    }

    pub(super) fn is_wanted(&self, hash: Hash) -> bool {
        self.wanted.contains_key(&hash)
    }

    /// Whether everyone was asked twice in vain.
    pub(super) fn is_exhausted(&self, hash: Hash) -> bool {
        self.wanted.get(&hash).is_some_and(|w| w.attempts > 2 * w.sources.len())
    }

    /// Asks for what is due and forgets what was not named.
    pub(super) fn send(&mut self, now: WallTime, out: &mut Vec<Effect>) {
        self.wanted.retain(|_, w| w.named);
        for (hash, wanted) in &mut self.wanted {
            if wanted.sources.is_empty() || now < wanted.again_at {
                continue;
            }
            let to = Recipient::One(wanted.sources[wanted.attempts % wanted.sources.len()]);
            out.push(Effect::Send { to, message: ConsensusMessage::HeaderRequest(*hash) });
            wanted.attempts += 1;
            wanted.again_at = WallTime(now.0.saturating_add(ANSWER_US));
        }
    }

    /// When to ask again.
    pub(super) fn due_at(&self) -> Option<WallTime> {
        self.wanted.values().filter(|w| !w.sources.is_empty()).map(|w| w.again_at).min()
    }
}
