//! What became of a meter's certificates of origin.

use gridbook_engine::MeterId;
use gridbook_ledger::record::Record;

use super::{Client, ClientError, unexpected};
use crate::protocol::{Answer, QueryKind, RequestBody, SignedQuery};

impl Client {
    /// Everything that the ledger told of a meter's certificates since its account has it: records with only those events, in the
    /// ledger's order. `sign` signs a question with the asker's key.
    pub async fn certificates(
        &self,
        sign: impl Fn(QueryKind) -> SignedQuery,
        meter: MeterId,
    ) -> Result<Vec<Record>, ClientError> {
        let (mut all, mut from_seq) = (Vec::new(), 0);
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
}
