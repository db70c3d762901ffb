//! `chamois firmware …`: what runs behind BMCs, and its updates.

mod list;
mod show;
mod update;

use clap::Subcommand;

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `firmware`.
#[derive(Debug, Subcommand)]
pub enum FirmwareCommand {
    /// List firmware as the last crawls read it; BMCs with the same are one row
    List(list::ListArgs),
    /// Show what is behind BMCs, with the BIOS of their systems; BMCs with the same are one block
    Show(show::ShowArgs),
    /// Update firmware step by step, and stop on failures
    Update(update::UpdateArgs),
}

pub(crate) async fn run(global: &GlobalArgs, command: FirmwareCommand) -> Result<(), CliError> {
    match command {
        FirmwareCommand::List(args) => list::run(global, args).await,
        FirmwareCommand::Show(args) => show::run(global, args).await,
        FirmwareCommand::Update(args) => update::run(global, args).await,
    }
}
