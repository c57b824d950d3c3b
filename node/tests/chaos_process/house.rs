//! Data of a validator that has traded for a moment, and a process that is started on a copy of it.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Wide: the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// A network that has traded for a few seconds and stopped. Validators 0, 1 and 2 have left their data.
pub(crate) fn network() -> &'static Path {
    static NETWORK: OnceLock<PathBuf> = OnceLock::new();
    NETWORK.get_or_init(|| {
        // Nothing is dropped when the tests end: what an earlier run left is removed by the next.
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chaos-process");
        let _ = std::fs::remove_dir_all(&dir);
        let arguments = ["sim", "chaos", "--trouble", "restart", "--calm", "--seconds", "3", "--quiet", "--keep"];
        let output = gridbook().args(arguments).arg(&dir).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        dir
    })
}

pub(crate) fn gridbook() -> Command {
    Command::new(env!("CARGO_BIN_EXE_gridbook"))
}

/// A validator's home of a test's own: its settings are the network's, its data a copy.
pub(crate) struct Home {
    pub(crate) dir: tempfile::TempDir,
    index: u16,
}

impl Home {
    /// A copy of what validator `index` left behind.
    pub(crate) fn of(index: u16) -> Self {
        let home = Self::empty(index);
        let from = network().join(format!("validator-{index}/data"));
        let copied = Command::new("cp").arg("-a").arg(from).arg(home.data()).status().unwrap();
        assert!(copied.success());
        home
    }

    /// Nothing yet.
    pub(crate) fn empty(index: u16) -> Self {
        network();
        Self { dir: tempfile::tempdir().unwrap(), index }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("validator.log")
    }

    /// The command that runs the validator on this data, on any free ports.
    pub(crate) fn command(&self) -> Vec<String> {
        let config = network().join(format!("validator-{}/validator.toml", self.index));
        let any = "127.0.0.1:0";
        let mut command = vec![env!("CARGO_BIN_EXE_gridbook"), "validator", "--stop-with-stdin"];
        for flag in ["--listen-validators", "--listen-meters", "--listen-admin"] {
            command.extend([flag, any]);
        }
        let mut command: Vec<String> = command.into_iter().map(str::to_owned).collect();
        command.extend(["--config".to_owned(), config.display().to_string()]);
        command.extend(["--data-dir".to_owned(), self.data().display().to_string()]);
        command
    }

    /// Starts the validator.
    pub(crate) fn start(&self) -> Process {
        self.run(&self.command())
    }

    /// Starts the validator with more on its command line.
    pub(crate) fn start_with(&self, more: &[&str]) -> Process {
        let more = more.iter().map(|argument| (*argument).to_owned());
        self.run(&self.command().into_iter().chain(more).collect::<Vec<_>>())
    }

    /// Starts a command that becomes the validator.
    pub(crate) fn run(&self, command: &[String]) -> Process {
        let log = File::options().create(true).append(true).open(self.log()).unwrap();
        let from = log.metadata().unwrap().len();
        let child = Command::new(&command[0])
            .args(&command[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Process { child, log: self.log(), from }
    }
}

/// A process that was started, and what it has said.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    from: u64,
}

impl Process {
    /// Waits until it is up.
    pub(crate) fn wait_until_up(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.said().contains("validator is up") {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "it is not up, {ended:?}:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        // It may have ended just now.
        let _ = kill_process(pid, signal);
    }

    /// Closes its standard input.
    pub(crate) fn let_go(&mut self) {
        self.child.stdin = None;
    }

    /// Kills it without warning.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end; what it said since it was started.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, self.said());
            }
            if Instant::now() > deadline {
                self.child.kill().unwrap();
                panic!("it has not ended after {} s:\n{}", PATIENCE.as_secs(), self.said());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// It must refuse to run, with exit code 1 and a sentence that says this.
    pub(crate) fn refuses(self, sentence: &str) {
        let (status, said) = self.end();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains(sentence), "it does not say {sentence:?}:\n{said}");
    }

    /// It must come up, and end well when it is told to.
    pub(crate) fn runs_and_ends_well(mut self) -> String {
        self.wait_until_up();
        self.signal(Signal::TERM);
        let (status, said) = self.end();
        assert!(status.success(), "{status}:\n{said}");
        said
    }

    fn said(&self) -> String {
        let mut file = File::open(&self.log).unwrap();
        file.seek(SeekFrom::Start(self.from)).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Every file below a directory with its bytes, but for the lock: to see that a refusal changed nothing.
pub(crate) fn picture(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(picture(&path));
        } else if !path.ends_with("lock") {
            files.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

/// Changes bytes of a file in place.
pub(crate) fn overwrite(path: &Path, offset: u64, bytes: &[u8]) {
    let mut file = File::options().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.write_all(bytes).unwrap();
}

/// Runs a shell script in a mount namespace of its own, as root there, with standard input held open; nothing where that is not allowed.
pub(crate) fn in_namespace(script: &str, arguments: &[String]) -> Option<Vec<String>> {
    let mut unshare = vec!["unshare", "--mount"];
    if !rustix::process::geteuid().is_root() {
        unshare.extend(["--user", "--map-root-user"]);
    }
    let allowed =
        Command::new(unshare[0]).args(&unshare[1..]).args(["sh", "-c", "mount -t tmpfs gridbook /mnt"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no tmpfs can be mounted here");
        return None;
    }
    let command = unshare.into_iter().chain(["sh", "-c", script]).map(str::to_owned);
    Some(command.chain(arguments.iter().cloned()).collect())
}
