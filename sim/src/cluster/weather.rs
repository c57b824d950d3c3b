//! What goes wrong around the validators, drawn from the seed.

use super::dice::Dice;
use super::mix::{Kind, Mix};

/// Families of trouble: which kinds a seed may draw from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faults {
    /// None: an ordered network without loss.
    None,
    /// Kills, power cuts, stalled and full disks, pauses.
    Crash,
    /// Loss, copies, reordering, partitions and wrong clocks.
    Network,
    /// Up to f validators lie.
    Byzantine,
    /// All of it.
    All,
}

impl Faults {
    /// What they are called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Crash => "crash",
            Self::Network => "network",
            Self::Byzantine => "byzantine",
            Self::All => "all",
        }
    }
}

/// One piece of trouble.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// A validator is killed and comes back after a while; the leader, if `leader`.
    Kill { leader: bool, back_after_us: u64 },
    /// All are killed at once.
    Blackout { back_after_us: u64 },
    /// A validator is killed and comes back with an empty disk.
    Wipe { back_after_us: u64 },
    /// A disk takes its time.
    Stall { for_us: u64 },
    /// A disk is full.
    Full { for_us: u64 },
    /// A validator gets no processor.
    Pause { leader: bool, for_us: u64 },
    /// A clock is set.
    Jump { by_us: i64 },
    /// Nothing passes between two groups; in one direction only, if `one_way`. Who is in neither hears both.
    Split { group: Vec<usize>, rest: Vec<usize>, one_way: bool, for_us: u64 },
    /// The leader is not heard.
    Silence { for_us: u64 },
    /// Many messages are lost.
    Storm { lost: u64, for_us: u64 },
}

/// How far a clock is set back or forth, at most.
const JUMP_US: u64 = 3_000_000;

/// Draws the next piece of trouble.
pub(super) fn draw(mix: &Mix, validators: usize, dice: &mut Dice) -> Option<Trouble> {
    let kind = draw_kind(&mix.weights, dice)?;
    let for_us = dice.between(mix.lasts_us.0, mix.lasts_us.1);
    Some(match kind {
        Kind::Kill => Trouble::Kill { leader: false, back_after_us: for_us },
        Kind::LeaderKill => Trouble::Kill { leader: true, back_after_us: for_us },
        Kind::Blackout => Trouble::Blackout { back_after_us: for_us.min(500_000) },
        Kind::Wipe => Trouble::Wipe { back_after_us: for_us },
        Kind::Stall => Trouble::Stall { for_us },
        Kind::Full => Trouble::Full { for_us },
        Kind::Pause => Trouble::Pause { leader: dice.per_mille(500), for_us },
        Kind::Jump => {
            let by_us = i64::try_from(dice.below(2 * JUMP_US)).expect("seconds fit");
            Trouble::Jump { by_us: by_us - JUMP_US.cast_signed() }
        }
        Kind::Silence => Trouble::Silence { for_us },
        Kind::Storm => Trouble::Storm { lost: dice.between(50, 400), for_us },
        kind => split(kind, validators, for_us, dice),
    })
}

fn draw_kind(weights: &[(Kind, u64)], dice: &mut Dice) -> Option<Kind> {
    let total = weights.iter().map(|(_, weight)| weight).sum();
    let mut at = dice.below(total);
    for (kind, weight) in weights {
        if at < *weight {
            return Some(*kind);
        }
        at -= weight;
    }
    None
}

fn split(kind: Kind, validators: usize, for_us: u64, dice: &mut Dice) -> Trouble {
    let mut group: Vec<usize> = (0..validators).filter(|_| dice.per_mille(400)).collect();
    if group.is_empty() || dice.per_mille(250) {
        group = vec![dice.place(validators)];
    }
    let mut rest: Vec<usize> = (0..validators).filter(|index| !group.contains(index)).collect();
    if kind == Kind::Bridge && !rest.is_empty() {
        rest.remove(dice.place(rest.len()));
    }
    Trouble::Split { group, rest, one_way: kind == Kind::OneWay, for_us }
}
