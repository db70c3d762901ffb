//! `PolicyService`: policies and roles, and whether somebody may do something.

use std::sync::Arc;

use proto::auth::v1::policy_service_server;
use proto::auth::v1::{
    AuthCommand, CheckAccessRequest, CheckAccessResponse, DeletePolicyRequest, DeletePolicyResponse,
    DeleteRoleRequest, DeleteRoleResponse, GetPolicyRequest, ListPoliciesRequest, ListPoliciesResponse,
    ListRolesRequest, ListRolesResponse, Policy, PutPolicyRequest, PutRoleRequest, Role, auth_command,
};
use proto::raft::v1::entry::Command;
use raft::{Committed, Store};
use rpc::{Author, Authority as _, Error, Identity, Principal, Rules, RulesError, Scope};
use state::State;
use state::auth::{gives, is_for};
use tonic::{Request, Response, Status};

use crate::actions::{Actions, Needed};
use crate::authority::{Authorities, acts_by_policies, has_policies, principal_of};
use crate::explain::explain;
use crate::question::{Question, somebody};
use crate::rights::{ADMIN, READ};

/// What must be given to whoever asks about others.
const ASKS_ABOUT_OTHERS: &str = ADMIN;

/// The service of the API port.
#[derive(Clone)]
pub(crate) struct PolicyService {
    pub(crate) store: Store,
    authorities: Authorities,
    actions: Actions,
}

/// Who is asked about.
struct Subject {
    who: Arc<Principal>,
    /// Needs no policy: the cluster's offline key has signed his token, or there are no policies yet.
    is_administrator: bool,
}

impl PolicyService {
    /// A service that changes and answers from `store`.
    ///
    /// # Errors
    /// A descriptor that does not decode.
    pub(crate) fn new(
        store: Store,
        authorities: Authorities,
        rules: &Rules,
    ) -> Result<PolicyService, RulesError> {
        Ok(PolicyService {
            store,
            authorities,
            actions: Actions::of(rules)?,
        })
    }

    pub(crate) async fn propose(
        &self,
        author: &Author,
        change: auth_command::Change,
    ) -> Result<Committed, Error> {
        let command = Command::Auth(AuthCommand { change: Some(change) });
        self.store.propose_by(author, command).await
    }

    fn check(&self, caller: &Identity, asked: &CheckAccessRequest) -> Result<CheckAccessResponse, Error> {
        let state = self.store.state();
        let Subject {
            who,
            is_administrator,
        } = self.subject(&state, caller, asked)?;
        let permission = match self.actions.needed(&asked.action)? {
            Needed::Permission(permission) => permission,
            Needed::Identity | Needed::Nothing => return Ok(without_policies(true, String::new())),
            Needed::Membership => return Ok(without_policies(false, String::new())),
        };
        let question = Question::of(asked, &who, &permission)?;
        if is_administrator {
            return Ok(without_policies(true, permission));
        }
        let mut explained = explain(&state, &question, self.store.cluster_time_ms());
        if !self.may_read_policies(caller)? {
            explained.considered.retain(|one| {
                let policy = state.auth.policy(&one.policy);
                policy.is_some_and(|policy| is_for(&policy, &question.principal, &question.groups))
            });
        }
        let lets = who.permissions.as_ref().is_none_or(|own| gives(own, &permission));
        if !lets {
            explained.allowed = false;
            for one in explained.considered.iter_mut().filter(|one| one.gives) {
                one.gives = false;
                one.reason = format!("the token that asks is not for {permission}");
            }
        }
        Ok(CheckAccessResponse {
            allowed: explained.allowed,
            permission,
            considered: explained.considered,
        })
    }

    /// Whether somebody may know of policies that are for others.
    ///
    /// # Errors
    /// As the authority, if it cannot say.
    fn may_read_policies(&self, caller: &Identity) -> Result<bool, Error> {
        match self.authorities.access(caller, READ) {
            Ok(access) => Ok(access.scope.part().is_none()),
            Err(Error::Denied { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// # Errors
    /// `Denied` for who may not ask about others; `Invalid` for a principal that is none.
    fn subject(
        &self,
        state: &State,
        caller: &Identity,
        asked: &CheckAccessRequest,
    ) -> Result<Subject, Error> {
        let own = caller.principal();
        let is_oneself = asked.principal.is_empty() || asked.principal == own;
        if is_oneself && asked.groups.is_empty() {
            let is_of_the_key = matches!(caller, Identity::Token { .. });
            return Ok(Subject {
                who: principal_of(caller),
                is_administrator: is_of_the_key || !acts_by_policies(state, caller),
            });
        }
        if let Scope::Part(_) = self.authorities.access(caller, ASKS_ABOUT_OTHERS)?.scope {
            let reason = format!("{ASKS_ABOUT_OTHERS} is needed on the whole system to ask about others");
            return Err(Error::Denied { reason });
        }
        let name = match asked.principal.as_str() {
            "" => own.as_str(),
            named => named,
        };
        let who = somebody(name, &asked.groups)?;
        let is_user = who.name.starts_with("user/");
        Ok(Subject {
            is_administrator: who.name.starts_with("token/") || (is_user && !has_policies(state)),
            who: Arc::new(who),
        })
    }
}

fn without_policies(allowed: bool, permission: String) -> CheckAccessResponse {
    CheckAccessResponse {
        allowed,
        permission,
        considered: Vec::new(),
    }
}

#[tonic::async_trait]
impl policy_service_server::PolicyService for PolicyService {
    #[tracing::instrument(level = "debug", name = "auth.list_policies", skip_all)]
    async fn list_policies(
        &self,
        _request: Request<ListPoliciesRequest>,
    ) -> Result<Response<ListPoliciesResponse>, Status> {
        Ok(Response::new(self.policies()))
    }

    #[tracing::instrument(level = "debug", name = "auth.get_policy", skip_all)]
    async fn get_policy(&self, request: Request<GetPolicyRequest>) -> Result<Response<Policy>, Status> {
        Ok(Response::new(self.policy(request.into_inner().name)?))
    }

    #[tracing::instrument(name = "auth.put_policy", skip_all)]
    async fn put_policy(&self, request: Request<PutPolicyRequest>) -> Result<Response<Policy>, Status> {
        let author = rpc::author(&request);
        let policy = request.into_inner().policy;
        Ok(Response::new(self.store_policy(&author, policy).await?))
    }

    #[tracing::instrument(name = "auth.delete_policy", skip_all)]
    async fn delete_policy(
        &self,
        request: Request<DeletePolicyRequest>,
    ) -> Result<Response<DeletePolicyResponse>, Status> {
        let author = rpc::author(&request);
        let name = request.into_inner().name;
        let revision = self.remove_policy(&author, name).await?;
        Ok(Response::new(DeletePolicyResponse { revision }))
    }

    #[tracing::instrument(level = "debug", name = "auth.list_roles", skip_all)]
    async fn list_roles(
        &self,
        _request: Request<ListRolesRequest>,
    ) -> Result<Response<ListRolesResponse>, Status> {
        Ok(Response::new(self.roles()))
    }

    #[tracing::instrument(name = "auth.put_role", skip_all)]
    async fn put_role(&self, request: Request<PutRoleRequest>) -> Result<Response<Role>, Status> {
        let author = rpc::author(&request);
        let role = request.into_inner().role;
        Ok(Response::new(self.store_role(&author, role).await?))
    }

    #[tracing::instrument(name = "auth.delete_role", skip_all)]
    async fn delete_role(
        &self,
        request: Request<DeleteRoleRequest>,
    ) -> Result<Response<DeleteRoleResponse>, Status> {
        let author = rpc::author(&request);
        let name = request.into_inner().name;
        let revision = self.remove_role(&author, name).await?;
        Ok(Response::new(DeleteRoleResponse { revision }))
    }

    #[tracing::instrument(level = "debug", name = "auth.check_access", skip_all)]
    async fn check_access(
        &self,
        request: Request<CheckAccessRequest>,
    ) -> Result<Response<CheckAccessResponse>, Status> {
        let caller = rpc::caller(&request).identity.clone();
        Ok(Response::new(self.check(&caller, request.get_ref())?))
    }
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
