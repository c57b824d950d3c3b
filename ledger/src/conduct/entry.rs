//! One entry, whom it is about, and what all entries together leave of the score.

use gridbook_engine::{AccountId, DeliveryPeriod, LedgerTime, MeterId};

use super::fault::{DAY_MS, DeviceFault, POINTS_MIN, Proof, Terms, terms_of_evidence};
use super::share::SCORE_FULL;
use crate::crypto::{Hash, PublicKey};
use crate::evidence::EvidenceKind;

/// The most entries that are kept of one bearer: bounds what somebody's misconduct makes every validator remember.
pub const ENTRIES_MAX: usize = 64;
const _: () =
    assert!(ENTRIES_MAX * POINTS_MIN as usize >= SCORE_FULL as usize, "letting go of one must not raise the score");

/// How long after an entry its account may appeal, in ledger milliseconds: 14 days.
pub const APPEAL_MS: u64 = 14 * DAY_MS;

/// Something that was proven against somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What, and against whom.
    pub fault: Fault,
    /// When it was entered.
    pub at: LedgerTime,
    /// Whether it is challenged, and what became of that.
    pub state: EntryState,
}

/// What was done, by whom, and what proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// By a device.
    Device {
        /// Whose it was at the time: who bears it.
        account: AccountId,
        /// The device.
        meter: MeterId,
        /// What.
        kind: DeviceFault,
        /// The delivery period, if it is about one.
        period: Option<DeliveryPeriod>,
        /// The records that prove it.
        proof: Proof,
    },
    /// By a validator.
    Validator {
        /// The key that it signed with: who bears it.
        key: PublicKey,
        /// What.
        kind: EvidenceKind,
        /// The epoch.
        epoch: u32,
        /// The view.
        view: u64,
        /// The name of the evidence, which is that of its entry in the log.
        evidence: Hash,
    },
}

/// Who bears an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bearer {
    /// An account, for its devices.
    Account(AccountId),
    /// A validator, by its key.
    Validator(PublicKey),
}

/// Whether an entry is challenged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EntryState {
    /// Nobody has challenged it.
    Stands = 0,
    /// Its account has appealed, and nobody has ruled yet.
    Appealed = 1,
    /// An auditor has ruled that it is right.
    Upheld = 2,
    /// An auditor has ruled that it is wrong: it counts nothing any more.
    Struck = 3,
}

impl EntryState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Stands, Self::Appealed, Self::Upheld, Self::Struck];

    /// The state with this number, as records carry it.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.number() == number)
    }

    /// Its number.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stands => "stands",
            Self::Appealed => "appealed",
            Self::Upheld => "upheld",
            Self::Struck => "struck",
        }
    }
}

/// What an auditor says about an appeal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Ruling {
    /// The entry is right.
    Upheld = 0,
    /// The entry is wrong, and counts nothing from now on.
    Struck = 1,
}

impl Ruling {
    /// The ruling with this number, as commands carry it.
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Upheld, Self::Struck].into_iter().find(|ruling| ruling.number() == number)
    }

    /// Its number.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The ruling of this name, as people write it: that of the state which it leaves.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Upheld, Self::Struck].into_iter().find(|ruling| ruling.state().name() == name)
    }

    /// What becomes of the entry.
    pub fn state(self) -> EntryState {
        match self {
            Self::Upheld => EntryState::Upheld,
            Self::Struck => EntryState::Struck,
        }
    }
}

impl Fault {
    /// Who bears it.
    pub fn bearer(&self) -> Bearer {
        match *self {
            Self::Device { account, .. } => Bearer::Account(account),
            Self::Validator { key, .. } => Bearer::Validator(key),
        }
    }

    /// What it costs.
    pub fn terms(&self) -> Terms {
        match *self {
            Self::Device { kind, .. } => kind.terms(),
            Self::Validator { kind, .. } => terms_of_evidence(kind),
        }
    }
}

impl Entry {
    /// A new entry.
    pub fn new(fault: Fault, at: LedgerTime) -> Self {
        Self { fault, at, state: EntryState::Stands }
    }

    /// When it is over.
    pub fn expires_at(&self) -> LedgerTime {
        LedgerTime(self.at.0.saturating_add(self.fault.terms().lifetime_ms))
    }

    /// Until when its account may appeal, exclusive.
    pub fn appeal_until(&self) -> LedgerTime {
        LedgerTime(self.at.0.saturating_add(APPEAL_MS))
    }

    /// The points that it costs now: none once it is struck.
    pub fn points(&self) -> u16 {
        if self.state == EntryState::Struck { 0 } else { self.fault.terms().points }
    }

    /// Whether another entry for `other` would say nothing new, by the limits in the table of the [module](super).
    pub fn covers(&self, other: &Fault, now: LedgerTime) -> bool {
        match (&self.fault, other) {
            (
                Fault::Device { meter, kind, period, .. },
                Fault::Device { meter: other_meter, kind: other_kind, period: other_period, .. },
            ) => {
                let same = (meter, kind) == (other_meter, other_kind);
                match kind {
                    DeviceFault::DoubleReading => same && period == other_period,
                    DeviceFault::ImpossibleReading => same && self.at.0 / DAY_MS == now.0 / DAY_MS,
                    // Each nonce is blamed once, and each window counts anew: whoever enters these sees to it.
                    DeviceFault::NonDelivery | DeviceFault::NonceReuse => false,
                }
            }
            (
                Fault::Validator { key, kind, epoch, .. },
                Fault::Validator { key: other_key, kind: other_kind, epoch: other_epoch, .. },
            ) => (key, kind, epoch) == (other_key, other_kind, other_epoch),
            _ => false,
        }
    }
}

/// What all entries that are kept of one bearer leave of its score.
pub fn score<'a>(entries: impl Iterator<Item = &'a Entry>) -> u16 {
    let points = entries.fold(0_u16, |sum, entry| sum.saturating_add(entry.points()));
    SCORE_FULL.saturating_sub(points)
}
