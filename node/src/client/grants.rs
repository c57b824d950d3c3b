//! What the owner of a meter has granted others.

use gridbook_engine::MeterId;

use super::{Client, ClientError, unexpected};
use crate::protocol::{Answer, GrantList, QueryKind, RequestBody, SignedQuery};

impl Client {
    /// All that a meter has granted. `sign` signs a question with the key of one of its account's meters, or an auditor's.
    pub async fn grants(
        &self,
        sign: impl Fn(QueryKind) -> SignedQuery,
        meter: MeterId,
    ) -> Result<GrantList, ClientError> {
        match self.answer(RequestBody::Ask(sign(QueryKind::Grants { meter }))).await? {
            Answer::Grants { list, .. } => Ok(*list),
            other => Err(unexpected(&other)),
        }
    }
}
