//! `chamois migrate …`: what would change for nodes that another system boots now. Nothing is written.

mod compare;
mod old_scripts;
mod openchami;

use clap::Subcommand;

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `migrate`.
#[derive(Debug, Subcommand)]
pub enum MigrateCommand {
    /// From OpenCHAMI's SMD, BSS and cloud-init server
    Openchami(openchami::OpenchamiArgs),
}

pub(crate) async fn run(global: &GlobalArgs, command: MigrateCommand) -> Result<(), CliError> {
    match command {
        MigrateCommand::Openchami(args) => openchami::run(global, args).await,
    }
}
