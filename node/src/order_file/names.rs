//! The names in a file, and the numbers that the market knows them by, in order of first appearance.

use std::collections::HashMap;

use gridbook_engine::{AccountId, AreaId, MeterId};

use super::line::Name;
use super::refusal::Refusal;

/// How many areas a file without a network line may name. They have no edges and never meet.
pub const ISLANDS_MAX: u16 = 64;

/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// All names of one file.
#[derive(Debug, Default)]
pub(super) struct Names {
    areas: Table,
    areas_are_fixed: bool,
    accounts: Table,
    meters: Table,
    /// By meter.
    owners: Vec<AccountId>,
    /// By account: the meter that is meant where none is named.
    first_meters: Vec<Option<MeterId>>,
}

#[derive(Debug, Default)]
struct Table {
    numbers: HashMap<Box<str>, u32>,
    /// By number. A meter without a name has an empty one.
    names: Vec<Box<str>>,
}

impl Table {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = self.push(name);
        self.numbers.insert(name.into(), number);
        number
    }

    fn push(&mut self, name: &str) -> u32 {
        let number = u32::try_from(self.names.len()).expect("a file names fewer than 2^32 things");
        self.names.push(name.into());
        number
    }
}

impl Names {
    /// Whether a network line has named all areas there are.
    pub(super) fn areas_are_fixed(&self) -> bool {
        self.areas_are_fixed
    }

    /// Fixes the areas to these, in their order.
    pub(super) fn fix_areas(&mut self, areas: &[Name<'_>]) {
        self.areas = Table::default();
        for area in areas {
            self.areas.number(area.text());
        }
        self.areas_are_fixed = true;
    }

    /// The area of this name; without one, the only area there is.
    ///
    /// # Errors
    /// [`Refusal::Area`], [`Refusal::Islands`], or [`Refusal::Line`] if a name is missing or too long.
    pub(super) fn area(&mut self, name: Option<&Name<'_>>) -> Result<AreaId, Refusal> {
        let number = match name {
            None if self.areas.names.len() > 1 => return Err(Refusal::line("there is more than one area: name one")),
            None if self.areas.names.is_empty() => self.areas.number("root"),
            None => 0,
            Some(name) => self.named_area(name.text())?,
        };
        Ok(AreaId(u16::try_from(number).expect("a network has fewer than 2^16 areas")))
    }

    fn named_area(&mut self, name: &str) -> Result<u32, Refusal> {
        if let Some(&number) = self.areas.numbers.get(name) {
            return Ok(number);
        }
        check_length(name)?;
        if self.areas_are_fixed {
            Err(Refusal::Area(name.to_string()))
        } else if self.areas.names.len() >= usize::from(ISLANDS_MAX) {
            Err(Refusal::Islands)
        } else {
            Ok(self.areas.number(name))
        }
    }

    /// The account of this name, new if need be.
    ///
    /// # Errors
    /// [`Refusal::Line`] if the name is too long.
    pub(super) fn account(&mut self, name: &Name<'_>) -> Result<AccountId, Refusal> {
        check_length(name.text())?;
        let number = self.accounts.number(name.text());
        if self.first_meters.len() < self.accounts.names.len() {
            self.first_meters.push(None);
        }
        Ok(AccountId(number))
    }

    /// An account's meter of this name, new if need be; without a name, the account's first.
    ///
    /// # Errors
    /// [`Refusal::Meter`], or [`Refusal::Line`] if the name is too long.
    pub(super) fn meter(&mut self, account: AccountId, name: Option<&Name<'_>>) -> Result<MeterId, Refusal> {
        let first = &mut self.first_meters[account.0 as usize];
        let number = match (name, *first) {
            (None, Some(meter)) => return Ok(meter),
            (None, None) => self.meters.push(""),
            (Some(name), _) => {
                check_length(name.text())?;
                self.meters.number(name.text())
            }
        };
        let meter = MeterId(number);
        if self.owners.len() == number as usize {
            self.owners.push(account);
        } else if self.owners[number as usize] != account {
            return Err(Refusal::Meter);
        }
        first.get_or_insert(meter);
        Ok(meter)
    }

    /// The account of this name, if a line named it before.
    pub(super) fn find_account(&self, name: &Name<'_>) -> Option<AccountId> {
        self.accounts.numbers.get(name.text()).copied().map(AccountId)
    }

    /// The meter of this name and its account, if a line named it before.
    pub(super) fn find_meter(&self, name: &Name<'_>) -> Option<(MeterId, AccountId)> {
        let number = *self.meters.numbers.get(name.text())?;
        Some((MeterId(number), self.owners[number as usize]))
    }

    /// What the file calls an area; nothing if it never did.
    pub(super) fn area_name(&self, area: AreaId) -> Option<&str> {
        self.areas.names.get(usize::from(area.0)).map(|name| &**name)
    }
}

fn check_length(name: &str) -> Result<(), Refusal> {
    if name.len() > NAME_BYTES_MAX {
        return Err(Refusal::line(format!("a name has at most {NAME_BYTES_MAX} bytes")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name<'_> {
        Name(text.into())
    }

    #[test]
    fn names_are_numbered_as_they_appear() {
        let mut names = Names::default();
        let numbers: Vec<u32> = ["b", "a", "b"].iter().map(|text| names.account(&name(text)).unwrap().0).collect();
        assert_eq!(numbers, [0, 1, 0]);
        assert_eq!(names.find_account(&name("a")), Some(AccountId(1)));
        assert_eq!(names.find_account(&name("c")), None);
        assert!(names.account(&name(&"x".repeat(257))).is_err());
    }

    #[test]
    fn a_meter_that_is_left_out_is_the_first_of_its_account_and_never_somebody_elses() {
        let mut names = Names::default();
        let (alice, bob) = (names.account(&name("alice")).unwrap(), names.account(&name("bob")).unwrap());
        let m7 = names.meter(bob, Some(&name("m7"))).unwrap();
        let nameless = names.meter(alice, None).unwrap();
        assert_ne!(m7, nameless);
        assert_eq!(names.meter(bob, None), Ok(m7));
        assert_eq!(names.meter(alice, None), Ok(nameless));
        assert_eq!(names.meter(alice, Some(&name("m7"))), Err(Refusal::Meter));
        assert_eq!(names.find_meter(&name("m7")), Some((m7, bob)));
    }

    #[test]
    fn areas_are_the_networks_or_islands_of_first_use() {
        let mut names = Names::default();
        assert_eq!(names.area(None), Ok(AreaId(0)));
        assert_eq!(names.area(Some(&name("A"))), Ok(AreaId(1)));
        assert!(matches!(names.area(None), Err(Refusal::Line(_))), "one of two");
        for island in 2..ISLANDS_MAX {
            assert_eq!(names.area(Some(&name(&island.to_string()))), Ok(AreaId(island)));
        }
        assert_eq!(names.area(Some(&name("one more"))), Err(Refusal::Islands));

        let mut names = Names::default();
        names.fix_areas(&[name("root"), name("A")]);
        assert_eq!(names.area(Some(&name("A"))), Ok(AreaId(1)));
        assert_eq!(names.area(Some(&name("B"))), Err(Refusal::Area("B".into())));
        assert_eq!(names.area_name(AreaId(1)), Some("A"));
    }
}
