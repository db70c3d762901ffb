//! `chamois snapshot …`: the whole product in one file.

mod save;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::host_config::HostArgs;

/// Verbs of `snapshot`.
#[derive(Debug, Subcommand)]
pub enum SnapshotCommand {
    /// Save all that the cluster holds into one file
    Save(save::SaveArgs),
    /// Say what is in a file, and check every byte of it
    Inspect(InspectArgs),
    /// Make the first member of a new cluster from a file
    Restore(RestoreArgs),
}

/// `chamois snapshot inspect`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  chamois snapshot inspect prod.snap\n  chamois snapshot inspect prod.snap -o json"
)]
pub struct InspectArgs {
    /// What `chamois snapshot save` wrote
    pub file: PathBuf,
}

/// `chamois snapshot restore`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois snapshot restore prod.snap --recovery-kit recovery-kit.toml --address 10.97.1.1

The new cluster has the old one's name, content and CA, another cluster id, and one member; join the others. Stop the old
cluster first: two of the same name would both answer nodes.")]
pub struct RestoreArgs {
    /// What `chamois snapshot save` wrote
    pub file: PathBuf,
    /// What `chamois init` wrote: the keys that the secrets in the file are sealed with
    #[arg(long, value_name = "FILE")]
    pub recovery_kit: Option<PathBuf>,
    /// Where the first member is.
    #[command(flatten)]
    pub host: HostArgs,
}

/// `save` asks the cluster; the others work on files and are `cmd/chamois`'s.
pub(crate) async fn save(global: &GlobalArgs, args: save::SaveArgs) -> Result<(), CliError> {
    save::run(global, args).await
}

pub use save::{SaveArgs, partial_of};
