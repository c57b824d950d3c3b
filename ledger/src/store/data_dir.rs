//! One node's data directory.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::{
    Checkpoints, Disk, IncomingDir, Index, Log, LogIdentity, LogOptions, Recovered, SafetyFile, StdDisk, StoreError,
};

/// A data directory, held by this process alone for as long as this lives.
///
/// ```text
/// lock           held while a process uses the directory
/// safety         the consensus safety record
/// log/           segments of the log
/// checkpoints/   the newest two, for this node's own start
/// snapshots/     the newest two, proven, for others and for this node's own start
/// incoming/      pieces of another validator's snapshot, while it is fetched
/// uses/          what was read out under grants, in a log of its own
/// index/         sled; may be deleted at any time the node does not run
/// ```
#[derive(Debug)]
pub struct DataDir {
    root: PathBuf,
    /// Closing it releases the lock, also when the process dies.
    lock: File,
}

/// A safety file, and the record in it; none if nothing was ever signed.
pub type OpenedSafety = (SafetyFile, Option<Vec<u8>>);

/// Space on the file system of a data directory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// What an ordinary user may still write.
    pub free_bytes: u64,
    /// The size of the file system.
    pub total_bytes: u64,
}

impl DataDir {
    /// Opens a data directory, making it if it is not there.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if a process holds it; [`StoreError::NotWritable`].
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        StdDisk.create_dir(root).map_err(|e| StoreError::io("make the directory", root, e))?;
        let path = root.join("lock");
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let lock = lock.map_err(|e| StoreError::io("open", &path, e))?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { root: root.to_path_buf(), lock }),
            Err(Errno::WOULDBLOCK) => Err(StoreError::Locked { dir: root.to_path_buf() }),
            Err(error) => Err(StoreError::io("lock", &path, error.into())),
        }
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the log's segments are.
    pub fn log_dir(&self) -> PathBuf {
        self.root.join("log")
    }

    /// Where the checkpoints are.
    pub fn checkpoints_dir(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// Where the snapshots are that others may ask for.
    pub fn snapshots_dir(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    /// Where the pieces of a snapshot are while it is fetched.
    pub fn incoming_dir(&self) -> PathBuf {
        self.root.join("incoming")
    }

    /// Where it is noted what was read out under grants.
    pub fn uses_dir(&self) -> PathBuf {
        self.root.join("uses")
    }

    /// Where the query index is.
    pub fn index_dir(&self) -> PathBuf {
        self.root.join("index")
    }

    /// Writes the first safety record, an empty one: it says that this key never signed. Done once, when the key is made; without it a
    /// validator signs nothing, for an empty directory may as well be one that was lost.
    ///
    /// # Errors
    /// [`StoreError::Born`] if there is a record or a log already.
    pub fn give_birth(&self, identity: LogIdentity) -> Result<(), StoreError> {
        let path = SafetyFile::path(&self.root);
        if path.exists() || self.log_dir().exists() {
            return Err(StoreError::Born { path });
        }
        SafetyFile::open(&self.root, identity).map(|_| ())
    }

    /// Opens the safety record; nothing if there is none: then what this validator signed is not known, and it must not sign in this
    /// epoch. The record itself is none if it never signed.
    ///
    /// # Errors
    /// As [`SafetyFile::open`].
    pub fn open_safety(&self, identity: LogIdentity) -> Result<Option<OpenedSafety>, StoreError> {
        if !SafetyFile::path(&self.root).exists() {
            return Ok(None);
        }
        SafetyFile::open(&self.root, identity).map(Some)
    }

    /// Makes the safety record anew, in an epoch in which this validator never signed.
    ///
    /// # Errors
    /// What the system reports.
    pub fn renew_safety(root: &Path, identity: LogIdentity) -> Result<SafetyFile, StoreError> {
        SafetyFile::begin_anew(root, identity)
    }

    /// Opens the log.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn open_log(&self, identity: LogIdentity, options: LogOptions) -> Result<(Log, Recovered), StoreError> {
        Log::open(&self.log_dir(), identity, options)
    }

    /// Opens the checkpoints.
    ///
    /// # Errors
    /// As [`Checkpoints::open`].
    pub fn open_checkpoints(&self, identity: LogIdentity) -> Result<Checkpoints, StoreError> {
        Checkpoints::open(&self.checkpoints_dir(), identity)
    }

    /// Opens the snapshots, which are kept like checkpoints.
    ///
    /// # Errors
    /// As [`Checkpoints::open`].
    pub fn open_snapshots(&self, identity: LogIdentity) -> Result<Checkpoints, StoreError> {
        Checkpoints::open(&self.snapshots_dir(), identity)
    }

    /// Opens the snapshot that comes in.
    ///
    /// # Errors
    /// As [`IncomingDir::open`].
    pub fn open_incoming(&self) -> Result<IncomingDir, StoreError> {
        IncomingDir::open(&self.incoming_dir())
    }

    /// Opens the query index.
    ///
    /// # Errors
    /// As [`Index::open`].
    pub fn open_index(
        &self,
        identity: LogIdentity,
        memory_bytes: u64,
        final_height: Option<u64>,
    ) -> Result<Index, StoreError> {
        Index::open(&self.index_dir(), identity, memory_bytes, final_height)
    }

    /// Space on its file system.
    ///
    /// # Errors
    /// What the system reports.
    pub fn disk_space(&self) -> Result<DiskSpace, StoreError> {
        let space = rustix::fs::statvfs(&self.root).map_err(|e| StoreError::io("measure", &self.root, e.into()))?;
        Ok(DiskSpace { free_bytes: space.f_bavail * space.f_frsize, total_bytes: space.f_blocks * space.f_frsize })
    }

    /// What the directory takes on the disk, in bytes, reserved space included.
    ///
    /// # Errors
    /// What the system reports.
    pub fn bytes_on_disk(&self) -> Result<u64, StoreError> {
        allocated_bytes(&self.root).map_err(|e| StoreError::io("measure", &self.root, e))
    }
}

impl Drop for DataDir {
    /// A child process that was just forked may still hold the file open: so the lock is released by name.
    fn drop(&mut self) {
        // Closing the file is as good in any other case, so an error changes nothing.
        let _ = rustix::fs::flock(&self.lock, FlockOperation::Unlock);
    }
}

fn allocated_bytes(dir: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut sum = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // A file may be removed while we look: it takes no space then.
        let Ok(metadata) = entry.metadata() else { continue };
        sum += if metadata.is_dir() { allocated_bytes(&entry.path())? } else { metadata.blocks() * 512 };
    }
    Ok(sum)
}
