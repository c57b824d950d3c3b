//! Who may read what of others' business on the ledger.

use gridbook_engine::{AccountId, MeterId, Money};
use gridbook_ledger::admission::DeviceKind;
use gridbook_ledger::record::{AreaSettled, RecordEvent};
use gridbook_ledger::registry::{OrganisationId, Role};
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
    /// An organisation that runs nothing: what it ordered itself.
    Organisation(OrganisationId),
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
            QueryKind::Receipt { of: None, .. } | QueryKind::BundleReceipt { of: None, .. } => match asker {
                DeviceKind::Meter { account, .. } => Some(account),
                DeviceKind::Organisation(organisation) => return Ok(Self::Organisation(organisation)),
                DeviceKind::Operator => return Err(Code::AuthForeign),
            },
            QueryKind::Receipt { of: Some(meter), .. }
            | QueryKind::BundleReceipt { of: Some(meter), .. }
            | QueryKind::Facts { owner: FactOwner::Meter(meter), .. }
            | QueryKind::Bill { meter, .. }
            | QueryKind::Certificates { meter, .. } => {
                let meter = state.meter(meter).ok_or(Code::AuthMeter)?;
                if runs(meter.area) {
                    return Ok(Self::Office);
                }
                Some(meter.account)
            }
            QueryKind::Facts { owner: FactOwner::Area(area), .. } | QueryKind::AreaFacts { area, .. } if runs(area) => {
                return Ok(Self::Office);
            }
            QueryKind::AreaFacts { .. } => return Err(Code::AuthForeign),
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
            Self::Office | Self::Organisation(_) | Self::Anybody => None,
        }
    }

    /// What of a fact may be told to him, if anything. That he traded with a meter before it was his does not make its side of that his.
    pub(super) fn may_see(self, owner: FactOwner, mut row: FactRow) -> Option<FactRow> {
        match (self, &row.fact, owner) {
            (Self::Office, ..) => Some(row),
            (_, Fact::Meters(_), _) => None,
            (Self::Account(account), Fact::Event(event), FactOwner::Meter(meter)) => {
                (event.account_behind(meter) == Some(account)).then_some(row)
            }
            (Self::Account(_) | Self::Organisation(_), ..) | (Self::Anybody, _, FactOwner::Meter(_)) => None,
            (Self::Anybody, Fact::Event(event), FactOwner::Area(_) | FactOwner::All) => {
                row.fact = Fact::Event(without_sums(event)?);
                Some(row)
            }
        }
    }

    /// Whether what an account's bill comes to may be told to him.
    pub(super) fn may_see_sums(self, row: &SumRow) -> bool {
        match self {
            Self::Office => true,
            Self::Account(account) => row.account == account,
            Self::Organisation(_) | Self::Anybody => false,
        }
    }
}

/// What everybody may know of an area: prices and how far it is settled. Of its energy, and of the money for that, nothing: whoever knows all meters of a
/// small area but one would know that one, too.
fn without_sums(event: &RecordEvent) -> Option<RecordEvent> {
    Some(match *event {
        RecordEvent::AreaSettled(settled) => RecordEvent::AreaSettled(AreaSettled {
            net_wh: 0,
            contracted_wh: 0,
            losses_wh: 0,
            upstream: Money::ZERO,
            losses: Money::ZERO,
            surplus: Money::ZERO,
            ..settled
        }),
        RecordEvent::AreaRead { .. }
        | RecordEvent::AreaResidual(_)
        | RecordEvent::LossesAccepted { .. }
        | RecordEvent::Flow { .. } => return None,
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use gridbook_engine::Contract;
    use gridbook_engine::{AreaId, DeliveryPeriod, Energy, MeterId, Price, Side, TradeKind};
    use gridbook_ledger::record::{PartyRef, Trade};
    use gridbook_ledger::settlement::Residual;
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
        let sees = |reader: Reader, meter, row: &FactRow| {
            let told = reader.may_see(FactOwner::Meter(meter), *row);
            assert!(told.is_none() || told.as_ref() == Some(row), "whole or not at all");
            told.is_some()
        };
        assert!(!sees(reader, roof, &before));
        assert!(sees(reader, own, &before) && sees(reader, roof, &after));
        assert!(sees(Reader::Account(seller), roof, &before));
        let of = |account| SumRow { first: DeliveryPeriod(888), account, totals: StatementTotals::default() };
        assert_eq!([seller, buyer].map(|account| reader.may_see_sums(&of(account))), [false, true]);
        assert!(Reader::Office.may_see_sums(&of(seller)) && !Reader::Anybody.may_see_sums(&of(buyer)));
    }

    /// Two houses share an area, and each knows its own meter: what the area's meters took in together is the other's part. What a bill needs of it are
    /// prices.
    #[test]
    fn what_a_neighbour_did_cannot_be_worked_out_of_an_areas_sums() {
        let contract = Contract { area: AreaId(2), period: DeliveryPeriod(900) };
        let settled = AreaSettled {
            contract,
            short_price: Price(1),
            long_price: Price(2),
            short_rest: Price(3),
            long_rest: Price(4),
            net_wh: -900,
            contracted_wh: -800,
            losses_wh: 7,
            upstream: Money(11),
            losses: Money(12),
            surplus: Money(13),
        };
        let row = |event| FactRow { period: contract.period, seq: 3, place: 0, fact: Fact::Event(event) };
        let told = |reader: Reader, event| reader.may_see(FactOwner::Area(contract.area), row(event));
        let prices = AreaSettled {
            net_wh: 0,
            contracted_wh: 0,
            losses_wh: 0,
            upstream: Money::ZERO,
            losses: Money::ZERO,
            surplus: Money::ZERO,
            ..settled
        };
        assert_eq!(
            told(Reader::Anybody, RecordEvent::AreaSettled(settled)),
            Some(row(RecordEvent::AreaSettled(prices)))
        );
        let is_final = RecordEvent::PeriodFinal { period: contract.period };
        assert_eq!(told(Reader::Anybody, is_final), Some(row(is_final)));
        let residual = gridbook_ledger::record::AreaResidual { contract, residual: Residual::default() };
        let accepted = RecordEvent::LossesAccepted { contract, losses_wh: 5 };
        for event in [RecordEvent::AreaRead { contract, sent_up_wh: 5 }, RecordEvent::AreaResidual(residual), accepted]
        {
            assert_eq!(told(Reader::Anybody, event), None);
            assert_eq!(told(Reader::Office, event), Some(row(event)));
        }
        let whole = RecordEvent::AreaSettled(settled);
        assert_eq!(told(Reader::Office, whole), Some(row(whole)));
    }
}
