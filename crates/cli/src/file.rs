//! `chamois file …`: kernels and initial RAM disks, the same on every member.

mod delete;
mod list;
mod put;
mod upload;

use clap::Subcommand;

pub(crate) use self::upload::{LocalFile, upload};

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `file`.
#[derive(Debug, Subcommand)]
pub enum FileCommand {
    /// List the boot files and which members have them
    #[command(after_help = "Example:\n  chamois file list")]
    List,
    /// Store or replace a boot file on every member
    Put(put::PutArgs),
    /// Delete a boot file from every member
    Delete(delete::DeleteArgs),
}

pub(crate) async fn run(global: &GlobalArgs, command: FileCommand) -> Result<(), CliError> {
    match command {
        FileCommand::List => list::run(global).await,
        FileCommand::Put(args) => put::run(global, args).await,
        FileCommand::Delete(args) => delete::run(global, args).await,
    }
}
