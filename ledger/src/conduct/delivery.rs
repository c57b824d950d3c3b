//! Whether a meter delivers what it sells: a window over its last settled periods with sales.

use gridbook_engine::Energy;

/// So many failures in one window make an entry.
pub const FAILURES_MAX: usize = 4;

/// The length of the window, in settled periods in which the meter had sold anything.
pub const WINDOW_SALES: u32 = 96;

/// One failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// Which period with sales it was, counted from the window's first failure on, which is 0.
    pub sale: u32,
    /// The record that settled it.
    pub record: u64,
}

/// The failures of one meter that are not over. Where there are none, nothing is kept; so it begins with its first failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryWindow {
    /// How many periods with sales were settled before the present one, since the first failure.
    sales: u32,
    failures: [Failure; FAILURES_MAX - 1],
    count: u8,
}

/// What a settled period makes of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// There is nothing to remember.
    Clean,
    /// This is to be remembered.
    Watched(DeliveryWindow),
    /// That was one too many: the records that prove it, ascending. It counts anew from here.
    Failed([u64; FAILURES_MAX]),
}

/// Whether less than half of what was sold was delivered.
pub fn has_failed(sold: Energy, delivered: Energy) -> bool {
    u128::from(delivered.0) * 2 < u128::from(sold.0)
}

impl DeliveryWindow {
    /// What the settlement of a period by the record `record`, in which the meter had sold `sold`, makes of what was remembered. A period
    /// without sales says nothing.
    pub fn judge(window: Option<Self>, sold: Energy, delivered: Energy, record: u64) -> Judgement {
        let failed = has_failed(sold, delivered);
        let kept = |window: Option<Self>| window.map_or(Judgement::Clean, Judgement::Watched);
        if sold.is_zero() {
            return kept(window);
        }
        let window = window.and_then(Self::next);
        match (window, failed) {
            (window, false) => kept(window),
            (None, true) => Judgement::Watched(Self::begin(record)),
            (Some(window), true) => window.fail(record),
        }
    }

    /// How many failures are remembered.
    pub fn failures(&self) -> &[Failure] {
        &self.failures[..usize::from(self.count)]
    }

    fn begin(record: u64) -> Self {
        let mut failures = [Failure::default(); FAILURES_MAX - 1];
        failures[0].record = record;
        Self { sales: 0, failures, count: 1 }
    }

    /// One period with sales further on: what lies behind the window is let go of, and counting begins with the first that is left.
    fn next(self) -> Option<Self> {
        let sales = self.sales + 1;
        let left = self.failures().iter().filter(|failure| sales - failure.sale < WINDOW_SALES);
        let left: ([Failure; FAILURES_MAX - 1], usize) = gather(left.copied());
        let first = left.0[0].sale;
        let mut next = Self { sales: sales - first, failures: left.0, count: 0 };
        next.count = u8::try_from(left.1).expect("no more than there were");
        next.failures[..left.1].iter_mut().for_each(|failure| failure.sale -= first);
        (left.1 > 0).then_some(next)
    }

    fn fail(mut self, record: u64) -> Judgement {
        let failure = Failure { sale: self.sales, record };
        if let Some(place) = self.failures.get_mut(usize::from(self.count)) {
            *place = failure;
            self.count += 1;
            return Judgement::Watched(self);
        }
        let mut records = [record; FAILURES_MAX];
        for (place, failure) in records.iter_mut().zip(self.failures()) {
            *place = failure.record;
        }
        Judgement::Failed(records)
    }

    /// From what was written down, if it could have come about.
    pub(super) fn from_parts(sales: u32, failures: &[Failure]) -> Option<Self> {
        let ascend = failures.is_sorted_by(|a, b| a.sale < b.sale && a.record <= b.record);
        let first = failures.first()?;
        let last = failures.last()?;
        let fits = first.sale == 0 && first.record > 0 && last.sale <= sales && sales < WINDOW_SALES;
        let mut all = [Failure::default(); FAILURES_MAX - 1];
        all.get_mut(..failures.len()).filter(|_| ascend && fits)?.copy_from_slice(failures);
        Some(Self { sales, failures: all, count: u8::try_from(failures.len()).ok()? })
    }

    pub(super) fn sales(&self) -> u32 {
        self.sales
    }
}

/// The items at the front of an array, and how many they are.
fn gather<const N: usize>(items: impl Iterator<Item = Failure>) -> ([Failure; N], usize) {
    let mut all = [Failure::default(); N];
    let mut count = 0;
    for (place, item) in all.iter_mut().zip(items) {
        *place = item;
        count += 1;
    }
    (all, count)
}
