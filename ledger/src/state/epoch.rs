//! The end of an epoch, as execution sees it: from the next command on the next set is the one that counts.

use super::State;
use super::tables::EpochRow;
use crate::epoch::Reconfigure;
use crate::reject::Code;
use crate::validators::ValidatorSet;

impl State {
    /// The epoch that the next command is in, and its validators. One above that of the header that holds the last command if that one
    /// ended the epoch.
    pub fn epoch(&self) -> (u32, &ValidatorSet) {
        let EpochRow { number, set, .. } = self.tables.epoch();
        (*number, set)
    }

    /// Ends the epoch if enough of its validators want it so.
    pub(super) fn apply_reconfigure(&mut self, change: &Reconfigure) -> Result<(), Code> {
        let (epoch, present) = self.epoch();
        let number = epoch.checked_add(1).ok_or(Code::EpochNumber)?;
        let set = change.verify(self.chain, epoch, present)?;
        let before = Some(present.clone());
        self.tables.set_epoch(EpochRow { number, set, before });
        self.tables.forget_accused_before(epoch);
        Ok(())
    }
}
