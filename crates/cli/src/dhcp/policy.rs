//! `chamois dhcp policy …`: what DHCP tells some clients, and what they are called.

pub(crate) mod put;
mod show;

use clap::{Args, Subcommand};
use proto::dhcp::v1::dhcp_policy_service_client::DhcpPolicyServiceClient;
use proto::dhcp::v1::{DeleteDhcpPolicyRequest, GetDhcpPolicyRequest, ListDhcpPoliciesRequest};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// Verbs of `dhcp policy`.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Create or replace a policy
    Put(Box<put::PutArgs>),
    /// List the policies in the order in which they are looked at
    #[command(after_help = "Example:\n  chamois dhcp policy list")]
    List,
    /// Show what a policy says
    #[command(after_help = "Example:\n  chamois dhcp policy show nodes")]
    Show(NameArgs),
    /// Delete a policy
    #[command(after_help = "Example:\n  chamois dhcp policy delete nodes")]
    Delete(NameArgs),
}

/// One policy.
#[derive(Clone, Debug, Args)]
pub struct NameArgs {
    /// Name of the policy, as `chamois dhcp policy list` shows it
    pub name: String,
}

pub(super) async fn run(global: &GlobalArgs, command: PolicyCommand) -> Result<(), CliError> {
    match command {
        PolicyCommand::Put(args) => put::run(global, *args).await,
        PolicyCommand::List => list(global).await,
        PolicyCommand::Show(args) => show_one(global, args).await,
        PolicyCommand::Delete(args) => delete(global, args).await,
    }
}

async fn list(global: &GlobalArgs) -> Result<(), CliError> {
    let mut client = DhcpPolicyServiceClient::new(connect::to_any(global)?);
    let answer = client.list_dhcp_policies(ListDhcpPoliciesRequest {}).await?;
    let answer = answer.into_inner();
    let whole = ("chamois.dhcp.v1.ListDhcpPoliciesResponse", &answer);
    output::list(global, whole, &answer.policies, &show::POLICIES)
}

async fn show_one(global: &GlobalArgs, args: NameArgs) -> Result<(), CliError> {
    let mut client = DhcpPolicyServiceClient::new(connect::to_any(global)?);
    let request = GetDhcpPolicyRequest { name: args.name };
    let policy = client.get_dhcp_policy(request).await?.into_inner();
    show::print(global, &policy)
}

async fn delete(global: &GlobalArgs, args: NameArgs) -> Result<(), CliError> {
    let mut client = DhcpPolicyServiceClient::new(connect::to_any(global)?);
    let request = DeleteDhcpPolicyRequest {
        name: args.name.clone(),
    };
    let answer = client.delete_dhcp_policy(request).await?.into_inner();
    output::done(
        global,
        ("chamois.dhcp.v1.DeleteDhcpPolicyResponse", &answer),
        || format!("deleted {} (revision {})", args.name, answer.revision),
    )
}
