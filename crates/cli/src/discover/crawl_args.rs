//! Which BMCs are read, and how fast; the same for a crawl and for its plan.

use clap::Args;
use proto::discovery::v1::Crawl;

use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::nodes;

/// Which BMCs, and how fast.
#[derive(Clone, Debug, Default, Args)]
pub struct CrawlArgs {
    /// Nodesets of BMCs, or address:port of what was found; groups of nodes stand for their BMCs; none: all that are known
    #[arg(value_name = "BMC")]
    pub bmcs: Vec<String>,
    /// BMCs at once; default: 64
    #[arg(long, default_value_t = 0, hide_default_value = true, value_parser = clap::value_parser!(u32).range(0..=1024), value_name = "N")]
    pub concurrency: u32,
    /// Requests at once to one BMC; default: 5
    #[arg(long, default_value_t = 0, hide_default_value = true, value_parser = clap::value_parser!(u32).range(0..=16), value_name = "N")]
    pub requests_per_bmc: u32,
    /// Milliseconds for a connection and for each answer; default: 10000
    #[arg(long, default_value_t = 0, hide_default_value = true, value_parser = clap::value_parser!(u32).range(0..=120_000), value_name = "MS")]
    pub timeout_ms: u32,
    /// Seconds for one BMC in all; default: 120
    #[arg(long, default_value_t = 0, hide_default_value = true, value_parser = clap::value_parser!(u32).range(0..=3600), value_name = "SECONDS")]
    pub bmc_timeout_s: u32,
}

impl CrawlArgs {
    /// With targets that the cluster understands; addresses stay what they are.
    ///
    /// # Errors
    /// For names and groups that do not exist.
    pub(super) async fn resolved(mut self, global: &GlobalArgs) -> Result<CrawlArgs, CliError> {
        let is_address = |text: &String| text.contains(':') && text.parse::<redfish::Address>().is_ok();
        let (mut addresses, named): (Vec<String>, Vec<String>) = self.bmcs.into_iter().partition(is_address);
        addresses.extend(nodes::bmcs(global, &named).await?);
        self.bmcs = addresses;
        Ok(self)
    }
}

impl From<CrawlArgs> for Crawl {
    fn from(args: CrawlArgs) -> Self {
        Self {
            targets: args.bmcs,
            concurrency_max: args.concurrency,
            requests_per_bmc_max: args.requests_per_bmc,
            timeout_ms: args.timeout_ms,
            bmc_timeout_s: args.bmc_timeout_s,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CrawlArgs,
    }

    #[test]
    fn every_option_reaches_the_member() {
        let words = "crawl x0c0s[0-7]b0 10.1.0.7:443 --concurrency 1 --requests-per-bmc 2 --timeout-ms 3 --bmc-timeout-s 4";
        let crawl = Crawl::from(Line::try_parse_from(words.split(' ')).unwrap().args);
        assert_eq!(crawl.targets, ["x0c0s[0-7]b0", "10.1.0.7:443"]);
        assert_eq!(
            (
                crawl.concurrency_max,
                crawl.requests_per_bmc_max,
                crawl.timeout_ms,
                crawl.bmc_timeout_s
            ),
            (1, 2, 3, 4)
        );
        let all = Crawl::from(Line::try_parse_from(["crawl"]).unwrap().args);
        assert_eq!(all, Crawl::default());
    }
}
