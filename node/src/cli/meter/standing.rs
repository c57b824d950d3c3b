//! `gridbook meter account` and `status`: how an account stands, and the ledger.

use serde_json::json;

use super::{ConnectArgs, MeterArgs, Session};
use crate::cli::Global;
use crate::keyfile::read_key;
use crate::moment::format_moment;
use crate::protocol::QueryKind;

pub(super) async fn show_account(args: MeterArgs, global: &Global) -> anyhow::Result<()> {
    let key = read_key(&args.key)?;
    let session = Session::open(&args.connect).await?;
    let state = session.client.account(session.query(&key, QueryKind::Account)).await?;
    let area = session.genesis.area_name(state.area);
    let value = json!({
        "account": state.account.0, "balance_nano": state.balance.0.to_string(), "reserved_nano": state.reserved.0.to_string(),
        "meter": state.meter.0, "area": area, "nonce": state.nonce, "suspended": state.suspended,
    });
    global.print(&value, || {
        let suspended = if state.suspended { ", suspended" } else { "" };
        format!(
            "account {}: {} of which {} reserved\nmeter {} in {area}{suspended}, last nonce {}",
            state.account.0, state.balance, state.reserved, state.meter.0, state.nonce
        )
    })
}

pub(super) async fn show_status(args: ConnectArgs, global: &Global) -> anyhow::Result<()> {
    let session = Session::open(&args).await?;
    let status = session.client.status().await?;
    let value = json!({
        "chain": status.chain.to_hex(), "validator": status.validator.0, "height": status.height, "view": status.view,
        "leader": status.leader.0, "ledger_time_ms": status.ledger_time.0, "last_seq": status.last_seq, "accounts": status.accounts,
        "meters": status.meters, "orders_open": status.orders_open, "trades": status.trades,
        "state_root": status.state_root.to_hex(), "money_sum_nano": status.money_sum.0.to_string(),
        "grid_income_nano": status.grid_income.0.to_string(),
    });
    global.print(&value, || {
        format!(
            "height {} at {}, view {} led by validator {} (says validator {})\n{} accounts, {} meters, {} orders open, {} trades\n\
             state root {}",
            status.height,
            format_moment(status.ledger_time),
            status.view,
            status.leader.0,
            status.validator.0,
            status.accounts,
            status.meters,
            status.orders_open,
            status.trades,
            status.state_root
        )
    })
}
