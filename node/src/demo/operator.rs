//! The operator of the grid: reads edges, and what a meter of his area did not send.

use std::collections::{BTreeMap, VecDeque};

use gridbook_ledger::command::{Bundle, Command, NEVER};
use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::record::Outcome;
use tokio::sync::mpsc;

use crate::client::{Client, ClientError, FinalBundle, next_nonce};

/// His commands, one bundle at a time: nonces must not overtake each other.
pub(super) struct Operator {
    chain: Hash,
    key: SecretKey,
    gateway: Client,
    waiting: VecDeque<Command>,
    under_way: bool,
    done: mpsc::UnboundedSender<Result<FinalBundle, ClientError>>,
}

/// Commands of one bundle, at most.
const COMMANDS: usize = 256;

impl Operator {
    /// `done` is told what became of each bundle.
    pub(super) fn new(
        chain: Hash,
        key: SecretKey,
        gateway: Client,
        done: mpsc::UnboundedSender<Result<FinalBundle, ClientError>>,
    ) -> Self {
        Self { chain, key, gateway, waiting: VecDeque::new(), under_way: false, done }
    }

    pub(super) fn order(&mut self, commands: impl IntoIterator<Item = Command>) {
        self.waiting.extend(commands);
        self.send();
    }

    /// Whether all that he wanted is done.
    pub(super) fn is_idle(&self) -> bool {
        !self.under_way && self.waiting.is_empty()
    }

    /// His bundle's end. Gives what was refused of it, by code.
    pub(super) fn on_done(&mut self, result: &Result<FinalBundle, ClientError>) -> BTreeMap<&'static str, u64> {
        self.under_way = false;
        let mut refused = BTreeMap::new();
        match result {
            Ok(done) => {
                for record in &done.records {
                    if let Outcome::Rejected(code) = record.outcome {
                        *refused.entry(code.name()).or_default() += 1;
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "what became of an operator's bundle is not known"),
        }
        self.send();
        refused
    }

    fn send(&mut self) {
        if self.under_way || self.waiting.is_empty() {
            return;
        }
        let commands = self.waiting.drain(..self.waiting.len().min(COMMANDS)).collect();
        let (chain, signer) = (self.chain, self.key.public());
        let bundle = Bundle { chain, signer, nonce: next_nonce(), expires_at: NEVER, commands }.sign(&self.key);
        let submission = self.gateway.submit(&bundle);
        self.under_way = true;
        let done = self.done.clone();
        tokio::spawn(async move {
            // Nobody listens any more after Ctrl-C.
            let _ = done.send(submission.finality().await);
        });
    }
}
