//! What became of a meter's certificates of origin.

use std::collections::BTreeSet;

use gridbook_engine::MeterId;
use gridbook_ledger::origin::CertificateRange;
use gridbook_ledger::record::Record;

use super::{Client, ClientError, unexpected};
use crate::protocol::{Answer, QueryKind, RequestBody, SignedQuery};

impl Client {
    /// Everything that the ledger told of a meter's certificates since its account has it, from a command on: records with only those
    /// events, in the ledger's order. `sign` signs a question with the asker's key.
    pub async fn certificates(
        &self,
        sign: impl Fn(QueryKind) -> SignedQuery,
        meter: MeterId,
        from_seq: u64,
    ) -> Result<Vec<Record>, ClientError> {
        let (mut all, mut from_seq) = (Vec::new(), from_seq);
        loop {
            let query = sign(QueryKind::Certificates { meter, from_seq });
            let (records, next) = match self.answer(RequestBody::Ask(query)).await? {
                Answer::Certificates { records, next, .. } => (records, next),
                other => return Err(unexpected(&other)),
            };
            let records = records.iter().map(|bytes| Record::decode(bytes)).collect::<Result<Vec<_>, _>>();
            all.extend(records.map_err(|error| ClientError::Protocol(format!("a record: {error}")))?);
            match next {
                // Going backwards would never end.
                Some(next) if next <= from_seq => {
                    return Err(ClientError::Protocol("certificates that never end".into()));
                }
                Some(next) => from_seq = next,
                None => return Ok(all),
            }
        }
    }

    /// The numbers of all records that tell of any of these certificates, and of the readings that the issue and the claims of all of them were
    /// measured by: with the trades that they name, what a proof of their life takes, where all went one way. At most `count_max`, or none are told.
    pub async fn certificate_records(
        &self,
        range: CertificateRange,
        count_max: usize,
    ) -> Result<Option<BTreeSet<u64>>, ClientError> {
        let (mut all, mut from_seq) = (BTreeSet::new(), 0);
        loop {
            let body = RequestBody::CertificateRecords { range, from_seq };
            let (seqs, next) = match self.answer(body).await? {
                Answer::CertificateRecords { seqs, next, .. } => (seqs, next),
                other => return Err(unexpected(&other)),
            };
            all.extend(seqs);
            match next {
                _ if all.len() > count_max => return Ok(None),
                // Going backwards would never end.
                Some(next) if next <= from_seq => return Err(ClientError::Protocol("records that never end".into())),
                Some(next) => from_seq = next,
                None => return Ok(Some(all)),
            }
        }
    }
}
