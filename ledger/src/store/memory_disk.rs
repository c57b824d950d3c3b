//! A disk in memory that fails on demand and loses what was not synced.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile};

/// The atoms that survive or vanish in a power cut.
const SECTOR_BYTES: usize = 512;

/// A disk in memory, for the simulator and for tests. Clones are the same disk.
///
/// It keeps what is written and what is synced apart, for bytes and for names, as the page cache and the platter do.
/// After a failed sync the written bytes can still be read but will never reach the platter unless they are written
/// again.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk(Arc<Mutex<State>>);

/// What goes wrong at a change to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A write, a reservation or a new file finds no space. Other changes go through.
    NoSpace,
    /// A sync of a file or directory fails. Other changes go through.
    SyncFails,
    /// The power goes: this change and every later one fails, until [`MemoryDisk::power_cut`].
    PowerGoes,
}

/// What of the unsynced survives a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerCut {
    /// Nothing.
    LosesAll,
    /// Each sector, and the names together, by the toss of a coin from this seed.
    LosesSome(u64),
    /// As before, but in every other sector that does not survive, what was to change is garbage afterwards.
    Garbles(u64),
}

/// A file may have a name in memory and one on the platter.
type SharedContent = Arc<Mutex<Content>>;

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<PathBuf, SharedContent>,
    durable_names: BTreeMap<PathBuf, SharedContent>,
    changes: u64,
    boots: u64,
    fault: Option<(u64, Fault)>,
    read_only: bool,
    full: bool,
    power_gone: bool,
}

/// A file's bytes as read and as on the platter; `unsynced` are the changed sectors on their way.
#[derive(Clone, Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    unsynced: BTreeSet<usize>,
}

#[derive(Debug)]
struct MemoryFile {
    disk: MemoryDisk,
    content: SharedContent,
    boot: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Grow,
    Sync,
    Name,
}

impl MemoryDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many changes (writes, reservations, syncs, names made or removed) were tried so far.
    pub fn changes(&self) -> u64 {
        lock(&self.0).changes
    }

    /// Lets the `number`-th change from the beginning go wrong, counted from 0; replaces an earlier wish.
    pub fn fail_at(&self, number: u64, fault: Fault) {
        lock(&self.0).fault = Some((number, fault));
    }

    /// Refuses every change, or no longer.
    pub fn set_read_only(&self, read_only: bool) {
        lock(&self.0).read_only = read_only;
    }

    /// From now on there is no space for anything new, or there is again.
    pub fn set_full(&self, full: bool) {
        lock(&self.0).full = full;
    }

    /// Another disk with the same files, synced or not as they are on this one.
    pub fn copy(&self) -> Self {
        let state = lock(&self.0);
        let mut copies: Vec<(SharedContent, SharedContent)> = Vec::new();
        let mut copy = |names: &BTreeMap<PathBuf, SharedContent>| {
            let copy_of = |(path, content): (&PathBuf, &SharedContent)| {
                let known = copies.iter().find(|(original, _)| Arc::ptr_eq(original, content));
                let copy = known.map(|(_, copy)| copy.clone()).unwrap_or_else(|| {
                    let copy = Arc::new(Mutex::new(lock(content).clone()));
                    copies.push((content.clone(), copy.clone()));
                    copy
                });
                (path.clone(), copy)
            };
            names.iter().map(copy_of).collect()
        };
        let (names, durable_names) = (copy(&state.names), copy(&state.durable_names));
        Self(Arc::new(Mutex::new(State { names, durable_names, ..State::default() })))
    }

    /// Cuts the power and brings it back: open files are dead, and unsynced bytes and names are lost.
    pub fn power_cut(&self, cut: PowerCut) {
        let mut state = lock(&self.0);
        let mut coin = Coin(cut);
        if !coin.keeps() {
            state.names = state.durable_names.clone();
        }
        for content in state.names.values() {
            lock(content).lose_unsynced(&mut coin);
        }
        state.durable_names = state.names.clone();
        state.boots += 1;
        state.fault = None;
        state.power_gone = false;
    }

    /// A file's bytes as a reader sees them.
    pub fn read(&self, path: &Path) -> Option<Vec<u8>> {
        lock(&self.0).names.get(path).map(|content| lock(content).bytes.clone())
    }

    /// Replaces a file and makes it durable, as damage or an operator would.
    pub fn plant(&self, path: &Path, bytes: Vec<u8>) {
        let content = Content { durable: bytes.clone(), bytes, unsynced: BTreeSet::new() };
        let content = Arc::new(Mutex::new(content));
        let mut state = lock(&self.0);
        state.names.insert(path.to_path_buf(), content.clone());
        state.durable_names.insert(path.to_path_buf(), content);
    }

    fn change(&self, kind: Change) -> io::Result<()> {
        let mut state = lock(&self.0);
        let number = state.changes;
        state.changes += 1;
        if state.power_gone {
            return Err(io::Error::other("the power is gone"));
        }
        if state.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        match (state.fault, kind) {
            (Some((at, Fault::PowerGoes)), _) if at == number => {
                state.power_gone = true;
                Err(io::Error::other("the power is gone"))
            }
            (Some((at, Fault::NoSpace)), Change::Grow) if at == number => Err(io::ErrorKind::StorageFull.into()),
            (_, Change::Grow) if state.full => Err(io::ErrorKind::StorageFull.into()),
            (Some((at, Fault::SyncFails)), Change::Sync) if at == number => Err(io::Error::from_raw_os_error(5)),
            _ => Ok(()),
        }
    }

    fn power_just_went(&self) -> bool {
        let state = lock(&self.0);
        state.power_gone && state.fault == Some((state.changes - 1, Fault::PowerGoes))
    }

    fn file(&self, content: SharedContent) -> Box<dyn DiskFile> {
        Box::new(MemoryFile { disk: self.clone(), content, boot: lock(&self.0).boots })
    }
}

impl Disk for MemoryDisk {
    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = lock(&self.0);
        let inside = state.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let content = lock(&self.0).names.get(path).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(self.file(content))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.change(Change::Grow)?;
        let content = Arc::new(Mutex::new(Content::default()));
        lock(&self.0).names.insert(path.to_path_buf(), content.clone());
        Ok(self.file(content))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(Change::Name)?;
        let mut state = lock(&self.0);
        let content = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_path_buf(), content);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change(Change::Name)?;
        lock(&self.0).names.remove(path).map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.change(Change::Sync)?;
        let mut state = lock(&self.0);
        let State { names, durable_names, .. } = &mut *state;
        durable_names.retain(|path, _| path.parent() != Some(dir));
        let inside = names.iter().filter(|(path, _)| path.parent() == Some(dir));
        durable_names.extend(inside.map(|(path, content)| (path.clone(), content.clone())));
        Ok(())
    }
}

impl MemoryFile {
    fn alive(&self) -> io::Result<()> {
        if lock(&self.disk.0).boots == self.boot {
            Ok(())
        } else {
            Err(io::Error::other("opened before the power cut"))
        }
    }
}

impl DiskFile for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.alive()?;
        let content = lock(&self.content);
        let tail = content.bytes.get(to_usize(offset)..).unwrap_or_default();
        let count = tail.len().min(buffer.len());
        buffer[..count].copy_from_slice(&tail[..count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.alive()?;
        let failed = self.disk.change(Change::Grow);
        // A write that the power interrupts may have reached the disk in part.
        if failed.is_ok() || self.disk.power_just_went() {
            lock(&self.content).write(bytes, to_usize(offset));
        }
        failed
    }

    fn sync(&self) -> io::Result<()> {
        self.alive()?;
        let result = self.disk.change(Change::Sync);
        let power_gone = lock(&self.disk.0).power_gone;
        let mut content = lock(&self.content);
        match &result {
            Ok(()) => content.sync(),
            Err(_) if power_gone => {}
            // The kernel marks the pages clean all the same: they are lost without a further word.
            Err(_) => content.unsynced.clear(),
        }
        result
    }

    fn size_bytes(&self) -> io::Result<u64> {
        self.alive()?;
        Ok(lock(&self.content).bytes.len() as u64)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.alive()?;
        self.disk.change(Change::Grow)?;
        let mut content = lock(&self.content);
        let size = content.bytes.len().max(to_usize(bytes));
        content.bytes.resize(size, 0);
        Ok(())
    }
}

impl Content {
    fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        self.bytes.resize(self.bytes.len().max(end), 0);
        self.bytes[offset..end].copy_from_slice(bytes);
        self.unsynced.extend(offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES));
    }

    fn sync(&mut self) {
        for sector in std::mem::take(&mut self.unsynced) {
            self.harden(sector);
        }
        self.durable.resize(self.bytes.len(), 0);
    }

    fn harden(&mut self, sector: usize) {
        let start = sector * SECTOR_BYTES;
        let end = self.bytes.len().min(start + SECTOR_BYTES);
        self.durable.resize(self.durable.len().max(end), 0);
        self.durable[start..end].copy_from_slice(&self.bytes[start..end]);
    }

    /// Puts garbage where a sector was to change.
    fn garble(&mut self, sector: usize, garbage: [u8; 8]) {
        let start = sector * SECTOR_BYTES;
        let end = self.durable.len().min(self.bytes.len()).min(start + SECTOR_BYTES);
        for at in start..end {
            if self.durable[at] != self.bytes[at] {
                self.durable[at] = garbage[at % garbage.len()];
            }
        }
    }

    fn lose_unsynced(&mut self, coin: &mut Coin) {
        for sector in std::mem::take(&mut self.unsynced) {
            if coin.keeps() {
                self.harden(sector);
            } else if let Some(garbage) = coin.garbage() {
                self.garble(sector, garbage);
            }
        }
        self.bytes = self.durable.clone();
    }
}

/// Tosses by splitmix64.
struct Coin(PowerCut);

impl Coin {
    fn keeps(&mut self) -> bool {
        self.toss().is_some_and(|toss| toss & 1 == 1)
    }

    /// What a sector that did not survive holds, if not what it held before.
    fn garbage(&mut self) -> Option<[u8; 8]> {
        match self.0 {
            PowerCut::Garbles(_) => self.toss().filter(|toss| toss & 1 == 1).map(u64::to_le_bytes),
            PowerCut::LosesAll | PowerCut::LosesSome(_) => None,
        }
    }

    fn toss(&mut self) -> Option<u64> {
        let (PowerCut::LosesSome(state) | PowerCut::Garbles(state)) = &mut self.0 else { return None };
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Some(mixed ^ (mixed >> 31))
    }
}

fn to_usize(offset: u64) -> usize {
    usize::try_from(offset).expect("the files of a memory disk fit into memory")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
