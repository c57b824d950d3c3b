//! A validator that says again, to whomever, what it or others said long ago.

use gridbook_ledger::replica::PeerMessage;
use gridbook_ledger::validators::ValidatorIndex;

use super::super::dice::Dice;
use super::{Culprit, Mischief};

/// Behind each message of its own comes one out of its collection.
#[derive(Debug)]
pub(super) struct Replayer {
    heard: Vec<PeerMessage>,
    dice: Dice,
}

const HEARD_MAX: usize = 200;

impl Replayer {
    pub(super) fn new(dice: Dice) -> Self {
        Self { heard: Vec::new(), dice }
    }
}

impl Mischief for Replayer {
    fn observe(&mut self, message: &PeerMessage) {
        if self.heard.len() < HEARD_MAX {
            self.heard.push(message.clone());
        } else {
            let place = self.dice.place(HEARD_MAX * 4);
            if let Some(heard) = self.heard.get_mut(place) {
                *heard = message.clone();
            }
        }
    }

    fn twist(&mut self, _culprit: &Culprit, _to: ValidatorIndex, message: PeerMessage) -> Vec<PeerMessage> {
        self.observe(&message);
        let again = self.heard[self.dice.place(self.heard.len())].clone();
        vec![message, again]
    }
}
