//! What a meter has counted, by itself.

use clap::Args;
use gridbook_ledger::command::Command;

use super::MeterArgs;
use crate::cli::Global;
use crate::cli::settlement::{RegisterArgs, check_metered};
use crate::keyfile::read_key;

/// Tell what the meter's registers show at the end of a delivery period.
#[derive(Args, Debug)]
#[command(after_help = "\
A meter sends its cumulative registers, signed, at the end of every period; two of them in a row are what it delivered. Nothing else
counts: energy that was sold and not metered earns nothing. A reading can come until the reading deadline, in any order, and once for
each period: what is missing then is estimated against its owner. A register that runs backwards, that shows more than the connection
carries, or that comes again unchanged is refused, and so is another reading for the same period. A new meter begins with the register at
the start of the first period that begins after it was registered.

  gridbook meter read --key alice.key --import 8214.3kWh --export 1020kWh --counter 51236
  gridbook meter read --key alice.key --import 8214.3kWh --export 1020kWh --counter 51236 --period 2026-06-17T12:00")]
pub(crate) struct ReadArgs {
    #[command(flatten)]
    meter: MeterArgs,
    #[command(flatten)]
    registers: RegisterArgs,
}

impl ReadArgs {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let key = read_key(&self.meter.key)?;
        let network = self.meter.connect.known()?;
        check_metered(&network)?;
        let reading = self.registers.reading(&network)?;
        let session = network.open().await?;
        let done = session.submit(&key, vec![Command::Reading(reading)]).await?;
        session.report(global, &done)
    }
}
