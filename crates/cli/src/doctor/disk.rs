//! How long a disk takes to have something, and whether it is full: every write of the cluster waits for that on a majority.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::future::join;
use proto::cluster::v1::GetMetricsRequest;
use proto::cluster::v1::metrics_service_client::MetricsServiceClient;
use tokio::sync::oneshot::error::RecvError;

use super::MEMBER_AT_MOST;
use super::around::{Around, first_line};
use super::finding::Finding;
use crate::at_once;
use crate::connect::Target;
use crate::error::CliError;

/// Slower, and writes are slow.
const SLOW: Duration = Duration::from_millis(10);
/// Slower, and elections are lost: heartbeats wait behind it.
const TOO_SLOW: Duration = Duration::from_millis(200);
/// Bytes of one write of the trial: a page, as a batch of the log begins with.
const TRIAL_BYTES: usize = 4096;
const TRIALS: usize = 20;
/// The trial ends after that many trials or so long.
const TRIAL_AT_MOST: Duration = Duration::from_secs(5);
/// A disk that has not done it by then hangs; a check may take longer.
const LOOKED_AT_FOR: Duration = Duration::from_secs(12);
/// Per cent of a disk that should be free.
const FREE_PERCENT_MIN: u64 = 10;
const FREE_PERCENT_BROKEN: u64 = 2;
/// What a member says of its own log.
const SYNC_SECONDS: &str = "chamois_disk_wal_fsync_duration_seconds";

/// This host's own disk first: it is told whatever the members do.
pub(super) async fn check(around: &Around) -> Vec<Finding> {
    let dir = around.host.config().and_then(|config| config.data_dir.clone());
    let (mut found, of_members) = join(of_this_host(dir), of_members(around)).await;
    found.extend(of_members);
    match found.is_empty() {
        true => vec![Finding::note(
            "disks",
            "no member answers and none is here: not looked at",
        )],
        false => found,
    }
}

/// A disk that hangs holds up its own thread alone.
async fn of_this_host(dir: Option<PathBuf>) -> Vec<Finding> {
    let Some(dir) = dir else {
        return Vec::new();
    };
    let about = dir.display().to_string();
    let (tell, told) = tokio::sync::oneshot::channel();
    // no worker of the runtime, which would wait for it at the end
    std::thread::spawn(move || tell.send(on_this_host(&dir)));
    told_in_time(&about, told, LOOKED_AT_FOR).await
}

async fn told_in_time(
    about: &str,
    told: impl Future<Output = Result<Vec<Finding>, RecvError>>,
    at_most: Duration,
) -> Vec<Finding> {
    match tokio::time::timeout(at_most, told).await {
        Ok(found) => found.unwrap_or_default(),
        Err(_) => vec![Finding::error(
            about,
            format!("a page is not on disk after {at_most:?}"),
            "The disk hangs: `dmesg`, `iostat -x`, and whatever it is attached to.",
        )],
    }
}

fn on_this_host(dir: &Path) -> Vec<Finding> {
    let about = dir.display().to_string();
    let mut found = vec![match trial(dir) {
        Ok((median, worst)) => judge(
            &about,
            median,
            &format!(
                "a page is on disk after {} (median), {} at worst",
                ms(median),
                ms(worst)
            ),
        ),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Finding::note(
            &*about,
            "may not be written by this user: run it as root to have its disk measured",
        ),
        Err(error) => Finding::error(
            &*about,
            format!("cannot be written: {error}"),
            "`data-dir` must be a folder of the member's own on a disk that works: `dmesg`, `mount`.",
        ),
    }];
    found.extend(free(dir));
    found
}

/// Median and worst of some synced writes, into a file that is gone afterwards.
fn trial(dir: &Path) -> std::io::Result<(Duration, Duration)> {
    let mut file = tempfile::tempfile_in(dir)?;
    let (page, began) = ([0x5a_u8; TRIAL_BYTES], Instant::now());
    let mut took = Vec::new();
    while took.len() < TRIALS && began.elapsed() < TRIAL_AT_MOST {
        let from = Instant::now();
        file.write_all(&page)?;
        file.sync_data()?;
        took.push(from.elapsed());
    }
    took.sort_unstable();
    let at = |index: usize| took.get(index).copied().unwrap_or_default();
    Ok((at(took.len() / 2), at(took.len().saturating_sub(1))))
}

fn free(dir: &Path) -> Option<Finding> {
    let disk = nix::sys::statvfs::statvfs(dir).ok()?;
    let percent = (disk.blocks_available() * 100).checked_div(disk.blocks())?;
    let inodes = (disk.files_available() * 100).checked_div(disk.files());
    Some(judge_free(
        &dir.display().to_string(),
        percent.min(inodes.unwrap_or(100)),
    ))
}

fn judge_free(about: &str, percent: u64) -> Finding {
    let what = format!("{percent} % of its disk is free");
    let remedy = "A member whose disk is full stops: free some of it, or give it a larger one (`chamois file list`, `[audit] size-mib-max`).";
    match percent {
        percent if percent < FREE_PERCENT_BROKEN => Finding::error(about, what, remedy),
        percent if percent < FREE_PERCENT_MIN => Finding::warning(about, what, remedy),
        _ => Finding::ok(about, what),
    }
}

async fn of_members(around: &Around) -> Vec<Finding> {
    let Ok(target) = &around.target else {
        return Vec::new();
    };
    let answering = around.answering();
    let pages = answering.iter().map(|endpoint| page(target, endpoint));
    let pages = at_once::each(MEMBER_AT_MOST, pages).await;
    told(&answering, pages)
}

async fn page(target: &Target, endpoint: &str) -> Result<String, CliError> {
    let mut client = MetricsServiceClient::new(target.connect_one(endpoint)?);
    let page = client.get_metrics(GetMetricsRequest {}).await?.into_inner();
    Ok(String::from_utf8_lossy(&page.data).into_owned())
}

/// Whatever each has answered, in their order; who has no such figures says nothing.
fn told(endpoints: &[&str], pages: Vec<Result<String, CliError>>) -> Vec<Finding> {
    let one = |(endpoint, page): (&&str, Result<String, CliError>)| match page {
        Ok(page) => by_metrics(endpoint, &page),
        Err(error) => Some(Finding::note(*endpoint, first_line(&error))),
    };
    endpoints.iter().zip(pages).filter_map(one).collect()
}

fn by_metrics(endpoint: &str, page: &str) -> Option<Finding> {
    let median = quantile(page, 0.5)?;
    let slowest = quantile(page, 0.99)?;
    let what = format!(
        "its log is on disk within {} (median), {} (99 of 100)",
        ms(median),
        ms(slowest)
    );
    Some(judge(endpoint, slowest.max(median), &what))
}

/// The upper bound of the bucket that this part of all syncs ended in; `None` without any.
fn quantile(page: &str, part: f64) -> Option<Duration> {
    let bucket = |line: &str| -> Option<(f64, f64)> {
        let rest = line.strip_prefix(SYNC_SECONDS)?.strip_prefix("_bucket{")?;
        let (labels, count) = rest.rsplit_once("} ")?;
        let bound = labels.split("le=\"").nth(1)?.split('"').next()?;
        Some((bound.parse().unwrap_or(f64::INFINITY), count.trim().parse().ok()?))
    };
    let buckets: Vec<(f64, f64)> = page.lines().filter_map(bucket).collect();
    let all = buckets.last().map(|(_, count)| *count).filter(|all| *all > 0.0)?;
    let (bound, _) = buckets.iter().find(|(_, count)| *count >= all * part)?;
    // beyond the last bound nothing is known but that it is longer
    let largest = buckets
        .iter()
        .map(|(bound, _)| *bound)
        .filter(|bound| bound.is_finite())
        .fold(0.0, f64::max);
    // no bound of ours is below 0 or longer than a clock counts; a page that says so says nothing
    Duration::try_from_secs_f64(bound.min(largest.max(0.001))).ok()
}

fn judge(about: &str, took: Duration, what: &str) -> Finding {
    let remedy = "Put `data-dir` on an SSD that nothing else keeps busy; look at `iostat -x`, and at virtual disks without a cache.";
    match took {
        took if took >= TOO_SLOW => Finding::error(about, what, remedy),
        took if took >= SLOW => Finding::warning(about, what, remedy),
        _ => Finding::ok(about, what),
    }
}

fn ms(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::super::around::with;
    use super::super::finding::Severity;
    use super::super::host::{Host, HostConfig};
    use super::*;
    use crate::error::Kind;

    #[tokio::test]
    async fn the_disk_of_this_host_is_tried_and_left_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let mut around = with(Vec::new());
        around.host = Host::Member(Box::new(HostConfig {
            data_dir: Some(dir.path().to_owned()),
            ..HostConfig::default()
        }));
        let found = check(&around).await;
        assert!(found[0].what.contains("a page is on disk after"), "{found:?}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    /// A member that hangs must not take away what the others say, nor one that hangs first.
    #[test]
    fn what_each_member_says_is_told_in_order_whoever_says_nothing() {
        let page = |bound: &str| {
            Ok(format!(
                "{SYNC_SECONDS}_bucket{{le=\"{bound}\"}} 5\n{SYNC_SECONDS}_bucket{{le=\"+Inf\"}} 5\n"
            ))
        };
        let hangs = Err(CliError::new(
            Kind::Unavailable,
            "no whole answer within 8s\nadvice",
        ));
        let found = told(
            &["a:1", "b:1", "c:1", "d:1"],
            vec![hangs, page("0.001"), Ok(String::new()), page("0.512")],
        );
        let severities: Vec<_> = found
            .iter()
            .map(|one| (one.subject.as_str(), one.severity))
            .collect();
        assert_eq!(
            severities,
            [
                ("a:1", Severity::Note),
                ("b:1", Severity::Ok),
                ("d:1", Severity::Error)
            ]
        );
        assert_eq!(found[0].what, "no whole answer within 8s");
    }

    #[tokio::test]
    async fn a_disk_that_hangs_is_an_error() {
        let found = told_in_time("/data", std::future::pending(), Duration::from_millis(1)).await;
        assert_eq!((found.len(), found[0].severity), (1, Severity::Error));
        assert_eq!(found[0].subject, "/data");
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        assert_eq!(
            on_this_host(Path::new("/nonexistent/data"))[0].severity,
            Severity::Error
        );
    }

    #[test]
    fn a_slow_disk_is_a_warning_and_one_that_loses_elections_an_error() {
        for (millis, severity) in [(1, Severity::Ok), (15, Severity::Warning), (250, Severity::Error)] {
            assert_eq!(
                judge("a", Duration::from_millis(millis), "").severity,
                severity,
                "{millis}"
            );
        }
    }

    #[test]
    fn a_disk_that_fills_up_is_told_before_it_is_full() {
        for (percent, severity) in [(50, Severity::Ok), (9, Severity::Warning), (1, Severity::Error)] {
            assert_eq!(judge_free("a", percent).severity, severity, "{percent}");
        }
    }

    /// As a member exports it: counts add up, the last bucket has no bound.
    /// A page is what somebody else has written.
    #[test]
    fn a_page_of_nonsense_is_no_panic() {
        for bound in ["-1", "1e300", "NaN", "x", ""] {
            let page = format!("{SYNC_SECONDS}_bucket{{le=\"{bound}\"}} 5\n");
            let found = quantile(&page, 0.5);
            assert!(
                found.is_none_or(|took| took <= Duration::from_millis(1)),
                "{bound}: {found:?}"
            );
        }
    }

    #[test]
    fn the_members_own_figures_are_read() {
        let page = format!(
            "# TYPE {SYNC_SECONDS} histogram\n{SYNC_SECONDS}_bucket{{le=\"0.001\"}} 60\n{SYNC_SECONDS}_bucket{{le=\"0.016\"}} 99\n\
             {SYNC_SECONDS}_bucket{{le=\"+Inf\"}} 100\n{SYNC_SECONDS}_sum 1\n{SYNC_SECONDS}_count 100\n"
        );
        assert_eq!(quantile(&page, 0.5), Some(Duration::from_millis(1)));
        assert_eq!(
            quantile(&page, 1.0),
            Some(Duration::from_millis(16)),
            "more than the last bound is not known"
        );
        let found = by_metrics("a:7441", &page).unwrap();
        assert_eq!(found.severity, Severity::Warning, "{found:?}");
        assert_eq!(by_metrics("a:7441", ""), None);
    }
}
