//! `gridbook meter watch`: what happens to the meter's orders, as it happens.

use anyhow::Context as _;
use clap::Args;
use serde_json::json;
use tokio::time::Instant;

use super::session::QUERY_GOOD_FOR;
use super::{MeterArgs, Session};
use crate::cli::Global;
use crate::interrupt::Interrupts;
use crate::keyfile::read_key;
use crate::protocol::QueryKind;

/// Print what happens to the meter's orders, until Ctrl-C, or until the key may not watch the meter any more.
#[derive(Args, Debug)]
#[command(after_help = "  gridbook meter watch --key alice.key
  gridbook meter watch --key alice.key --count 1 --json")]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    meter: MeterArgs,
    /// Stop after so many records.
    #[arg(long, value_name = "COUNT")]
    count: Option<u64>,
}

impl WatchArgs {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let key = read_key(&self.meter.key)?;
        let mut session = Session::open(&self.meter.connect).await?;
        let mut interrupts = Interrupts::listen()?;
        let meter = tokio::select! {
            meter = session.client.watch(session.query(&key, QueryKind::Watch)) => meter?,
            () = interrupts.next() => return Ok(()),
        };
        note!("watching meter {}; Ctrl-C ends it", meter.0);
        let mut left = self.count.unwrap_or(u64::MAX);
        let half = QUERY_GOOD_FOR / 2 / session.genesis.time_scale.max(1);
        let mut renew = tokio::time::interval_at(Instant::now() + half, half);
        while left > 0 {
            let event = tokio::select! {
                _ = renew.tick() => tokio::select! {
                    renewed = session.client.watch(session.query(&key, QueryKind::Watch)) => {
                        renewed?;
                        continue;
                    }
                    () = interrupts.next() => break,
                },
                event = session.events.recv() => event.context("the connection has ended")??,
                () = interrupts.next() => break,
            };
            let record = session.text(&event.record);
            global.print(&json!({"height": event.height, "record": record}), || record.to_string())?;
            left -= 1;
        }
        Ok(())
    }
}
