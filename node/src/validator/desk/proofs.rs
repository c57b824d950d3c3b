//! What the desk proves of what is final: receipts, headers, accounts.

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::epoch::EpochProof;
use gridbook_ledger::header::Header;
use gridbook_ledger::receipt::{AccountProof, Receipt};
use gridbook_ledger::record::Record;
use gridbook_ledger::reject::Code;
use gridbook_ledger::replica::FinalProof;
use gridbook_ledger::store::{BundlePlace, QueryIndex, StoreError};
use gridbook_net::ConnectionId;

use super::entries::missing;
use super::{Desk, ProvenAccount, RecordName};
use crate::protocol::{Answer, CertificateLink, RequestId};
use crate::validator::heights::{Heights, frames_for};
use crate::validator::whole_records::RecordReader;

/// A final record among the others of its header.
struct FoundRecord {
    height: u64,
    /// Its place among them.
    leaf: usize,
    record: Record,
    bytes: Vec<u8>,
}

/// Why a question has no answer.
pub(super) enum Unanswered {
    /// Its client has not enough left of his quota for what it costs.
    Refused(Code),
    /// The index failed.
    Store(StoreError),
}

impl From<StoreError> for Unanswered {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Desk {
    /// The receipt of a record, for somebody who may see it. Whether he may is asked before anything is proven. Where it lies in a height that is not
    /// kept, the client pays for that.
    pub(super) fn receipt_answer(
        &self,
        (connection, request_id): (ConnectionId, RequestId),
        of: RecordName,
        may_see: impl FnOnce(&Record) -> bool,
    ) -> Result<Answer, StoreError> {
        let found = match self.find(connection, of) {
            Ok(Some(found)) => found,
            Ok(None) => return self.no_receipt(request_id, of),
            Err(unanswered) => return self.refused(request_id, unanswered),
        };
        if !may_see(&found.record) {
            return self.refused(request_id, Unanswered::Refused(Code::AuthForeign));
        }
        match self.prove(found)? {
            Some(receipt) => Ok(Answer::Receipt { request_id, receipt: receipt.encode() }),
            None => self.no_receipt(request_id, of),
        }
    }

    /// What is told in the place of an answer.
    pub(super) fn refused(&self, request_id: RequestId, unanswered: Unanswered) -> Result<Answer, StoreError> {
        match unanswered {
            Unanswered::Refused(code) => {
                self.shared.metrics.refuse(code.name());
                Ok(Answer::Refused { request_id, code })
            }
            Unanswered::Store(error) => Err(error),
        }
    }

    /// Whether a client may see a record: by itself, or because it belongs to the life of certificates that he had.
    pub(super) fn may_see(
        &self,
        connection: ConnectionId,
        record: &Record,
        reader: &RecordReader,
        life: Option<CertificateLink>,
    ) -> bool {
        reader.may_see(record) || life.is_some_and(|life| self.is_traced(connection, record, reader, life))
    }

    fn is_traced(
        &self,
        connection: ConnectionId,
        record: &Record,
        reader: &RecordReader,
        CertificateLink { range, own, by }: CertificateLink,
    ) -> bool {
        // What cannot be read, or is not paid for, proves nothing.
        let found = [own, by].map(|seq| self.find(connection, RecordName::Seq(seq)));
        let [Ok(Some(own)), Ok(Some(by))] = found else { return false };
        reader.may_trace(&range, &own.record, &by.record, record)
    }

    /// That something is not final, or may be final where the index has a gap.
    fn no_receipt(&self, request_id: RequestId, of: RecordName) -> Result<Answer, StoreError> {
        let may_be_missing = match of {
            RecordName::Command { bundle, .. } => self.index.bundle(bundle)?.is_none(),
            RecordName::Seq(seq) => match missing(&self.index) {
                Some((_, to_height)) => {
                    let above = self.history.header(to_height + 1)?;
                    above.is_none_or(|indexed| seq < indexed.proposal.header.first_seq)
                }
                None => false,
            },
        };
        let elsewhere = if may_be_missing { self.not_here(request_id) } else { None };
        Ok(elsewhere.unwrap_or(Answer::NotFinal { request_id }))
    }

    pub(super) fn header_answer(&self, request_id: RequestId, height: u64) -> Result<Answer, StoreError> {
        if let Some(indexed) = self.history.header(height)? {
            return Ok(Answer::Header { request_id, header: indexed.proposal.header.encode() });
        }
        let is_missing = missing(&self.index).is_some_and(|(from, to)| (from..=to).contains(&height));
        let elsewhere = if is_missing { self.not_here(request_id) } else { None };
        Ok(elsewhere.unwrap_or(Answer::NotFinal { request_id }))
    }

    pub(super) fn account_proof(&self, request_id: RequestId, proven: ProvenAccount) -> Result<Answer, StoreError> {
        let ProvenAccount { height, account, state, proof } = proven;
        let Some((headers, last)) = self.proof_of(height)? else {
            return Ok(self.not_here(request_id).unwrap_or(Answer::NotFinal { request_id }));
        };
        let epochs = self.shared.epochs();
        let Some(epochs) = epochs.proofs_to(last.qc.epoch).map(<[EpochProof]>::to_vec) else {
            return Ok(Answer::NotFinal { request_id });
        };
        let headers = headers.into_iter().chain(last.via).collect();
        let proof = AccountProof { epochs, account, state, proof, headers, child: last.child, qc: last.qc };
        Ok(Answer::AccountProof { request_id, proof: proof.encode() })
    }

    /// A final record, where the index has it.
    fn find(&self, connection: ConnectionId, name: RecordName) -> Result<Option<FoundRecord>, Unanswered> {
        let (height, seq) = match name {
            RecordName::Seq(seq) => match self.index.height_of_seq(seq)? {
                Some(height) => (height, seq),
                None => return Ok(None),
            },
            RecordName::Command { bundle, index } => match self.index.bundle(bundle)? {
                Some(place) => (place.height, place.first_seq.saturating_add(index.into())),
                None => return Ok(None),
            },
        };
        let mut heights = self.heights.borrow_mut();
        self.pay_for(connection, &mut heights, height)?;
        let Some(records) = heights.read(&*self.index, height)? else { return Ok(None) };
        let Some((leaf, bytes)) = records.leaf_of(seq).and_then(|leaf| Some((leaf, records.bytes(leaf)?.to_vec())))
        else {
            return Ok(None);
        };
        let Ok(record) = Record::decode(&bytes) else { return Ok(None) };
        let is_it = match name {
            RecordName::Seq(seq) => record.seq == seq,
            // Behind the bundle's last command stands the next entry's.
            RecordName::Command { bundle, .. } => record.entry == bundle,
        };
        Ok(is_it.then_some(FoundRecord { height, leaf, record, bytes }))
    }

    /// Has a height read, and its client charged for that if it was not kept.
    fn pay_for(&self, connection: ConnectionId, heights: &mut Heights, height: u64) -> Result<(), Unanswered> {
        let before = heights.bytes_read();
        heights.read(&*self.index, height)?;
        let frames = frames_for(heights.bytes_read() - before);
        if frames > 0 && self.meters.charge(connection, frames).is_err() {
            heights.forget(height);
            return Err(Unanswered::Refused(Code::QuotaRate));
        }
        Ok(())
    }

    fn prove(&self, FoundRecord { height, leaf, bytes, .. }: FoundRecord) -> Result<Option<Receipt>, StoreError> {
        let Some((headers, proof)) = self.proof_of(height)? else { return Ok(None) };
        let Some(path) = self.heights.borrow_mut().path(&*self.index, height, leaf)? else { return Ok(None) };
        let epochs = self.shared.epochs();
        let Some(epochs) = epochs.proofs_to(proof.qc.epoch).map(<[EpochProof]>::to_vec) else { return Ok(None) };
        let headers = headers.into_iter().chain(proof.via).collect();
        Ok(Some(Receipt { epochs, record: bytes, path, headers, child: proof.child, qc: proof.qc }))
    }

    /// The records of a bundle at its place.
    pub(super) fn records_of(
        &self,
        connection: ConnectionId,
        bundle: Hash,
        BundlePlace { first_seq, height }: BundlePlace,
    ) -> Result<Option<Vec<Vec<u8>>>, Unanswered> {
        let mut heights = self.heights.borrow_mut();
        self.pay_for(connection, &mut heights, height)?;
        let Some(records) = heights.read(&*self.index, height)? else { return Ok(None) };
        let of_bundle = (first_seq..).map_while(|seq| {
            let bytes = records.bytes(records.leaf_of(seq)?)?;
            let is_own = Record::decode(bytes).is_ok_and(|record| record.entry == bundle);
            is_own.then(|| bytes.to_vec())
        });
        Ok(Some(of_bundle.collect()))
    }

    /// The headers from a height to the first one that was made final by its own child, and that proof.
    fn proof_of(&self, height: u64) -> Result<Option<(Vec<Header>, FinalProof)>, StoreError> {
        let mut headers = Vec::new();
        for height in height.. {
            let Some(indexed) = self.history.header(height)? else { break };
            headers.push(indexed.proposal.header);
            if let Some(proof) = indexed.proof {
                return Ok(Some((headers, proof)));
            }
        }
        Ok(None)
    }
}
