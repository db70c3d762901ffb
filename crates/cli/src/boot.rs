//! `chamois boot …`: what nodes boot and what they booted.

mod script;
mod status;

use clap::Subcommand;

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `boot`.
#[derive(Debug, Subcommand)]
pub enum BootCommand {
    /// Print the iPXE script that a node would get now
    Script(script::ScriptArgs),
    /// Show how far nodes have come with their boots, and which are stuck
    Status(Box<status::StatusArgs>),
}

pub(crate) async fn run(global: &GlobalArgs, command: BootCommand) -> Result<(), CliError> {
    match command {
        BootCommand::Script(args) => script::run(global, args).await,
        BootCommand::Status(args) => status::run(global, *args).await,
    }
}
