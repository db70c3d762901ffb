//! `chamois discover rule …`: which BMC gets which xname.

mod delete;
mod list;
mod put;

use clap::{Args, Subcommand};

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `discover rule`.
#[derive(Debug, Subcommand)]
pub enum RuleCommand {
    /// List rules in the order in which they are looked at
    #[command(after_help = "Example:\n  chamois discover rule list")]
    List,
    /// Create or replace a rule
    Put(Box<put::PutArgs>),
    /// Delete a rule; BMCs keep the xnames that they have
    #[command(after_help = "Example:\n  chamois discover rule delete rack-1000")]
    Delete(NameArgs),
}

/// One rule.
#[derive(Clone, Debug, Args)]
pub struct NameArgs {
    /// Its name, as `chamois discover rule list` shows it
    pub name: String,
}

pub(super) async fn run(global: &GlobalArgs, command: RuleCommand) -> Result<(), CliError> {
    match command {
        RuleCommand::List => list::run(global).await,
        RuleCommand::Put(args) => put::run(global, *args).await,
        RuleCommand::Delete(args) => delete::run(global, args).await,
    }
}
