//! A window of price levels that lie where their price says.

use super::level::Level;

/// How many steps of the price the widest window spans.
pub(super) const STEPS_MAX: u32 = 1024;
const STEPS_MIN: u32 = 64;
const WORDS: usize = STEPS_MAX as usize / 64;

/// The levels of the steps `base .. base + steps`, in a ring: that of a step lies at the step modulo their number, a power
/// of two, so that the window moves without moving what stays in it. One bit says which are in use, one bit of a second row
/// which words of the first have any.
#[derive(Debug)]
pub(super) struct Window {
    base: u32,
    words: u16,
    used: [u64; WORDS],
    levels: Box<[Level]>,
}

const _: () = assert!(WORDS == u16::BITS as usize);

/// How many steps a window for so many orders may span: its memory is in proportion to what rests.
pub(super) fn steps_for(orders: u32) -> u32 {
    let steps = orders.saturating_mul(4).clamp(STEPS_MIN, STEPS_MAX);
    1 << steps.ilog2()
}

impl Window {
    /// A window with nothing in it, somewhat above `step` and mostly below.
    pub(super) fn around(step: u32, steps: u32) -> Self {
        debug_assert!(steps.is_power_of_two() && (STEPS_MIN..=STEPS_MAX).contains(&steps));
        let levels = vec![Level::EMPTY; steps as usize].into_boxed_slice();
        Self { base: base_around(step, steps), words: 0, used: [0; WORDS], levels }
    }

    /// How many steps it spans.
    #[inline]
    pub(super) fn steps(&self) -> u32 {
        self.levels.len() as u32
    }

    /// The first step of the window.
    #[inline]
    pub(super) fn base(&self) -> u32 {
        self.base
    }

    /// The last step of the window.
    #[inline]
    pub(super) fn last(&self) -> u32 {
        self.base + (self.steps() - 1)
    }

    /// Whether a step lies in the window.
    #[inline]
    pub(super) fn holds(&self, step: u32) -> bool {
        step.wrapping_sub(self.base) < self.steps()
    }

    /// Whether the window lies well for a best price at this step: there is room for better ones and for many worse ones.
    pub(super) fn suits(&self, step: u32) -> bool {
        step.wrapping_sub(self.base) < self.steps() / 2 || self.base == base_around(step, self.steps())
    }

    /// Whether no level is in use.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.words == 0
    }

    /// The level of a step that the window holds.
    #[inline]
    pub(super) fn level(&self, step: u32) -> &Level {
        debug_assert!(self.holds(step), "the step lies in the window");
        &self.levels[self.place(step)]
    }

    /// The same, to be changed. Whoever fills or empties it says so: see [`Window::mark`], [`Window::clear`].
    #[inline]
    pub(super) fn level_mut(&mut self, step: u32) -> &mut Level {
        debug_assert!(self.holds(step), "the step lies in the window");
        &mut self.levels[self.place(step)]
    }

    /// The level of a step has orders.
    #[inline]
    pub(super) fn mark(&mut self, step: u32) {
        let place = self.place(step);
        self.used[place / 64] |= 1 << (place % 64);
        self.words |= 1 << (place / 64);
    }

    /// The level of a step has no orders any more.
    #[inline]
    pub(super) fn clear(&mut self, step: u32) {
        let place = self.place(step);
        self.used[place / 64] &= !(1 << (place % 64));
        if self.used[place / 64] == 0 {
            self.words &= !(1 << (place / 64));
        }
    }

    /// The first step at or behind one of the window whose level is in use.
    #[inline]
    pub(super) fn first_from(&self, step: u32) -> Option<u32> {
        let start = self.place(step);
        let here = self.used[start / 64] & (u64::MAX << (start % 64));
        let found = if here != 0 {
            start / 64 * 64 + here.trailing_zeros() as usize
        } else if self.words != 0 {
            // The next word in use, or round the ring the first one.
            let behind = self.words & (u16::MAX << (start / 64) << 1);
            let word = if behind != 0 { behind } else { self.words }.trailing_zeros() as usize;
            word * 64 + self.used[word].trailing_zeros() as usize
        } else {
            return None;
        };
        // The ring goes on from the window's end to its beginning: what is found there is not behind the step.
        let offset = (found as u32).wrapping_sub(self.base) % self.steps();
        (offset >= step - self.base).then(|| self.base + offset)
    }

    /// Moves to where [`Window::around`] the step would be, and hands what falls out to `out`.
    pub(super) fn move_around(&mut self, step: u32, out: impl FnMut(u32, Level)) {
        let base = base_around(step, self.steps());
        self.take(|step, steps| step.wrapping_sub(base) >= steps, out);
        self.base = base;
    }

    /// Takes out all levels.
    pub(super) fn drain(&mut self, out: impl FnMut(u32, Level)) {
        self.take(|_, _| true, out);
    }

    fn take(&mut self, leaves: impl Fn(u32, u32) -> bool, mut out: impl FnMut(u32, Level)) {
        let mut next = self.first_from(self.base);
        while let Some(step) = next {
            if leaves(step, self.steps()) {
                out(step, core::mem::replace(self.level_mut(step), Level::EMPTY));
                self.clear(step);
            }
            next = if step == self.last() { None } else { self.first_from(step + 1) };
        }
    }

    /// Where the level of a step lies.
    #[inline]
    fn place(&self, step: u32) -> usize {
        step as usize & (self.levels.len() - 1)
    }
}

/// A quarter of the window is for better prices to come. The last window ends with the last step that there can be.
fn base_around(step: u32, steps: u32) -> u32 {
    step.saturating_sub(steps / 4).min(u32::MAX - (steps - 1))
}
