//! A window of price levels that lie where their price says.

use super::level::Level;

/// How many steps of the price a window spans.
pub(super) const STEPS: u32 = 1024;
const WORDS: usize = STEPS as usize / 64;

/// The levels of the steps `base .. base + STEPS`, in a ring: that of a step lies at the step modulo [`STEPS`], so that
/// the window moves without moving what stays in it. One bit says which are in use, one bit of a second row which words of
/// the first have any.
#[derive(Debug)]
pub(super) struct Window {
    base: u32,
    words: u16,
    used: [u64; WORDS],
    levels: [Level; STEPS as usize],
}

const _: () = assert!(WORDS == u16::BITS as usize);

impl Window {
    /// A window with nothing in it, somewhat above `step` and mostly below.
    pub(super) fn around(step: u32) -> Self {
        Self { base: base_around(step), words: 0, used: [0; WORDS], levels: [Level::EMPTY; STEPS as usize] }
    }

    /// The first step of the window.
    pub(super) fn base(&self) -> u32 {
        self.base
    }

    /// The last step of the window.
    pub(super) fn last(&self) -> u32 {
        self.base + (STEPS - 1)
    }

    /// Whether a step lies in the window.
    pub(super) fn holds(&self, step: u32) -> bool {
        step.wrapping_sub(self.base) < STEPS
    }

    /// Whether the window lies well for a best price at this step: there is room for better ones and for many worse ones.
    pub(super) fn suits(&self, step: u32) -> bool {
        self.base == base_around(step) || step.wrapping_sub(self.base) < STEPS / 2
    }

    /// Whether no level is in use.
    pub(super) fn is_empty(&self) -> bool {
        self.words == 0
    }

    /// The level of a step that the window holds.
    pub(super) fn level(&self, step: u32) -> &Level {
        debug_assert!(self.holds(step), "the step lies in the window");
        &self.levels[place(step)]
    }

    /// The same, to be changed. Whoever fills or empties it says so: see [`Window::mark`], [`Window::clear`].
    pub(super) fn level_mut(&mut self, step: u32) -> &mut Level {
        debug_assert!(self.holds(step), "the step lies in the window");
        &mut self.levels[place(step)]
    }

    /// The level of a step has orders.
    pub(super) fn mark(&mut self, step: u32) {
        let (word, bit) = bit_of(step);
        self.used[word] |= bit;
        self.words |= 1 << word;
    }

    /// The level of a step has no orders any more.
    pub(super) fn clear(&mut self, step: u32) {
        let (word, bit) = bit_of(step);
        self.used[word] &= !bit;
        if self.used[word] == 0 {
            self.words &= !(1 << word);
        }
    }

    /// The first step at or behind one of the window whose level is in use.
    pub(super) fn first_from(&self, step: u32) -> Option<u32> {
        let start = place(step);
        let word = start / 64;
        let here = self.used[word] & (u64::MAX << (start % 64));
        let found = if here != 0 {
            word * 64 + here.trailing_zeros() as usize
        } else if self.words != 0 {
            let next = word as u32 + 1;
            let word = ((next + self.words.rotate_right(next % u16::BITS).trailing_zeros()) % u16::BITS) as usize;
            word * 64 + self.used[word].trailing_zeros() as usize
        } else {
            return None;
        };
        // The ring goes on from the window's end to its beginning: what is found there is not behind the step.
        let offset = (found as u32).wrapping_sub(self.base) % STEPS;
        (offset >= step - self.base).then(|| self.base + offset)
    }

    /// The first step whose level is in use.
    pub(super) fn first(&self) -> Option<u32> {
        self.first_from(self.base)
    }

    /// Moves to where [`Window::around`] the step would be, and hands what falls out to `out`.
    pub(super) fn move_around(&mut self, step: u32, mut out: impl FnMut(u32, Level)) {
        let base = base_around(step);
        let mut next = self.first();
        while let Some(step) = next {
            if step.wrapping_sub(base) >= STEPS {
                out(step, core::mem::replace(self.level_mut(step), Level::EMPTY));
                self.clear(step);
            }
            next = if step == self.last() { None } else { self.first_from(step + 1) };
        }
        self.base = base;
    }
}

/// A quarter of the window is for better prices to come. The last window ends with the last step that there can be.
fn base_around(step: u32) -> u32 {
    step.saturating_sub(STEPS / 4).min(u32::MAX - (STEPS - 1))
}

fn place(step: u32) -> usize {
    (step % STEPS) as usize
}

fn bit_of(step: u32) -> (usize, u64) {
    (place(step) / 64, 1 << (step % 64))
}
