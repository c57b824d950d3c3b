//! Certificates: what makes them valid, and which were already found valid.

use std::collections::{BTreeSet, VecDeque};

use super::messages::{QuorumCert, Timeout, TimeoutCert, TimeoutEntry};
use super::statement::{timeout_bytes, vote_bytes};
use crate::bytes::Writer;
use crate::crypto::{Batch, Hash};
use crate::defects::{Defect, omits};
use crate::header::{Header, HeaderRef, Rank};
use crate::validators::{ValidatorIndex, ValidatorSet};

/// Why a certificate proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertError {
    /// Made under another validator set.
    #[error("the certificate is of epoch {0}")]
    Epoch(u32),
    /// Rank (0, 0) is the epoch's root; it is known, not certified.
    #[error("the root has no certificate")]
    Root,
    /// A bit or an index beyond the set.
    #[error("a signer is not in the validator set")]
    Stranger,
    /// Bits and signatures do not pair up.
    #[error("there are {signers} signers but {signatures} signatures")]
    Count {
        /// Bits set.
        signers: usize,
        /// Signatures given.
        signatures: usize,
    },
    /// Fewer than 2f + 1.
    #[error("{0} signers are not a quorum")]
    Quorum(usize),
    /// Entries are not by ascending, distinct voter.
    #[error("the entries are not in order of distinct voters")]
    Order,
    /// `high_qc` is not the highest of the entries', or of a view above the one given up.
    #[error("the highest certificate does not fit the entries")]
    HighQc,
    /// An entry tells of a certificate or a tip above the view given up.
    #[error("an entry tells of a rank above the view given up")]
    Rank,
    /// A signature is not the signer's.
    #[error("a signature is bad")]
    Signature,
}

impl QuorumCert {
    /// The empty certificate of an epoch's root, which is the header that the epoch begins after, under the rank (0, 0).
    pub fn root(epoch: u32, root: &Header) -> Self {
        let header = HeaderRef { rank: Rank::default(), hash: root.hash() };
        Self { epoch, header, signers: 0, signatures: Vec::new() }
    }

    /// The rank of the certified header.
    pub fn rank(&self) -> Rank {
        self.header.rank
    }

    /// Who voted, by ascending index.
    pub fn voters(&self) -> impl Iterator<Item = ValidatorIndex> + use<> {
        let signers = self.signers;
        (0..64_u16).filter(move |bit| signers >> bit & 1 == 1).map(ValidatorIndex)
    }

    /// Whether 2f + 1 of the set voted for the header. All signatures are verified in one batch; the epoch is not compared,
    /// it is part of what they sign.
    ///
    /// # Errors
    ///
    /// Says what is wrong. Rank (0, 0) is always an error here: whether a certificate is the root's is a comparison with
    /// [`QuorumCert::root`].
    pub fn verify(&self, chain: Hash, set: &ValidatorSet) -> Result<(), CertError> {
        if self.rank() == Rank::default() {
            return Err(CertError::Root);
        }
        let signers = self.signers.count_ones() as usize;
        if signers != self.signatures.len() && !omits(Defect::QcCount) {
            return Err(CertError::Count { signers, signatures: self.signatures.len() });
        }
        if signers < quorum_of_votes(set) {
            return Err(CertError::Quorum(signers));
        }
        let message = vote_bytes(chain, self.epoch, self.header);
        let mut batch = Batch::default();
        for (voter, signature) in self.voters().zip(&self.signatures) {
            let key = set.key(voter).ok_or(CertError::Stranger)?;
            batch.push(key, &message, signature);
        }
        if omits(Defect::QcSignatures) {
            return Ok(());
        }
        batch.verify().map_err(|_| CertError::Signature)
    }

    /// A hash over everything in it, signatures too: names this certificate among all that say the same.
    pub fn digest(&self) -> Hash {
        let mut w = Writer::new();
        self.lay(&mut w);
        Hash::of("gridbook/qc/1", w.as_slice())
    }

    fn lay(&self, w: &mut Writer) {
        w.u32(self.epoch);
        lay_reference(w, self.header);
        w.u64(self.signers).u64(self.signatures.len() as u64);
        for signature in &self.signatures {
            w.bytes(&signature.0);
        }
    }
}

impl TimeoutCert {
    /// A certificate of timeouts for one view, each already verified; `None` if there are fewer than 2f + 1 of them.
    pub(super) fn from_timeouts<'a>(
        timeouts: impl Iterator<Item = &'a Timeout>,
        view: u64,
        set: &ValidatorSet,
    ) -> Option<Self> {
        let mut timeouts: Vec<&Timeout> = timeouts.filter(|t| t.view == view).collect();
        timeouts.sort_by_key(|t| t.voter);
        if timeouts.len() < quorum_of_timeouts(set) {
            return None;
        }
        let high_qc = &timeouts.iter().max_by_key(|t| t.high_qc.rank())?.high_qc;
        let entries = timeouts.iter().map(|t| TimeoutEntry::of(t)).collect();
        Some(Self { epoch: high_qc.epoch, view, entries, high_qc: high_qc.clone() })
    }

    /// Adds a later timeout of the same view, already verified. A certificate with more entries can hold the denials
    /// that free the next leader of a tip nobody has (CONSENSUS section 3, valid TC). Says whether anything changed.
    pub(super) fn add(&mut self, timeout: &Timeout) -> bool {
        let Err(place) = self.entries.binary_search_by_key(&timeout.voter, |e| e.voter) else { return false };
        if timeout.view != self.view {
            return false;
        }
        self.entries.insert(place, TimeoutEntry::of(timeout));
        if timeout.high_qc.rank() > self.high_qc.rank() {
            self.high_qc = timeout.high_qc.clone();
        }
        true
    }

    /// Whether 2f + 1 of the set gave the view up and `high_qc` is the highest they knew. `high_qc` itself is verified too,
    /// unless it is the root's.
    ///
    /// # Errors
    ///
    /// Says what is wrong.
    pub fn verify(&self, chain: Hash, set: &ValidatorSet, root: &QuorumCert) -> Result<(), CertError> {
        self.verify_entries(chain, set)?;
        if self.high_qc == *root { Ok(()) } else { self.high_qc.verify(chain, set) }
    }

    fn verify_entries(&self, chain: Hash, set: &ValidatorSet) -> Result<(), CertError> {
        if self.entries.len() < quorum_of_timeouts(set) || self.entries.len() > set.count() {
            return Err(CertError::Quorum(self.entries.len()));
        }
        if !self.entries.is_sorted_by(|a, b| a.voter < b.voter) && !omits(Defect::TcDuplicates) {
            return Err(CertError::Order);
        }
        let highest = self.entries.iter().map(|e| e.high_qc_rank).max().unwrap_or_default();
        let is_highest = highest == self.high_qc.rank() || omits(Defect::TcHighQc);
        if !is_highest || self.high_qc.epoch != self.epoch {
            return Err(CertError::HighQc);
        }
        let mut batch = Batch::default();
        for entry in &self.entries {
            if !ranks_fit(self.view, entry.high_qc_rank, entry.tip) {
                return Err(CertError::Rank);
            }
            let key = set.key(entry.voter).ok_or(CertError::Stranger)?;
            batch.push(
                key,
                &timeout_bytes(chain, self.epoch, self.view, entry.high_qc_rank, entry.tip),
                &entry.signature,
            );
        }
        if omits(Defect::TcSignatures) {
            return Ok(());
        }
        batch.verify().map_err(|_| CertError::Signature)
    }

    /// Its hash over everything in it, which stands in the header that opens the next view.
    pub fn hash(&self) -> Hash {
        let mut w = Writer::new();
        w.u32(self.epoch).u64(self.view).u64(self.entries.len() as u64);
        for entry in &self.entries {
            w.u16(entry.voter.0).u64(entry.high_qc_rank.view).u32(entry.high_qc_rank.slot);
            w.u8(entry.tip.is_some().into());
            lay_reference(&mut w, entry.tip.unwrap_or_default());
            w.bytes(&entry.signature.0);
        }
        self.high_qc.lay(&mut w);
        Hash::of("gridbook/tc/1", w.as_slice())
    }
}

impl TimeoutEntry {
    fn of(timeout: &Timeout) -> Self {
        Self {
            voter: timeout.voter,
            high_qc_rank: timeout.high_qc.rank(),
            tip: timeout.tip,
            signature: timeout.signature,
        }
    }
}

/// Whether a timeout of `view` may tell of such ranks: an honest validator knows and votes for nothing above its view.
pub(super) fn ranks_fit(view: u64, high_qc_rank: Rank, tip: Option<HeaderRef>) -> bool {
    (high_qc_rank.view <= view && tip.is_none_or(|t| t.rank.view <= view)) || omits(Defect::TcRanks)
}

/// How many votes make a certificate.
pub(super) fn quorum_of_votes(set: &ValidatorSet) -> usize {
    if omits(Defect::QcQuorum) { set.one_honest() } else { set.quorum() }
}

/// How many timeouts make one.
fn quorum_of_timeouts(set: &ValidatorSet) -> usize {
    if omits(Defect::TcQuorum) { set.one_honest() } else { set.quorum() }
}

fn lay_reference(w: &mut Writer, reference: HeaderRef) {
    w.u64(reference.rank.view).u32(reference.rank.slot).bytes(&reference.hash.0);
}

/// Verifies certificates of one epoch, each once: the last few found valid are remembered by their digest.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) chain: Hash,
    pub(super) root: QuorumCert,
    set: ValidatorSet,
    valid: BTreeSet<Hash>,
    order: VecDeque<Hash>,
}

/// How many certificates are remembered: several views' worth for the largest set.
const REMEMBERED_MAX: usize = 512;

impl Verifier {
    pub(super) fn new(chain: Hash, root: QuorumCert, set: ValidatorSet) -> Self {
        Self { chain, root, set, valid: BTreeSet::new(), order: VecDeque::new() }
    }

    /// Whether a certificate is the root's, or 2f + 1 of this epoch's validators signed it.
    pub(super) fn qc_holds(&mut self, qc: &QuorumCert) -> bool {
        if *qc == self.root {
            return true;
        }
        if qc.epoch != self.root.epoch {
            return false;
        }
        let digest = qc.digest();
        if self.valid.contains(&digest) {
            return true;
        }
        let holds = qc.verify(self.chain, &self.set).is_ok();
        if holds {
            self.remember(digest);
        }
        holds
    }

    /// Whether a timeout certificate is valid in this epoch.
    pub(super) fn tc_holds(&mut self, tc: &TimeoutCert) -> bool {
        if tc.epoch != self.root.epoch || !self.qc_holds(&tc.high_qc) {
            return false;
        }
        let digest = tc.hash();
        if self.valid.contains(&digest) {
            return true;
        }
        let holds = tc.verify_entries(self.chain, &self.set).is_ok();
        if holds {
            self.remember(digest);
        }
        holds
    }

    /// Remembers a certificate made here of verified parts, or read from own disk.
    pub(super) fn trust_qc(&mut self, qc: &QuorumCert) {
        self.remember(qc.digest());
    }

    /// The same for a timeout certificate.
    pub(super) fn trust_tc(&mut self, tc: &TimeoutCert) {
        self.remember(tc.hash());
    }

    fn remember(&mut self, digest: Hash) {
        if !self.valid.insert(digest) {
            return;
        }
        self.order.push_back(digest);
        if self.order.len() > REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.valid.remove(&oldest);
        }
    }
}
