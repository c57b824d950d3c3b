//! What a plant may be certified for: as much as was measured, and of a storage no more than it was charged with.

use gridbook_engine::{Energy, EnergySources};

use crate::state::PPM;

/// How much of a plant's measured net export is certified: all of it, or for a storage no more than it was charged with. Nothing if nobody
/// certified its installation, or `origin` is no source: the grid's mix is the lack of one.
///
/// A plant behind a battery has storage as its origin: else the grid's energy of the night would be sold as solar (MARKET section 8).
pub fn entitled(
    origin: EnergySources,
    is_installed: bool,
    net_export: Energy,
    charge: &ChargeBalance,
) -> Option<Energy> {
    let is_source = origin.bits().is_power_of_two() && origin != EnergySources::GRID_MIX;
    let energy = if origin == EnergySources::STORAGE { net_export.min(charge.allowance()) } else { net_export };
    (is_installed && is_source && !energy.is_zero()).then_some(energy)
}

/// What a storage may still be certified for: certificates that it cancelled for what it took in, times its efficiency, less what it
/// was certified for.
///
/// Kept in millionths of a watt-hour, so that many small charges lose nothing; only what may be issued is rounded, down. A correction can
/// take back a charge that was used up already: then the balance is below nothing, and later charges make good for it first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChargeBalance(pub i128);

impl ChargeBalance {
    /// So much was cancelled for its own import.
    pub fn charge(&mut self, energy: Energy, efficiency_ppm: u32) {
        self.0 += millionths(energy, efficiency_ppm);
    }

    /// So much of that was taken back.
    pub fn take_back(&mut self, energy: Energy, efficiency_ppm: u32) {
        self.0 -= millionths(energy, efficiency_ppm);
    }

    /// So much was certified when it gave it out.
    pub fn discharge(&mut self, energy: Energy) {
        self.0 -= millionths(energy, PPM);
    }

    /// So much of that was revoked.
    pub fn give_back(&mut self, energy: Energy) {
        self.0 += millionths(energy, PPM);
    }

    /// How much may be certified now.
    pub fn allowance(&self) -> Energy {
        let whole = self.0.max(0) / i128::from(PPM);
        Energy(u64::try_from(whole).unwrap_or(u64::MAX))
    }
}

fn millionths(energy: Energy, parts: u32) -> i128 {
    i128::from(energy.0) * i128::from(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NINETY_PERCENT: u32 = 900_000;

    const SOLAR: EnergySources = EnergySources::SOLAR;

    #[test]
    fn a_solar_roof_is_certified_for_all_that_it_gave_out() {
        let none = ChargeBalance::default();
        assert_eq!(entitled(SOLAR, true, Energy(700), &none), Some(Energy(700)));
        assert_eq!(entitled(SOLAR, true, Energy(0), &none), None);
    }

    /// A source that nobody vouches for is a claim, not a certificate.
    #[test]
    fn without_certified_installation_or_single_source_there_are_no_certificates() {
        let none = ChargeBalance::default();
        assert_eq!(entitled(SOLAR, false, Energy(700), &none), None);
        for origin in [SOLAR.with(EnergySources::WIND), EnergySources::GRID_MIX] {
            assert_eq!(entitled(origin, true, Energy(700), &none), None, "{origin}");
        }
    }

    /// 1,000 Wh charged at 90 % are good for 900 Wh, whether the roof or the battery gives them out.
    #[test]
    fn a_storage_is_certified_for_what_it_was_charged_with_and_no_more() {
        let of_two_thousand = |charge: &ChargeBalance| entitled(EnergySources::STORAGE, true, Energy(2_000), charge);
        let mut charge = ChargeBalance::default();
        assert_eq!(of_two_thousand(&charge), None, "the grid's energy of the night");
        charge.charge(Energy(1_000), NINETY_PERCENT);
        assert_eq!(of_two_thousand(&charge), Some(Energy(900)));
        assert_eq!(entitled(EnergySources::STORAGE, true, Energy(5), &charge), Some(Energy(5)));
        charge.discharge(Energy(900));
        assert_eq!(of_two_thousand(&charge), None);
    }

    /// Ten charges of 1 Wh at 90 % are 9 Wh; rounded one by one they would be none. Nine tenths of a watt-hour are none.
    #[test]
    fn small_charges_add_up_before_they_are_rounded_down() {
        let mut charge = ChargeBalance::default();
        for charged in 1..=10 {
            charge.charge(Energy(1), NINETY_PERCENT);
            assert_eq!(charge.allowance(), Energy(charged * 9 / 10));
        }
    }

    /// A charge that never happened was given out already: the next one pays for it.
    #[test]
    fn a_charge_taken_back_after_its_use_is_made_good_before_anything_is_certified() {
        let mut charge = ChargeBalance::default();
        charge.charge(Energy(100), PPM);
        charge.discharge(Energy(100));
        charge.take_back(Energy(60), PPM);
        charge.charge(Energy(60), PPM);
        assert_eq!(charge.allowance(), Energy(0));
        charge.charge(Energy(5), PPM);
        assert_eq!(charge.allowance(), Energy(5));
        charge.give_back(Energy(7));
        assert_eq!(charge.allowance(), Energy(12));
    }
}
