//! `chamois dhcp unknown`.

use proto::dhcp::v1::dhcp_lease_service_client::DhcpLeaseServiceClient;
use proto::dhcp::v1::{ListUnknownClientsRequest, UnknownClient};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output::{self, Shape, column, wide};
use crate::utc;

pub(super) async fn list(global: &GlobalArgs) -> Result<(), CliError> {
    let mut client = DhcpLeaseServiceClient::new(connect::to_any(global)?);
    let answer = client
        .list_unknown_clients(ListUnknownClientsRequest::default())
        .await?
        .into_inner();
    output::list(
        global,
        ("chamois.dhcp.v1.ListUnknownClientsResponse", &answer),
        &answer.clients,
        &UNKNOWN,
    )
}

/// A row per client.
const UNKNOWN: Shape<UnknownClient> = Shape {
    message: "chamois.dhcp.v1.UnknownClient",
    key: |client| client.mac.clone(),
    columns: &[
        column("MAC", |client| client.mac.clone()),
        column("NETWORK", |client| client.network.clone()),
        wide("RELAY", |client| client.relay.clone()),
        wide("ARCH", |client| {
            client
                .architecture
                .map(|architecture| architecture.to_string())
                .unwrap_or_default()
        }),
        wide("CLASS", |client| client.vendor_class.clone()),
        column("HOSTNAME", |client| client.hostname.clone()),
        wide("FIRST SEEN", |client| utc::timestamp(client.first_seen_at_ms)),
        column("LAST SEEN", |client| utc::timestamp(client.last_seen_at_ms)),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_client_is_shown_with_what_it_says_of_itself() {
        let client = UnknownClient {
            mac: "02:00:00:00:0a:01".into(),
            network: "10.97.0.0/16".into(),
            architecture: Some(0),
            vendor_class: "PXEClient".into(),
            last_seen_at_ms: 1_764_054_000_000,
            ..UnknownClient::default()
        };
        let shown = output::plain(&[client], &UNKNOWN);
        for part in [
            "02:00:00:00:0a:01",
            "10.97.0.0/16",
            " 0 ",
            "PXEClient",
            "2025-11-25T07:00:00Z",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
}
