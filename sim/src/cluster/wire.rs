//! Links between validators: how long a message takes, and whether it arrives.

use super::dice::Dice;
use super::mix::{Kind, Mix};

/// The streams between two validators; each keeps its order if the network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Consensus = 0,
    Log = 1,
    Sync = 2,
}

#[derive(Clone, Debug, Default)]
struct Link {
    usual_us: u64,
    /// How many cuts hold it down; cuts overlap.
    cuts: u32,
    /// Counts breaks: what was on its way then is lost.
    generation: u64,
    last_arrival: [u64; 3],
}

/// The longest usual way of somebody slow. Who catches up needs two ways there and back for each epoch that it missed: with ways of several
/// seconds it would still be on its way when the simulation expects everybody to have arrived.
const SLOWED_MAX_US: u64 = 1_000_000;

/// All links, one for each direction.
#[derive(Debug)]
pub(super) struct Wire {
    count: usize,
    links: Vec<Link>,
    dice: Dice,
    ordered: bool,
    spread: u32,
    /// Messages lost and doubled, per mille.
    pub(super) lost: u64,
    pub(super) doubled: u64,
}

impl Wire {
    pub(super) fn new(count: usize, mix: &Mix, mut dice: Dice) -> Self {
        let (fastest_us, slowest_us) = mix.usual_us;
        let link = |dice: &mut Dice| Link { usual_us: dice.between(fastest_us, slowest_us), ..Link::default() };
        let links = (0..count * count).map(|_| link(&mut dice)).collect();
        let ordered = !mix.kinds.has(Kind::Reorder);
        Self { count, links, dice, ordered, spread: mix.spread, lost: mix.lost, doubled: mix.doubled }
    }

    /// Whoever is slow is slow to send and to receive. A way that is long anyway becomes no longer than [`SLOWED_MAX_US`].
    pub(super) fn slow_down(&mut self, index: usize, slowness: u64) {
        let slowed = |link: &mut Link| link.usual_us = (link.usual_us * slowness).min(SLOWED_MAX_US.max(link.usual_us));
        for other in 0..self.count {
            slowed(self.link(index, other));
            slowed(self.link(other, index));
        }
    }

    fn link(&mut self, from: usize, to: usize) -> &mut Link {
        &mut self.links[from * self.count + to]
    }

    /// When copies of a message sent now arrive, each with the link's generation; none if it is lost.
    pub(super) fn send(&mut self, from: usize, to: usize, stream: Stream, now_us: u64) -> Vec<(u64, u64)> {
        let (lost, doubled, ordered, spread) = (self.lost, self.doubled, self.ordered, self.spread);
        let copies = if self.dice.per_mille(doubled) { 2 } else { 1 };
        let mut arrivals = Vec::with_capacity(copies);
        for _ in 0..copies {
            if self.dice.per_mille(lost) {
                continue;
            }
            let usual_us = self.link(from, to).usual_us;
            let mut at = now_us + self.dice.delay(usual_us, spread);
            let link = self.link(from, to);
            if link.cuts > 0 {
                continue;
            }
            if ordered {
                at = at.max(link.last_arrival[stream as usize] + 1);
                link.last_arrival[stream as usize] = at;
            }
            arrivals.push((at, link.generation));
        }
        arrivals
    }

    /// Whether what was sent in this generation still arrives.
    pub(super) fn arrives(&mut self, from: usize, to: usize, generation: u64) -> bool {
        let link = self.link(from, to);
        link.cuts == 0 && link.generation == generation
    }

    /// Takes a direction down, or lets go of it. True if it is up again with that.
    pub(super) fn cut(&mut self, from: usize, to: usize, down: bool) -> bool {
        let link = self.link(from, to);
        if down {
            link.cuts += 1;
            link.generation += 1;
        } else {
            link.cuts = link.cuts.saturating_sub(1);
        }
        !down && link.cuts == 0
    }

    /// One end is gone: what is on its way is lost.
    pub(super) fn break_off(&mut self, from: usize, to: usize) {
        self.link(from, to).generation += 1;
    }

    /// Whether both directions are up.
    pub(super) fn is_up(&mut self, a: usize, b: usize) -> bool {
        self.link(a, b).cuts == 0 && self.link(b, a).cuts == 0
    }
}
