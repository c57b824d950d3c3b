//! Evidence as bytes, for the log, the wire and files.

use super::{Evidence, EvidenceKind, SignedHeader, SignedTimeout, Statement};
use crate::bytes::{BytesError, Reader, Writer};
use crate::crypto::{Hash, Signature};
use crate::header::{Header, HeaderRef, Rank};
use crate::hotstuff::{QuorumCert, Vote};
use crate::merkle::Path;
use crate::receipt::Receipt;
use crate::sequenced::{ChunkStatement, SequencedReceipt};
use crate::validators::ValidatorIndex;

/// The longest evidence that is read: what others send is kept for long. One of this length still fits into a client's request.
pub const EVIDENCE_BYTES_MAX: usize = 255 << 10;

const DOMAIN: &str = "gridbook/evidence/1";

const HEADER: u8 = 1;
const CHUNK: u8 = 2;
const VOTE: u8 = 3;
const VOTE_FOR: u8 = 4;
const TIMEOUT: u8 = 5;
const SEQUENCED: u8 = 6;
const RESULT: u8 = 7;
const CERTIFIED: u8 = 8;
const FINAL: u8 = 9;

impl Evidence {
    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.domain(DOMAIN).u8(self.kind.number());
        self.a.write(&mut w);
        self.b.write(&mut w);
        w.finish()
    }

    /// Its name, over everything in it, signatures too: whether they are good is only known where it is verified, so two logs that differ in
    /// them must not have one digest.
    pub fn id(&self) -> Hash {
        Hash::of(DOMAIN, &self.encode())
    }

    /// Reads canonical bytes, and refuses all others.
    ///
    /// # Errors
    /// Says what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, BytesError> {
        if bytes.len() > EVIDENCE_BYTES_MAX {
            return Err(BytesError::TooLong);
        }
        let mut r = Reader::new(bytes);
        r.domain(DOMAIN)?;
        let kind = EvidenceKind::from_number(r.u8()?).ok_or(BytesError::Unknown)?;
        let (a, b) = (Statement::read(&mut r)?, Statement::read(&mut r)?);
        r.finish()?;
        Ok(Self { kind, a, b })
    }
}

impl Statement {
    /// Canonical bytes, by which a pair is put in order.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        self.write(&mut w);
        w.finish()
    }

    fn write(&self, w: &mut Writer) {
        match self {
            Self::Header(signed) => signed.write(w.u8(HEADER)),
            Self::Chunk(chunk) => chunk.write(w.u8(CHUNK)),
            Self::Vote(vote) => write_vote(vote, w.u8(VOTE)),
            Self::VoteFor(vote, header) => {
                write_vote(vote, w.u8(VOTE_FOR));
                w.bytes(&header.encode());
            }
            Self::Timeout(timeout) => timeout.write(w.u8(TIMEOUT)),
            Self::Sequenced(receipt) => receipt.write(w.u8(SEQUENCED)),
            Self::Result { header, record, path } => {
                header.write(w.u8(RESULT));
                w.u32(u32::try_from(record.len()).expect("records are far below 4 GiB")).bytes(record);
                path.write(w);
            }
            Self::Certified(header, qc) => {
                w.u8(CERTIFIED).bytes(&header.encode());
                qc.write(w);
            }
            Self::Final(receipt) => receipt.write(w.u8(FINAL)),
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        Ok(match r.u8()? {
            HEADER => Self::Header(Box::new(SignedHeader::read(r)?)),
            CHUNK => Self::Chunk(ChunkStatement::read(r)?),
            VOTE => Self::Vote(read_vote(r)?),
            VOTE_FOR => Self::VoteFor(read_vote(r)?, Box::new(Header::read(r)?)),
            TIMEOUT => Self::Timeout(SignedTimeout::read(r)?),
            SEQUENCED => Self::Sequenced(Box::new(SequencedReceipt::read(r)?)),
            RESULT => {
                let header = Box::new(SignedHeader::read(r)?);
                let length = usize::try_from(r.u32()?).map_err(|_| BytesError::TooLong)?;
                Self::Result { header, record: r.bytes(length)?.to_vec(), path: Path::read(r)? }
            }
            CERTIFIED => Self::Certified(Box::new(Header::read(r)?), QuorumCert::read(r)?),
            FINAL => {
                let receipt = Receipt::read(r)?;
                // How the epoch came about is no part of the statement: one statement has one form.
                if receipt.epochs.is_empty() {
                    Self::Final(Box::new(receipt))
                } else {
                    return Err(BytesError::TooLong);
                }
            }
            _ => return Err(BytesError::Unknown),
        })
    }
}

impl SignedHeader {
    fn write(&self, w: &mut Writer) {
        w.bytes(&self.header.encode()).bytes(&self.signature.0);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        Ok(Self { header: Header::read(r)?, signature: Signature(r.array()?) })
    }
}

impl SignedTimeout {
    fn write(&self, w: &mut Writer) {
        w.u32(self.epoch).u64(self.view).u64(self.high_qc_rank.view).u32(self.high_qc_rank.slot);
        w.u8(self.tip.is_some().into());
        if let Some(tip) = self.tip {
            write_reference(tip, w);
        }
        w.u16(self.voter.0).bytes(&self.signature.0);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        Ok(Self {
            epoch: r.u32()?,
            view: r.u64()?,
            high_qc_rank: read_rank(r)?,
            tip: match r.u8()? {
                0 => None,
                1 => Some(read_reference(r)?),
                _ => return Err(BytesError::Unknown),
            },
            voter: ValidatorIndex(r.u16()?),
            signature: Signature(r.array()?),
        })
    }
}

fn write_vote(vote: &Vote, w: &mut Writer) {
    w.u32(vote.epoch);
    write_reference(vote.header, w);
    w.u16(vote.voter.0).bytes(&vote.signature.0);
}

fn read_vote(r: &mut Reader<'_>) -> Result<Vote, BytesError> {
    let (epoch, header) = (r.u32()?, read_reference(r)?);
    Ok(Vote { epoch, header, voter: ValidatorIndex(r.u16()?), signature: Signature(r.array()?) })
}

fn write_reference(reference: HeaderRef, w: &mut Writer) {
    w.u64(reference.rank.view).u32(reference.rank.slot).bytes(&reference.hash.0);
}

fn read_reference(r: &mut Reader<'_>) -> Result<HeaderRef, BytesError> {
    Ok(HeaderRef { rank: read_rank(r)?, hash: Hash(r.array()?) })
}

fn read_rank(r: &mut Reader<'_>) -> Result<Rank, BytesError> {
    Ok(Rank { view: r.u64()?, slot: r.u32()? })
}
