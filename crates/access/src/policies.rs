//! Policies as a replicated resource.

use proto::auth::v1::auth_command::{Change, DeletePolicy, PutPolicy};
use proto::auth::v1::{ListPoliciesResponse, Policy};
use rpc::{Author, Error};

use crate::PolicyService;

impl PolicyService {
    /// Every policy, by name; those that have ended, too.
    pub(crate) fn policies(&self) -> ListPoliciesResponse {
        let state = self.store.state();
        ListPoliciesResponse {
            policies: state
                .auth
                .policies()
                .map(|policy| policy.as_ref().clone())
                .collect(),
        }
    }

    pub(crate) fn policy(&self, name: String) -> Result<Policy, Error> {
        match self.store.state().auth.policy(&name) {
            Some(policy) => Ok(policy.as_ref().clone()),
            None => Err(Error::NotFound {
                kind: "policy".to_owned(),
                id: name,
            }),
        }
    }

    /// Creates or replaces; what can be said is judged where the answer is final, in `state`.
    pub(crate) async fn store_policy(
        &self,
        author: &Author,
        policy: Option<Policy>,
    ) -> Result<Policy, Error> {
        let policy = policy.ok_or_else(|| rpc::invalid("policy", "it is missing"))?;
        let name = policy.name.clone();
        let put = PutPolicy { policy: Some(policy) };
        self.propose(author, Change::PutPolicy(put)).await?;
        let stored = self.store.state_after(author).auth.policy(&name);
        let stored = stored.ok_or_else(|| Error::Conflict {
            detail: format!("{name} was deleted by someone else"),
        })?;
        let stored = stored.as_ref().clone();
        Ok(Policy {
            meta: author.told_meta(stored.meta),
            ..stored
        })
    }

    /// The revision at which it was gone.
    pub(crate) async fn remove_policy(&self, author: &Author, name: String) -> Result<u64, Error> {
        let delete = Change::DeletePolicy(DeletePolicy { name });
        Ok(self.propose(author, delete).await?.revision)
    }
}
