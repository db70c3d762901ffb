//! `chamois policy put`: creates or replaces what a file says.

use std::path::PathBuf;

use clap::Args;
use proto::auth::v1::policy_service_client::PolicyServiceClient;
use proto::auth::v1::{ListPoliciesResponse, Policy, PutPolicyRequest};

use super::{file, list};
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::{CliError, Kind};

/// `chamois policy put`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois policy put policies.yaml

The file is one policy or a list of them, as YAML or JSON:

  - name: gpu-operators
    role: operator              # chamois policy role list
    principals: [group/hpc-ops, user/ada]
    groups: [gpu]               # or hosts: [x1000c0], partitions: [p1]; without any it holds everywhere
    kinds: [boot_configuration] # without any for all kinds of objects
    expiresAtMs: 0              # no end

Policies only add up. The first one ends that whoever has a user's certificate may do everything: give yourself `admin` first. A
token of the offline key (`chamois token issue`) always may. What is not given is not set: a put replaces the whole policy.")]
pub struct PutArgs {
    /// Policies, YAML or JSON
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

pub(super) async fn run(global: &GlobalArgs, args: PutArgs) -> Result<(), CliError> {
    let policies: Vec<Policy> = file::messages(&args.file, "chamois.auth.v1.Policy")?;
    if policies.is_empty() {
        let text = format!("{} has no policy in it", args.file.display());
        return Err(CliError::new(Kind::Usage, text));
    }
    let mut client = PolicyServiceClient::new(connect::to_any(global)?);
    let mut stored = Vec::new();
    for policy in policies {
        let name = policy.name.clone();
        let request = PutPolicyRequest { policy: Some(policy) };
        let put = client.put_policy(request).await;
        let put = put.map_err(|status| refused(&name, stored.len(), &status.into()))?;
        stored.push(put.into_inner());
    }
    let answer = ListPoliciesResponse { policies: stored };
    list::show(global, &answer)
}

/// Each policy is stored by itself, so what came before it stays.
fn refused(name: &str, stored: usize, error: &CliError) -> CliError {
    let text = format!("policy {name:?}: {error}\nstored before it: {stored}");
    CliError::new(error.kind(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_which_policy_and_what_was_done_before() {
        let error = refused("a", 2, &CliError::new(Kind::Denied, "auth.admin is needed"));
        assert_eq!(error.kind(), Kind::Denied);
        assert_eq!(
            error.to_string(),
            "policy \"a\": auth.admin is needed\nstored before it: 2"
        );
    }
}
