//! Roles as a replicated resource; those that every version has are shown with them.

use proto::auth::v1::auth_command::{Change, DeleteRole, PutRole};
use proto::auth::v1::{ListRolesResponse, Role};
use rpc::{Author, Error};

use crate::PolicyService;

impl PolicyService {
    /// The shipped ones, then those that are stored, by name.
    pub(crate) fn roles(&self) -> ListRolesResponse {
        let state = self.store.state();
        ListRolesResponse {
            roles: state.auth.roles().map(|role| role.as_ref().clone()).collect(),
        }
    }

    /// Creates or replaces; what can be said is judged where the answer is final, in `state`.
    pub(crate) async fn store_role(&self, author: &Author, role: Option<Role>) -> Result<Role, Error> {
        let role = role.ok_or_else(|| rpc::invalid("role", "it is missing"))?;
        let name = role.name.clone();
        let put = PutRole { role: Some(role) };
        self.propose(author, Change::PutRole(put)).await?;
        let stored = self.store.state_after(author).auth.role(&name);
        let stored = stored.ok_or_else(|| Error::Conflict {
            detail: format!("{name} was deleted by someone else"),
        })?;
        let stored = stored.as_ref().clone();
        Ok(Role {
            meta: author.told_meta(stored.meta),
            ..stored
        })
    }

    /// The revision at which it was gone.
    pub(crate) async fn remove_role(&self, author: &Author, name: String) -> Result<u64, Error> {
        let delete = Change::DeleteRole(DeleteRole { name });
        Ok(self.propose(author, delete).await?.revision)
    }
}
