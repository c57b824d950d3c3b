//! What was read of a meter under a grant of its owner, as the validator that told it has noted it.

use gridbook_engine::{AccountId, LedgerTime, MeterId};
use gridbook_ledger::bytes::{BytesError, Reader, Writer};
use gridbook_ledger::crypto::PublicKey;
use gridbook_ledger::registry::OrganisationId;

use super::QueryKind;

/// The most uses that one answer tells.
pub const USES_PER_ANSWER: usize = 512;

/// One question that was answered because the owner of a meter had granted that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// Ledger time of the answer.
    pub at: LedgerTime,
    /// The meter.
    pub meter: MeterId,
    /// Whose it was: nobody else is told of the use, not even who has the meter later.
    pub account: AccountId,
    /// The key that signed the question.
    pub key: PublicKey,
    /// The organisation that the key signed for, if it was granted to one.
    pub organisation: Option<OrganisationId>,
    /// What was granted, as bits.
    pub scope: u8,
    /// What was asked.
    pub question: QueryKind,
}

/// Uses of one meter, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsePage {
    /// Each with its number among the meter's at this validator, from 1: at most [`USES_PER_ANSWER`]. What is missing in between was another
    /// owner's.
    pub uses: Vec<(u64, Use)>,
    /// From which number to ask on; none if that was all.
    pub next: Option<u64>,
}

impl Use {
    /// Its bytes, on the wire and on the disk.
    pub fn write(&self, w: &mut Writer) {
        w.u64(self.at.0).u32(self.meter.0).u32(self.account.0).bytes(&self.key.0);
        // The last number is never given out, so that every one has a successor.
        w.u16(self.organisation.map_or(0, |organisation| organisation.0.saturating_add(1))).u8(self.scope);
        self.question.write(w);
    }

    /// Reads what [`Use::write`] wrote.
    ///
    /// # Errors
    /// If it would not have written that.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        Ok(Self {
            at: LedgerTime(r.u64()?),
            meter: MeterId(r.u32()?),
            account: AccountId(r.u32()?),
            key: PublicKey(r.array()?),
            organisation: r.u16()?.checked_sub(1).map(OrganisationId),
            scope: r.u8()?,
            question: QueryKind::read(r)?,
        })
    }
}

impl UsePage {
    /// Its bytes.
    pub fn write(&self, w: &mut Writer) {
        // Numbers begin at 1, so that 0 says that there is nothing to go on from.
        w.u64(self.next.unwrap_or(0)).u16(u16::try_from(self.uses.len()).expect("at most USES_PER_ANSWER"));
        for (number, used) in &self.uses {
            used.write(w.u64(*number));
        }
    }

    /// Reads what [`UsePage::write`] wrote.
    ///
    /// # Errors
    /// If it would not have written that.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        let next = Some(r.u64()?).filter(|next| *next > 0);
        let count = usize::from(r.u16()?);
        if count > USES_PER_ANSWER {
            return Err(BytesError::TooLong);
        }
        let uses = (0..count).map(|_| Ok((r.u64()?, Use::read(r)?))).collect::<Result<_, BytesError>>()?;
        Ok(Self { uses, next })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use gridbook_engine::DeliveryPeriod;
    use gridbook_ledger::store::{FactOwner, FactPlace};

    use super::*;

    /// One by an organisation, one by a key of nobody's.
    pub(in crate::protocol) fn full() -> UsePage {
        let meter = MeterId(7);
        let from = FactPlace { period: DeliveryPeriod(9), seq: 3, place: 2 };
        let first = Use {
            at: LedgerTime(1_750_000_000_000),
            meter,
            account: AccountId(4),
            key: PublicKey([5; 32]),
            organisation: Some(OrganisationId(0)),
            scope: 3,
            question: QueryKind::Facts { owner: FactOwner::Meter(meter), from, to: DeliveryPeriod(96) },
        };
        let second = Use {
            organisation: None,
            question: QueryKind::Extracts { account: AccountId(4), from_seq: 8, from_byte: 0 },
            ..first
        };
        UsePage { uses: vec![(1, first), (4, second)], next: Some(5) }
    }

    #[test]
    fn uses_come_back_as_they_were_told() {
        for page in [full(), UsePage::default()] {
            let mut w = Writer::new();
            page.write(&mut w);
            let bytes = w.finish();
            let mut r = Reader::new(&bytes);
            assert_eq!(UsePage::read(&mut r), Ok(page));
            assert_eq!(r.finish(), Ok(()));
        }
    }

    #[test]
    fn more_uses_than_one_answer_has_are_refused_before_any_is_read() {
        let mut w = Writer::new();
        w.u64(0).u16(513);
        assert_eq!(UsePage::read(&mut Reader::new(&w.finish())), Err(BytesError::TooLong));
    }
}
