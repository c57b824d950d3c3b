//! What a seed draws: which kinds of trouble it has, and how much of each.
//!
//! A run with all kinds of trouble at once hides what only shows when one thing goes wrong and all else is calm. So each seed draws
//! its own mix: some have none, some a single kind, some most of them (swarm testing, Groce et al. 2012).

use core::fmt;

use gridbook_ledger::hotstuff::Timing;

use super::dice::Dice;
use super::mischief::Attack;
use super::process::Joining;
use super::{ClusterConfig, Faults};

/// A kind of trouble that a seed has or has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Single messages are lost.
    Loss,
    /// Single messages come twice.
    Copies,
    /// Messages overtake each other.
    Reorder,
    /// The delays of a link differ widely.
    Spread,
    /// Clocks are wrong from the beginning.
    Skew,
    /// Clocks are set, also backwards.
    Jump,
    /// Groups cannot hear each other.
    Split,
    /// One group does not hear another, which hears it.
    OneWay,
    /// Two groups cannot hear each other, but one validator hears both.
    Bridge,
    /// The leader is not heard.
    Silence,
    /// Many messages are lost for a while.
    Storm,
    /// A validator is killed.
    Kill,
    /// The leader is killed.
    LeaderKill,
    /// Those killed lose power: what was not synced is lost, torn or garbage.
    PowerCut,
    /// All are killed at once.
    Blackout,
    /// A disk takes its time.
    Stall,
    /// A disk is full.
    Full,
    /// A validator gets no processor for a while, and then finds everything waiting.
    Pause,
    /// A validator is slow in everything, for good.
    Slow,
    /// Up to f validators lie.
    Lies,
    /// A validator loses its disk, and joins again by a snapshot of the others.
    Wipe,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::Loss,
        Self::Copies,
        Self::Reorder,
        Self::Spread,
        Self::Skew,
        Self::Jump,
        Self::Split,
        Self::OneWay,
        Self::Bridge,
        Self::Silence,
        Self::Storm,
        Self::Kill,
        Self::LeaderKill,
        Self::PowerCut,
        Self::Blackout,
        Self::Stall,
        Self::Full,
        Self::Pause,
        Self::Slow,
        Self::Lies,
        Self::Wipe,
    ];

    /// What it is called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Copies => "copies",
            Self::Reorder => "reorder",
            Self::Spread => "spread",
            Self::Skew => "skew",
            Self::Jump => "jump",
            Self::Split => "split",
            Self::OneWay => "one-way",
            Self::Bridge => "bridge",
            Self::Silence => "silence",
            Self::Storm => "storm",
            Self::Kill => "kill",
            Self::LeaderKill => "leader-kill",
            Self::PowerCut => "power-cut",
            Self::Blackout => "blackout",
            Self::Stall => "stall",
            Self::Full => "full",
            Self::Pause => "pause",
            Self::Slow => "slow",
            Self::Lies => "lies",
            Self::Wipe => "wipe",
        }
    }

    /// The kind of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    fn is_of(self, faults: Faults) -> bool {
        match faults {
            Faults::None => false,
            Faults::Crash => (self > Self::Storm && self < Self::Lies) || self == Self::Wipe,
            Faults::Network => self <= Self::Storm,
            Faults::Byzantine => self == Self::Lies,
            Faults::All => true,
        }
    }

    /// Whether it is a thing that happens now and then, and not a condition.
    fn happens(self) -> bool {
        !matches!(
            self,
            Self::Loss
                | Self::Copies
                | Self::Reorder
                | Self::Spread
                | Self::Skew
                | Self::PowerCut
                | Self::Slow
                | Self::Lies
        )
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u32);

impl Kinds {
    /// These.
    pub fn of(kinds: &[Kind]) -> Self {
        kinds.iter().fold(Self::default(), |kinds, kind| kinds.with(*kind))
    }

    /// With one more.
    #[must_use]
    pub fn with(self, kind: Kind) -> Self {
        Self(self.0 | 1 << kind as u32)
    }

    /// Without one.
    #[must_use]
    pub fn without(self, kind: Kind) -> Self {
        Self(self.0 & !(1 << kind as u32))
    }

    /// Whether a kind is in it.
    pub fn has(self, kind: Kind) -> bool {
        self.0 & 1 << kind as u32 != 0
    }

    /// Its kinds.
    pub fn iter(self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(move |kind| self.has(*kind))
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(Kind::name).collect();
        f.write_str(&if names.is_empty() { "nothing".to_owned() } else { names.join(",") })
    }
}

/// How a clock, a link or a disk behaves where nothing is wrong with it, and how often what goes wrong.
#[derive(Clone, Debug)]
pub(super) struct Mix {
    /// What goes wrong.
    pub(super) kinds: Kinds,
    /// How often each thing happens, in relation to the others.
    pub(super) weights: Vec<(Kind, u64)>,
    /// How long it is between two of them, and how long each lasts.
    pub(super) every_us: (u64, u64),
    pub(super) lasts_us: (u64, u64),
    /// Messages lost and doubled, per mille.
    pub(super) lost: u64,
    pub(super) doubled: u64,
    /// The usual delay of links: between these, and how widely the delays of one link differ.
    pub(super) usual_us: (u64, u64),
    pub(super) spread: u32,
    /// How wrong clocks are, at most, in either direction.
    pub(super) skew_us: u64,
    /// How many validators are slow, and how many times slower.
    pub(super) slow: (usize, u64),
    /// How many meters trade, and how long each waits between looks at its bundle.
    pub(super) meters: u32,
    pub(super) client_us: (u64, u64),
    pub(super) timing: Timing,
    /// How many commands lie between two checkpoints, and how large a segment of the log is.
    pub(super) checkpoint_commands: u64,
    pub(super) segment_bytes: u64,
    /// How those come back who lost their disk.
    pub(super) joining: Joining,
    /// Whether every trade is derived again by the plain reference, which takes its time.
    pub(super) refereed: bool,
    /// Whether meters are read and settled by what they delivered.
    pub(super) metered: bool,
    /// The ways in which the culprits lie, in turn.
    pub(super) attacks: Vec<Attack>,
}

/// Where the dice for each kind begin: what one draws does not depend on which others there are.
const KIND_DICE: u64 = 5_000;

impl Mix {
    pub(super) fn draw(config: &ClusterConfig) -> Self {
        let seed = config.seed;
        let mut dice = Dice::new(seed, KIND_DICE - 1);
        let drawn = draw_wipe(config, draw_kinds(config, &mut dice));
        let kinds = subtract(config.with.iter().fold(drawn, Kinds::with), config.without);
        let of = |kind: Kind| Dice::new(seed, KIND_DICE + kind as u64);
        let if_on = |kind: Kind, draw: &dyn Fn(&mut Dice) -> u64| if kinds.has(kind) { draw(&mut of(kind)) } else { 0 };
        let weights = kinds.iter().filter(|kind| kind.happens()).map(|kind| (kind, 1 << of(kind).below(4))).collect();
        let every_us = 1 << dice.between(17, 22);
        let lasts_us = [2_000_u64, 20_000, 200_000, 1_000_000][dice.place(4)];
        let mut fastest_us = 200 << dice.below(6);
        let mut link_us = 2_000 << dice.below(6);
        let mut waits_us = 100_000 << dice.below(6);
        let mut meters = if dice.per_mille(300) { dice.between(2, 5) } else { dice.between(6, 24) };
        if kinds.has(Kind::Wipe) {
            // Only a ledger of some hundred headers has a snapshot: there must be much to do, and quick ways.
            (fastest_us, link_us) = (fastest_us.min(WIPE_LINKS_US.0), link_us.min(WIPE_LINKS_US.1));
            (waits_us, meters) = (waits_us.min(WIPE_WAITS_US), meters.max(WIPE_METERS));
        }
        Self {
            kinds,
            weights,
            every_us: (every_us / 8, every_us),
            lasts_us: (lasts_us, lasts_us * 5),
            lost: if_on(Kind::Loss, &|dice| 1 << dice.below(7)),
            doubled: if_on(Kind::Copies, &|dice| 1 << dice.below(8)),
            usual_us: (fastest_us, fastest_us + link_us),
            spread: u32::try_from(1 + if_on(Kind::Spread, &|dice| dice.between(1, 2))).expect("1 to 3"),
            skew_us: if_on(Kind::Skew, &|dice| 10_000 << dice.below(6)),
            slow: draw_slow(config.validators, kinds, &mut of(Kind::Slow)),
            meters: config.meters.unwrap_or(u32::try_from(meters).expect("at most 24")),
            client_us: (waits_us / 3, waits_us),
            timing: draw_timing(&mut dice),
            checkpoint_commands: 100 << dice.below(6),
            segment_bytes: (128 << 10) << dice.below(4),
            joining: draw_joining(kinds, &mut of(Kind::Wipe)),
            refereed: config.refereed.unwrap_or_else(|| Dice::new(seed, KIND_DICE - 2).per_mille(250)),
            metered: config.metered.unwrap_or_else(|| Dice::new(seed, KIND_DICE - 3).below(3) > 0),
            attacks: draw_attacks(config, kinds, &mut of(Kind::Lies)),
        }
    }
}

/// Some seeds are calm, some in all but one thing.
fn draw_kinds(config: &ClusterConfig, dice: &mut Dice) -> Kinds {
    // Lost disks are drawn apart, once it is known whether there is room for them.
    let drawn = |kind: &Kind| kind.is_of(config.faults) && *kind != Kind::Wipe;
    let possible: Vec<Kind> = Kind::ALL.into_iter().filter(drawn).collect();
    let Some(last) = possible.len().checked_sub(1) else { return Kinds::default() };
    let share = match dice.below(10) {
        0 if last > 0 => 0,
        1..=3 => {
            let kinds = Kinds::default().with(possible[dice.place(last + 1)]);
            return subtract(kinds, config.without);
        }
        4..=7 => 250,
        _ => 600,
    };
    let mut kinds = Kinds::default();
    for kind in possible {
        if dice.per_mille(if last == 0 { 1_000 } else { share }) {
            kinds = kinds.with(kind);
        }
    }
    subtract(kinds, config.without)
}

/// What makes a ledger long enough for snapshots: the usual delays of links, how long clients wait at most, and how many there are at least.
const WIPE_LINKS_US: (u64, u64) = (800, 4_000);
const WIPE_WAITS_US: u64 = 200_000;
const WIPE_METERS: u64 = 10;

/// Of a thousand seeds with room for it, so many have disks that are lost.
const WIPES_PER_MILLE: u64 = 250;

/// Whoever lost its disk does not sign for a while. That leaves no room for others that lie, or hardly keep up; and clocks must be right.
fn draw_wipe(config: &ClusterConfig, kinds: Kinds) -> Kinds {
    let room = ![Kind::Lies, Kind::Slow, Kind::Skew, Kind::Jump].iter().any(|kind| kinds.has(*kind));
    let mut dice = Dice::new(config.seed, KIND_DICE + Kind::Wipe as u64);
    if room && Kind::Wipe.is_of(config.faults) && dice.per_mille(WIPES_PER_MILLE) {
        kinds.with(Kind::Wipe)
    } else {
        kinds
    }
}

/// Where disks are lost, snapshots are taken and log is pruned.
fn draw_joining(kinds: Kinds, dice: &mut Dice) -> Joining {
    if !kinds.has(Kind::Wipe) {
        return Joining::default();
    }
    let every_commands = Some(50 << dice.below(4));
    let keep_segments = dice.per_mille(700).then(|| 1 + dice.below(3));
    Joining { every_commands, commands_min: 20 << dice.below(5), keep_segments }
}

fn subtract(kinds: Kinds, without: Kinds) -> Kinds {
    without.iter().fold(kinds, Kinds::without)
}

fn draw_slow(validators: usize, kinds: Kinds, dice: &mut Dice) -> (usize, u64) {
    if !kinds.has(Kind::Slow) {
        return (0, 1);
    }
    (1 + dice.place(validators / 3), 2 << dice.below(6))
}

/// Half the seeds have the usual terms, half such that a leader's time or slots often end.
fn draw_timing(dice: &mut Dice) -> Timing {
    let usual = Timing::default();
    if dice.per_mille(500) {
        return usual;
    }
    let slots_max = u32::try_from(20 << dice.below(8)).expect("at most 2,560");
    Timing { term_ms: dice.between(500, 8_000), slots_max, ..usual }
}

/// Those who lie do so each in a way of its own, or all in the same: then they are of one party.
fn draw_attacks(config: &ClusterConfig, kinds: Kinds, dice: &mut Dice) -> Vec<Attack> {
    if !kinds.has(Kind::Lies) {
        return Vec::new();
    }
    if let Some(attack) = config.attack {
        return vec![attack];
    }
    let faulty_max = (config.validators - 1) / 3;
    let count = if dice.per_mille(500) { 1 } else { faulty_max };
    (0..count).map(|_| Attack::ALL[dice.place(Attack::ALL.len())]).collect()
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kinds, every_us, usual_us, spread, lost, doubled, skew_us, slow, timing, .. } = self;
        write!(f, "{kinds}; trouble every {} to {} ms", every_us.0 / 1_000, every_us.1 / 1_000)?;
        write!(f, "; links of {} to {} us, spread {spread}", usual_us.0, usual_us.1)?;
        write!(f, "; {lost} lost and {doubled} doubled of 1000; clocks off by {} ms", skew_us / 1_000)?;
        if slow.0 > 0 {
            write!(f, "; {} slow {} times", slow.0, slow.1)?;
        }
        let read = if self.metered { "read" } else { "unread" };
        write!(f, "; {} {read} meters looking every {} ms", self.meters, self.client_us.1 / 1_000)?;
        write!(f, "; terms of {} ms and {} slots", timing.term_ms, timing.slots_max)?;
        for attack in &self.attacks {
            write!(f, "; {}", attack.name())?;
        }
        Ok(())
    }
}
