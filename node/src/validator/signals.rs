//! Being told to stop.

use std::thread;

use anyhow::Context as _;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// SIGTERM and SIGINT, heard of from when this is made until the process ends. A validator may begin again from a snapshot meanwhile, with a
/// new runtime: what comes while nobody waits is not lost. Who has told it to stop need not tell it twice, and may.
pub(super) struct StopSignals(watch::Receiver<bool>);

impl StopSignals {
    /// From now on these signals end nothing by themselves.
    pub(super) fn listen() -> anyhow::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build().context("cannot start a runtime")?;
        let (mut terminate, mut interrupt) = {
            let _within = runtime.enter();
            let listen = |kind| signal(kind).context("cannot listen for signals");
            (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?)
        };
        let (tell, told) = watch::channel(false);
        let hear = async move {
            tokio::select! {
                _ = terminate.recv() => tracing::info!("SIGTERM: shutting down"),
                _ = interrupt.recv() => tracing::info!("SIGINT: shutting down"),
            }
            tell.send_replace(true);
        };
        let thread = thread::Builder::new().name("signals".into());
        thread.spawn(move || runtime.block_on(hear)).context("cannot start a thread")?;
        Ok(Self(told))
    }

    /// Whether it was told to stop.
    pub(super) fn has_come(&self) -> bool {
        *self.0.borrow()
    }

    /// Resolves when it is told to stop, or has been.
    pub(super) async fn come(&self) {
        // It is an error only if the thread is gone and has told nothing. Who cannot be told to stop any more had better stop.
        let _ = self.0.clone().wait_for(|told| *told).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    /// listen | SIGTERM | a runtime that waits | SIGTERM | another one. The first comes before anybody waits for it, as when a validator is told to
    /// stop as soon as it says that it is up; the second ends nothing.
    #[test]
    fn a_signal_is_heard_of_whenever_it_comes_and_by_every_runtime() {
        let signals = StopSignals::listen().unwrap();
        assert!(!signals.has_come());
        for _ in 0..2 {
            kill_process(getpid(), Signal::TERM).unwrap();
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            let come = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), signals.come()).await });
            assert!(come.is_ok() && signals.has_come());
        }
    }
}
