//! `chamois token …`: administrators' bearer tokens.

pub(crate) mod issue;

use clap::Subcommand;

use crate::error::CliError;

/// Verbs of `token`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Sign another administrator's token, good for 24 hours
    Issue(issue::IssueArgs),
}

pub(crate) fn run(command: TokenCommand) -> Result<(), CliError> {
    match command {
        TokenCommand::Issue(args) => issue::run(&args),
    }
}
