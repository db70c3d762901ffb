//! `chamois token …`: bearer tokens of administrators, machines and logins, and the keys that sign access tokens.

mod create;
mod delete;
mod export;
pub(crate) mod issue;
mod keys;
mod list;
mod revoke;

use clap::{Args, Subcommand};

use crate::args::GlobalArgs;
use crate::error::{CliError, Kind};

/// `chamois token`: a verb, or `--export`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub struct TokenArgs {
    /// Print the line `export NAME_ACCESS_TOKEN=…` that `ochami` reads for its cluster NAME
    ///
    /// The token is good for ten minutes. A token of the cluster's own key is exchanged for nothing: then the line has that token itself,
    /// an administrator's, for as long as it is good.
    #[arg(long, value_name = "NAME", value_parser = export::variable)]
    pub export: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<TokenCommand>,
}

/// Verbs of `token`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Sign another administrator's token, good for 24 hours
    Issue(issue::IssueArgs),
    /// Make an API token, for a machine or for yourself
    Create(create::CreateArgs),
    /// List API tokens, without what opens anything
    #[command(after_help = "Example:\n  chamois token list\n  chamois token list --sessions")]
    List(list::ListArgs),
    /// Delete an API token; what was made with it is refused, too
    Delete(delete::DeleteArgs),
    /// Refuse tokens, logins or a certificate from now on, everywhere
    Revoke(revoke::RevokeArgs),
    /// List the keys that sign access tokens, or move on to the next one
    Keys(keys::KeysArgs),
}

pub(crate) async fn run(global: &GlobalArgs, args: TokenArgs) -> Result<(), CliError> {
    match (args.command, args.export) {
        (Some(TokenCommand::Issue(args)), _) => issue::run(&args),
        (Some(TokenCommand::Create(args)), _) => create::run(global, args).await,
        (Some(TokenCommand::List(args)), _) => list::run(global, args).await,
        (Some(TokenCommand::Delete(args)), _) => delete::run(global, args).await,
        (Some(TokenCommand::Revoke(args)), _) => revoke::run(global, args).await,
        (Some(TokenCommand::Keys(args)), _) => keys::run(global, args).await,
        (None, Some(variable)) => export::run(global, &variable).await,
        (None, None) => Err(CliError::new(Kind::Usage, "name a verb, or --export NAME")),
    }
}
