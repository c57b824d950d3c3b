//! Snapshots: the state as of a final checkpoint header, with what proves it.
//!
//! A validator takes one now and then, keeps the last two, and serves them to others in pieces. Whoever has the genesis can check
//! one: its header is final, and every piece is one that the roots in that header name. Nothing else in it is believed.

mod incoming;

pub use incoming::Incoming;

use rkyv::{Archive, Deserialize, Serialize};

use crate::bytes::{BytesError, Reader, Writer};
use crate::crypto::Hash;
use crate::epoch::{EpochError, EpochProof, Epochs, FinalityError, verify_finality};
use crate::genesis::Genesis;
use crate::header::Header;
use crate::hotstuff::{Proposal, QuorumCert};
use crate::replica::{FinalProof, TakenSnapshot, archive, unarchive};
use crate::state::{PieceError, PieceList, RestoreError, State};

/// What is known of a snapshot before a single piece of it is there.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Manifest {
    /// The checkpoint header, with the certificate it builds on.
    pub proposal: Proposal,
    /// What made it final.
    pub proof: FinalProof,
    /// The proofs that lead from the genesis validators to those of its epoch: canonical bytes.
    pub epochs: Vec<Vec<u8>>,
    /// The hashes of the pieces.
    pub pieces: PieceList,
}

/// A whole snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// What proves it.
    pub manifest: Manifest,
    /// The state, as [`State::snapshot`] gives it.
    pub state: Vec<u8>,
}

/// Why a snapshot was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Not the bytes of a snapshot.
    #[error("it cannot be read: {0}")]
    Form(#[from] BytesError),
    /// Of another ledger.
    #[error("it is of another ledger than the genesis")]
    Chain,
    /// Of a header that names no snapshot.
    #[error("its header is no checkpoint")]
    NotCheckpoint,
    /// The proofs of the epochs do not lead to that of the header.
    #[error("it does not prove who the validators of its header's epoch are")]
    Epoch,
    /// An epoch's end that is not proven.
    #[error("it does not prove how an epoch ended: {0}")]
    EpochProof(#[from] EpochError),
    /// A header that its leader did not sign, or that builds on nothing certified.
    #[error("its header is not what the leader signed on a certified parent")]
    Proposal,
    /// A header that is not proven final.
    #[error("its header is not proven final: {0}")]
    NotFinal(#[from] FinalityError),
    /// A state of another place: another height's, or one that never was.
    #[error("its pieces are not those that header {height} names")]
    OtherRoot {
        /// The header's height.
        height: u64,
    },
    /// A piece that is not the one listed.
    #[error("{0}")]
    Piece(#[from] PieceError),
    /// A certified state that cannot be gone on from.
    #[error("its state cannot be restored: {0}")]
    Restore(#[from] RestoreError),
    /// Older than what is final here already.
    #[error("it is stale: it ends at header {height}, and {final_height} is final here")]
    Stale {
        /// Its header's height.
        height: u64,
        /// What is final here.
        final_height: u64,
    },
}

impl Manifest {
    /// The header whose state it is.
    pub fn header(&self) -> &Header {
        &self.proposal.header
    }

    /// Its name: the root in its header.
    pub fn root(&self) -> Hash {
        self.header().snapshot_root
    }

    /// Checks everything but the pieces against the genesis: that the header is final, and that the pieces are those of its roots.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn verify(&self, genesis: &Genesis) -> Result<(), SnapshotError> {
        let header = self.header();
        if header.chain != genesis.chain_id() {
            return Err(SnapshotError::Chain);
        }
        if header.flags & Header::CHECKPOINT == 0 || header.ends_epoch() {
            return Err(SnapshotError::NotCheckpoint);
        }
        let epochs = self.verify_epochs(genesis)?;
        self.verify_finality(&epochs)?;
        self.pieces.check()?;
        let (state_root, root) = (self.pieces.state_root(), self.pieces.snapshot_root());
        if state_root != header.state_root || root != header.snapshot_root {
            return Err(SnapshotError::OtherRoot { height: header.height });
        }
        Ok(())
    }

    /// The proofs lead from the genesis set to that of the header's epoch.
    fn verify_epochs(&self, genesis: &Genesis) -> Result<Epochs, SnapshotError> {
        let mut epochs = Epochs::new(genesis);
        for proof in &self.epochs {
            epochs.extend(EpochProof::decode(proof)?)?;
        }
        if epochs.present() == self.header().epoch { Ok(epochs) } else { Err(SnapshotError::Epoch) }
    }

    /// The header is signed by its leader, builds on what is certified, and is final by its child's certificate.
    fn verify_finality(&self, epochs: &Epochs) -> Result<(), SnapshotError> {
        let header = self.header();
        let (epoch, set) = (epochs.present(), epochs.present_set());
        let justify = &self.proposal.justify;
        let is_root = epochs.root().is_some_and(|root| *justify == QuorumCert::root(epoch, root));
        let linked = header.parent == header.justify.hash && justify.header == header.justify;
        if !linked || !(is_root || justify.verify(header.chain, set).is_ok()) || !self.proposal.verify(set) {
            return Err(SnapshotError::Proposal);
        }
        let FinalProof { via, child, qc } = &self.proof;
        let headers: Vec<Header> = core::iter::once(header).chain(via).cloned().collect();
        Ok(verify_finality(&headers, child, qc, header.chain, epoch, set)?)
    }
}

const DOMAIN: &str = "gridbook/snapshot-file/1";
/// The domain behind its length, and the length of the manifest.
const HEAD_BYTES: usize = 1 + DOMAIN.len() + 8;
const MANIFEST_BYTES_MAX: usize = 64 << 20;

impl Snapshot {
    /// A snapshot of this validator's own. Hashes all of it.
    ///
    /// # Errors
    /// If the bytes are not those of a state.
    pub fn new(taken: TakenSnapshot) -> Result<Self, SnapshotError> {
        let TakenSnapshot { proposal, proof, epochs, state } = taken;
        let pieces = PieceList::of(&state)?;
        Ok(Self { manifest: Manifest { proposal, proof, epochs, pieces }, state })
    }

    /// Checks all of it against the genesis, and gives the state.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn verify(&self, genesis: &Genesis) -> Result<State, SnapshotError> {
        self.manifest.verify(genesis)?;
        let pieces = PieceList::of(&self.state)?;
        let height = self.manifest.header().height;
        if pieces != self.manifest.pieces {
            return Err(SnapshotError::OtherRoot { height });
        }
        let mut state = State::restore(genesis, &self.state)?;
        if state.snapshot_root() == self.manifest.root() { Ok(state) } else { Err(SnapshotError::OtherRoot { height }) }
    }

    /// The bytes of a piece, as it is sent.
    pub fn piece(&self, piece: u32) -> Option<&[u8]> {
        let range = self.manifest.pieces.range(piece)?;
        self.state.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
    }

    /// The bytes before the state in a file; the state follows as it is.
    pub fn encode_front(manifest: &Manifest) -> Vec<u8> {
        let manifest = archive(manifest);
        let mut w = Writer::with_capacity(manifest.len() + 64);
        w.domain(DOMAIN).u64(manifest.len() as u64).bytes(&manifest);
        w.finish()
    }

    /// Reads the bytes of a file: what [`Snapshot::encode_front`] gave, and the state.
    ///
    /// # Errors
    /// If they are no snapshot's. Nothing in it was checked yet.
    pub fn decode(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let (manifest, state) = decode_front(bytes)?;
        if state.len() as u64 != manifest.pieces.snapshot_bytes() {
            return Err(SnapshotError::Form(BytesError::Truncated));
        }
        Ok(Self { manifest, state: state.to_vec() })
    }
}

impl Manifest {
    /// Reads the front of a snapshot's file by way of `read`, which gives so many bytes from an offset on if there are so many: the
    /// manifest, and where the state begins. Nothing in it was checked yet.
    ///
    /// # Errors
    /// If it is no snapshot's.
    pub fn read_front(read: impl Fn(u64, usize) -> Option<Vec<u8>>) -> Result<(Self, u64), SnapshotError> {
        let truncated = SnapshotError::Form(BytesError::Truncated);
        let head = read(0, HEAD_BYTES).ok_or(truncated.clone())?;
        let length = manifest_length(&mut Reader::new(&head))?;
        let manifest: Self = unarchive(&read(HEAD_BYTES as u64, length).ok_or(truncated)?)?;
        manifest.pieces.check()?;
        Ok((manifest, (HEAD_BYTES + length) as u64))
    }
}

/// The manifest, and the bytes after it.
fn decode_front(bytes: &[u8]) -> Result<(Manifest, &[u8]), SnapshotError> {
    let mut r = Reader::new(bytes);
    let length = manifest_length(&mut r)?;
    let manifest: Manifest = unarchive(r.bytes(length)?)?;
    manifest.pieces.check()?;
    Ok((manifest, r.bytes(r.remaining())?))
}

fn manifest_length(head: &mut Reader<'_>) -> Result<usize, SnapshotError> {
    head.domain(DOMAIN)?;
    let length = usize::try_from(head.u64()?).ok().filter(|length| *length <= MANIFEST_BYTES_MAX);
    Ok(length.ok_or(BytesError::TooLong)?)
}
