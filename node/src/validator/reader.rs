//! Who may read what of others' business on the ledger.

use gridbook_engine::AccountId;
use gridbook_ledger::admission::DeviceKind;
use gridbook_ledger::record::Party;
use gridbook_ledger::registry::Role;
use gridbook_ledger::reject::Code;
use gridbook_ledger::state::State;
use gridbook_ledger::store::{Fact, FactOwner, FactRow};

use crate::protocol::QueryKind;

/// Somebody who may read what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// Whoever runs the market, its grid or its audit: all of it.
    Office,
    /// An account: what names it, and not what its meter did when it was another's.
    Account(AccountId),
    /// Anybody with a key on the ledger: prices and what is final, and no sums from which a neighbour's part could be told.
    Anybody,
}

impl Reader {
    /// Who asks, if what is asked for may be told to him. The genesis' operator, market operators and auditors read everything, a grid operator
    /// what lies in his area, a supplier what is his customers', a meter what is its account's; prices and what is final are everybody's.
    ///
    /// # Errors
    /// `AuthForeign` for others' data, `AuthMeter` for a meter that is not there, `AuthRole` for what needs another kind of key.
    pub(super) fn admit(state: &State, asker: DeviceKind, kind: QueryKind) -> Result<Self, Code> {
        let reads_all = [Role::MarketOperator, Role::Auditor].map(|role| state.require(asker, role, None).is_ok());
        if reads_all.contains(&true) {
            return Ok(Self::Office);
        }
        let runs = |area| state.require(asker, Role::GridOperator, Some(area)).is_ok();
        let account = match kind {
            QueryKind::Facts { owner: FactOwner::Meter(meter), .. } => {
                let meter = state.meter(meter).ok_or(Code::AuthMeter)?;
                if runs(meter.area) {
                    return Ok(Self::Office);
                }
                Some(meter.account)
            }
            QueryKind::Facts { owner: FactOwner::Area(area), .. } if runs(area) => return Ok(Self::Office),
            QueryKind::Facts { .. } => None,
            QueryKind::Extracts { account, .. } | QueryKind::Proof { account } => Some(account),
            QueryKind::Watch | QueryKind::Account | QueryKind::Registry | QueryKind::Conduct(_) => {
                return Err(Code::AuthRole);
            }
        };
        match (asker, account) {
            (_, None) => Ok(Self::Anybody),
            (DeviceKind::Meter { account: own, .. }, Some(account)) if own == account => Ok(Self::Account(own)),
            (DeviceKind::Organisation(organisation), Some(account)) => {
                let customer_of = state.account(account).and_then(|account| account.organisation);
                if customer_of == Some(organisation) { Ok(Self::Account(account)) } else { Err(Code::AuthForeign) }
            }
            _ => Err(Code::AuthForeign),
        }
    }

    /// Whether a fact may be told to him.
    pub(super) fn may_see(self, owner: FactOwner, row: &FactRow) -> bool {
        match (self, &row.fact) {
            (Self::Office, _) => true,
            (_, Fact::Meters(_)) => false,
            (Self::Account(account), Fact::Event(event)) => {
                let mut named = Vec::new();
                event.name_parties(&mut named);
                named.contains(&Party::Account(account))
            }
            (Self::Anybody, Fact::Event(_)) => !matches!(owner, FactOwner::Meter(_)),
        }
    }
}
