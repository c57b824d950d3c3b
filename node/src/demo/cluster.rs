//! The validators as child processes. None of them outlives this process: each ends when its standard input does.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::admin;
use crate::metrics::MemoryUse;
use crate::network::Network;

/// The validators of the demo.
pub(super) struct Cluster {
    members: Vec<Member>,
}

struct Member {
    config_file: PathBuf,
    data_dir: PathBuf,
    admin: SocketAddr,
    child: Option<Child>,
    /// The most memory that earlier lives of it took.
    peak_bytes: u64,
}

/// How long a validator may take to be ready.
const READY_MAX: Duration = Duration::from_secs(60);

/// How long a validator may take to end cleanly.
const GRACE: Duration = Duration::from_secs(10);

impl Cluster {
    /// Starts them all.
    pub(super) fn start(network: &Network) -> anyhow::Result<Self> {
        let members = network.config_files.iter().zip(&network.configs).map(|(file, config)| Member {
            config_file: file.clone(),
            data_dir: config.data_dir.clone(),
            admin: config.listen.admin,
            child: None,
            peak_bytes: 0,
        });
        let mut cluster = Self { members: members.collect() };
        for member in &mut cluster.members {
            member.start()?;
        }
        Ok(cluster)
    }

    /// Waits until all of them are ready for clients.
    pub(super) async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        for member in &mut self.members {
            member.wait_until_ready().await?;
        }
        Ok(())
    }

    /// Kills one without warning.
    pub(super) async fn kill(&mut self, index: usize) -> anyhow::Result<()> {
        let member = &mut self.members[index];
        member.note_memory();
        if let Some(mut child) = member.child.take() {
            child.kill().await.with_context(|| format!("cannot kill validator {index}"))?;
        }
        Ok(())
    }

    /// Starts a killed one again, on the same data.
    pub(super) fn restart(&mut self, index: usize) -> anyhow::Result<()> {
        self.members[index].start()
    }

    /// An error if one of them has ended by itself.
    pub(super) fn check_alive(&mut self) -> anyhow::Result<()> {
        for (index, member) in self.members.iter_mut().enumerate() {
            member.check_alive().with_context(|| format!("validator {index}"))?;
        }
        Ok(())
    }

    /// Asks all of them to end, waits, and kills whoever has not ended then. An error if one had to be killed.
    pub(super) async fn stop(&mut self) -> anyhow::Result<()> {
        for member in &mut self.members {
            member.note_memory();
            if let Some(pid) = member.pid() {
                // It may have ended just now: then there is nothing to ask.
                let _ = kill_process(pid, Signal::TERM);
            }
        }
        let deadline = Instant::now() + GRACE;
        let mut stubborn = Vec::new();
        for (index, member) in self.members.iter_mut().enumerate() {
            let Some(mut child) = member.child.take() else { continue };
            let left = deadline.saturating_duration_since(Instant::now());
            if tokio::time::timeout(left, child.wait()).await.is_err() {
                stubborn.push(index);
                let _ = child.kill().await;
            }
        }
        if !stubborn.is_empty() {
            bail!("validators {stubborn:?} did not end within {} s of SIGTERM and were killed", GRACE.as_secs());
        }
        Ok(())
    }

    /// The most memory each of them has had, in bytes.
    pub(super) fn peak_memory_bytes(&mut self) -> Vec<u64> {
        self.members
            .iter_mut()
            .map(|member| {
                member.note_memory();
                member.peak_bytes
            })
            .collect()
    }

    /// What each of them takes on disk, in bytes.
    pub(super) fn disk_bytes(&self) -> Vec<u64> {
        self.members.iter().map(|member| disk_use(&member.data_dir)).collect()
    }
}

impl Member {
    fn start(&mut self) -> anyhow::Result<()> {
        let home = self.config_file.parent().context("a settings file lies in a directory")?;
        let log = File::options().create(true).append(true).open(home.join("validator.log"))?;
        let binary = std::env::current_exe().context("cannot find this binary")?;
        let child = Command::new(&binary)
            .args(["validator", "--stop-with-stdin", "--config"])
            .arg(&self.config_file)
            .stdin(Stdio::piped())
            .stdout(Stdio::from(log.try_clone()?))
            .stderr(Stdio::from(log))
            // Ctrl-C is for the parent, which then ends its children in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        self.child = Some(child);
        Ok(())
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
                let log = self.config_file.with_file_name("validator.log");
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
