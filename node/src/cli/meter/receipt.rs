//! `gridbook meter receipt`: the proof of what became of a command.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use gridbook_engine::MeterId;
use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::receipt::Receipt;
use gridbook_ledger::sequenced::SequencedReceipt;
use serde_json::json;

use super::{ConnectArgs, Session};
use crate::cli::{Global, Usage};
use crate::keyfile::read_key;
use crate::network::write_new;
use crate::protocol::QueryKind;

/// Fetch the receipt of a command, and check it.
#[derive(Args, Debug)]
#[command(after_help = "  gridbook meter receipt --bundle 5e.. --key alice.key --out trade.receipt
  gridbook meter receipt --seq 4711 --key alice.key --out place.receipt
  gridbook meter receipt --word order.s0 --out trade.receipt

A receipt shows a whole record, so it is told to whom the record names and to who sent the command; to others if the meter's owner has granted
them all. A leader's word on the places of a bundle needs no key beside it.")]
pub(crate) struct ReceiptArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    /// The bundle, as `meter order` printed it.
    #[arg(long, value_name = "HASH", value_parser = parse_hash, required_unless_present_any = ["seq", "word"])]
    bundle: Option<Hash>,
    /// The command's place in the bundle.
    #[arg(long, default_value_t = 0)]
    index: u16,
    /// The command's sequence number, instead of its bundle.
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["bundle", "index", "word"])]
    seq: Option<u64>,
    /// A leader's word, as `meter order --sequenced` keeps it: what is final at the place with this index.
    #[arg(long, value_name = "FILE", conflicts_with = "bundle")]
    word: Option<PathBuf>,
    /// With --bundle and --seq, the key that signs the question.
    #[arg(long, value_name = "FILE", env = "GRIDBOOK_KEY")]
    key: Option<PathBuf>,
    /// A record that names this meter: for whoever may read its data.
    #[arg(long, value_name = "NUMBER", conflicts_with = "word")]
    meter: Option<u32>,
    /// The file to write; it must not exist.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl ReceiptArgs {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        // What is wrong with the question shows before anybody is asked it.
        let asked = self.asked()?;
        let session = Session::open(&self.connect).await?;
        let bytes = match &asked {
            Asked::ByKey(key, kind) => session.client.receipt(session.query(key, *kind)).await?,
            Asked::ByWord(word) => session.client.settled(word, self.index.into()).await?,
        };
        let receipt = Receipt::decode(&bytes).context("the validator sent no receipt")?;
        let verified = receipt.verify(&session.genesis).context("the validator sent a receipt that proves nothing")?;
        write_new(&self.out, &bytes)?;
        let record = session.text(&verified.record);
        let value = json!({"file": self.out, "bytes": bytes.len(), "verified": true, "record": record});
        global.print(&value, || format!("{} ({} bytes, verified)\n{record}", self.out.display(), bytes.len()))
    }

    fn asked(&self) -> anyhow::Result<Asked> {
        let of = self.meter.map(MeterId);
        let kind = match (self.bundle, self.seq, &self.word) {
            (Some(bundle), _, _) => QueryKind::BundleReceipt { bundle, index: self.index, of },
            (None, Some(seq), _) => QueryKind::Receipt { seq, of, life: None },
            (None, None, Some(file)) => {
                let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
                let word = SequencedReceipt::decode(&bytes);
                let word = word.with_context(|| format!("{} is no word", file.display()))?;
                return Ok(Asked::ByWord(Box::new(word)));
            }
            (None, None, None) => {
                return Err(Usage::error("give the command's bundle by --bundle, its number by --seq or a --word"));
            }
        };
        let key = self.key.as_deref();
        let key = key.ok_or_else(|| Usage::error("a record is told to whom it names: give the --key that asks"))?;
        Ok(Asked::ByKey(Box::new(read_key(key)?), kind))
    }
}

/// By what right a receipt is asked for.
enum Asked {
    ByKey(Box<SecretKey>, QueryKind),
    ByWord(Box<SequencedReceipt>),
}

fn parse_hash(text: &str) -> Result<Hash, String> {
    Hash::from_hex(text)
        .ok_or_else(|| "a bundle is named by 64 lowercase hexadecimal digits, as `meter order` prints them".to_owned())
}
