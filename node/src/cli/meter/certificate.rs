//! `gridbook meter certificate`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use gridbook_engine::{AreaId, Energy};
use gridbook_ledger::origin::CertificateRange;
use gridbook_ledger::origin::proof::{CertificateError, CertificateProof, VerifiedCertificate};
use gridbook_ledger::receipt::Receipt;
use serde_json::json;

use super::{ConnectArgs, Session};
use crate::cli::Global;
use crate::network::write_new;

#[derive(Args, Debug)]
#[command(after_help = "\
The numbers are those of the records that tell of these certificates: the plant's reading before and after the period, the issue, each
move, the claim and the consumer's readings, and the closing. `meter watch` shows them as they come. Trades are found by themselves.
What is missing is said:
  gridbook meter certificate 3/1001-1500 --seq 812 --seq 840 --seq 977 --out sun.certificate
  gridbook verify certificate sun.certificate --genesis net/genesis.json")]
pub(crate) struct CertificateArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    /// The certificates: issuer, first and last number, as records write them.
    #[arg(value_name = "ISSUER/FIRST-LAST", value_parser = parse_range)]
    range: CertificateRange,
    /// A record that tells of them, by its sequence number; as often as needed.
    #[arg(long, value_name = "NUMBER", required = true)]
    seq: Vec<u64>,
    /// The file to write; it must not exist.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// `3/1001-1500`.
fn parse_range(text: &str) -> Result<CertificateRange, String> {
    let parse = || {
        let (issuer, numbers) = text.split_once('/')?;
        let (first, last) = numbers.split_once('-')?;
        let (issuer, first, last) = (issuer.parse().ok()?, first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
        CertificateRange::new(AreaId(issuer), first, Energy(last.checked_sub(first)?.checked_add(1)?))
    };
    parse().ok_or_else(|| "certificates are written as issuer/first-last, like 3/1001-1500".to_owned())
}

impl CertificateArgs {
    /// Fetches the receipts, and those of the trades that they name, and writes them if they prove something.
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let session = Session::open(&self.connect).await?;
        let mut receipts = BTreeMap::new();
        for seq in self.seq {
            receipts.insert(seq, session.receipt_at(seq).await?);
        }
        let (proof, verified) = loop {
            let proof = CertificateProof { range: self.range, receipts: receipts.values().cloned().collect() };
            match proof.verify(&session.genesis) {
                Err(CertificateError::NoTrade { trade, .. }) if !receipts.contains_key(&trade) => {
                    receipts.insert(trade, session.receipt_at(trade).await?);
                }
                verified => break (proof, verified.context("these records do not prove the certificates' life")?),
            }
        };
        let bytes = proof.encode();
        write_new(&self.out, &bytes)?;
        let VerifiedCertificate { range, standing, is_final, .. } = verified;
        let value = json!({
            "file": self.out, "bytes": bytes.len(), "receipts": receipts.len(), "verified": true, "standing": standing.name(),
            "final": is_final});
        global.print(&value, || {
            let so_far = if is_final { "for ever" } else { "so far" };
            format!(
                "{} ({} bytes, verified): {range} are {} {so_far}",
                self.out.display(),
                bytes.len(),
                standing.name()
            )
        })
    }
}

impl Session {
    async fn receipt_at(&self, seq: u64) -> anyhow::Result<Receipt> {
        let bytes = self.client.receipt_at(seq).await.with_context(|| format!("record {seq}"))?;
        Receipt::decode(&bytes).context("the validator sent no receipt")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_they_are_written() {
        let range = CertificateRange::new(AreaId(3), 1_001, Energy(500)).unwrap();
        assert_eq!(parse_range(&range.to_string()), Ok(range));
        for text in ["", "3", "3/5", "3/5-4", "3/0-4", "x/1-2", "3/1-", "70000/1-2", "0/1-18446744073709551615"] {
            assert!(parse_range(text).is_err(), "{text}");
        }
    }
}
