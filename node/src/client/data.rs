//! What bills, reports and audits ask for: many answers to one question.

use gridbook_engine::{AccountId, AreaId, DeliveryPeriod, MeterId};
use gridbook_ledger::receipt::{AccountHistory, AccountProof};
use gridbook_ledger::record::Extract;
use gridbook_ledger::store::{FactOwner, FactPlace, FactRow, SumRow};

use super::{Client, ClientError, unexpected};
use crate::pieces::Begun;
use crate::protocol::{Answer, QueryKind, RequestBody, SignedQuery};

impl Client {
    /// All facts of an owner in some periods that the asker may see. `sign` signs a question with the asker's key.
    pub async fn facts(
        &self,
        sign: impl Fn(QueryKind) -> SignedQuery,
        owner: FactOwner,
        from: DeliveryPeriod,
        to: DeliveryPeriod,
    ) -> Result<Vec<FactRow>, ClientError> {
        self.all_facts(|from| sign(QueryKind::Facts { owner, from, to }), from).await
    }

    /// All facts of an area's meters taken together in some periods, for who runs the market or the grid. `sign` signs a question with the
    /// asker's key.
    pub async fn area_facts(
        &self,
        sign: impl Fn(QueryKind) -> SignedQuery,
        area: AreaId,
        from: DeliveryPeriod,
        to: DeliveryPeriod,
    ) -> Result<Vec<FactRow>, ClientError> {
        self.all_facts(|from| sign(QueryKind::AreaFacts { area, from, to }), from).await
    }

    async fn all_facts(
        &self,
        query_from: impl Fn(FactPlace) -> SignedQuery,
        from: DeliveryPeriod,
    ) -> Result<Vec<FactRow>, ClientError> {
        let (mut all, mut from) = (Vec::new(), FactPlace::first_of(from));
        loop {
            let (facts, next) = match self.answer(RequestBody::Ask(query_from(from))).await? {
                Answer::Facts { facts, next, .. } => (facts, next),
                other => return Err(unexpected(&other)),
            };
            all.extend(FactRow::decode_all(&facts).map_err(|error| ClientError::Protocol(format!("facts: {error}")))?);
            match next {
                // Going backwards would never end.
                Some(next) if next <= from => return Err(ClientError::Protocol("facts that never end".into())),
                Some(next) => from = next,
                None => return Ok(all),
            }
        }
    }

    /// What a meter's bill comes to in some periods, as far as the asker may see it. Added up, the rows are the totals of the bill that
    /// [`Statement::of`](gridbook_ledger::settlement::statement::Statement::of) makes of the facts. `sign` signs a question with the asker's key.
    pub async fn bill(
        &self,
        sign: impl Fn(QueryKind) -> SignedQuery,
        meter: MeterId,
        from: DeliveryPeriod,
        to: DeliveryPeriod,
    ) -> Result<Vec<SumRow>, ClientError> {
        let (mut all, mut from) = (Vec::new(), from);
        loop {
            let (sums, next) = match self.answer(RequestBody::Ask(sign(QueryKind::Bill { meter, from, to }))).await? {
                Answer::Bill { sums, next, .. } => (sums, next),
                other => return Err(unexpected(&other)),
            };
            all.extend(SumRow::decode_all(&sums).map_err(|error| ClientError::Protocol(format!("sums: {error}")))?);
            match next {
                // Going backwards would never end.
                Some(next) if next <= from => return Err(ClientError::Protocol("a bill that never ends".into())),
                Some(next) => from = next,
                None => return Ok(all),
            }
        }
    }

    /// An account's whole history up to a final header, with the proof that it is whole. Nothing is checked here:
    /// [`AccountHistory::verify`] does. `sign` signs a question with the asker's key.
    pub async fn account_history(
        &self,
        sign: impl Fn(QueryKind) -> SignedQuery,
        account: AccountId,
    ) -> Result<AccountHistory, ClientError> {
        let proof = match self.answer(RequestBody::Ask(sign(QueryKind::Proof { account }))).await? {
            Answer::AccountProof { proof, .. } => AccountProof::decode(&proof),
            other => return Err(unexpected(&other)),
        };
        let proof = proof.map_err(|error| ClientError::Protocol(format!("the proof of an account: {error}")))?;
        let until = proof.headers.first().map_or(0, |header| header.last_seq);
        let (mut extracts, mut from_seq, mut begun) = (Vec::new(), 0, Begun::default());
        loop {
            let query = sign(QueryKind::Extracts { account, from_seq, from_byte: begun.next_byte() });
            let (page, left) = match self.answer(RequestBody::Ask(query)).await? {
                Answer::Extracts { extracts, left, .. } => (extracts, left),
                other => return Err(unexpected(&other)),
            };
            let is_last = page.is_empty();
            for bytes in begun.take(page, left)? {
                let extract = Extract::decode(&bytes);
                let extract = extract.map_err(|error| ClientError::Protocol(format!("an extract: {error}")))?;
                let seq = extract.record().seq;
                if seq > until {
                    return Ok(AccountHistory { proof, extracts });
                }
                from_seq = number_behind(seq, from_seq)?;
                extracts.push(bytes);
            }
            if is_last {
                return Ok(AccountHistory { proof, extracts });
            }
        }
    }
}

/// From which command to ask on after one that was told. Going backwards would never end, and behind the last number there is nothing.
fn number_behind(seq: u64, from_seq: u64) -> Result<u64, ClientError> {
    let next = seq.checked_add(1).filter(|_| seq >= from_seq);
    next.ok_or_else(|| ClientError::Protocol("extracts that never end".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A validator may say that its header covers every number there is, and tell of a command with the last one.
    #[test]
    fn commands_that_go_backwards_or_have_the_last_number_are_no_history() {
        assert_eq!(number_behind(7, 7), Ok(8));
        assert_eq!(number_behind(u64::MAX - 1, 7), Ok(u64::MAX));
        for (seq, from_seq) in [(6, 7), (u64::MAX, 7), (u64::MAX, u64::MAX)] {
            let error = number_behind(seq, from_seq).unwrap_err();
            assert_eq!(error.to_string(), "this is no conversation: extracts that never end");
        }
    }
}
