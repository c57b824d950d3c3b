//! Who may read what of others' business on the ledger.

use gridbook_engine::{AccountId, MeterId};
use gridbook_ledger::admission::DeviceKind;
use gridbook_ledger::registry::Role;
use gridbook_ledger::reject::Code;
use gridbook_ledger::state::State;
use gridbook_ledger::store::{Fact, FactOwner, FactRow, SumRow};

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
        if let QueryKind::Grants { meter } | QueryKind::Uses { meter, .. } = kind {
            return Self::admit_to_grants(state, asker, meter);
        }
        let reads_all = [Role::MarketOperator, Role::Auditor].map(|role| state.require(asker, role, None).is_ok());
        if reads_all.contains(&true) {
            return Ok(Self::Office);
        }
        let runs = |area| state.require(asker, Role::GridOperator, Some(area)).is_ok();
        let account = match kind {
            QueryKind::Facts { owner: FactOwner::Meter(meter), .. }
            | QueryKind::Bill { meter, .. }
            | QueryKind::Certificates { meter, .. } => {
                let meter = state.meter(meter).ok_or(Code::AuthMeter)?;
                if runs(meter.area) {
                    return Ok(Self::Office);
                }
                Some(meter.account)
            }
            QueryKind::Facts { owner: FactOwner::Area(area), .. } if runs(area) => return Ok(Self::Office),
            QueryKind::Facts { .. } => None,
            QueryKind::Extracts { account, .. } | QueryKind::Proof { account } => Some(account),
            QueryKind::Grants { .. }
            | QueryKind::Uses { .. }
            | QueryKind::Watch
            | QueryKind::Account
            | QueryKind::Registry
            | QueryKind::Conduct(_) => {
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

    /// Of grants, and of what was told under them, only the owner who gave them is told, and auditors: whom somebody trusts with his data is nobody else's
    /// business, whoever runs the market or the grid.
    fn admit_to_grants(state: &State, asker: DeviceKind, meter: MeterId) -> Result<Self, Code> {
        if state.require(asker, Role::Auditor, None).is_ok() {
            return Ok(Self::Office);
        }
        let owner = state.meter(meter).ok_or(Code::AuthMeter)?.account;
        match asker {
            DeviceKind::Meter { account, .. } if account == owner => Ok(Self::Account(account)),
            _ => Err(Code::AuthForeign),
        }
    }

    /// The account as whose he reads; none if he reads everybody's.
    pub(super) fn account(self) -> Option<AccountId> {
        match self {
            Self::Account(account) => Some(account),
            Self::Office | Self::Anybody => None,
        }
    }

    /// Whether a fact may be told to him. That he traded with a meter before it was his does not make its side of that his.
    pub(super) fn may_see(self, owner: FactOwner, row: &FactRow) -> bool {
        match (self, &row.fact, owner) {
            (Self::Office, ..) => true,
            (_, Fact::Meters(_), _) => false,
            (Self::Account(account), Fact::Event(event), FactOwner::Meter(meter)) => {
                event.account_behind(meter) == Some(account)
            }
            (Self::Account(_), ..) | (Self::Anybody, _, FactOwner::Meter(_)) => false,
            (Self::Anybody, Fact::Event(_), FactOwner::Area(_) | FactOwner::All) => true,
        }
    }

    /// Whether what an account's bill comes to may be told to him.
    pub(super) fn may_see_sums(self, row: &SumRow) -> bool {
        match self {
            Self::Office => true,
            Self::Account(account) => row.account == account,
            Self::Anybody => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use gridbook_engine::{AreaId, DeliveryPeriod, Energy, MeterId, Price, Side, TradeKind};
    use gridbook_ledger::record::{PartyRef, RecordEvent, Trade};
    use gridbook_ledger::settlement::statement::StatementTotals;

    use super::*;

    /// A neighbour bought from a roof, and later the roof. What the roof did when it was another's stays the other's, though the neighbour's
    /// account is named beside it.
    #[test]
    fn who_traded_with_a_meter_and_bought_it_later_is_not_told_its_side() {
        let [roof, own] = [MeterId(1), MeterId(2)];
        let [seller, buyer] = [AccountId(11), AccountId(12)];
        let party = |meter, account| PartyRef { account, meter, client_id: 1 };
        let trade = |maker| Trade {
            maker,
            taker: party(own, buyer),
            period: DeliveryPeriod(900),
            maker_area: AreaId(0),
            taker_area: AreaId(0),
            taker_side: Side::Buy,
            kind: TradeKind::Continuous,
            price: Price(210_000),
            fee: Price(0),
            energy: Energy(400),
        };
        let row = |trade| FactRow {
            period: DeliveryPeriod(900),
            seq: 3,
            place: 0,
            fact: Fact::Event(RecordEvent::Trade(trade)),
        };
        let (before, after) = (row(trade(party(roof, seller))), row(trade(party(roof, buyer))));
        let reader = Reader::Account(buyer);
        assert!(!reader.may_see(FactOwner::Meter(roof), &before));
        assert!(reader.may_see(FactOwner::Meter(own), &before) && reader.may_see(FactOwner::Meter(roof), &after));
        assert!(Reader::Account(seller).may_see(FactOwner::Meter(roof), &before));
        let of = |account| SumRow { first: DeliveryPeriod(888), account, totals: StatementTotals::default() };
        assert_eq!([seller, buyer].map(|account| reader.may_see_sums(&of(account))), [false, true]);
        assert!(Reader::Office.may_see_sums(&of(seller)) && !Reader::Anybody.may_see_sums(&of(buyer)));
    }
}
