//! `chamois cloud-init profile …`: what some nodes boot with for a while, for a test.

mod delete;
mod list;
mod put;
mod show;

use clap::Subcommand;

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `cloud-init profile`.
#[derive(Debug, Subcommand)]
pub enum ProfileCommand {
    /// List the profiles and when they expire
    #[command(after_help = "Example:\n  chamois cloud-init profile list")]
    List,
    /// Show a profile
    Show(show::ShowArgs),
    /// Create or replace a profile
    Put(Box<put::PutArgs>),
    /// Delete a profile: its nodes boot as always
    Delete(delete::DeleteArgs),
}

pub(super) async fn run(global: &GlobalArgs, command: ProfileCommand) -> Result<(), CliError> {
    match command {
        ProfileCommand::List => list::run(global).await,
        ProfileCommand::Show(args) => show::run(global, args).await,
        ProfileCommand::Put(args) => put::run(global, *args).await,
        ProfileCommand::Delete(args) => delete::run(global, args).await,
    }
}
