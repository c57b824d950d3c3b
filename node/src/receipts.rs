//! Fetches receipts and verifies each of them offline, against the genesis alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::receipt::Receipt;
use gridbook_ledger::reject::Code;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::client::{Client, ClientError};
use crate::protocol::SignedQuery;

/// A command that was told to be final, and whose receipt must say the same.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// The question for its receipt.
    pub(crate) query: SignedQuery,
    /// The hash of its record, as it was told when the bundle became final.
    pub(crate) leaf: Hash,
}

/// Receipts under way at a time.
const RECEIPTS_AT_ONCE: usize = 64;

/// How long a validator that was away may take to catch up.
const CATCH_UP: Duration = Duration::from_secs(60);

/// Fetches receipts through all gateways and verifies each against the genesis alone; gives what went wrong.
pub(crate) async fn fetch_and_verify(gateways: &[Client], genesis: &Genesis, wanted: Vec<Wanted>) -> Vec<String> {
    let (genesis, places) = (Arc::new(genesis.clone()), Arc::new(Semaphore::new(RECEIPTS_AT_ONCE)));
    let mut checks = JoinSet::new();
    for (wanted, gateway) in wanted.into_iter().zip(gateways.iter().cycle()) {
        let (genesis, places, gateway) = (Arc::clone(&genesis), Arc::clone(&places), gateway.clone());
        checks.spawn(async move {
            let _place = places.acquire_owned().await.expect("the semaphore is never closed");
            fetch_and_verify_one(&gateway, &genesis, wanted).await
        });
    }
    let mut failures = Vec::new();
    while let Some(checked) = checks.join_next().await {
        match checked {
            Ok(Ok(())) => {}
            Ok(Err(error)) => failures.push(format!("{error:#}")),
            Err(error) => failures.push(error.to_string()),
        }
    }
    failures
}

async fn fetch_and_verify_one(gateway: &Client, genesis: &Genesis, wanted: Wanted) -> anyhow::Result<()> {
    let Wanted { query, leaf } = wanted;
    let deadline = Instant::now() + CATCH_UP;
    let bytes = loop {
        match gateway.receipt(query.clone()).await {
            // A validator that was away may still be writing its index, or have much to tell others.
            Err(ClientError::NotFinal | ClientError::Refused(Code::QuotaBusy | Code::QuotaRate))
                if Instant::now() < deadline =>
            {
                tokio::time::sleep(Duration::from_millis(200)).await
            }
            answer => break answer?,
        }
    };
    let verified = Receipt::decode(&bytes).context("not a receipt")?.verify(genesis)?;
    ensure!(
        verified.record.leaf_hash() == leaf,
        "the receipt proves another record than was told when it became final"
    );
    Ok(())
}
