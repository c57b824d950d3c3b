//! Carries a plan out: kills, stops, starts and cuts off, and remembers when.

use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::process::Signal;

use super::eyes::Eyes;
use super::plan::{Step, Trouble};
use super::power::Power;
use super::relay::Relay;
use super::small_disk::SmallDisk;
use super::tally::{LeaderDeath, Outage, Tally};
use crate::client::wall_us;
use crate::cluster::Cluster;
use crate::network::Network;
use crate::validator::PROMISE_TARGET;

/// The validators, and all that can be done to them.
pub(super) struct Ordeal {
    pub(super) cluster: Cluster,
    pub(super) network: Network,
    pub(super) eyes: Eyes,
    pub(super) relay: Option<Relay>,
    /// What the validator [`ON_SMALL_DISK`] keeps its data on.
    pub(super) disk: Option<SmallDisk>,
    /// What all of them keep their data on, if the power is to be cut.
    pub(super) power: Option<Power>,
    pub(super) tally: Tally,
    pub(super) loud: bool,
    /// Good time before each trouble, besides what the plan says.
    pub(super) rest_ms: u64,
    /// How long all validators may take to be ready and equally far.
    pub(super) equal_max: Duration,
    pub(super) began: Instant,
}

/// The validator whose disk can be filled.
pub(super) const ON_SMALL_DISK: usize = 3;

/// What a bad line does to datagrams.
const BAD_LINE_LOST_PER_MILLE: u64 = 200;
const BAD_LINE_LATE_MS: u64 = 60;
/// A power cut that would last so long comes when all are ready and have gone on.
const READY_BEFORE_CUT_MS: u64 = 500;
/// How long a validator may take to stop after a signal or on a full disk. Wide: the machine may be busy.
const STOP_MAX: Duration = Duration::from_secs(60);
/// How long validators have to notice that nothing can be written any more.
const NOTICE_MAX: Duration = Duration::from_secs(3);
/// How long the power may stay on when it was to go after a few writes.
const CUT_MAX: Duration = Duration::from_secs(2);
const NO_POWER: &str = "there is no disk whose power could be cut";
/// How far behind a wrong clock is.
const CLOCK_BEHIND_MS: u64 = 2 * 3_600_000;
/// What a validator whose disk fails must say one of, as it writes or as it starts: after its first error ext4 takes no writes.
const DISK_ERROR_SENTENCES: [&str; 2] = ["Input/output error", "may not be written"];
/// What a validator on a full disk must say.
const FULL_DISK_SENTENCE: &str = "no space is left on the disk";

impl Ordeal {
    /// One trouble from its beginning to its end. An error is something that must not happen whatever goes wrong.
    pub(super) async fn undergo(&mut self, step: &Step) -> anyhow::Result<()> {
        pause(step.rest_ms + self.rest_ms).await;
        self.cluster.check_alive()?;
        let (first, second) = self.victims(step);
        *self.tally.troubles.entry(step.trouble.name()).or_default() += 1;
        match step.trouble {
            Trouble::KillLeader => self.kill_leader(first, step.lasts_ms).await,
            Trouble::KillFollower => self.kill_and_start(&[first], step.lasts_ms).await,
            Trouble::KillTwo => self.kill_and_start(&[first, second], step.lasts_ms).await,
            Trouble::KillAll => self.kill_and_start(&step.order, step.lasts_ms).await,
            Trouble::KillStarting => self.kill_starting(first, step).await,
            Trouble::KillIndexing => self.kill_indexing(first, step).await,
            Trouble::KillEnding => self.kill_ending(first, step).await,
            Trouble::PauseLeader | Trouble::PauseFollower => self.pause(first, step.lasts_ms).await,
            Trouble::Restart => self.terminate(first, step, 1).await,
            Trouble::TermTwice => self.terminate(first, step, 2).await,
            Trouble::CutOffLeader | Trouble::CutOffFollower => self.cut_off(first, step.lasts_ms).await,
            Trouble::BadLine => self.spoil_line(first, step.lasts_ms).await,
            Trouble::FullDisk => self.fill_disk().await,
            Trouble::ClockBehind => self.set_clock_back(first, step).await,
            Trouble::DiskErrors => self.fail_disk().await,
            Trouble::PowerCut => self.cut_power(step).await,
        }
        .with_context(|| format!("{} of validator {first}", step.trouble.name()))
    }

    /// Whoever it happens to, and a second one.
    fn victims(&self, step: &Step) -> (usize, usize) {
        let leader = self.eyes.leader().map_or(step.order[0], |(_, leader)| leader);
        let others: Vec<usize> = step.order.iter().copied().filter(|index| *index != leader).collect();
        match step.trouble {
            Trouble::FullDisk => (ON_SMALL_DISK, leader),
            Trouble::KillFollower | Trouble::PauseFollower | Trouble::CutOffFollower => (others[0], leader),
            trouble if trouble.wants_leader() => (leader, others[0]),
            _ => (step.order[0], step.order[1]),
        }
    }

    async fn kill_leader(&mut self, leader: usize, lasts_ms: u64) -> anyhow::Result<()> {
        let view = self.eyes.leader().map_or(0, |(view, _)| view);
        self.tally.leader_deaths.push(LeaderDeath { at_us: wall_us(), view });
        self.kill_and_start(&[leader], lasts_ms).await
    }

    async fn kill_and_start(&mut self, victims: &[usize], lasts_ms: u64) -> anyhow::Result<()> {
        self.say(&format!("killed {}", self.names(victims)));
        for victim in victims {
            self.kill(*victim).await?;
        }
        let dead_since_us = wall_us();
        pause(lasts_ms).await;
        if victims.len() >= 2 {
            self.tally.outages.push(Outage { from_us: dead_since_us, until_us: wall_us() });
        }
        victims.iter().try_for_each(|victim| self.start(*victim))
    }

    async fn kill_starting(&mut self, victim: usize, step: &Step) -> anyhow::Result<()> {
        self.say(&format!("killed {}, and again {} ms after its start", self.names(&[victim]), step.within_ms));
        self.kill(victim).await?;
        self.start(victim)?;
        pause(step.within_ms).await;
        self.kill(victim).await?;
        self.start(victim)
    }

    async fn kill_indexing(&mut self, victim: usize, step: &Step) -> anyhow::Result<()> {
        self.say(&format!("killed {}, removed its index, and killed it again", self.names(&[victim])));
        self.kill(victim).await?;
        let index = self.data_dir(victim)?.join("index");
        match std::fs::remove_dir_all(&index) {
            // It was killed like this before, and has not come to make one since.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            removed => removed.with_context(|| format!("cannot remove {}", index.display()))?,
        }
        self.start(victim)?;
        pause(step.within_ms).await;
        self.kill(victim).await?;
        self.start(victim)
    }

    async fn kill_ending(&mut self, victim: usize, step: &Step) -> anyhow::Result<()> {
        self.say(&format!("told {} to end, and killed it {} ms later", self.names(&[victim]), step.within_ms / 2));
        self.cluster.signal(victim, Signal::TERM);
        pause(step.within_ms / 2).await;
        self.kill(victim).await?;
        self.start(victim)
    }

    async fn pause(&mut self, victim: usize, lasts_ms: u64) -> anyhow::Result<()> {
        self.say(&format!("stopped {} for {lasts_ms} ms", self.names(&[victim])));
        self.cluster.signal(victim, Signal::STOP);
        pause(lasts_ms).await;
        self.cluster.signal(victim, Signal::CONT);
        self.tally.pauses += 1;
        Ok(())
    }

    /// Asks one to end, so many times, and starts it again. It must end by itself, and well; one that is still starting just goes.
    async fn terminate(&mut self, victim: usize, step: &Step, times: u32) -> anyhow::Result<()> {
        self.say(&format!("told {} to end, {times} times", self.names(&[victim])));
        for _ in 0..times {
            self.cluster.signal(victim, Signal::TERM);
            pause(step.within_ms / 20).await;
        }
        match self.cluster.wait_for_end(victim, STOP_MAX).await? {
            Some(status) if status.success() || status.signal() == Some(Signal::TERM.as_raw()) => {}
            Some(status) => bail!("it was told to end and ended with {status}"),
            None => bail!("it was told to end and had not after {} s", STOP_MAX.as_secs()),
        }
        self.start(victim)
    }

    async fn cut_off(&mut self, victim: usize, lasts_ms: u64) -> anyhow::Result<()> {
        self.say(&format!("cut {} off for {lasts_ms} ms", self.names(&[victim])));
        let relay = self.relay.as_ref().context("there is no relay to cut")?;
        relay.cut(victim, true);
        pause(lasts_ms).await;
        relay.cut(victim, false);
        self.tally.cut_offs += 1;
        Ok(())
    }

    async fn spoil_line(&mut self, victim: usize, lasts_ms: u64) -> anyhow::Result<()> {
        self.say(&format!("a bad line to {} for {lasts_ms} ms", self.names(&[victim])));
        let relay = self.relay.as_ref().context("there is no relay to spoil")?;
        relay.spoil(victim, BAD_LINE_LOST_PER_MILLE, BAD_LINE_LATE_MS);
        pause(lasts_ms).await;
        relay.spoil(victim, 0, 0);
        self.tally.bad_lines += 1;
        Ok(())
    }

    /// The disk fills while the validator writes: it must stop by itself, say why, and come back once there is room.
    async fn fill_disk(&mut self) -> anyhow::Result<()> {
        let disk = self.disk.as_ref().context("there is no small disk")?;
        let log = self.cluster.log_file(ON_SMALL_DISK);
        let said_before = std::fs::metadata(&log).map_or(0, |metadata| metadata.len());
        disk.fill()?;
        self.say(&format!("filled the disk of {}", self.names(&[ON_SMALL_DISK])));
        let Some(status) = self.cluster.wait_for_end(ON_SMALL_DISK, STOP_MAX).await? else {
            bail!("its disk is full and it still runs after {} s", STOP_MAX.as_secs());
        };
        ensure!(status.code() == Some(1), "its disk is full and it ended with {status}");
        let said = said_since(&log, said_before)?;
        ensure!(said.contains(FULL_DISK_SENTENCE), "it stopped without saying that {FULL_DISK_SENTENCE:?}:\n{said}");
        self.disk.as_ref().context("it was there a moment ago")?.make_room()?;
        self.tally.full_disks += 1;
        self.start(ON_SMALL_DISK)
    }

    /// The power of all goes. Some cuts come as soon as they are up again or even sooner, others only once they are ready.
    async fn cut_power(&mut self, step: &Step) -> anyhow::Result<()> {
        if step.lasts_ms >= READY_BEFORE_CUT_MS {
            self.wait_until_ready().await?;
            self.wait_for_headers(1 + step.within_ms / 32).await?;
        }
        let power = self.power.as_mut().context(NO_POWER)?;
        power.cut_soon();
        let deadline = Instant::now() + CUT_MAX;
        while power.is_on() && Instant::now() < deadline {
            pause(1).await;
        }
        power.cut();
        for victim in 0..self.network.configs.len() {
            self.cluster.kill(victim).await?;
        }
        self.restore_power()
    }

    fn restore_power(&mut self) -> anyhow::Result<()> {
        let power = self.power.as_mut().context(NO_POWER)?;
        let lost = power.restore()?;
        self.tally.power_cuts += 1;
        self.tally.sectors += lost;
        self.tally.flushes = power.flushes();
        self.say(&format!("power cut: {} sectors lost, {} kept unflushed", lost.sectors, lost.kept_sectors));
        (0..self.network.configs.len()).try_for_each(|victim| self.start(victim))
    }

    /// Nothing can be written or flushed any more, and nobody is killed: whoever writes must end by itself, with its sentence. Whoever has
    /// nothing to write cannot notice; a promise of his from then on would be missed later.
    async fn fail_disk(&mut self) -> anyhow::Result<()> {
        self.say("every write and flush fails");
        let logs: Vec<_> = (0..self.network.configs.len()).map(|index| self.cluster.log_file(index)).collect();
        let before = logs.iter().map(|log| std::fs::metadata(log).map_or(0, |metadata| metadata.len()));
        let before: Vec<u64> = before.collect();
        self.power.as_ref().context(NO_POWER)?.cut();
        let deadline = Instant::now() + NOTICE_MAX;
        for (index, (log, from)) in logs.iter().zip(before).enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(status) = self.cluster.wait_for_end(index, left).await? else {
                self.cluster.kill(index).await?;
                continue;
            };
            let said = said_since(log, from)?;
            let sentence = DISK_ERROR_SENTENCES.iter().any(|sentence| said.contains(sentence));
            ensure!(status.code() == Some(1) && sentence, "validator {index} ended with {status} and said:\n{said}");
            self.tally.disk_errors += 1;
        }
        self.restore_power()
    }

    /// One runs on a clock that is behind: its votes come late or never, the others go on, and nothing it has goes back.
    async fn set_clock_back(&mut self, victim: usize, step: &Step) -> anyhow::Result<()> {
        self.say(&format!("{} runs {CLOCK_BEHIND_MS} ms behind", self.names(&[victim])));
        self.kill(victim).await?;
        self.cluster.run_with(victim, vec![format!("--clock-offset-ms=-{CLOCK_BEHIND_MS}")]);
        self.start(victim)?;
        pause(step.lasts_ms).await;
        self.kill(victim).await?;
        self.cluster.run_with(victim, Vec::new());
        self.start(victim)
    }

    pub(super) async fn kill(&mut self, victim: usize) -> anyhow::Result<()> {
        self.cluster.kill(victim).await?;
        self.tally.kills += 1;
        Ok(())
    }

    pub(super) fn start(&mut self, victim: usize) -> anyhow::Result<()> {
        self.cluster.restart(victim)?;
        self.eyes.forget(victim);
        self.tally.restarts += 1;
        Ok(())
    }

    /// Ends all trouble, and waits until all validators are ready and equally far.
    pub(super) async fn heal(&mut self) -> anyhow::Result<()> {
        if let Some(relay) = &self.relay {
            relay.heal();
        }
        for index in 0..self.network.configs.len() {
            self.cluster.signal(index, Signal::CONT);
        }
        if self.power.as_ref().is_some_and(|power| !power.is_on()) {
            for index in 0..self.network.configs.len() {
                self.cluster.kill(index).await?;
            }
            self.restore_power()?;
        }
        self.cluster.start_all()?;
        self.wait_until_ready().await
    }

    /// Waits until every validator calls itself ready.
    pub(super) async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let ready = |eyes: &Eyes| eyes.fresh().iter().all(|sight| sight.is_some_and(|sight| sight.ready)).then_some(());
        self.wait_until("ready", ready).await
    }

    /// Waits until so many more headers are final: the meters have found their way back, and the ledger goes on.
    async fn wait_for_headers(&mut self, count: u64) -> anyhow::Result<()> {
        let height = |eyes: &Eyes| eyes.fresh().iter().flatten().map(|sight| sight.height).max().unwrap_or(0);
        let wanted = height(&self.eyes) + count;
        self.wait_until("going on", |eyes| (height(eyes) >= wanted).then_some(())).await
    }

    /// Waits until all have the same last final height, and says it. Nothing may be sent meanwhile.
    pub(super) async fn wait_until_equal(&mut self) -> anyhow::Result<u64> {
        let equal = |eyes: &Eyes| {
            let height = eyes.height();
            eyes.fresh().iter().all(|sight| sight.is_some_and(|sight| sight.height == height)).then_some(height)
        };
        self.wait_until("equally far", equal).await?;
        // What was on its way when the last answer came has arrived by now.
        pause(500).await;
        self.wait_until("equally far", equal).await
    }

    /// Looks again and again until something is seen.
    async fn wait_until<T>(&mut self, what: &str, look: impl Fn(&Eyes) -> Option<T>) -> anyhow::Result<T> {
        let deadline = Instant::now() + self.equal_max;
        loop {
            if let Some(seen) = look(&self.eyes) {
                return Ok(seen);
            }
            self.cluster.check_alive()?;
            let late = Instant::now() > deadline;
            ensure!(
                !late,
                "the validators are not {what} after {} s: {:?}",
                self.equal_max.as_secs(),
                self.eyes.fresh()
            );
            pause(50).await;
        }
    }

    /// Where a validator's data lies for this process.
    pub(super) fn data_dir(&self, index: usize) -> anyhow::Result<std::path::PathBuf> {
        let dir = &self.network.configs[index].data_dir;
        match &self.disk {
            Some(disk) if index == ON_SMALL_DISK => disk.seen_from_outside(dir),
            _ => Ok(dir.clone()),
        }
    }

    /// Tells the story, line by line.
    pub(super) fn say(&self, what: &str) {
        if self.loud {
            let seconds = self.began.elapsed().as_secs_f64();
            note!("{seconds:7.1} s  {:4} kills  height {:6}  {what}", self.tally.kills, self.eyes.height());
        }
    }

    fn names(&self, victims: &[usize]) -> String {
        let leader = self.eyes.leader().map(|(_, leader)| leader);
        let name = |victim: &usize| match leader {
            Some(leader) if leader == *victim => format!("{victim} (the leader)"),
            _ => victim.to_string(),
        };
        let names: Vec<String> = victims.iter().map(name).collect();
        format!("validator{} {}", if names.len() == 1 { "" } else { "s" }, names.join(", "))
    }
}

/// What a log has beyond its first `from` bytes, without the lines about promises.
fn said_since(log: &std::path::Path, from: u64) -> anyhow::Result<String> {
    let bytes = std::fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
    let said = String::from_utf8_lossy(&bytes[usize::try_from(from)?.min(bytes.len())..]).into_owned();
    Ok(said.lines().filter(|line| !line.contains(PROMISE_TARGET)).collect::<Vec<_>>().join("\n"))
}

async fn pause(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}
