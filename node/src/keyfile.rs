//! Secret keys in files that only their owner can read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use gridbook_ledger::crypto::{Hash, PublicKey, SecretKey};
use serde::Deserialize;
use zeroize::Zeroizing;

/// Why a key file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It exists.
    #[error("{} exists already: a key is never overwritten; choose another name or move the old one away", .0.display())]
    Exists(PathBuf),
    /// Group or others may read it.
    #[error("{} can be read by others than its owner (mode {mode:03o}): run `chmod 600 {}` and consider the key known to them", .path.display(), .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not what [`write_key`] writes.
    #[error("{} is not a Gridbook key file: {why}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The file system refused.
    #[error("cannot use {}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyText {
    public: String,
    secret: String,
}

/// Writes a key into a new file with mode 0600, synced.
pub fn write_key(path: &Path, key: &SecretKey) -> Result<(), KeyFileError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists(path.to_owned()),
        _ => KeyFileError::Io { path: path.to_owned(), source },
    };
    let seed = Zeroizing::new(Hash(*key.seed()).to_hex());
    let text = Zeroizing::new(format!(
        "# A Gridbook secret key. Whoever can read this file signs in your name.\npublic = \"{}\"\nsecret = \"{}\"\n",
        key.public(),
        *seed,
    ));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

/// Reads a key; refuses a file that others than its owner can read, and one whose two halves do not belong together.
pub fn read_key(path: &Path) -> Result<SecretKey, KeyFileError> {
    let failed = |source| KeyFileError::Io { path: path.to_owned(), source };
    let malformed = |why| KeyFileError::Malformed { path: path.to_owned(), why };
    let mut file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Open { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(failed)?;
    let parsed: KeyText = toml::from_str(&text).map_err(|_| malformed("it needs the lines `public` and `secret`"))?;
    let secret = Zeroizing::new(parsed.secret);
    let seed = Hash::from_hex(&secret).ok_or_else(|| malformed("`secret` is not 64 lowercase hexadecimal digits"))?;
    let key = SecretKey::from_seed(seed.0);
    if PublicKey::from_hex(&parsed.public) != Some(key.public()) {
        return Err(malformed("`public` is not the public half of `secret`"));
    }
    Ok(key)
}

/// Makes a directory for secrets: mode 0700.
pub(crate) fn make_private_dir(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> (tempfile::TempDir, PathBuf, SecretKey) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("alice.key");
        let key = SecretKey::from_seed([3; 32]);
        write_key(&path, &key).expect("a new file");
        (dir, path, key)
    }

    #[test]
    fn a_key_comes_back_from_a_file_only_its_owner_can_read() {
        let (_dir, path, key) = written();
        assert_eq!(fs::metadata(&path).expect("written").permissions().mode() & 0o777, 0o600);
        assert_eq!(read_key(&path).expect("written by us").public(), key.public());
    }

    #[test]
    fn a_key_is_never_overwritten() {
        let (_dir, path, key) = written();
        let again = write_key(&path, &SecretKey::from_seed([4; 32]));
        assert!(matches!(again, Err(KeyFileError::Exists(_))), "{again:?}");
        assert_eq!(read_key(&path).expect("untouched").public(), key.public());
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_cure() {
        let (_dir, path, _) = written();
        for mode in [0o640, 0o604, 0o644] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("ours");
            let sentence = read_key(&path).expect_err("world-readable").to_string();
            assert!(sentence.contains("chmod 600"), "{sentence}");
        }
    }

    #[test]
    fn halves_that_do_not_belong_together_are_refused() {
        let (_dir, path, key) = written();
        let other = SecretKey::from_seed([4; 32]).public().to_hex();
        let text = fs::read_to_string(&path).expect("text").replace(&key.public().to_hex(), &other);
        fs::write(&path, text).expect("ours");
        assert!(matches!(read_key(&path), Err(KeyFileError::Malformed { .. })));
        fs::write(&path, "secret = 5").expect("ours");
        assert!(matches!(read_key(&path), Err(KeyFileError::Malformed { .. })));
    }
}
