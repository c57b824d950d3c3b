//! What stands behind a meter, and what its sells may claim to deliver (MARKET section 8).

use gridbook_engine::{Energy, EnergySources};

use crate::bytes::AMOUNT_MAX;
use crate::crypto::Hash;
use crate::reject::Code;

/// A battery gives back at most all that it took in.
pub const EFFICIENCY_PPM_MAX: u32 = 1_000_000;

/// No connection carries more in one delivery period, either way: 17 GWh, more than the largest power stations make. So no sum over all the meters
/// that there can be, at whatever prices there can be, is more money than snapshots, records and bills hold.
pub const CONNECTION_MAX: Energy = Energy(1 << 34);

const _: () = {
    // All meters that there are numbers for, at the highest price that there is; and four of those together.
    assert!((CONNECTION_MAX.0 << 2).ilog2() + 32 + 31 < AMOUNT_MAX.ilog2());
};

/// What stands behind a meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Plant {
    /// The one source of what is made there; the grid's mix where nothing is.
    pub source: EnergySources,
    /// Of each million parts that go into a battery without a meter of its own, how many come out again: 1 to
    /// [`EFFICIENCY_PPM_MAX`]. None if there is no such battery.
    pub storage_ppm: Option<u32>,
}

impl Plant {
    /// A meter that nothing is made behind: what it sells is the grid's mix.
    pub const NONE: Self = Self { source: EnergySources::GRID_MIX, storage_ppm: None };

    /// A plant without a battery.
    pub const fn of(source: EnergySources) -> Self {
        Self { source, storage_ppm: None }
    }

    /// A battery that is charged from the grid only.
    pub const fn battery(efficiency_ppm: u32) -> Self {
        Self { source: EnergySources::STORAGE, storage_ppm: Some(efficiency_ppm) }
    }

    /// Whether there can be such a plant.
    ///
    /// # Errors
    /// [`Code::FormPlant`] unless it has one source, and a battery an efficiency. Where storage is the source there is a battery.
    pub fn check(&self) -> Result<(), Code> {
        let is_single = self.source.bits().is_power_of_two();
        let is_efficient = self.storage_ppm.is_none_or(|ppm| (1..=EFFICIENCY_PPM_MAX).contains(&ppm));
        let has_battery = self.source != EnergySources::STORAGE || self.storage_ppm.is_some();
        if is_single && is_efficient && has_battery { Ok(()) } else { Err(Code::FormPlant) }
    }

    /// The source that certificates of its export name. Behind a battery that has no meter of its own nobody can tell the sun of noon
    /// from the grid of the night, so that all of it is storage (MARKET section 8).
    pub const fn origin(&self) -> EnergySources {
        match self.storage_ppm {
            Some(_) => EnergySources::STORAGE,
            None => self.source,
        }
    }

    /// What a sell may claim to deliver: its origin, the grid's mix, or either.
    pub const fn may_claim(&self, sources: EnergySources) -> bool {
        sources.is_within(self.origin().with(EnergySources::GRID_MIX))
    }

    /// How bytes name the source: by its bit, and by zero for the grid's mix.
    pub(crate) fn source_number(&self) -> u8 {
        if self.source == EnergySources::GRID_MIX { 0 } else { self.source.bits() }
    }

    /// How bytes name the battery: by its efficiency, and by zero for none.
    pub(crate) fn storage_number(&self) -> u32 {
        self.storage_ppm.unwrap_or(0)
    }

    /// The plant of these numbers.
    pub(crate) fn from_numbers(source: u8, storage_ppm: u32) -> Result<Self, Code> {
        let source = match source {
            0 => EnergySources::GRID_MIX,
            bits if bits == EnergySources::GRID_MIX.bits() => return Err(Code::FormPlant),
            bits => EnergySources::from_bits(bits).ok_or(Code::FormPlant)?,
        };
        let plant = Self { source, storage_ppm: Some(storage_ppm).filter(|ppm| *ppm > 0) };
        plant.check().map(|()| plant)
    }
}

/// What an installer has found at a meter, and where that is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Installation {
    /// What stands behind the meter.
    pub plant: Plant,
    /// The most its connection takes in per delivery period.
    pub import_max: Energy,
    /// The most its connection gives out per delivery period.
    pub export_max: Energy,
    /// The fingerprint of the certificate of installation, a hash over the document; zero if there is none.
    pub certificate: Hash,
}

impl Installation {
    /// Whether there can be such a thing.
    ///
    /// # Errors
    /// [`Code::FormPlant`], as of [`Plant::check`]; [`Code::FormConnection`] for more than [`CONNECTION_MAX`].
    pub fn check(&self) -> Result<(), Code> {
        self.plant.check()?;
        if self.import_max.max(self.export_max) <= CONNECTION_MAX { Ok(()) } else { Err(Code::FormConnection) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plant says of what it lives, or nobody can be sold what it makes.
    #[test]
    fn a_plant_has_one_source_and_a_battery_an_efficiency() {
        let solar = EnergySources::SOLAR;
        for plant in
            [Plant::NONE, Plant::of(solar), Plant::battery(1), Plant { storage_ppm: Some(900_000), ..Plant::of(solar) }]
        {
            assert_eq!(plant.check(), Ok(()));
            assert_eq!(Plant::from_numbers(plant.source_number(), plant.storage_number()), Ok(plant));
        }
        let two = solar.with(EnergySources::WIND);
        for plant in [Plant::of(two), Plant::battery(0), Plant::battery(1_000_001), Plant::of(EnergySources::STORAGE)] {
            assert_eq!(plant.check(), Err(Code::FormPlant), "{plant:?}");
        }
        for (source, storage) in [(32, 0), (3, 0), (64, 0), (16, 0), (1, 1_000_001)] {
            assert_eq!(Plant::from_numbers(source, storage), Err(Code::FormPlant), "{source} {storage}");
        }
    }

    /// Grid energy of the night must not be sold as solar at noon because a battery lies between.
    #[test]
    fn what_comes_out_from_behind_a_battery_is_storage() {
        let (solar, storage, mix) = (EnergySources::SOLAR, EnergySources::STORAGE, EnergySources::GRID_MIX);
        let roof = Plant::of(solar);
        assert!(roof.may_claim(solar) && roof.may_claim(mix) && roof.may_claim(solar.with(mix)));
        assert!(!roof.may_claim(EnergySources::WIND) && !roof.may_claim(storage));
        let with_battery = Plant { storage_ppm: Some(900_000), ..roof };
        assert!(with_battery.may_claim(storage) && !with_battery.may_claim(solar));
        assert!(Plant::NONE.may_claim(mix) && !Plant::NONE.may_claim(solar));
    }
}
