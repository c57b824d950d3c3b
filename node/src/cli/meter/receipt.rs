//! `gridbook meter receipt`: the proof of what became of a command.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::receipt::Receipt;
use serde_json::json;

use super::{ConnectArgs, Session};
use crate::cli::{Global, Usage};
use crate::network::write_new;

/// Fetch the receipt of a command, and check it.
#[derive(Args, Debug)]
pub(crate) struct ReceiptArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    /// The bundle, as `meter order` printed it.
    #[arg(long, value_name = "HASH", value_parser = parse_hash, required_unless_present = "seq")]
    bundle: Option<Hash>,
    /// The command's place in the bundle.
    #[arg(long, default_value_t = 0)]
    index: u16,
    /// The command's sequence number, whosever it is: what became of a place that a leader gave its word on.
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["bundle", "index"])]
    seq: Option<u64>,
    /// The file to write; it must not exist.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl ReceiptArgs {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let session = Session::open(&self.connect).await?;
        let bytes = match (self.bundle, self.seq) {
            (Some(bundle), _) => session.client.receipt(bundle, self.index).await?,
            (None, Some(seq)) => session.client.receipt_at(seq).await?,
            (None, None) => return Err(Usage::error("give the command's bundle by --bundle, or its number by --seq")),
        };
        let receipt = Receipt::decode(&bytes).context("the validator sent no receipt")?;
        let verified = receipt.verify(&session.genesis).context("the validator sent a receipt that proves nothing")?;
        write_new(&self.out, &bytes)?;
        let record = session.text(&verified.record);
        let value = json!({"file": self.out, "bytes": bytes.len(), "verified": true, "record": record});
        global.print(&value, || format!("{} ({} bytes, verified)\n{record}", self.out.display(), bytes.len()))
    }
}

pub(in crate::cli) fn parse_hash(text: &str) -> Result<Hash, String> {
    Hash::from_hex(text)
        .ok_or_else(|| "a bundle is named by 64 lowercase hexadecimal digits, as `meter order` prints them".to_owned())
}
