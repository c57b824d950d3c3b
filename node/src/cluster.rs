//! The validators of a network as child processes. None of them outlives this process: each ends when its standard input does.

use std::ffi::OsString;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::admin;
use crate::metrics::MemoryUse;
use crate::network::Network;

/// The validators of a network, each a process or between two.
pub(crate) struct Cluster {
    launch: Launch,
    members: Vec<Member>,
}

/// How validators are started.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    /// The `gridbook` binary.
    pub(crate) binary: PathBuf,
    /// Environment variables besides those of this process.
    pub(crate) environment: Vec<(&'static str, String)>,
}

struct Member {
    config_file: PathBuf,
    data_dir: PathBuf,
    admin: SocketAddr,
    child: Option<Child>,
    /// What stands in front of the binary on its command line.
    inside: Vec<OsString>,
    /// Arguments of the next starts.
    arguments: Vec<String>,
    /// The most memory that earlier lives of it took.
    peak_bytes: u64,
}

/// How long a validator may take to be ready.
const READY_MAX: Duration = Duration::from_secs(60);

/// How long a validator may take to end cleanly where a run fails if it does not. Wide: four of them write a last checkpoint, on a machine that may
/// be busy.
pub(crate) const GRACE: Duration = Duration::from_secs(60);

impl Launch {
    /// This very binary.
    pub(crate) fn this_binary() -> anyhow::Result<Self> {
        let binary = std::env::current_exe().context("cannot find this binary")?;
        Ok(Self { binary, environment: Vec::new() })
    }
}

impl Cluster {
    /// Knows them all, and has started none.
    pub(crate) fn new(network: &Network, launch: Launch) -> Self {
        let members = network.config_files.iter().zip(&network.configs).map(|(file, config)| Member {
            config_file: file.clone(),
            data_dir: config.data_dir.clone(),
            admin: config.listen.admin,
            child: None,
            inside: Vec::new(),
            arguments: Vec::new(),
            peak_bytes: 0,
        });
        Self { launch, members: members.collect() }
    }

    /// Starts them all from this very binary.
    pub(crate) fn start(network: &Network) -> anyhow::Result<Self> {
        let mut cluster = Self::new(network, Launch::this_binary()?);
        cluster.start_all()?;
        Ok(cluster)
    }

    /// Starts those that are down.
    pub(crate) fn start_all(&mut self) -> anyhow::Result<()> {
        (0..self.members.len())
            .filter(|index| !self.is_up(*index))
            .collect::<Vec<_>>()
            .into_iter()
            .try_for_each(|index| self.restart(index))
    }

    /// Has a validator run behind another command, such as one that enters a namespace first.
    pub(crate) fn run_inside(&mut self, index: usize, command: Vec<OsString>) {
        self.members[index].inside = command;
    }

    /// Gives a validator these arguments, besides its settings, at its next starts.
    pub(crate) fn run_with(&mut self, index: usize, arguments: Vec<String>) {
        self.members[index].arguments = arguments;
    }

    /// Waits until all of them are ready for clients.
    pub(crate) async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        for member in &mut self.members {
            member.wait_until_ready().await?;
        }
        Ok(())
    }

    /// Kills one without warning.
    pub(crate) async fn kill(&mut self, index: usize) -> anyhow::Result<()> {
        let member = &mut self.members[index];
        member.note_memory();
        if let Some(mut child) = member.child.take() {
            child.kill().await.with_context(|| format!("cannot kill validator {index}"))?;
        }
        Ok(())
    }

    /// Starts one that is down, on the same data.
    pub(crate) fn restart(&mut self, index: usize) -> anyhow::Result<()> {
        self.members[index].start(&self.launch)
    }

    /// Whether it was started and not yet seen to end.
    pub(crate) fn is_up(&self, index: usize) -> bool {
        self.members[index].child.is_some()
    }

    /// Sends a signal. One that has ended by itself hears nothing.
    pub(crate) fn signal(&self, index: usize, signal: Signal) {
        if let Some(pid) = self.members[index].pid() {
            // It may have ended just now: then there is nobody to tell.
            let _ = kill_process(pid, signal);
        }
    }

    /// Waits until one ends by itself. Nothing if it has not by then: it still runs.
    pub(crate) async fn wait_for_end(&mut self, index: usize, within: Duration) -> anyhow::Result<Option<ExitStatus>> {
        let member = &mut self.members[index];
        member.note_memory();
        let deadline = Instant::now() + within;
        loop {
            // Not `wait`: that closes its standard input first, which asks it to end.
            let Some(child) = &mut member.child else { bail!("validator {index} is not running") };
            if let Some(status) = child.try_wait()? {
                member.child = None;
                return Ok(Some(status));
            }
            if Instant::now() > deadline {
                return Ok(None);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// An error if one of them has ended by itself.
    pub(crate) fn check_alive(&mut self) -> anyhow::Result<()> {
        for (index, member) in self.members.iter_mut().enumerate() {
            member.check_alive().with_context(|| format!("validator {index}"))?;
        }
        Ok(())
    }

    /// Asks all of them to end, waits for so long, and kills whoever has not ended then. An error if one had to be killed.
    pub(crate) async fn stop(&mut self, grace: Duration) -> anyhow::Result<()> {
        for index in 0..self.members.len() {
            self.members[index].note_memory();
            self.signal(index, Signal::TERM);
        }
        let deadline = Instant::now() + grace;
        let mut stubborn = Vec::new();
        for (index, member) in self.members.iter_mut().enumerate() {
            // Each stays known until it has ended: who stops waiting here can still kill it.
            let Some(child) = &mut member.child else { continue };
            let left = deadline.saturating_duration_since(Instant::now());
            if tokio::time::timeout(left, child.wait()).await.is_err() {
                stubborn.push(index);
                let _ = child.kill().await;
            }
            member.child = None;
        }
        if !stubborn.is_empty() {
            bail!("validators {stubborn:?} did not end within {} s of SIGTERM and were killed", grace.as_secs());
        }
        Ok(())
    }

    /// Kills those that still run, without warning, and waits until they are gone.
    pub(crate) async fn kill_all(&mut self) -> anyhow::Result<()> {
        for index in 0..self.members.len() {
            self.kill(index).await?;
        }
        Ok(())
    }

    /// The file that a validator's output goes to.
    pub(crate) fn log_file(&self, index: usize) -> PathBuf {
        self.members[index].log_file()
    }

    /// The most memory each of them has had, in bytes.
    pub(crate) fn peak_memory_bytes(&mut self) -> Vec<u64> {
        self.members
            .iter_mut()
            .map(|member| {
                member.note_memory();
                member.peak_bytes
            })
            .collect()
    }

    /// What each of them takes on disk, in bytes.
    pub(crate) fn disk_bytes(&self) -> Vec<u64> {
        self.members.iter().map(|member| disk_use(&member.data_dir)).collect()
    }
}

impl Member {
    fn start(&mut self, launch: &Launch) -> anyhow::Result<()> {
        let log = File::options().create(true).append(true).open(self.log_file())?;
        let mut command = self.command(&launch.binary);
        command
            .args(["validator", "--stop-with-stdin", "--config"])
            .arg(&self.config_file)
            .args(&self.arguments)
            .envs(launch.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::from(log.try_clone()?))
            .stderr(Stdio::from(log))
            // Ctrl-C is for the parent, which then ends its children in order.
            .process_group(0)
            .kill_on_drop(true);
        let child = command.spawn().with_context(|| format!("cannot start {}", launch.binary.display()))?;
        self.child = Some(child);
        Ok(())
    }

    fn command(&self, binary: &Path) -> Command {
        match self.inside.split_first() {
            None => Command::new(binary),
            Some((outer, arguments)) => {
                let mut command = Command::new(outer);
                command.args(arguments).arg(binary);
                command
            }
        }
    }

    fn log_file(&self) -> PathBuf {
        self.config_file.with_file_name("validator.log")
    }

    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_MAX;
        loop {
            if let Ok(Ok((200, _))) =
                tokio::time::timeout(Duration::from_secs(2), admin::fetch(self.admin, "/readyz")).await
            {
                return Ok(());
            }
            self.check_alive()?;
            if Instant::now() > deadline {
                bail!("{} is not ready after {} s", self.config_file.display(), READY_MAX.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn check_alive(&mut self) -> anyhow::Result<()> {
        let Some(child) = &mut self.child else { return Ok(()) };
        match child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                let log = self.log_file();
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                let last: Vec<&str> = text.lines().rev().take(5).collect();
                let last = last.into_iter().rev().collect::<Vec<_>>().join("\n  ");
                bail!("it ended by itself ({status}); the end of {}:\n  {last}", log.display())
            }
        }
    }

    fn note_memory(&mut self) {
        let memory = self.pid().and_then(|pid| MemoryUse::of_process(&pid.as_raw_nonzero().to_string()));
        self.peak_bytes = self.peak_bytes.max(memory.map_or(0, |memory| memory.peak_bytes));
    }

    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.child.as_ref()?.id()?).ok()?)
    }
}

/// Bytes that a directory and all in it take: what is allocated, not what files claim to be long.
fn disk_use(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => disk_use(&entry.path()),
        Ok(metadata) => metadata.blocks() * 512,
        Err(_) => 0,
    });
    sizes.sum()
}
