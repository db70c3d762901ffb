//! HSM's Subscriptions/SCN: who is told of state changes. What is told, and when, is `scn/`.

use model::NodeState;
use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::patch_scn_subscription::Op;
use proto::smd::v1::smd_command::{self, Change};
use proto::smd::v1::{
    DeleteResponse, DeleteScnSubscriptionRequest, DeleteScnSubscriptionsRequest, GetScnSubscriptionRequest,
    ListScnSubscriptionsRequest, ListScnSubscriptionsResponse, PatchScnSubscriptionRequest,
    PutScnSubscriptionRequest, ScnSubscription, ScnSubscriptionChange, SmdCommand,
    scn_subscription_service_server,
};
use raft::{Committed, Store};
use rpc::{Author, Error};
use tonic::{Request, Response, Status};

use crate::legacy;

/// Who is told of which state changes.
#[derive(Clone, Debug)]
pub struct ScnSubscriptionService {
    store: Store,
}

impl ScnSubscriptionService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> ScnSubscriptionService {
        ScnSubscriptionService { store }
    }

    async fn propose(&self, author: &Author, change: Change) -> Result<Committed, Error> {
        self.store
            .propose_by(author, Command::Smd(SmdCommand { change: Some(change) }))
            .await
    }

    /// HSM's answer for one that is not there.
    async fn propose_for_one(&self, author: &Author, change: Change) -> Result<Committed, Status> {
        match self.propose(author, change).await {
            Ok(committed) => Ok(committed),
            Err(Error::NotFound { .. }) => Err(legacy::no_such_subscription()),
            Err(error) => Err(error.into()),
        }
    }
}

#[tonic::async_trait]
impl scn_subscription_service_server::ScnSubscriptionService for ScnSubscriptionService {
    #[tracing::instrument(level = "debug", name = "smd.list_scn_subscriptions", skip_all)]
    async fn list_scn_subscriptions(
        &self,
        _: Request<ListScnSubscriptionsRequest>,
    ) -> Result<Response<ListScnSubscriptionsResponse>, Status> {
        let state = self.store.state();
        let subscriptions = state.smd.subscriptions().map(|one| one.as_ref().clone());
        Ok(Response::new(ListScnSubscriptionsResponse {
            subscription_list: subscriptions.collect(),
            revision: state.applied_index(),
        }))
    }

    /// Answers with the subscription as it is stored.
    #[tracing::instrument(name = "smd.create_scn_subscription", skip_all)]
    async fn create_scn_subscription(
        &self,
        request: Request<ScnSubscription>,
    ) -> Result<Response<ScnSubscription>, Status> {
        let author = rpc::author(&request);
        let given = checked(request.into_inner())?;
        let put = smd_command::PutScnSubscription {
            subscription: Some(given.clone()),
            id: 0,
        };
        let committed = self.propose(&author, Change::PutScnSubscription(put)).await?;
        let id = committed.applied.value.parse().unwrap_or_default();
        let stored = self.store.state().smd.subscription(id);
        let answer = stored.map_or(ScnSubscription { id, ..given }, |stored| stored.as_ref().clone());
        Ok(Response::new(answer))
    }

    #[tracing::instrument(name = "smd.delete_scn_subscriptions", skip_all)]
    async fn delete_scn_subscriptions(
        &self,
        request: Request<DeleteScnSubscriptionsRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let author = rpc::author(&request);
        let delete = smd_command::DeleteScnSubscriptions {
            ids: Vec::new(),
            all: true,
        };
        let committed = self
            .propose(&author, Change::DeleteScnSubscriptions(delete))
            .await?;
        Ok(Response::new(legacy::unsubscribed_all(&committed)))
    }

    #[tracing::instrument(level = "debug", name = "smd.get_scn_subscription", skip_all, fields(id = ?request.get_ref().id))]
    async fn get_scn_subscription(
        &self,
        request: Request<GetScnSubscriptionRequest>,
    ) -> Result<Response<ScnSubscription>, Status> {
        let id = id(&request.get_ref().id)?;
        let found = self.store.state().smd.subscription(id);
        let found = found.ok_or_else(legacy::no_such_subscription)?;
        Ok(Response::new(found.as_ref().clone()))
    }

    #[tracing::instrument(name = "smd.put_scn_subscription", skip_all)]
    async fn put_scn_subscription(
        &self,
        request: Request<PutScnSubscriptionRequest>,
    ) -> Result<Response<ScnSubscriptionChange>, Status> {
        let author = rpc::author(&request);
        let request = request.into_inner();
        let id = id(&request.subscription_id)?;
        let subscription = checked(ScnSubscription {
            subscriber: request.subscriber,
            enabled: request.enabled,
            roles: request.roles,
            sub_roles: request.sub_roles,
            software_status: request.software_status,
            states: request.states,
            url: request.url,
            ..ScnSubscription::default()
        })?;
        let put = smd_command::PutScnSubscription {
            subscription: Some(subscription),
            id,
        };
        let Committed { revision, .. } = self
            .propose_for_one(&author, Change::PutScnSubscription(put))
            .await?;
        Ok(Response::new(ScnSubscriptionChange { revision }))
    }

    #[tracing::instrument(name = "smd.patch_scn_subscription", skip_all)]
    async fn patch_scn_subscription(
        &self,
        request: Request<PatchScnSubscriptionRequest>,
    ) -> Result<Response<ScnSubscriptionChange>, Status> {
        let author = rpc::author(&request);
        let patch = patch_of(request.into_inner())?;
        let Committed { revision, .. } = self
            .propose_for_one(&author, Change::PatchScnSubscription(patch))
            .await?;
        Ok(Response::new(ScnSubscriptionChange { revision }))
    }

    #[tracing::instrument(name = "smd.delete_scn_subscription", skip_all, fields(id = ?request.get_ref().id))]
    async fn delete_scn_subscription(
        &self,
        request: Request<DeleteScnSubscriptionRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let author = rpc::author(&request);
        let delete = smd_command::DeleteScnSubscriptions {
            ids: vec![id(&request.get_ref().id)?],
            all: false,
        };
        let Committed { revision, .. } = self
            .propose_for_one(&author, Change::DeleteScnSubscriptions(delete))
            .await?;
        Ok(Response::new(legacy::unsubscribed(revision)))
    }
}

fn id(text: &str) -> Result<u64, Status> {
    let id = text.parse().ok().filter(|id| *id > 0);
    id.ok_or_else(|| Status::invalid_argument(format!("Invalid id - {}", text.escape_debug())))
}

/// A subscription as it stands in the log, without id, cursor and meta of the client's. What `state` checks, too, it
/// checks; HSM's own texts are here.
fn checked(given: ScnSubscription) -> Result<ScnSubscription, Status> {
    if given.subscriber.is_empty() {
        return Err(Status::invalid_argument("Missing name of subscriber"));
    }
    if given.url.is_empty() {
        return Err(Status::invalid_argument("Missing url"));
    }
    let parsed: Result<tonic::codegen::http::Uri, _> = given.url.parse();
    parsed.map_err(|problem| rpc::invalid("Url", problem))?;
    check_states(&given.states)?;
    Ok(ScnSubscription {
        id: 0,
        told_revision: 0,
        meta: None,
        ..given
    })
}

fn check_states(states: &[String]) -> Result<(), Status> {
    let is_state = |text: &String| text.parse::<NodeState>().is_ok();
    match states.iter().find(|text| !is_state(text)) {
        Some(wrong) => Err(Status::invalid_argument(format!(
            "Invalid state '{}'; write one of {}",
            wrong.escape_debug(),
            NodeState::ALL.map(NodeState::as_str).join(", ")
        ))),
        None => Ok(()),
    }
}

fn patch_of(request: PatchScnSubscriptionRequest) -> Result<smd_command::PatchScnSubscription, Status> {
    let op = match request.op.to_ascii_lowercase().as_str() {
        "" => return Err(Status::invalid_argument("Missing Patch Op")),
        "add" => Op::Add,
        "remove" => Op::Remove,
        "replace" => Op::Replace,
        other => {
            let text = format!(
                "Invalid Patch Op - {}; write add, remove or replace",
                other.escape_debug()
            );
            return Err(Status::invalid_argument(text));
        }
    };
    check_states(&request.states)?;
    Ok(smd_command::PatchScnSubscription {
        id: id(&request.subscription_id)?,
        op: op.into(),
        triggers: Some(ScnSubscription {
            enabled: request.enabled,
            roles: request.roles,
            sub_roles: request.sub_roles,
            software_status: request.software_status,
            states: request.states,
            ..ScnSubscription::default()
        }),
    })
}
