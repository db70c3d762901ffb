//! Whether the ports answer that members, administrators and nodes need.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures::future::join_all;
use tokio::net::TcpStream;

use super::around::Around;
use super::finding::{Finding, Severity};

/// For compute nodes: boot scripts, cloud-init data, boot files.
pub(super) const HTTP_PORT: u16 = 8081;
/// The HTTPS API.
pub(super) const HTTPS_PORT: u16 = 8443;
/// A host that drops packets is not waited for any longer.
const CONNECT_AT_MOST: Duration = Duration::from_secs(3);

/// A port, for whom it is, and what it means that it does not answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Port {
    address: String,
    serves: &'static str,
    remedy: &'static str,
    /// Where it may be that it is not to answer here.
    is_warning: bool,
}

pub(super) async fn check(around: &Around) -> Vec<Finding> {
    let wanted = wanted(around);
    if wanted.is_empty() {
        return vec![Finding::note("the members", "no address is known: not looked at")];
    }
    let mut found: Vec<Finding> = join_all(wanted.into_iter().map(look)).await;
    let is_ok = |finding: &Finding| finding.severity == Severity::Ok;
    if found.iter().all(is_ok) {
        let all: Vec<String> = found.iter().map(|finding| finding.subject.clone()).collect();
        return vec![Finding::ok(
            format!("{} ports", all.len()),
            format!("all answer: {}", all.join(", ")),
        )];
    }
    found.retain(|finding| !is_ok(finding));
    found
}

/// What should answer, as far as the members and this host's configuration say.
fn wanted(around: &Around) -> BTreeSet<Port> {
    let mut wanted = BTreeSet::new();
    for member in &around.members {
        wanted.insert(grpc(&member.endpoint));
    }
    for status in around.statuses() {
        for member in status
            .members
            .iter()
            .filter(|member| !member.api_address.is_empty())
        {
            wanted.insert(grpc(&member.api_address));
            wanted.extend(https(&member.api_address));
            // only members are to reach each other's peer port, and a firewall may see to that
            if around.host.config().is_some() {
                wanted.insert(peer(&member.peer_address));
            }
        }
        for address in status
            .held_addresses
            .iter()
            .filter_map(|address| address.parse().ok())
        {
            wanted.insert(nodes(address, HTTP_PORT));
        }
    }
    if let Some(config) = around.host.config() {
        let boots = config.networks.iter().filter(|network| network.has_role("boot"));
        wanted.extend(
            boots
                .filter_map(|network| network.service_address)
                .map(|address| nodes(address, config.http_port)),
        );
    }
    wanted
}

fn grpc(endpoint: &str) -> Port {
    Port {
        address: endpoint.trim_start_matches("https://").to_owned(),
        serves: "gRPC API",
        remedy: "Is the member up (`systemctl status chamois`), does the firewall let TCP 7441 pass, is `api.grpc-listen` that address?",
        is_warning: false,
    }
}

fn https(api_address: &str) -> Option<Port> {
    let (host, _) = api_address.rsplit_once(':')?;
    Some(Port {
        address: format!("{host}:{HTTPS_PORT}"),
        serves: "HTTPS API",
        remedy: "Does the firewall let TCP 8443 pass; is `api.https-listen` another address?",
        is_warning: true,
    })
}

fn peer(peer_address: &str) -> Port {
    Port {
        address: peer_address.to_owned(),
        serves: "the other members",
        remedy: "Is the member up, does the firewall let TCP 7440 pass between members, is `raft.peer-listen` that address?",
        is_warning: false,
    }
}

fn nodes(address: IpAddr, port: u16) -> Port {
    Port {
        address: SocketAddr::new(address, port).to_string(),
        serves: "compute nodes",
        remedy: "No node boots from there: is the address on a member's interface (chamois-address-helper.service), does the \
                 firewall let TCP 8081 pass?",
        is_warning: false,
    }
}

async fn look(port: Port) -> Finding {
    let connected = tokio::time::timeout(CONNECT_AT_MOST, TcpStream::connect(&port.address)).await;
    let problem = match connected {
        Ok(Ok(_)) => return Finding::ok(port.address, port.serves),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", CONNECT_AT_MOST.as_secs()),
    };
    let what = format!("does not answer ({}): {problem}", port.serves);
    match port.is_warning {
        true => Finding::warning(port.address, what, port.remedy),
        false => Finding::error(port.address, what, port.remedy),
    }
}

#[cfg(test)]
mod tests {
    use proto::cluster::v1::{ClusterStatus, MemberStatus};
    use tokio::net::TcpListener;

    use super::super::around::with;
    use super::super::host::{Host, HostConfig};
    use super::*;

    fn status(api_address: &str) -> ClusterStatus {
        ClusterStatus {
            members: vec![MemberStatus {
                api_address: api_address.into(),
                peer_address: "10.0.0.1:7440".into(),
                ..Default::default()
            }],
            held_addresses: vec!["10.9.0.1".into()],
            ..Default::default()
        }
    }

    #[tokio::test]
    async fn a_port_that_answers_is_well_and_one_that_does_not_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert_eq!(look(grpc(&address)).await.severity, Severity::Ok);
        drop(listener);
        let found = look(grpc(&address)).await;
        assert_eq!(found.severity, Severity::Error);
        assert!(found.remedy.contains("7441"), "{found:?}");
        let https = look(https(&address).unwrap()).await;
        assert_eq!(https.severity, Severity::Warning, "it may listen elsewhere");
    }

    #[test]
    fn everything_that_members_name_is_wanted_and_peers_only_between_members() {
        let mut around = with(vec![Ok(status("10.0.0.1:7441"))]);
        let addresses = |around: &Around| -> Vec<String> {
            wanted(around).into_iter().map(|port| port.address).collect()
        };
        assert_eq!(
            addresses(&around),
            ["10.0.0.1:7441", "10.0.0.1:8443", "10.9.0.1:8081"]
        );
        around.host = Host::Member(Box::new(HostConfig {
            http_port: HTTP_PORT,
            ..HostConfig::default()
        }));
        assert!(addresses(&around).contains(&"10.0.0.1:7440".to_owned()));
    }

    #[tokio::test]
    async fn without_any_address_nothing_is_claimed() {
        assert_eq!(check(&with(Vec::new())).await[0].severity, Severity::Note);
    }
}
