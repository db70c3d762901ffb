//! `chamois policy role …`: permissions under one name.

mod put;

use clap::{Args, Subcommand};
use proto::auth::v1::policy_service_client::PolicyServiceClient;
use proto::auth::v1::{DeleteRoleRequest, ListRolesRequest, Role};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output::{self, Format};

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
    match global.output {
        Format::Json => output::print_json("chamois.auth.v1.ListRolesResponse", &answer),
        Format::Table => output::print(render(&answer.roles)),
    }
}

async fn delete(global: &GlobalArgs, args: RoleArgs) -> Result<(), CliError> {
    let mut client = PolicyServiceClient::new(connect::to_any(global)?);
    let request = DeleteRoleRequest {
        name: args.name.clone(),
    };
    let answer = client.delete_role(request).await?.into_inner();
    match global.output {
        Format::Json => output::print_json("chamois.auth.v1.DeleteRoleResponse", &answer),
        Format::Table => output::print(format_args!(
            "deleted {} (revision {})",
            args.name, answer.revision
        )),
    }
}

/// A row per role.
fn render(roles: &[Role]) -> comfy_table::Table {
    let mut table = output::table(["NAME", "PERMISSIONS", "FOR WHAT"]);
    for role in roles {
        table.add_row([
            role.name.clone(),
            role.permissions.join(", "),
            role.description.clone(),
        ]);
    }
    table
}

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
        let text = render(&[role]).to_string();
        assert!(
            text.contains("firmware") && text.contains("smd.read, smd.write"),
            "{text}"
        );
    }
}
