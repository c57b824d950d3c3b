//! Who leads, and how far everybody is: asked of every admin port, again and again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::task::JoinSet;

use crate::admin;
use crate::network::Network;

/// What every validator last said of itself. Stops asking when it is dropped.
pub(super) struct Eyes {
    seen: Arc<Mutex<Vec<Option<Sight>>>>,
    _tasks: JoinSet<()>,
}

/// What a validator said of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    at: Instant,
    /// Its last final height.
    pub(super) height: u64,
    /// Its view.
    pub(super) view: u64,
    /// Who leads that view.
    pub(super) leader: usize,
    /// Whether it calls itself ready for clients.
    pub(super) ready: bool,
}

/// Between two questions.
const ASK: Duration = Duration::from_millis(60);
/// Whoever takes longer to answer is not asked for long.
const ANSWER_MAX: Duration = Duration::from_millis(500);
/// What was said longer ago than this may not hold any more.
const FRESH: Duration = Duration::from_millis(800);

impl Eyes {
    /// Watches all validators of a network.
    pub(super) fn on(network: &Network) -> Self {
        let seen = Arc::new(Mutex::new(vec![None; network.configs.len()]));
        let mut tasks = JoinSet::new();
        for (index, config) in network.configs.iter().enumerate() {
            let (seen, at) = (Arc::clone(&seen), config.listen.admin);
            tasks.spawn(async move {
                loop {
                    let sight = tokio::time::timeout(ANSWER_MAX, look(at)).await.ok().flatten();
                    if let Some(sight) = sight {
                        seen.lock()[index] = Some(sight);
                    }
                    tokio::time::sleep(ASK).await;
                }
            });
        }
        Self { seen, _tasks: tasks }
    }

    /// What each validator said of itself a moment ago; nothing from one that is silent.
    pub(super) fn fresh(&self) -> Vec<Option<Sight>> {
        self.seen.lock().iter().map(|sight| sight.filter(|sight| sight.at.elapsed() < FRESH)).collect()
    }

    /// Forgets what a validator said: it speaks for another life of it.
    pub(super) fn forget(&self, index: usize) {
        self.seen.lock()[index] = None;
    }

    /// View and leader, as the one says who is furthest; nothing if all are silent.
    pub(super) fn leader(&self) -> Option<(u64, usize)> {
        self.fresh().iter().flatten().map(|sight| (sight.view, sight.leader)).max()
    }

    /// The highest height that anybody has said.
    pub(super) fn height(&self) -> u64 {
        self.seen.lock().iter().flatten().map(|sight| sight.height).max().unwrap_or(0)
    }
}

async fn look(at: std::net::SocketAddr) -> Option<Sight> {
    let (_, metrics) = admin::fetch(at, "/metrics").await.ok()?;
    let (status, _) = admin::fetch(at, "/readyz").await.ok()?;
    read(&metrics, status == 200)
}

fn read(metrics: &str, ready: bool) -> Option<Sight> {
    let value = |name: &str| -> Option<u64> {
        let of = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok();
        metrics.lines().find_map(of)
    };
    Some(Sight {
        at: Instant::now(),
        height: value("gridbook_height")?,
        view: value("gridbook_view")?,
        leader: usize::try_from(value("gridbook_leader")?).ok()?,
        ready,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn what_a_validator_publishes_is_read() {
        let metrics = Metrics::default();
        metrics.height.set(77);
        metrics.view.set(9);
        metrics.leader.set(2);
        let sight = read(&metrics.to_prometheus(), true).unwrap();
        assert_eq!((sight.height, sight.view, sight.leader), (77, 9, 2));
        assert!(read("no metrics at all", true).is_none());
    }
}
