//! Asking for work.

use proto::job::v1::job_command::{Change, CreateJob};
use proto::job::v1::{Job, JobCommand, job};
use proto::raft::v1::entry::Command;
use raft::{Committed, Store};
use rpc::{Author, Error};

/// Creates a job with these targets, none of them twice; gives its id. Whoever reaches them begins as soon as it sees it.
///
/// # Errors
/// Those of [`Store::propose_by`]; `Invalid` for no target (but of a scan), or too many.
pub async fn create(
    store: &Store,
    author: &Author,
    work: job::Work,
    targets: Vec<String>,
) -> Result<String, Error> {
    let job = Job {
        work: Some(work),
        principal: author.principal().to_owned(),
        grant: author.grant().cloned(),
        ..Job::default()
    };
    let create = CreateJob {
        job: Some(job),
        targets,
    };
    let committed = propose(store, author, Change::CreateJob(create)).await?;
    Ok(committed.applied.value)
}

/// Proposes a change of jobs.
pub(crate) async fn propose(store: &Store, author: &Author, change: Change) -> Result<Committed, Error> {
    let command = JobCommand { change: Some(change) };
    store.propose_by(author, Command::Job(command)).await
}
