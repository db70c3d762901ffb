//! `chamois dhcp servers`: each member's own view, one below the other.

use futures::future::join_all;
use proto::dhcp::v1::dhcp_watch_service_client::DhcpWatchServiceClient;
use proto::dhcp::v1::{ListDhcpServersRequest, ListDhcpServersResponse};

use crate::args::GlobalArgs;
use crate::connect::Target;
use crate::error::CliError;
use crate::output::{self, Format};
use crate::utc;

/// The full name of the answer, for JSON.
const ANSWER: &str = "chamois.dhcp.v1.ListDhcpServersResponse";

/// What an endpoint said, or why there is no answer.
pub(super) type View<T> = (String, Result<T, CliError>);

pub(super) async fn list(global: &GlobalArgs) -> Result<(), CliError> {
    let target = Target::from_global(global)?;
    let views = join_all(
        target
            .endpoints
            .iter()
            .map(async |endpoint| (endpoint.clone(), ask(&target, endpoint).await)),
    );
    let views = answered(views.await)?;
    match global.output {
        Format::Json => output::print(to_json(ANSWER, &views)?),
        Format::Table => output::print(render(&views)),
    }
}

async fn ask(target: &Target, endpoint: &str) -> Result<ListDhcpServersResponse, CliError> {
    let mut client = DhcpWatchServiceClient::new(target.connect_one(endpoint)?);
    Ok(client
        .list_dhcp_servers(ListDhcpServersRequest {})
        .await?
        .into_inner())
}

/// # Errors
/// The first one, where nobody has answered.
pub(super) fn answered<T>(views: Vec<View<T>>) -> Result<Vec<View<T>>, CliError> {
    if views.iter().any(|(_, answer)| answer.is_ok()) {
        return Ok(views);
    }
    let failed = views.into_iter().find_map(|(_, answer)| answer.err());
    failed.map_or_else(|| Ok(Vec::new()), Err)
}

pub(super) fn to_json<T: prost::Message>(
    name: &str,
    views: &[View<T>],
) -> Result<serde_json::Value, CliError> {
    let one = |(endpoint, answer): &View<T>| match answer {
        Ok(answer) => {
            let mut shown = output::to_value(name, answer)?;
            shown["endpoint"] = endpoint.as_str().into();
            Ok(shown)
        }
        Err(error) => Ok(serde_json::json!({ "endpoint": endpoint, "error": error.to_string() })),
    };
    views.iter().map(one).collect()
}

fn render(views: &[View<ListDhcpServersResponse>]) -> comfy_table::Table {
    let mut table = output::table([
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
    ]);
    for (endpoint, answer) in views {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                table.add_row([endpoint.clone(), error.to_string()]);
                continue;
            }
        };
        for server in &answer.servers {
            table.add_row([
                endpoint.clone(),
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
            ]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use proto::dhcp::v1::DhcpServer;

    use super::*;
    use crate::error::Kind;

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
        vec![
            ("a:7441".into(), Ok(ListDhcpServersResponse { servers })),
            (
                "b:7441".into(),
                Err(CliError::new(Kind::Unavailable, "it is down")),
            ),
        ]
    }

    #[test]
    fn a_rogue_is_shown_as_one_and_a_member_that_is_down_too() {
        let shown = render(&views()).to_string();
        let line = |part: &str| shown.lines().find(|line| line.contains(part)).unwrap().to_owned();
        assert!(line("10.97.9.9").contains("ROGUE"), "{shown}");
        assert!(line("10.97.9.9").contains("2025-11-25T07:00:00Z"), "{shown}");
        assert!(line("10.97.0.5").contains("expected"), "{shown}");
        assert!(line("b:7441").contains("it is down"), "{shown}");
    }

    #[test]
    fn json_has_each_members_view() {
        let shown = to_json(ANSWER, &views()).unwrap();
        assert_eq!(shown[0]["endpoint"], "a:7441");
        assert_eq!(shown[0]["servers"][0]["address"], "10.97.9.9");
        assert_eq!(shown[0]["servers"][0]["offers"], 3);
        assert_eq!(shown[1]["error"], "it is down");
    }

    #[test]
    fn that_nobody_answers_is_an_error() {
        let down: Vec<View<ListDhcpServersResponse>> = views().into_iter().skip(1).collect();
        assert!(answered(down).is_err());
        assert_eq!(answered(views()).unwrap().len(), 2);
    }
}
