//! What validators told others of a meter under its owner's grants: each has its own log of that, so each is asked.

use gridbook_engine::MeterId;
use gridbook_ledger::validators::ValidatorIndex;
use tokio::task::JoinSet;

use super::{Client, ClientError, Patience, unexpected};
use crate::config::Peer;
use crate::protocol::{Answer, QueryKind, RequestBody, SignedQuery, Use};

/// Uses with their numbers at one validator, oldest first.
pub type NumberedUses = Vec<(u64, Use)>;

impl Client {
    /// What the validator that this client is connected to has told others of a meter. `sign` signs a question with the owner's key, or an
    /// auditor's. Meant for a client that knows one validator only: another one may answer for a part, and has another log.
    pub async fn uses(
        &self,
        sign: impl Fn(QueryKind) -> SignedQuery,
        meter: MeterId,
    ) -> Result<NumberedUses, ClientError> {
        let (mut all, mut from) = (Vec::new(), 0);
        loop {
            let page = match self.answer(RequestBody::Ask(sign(QueryKind::Uses { meter, from }))).await? {
                Answer::Uses { page, .. } => page,
                other => return Err(unexpected(&other)),
            };
            all.extend(page.uses);
            match page.next {
                // Going backwards would never end.
                Some(next) if next <= from => return Err(ClientError::Protocol("uses that never end".into())),
                Some(next) => from = next,
                None => return Ok(all),
            }
        }
    }
}

/// Asks each of some validators by itself, on a connection of its own, what it has told others of a meter; by validator, ascending.
pub async fn uses_by_validator<S>(
    validators: &[Peer],
    patience: Patience,
    sign: S,
    meter: MeterId,
) -> Vec<(ValidatorIndex, Result<NumberedUses, ClientError>)>
where
    S: Fn(QueryKind) -> SignedQuery + Clone + Send + Sync + 'static,
{
    let mut asked = JoinSet::new();
    for peer in validators.iter().copied() {
        let sign = sign.clone();
        asked.spawn(async move { (ValidatorIndex(peer.index), uses_of_one(peer, patience, sign, meter).await) });
    }
    let mut told = asked.join_all().await;
    told.sort_by_key(|(validator, _)| *validator);
    told
}

async fn uses_of_one(
    peer: Peer,
    patience: Patience,
    sign: impl Fn(QueryKind) -> SignedQuery,
    meter: MeterId,
) -> Result<NumberedUses, ClientError> {
    let client = Client::of_one(peer, patience).await?;
    client.uses(sign, meter).await
}
