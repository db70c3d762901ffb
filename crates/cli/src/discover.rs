//! `chamois discover …`: BMCs are found and read, by the cluster, or from this host as Magellan does it.

mod crawl_args;
mod import_secrets;
mod magellan;
mod plan;
mod rule;
mod start;

use std::ffi::OsString;

use clap::Subcommand;

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `discover`. Those of Magellan have its options, of which some are called as our global ones: they are parsed apart.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
From this host, without a cluster, with Magellan's options and its JSON:
  scan     Find BMCs, and remember them in a file
  crawl    Read one BMC
  collect  Read all BMCs that are remembered, in the form that SMD takes
  send     Send that to an SMD
  list     Show what is remembered

Examples:
  chamois discover start scan 10.1.0.0/24 --crawl --wait
  chamois discover plan
  chamois discover scan --subnet 10.1.0.0/24
  chamois discover collect -u root --password-file password -o inventory.json
  chamois discover send https://smd:27779 -d @inventory.json")]
pub enum DiscoverCommand {
    /// Begin a scan or a crawl by the cluster
    #[command(subcommand)]
    Start(start::StartCommand),
    /// Read BMCs now, and show what a crawl would change; nothing is written
    Plan(plan::PlanArgs),
    /// Take over the users and passwords of Magellan's secrets.json
    ImportSecrets(import_secrets::ImportSecretsArgs),
    /// Which BMC gets which xname
    #[command(subcommand)]
    Rule(rule::RuleCommand),
    /// One of Magellan's verbs, with everything behind it.
    #[command(external_subcommand)]
    Magellan(Vec<OsString>),
}

pub(crate) async fn run(global: &GlobalArgs, command: DiscoverCommand) -> Result<(), CliError> {
    match command {
        DiscoverCommand::Start(command) => start::run(global, command).await,
        DiscoverCommand::Plan(args) => plan::run(global, args).await,
        DiscoverCommand::ImportSecrets(args) => import_secrets::run(global, args).await,
        DiscoverCommand::Rule(command) => rule::run(global, command).await,
        DiscoverCommand::Magellan(words) => magellan::run(words).await,
    }
}
