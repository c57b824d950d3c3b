//! `gridbook demo`.

use clap::Args;

use super::Global;

/// Four validators and a town of meters trade a day in a minute, on this machine.
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {}

impl DemoArgs {
    pub(crate) async fn run(self, _global: &Global) -> anyhow::Result<()> {
        anyhow::bail!("not yet")
    }
}
