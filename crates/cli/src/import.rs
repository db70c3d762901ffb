//! `chamois import …`: what another system knows, into this one.

mod apply;
mod claims;
mod components;
mod confirm;
mod diff;
mod groups;
mod interfaces;
mod maps;
mod partitions;
mod redfish_endpoints;
mod sets;
mod smd;
mod source;
mod source_http;

use clap::Subcommand;

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `import`.
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// The inventory of a State Management Daemon, live or saved
    Smd(smd::SmdArgs),
}

pub(crate) async fn run(global: &GlobalArgs, command: ImportCommand) -> Result<(), CliError> {
    match command {
        ImportCommand::Smd(args) => smd::run(global, args).await,
    }
}
