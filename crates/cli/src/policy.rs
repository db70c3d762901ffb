//! `chamois policy …`: who may do what, in which part of the system, and why.

mod ask;
mod check;
mod delete;
mod explain;
mod file;
mod list;
mod put;
mod role;
mod show;
mod test;

use clap::{Args, Subcommand};

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `policy`.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// List the policies
    #[command(after_help = "Example:\n  chamois policy list")]
    List,
    /// Show what a policy says
    #[command(after_help = "Example:\n  chamois policy show gpu-operators -o json")]
    Show(NameArgs),
    /// Create or replace the policies of a file
    Put(put::PutArgs),
    /// Delete a policy
    #[command(after_help = "Example:\n  chamois policy delete gpu-operators")]
    Delete(NameArgs),
    /// Say whether somebody may do something; exit code 0 if so, 5 if not
    Check(check::CheckArgs),
    /// Say why somebody may do something, or may not
    Explain(explain::ExplainArgs),
    /// Check the expectations of a file; exit code 1 if one is not met
    Test(test::TestArgs),
    /// Permissions under one name
    #[command(subcommand)]
    Role(role::RoleCommand),
}

/// One policy.
#[derive(Clone, Debug, Args)]
pub struct NameArgs {
    /// Name of the policy, as `chamois policy list` shows it
    pub name: String,
}

pub(crate) async fn run(global: &GlobalArgs, command: PolicyCommand) -> Result<(), CliError> {
    match command {
        PolicyCommand::List => list::run(global).await,
        PolicyCommand::Show(args) => show::run(global, args).await,
        PolicyCommand::Put(args) => put::run(global, args).await,
        PolicyCommand::Delete(args) => delete::run(global, args).await,
        PolicyCommand::Check(args) => check::run(global, args).await,
        PolicyCommand::Explain(args) => explain::run(global, args).await,
        PolicyCommand::Test(args) => test::run(global, args).await,
        PolicyCommand::Role(command) => role::run(global, command).await,
    }
}
