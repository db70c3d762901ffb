//! `chamois discover start crawl`.

use clap::Args;
use proto::discovery::v1::crawl_service_client::CrawlServiceClient;
use proto::discovery::v1::{Crawl, StartCrawlRequest};

use crate::args::GlobalArgs;
use crate::connect;
use crate::discover::crawl_args::CrawlArgs;
use crate::error::CliError;
use crate::job::{self, Waits};

/// `chamois discover start crawl`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois discover start crawl --wait                     every BMC that is known
  chamois discover start crawl 'x1000c0s[0-7]b0' --wait

A crawl that fails, or reads half a tree, never removes anything from the inventory. `chamois discover plan` shows first what would
change.")]
pub struct StartCrawlArgs {
    /// Which BMCs, and how fast.
    #[command(flatten)]
    pub crawl: CrawlArgs,
    /// Whether it is waited for.
    #[command(flatten)]
    pub waits: Waits,
}

pub(super) async fn run(global: &GlobalArgs, args: StartCrawlArgs) -> Result<(), CliError> {
    let mut client = CrawlServiceClient::new(connect::to_any(global)?);
    let request = StartCrawlRequest {
        crawl: Some(Crawl::from(args.crawl.resolved(global).await?)),
    };
    let started = client.start_crawl(request).await?.into_inner();
    job::started(global, &started.job, args.waits).await
}
