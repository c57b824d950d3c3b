//! A network and a connection to it, and what every command does with them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use gridbook_engine::{DeliveryPeriod, LedgerTime};
use gridbook_ledger::command::{Bundle, Command, NEVER, SignedBundle};
use gridbook_ledger::crypto::SecretKey;
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::record::{Outcome, Record};
use gridbook_ledger::reject::Code;
use serde_json::json;

use super::course::Course;
use crate::cli::verify::read_genesis;
use crate::cli::{Global, Usage};
use crate::client::{Client, ClientError, FinalBundle, Patience, WatchEvents, next_nonce, wall_us};
use crate::config::{NetworkConfig, Peer};
use crate::moment::parse_period;
use crate::protocol::{QueryKind, SignedQuery, Status};
use crate::record_text::RecordText;

/// How to reach a network.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct ConnectArgs {
    /// The network's file for clients, `network.toml`.
    #[arg(long, value_name = "FILE", env = "GRIDBOOK_NETWORK")]
    network: PathBuf,
    /// How many seconds to wait for finality, and before that for any validator to answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    wait: u64,
}

/// Which meter.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct MeterArgs {
    #[command(flatten)]
    pub(in crate::cli) connect: ConnectArgs,
    /// The meter's secret key.
    #[arg(long, value_name = "FILE", env = "GRIDBOOK_KEY")]
    pub(in crate::cli) key: PathBuf,
}

/// How much ledger time a question is good for.
pub(super) const QUERY_GOOD_FOR: Duration = Duration::from_secs(86_400);

/// For how long commands are signed again where others with the same key come first, at most, and what lies between two attempts: the clocks of
/// one office differ by seconds, if at all.
const SIGN_AGAIN_FOR: Duration = Duration::from_secs(10);
const SIGN_AGAIN_PAUSE: Duration = Duration::from_millis(100);

/// A network and a connection to it.
pub(in crate::cli) struct Session {
    pub(in crate::cli) genesis: Genesis,
    pub(in crate::cli) client: Client,
    pub(super) events: WatchEvents,
}

/// A network as its files tell of it. What is wrong with a question shows here, before anybody is asked it.
pub(in crate::cli) struct KnownNetwork {
    pub(in crate::cli) genesis: Genesis,
    validators: Vec<Peer>,
    patience: Patience,
}

impl ConnectArgs {
    /// Reads the network's files.
    pub(in crate::cli) fn known(&self) -> anyhow::Result<KnownNetwork> {
        let NetworkConfig { genesis_file, validators, .. } = NetworkConfig::load(&self.network)?;
        let patience = Patience { give_up_after: Duration::from_secs(self.wait), ..Patience::default() };
        Ok(KnownNetwork { genesis: read_genesis(&genesis_file)?, validators, patience })
    }
}

impl KnownNetwork {
    pub(in crate::cli) async fn open(self) -> anyhow::Result<Session> {
        let seed = *SecretKey::generate().context("the system gives no randomness")?.seed();
        let (client, events) = Client::connect(self.validators, seed, self.patience).await?;
        Ok(Session { genesis: self.genesis, client, events })
    }

    /// The delivery period that somebody has written down.
    pub(in crate::cli) fn period(&self, text: &str) -> anyhow::Result<DeliveryPeriod> {
        parse_period(text, self.genesis.rules.mtu_minutes).map_err(Usage::error)
    }
}

impl Session {
    pub(in crate::cli) async fn open(args: &ConnectArgs) -> anyhow::Result<Self> {
        args.known()?.open().await
    }

    pub(super) fn sign(&self, key: &SecretKey, commands: Vec<Command>) -> SignedBundle {
        let (chain, signer) = (self.genesis.chain_id(), key.public());
        Bundle { chain, signer, nonce: next_nonce(), expires_at: NEVER, commands }.sign(key)
    }

    /// Gives commands. Somebody else may sign with the same key at the same time, or by a clock that is ahead: where that came first these have
    /// done nothing, and are signed again with a higher nonce. Not so where money is paid: that a bundle was overtaken is the word of one
    /// validator, and one that lies would have it paid twice.
    pub(in crate::cli) async fn submit(
        &self,
        key: &SecretKey,
        commands: Vec<Command>,
    ) -> Result<FinalBundle, ClientError> {
        let (_, Patience { give_up_after, .. }) = self.client.reach();
        let give_up_at = Instant::now() + give_up_after.min(SIGN_AGAIN_FOR);
        loop {
            let signed_at = Instant::now();
            let answer = self.client.submit(&self.sign(key, commands.clone())).finality().await;
            if !was_overtaken(&answer) || signed_at >= give_up_at || commands.iter().any(pays) {
                return answer;
            }
            tokio::time::sleep(SIGN_AGAIN_PAUSE).await;
        }
    }

    /// Gives a command that needs the next free number. Somebody else may take it at the same time: then asks again, a few times.
    pub(in crate::cli) async fn submit_with_next(
        &self,
        key: &SecretKey,
        command: impl Fn(&Status) -> Command,
    ) -> anyhow::Result<FinalBundle> {
        for _ in 0..20 {
            let status = self.client.status().await?;
            let done = self.submit(key, vec![command(&status)]).await?;
            if done.records.first().and_then(|record| rejection(record.outcome)) != Some(Code::AuthRegistry) {
                return Ok(done);
            }
        }
        bail!("others keep registering at the same time: try again in a moment")
    }

    /// A question signed by a meter, good for a day of ledger time.
    pub(in crate::cli) fn query(&self, key: &SecretKey, kind: QueryKind) -> SignedQuery {
        let now = self.genesis.ledger_now(wall_us());
        SignedQuery::sign(
            self.genesis.chain_id(),
            kind,
            LedgerTime(now.0.saturating_add(QUERY_GOOD_FOR.as_millis() as u64)),
            key,
        )
    }

    /// Prints what became of a bundle; an error if any of its commands was refused.
    pub(in crate::cli) fn report(&self, global: &Global, done: &FinalBundle) -> anyhow::Result<()> {
        self.report_with(global, done, None)
    }

    /// The same, with what was heard of it on its way.
    pub(super) fn report_course(&self, global: &Global, course: &Course) -> anyhow::Result<()> {
        self.report_with(global, &course.done, Some(course))
    }

    fn report_with(&self, global: &Global, done: &FinalBundle, course: Option<&Course>) -> anyhow::Result<()> {
        let records: Vec<_> = done.records.iter().map(|record| self.text(record)).collect();
        let mut value = json!({"bundle": done.bundle.to_hex(), "height": done.height, "records": records});
        if let Some(course) = course {
            value["steps"] = course.to_json();
        }
        global.print(&value, || {
            let lines = records.iter().map(|record| format!("{record}\n"));
            let is_final = course.map_or("final".to_owned(), Course::text);
            format!("{is_final} at height {}, bundle {}\n{}", done.height, done.bundle, lines.collect::<String>())
        })?;
        match done.records.iter().find_map(|record| rejection(record.outcome)) {
            Some(code) => bail!("the ledger refused it: {code}"),
            None => Ok(()),
        }
    }

    pub(super) fn text<'a>(&self, record: &'a Record) -> RecordText<'a> {
        RecordText::of(record, self.genesis.rules.mtu_minutes)
    }
}

/// Whether another bundle with a higher nonce came first: at the door, or on the ledger, where it is refused as a whole. A copy of a bundle that
/// was carried out is answered as that was.
fn was_overtaken(answer: &Result<FinalBundle, ClientError>) -> bool {
    match answer {
        Err(ClientError::Refused(code)) => *code == Code::AuthReplay,
        Err(_) => false,
        Ok(done) => done.records.first().and_then(|record| rejection(record.outcome)) == Some(Code::AuthReplay),
    }
}

/// Whether a command moves as much money again if it is given twice. Offers have names, and most else sets what is so from then on. An account may
/// be opened twice, and stays empty.
fn pays(command: &Command) -> bool {
    matches!(command, Command::Deposit { .. } | Command::Withdraw { .. })
}

pub(in crate::cli) fn rejection(outcome: Outcome) -> Option<Code> {
    match outcome {
        Outcome::Done => None,
        Outcome::Rejected(code) => Some(code),
    }
}
