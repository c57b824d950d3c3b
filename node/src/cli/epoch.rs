//! `gridbook epoch`: operators change the set of validators.

mod wish;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use gridbook_ledger::crypto::SecretKey;
use gridbook_ledger::epoch::{Epochs, Reconfigure};
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::record::Outcome;
use gridbook_ledger::reject::Code;
use gridbook_ledger::validators::{Member, ValidatorIndex, ValidatorSet};
use serde_json::{Value, json};

use super::verify::read_genesis;
use super::{Global, Usage};
use crate::client::{Client, ClientError, Patience};
use crate::config::NetworkConfig;
use crate::epoch_file::{change_from_text, change_to_text};
use crate::keyfile::read_key;
use crate::network::write_new;
use crate::whole_file::write_whole;

/// Change the validators: add, remove or penalise some, rotate a key.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
A change is written into a file, approved by the operators of 2f+1 validators of the present set, and put on the ledger. It ends the
epoch: what is traded meanwhile waits for a moment and goes on under the new set. Old receipts stay good, new ones bring the proof.

Rotate the key of validator 2. Its operator makes the key, names it as next_key_file in his settings and restarts the validator; then:
  export GRIDBOOK_NETWORK=net/network.toml
  gridbook epoch propose --rotate 2=9a.. --out change.json
  gridbook epoch approve change.json --key net/validator-0/validator.key      and so on, by three of four
  gridbook epoch submit change.json

Replace validator 3 by another one, whose settings name the present validators as peers and whose data directory is empty:
  gridbook epoch propose --replace 3=c1..@10.0.0.9:7100 --out change.json

Grow from four to seven, and have validator 1 not lead in the next epoch:
  gridbook epoch propose --add 07..@10.0.0.5:7100 --add 5e..@10.0.0.6:7100 --add 88..@10.0.0.7:7100 --penalise 1 --out change.json")]
pub(crate) enum Epoch {
    /// Show the present epoch and its validators, proven from the genesis on.
    #[command(after_help = "  gridbook epoch show --network net/network.toml
  gridbook epoch show --network net/network.toml --json")]
    Show(ConnectArgs),
    /// Write a change of the present set into a new file, for the operators to approve.
    #[command(after_help = "  gridbook epoch propose --rotate 2=9a.. --out change.json
  gridbook epoch propose --penalise 1 --out change.json")]
    Propose(ProposeArgs),
    /// Sign a change with a validator's key; the file is rewritten.
    #[command(after_help = "  gridbook epoch approve change.json --key net/validator-0/validator.key")]
    Approve(ApproveArgs),
    /// Put an approved change on the ledger, and wait until the new epoch has begun.
    #[command(after_help = "  gridbook epoch submit change.json --network net/network.toml")]
    Submit(SubmitArgs),
}

/// Which network, and how patiently.
#[derive(Args, Debug)]
pub(crate) struct ConnectArgs {
    /// How the network is reached: `network.toml`, as `gridbook init` wrote it.
    #[arg(long, value_name = "FILE", env = "GRIDBOOK_NETWORK")]
    network: PathBuf,
    /// Seconds to wait for an answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    wait: u64,
}

#[derive(Args, Debug)]
pub(crate) struct ProposeArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    wish: wish::Wish,
    /// The file to write; it must not exist.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct ApproveArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    /// The change, as `gridbook epoch propose` wrote it.
    file: PathBuf,
    /// The key of a validator of the present set.
    #[arg(long, value_name = "FILE", env = "GRIDBOOK_KEY_FILE")]
    key: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct SubmitArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    /// The approved change.
    file: PathBuf,
}

impl Epoch {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::Show(args) => show(&args, global).await,
            Self::Propose(args) => propose(args, global).await,
            Self::Approve(args) => approve(args, global).await,
            Self::Submit(args) => submit(args, global).await,
        }
    }
}

/// A connection, and what it proved of the epochs.
struct Session {
    genesis: Genesis,
    client: Client,
    epochs: Epochs,
}

impl Session {
    async fn open(args: &ConnectArgs) -> anyhow::Result<Self> {
        let network = NetworkConfig::load(&args.network)?;
        let genesis = read_genesis(&network.genesis_file)?;
        let seed = *SecretKey::generate().context("the system gives no randomness")?.seed();
        let patience = Patience { give_up_after: Duration::from_secs(args.wait), ..Patience::default() };
        let (client, _) = Client::connect(network.validators, seed, patience).await?;
        let epochs = client.epochs(&genesis).await.context("the epochs of the ledger could not be had")?;
        Ok(Self { genesis, client, epochs })
    }
}

async fn show(args: &ConnectArgs, global: &Global) -> anyhow::Result<()> {
    let Session { epochs, .. } = Session::open(args).await?;
    let ends = epochs.proofs().iter().map(|proof| {
        json!({"epoch": proof.epoch(), "ended_at_height": proof.end().height, "header": proof.end().hash().to_hex()})
    });
    let value = json!({
        "epoch": epochs.present(),
        "validators": members_json(epochs.present_set()),
        "set": epochs.present_set().hash().to_hex(),
        "ends": ends.collect::<Vec<_>>(),
    });
    global.print(&value, || {
        let since = epochs.root().map_or_else(|| "the genesis".to_owned(), |root| format!("height {}", root.height));
        let proofs = epochs.proofs().len();
        format!(
            "Epoch {}, since {since}, proven from the genesis by {proofs} ends.\n{}",
            epochs.present(),
            table(epochs.present_set())
        )
    })
}

async fn propose(args: ProposeArgs, global: &Global) -> anyhow::Result<()> {
    let Session { genesis, epochs, .. } = Session::open(&args.connect).await?;
    let present = epochs.present_set();
    let next = args.wish.apply(present).map_err(Usage::error)?;
    let change = Reconfigure::propose(genesis.chain_id(), epochs.present(), &next);
    write_new(&args.out, change_to_text(&change).as_bytes())
        .context("a proposal is never overwritten: choose another --out")?;
    let newcomers = newcomers(present, &next).len();
    let value = json!({
        "file": args.out,
        "ends_epoch": change.epoch,
        "validators": members_json(&next),
        "newcomers": newcomers,
        "approvals_needed": present.quorum(),
    });
    global.print(&value, || {
        let many = (newcomers > next.faulty_max()).then(|| {
            format!(
                "\nNote: {newcomers} members are new, more than the {} that may be missing. Until some of them have caught up nothing is final.",
                next.faulty_max()
            )
        });
        format!(
            "{}: ends epoch {}; the next set is\n{}{}\nNow the operators of {} of the {} present validators approve it: gridbook epoch approve {} --key FILE",
            args.out.display(),
            change.epoch,
            table(&next),
            many.unwrap_or_default(),
            present.quorum(),
            present.count(),
            args.out.display()
        )
    })
}

/// Members whose keys are in no way in the present set; a rotated key is not told from a new operator's.
fn newcomers<'a>(present: &ValidatorSet, next: &'a ValidatorSet) -> Vec<&'a Member> {
    next.members().iter().filter(|member| present.index_of(&member.key).is_none()).collect()
}

async fn approve(args: ApproveArgs, global: &Global) -> anyhow::Result<()> {
    let mut change = read_change(&args.file)?;
    let key = read_key(&args.key)?;
    let Session { genesis, epochs, .. } = Session::open(&args.connect).await?;
    let present = epochs.present_set();
    // Whether there are enough approvals yet is no question here; everything else is.
    match change.verify(genesis.chain_id(), epochs.present(), present) {
        Ok(_) | Err(Code::EpochQuorum) => {}
        Err(code) => bail!("{}: {code}", args.file.display()),
    }
    let next = ValidatorSet::of_members(change.members.clone(), change.penalised.clone())?;
    let voter = change.approve(present, &key).map_err(|code| anyhow::anyhow!("{}: {code}", args.key.display()))?;
    let cannot = |error| anyhow::Error::new(error).context(format!("cannot write {}", args.file.display()));
    write_whole(&args.file, cannot, |mut file| {
        std::io::Write::write_all(&mut file, change_to_text(&change).as_bytes()).map_err(cannot)
    })?;
    let (given, needed) = (change.signatures.len(), present.quorum());
    let value = json!({"file": args.file, "validator": voter.0, "approvals": given, "approvals_needed": needed});
    global.print(&value, || {
        let then = if given < needed { "Hand the file on to the next." } else { "Enough: gridbook epoch submit it." };
        format!("Approved by validator {}: {given} of {needed}. The next set is\n{}\n{then}", voter.0, table(&next))
    })
}

async fn submit(args: SubmitArgs, global: &Global) -> anyhow::Result<()> {
    let change = read_change(&args.file)?;
    let Session { genesis, client, epochs } = Session::open(&args.connect).await?;
    let next = ValidatorSet::of_members(change.members.clone(), change.penalised.clone())
        .with_context(|| args.file.display().to_string())?;
    // Perhaps this is the second time, because the first answer was lost.
    let done_already = |epochs: &Epochs| epochs.set(change.epoch + 1).is_some_and(|set| set.hash() == next.hash());
    if !done_already(&epochs) {
        change
            .verify(genesis.chain_id(), epochs.present(), epochs.present_set())
            .map_err(|code| anyhow::anyhow!("{}: {code}", args.file.display()))?;
        match client.reconfigure(&change).finality().await {
            Ok(done) => {
                let refused = done.records.iter().find_map(|record| match record.outcome {
                    Outcome::Rejected(code) => Some(code),
                    Outcome::Done => None,
                });
                ensure!(
                    refused.is_none(),
                    "the ledger refused it: {}",
                    refused.map_or_else(String::new, |code| code.to_string())
                );
            }
            // The answer was lost with its validator, and the change was carried out.
            Err(ClientError::Refused(Code::EpochNumber)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let deadline = Instant::now() + Duration::from_secs(args.connect.wait);
    let epochs = loop {
        let epochs = client.epochs(&genesis).await?;
        if done_already(&epochs) {
            break epochs;
        }
        ensure!(epochs.present() <= change.epoch, "the epoch was ended by another change: propose it again");
        ensure!(Instant::now() < deadline, "not final in time; it may still become so: submit it again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let value = json!({
        "epoch": change.epoch + 1,
        "ended_at_height": epochs.proofs_from(change.epoch).first().map(|proof| proof.end().height),
        "validators": members_json(&next),
    });
    global.print(&value, || format!("Epoch {} has begun, with\n{}", change.epoch + 1, table(&next)))
}

fn read_change(path: &Path) -> anyhow::Result<Reconfigure> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    change_from_text(&text).with_context(|| format!("{} is not a change of validators", path.display()))
}

fn members_json(set: &ValidatorSet) -> Vec<Value> {
    let member = |(index, member): (ValidatorIndex, &Member)| {
        json!({
            "validator": index.0,
            "key": member.key.to_hex(),
            "address": member.address,
            "penalised": set.penalised().contains(&index),
        })
    };
    set.indices().zip(set.members()).map(member).collect()
}

fn table(set: &ValidatorSet) -> String {
    let line = |(index, member): (ValidatorIndex, &Member)| {
        let address = member.address.map_or_else(String::new, |address| format!(" at {address}"));
        let penalised = if set.penalised().contains(&index) { ", never leads" } else { "" };
        format!("  {:>2}  {}{address}{penalised}", index.0, member.key)
    };
    set.indices().zip(set.members()).map(line).collect::<Vec<_>>().join("\n")
}
