//! `chamois doctor`: what is wrong with a cluster or this host, and what to do about it. Most checks need no majority, some no
//! member at all, and each ends in time whatever the others do.

mod around;
mod boot_files;
mod certificates;
mod clocks;
mod dhcp_servers;
mod disk;
mod dns;
mod finding;
mod host;
mod http_date;
mod inventory;
mod loaders;
mod ports;
mod presented;
mod quorum;
mod versions;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use futures::future::{BoxFuture, join_all};

pub(crate) use self::around::Around;
pub(crate) use self::finding::Report;
use self::finding::{Finding, Severity};
use crate::args::GlobalArgs;
use crate::error::{CliError, Kind};
use crate::output;

/// Longest time that one check may take; what it waits for is itself bounded by --timeout.
const CHECK_AT_MOST: Duration = Duration::from_secs(20);

/// Longest time that a check waits for one member, all of which it asks at once: less than a check may take, so that what the others
/// say is told.
const MEMBER_AT_MOST: Duration = Duration::from_secs(8);

/// `chamois doctor`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois doctor                                on a member's host, or wherever the cluster is administered from
  chamois doctor --problems                     only what is wrong
  chamois doctor -o json | jq '.findings[] | select(.severity == \"error\")'

Works when the cluster is down, too: what can be said without it is said. On a member's host it reads that member's
configuration and looks at its disk and its certificates; as root it may read all of them.
Exit code 0: nothing of severity `error`; 1: something.")]
pub struct DoctorArgs {
    /// A member's configuration, where this host has one
    #[arg(long, value_name = "FILE", default_value = "/etc/chamois/chamois.toml")]
    pub config: PathBuf,
    /// Show only warnings and errors
    #[arg(long)]
    pub problems: bool,
}

pub(crate) async fn run(global: &GlobalArgs, args: DoctorArgs) -> Result<(), CliError> {
    let report = Box::pin(examine(global, &args.config)).await;
    let shown = match args.problems {
        true => report.problems(),
        false => report.clone(),
    };
    output::object_value(global, &shown.to_value(), "doctor", || shown.render())?;
    match report.count(Severity::Error) {
        0 => Ok(()),
        errors => Err(CliError::new(Kind::Other, format!("{errors} error(s) found"))),
    }
}

/// A check: its name and what it does.
type Check = (
    &'static str,
    for<'a> fn(&'a Around) -> BoxFuture<'a, Vec<Finding>>,
);

/// In the order in which they are told: what others depend on comes first.
const CHECKS: &[Check] = &[
    ("host", |around| Box::pin(async move { around.host.findings() })),
    ("members", |around| Box::pin(async move { around.findings() })),
    ("quorum", |around| Box::pin(async move { quorum::check(around) })),
    ("versions", |around| {
        Box::pin(async move { versions::check(around) })
    }),
    ("ports", |around| Box::pin(ports::check(around))),
    ("dns", |around| Box::pin(dns::check(around))),
    ("clocks", |around| Box::pin(clocks::check(around))),
    ("certificates", |around| Box::pin(certificates::check(around))),
    ("disk", |around| Box::pin(disk::check(around))),
    ("dhcp", |around| Box::pin(dhcp_servers::check(around))),
    ("loaders", |around| {
        Box::pin(async move { loaders::check(around) })
    }),
    ("boot files", |around| Box::pin(boot_files::check(around))),
    ("inventory", |around| Box::pin(inventory::check(around))),
];

/// Does all checks at once.
pub(crate) async fn examine(global: &GlobalArgs, config: &std::path::Path) -> Report {
    let around = Around::look(global, config).await;
    let checks = CHECKS
        .iter()
        .map(|(name, check)| bounded(name, check(&around), CHECK_AT_MOST));
    Report::of(join_all(checks).await.into_iter().flatten().collect())
}

/// A check that does not end is a finding, too.
async fn bounded(name: &'static str, check: BoxFuture<'_, Vec<Finding>>, at_most: Duration) -> Vec<Finding> {
    let ended = tokio::time::timeout(at_most, check).await;
    let mut findings = ended.unwrap_or_else(|_| {
        let what = format!("no answer within {at_most:?}");
        vec![Finding::warning(
            "this check",
            what,
            "Run it again; `--timeout` bounds each question.",
        )]
    });
    for finding in &mut findings {
        finding.check = name;
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Somebody who waits for a diagnosis waits for seconds, not for ever.
    #[tokio::test]
    async fn a_check_that_hangs_is_a_finding() {
        let found = bounded(
            "ports",
            Box::pin(std::future::pending()),
            Duration::from_millis(1),
        )
        .await;
        assert_eq!((found.len(), found[0].check), (1, "ports"));
        assert_eq!(found[0].severity, Severity::Warning);
        assert!(found[0].what.contains("1ms"), "{found:?}");
    }

    #[test]
    fn each_check_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<&str> = CHECKS.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), CHECKS.len());
    }
}
