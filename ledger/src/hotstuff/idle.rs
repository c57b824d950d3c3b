//! An idle ledger is the same for all: who was left out of the last messages hears of them from somebody else.
//!
//! A leader tells of its last certificate when no proposal follows. One that leaves somebody out then, or whose message is lost,
//! leaves that validator behind until something happens again, for nobody times out an idle view. So whoever finds the ledger idle
//! tells the f + 1 validators after itself, once, what it knows. One of the f + 1 before each validator is honest, and whoever learns
//! something in this way tells it on: without any f of them the ring still holds together, so everybody honest hears of it.

use super::boundary::{Effect, Recipient, WallTime};
use super::core::Core;
use super::messages::QuorumCert;
use crate::defects::{Defect, omits};
use crate::header::Rank;
use crate::validators::ValidatorIndex;

/// Whether there is something to tell, and when.
#[derive(Debug, Default)]
pub(super) struct IdleWord {
    /// The highest certificate and the final height when it was told last.
    told: (Rank, u64),
    due: Option<WallTime>,
}

/// The ledger counts as idle after so long without work, in microseconds. Under load nothing is ever told in this way.
const IDLE_AFTER_US: u64 = 250_000;

impl Core {
    /// Tells what is known if the ledger has been idle since that became known.
    pub(super) fn tell_when_idle(&mut self, now: WallTime, out: &mut Vec<Effect>) {
        let known = (self.record.high_qc.rank(), self.tree.last_final().0.height);
        let is_news = known != self.idle.told && self.record.high_qc.header != self.root;
        if !is_news || self.is_busy() || !self.may_sign() || self.epoch_is_over() || omits(Defect::IdleSilence) {
            self.idle.due = None;
            return;
        }
        let due = *self.idle.due.get_or_insert(WallTime(now.0.saturating_add(IDLE_AFTER_US)));
        if now < due {
            return;
        }
        self.idle = IdleWord { told: known, due: None };
        let high_qc = self.record.high_qc.clone();
        // What made the last header final may be a certificate beside the highest one.
        let beside = self.final_qc.clone().filter(|qc| qc.header != high_qc.header);
        let certificates: Vec<QuorumCert> = beside.into_iter().chain([high_qc]).collect();
        for listener in self.listeners() {
            for qc in &certificates {
                self.send_note(Recipient::One(listener), qc.clone(), None, out);
            }
        }
    }

    pub(super) fn idle_due_at(&self) -> Option<WallTime> {
        self.idle.due
    }

    /// The f + 1 after this validator, in a ring.
    fn listeners(&self) -> Vec<ValidatorIndex> {
        let all: Vec<ValidatorIndex> = self.set.indices().collect();
        let after = all.iter().cycle().skip(usize::from(self.me.0) + 1);
        after.take(self.set.one_honest()).copied().collect()
    }
}
