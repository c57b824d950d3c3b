//! Taking snapshots while the ledger goes on.

use gridbook_engine::AccountId;

use super::{Effect, FinalProof, Replica, SnapshotEffect};
use crate::header::Header;
use crate::hotstuff::Proposal;
use crate::state::{AccountView, State, StateProof};

/// The state as of a final checkpoint header. [`Snapshot::new`](crate::snapshot::Snapshot::new) makes a snapshot of it, which costs
/// hashing all of it and is left to whoever has the time.
#[derive(Clone, Debug)]
pub struct TakenSnapshot {
    /// The header, with the certificate it builds on.
    pub proposal: Proposal,
    /// What made it final.
    pub proof: FinalProof,
    /// The proofs of all epochs that ended before: canonical bytes.
    pub epochs: Vec<Vec<u8>>,
    /// The state after its last command.
    pub state: Vec<u8>,
}

/// When snapshots are taken: at the first checkpoint header that was made final by its own child after each so many commands. By the
/// commands' numbers, not since the last, so that validators hold snapshots of the same headers and can serve a joiner together.
#[derive(Clone, Copy, Debug)]
pub(super) struct SnapshotPlan {
    every_commands: u64,
    /// How many times so many commands there were when the last was taken.
    taken: u64,
}

impl Default for SnapshotPlan {
    fn default() -> Self {
        Self { every_commands: u64::MAX, taken: 0 }
    }
}

impl Replica {
    /// From now on a snapshot is taken about every so many commands, as [`Effect::Snapshot`]. Without it none is.
    pub fn snapshot_every(&mut self, commands: u64) {
        let every_commands = commands.max(1);
        self.snapshots = SnapshotPlan { every_commands, taken: self.final_header.last_seq / every_commands };
    }

    /// A header has just become final: the state at its end is taken, if it is time.
    pub(super) fn take_snapshot(&mut self, proof: Option<Box<FinalProof>>, effects: &mut Vec<Effect>) {
        let SnapshotPlan { every_commands, taken } = self.snapshots;
        let due = self.final_header.last_seq / every_commands;
        let header = &self.final_header;
        // One that ends its epoch is left out: its state has the next validators already.
        let fits = header.flags & Header::CHECKPOINT != 0 && !header.ends_epoch() && due > taken;
        let Some(proof) = proof.filter(|_| fits) else { return };
        let Some(proposal) = self.final_proposal.clone() else { return };
        let Some(state) = self.final_state() else { return };
        self.snapshots.taken = due;
        effects.push(Effect::Snapshot(SnapshotEffect::Taken(Box::new(TakenSnapshot {
            proposal,
            proof: *proof,
            epochs: self.encoded_epochs(),
            state,
        }))));
        effects.extend(self.evidence_records().map(Effect::Append));
    }

    /// The state as of the last final header. Takes back what is not final and executes it again.
    pub(super) fn final_state(&mut self) -> Option<Vec<u8>> {
        self.at_final_header(|state| state.snapshot())
    }

    /// Accounts as of the last final header, each with the proof that it stands so under that header's state root; none at genesis, and of
    /// accounts that are not there. Takes back what is not final and executes it again, as [`Replica::checkpoint`] does, once for all of them.
    pub fn prove_accounts(&mut self, accounts: &[AccountId]) -> Vec<Option<(AccountView, StateProof)>> {
        let prove = |state: &mut State| -> Vec<_> {
            let proven = |account: &AccountId| Some((state.account(*account)?, state.prove_account(*account)?));
            accounts.iter().map(proven).collect()
        };
        let proven = self.final_proposal.is_some().then(|| self.at_final_header(prove)).flatten();
        proven.unwrap_or_else(|| vec![None; accounts.len()])
    }

    /// Whether nothing was executed behind the last final header: then nothing has to be taken back to look at that.
    pub fn stands_at_final_header(&self) -> bool {
        self.tail.base() == self.tail.end()
    }

    fn at_final_header<T>(&mut self, look: impl FnOnce(&mut State) -> T) -> Option<T> {
        let (base, end) = (self.tail.base(), self.tail.end());
        let tail = &self.tail;
        let (_, path) = self.branches.path(end, base.seq, |point| point == tail.base()).ok()?;
        self.rewind_known(base);
        let seen = look(&mut self.state);
        for placed in path {
            self.execute_known(placed);
        }
        Some(seen)
    }
}
