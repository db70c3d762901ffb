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

#[cfg(test)]
mod tests {
    use proto::dhcp::v1::dhcp_policy_service_server::DhcpPolicyService as _;
    use tonic::Code;

    use super::*;

    fn policy(name: &str, priority: u32) -> DhcpPolicy {
        DhcpPolicy {
            name: name.into(),
            priority: Some(priority),
            mtu: 9000,
            ..DhcpPolicy::default()
        }
    }

    async fn put(service: &PolicyService, policy: Option<DhcpPolicy>) -> Result<DhcpPolicy, Status> {
        let put = service.put_dhcp_policy(Request::new(PutDhcpPolicyRequest { policy }));
        put.await.map(Response::into_inner)
    }

    async fn get(service: &PolicyService, name: &str) -> Result<DhcpPolicy, Status> {
        let request = Request::new(GetDhcpPolicyRequest { name: name.into() });
        service.get_dhcp_policy(request).await.map(Response::into_inner)
    }

    async fn names(service: &PolicyService) -> Vec<String> {
        let listed = service.list_dhcp_policies(Request::new(ListDhcpPoliciesRequest {}));
        let policies = listed.await.unwrap().into_inner().policies;
        policies.into_iter().map(|policy| policy.name).collect()
    }

    #[tokio::test]
    async fn a_policy_is_put_shown_listed_in_order_and_deleted() {
        let service = PolicyService::new(Store::in_memory());
        let mut given = policy("b", 600);
        given.component_types = vec!["nodebmc".into()];
        let stored = put(&service, Some(given)).await.unwrap();
        assert_eq!(stored.component_types, ["NodeBMC"], "the stored form is answered");
        let created = stored.meta.clone().unwrap().created.unwrap().revision;
        assert_eq!(get(&service, "b").await.unwrap(), stored);
        put(&service, Some(policy("a", 500))).await.unwrap();
        put(&service, Some(policy("c", 700))).await.unwrap();
        assert_eq!(names(&service).await, ["c", "b", "a"]);
        let replaced = put(&service, Some(policy("b", 100))).await.unwrap();
        assert_eq!(replaced.meta.unwrap().created.unwrap().revision, created);
        assert_eq!(names(&service).await, ["c", "a", "b"]);

        let delete = || Request::new(DeleteDhcpPolicyRequest { name: "b".into() });
        let deleted = service.delete_dhcp_policy(delete()).await.unwrap();
        assert!(deleted.into_inner().revision > created);
        assert_eq!(get(&service, "b").await.unwrap_err().code(), Code::NotFound);
        let gone = service.delete_dhcp_policy(delete()).await.unwrap_err();
        assert_eq!(gone.code(), Code::NotFound);
    }

    #[tokio::test]
    async fn what_cannot_work_is_refused_with_the_field() {
        let service = PolicyService::new(Store::in_memory());
        let pattern = DhcpPolicy {
            hostname: "nid{d}".into(),
            ..policy("a", 1)
        };
        for (given, field) in [
            (None, "policy"),
            (Some(policy("", 1)), "name"),
            (Some(policy("a", 1001)), "priority"),
            (Some(pattern), "hostname"),
        ] {
            let refused = put(&service, given).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument, "{field}");
            assert!(refused.message().starts_with(field), "{}", refused.message());
        }
        assert!(names(&service).await.is_empty());
    }
}
