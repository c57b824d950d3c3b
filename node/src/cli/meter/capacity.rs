//! What an edge may carry, by the operator.

use std::path::PathBuf;

use clap::Args;
use gridbook_engine::Energy;
use gridbook_ledger::command::Command;

use super::{ConnectArgs, area_by_name};
use crate::amounts::parse_energy;
use crate::cli::Global;
use crate::keyfile::read_key;

/// Operator: set what the edge above an area carries in one delivery period. What rests there is matched again.
#[derive(Args, Debug)]
#[command(after_help = "\
No trade is undone when less fits through than was traded already: the edge is then overloaded, and the record says by how much.

  gridbook meter capacity --operator-key net/operator.key --area north --period 2026-06-17T12:00 --up 20kWh --down 60kWh")]
pub(crate) struct CapacityArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    /// The secret key of who acts: the operator or the area's grid operator.
    #[arg(long, value_name = "FILE", env = "GRIDBOOK_OPERATOR_KEY")]
    operator_key: PathBuf,
    /// The area below the edge, by the name in the genesis.
    #[arg(long, value_name = "NAME")]
    area: String,
    /// The delivery period, by the moment at which delivery begins, or by number.
    #[arg(long, value_name = "PERIOD")]
    period: String,
    /// The most that may flow up, to the area above.
    #[arg(long, value_name = "ENERGY", value_parser = parse_energy)]
    up: Energy,
    /// The most that may flow down.
    #[arg(long, value_name = "ENERGY", value_parser = parse_energy)]
    down: Energy,
}

impl CapacityArgs {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let operator = read_key(&self.operator_key)?;
        let network = self.connect.known()?;
        let area = area_by_name(&network.genesis, Some(&self.area))?;
        let period = network.period(&self.period)?;
        let session = network.open().await?;
        let command = Command::SetCapacity { area, period, up: self.up, down: self.down };
        let done = session.submit(&operator, vec![command]).await?;
        session.report(global, &done)
    }
}
