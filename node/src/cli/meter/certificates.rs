//! `gridbook meter certificates`: what became of a meter's certificates of origin.

use clap::Args;
use gridbook_engine::MeterId;
use serde_json::json;

use super::{MeterArgs, Session};
use crate::cli::Global;
use crate::keyfile::read_key;
use crate::protocol::QueryKind;

/// Print what became of the meter's certificates of origin: issued, moved, claimed, closed.
#[derive(Args, Debug)]
#[command(after_help = "\
Each record is named by its number: `gridbook meter receipt --seq` proves it, and `gridbook meter certificate` traces a range.
The key is that of the meter, of another meter of the same account, of somebody whom its owner lets read its certificates, or of who runs
the market; the last three name the meter by --meter.

  gridbook meter certificates --key alice.key")]
pub(crate) struct CertificatesArgs {
    #[command(flatten)]
    meter: MeterArgs,
    /// The meter's number; without it, the meter whose key asks.
    #[arg(long = "meter", value_name = "NUMBER")]
    number: Option<u32>,
}

impl CertificatesArgs {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let key = read_key(&self.meter.key)?;
        let session = Session::open(&self.meter.connect).await?;
        let sign = |kind| session.query(&key, kind);
        let meter = match self.number {
            Some(number) => MeterId(number),
            None => session.client.account(sign(QueryKind::Account)).await?.meter,
        };
        let records = session.client.certificates(sign, meter, 0).await?;
        let records: Vec<_> = records.iter().map(|record| session.text(record)).collect();
        global.print(&json!({"meter": meter.0, "records": records}), || match &records[..] {
            [] => format!("nothing is told of certificates of meter {}", meter.0),
            records => records.iter().map(|record| format!("{record}\n")).collect(),
        })
    }
}
