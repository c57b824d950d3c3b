//! What queries ask, whatever answers them.

use gridbook_engine::{DeliveryPeriod, MeterId};

use super::{CertificateNotes, CertificatePage, FactOwner, FactPage, FactPlace, FactRow, StoreError, SumPage};
use crate::crypto::Hash;
use crate::origin::CertificateRange;

/// What one final height adds to the index. Header and records are bytes that mean nothing here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexBatch {
    /// The height.
    pub height: u64,
    /// The header with its certificate.
    pub header: Vec<u8>,
    /// The records of its commands.
    pub records: Vec<u8>,
    /// Sequence number of its first command.
    pub first_seq: u64,
    /// Sequence number of its last command; below `first_seq` if it has none.
    pub last_seq: u64,
    /// Its bundles, each with the sequence number of its first command.
    pub bundles: Vec<(Hash, u64)>,
    /// What statements and reports are made of.
    pub facts: Vec<(FactOwner, FactRow)>,
    /// What the records say of accounts: account, sequence number, bytes of an [`Extract`](crate::record::Extract). The numbers never go
    /// back.
    pub extracts: Vec<(u32, u64, Vec<u8>)>,
    /// Which of its records tell of certificates of origin.
    pub certificates: CertificateNotes,
}

/// Where a bundle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BundlePlace {
    /// Sequence number of its first command.
    pub first_seq: u64,
    /// The height that holds it.
    pub height: u64,
}

/// The query index: fed from final heights in order, by one thread; asked by any.
///
/// Everything in it can be made again from the log. Errors are [`StoreError::Index`] unless said otherwise.
pub trait QueryIndex: Send + Sync {
    /// The last height it holds, in every query alike.
    fn last_height(&self) -> Option<u64>;

    /// The first height of those that it holds without a gap up to [`QueryIndex::last_height`], or will hold next.
    fn first_height(&self) -> Option<u64>;

    /// The height after which it goes on: 0 for one that is empty and may begin anywhere.
    fn through(&self) -> u64 {
        self.last_height().or(self.first_height().map(|first| first.saturating_sub(1))).unwrap_or(0)
    }

    /// The last height that it holds below a gap: all from there to [`QueryIndex::first_height`] are missing. None without a gap.
    fn gap_after(&self) -> Option<u64>;

    /// Leaves a gap: the next height to be added is `height`. For a ledger that is gone on with from a snapshot.
    fn begin_at(&self, height: u64) -> Result<(), StoreError>;

    /// Adds heights at the lower end of the gap: all of them or none. Those above the gap that are there already are left out.
    ///
    /// # Errors
    /// [`StoreError::HeightGap`] if they do not follow each other and what is below the gap.
    fn fill(&self, batches: &[IndexBatch]) -> Result<(), StoreError>;

    /// Adds heights at the upper end: all of them or none. An empty index begins at whatever height comes first.
    ///
    /// # Errors
    /// [`StoreError::HeightGap`] if they do not follow each other and the last height.
    fn apply(&self, batches: &[IndexBatch]) -> Result<(), StoreError>;

    /// Makes what was added durable. Not needed for safety, only for a shorter rebuild.
    fn flush(&self) -> Result<(), StoreError>;

    /// A height's header with its certificate. What makes it final is the header (its child) and certificate of the
    /// next height.
    fn header(&self, height: u64) -> Result<Option<Vec<u8>>, StoreError>;

    /// A height's records.
    fn records(&self, height: u64) -> Result<Option<Vec<u8>>, StoreError>;

    /// The height whose commands include `seq`.
    fn height_of_seq(&self, seq: u64) -> Result<Option<u64>, StoreError>;

    /// Where a bundle is.
    fn bundle(&self, bundle: Hash) -> Result<Option<BundlePlace>, StoreError>;

    /// The facts of an owner from a place on, up to the end of period `to`, at most `limit` of them.
    fn facts(
        &self,
        owner: FactOwner,
        from: FactPlace,
        to: DeliveryPeriod,
        limit: usize,
    ) -> Result<FactPage, StoreError>;

    /// What a meter's bill comes to in the periods from one to another, in pieces: the very sums of [`Statement`](crate::settlement::statement::Statement)
    /// over its facts. As many days as `limit` allows, of which one without sums counts as 24, or as more if it has many facts.
    fn sums(
        &self,
        meter: MeterId,
        from: DeliveryPeriod,
        to: DeliveryPeriod,
        limit: usize,
    ) -> Result<SumPage, StoreError>;

    /// What records say of an account, from `from_seq` on and in order: bytes of extracts, as many as `limit_bytes` hold, and always one if
    /// there is any.
    fn extracts(&self, account: u32, from_seq: u64, limit_bytes: usize) -> Result<Vec<Vec<u8>>, StoreError>;

    /// The numbers of records that may tell of any of these certificates, from `from_seq` on, at most `limit`, in order. All that do are among
    /// them; which do, the records say. However few are found, no more is looked through for one page than
    /// [`CERTIFICATE_NOTES_PER_PAGE`](super::CERTIFICATE_NOTES_PER_PAGE).
    fn certificate_records(
        &self,
        range: CertificateRange,
        from_seq: u64,
        limit: usize,
    ) -> Result<CertificatePage, StoreError>;
}
