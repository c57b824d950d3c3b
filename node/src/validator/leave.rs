//! Whether somebody may read what he asks for, by a right of his own or because the owner of a meter has granted it; and what has to be noted then.

use gridbook_engine::{LedgerTime, MeterId};
use gridbook_ledger::admission::DeviceKind;
use gridbook_ledger::consent::{GrantReader, Scope};
use gridbook_ledger::crypto::PublicKey;
use gridbook_ledger::reject::Code;
use gridbook_ledger::state::State;
use gridbook_ledger::store::FactOwner;

use super::reader::Reader;
use crate::protocol::{ConductSubject, QueryKind, Use};

/// Who signed a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asker {
    /// With which key.
    pub(super) key: PublicKey,
    /// Whose that is; a key of nobody's asks too, for an owner may have granted it something.
    pub(super) device: Option<DeviceKind>,
}

/// That somebody may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leave {
    /// As whom he reads.
    pub(super) reader: Reader,
    /// What has to be noted before he is told anything: one for each meter whose owner's grant opens it; none if he has a right of his own.
    pub(super) under: Vec<Use>,
    /// When the first of these grants is over.
    until: Option<LedgerTime>,
}

impl Leave {
    /// By a right of his own, or else under grants.
    ///
    /// # Errors
    /// As [`Reader::admit`]; where that is `AuthForeign`, as [`Leave::under_grants`]. `AuthUnknownDevice` for a key of nobody's that
    /// nobody has granted anything.
    pub(super) fn admit(state: &State, asker: &Asker, kind: QueryKind) -> Result<Self, Code> {
        match asker.device.map(|device| Reader::admit(state, device, kind)) {
            None | Some(Err(Code::AuthForeign)) => Self::under_grants(state, asker, kind),
            Some(by_right) => by_right.map(Self::of_right),
        }
    }

    /// By a right of his own.
    pub(super) fn of_right(reader: Reader) -> Self {
        Self { reader, under: Vec::new(), until: None }
    }

    /// Because owners have granted it: a meter's bill, its certificates and what stands against it by that meter; an account's history, which is proven only as a
    /// whole, by each of its meters and all scopes.
    ///
    /// # Errors
    /// `AuthForeign` without a grant, `ConsentExpired` and `ConsentScope` where there is one that is over or of something else.
    pub(super) fn under_grants(state: &State, asker: &Asker, kind: QueryKind) -> Result<Self, Code> {
        // A device that is suspended looks at itself, and at nobody else.
        if let Some(code) = state.device(&asker.key).and_then(|device| device.standing.refusal()) {
            return Err(code);
        }
        let opened = match kind {
            QueryKind::Facts { owner: FactOwner::Meter(meter), .. } | QueryKind::Bill { meter, .. } => {
                Self::by_meters(state, asker, kind, &[meter], Scope::STATEMENT)
            }
            QueryKind::Certificates { meter, .. } => Self::by_meters(state, asker, kind, &[meter], Scope::CERTIFICATES),
            QueryKind::Conduct(ConductSubject::Meter(meter)) => {
                Self::by_meters(state, asker, kind, &[meter], Scope::CONDUCT)
            }
            // A whole record may tell anything.
            QueryKind::Receipt { of: Some(meter), .. } | QueryKind::BundleReceipt { of: Some(meter), .. } => {
                Self::by_meters(state, asker, kind, &[meter], Scope::ALL)
            }
            QueryKind::Extracts { account, .. } | QueryKind::Proof { account } => {
                Self::by_meters(state, asker, kind, state.meters_of(account), Scope::ALL)
            }
            // Prices and what is final belong to the bills that he may read.
            QueryKind::Facts { .. } if asker.has_any_grant(state) => Ok(Self::of_right(Reader::Anybody)),
            _ => Err(Code::AuthForeign),
        };
        opened.map_err(|code| match code {
            Code::AuthForeign if asker.device.is_none() && !asker.has_any_grant(state) => Code::AuthUnknownDevice,
            code => code,
        })
    }

    fn by_meters(
        state: &State,
        asker: &Asker,
        question: QueryKind,
        meters: &[MeterId],
        scope: Scope,
    ) -> Result<Self, Code> {
        let first = meters.first().and_then(|meter| state.meter(*meter)).ok_or(Code::AuthForeign)?;
        let mut leave = Self::of_right(Reader::Account(first.account));
        for meter in meters {
            let used = leave.by_meter(state, asker, question, (*meter, scope))?;
            leave.under.push(used);
        }
        Ok(leave)
    }

    /// Of several grants the first that opens it counts; where none does, the refusal that says most.
    fn by_meter(
        &mut self,
        state: &State,
        asker: &Asker,
        question: QueryKind,
        (meter, scope): (MeterId, Scope),
    ) -> Result<Use, Code> {
        let account = state.meter(meter).ok_or(Code::AuthForeign)?.account;
        let mut refusal = Code::AuthForeign;
        for reader in asker.readers() {
            let grant = match state.check_grant(meter, reader, scope) {
                Ok(grant) => grant,
                Err(code) => {
                    refusal = telling(refusal, code);
                    continue;
                }
            };
            self.until = Some(self.until.map_or(grant.until, |until| until.min(grant.until)));
            let organisation = match reader {
                GrantReader::Organisation(organisation) => Some(organisation),
                GrantReader::Key(_) => None,
            };
            let at = state.time();
            return Ok(Use { at, meter, account, key: asker.key, organisation, scope: grant.scope.bits(), question });
        }
        Err(refusal)
    }

    /// What to note of an answer that goes out at a moment.
    ///
    /// # Errors
    /// `ConsentExpired` where a grant has run out between question and answer.
    pub(super) fn uses_at(&self, now: LedgerTime) -> Result<Vec<Use>, Code> {
        if self.until.is_some_and(|until| until <= now) {
            return Err(Code::ConsentExpired);
        }
        Ok(self.under.iter().map(|used| Use { at: now, ..*used }).collect())
    }
}

impl Asker {
    /// As whom somebody can have granted him anything.
    fn readers(&self) -> impl Iterator<Item = GrantReader> {
        let organisation = match self.device {
            Some(DeviceKind::Organisation(organisation)) => Some(GrantReader::Organisation(organisation)),
            Some(DeviceKind::Operator | DeviceKind::Meter { .. }) | None => None,
        };
        organisation.into_iter().chain([GrantReader::Key(self.key)])
    }

    fn has_any_grant(&self, state: &State) -> bool {
        self.readers().any(|reader| state.is_granted_anything(reader))
    }
}

/// Of two refusals that which says more: that a grant is for something else, that it is over, that there is none.
fn telling(one: Code, other: Code) -> Code {
    let rank = |code| match code {
        Code::ConsentScope => 2,
        Code::ConsentExpired => 1,
        _ => 0,
    };
    if rank(other) > rank(one) { other } else { one }
}

#[cfg(test)]
mod tests {
    use gridbook_engine::AccountId;

    use super::*;

    fn used(meter: u32) -> Use {
        let (meter, account, key) = (MeterId(meter), AccountId(4), PublicKey([5; 32]));
        let question = QueryKind::Proof { account };
        Use { at: LedgerTime(500), meter, account, key, organisation: None, scope: Scope::ALL.bits(), question }
    }

    /// The question was let in while the grant stood; until its answer is ready, the grant runs out. At the moment itself it is over. What is
    /// noted is the moment of the answer.
    #[test]
    fn a_grant_that_runs_out_before_the_answer_opens_nothing() {
        let under = vec![used(1), used(2)];
        let leave = Leave { reader: Reader::Account(AccountId(4)), under, until: Some(LedgerTime(1_000)) };
        let told = leave.uses_at(LedgerTime(999)).unwrap();
        assert_eq!(told.iter().map(|used| (used.meter.0, used.at.0)).collect::<Vec<_>>(), [(1, 999), (2, 999)]);
        assert_eq!(leave.uses_at(LedgerTime(1_000)), Err(Code::ConsentExpired));
        let of_right = Leave::of_right(Reader::Anybody);
        assert_eq!(of_right.uses_at(LedgerTime(u64::MAX)), Ok(Vec::new()), "a right of one's own has no end");
    }

    /// Somebody has a grant that is over and another for something else: what he can do about it is to ask for more.
    #[test]
    fn the_refusal_that_says_most_is_told() {
        let all = [Code::AuthForeign, Code::ConsentExpired, Code::ConsentScope];
        for (place, code) in all.into_iter().enumerate() {
            for less in &all[..=place] {
                assert_eq!((telling(code, *less), telling(*less, code)), (code, code));
            }
        }
    }
}
