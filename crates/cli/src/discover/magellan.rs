//! `chamois discover scan`, `crawl`, `collect`, `send` and `list`: Magellan's verbs from this host, without a cluster, with its
//! options and its JSON. They have a parser of their own, because Magellan calls some options as this command line calls others.

mod cache;
mod collect;
mod crawl;
mod failures;
mod form;
mod list;
mod login;
mod naming;
mod reading;
mod scan;
mod send;
mod smd_http;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use redfish::Password;

use crate::error::{CliError, Kind};

pub(super) use login::secrets;

/// What stands behind `chamois discover`.
#[derive(Debug, Parser)]
#[command(
    name = "chamois discover",
    bin_name = "chamois discover",
    no_binary_name = true
)]
struct Line {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

/// Options that every verb of Magellan takes.
#[derive(Clone, Debug, Args)]
struct Common {
    /// File with what scans have found; default: chamois/bmcs.json below XDG_CACHE_HOME (~/.cache)
    #[arg(long, global = true, value_name = "FILE")]
    cache: Option<PathBuf>,
    /// BMCs at once; default or less than 1: 256 in a scan, 64 in a collect
    #[arg(short = 'j', long, global = true, default_value_t = -1, allow_negative_numbers = true, value_name = "N")]
    concurrency: i32,
    /// Seconds for a connection and for each answer
    #[arg(short, long, global = true, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=60), value_name = "SECONDS")]
    timeout: u32,
    /// Bearer token for the SMD. Everybody on this host can read it: better is ACCESS_TOKEN in the environment
    #[arg(
        long,
        global = true,
        env = "ACCESS_TOKEN",
        hide_env_values = true,
        value_parser = login::hidden,
        value_name = "TOKEN"
    )]
    access_token: Option<Password>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Find BMCs, and remember them in the cache
    Scan(scan::ScanArgs),
    /// Show what is in the cache
    List(list::ListArgs),
    /// Read one BMC, in the form of `collect`
    Crawl(crawl::CrawlArgs),
    /// Read all BMCs of the cache, in the form that SMD takes
    Collect(Box<collect::CollectArgs>),
    /// Send what `collect` wrote to an SMD
    Send(send::SendArgs),
}

impl Common {
    /// How many at once, or `default`.
    fn at_once(&self, default: usize) -> usize {
        usize::try_from(self.concurrency)
            .ok()
            .filter(|count| *count > 0)
            .unwrap_or(default)
    }
}

pub(super) async fn run(words: Vec<OsString>) -> Result<(), CliError> {
    let line = match Line::try_parse_from(words) {
        Ok(line) => line,
        // help, too: it is printed, and ends with 0
        Err(error) if !error.use_stderr() => return crate::output::print(error.render()),
        Err(error) => {
            let text = error.render().to_string();
            // that it is one is said by whoever prints it
            let text = text.trim_start_matches("error: ").trim_end();
            return Err(CliError::new(Kind::Usage, text));
        }
    };
    match line.verb {
        Verb::Scan(args) => scan::run(&line.common, args).await,
        Verb::List(args) => list::run(&line.common, &args),
        Verb::Crawl(args) => crawl::run(&line.common, args).await,
        Verb::Collect(args) => collect::run(&line.common, *args).await,
        Verb::Send(args) => send::run(&line.common, args).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// The lines of Magellan's own documentation.
    #[test]
    fn magellans_lines_parse() {
        Line::command().debug_assert();
        for line in [
            "scan --subnet 172.16.0.0 --subnet-mask 255.255.255.0 --port 443 --port 5000 --scheme https -F json -o found.json",
            "scan https://10.0.0.101 --insecure --include bmcs,pdus --cache assets.json -j 50 -t 3",
            "scan --subnet 10.0.0.0/24 --subnet 10.0.1.0/24 --protocol tcp --disable-cache",
            "list --cache-info",
            "list -F yaml",
            "crawl https://10.0.0.101 -i -u root -p initial0 -F json --show",
            "crawl https://10.0.0.101 -f secrets.json",
            "collect -u root -p initial0 -o nodes.json -F json --bmc-id-map @map.json",
            "collect --secrets-file secrets.json -O out -F yaml -d @found.json --protocol tcp --show-output",
            "send https://smd.example:27779 -d @nodes.json --cacert ca.pem --access-token t --force-update",
            "send http://127.0.0.1:27779 -d @nodes.yaml -f yaml",
        ] {
            if let Err(error) = Line::try_parse_from(line.split(' ')) {
                panic!("{line}: {error}");
            }
        }
    }

    #[test]
    fn every_verb_has_an_example() {
        let mut root = Line::command();
        root.build();
        for verb in root.get_subcommands().filter(|verb| verb.get_name() != "help") {
            let after = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            let example = format!("\n  chamois discover {}", verb.get_name());
            assert!(
                after.contains("Example") && after.contains(&example),
                "{}: {after}",
                verb.get_name()
            );
        }
    }

    #[tokio::test]
    async fn what_is_no_verb_is_usage_and_help_is_none() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        let error = run(words("scna")).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        let text = error.to_string();
        assert!(text.contains("scna") && !text.starts_with("error"), "{text}");
        run(words("scan --help")).await.unwrap();
    }
}
