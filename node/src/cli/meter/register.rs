//! `gridbook meter register`: an account, its meter and its money.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use gridbook_engine::{AccountId, Energy, EnergySources, MeterId, Money};
use gridbook_ledger::command::Command;
use gridbook_ledger::crypto::PublicKey;
use gridbook_ledger::record::{Outcome, RecordEvent};
use gridbook_ledger::registry::Plant;

use super::sources::parse_source;
use super::{ConnectArgs, area_by_name};
use crate::amounts::{parse_energy, parse_money};
use crate::cli::genesis::parse_key;
use crate::cli::registry::organisation;
use crate::cli::{Global, Usage};
use crate::client::FinalBundle;
use crate::keyfile::read_key;
use crate::protocol::Status;

/// Operator: open an account, register a meter for it, and deposit money.
#[derive(Args, Debug)]
#[command(
    after_help = "  gridbook meter register --network net/network.toml --operator-key net/operator.key --key alice.key --deposit 100
  gridbook meter register --operator-key town-hall.key --public 5e.. --account 3 --area north --source solar"
)]
pub(in crate::cli) struct RegisterArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    /// The secret key of the operator, or of a registrar.
    #[arg(long, value_name = "FILE", env = "GRIDBOOK_OPERATOR_KEY")]
    operator_key: PathBuf,
    /// The meter's secret key, of which only the public half is used.
    #[arg(long, value_name = "FILE", env = "GRIDBOOK_KEY", required_unless_present = "public")]
    key: Option<PathBuf>,
    /// The meter's public key, where the secret one is not at hand.
    #[arg(long, value_name = "HEX", value_parser = parse_key, conflicts_with = "key")]
    public: Option<PublicKey>,
    /// An account that exists already; without it a new one is opened.
    #[arg(long, value_name = "NUMBER")]
    account: Option<u32>,
    /// The delivery area, by the name in the genesis; without it, the first.
    #[arg(long, value_name = "NAME")]
    area: Option<String>,
    /// The most the connection takes in per delivery period.
    #[arg(long, value_name = "ENERGY", default_value = "4kWh", value_parser = parse_energy)]
    import_max: Energy,
    /// The most the connection gives out per delivery period.
    #[arg(long, value_name = "ENERGY", default_value = "4kWh", value_parser = parse_energy)]
    export_max: Energy,
    /// What is made behind it: solar, wind, hydro, biomass, storage, or grid_mix for nothing. Its sells may claim that, and grid_mix.
    #[arg(long, value_name = "SOURCE", default_value = "grid_mix", value_parser = parse_source)]
    source: EnergySources,
    /// Of each million parts that go into a battery without a meter of its own, how many come out again. What comes out is storage.
    #[arg(long, value_name = "PPM", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    battery_ppm: Option<u32>,
    /// The organisation that a new account belongs to.
    #[arg(long, value_name = "NUMBER", conflicts_with = "account")]
    supplier: Option<u32>,
    /// Money to deposit into the account; for that the key must be the operator's, or a registrar's that is a bank too.
    #[arg(long, value_name = "MONEY", value_parser = parse_money)]
    deposit: Option<Money>,
}

impl RegisterArgs {
    pub(in crate::cli) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let operator = read_key(&self.operator_key)?;
        let meter_key = match (self.public, &self.key) {
            (Some(public), _) => public,
            (None, Some(file)) => read_key(file)?.public(),
            (None, None) => return Err(Usage::error("give the meter's key by --key or --public")),
        };
        let supplier = self.supplier.map(organisation).transpose()?;
        let network = self.connect.known()?;
        let area = area_by_name(&network.genesis, self.area.as_deref())?;
        let plant = Plant { source: self.source, storage_ppm: self.battery_ppm };
        plant.check().map_err(|code| Usage::error(code.to_string()))?;
        let session = network.open().await?;
        // Each in a bundle of its own: commands of a bundle stand for themselves, and where somebody else has taken the account's number
        // meanwhile, the meter must not become a stranger's.
        let mut records = Vec::new();
        let account = match self.account {
            Some(number) => AccountId(number),
            None => {
                let open = |status: &Status| Command::RegisterAccount {
                    account: AccountId(status.accounts),
                    organisation: supplier,
                };
                let done = session.submit_with_next(&operator, open).await?;
                let opened = done.records.iter().flat_map(|record| &record.events).find_map(|event| match event {
                    RecordEvent::AccountRegistered { account } => Some(*account),
                    _ => None,
                });
                let Some(account) = opened else { return session.report(global, &done) };
                records.extend(done.records);
                account
            }
        };
        let (key, import_max_wh, export_max_wh) = (meter_key, self.import_max, self.export_max);
        let register = |status: &Status| {
            let meter = MeterId(status.meters);
            Command::RegisterMeter { meter, account, key, area, import_max_wh, export_max_wh, plant }
        };
        let mut done = session.submit_with_next(&operator, register).await?;
        let is_registered = done.records.iter().all(|record| record.outcome == Outcome::Done);
        records.append(&mut done.records);
        if let (true, Some(amount)) = (is_registered, self.deposit) {
            match session.submit(&operator, vec![Command::Deposit { account, amount }]).await {
                Ok(deposited) => done = deposited,
                Err(error) => {
                    // Their numbers are all that whoever deposits later needs.
                    session.report(global, &FinalBundle { records, ..done })?;
                    return Err(error).with_context(|| {
                        format!(
                            "registered, but nobody says that the money is there: see `gridbook registry account show {0}`, and deposit it \
                             by `gridbook registry account deposit {0}` if it is not",
                            account.0
                        )
                    });
                }
            }
            records.append(&mut done.records);
        }
        session.report(global, &FinalBundle { records, ..done })
    }
}
