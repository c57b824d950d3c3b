//! Power cuts: a file system on a disk that forgets what was not flushed.
//!
//! ```text
//! validators' data    ext4    loop device    file in FUSE    this process: a disk with a write cache
//! ```
//!
//! A cut takes the disk away between two requests of the kernel. Then the validators are killed and the file system is unmounted (which can
//! write nothing any more), of what was not flushed some sectors are dropped, and the file system is mounted again: it recovers its
//! journal, and the validators recover theirs. `kill -9` cannot test this, because the page cache survives it.
//!
//! All of it needs root, /dev/fuse, a loop device and mkfs.ext4. The mounts are made in a namespace of this process, so that nothing is
//! left over whatever becomes of it: see [`enter_own_namespace`].

mod fuse;
mod platter;

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use parking_lot::Mutex;

use super::dice::Dice;
pub(super) use platter::Lost;
use platter::{Loses, Platter};

/// A file system on a disk whose power can be cut.
pub(super) struct Power {
    disk: Arc<Mutex<Platter>>,
    /// The file that is the disk.
    image: PathBuf,
    mounted_at: PathBuf,
    dice: Dice,
}

/// Set in the process that has a namespace of its own.
const INSIDE: &str = "GRIDBOOK_POWER_NAMESPACE";
/// So many writes, at most, until a cut that comes by itself.
const WRITES_UNTIL_CUT_MAX: u64 = 60;
/// How long a file system may take to be unmounted after its last user is gone.
const UNMOUNT_TRIES: u32 = 100;
const UNMOUNT_PAUSE: Duration = Duration::from_millis(50);

/// Why there can be no power cuts on this machine; nothing if there can.
pub fn why_not_here() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("power cuts need root, for a loop device".into());
    }
    let missing = ["/dev/fuse", "/dev/loop-control"].into_iter().find(|device| !Path::new(device).exists());
    if let Some(device) = missing {
        return Some(format!("power cuts need {device}"));
    }
    let tools = [("mkfs.ext4", "-V"), ("mount", "--version"), ("umount", "--version"), ("unshare", "--version")];
    let runs = |(tool, flag): &(&str, &str)| Command::new(tool).arg(flag).output().is_ok();
    tools.iter().find(|tool| !runs(tool)).map(|(tool, _)| format!("power cuts need the command `{tool}`"))
}

/// Runs this process again, with the same arguments, in a mount namespace of its own: what it mounts is gone when it is. Comes back at once
/// in the process that is there already.
///
/// # Errors
/// If `unshare` cannot be run; otherwise it does not come back from outside.
pub fn enter_own_namespace() -> anyhow::Result<()> {
    if std::env::var_os(INSIDE).is_some() {
        return Ok(());
    }
    let binary = std::env::current_exe().context("cannot find this binary")?;
    let mut command = Command::new("unshare");
    command.arg("--mount").arg(binary).args(std::env::args_os().skip(1)).env(INSIDE, "1");
    Err(command.exec()).context("cannot run `unshare` of util-linux")
}

impl Power {
    /// Makes a disk of so many bytes in `home`, with an empty file system mounted in it.
    ///
    /// # Errors
    /// Why that cannot be done here.
    pub(super) fn on(home: &Path, bytes: u64, seed: u64) -> anyhow::Result<Self> {
        let [image, cache, platter, mounted_at] =
            ["disk", "disk.cache", "disk.platter", "disk.mounted"].map(|name| home.join(name));
        std::fs::create_dir_all(&mounted_at)?;
        let make = |path: &Path| {
            let file = std::fs::File::options().read(true).write(true).create(true).truncate(true).open(path)?;
            file.set_len(bytes).map(|()| file)
        };
        let (image_file, platter_file) = (make(&image)?, make(&platter)?);
        drop(image_file);
        // All of it at once: nothing of the file system is made in the background later.
        let options = ["-q", "-F", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"];
        tool(Command::new("mkfs.ext4").args(options).arg(&platter))?;
        std::fs::copy(&platter, &cache)?;
        let cache_file = std::fs::File::options().read(true).write(true).open(&cache)?;
        let disk = Arc::new(Mutex::new(Platter::new(cache_file, platter_file, bytes)));
        fuse::mount(&image, disk.clone())?;
        let power = Self { disk, image, mounted_at, dice: Dice::new(seed, 3) };
        power.mount()?;
        Ok(power)
    }

    /// Where the file system is.
    pub(super) fn dir(&self) -> &Path {
        &self.mounted_at
    }

    /// The power goes. Whoever is still running gets errors from here on.
    pub(super) fn cut(&self) {
        self.disk.lock().cut();
    }

    /// Lets the power go by itself after a few more writes.
    pub(super) fn cut_soon(&mut self) {
        let writes = self.dice.between(1, WRITES_UNTIL_CUT_MAX);
        self.disk.lock().cut_after(writes);
    }

    /// Whether there is power.
    pub(super) fn is_on(&self) -> bool {
        self.disk.lock().has_power()
    }

    /// The power comes back. Nobody may be running on the file system.
    ///
    /// # Errors
    /// If the file system does not come back.
    pub(super) fn restore(&mut self) -> anyhow::Result<Lost> {
        self.unmount()?;
        let loses = Loses::draw(&mut self.dice);
        let lost = self.disk.lock().restore(loses, &mut self.dice)?;
        self.mount()?;
        Ok(lost)
    }

    /// How often the disk was flushed.
    pub(super) fn flushes(&self) -> u64 {
        self.disk.lock().counts.flushes
    }

    fn mount(&self) -> anyhow::Result<()> {
        let mut mount = Command::new("mount");
        tool(mount.args(["-t", "ext4", "-o", "loop,noatime"]).arg(&self.image).arg(&self.mounted_at))
    }

    fn unmount(&self) -> anyhow::Result<()> {
        for _ in 0..UNMOUNT_TRIES {
            match rustix::mount::unmount(&self.mounted_at, rustix::mount::UnmountFlags::empty()) {
                Ok(()) => return Ok(()),
                Err(rustix::io::Errno::BUSY) => std::thread::sleep(UNMOUNT_PAUSE),
                Err(error) => return Err(error).context("cannot unmount the file system on the cut disk"),
            }
        }
        bail!("the file system on the cut disk is still in use")
    }
}

impl Drop for Power {
    /// The namespace would take the mounts along, but whoever keeps the files wants to move them at once.
    fn drop(&mut self) {
        let _ = self.unmount();
        let _ = rustix::mount::unmount(&self.image, rustix::mount::UnmountFlags::DETACH);
    }
}

/// Runs a tool of the system.
fn tool(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot run {name}"))?;
    if !output.status.success() {
        bail!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
