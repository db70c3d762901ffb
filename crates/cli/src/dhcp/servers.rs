//! `chamois dhcp servers`: each member's own view, one below the other.

use comfy_table::Table;
use proto::dhcp::v1::{DhcpServer, ListDhcpServersRequest, ListDhcpServersResponse};

use super::views::{self, View};
use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::utc;

/// The full name of the answer, for JSON.
const ANSWER: &str = "chamois.dhcp.v1.ListDhcpServersResponse";

pub(super) async fn list(global: &GlobalArgs) -> Result<(), CliError> {
    let views = views::of_each_member(global, |mut client| async move {
        client.list_dhcp_servers(ListDhcpServersRequest {}).await
    });
    let views = views.await?;
    views::show(global, ANSWER, &views, || render(&views).to_string())
}

fn render(views: &[View<ListDhcpServersResponse>]) -> Table {
    let header = [
        "SEEN BY",
        "NETWORK",
        "SERVER",
        "MAC",
        "KIND",
        "OFFERS",
        "ACKS",
        "NAKS",
        "CHOSEN",
        "LAST SEEN",
        "LAST CLIENT",
    ];
    views::table(header, views, |answer| {
        let servers = answer.servers.iter();
        let row = |server: &DhcpServer| {
            vec![
                server.network.clone(),
                server.address.clone(),
                server.mac.clone(),
                if server.is_expected { "expected" } else { "ROGUE" }.to_owned(),
                server.offers.to_string(),
                server.acks.to_string(),
                server.naks.to_string(),
                server.requests.to_string(),
                utc::timestamp(server.last_seen_at_ms),
                server.last_client.clone(),
            ]
        };
        servers.map(row).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn views() -> Vec<View<ListDhcpServersResponse>> {
        let server = |address: &str, is_expected| DhcpServer {
            network: "boot".into(),
            address: address.into(),
            is_expected,
            offers: 3,
            last_seen_at_ms: 1_764_054_000_000,
            ..DhcpServer::default()
        };
        let servers = vec![server("10.97.9.9", false), server("10.97.0.5", true)];
        vec![("a:7441".into(), Ok(ListDhcpServersResponse { servers }))]
    }

    #[test]
    fn a_rogue_is_shown_as_one() {
        let shown = render(&views()).to_string();
        let line = |part: &str| shown.lines().find(|line| line.contains(part)).unwrap().to_owned();
        assert!(line("10.97.9.9").contains("ROGUE"), "{shown}");
        assert!(line("10.97.9.9").contains("2025-11-25T07:00:00Z"), "{shown}");
        assert!(line("10.97.0.5").contains("expected"), "{shown}");
    }
}
