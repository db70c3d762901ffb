//! Whether the names resolve that members and clients are dialled by, and whether each service address is held once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use futures::future::join_all;

use super::around::Around;
use super::finding::Finding;

/// A resolver that does not answer is not waited for any longer.
const RESOLVED_WITHIN: Duration = Duration::from_secs(5);

pub(super) async fn check(around: &Around) -> Vec<Finding> {
    let names = names(around);
    let mut found: Vec<Finding> = join_all(names.iter().map(|(name, used)| resolve(name, used))).await;
    if names.is_empty() {
        found.push(Finding::ok(
            "names",
            "members and clients are dialled by addresses, which need no resolver",
        ));
    }
    found.extend(service_addresses(around));
    found
}

/// Host names that somebody dials, and what for.
fn names(around: &Around) -> BTreeMap<String, &'static str> {
    let mut names = BTreeMap::new();
    let mut add = |address: &str, used: &'static str| {
        let address = address.trim_start_matches("https://");
        if address.parse::<IpAddr>().is_ok() {
            return; // of IPv6, whose colons begin no port
        }
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host.trim_matches(['[', ']']);
        if !host.is_empty() && host.parse::<IpAddr>().is_err() {
            names.entry(host.to_owned()).or_insert(used);
        }
    };
    for member in &around.members {
        add(&member.endpoint, "an endpoint");
    }
    for member in around.statuses().flat_map(|status| &status.members) {
        add(&member.peer_address, "a member's peer address");
        add(&member.api_address, "a member's API address");
    }
    if let Some(config) = around.host.config() {
        config
            .names
            .iter()
            .for_each(|name| add(name, "one of `api.names`"));
    }
    names
}

async fn resolve(name: &str, used: &str) -> Finding {
    let asked = tokio::time::timeout(RESOLVED_WITHIN, tokio::net::lookup_host((name, 0))).await;
    let problem = match asked {
        Ok(Ok(found)) => {
            let found: BTreeSet<String> = found.map(|address| address.ip().to_string()).collect();
            let found: Vec<String> = found.into_iter().collect();
            return Finding::ok(name, format!("is {}", found.join(", ")));
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", RESOLVED_WITHIN.as_secs()),
    };
    let remedy = "Name it in the site's DNS or in /etc/hosts of every host that dials it (`chamois configure render hosts`), or use the address.";
    Finding::error(
        name,
        format!("does not resolve, and is {used}: {problem}"),
        remedy,
    )
}

/// Each service address that this host's configuration names, or that a member holds, must have exactly one holder.
fn service_addresses(around: &Around) -> Vec<Finding> {
    let mut holders: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    if let Some(config) = around.host.config() {
        let named = config
            .networks
            .iter()
            .filter_map(|network| network.service_address);
        holders.extend(named.map(|address| (address.to_string(), Vec::new())));
    }
    for status in around.statuses() {
        for address in &status.held_addresses {
            holders.entry(address.clone()).or_default().push(status.member_id);
        }
    }
    let everybody = !around.members.is_empty() && around.members.iter().all(|member| member.answer.is_ok());
    holders
        .iter()
        .filter_map(|(address, members)| held(address, members, everybody))
        .collect()
}

fn held(address: &str, members: &[u64], everybody: bool) -> Option<Finding> {
    let about = format!("service address {address}");
    match members {
        [one] => Some(Finding::ok(about, format!("is held by member {one}"))),
        [] if !everybody => None,
        [] => Some(Finding::error(
            about,
            "is held by no member",
            "`systemctl status chamois-address-helper` on each member's host; --allow must name the address. With `address.mode` \
             `external` look at what moves it.",
        )),
        several => Some(Finding::error(
            about,
            format!(
                "is held by members {}",
                several.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
            ),
            "They do not hear each other: let UDP 7442 pass between members on that network.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use proto::cluster::v1::ClusterStatus;

    use super::super::around::{Member, with};
    use super::super::finding::Severity;
    use super::super::host::{Host, HostConfig, Network};
    use super::*;

    fn holding(member_id: u64, addresses: &[&str]) -> Result<ClusterStatus, crate::error::CliError> {
        Ok(ClusterStatus {
            member_id,
            held_addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
            ..Default::default()
        })
    }

    #[tokio::test]
    async fn a_name_that_nobody_knows_is_an_error() {
        let known = resolve("localhost", "an endpoint").await;
        assert_eq!(known.severity, Severity::Ok, "{known:?}");
        let unknown = resolve("nobody.invalid", "an endpoint").await;
        assert_eq!(unknown.severity, Severity::Error);
        assert!(unknown.what.contains("an endpoint"), "{unknown:?}");
    }

    #[test]
    fn names_are_looked_up_and_addresses_are_not() {
        let mut around = with(vec![holding(1, &[])]);
        around.members.push(Member {
            endpoint: "https://admin1.example:7441".into(),
            answer: holding(2, &[]),
            clock: None,
        });
        around.host = Host::Member(Box::new(HostConfig {
            names: ["fd00::1", "10.1.0.1", "admin1"].map(str::to_owned).to_vec(),
            ..HostConfig::default()
        }));
        let names: Vec<String> = names(&around).into_keys().collect();
        assert_eq!(names, ["admin1", "admin1.example"]);
    }

    #[test]
    fn an_address_that_two_hold_or_nobody_is_an_error() {
        let twice = service_addresses(&with(vec![holding(1, &["10.9.0.1"]), holding(2, &["10.9.0.1"])]));
        assert_eq!(twice[0].severity, Severity::Error);
        assert!(
            twice[0].what.contains("1, 2") && twice[0].remedy.contains("7442"),
            "{twice:?}"
        );
        let mut around = with(vec![holding(1, &[])]);
        around.host = Host::Member(Box::new(HostConfig {
            networks: vec![Network {
                service_address: Some("10.9.0.1".parse().unwrap()),
                ..Network::default()
            }],
            ..HostConfig::default()
        }));
        assert!(service_addresses(&around)[0].what.contains("no member"));
        let once = service_addresses(&with(vec![holding(1, &["10.9.0.1"]), holding(2, &[])]));
        assert_eq!(once[0].severity, Severity::Ok);
    }
}
