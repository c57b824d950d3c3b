//! Whom a record names.

use gridbook_engine::{AccountId, MeterId};

use super::{Consent, MeterSettled, PartyRef, Purse, RecordEvent, RegistersRead, Trade};
use crate::consent::GrantReader;
use crate::registry::{OrganisationId, Subject};

/// Somebody whom a record names, and who has a history of such records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// An account of a user. The system's accounts have no history: their rows are everybody's.
    Account(AccountId),
    /// A meter.
    Meter(MeterId),
    /// An organisation.
    Organisation(OrganisationId),
}

impl From<Subject> for Party {
    fn from(subject: Subject) -> Self {
        match subject {
            Subject::Meter(meter) => Self::Meter(meter),
            Subject::Organisation(organisation) => Self::Organisation(organisation),
        }
    }
}

impl RecordEvent {
    /// The account behind a meter in what the event tells of that meter; none where it tells nothing of it that a bill has.
    pub fn account_behind(&self, meter: MeterId) -> Option<AccountId> {
        let of_order = |order: &PartyRef| (order.meter == meter).then_some(order.account);
        match self {
            RecordEvent::Trade(Trade { maker, taker, .. }) => of_order(maker).or_else(|| of_order(taker)),
            RecordEvent::Filled { order, .. } => of_order(order),
            RecordEvent::Read(RegistersRead { meter: of, account, .. })
            | RecordEvent::MeterSettled(MeterSettled { meter: of, account, .. }) => (*of == meter).then_some(*account),
            _ => None,
        }
    }

    /// Adds those whom the event names, some of them perhaps twice. What concerns everybody names nobody.
    pub fn name_parties(&self, parties: &mut Vec<Party>) {
        let order = |order: &PartyRef| [Party::Meter(order.meter), Party::Account(order.account)];
        match self {
            RecordEvent::Trade(Trade { maker, taker, .. }) => {
                parties.extend(order(maker).into_iter().chain(order(taker)))
            }
            RecordEvent::Offered { offer, to_account, to, .. } => {
                parties.extend(order(offer).into_iter().chain([Party::Meter(*to), Party::Account(*to_account)]));
            }
            RecordEvent::Cleared { .. }
            | RecordEvent::Flow { .. }
            | RecordEvent::CapacitySet { .. }
            | RecordEvent::Overload { .. }
            | RecordEvent::AreaRead { .. }
            | RecordEvent::ImbalancePricesSet { .. }
            | RecordEvent::AreaSettled(_)
            | RecordEvent::AreaResidual(_)
            | RecordEvent::AreaFrozen { .. }
            | RecordEvent::LossesAccepted { .. }
            | RecordEvent::AreaUnfit { .. }
            | RecordEvent::PeriodFinal { .. } => {}
            RecordEvent::Rested { order: party, .. }
            | RecordEvent::Dropped { order: party, .. }
            | RecordEvent::Cancelled { order: party, .. }
            | RecordEvent::Reduced { order: party, .. }
            | RecordEvent::Expired { order: party, .. }
            | RecordEvent::Filled { order: party, .. }
            | RecordEvent::Block { order: party, .. } => parties.extend(order(party)),
            RecordEvent::Read(RegistersRead { meter, account, .. })
            | RecordEvent::MeterSettled(MeterSettled { meter, account, .. }) => {
                parties.extend([Party::Meter(*meter), Party::Account(*account)]);
            }
            RecordEvent::AccountRegistered { account } => parties.push(Party::Account(*account)),
            RecordEvent::Posted { from, to, .. } => {
                let account = |purse: &Purse| match purse {
                    Purse::Account(account) => Some(Party::Account(*account)),
                    _ => None,
                };
                parties.extend([from, to].into_iter().filter_map(account));
            }
            RecordEvent::Certificates(certificates) => {
                let named = [Some((certificates.holder, certificates.account)), certificates.other()];
                let named = named.into_iter().flatten();
                parties.extend(named.flat_map(|(meter, account)| [Party::Meter(meter), Party::Account(account)]));
            }
            RecordEvent::Consent(Consent { meter, account, reader, .. }) => {
                parties.extend([Party::Meter(*meter), Party::Account(*account)]);
                // A key may be anybody's, or nobody's.
                if let GrantReader::Organisation(organisation) = reader {
                    parties.push(Party::Organisation(*organisation));
                }
            }
            RecordEvent::MeterRegistered { meter, account } => {
                parties.extend([Party::Meter(*meter), Party::Account(*account)]);
            }
            RecordEvent::CorrectionHeld { meter, .. } | RecordEvent::InstallationSet { meter, .. } => {
                parties.push(Party::Meter(*meter));
            }
            RecordEvent::Ordered { by: organisation } | RecordEvent::OrganisationRegistered { organisation } => {
                parties.push(Party::Organisation(*organisation));
            }
            RecordEvent::StandingChanged { subject, .. } | RecordEvent::KeyChanged { subject, .. } => {
                parties.push((*subject).into());
            }
            RecordEvent::MeterTransferred { meter, from, to, .. } => {
                parties.extend([Party::Meter(*meter), Party::Account(*from), Party::Account(*to)]);
            }
            RecordEvent::Misconduct { account, meter, .. } => {
                parties.extend([Party::Meter(*meter), Party::Account(*account)]);
            }
            RecordEvent::ConductRevised { account, .. } | RecordEvent::ScoreChanged { account, .. } => {
                parties.push(Party::Account(*account));
            }
            RecordEvent::ConductExpired { account, .. } => parties.extend(account.map(Party::Account)),
            RecordEvent::ValidatorMisconduct { .. } => {}
        }
    }
}
