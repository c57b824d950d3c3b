//! What can be entered against somebody, and what it costs: the table of the [module](super).

use crate::bytes::{BytesError, Reader, Writer};
use crate::evidence::EvidenceKind;

/// One ledger day.
pub(super) const DAY_MS: u64 = 86_400_000;

/// What an entry costs, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Points off the score.
    pub points: u16,
    /// How long, in ledger milliseconds.
    pub lifetime_ms: u64,
}

const fn terms(points: u16, days: u64) -> Terms {
    Terms { points, lifetime_ms: days * DAY_MS }
}

/// The fewest points that anything costs.
pub(super) const POINTS_MIN: u16 = 20;

/// What a device did, or what was wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum DeviceFault {
    /// Signed two different readings for one period.
    DoubleReading = 1,
    /// Signed a reading that no meter of its connection can have.
    ImpossibleReading = 2,
    /// Sold energy again and again and did not deliver it.
    NonDelivery = 3,
    /// Signed two different bundles with one nonce.
    NonceReuse = 4,
}

impl DeviceFault {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::DoubleReading, Self::ImpossibleReading, Self::NonDelivery, Self::NonceReuse];

    /// The fault with this number, as records carry it.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.number() == number)
    }

    /// Its number.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// What it costs.
    pub fn terms(self) -> Terms {
        match self {
            Self::DoubleReading => terms(200, 180),
            Self::ImpossibleReading => terms(40, 60),
            Self::NonDelivery => terms(100, 60),
            Self::NonceReuse => terms(20, 30),
        }
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::DoubleReading => "double reading",
            Self::ImpossibleReading => "impossible reading",
            Self::NonDelivery => "repeated non-delivery",
            Self::NonceReuse => "nonce reuse",
        }
    }

    /// What its owner should do, for a person.
    pub fn advice(self) -> &'static str {
        match self {
            Self::DoubleReading => {
                "find out why the meter signed two registers for one period, and have it sealed or replaced"
            }
            Self::ImpossibleReading => "have the meter and its connection data checked before it sends another reading",
            Self::NonDelivery => {
                "sell less than the plant is sure to give, or buy back what it will not deliver before the gate"
            }
            Self::NonceReuse => {
                "let one program alone sign for the meter, or see that all of them count up from one nonce"
            }
        }
    }
}

/// What evidence of a kind costs the validator that it convicts.
pub fn terms_of_evidence(kind: EvidenceKind) -> Terms {
    match kind {
        EvidenceKind::ReceiptBreach | EvidenceKind::Amnesia | EvidenceKind::ExecutionFault => terms(250, 180),
        EvidenceKind::DoubleProposal
        | EvidenceKind::DoubleChunk
        | EvidenceKind::TwoLogs
        | EvidenceKind::DoubleVote
        | EvidenceKind::DoubleTimeout
        | EvidenceKind::VoteAfterTimeout => terms(500, 365),
    }
}

/// The records that prove an entry, by their sequence numbers, oldest first: 1 to [`Proof::RECORDS_MAX`] of them. One stands there twice if
/// it proves twice: a slice of work can settle two periods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Proof([u64; Proof::RECORDS_MAX]);

impl Proof {
    /// The most records of one proof.
    pub const RECORDS_MAX: usize = super::FAILURES_MAX;

    /// A proof of these records; nothing if there are none or too many, they are out of order, or one is no sequence number: those begin at 1.
    pub fn of(records: &[u64]) -> Option<Self> {
        let ascend = records.is_sorted() && records.first().is_some_and(|first| *first > 0);
        let mut all = [0; Self::RECORDS_MAX];
        all.get_mut(..records.len()).filter(|_| ascend)?.copy_from_slice(records);
        Some(Self(all))
    }

    /// The records.
    pub fn records(&self) -> &[u64] {
        let count = self.0.iter().position(|record| *record == 0).unwrap_or(self.0.len());
        &self.0[..count]
    }

    /// All places, zero where there is no record.
    pub(crate) fn write(&self, w: &mut Writer) {
        for record in self.0 {
            w.u64(record);
        }
    }

    /// Reads what [`Proof::write`] wrote.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        let mut all = [0; Self::RECORDS_MAX];
        for record in &mut all {
            *record = r.u64()?;
        }
        let count = all.iter().position(|record| *record == 0).unwrap_or(all.len());
        if all[count..].iter().any(|record| *record != 0) {
            return Err(BytesError::Padding);
        }
        Self::of(&all[..count]).ok_or(BytesError::Unknown)
    }
}
