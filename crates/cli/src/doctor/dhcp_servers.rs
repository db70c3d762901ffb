//! Whether somebody else answers DHCP on the members' networks.

use std::collections::BTreeMap;

use proto::dhcp::v1::dhcp_watch_service_client::DhcpWatchServiceClient;
use proto::dhcp::v1::{DhcpServer, ListDhcpServersRequest};

use super::MEMBER_AT_MOST;
use super::around::{Around, first_line};
use super::finding::Finding;
use crate::at_once;
use crate::connect::Target;
use crate::error::CliError;
use crate::utc;

pub(super) async fn check(around: &Around) -> Vec<Finding> {
    let Ok(target) = &around.target else {
        return vec![Finding::note("the networks", "no member to ask: not looked at")];
    };
    let answering = around.answering();
    let seen = answering.iter().map(|endpoint| seen_by(target, endpoint));
    let seen = at_once::each(MEMBER_AT_MOST, seen).await;
    told(&answering, seen)
}

async fn seen_by(target: &Target, endpoint: &str) -> Result<Vec<DhcpServer>, CliError> {
    let mut client = DhcpWatchServiceClient::new(target.connect_one(endpoint)?);
    let answer = client.list_dhcp_servers(ListDhcpServersRequest {}).await?;
    Ok(answer.into_inner().servers)
}

/// Who could not be asked first, then what the others have seen.
fn told(endpoints: &[&str], seen: Vec<Result<Vec<DhcpServer>, CliError>>) -> Vec<Finding> {
    let (mut servers, mut found, mut asked) = (Vec::new(), Vec::new(), 0);
    for (endpoint, seen) in endpoints.iter().zip(seen) {
        match seen {
            Ok(seen) => {
                asked += 1;
                servers.extend(seen);
            }
            Err(error) => found.push(Finding::note(*endpoint, first_line(&error))),
        }
    }
    if asked > 0 {
        found.extend(judge(&servers));
    }
    if found.is_empty() {
        found.push(Finding::note("the networks", "no member answers: not looked at"));
    }
    found
}

/// Each server once, whoever has seen it.
fn judge(seen: &[DhcpServer]) -> Vec<Finding> {
    let mut servers: BTreeMap<(&str, &str), &DhcpServer> = BTreeMap::new();
    for server in seen {
        let known = servers
            .entry((&server.network, &server.address))
            .or_insert(server);
        if known.last_seen_at_ms < server.last_seen_at_ms {
            *known = server;
        }
    }
    if servers.is_empty() {
        return vec![Finding::ok(
            "the networks",
            "no other DHCP server was seen since the members started",
        )];
    }
    servers.into_values().map(one).collect()
}

fn one(server: &DhcpServer) -> Finding {
    let about = format!("DHCP server {}", server.address);
    let sender = match server.mac.as_str() {
        "" => String::new(),
        mac => format!(" ({mac})"),
    };
    let what = format!(
        "answers on `{}`{sender}, last {}",
        server.network,
        utc::timestamp(server.last_seen_at_ms)
    );
    match server.is_expected {
        true => Finding::ok(about, format!("{what}, as `dhcp-other-servers` says")),
        false => Finding::error(
            about,
            what,
            "Nodes may boot from it: find its MAC in the switches' tables and stop it; if it is meant to answer there, name it in \
             `dhcp-other-servers` of the network.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::around::with;
    use super::super::finding::Severity;
    use super::*;

    fn server(address: &str, is_expected: bool, last_seen_at_ms: u64) -> DhcpServer {
        DhcpServer {
            network: "boot".into(),
            address: address.into(),
            mac: "02:00:00:00:00:09".into(),
            is_expected,
            last_seen_at_ms,
            ..DhcpServer::default()
        }
    }

    #[test]
    fn a_rogue_is_an_error_told_once_and_an_expected_one_is_not() {
        let found = judge(&[
            server("10.9.9.9", false, 1_000),
            server("10.9.9.9", false, 2_000),
            server("10.9.0.5", true, 3),
        ]);
        assert_eq!(found.len(), 2, "{found:?}");
        let rogue = found.iter().find(|f| f.severity == Severity::Error).unwrap();
        assert!(
            rogue.what.contains("00:09") && rogue.what.contains("00:00:02Z"),
            "{rogue:?}"
        );
        assert!(rogue.remedy.contains("dhcp-other-servers"));
    }

    /// What one member has seen is told, also if the one before it hangs.
    #[test]
    fn who_says_nothing_takes_away_nothing() {
        let hangs = || Err(CliError::new(crate::error::Kind::Unavailable, "no whole answer"));
        let found = told(
            &["a:1", "b:1"],
            vec![hangs(), Ok(vec![server("10.9.9.9", false, 1)])],
        );
        let severities: Vec<_> = found.iter().map(|one| one.severity).collect();
        assert_eq!(severities, [Severity::Note, Severity::Error], "{found:?}");
        assert_eq!(found[0].subject, "a:1");
        let found = told(&["a:1"], vec![hangs()]);
        assert_eq!(
            found.len(),
            1,
            "of a network that nobody has looked at nothing is claimed"
        );
    }

    #[tokio::test]
    async fn a_silent_network_is_well_and_nobody_to_ask_claims_nothing() {
        assert_eq!(judge(&[])[0].severity, Severity::Ok);
        assert_eq!(check(&with(Vec::new())).await[0].severity, Severity::Note);
    }
}
