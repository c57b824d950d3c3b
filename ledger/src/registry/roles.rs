//! What organisations may do.

use core::fmt;

/// One thing that an organisation may be on the ledger. [`State::require`](crate::state::State::require) says which command needs which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Role {
    /// Runs the registry: accounts, meters and suppliers.
    Registrar = 0,
    /// Runs the grid of one area and of all areas below it: capacities, and meters that are a danger.
    GridOperator = 1,
    /// Runs the market: pay-as-bid rounds and imbalance prices.
    MarketOperator = 2,
    /// Takes money in from outside and gives it out.
    Bank = 3,
    /// Buys and sells for its customers, whose accounts belong to it. A role without rights.
    Supplier = 4,
    /// Rules on appeals.
    Auditor = 5,
}

impl Role {
    /// Each role with its name in files and on the command line.
    pub const NAMES: [(Self, &'static str); 6] = [
        (Self::Registrar, "registrar"),
        (Self::GridOperator, "grid-operator"),
        (Self::MarketOperator, "market-operator"),
        (Self::Bank, "bank"),
        (Self::Supplier, "supplier"),
        (Self::Auditor, "auditor"),
    ];

    /// The role of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(role, _)| *role)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of roles; may be empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Roles(u8);

impl Roles {
    /// No role.
    pub const NONE: Self = Self(0);

    /// One role.
    pub const fn of(role: Role) -> Self {
        Self(role.bit())
    }

    /// These and one more.
    #[must_use]
    pub const fn with(self, role: Role) -> Self {
        Self(self.0 | role.bit())
    }

    /// Whether a role is among them.
    pub const fn has(self, role: Role) -> bool {
        self.0 & role.bit() != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of them are in `other`.
    pub const fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// As bits, the lowest for the first of [`Role::NAMES`].
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The set of these bits; nothing if one of them stands for no role.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        if bits >> Role::NAMES.len() == 0 { Some(Self(bits)) } else { None }
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        roles.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Display for Roles {
    /// As `registrar+bank`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Role::NAMES.iter().filter(|(role, _)| self.has(*role)).map(|(_, name)| *name);
        for (place, name) in names.enumerate() {
            let joint = if place > 0 { "+" } else { "" };
            write!(f, "{joint}{name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_its_own_bit_and_name() {
        for (place, (role, name)) in Role::NAMES.into_iter().enumerate() {
            assert_eq!(role as usize, place);
            assert_eq!((Role::from_name(name), role.name()), (Some(role), name));
            let others = Role::NAMES.iter().map(|(other, _)| *other).filter(|other| *other != role);
            let others: Roles = others.collect();
            assert!(!others.has(role) && Roles::of(role).has(role));
        }
        assert_eq!(Role::from_name("king"), None);
    }

    #[test]
    fn bits_read_back_and_unknown_ones_are_refused() {
        for bits in 0..=u8::MAX {
            let roles = Roles::from_bits(bits);
            assert_eq!(roles.map(Roles::bits), (bits < 64).then_some(bits));
        }
        assert_eq!(Roles::of(Role::Registrar).with(Role::Bank).to_string(), "registrar+bank");
    }
}
