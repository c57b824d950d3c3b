//! Before a town trades: the operator registers every meter and deposits its money; every meter asks to be told of its orders.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use gridbook_engine::{AccountId, EnergySources, LedgerTime, MeterId};
use gridbook_ledger::command::{Bundle, COMMANDS_MAX, Command, NEVER};
use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::record::Outcome;
use gridbook_ledger::registry::{Installation, Plant};
use gridbook_ledger::reject::Code;
use gridbook_sim::{Meter, MeterKind, Prosumer, Town};
use tokio::task::JoinSet;

use crate::client::{Client, ClientError, next_nonce};
use crate::keyfile::read_key;
use crate::network::Network;
use crate::protocol::{QueryKind, SignedQuery};

/// Registers account, meter and deposit of every meter of the town. On a new ledger the numbers are those of the town.
pub(crate) async fn register(
    client: &Client,
    network: &Network,
    town: &Town,
    keys: &[SecretKey],
) -> anyhow::Result<()> {
    let operator = read_key(&network.operator_key_file())?;
    let prosumers = town.prosumers();
    let per_meter: Vec<Vec<Command>> = prosumers.iter().zip(keys).map(|(trader, key)| enrolment(trader, key)).collect();
    for meters in per_meter.chunks(COMMANDS_MAX / ENROLMENT_COMMANDS_MAX) {
        let (chain, signer) = (network.genesis.chain_id(), operator.public());
        let bundle = Bundle { chain, signer, nonce: next_nonce(), expires_at: NEVER, commands: meters.concat() };
        let done = client.submit(&bundle.sign(&operator)).finality().await.context("cannot register the meters")?;
        for record in done.records {
            if let Outcome::Rejected(code) = record.outcome {
                bail!("a registration was refused: {code}");
            }
        }
    }
    Ok(())
}

/// The most commands that register one meter.
const ENROLMENT_COMMANDS_MAX: usize = 4;

/// Account, meter and deposit; for a plant also what its installer certified, without which there are no certificates of origin.
fn enrolment(trader: &Prosumer, key: &SecretKey) -> Vec<Command> {
    let (meter, amount) = (trader.meter(), trader.deposit());
    let (account, number) = (AccountId(meter.index), MeterId(meter.index));
    let (import_max_wh, export_max_wh) = (meter.max_import, meter.max_export);
    let (key, area, plant) = (key.public(), meter.area, plant(meter));
    let mut commands = vec![
        Command::RegisterAccount { account, organisation: None },
        Command::RegisterMeter { meter: number, account, key, area, import_max_wh, export_max_wh, plant },
        Command::Deposit { account, amount },
    ];
    if plant != Plant::NONE {
        let certificate = Hash::of("gridbook/demo-installation/1", &meter.index.to_le_bytes());
        let installation = Installation { plant, import_max: import_max_wh, export_max: export_max_wh, certificate };
        commands.push(Command::SetInstallation { meter: number, installation });
    }
    commands
}

/// What stands behind a meter of the town: nothing, a solar roof, or one with a battery behind the same meter.
fn plant(meter: &Meter) -> Plant {
    let storage_ppm = meter.battery.and_then(|battery| u32::try_from(battery.efficiency_ppm).ok());
    match meter.kind {
        MeterKind::Household => Plant::NONE,
        MeterKind::Pv | MeterKind::PvBattery => Plant { source: EnergySources::SOLAR, storage_ppm },
    }
}

/// How long a gateway waits for its validator to hear of a meter, and how long it lets it be between two requests.
const HEARD_OF_WITHIN: Duration = Duration::from_secs(10);
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Asks for a meter's events. Its registration was final where the operator asked; elsewhere it may be heard of a moment later.
async fn watch(gateway: Client, query: SignedQuery) -> Result<MeterId, ClientError> {
    let give_up_at = Instant::now() + HEARD_OF_WITHIN;
    loop {
        match gateway.watch(query.clone()).await {
            Err(ClientError::Refused(Code::AuthUnknownDevice)) if Instant::now() < give_up_at => {
                tokio::time::sleep(ASK_AGAIN_AFTER).await;
            }
            other => return other,
        }
    }
}

/// Has every meter's gateway ask for its events, until `expires_at`.
pub(crate) async fn watch_all(
    gateways: &[Client],
    genesis: &Genesis,
    keys: &[SecretKey],
    expires_at: LedgerTime,
) -> anyhow::Result<()> {
    let mut watches = JoinSet::new();
    for (key, gateway) in keys.iter().zip(gateways.iter().cycle()) {
        let query = SignedQuery::sign(genesis.chain_id(), QueryKind::Watch, expires_at, key);
        let gateway = gateway.clone();
        watches.spawn(watch(gateway, query));
    }
    while let Some(watched) = watches.join_next().await {
        watched?.context("a meter may not watch itself")?;
    }
    Ok(())
}

/// A meter's key, drawn from the seed, so that a run can be played again with the same meters.
pub(crate) fn meter_key(seed: u64, index: u32) -> SecretKey {
    let drawn = [&seed.to_le_bytes()[..], &index.to_le_bytes()].concat();
    SecretKey::from_seed(Hash::of("gridbook/demo-meter/1", &drawn).0)
}
