//! What may be claimed: the other end of a certificate.

use gridbook_engine::Energy;

/// What a meter took in during a period, and how much of that certificates stand for already.
///
/// Measured net import only: what was estimated was not metered, and what went in and out again was not used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consumption {
    measured: Energy,
    covered: Energy,
}

impl Consumption {
    /// So much was measured, and so much of it is claimed. A correction can leave less measured than is claimed.
    pub fn new(measured: Energy, covered: Energy) -> Self {
        Self { measured, covered }
    }

    /// How much can still be claimed.
    pub fn open(&self) -> Energy {
        self.measured.checked_sub(self.covered).unwrap_or_default()
    }

    /// How much is claimed without having been taken in, after a correction.
    pub fn excess(&self) -> Energy {
        self.covered.checked_sub(self.measured).unwrap_or_default()
    }

    /// Claims up to `offered`: tells how much was.
    pub fn claim(&mut self, offered: Energy) -> Energy {
        let claimed = offered.min(self.open());
        self.covered += claimed;
        claimed
    }

    /// How much certificates stand for.
    pub fn covered(&self) -> Energy {
        self.covered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 300 Wh were used, certificates come for 200 and again for 200: the last 100 find nothing to stand for.
    #[test]
    fn no_more_is_claimed_than_was_taken_in() {
        let mut consumption = Consumption::new(Energy(300), Energy(0));
        assert_eq!(consumption.claim(Energy(200)), Energy(200));
        assert_eq!(consumption.claim(Energy(200)), Energy(100));
        assert_eq!(consumption.claim(Energy(200)), Energy(0));
        assert_eq!(
            (consumption.covered(), consumption.open(), consumption.excess()),
            (Energy(300), Energy(0), Energy(0))
        );
    }

    #[test]
    fn a_correction_downwards_leaves_claims_without_consumption() {
        let consumption = Consumption::new(Energy(120), Energy(300));
        assert_eq!((consumption.open(), consumption.excess()), (Energy(0), Energy(180)));
    }
}
