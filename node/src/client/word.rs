//! A leader's word held against what became final, and evidence handed in.

use std::time::Duration;

use gridbook_ledger::evidence::{EVIDENCE_BYTES_MAX, Evidence, EvidenceKey, Statement};
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::receipt::Receipt;
use gridbook_ledger::reject::Code;
use gridbook_ledger::sequenced::{Fate, SequencedReceipt};
use gridbook_ledger::validators::ValidatorIndex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::{Client, ClientError, Patience, unexpected};
use crate::config::Peer;
use crate::protocol::{Answer, RequestBody};

/// What became of a leader's word, and what shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What became of it.
    pub fate: Fate,
    /// The final receipt that decided it.
    pub settled: Receipt,
    /// Of a breach: the proof of it, for anybody who has the genesis. None if it is longer than evidence may be.
    pub evidence: Option<Box<Evidence>>,
}

/// Evidence that a validator keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whom it is against, of what kind, in which epoch.
    pub key: EvidenceKey,
    /// False if the validator had proof of the same before.
    pub is_new: bool,
}

/// What each validator said to evidence.
pub type HandedIn = Vec<(ValidatorIndex, Result<Taken, ClientError>)>;

/// How soon a place that is not final yet is asked for again.
const ASK_AGAIN: Duration = Duration::from_millis(100);

impl Client {
    /// Decides what became of a leader's word by the final receipts of its places, checked against the genesis; waits for them so long.
    /// Nobody's judgement is believed: a breach comes with its proof.
    ///
    /// # Errors
    /// `NotFinal` if the ledger has not come to that place in time; `Protocol` if the word, or what the validator shows, proves nothing.
    pub async fn judge(
        &self,
        genesis: &Genesis,
        word: &SequencedReceipt,
        within: Duration,
    ) -> Result<Verdict, ClientError> {
        let deadline = Instant::now() + within;
        let verdict = self.judge_at(genesis, word, 0, deadline).await?;
        // A leader can promise more places than the bundle takes, and nobody would notice by the first.
        match word.place.last_seq().and_then(|last_seq| last_seq.checked_sub(word.place.first_seq)) {
            Some(last) if last > 0 && verdict.fate == Fate::Kept => self.judge_at(genesis, word, last, deadline).await,
            _ => Ok(verdict),
        }
    }

    async fn judge_at(
        &self,
        genesis: &Genesis,
        word: &SequencedReceipt,
        index: u64,
        deadline: Instant,
    ) -> Result<Verdict, ClientError> {
        let bytes = loop {
            match self.settled(word, index).await {
                Err(ClientError::NotFinal) if Instant::now() < deadline => sleep(ASK_AGAIN).await,
                other => break other?,
            }
        };
        let settled = Receipt::decode(&bytes);
        let settled = settled.map_err(|error| ClientError::Protocol(format!("a receipt: {error}")))?;
        let fate = word.fate(genesis, &settled).map_err(|error| ClientError::Protocol(error.to_string()))?;
        let evidence = if fate == Fate::Breach { breach(word, &settled).map(Box::new) } else { None };
        Ok(Verdict { fate, settled, evidence })
    }

    /// Hands evidence to the validator that this client is connected to, which verifies it, keeps it and tells the others.
    ///
    /// # Errors
    /// `Refused` if it proves nothing.
    pub async fn hand_in(&self, evidence: Vec<u8>) -> Result<Taken, ClientError> {
        match self.answer(RequestBody::HandIn(evidence)).await? {
            Answer::Taken { key, is_new, .. } => Ok(Taken { key, is_new }),
            other => Err(unexpected(&other)),
        }
    }

    /// Hands evidence to every validator that this client knows, as [`hand_in_to_all`] does.
    pub async fn hand_in_to_all(&self, evidence: &[u8]) -> HandedIn {
        hand_in_to_all(&self.reach.validators, self.reach.patience, evidence).await
    }
}

/// Hands evidence to each of some validators by itself, on a connection of its own: whoever is asked for all may be the culprit, and has
/// reasons to lose it.
pub async fn hand_in_to_all(validators: &[Peer], patience: Patience, evidence: &[u8]) -> HandedIn {
    let mut asked = JoinSet::new();
    for peer in validators.iter().copied() {
        let evidence = evidence.to_vec();
        asked.spawn(async move { (ValidatorIndex(peer.index), hand_in_to(peer, patience, evidence).await) });
    }
    let mut told = asked.join_all().await;
    told.sort_by_key(|(validator, _)| *validator);
    told
}

async fn hand_in_to(peer: Peer, patience: Patience, evidence: Vec<u8>) -> Result<Taken, ClientError> {
    if evidence.len() > EVIDENCE_BYTES_MAX {
        // It may not even fit into a request, and what the validator would say is known.
        return Err(ClientError::Refused(Code::EvidenceLength));
    }
    let client = Client::of_one(peer, patience).await?;
    client.hand_in(evidence).await
}

/// The proof that a word was broken, as far as it can be handed in.
pub fn breach(word: &SequencedReceipt, settled: &Receipt) -> Option<Evidence> {
    let word = Statement::Sequenced(Box::new(word.clone()));
    let evidence = Evidence::of(word, Statement::of_receipt(settled))?;
    // A record of a gate that closed on a whole town is longer than all evidence may be.
    (evidence.encode().len() <= EVIDENCE_BYTES_MAX).then_some(evidence)
}

/// Whether enough of those asked took it for one of them to be honest: more than may be faulty among so many.
pub fn is_with_an_honest_one(told: &HandedIn) -> bool {
    let taken = told.iter().filter(|(_, told)| told.is_ok()).count();
    taken > told.len().saturating_sub(1) / 3
}

#[cfg(test)]
mod tests {
    use gridbook_ledger::evidence::EvidenceKind;

    use super::*;

    #[test]
    fn one_liar_may_claim_to_have_taken_it() {
        let key = EvidenceKey { epoch: 0, culprit: ValidatorIndex(0), kind: EvidenceKind::ReceiptBreach };
        let told = |taken: u16, asked: u16| -> HandedIn {
            let answer = |index| if index < taken { Ok(Taken { key, is_new: true }) } else { Err(ClientError::Late) };
            (0..asked).map(|index| (ValidatorIndex(index), answer(index))).collect()
        };
        for (taken, asked, enough) in [(0, 4, false), (1, 4, false), (2, 4, true), (2, 7, false), (3, 7, true)] {
            assert_eq!(is_with_an_honest_one(&told(taken, asked)), enough, "{taken} of {asked}");
        }
        assert!(is_with_an_honest_one(&told(1, 1)) && !is_with_an_honest_one(&Vec::new()));
    }
}
