//! `chamois console …`: the serial console of a node.

mod connect;
mod escape;
mod list;

use clap::{Args, Subcommand};

use crate::args::GlobalArgs;
use crate::error::{CliError, Kind};
use crate::nodes;

/// `chamois console`: a node, or a verb.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    after_help = "\
Examples:
  chamois console x1000c0s0b0n0
  chamois console x1000c0s0b0n0 --read-only > boot.log
  chamois console list

On a terminal, `~.` after a newline ends it and `~~` is one `~`. The member that is asked logs in to the BMC; no password is here."
)]
pub struct ConsoleArgs {
    /// The node: xname, host name or anything that means one
    #[arg(value_parser = nodes::text, value_name = "NODE")]
    pub node: Option<String>,
    /// Only look on
    #[arg(long, requires = "node")]
    pub read_only: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<ConsoleCommand>,
}

/// Verbs of `console`.
#[derive(Debug, Subcommand)]
pub enum ConsoleCommand {
    /// List the consoles that there are, with how they are reached
    List(list::ListArgs),
}

pub(crate) async fn run(global: &GlobalArgs, args: ConsoleArgs) -> Result<(), CliError> {
    match (args.command, args.node) {
        (Some(ConsoleCommand::List(args)), _) => list::run(global, args).await,
        (None, Some(node)) => {
            let node = nodes::one_xname(global, &node).await?;
            connect::run(global, &node, args.read_only).await
        }
        (None, None) => Err(CliError::new(Kind::Usage, "name a node, or `list`")),
    }
}
