//! `chamois policy delete`.

use proto::auth::v1::DeletePolicyRequest;
use proto::auth::v1::policy_service_client::PolicyServiceClient;

use super::NameArgs;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

pub(super) async fn run(global: &GlobalArgs, args: NameArgs) -> Result<(), CliError> {
    let mut client = PolicyServiceClient::new(connect::to_any(global)?);
    let request = DeletePolicyRequest {
        name: args.name.clone(),
    };
    let answer = client.delete_policy(request).await?.into_inner();
    output::done(global, ("chamois.auth.v1.DeletePolicyResponse", &answer), || {
        format!("deleted {} (revision {})", args.name, answer.revision)
    })
}
