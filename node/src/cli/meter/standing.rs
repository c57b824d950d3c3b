//! `gridbook meter account` and `status`: how an account stands, and the ledger.

use gridbook_engine::Money;
use serde_json::{Value, json};

use super::{ConnectArgs, MeterArgs, Session};
use crate::cli::Global;
use crate::keyfile::read_key;
use crate::moment::format_moment;
use crate::protocol::{AccountState, QueryKind};

pub(super) async fn show_account(args: MeterArgs, global: &Global) -> anyhow::Result<()> {
    let key = read_key(&args.key)?;
    let session = Session::open(&args.connect).await?;
    let state = session.client.account(session.query(&key, QueryKind::Account)).await?;
    let area = session.genesis.area_name(state.area);
    global.print(&account_json(&state, area), || account_text(&state, area))
}

fn account_json(state: &AccountState, area: &str) -> Value {
    json!({
        "account": state.account.0, "balance_nano": state.balance.0.to_string(), "reserved_nano": state.reserved.0.to_string(),
        "debt_nano": state.debt.0.to_string(), "meter": state.meter.0, "area": area, "nonce": state.nonce,
        "suspended": state.suspended,
    })
}

fn account_text(state: &AccountState, area: &str) -> String {
    let suspended = if state.suspended { ", suspended" } else { "" };
    format!(
        "account {}: {} of which {} reserved{}\nmeter {} in {area}{suspended}, last nonce {}",
        state.account.0,
        state.balance,
        state.reserved,
        debt_text(state.debt),
        state.meter.0,
        state.nonce
    )
}

/// What an account owes, and what has to be done about it; nothing for most.
pub(crate) fn debt_text(debt: Money) -> String {
    if debt == Money::ZERO {
        return String::new();
    }
    format!(
        "\nit owes {debt} for energy that it sold and did not deliver: as much must come in before it orders or takes money out again"
    )
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

#[cfg(test)]
mod tests {
    use gridbook_engine::{AccountId, AreaId, MeterId};

    use super::*;

    /// Who cannot order is told how much must come in; nobody else is told anything of debts.
    #[test]
    fn a_debt_is_told_with_what_has_to_come_in() {
        let paid = AccountState {
            account: AccountId(3),
            balance: Money(5_000_000_000),
            reserved: Money(1_000_000_000),
            debt: Money(0),
            meter: MeterId(4),
            area: AreaId(0),
            nonce: 7,
            suspended: false,
        };
        let text = account_text(&paid, "north");
        assert_eq!(text, "account 3: 5.000000000 of which 1.000000000 reserved\nmeter 4 in north, last nonce 7");
        let owing = AccountState { balance: Money(0), reserved: Money(0), debt: Money(6_000_000_000), ..paid };
        let text = account_text(&owing, "north");
        assert!(text.contains("\nit owes 6.000000000 for energy that it sold and did not deliver"), "{text}");
        assert_eq!(account_json(&owing, "north")["debt_nano"], "6000000000");
        assert_eq!(account_json(&paid, "north")["debt_nano"], "0");
    }
}
