//! The seam between the store and the file system, so that tests can pull the plug.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::StoreError;

/// Files by path.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Makes a directory, and those above it, durably; content with one that is there.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Names of the files in a directory, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Opens a file that is there, for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Makes an empty file, emptying one that is there.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Gives a file another name, replacing what had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// An open file.
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// Reads at a place until the buffer is full or the file ends; how many bytes were read.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all bytes at a place.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes everything written durable.
    fn sync(&self) -> io::Result<()>;
    /// Length in bytes.
    fn size_bytes(&self) -> io::Result<u64>;
    /// Reserves space up to `bytes`; what is new reads as zero. Never makes the file shorter.
    fn allocate(&self, bytes: u64) -> io::Result<()>;
}

/// The real file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct StdDisk;

impl Disk for StdDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        if let Some(above) = dir.parent().filter(|above| !above.as_os_str().is_empty()) {
            self.create_dir(above)?;
        }
        match fs::create_dir(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        self.sync_dir(dir.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new(".")))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().read(true).write(true).open(path)?))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        Ok(rustix::fs::fsync(File::open(dir)?)?)
    }
}

impl DiskFile for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match FileExt::read_at(self, &mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fdatasync(self)?)
    }

    fn size_bytes(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        match rustix::fs::fallocate(self, FallocateFlags::empty(), 0, bytes) {
            // Some file systems cannot reserve; then running out of space shows at a write instead.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.set_len(bytes.max(self.size_bytes()?)),
            result => Ok(result?),
        }
    }
}

/// Makes a file that is either there with all its bytes or not at all: written under another name, synced, renamed, the
/// directory synced. `capacity_bytes` are reserved.
pub(super) fn write_aside(
    disk: &dyn Disk,
    path: &Path,
    capacity_bytes: u64,
    parts: &[&[u8]],
) -> Result<Box<dyn DiskFile>, StoreError> {
    let aside = aside_path(path);
    let file = disk.create(&aside).map_err(|e| StoreError::io("create the file", &aside, e))?;
    file.allocate(capacity_bytes).map_err(|e| StoreError::io("reserve space", &aside, e))?;
    let mut offset = 0;
    for part in parts {
        file.write_at(part, offset).map_err(|e| StoreError::io("write", &aside, e))?;
        offset += part.len() as u64;
    }
    file.sync().map_err(|e| StoreError::io("sync", &aside, e))?;
    disk.rename(&aside, path).map_err(|e| StoreError::io("rename", &aside, e))?;
    let dir = path.parent().expect("a file of the store lies in a directory");
    disk.sync_dir(dir).map_err(|e| StoreError::io("sync the directory", dir, e))?;
    Ok(file)
}

/// Removes what an interrupted [`write_aside`] left in a directory.
pub(super) fn remove_asides(disk: &dyn Disk, dir: &Path, names: &[String]) -> Result<(), StoreError> {
    for name in names.iter().filter(|name| name.ends_with(ASIDE_ENDING)) {
        let path = dir.join(name);
        disk.remove(&path).map_err(|e| StoreError::io("remove", &path, e))?;
    }
    Ok(())
}

const ASIDE_ENDING: &str = ".new";

fn aside_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ASIDE_ENDING);
    PathBuf::from(name)
}
