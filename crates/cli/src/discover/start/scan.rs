//! `chamois discover start scan`.

use clap::Args;
use proto::discovery::v1::bmc_service_client::BmcServiceClient;
use proto::discovery::v1::{Scan, StartScanRequest};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::job::{self, Waits};

/// `chamois discover start scan`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois discover start scan 10.1.0.0/24 --crawl --wait
  chamois discover start scan 10.1.0.10-10.1.0.99 fd00::7 --exclude 10.1.0.50 --port 443,8443

It is done by a member whose network with the role `discovery` has these addresses. `chamois bmc list` shows what was found.")]
pub struct ScanArgs {
    /// Addresses, networks (CIDR), ranges FIRST-LAST and host names
    #[arg(required = true, value_name = "WHERE")]
    pub targets: Vec<String>,
    /// Written alike: not asked
    #[arg(long = "exclude", value_delimiter = ',', value_name = "WHERE")]
    pub excludes: Vec<String>,
    /// TCP ports to ask; default: 443
    #[arg(long = "port", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=65535), value_name = "PORT")]
    pub ports: Vec<u32>,
    /// Connections at once; default: 256
    #[arg(long, default_value_t = 0, hide_default_value = true, value_parser = clap::value_parser!(u32).range(0..=4096), value_name = "N")]
    pub concurrency: u32,
    /// New connections a second; default: 1000
    #[arg(long, default_value_t = 0, hide_default_value = true, value_parser = clap::value_parser!(u32).range(0..=10_000), value_name = "N")]
    pub rate: u32,
    /// Milliseconds for a connection and for each answer; default: 3000
    #[arg(long, default_value_t = 0, hide_default_value = true, value_parser = clap::value_parser!(u32).range(0..=60_000), value_name = "MS")]
    pub timeout_ms: u32,
    /// Crawl what is found at once
    #[arg(long)]
    pub crawl: bool,
    /// Also PDUs that speak JAWS
    #[arg(long)]
    pub pdus: bool,
    /// Whether it is waited for.
    #[command(flatten)]
    pub waits: Waits,
}

pub(super) async fn run(global: &GlobalArgs, args: ScanArgs) -> Result<(), CliError> {
    let waits = args.waits;
    let mut client = BmcServiceClient::new(connect::to_any(global)?);
    let request = StartScanRequest {
        scan: Some(Scan::from(args)),
    };
    let started = client.start_scan(request).await?.into_inner();
    job::started(global, &started.job, waits).await
}

impl From<ScanArgs> for Scan {
    fn from(args: ScanArgs) -> Self {
        Self {
            targets: args.targets,
            excludes: args.excludes,
            ports: args.ports,
            concurrency_max: args.concurrency,
            rate_per_s: args.rate,
            timeout_ms: args.timeout_ms,
            then_crawl: args.crawl,
            pdus: args.pdus,
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
        args: ScanArgs,
    }

    #[test]
    fn every_option_reaches_the_member() {
        let words = "scan 10.1.0.0/24 fd00::7 --exclude 10.1.0.1,10.1.0.2 --port 443,8443 --concurrency 1 --rate 2 --timeout-ms 3 --crawl --pdus";
        let scan = Scan::from(Line::try_parse_from(words.split(' ')).unwrap().args);
        assert_eq!(
            scan,
            Scan {
                targets: vec!["10.1.0.0/24".into(), "fd00::7".into()],
                excludes: vec!["10.1.0.1".into(), "10.1.0.2".into()],
                ports: vec![443, 8443],
                concurrency_max: 1,
                rate_per_s: 2,
                timeout_ms: 3,
                then_crawl: true,
                pdus: true,
            }
        );
        assert!(Line::try_parse_from("scan 10.1.0.1 --port 0".split(' ')).is_err());
        assert!(Line::try_parse_from(["scan"]).is_err());
    }
}
