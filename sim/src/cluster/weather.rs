//! What goes wrong around the validators, drawn from the seed.

use super::dice::Dice;

/// Kinds of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faults {
    /// None: an ordered network without loss.
    None,
    /// Kills, restarts and stalled disks.
    Crash,
    /// Loss, copies, reordering, partitions and wrong clocks.
    Network,
    /// Up to f validators lie.
    Byzantine,
    /// All of it.
    All,
}

impl Faults {
    pub(super) fn crashes(self) -> bool {
        matches!(self, Self::Crash | Self::All)
    }

    pub(super) fn breaks_network(self) -> bool {
        matches!(self, Self::Network | Self::All)
    }

    pub(super) fn lies(self) -> bool {
        matches!(self, Self::Byzantine | Self::All)
    }
}

/// One piece of trouble.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// A validator is killed and comes back after a while; the leader, if `leader`.
    Crash { leader: bool, back_after_us: u64 },
    /// All are killed at once.
    Blackout { back_after_us: u64 },
    /// A disk takes its time.
    Stall { for_us: u64 },
    /// Nothing passes between two groups; in one direction only, if `one_way`.
    Split { group: Vec<usize>, one_way: bool, for_us: u64 },
    /// The leader is not heard.
    Silence { for_us: u64 },
    /// Many messages are lost.
    Storm { lost: u64, for_us: u64 },
}

/// Draws the next piece of trouble.
pub(super) fn draw(faults: Faults, validators: usize, dice: &mut Dice) -> Option<Trouble> {
    let crash = faults.crashes() && (!faults.breaks_network() || dice.per_mille(500));
    if crash {
        return Some(match dice.below(20) {
            0 => Trouble::Blackout { back_after_us: dice.between(10_000, 500_000) },
            1..=4 => Trouble::Stall { for_us: dice.between(100_000, 3_000_000) },
            kind => Trouble::Crash { leader: kind < 12, back_after_us: away_us(dice) },
        });
    }
    if !faults.breaks_network() {
        return None;
    }
    let for_us = away_us(dice);
    Some(match dice.below(6) {
        0 => Trouble::Storm { lost: dice.between(50, 400), for_us },
        1 => Trouble::Silence { for_us },
        kind => {
            let mut group: Vec<usize> = (0..validators).filter(|_| dice.per_mille(400)).collect();
            if group.is_empty() || kind == 2 {
                group = vec![dice.place(validators)];
            }
            Trouble::Split { group, one_way: kind > 3, for_us }
        }
    })
}

/// Mostly a moment, now and then long enough that views end.
fn away_us(dice: &mut Dice) -> u64 {
    if dice.per_mille(500) { dice.between(2_000, 200_000) } else { dice.between(200_000, 5_000_000) }
}
