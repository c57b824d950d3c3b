//! A file system that is small enough to be filled.
//!
//! It is a tmpfs in a mount namespace of its own, which a child process holds open: nothing else on the machine sees it, it is gone when
//! the child is, and where the system lets users have namespaces it needs no root. The validator that is to live on it is started inside
//! of the namespace.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// A small file system, mounted at one directory, for whoever is inside.
pub(super) struct SmallDisk {
    /// Keeps the namespace alive; ends with its standard input.
    holder: Child,
    mounted_at: PathBuf,
    as_root: bool,
}

/// Takes all room that is left.
const BALLAST: &str = "ballast";
/// How long mounting may take.
const MOUNT_MAX: Duration = Duration::from_secs(10);

impl SmallDisk {
    /// Mounts one of so many bytes at a directory, making it.
    ///
    /// # Errors
    /// Why there cannot be one here, in words.
    pub(super) async fn mount(at: &Path, bytes: u64) -> anyhow::Result<Self> {
        std::fs::create_dir_all(at).with_context(|| format!("cannot make {}", at.display()))?;
        let as_root = rustix::process::geteuid().is_root();
        let mut command = Command::new("unshare");
        command.arg("--mount");
        if !as_root {
            command.args(["--user", "--map-root-user"]);
        }
        // The first safety record lies below: without it the validator would sign nothing.
        let script = "if [ -e \"$0/safety\" ]; then exec 3<\"$0/safety\"; born=1; fi
            mount -t tmpfs -o size=\"$1\",mode=0700 gridbook \"$0\" || exit 1
            if [ \"$born\" ]; then cat <&3 >\"$0/safety\" || exit 1; fi
            echo mounted && exec cat";
        command.args(["sh", "-c", script]).arg(at).arg(bytes.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        let mut holder = command.spawn().context("cannot run `unshare` of util-linux")?;
        let stdout = holder.stdout.take().expect("it was piped");
        let mut line = String::new();
        let read = tokio::time::timeout(MOUNT_MAX, BufReader::new(stdout).read_line(&mut line)).await;
        if !matches!(read, Ok(Ok(_))) || line.trim() != "mounted" {
            let _ = holder.start_kill();
            let output = holder.wait_with_output().await?;
            bail!("no tmpfs can be mounted here: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(Self { holder, mounted_at: at.to_owned(), as_root })
    }

    /// The command that runs another one inside.
    pub(super) fn enter(&self) -> anyhow::Result<Vec<OsString>> {
        let holder = self.pid()?.to_string();
        let mut command = vec!["nsenter", "--target", &holder, "--mount"];
        if !self.as_root {
            command.extend(["--user", "--preserve-credentials"]);
        }
        command.push("--");
        Ok(command.into_iter().map(OsString::from).collect())
    }

    /// Where somebody outside finds what the inside calls `path`.
    pub(super) fn seen_from_outside(&self, path: &Path) -> anyhow::Result<PathBuf> {
        ensure!(path.starts_with(&self.mounted_at), "{} is not on the small disk", path.display());
        let root = PathBuf::from(format!("/proc/{}/root", self.pid()?));
        Ok(root.join(path.strip_prefix("/").unwrap_or(path)))
    }

    /// Takes all room that is left.
    pub(super) fn fill(&self) -> anyhow::Result<()> {
        let mut ballast = std::fs::File::options().create(true).append(true).open(self.ballast()?)?;
        let mut piece = vec![0x55; 1 << 16];
        while !piece.is_empty() {
            match ballast.write(&piece) {
                Ok(0) => piece.truncate(piece.len() / 2),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => piece.truncate(piece.len() / 2),
                Err(error) => return Err(error).context("cannot fill the small disk"),
            }
        }
        Ok(())
    }

    /// Gives the room back.
    pub(super) fn make_room(&self) -> anyhow::Result<()> {
        std::fs::remove_file(self.ballast()?).context("cannot make room on the small disk")
    }

    fn ballast(&self) -> anyhow::Result<PathBuf> {
        self.seen_from_outside(&self.mounted_at.join(BALLAST))
    }

    fn pid(&self) -> anyhow::Result<u32> {
        self.holder.id().context("the holder of the small disk has ended")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_small_disk_takes_what_it_has_room_for_and_no_more() {
        let home = tempfile::tempdir().unwrap();
        let at = home.path().join("small");
        let disk = match SmallDisk::mount(&at, 1 << 20).await {
            Ok(disk) => disk,
            Err(error) => return eprintln!("skipped: {error:#}"),
        };
        let file = disk.seen_from_outside(&at.join("file")).unwrap();
        std::fs::write(&file, [1; 1000]).unwrap();
        disk.fill().unwrap();
        let full = std::fs::write(disk.seen_from_outside(&at.join("more")).unwrap(), [2; 5000]);
        assert_eq!(full.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
        assert_eq!(std::fs::read(&file).unwrap(), [1; 1000]);
        disk.make_room().unwrap();
        std::fs::write(disk.seen_from_outside(&at.join("more")).unwrap(), [2; 5000]).unwrap();
        assert!(!at.join("file").exists(), "outside of the namespace there is nothing");
    }
}
