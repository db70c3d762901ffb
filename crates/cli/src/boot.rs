//! `chamois boot …`: what nodes boot and what they booted.

mod config;
mod diff;
mod explain;
pub(crate) mod history;
mod params;
pub(crate) mod rollback;
mod rollout;
mod script;
mod status;
pub(crate) mod versioned;

use clap::Subcommand;

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `boot`.
#[derive(Debug, Subcommand)]
pub enum BootCommand {
    /// What some nodes boot: list, get, set and delete boot configurations
    #[command(subcommand, after_help = config::PRECEDENCE)]
    Config(config::ConfigCommand),
    /// BSS's boot parameters, by host, MAC, NID or role
    #[command(subcommand)]
    Params(params::ParamsCommand),
    /// Explain what a node boots: what won, what lost and why, and everything it would be given
    Explain(explain::ExplainArgs),
    /// Print the iPXE script that a node would get now
    Script(script::ScriptArgs),
    /// Show how far nodes have come with their boots, and which are stuck
    Status(Box<status::StatusArgs>),
    /// Show who changed what nodes boot with, and when
    History(history::HistoryArgs),
    /// Show what changes did, field by field
    Diff(diff::DiffArgs),
    /// Change what nodes boot step by step, and stop by itself when boots fail
    #[command(subcommand)]
    Rollout(rollout::RolloutCommand),
    /// Go back to an earlier version
    Rollback(rollback::RollbackArgs),
}

pub(crate) async fn run(global: &GlobalArgs, command: BootCommand) -> Result<(), CliError> {
    match command {
        BootCommand::Config(command) => config::run(global, command).await,
        BootCommand::Params(command) => params::run(global, command).await,
        BootCommand::Explain(args) => explain::run(global, args).await,
        BootCommand::Script(args) => script::run(global, args).await,
        BootCommand::Status(args) => status::run(global, *args).await,
        BootCommand::History(args) => history::run(global, args).await,
        BootCommand::Diff(args) => diff::run(global, args).await,
        BootCommand::Rollout(command) => rollout::run(global, command).await,
        BootCommand::Rollback(args) => rollback::run(global, args).await,
    }
}
