//! A snapshot that comes in, on disk, so that a restart does not fetch it again.
//!
//! Nothing here is synced but the beginning: after a power cut pieces may be missing or torn. Whoever loads it checks each piece anyway.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{remove_asides, write_aside};
use super::{Disk, DiskFile, StdDisk, StoreError};

/// The directory of a snapshot that comes in.
#[derive(Debug)]
pub struct IncomingDir {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    state: Option<Box<dyn DiskFile>>,
}

/// What came in before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingBytes {
    /// What it began with.
    pub front: Vec<u8>,
    /// The state, with holes where pieces are missing.
    pub state: Vec<u8>,
}

impl IncomingDir {
    /// Opens the directory, making it if it is not there.
    ///
    /// # Errors
    /// What the system reports.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_on(Arc::new(StdDisk), dir)
    }

    /// Like [`IncomingDir::open`], on any disk.
    pub fn open_on(disk: Arc<dyn Disk>, dir: &Path) -> Result<Self, StoreError> {
        disk.create_dir(dir).map_err(|e| StoreError::io("make the directory", dir, e))?;
        let names = disk.list(dir).map_err(|e| StoreError::io("list the directory", dir, e))?;
        remove_asides(&*disk, dir, &names)?;
        Ok(Self { disk, dir: dir.to_path_buf(), state: None })
    }

    /// Begins anew with this front, by which the pieces are recognised.
    ///
    /// # Errors
    /// What the system reports.
    pub fn begin(&mut self, front: &[u8]) -> Result<(), StoreError> {
        self.clear()?;
        let path = self.state_path();
        self.state = Some(self.disk.create(&path).map_err(|e| StoreError::io("create the file", &path, e))?);
        write_aside(&*self.disk, &self.front_path(), front.len() as u64, &[front]).map(|_| ())
    }

    /// Keeps bytes of the state.
    ///
    /// # Errors
    /// What the system reports.
    pub fn put(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.state_path();
        if self.state.is_none() {
            self.state = Some(self.disk.open(&path).map_err(|e| StoreError::io("open", &path, e))?);
        }
        let file = self.state.as_ref().expect("it was just opened");
        file.write_at(bytes, offset).map_err(|e| StoreError::io("write", &path, e))
    }

    /// The front, and what is here of the state, if something was begun.
    ///
    /// # Errors
    /// What the system reports.
    pub fn load(&self) -> Result<Option<IncomingBytes>, StoreError> {
        let Some(front) = self.read(&self.front_path())? else { return Ok(None) };
        Ok(Some(IncomingBytes { front, state: self.read(&self.state_path())?.unwrap_or_default() }))
    }

    /// Forgets everything.
    ///
    /// # Errors
    /// What the system reports.
    pub fn clear(&mut self) -> Result<(), StoreError> {
        self.state = None;
        // The front goes first: without it the rest means nothing.
        for path in [self.front_path(), self.state_path()] {
            match self.disk.remove(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::io("remove", &path, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
        let file = match self.disk.open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("open", path, error)),
        };
        let size = file.size_bytes().map_err(|e| StoreError::io("measure", path, e))?;
        let mut bytes = vec![0; usize::try_from(size).expect("a snapshot fits into memory")];
        let count = file.read_at(&mut bytes, 0).map_err(|e| StoreError::io("read", path, e))?;
        bytes.truncate(count);
        Ok(Some(bytes))
    }

    fn front_path(&self) -> PathBuf {
        self.dir.join("front")
    }

    fn state_path(&self) -> PathBuf {
        self.dir.join("state")
    }
}
