//! What the desk proves of what is final: receipts, headers, accounts.

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::epoch::EpochProof;
use gridbook_ledger::header::Header;
use gridbook_ledger::merkle::Path;
use gridbook_ledger::receipt::{AccountProof, Receipt};
use gridbook_ledger::record::{Record, leaf_hash};
use gridbook_ledger::reject::Code;
use gridbook_ledger::replica::FinalProof;
use gridbook_ledger::store::{QueryIndex, StoreError};

use super::entries::{missing, split_records};
use super::{Desk, ProvenAccount};
use crate::protocol::{Answer, CertificateLink, RequestId};
use crate::validator::whole_records::RecordReader;

impl Desk {
    pub(super) fn receipt_answer(&self, request_id: RequestId, bundle: Hash, index: u16) -> Result<Answer, StoreError> {
        if let Some(receipt) = self.receipt(bundle, index)? {
            return Ok(Answer::Receipt { request_id, receipt: receipt.encode() });
        }
        let elsewhere = if self.index.bundle(bundle)?.is_none() { self.not_here(request_id) } else { None };
        Ok(elsewhere.unwrap_or(Answer::NotFinal { request_id }))
    }

    /// What is final at a place, for somebody who may see it.
    pub(super) fn receipt_for(
        &self,
        request_id: RequestId,
        seq: u64,
        reader: &RecordReader,
        life: Option<CertificateLink>,
    ) -> Result<Answer, StoreError> {
        let answer = self.receipt_answer_at(request_id, seq)?;
        let Answer::Receipt { .. } = &answer else { return Ok(answer) };
        let Some(record) = self.record_at(seq)? else { return Ok(Answer::NotFinal { request_id }) };
        if reader.may_see(&record) || life.is_some_and(|life| self.is_traced(&record, reader, life)) {
            return Ok(answer);
        }
        self.shared.metrics.refuse(Code::AuthForeign.name());
        Ok(Answer::Refused { request_id, code: Code::AuthForeign })
    }

    fn is_traced(&self, record: &Record, reader: &RecordReader, life: CertificateLink) -> bool {
        let CertificateLink { range, own, by } = life;
        // What cannot be read proves nothing.
        let [Ok(Some(own)), Ok(Some(by))] = [own, by].map(|seq| self.record_at(seq)) else { return false };
        reader.may_trace(&range, &own, &by, record)
    }

    fn record_at(&self, seq: u64) -> Result<Option<Record>, StoreError> {
        let Some(height) = self.index.height_of_seq(seq)? else { return Ok(None) };
        let Some(blob) = self.index.records(height)? else { return Ok(None) };
        let records = split_records(&blob).into_iter().filter_map(|bytes| Record::decode(bytes).ok());
        Ok(records.into_iter().find(|record| record.seq == seq))
    }

    pub(super) fn receipt_answer_at(&self, request_id: RequestId, seq: u64) -> Result<Answer, StoreError> {
        if let Some(receipt) = self.receipt_at(seq)? {
            return Ok(Answer::Receipt { request_id, receipt: receipt.encode() });
        }
        let Some((_, to_height)) = missing(&self.index) else { return Ok(Answer::NotFinal { request_id }) };
        let above = self.history.header(to_height + 1)?;
        let may_be_missing = above.is_none_or(|indexed| seq < indexed.proposal.header.first_seq);
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

    /// The receipt of one command of a bundle.
    fn receipt(&self, bundle: Hash, index: u16) -> Result<Option<Receipt>, StoreError> {
        let Some(place) = self.index.bundle(bundle)? else { return Ok(None) };
        let receipt = self.receipt_in(place.height, place.first_seq.saturating_add(index.into()))?;
        let of_bundle = |receipt: &Receipt| Record::decode(&receipt.record).is_ok_and(|record| record.entry == bundle);
        Ok(receipt.filter(of_bundle))
    }

    /// The receipt of the command with a sequence number.
    fn receipt_at(&self, seq: u64) -> Result<Option<Receipt>, StoreError> {
        match self.index.height_of_seq(seq)? {
            Some(height) => self.receipt_in(height, seq),
            None => Ok(None),
        }
    }

    fn receipt_in(&self, height: u64, seq: u64) -> Result<Option<Receipt>, StoreError> {
        let Some(blob) = self.index.records(height)? else { return Ok(None) };
        let Some((headers, proof)) = self.proof_of(height)? else { return Ok(None) };
        let records = split_records(&blob);
        let leaf = headers.first().and_then(|header| seq.checked_sub(header.first_seq));
        let Some(leaf) = leaf.and_then(|leaf| usize::try_from(leaf).ok()).filter(|leaf| *leaf < records.len()) else {
            return Ok(None);
        };
        let leaves: Vec<Hash> = records.iter().map(|record| leaf_hash(record)).collect();
        let Some(path) = Path::build(&leaves, leaf) else { return Ok(None) };
        let record = records[leaf].to_vec();
        let epochs = self.shared.epochs();
        let Some(epochs) = epochs.proofs_to(proof.qc.epoch).map(<[EpochProof]>::to_vec) else { return Ok(None) };
        let headers = headers.into_iter().chain(proof.via).collect();
        Ok(Some(Receipt { epochs, record, path, headers, child: proof.child, qc: proof.qc }))
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
