//! `chamois job …`: work that takes long and that one member does for the cluster.

mod cancel;
mod delete;
mod list;
mod show;
mod told;
mod wait;
mod words;

use clap::{Args, Subcommand};

use crate::args::GlobalArgs;
use crate::error::CliError;

pub(crate) use told::{Waits, names_of, started};

/// Verbs of `job`.
#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// List jobs, the newest first
    List(list::ListArgs),
    /// Show one, and what became of its targets
    Show(show::ShowArgs),
    /// Follow one until it is over; exit code 7 if any of its targets failed
    #[command(after_help = "\
Example:
  chamois job wait 6f9619ff-8b86-4011-b42d-00c04fc964ff")]
    Wait(IdArgs),
    /// End one: what was begun is finished, the rest is not begun
    #[command(after_help = "\
Example:
  chamois job cancel 6f9619ff-8b86-4011-b42d-00c04fc964ff")]
    Cancel(IdArgs),
    /// Forget one that is over
    #[command(after_help = "\
Example:
  chamois job delete 6f9619ff-8b86-4011-b42d-00c04fc964ff")]
    Delete(IdArgs),
}

/// One job.
#[derive(Clone, Debug, Args)]
pub struct IdArgs {
    /// Its id, as `chamois job list` shows it
    pub id: String,
}

pub(crate) async fn run(global: &GlobalArgs, command: JobCommand) -> Result<(), CliError> {
    match command {
        JobCommand::List(args) => list::run(global, args).await,
        JobCommand::Show(args) => show::run(global, args).await,
        JobCommand::Wait(args) => wait::run(global, &args.id).await,
        JobCommand::Cancel(args) => cancel::run(global, args).await,
        JobCommand::Delete(args) => delete::run(global, args).await,
    }
}
