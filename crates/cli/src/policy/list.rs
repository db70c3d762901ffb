//! `chamois policy list`.

use proto::auth::v1::policy_service_client::PolicyServiceClient;
use proto::auth::v1::{ListPoliciesRequest, ListPoliciesResponse, Policy};

use super::show::{places, until};
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output::{self, Format, Shape, changed, column, wide};

/// What is allowed beside them. It is said by each member's configuration, so the cluster cannot list it.
const BESIDE: &str = "Besides: tokens of the cluster's offline key (`chamois token issue`) may do everything, and a member whose \
    configuration has `anonymous-legacy-reads` lets the networks named there read without a token.";

pub(super) async fn run(global: &GlobalArgs) -> Result<(), CliError> {
    let mut client = PolicyServiceClient::new(connect::to_any(global)?);
    let answer = client.list_policies(ListPoliciesRequest {}).await?.into_inner();
    show(global, &answer)?;
    if global.quiet || !matches!(global.output, Format::Table | Format::Wide) {
        return Ok(());
    }
    if answer.policies.is_empty() {
        output::print("No policy yet: whoever has a user's certificate may do everything.")?;
    }
    output::print(BESIDE)
}

pub(super) fn show(global: &GlobalArgs, answer: &ListPoliciesResponse) -> Result<(), CliError> {
    let whole = ("chamois.auth.v1.ListPoliciesResponse", answer);
    output::list(global, whole, &answer.policies, &POLICIES)
}

/// A row per policy.
const POLICIES: Shape<Policy> = Shape {
    message: "chamois.auth.v1.Policy",
    key: |policy| policy.name.clone(),
    columns: &[
        column("NAME", |policy| policy.name.clone()),
        column("ROLE", |policy| policy.role.clone()),
        column("FOR", |policy| policy.principals.join(", ")),
        column("WHERE", places),
        column("UNTIL", until),
        wide("CHANGED", |policy| changed(policy.meta.as_ref())),
    ],
};

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
        let text = output::plain(&[policy], &POLICIES);
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
