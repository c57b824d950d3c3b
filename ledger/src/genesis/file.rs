//! The genesis as a file that people read: JSON, keys in hexadecimal.

use std::collections::BTreeSet;

use gridbook_engine::{LedgerTime, MarketRules, NetworkError, Price, RulesError};
use serde::{Deserialize, Serialize};

use super::area::{AreaFile, areas_from_file, areas_to_file};
use super::settlement::SettlementFile;
use super::{Genesis, SettlementRulesError, TIME_SCALE_MAX};
use crate::crypto::PublicKey;
use crate::validators::{ValidatorSet, ValidatorSetError};

/// The longest name of a ledger or an area, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// The most delivery areas: their count has two bytes, as their numbers have.
const AREAS_MAX: usize = 65_535;

/// Contracts open at most 400 days ahead. Gates are a part of settlement, so there is no ledger without them either.
const LEAD_MS_MAX: u64 = 400 * 24 * 3_600_000;

/// What is wrong with a genesis.
#[derive(Debug, thiserror::Error)]
pub enum GenesisError {
    /// Not JSON, or not of this form.
    #[error("the genesis file cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// A key that is not 64 hexadecimal digits, or may not be used.
    #[error("`{field}` is not a usable public key of 64 lowercase hexadecimal digits")]
    Key {
        /// Which.
        field: String,
    },
    /// An empty, overlong or unprintable name.
    #[error("the name {0:?} must have 1 to 64 bytes and no control characters")]
    Name(String),
    /// No areas, or more than there are numbers for.
    #[error("{0} delivery areas: there must be 1 to 65,535")]
    Areas(usize),
    /// Two areas of one name.
    #[error("two delivery areas are named {0:?}")]
    DuplicateArea(String),
    /// An area below one that is not there.
    #[error("area {area:?} lies below {parent:?}, which is not among the areas")]
    Parent {
        /// The area.
        area: String,
        /// What it is said to lie below.
        parent: String,
    },
    /// Areas and edges that are not one tree, or an edge out of bounds.
    #[error("the areas, numbered from 0, do not make a network: {0}")]
    Network(#[from] NetworkError),
    /// Out of bounds.
    #[error("a time scale of {0}: it must be 1 to 86,400")]
    TimeScale(u32),
    /// Contracts that are open for years.
    #[error(
        "contracts open {0} ms before delivery: it must be at most 400 days, as all that is open is kept in memory"
    )]
    Lead(u64),
    /// Rules that make no sense.
    #[error("the market rules do not fit together: {0}")]
    Rules(#[from] RulesError),
    /// Settlement rules that make no sense.
    #[error("the settlement rules do not fit together: {0}")]
    Settlement(#[from] SettlementRulesError),
    /// Not a validator set.
    #[error("the validators do not make a set: {0}")]
    Validators(#[from] ValidatorSetError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GenesisFile {
    name: String,
    ledger_start_ms: u64,
    wall_start_ms: u64,
    time_scale: u32,
    rules: RulesFile,
    /// Without it, every trade counts as delivered.
    #[serde(default)]
    settlement: SettlementFile,
    areas: Vec<AreaFile>,
    operator: String,
    validators: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesFile {
    mtu_minutes: u32,
    tick: i32,
    lot: u64,
    price_min: i32,
    price_max: i32,
    open_lead_ms: u64,
    gate_ms: u64,
    /// Without it, the default, or `gate_ms` if that is longer.
    #[serde(default)]
    cross_area_gate_ms: Option<u64>,
    #[serde(default)]
    auction_at_open: bool,
    #[serde(default = "default_call_ms")]
    call_ms: u64,
    #[serde(default = "default_periods_per_opening")]
    periods_per_opening: u32,
}

fn default_call_ms() -> u64 {
    MarketRules::default().call_ms
}

fn default_periods_per_opening() -> u32 {
    MarketRules::default().periods_per_opening
}

impl Genesis {
    /// Reads the JSON form and checks all of it.
    pub fn from_json(text: &str) -> Result<Self, GenesisError> {
        let file: GenesisFile = serde_json::from_str(text)?;
        let validators = file.validators.iter().enumerate().map(|(i, key)| read_key(&format!("validators[{i}]"), key));
        let genesis = Self {
            name: file.name,
            ledger_start: LedgerTime(file.ledger_start_ms),
            wall_start_ms: file.wall_start_ms,
            time_scale: file.time_scale,
            rules: file.rules.into(),
            settlement: file.settlement.into(),
            areas: areas_from_file(&file.areas)?,
            operator: read_key("operator", &file.operator)?,
            validators: ValidatorSet::new(validators.collect::<Result<_, _>>()?)?,
        };
        genesis.validate()?;
        Ok(genesis)
    }

    /// Writes the JSON form, with a newline at the end.
    pub fn to_json(&self) -> String {
        let keys = self.validators.indices().filter_map(|index| self.validators.key(index));
        let file = GenesisFile {
            name: self.name.clone(),
            ledger_start_ms: self.ledger_start.0,
            wall_start_ms: self.wall_start_ms,
            time_scale: self.time_scale,
            rules: self.rules.into(),
            settlement: self.settlement.into(),
            areas: areas_to_file(&self.areas),
            operator: self.operator.to_hex(),
            validators: keys.map(|key| key.to_hex()).collect(),
        };
        let mut text = serde_json::to_string_pretty(&file).expect("texts, numbers and lists always make JSON");
        text.push('\n');
        text
    }

    /// Checks what the types do not say: names, areas, scale, rules and the operator's key.
    pub fn validate(&self) -> Result<(), GenesisError> {
        for name in core::iter::once(&self.name).chain(self.areas.iter().map(|area| &area.name)) {
            if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
                return Err(GenesisError::Name(name.clone()));
            }
        }
        if !(1..=AREAS_MAX).contains(&self.areas.len()) {
            return Err(GenesisError::Areas(self.areas.len()));
        }
        let mut names = BTreeSet::new();
        if let Some(twice) = self.areas.iter().find(|area| !names.insert(area.name.as_str())) {
            return Err(GenesisError::DuplicateArea(twice.name.clone()));
        }
        if !(1..=TIME_SCALE_MAX).contains(&self.time_scale) {
            return Err(GenesisError::TimeScale(self.time_scale));
        }
        self.operator.check().map_err(|_| GenesisError::Key { field: "operator".into() })?;
        if self.rules.open_lead_ms > LEAD_MS_MAX {
            return Err(GenesisError::Lead(self.rules.open_lead_ms));
        }
        self.rules.validate()?;
        self.settlement.validate()?;
        self.network()?;
        Ok(())
    }
}

fn read_key(field: &str, text: &str) -> Result<PublicKey, GenesisError> {
    let refused = || GenesisError::Key { field: field.into() };
    let key = PublicKey::from_hex(text).ok_or_else(refused)?;
    key.check().map_err(|_| refused())?;
    Ok(key)
}

impl From<RulesFile> for MarketRules {
    fn from(file: RulesFile) -> Self {
        let RulesFile { mtu_minutes, tick, lot, price_min, price_max, open_lead_ms, gate_ms, .. } = file;
        let RulesFile { cross_area_gate_ms, auction_at_open, call_ms, periods_per_opening, .. } = file;
        let default_gate_ms = Self::default().cross_area_gate_ms.max(gate_ms);
        Self {
            mtu_minutes,
            tick,
            lot,
            price_min: Price(price_min),
            price_max: Price(price_max),
            open_lead_ms,
            gate_ms,
            cross_area_gate_ms: cross_area_gate_ms.unwrap_or(default_gate_ms),
            auction_at_open,
            call_ms,
            periods_per_opening,
        }
    }
}

impl From<MarketRules> for RulesFile {
    fn from(rules: MarketRules) -> Self {
        Self {
            mtu_minutes: rules.mtu_minutes,
            tick: rules.tick,
            lot: rules.lot,
            price_min: rules.price_min.0,
            price_max: rules.price_max.0,
            open_lead_ms: rules.open_lead_ms,
            gate_ms: rules.gate_ms,
            cross_area_gate_ms: Some(rules.cross_area_gate_ms),
            auction_at_open: rules.auction_at_open,
            call_ms: rules.call_ms,
            periods_per_opening: rules.periods_per_opening,
        }
    }
}
