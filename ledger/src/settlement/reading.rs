//! What two readings of a meter say of the time between them, and what stands for one that says nothing (MARKET section 7, rule 1).

use gridbook_engine::Energy;

/// What a meter's registers show at the end of a period. They only ever count up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// All energy taken in so far, in Wh.
    pub import: u64,
    /// All energy given out so far, in Wh.
    pub export: u64,
    /// How often the meter has read itself: it goes on where no energy flows, so a register that stands still can be told from a meter
    /// that does.
    pub counter: u64,
}

/// What a meter took in and gave out in one period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Taken in.
    pub import: Energy,
    /// Given out.
    pub export: Energy,
}

impl Delivery {
    /// What it gave more than it took, in Wh; negative for who took more.
    pub fn net_wh(self) -> i128 {
        i128::from(self.export.0) - i128::from(self.import.0)
    }

    /// As traded, to the watt-hour: what counts where a ledger reads no meters.
    pub fn as_traded(bought: Energy, sold: Energy) -> Self {
        Self { import: bought, export: sold }
    }
}

/// What a period's energy of one meter was taken from. Numbers go into records and never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quality {
    /// From its trades: this ledger reads no meters.
    AsTraded,
    /// From two readings of the meter.
    Measured,
    /// From a rule, against its owner.
    Estimated(Rule),
    /// From a correction, made before the period was final.
    Corrected,
}

/// Why a delivery had to be estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// No reading came until the deadline.
    Missing,
    /// A reading came, and there is none of the period's start to compare it with.
    NoStart,
    /// The two readings contradict each other or the connection.
    Impossible(Implausible),
}

/// What is wrong with two readings of one meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Implausible {
    /// A register, or the meter's own counter, shows less than before. That of a register that began at zero again looks the same.
    Backwards,
    /// Nothing moved, not even the meter's own counter: the old reading came again.
    Frozen,
    /// More than the connection carries in a period.
    Beyond,
}

impl Quality {
    /// Every quality there is.
    pub const ALL: [Self; 8] = [
        Self::AsTraded,
        Self::Measured,
        Self::Corrected,
        Self::Estimated(Rule::Missing),
        Self::Estimated(Rule::NoStart),
        Self::Estimated(Rule::Impossible(Implausible::Backwards)),
        Self::Estimated(Rule::Impossible(Implausible::Frozen)),
        Self::Estimated(Rule::Impossible(Implausible::Beyond)),
    ];

    /// Its number in records: 0 as traded, 1 measured, 2 corrected, from 16 on the rule that an estimate is from.
    pub fn number(self) -> u8 {
        match self {
            Self::AsTraded => 0,
            Self::Measured => 1,
            Self::Corrected => 2,
            Self::Estimated(Rule::Missing) => 16,
            Self::Estimated(Rule::NoStart) => 17,
            Self::Estimated(Rule::Impossible(Implausible::Backwards)) => 18,
            Self::Estimated(Rule::Impossible(Implausible::Frozen)) => 19,
            Self::Estimated(Rule::Impossible(Implausible::Beyond)) => 20,
        }
    }

    /// The quality with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|quality| quality.number() == number)
    }

    /// Its name in files and programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::AsTraded => "as_traded",
            Self::Measured => "measured",
            Self::Corrected => "corrected",
            Self::Estimated(Rule::Missing) => "estimated_missing",
            Self::Estimated(Rule::NoStart) => "estimated_no_start",
            Self::Estimated(Rule::Impossible(Implausible::Backwards)) => "estimated_backwards",
            Self::Estimated(Rule::Impossible(Implausible::Frozen)) => "estimated_frozen",
            Self::Estimated(Rule::Impossible(Implausible::Beyond)) => "estimated_beyond",
        }
    }
}

/// What flowed between two readings. `import_max` and `export_max` are what the connection carries in one period.
///
/// # Errors
/// The first thing wrong with them, in the order of [`Implausible`].
pub fn delta(
    start: &Registers,
    end: &Registers,
    import_max: Energy,
    export_max: Energy,
) -> Result<Delivery, Implausible> {
    if end.counter < start.counter {
        return Err(Implausible::Backwards);
    }
    let import = end.import.checked_sub(start.import).ok_or(Implausible::Backwards)?;
    let export = end.export.checked_sub(start.export).ok_or(Implausible::Backwards)?;
    if start == end {
        return Err(Implausible::Frozen);
    }
    if import > import_max.0 || export > export_max.0 {
        return Err(Implausible::Beyond);
    }
    Ok(Delivery { import: Energy(import), export: Energy(export) })
}

/// What stands for readings that say nothing: as if the meter had given nothing and taken all that it bought, or what it took in the
/// same quarter-hour a week before if that is more. Whoever can read his meter better, may correct it.
pub fn estimate(bought: Energy, week_before: Option<Energy>) -> Delivery {
    Delivery { import: bought.max(week_before.unwrap_or(Energy::ZERO)), export: Energy::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Registers = Registers { import: 5_000, export: 700, counter: 40 };

    fn after(import: u64, export: u64, counter: u64) -> Result<Delivery, Implausible> {
        delta(&START, &Registers { import, export, counter }, Energy(1_000), Energy(500))
    }

    fn flowed(import: u64, export: u64) -> Delivery {
        Delivery { import: Energy(import), export: Energy(export) }
    }

    #[test]
    fn two_readings_say_what_flowed_between_them() {
        assert_eq!(after(5_300, 720, 41), Ok(flowed(300, 20)));
        assert_eq!(flowed(300, 20).net_wh(), -280);
        assert_eq!(flowed(20, 300).net_wh(), 280);
    }

    /// A meter that turned a register back would take its import out of everybody's account.
    #[test]
    fn a_register_running_backwards_is_impossible() {
        assert_eq!(after(4_999, 720, 41), Err(Implausible::Backwards));
        assert_eq!(after(5_300, 699, 41), Err(Implausible::Backwards));
        assert_eq!(after(5_300, 720, 39), Err(Implausible::Backwards), "an older reading");
        assert_eq!(after(0, 0, 41), Err(Implausible::Backwards), "a register that began at zero again");
    }

    /// The connection carries 1,000 in and 500 out: that much is possible, one more is not.
    #[test]
    fn more_than_the_connection_carries_is_impossible() {
        assert_eq!(after(6_000, 1_200, 41), Ok(flowed(1_000, 500)));
        assert_eq!(after(6_001, 700, 41), Err(Implausible::Beyond));
        assert_eq!(after(5_000, 1_201, 41), Err(Implausible::Beyond));
        let (start, end) = (Registers::default(), Registers { import: u64::MAX, export: u64::MAX, counter: 1 });
        assert_eq!(delta(&start, &end, Energy(u64::MAX), Energy(0)), Err(Implausible::Beyond));
        let all = delta(&start, &end, Energy(u64::MAX), Energy(u64::MAX));
        assert_eq!(all, Ok(flowed(u64::MAX, u64::MAX)));
        assert_eq!(flowed(u64::MAX, 0).net_wh(), -18_446_744_073_709_551_615);
    }

    /// A house nobody is at home in takes nothing and still reads itself; the reading that comes again does not.
    #[test]
    fn a_meter_that_stands_still_is_told_from_a_house_that_does() {
        assert_eq!(after(5_000, 700, 40), Err(Implausible::Frozen));
        assert_eq!(after(5_000, 700, 41), Ok(flowed(0, 0)));
    }

    /// 300 bought, and 200, 300 or 450 taken a week before.
    #[test]
    fn what_is_missing_is_estimated_against_its_owner() {
        assert_eq!(estimate(Energy(300), None), flowed(300, 0));
        assert_eq!(estimate(Energy(300), Some(Energy(200))), flowed(300, 0));
        assert_eq!(estimate(Energy(300), Some(Energy(450))), flowed(450, 0));
        assert_eq!(estimate(Energy(0), None), flowed(0, 0));
    }

    #[test]
    fn every_quality_has_a_number_and_a_name_of_its_own() {
        for quality in Quality::ALL {
            assert_eq!(Quality::from_number(quality.number()), Some(quality));
            assert_eq!(Quality::ALL.iter().filter(|other| other.name() == quality.name()).count(), 1);
        }
        assert_eq!(Quality::from_number(3), None);
        assert_eq!(Quality::from_number(255), None);
    }
}
