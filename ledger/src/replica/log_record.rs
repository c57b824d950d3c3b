//! What goes into the log file.

use crate::bytes::{BytesError, Reader, Writer};
use crate::crypto::Hash;
use crate::header::Header;
use crate::hotstuff::{Proposal, QuorumCert};

/// What goes into the log, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogRecord {
    /// An entry, with the place before it: one that does not continue what was executed lies on a branch that was given up.
    Entry {
        /// The sequence number before its first command.
        start_seq: u64,
        /// The digest before it.
        before: Hash,
        /// The encoded entry.
        entry: Vec<u8>,
    },
    /// The log was taken back to a place: what followed never happened.
    Truncate {
        /// The last sequence number that stays.
        to_seq: u64,
    },
    /// A header that was voted for, proposed, or found certified.
    Proposal(Box<Proposal>),
    /// A header became final.
    Final {
        /// Its height.
        height: u64,
        /// Its hash.
        hash: Hash,
        /// The sequence number of its last command.
        last_seq: u64,
        /// What proves it, with the last of several that became final at once.
        proof: Option<Box<FinalProof>>,
    },
    /// The ledger was gone on with from another validator's snapshot: what lies between the header before and this one is not here.
    Snapshot(Box<SnapshotPlace>),
    /// Proof that a validator broke the rules, in its canonical bytes.
    Evidence(Vec<u8>),
}

/// Where a log goes on from a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct SnapshotPlace {
    /// The checkpoint header, with the certificate it builds on.
    pub proposal: Proposal,
    /// What made it final.
    pub proof: FinalProof,
}

/// The child that made a header final, and its certificate: its own, or at the end of an epoch perhaps that of a descendant.
#[derive(Clone, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct FinalProof {
    /// From the final header to the parent of C: none but at the end of an epoch.
    pub via: Vec<Header>,
    /// Header C, the direct child of the last of these or of the final header, in the next slot of the same view.
    pub child: Header,
    /// The certificate of C.
    pub qc: QuorumCert,
}

const ENTRY: u8 = 1;
const TRUNCATE: u8 = 2;
const PROPOSAL: u8 = 3;
const FINAL: u8 = 4;
const SNAPSHOT: u8 = 7;
const EVIDENCE: u8 = 5;

impl LogRecord {
    /// Kind and payload for the log file.
    pub fn encode(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Entry { start_seq, before, entry } => {
                let mut w = Writer::new();
                w.u64(*start_seq).bytes(&before.0).bytes(entry);
                (ENTRY, w.finish())
            }
            Self::Truncate { to_seq } => (TRUNCATE, to_seq.to_le_bytes().to_vec()),
            Self::Proposal(proposal) => (PROPOSAL, archive(&**proposal)),
            Self::Final { height, hash, last_seq, proof } => {
                let mut w = Writer::new();
                w.u64(*height).bytes(&hash.0).u64(*last_seq);
                if let Some(proof) = proof {
                    w.bytes(&archive(&**proof));
                }
                (FINAL, w.finish())
            }
            Self::Snapshot(place) => (SNAPSHOT, archive(&**place)),
            Self::Evidence(bytes) => (EVIDENCE, bytes.clone()),
        }
    }

    /// Reads what [`LogRecord::encode`] wrote.
    pub fn decode(kind: u8, payload: &[u8]) -> Result<Self, BytesError> {
        let mut r = Reader::new(payload);
        match kind {
            ENTRY => {
                let (start_seq, before) = (r.u64()?, Hash(r.array()?));
                Ok(Self::Entry { start_seq, before, entry: r.bytes(r.remaining())?.to_vec() })
            }
            TRUNCATE => {
                let to_seq = r.u64()?;
                r.finish()?;
                Ok(Self::Truncate { to_seq })
            }
            PROPOSAL => Ok(Self::Proposal(Box::new(unarchive(payload)?))),
            FINAL => {
                let (height, hash, last_seq) = (r.u64()?, Hash(r.array()?), r.u64()?);
                let rest = r.bytes(r.remaining())?;
                let proof = if rest.is_empty() { None } else { Some(Box::new(unarchive(rest)?)) };
                Ok(Self::Final { height, hash, last_seq, proof })
            }
            SNAPSHOT => Ok(Self::Snapshot(Box::new(unarchive(payload)?))),
            EVIDENCE => Ok(Self::Evidence(payload.to_vec())),
            _ => Err(BytesError::Unknown),
        }
    }
}

type ArchiveSerializer<'a> =
    rkyv::api::high::HighSerializer<rkyv::util::AlignedVec, rkyv::ser::allocator::ArenaHandle<'a>, rkyv::rancor::Error>;

/// Archives a plain struct.
pub fn archive<T>(value: &T) -> Vec<u8>
where
    T: for<'a> rkyv::Serialize<ArchiveSerializer<'a>>,
{
    rkyv::to_bytes::<rkyv::rancor::Error>(value).expect("plain structs in memory always archive").into_vec()
}

/// Reads and validates an archive; its bytes may lie at any address.
pub fn unarchive<T>(bytes: &[u8]) -> Result<T, BytesError>
where
    T: rkyv::Archive,
    T::Archived: for<'a> rkyv::bytecheck::CheckBytes<rkyv::api::high::HighValidator<'a, rkyv::rancor::Error>>
        + rkyv::Deserialize<T, rkyv::api::high::HighDeserializer<rkyv::rancor::Error>>,
{
    // An archive is read in place and must be aligned; neither wire nor file gives alignment.
    let mut aligned = rkyv::util::AlignedVec::<16>::with_capacity(bytes.len());
    aligned.extend_from_slice(bytes);
    rkyv::from_bytes::<T, rkyv::rancor::Error>(&aligned).map_err(|_| BytesError::Unknown)
}
