//! `gridbook meter receipt`: the proof of what became of a command.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use gridbook_engine::MeterId;
use gridbook_ledger::crypto::Hash;
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
#[command(after_help = "\
  gridbook meter receipt --bundle 5e.. --out trade.receipt
  gridbook meter receipt --seq 4711 --key alice.key --out place.receipt")]
pub(crate) struct ReceiptArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    /// The bundle, as `meter order` printed it.
    #[arg(long, value_name = "HASH", value_parser = parse_hash, required_unless_present_any = ["seq", "word"])]
    bundle: Option<Hash>,
    /// The command's place in the bundle.
    #[arg(long, default_value_t = 0)]
    index: u16,
    /// The command's sequence number, whosever it is: of a record that names the key's account, or of any for offices. What became of a place
    /// that a leader gave its word on is told to whoever has the word.
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["bundle", "index", "word"])]
    seq: Option<u64>,
    /// A leader's word, as `meter order --sequenced` keeps it: what is final at its first place.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["bundle", "index"])]
    word: Option<PathBuf>,
    /// With --seq, the key that signs the question.
    #[arg(long, value_name = "FILE", env = "GRIDBOOK_KEY")]
    key: Option<PathBuf>,
    /// With --seq, a record that names this meter: for whoever may read its data.
    #[arg(long, value_name = "NUMBER", requires = "seq")]
    meter: Option<u32>,
    /// The file to write; it must not exist.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl ReceiptArgs {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let session = Session::open(&self.connect).await?;
        let bytes = match (self.bundle, self.seq, &self.word) {
            (Some(bundle), _, _) => session.client.receipt(bundle, self.index).await?,
            (None, Some(seq), _) => {
                let key = self.key.as_deref();
                let key =
                    key.ok_or_else(|| Usage::error("a record is told by its number to whom it names: give --key"))?;
                let kind = QueryKind::Receipt { seq, of: self.meter.map(MeterId), life: None };
                session.client.receipt_at(session.query(&read_key(key)?, kind)).await?
            }
            (None, None, Some(file)) => {
                let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
                let word =
                    SequencedReceipt::decode(&bytes).with_context(|| format!("{} is no word", file.display()))?;
                session.client.settled(&word, false).await?
            }
            (None, None, None) => {
                return Err(Usage::error("give the command's bundle by --bundle, or its number by --seq"));
            }
        };
        let receipt = Receipt::decode(&bytes).context("the validator sent no receipt")?;
        let verified = receipt.verify(&session.genesis).context("the validator sent a receipt that proves nothing")?;
        write_new(&self.out, &bytes)?;
        let record = session.text(&verified.record);
        let value = json!({"file": self.out, "bytes": bytes.len(), "verified": true, "record": record});
        global.print(&value, || format!("{} ({} bytes, verified)\n{record}", self.out.display(), bytes.len()))
    }
}

fn parse_hash(text: &str) -> Result<Hash, String> {
    Hash::from_hex(text)
        .ok_or_else(|| "a bundle is named by 64 lowercase hexadecimal digits, as `meter order` prints them".to_owned())
}
