//! `gridbook sim`.

use clap::Subcommand;

use super::Global;
use super::chaos::{ChaosArgs, PowercutArgs};
use super::defects::DefectsArgs;
use super::seeds::RunArgs;
use super::twins::TwinsArgs;

/// Simulate whole clusters on virtual time, with faults drawn from a seed.
#[derive(Debug, Subcommand)]
pub(crate) enum Sim {
    /// Run whole clusters of validators on virtual time, each with the trouble that its seed draws.
    Run(RunArgs),
    /// Run four real validators under load and kill, stop, cut off and starve them.
    Chaos(ChaosArgs),
    /// Cut the power of four real validators again and again.
    Powercut(PowercutArgs),
    /// Run some validators twice under one key, in every partition and under every leader.
    Twins(TwinsArgs),
    /// Leave out clauses of the consensus rules, one by one, and see who finds it.
    Defects(DefectsArgs),
}

impl Sim {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::Run(args) => args.run(global),
            Self::Chaos(args) => args.run(global),
            Self::Powercut(args) => args.run(global),
            Self::Twins(args) => args.run(global),
            Self::Defects(args) => args.run(global),
        }
    }
}
