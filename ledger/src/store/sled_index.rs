//! The query index in sled.
//!
//! One tree, so that one batch is atomic; the first byte of a key is its table. All integers in keys are big-endian, so
//! that sled's order is theirs. sled's `flush` does not sync its file (it is `sync_file_range` on Linux), so
//! [`QueryIndex::flush`] syncs it too.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gridbook_engine::{DeliveryPeriod, MeterId};

use super::{
    BundlePlace, CertificatePage, Disk, FactOwner, FactPage, FactPlace, IndexBatch, LogIdentity, QueryIndex, StdDisk,
    StoreError, SumPage,
};
use crate::bytes::Writer;
use crate::crypto::Hash;
use crate::origin::CertificateRange;

const FORMAT_VERSION: u32 = 7;
const IDENTITY: &[u8] = b"\0identity";
const LAST_HEIGHT: &[u8] = b"\0last_height";
/// The first height above the gap, or of all.
const FIRST_HEIGHT: &[u8] = b"\0first_height";
/// The last height below the gap; not there without one.
const GAP_AFTER: &[u8] = b"\0gap_after";

/// A database that was closed gives its lock back when sled's threads have let go of it: how often, and after how long, that is looked for.
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// First byte of a key.
#[derive(Clone, Copy)]
pub(super) enum Table {
    Header = 1,
    Records = 2,
    Seq = 3,
    Bundle = 4,
    Fact = 7,
    Extract = 8,
    Sum = 9,
    Issue = 10,
    Origin = 11,
    Day = 12,
}

/// How the index was found when it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexStart {
    /// Good up to [`QueryIndex::last_height`].
    Kept,
    /// There was none. It is empty.
    Made,
    /// It could not be used and was removed; why. It is empty.
    Dropped(String),
}

/// The query index in sled.
#[derive(Debug)]
pub struct Index {
    pub(super) db: sled::Db,
    pub(super) dir: PathBuf,
    start: IndexStart,
}

impl Index {
    /// Opens the index in a directory of its own. One that is damaged, of another chain, validator or format, or that
    /// is ahead of `final_height` (what the log proves final; none: nothing) is removed and begun anew: feed it from
    /// [`QueryIndex::last_height`] on. `memory_bytes` is what it may use; the cache gets an eighth of it, as sled takes
    /// that much more.
    ///
    /// # Errors
    /// What the system reports about the directory, or that the index is open elsewhere.
    pub fn open(
        dir: &Path,
        identity: LogIdentity,
        memory_bytes: u64,
        final_height: Option<u64>,
    ) -> Result<Self, StoreError> {
        let existed = dir.exists();
        let reason = match Self::try_open(dir, memory_bytes)? {
            Ok(db) if !existed => return Self::begin(db, dir, identity, IndexStart::Made),
            Ok(db) => match misfit(&db, identity, final_height) {
                None => return Ok(Self { db, dir: dir.to_path_buf(), start: IndexStart::Kept }),
                Some(reason) => reason,
            },
            Err(reason) => reason,
        };
        Self::remove(dir)?;
        match Self::try_open(dir, memory_bytes)? {
            Ok(db) => Self::begin(db, dir, identity, IndexStart::Dropped(reason)),
            Err(reason) => Err(StoreError::Index(reason)),
        }
    }

    /// Opens an index to look at it. One that cannot be used is left as it is.
    ///
    /// # Errors
    /// If it is not one of this identity, or open elsewhere.
    pub fn look(dir: &Path, identity: LogIdentity, memory_bytes: u64) -> Result<Self, StoreError> {
        let db = Self::try_open(dir, memory_bytes)?.map_err(StoreError::Index)?;
        match misfit(&db, identity, Some(u64::MAX)) {
            None => Ok(Self { db, dir: dir.to_path_buf(), start: IndexStart::Kept }),
            Some(reason) => Err(StoreError::Index(reason)),
        }
    }

    /// Removes an index that is not open.
    ///
    /// # Errors
    /// What the system reports.
    pub fn remove(dir: &Path) -> Result<(), StoreError> {
        for result in [fs::remove_dir_all(dir), fs::remove_file(opening_path(dir))] {
            match result {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::io("remove", dir, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// How it was found.
    pub fn start(&self) -> &IndexStart {
        &self.start
    }

    /// The database, or why it is unusable. sled panics on some damaged files, and a release build aborts on that: so a
    /// file beside the directory says that an opening began, and is removed when it succeeded.
    #[allow(clippy::disallowed_methods, reason = "the store blocks by design, and sled tells nobody when it is closed")]
    fn try_open(dir: &Path, memory_bytes: u64) -> Result<Result<sled::Db, String>, StoreError> {
        let opening = opening_path(dir);
        if opening.exists() {
            return Ok(Err("an earlier attempt to open it did not finish".into()));
        }
        if let Some(above) = dir.parent() {
            StdDisk.create_dir(above).map_err(|e| StoreError::io("make the directory", above, e))?;
        }
        fs::write(&opening, b"").map_err(|e| StoreError::io("write", &opening, e))?;
        let config = sled::Config::new().path(dir).cache_capacity((memory_bytes / 8).max(1 << 20)).flush_every_ms(None);
        let mut opened = catch_unwind(AssertUnwindSafe(|| config.open()));
        for _ in 0..LOCK_TRIES {
            if !matches!(&opened, Ok(Err(sled::Error::Io(error))) if is_locked(error)) {
                break;
            }
            std::thread::sleep(LOCK_PAUSE);
            opened = catch_unwind(AssertUnwindSafe(|| config.open()));
        }
        fs::remove_file(&opening).map_err(|e| StoreError::io("remove", &opening, e))?;
        match opened {
            Ok(Ok(db)) => Ok(Ok(db)),
            Ok(Err(sled::Error::Io(error))) if !is_damage(&error) => Err(StoreError::io("open", dir, error)),
            Ok(Err(error)) => Ok(Err(error.to_string())),
            Err(_) => Ok(Err("opening it panicked".into())),
        }
    }

    fn begin(db: sled::Db, dir: &Path, identity: LogIdentity, start: IndexStart) -> Result<Self, StoreError> {
        db.insert(IDENTITY, identity_bytes(identity)).map_err(index_error(dir))?;
        Ok(Self { db, dir: dir.to_path_buf(), start })
    }

    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.db.get(key).map_err(index_error(&self.dir))?.map(|value| value.to_vec()))
    }

    fn number(&self, key: &[u8]) -> Option<u64> {
        self.db.get(key).ok().flatten().and_then(|value| u64_from(&value))
    }

    /// Where bundles are. A leader may sequence one that is final already: that copy is refused, and the bundle stays where it was first.
    fn add_bundles(&self, changes: &mut sled::Batch, batches: &[IndexBatch]) -> Result<(), StoreError> {
        let mut added = BTreeSet::new();
        for batch in batches {
            for (bundle, first_seq) in &batch.bundles {
                let is_first = self.bundle(*bundle)?.is_none_or(|place| place.height > batch.height);
                if is_first && added.insert(*bundle) {
                    changes.insert(key(Table::Bundle, &[&bundle.0]), pair(*first_seq, batch.height));
                }
            }
        }
        Ok(())
    }

    /// The heights must follow each other and what is there.
    fn check_heights(mut last: Option<u64>, batches: &[IndexBatch]) -> Result<(), StoreError> {
        for batch in batches {
            match last {
                Some(last_height) if last_height.checked_add(1) != Some(batch.height) => {
                    return Err(StoreError::HeightGap { height: batch.height, last_height });
                }
                _ => last = Some(batch.height),
            }
        }
        Ok(())
    }
}

impl QueryIndex for Index {
    fn last_height(&self) -> Option<u64> {
        self.number(LAST_HEIGHT)
    }

    fn first_height(&self) -> Option<u64> {
        self.number(FIRST_HEIGHT)
    }

    fn gap_after(&self) -> Option<u64> {
        self.number(GAP_AFTER)
    }

    fn begin_at(&self, height: u64) -> Result<(), StoreError> {
        // Where there is a gap already, what lies between the two stays behind as rows that nobody counts on.
        let below = self.gap_after().or(self.last_height()).unwrap_or(0);
        let mut changes = sled::Batch::default();
        changes.remove(LAST_HEIGHT);
        changes.insert(FIRST_HEIGHT, &height.to_be_bytes());
        changes.insert(GAP_AFTER, &below.to_be_bytes());
        self.db.apply_batch(changes).map_err(index_error(&self.dir))
    }

    fn fill(&self, batches: &[IndexBatch]) -> Result<(), StoreError> {
        let (Some(below), Some(first)) = (self.gap_after(), self.first_height()) else { return Ok(()) };
        let count = batches.iter().take_while(|batch| batch.height < first).count();
        let batches = &batches[..count];
        Self::check_heights(Some(below), batches)?;
        let Some(last) = batches.last() else { return Ok(()) };
        let mut changes = changes_of(batches);
        self.add_bundles(&mut changes, batches)?;
        self.add_facts(&mut changes, batches)?;
        self.add_certificates(&mut changes, batches)?;
        self.add_extracts(&mut changes, batches)?;
        if last.height + 1 == first {
            changes.remove(GAP_AFTER);
            changes.insert(FIRST_HEIGHT, &1_u64.to_be_bytes());
            // With nothing above the gap yet, what was filled last is the last there is.
            if self.last_height().is_none() {
                changes.insert(LAST_HEIGHT, &last.height.to_be_bytes());
            }
        } else {
            changes.insert(GAP_AFTER, &last.height.to_be_bytes());
        }
        self.db.apply_batch(changes).map_err(index_error(&self.dir))
    }

    fn apply(&self, batches: &[IndexBatch]) -> Result<(), StoreError> {
        let last = self.last_height().or(self.first_height().map(|first| first.saturating_sub(1)));
        Self::check_heights(last, batches)?;
        let (Some(first), Some(last)) = (batches.first(), batches.last()) else { return Ok(()) };
        let mut changes = changes_of(batches);
        self.add_bundles(&mut changes, batches)?;
        self.add_facts(&mut changes, batches)?;
        self.add_certificates(&mut changes, batches)?;
        self.add_extracts(&mut changes, batches)?;
        if self.first_height().is_none() {
            changes.insert(FIRST_HEIGHT, &first.height.to_be_bytes());
        }
        changes.insert(LAST_HEIGHT, &last.height.to_be_bytes());
        self.db.apply_batch(changes).map_err(index_error(&self.dir))
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.db.flush().map_err(index_error(&self.dir))?;
        let path = self.dir.join("db");
        let file = File::open(&path).map_err(|e| StoreError::io("open", &path, e))?;
        rustix::fs::fdatasync(&file).map_err(|e| StoreError::io("sync", &path, e.into()))
    }

    fn header(&self, height: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.value(&key(Table::Header, &[&height.to_be_bytes()]))
    }

    fn records(&self, height: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.value(&key(Table::Records, &[&height.to_be_bytes()]))
    }

    fn height_of_seq(&self, seq: u64) -> Result<Option<u64>, StoreError> {
        let (start, end) = (key(Table::Seq, &[]), key(Table::Seq, &[&seq.to_be_bytes()]));
        let Some(found) = self.db.range(start..=end).next_back() else { return Ok(None) };
        let (_, value) = found.map_err(index_error(&self.dir))?;
        let (last_seq, height) =
            pair_from(&value).ok_or_else(|| StoreError::Index("a row has the wrong size".into()))?;
        Ok((seq <= last_seq).then_some(height))
    }

    fn bundle(&self, bundle: Hash) -> Result<Option<BundlePlace>, StoreError> {
        let Some(value) = self.value(&key(Table::Bundle, &[&bundle.0]))? else { return Ok(None) };
        let place = pair_from(&value).map(|(first_seq, height)| BundlePlace { first_seq, height });
        place.map(Some).ok_or_else(|| StoreError::Index("a row has the wrong size".into()))
    }

    fn facts(
        &self,
        owner: FactOwner,
        from: FactPlace,
        to: DeliveryPeriod,
        limit: usize,
    ) -> Result<FactPage, StoreError> {
        self.facts_of(owner, from, to, limit)
    }

    fn sums(
        &self,
        meter: MeterId,
        from: DeliveryPeriod,
        to: DeliveryPeriod,
        limit: usize,
    ) -> Result<SumPage, StoreError> {
        self.sums_of(meter, (from, to), limit)
    }

    fn extracts(&self, account: u32, from_seq: u64, limit_bytes: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        self.extracts_of(account, from_seq, limit_bytes)
    }

    fn certificate_records(
        &self,
        range: CertificateRange,
        from_seq: u64,
        limit: usize,
    ) -> Result<CertificatePage, StoreError> {
        self.certificate_records_of(range, from_seq, limit)
    }
}

/// Why an index that can be opened must not be used.
fn misfit(db: &sled::Db, identity: LogIdentity, final_height: Option<u64>) -> Option<String> {
    let read = || -> sled::Result<Option<String>> {
        if db.get(IDENTITY)?.as_deref() != Some(&identity_bytes(identity)[..]) {
            return Ok(Some("it is of another chain, validator or format, or has lost its beginning".into()));
        }
        let Some(value) = db.get(LAST_HEIGHT)? else { return Ok(None) };
        let Some(height) = u64_from(&value) else { return Ok(Some("its last height cannot be read".into())) };
        if final_height.is_none_or(|final_height| height > final_height) {
            return Ok(Some(format!("its height {height} is ahead of what the log proves final")));
        }
        let missing = db.get(key(Table::Header, &[&height.to_be_bytes()]))?.is_none();
        Ok(missing.then(|| format!("the header of its last height {height} is missing")))
    };
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Ok(Some("reading it panicked".into())))
        .unwrap_or_else(|error| Some(error.to_string()))
}

fn changes_of(batches: &[IndexBatch]) -> sled::Batch {
    let mut changes = sled::Batch::default();
    for batch in batches {
        add_height(&mut changes, batch);
    }
    changes
}

fn add_height(changes: &mut sled::Batch, batch: &IndexBatch) {
    let height = batch.height.to_be_bytes();
    changes.insert(key(Table::Header, &[&height]), &batch.header[..]);
    changes.insert(key(Table::Records, &[&height]), &batch.records[..]);
    if batch.first_seq <= batch.last_seq {
        changes.insert(key(Table::Seq, &[&batch.first_seq.to_be_bytes()]), pair(batch.last_seq, batch.height));
    }
}

pub(super) fn key(table: Table, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![table as u8];
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

fn pair(first: u64, second: u64) -> Vec<u8> {
    [first.to_be_bytes(), second.to_be_bytes()].concat()
}

fn pair_from(value: &[u8]) -> Option<(u64, u64)> {
    let (first, second) = value.split_at_checked(8)?;
    Some((u64_from(first)?, u64_from(second)?))
}

fn u64_from(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

fn identity_bytes(identity: LogIdentity) -> Vec<u8> {
    let mut w = Writer::new();
    w.u32(FORMAT_VERSION).u16(identity.validator).bytes(&identity.chain.0);
    w.finish()
}

fn opening_path(dir: &Path) -> PathBuf {
    let mut name = dir.as_os_str().to_owned();
    name.push(".opening");
    PathBuf::from(name)
}

/// Whether somebody has the database open, or had it a moment ago.
fn is_locked(error: &io::Error) -> bool {
    error.to_string().starts_with("could not acquire lock")
}

/// Whether an I/O error while opening speaks of the bytes rather than of the system.
fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
}

/// What sled says of an index in `dir`. An error of the system is told as such: on a full disk, deleting the index does not help for long.
pub(super) fn index_error(dir: &Path) -> impl Fn(sled::Error) -> StoreError {
    move |error| match error {
        sled::Error::Io(error) => StoreError::io("use the query index", dir, error),
        error => StoreError::Index(error.to_string()),
    }
}
