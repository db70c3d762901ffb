//! `chamois component …`: nodes, BMCs and everything else that SMD tracks.

mod list;

use clap::Subcommand;

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `component`.
#[derive(Debug, Subcommand)]
pub enum ComponentCommand {
    /// List components, sorted by xname
    List(Box<list::ListArgs>),
}

pub(crate) async fn run(global: &GlobalArgs, command: ComponentCommand) -> Result<(), CliError> {
    match command {
        ComponentCommand::List(args) => list::run(global, *args).await,
    }
}
