//! Byzantine validators: a production replica whose words are twisted on their way out, with its own key.

mod amnesiac;
mod double_voter;
mod equivocator;
mod liar;
mod replayer;
mod withholder;

use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::replica::PeerMessage;
use gridbook_ledger::validators::ValidatorIndex;

use super::dice::Dice;

/// Who lies.
#[derive(Debug)]
pub(super) struct Culprit {
    pub(super) chain: Hash,
    pub(super) me: ValidatorIndex,
    pub(super) key: SecretKey,
}

/// A way to misbehave.
pub(super) trait Mischief: core::fmt::Debug {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// A message of another validator came in.
    fn observe(&mut self, _message: &PeerMessage) {}

    /// What one validator is sent instead of what the replica said.
    fn twist(&mut self, culprit: &Culprit, to: ValidatorIndex, message: PeerMessage) -> Vec<PeerMessage>;
}

/// Any one of them.
pub(super) fn draw(dice: &mut Dice) -> Box<dyn Mischief> {
    match dice.below(6) {
        0 => Box::new(equivocator::Equivocator::default()),
        1 => Box::new(double_voter::DoubleVoter),
        2 => Box::new(withholder::Withholder { from_all: dice.per_mille(500) }),
        3 => Box::new(liar::Liar),
        4 => Box::new(amnesiac::Amnesiac::default()),
        _ => Box::new(replayer::Replayer::new(dice.below(u64::MAX))),
    }
}
