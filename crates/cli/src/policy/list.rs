//! `chamois policy list`.

use proto::auth::v1::policy_service_client::PolicyServiceClient;
use proto::auth::v1::{ListPoliciesRequest, Policy};

use super::show::{places, until};
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output::{self, Format};

/// What is allowed beside them. It is said by each member's configuration, so the cluster cannot list it.
const BESIDE: &str = "Besides: tokens of the cluster's offline key (`chamois token issue`) may do everything, and a member whose \
    configuration has `anonymous-legacy-reads` lets the networks named there read without a token.";

pub(super) async fn run(global: &GlobalArgs) -> Result<(), CliError> {
    let mut client = PolicyServiceClient::new(connect::to_any(global)?);
    let answer = client.list_policies(ListPoliciesRequest {}).await?.into_inner();
    match global.output {
        Format::Json => output::print_json("chamois.auth.v1.ListPoliciesResponse", &answer),
        Format::Table => {
            output::print(render(&answer.policies))?;
            if answer.policies.is_empty() {
                output::print("No policy yet: whoever has a user's certificate may do everything.")?;
            }
            output::print(BESIDE)
        }
    }
}

/// A row per policy.
pub(super) fn render(policies: &[Policy]) -> comfy_table::Table {
    let mut table = output::table(["NAME", "ROLE", "FOR", "WHERE", "UNTIL"]);
    for policy in policies {
        table.add_row([
            policy.name.clone(),
            policy.role.clone(),
            policy.principals.join(", "),
            places(policy),
            until(policy),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_who_has_what_and_where() {
        let policy = Policy {
            name: "gpu-operators".into(),
            role: "operator".into(),
            principals: vec!["group/hpc".into(), "user/ada".into()],
            groups: vec!["gpu".into()],
            ..Policy::default()
        };
        let text = render(&[policy]).to_string();
        for part in [
            "gpu-operators",
            "operator",
            "group/hpc, user/ada",
            "groups gpu",
            "no end",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
