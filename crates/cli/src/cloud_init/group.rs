//! `chamois cloud-init group …`: what the members of an SMD group are told and given.

mod delete;
mod list;
pub(super) mod put;
mod show;

use clap::Subcommand;

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `cloud-init group`.
#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    /// List the groups that cloud-init has data for
    #[command(after_help = "Example:\n  chamois cloud-init group list")]
    List,
    /// Show a group's meta-data and file
    Show(show::ShowArgs),
    /// Create or replace a group's data
    Put(put::PutArgs),
    /// Delete a group's data; the SMD group stays
    Delete(delete::DeleteArgs),
}

pub(super) async fn run(global: &GlobalArgs, command: GroupCommand) -> Result<(), CliError> {
    match command {
        GroupCommand::List => list::run(global).await,
        GroupCommand::Show(args) => show::run(global, args).await,
        GroupCommand::Put(args) => put::run(global, args).await,
        GroupCommand::Delete(args) => delete::run(global, args).await,
    }
}
