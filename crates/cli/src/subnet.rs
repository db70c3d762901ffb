//! `chamois subnet …`: networks that DHCP serves.

mod delete;
mod list;
mod put;

use clap::Subcommand;

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `subnet`.
#[derive(Debug, Subcommand)]
pub enum SubnetCommand {
    /// List the subnets
    #[command(after_help = "Example:\n  chamois subnet list")]
    List,
    /// Create or replace a subnet
    Put(put::PutArgs),
    /// Delete a subnet
    Delete(delete::DeleteArgs),
}

pub(crate) async fn run(global: &GlobalArgs, command: SubnetCommand) -> Result<(), CliError> {
    match command {
        SubnetCommand::List => list::run(global).await,
        SubnetCommand::Put(args) => put::run(global, args).await,
        SubnetCommand::Delete(args) => delete::run(global, args).await,
    }
}
