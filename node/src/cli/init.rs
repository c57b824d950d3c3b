//! `gridbook init`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::genesis::LedgerArgs;
use super::{Global, Usage};
use crate::config::{IndexOptions, LogOptions, Quotas};
use crate::network::{Network, NetworkPlan, loopback_from};

/// Make a whole network: keys, genesis, settings, unit files.
#[derive(Args, Debug)]
#[command(after_help = "\
All addresses are on loopback, from --base-port upward: edit the settings files to spread the validators over machines, and give every
operator only his own directory. Validator 0 takes the ports base (validators), base + 1 (meters) and base + 2 (admin), and so on.

The ledger settles by what meters delivered: they send their registers at the end of every period (`gridbook meter read`), and who
does not is estimated. With --unmetered every trade counts as delivered as it was traded.

  gridbook init --out net
  gridbook init --out net --reading-deadline-minutes 60 --dispute-minutes 720 --short-price 45 --long-price 3")]
pub(crate) struct InitArgs {
    /// How many validators: 3f + 1, from 4 to 49.
    #[arg(long, default_value_t = 4)]
    validators: u16,
    /// The directory to make it in; it must be empty or not exist.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The first of three ports per validator.
    #[arg(long, default_value_t = 7100, value_name = "PORT")]
    base_port: u16,
    #[command(flatten)]
    ledger: LedgerArgs,
}

impl InitArgs {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        let (ledger_start, wall_start_ms) = self.ledger.start();
        let areas = self.ledger.areas()?;
        let plan = NetworkPlan {
            listen: loopback_from(self.validators, self.base_port).map_err(|error| Usage::error(error.to_string()))?,
            rules: self.ledger.rules()?,
            settlement: self.ledger.settlement.rules()?,
            name: self.ledger.name,
            areas,
            ledger_start,
            wall_start_ms,
            time_scale: self.ledger.time_scale,
            quotas: Quotas::one_host(),
            log: LogOptions::default(),
            index_options: IndexOptions::default(),
        };
        plan.check().map_err(|error| Usage::error(error.to_string()))?;
        let network = plan.make(&self.out)?;
        let value = json!({
            "dir": network.dir,
            "chain": network.genesis.chain_id().to_hex(),
            "genesis": network.dir.join("genesis.json"),
            "network": network.network_file(),
            "operator_key": network.operator_key_file(),
            "validators": network.config_files,
        });
        global.print(&value, || next_steps(&network))
    }
}

fn next_steps(network: &Network) -> String {
    let dir = network.dir.display();
    let starts =
        network.config_files.iter().map(|file| format!("  gridbook validator --config {} &\n", file.display()));
    format!(
        "A network of {} validators in {dir}, chain {}.\n\n\
         Start the validators, each in its own terminal or by its .service file:\n{}\n\
         Make a meter and let the operator register it:\n  \
         gridbook keys generate --out alice.key\n  \
         gridbook meter register --network {dir}/network.toml --operator-key {dir}/operator.key --key alice.key --deposit 100\n\n\
         Then trade: `gridbook meter order --help`. Keep {dir}/operator.key safe: it registers meters and makes deposits.",
        network.config_files.len(),
        network.genesis.chain_id(),
        starts.collect::<String>(),
    )
}
