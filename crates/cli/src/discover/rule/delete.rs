//! `chamois discover rule delete`.

use proto::discovery::v1::DeleteXnameRuleRequest;
use proto::discovery::v1::xname_rule_service_client::XnameRuleServiceClient;

use super::NameArgs;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

pub(super) async fn run(global: &GlobalArgs, args: NameArgs) -> Result<(), CliError> {
    let mut client = XnameRuleServiceClient::new(connect::to_any(global)?);
    let request = DeleteXnameRuleRequest {
        name: args.name.clone(),
    };
    let answer = client.delete_xname_rule(request).await?.into_inner();
    output::done(
        global,
        ("chamois.discovery.v1.DeleteXnameRuleResponse", &answer),
        || format!("deleted rule {}", args.name),
    )
}
