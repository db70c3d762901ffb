//! `chamois policy role …`: permissions under one name.

mod put;

use clap::{Args, Subcommand};
use proto::auth::v1::policy_service_client::PolicyServiceClient;
use proto::auth::v1::{DeleteRoleRequest, ListRolesRequest, Role};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output::{self, Shape, changed, column, wide};

/// Verbs of `policy role`.
#[derive(Debug, Subcommand)]
pub enum RoleCommand {
    /// List the roles: those that every version has, then the site's own
    #[command(after_help = "Example:\n  chamois policy role list")]
    List,
    /// Create or replace a role
    Put(put::PutArgs),
    /// Delete a role that no policy gives
    #[command(after_help = "Example:\n  chamois policy role delete firmware")]
    Delete(RoleArgs),
}

/// One role.
#[derive(Clone, Debug, Args)]
pub struct RoleArgs {
    /// Name of the role, as `chamois policy role list` shows it
    pub name: String,
}

pub(super) async fn run(global: &GlobalArgs, command: RoleCommand) -> Result<(), CliError> {
    match command {
        RoleCommand::List => list(global).await,
        RoleCommand::Put(args) => put::run(global, args).await,
        RoleCommand::Delete(args) => delete(global, args).await,
    }
}

async fn list(global: &GlobalArgs) -> Result<(), CliError> {
    let mut client = PolicyServiceClient::new(connect::to_any(global)?);
    let answer = client.list_roles(ListRolesRequest {}).await?.into_inner();
    output::list(
        global,
        ("chamois.auth.v1.ListRolesResponse", &answer),
        &answer.roles,
        &ROLES,
    )
}

async fn delete(global: &GlobalArgs, args: RoleArgs) -> Result<(), CliError> {
    let mut client = PolicyServiceClient::new(connect::to_any(global)?);
    let request = DeleteRoleRequest {
        name: args.name.clone(),
    };
    let answer = client.delete_role(request).await?.into_inner();
    output::done(global, ("chamois.auth.v1.DeleteRoleResponse", &answer), || {
        format!("deleted {} (revision {})", args.name, answer.revision)
    })
}

/// A row per role.
const ROLES: Shape<Role> = Shape {
    message: "chamois.auth.v1.Role",
    key: |role| role.name.clone(),
    columns: &[
        column("NAME", |role| role.name.clone()),
        column("PERMISSIONS", |role| role.permissions.join(", ")),
        column("FOR WHAT", |role| role.description.clone()),
        wide("CHANGED", |role| changed(role.meta.as_ref())),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_a_role_gives() {
        let role = Role {
            name: "firmware".into(),
            description: "Updates BMCs".into(),
            permissions: vec!["smd.read".into(), "smd.write".into()],
            meta: None,
        };
        let text = output::plain(&[role], &ROLES);
        assert!(
            text.contains("firmware") && text.contains("smd.read, smd.write"),
            "{text}"
        );
    }
}
