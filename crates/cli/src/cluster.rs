//! `chamois cluster …`: the members themselves.

mod failover_safe;
pub(crate) mod status;

use clap::Subcommand;

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `cluster`.
#[derive(Debug, Subcommand)]
pub enum ClusterCommand {
    /// Show every member: who leads, how far each one is, which addresses it holds
    #[command(after_help = "\
Examples:
  chamois cluster status
  chamois cluster status --endpoints 10.97.1.1:7441 -o json

One endpoint is enough: the others are learned from the first member that answers. Works without a majority.")]
    Status,
    /// Say whether any one member may be lost now
    FailoverSafe(failover_safe::FailoverSafeArgs),
}

pub(crate) async fn run(global: &GlobalArgs, command: ClusterCommand) -> Result<(), CliError> {
    match command {
        ClusterCommand::Status => status::run(global).await,
        ClusterCommand::FailoverSafe(args) => failover_safe::run(global, args).await,
    }
}
