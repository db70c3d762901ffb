//! `chamois rfe delete`.

use clap::Args;
use model::Xname;
use proto::smd::v1::DeleteRedfishEndpointRequest;
use proto::smd::v1::redfish_endpoint_service_client::RedfishEndpointServiceClient;
use serde_json::json;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::many::Many;

/// `chamois rfe delete`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois rfe delete x1000c0s0b0 x1000c0s1b0

One after the other: what could not be deleted is told with its reason (exit code 7).")]
pub struct DeleteArgs {
    /// Xnames of controllers
    #[arg(required = true, value_delimiter = ',', value_name = "XNAME", value_parser = crate::group::xname)]
    pub xnames: Vec<Xname>,
}

pub(super) async fn run(global: &GlobalArgs, args: DeleteArgs) -> Result<(), CliError> {
    let mut client = RedfishEndpointServiceClient::new(connect::to_any(global)?);
    let mut many = Many::default();
    for xname in &args.xnames {
        let request = DeleteRedfishEndpointRequest {
            id: xname.to_string(),
            ..DeleteRedfishEndpointRequest::default()
        };
        let answer = client.delete_redfish_endpoint(request).await;
        many.add(
            xname.to_string(),
            answer.map(|answer| answer.into_inner().revision),
        )?;
    }
    many.end(global, "deleted", &json!({}))
}
