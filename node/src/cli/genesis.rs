//! `gridbook genesis`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use gridbook_engine::{LedgerTime, MarketRules};
use gridbook_ledger::crypto::PublicKey;
use gridbook_ledger::genesis::{Area, Genesis};
use gridbook_ledger::validators::ValidatorSet;
use serde_json::json;

use super::area::{AreaArg, hang};
use super::settlement::SettlementArgs;
use super::{Global, Usage};
use crate::client::wall_us;
use crate::moment::{format_moment, parse_moment};
use crate::network::write_new;

/// Write the genesis of a ledger from the public keys of its validators and operator.
#[derive(Args, Debug)]
#[command(after_help = "\
Every operator makes his own key (`gridbook keys generate`) and hands out the public half. The same genesis file must then lie at
every validator: its hash is the ledger's name. `gridbook init` does all of this for a network on one machine.

  gridbook genesis --validator-key 3f.. --validator-key 9a.. --validator-key 07.. --validator-key c1.. \\
                   --operator-key 5e.. --areas north,south --out genesis.json

Areas of --areas are islands: nobody trades across. A network is said by --area, once for each area, with the most energy that the edge to
the area above it carries up and down in one delivery period, and the fee per kWh each way:

  gridbook genesis .. --area substation --area north:substation:40kWh:60kWh:0.5 --area south:substation:40kWh:60kWh:0.5:0.8")]
pub(crate) struct GenesisArgs {
    /// Public key of a validator; 4 to 49 of them, 3f + 1, in the order of their numbers.
    #[arg(long = "validator-key", value_name = "HEX", required = true, value_parser = parse_key)]
    validator_keys: Vec<PublicKey>,
    /// Public key that registers meters and makes deposits.
    #[arg(long, value_name = "HEX", value_parser = parse_key)]
    operator_key: PublicKey,
    #[command(flatten)]
    ledger: LedgerArgs,
    /// The file to write; it must not exist.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// What `genesis` and `init` both ask about the ledger.
#[derive(Args, Debug)]
pub(crate) struct LedgerArgs {
    /// What people call the ledger.
    #[arg(long, default_value = "gridbook")]
    pub(crate) name: String,
    /// The delivery areas, by name, without edges between them.
    #[arg(long, value_delimiter = ',', default_value = "town", value_name = "NAME,...", conflicts_with = "area")]
    pub(crate) areas: Vec<String>,
    /// A delivery area and its edge to the one above it: the energy that fits through per delivery period, and the fee in ct per kWh
    /// (0 without it; one fee is for both ways). One area, the root, has no parent.
    #[arg(long, value_name = "NAME[:PARENT:UP:DOWN[:FEE[:FEE_DOWN]]]")]
    pub(crate) area: Vec<AreaArg>,
    /// How many ledger seconds pass in one second of the wall clock.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) time_scale: u32,
    /// Ledger time at the start, in UTC as 2026-06-17T12:00; without it, the present.
    #[arg(long, value_name = "MOMENT", value_parser = parse_moment)]
    pub(crate) ledger_start: Option<LedgerTime>,
    /// Minutes of one delivery period: 5, 15, 30 or 60.
    #[arg(long, default_value_t = 15, value_name = "MINUTES")]
    pub(crate) mtu_minutes: u32,
    /// How many minutes before delivery trading ends.
    #[arg(long, default_value_t = 5, value_name = "MINUTES")]
    pub(crate) gate_minutes: u64,
    /// How many minutes before delivery trading across edges ends; 30, or --gate-minutes if that is more.
    #[arg(long, value_name = "MINUTES")]
    pub(crate) cross_area_gate_minutes: Option<u64>,
    /// Trading of a delivery period opens with a call phase of so many minutes, in which orders are collected, and one auction.
    #[arg(long, value_name = "MINUTES")]
    pub(crate) call_minutes: Option<u64>,
    /// How many delivery periods open together, so that one auction holds them all.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) periods_per_opening: u32,
    #[command(flatten)]
    pub(crate) settlement: SettlementArgs,
}

impl LedgerArgs {
    pub(crate) fn rules(&self) -> anyhow::Result<MarketRules> {
        let default = MarketRules::default();
        let ms = |minutes: u64| minutes.saturating_mul(60_000);
        let gate_ms = ms(self.gate_minutes);
        let rules = MarketRules {
            mtu_minutes: self.mtu_minutes,
            gate_ms,
            cross_area_gate_ms: self.cross_area_gate_minutes.map_or(default.cross_area_gate_ms.max(gate_ms), ms),
            auction_at_open: self.call_minutes.is_some(),
            call_ms: self.call_minutes.map_or(default.call_ms, ms),
            periods_per_opening: self.periods_per_opening,
            ..default
        };
        rules.validate().map_err(|error| Usage::error(error.to_string()))?;
        Ok(rules)
    }

    /// The areas of --area, or those of --areas.
    pub(crate) fn areas(&self) -> anyhow::Result<Vec<Area>> {
        if self.area.is_empty() {
            return Ok(self.areas.iter().map(Area::alone).collect());
        }
        hang(&self.area).map_err(Usage::error)
    }

    /// Ledger time and wall time (ms since the Unix epoch) at the start.
    pub(crate) fn start(&self) -> (LedgerTime, u64) {
        let wall_ms = wall_us() / 1000;
        (self.ledger_start.unwrap_or(LedgerTime(wall_ms)), wall_ms)
    }
}

impl GenesisArgs {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        let (ledger_start, wall_start_ms) = self.ledger.start();
        let validators = ValidatorSet::new(self.validator_keys).map_err(|error| Usage::error(error.to_string()))?;
        let genesis = Genesis {
            rules: self.ledger.rules()?,
            settlement: self.ledger.settlement.rules()?,
            areas: self.ledger.areas()?,
            name: self.ledger.name,
            ledger_start,
            wall_start_ms,
            time_scale: self.ledger.time_scale,
            operator: self.operator_key,
            validators,
        };
        genesis.validate().map_err(|error| Usage::error(error.to_string()))?;
        write_new(&self.out, genesis.to_json().as_bytes())
            .context("a genesis is never overwritten: choose another --out")?;
        let chain = genesis.chain_id().to_hex();
        global.print(&json!({"file": self.out, "chain": chain, "ledger_start_ms": ledger_start.0}), || {
            format!("{}\nchain {chain}\nledger time begins at {}", self.out.display(), format_moment(ledger_start))
        })
    }
}

/// Reads a public key that may be registered.
pub(crate) fn parse_key(text: &str) -> Result<PublicKey, String> {
    let key =
        PublicKey::from_hex(text).ok_or("a public key is 64 lowercase hexadecimal digits: see `gridbook keys show`")?;
    key.check().map_err(|error| error.to_string())?;
    Ok(key)
}
