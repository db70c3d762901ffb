//! `chamois rfe list`.

use clap::Args;
use model::MacAddr;
use proto::smd::v1::redfish_endpoint_service_client::RedfishEndpointServiceClient;
use proto::smd::v1::{ListRedfishEndpointsRequest, RedfishEndpoint};
use proto::watch::v1::object::Kind;

use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::CliError;
use crate::output::{self, Changes, Shape, WatchArg, column, wide};

/// Filters: values of one option are alternatives, options add up, a leading `!` negates.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "\
Examples:
  chamois rfe list --type NodeBMC
  chamois rfe list --last-status '!DiscoverOK' -o name
  chamois rfe list --last-status '!DiscoverOK' --watch")]
pub struct ListArgs {
    /// Xnames
    #[arg(long, value_delimiter = ',', value_name = "XNAME")]
    pub id: Vec<String>,
    /// Types, e.g. NodeBMC
    #[arg(long = "type", value_delimiter = ',', value_name = "TYPE")]
    pub types: Vec<String>,
    /// Full names
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub fqdn: Vec<String>,
    /// MACs
    #[arg(long, value_delimiter = ',', value_name = "MAC")]
    pub mac: Vec<MacAddr>,
    /// Addresses
    #[arg(long, value_delimiter = ',', value_name = "ADDRESS")]
    pub ip: Vec<String>,
    /// Statuses of the last discovery, e.g. DiscoverOK
    #[arg(long, value_delimiter = ',', value_name = "STATUS")]
    pub last_status: Vec<String>,
    /// Whether to go on.
    #[command(flatten)]
    pub watch: WatchArg,
}

pub(super) async fn run(global: &GlobalArgs, args: ListArgs) -> Result<(), CliError> {
    let request = ListRedfishEndpointsRequest {
        id: args.id,
        r#type: args.types,
        fqdn: args.fqdn,
        mac_addr: args.mac.iter().map(ToString::to_string).collect(),
        ip_address: args.ip,
        last_status: args.last_status,
        ..ListRedfishEndpointsRequest::default()
    };
    let connection = connect::to_any(global)?;
    let mut client =
        RedfishEndpointServiceClient::new(connection).max_decoding_message_size(ANSWER_BYTES_MAX);
    if args.watch.watch {
        let fetch = async || {
            Ok(client
                .list_redfish_endpoints(request.clone())
                .await?
                .into_inner()
                .redfish_endpoints)
        };
        return output::follow(global, Changes::Of(&[Kind::RedfishEndpoint]), &ENDPOINTS, fetch).await;
    }
    let answer = client.list_redfish_endpoints(request).await?.into_inner();
    let name = "chamois.smd.v1.RedfishEndpoints";
    output::list(global, (name, &answer), &answer.redfish_endpoints, &ENDPOINTS)
}

/// What is known of its last discovery.
pub(super) fn status(endpoint: &RedfishEndpoint) -> String {
    let info = endpoint.discovery_info.as_ref();
    info.map(|info| info.last_discovery_status.clone())
        .unwrap_or_default()
}

/// A row per endpoint.
const ENDPOINTS: Shape<RedfishEndpoint> = Shape {
    message: "chamois.smd.v1.RedfishEndpoint",
    key: |endpoint| endpoint.id.clone(),
    columns: &[
        column("ID", |endpoint| endpoint.id.clone()),
        column("TYPE", |endpoint| endpoint.r#type.clone()),
        column("FQDN", |endpoint| endpoint.fqdn.clone()),
        column("ENABLED", |endpoint| endpoint.enabled.to_string()),
        column("LAST DISCOVERY", status),
        wide("USER", |endpoint| endpoint.user.clone()),
        wide("ADDRESS", |endpoint| endpoint.ip_address.clone()),
        wide("MAC", |endpoint| endpoint.mac_addr.clone()),
    ],
};

#[cfg(test)]
mod tests {
    use proto::smd::v1::DiscoveryInfo;

    use super::*;

    #[test]
    fn an_endpoint_is_one_row_with_its_last_discovery() {
        let endpoint = RedfishEndpoint {
            id: "x0c0s0b0".into(),
            fqdn: "bmc1.site".into(),
            discovery_info: Some(DiscoveryInfo {
                last_discovery_status: "DiscoverOK".into(),
                ..DiscoveryInfo::default()
            }),
            ..RedfishEndpoint::default()
        };
        let text = output::plain(&[endpoint], &ENDPOINTS);
        let row = text.lines().find(|line| line.contains("x0c0s0b0")).unwrap();
        assert!(
            row.contains("bmc1.site") && row.contains("DiscoverOK") && row.contains("false"),
            "{row}"
        );
    }
}
