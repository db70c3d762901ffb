//! `chamois component …`: nodes, BMCs and everything else that SMD tracks.

mod add;
mod delete;
mod list;
mod set;
mod show;
mod words;

use clap::Subcommand;

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `component`.
#[derive(Debug, Subcommand)]
pub enum ComponentCommand {
    /// List components, sorted by xname
    List(Box<list::ListArgs>),
    /// Show one component with who changed it
    Show(show::ShowArgs),
    /// Add components that nothing has discovered
    Add(Box<add::AddArgs>),
    /// Set properties of components, many in one change
    Set(Box<set::SetArgs>),
    /// Delete components, and from their groups and partitions
    Delete(delete::DeleteArgs),
}

pub(crate) async fn run(global: &GlobalArgs, command: ComponentCommand) -> Result<(), CliError> {
    match command {
        ComponentCommand::List(args) => list::run(global, *args).await,
        ComponentCommand::Show(args) => show::run(global, args).await,
        ComponentCommand::Add(args) => add::run(global, *args).await,
        ComponentCommand::Set(args) => set::run(global, *args).await,
        ComponentCommand::Delete(args) => delete::run(global, args).await,
    }
}
