//! Being asked to end.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ctrl-C and SIGTERM, heard from when it is made on: what comes while nobody waits is not lost, and ends nothing by itself.
pub(crate) struct Interrupts {
    ctrl_c: Signal,
    terminate: Signal,
}

/// It was interrupted, and has cleaned up behind it.
#[derive(Debug, thiserror::Error)]
#[error("interrupted: {0}")]
pub(crate) struct Interrupted(pub(crate) &'static str);

impl Interrupts {
    /// Listens from now on.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self { ctrl_c: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Resolves when this process is asked to end, or was since it was last told. The next call waits for the next time.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.ctrl_c.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Resolves on Ctrl-C, or when somebody asks this process to end. What comes before it is waited for, or later, is lost.
pub(crate) async fn interrupted() {
    match Interrupts::listen() {
        Ok(mut interrupts) => interrupts.next().await,
        // Then they end this process, as ever.
        Err(_) => std::future::pending().await,
    }
}
