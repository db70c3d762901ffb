//! `chamois file …`: kernels and initial RAM disks, the same on every member.

mod delete;
mod list;
mod put;
mod upload;

use clap::Subcommand;

pub(crate) use self::upload::{LocalFile, upload};

use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output::WatchArg;

/// Verbs of `file`.
#[derive(Debug, Subcommand)]
pub enum FileCommand {
    /// List the boot files and which members have them
    #[command(after_help = "Examples:\n  chamois file list\n  chamois file list --watch")]
    List(WatchArg),
    /// Store or replace a boot file on every member
    Put(put::PutArgs),
    /// Delete a boot file from every member
    Delete(delete::DeleteArgs),
}

pub(crate) async fn run(global: &GlobalArgs, command: FileCommand) -> Result<(), CliError> {
    match command {
        FileCommand::List(watch) => list::run(global, watch).await,
        FileCommand::Put(args) => put::run(global, args).await,
        FileCommand::Delete(args) => delete::run(global, args).await,
    }
}
