//! `chamois dhcp unknown`.

use proto::dhcp::v1::dhcp_lease_service_client::DhcpLeaseServiceClient;
use proto::dhcp::v1::{ListUnknownClientsRequest, UnknownClient};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output::{self, Format};
use crate::utc;

pub(super) async fn list(global: &GlobalArgs) -> Result<(), CliError> {
    let mut client = DhcpLeaseServiceClient::new(connect::to_any(global)?);
    let answer = client
        .list_unknown_clients(ListUnknownClientsRequest::default())
        .await?
        .into_inner();
    match global.output {
        Format::Json => output::print_json("chamois.dhcp.v1.ListUnknownClientsResponse", &answer),
        Format::Table => output::print(render(&answer.clients)),
    }
}

fn render(clients: &[UnknownClient]) -> comfy_table::Table {
    let mut table = output::table([
        "MAC",
        "NETWORK",
        "RELAY",
        "ARCH",
        "CLASS",
        "HOSTNAME",
        "FIRST SEEN",
        "LAST SEEN",
    ]);
    for client in clients {
        table.add_row([
            client.mac.clone(),
            client.network.clone(),
            client.relay.clone(),
            client
                .architecture
                .map(|architecture| architecture.to_string())
                .unwrap_or_default(),
            client.vendor_class.clone(),
            client.hostname.clone(),
            utc::timestamp(client.first_seen_at_ms),
            utc::timestamp(client.last_seen_at_ms),
        ]);
    }
    table
}

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
        let shown = render(&[client]).to_string();
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
