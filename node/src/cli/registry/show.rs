//! `gridbook registry .. show`: what the registry says, for people and for programs.

use clap::Args;
use gridbook_engine::MeterId;
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::registry::{DeviceStanding, Plant};
use serde_json::{Value, json};

use super::super::Global;
use super::super::meter::{Session, debt_text};
use super::{ByArgs, area_text};
use crate::protocol::{AccessState, METERS_PER_ANSWER, QueryKind, RegistryEntry, RegistrySubject};

/// Show somebody.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// The registration number.
    pub(super) number: u32,
    #[command(flatten)]
    by: ByArgs,
}

impl ShowArgs {
    pub(super) async fn run(self, global: &Global, subject: RegistrySubject) -> anyhow::Result<()> {
        let (session, key) = self.by.open().await?;
        let query = session.query(&key, QueryKind::Registry);
        let entry = session.client.registry(query, subject).await?;
        global.print(&entry_json(&session, self.number, &entry), || entry_text(&session, self.number, &entry))
    }
}

fn entry_json(session: &Session, number: u32, entry: &RegistryEntry) -> Value {
    match entry {
        RegistryEntry::Organisation { name, roles, area, access } => json!({
            "organisation": number, "name": name.text(), "roles": roles.to_string(),
            "area": area.map(|area| area_text(session, area)), "access": access_json(access),
        }),
        RegistryEntry::Meter { account, area, import_max, export_max, plant, certificate, access } => json!({
            "meter": number, "account": account.0, "area": area_text(session, *area), "import_max_wh": import_max.0,
            "export_max_wh": export_max.0, "source": plant.source.to_string(), "battery_ppm": plant.storage_ppm,
            "certificate": Some(*certificate).filter(|hash| *hash != Hash::ZERO).map(Hash::to_hex),
            "access": access_json(access),
        }),
        RegistryEntry::Account { organisation, balance, reserved, debt, meters } => json!({
            "account": number, "supplier": organisation.map(|organisation| organisation.0),
            "balance_nano": balance.0.to_string(), "reserved_nano": reserved.0.to_string(),
            "debt_nano": debt.0.to_string(),
            "meters": meters.as_ref().map(|meters| meters.iter().map(|meter| meter.0).collect::<Vec<_>>()),
            "all_meters": meters.as_ref().map(|meters| is_all(meters)),
        }),
    }
}

fn access_json(access: &AccessState) -> Value {
    let AccessState { key, standing, reason, rotations, nonce } = access;
    json!({"key": key.to_hex(), "standing": standing.name(), "reason": reason.name(), "own_rotations": rotations,
        "nonce": nonce})
}

fn entry_text(session: &Session, number: u32, entry: &RegistryEntry) -> String {
    match entry {
        RegistryEntry::Organisation { name, roles, area, access } => {
            let area = area.map_or(String::new(), |area| format!(" of {} and all below", area_text(session, area)));
            format!("organisation {number}, {name}: {roles}{area}\n{}", access_text(access))
        }
        RegistryEntry::Meter { account, area, import_max, export_max, plant, certificate, access } => {
            let certified = match *certificate {
                Hash::ZERO => "no certificate of installation".to_owned(),
                hash => format!("certificate {}", hash.to_hex()),
            };
            format!(
                "meter {number} of account {} in {}\ntakes in {import_max} and gives out {export_max} per delivery period; {}\n{certified}\n{}",
                account.0,
                area_text(session, *area),
                plant_text(plant),
                access_text(access)
            )
        }
        RegistryEntry::Account { organisation, balance, reserved, debt, meters } => {
            let supplier =
                organisation.map_or("no supplier".to_owned(), |one| format!("supplied by organisation {}", one.0));
            let meters = match meters {
                Some(meters) => {
                    let named: Vec<String> = meters.iter().map(|meter| meter.0.to_string()).collect();
                    let and_more =
                        if is_all(meters) { "" } else { " and perhaps more: an answer names no further ones" };
                    format!("{}{and_more}", named.join(", "))
                }
                None => "not told to this key".to_owned(),
            };
            format!(
                "account {number}, {supplier}: {balance} of which {reserved} reserved{}\nmeters: {meters}",
                debt_text(*debt),
            )
        }
    }
}

/// Whether an account certainly has no other meters than those that the answer names.
fn is_all(meters: &[MeterId]) -> bool {
    meters.len() < METERS_PER_ANSWER
}

fn plant_text(plant: &Plant) -> String {
    match plant.storage_ppm {
        None => format!("sells {}", plant.origin()),
        Some(ppm) => format!("made by {}, sells storage out of a battery that gives back {ppm} ppm", plant.source),
    }
}

fn access_text(access: &AccessState) -> String {
    let why = match access.standing {
        DeviceStanding::Active => String::new(),
        _ => format!(", because {}", access.reason.sentence()),
    };
    format!("{}{why}; key {}, last nonce {}", access.standing.name(), access.key.to_hex(), access.nonce)
}
