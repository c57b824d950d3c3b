//! What goes wrong, and when: a deck of troubles, shuffled by the seed, dealt to its end, and shuffled again.
//!
//! A deck instead of free draws, so that also a short run has met every kind of trouble.

use super::dice::Dice;

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Trouble {
    /// SIGKILL for the leader.
    KillLeader,
    /// SIGKILL for a follower.
    KillFollower,
    /// SIGKILL for two at once: more than the ledger can do without, so that it stands still until one is back.
    KillTwo,
    /// SIGKILL for all at once.
    KillAll,
    /// SIGKILL for one, and again while it starts.
    KillStarting,
    /// SIGKILL for one, its index removed, and SIGKILL again while it is made anew.
    KillIndexing,
    /// SIGTERM for one, and SIGKILL while it writes its last checkpoint.
    KillEnding,
    /// SIGSTOP for the leader, SIGCONT later.
    PauseLeader,
    /// SIGSTOP for a follower, SIGCONT later.
    PauseFollower,
    /// SIGTERM for one, and a start.
    Restart,
    /// SIGTERM twice in a row for one, and a start.
    TermTwice,
    /// No datagram between the leader and the others.
    CutOffLeader,
    /// No datagram between a follower and the others.
    CutOffFollower,
    /// A line that loses and delays datagrams.
    BadLine,
    /// The file system of one is full until it has stopped.
    FullDisk,
    /// One runs for a while on a clock that is hours behind.
    ClockBehind,
    /// Every write and flush of all fails: each must end by itself and say why.
    DiskErrors,
    /// The power of all goes at once, and with it whatever the disk had not been told to flush.
    PowerCut,
}

/// One trouble of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Good time before it.
    pub(super) rest_ms: u64,
    /// What goes wrong.
    pub(super) trouble: Trouble,
    /// How long it lasts.
    pub(super) lasts_ms: u64,
    /// A second time within the trouble, where it has one: until a start is killed, say.
    pub(super) within_ms: u64,
    /// All validators in the order in which they are looked at for a victim.
    pub(super) order: Vec<usize>,
}

/// An endless plan.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    dice: Dice,
    deck: Vec<Trouble>,
    hand: Vec<Trouble>,
    validators: usize,
}

/// How often each kind is in a deck of all troubles.
const DECK: [(Trouble, usize); 18] = [
    (Trouble::KillLeader, 4),
    (Trouble::KillFollower, 2),
    (Trouble::KillTwo, 1),
    (Trouble::KillAll, 1),
    (Trouble::KillStarting, 1),
    (Trouble::KillIndexing, 1),
    (Trouble::KillEnding, 1),
    (Trouble::PauseLeader, 1),
    (Trouble::PauseFollower, 1),
    (Trouble::Restart, 1),
    (Trouble::TermTwice, 1),
    (Trouble::CutOffLeader, 1),
    (Trouble::CutOffFollower, 1),
    (Trouble::BadLine, 1),
    (Trouble::FullDisk, 1),
    (Trouble::ClockBehind, 1),
    (Trouble::DiskErrors, 1),
    (Trouble::PowerCut, 2),
];

/// Between two troubles, in milliseconds.
const REST_MS: (u64, u64) = (50, 700);
/// How long something lasts, in milliseconds.
const LASTS_MS: (u64, u64) = (100, 1_300);
/// The second time within a trouble, in milliseconds.
const WITHIN_MS: (u64, u64) = (0, 400);

impl Trouble {
    /// What a report calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::KillLeader => "kill-leader",
            Self::KillFollower => "kill-follower",
            Self::KillTwo => "kill-two",
            Self::KillAll => "kill-all",
            Self::KillStarting => "kill-starting",
            Self::KillIndexing => "kill-indexing",
            Self::KillEnding => "kill-ending",
            Self::PauseLeader => "pause-leader",
            Self::PauseFollower => "pause-follower",
            Self::Restart => "restart",
            Self::TermTwice => "term-twice",
            Self::CutOffLeader => "cut-off-leader",
            Self::CutOffFollower => "cut-off-follower",
            Self::BadLine => "bad-line",
            Self::FullDisk => "full-disk",
            Self::ClockBehind => "clock-behind",
            Self::DiskErrors => "disk-errors",
            Self::PowerCut => "power-cut",
        }
    }

    /// Whether it is the leader that it happens to.
    pub(super) fn wants_leader(self) -> bool {
        matches!(self, Self::KillLeader | Self::PauseLeader | Self::CutOffLeader)
    }
}

impl Plan {
    /// The plan of a seed. Only these kinds, if any are named; all of them, if none is.
    pub(super) fn new(seed: u64, only: &[Trouble], validators: usize) -> Self {
        let wanted = |(kind, _): &&(Trouble, usize)| only.is_empty() || only.contains(kind);
        let cards = DECK.iter().filter(wanted).flat_map(|(kind, count)| std::iter::repeat_n(*kind, *count));
        Self { dice: Dice::new(seed, 1), deck: cards.collect(), hand: Vec::new(), validators }
    }

    /// How many troubles it takes until each kind has been met.
    pub(super) fn round(&self) -> usize {
        self.deck.len()
    }

    /// Takes a kind out, because it cannot be made here.
    pub(super) fn leave_out(&mut self, kind: Trouble) {
        self.deck.retain(|card| *card != kind);
        self.hand.retain(|card| *card != kind);
    }

    /// The next trouble; none if every kind was left out.
    pub(super) fn deal(&mut self) -> Option<Step> {
        if self.hand.is_empty() {
            self.hand.clone_from(&self.deck);
            self.dice.shuffle(&mut self.hand);
        }
        let trouble = self.hand.pop()?;
        let mut order: Vec<usize> = (0..self.validators).collect();
        self.dice.shuffle(&mut order);
        let mut draw = |(low, high)| self.dice.between(low, high);
        Some(Step { rest_ms: draw(REST_MS), trouble, lasts_ms: draw(LASTS_MS), within_ms: draw(WITHIN_MS), order })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn one_deck_meets_every_kind_of_trouble_and_the_same_seed_deals_the_same() {
        let (mut plan, mut again) = (Plan::new(7, &[], 4), Plan::new(7, &[], 4));
        let steps: Vec<Step> = (0..plan.round()).map(|_| plan.deal().unwrap()).collect();
        let kinds: BTreeSet<Trouble> = steps.iter().map(|step| step.trouble).collect();
        assert_eq!(kinds.len(), DECK.len());
        assert!(steps.iter().all(|step| step.order.iter().collect::<BTreeSet<_>>().len() == 4));
        assert_eq!((0..plan.round()).map(|_| again.deal().unwrap()).collect::<Vec<_>>(), steps);
        let other: Vec<Step> = (0..plan.round()).map(|_| plan.deal().unwrap()).collect();
        assert_ne!(other, steps, "the deck is shuffled again");
    }

    #[test]
    fn what_cannot_be_made_here_is_left_out_and_nothing_is_left_of_nothing() {
        let mut plan = Plan::new(1, &[Trouble::FullDisk, Trouble::KillAll], 4);
        plan.leave_out(Trouble::FullDisk);
        assert!((0..20).all(|_| plan.deal().unwrap().trouble == Trouble::KillAll));
        plan.leave_out(Trouble::KillAll);
        assert_eq!(plan.deal(), None);
    }
}
