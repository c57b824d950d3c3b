//! A validator that speaks to some of the others only, and changes its mind about whom.

use gridbook_ledger::replica::PeerMessage;
use gridbook_ledger::validators::ValidatorIndex;

use super::super::dice::Dice;
use super::{Culprit, Mischief};

/// Whom it speaks to changes after some hundred messages; of the others it only hears.
#[derive(Debug)]
pub(super) struct SelectiveSender {
    friends: u64,
    left: u64,
    dice: Dice,
}

impl SelectiveSender {
    pub(super) fn new(dice: Dice) -> Self {
        Self { friends: 0, left: 0, dice }
    }
}

impl Mischief for SelectiveSender {
    fn twist(&mut self, _culprit: &Culprit, to: ValidatorIndex, message: PeerMessage) -> Vec<PeerMessage> {
        if self.left == 0 {
            (self.friends, self.left) = (self.dice.below(u64::MAX), self.dice.between(1, 600));
        }
        self.left -= 1;
        if self.friends >> to.0 & 1 == 1 { vec![message] } else { Vec::new() }
    }
}
