//! What stands against an account, for those who may know: entries, what they cost, and what becomes of them.

use gridbook_engine::{AccountId, LedgerTime, MeterId, Money};
use gridbook_ledger::bytes::{BytesError, Reader, Writer};
use gridbook_ledger::conduct::{ENTRIES_MAX, Entry};

/// The most entries of one answer.
pub const CONDUCT_ENTRIES_MAX: usize = 256;
const _: () = assert!(CONDUCT_ENTRIES_MAX >= ENTRIES_MAX, "all that is kept of one account fits into one answer");

/// Whose conduct is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConductSubject {
    /// That of the account of the meter whose key asks.
    Own,
    /// An account's: its meters may ask, and auditors.
    Account(AccountId),
    /// That of the account that has this meter: its meters may ask, and auditors.
    Meter(MeterId),
    /// All entries that an appeal is open against, whoever bears them: auditors may ask.
    Appealed {
        /// From the entry of this number on.
        from: u64,
    },
    /// All entries against validators: whoever has a key on the ledger may ask, as everybody may see the evidence.
    Validators {
        /// From the entry of this number on.
        from: u64,
    },
}

/// What stands against somebody, as of the last command executed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConductBook {
    /// Ledger time.
    pub as_of: LedgerTime,
    /// What the entries come to for the account that was asked about; nothing if it was about appeals.
    pub standing: Option<ConductStanding>,
    /// Entries by number, ascending: at most [`CONDUCT_ENTRIES_MAX`].
    pub entries: Vec<(u64, Entry)>,
    /// From which number to ask on; none if that was all.
    pub next: Option<u64>,
}

/// What an account's conduct is worth, and what it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConductStanding {
    /// The account.
    pub account: AccountId,
    /// From 0 to [`SCORE_FULL`](gridbook_ledger::conduct::SCORE_FULL).
    pub score: u16,
    /// Which share of the imbalance that its trades may cause it must cover, in parts per million (MARKET section 7, Collateral).
    pub share_ppm: u32,
    /// How much more its open orders set aside now than they would at a full score.
    pub cost: Money,
}

impl ConductSubject {
    /// The same, from the entry of this number on, where one answer may not hold all.
    pub fn from(self, number: u64) -> Self {
        match self {
            Self::Own | Self::Account(_) | Self::Meter(_) => self,
            Self::Appealed { .. } => Self::Appealed { from: number },
            Self::Validators { .. } => Self::Validators { from: number },
        }
    }

    pub(super) fn write(self, w: &mut Writer) {
        let (tag, number) = match self {
            Self::Own => (1, 0),
            Self::Account(account) => (2, account.0.into()),
            Self::Meter(meter) => (3, meter.0.into()),
            Self::Appealed { from } => (4, from),
            Self::Validators { from } => (5, from),
        };
        w.u8(tag).u64(number);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        let (tag, number) = (r.u8()?, r.u64()?);
        let registered = || u32::try_from(number).map_err(|_| BytesError::Padding);
        match (tag, number) {
            (1, 0) => Ok(Self::Own),
            (1, _) => Err(BytesError::Padding),
            (2, _) => registered().map(|number| Self::Account(AccountId(number))),
            (3, _) => registered().map(|number| Self::Meter(MeterId(number))),
            (4, from) => Ok(Self::Appealed { from }),
            (5, from) => Ok(Self::Validators { from }),
            _ => Err(BytesError::Unknown),
        }
    }
}

impl ConductBook {
    pub(super) fn write(&self, w: &mut Writer) {
        let Self { as_of, standing, entries, next } = self;
        w.u64(as_of.0).u8(standing.is_some().into());
        if let Some(ConductStanding { account, score, share_ppm, cost }) = standing {
            w.u32(account.0).u16(*score).u32(*share_ppm).i128(cost.0);
        }
        w.u16(u16::try_from(entries.len()).expect("at most CONDUCT_ENTRIES_MAX"));
        for (number, entry) in entries {
            entry.write(w.u64(*number));
        }
        // Entries have numbers from 1.
        w.u64(next.unwrap_or(0));
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        let as_of = LedgerTime(r.u64()?);
        let standing = match r.u8()? {
            0 => None,
            1 => Some(ConductStanding {
                account: AccountId(r.u32()?),
                score: r.u16()?,
                share_ppm: r.u32()?,
                cost: Money(r.i128()?),
            }),
            _ => return Err(BytesError::Unknown),
        };
        let count = usize::from(r.u16()?);
        if count > CONDUCT_ENTRIES_MAX {
            return Err(BytesError::TooLong);
        }
        let entries = (0..count).map(|_| Ok((r.u64()?, Entry::read(r)?))).collect::<Result<_, BytesError>>()?;
        Ok(Self { as_of, standing, entries, next: Some(r.u64()?).filter(|next| *next > 0) })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use gridbook_engine::DeliveryPeriod;
    use gridbook_ledger::conduct::{DeviceFault, EntryState, Fault, Proof};
    use gridbook_ledger::crypto::{Hash, PublicKey};
    use gridbook_ledger::evidence::EvidenceKind;

    use super::*;

    /// One entry of each kind.
    pub(in crate::protocol) fn full() -> ConductBook {
        let device = Fault::Device {
            account: AccountId(3),
            meter: MeterId(7),
            kind: DeviceFault::DoubleReading,
            period: Some(DeliveryPeriod(9)),
            proof: Proof::of(&[4, 70]).unwrap(),
        };
        let (key, evidence) = (PublicKey([5; 32]), Hash([6; 32]));
        let validator = Fault::Validator { key, kind: EvidenceKind::DoubleVote, epoch: 1, view: 8, evidence };
        let entry = |fault, state| Entry { fault, at: LedgerTime(1_000), state };
        let standing = ConductStanding { account: AccountId(3), score: 800, share_ppm: 1_200_000, cost: Money(70) };
        ConductBook {
            as_of: LedgerTime(5_000),
            standing: Some(standing),
            entries: vec![(1, entry(device, EntryState::Appealed)), (2, entry(validator, EntryState::Stands))],
            next: Some(3),
        }
    }

    #[test]
    fn more_entries_than_an_answer_may_have_are_refused_before_any_is_read() {
        let mut w = Writer::new();
        w.u64(0).u8(0).u16(u16::MAX);
        assert_eq!(ConductBook::read(&mut Reader::new(w.as_slice())), Err(BytesError::TooLong));
    }

    #[test]
    fn a_subject_with_a_number_that_it_has_not_is_refused() {
        for (tag, number, error) in [
            (1, 1, BytesError::Padding),
            (2, 1 << 32, BytesError::Padding),
            (3, u64::MAX, BytesError::Padding),
            (0, 0, BytesError::Unknown),
            (6, 0, BytesError::Unknown),
        ] {
            let mut w = Writer::new();
            w.u8(tag).u64(number);
            assert_eq!(ConductSubject::read(&mut Reader::new(w.as_slice())), Err(error), "{tag} {number}");
        }
    }
}
