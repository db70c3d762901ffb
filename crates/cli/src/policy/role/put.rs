//! `chamois policy role put`: creates or replaces.

use clap::Args;
use proto::auth::v1::policy_service_client::PolicyServiceClient;
use proto::auth::v1::{PutRoleRequest, Role};

use super::ROLES;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois policy role put`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois policy role put firmware smd.read smd.write --description 'Updates BMCs'
  chamois policy role put auditor '*.read' auth.read

`*` stands for every area or every access. What may be read is not who may do what, and who did what:
`*.read` gives neither auth.read nor audit.read. What is not given is not set: a put replaces the whole role, for everybody who has it.")]
pub struct PutArgs {
    /// Lower-case letters, digits and -
    pub name: String,
    /// <area>.<access>, e.g. smd.read, bss.* or *.read
    #[arg(required = true, value_delimiter = ',', value_name = "PERMISSION")]
    pub permissions: Vec<String>,
    /// What it is for
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    pub description: String,
}

impl From<PutArgs> for Role {
    fn from(args: PutArgs) -> Self {
        Self {
            name: args.name,
            description: args.description,
            permissions: args.permissions,
            meta: None,
        }
    }
}

pub(super) async fn run(global: &GlobalArgs, args: PutArgs) -> Result<(), CliError> {
    let mut client = PolicyServiceClient::new(connect::to_any(global)?);
    let request = PutRoleRequest {
        role: Some(args.into()),
    };
    let role = client.put_role(request).await?.into_inner();
    output::done(global, ("chamois.auth.v1.Role", &role), || {
        output::tabulated(global, std::slice::from_ref(&role), &ROLES)
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: PutArgs,
    }

    #[test]
    fn words_become_the_role() {
        let line = Line::try_parse_from([
            "put",
            "auditor",
            "*.read",
            "auth.read",
            "--description",
            "Looks on",
        ]);
        let role = Role::from(line.unwrap().args);
        assert_eq!(role.permissions, ["*.read", "auth.read"]);
        assert_eq!(
            (role.name.as_str(), role.description.as_str()),
            ("auditor", "Looks on")
        );
        assert!(
            Line::try_parse_from(["put", "auditor"]).is_err(),
            "a role gives something"
        );
    }
}
