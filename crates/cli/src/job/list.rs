//! `chamois job list`.

use clap::{Args, ValueEnum};
use proto::job::v1::job_service_client::JobServiceClient;
use proto::job::v1::{Job, ListJobsRequest, ListJobsResponse};
use proto::watch::v1::object::Kind;
use rpc::client::ExactlyOnce;

use super::{told, words};
use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output::{self, Changes, Shape, WatchArg, column, wide};
use crate::utc;

/// Jobs that a member sends at once; it keeps hardly more.
const PAGE_SIZE: u32 = 1_000;

/// `chamois job list`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois job list
  chamois job list --active --kind power-transition")]
pub struct ListArgs {
    /// Only those that do this
    #[arg(long, value_enum)]
    pub kind: Option<KindArg>,
    /// Only those that are not over
    #[arg(long)]
    pub active: bool,
    /// Whether to go on.
    #[command(flatten)]
    pub watch: WatchArg,
}

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)] // the names say it
pub enum KindArg {
    Scan,
    Crawl,
    CredentialRotation,
    PowerTransition,
    FirmwareUpdate,
}

impl KindArg {
    fn wire(self) -> &'static str {
        match self {
            KindArg::Scan => "scan",
            KindArg::Crawl => "crawl",
            KindArg::CredentialRotation => "credential_rotation",
            KindArg::PowerTransition => "power_transition",
            KindArg::FirmwareUpdate => "firmware_update",
        }
    }
}

pub(super) async fn run(global: &GlobalArgs, args: ListArgs) -> Result<(), CliError> {
    let mut client = told::client(global)?;
    let request = ListJobsRequest {
        kind: args.kind.map(KindArg::wire).unwrap_or_default().to_owned(),
        active: args.active,
        page_size: PAGE_SIZE,
        page_token: String::new(),
    };
    if args.watch.watch {
        let fetch = async || Ok(all(&mut client, request.clone()).await?.jobs);
        return output::follow(global, Changes::Of(&[Kind::Job]), &JOBS, fetch).await;
    }
    let all = all(&mut client, request).await?;
    output::list(
        global,
        ("chamois.job.v1.ListJobsResponse", &all),
        &all.jobs,
        &JOBS,
    )
}

/// Page after page.
async fn all(
    client: &mut JobServiceClient<ExactlyOnce>,
    mut request: ListJobsRequest,
) -> Result<ListJobsResponse, CliError> {
    let mut all = ListJobsResponse::default();
    loop {
        let page = client.list_jobs(request.clone()).await?.into_inner();
        all.jobs.extend(page.jobs);
        if page.next_page_token.is_empty() {
            return Ok(all);
        }
        request.page_token = page.next_page_token;
    }
}

/// A row per job.
const JOBS: Shape<Job> = Shape {
    message: "chamois.job.v1.Job",
    key: |job| job.id.clone(),
    columns: &[
        column("ID", |job| job.id.clone()),
        column("KIND", |job| words::kind(job).to_owned()),
        column("STATE", |job| words::state(job).to_owned()),
        column("TARGETS", words::counts),
        wide("BY", |job| job.principal.clone()),
        column("STARTED", |job| match job.started_at_ms {
            0 => String::new(),
            at_ms => utc::timestamp(at_ms),
        }),
        column("REASON", |job| job.reason.clone()),
    ],
};

#[cfg(test)]
mod tests {
    use proto::discovery::v1::Scan;
    use proto::job::v1::job::{State, Work};

    use super::*;

    #[test]
    fn a_job_is_a_row_that_says_whose_it_is() {
        let job = Job {
            id: "j-1".into(),
            work: Some(Work::Scan(Scan::default())),
            state: State::Cancelling.into(),
            principal: "user/ada".into(),
            reason: "it was cancelled".into(),
            ..Job::default()
        };
        let text = output::plain(&[job], &JOBS);
        for part in [
            "j-1",
            "scan",
            "cancelling",
            "no targets",
            "user/ada",
            "it was cancelled",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    /// What is shown can be typed, and is what the API calls it, in the form of the command line.
    #[test]
    fn kinds_are_called_as_they_are_shown() {
        for kind in KindArg::value_variants() {
            let name = kind.to_possible_value().unwrap();
            assert_eq!(name.get_name(), kind.wire().replace('_', "-"));
        }
    }
}
