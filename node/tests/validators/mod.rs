//! What the networks of several tests have in common: how they are planned, how a validator is started, and when it is ready.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use gridbook_engine::{LedgerTime, MarketRules};
use gridbook_ledger::genesis::SettlementRules;
use gridbook_node::admin;
use gridbook_node::client::wall_us;
use gridbook_node::config::{IndexOptions, LogOptions, Quotas};
use gridbook_node::network::{NetworkPlan, loopback_free};

/// A machine may be busy with everything else.
const READY_WITHIN: Duration = Duration::from_secs(240);

/// What commands are told of that, in seconds.
const COMMANDS_WAIT: &str = "240";

/// The commands that ask a network; all else is done offline.
const ASK_A_NETWORK: [&str; 7] = ["conduct", "epoch", "evidence", "meter", "registry", "report", "settlement"];

/// Four validators on this machine and one area, from now on and no faster than any other clock.
pub(crate) fn plan(name: &str) -> NetworkPlan {
    let wall_ms = wall_us() / 1000;
    NetworkPlan {
        name: name.to_owned(),
        listen: loopback_free(4).unwrap(),
        areas: vec!["town".into()],
        rules: MarketRules::default(),
        settlement: SettlementRules::default(),
        ledger_start: LedgerTime(wall_ms),
        wall_start_ms: wall_ms,
        time_scale: 1,
        quotas: Quotas::one_host(),
        log: LogOptions::default(),
        index_options: IndexOptions::default(),
    }
}

/// What runs a command of this binary. If it asks a network, it waits for the answer as long as for anything else here.
pub(crate) fn gridbook(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gridbook"));
    command.args(arguments);
    if arguments.first().is_some_and(|first| ASK_A_NETWORK.contains(first)) {
        command.args(["--wait", COMMANDS_WAIT]);
    }
    command
}

/// What runs a validator of this binary. It ends with this process, because its standard input does then; what it says goes behind what it
/// said in earlier lives, beside its settings.
pub(crate) fn command(config: &Path) -> Command {
    let log = File::options().create(true).append(true).open(config.with_file_name("validator.log")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_gridbook"));
    command.args(["validator", "--stop-with-stdin", "--config"]).arg(config);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log);
    command
}

/// Waits until the validator with this admin port serves clients.
pub(crate) async fn wait_until_ready(admin: SocketAddr) {
    let deadline = Instant::now() + READY_WITHIN;
    while !matches!(admin::fetch(admin, "/readyz").await, Ok((200, _))) {
        assert!(Instant::now() < deadline, "the validator at {admin} is not ready");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
