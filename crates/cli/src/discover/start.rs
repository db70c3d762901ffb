//! `chamois discover start …`: jobs of the cluster.

mod crawl;
mod scan;

use clap::Subcommand;

use crate::args::GlobalArgs;
use crate::error::CliError;

/// What is begun.
#[derive(Debug, Subcommand)]
pub enum StartCommand {
    /// Look for BMCs in networks
    Scan(scan::ScanArgs),
    /// Read BMCs whole; what is in them becomes the inventory
    Crawl(crawl::StartCrawlArgs),
}

pub(crate) async fn run(global: &GlobalArgs, command: StartCommand) -> Result<(), CliError> {
    match command {
        StartCommand::Scan(args) => scan::run(global, args).await,
        StartCommand::Crawl(args) => crawl::run(global, args).await,
    }
}
