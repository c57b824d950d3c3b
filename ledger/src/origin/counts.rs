//! What became of an issuer's certificates.

use gridbook_engine::{AreaId, Energy};

use super::CertificateRange;

/// How a certificate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// It may still be claimed.
    Active,
    /// It was claimed, once and for all.
    Cancelled,
    /// Its period became final before anybody claimed it.
    Expired,
    /// A correction showed that its energy was never given out.
    Revoked,
}

impl Standing {
    /// Its name in files and programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// How many certificates of one issuer stand how. What was issued is the sum of the others, at all times (MARKET section 8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IssuerCounts {
    issued: u64,
    by_standing: [u64; 4],
}

impl IssuerCounts {
    /// Counts as they were kept; nothing if they do not add up.
    pub fn from_kept(issued: u64, active: u64, cancelled: u64, expired: u64, revoked: u64) -> Option<Self> {
        let counts = Self { issued, by_standing: [active, cancelled, expired, revoked] };
        counts.add_up().then_some(counts)
    }

    /// How many were issued: also the highest number given.
    pub fn issued(&self) -> u64 {
        self.issued
    }

    /// How many stand so now.
    pub fn standing(&self, standing: Standing) -> u64 {
        self.by_standing[standing as usize]
    }

    /// Gives the next numbers to `energy`. Nothing if that is none, or all 64-bit numbers are used up.
    pub fn issue(&mut self, issuer: AreaId, energy: Energy) -> Option<CertificateRange> {
        let range = CertificateRange::new(issuer, self.issued.checked_add(1)?, energy)?;
        self.issued = range.last();
        self.by_standing[Standing::Active as usize] += energy.0;
        self.check();
        Some(range)
    }

    /// Notes that so many stand otherwise now.
    ///
    /// # Panics
    /// If fewer stood so: then somebody's certificates were counted twice.
    pub fn change(&mut self, energy: Energy, from: Standing, to: Standing) {
        let before = &mut self.by_standing[from as usize];
        *before = before.checked_sub(energy.0).expect("only certificates that stand so can change");
        self.by_standing[to as usize] += energy.0;
        self.check();
    }

    /// Whether what was issued is accounted for.
    pub fn add_up(&self) -> bool {
        self.by_standing.iter().map(|count| u128::from(*count)).sum::<u128>() == u128::from(self.issued)
    }

    fn check(&self) {
        assert!(self.add_up(), "issued = active + cancelled + expired + revoked");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two issues follow each other without a gap, and every certificate is somewhere.
    #[test]
    fn numbers_go_on_where_they_ended_and_the_counts_add_up() {
        let mut counts = IssuerCounts::default();
        assert_eq!(counts.issue(AreaId(2), Energy(100)), CertificateRange::new(AreaId(2), 1, Energy(100)));
        assert_eq!(counts.issue(AreaId(2), Energy(50)), CertificateRange::new(AreaId(2), 101, Energy(50)));
        counts.change(Energy(60), Standing::Active, Standing::Cancelled);
        counts.change(Energy(10), Standing::Cancelled, Standing::Revoked);
        counts.change(Energy(90), Standing::Active, Standing::Expired);
        let stand = [Standing::Active, Standing::Cancelled, Standing::Expired, Standing::Revoked];
        assert_eq!(stand.map(|standing| counts.standing(standing)), [0, 50, 90, 10]);
        assert_eq!(counts.issued(), 150);
    }

    #[test]
    fn nothing_is_issued_for_no_energy_or_past_the_last_number() {
        let mut counts = IssuerCounts::default();
        assert_eq!(counts.issue(AreaId(0), Energy(0)), None);
        assert!(counts.issue(AreaId(0), Energy(u64::MAX - 1)).is_some());
        assert_eq!(counts.issue(AreaId(0), Energy(1)), None);
        assert_eq!(counts.issued(), u64::MAX - 1);
    }

    /// A claim of what was claimed already would let two households be green with one watt-hour.
    #[test]
    #[should_panic(expected = "only certificates that stand so can change")]
    fn what_is_not_active_cannot_be_claimed_again() {
        let mut counts = IssuerCounts::default();
        counts.issue(AreaId(0), Energy(10));
        counts.change(Energy(10), Standing::Active, Standing::Cancelled);
        counts.change(Energy(1), Standing::Active, Standing::Cancelled);
    }

    /// A snapshot may come from anybody.
    #[test]
    fn counts_that_do_not_add_up_are_not_taken() {
        assert!(IssuerCounts::from_kept(10, 4, 3, 2, 1).is_some());
        assert_eq!(IssuerCounts::from_kept(10, 4, 3, 2, 2), None);
        assert_eq!(IssuerCounts::from_kept(0, u64::MAX, 1, 0, 0), None);
    }
}
