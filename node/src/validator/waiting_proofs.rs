//! Questions for proofs of accounts, which are answered together.
//!
//! An account is proven under the state root of the last final header. The state stands further on, so what was executed since is undone and executed
//! again: up to a million commands, however many accounts are looked at in between. That is done once for each final header, or once in a second
//! where none comes; whoever asks again meanwhile waits for the next.

use gridbook_engine::AccountId;
use gridbook_ledger::hotstuff::WallTime;
use gridbook_ledger::reject::Code;
use gridbook_net::ConnectionId;

use super::leave::Leave;
use crate::protocol::RequestId;

/// Somebody who may see an account waits for its proof.
#[derive(Debug)]
pub(super) struct WaitingProof {
    pub(super) connection: ConnectionId,
    pub(super) request_id: RequestId,
    pub(super) account: AccountId,
    pub(super) leave: Leave,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct WaitingProofs {
    waiting: Vec<WaitingProof>,
    /// As of which height, and when, something was undone for a proof.
    undone: Option<(u64, WallTime)>,
}

/// How many may wait.
const WAITING_MAX: usize = 1_024;
/// How long nobody waits in vain for a final header, in microseconds.
const PATIENCE_US: u64 = 1_000_000;

impl WaitingProofs {
    /// Lets somebody wait.
    ///
    /// # Errors
    /// `QuotaBusy` if too many do.
    pub(super) fn wait(&mut self, proof: WaitingProof) -> Result<(), Code> {
        if self.waiting.len() >= WAITING_MAX {
            return Err(Code::QuotaBusy);
        }
        self.waiting.push(proof);
        Ok(())
    }

    /// Those that are answered now, with the last final header at a height. Where the state stands at that header, all are; where something has
    /// to be undone for it, only if that was not done for this height yet.
    pub(super) fn due(&mut self, height: u64, stands_there: bool, now: WallTime) -> Vec<WaitingProof> {
        let is_new = self.undone.is_none_or(|(known, at)| known != height || now.0 >= at.0.saturating_add(PATIENCE_US));
        if self.waiting.is_empty() || !(stands_there || is_new) {
            return Vec::new();
        }
        if !stands_there {
            self.undone = Some((height, now));
        }
        std::mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validator::reader::Reader;

    fn proof(request_id: RequestId) -> WaitingProof {
        let leave = Leave::of_right(Reader::Office);
        WaitingProof { connection: ConnectionId(1), request_id, account: AccountId(7), leave }
    }

    /// Somebody asks for proofs as fast as he may while four headers become final, and a million commands lie behind each. They are undone and executed
    /// again once for each header, and everybody is answered.
    #[test]
    fn what_is_not_final_is_undone_once_for_each_header_whatever_is_asked() {
        let mut waiting = WaitingProofs::default();
        let (mut undone, mut answered, mut asked) = (0, 0, 0);
        for turn in 0..1_000 {
            waiting.wait(proof(turn)).unwrap();
            asked += 1;
            let due = waiting.due(100 + turn / 250, false, WallTime(turn * 100));
            undone += u32::from(!due.is_empty());
            answered += due.len();
        }
        assert_eq!(undone, 4);
        answered += waiting.due(104, false, WallTime(200_000)).len();
        assert_eq!(answered, asked);
    }

    /// On an idle ledger nothing has to be undone, and nobody waits. On one that stands still for want of validators nobody waits for ever.
    #[test]
    fn nobody_waits_for_a_header_that_does_not_come() {
        let mut waiting = WaitingProofs::default();
        for turn in 0..10 {
            waiting.wait(proof(turn)).unwrap();
            assert_eq!(waiting.due(100, true, WallTime(turn)).len(), 1);
        }
        for (at, answered) in [(20, 1), (30, 0), (900_000, 0), (1_000_020, 3)] {
            waiting.wait(proof(at)).unwrap();
            assert_eq!(waiting.due(100, false, WallTime(at)).len(), answered, "at {at}");
        }
    }

    #[test]
    fn a_flood_of_questions_for_proofs_is_refused_as_too_many() {
        let mut waiting = WaitingProofs::default();
        let taken = (0..).take_while(|number| waiting.wait(proof(*number)).is_ok()).count();
        assert_eq!(taken, WAITING_MAX);
        assert_eq!(waiting.wait(proof(0)), Err(Code::QuotaBusy));
        assert_eq!(waiting.due(100, false, WallTime(0)).len(), WAITING_MAX);
        assert_eq!(waiting.wait(proof(0)), Ok(()));
    }
}
