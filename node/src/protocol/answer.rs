//! What a validator answers.

use gridbook_engine::{DeliveryPeriod, MeterId};
use gridbook_ledger::bytes::{BytesError, Reader, Writer};
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::evidence::{EvidenceKey, EvidenceKind};
use gridbook_ledger::header::{HeaderRef, Rank};
use gridbook_ledger::reject::Code;
use gridbook_ledger::store::FactPlace;
use gridbook_ledger::validators::ValidatorIndex;

use super::{
    AccountState, Book, ConductBook, EPOCHS_PER_ANSWER, GrantList, RECORDS_MAX, RegistryEntry, RequestId, Status,
    UsePage, read_blob, read_flag, write_blob,
};

/// What a validator sends to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The request was refused, here and now, and left no trace.
    Refused {
        /// The request; 0 if not even its number could be read.
        request_id: RequestId,
        /// Why.
        code: Code,
    },
    /// The bundle was admitted here and is on its way into the log. A promise only of effort: it is on the ledger when `Final` says so.
    Accepted {
        /// The request.
        request_id: RequestId,
        /// The bundle's id.
        bundle: Hash,
    },
    /// The leader gave the bundle its place in the log: S0. The leader answers for it; it is not final, and a view that ends first
    /// makes it void.
    Sequenced {
        /// The request.
        request_id: RequestId,
        /// Bytes of a [`SequencedReceipt`](gridbook_ledger::sequenced::SequencedReceipt), which verifies offline against the genesis.
        receipt: Vec<u8>,
    },
    /// A quorum certified a header that covers the bundle: S1. It survives crashes, and as many liars as the set allows for, unless one of
    /// them provably contradicts itself; it is not final.
    Certified {
        /// The request.
        request_id: RequestId,
        /// The bundle's id.
        bundle: Hash,
        /// The sequence number of its first command.
        first_seq: u64,
        /// The header.
        header: HeaderRef,
    },
    /// The bundle is final.
    Final {
        /// The request.
        request_id: RequestId,
        /// The bundle's id.
        bundle: Hash,
        /// The height of the header that holds it.
        height: u64,
        /// The sequence number of its first command; the others follow.
        first_seq: u64,
        /// Canonical bytes of the records that its commands caused, in order.
        records: Vec<Vec<u8>>,
    },
    /// From now on events of this meter come on this connection.
    Watching {
        /// The request.
        request_id: RequestId,
        /// The meter whose key signed the query.
        meter: MeterId,
    },
    /// Something happened to an order of a watched meter, and is final. Not an answer to a numbered request.
    Event {
        /// The meter.
        meter: MeterId,
        /// The height of the header that holds it.
        height: u64,
        /// A record's bytes, cut by [`cut_to`](super::cut_to) to the events that name this meter: others' business stays theirs,
        /// and a gate that closes on a whole town does not reach every meter as a whole. The proof of the full record is its receipt.
        record: Vec<u8>,
    },
    /// Nothing more is told of a watched meter on this connection. Not an answer to a numbered request.
    WatchEnded {
        /// The meter.
        meter: MeterId,
        /// Why: its key was replaced or revoked, it is another account's now, or the question that the watch was asked for by is void.
        code: Code,
    },
    /// A receipt.
    Receipt {
        /// The request.
        request_id: RequestId,
        /// Its bytes; they verify offline against the genesis.
        receipt: Vec<u8>,
    },
    /// How the validator and the ledger stand.
    Status {
        /// The request.
        request_id: RequestId,
        /// The answer.
        status: Status,
    },
    /// An account.
    Account {
        /// The request.
        request_id: RequestId,
        /// The answer.
        account: AccountState,
    },
    /// What the registry says of somebody.
    Registry {
        /// The request.
        request_id: RequestId,
        /// The answer.
        entry: Box<RegistryEntry>,
    },
    /// What was asked for is not final here, now: it never was on this ledger, or not yet, or this validator is still catching up.
    NotFinal {
        /// The request.
        request_id: RequestId,
    },
    /// What was asked for may be final in one of these headers, of which this validator keeps nothing: its index begins later, after a
    /// snapshot, or is being made again. Another validator knows.
    NotHere {
        /// The request.
        request_id: RequestId,
        /// The first of them.
        from_height: u64,
        /// The last of them.
        to_height: u64,
    },
    /// A final header.
    Header {
        /// The request.
        request_id: RequestId,
        /// Its canonical bytes.
        header: Vec<u8>,
    },
    /// What is proven against validators, as far as it fits into one answer.
    Evidence {
        /// The request.
        request_id: RequestId,
        /// How many items there are.
        total: u32,
        /// Canonical bytes of an [`Evidence`](gridbook_ledger::evidence::Evidence) each, from the one asked for on.
        items: Vec<Vec<u8>>,
    },
    /// Evidence was verified, and it, or another of its kind against the same validator in the same epoch, is kept here for good.
    Taken {
        /// The request.
        request_id: RequestId,
        /// Whom it is against, of what kind, in which epoch.
        key: EvidenceKey,
        /// False if one was kept before.
        is_new: bool,
    },
    /// How epochs ended, oldest first: a dozen or so; whoever wants more asks again from there.
    Epochs {
        /// The request.
        request_id: RequestId,
        /// Bytes of [`EpochProof`](gridbook_ledger::epoch::EpochProof)s, which verify offline against the genesis.
        proofs: Vec<Vec<u8>>,
    },
    /// Facts, as many as fit into one answer.
    Facts {
        /// The request.
        request_id: RequestId,
        /// Bytes of [`FactRow`](gridbook_ledger::store::FactRow)s, one after the other.
        facts: Vec<u8>,
        /// From where to ask on; none if that was all.
        next: Option<FactPlace>,
    },
    /// What a meter's bill comes to, as many days as fit into one answer.
    Bill {
        /// The request.
        request_id: RequestId,
        /// Bytes of [`SumRow`](gridbook_ledger::store::SumRow)s, one after the other.
        sums: Vec<u8>,
        /// From which period to ask on; none if that was all.
        next: Option<DeliveryPeriod>,
    },
    /// Records that tell of the certificates asked for, and the readings that the issue and claims of all of them were measured by.
    CertificateRecords {
        /// The request.
        request_id: RequestId,
        /// Their sequence numbers, ascending.
        seqs: Vec<u64>,
        /// From which record to ask on, also where none was found so far; none if that was all.
        next: Option<u64>,
    },
    /// Extracts, as many as fit into one answer; none if there are no more.
    Extracts {
        /// The request.
        request_id: RequestId,
        /// Bytes of [`Extract`](gridbook_ledger::record::Extract)s, in the ledger's order; of the first from the byte asked for on.
        extracts: Vec<Vec<u8>>,
        /// How many bytes of the last one are still to be asked for.
        left: u32,
    },
    /// What became of certificates of a meter, as far as it was looked for in one go.
    Certificates {
        /// The request.
        request_id: RequestId,
        /// Bytes of records with only those events that tell of them, in the ledger's order.
        records: Vec<Vec<u8>>,
        /// From which command to ask on; none if that was all.
        next: Option<u64>,
    },
    /// How an account stands under a final header.
    AccountProof {
        /// The request.
        request_id: RequestId,
        /// Bytes of an [`AccountProof`](gridbook_ledger::receipt::AccountProof), which verifies offline against the genesis.
        proof: Vec<u8>,
    },
    /// What stands against somebody.
    Conduct {
        /// The request.
        request_id: RequestId,
        /// The answer.
        book: Box<ConductBook>,
    },
    /// What the owner of a meter has granted others.
    Grants {
        /// The request.
        request_id: RequestId,
        /// The answer.
        list: Box<GrantList>,
    },
    /// What this validator told others of a meter under grants.
    Uses {
        /// The request.
        request_id: RequestId,
        /// As many as fit into one answer.
        page: UsePage,
    },
    /// A book.
    Book {
        /// The request.
        request_id: RequestId,
        /// The answer.
        book: Box<Book>,
    },
}

impl Answer {
    /// The request it answers; none for events and ends of watches.
    pub fn request_id(&self) -> Option<RequestId> {
        match self {
            Self::Event { .. } | Self::WatchEnded { .. } => None,
            Self::Refused { request_id, .. }
            | Self::Sequenced { request_id, .. }
            | Self::Evidence { request_id, .. }
            | Self::Taken { request_id, .. }
            | Self::Certified { request_id, .. }
            | Self::Accepted { request_id, .. }
            | Self::Final { request_id, .. }
            | Self::Watching { request_id, .. }
            | Self::Receipt { request_id, .. }
            | Self::Status { request_id, .. }
            | Self::Account { request_id, .. }
            | Self::Registry { request_id, .. }
            | Self::NotFinal { request_id }
            | Self::NotHere { request_id, .. }
            | Self::Header { request_id, .. }
            | Self::Epochs { request_id, .. }
            | Self::Facts { request_id, .. }
            | Self::Bill { request_id, .. }
            | Self::CertificateRecords { request_id, .. }
            | Self::Extracts { request_id, .. }
            | Self::Certificates { request_id, .. }
            | Self::AccountProof { request_id, .. }
            | Self::Conduct { request_id, .. }
            | Self::Grants { request_id, .. }
            | Self::Uses { request_id, .. }
            | Self::Book { request_id, .. } => Some(*request_id),
        }
    }

    /// The frame. The request number comes first, 0 in events and ends of watches.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u64(self.request_id().unwrap_or(0));
        match self {
            Self::Refused { code, .. } => _ = w.u8(1).u16(code.number()),
            Self::Accepted { bundle, .. } => _ = w.u8(2).bytes(&bundle.0),
            Self::Final { bundle, height, first_seq, records, .. } => {
                let count = u32::try_from(records.len()).expect("fewer than RECORDS_MAX");
                w.u8(3).bytes(&bundle.0).u64(*height).u64(*first_seq).u32(count);
                records.iter().for_each(|record| write_blob(&mut w, record));
            }
            Self::Watching { meter, .. } => _ = w.u8(4).u32(meter.0),
            Self::Event { meter, height, record } => write_blob(w.u8(5).u32(meter.0).u64(*height), record),
            Self::Receipt { receipt, .. } => write_blob(w.u8(6), receipt),
            Self::Status { status, .. } => status.write(w.u8(7)),
            Self::Account { account, .. } => account.write(w.u8(8)),
            Self::Registry { entry, .. } => entry.write(w.u8(19)),
            Self::NotFinal { .. } => _ = w.u8(9),
            Self::NotHere { from_height, to_height, .. } => _ = w.u8(17).u64(*from_height).u64(*to_height),
            Self::Header { header, .. } => write_blob(w.u8(10), header),
            Self::Book { book, .. } => book.write(w.u8(11)),
            Self::Sequenced { receipt, .. } => write_blob(w.u8(12), receipt),
            Self::Evidence { total, items, .. } => {
                w.u8(16).u32(*total).u32(u32::try_from(items.len()).expect("fewer than total"));
                items.iter().for_each(|item| write_blob(&mut w, item));
            }
            Self::Taken { key: EvidenceKey { epoch, culprit, kind }, is_new, .. } => {
                w.u8(18).u32(*epoch).u16(culprit.0).u8(kind.number()).u8((*is_new).into());
            }
            Self::Certified { bundle, first_seq, header, .. } => {
                w.u8(13).bytes(&bundle.0).u64(*first_seq);
                w.u64(header.rank.view).u32(header.rank.slot).bytes(&header.hash.0);
            }
            Self::Facts { facts, next, .. } => {
                let FactPlace { period, seq, place } = next.unwrap_or_default();
                w.u8(20).u8(next.is_some().into()).u32(period.0).u64(seq).u32(place);
                write_blob(&mut w, facts);
            }
            Self::Bill { sums, next, .. } => {
                w.u8(23).u8(next.is_some().into()).u32(next.map_or(0, |next| next.0));
                write_blob(&mut w, sums);
            }
            Self::CertificateRecords { seqs, next, .. } => {
                w.u8(25).u8(next.is_some().into()).u64(next.unwrap_or(0));
                w.u32(u32::try_from(seqs.len()).expect("they fit into a frame"));
                seqs.iter().for_each(|seq| _ = w.u64(*seq));
            }
            Self::Extracts { extracts, left, .. } => {
                w.u8(21).u32(*left).u32(u32::try_from(extracts.len()).expect("they fit into a frame"));
                extracts.iter().for_each(|extract| write_blob(&mut w, extract));
            }
            Self::Certificates { records, next, .. } => {
                // Commands have numbers from 1.
                w.u8(42).u64(next.unwrap_or(0)).u32(u32::try_from(records.len()).expect("they fit into a frame"));
                records.iter().for_each(|record| write_blob(&mut w, record));
            }
            Self::AccountProof { proof, .. } => write_blob(w.u8(22), proof),
            Self::Conduct { book, .. } => book.write(w.u8(24)),
            Self::Grants { list, .. } => list.write(w.u8(41)),
            Self::Uses { page, .. } => page.write(w.u8(40)),
            Self::WatchEnded { meter, code } => _ = w.u8(43).u32(meter.0).u16(code.number()),
            Self::Epochs { proofs, .. } => {
                w.u8(14).u8(u8::try_from(proofs.len()).expect("at most EPOCHS_PER_ANSWER"));
                proofs.iter().for_each(|proof| write_blob(&mut w, proof));
            }
        }
        w.finish()
    }

    /// Reads a frame; refuses whatever [`Answer::encode`] would not have written.
    pub fn decode(frame: &[u8]) -> Result<Self, BytesError> {
        let mut r = Reader::new(frame);
        let request_id = r.u64()?;
        let answer = match r.u8()? {
            1 => Self::Refused { request_id, code: read_code(&mut r)? },
            2 => Self::Accepted { request_id, bundle: Hash(r.array()?) },
            3 => read_final(request_id, &mut r)?,
            4 => Self::Watching { request_id, meter: MeterId(r.u32()?) },
            5 | 43 if request_id != 0 => return Err(BytesError::Unknown),
            43 => Self::WatchEnded { meter: MeterId(r.u32()?), code: read_code(&mut r)? },
            5 => Self::Event { meter: MeterId(r.u32()?), height: r.u64()?, record: read_blob(&mut r)? },
            6 => Self::Receipt { request_id, receipt: read_blob(&mut r)? },
            7 => Self::Status { request_id, status: Status::read(&mut r)? },
            8 => Self::Account { request_id, account: AccountState::read(&mut r)? },
            19 => Self::Registry { request_id, entry: Box::new(RegistryEntry::read(&mut r)?) },
            9 => Self::NotFinal { request_id },
            17 => Self::NotHere { request_id, from_height: r.u64()?, to_height: r.u64()? },
            10 => Self::Header { request_id, header: read_blob(&mut r)? },
            11 => Self::Book { request_id, book: Box::new(Book::read(&mut r)?) },
            16 => read_evidence(request_id, &mut r)?,
            18 => Self::Taken { request_id, key: read_evidence_key(&mut r)?, is_new: read_flag(&mut r)? },
            12 => Self::Sequenced { request_id, receipt: read_blob(&mut r)? },
            13 => Self::Certified {
                request_id,
                bundle: Hash(r.array()?),
                first_seq: r.u64()?,
                header: HeaderRef { rank: Rank { view: r.u64()?, slot: r.u32()? }, hash: Hash(r.array()?) },
            },
            14 => read_epochs(request_id, &mut r)?,
            20 => {
                let (more, period) = (read_flag(&mut r)?, DeliveryPeriod(r.u32()?));
                let next = FactPlace { period, seq: r.u64()?, place: r.u32()? };
                if !more && next != FactPlace::default() {
                    return Err(BytesError::Padding);
                }
                Self::Facts { request_id, facts: read_blob(&mut r)?, next: more.then_some(next) }
            }
            23 => {
                let (more, next) = (read_flag(&mut r)?, DeliveryPeriod(r.u32()?));
                if !more && next != DeliveryPeriod(0) {
                    return Err(BytesError::Padding);
                }
                Self::Bill { request_id, sums: read_blob(&mut r)?, next: more.then_some(next) }
            }
            25 => {
                let (more, next) = (read_flag(&mut r)?, r.u64()?);
                if !more && next != 0 {
                    return Err(BytesError::Padding);
                }
                Self::CertificateRecords {
                    request_id,
                    seqs: read_all(&mut r, |r| r.u64())?,
                    next: more.then_some(next),
                }
            }
            42 => {
                let next = Some(r.u64()?).filter(|next| *next > 0);
                let count = r.u32()?;
                if count > RECORDS_MAX {
                    return Err(BytesError::TooLong);
                }
                let records = (0..count).map(|_| read_blob(&mut r)).collect::<Result<_, _>>()?;
                Self::Certificates { request_id, records, next }
            }
            21 => Self::Extracts { request_id, left: r.u32()?, extracts: read_all(&mut r, read_blob)? },
            22 => Self::AccountProof { request_id, proof: read_blob(&mut r)? },
            24 => Self::Conduct { request_id, book: Box::new(ConductBook::read(&mut r)?) },
            41 => Self::Grants { request_id, list: Box::new(GrantList::read(&mut r)?) },
            40 => Self::Uses { request_id, page: UsePage::read(&mut r)? },
            _ => return Err(BytesError::Unknown),
        };
        r.finish()?;
        Ok(answer)
    }
}

fn read_code(r: &mut Reader<'_>) -> Result<Code, BytesError> {
    Code::from_number(r.u16()?).ok_or(BytesError::Unknown)
}

/// As many as are said in front of them. The count allocates nothing: they are read until it is reached or the bytes end.
fn read_all<T>(
    r: &mut Reader<'_>,
    read: impl Fn(&mut Reader<'_>) -> Result<T, BytesError>,
) -> Result<Vec<T>, BytesError> {
    let mut all = Vec::new();
    for _ in 0..r.u32()? {
        all.push(read(r)?);
    }
    Ok(all)
}

fn read_epochs(request_id: RequestId, r: &mut Reader<'_>) -> Result<Answer, BytesError> {
    let count = r.u8()?;
    if usize::from(count) > EPOCHS_PER_ANSWER {
        return Err(BytesError::TooLong);
    }
    let proofs = (0..count).map(|_| read_blob(r)).collect::<Result<_, _>>()?;
    Ok(Answer::Epochs { request_id, proofs })
}

fn read_final(request_id: RequestId, r: &mut Reader<'_>) -> Result<Answer, BytesError> {
    let (bundle, height, first_seq) = (Hash(r.array()?), r.u64()?, r.u64()?);
    let count = r.u32()?;
    if count > RECORDS_MAX {
        return Err(BytesError::TooLong);
    }
    let records = (0..count).map(|_| read_blob(r)).collect::<Result<_, _>>()?;
    Ok(Answer::Final { request_id, bundle, height, first_seq, records })
}

fn read_evidence(request_id: RequestId, r: &mut Reader<'_>) -> Result<Answer, BytesError> {
    let (total, count) = (r.u32()?, r.u32()?);
    if count > total {
        return Err(BytesError::TooLong);
    }
    // The count allocates nothing: items are read until it is reached or the bytes end.
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(read_blob(r)?);
    }
    Ok(Answer::Evidence { request_id, total, items })
}

fn read_evidence_key(r: &mut Reader<'_>) -> Result<EvidenceKey, BytesError> {
    Ok(EvidenceKey {
        epoch: r.u32()?,
        culprit: ValidatorIndex(r.u16()?),
        kind: EvidenceKind::from_number(r.u8()?).ok_or(BytesError::Unknown)?,
    })
}

#[cfg(test)]
mod tests;
