//! `chamois rfe show`.

use clap::Args;
use model::Xname;
use proto::smd::v1::redfish_endpoint_service_client::RedfishEndpointServiceClient;
use proto::smd::v1::{GetRedfishEndpointRequest, RedfishEndpoint};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::facts::{change, facts};
use crate::output;

/// `chamois rfe show`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois rfe show x1000c0s0b0")]
pub struct ShowArgs {
    /// Xname of the controller
    #[arg(value_parser = crate::group::xname)]
    pub xname: Xname,
}

pub(super) async fn run(global: &GlobalArgs, args: ShowArgs) -> Result<(), CliError> {
    let mut client = RedfishEndpointServiceClient::new(connect::to_any(global)?);
    let request = GetRedfishEndpointRequest {
        id: args.xname.to_string(),
    };
    let endpoint = client.get_redfish_endpoint(request).await?.into_inner();
    print(global, &endpoint)
}

/// Prints one.
pub(super) fn print(global: &GlobalArgs, endpoint: &RedfishEndpoint) -> Result<(), CliError> {
    let answer = ("chamois.smd.v1.RedfishEndpoint", endpoint);
    output::object(global, answer, &endpoint.id, || render(endpoint))
}

fn render(endpoint: &RedfishEndpoint) -> String {
    let meta = endpoint.meta.clone().unwrap_or_default();
    let info = endpoint.discovery_info.clone().unwrap_or_default();
    facts(&[
        ("id", endpoint.id.clone()),
        ("type", endpoint.r#type.clone()),
        ("name", endpoint.name.clone()),
        ("fqdn", endpoint.fqdn.clone()),
        ("address", endpoint.ip_address.clone()),
        ("mac", endpoint.mac_addr.clone()),
        ("user", endpoint.user.clone()),
        ("enabled", endpoint.enabled.to_string()),
        ("uuid", endpoint.uuid.clone()),
        ("last discovery", super::list::status(endpoint)),
        ("attempted", info.last_discovery_attempt),
        ("redfish", info.redfish_version),
        ("created", change(meta.created.as_ref())),
        ("modified", change(meta.modified.as_ref())),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_left_out() {
        let endpoint = RedfishEndpoint {
            id: "x0c0s0b0".into(),
            enabled: true,
            ..RedfishEndpoint::default()
        };
        assert_eq!(
            render(&endpoint),
            "id               x0c0s0b0\nenabled          true"
        );
    }
}
