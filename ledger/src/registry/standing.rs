//! How devices and organisations stand, and why.

use gridbook_engine::MeterId;

use super::OrganisationId;
use crate::bytes::{Reader, Writer};
use crate::reject::Code;

/// Whose key it is: what can be suspended, revoked or given another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A meter.
    Meter(MeterId),
    /// An organisation.
    Organisation(OrganisationId),
}

impl Subject {
    const METER: u8 = 0;
    const ORGANISATION: u8 = 1;

    /// Its kind.
    pub(crate) fn kind(self) -> u8 {
        match self {
            Self::Meter(_) => Self::METER,
            Self::Organisation(_) => Self::ORGANISATION,
        }
    }

    /// Its number.
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Meter(meter) => meter.0,
            Self::Organisation(organisation) => organisation.0.into(),
        }
    }

    /// The subject of this kind and number.
    pub(crate) fn from_parts(kind: u8, number: u32) -> Option<Self> {
        match kind {
            Self::METER => Some(Self::Meter(MeterId(number))),
            Self::ORGANISATION => u16::try_from(number).ok().map(|number| Self::Organisation(OrganisationId(number))),
            _ => None,
        }
    }

    /// Kind and number, five bytes.
    pub(crate) fn write(self, w: &mut Writer) {
        w.u8(self.kind()).u32(self.number());
    }

    /// Reads what [`Subject::write`] wrote.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, crate::bytes::BytesError> {
        let (kind, number) = (r.u8()?, r.u32()?);
        Self::from_parts(kind, number).ok_or(crate::bytes::BytesError::Unknown)
    }
}

/// How a device or an organisation stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceStanding {
    /// It may give commands.
    #[default]
    Active,
    /// It may give none until it is resumed.
    Suspended,
    /// It may never give one again.
    Revoked,
}

impl DeviceStanding {
    /// How bytes name it.
    pub fn number(self) -> u8 {
        match self {
            Self::Active => 0,
            Self::Suspended => 1,
            Self::Revoked => 2,
        }
    }

    /// The standing of this number.
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Active, Self::Suspended, Self::Revoked].get(usize::from(number)).copied()
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Revoked => "revoked",
        }
    }
}

/// How a key stands: as its device does, unless the device has another key by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyStanding {
    /// Its device may give commands.
    Active,
    /// Its device may give none until it is resumed.
    Suspended,
    /// Its device may never give one again.
    Revoked,
    /// Its device has a newer key.
    Replaced,
}

impl KeyStanding {
    /// Why a key that stands so may not give commands; nothing if it may.
    pub fn refusal(self) -> Option<Code> {
        match self {
            Self::Active => None,
            Self::Suspended => Some(Code::AuthSuspended),
            Self::Revoked => Some(Code::AuthRevoked),
            Self::Replaced => Some(Code::AuthReplaced),
        }
    }
}

impl From<DeviceStanding> for KeyStanding {
    fn from(standing: DeviceStanding) -> Self {
        match standing {
            DeviceStanding::Active => Self::Active,
            DeviceStanding::Suspended => Self::Suspended,
            DeviceStanding::Revoked => Self::Revoked,
        }
    }
}

/// Writes the enum and its tables from one list.
macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal, $sentence:literal;)*) => {
        /// Why somebody was suspended, resumed, revoked, or a meter changed hands. For people and for auditors: but for
        /// [`Reason::Unsafe`], which a grid operator needs, the ledger draws no conclusion from it.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Reason {
            $($(#[$doc])* $variant = $number,)*
        }

        impl Reason {
            /// All of them, by number.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in files and on the command line.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means, for a person.
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)* }
            }

            /// The reason of this number.
            pub fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

reasons! {
    /// None of the others.
    #[default]
    Other = 0, "other", "for a reason that is kept outside of the ledger";
    /// Whoever it belongs to asked for it.
    OwnersWish = 1, "owners-wish", "its owner asked for it";
    /// Nobody has the key any more, or somebody has who should not.
    KeyLost = 2, "key-lost", "its key is lost or in wrong hands";
    /// The owner moved.
    MovedOut = 3, "moved-out", "its owner has moved out";
    /// Somebody opened or changed the device.
    Tampering = 4, "tampering", "it was tampered with";
    /// It is a danger to people or to the grid.
    Unsafe = 5, "unsafe", "it is a danger to people or to the grid";
    /// The contract behind it has ended.
    ContractEnded = 6, "contract-ended", "its contract has ended";
    /// It broke the rules of the market.
    Misconduct = 7, "misconduct", "it broke the rules of the market";
    /// What it was suspended for is settled.
    Resolved = 8, "resolved", "what it was suspended for is settled";
}

impl Reason {
    /// How bytes name it.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The reason of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|reason| reason.name() == name).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// An auditor reads a number out of a record of years ago, an operator types a name: both must lead to one reason.
    #[test]
    fn every_reason_has_its_own_number_name_and_sentence() {
        for number in 0..=u8::MAX {
            assert_eq!(Reason::from_number(number).map(Reason::number), (number <= 8).then_some(number));
        }
        assert!(Reason::ALL.iter().all(|reason| Reason::from_name(reason.name()) == Some(*reason)));
        let sentences: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.sentence()).collect();
        assert_eq!(sentences.len(), Reason::ALL.len());
    }

    #[test]
    fn subjects_read_back_and_others_are_refused() {
        for subject in [Subject::Meter(MeterId(u32::MAX)), Subject::Organisation(OrganisationId(9))] {
            assert_eq!(Subject::from_parts(subject.kind(), subject.number()), Some(subject));
        }
        assert_eq!(Subject::from_parts(2, 0), None);
        assert_eq!(Subject::from_parts(1, 65_536), None, "no organisation has such a number");
    }

    /// Only an active device's present key gives commands, and each of the others hears why it does not.
    #[test]
    fn only_an_active_key_is_not_refused() {
        let refusals = [KeyStanding::Active, KeyStanding::Suspended, KeyStanding::Revoked, KeyStanding::Replaced];
        let refusals = refusals.map(KeyStanding::refusal);
        assert_eq!(refusals, [None, Some(Code::AuthSuspended), Some(Code::AuthRevoked), Some(Code::AuthReplaced)]);
        for number in 0..3 {
            assert_eq!(DeviceStanding::from_number(number).map(DeviceStanding::number), Some(number));
        }
        assert_eq!(DeviceStanding::from_number(3), None);
    }
}
