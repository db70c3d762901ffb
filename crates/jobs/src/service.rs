//! Jobs and what became of their targets, for people.

use std::cmp::Reverse;
use std::sync::Arc;

use proto::job::v1::job_command::{self, Change};
use proto::job::v1::job_target::State as TargetState;
use proto::job::v1::{
    CancelJobRequest, DeleteJobRequest, DeleteJobResponse, GetJobRequest, Job, JobTarget,
    ListJobTargetsRequest, ListJobTargetsResponse, ListJobsRequest, ListJobsResponse, job,
    job_service_server,
};
use raft::Store;
use rpc::{Error, page};
use state::State;
use tonic::{Request, Response, Status};

use crate::JobKind;
use crate::create::propose;

/// The states of targets, as `ListJobTargetsRequest.state` writes them.
const TARGET_STATES: [(&str, TargetState); 7] = [
    ("waiting", TargetState::Waiting),
    ("running", TargetState::Running),
    ("succeeded", TargetState::Succeeded),
    ("failed", TargetState::Failed),
    ("unknown", TargetState::Unknown),
    ("skipped", TargetState::Skipped),
    ("unsupported", TargetState::Unsupported),
];

/// Shows jobs, cancels and forgets them. The rest of what happens to them is their work.
#[derive(Clone, Debug)]
pub struct JobService {
    store: Store,
}

impl JobService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> JobService {
        JobService { store }
    }
}

#[tonic::async_trait]
impl job_service_server::JobService for JobService {
    #[tracing::instrument(level = "debug", name = "jobs.list", skip_all)]
    async fn list_jobs(
        &self,
        request: Request<ListJobsRequest>,
    ) -> Result<Response<ListJobsResponse>, Status> {
        let mut request = request.into_inner();
        let asked = page::Asked::take(&mut request.page_size, &mut request.page_token);
        let kind = kind_of(&request.kind)?;
        let state = self.store.state();
        let page = asked.of::<u64, _>(&request, state.cluster_id())?;
        let before = page.after().copied().unwrap_or(u64::MAX);
        let wanted = newest_first(&state).into_iter().filter(|(created, _, job)| {
            *created < before
                && kind.is_none_or(|kind| JobKind::of(job) == Some(kind))
                && (!request.active || is_active(job))
        });
        let (jobs, next_page_token) = page.cut(wanted, |(_, key, _)| key.as_str(), |(_, _, job)| shown(&job));
        Ok(Response::new(ListJobsResponse {
            jobs,
            next_page_token,
        }))
    }

    #[tracing::instrument(level = "debug", name = "jobs.get", skip_all, fields(id = ?request.get_ref().id))]
    async fn get_job(&self, request: Request<GetJobRequest>) -> Result<Response<Job>, Status> {
        let job = job_of(&self.store.state(), &request.get_ref().id)?;
        Ok(Response::new(shown(&job)))
    }

    #[tracing::instrument(level = "debug", name = "jobs.list_targets", skip_all, fields(id = ?request.get_ref().id))]
    async fn list_job_targets(
        &self,
        request: Request<ListJobTargetsRequest>,
    ) -> Result<Response<ListJobTargetsResponse>, Status> {
        let mut request = request.into_inner();
        let asked = page::Asked::take(&mut request.page_size, &mut request.page_token);
        let states = request.state.iter().map(|text| target_state(text));
        let states: Vec<TargetState> = states.collect::<Result<_, _>>()?;
        let state = self.store.state();
        let job = job_of(&state, &request.id)?;
        let page = asked.of::<u32, _>(&request, state.cluster_id())?;
        let wanted = state.jobs.targets(&job.id).filter(|target| {
            page.after().is_none_or(|after| target.place > *after)
                && (states.is_empty() || states.contains(&target.state()))
        });
        let wanted = wanted.map(|target| (target.place.to_string(), target));
        let (targets, next_page_token) = page.cut(
            wanted,
            |(place, _)| place.as_str(),
            |(_, target)| JobTarget::clone(target),
        );
        Ok(Response::new(ListJobTargetsResponse {
            targets,
            next_page_token,
        }))
    }

    #[tracing::instrument(name = "jobs.cancel", skip_all, fields(id = ?request.get_ref().id))]
    async fn cancel_job(&self, request: Request<CancelJobRequest>) -> Result<Response<Job>, Status> {
        let author = rpc::author(&request);
        let CancelJobRequest { id } = request.into_inner();
        let cancel = job_command::CancelJob { id: id.clone() };
        propose(&self.store, &author, Change::CancelJob(cancel)).await?;
        let job = job_of(&self.store.state_after(&author), &id)?;
        Ok(Response::new(shown(&job)))
    }

    #[tracing::instrument(name = "jobs.delete", skip_all, fields(id = ?request.get_ref().id))]
    async fn delete_job(
        &self,
        request: Request<DeleteJobRequest>,
    ) -> Result<Response<DeleteJobResponse>, Status> {
        let author = rpc::author(&request);
        let ids = vec![request.into_inner().id];
        let delete = Change::DeleteJobs(job_command::DeleteJobs { ids });
        propose(&self.store, &author, delete).await?;
        Ok(Response::new(DeleteJobResponse {}))
    }
}

/// Without what proves who asked for it, as watches show it: token, session and certificate are nobody else's business.
fn shown(job: &Job) -> Job {
    Job {
        grant: None,
        ..job.clone()
    }
}

/// Jobs with the revisions at which they were created, also as the keys of pages.
fn newest_first(state: &State) -> Vec<(u64, String, Arc<Job>)> {
    let keyed = |job: &Arc<Job>| {
        let created = created_revision(job);
        (created, created.to_string(), Arc::clone(job))
    };
    let mut jobs: Vec<_> = state.jobs.iter().map(keyed).collect();
    jobs.sort_by_key(|(created, ..)| Reverse(*created));
    jobs
}

/// No two jobs have the same: one entry of the log creates one.
fn created_revision(job: &Job) -> u64 {
    let created = job.meta.as_ref().and_then(|meta| meta.created.as_ref());
    created.map_or(0, |created| created.revision)
}

fn is_active(job: &Job) -> bool {
    matches!(
        job.state(),
        job::State::Waiting | job::State::Running | job::State::Cancelling
    )
}

fn kind_of(text: &str) -> Result<Option<JobKind>, Error> {
    match text {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|problem: String| rpc::invalid("kind", problem)),
    }
}

fn target_state(text: &str) -> Result<TargetState, Error> {
    let found = TARGET_STATES.iter().find(|(name, _)| *name == text);
    found.map(|(_, state)| *state).ok_or_else(|| {
        let accepted = TARGET_STATES.map(|(name, _)| name).join(", ");
        let problem = format!("`{}` is no state; write {accepted}", text.escape_debug());
        rpc::invalid("state", problem)
    })
}

fn job_of(state: &State, id: &str) -> Result<Arc<Job>, Error> {
    state.jobs.get(id).cloned().ok_or_else(|| Error::NotFound {
        kind: "job".to_owned(),
        id: id.escape_debug().to_string(),
    })
}
