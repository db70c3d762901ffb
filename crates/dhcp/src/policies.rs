//! DHCP's policies as a replicated resource: parse, propose, answer.

use proto::dhcp::v1::dhcp_command::{Change, DeletePolicy, PutPolicy};
use proto::dhcp::v1::dhcp_policy_service_server;
use proto::dhcp::v1::{
    DeleteDhcpPolicyRequest, DeleteDhcpPolicyResponse, DhcpCommand, DhcpPolicy, GetDhcpPolicyRequest,
    ListDhcpPoliciesRequest, ListDhcpPoliciesResponse, PutDhcpPolicyRequest,
};
use proto::raft::v1::entry::Command;
use raft::{Committed, Store};
use rpc::{Author, Error};
use tonic::{Request, Response, Status};

/// Policies, in the order in which they are looked at.
#[derive(Clone, Debug)]
pub struct PolicyService {
    store: Store,
}

impl PolicyService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> PolicyService {
        PolicyService { store }
    }

    async fn propose(&self, author: &Author, change: Change) -> Result<Committed, Error> {
        self.store
            .propose_by(author, Command::Dhcp(DhcpCommand { change: Some(change) }))
            .await
    }
}

#[tonic::async_trait]
impl dhcp_policy_service_server::DhcpPolicyService for PolicyService {
    #[tracing::instrument(level = "debug", name = "dhcp.list_policies", skip_all)]
    async fn list_dhcp_policies(
        &self,
        _request: Request<ListDhcpPoliciesRequest>,
    ) -> Result<Response<ListDhcpPoliciesResponse>, Status> {
        let state = self.store.state();
        let policies = state.dhcp.policies();
        Ok(Response::new(ListDhcpPoliciesResponse {
            policies: policies.map(|policy| policy.as_ref().clone()).collect(),
        }))
    }

    #[tracing::instrument(level = "debug", name = "dhcp.get_policy", skip_all)]
    async fn get_dhcp_policy(
        &self,
        request: Request<GetDhcpPolicyRequest>,
    ) -> Result<Response<DhcpPolicy>, Status> {
        let name = request.into_inner().name;
        let policy = self.store.state().dhcp.policy(&name);
        let policy = policy.ok_or(Error::NotFound {
            kind: "DHCP policy".to_owned(),
            id: name,
        })?;
        Ok(Response::new(policy.as_ref().clone()))
    }

    /// What can be said is judged where the answer is final, in `state`.
    #[tracing::instrument(name = "dhcp.put_policy", skip_all)]
    async fn put_dhcp_policy(
        &self,
        request: Request<PutDhcpPolicyRequest>,
    ) -> Result<Response<DhcpPolicy>, Status> {
        let author = rpc::author(&request);
        let policy = request.into_inner().policy;
        let policy = policy.ok_or_else(|| rpc::invalid("policy", "it is missing"))?;
        let name = policy.name.clone();
        let put = PutPolicy { policy: Some(policy) };
        self.propose(&author, Change::PutPolicy(put)).await?;
        let stored = self.store.state_after(&author).dhcp.policy(&name);
        let stored = stored.ok_or_else(|| Error::Conflict {
            detail: format!("{name} was deleted by someone else"),
        })?;
        let stored = stored.as_ref().clone();
        Ok(Response::new(DhcpPolicy {
            meta: author.told_meta(stored.meta),
            ..stored
        }))
    }

    #[tracing::instrument(name = "dhcp.delete_policy", skip_all)]
    async fn delete_dhcp_policy(
        &self,
        request: Request<DeleteDhcpPolicyRequest>,
    ) -> Result<Response<DeleteDhcpPolicyResponse>, Status> {
        let author = rpc::author(&request);
        let delete = DeletePolicy {
            name: request.into_inner().name,
        };
        let revision = self
            .propose(&author, Change::DeletePolicy(delete))
            .await?
            .revision;
        Ok(Response::new(DeleteDhcpPolicyResponse { revision }))
    }
}
