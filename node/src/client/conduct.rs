//! What stands against an account.

use super::{Client, ClientError, unexpected};
use crate::protocol::{Answer, ConductBook, ConductSubject, QueryKind, RequestBody, SignedQuery};

impl Client {
    /// What stands against somebody, as far as the key may know by which `sign` signs a question; where one answer does not hold it, the
    /// answers joined.
    pub async fn conduct(
        &self,
        sign: impl Fn(QueryKind) -> SignedQuery,
        subject: ConductSubject,
    ) -> Result<ConductBook, ClientError> {
        let mut all = self.conduct_page(&sign, subject).await?;
        let mut asked_from = 0;
        while let Some(from) = all.next {
            // Going backwards would never end. A page on which nothing was found goes on too.
            if from <= asked_from || all.entries.last().is_some_and(|(last, _)| from <= *last) {
                return Err(ClientError::Protocol("entries that never end".into()));
            }
            asked_from = from;
            let page = self.conduct_page(&sign, subject.from(from)).await?;
            all.entries.extend(page.entries.into_iter().filter(|(number, _)| *number >= from));
            all.next = page.next;
        }
        Ok(all)
    }

    async fn conduct_page(
        &self,
        sign: impl Fn(QueryKind) -> SignedQuery,
        subject: ConductSubject,
    ) -> Result<ConductBook, ClientError> {
        match self.answer(RequestBody::Ask(sign(QueryKind::Conduct(subject)))).await? {
            Answer::Conduct { book, .. } => Ok(*book),
            other => Err(unexpected(&other)),
        }
    }
}
