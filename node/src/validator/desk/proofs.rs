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
use super::{Desk, ProvenAccount, RecordName};
use crate::protocol::{Answer, CertificateLink, RequestId};
use crate::validator::whole_records::RecordReader;

/// A final record among the others of its header.
struct FoundRecord {
    height: u64,
    /// Its place among them.
    leaf: usize,
    record: Record,
    /// All of them, as the index holds them.
    records: Vec<u8>,
}

impl Desk {
    /// The receipt of a record, for somebody who may see it. Whether he may is asked before anything is proven.
    pub(super) fn receipt_answer(
        &self,
        request_id: RequestId,
        of: RecordName,
        may_see: impl FnOnce(&Record) -> bool,
    ) -> Result<Answer, StoreError> {
        let Some(found) = self.find(of)? else { return self.no_receipt(request_id, of) };
        if !may_see(&found.record) {
            self.shared.metrics.refuse(Code::AuthForeign.name());
            return Ok(Answer::Refused { request_id, code: Code::AuthForeign });
        }
        match self.prove(&found)? {
            Some(receipt) => Ok(Answer::Receipt { request_id, receipt: receipt.encode() }),
            None => self.no_receipt(request_id, of),
        }
    }

    /// Whether somebody may see a record: by itself, or because it belongs to the life of certificates that he had.
    pub(super) fn may_see(&self, record: &Record, reader: &RecordReader, life: Option<CertificateLink>) -> bool {
        reader.may_see(record) || life.is_some_and(|life| self.is_traced(record, reader, life))
    }

    fn is_traced(&self, record: &Record, reader: &RecordReader, life: CertificateLink) -> bool {
        let CertificateLink { range, own, by } = life;
        // What cannot be read proves nothing.
        let [Ok(Some(own)), Ok(Some(by))] = [own, by].map(|seq| self.find(RecordName::Seq(seq))) else { return false };
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
    fn find(&self, name: RecordName) -> Result<Option<FoundRecord>, StoreError> {
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
        let Some(records) = self.index.records(height)? else { return Ok(None) };
        let Some(header) = self.history.header(height)?.map(|indexed| indexed.proposal.header) else { return Ok(None) };
        let leaf = seq.checked_sub(header.first_seq).and_then(|leaf| usize::try_from(leaf).ok());
        let Some(leaf) = leaf else { return Ok(None) };
        let Some(record) = split_records(&records).get(leaf).and_then(|bytes| Record::decode(bytes).ok()) else {
            return Ok(None);
        };
        let is_it = match name {
            RecordName::Seq(seq) => record.seq == seq,
            // Behind the bundle's last command stands the next entry's.
            RecordName::Command { bundle, .. } => record.entry == bundle,
        };
        Ok(is_it.then_some(FoundRecord { height, leaf, record, records }))
    }

    fn prove(&self, FoundRecord { height, leaf, records, .. }: &FoundRecord) -> Result<Option<Receipt>, StoreError> {
        let Some((headers, proof)) = self.proof_of(*height)? else { return Ok(None) };
        let records = split_records(records);
        let leaves: Vec<Hash> = records.iter().map(|record| leaf_hash(record)).collect();
        let Some(path) = Path::build(&leaves, *leaf) else { return Ok(None) };
        let record = records[*leaf].to_vec();
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
