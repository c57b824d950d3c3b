//! From certificates to finality (CONSENSUS section 3, `commit_rule`), and what must be known for it.

use super::boundary::{Effect, FinalHeader, Verdict, WallTime};
use super::commit::last_committing_child;
use super::core::Core;
use super::form::check_link;
use super::messages::{Proposal, QuorumCert};
use super::tree::Path;
use crate::crypto::Hash;
use crate::defects::{Defect, omits};
use crate::header::{Header, HeaderRef};

/// More heights than this are fetched by the replica, log and all, not header by header.
const CLOSE_HEIGHTS: u64 = super::tree::SERVED_MAX as u64;
/// Not more often than this is the replica told of a new target while it is behind.
const BEHIND_NEW_US: u64 = 500_000;
/// Nor of the same again.
const BEHIND_AGAIN_US: u64 = 5_000_000;

impl Core {
    /// Makes final what the certificates known make final. Every final header is an ancestor of the one that `high_qc` certifies,
    /// but the child that makes it final need not be.
    pub(super) fn advance_finality(&mut self, now: WallTime, out: &mut Vec<Effect>) {
        self.follow_high_qc(now, out);
        let Some(side) = self.side_qc.take() else { return };
        if side.rank() <= self.tree.last_final().0.rank {
            return;
        }
        match self.tree.path_to(side.header) {
            Path::Whole(path) => self.commit(&path, &side, now, out),
            Path::Missing(hash, _) => self.requests.want(hash, side.voters(), self.me),
            Path::Fork => return,
        }
        if side.rank() > self.tree.last_final().0.rank {
            self.side_qc = Some(side);
        }
    }

    fn follow_high_qc(&mut self, now: WallTime, out: &mut Vec<Effect>) {
        let qc = self.record.high_qc.clone();
        match self.tree.path_to(qc.header) {
            Path::Whole(path) => {
                self.behind = None;
                self.look_at_certified(&path, out);
                self.commit(&path, &qc, now, out);
            }
            Path::Missing(hash, lowest) => self.fetch_certified(&qc, hash, lowest, now, out),
            Path::Fork => {
                self.behind = None;
                self.diverge(qc.header, out);
            }
        }
    }

    /// Certified headers are checked like those to be voted for, so that their log comes here and a difference is noticed.
    fn look_at_certified(&mut self, path: &[Hash], out: &mut Vec<Effect>) {
        for &hash in path {
            let known = self.tree.known(hash).expect("a path holds known headers");
            match known.verdict {
                Some(Verdict::Differs) => self.diverge(known.proposal.header.reference(), out),
                Some(Verdict::Holds) => self.keep(hash, out),
                None => self.ask_for_check(hash, None, out),
            }
        }
    }

    pub(super) fn diverge(&mut self, header: HeaderRef, out: &mut Vec<Effect>) {
        if !self.diverged {
            self.diverged = true;
            self.lead = None;
            out.push(Effect::Diverged { header });
        }
    }

    /// Tells what is final, oldest first, each once. `path` are the headers after the last final one; `qc` certifies its end.
    fn commit(&mut self, path: &[Hash], qc: &QuorumCert, now: WallTime, out: &mut Vec<Effect>) {
        let first = self.tree.last_final().0.rank;
        let ranks: Vec<_> = core::iter::once(first).chain(path.iter().map(|h| self.rank_of(*h))).collect();
        let Some(place) = last_committing_child(&ranks) else { return };
        // `place` counts the last final header too: the child is path[place - 1].
        let child = self.tree.header(path[place - 1]).expect("a path holds known headers").clone();
        let qc = path.get(place).map_or(qc, |next| &self.tree.known(*next).expect("as above").proposal.justify).clone();
        let becoming_final = &path[..place - 1];
        becoming_final.iter().for_each(|hash| self.keep(*hash, out));
        let proposals = self.tree.finalise(becoming_final, self.tip_hash());
        let headers = becoming_final.iter().zip(proposals);
        let mut headers: Vec<_> = headers.map(|(hash, proposal)| FinalHeader { proposal, hash: *hash }).collect();
        if omits(Defect::NewestFirst) {
            headers.reverse();
        }
        self.final_qc = Some(qc.clone());
        out.push(Effect::Final { headers, child: Box::new(child), qc });
        self.pacemaker.finality_grew(now);
    }

    fn rank_of(&self, hash: Hash) -> crate::header::Rank {
        self.tree.header(hash).expect("a path holds known headers").rank
    }

    /// Gives a proposal to the log, once.
    pub(super) fn keep(&mut self, hash: Hash, out: &mut Vec<Effect>) {
        if let Some(known) = self.tree.known_mut(hash)
            && !known.kept
        {
            known.kept = true;
            out.push(Effect::KeepProposal(Box::new(known.proposal.clone())));
        }
    }

    fn fetch_certified(
        &mut self,
        qc: &QuorumCert,
        missing: Hash,
        lowest: Option<u64>,
        now: WallTime,
        out: &mut Vec<Effect>,
    ) {
        let gap = lowest.map_or(0, |height| height.saturating_sub(self.tree.last_final().0.height));
        if gap <= CLOSE_HEIGHTS && !self.requests.is_exhausted(missing) {
            self.behind = None;
            self.requests.want(missing, qc.voters(), self.me);
            return;
        }
        let due = match self.behind {
            None => true,
            Some((target, at)) => {
                now.0 >= at.0.saturating_add(if target == qc.header { BEHIND_AGAIN_US } else { BEHIND_NEW_US })
            }
        };
        if due {
            self.behind = Some((qc.header, now));
            let sources = qc.voters().filter(|v| *v != self.me).collect();
            out.push(Effect::Behind { target: qc.header, sources });
        }
        // What was exhausted stays so until it is here.
        self.requests.want(missing, qc.voters(), self.me);
    }

    pub(super) fn behind_due_at(&self) -> Option<WallTime> {
        self.behind.map(|(_, at)| WallTime(at.0.saturating_add(BEHIND_AGAIN_US)))
    }

    /// Headers from another's store: they are believed only with certificates that hold and in an unbroken chain.
    pub(super) fn on_caught_up(&mut self, proposals: Vec<Proposal>, now: WallTime, out: &mut Vec<Effect>) {
        self.behind = None;
        let lock = omits(Defect::SyncDropsCertificates).then(|| self.record.high_qc.clone());
        for proposal in proposals {
            let hash = proposal.header.hash();
            if proposal.header.height <= self.tree.last_final().0.height {
                continue;
            }
            let follows = |parent: &Header| check_link(&proposal.header, parent).is_ok();
            if !self.tree.header(proposal.header.parent).is_some_and(follows) || !self.holds(&proposal, now, out) {
                break;
            }
            let qc = proposal.justify.clone();
            self.tree.insert(hash, proposal, false);
            if let Some(known) = self.tree.known_mut(hash) {
                known.asked = true;
                known.verdict = Some(Verdict::Holds);
            }
            if let Path::Whole(path) = self.tree.path_to(qc.header) {
                self.commit(&path, &qc, now, out);
            }
        }
        if let Some(lock) = lock {
            self.record.high_qc = lock;
        }
        self.diverged = false;
    }

    /// Whether there is work for this view: something unsequenced, or something unfinal that is not empty.
    pub(super) fn is_busy(&self) -> bool {
        if self.waiting {
            return true;
        }
        let has_log = |hash: &Hash| self.tree.header(*hash).is_some_and(|h| !h.is_empty());
        match self.tree.path_to(self.record.high_qc.header) {
            Path::Whole(path) if !path.iter().any(has_log) => {}
            Path::Whole(_) | Path::Missing(..) | Path::Fork => return true,
        }
        let high = self.record.high_qc.rank();
        let open_tip = self.record.last_voted.is_some_and(|v| v.rank > high && has_log(&v.hash));
        let offered = |rank: crate::header::Rank, empty: bool| rank > high && !empty;
        open_tip
            || self.tree.in_view(self.view).any(|(_, k)| {
                let header = &k.proposal.header;
                offered(header.rank, header.is_empty())
            })
    }
}
