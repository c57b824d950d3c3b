//! Numbers of certificates.

use core::fmt;

use gridbook_engine::{AreaId, Energy};

/// Certificates that follow each other: one for each watt-hour, numbered by their issuer from 1 upwards. Never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateRange {
    issuer: AreaId,
    first: u64,
    length: u64,
}

impl CertificateRange {
    /// `length` certificates of `issuer` from the number `first` on. Nothing if that is none, starts at 0, or runs past the last number.
    pub fn new(issuer: AreaId, first: u64, length: Energy) -> Option<Self> {
        let fits = first > 0 && length.0 > 0 && first.checked_add(length.0).is_some();
        fits.then_some(Self { issuer, first, length: length.0 })
    }

    /// The area whose operator issued them.
    pub fn issuer(&self) -> AreaId {
        self.issuer
    }

    /// The lowest number.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The highest number.
    pub fn last(&self) -> u64 {
        self.end() - 1
    }

    /// The number behind the highest.
    pub fn end(&self) -> u64 {
        self.first + self.length
    }

    /// How much energy they stand for.
    pub fn energy(&self) -> Energy {
        Energy(self.length)
    }

    /// Whether all of `other` are among these.
    pub fn contains(&self, other: &Self) -> bool {
        self.issuer == other.issuer && self.first <= other.first && other.end() <= self.end()
    }

    /// Whether the two have a certificate in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.issuer == other.issuer && self.first < other.end() && other.first < self.end()
    }

    /// What is left of these before and behind `gone`.
    pub fn without(&self, gone: &Self) -> [Option<Self>; 2] {
        if !self.overlaps(gone) {
            return [Some(*self), None];
        }
        let before = Energy(gone.first.saturating_sub(self.first));
        let behind = Energy(self.end().saturating_sub(gone.end()));
        [Self::new(self.issuer, self.first, before), Self::new(self.issuer, gone.end(), behind)]
    }

    /// From the lowest to the highest number of both, of one issuer: what lies between them is in it too.
    ///
    /// # Panics
    /// If they are of two issuers.
    pub fn joined(&self, other: &Self) -> Self {
        assert_eq!(self.issuer, other.issuer, "numbers of two issuers do not follow each other");
        let first = self.first.min(other.first);
        Self { issuer: self.issuer, first, length: self.end().max(other.end()) - first }
    }

    /// The parts that it is cut into at some numbers, each of which begins a part.
    pub fn cut_at(&self, numbers: impl IntoIterator<Item = u64>) -> Vec<Self> {
        let mut cuts: Vec<u64> = numbers.into_iter().filter(|cut| (self.first + 1..self.end()).contains(cut)).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let begins = [self.first].into_iter().chain(cuts.iter().copied());
        let ends = cuts.iter().copied().chain([self.end()]);
        begins.zip(ends).map(|(first, end)| Self { issuer: self.issuer, first, length: end - first }).collect()
    }

    /// The first `energy` of them, and those that are left: all and none where there are not more.
    pub fn split(&self, energy: Energy) -> (Option<Self>, Option<Self>) {
        let head = energy.0.min(self.length);
        let tail = Self::new(self.issuer, self.first + head, Energy(self.length - head));
        (Self::new(self.issuer, self.first, Energy(head)), tail)
    }
}

impl fmt::Display for CertificateRange {
    /// As `3/1001-1500`: issuer, first and last number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}-{}", self.issuer.0, self.first, self.last())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u64, length: u64) -> CertificateRange {
        CertificateRange::new(AreaId(3), first, Energy(length)).unwrap()
    }

    /// A range that could not be counted through would be a certificate for nothing.
    #[test]
    fn no_range_is_empty_starts_at_zero_or_runs_past_the_last_number() {
        for (first, length) in [(1, 0), (0, 5), (u64::MAX, 1), (2, u64::MAX - 1)] {
            assert_eq!(CertificateRange::new(AreaId(0), first, Energy(length)), None, "{length} from {first}");
        }
        assert_eq!(CertificateRange::new(AreaId(0), 1, Energy(u64::MAX - 1)).unwrap().last(), u64::MAX - 1);
    }

    #[test]
    fn a_range_is_cut_without_a_gap() {
        assert_eq!(range(1_001, 500).split(Energy(200)), (Some(range(1_001, 200)), Some(range(1_201, 300))));
        assert_eq!(range(1_001, 500).split(Energy(500)), (Some(range(1_001, 500)), None));
        assert_eq!(range(1_001, 500).split(Energy(900)), (Some(range(1_001, 500)), None));
        assert_eq!(range(1_001, 500).split(Energy(0)), (None, Some(range(1_001, 500))));
        assert_eq!(range(1_001, 500).to_string(), "3/1001-1500");
    }

    /// ```text
    /// 1001 ---------------- 1500
    ///        1101 -- 1300          leaves 1001-1100 and 1301-1500
    /// ```
    #[test]
    fn what_is_taken_out_of_a_range_leaves_what_lies_before_and_behind() {
        let whole = range(1_001, 500);
        assert_eq!(whole.without(&range(1_101, 200)), [Some(range(1_001, 100)), Some(range(1_301, 200))]);
        assert_eq!(whole.without(&range(900, 201)), [None, Some(range(1_101, 400))]);
        assert_eq!(whole.without(&range(1_401, 900)), [Some(range(1_001, 400)), None]);
        assert_eq!(whole.without(&whole), [None, None]);
        assert_eq!(whole.without(&range(1_501, 9)), [Some(whole), None]);
    }

    #[test]
    fn a_range_is_cut_where_others_begin_and_end_and_joined_again() {
        let parts = range(1_001, 500).cut_at([1_501, 1_201, 1_001, 1_300, 1_201, 7]);
        assert_eq!(parts, [range(1_001, 200), range(1_201, 99), range(1_300, 201)]);
        assert_eq!(parts.iter().skip(1).fold(parts[0], |all, part| all.joined(part)), range(1_001, 500));
        assert_eq!((range(1, 1).joined(&range(9, 2)), range(5, 1).cut_at([5, 6])), (range(1, 10), vec![range(5, 1)]));
    }

    /// Equal numbers of two issuers are different certificates.
    #[test]
    fn ranges_of_different_issuers_have_nothing_in_common() {
        let other = CertificateRange::new(AreaId(4), 1_001, Energy(500)).unwrap();
        assert!(!range(1_001, 500).overlaps(&other) && !range(1_001, 500).contains(&other));
        assert!(range(1_001, 500).contains(&range(1_500, 1)) && range(1_001, 500).overlaps(&range(1_500, 2)));
        assert!(!range(1_001, 500).contains(&range(1_500, 2)) && !range(1_001, 500).overlaps(&range(1_501, 1)));
    }
}
