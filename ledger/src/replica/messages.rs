//! What validators send each other: the consensus plane, the log plane, and what was missed.
//!
//! An archive of rkyv is validated on the way in, but it is neither canonical nor authenticated: whatever is signed or hashed
//! goes through hand-laid bytes first.

use rkyv::{Archive, Deserialize, Serialize};

use crate::crypto::{Hash, SecretKey, Signature};
use crate::entry::{Entry, UnverifiedEntry, log_digest, log_digest_of, verify_entries};
use crate::epoch::{EpochProof, Epochs};
use crate::evidence::{Evidence, EvidenceError, VerifiedEvidence};
use crate::header::{Header, HeaderRef, LogPoint, Rank};
use crate::hotstuff::{ConsensusMessage, Proposal, QuorumCert, TimeoutCert, check_certificates};
use crate::sequenced::{ChunkStatement, Place, places_root};
use crate::validators::ValidatorSet;

use super::epochs::PROOFS_PER_MESSAGE;
use super::join::SnapshotMessage;
use super::log_record::{archive, unarchive};

/// A piece of log as it travels: where it starts, and the bytes of each entry.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Run {
    /// The place before the first entry.
    pub start: LogPoint,
    /// Encoded entries.
    pub entries: Vec<Vec<u8>>,
}

/// A piece of log straight from the leader of a view.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Chunk {
    /// The validator set's number.
    pub epoch: u32,
    /// The leader's view.
    pub view: u64,
    /// Counted from 0 in each view.
    pub number: u32,
    /// Whether the leader ends a header here.
    pub cut: bool,
    /// The entries.
    pub run: Run,
    /// The place after the last entry.
    pub end: LogPoint,
    /// Merkle root over the places of the entries: what S0 receipts hang on.
    pub places_root: Hash,
    /// The leader's signature over all of it but the bodies, which the digests and the root stand for.
    pub signature: Signature,
}

/// A final header with its piece of log.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct SyncStep {
    /// The header and the certificate it builds on.
    pub proposal: Proposal,
    /// Its commands.
    pub run: Run,
}

/// Everything one validator sends another.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub enum PeerMessage {
    /// The consensus plane.
    Consensus(ConsensusMessage),
    /// The log plane.
    Chunk(Box<Chunk>),
    /// Signed bundles for the leader.
    Relay(Vec<Vec<u8>>),
    /// Asks for the log up to a place, back to at most `floor_seq`.
    Pull {
        /// The place.
        target: LogPoint,
        /// What the asker has anyway.
        floor_seq: u64,
    },
    /// Answers a pull: a run that ends in `end`.
    Pulled {
        /// Where the run ends.
        end: LogPoint,
        /// The run.
        run: Run,
    },
    /// Asks for final headers and their log.
    SyncRequest {
        /// The first height wanted.
        from_height: u64,
    },
    /// Answers it, oldest first.
    SyncResponse {
        /// Headers with their log, all of one epoch.
        steps: Vec<SyncStep>,
        /// From the child of the last of them to the certified one: none if it is certified itself.
        beyond: Vec<Header>,
        /// The certificate of the last of all these.
        tip: Option<QuorumCert>,
    },
    /// How epochs ended, oldest first: canonical bytes of [`EpochProof`](crate::epoch::EpochProof)s.
    Epochs(Vec<Vec<u8>>),
    /// About snapshots.
    Snapshot(SnapshotMessage),
    /// A change of validators for whoever leads: canonical bytes of a [`Reconfigure`](crate::epoch::Reconfigure).
    Reconfigure(Vec<u8>),
    /// Proof that a validator broke the rules, in its canonical bytes.
    Evidence(Vec<u8>),
}

/// About how many bytes of log go into one answer: verified in a moment, so that it is not asked for twice.
pub const SYNC_BYTES_MAX: usize = 2 << 20;

/// The most entries in one message: no honest validator sends more, and a decoder need not go on.
const ENTRIES_MAX: usize = 1 << 17;

/// Why a peer's message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerFault {
    /// Not a valid archive of a message.
    #[error("the message cannot be read")]
    Form,
    /// An entry that cannot be read, or a bundle with a bad signature.
    #[error("the log holds an entry that is not valid")]
    Entry,
    /// The digests do not follow from the entries.
    #[error("the entries do not hash to what the message says")]
    Digest,
    /// Not signed by the view's leader.
    #[error("the chunk is not signed by the leader of its view")]
    Leader,
    /// Of another epoch than the present one: its validators cannot be looked up.
    #[error("the message is of another epoch")]
    Epoch,
    /// A snapshot that is not proven, or not the one that its header names.
    #[error("the snapshot offered does not hold against the genesis")]
    Snapshot,
    /// More than anyone sends.
    #[error("the message is too large")]
    Size,
    /// A chunk without entries.
    #[error("the chunk is empty")]
    Empty,
    /// A header with a certificate that does not hold, or that its leader did not sign.
    #[error("a header comes with a certificate or a signature that does not hold")]
    Certificate,
    /// Evidence that proves nothing.
    #[error("the evidence proves nothing: {0}")]
    Evidence(EvidenceError),
    /// An answer to no question, or from somebody who was not asked.
    #[error("nobody asked this validator for that")]
    Unasked,
}

impl PeerMessage {
    /// Bytes for the wire.
    pub fn encode(&self) -> Vec<u8> {
        archive(self)
    }

    /// Reads and validates bytes from the wire.
    pub fn decode(bytes: &[u8]) -> Result<Self, PeerFault> {
        unarchive(bytes).map_err(|_| PeerFault::Form)
    }
}

/// One entry at its place, its digest computed here.
#[derive(Clone, Debug)]
pub struct PlacedEntry {
    /// The place before it.
    pub start: LogPoint,
    /// The place after it.
    pub end: LogPoint,
    /// The entry.
    pub entry: Entry,
}

/// A run whose signatures hold and whose digests were computed here.
#[derive(Clone, Debug)]
pub struct VerifiedRun {
    /// In sequence.
    pub entries: Vec<PlacedEntry>,
    /// The place after the last.
    pub end: LogPoint,
}

impl VerifiedRun {
    /// The places of its entries.
    pub fn places(&self) -> Vec<Place> {
        self.entries.iter().map(PlacedEntry::place).collect()
    }
}

impl PlacedEntry {
    /// Its name and the sequence numbers that it takes.
    pub fn place(&self) -> Place {
        Place { first_seq: self.start.seq + 1, count: self.end.seq - self.start.seq, entry: self.entry.id() }
    }
}

impl Run {
    /// Checks every signature and computes every digest.
    pub fn verify(&self) -> Result<VerifiedRun, PeerFault> {
        if self.entries.len() > ENTRIES_MAX {
            return Err(PeerFault::Size);
        }
        let unverified: Result<Vec<UnverifiedEntry>, _> =
            self.entries.iter().map(|bytes| Entry::decode_unverified(bytes)).collect();
        let entries = verify_entries(unverified.map_err(|_| PeerFault::Entry)?).map_err(|_| PeerFault::Entry)?;
        let entries = place(self.start, entries).ok_or(PeerFault::Size)?;
        let end = entries.last().map_or(self.start, |placed| placed.end);
        Ok(VerifiedRun { entries, end })
    }
}

/// Puts entries at their places, computing the running digest.
fn place(start: LogPoint, entries: Vec<Entry>) -> Option<Vec<PlacedEntry>> {
    let mut at = start;
    entries
        .into_iter()
        .map(|entry| {
            let end = after(at, &entry)?;
            let placed = PlacedEntry { start: at, end, entry };
            at = end;
            Some(placed)
        })
        .collect()
}

/// The place after an entry that begins at `start`.
pub(super) fn after(start: LogPoint, entry: &Entry) -> Option<LogPoint> {
    let first_seq = start.seq.checked_add(1)?;
    let seq = start.seq.checked_add(entry.count())?;
    Some(LogPoint { seq, digest: log_digest(start.digest, first_seq, entry) })
}

/// The place after an encoded entry that begins at `start`; nothing if it cannot be read.
pub fn end_of(start: LogPoint, entry: &[u8]) -> Option<LogPoint> {
    let entry = Entry::decode_unverified(entry).ok()?;
    let seq = start.seq.checked_add(entry.count())?;
    Some(LogPoint { seq, digest: log_digest_of(start.digest, start.seq.checked_add(1)?, entry.id()) })
}

/// A chunk whose leader, signatures and digests hold.
#[derive(Clone, Debug)]
pub struct VerifiedChunk {
    /// What the leader signed.
    pub statement: ChunkStatement,
    /// The entries.
    pub run: VerifiedRun,
}

impl VerifiedChunk {
    /// The leader's view.
    pub fn view(&self) -> u64 {
        self.statement.view
    }
}

impl Chunk {
    /// What the leader signs.
    pub fn statement(&self) -> ChunkStatement {
        let Self { epoch, view, number, cut, end, places_root, signature, .. } = *self;
        ChunkStatement { epoch, view, number, cut, start: self.run.start, end, places_root, signature }
    }

    /// Signs it.
    pub fn sign(mut self, chain: Hash, key: &SecretKey) -> Self {
        self.signature = self.statement().sign(chain, key).signature;
        self
    }

    /// Checks leader, signatures and digests against the set of its epoch. A fault other than [`PeerFault::Leader`] is the leader's.
    pub fn verify(&self, chain: Hash, set: &ValidatorSet) -> Result<VerifiedChunk, PeerFault> {
        let statement = self.statement();
        if !statement.verify(chain, set) {
            return Err(PeerFault::Leader);
        }
        if self.run.entries.is_empty() {
            return Err(PeerFault::Empty);
        }
        let run = self.run.verify()?;
        if run.end == self.end && places_root(&run.places()) == self.places_root {
            Ok(VerifiedChunk { statement, run })
        } else {
            Err(PeerFault::Digest)
        }
    }
}

/// Reads the epoch proofs of a message. Nothing of them is verified.
pub fn read_proofs(proofs: &[Vec<u8>]) -> Result<Vec<EpochProof>, PeerFault> {
    if proofs.len() > PROOFS_PER_MESSAGE {
        return Err(PeerFault::Size);
    }
    proofs.iter().map(|bytes| EpochProof::decode(bytes).map_err(|_| PeerFault::Form)).collect()
}

/// Reads and checks the evidence of a message.
///
/// # Errors
/// If it cannot be read or proves nothing.
pub fn verify_evidence(bytes: &[u8], chain: Hash, epochs: &Epochs) -> Result<VerifiedEvidence, PeerFault> {
    let evidence = Evidence::decode(bytes).map_err(|_| PeerFault::Form)?;
    let epoch = evidence.epoch();
    let set = epochs.set(epoch).ok_or(PeerFault::Epoch)?;
    VerifiedEvidence::check(evidence, chain, epoch, set).map_err(PeerFault::Evidence)
}

/// A step of another validator's history, its commands verified.
#[derive(Clone, Debug)]
pub struct VerifiedStep {
    /// The header and the certificate it builds on.
    pub proposal: Proposal,
    /// Its commands.
    pub run: VerifiedRun,
}

/// Checks the commands of sync steps, that each header's log is the one given, that they are linked by hash, and that the
/// last, or what is linked to it beyond, is certified by the validators of their epoch, which through the links certifies them all.
/// What comes beside a header's hash is not covered by that, and is kept and shown to others later: so every header's signature and
/// certificates are checked too.
pub fn verify_sync(
    steps: Vec<SyncStep>,
    beyond: &[Header],
    tip: Option<&QuorumCert>,
    chain: Hash,
    (epoch, set): (u32, &ValidatorSet),
) -> Result<Vec<VerifiedStep>, PeerFault> {
    let headers: Vec<&Header> = steps.iter().map(|step| &step.proposal.header).chain(beyond).collect();
    let (Some(last), Some(tip)) = (headers.last(), tip.filter(|_| !steps.is_empty())) else {
        return Err(PeerFault::Form);
    };
    if headers.iter().any(|header| header.epoch != epoch) || tip.epoch != epoch {
        return Err(PeerFault::Epoch);
    }
    if tip.header != last.reference() || tip.verify(chain, set).is_err() {
        return Err(PeerFault::Leader);
    }
    if headers.windows(2).any(|pair| pair[1].parent != pair[0].hash()) {
        return Err(PeerFault::Digest);
    }
    steps
        .into_iter()
        .map(|step| {
            verify_beside(&step.proposal, chain, set)?;
            let run = step.run.verify()?;
            if run.end == step.proposal.header.log_end() {
                Ok(VerifiedStep { proposal: step.proposal, run })
            } else {
                Err(PeerFault::Digest)
            }
        })
        .collect()
}

/// The leader's signature and the certificates of a proposal. That of an epoch's root is empty; whoever links the header to its parent
/// sees whether that is the root.
fn verify_beside(proposal: &Proposal, chain: Hash, set: &ValidatorSet) -> Result<(), PeerFault> {
    let Proposal { header, justify, tc, .. } = proposal;
    let root = |qc: &QuorumCert| QuorumCert {
        epoch: header.epoch,
        header: HeaderRef { rank: Rank::default(), ..qc.header },
        signers: 0,
        signatures: Vec::new(),
    };
    let certified = *justify == root(justify) || (justify.epoch == header.epoch && justify.verify(chain, set).is_ok());
    let entered = |tc: &TimeoutCert| tc.epoch == header.epoch && tc.verify(chain, set, &root(&tc.high_qc)).is_ok();
    let entered = tc.as_ref().is_none_or(entered);
    let fits = check_certificates(proposal).is_ok();
    if fits && certified && entered && proposal.verify(set) { Ok(()) } else { Err(PeerFault::Certificate) }
}
