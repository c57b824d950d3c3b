//! From certificates to finality (CONSENSUS section 3, `commit_rule`), and what must be known for it.

use super::boundary::{Effect, FinalHeader, Verdict, WallTime};
use super::commit::{last_committing_child, last_of_epoch};
use super::core::Core;
use super::form::check_link;
use super::messages::{Proposal, QuorumCert};
use super::tree::Path;
use crate::crypto::Hash;
use crate::defects::{Defect, omits};
use crate::epoch::EpochProof;
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
        if self.epoch_is_over() {
            return;
        }
        self.follow_high_qc(now, out);
        self.follow_epoch_end(now, out);
        for side in std::mem::take(&mut self.side_qcs) {
            if side.rank() > self.tree.last_final().0.rank && !self.follow_side(&side, now, out) {
                self.side_qcs.push_back(side);
            }
        }
    }

    /// False if the header that a certificate is of is not here yet. What it makes final is told at most once: a certificate that did
    /// its work makes room for one of a lower rank, which may be the one that is needed.
    fn follow_side(&mut self, side: &QuorumCert, now: WallTime, out: &mut Vec<Effect>) -> bool {
        match self.tree.path_to(side.header) {
            Path::Whole(path) => self.commit(&path, side, now, out),
            Path::Missing(hash, _) => {
                self.requests.want(hash, side.voters(), self.me);
                return false;
            }
            Path::Fork => {}
        }
        true
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
        if self.epoch_is_over() {
            return;
        }
        let first = self.tree.last_final().0.rank;
        let ranks: Vec<_> = core::iter::once(first).chain(path.iter().map(|h| self.rank_of(*h))).collect();
        let Some(place) = last_committing_child(&ranks) else { return };
        // `place` counts the last final header too: the child is path[place - 1].
        let header = |hash: &Hash| self.tree.header(*hash).expect("a path holds known headers");
        let child = header(&path[place - 1]).clone();
        let qc = path.get(place).map_or(qc, |next| &self.tree.known(*next).expect("as above").proposal.justify).clone();
        let proven = &path[..place - 1];
        let last = last_of_epoch(&proven.iter().map(|hash| header(hash).ends_epoch()).collect::<Vec<_>>());
        let via = proven[last..].iter().map(|hash| header(hash).clone()).collect();
        self.make_final(&proven[..last], via, child, qc, now, out);
    }

    fn make_final(
        &mut self,
        becoming_final: &[Hash],
        via: Vec<Header>,
        child: Header,
        qc: QuorumCert,
        now: WallTime,
        out: &mut Vec<Effect>,
    ) {
        becoming_final.iter().for_each(|hash| self.keep(*hash, out));
        let proposals = self.tree.finalise(becoming_final, self.tip_hash());
        let headers = becoming_final.iter().zip(proposals);
        let mut headers: Vec<_> = headers.map(|(hash, proposal)| FinalHeader { proposal, hash: *hash }).collect();
        if omits(Defect::NewestFirst) {
            headers.reverse();
        }
        self.final_qc = Some(qc.clone());
        out.push(Effect::Final { headers, via, child: Box::new(child), qc });
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
        self.tell_behind(qc.header, qc, now, out);
        // What was exhausted stays so until it is here.
        self.requests.want(missing, qc.voters(), self.me);
    }

    fn tell_behind(&mut self, target: HeaderRef, qc: &QuorumCert, now: WallTime, out: &mut Vec<Effect>) {
        let due = match self.behind {
            None => true,
            Some((last, at)) => {
                now.0 >= at.0.saturating_add(if target == last { BEHIND_AGAIN_US } else { BEHIND_NEW_US })
            }
        };
        if due {
            self.behind = Some((target, now));
            let sources = qc.voters().filter(|v| *v != self.me).collect();
            out.push(Effect::Behind { target, sources });
        }
    }

    /// The epoch is over once the header that ends it is final: nothing after that ever is, in this epoch.
    pub(super) fn epoch_is_over(&self) -> bool {
        self.tree.last_final().0.ends_epoch()
    }

    /// Whether a header, or one before it that is not final, ends the epoch.
    pub(super) fn ended_by(&self, mut hash: Hash) -> bool {
        while let Some(known) = self.tree.known(hash) {
            if known.proposal.header.ends_epoch() {
                return true;
            }
            hash = known.proposal.header.parent;
        }
        self.epoch_is_over()
    }

    /// Whoever stayed behind when the others went on into the next epoch hears no more of this one: the proof stands for all.
    pub(super) fn on_epoch_ended(&mut self, proof: Box<EpochProof>) {
        if self.ended.is_none() && proof.verify(self.chain, self.epoch, &self.set).is_ok() {
            self.ended = Some(proof);
        }
    }

    fn follow_epoch_end(&mut self, now: WallTime, out: &mut Vec<Effect>) {
        let Some(proof) = self.ended.clone().filter(|_| !self.epoch_is_over()) else { return };
        let EpochProof { headers, child, qc, .. } = *proof;
        let end = headers[0].reference();
        match self.tree.path_to(end) {
            Path::Whole(path) if path.last() != Some(&end.hash) => {}
            Path::Whole(path) => {
                self.behind = None;
                self.look_at_certified(&path, out);
                self.make_final(&path, headers[1..].to_vec(), child, qc, now, out);
            }
            Path::Missing(..) => self.tell_behind(end, &qc, now, out),
            Path::Fork => self.diverge(end, out),
        }
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
        if !self.may_sign() || self.epoch_is_over() {
            return false;
        }
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
