//! What is said of a job that was begun, that runs, and that is over.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use proto::job::v1::job::State;
use proto::job::v1::job_service_client::JobServiceClient;
use proto::job::v1::{GetJobRequest, Job, JobTarget, ListJobTargetsRequest};
use rpc::client::ExactlyOnce;
use serde_json::{Value, json};
use tonic::Status;

use super::words;
use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::{CliError, Kind};
use crate::fold::fold;
use crate::output;

/// How often a job that is followed is asked for.
const PAUSE: Duration = Duration::from_millis(500);
/// After so many looks at a job that no member has taken it is said why that may be.
const LOOKS_UNTAKEN: u32 = 20;
/// Targets of one page.
const PAGE_SIZE: u32 = 5_000;
/// Lines of failures that people are shown; all are in the JSON.
const LINES_MAX: usize = 40;
/// Folded names of one line.
const NAMES_MAX: usize = 8;
/// Said once of a job that waits for a member.
const UNTAKEN: &str = "no member has taken the job yet: it waits for one that reaches these BMCs, that is, whose configuration has a \
                       network with the role `discovery` and their addresses in its `bmc-subnets`";

/// Whether a command that begins a job waits for it.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Waits {
    /// Follow the job with a progress bar until it is over; exit code 7 if any of its targets failed
    #[arg(long)]
    pub wait: bool,
}

type Client = JobServiceClient<ExactlyOnce>;

pub(super) fn client(global: &GlobalArgs) -> Result<Client, CliError> {
    let client = JobServiceClient::new(connect::to_any(global)?);
    Ok(client.max_decoding_message_size(ANSWER_BYTES_MAX))
}

/// Tells of the job `id` that was just begun; with `waits`, of its end.
///
/// # Errors
/// `Partly` if it is waited for and did not succeed.
pub(crate) async fn started(global: &GlobalArgs, id: &str, waits: Waits) -> Result<(), CliError> {
    if waits.wait {
        return until_over(global, id).await;
    }
    output::done_value(global, &json!({ "job": id }), || {
        format!("job {id} was begun; `chamois job wait {id}` follows it")
    })
}

/// Follows the job `id` and tells of its end.
///
/// # Errors
/// `Partly` if it did not succeed.
pub(crate) async fn until_over(global: &GlobalArgs, id: &str) -> Result<(), CliError> {
    let mut client = client(global)?;
    let job = follow(&mut client, id).await?;
    let failures = match job.state() {
        State::Succeeded => Vec::new(),
        _ => targets(&mut client, id, &["failed", "unknown", "unsupported", "skipped"]).await?,
    };
    output::done_value(global, &as_json(&job, &failures)?, || as_text(&job, &failures))?;
    judge(&job, &failures)
}

/// A job that was cancelled did not do what was asked, either.
fn judge(job: &Job, failures: &[JobTarget]) -> Result<(), CliError> {
    if job.state() == State::Succeeded {
        return Ok(());
    }
    let mut text = format!(
        "{} {}: {}",
        words::kind(job),
        words::state(job),
        words::counts(job)
    );
    let names: Vec<&str> = failures.iter().map(|target| target.target.as_str()).collect();
    if !names.is_empty() {
        text = format!("{text}: {}", names_of(&names));
    }
    let remedy = format!("`chamois job show {}` shows every target.", job.id);
    Err(CliError::new(Kind::Partly, text).with_remedy(remedy))
}

async fn follow(client: &mut Client, id: &str) -> Result<Job, CliError> {
    let request = GetJobRequest { id: id.to_owned() };
    let mut job = client.get_job(request.clone()).await?.into_inner();
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{elapsed_precise} {bar:32} {pos}/{len}  {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut untaken = 0;
    while !words::is_over(&job) {
        untaken = if job.state() == State::Waiting {
            untaken + 1
        } else {
            0
        };
        if untaken == LOOKS_UNTAKEN {
            bar.suspend(|| {
                let _ = writeln!(std::io::stderr(), "{UNTAKEN}"); // nobody reads it: nothing to be done
            });
        }
        let counts = job.counts.unwrap_or_default();
        bar.set_length(counts.total.into());
        bar.set_position(
            counts
                .total
                .saturating_sub(counts.waiting + counts.running)
                .into(),
        );
        bar.set_message(format!("{}: {}", words::state(&job), words::counts(&job)));
        tokio::time::sleep(PAUSE).await;
        let answer = client.get_job(request.clone()).await;
        job = answer.map_err(|status| lost_sight(status, id))?.into_inner();
    }
    bar.finish_and_clear();
    Ok(job)
}

/// Whoever waits must not take that for the end of the job.
fn lost_sight(status: Status, id: &str) -> CliError {
    let error = CliError::from(status);
    CliError::new(error.kind(), error.to_string()).with_remedy(format!(
        "The job goes on without this command; `chamois job wait {id}` follows it again."
    ))
}

/// All targets of a job in these states, or in any.
pub(super) async fn targets(
    client: &mut Client,
    id: &str,
    states: &[&str],
) -> Result<Vec<JobTarget>, CliError> {
    let mut request = ListJobTargetsRequest {
        id: id.to_owned(),
        state: states.iter().map(|state| (*state).to_owned()).collect(),
        page_size: PAGE_SIZE,
        page_token: String::new(),
    };
    let mut all = Vec::new();
    loop {
        let page = client.list_job_targets(request.clone()).await?.into_inner();
        all.extend(page.targets);
        if page.next_page_token.is_empty() {
            return Ok(all);
        }
        request.page_token = page.next_page_token;
    }
}

pub(super) fn as_json(job: &Job, targets: &[JobTarget]) -> Result<Value, CliError> {
    let targets: Result<Vec<Value>, CliError> = targets
        .iter()
        .map(|target| output::to_value("chamois.job.v1.JobTarget", target))
        .collect();
    Ok(json!({ "job": output::to_value("chamois.job.v1.Job", job)?, "targets": targets? }))
}

pub(super) fn as_text(job: &Job, targets: &[JobTarget]) -> String {
    let mut text = format!(
        "{} {}: {}",
        words::kind(job),
        words::state(job),
        words::counts(job)
    );
    if !job.reason.is_empty() {
        text.push_str(&format!("\n{}", job.reason));
    }
    let lines = folded(targets);
    for line in lines.iter().take(LINES_MAX) {
        text.push_str(&format!("\n  {line}"));
    }
    let more = lines.len().saturating_sub(LINES_MAX);
    if more > 0 {
        text.push_str(&format!("\n  and {more} lines more; all are in -o json"));
    }
    text
}

/// One line for all targets that became the same for the same reason, with what to do.
fn folded(targets: &[JobTarget]) -> Vec<String> {
    let mut alike: BTreeMap<(&str, &str, &str), Vec<&str>> = BTreeMap::new();
    for target in targets {
        let key = (
            words::target_state(target),
            target.reason.as_str(),
            target.remedy.as_str(),
        );
        alike.entry(key).or_default().push(&target.target);
    }
    let line = |((state, reason, remedy), names): ((&str, &str, &str), Vec<&str>)| {
        let mut line = format!("{}: {state}", names_of(&names));
        if !reason.is_empty() {
            line.push_str(&format!(": {reason}"));
        }
        if !remedy.is_empty() {
            line.push_str(&format!("\n    {remedy}"));
        }
        line
    };
    alike.into_iter().map(line).collect()
}

/// `x0c0s[0-7]b0 and 3 others`.
pub(crate) fn names_of(names: &[&str]) -> String {
    let folded = fold(names.iter().copied());
    let shown = folded
        .iter()
        .take(NAMES_MAX)
        .cloned()
        .collect::<Vec<_>>()
        .join(",");
    match folded.len().saturating_sub(NAMES_MAX) {
        0 => shown,
        more => format!("{shown} and {more} others"),
    }
}

#[cfg(test)]
mod tests {
    use proto::job::v1::JobCounts;
    use proto::job::v1::job_target::State as TargetState;

    use super::*;

    fn job(state: State) -> Job {
        Job {
            id: "j-1".into(),
            work: Some(proto::job::v1::job::Work::Crawl(
                proto::discovery::v1::Crawl::default(),
            )),
            state: state.into(),
            counts: Some(JobCounts {
                total: 4,
                succeeded: 1,
                failed: 3,
                ..JobCounts::default()
            }),
            ..Job::default()
        }
    }

    fn failed(target: &str, reason: &str, remedy: &str) -> JobTarget {
        JobTarget {
            target: target.into(),
            state: TargetState::Failed.into(),
            reason: reason.into(),
            remedy: remedy.into(),
            ..JobTarget::default()
        }
    }

    /// Two hundred BMCs without power are one line, and the one with a wrong password is not lost among them.
    #[test]
    fn failures_are_folded_by_their_reason() {
        let targets = [
            failed("x0c0s0b0", "no answer", "check its power"),
            failed("x0c0s2b0", "refused", "set the password"),
            failed("x0c0s1b0", "no answer", "check its power"),
        ];
        assert_eq!(
            as_text(&job(State::Failed), &targets),
            "crawl failed: 1 succeeded, 3 failed of 4\n  \
             x0c0s[0-1]b0: failed: no answer\n    check its power\n  \
             x0c0s2b0: failed: refused\n    set the password"
        );
    }

    #[test]
    fn what_people_are_shown_is_bounded() {
        let targets: Vec<JobTarget> = (0..60)
            .map(|n| failed(&format!("x0c0s{n}b0"), &format!("reason {n}"), ""))
            .collect();
        let text = as_text(&job(State::Failed), &targets);
        assert!(text.ends_with("and 20 lines more; all are in -o json"), "{text}");
        let names: Vec<String> = (0..20).map(|n| format!("{}0", "ab".repeat(n + 1))).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert!(
            names_of(&names).ends_with("and 12 others"),
            "{}",
            names_of(&names)
        );
    }

    #[test]
    fn only_success_ends_with_0() {
        judge(&job(State::Succeeded), &[]).unwrap();
        for state in [State::Failed, State::Cancelled] {
            let failed = |name: &str| JobTarget {
                target: name.into(),
                ..JobTarget::default()
            };
            let failures = [failed("x0c0s0b0n0"), failed("x0c0s1b0n0")];
            let error = judge(&job(state), &failures).unwrap_err();
            assert!(error.to_string().contains("x0c0s[0-1]b0n0"), "{error}");
            assert_eq!(error.exit_code(), 7);
            assert!(error.to_string().contains("chamois job show j-1"), "{error}");
        }
    }

    #[test]
    fn a_job_that_is_lost_sight_of_goes_on() {
        let error = lost_sight(Status::unavailable("no majority"), "j-1");
        assert_eq!(error.kind(), Kind::Unavailable);
        let text = error.to_string();
        assert!(
            text.contains("no majority") && text.contains("chamois job wait j-1"),
            "{text}"
        );
    }

    #[test]
    fn programs_get_the_job_and_each_target() {
        let value = as_json(&job(State::Failed), &[failed("x0c0s0b0", "no answer", "")]).unwrap();
        assert_eq!(value["job"]["id"], "j-1");
        assert_eq!(value["targets"][0]["target"], "x0c0s0b0");
        assert_eq!(value["targets"][0]["reason"], "no answer");
    }
}
