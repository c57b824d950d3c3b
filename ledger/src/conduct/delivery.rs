//! Whether a meter delivers what it sells: a window over its last settled periods with sales.

use gridbook_engine::{DeliveryPeriod, Energy};

/// So many failures in one window make an entry.
pub const FAILURES_MAX: usize = 4;

/// The length of the window, in settled periods in which the meter had sold anything.
pub const WINDOW_SALES: u32 = 96;

/// One failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// Which period with sales it was, counted from the window's first failure on, which is 0; if it was found out by a correction, which was
    /// the last one then.
    pub sale: u32,
    /// Which period that was.
    pub period: DeliveryPeriod,
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

/// What a meter sold of its own in a period, and how much of that it delivered (MARKET section 7, rule 5).
///
/// What it bought and sold passes through it and is neither: trades to and fro with a friend are no delivery, however many they are, and who buys
/// back in time what he cannot deliver has nothing left to fail with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sale {
    /// When.
    pub period: DeliveryPeriod,
    /// What it had sold beyond what it had bought.
    pub sold: Energy,
    /// How much of that it gave out.
    pub delivered: Energy,
    /// The record that settled it.
    pub record: u64,
}

impl Sale {
    /// Whether it is one failure.
    pub fn has_failed(&self) -> bool {
        has_failed(self.sold, self.delivered)
    }
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

/// Whether less than half of what was sold, beyond what passed through, was delivered.
pub fn has_failed(sold: Energy, delivered: Energy) -> bool {
    u128::from(delivered.0) * 2 < u128::from(sold.0)
}

impl DeliveryWindow {
    /// What a settled period makes of what was remembered. One without sales says nothing.
    pub fn judge(window: Option<Self>, sale: &Sale) -> Judgement {
        let kept = |window: Option<Self>| window.map_or(Judgement::Clean, Judgement::Watched);
        if sale.sold.is_zero() {
            return kept(window);
        }
        let window = window.and_then(Self::next);
        if sale.has_failed() { Self::add(window, sale) } else { kept(window) }
    }

    /// What a correction makes of it that shows that a meter did not deliver in a period that was settled before. That period was counted among
    /// those with sales when it was settled. The failure is found out now, and is over as many sales later as any other.
    pub fn find_out(window: Option<Self>, sale: &Sale) -> Judgement {
        Self::add(window, sale)
    }

    /// How many failures are remembered.
    pub fn failures(&self) -> &[Failure] {
        &self.failures[..usize::from(self.count)]
    }

    /// What is left after a correction has shown that the meter did deliver in `period`. An entry that was made before stays: its account may
    /// appeal.
    #[must_use]
    pub fn without(self, period: DeliveryPeriod) -> Option<Self> {
        self.keep(self.sales, |failure| failure.period != period)
    }

    fn add(window: Option<Self>, sale: &Sale) -> Judgement {
        let Sale { period, record, .. } = *sale;
        match window {
            None => Judgement::Watched(Self::begin(period, record)),
            Some(window) => window.fail(period, record),
        }
    }

    fn begin(period: DeliveryPeriod, record: u64) -> Self {
        let mut failures = [Failure::default(); FAILURES_MAX - 1];
        failures[0] = Failure { sale: 0, period, record };
        Self { sales: 0, failures, count: 1 }
    }

    /// One period with sales further on: what lies behind the window is let go of.
    fn next(self) -> Option<Self> {
        let sales = self.sales + 1;
        self.keep(sales, |failure| sales - failure.sale < WINDOW_SALES)
    }

    /// Keeps some failures. Counting begins with the first of them.
    fn keep(self, sales: u32, is_kept: impl Fn(&Failure) -> bool) -> Option<Self> {
        let left = self.failures().iter().filter(|failure| is_kept(failure)).copied();
        let (mut failures, count): ([Failure; FAILURES_MAX - 1], usize) = gather(left);
        let first = failures[0].sale;
        failures[..count].iter_mut().for_each(|failure| failure.sale -= first);
        let window =
            Self { sales: sales - first, failures, count: u8::try_from(count).expect("no more than there were") };
        (count > 0).then_some(window)
    }

    fn fail(mut self, period: DeliveryPeriod, record: u64) -> Judgement {
        let failure = Failure { sale: self.sales, period, record };
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
        let ascend = failures.is_sorted_by(|a, b| a.sale <= b.sale && a.record <= b.record);
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
