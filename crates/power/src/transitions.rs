//! PCS's transitions, which are jobs of the cluster.

use std::sync::Arc;

use bmcs::Bmcs;
use proto::job::v1::job_command::{CancelJob, Change};
use proto::job::v1::{Job, JobCommand, job};
use proto::power::v1::{
    AbortTransitionRequest, AbortTransitionResponse, GetTransitionRequest, ListTransitionsRequest,
    ListTransitionsResponse, StartTransitionRequest, StartTransitionResponse, Transition,
    transition_service_server,
};
use proto::raft::v1::entry::Command;
use rpc::Error;
use state::State;
use tonic::{Request, Response, Status};

use crate::targets::created_at;
use crate::transition::{asked, task, transition};
use crate::{operation, start};

/// As PCS answers an abort.
const ABORTING: &str = "Accepted - abort initiated";

/// Begins, shows and aborts transitions.
#[derive(Clone)]
pub struct TransitionService {
    bmcs: Bmcs,
}

impl TransitionService {
    /// A service whose transitions are jobs of the store of `bmcs`.
    #[must_use]
    pub fn new(bmcs: Bmcs) -> TransitionService {
        TransitionService { bmcs }
    }
}

#[tonic::async_trait]
impl transition_service_server::TransitionService for TransitionService {
    #[tracing::instrument(name = "power.start_transition", skip_all, fields(operation = ?request.get_ref().operation))]
    async fn start_transition(
        &self,
        request: Request<StartTransitionRequest>,
    ) -> Result<Response<StartTransitionResponse>, Status> {
        let author = rpc::author(&request);
        let (asked, targets) = start::transition(&self.bmcs, &author, request.get_ref())?;
        let operation = operation::name(asked.operation()).to_owned();
        let work = job::Work::PowerTransition(asked);
        let transition_id = jobs::create(self.bmcs.store(), &author, work, targets).await?;
        Ok(Response::new(StartTransitionResponse {
            transition_id,
            operation,
        }))
    }

    #[tracing::instrument(level = "debug", name = "power.list_transitions", skip_all)]
    async fn list_transitions(
        &self,
        _: Request<ListTransitionsRequest>,
    ) -> Result<Response<ListTransitionsResponse>, Status> {
        let state = self.bmcs.store().state();
        let mut jobs: Vec<&Arc<Job>> = state.jobs.iter().filter(|job| asked(job).is_some()).collect();
        jobs.sort_by_key(|job| std::cmp::Reverse(created_at(job)));
        let transitions = jobs.into_iter().filter_map(|job| shown(&state, job)).collect();
        Ok(Response::new(ListTransitionsResponse { transitions }))
    }

    #[tracing::instrument(level = "debug", name = "power.get_transition", skip_all)]
    async fn get_transition(
        &self,
        request: Request<GetTransitionRequest>,
    ) -> Result<Response<Transition>, Status> {
        let state = self.bmcs.store().state();
        let job = known(&state, &request.get_ref().transition_id)?;
        let mut transition = shown(&state, &job).ok_or_else(|| not_found(&job.id))?;
        transition.tasks = state.jobs.targets(&job.id).map(|target| task(target)).collect();
        Ok(Response::new(transition))
    }

    #[tracing::instrument(name = "power.abort_transition", skip_all, fields(id = ?request.get_ref().transition_id))]
    async fn abort_transition(
        &self,
        request: Request<AbortTransitionRequest>,
    ) -> Result<Response<AbortTransitionResponse>, Status> {
        let author = rpc::author(&request);
        let store = self.bmcs.store();
        store.linearize().await?;
        let job = known(&store.state(), &request.get_ref().transition_id)?;
        let change = Change::CancelJob(CancelJob { id: job.id.clone() });
        let command = Command::Job(JobCommand { change: Some(change) });
        match store.propose_by(&author, command).await {
            Ok(_) => Ok(Response::new(AbortTransitionResponse {
                abort_status: ABORTING.to_owned(),
            })),
            // PCS says 400 of one that is over.
            Err(error @ Error::Conflict { .. }) => Err(error.with_http_status(400)),
            Err(error) => Err(error.into()),
        }
    }
}

fn shown(state: &State, job: &Job) -> Option<Transition> {
    let targets = state.jobs.targets(&job.id).map(|target| target.as_ref());
    asked(job).map(|asked| transition(job, asked, targets))
}

/// The job of a transition; jobs of other kinds are none.
fn known(state: &State, id: &str) -> Result<Arc<Job>, Error> {
    let job = state.jobs.get(id).filter(|job| asked(job).is_some());
    job.cloned().ok_or_else(|| not_found(id))
}

fn not_found(id: &str) -> Error {
    Error::NotFound {
        kind: "transition".to_owned(),
        id: id.escape_debug().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proto::power::v1::start_transition_request::Location;
    use raft::Store;
    use transition_service_server::TransitionService as _;

    use super::*;
    use crate::fake_bmc::bmcs;

    fn service(store: &Store) -> TransitionService {
        TransitionService::new(bmcs(store.clone()))
    }

    fn off(xnames: &[&str]) -> Request<StartTransitionRequest> {
        let location = |xname: &&str| Location {
            xname: (*xname).to_owned(),
            ..Location::default()
        };
        Request::new(StartTransitionRequest {
            operation: "soft-off".to_owned(),
            location: xnames.iter().map(location).collect(),
            ..StartTransitionRequest::default()
        })
    }

    async fn start(service: &TransitionService, xnames: &[&str]) -> String {
        let answer = service.start_transition(off(xnames)).await.unwrap().into_inner();
        assert_eq!(answer.operation, "Soft-Off");
        answer.transition_id
    }

    fn get(id: &str) -> Request<GetTransitionRequest> {
        Request::new(GetTransitionRequest {
            transition_id: id.to_owned(),
        })
    }

    fn abort(id: &str) -> Request<AbortTransitionRequest> {
        Request::new(AbortTransitionRequest {
            transition_id: id.to_owned(),
        })
    }

    #[tokio::test]
    async fn a_transition_is_a_job_with_a_task_for_each_component() {
        let store = Store::in_memory();
        let service = service(&store);
        let id = start(&service, &["x0c0s0b0n0", "x0c0s1b0n0"]).await;
        let job = store.state().jobs.get(&id).cloned().unwrap();
        assert_eq!(job.counts.as_ref().unwrap().total, 2);
        let shown = service.get_transition(get(&id)).await.unwrap().into_inner();
        assert_eq!(
            (shown.transition_id, shown.transition_status.as_str()),
            (id, "new")
        );
        let tasks: Vec<(&str, &str)> = shown
            .tasks
            .iter()
            .map(|task| (task.xname.as_str(), task.task_status.as_str()))
            .collect();
        assert_eq!(tasks, [("x0c0s0b0n0", "new"), ("x0c0s1b0n0", "new")]);
    }

    #[tokio::test]
    async fn the_newest_is_listed_first_and_without_tasks() {
        let service = service(&Store::in_memory());
        let first = start(&service, &["x0c0s0b0n0"]).await;
        let second = start(&service, &["x0c0s1b0n0"]).await;
        let listed = service
            .list_transitions(Request::new(ListTransitionsRequest {}))
            .await;
        let listed = listed.unwrap().into_inner().transitions;
        let ids: Vec<&String> = listed
            .iter()
            .map(|transition| &transition.transition_id)
            .collect();
        assert_eq!(ids, [&second, &first]);
        assert!(listed.iter().all(|transition| transition.tasks.is_empty()));
        assert!(
            listed
                .iter()
                .all(|transition| transition.task_counts.unwrap().total == 1)
        );
    }

    #[tokio::test]
    async fn one_that_nobody_works_on_is_aborted_at_once_and_not_twice() {
        let service = service(&Store::in_memory());
        let id = start(&service, &["x0c0s0b0n0"]).await;
        let answer = service.abort_transition(abort(&id)).await.unwrap().into_inner();
        assert_eq!(answer.abort_status, ABORTING);
        let shown = service.get_transition(get(&id)).await.unwrap().into_inner();
        assert_eq!(shown.transition_status, "aborted");
        let counts = shown.task_counts.unwrap();
        assert_eq!((counts.failed, counts.succeeded), (1, 0), "not begun is not done");
        let again = service.abort_transition(abort(&id)).await.unwrap_err();
        assert_eq!(again.metadata().get(rpc::HTTP_STATUS).unwrap(), "400");
    }

    #[tokio::test]
    async fn what_is_no_transition_is_not_found() {
        let store = Store::in_memory();
        let scan = job::Work::Scan(proto::discovery::v1::Scan {
            targets: vec!["10.0.0.0/30".to_owned()],
            ..proto::discovery::v1::Scan::default()
        });
        let author = rpc::Author::of("user/ada", None);
        let scan = jobs::create(&store, &author, scan, Vec::new()).await.unwrap();
        let service = service(&store);
        for id in [scan.as_str(), "", "no such"] {
            let shown = service.get_transition(get(id)).await.unwrap_err();
            let aborted = service.abort_transition(abort(id)).await.unwrap_err();
            for refused in [shown, aborted] {
                assert_eq!(refused.code(), tonic::Code::NotFound);
            }
        }
        let listed = service
            .list_transitions(Request::new(ListTransitionsRequest {}))
            .await;
        assert!(listed.unwrap().into_inner().transitions.is_empty());
    }

    #[tokio::test]
    async fn what_is_wrong_makes_no_job() {
        let store = Store::in_memory();
        let service = service(&store);
        let mut wrong = off(&["x0c0s0b0n0"]);
        wrong.get_mut().operation = "explode".to_owned();
        let refused = service.start_transition(wrong).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument);
        assert_eq!(store.state().jobs.iter().count(), 0);
    }

    #[tokio::test]
    async fn without_a_majority_nothing_is_begun_or_aborted() {
        let store = Store::in_memory();
        let id = start(&service(&store), &["x0c0s0b0n0"]).await;
        let cut_off = Store::in_memory_without_majority(store.state().as_ref().clone());
        let service = service(&cut_off);
        let started = service.start_transition(off(&["x0c0s1b0n0"])).await.unwrap_err();
        let aborted = service.abort_transition(abort(&id)).await.unwrap_err();
        assert_eq!(started.code(), tonic::Code::Unavailable);
        assert_eq!(aborted.code(), tonic::Code::Unavailable);
    }
}
