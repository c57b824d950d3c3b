//! Files that appear under their name only when they are whole.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Lets `write` fill a file beside `path`, syncs it, and puts it in the place of what is there. If anything fails, what is there stays.
/// Something there that is no plain file, such as a device or a pipe, is written to as it is: it must not be replaced.
///
/// # Errors
/// What `write` answers, or why the file cannot be made, synced or renamed, as `cannot` puts it.
pub fn write_whole<T, E>(
    path: &Path,
    cannot: impl Fn(io::Error) -> E,
    write: impl FnOnce(&File) -> Result<T, E>,
) -> Result<T, E> {
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        let file = File::options().write(true).open(path).map_err(&cannot)?;
        return write(&file);
    }
    let aside = aside(path);
    let file = File::options().write(true).create_new(true).open(&aside).map_err(&cannot)?;
    let written = write(&file).and_then(|result| {
        file.sync_all().and_then(|()| fs::rename(&aside, path)).map_err(&cannot)?;
        Ok(result)
    });
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&aside);
    }
    written
}

/// A name of this process's own beside `path`.
fn aside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{}.tmp", std::process::id()));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_that_fails_half_way_leaves_the_old_one_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("prices.csv");
        let put = |text: &'static str, then: io::Result<()>| {
            write_whole(&path, |error| error, |mut file| file.write_all(text.as_bytes()).and(then))
        };
        put("old", Ok(())).expect("written");
        put("half", Err(io::ErrorKind::Other.into())).expect_err("it failed");
        assert_eq!(fs::read_to_string(&path).expect("there"), "old");
        put("new", Ok(())).expect("written again");
        assert_eq!(fs::read_to_string(&path).expect("there"), "new");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    /// Renaming over it would put a plain file where a device was.
    #[cfg(unix)]
    #[test]
    fn a_device_is_written_to_and_stays_a_device() {
        let path = Path::new("/dev/null");
        write_whole(path, |error| error, |mut file| file.write_all(b"gone")).expect("written");
        assert!(!fs::metadata(path).expect("there").is_file());
    }
}
