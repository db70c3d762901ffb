//! Rollouts of boot configurations, and how they go on.

use proto::bss::v1::bss_command::{self, Change, control_boot_rollout::Action};
use proto::bss::v1::{
    BootRollout, BssCommand, ControlBootRolloutRequest, DeleteBootRolloutRequest, DeleteBootRolloutResponse,
    GetBootRolloutRequest, ListBootRolloutsRequest, ListBootRolloutsResponse, StartBootRolloutRequest,
    boot_rollout_service_server,
};
use proto::raft::v1::entry::Command;
use raft::{Committed, Store};
use rpc::{Author, Error, invalid};
use tonic::{Request, Response, Status};

/// Who makes the changes that nobody asked for.
const PRINCIPAL: &str = "cluster/rollouts";

/// Starts, shows and steers rollouts.
#[derive(Clone, Debug)]
pub struct BootRolloutService {
    store: Store,
}

impl BootRolloutService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> BootRolloutService {
        BootRolloutService { store }
    }

    async fn propose(&self, author: &Author, change: Change) -> Result<Committed, Error> {
        self.store
            .propose_by(author, Command::Bss(BssCommand { change: Some(change) }))
            .await
    }

    /// As it is after a change, without those who take part.
    fn after(&self, author: &Author, name: &str) -> Result<Response<BootRollout>, Status> {
        let rollout = self.store.state_after(author).bss.boot_rollout(name);
        let rollout = rollout.ok_or_else(|| unknown(name))?;
        Ok(Response::new(rollout.as_ref().clone()))
    }
}

#[tonic::async_trait]
impl boot_rollout_service_server::BootRolloutService for BootRolloutService {
    #[tracing::instrument(level = "debug", name = "bss.list_boot_rollouts", skip_all)]
    async fn list_boot_rollouts(
        &self,
        _: Request<ListBootRolloutsRequest>,
    ) -> Result<Response<ListBootRolloutsResponse>, Status> {
        let state = self.store.state();
        let rollouts = state.bss.boot_rollouts().map(|rollout| rollout.as_ref().clone());
        Ok(Response::new(ListBootRolloutsResponse {
            rollouts: rollouts.collect(),
        }))
    }

    #[tracing::instrument(level = "debug", name = "bss.get_boot_rollout", skip_all, fields(name = ?request.get_ref().name))]
    async fn get_boot_rollout(
        &self,
        request: Request<GetBootRolloutRequest>,
    ) -> Result<Response<BootRollout>, Status> {
        let (name, state) = (&request.get_ref().name, self.store.state());
        let rollout = state.bss.boot_rollout(name).ok_or_else(|| unknown(name))?;
        let participants = state.bss.rollout_nodes(name).map(|node| node.as_ref().clone());
        Ok(Response::new(BootRollout {
            participants: participants.collect(),
            ..rollout.as_ref().clone()
        }))
    }

    #[tracing::instrument(name = "bss.start_boot_rollout", skip_all)]
    async fn start_boot_rollout(
        &self,
        request: Request<StartBootRolloutRequest>,
    ) -> Result<Response<BootRollout>, Status> {
        let author = rpc::author(&request);
        let rollout = request.into_inner().rollout;
        let rollout = rollout.ok_or_else(|| invalid("rollout", "it is missing"))?;
        let name = rollout.name.clone();
        let start = bss_command::StartBootRollout {
            rollout: Some(rollout),
        };
        self.propose(&author, Change::StartBootRollout(start)).await?;
        self.after(&author, &name)
    }

    #[tracing::instrument(name = "bss.control_boot_rollout", skip_all, fields(name = ?request.get_ref().name, action = ?request.get_ref().action))]
    async fn control_boot_rollout(
        &self,
        request: Request<ControlBootRolloutRequest>,
    ) -> Result<Response<BootRollout>, Status> {
        let author = rpc::author(&request);
        let ControlBootRolloutRequest {
            name,
            action,
            if_revision,
        } = request.into_inner();
        let control = bss_command::ControlBootRollout {
            name: name.clone(),
            action: action_of(&action)?.into(),
            if_revision,
        };
        self.propose(&author, Change::ControlBootRollout(control)).await?;
        self.after(&author, &name)
    }

    #[tracing::instrument(name = "bss.delete_boot_rollout", skip_all, fields(name = ?request.get_ref().name))]
    async fn delete_boot_rollout(
        &self,
        request: Request<DeleteBootRolloutRequest>,
    ) -> Result<Response<DeleteBootRolloutResponse>, Status> {
        let author = rpc::author(&request);
        let DeleteBootRolloutRequest { name, if_revision } = request.into_inner();
        let delete = bss_command::DeleteBootRollout { name, if_revision };
        let committed = self.propose(&author, Change::DeleteBootRollout(delete)).await?;
        Ok(Response::new(DeleteBootRolloutResponse {
            revision: committed.revision,
        }))
    }
}

fn action_of(text: &str) -> Result<Action, Error> {
    match text {
        "pause" => Ok(Action::Pause),
        "resume" => Ok(Action::Resume),
        "stop" => Ok(Action::Stop),
        "skip" => Ok(Action::Skip),
        other => Err(invalid(
            "action",
            format!("`{other}`; write pause, resume, stop or skip"),
        )),
    }
}

fn unknown(name: &str) -> Error {
    Error::NotFound {
        kind: "boot rollout".to_owned(),
        id: name.to_owned(),
    }
}

/// Lets every rollout go on that can: to be called now and then by the member that leads. What two members do at once is done
/// once: the state looks at the same boots again, and finds nothing new the second time.
pub async fn advance_rollouts(store: &Store) {
    let due = store.state().bss.boot_rollouts_due(store.cluster_time_ms());
    for name in due {
        let advance = bss_command::AdvanceBootRollout { name: name.clone() };
        let command = Command::Bss(BssCommand {
            change: Some(Change::AdvanceBootRollout(advance)),
        });
        match store.propose(PRINCIPAL, command, None).await {
            Ok(committed) => tracing::info!(%name, revision = committed.revision, "a rollout went on"),
            Err(error) => tracing::warn!(%name, %error, "a rollout did not go on; it is tried again"),
        }
    }
}
