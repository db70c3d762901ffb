//! `chamois configure template rollback`.

use clap::Args;

use crate::args::GlobalArgs;
use crate::boot::rollback;
use crate::boot::versioned::Versioned;
use crate::error::CliError;

/// `chamois configure template rollback`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
A rollback is a change like any other: it is in the history, and can be rolled back itself. To the revision of a deletion it deletes
again. Passwords that the version was granted are not granted again.

Example:
  chamois configure template rollback motd 17")]
pub struct RollbackArgs {
    /// Its name
    pub name: String,
    /// Revision of the version, as `chamois configure template history` shows it
    pub revision: u64,
    /// Only if its last change is this one
    #[arg(long, value_name = "REVISION")]
    pub if_revision: Option<u64>,
}

pub(super) async fn run(global: &GlobalArgs, args: RollbackArgs) -> Result<(), CliError> {
    let args = rollback::RollbackArgs {
        object: Versioned::template(args.name),
        revision: args.revision,
        if_revision: args.if_revision,
    };
    rollback::run(global, args).await
}
