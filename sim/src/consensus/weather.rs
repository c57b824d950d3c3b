//! What goes wrong around the validators of a story, drawn from its seed.

use super::liars::Strategy;
use crate::cluster::dice::Dice;

/// How bad it gets before the network heals, and what must hold afterwards. Chances are per thousand, times in virtual microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// How often a message is lost.
    pub lost: u64,
    /// How often it comes twice.
    pub doubled: u64,
    /// How often an honest validator crashes between two effects.
    pub crash: u64,
    /// Whether one validator loses its safety record when it crashes.
    pub record_lost: bool,
    /// How long a message takes at most.
    pub delay_us: u64,
    /// How much longer it takes if it is of the one that is slow; 0 if none is.
    pub laggard_us: u64,
    /// How long it takes at most to find out whether a header holds.
    pub check_us: u64,
    /// How often a part of the validators is cut off.
    pub partitions: u64,
    /// How many commands come.
    pub commands: u64,
    /// Whether only f + 1 validators know a command that no leader has sequenced.
    pub few_know: bool,
    /// When everything heals.
    pub heal_at_us: u64,
    /// How soon after that everything must be final.
    pub bound_us: u64,
    /// How long the idle network is watched in the end.
    pub idle_us: u64,
}

/// What a story is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Climate {
    /// A bit of everything, drawn.
    Mixed,
    /// Loss, copies, crashes, partitions.
    Storm,
    /// Crashes above all.
    Crashes,
    /// Loss and partitions, nobody crashes.
    Cut,
    /// A network that is slower than the shortest timer.
    Slow,
    /// Nothing goes wrong.
    Fair,
    /// Nothing goes wrong, commands all the time, and idleness in the end.
    Load,
    /// The first leader is silent and only f + 1 validators know that there is work.
    FewKnow,
    /// One validator's disk loses the safety record.
    RecordLost,
    /// What one honest validator says takes long, and some is lost.
    Laggard,
    /// A third of everything is lost.
    Ragged,
}

impl Climate {
    /// Its name in a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mixed => "mixed",
            Self::Storm => "storm",
            Self::Crashes => "crashes",
            Self::Cut => "cut",
            Self::Slow => "slow",
            Self::Fair => "fair",
            Self::Load => "load",
            Self::FewKnow => "few know",
            Self::RecordLost => "record lost",
            Self::Laggard => "laggard",
            Self::Ragged => "ragged",
        }
    }

    /// The weather of a seed.
    pub(crate) fn draw(self, dice: &mut Dice) -> Weather {
        let fair = Weather::FAIR;
        let storm = Weather { lost: 60, doubled: 60, crash: 4, partitions: 2, ..fair };
        match self {
            Self::Mixed => mixed(dice),
            Self::Storm => storm,
            Self::Crashes => Weather { lost: dice.below(40), doubled: 100, crash: 10 + dice.below(30), ..fair },
            Self::Cut => Weather { crash: 0, lost: dice.below(120), partitions: 1 + dice.below(4), ..storm },
            Self::Slow => Weather { delay_us: 250_000, commands: 6, ..fair },
            Self::Fair => fair,
            Self::Load => Weather { commands: 300, heal_at_us: 5_000_000, idle_us: 30_000_000, ..fair },
            Self::FewKnow => Weather { few_know: true, commands: 2, ..fair },
            Self::RecordLost => Weather { crash: 15, record_lost: true, ..fair },
            Self::Laggard => Weather { lost: 150, partitions: 3, laggard_us: 60_000, bound_us: 20_000_000, ..fair },
            Self::Ragged => Weather {
                lost: dice.between(200, 500),
                delay_us: dice.between(2_000, 20_000),
                partitions: dice.below(4),
                heal_at_us: dice.between(1_000_000, 3_000_000),
                ..fair
            },
        }
    }
}

impl Weather {
    /// Nothing goes wrong.
    pub const FAIR: Self = Self {
        lost: 0,
        doubled: 0,
        crash: 0,
        record_lost: false,
        delay_us: 10_000,
        laggard_us: 0,
        check_us: 2_000,
        partitions: 0,
        commands: 5,
        few_know: false,
        heal_at_us: 1_000_000,
        bound_us: 40_000_000,
        idle_us: 0,
    };
}

fn mixed(dice: &mut Dice) -> Weather {
    let often = |dice: &mut Dice, end: u64| if dice.per_mille(600) { dice.below(end) } else { 0 };
    Weather {
        lost: often(dice, 250),
        doubled: often(dice, 150),
        crash: often(dice, 25),
        delay_us: 2_000 + dice.below(40_000),
        partitions: often(dice, 5),
        commands: 1 + dice.below(6),
        heal_at_us: 300_000 + dice.below(2_000_000),
        ..Weather::FAIR
    }
}

/// Who lies in a story, if anybody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cast {
    /// Nobody.
    Honest,
    /// One of these, drawn.
    Any,
    /// This one.
    One(Strategy),
}
