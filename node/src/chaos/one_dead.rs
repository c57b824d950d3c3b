//! How much of its speed the ledger keeps with one of four validators dead.
//!
//! Windows with all validators and windows with one dead alternate in one run under the same load, so that whatever else the machine does
//! falls on both. The dead one is another in each round: leaders take turns, and a dead one's turn costs a view.

use std::time::Duration;

use super::Ordeal;
use super::load::Load;

/// Final commands per second in the windows of one run.
#[derive(Clone, Debug, Default)]
pub(super) struct Windows {
    /// With all validators.
    pub(super) all: Vec<u64>,
    /// With one of them dead.
    pub(super) one_dead: Vec<u64>,
}

/// Until clients have found their way and followers have caught up, before a window.
const SETTLE: Duration = Duration::from_secs(3);

impl Windows {
    /// Measures so many rounds: all, one dead, one dead, all.
    ///
    /// # Errors
    /// If the validators break down.
    pub(super) async fn measure(
        rounds: u32,
        window: Duration,
        ordeal: &mut Ordeal,
        load: &Load,
    ) -> anyhow::Result<Self> {
        let mut windows = Self::default();
        for round in 0..rounds {
            let dead = usize::try_from(round).unwrap_or(0) % ordeal.network.configs.len();
            windows.all.push(rate(window, load).await);
            ordeal.kill(dead).await?;
            windows.one_dead.push(rate(window, load).await);
            windows.one_dead.push(rate(window, load).await);
            ordeal.start(dead)?;
            ordeal.wait_until_ready().await?;
            windows.all.push(rate(window, load).await);
            ordeal.say(&format!("commands/s with all {:?}, with one dead {:?}", windows.all, windows.one_dead));
        }
        Ok(windows)
    }

    /// What is left of the speed with one dead, in per cent of that with all: medians of the windows.
    pub(super) fn kept_percent(&self) -> Option<u64> {
        let median = |windows: &[u64]| {
            let mut sorted = windows.to_vec();
            sorted.sort_unstable();
            sorted.get(sorted.len() / 2).copied()
        };
        (median(&self.one_dead)? * 100).checked_div(median(&self.all)?)
    }
}

async fn rate(window: Duration, load: &Load) -> u64 {
    tokio::time::sleep(SETTLE).await;
    let before = load.commands_final();
    tokio::time::sleep(window).await;
    (load.commands_final() - before) / window.as_secs().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_the_ratio_of_the_medians() {
        let windows = Windows { all: vec![100, 400, 200], one_dead: vec![150, 1, 900] };
        assert_eq!(windows.kept_percent(), Some(75));
        assert_eq!(Windows::default().kept_percent(), None);
        assert_eq!(Windows { all: vec![0], one_dead: vec![5] }.kept_percent(), None);
    }
}
