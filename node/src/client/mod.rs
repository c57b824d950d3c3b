//! The client library: submit bundles, watch meters, fetch receipts, hold leaders to their word.
//!
//! A [`Client`] knows several validators and talks to one of them at a time. When that one goes silent or away, it goes on to another
//! and sends again whatever is still unanswered, byte for byte: a bundle counts once, however often it arrives. So it does when that one
//! keeps nothing of what is asked for.

mod certificates;
mod conduct;
mod data;
mod driver;
mod grants;
mod silence;
mod uses;
mod watches;
mod word;

pub use uses::{NumberedUses, uses_by_validator};
pub use word::{HandedIn, Taken, Verdict, breach, hand_in_to_all, is_with_an_honest_one};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use gridbook_engine::{Contract, MeterId};
use gridbook_ledger::command::SignedBundle;
use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::epoch::{EpochProof, Epochs, Reconfigure};
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::header::HeaderRef;
use gridbook_ledger::record::Record;
use gridbook_ledger::reject::Code;
use gridbook_ledger::sequenced::SequencedReceipt;
use tokio::sync::mpsc;

use crate::config::Peer;
use crate::protocol::{AccountState, Answer, Book, RegistryEntry, RegistrySubject, RequestBody, SignedQuery, Status};
use driver::{Ask, Driver};

/// How patient a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// After this long without the last answer, a request is sent again.
    pub resend_after: Duration,
    /// After this long it is given up.
    pub give_up_after: Duration,
    /// A connection that has brought nothing for this long, with requests open and after a question whether it lives, is left. Less,
    /// if the validator is known to answer faster.
    pub silence_max: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            resend_after: Duration::from_secs(3),
            give_up_after: Duration::from_secs(30),
            silence_max: Duration::from_secs(2),
        }
    }
}

/// How long one of many validators has to be reached: for so long the others' answers wait for one that is dead.
const ONE_OF_MANY_MAX: Duration = Duration::from_secs(6);

/// A connection to a ledger. Clones share it; it ends with the last of them.
#[derive(Clone, Debug)]
pub struct Client {
    asks: mpsc::UnboundedSender<Ask>,
    counters: Arc<Counters>,
    reach: Arc<Reach>,
}

/// How the ledger is reached.
#[derive(Debug)]
struct Reach {
    validators: Vec<Peer>,
    patience: Patience,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    failovers: AtomicU64,
    resent: AtomicU64,
}

/// Something final that concerns a watched meter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchEvent {
    /// The meter.
    pub meter: MeterId,
    /// The height of the header that holds it.
    pub height: u64,
    /// The record, with only the events that name the meter.
    pub record: Record,
}

/// That nothing more is told of a watched meter. Asking again, with the key that it has now, begins another watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("meter {} is watched no longer: {code}", meter.0)]
pub struct WatchEnd {
    /// The meter.
    pub meter: MeterId,
    /// Why.
    pub code: Code,
}

/// What comes of watches, in the order in which the validator tells it.
pub type WatchEvents = mpsc::UnboundedReceiver<Result<WatchEvent, WatchEnd>>;

/// A final bundle and what became of its commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalBundle {
    /// Its id.
    pub bundle: Hash,
    /// The height of the header that holds it.
    pub height: u64,
    /// The sequence number of its first command.
    pub first_seq: u64,
    /// The record of each command, in order.
    pub records: Vec<Record>,
}

/// What went wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// No validator could be reached.
    #[error("no validator could be reached; the last one said: {0}")]
    Unreachable(String),
    /// The key of the connection is that of a device or an organisation that may not connect.
    #[error("not let in: {0}")]
    ShutOut(String),
    /// Refused at the door, without a trace on the ledger.
    #[error("refused: {0}")]
    Refused(Code),
    /// Asked too early, or never on this ledger.
    #[error("not final here: it is still on its way, or never was on this ledger; ask again in a moment")]
    NotFinal,
    /// Final or not, nobody who was asked keeps anything of these headers.
    #[error(
        "not known here: of headers {from_height} to {to_height} nothing is kept; ask a validator whose index begins earlier"
    )]
    NotHere {
        /// The first of them.
        from_height: u64,
        /// The last of them.
        to_height: u64,
    },
    /// A bundle that was not final in time.
    #[error("no final answer in time: it may still become final; sending the same bundle again does no harm")]
    Late,
    /// A question not answered in time.
    #[error("no answer in time: nothing was changed by asking; ask again in a moment, or another validator")]
    NoAnswer,
    /// A request that cannot be sent, or an answer that does not fit its question.
    #[error("this is no conversation: {0}")]
    Protocol(String),
    /// The client was shut down.
    #[error("the client has been closed")]
    Closed,
}

impl Client {
    /// Connects to the first of `validators` that answers, under a connection key of its own. Events of watched meters come out of
    /// the channel, and for a watch that ends before it is given up, why. The connection key authorises nothing.
    ///
    /// # Errors
    /// `Unreachable` if none of them answers before a request would be given up, or others than they do; `ShutOut` if those that answer do not
    /// serve the connection's key.
    pub async fn connect(
        validators: Vec<Peer>,
        connection_seed: [u8; 32],
        patience: Patience,
    ) -> Result<(Self, WatchEvents), ClientError> {
        let (mut driver, client, watched) = Self::unconnected(validators, connection_seed, patience);
        let connection = driver.connect(patience.give_up_after).await?;
        tokio::spawn(driver.run(connection));
        Ok((client, watched))
    }

    /// Connects to one validator, which is asked as each of many is: whoever does not answer is not waited for as long as an answer is.
    async fn of_one(validator: Peer, patience: Patience) -> Result<Self, ClientError> {
        let seed = connection_seed().map_err(|error| ClientError::Unreachable(error.to_string()))?;
        let (mut driver, client, _) = Self::unconnected(vec![validator], seed, patience);
        let connection = driver.connect(patience.give_up_after.min(ONE_OF_MANY_MAX)).await?;
        tokio::spawn(driver.run(connection));
        Ok(client)
    }

    fn unconnected(
        validators: Vec<Peer>,
        connection_seed: [u8; 32],
        patience: Patience,
    ) -> (Driver, Self, WatchEvents) {
        let counters = Arc::new(Counters::default());
        let (asks, asked) = mpsc::unbounded_channel();
        let (events, watched) = mpsc::unbounded_channel();
        let reach = Arc::new(Reach { validators: validators.clone(), patience });
        let driver = Driver::new(validators, connection_seed, patience, asked, events, Arc::clone(&counters));
        (driver, Self { asks, counters, reach }, watched)
    }

    /// What the registry says of somebody, as far as the query's key may know.
    pub async fn registry(&self, query: SignedQuery, subject: RegistrySubject) -> Result<RegistryEntry, ClientError> {
        match self.answer(RequestBody::Registry { query, subject }).await? {
            Answer::Registry { entry, .. } => Ok(*entry),
            other => Err(unexpected(&other)),
        }
    }

    /// Sends a bundle. It is on its way from the moment of the call; the answer can be awaited or dropped.
    pub fn submit(&self, bundle: &SignedBundle) -> Submission {
        self.submit_bytes(bundle.bytes().to_vec())
    }

    /// Sends bytes that claim to be a bundle.
    pub fn submit_bytes(&self, bytes: Vec<u8>) -> Submission {
        Submission { answers: self.ask(RequestBody::Submit(bytes)) }
    }

    /// Sends a change of validators. It is answered as a bundle is; its record says whether the epoch ended by it.
    pub fn reconfigure(&self, change: &Reconfigure) -> Submission {
        Submission { answers: self.ask(RequestBody::Reconfigure(change.encode())) }
    }

    /// All epochs of the ledger, each proven from the genesis on, as far as the validator asked has come.
    pub async fn epochs(&self, genesis: &Genesis) -> Result<Epochs, ClientError> {
        let mut epochs = Epochs::new(genesis);
        loop {
            let proofs = match self.answer(RequestBody::Epochs { from: epochs.present() }).await? {
                Answer::Epochs { proofs, .. } => proofs,
                other => return Err(unexpected(&other)),
            };
            for proof in &proofs {
                let false_proof = |why: String| ClientError::Protocol(format!("the proof of an epoch's end: {why}"));
                let proof = EpochProof::decode(proof).map_err(|error| false_proof(error.to_string()))?;
                epochs.extend(proof).map_err(|error| false_proof(error.to_string()))?;
            }
            if proofs.is_empty() {
                return Ok(epochs);
            }
        }
    }

    /// Has the events of the query's meter sent from now on, across reconnections. A later question for the same meter takes the place of an earlier one.
    pub async fn watch(&self, query: SignedQuery) -> Result<MeterId, ClientError> {
        match self.answer(RequestBody::Watch(query)).await? {
            Answer::Watching { meter, .. } => Ok(meter),
            other => Err(unexpected(&other)),
        }
    }

    /// The receipt of a command, if the query's key may see it: a query of the kind [`QueryKind::BundleReceipt`](crate::protocol::QueryKind::BundleReceipt)
    /// or [`QueryKind::Receipt`](crate::protocol::QueryKind::Receipt).
    pub async fn receipt(&self, query: SignedQuery) -> Result<Vec<u8>, ClientError> {
        match self.answer(RequestBody::Ask(query)).await? {
            Answer::Receipt { receipt, .. } => Ok(receipt),
            other => Err(unexpected(&other)),
        }
    }

    /// The receipt of what is final at one of the places that a leader gave its word on, counted from 0. No key is needed for it.
    pub async fn settled(&self, word: &SequencedReceipt, index: u64) -> Result<Vec<u8>, ClientError> {
        match self.answer(RequestBody::Settled { word: word.encode(), index }).await? {
            Answer::Receipt { receipt, .. } => Ok(receipt),
            other => Err(unexpected(&other)),
        }
    }

    /// What the validator holds against others: canonical bytes of evidence. Nothing is checked here.
    pub async fn evidence(&self) -> Result<Vec<Vec<u8>>, ClientError> {
        let mut all = Vec::new();
        loop {
            let from = u32::try_from(all.len()).unwrap_or(u32::MAX);
            match self.answer(RequestBody::Evidence { from }).await? {
                Answer::Evidence { items, total, .. }
                    if items.is_empty() || all.len() + items.len() >= total as usize =>
                {
                    all.extend(items);
                    return Ok(all);
                }
                Answer::Evidence { items, .. } => all.extend(items),
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// How the validator and the ledger stand.
    pub async fn status(&self) -> Result<Status, ClientError> {
        match self.answer(RequestBody::Status).await? {
            Answer::Status { status, .. } => Ok(status),
            other => Err(unexpected(&other)),
        }
    }

    /// The account of the query's meter.
    pub async fn account(&self, query: SignedQuery) -> Result<AccountState, ClientError> {
        match self.answer(RequestBody::Account(query)).await? {
            Answer::Account { account, .. } => Ok(account),
            other => Err(unexpected(&other)),
        }
    }

    /// The canonical bytes of the final header at a height.
    pub async fn header(&self, height: u64) -> Result<Vec<u8>, ClientError> {
        match self.answer(RequestBody::Header { height }).await? {
            Answer::Header { header, .. } => Ok(header),
            other => Err(unexpected(&other)),
        }
    }

    /// What rests in a contract's own book, as the validator has executed it, final or not.
    pub async fn book(&self, contract: Contract) -> Result<Book, ClientError> {
        match self.answer(RequestBody::Book(contract)).await? {
            Answer::Book { book, .. } => Ok(*book),
            other => Err(unexpected(&other)),
        }
    }

    /// The validators that it knows, and how patient it is: for whoever asks each of them by itself.
    pub fn reach(&self) -> (&[Peer], Patience) {
        (&self.reach.validators, self.reach.patience)
    }

    /// How often it left a validator for another.
    pub fn failovers(&self) -> u64 {
        self.counters.failovers.load(Ordering::Relaxed)
    }

    /// How many requests were sent more than once.
    pub fn resent(&self) -> u64 {
        self.counters.resent.load(Ordering::Relaxed)
    }

    fn ask(&self, body: RequestBody) -> mpsc::UnboundedReceiver<Result<Answer, ClientError>> {
        let (answers, receiver) = mpsc::unbounded_channel();
        // If the driver is gone, so is the sender, and the receiver says so.
        let _ = self.asks.send(Ask { body, answers });
        receiver
    }

    async fn answer(&self, body: RequestBody) -> Result<Answer, ClientError> {
        self.ask(body).recv().await.unwrap_or(Err(ClientError::Closed))
    }
}

/// What is heard of a bundle on its way, in this order; a leader that fails can make the second and third come again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A validator has admitted it; its id.
    Accepted(Hash),
    /// S0: the leader gave it its place, and answers for that. Nothing is checked here: [`SequencedReceipt::verify`] does.
    Sequenced(Box<SequencedReceipt>),
    /// S1: the validator says that a quorum certified this header, which covers it.
    Certified(HeaderRef),
    /// S2: it is final.
    Final(FinalBundle),
}

/// A bundle on its way.
#[derive(Debug)]
pub struct Submission {
    answers: mpsc::UnboundedReceiver<Result<Answer, ClientError>>,
}

impl Submission {
    /// Waits until a validator has admitted it.
    pub async fn accepted(&mut self) -> Result<Hash, ClientError> {
        match self.answers.recv().await.unwrap_or(Err(ClientError::Closed))? {
            Answer::Accepted { bundle, .. } => Ok(bundle),
            other => Err(unexpected(&other)),
        }
    }

    /// Waits for the next that is heard of it. After [`Step::Final`] nothing comes.
    pub async fn next(&mut self) -> Result<Step, ClientError> {
        Ok(match self.answers.recv().await.unwrap_or(Err(ClientError::Closed))? {
            Answer::Accepted { bundle, .. } => Step::Accepted(bundle),
            Answer::Sequenced { receipt, .. } => {
                let receipt = SequencedReceipt::decode(&receipt);
                let receipt = receipt.map_err(|error| ClientError::Protocol(format!("an S0 receipt: {error}")))?;
                Step::Sequenced(Box::new(receipt))
            }
            Answer::Certified { header, .. } => Step::Certified(header),
            Answer::Final { bundle, height, first_seq, records, .. } => {
                let records = records.iter().map(|bytes| Record::decode(bytes)).collect::<Result<_, _>>();
                let records = records.map_err(|error| ClientError::Protocol(format!("a record: {error}")))?;
                Step::Final(FinalBundle { bundle, height, first_seq, records })
            }
            other => return Err(unexpected(&other)),
        })
    }

    /// Waits until it is final.
    pub async fn finality(mut self) -> Result<FinalBundle, ClientError> {
        loop {
            if let Step::Final(done) = self.next().await? {
                return Ok(done);
            }
        }
    }
}

fn unexpected(answer: &Answer) -> ClientError {
    match answer {
        Answer::Refused { code, .. } => ClientError::Refused(*code),
        Answer::NotFinal { .. } => ClientError::NotFinal,
        Answer::NotHere { from_height, to_height, .. } => {
            ClientError::NotHere { from_height: *from_height, to_height: *to_height }
        }
        other => ClientError::Protocol(format!("an answer of another kind than the question: {other:?}")),
    }
}

/// A nonce higher than all before it from this clock: microseconds since the Unix epoch, made strictly increasing in this process.
/// Nonces may have gaps, so nothing needs to be kept beside the key.
pub fn next_nonce() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = wall_us();
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(now.max(last + 1)));
    now.max(last.expect("the update always gives a value") + 1)
}

/// A fresh key for a connection. It authorises nothing.
///
/// # Errors
/// If the system gives no randomness.
pub fn connection_seed() -> anyhow::Result<[u8; 32]> {
    Ok(*SecretKey::generate().context("the system gives no randomness")?.seed())
}

/// Microseconds since the Unix epoch.
pub fn wall_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_rise_even_within_a_microsecond() {
        let nonces: Vec<u64> = (0..10_000).map(|_| next_nonce()).collect();
        assert!(nonces.is_sorted_by(|earlier, later| earlier < later));
    }
}
