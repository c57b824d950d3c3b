//! What a grant opens.

use core::fmt;
use core::ops::BitOr;

/// What of a meter's data somebody may read: at least one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(u8);

impl Scope {
    /// Readings, trades and settlement: what its bills are made of.
    pub const STATEMENT: Self = Self(1);
    /// Certificates of origin that were issued to it, moved and claimed.
    pub const CERTIFICATES: Self = Self(2);
    /// What stands against it.
    pub const CONDUCT: Self = Self(4);
    /// All of it. With it from every meter of an account, the account's whole history is open too.
    pub const ALL: Self = Self(7);

    /// Each kind with its name, as people write them.
    pub const NAMES: [(Self, &str); 3] =
        [(Self::STATEMENT, "statement"), (Self::CERTIFICATES, "certificates"), (Self::CONDUCT, "conduct")];

    /// The scope with these bits; nothing if there are none, or others than there are.
    pub fn from_bits(bits: u8) -> Option<Self> {
        (1..=Self::ALL.0).contains(&bits).then_some(Self(bits))
    }

    /// Its bits.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Whether all of `other` is in it.
    pub fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Scope {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Scope {
    /// The names, joined by `+`; all of them as `all`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ALL {
            return f.write_str("all");
        }
        let names = Self::NAMES.iter().filter(|(kind, _)| self.covers(*kind)).map(|(_, name)| *name);
        for (place, name) in names.enumerate() {
            if place > 0 {
                f.write_str("+")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_has_at_least_one_kind_and_no_other_than_there_are() {
        let good: Vec<u8> = (0..=u8::MAX).filter(|bits| Scope::from_bits(*bits).is_some()).collect();
        assert_eq!(good, [1, 2, 3, 4, 5, 6, 7]);
        let all = Scope::NAMES.iter().map(|(kind, _)| *kind).reduce(|one, other| one | other);
        assert_eq!(all, Some(Scope::ALL));
    }

    #[test]
    fn a_scope_covers_its_parts_and_nothing_beside_them() {
        let both = Scope::STATEMENT | Scope::CONDUCT;
        assert!(both.covers(Scope::STATEMENT) && both.covers(both) && Scope::ALL.covers(both));
        assert!(!both.covers(Scope::CERTIFICATES) && !both.covers(Scope::ALL));
        assert_eq!((both.to_string(), Scope::ALL.to_string()), ("statement+conduct".into(), "all".into()));
    }
}
