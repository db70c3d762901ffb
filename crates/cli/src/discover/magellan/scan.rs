//! `chamois discover scan`.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::SystemTime;

use clap::{Args, ValueEnum};
use discovery::Found;
use discovery::magellan::{RemoteAsset, write_assets};
use discovery::scan::{ScanPlan, Step};
use indicatif::{ProgressBar, ProgressStyle};
use proto::discovery::v1::Scan;
use redfish::Connector;

use super::cache::{self, Row};
use super::form::{self, Form};
use super::{Common, reading};
use crate::error::{CliError, Kind};
use crate::job::names_of;
use crate::utc;

/// Places asked at once.
const AT_ONCE: usize = 256;

/// `chamois discover scan`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois discover scan --subnet 10.1.0.0/24
  chamois discover scan --subnet 10.1.0.0 --subnet-mask 255.255.255.0 --exclude 10.1.0.1 --port 443 --port 8443
  chamois discover scan https://10.1.0.7 10.1.1.10-10.1.1.99 -F json -o found.json")]
pub(super) struct ScanArgs {
    /// URLs, addresses, networks (CIDR), ranges FIRST-LAST and host names
    #[arg(value_name = "WHERE", required_unless_present = "subnet")]
    urls: Vec<String>,
    /// A network, with its prefix or the --subnet-mask; may be given again
    #[arg(long, value_name = "CIDR|ADDRESS")]
    subnet: Vec<String>,
    /// Mask of each --subnet without a prefix
    #[arg(long, default_value = "255.255.255.0", value_name = "MASK")]
    subnet_mask: Ipv4Addr,
    /// Not asked: written as what is asked
    #[arg(long, value_delimiter = ',', value_name = "WHERE")]
    exclude: Vec<String>,
    /// TCP ports; default: 443
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=65535), value_name = "PORT")]
    port: Vec<u32>,
    /// How is asked; http only at URLs that say so
    #[arg(long, default_value = "https", value_parser = ["https"])]
    scheme: String,
    /// What is dialled
    #[arg(long, default_value = "tcp", value_parser = ["tcp"])]
    protocol: String,
    /// Accepted, and always so: a scan sends nothing secret and believes no certificate
    #[arg(short, long)]
    insecure: bool,
    /// What is looked for
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Include::Bmcs])]
    include: Vec<Include>,
    /// Do not remember what is found
    #[arg(long)]
    disable_cache: bool,
    /// Form of what is printed
    #[arg(short = 'F', long, value_enum, default_value_t = Form::List)]
    format: Form,
    /// File for it instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Include {
    /// What speaks Redfish
    Bmcs,
    /// What speaks JAWS
    Pdus,
}

pub(super) async fn run(common: &Common, args: ScanArgs) -> Result<(), CliError> {
    let (scheme, protocol) = (&args.scheme, &args.protocol);
    tracing::debug!(scheme, protocol, insecure = args.insecure, "a scan begins");
    let plan = ScanPlan::of(&request(common, &args)?);
    let plan = plan.map_err(|invalid| CliError::new(Kind::Usage, invalid.to_string()))?;
    let cache = match args.disable_cache {
        true => None,
        false => Some(cache::path(common.cache.as_deref())?),
    };
    let wants_bmcs = args.include.contains(&Include::Bmcs);
    let mut found = search(&plan).await;
    found.retain(|one| wants_bmcs || one.service != "redfish");
    found.sort_by(|a, b| a.address.cmp(&b.address));
    let at = utc::timestamp(utc::unix_ms(SystemTime::now()));
    let rows: Vec<Row> = found.iter().map(|one| row(one, &at)).collect();
    let assets: Vec<RemoteAsset> = rows.iter().map(|row| row.asset.clone()).collect();
    if let Some(path) = cache {
        tell_changed(&cache::add(&path, rows)?);
    }
    form::write(args.output.as_deref(), &shown(&assets, args.format))
}

/// To standard error: from now on the new keys are believed, so this is the moment to look.
fn tell_changed(places: &[String]) {
    if let Some(text) = changed(places) {
        let _ = writeln!(std::io::stderr(), "{text}"); // nobody reads it: nothing to be done
    }
}

fn changed(places: &[String]) -> Option<String> {
    let names: Vec<&str> = places.iter().map(String::as_str).collect();
    (!names.is_empty()).then(|| {
        format!(
            "{} BMCs show another key than in an earlier scan, which is believed now: {}\nIf they were neither replaced nor renewed, \
             somebody is in between: send them no password.",
            names.len(),
            names_of(&names)
        )
    })
}

async fn search(plan: &ScanPlan) -> Vec<Found> {
    let bar = ProgressBar::new(plan.len());
    let style = ProgressStyle::with_template("{elapsed_precise} {bar:32} {pos}/{len} asked  {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut found = Vec::new();
    let mut sink = |step: Step| match step {
        Step::Found(one) => {
            found.push(one);
            bar.set_message(format!("{} found", found.len()));
        }
        Step::Asked(below) => bar.set_position(below),
    };
    discovery::scan::scan(&Connector::system(reading::REQUESTS_MAX), plan, 0, &mut sink).await;
    bar.finish_and_clear();
    found
}

fn row(found: &Found, at: &str) -> Row {
    Row {
        asset: RemoteAsset::of(found, at),
        key_sha256: found.key_sha256.clone(),
    }
}

pub(super) fn shown(assets: &[RemoteAsset], form: Form) -> String {
    match form {
        Form::List => assets.iter().map(|asset| asset.line() + "\n").collect(),
        Form::Json | Form::Yaml => write_assets(assets, form.format()),
    }
}

/// # Errors
/// `Usage` for a mask that is none.
fn request(common: &Common, args: &ScanArgs) -> Result<Scan, CliError> {
    let prefix = prefix_of(args.subnet_mask).ok_or_else(|| {
        CliError::new(
            Kind::Usage,
            format!("--subnet-mask {} is no mask", args.subnet_mask),
        )
        .with_remedy("Write e.g. 255.255.255.0, or the prefix in --subnet: 10.1.0.0/24.")
    })?;
    let subnet = |subnet: &String| match subnet.parse::<Ipv4Addr>() {
        Ok(address) => format!("{}/{prefix}", network_of(address, prefix)),
        Err(_) => subnet.clone(),
    };
    let targets = args.urls.iter().cloned().chain(args.subnet.iter().map(subnet));
    Ok(Scan {
        targets: targets.collect(),
        excludes: args.exclude.clone(),
        ports: args.port.clone(),
        concurrency_max: u32::try_from(common.at_once(AT_ONCE)).unwrap_or(u32::MAX),
        timeout_ms: common.timeout * 1000,
        pdus: args.include.contains(&Include::Pdus),
        ..Scan::default()
    })
}

/// 24 for 255.255.255.0.
fn prefix_of(mask: Ipv4Addr) -> Option<u32> {
    let bits = mask.to_bits();
    (bits.leading_ones() + bits.trailing_zeros() == u32::BITS).then(|| bits.leading_ones())
}

fn network_of(address: Ipv4Addr, prefix: u32) -> Ipv4Addr {
    let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
    Ipv4Addr::from_bits(address.to_bits() & mask)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::{Line, Verb};
    use super::*;

    fn asked(words: &str) -> Result<Scan, CliError> {
        let line = Line::try_parse_from(words.split(' ')).unwrap();
        match line.verb {
            Verb::Scan(args) => request(&line.common, &args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn changed_keys_are_told_and_folded() {
        assert_eq!(changed(&[]), None);
        let places = [
            "https://10.0.0.1:443".to_owned(),
            "https://10.0.0.2:443".to_owned(),
        ];
        let text = changed(&places).unwrap();
        assert!(text.starts_with("2 BMCs show another key"), "{text}");
        assert!(text.contains("https://10.0.0.[1-2]:443"), "{text}");
    }

    #[test]
    fn magellans_options_say_where_is_asked() {
        let scan = asked("scan https://10.0.0.7 --subnet 172.16.3.9 --subnet-mask 255.255.0.0 --subnet 10.1.0.0/24 -j 50 -t 3").unwrap();
        assert_eq!(scan.targets, ["https://10.0.0.7", "172.16.0.0/16", "10.1.0.0/24"]);
        assert_eq!(
            (scan.concurrency_max, scan.timeout_ms, scan.pdus),
            (50, 3000, false)
        );
        let scan =
            asked("scan --subnet 10.0.0.0 --include bmcs,pdus --port 443,5000 --exclude 10.0.0.1").unwrap();
        assert_eq!((scan.concurrency_max, scan.pdus), (256, true));
        assert_eq!(
            (scan.ports, scan.excludes),
            (vec![443, 5000], vec!["10.0.0.1".to_owned()])
        );
    }

    #[test]
    fn a_mask_is_ones_and_then_zeros() {
        for (mask, prefix) in [
            ("255.255.255.0", Some(24)),
            ("255.255.255.255", Some(32)),
            ("255.255.240.0", Some(20)),
            ("0.0.0.0", Some(0)),
            ("255.0.255.0", None),
            ("0.0.0.255", None),
        ] {
            assert_eq!(prefix_of(mask.parse().unwrap()), prefix, "{mask}");
        }
        let error = asked("scan --subnet 10.0.0.0 --subnet-mask 255.0.255.0").unwrap_err();
        assert!(error.to_string().contains("255.0.255.0"), "{error}");
    }

    #[test]
    fn what_is_found_is_a_line_or_magellans_json() {
        let asset = super::super::cache::tests::row("https://10.0.0.1", 443, "").asset;
        let lines = shown(std::slice::from_ref(&asset), Form::List);
        assert!(
            lines.starts_with("https://10.0.0.1 tcp 2025-11-25") && lines.ends_with('\n'),
            "{lines}"
        );
        let json: serde_json::Value = serde_json::from_str(&shown(&[asset], Form::Json)).unwrap();
        assert_eq!(json[0]["port"], 443);
    }
}
