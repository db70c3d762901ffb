//! `chamois cloud-init defaults …`: what every node is told.

mod delete;
mod set;
mod show;

use clap::Subcommand;

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `cloud-init defaults`.
#[derive(Debug, Subcommand)]
pub enum DefaultsCommand {
    /// Show what is set
    #[command(after_help = "Example:\n  chamois cloud-init defaults show")]
    Show,
    /// Set or clear fields; the others stay
    Set(Box<set::SetArgs>),
    /// Empty all fields
    #[command(after_help = "Example:\n  chamois cloud-init defaults delete")]
    Delete,
}

pub(super) async fn run(global: &GlobalArgs, command: DefaultsCommand) -> Result<(), CliError> {
    match command {
        DefaultsCommand::Show => show::run(global).await,
        DefaultsCommand::Set(args) => set::run(global, *args).await,
        DefaultsCommand::Delete => delete::run(global).await,
    }
}
