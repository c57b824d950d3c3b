//! What a client asks of a validator.

use gridbook_engine::{AreaId, Contract, DeliveryPeriod};
use gridbook_ledger::bytes::{BytesError, Reader, Writer};
use gridbook_ledger::origin::CertificateRange;

use super::{RegistrySubject, RequestId, SignedQuery, read_blob, read_range, write_blob, write_range};

/// A numbered request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its number; the answers carry it.
    pub request_id: RequestId,
    /// What is asked.
    pub body: RequestBody,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestBody {
    /// Put these bytes of a signed bundle on the ledger. Answered by `Accepted`, then by `Sequenced` and `Certified` when this validator
    /// hears of them before it is final (several times if a leader fails), and last by `Final`; or once, by `Refused`, or by `NotHere` if it was perhaps final already.
    Submit(Vec<u8>),
    /// Send what happens to the orders of the query's meter. Answered by `Watching`, then by an `Event` each time.
    Watch(SignedQuery),
    /// What is final at one of the places that a leader gave its word on. Whoever has the word, a gateway without the meter's key too, is told of the
    /// bundle that it is on. At its first and its last place he is told also where the record is another's: that decides whether the word was kept.
    /// Answered by `Receipt`, `NotFinal`, `NotHere`, or by `Refused` for a word that proves nothing and for others' records.
    Settled {
        /// Bytes of a [`SequencedReceipt`](gridbook_ledger::sequenced::SequencedReceipt).
        word: Vec<u8>,
        /// Which of its places, from 0.
        index: u64,
    },
    /// What is proven against validators, from the item of this number on. Answered by `Evidence`; it is open to all, for it proves itself.
    Evidence {
        /// The first item wanted, from 0.
        from: u32,
    },
    /// Keep these bytes of evidence against a validator, and tell the others. Answered by `Taken`, once it is on the disk, or by `Refused`. Open
    /// to all, for it proves itself; it is charged as many requests.
    HandIn(Vec<u8>),
    /// How the validator and the ledger stand. Answered by `Status`.
    Status,
    /// The account of the query's meter. Answered by `Account`.
    Account(SignedQuery),
    /// What the registry says of somebody, as far as the query's key may know. Answered by `Registry`.
    Registry {
        /// Who asks.
        query: SignedQuery,
        /// Who is asked about.
        subject: RegistrySubject,
    },
    /// Facts, a bill, extracts, certificates, a receipt, a proof or conduct, as the query says. Answered by `Facts`, `Bill`, `Extracts`, `Certificates`,
    /// `Receipt`, `AccountProof` or `Conduct`, by `NotHere` where some of it
    /// may be missing, or by `Refused`: others' data are not told.
    Ask(SignedQuery),
    /// Which records tell of certificates of origin, from one record on, and which readings bear out what is told of all of them: of certificates that
    /// went different ways each part is asked for. Answered by `CertificateRecords`, or by `NotHere`. It is
    /// open to all, for numbers tell nothing of what is in the records, and charged as many requests.
    CertificateRecords {
        /// Which certificates.
        range: CertificateRange,
        /// The first record wanted, by its sequence number.
        from_seq: u64,
    },
    /// The final header at a height. Answered by `Header`, `NotFinal` or `NotHere`.
    Header {
        /// The header's number in the chain.
        height: u64,
    },
    /// What rests in a contract's book. Answered by `Book`; books are open to all.
    Book(Contract),
    /// Put these bytes of a change of validators on the ledger. Answered as `Submit`.
    Reconfigure(Vec<u8>),
    /// How epochs ended. Answered by `Epochs`.
    Epochs {
        /// The first epoch whose end is wanted.
        from: u32,
    },
}

impl Request {
    /// The frame. Tags 3 and 22 were receipts that were told without a key, and stand for nothing else.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u64(self.request_id);
        match &self.body {
            RequestBody::Submit(bundle) => write_blob(w.u8(1), bundle),
            RequestBody::Watch(query) => query.write(w.u8(2)),
            RequestBody::Status => _ = w.u8(4),
            RequestBody::Account(query) => query.write(w.u8(5)),
            RequestBody::Registry { query, subject } => {
                query.write(w.u8(19));
                subject.write(&mut w);
            }
            RequestBody::Ask(query) => query.write(w.u8(20)),
            RequestBody::CertificateRecords { range, from_seq } => {
                write_range(w.u8(21), *range);
                w.u64(*from_seq);
            }
            RequestBody::Header { height } => _ = w.u8(6).u64(*height),
            RequestBody::Settled { word, index } => write_blob(w.u8(23).u64(*index), word),
            RequestBody::Evidence { from } => _ = w.u8(16).u32(*from),
            RequestBody::HandIn(evidence) => write_blob(w.u8(18), evidence),
            RequestBody::Book(Contract { area, period }) => _ = w.u8(7).u16(area.0).u32(period.0),
            RequestBody::Reconfigure(change) => write_blob(w.u8(9), change),
            RequestBody::Epochs { from } => _ = w.u8(10).u32(*from),
        }
        w.finish()
    }

    /// Reads a frame; refuses whatever [`Request::encode`] would not have written.
    pub fn decode(frame: &[u8]) -> Result<Self, BytesError> {
        let mut r = Reader::new(frame);
        let request_id = r.u64()?;
        let body = match r.u8()? {
            1 => RequestBody::Submit(read_blob(&mut r)?),
            2 => RequestBody::Watch(SignedQuery::read(&mut r)?),
            4 => RequestBody::Status,
            5 => RequestBody::Account(SignedQuery::read(&mut r)?),
            19 => {
                let query = SignedQuery::read(&mut r)?;
                RequestBody::Registry { query, subject: RegistrySubject::read(&mut r)? }
            }
            20 => RequestBody::Ask(SignedQuery::read(&mut r)?),
            21 => RequestBody::CertificateRecords { range: read_range(&mut r)?, from_seq: r.u64()? },
            6 => RequestBody::Header { height: r.u64()? },
            7 => RequestBody::Book(Contract { area: AreaId(r.u16()?), period: DeliveryPeriod(r.u32()?) }),
            23 => {
                let index = r.u64()?;
                RequestBody::Settled { word: read_blob(&mut r)?, index }
            }
            16 => RequestBody::Evidence { from: r.u32()? },
            18 => RequestBody::HandIn(read_blob(&mut r)?),
            9 => RequestBody::Reconfigure(read_blob(&mut r)?),
            10 => RequestBody::Epochs { from: r.u32()? },
            _ => return Err(BytesError::Unknown),
        };
        r.finish()?;
        Ok(Self { request_id, body })
    }
}

#[cfg(test)]
mod tests {
    use gridbook_engine::{AccountId, Energy, LedgerTime, MeterId};
    use gridbook_ledger::crypto::{Hash, SecretKey};
    use gridbook_ledger::evidence::EVIDENCE_BYTES_MAX;
    use gridbook_ledger::origin::CertificateRange;
    use gridbook_ledger::registry::OrganisationId;
    use gridbook_ledger::store::{FactOwner, FactPlace};

    use super::*;
    use crate::protocol::{CertificateLink, ConductSubject, QueryKind, request_id_of};

    fn facts(owner: FactOwner) -> QueryKind {
        let from = FactPlace { period: DeliveryPeriod(9), seq: 3, place: 2 };
        QueryKind::Facts { owner, from, to: DeliveryPeriod(10) }
    }

    fn range() -> CertificateRange {
        CertificateRange::new(AreaId(3), 1_001, Energy(500)).expect("a range")
    }

    fn link() -> CertificateLink {
        CertificateLink { range: range(), own: 812, by: 1 << 40 }
    }

    fn one_of_each() -> Vec<Request> {
        let key = SecretKey::from_seed([7; 32]);
        let query = |kind| SignedQuery::sign(Hash([1; 32]), kind, LedgerTime(5), &key);
        let bodies = vec![
            RequestBody::Submit(vec![1, 2, 3]),
            RequestBody::Submit(Vec::new()),
            RequestBody::Watch(query(QueryKind::Watch)),
            RequestBody::Settled { word: vec![7; 300], index: 1 << 40 },
            RequestBody::Settled { word: vec![7], index: 0 },
            RequestBody::Ask(query(QueryKind::BundleReceipt { bundle: Hash([9; 32]), index: 1_023, of: None })),
            RequestBody::Ask(query(QueryKind::BundleReceipt { bundle: Hash([9; 32]), index: 0, of: Some(MeterId(0)) })),
            RequestBody::Ask(query(QueryKind::Receipt { seq: 1 << 40, of: None, life: None })),
            RequestBody::Ask(query(QueryKind::Receipt { seq: 9, of: Some(MeterId(0)), life: Some(link()) })),
            RequestBody::Ask(query(QueryKind::AreaFacts {
                area: AreaId(3),
                from: FactPlace { period: DeliveryPeriod(9), seq: 3, place: 2 },
                to: DeliveryPeriod(10),
            })),
            RequestBody::Evidence { from: 3 },
            RequestBody::HandIn(vec![2; 900]),
            RequestBody::Status,
            RequestBody::Account(query(QueryKind::Account)),
            RequestBody::Registry {
                query: query(QueryKind::Registry),
                subject: RegistrySubject::Organisation(OrganisationId(3)),
            },
            RequestBody::Registry { query: query(QueryKind::Registry), subject: RegistrySubject::Meter(MeterId(3)) },
            RequestBody::Registry {
                query: query(QueryKind::Registry),
                subject: RegistrySubject::Account(AccountId(3)),
            },
            RequestBody::Ask(query(facts(FactOwner::Meter(MeterId(7))))),
            RequestBody::Ask(query(facts(FactOwner::Area(AreaId(7))))),
            RequestBody::Ask(query(facts(FactOwner::All))),
            RequestBody::CertificateRecords { range: range(), from_seq: 1 << 40 },
            RequestBody::Ask(query(QueryKind::Bill {
                meter: MeterId(7),
                from: DeliveryPeriod(9),
                to: DeliveryPeriod(10),
            })),
            RequestBody::Ask(query(QueryKind::Extracts { account: AccountId(8), from_seq: 1 << 40, from_byte: 5 })),
            RequestBody::Ask(query(QueryKind::Proof { account: AccountId(8) })),
            RequestBody::Ask(query(QueryKind::Certificates { meter: MeterId(8), from_seq: 1 << 40 })),
            RequestBody::Ask(query(QueryKind::Conduct(ConductSubject::Own))),
            RequestBody::Ask(query(QueryKind::Conduct(ConductSubject::Account(AccountId(8))))),
            RequestBody::Ask(query(QueryKind::Conduct(ConductSubject::Meter(MeterId(8))))),
            RequestBody::Ask(query(QueryKind::Conduct(ConductSubject::Appealed { from: 1 << 40 }))),
            RequestBody::Ask(query(QueryKind::Conduct(ConductSubject::Validators { from: 1 << 40 }))),
            RequestBody::Ask(query(QueryKind::Grants { meter: MeterId(7) })),
            RequestBody::Ask(query(QueryKind::Uses { meter: MeterId(7), from: 1 << 40 })),
            RequestBody::Header { height: 77 },
            RequestBody::Book(Contract { area: AreaId(3), period: DeliveryPeriod(1_975_632) }),
            RequestBody::Reconfigure(vec![1; 500]),
            RequestBody::Epochs { from: 3 },
        ];
        bodies.into_iter().zip(100..).map(|(body, request_id)| Request { request_id, body }).collect()
    }

    #[test]
    fn every_request_comes_back_as_it_was_sent() {
        for request in one_of_each() {
            assert_eq!(Request::decode(&request.encode()), Ok(request));
        }
    }

    #[test]
    fn a_request_cut_short_anywhere_or_with_a_byte_more_is_refused() {
        for request in one_of_each() {
            let frame = request.encode();
            for length in 0..frame.len() {
                assert_eq!(
                    Request::decode(&frame[..length]),
                    Err(BytesError::Truncated),
                    "{request:?} cut to {length}"
                );
            }
            let longer = [&frame[..], &[0]].concat();
            assert_eq!(Request::decode(&longer), Err(BytesError::Trailing), "{request:?}");
        }
    }

    #[test]
    fn an_unknown_tag_is_refused_and_still_names_its_request() {
        let mut frame = Request { request_id: 42, body: RequestBody::Status }.encode();
        for tag in [0, 3, 8, 11, 22, 255] {
            frame[8] = tag;
            assert_eq!(Request::decode(&frame), Err(BytesError::Unknown));
            assert_eq!(request_id_of(&frame), Some(42));
        }
        assert_eq!(request_id_of(&frame[..7]), None);
    }

    /// The longest evidence there is, with what stands in front of it, is a request that the wire lets through.
    #[test]
    fn evidence_of_any_legal_length_fits_into_a_request() {
        let request = Request { request_id: 1, body: RequestBody::HandIn(vec![0; EVIDENCE_BYTES_MAX]) };
        assert!(request.encode().len() <= gridbook_net::REQUEST_BYTES_MAX);
    }

    /// No certificates, those numbered from 0, or beyond all numbers, cannot be asked for.
    #[test]
    fn a_range_that_is_none_is_refused() {
        let body = RequestBody::CertificateRecords { range: range(), from_seq: 1 };
        let frame = Request { request_id: 1, body }.encode();
        for (at, wrong) in [(11, 0), (19, 0), (19, u64::MAX)] {
            let mut frame = frame.clone();
            frame[at..at + 8].copy_from_slice(&wrong.to_le_bytes());
            assert_eq!(Request::decode(&frame), Err(BytesError::Unknown));
        }
    }

    #[test]
    fn a_bundle_length_beyond_the_frame_allocates_nothing() {
        let mut frame = Request { request_id: 1, body: RequestBody::Submit(vec![5]) }.encode();
        frame[9..13].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Request::decode(&frame), Err(BytesError::Truncated));
    }
}
