//! `chamois oidc …`: OIDC providers, whose logins are believed.

mod delete;
mod list;
mod put;

use clap::{Args, Subcommand};

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `oidc`.
#[derive(Debug, Subcommand)]
pub enum OidcCommand {
    /// List the providers
    #[command(after_help = "Example:\n  chamois oidc list")]
    List,
    /// Create or replace a provider
    Put(Box<put::PutArgs>),
    /// Delete a provider; logins that it has let in are not renewed, and end within ten minutes
    #[command(after_help = "Example:\n  chamois oidc delete site")]
    Delete(NameArgs),
}

/// One provider.
#[derive(Clone, Debug, Args)]
pub struct NameArgs {
    /// Name of the provider, as `chamois oidc list` shows it
    pub name: String,
}

pub(crate) async fn run(global: &GlobalArgs, command: OidcCommand) -> Result<(), CliError> {
    match command {
        OidcCommand::List => list::run(global).await,
        OidcCommand::Put(args) => put::run(global, *args).await,
        OidcCommand::Delete(args) => delete::run(global, args).await,
    }
}
