//! A DHCP policy in the one way it is stored, or why it is refused.

use std::net::Ipv4Addr;

use model::{
    GroupLabel, HmsType, HostnamePattern, Ipv4Net, NodeSet, Rejection, canonical_role, canonical_sub_role,
};
use proto::dhcp::v1::DhcpPolicy;
use proto::dhcp::v1::dhcp_policy::DomainAppend;

use super::raw_options;
use super::subnets::{LEASE_TIME_S_MIN, addresses, check_domain, check_lease_time, check_mtu};
use crate::bounds::{
    DESCRIPTION_BYTES_MAX, DHCP_POLICY_NAME_BYTES_MAX, DHCP_PRIORITY_DEFAULT, DHCP_PRIORITY_MAX,
    SELECTORS_PER_DHCP_POLICY_MAX, check_count, check_text,
};
use crate::selectors::{self, check_object_name, parsed, role, sorted};

/// Selectors in normal form, sorted, each once; the priority said. Its meta is not the client's to give.
pub(super) fn normalised(given: &DhcpPolicy) -> Result<DhcpPolicy, Rejection> {
    check_object_name(&given.name, DHCP_POLICY_NAME_BYTES_MAX)?;
    check_text("description", &given.description, DESCRIPTION_BYTES_MAX)?;
    let mut policy = DhcpPolicy {
        priority: Some(checked_priority(given.priority)?),
        meta: None,
        ..given.clone()
    };
    normalise_selectors(&mut policy)?;
    normalise_actions(&mut policy)?;
    check_does_something(&policy)?;
    check_routers(&policy)?;
    Ok(policy)
}

/// The priority of a stored policy.
pub(super) fn priority(policy: &DhcpPolicy) -> u32 {
    policy.priority.unwrap_or(DHCP_PRIORITY_DEFAULT)
}

fn checked_priority(given: Option<u32>) -> Result<u32, Rejection> {
    match given.unwrap_or(DHCP_PRIORITY_DEFAULT) {
        priority if priority <= DHCP_PRIORITY_MAX => Ok(priority),
        priority => {
            let problem = format!("{priority} is given; write 0 to {DHCP_PRIORITY_MAX}");
            Err(Rejection::invalid("priority", problem))
        }
    }
}

fn normalise_selectors(policy: &mut DhcpPolicy) -> Result<(), Rejection> {
    let normal = |field: &str, given: &[String], of: &dyn Fn(&str) -> Result<String, Rejection>| {
        selectors::normalised(field, given, SELECTORS_PER_DHCP_POLICY_MAX, |text| of(text))
    };
    policy.component_types = normal("component_types", &policy.component_types, &|text| {
        Ok(parsed::<HmsType>("component_types", text)?.to_string())
    })?;
    policy.subnets = normal("subnets", &policy.subnets, &|text| {
        Ok(parsed::<Ipv4Net>("subnets", text)?.to_string())
    })?;
    policy.groups = normal("groups", &policy.groups, &|text| {
        Ok(parsed::<GroupLabel>("groups", text)?.to_string())
    })?;
    policy.roles = normal("roles", &policy.roles, &|text| {
        role("roles", text, canonical_role)
    })?;
    policy.sub_roles = normal("sub_roles", &policy.sub_roles, &|text| {
        role("sub_roles", text, canonical_sub_role)
    })?;
    policy.hosts = hosts(&policy.hosts)?;
    Ok(())
}

/// The nodesets; a list is taken apart.
fn hosts(given: &[String]) -> Result<Vec<String>, Rejection> {
    check_count("hosts", given.len(), SELECTORS_PER_DHCP_POLICY_MAX)?;
    let mut hosts = Vec::new();
    for text in given {
        let sets = NodeSet::list(text).map_err(|problem| Rejection::invalid("hosts", problem))?;
        hosts.extend(sets.iter().map(NodeSet::to_string));
    }
    check_count("hosts", hosts.len(), SELECTORS_PER_DHCP_POLICY_MAX)?;
    Ok(sorted(hosts))
}

fn normalise_actions(policy: &mut DhcpPolicy) -> Result<(), Rejection> {
    if !policy.hostname.is_empty() {
        let pattern: HostnamePattern = parsed("hostname", &policy.hostname)?;
        policy.hostname = pattern.to_string();
        if pattern.is_constant() {
            select_only_one(policy)?;
        }
    }
    check_domain(&policy.domain)?;
    policy.domain.make_ascii_lowercase();
    check_domain_append(policy)?;
    if policy.prefix_length > 32 {
        let problem = format!(
            "{} is given; write 1 to 32, or 0 for the subnet's",
            policy.prefix_length
        );
        return Err(Rejection::invalid("prefix_length", problem));
    }
    check_lease_time(
        "lease_time_s",
        policy.lease_time_s,
        LEASE_TIME_S_MIN,
        "the subnet's",
    )?;
    check_mtu(policy.mtu, "the subnet's")?;
    for (field, list) in [
        ("routers", &mut policy.routers),
        ("dns_servers", &mut policy.dns_servers),
        ("ntp_servers", &mut policy.ntp_servers),
    ] {
        let normal = addresses(field, list)?;
        *list = normal.iter().map(Ipv4Addr::to_string).collect();
    }
    policy.options = raw_options::normalised(&policy.options)?;
    Ok(())
}

/// One name for several components would lead to one of them only. What is below that one in its place is of other types.
fn select_only_one(policy: &mut DhcpPolicy) -> Result<(), Rejection> {
    let refuse = || {
        let problem = format!(
            "every component that is selected would be called `{}`; use {{id}} or {{04d}}, or select one component by `hosts` \
             with its xname alone",
            policy.hostname
        );
        Rejection::invalid("hostname", problem)
    };
    let [host] = policy.hosts.as_slice() else {
        return Err(refuse());
    };
    let set: NodeSet = parsed("hosts", host)?;
    let xname = set.as_xname().ok_or_else(refuse)?;
    let own_type = xname.hms_type().to_string();
    match policy.component_types.as_slice() {
        [] => policy.component_types = vec![own_type],
        [given] if *given == own_type => {}
        _ => return Err(refuse()),
    }
    Ok(())
}

fn check_domain_append(policy: &DhcpPolicy) -> Result<(), Rejection> {
    use DomainAppend::{Either, None, Policy, PolicySubnet, Subnet, SubnetPolicy, Unspecified};
    match DomainAppend::try_from(policy.domain_append) {
        Ok(Policy | PolicySubnet | SubnetPolicy) if policy.domain.is_empty() => {
            let problem = "it appends the policy's domain, and there is none; give `domain`";
            Err(Rejection::invalid("domain_append", problem))
        }
        Ok(Unspecified | None | Either | Subnet | Policy | PolicySubnet | SubnetPolicy) => Ok(()),
        Err(_) => {
            let problem = format!(
                "{} is none of none (1), either (2), subnet (3), policy (4), subnet-policy (5) and policy-subnet (6)",
                policy.domain_append
            );
            Err(Rejection::invalid("domain_append", problem))
        }
    }
}

/// One without an effect, or with one that is never seen, would never be noticed.
fn check_does_something(policy: &DhcpPolicy) -> Result<(), Rejection> {
    let texts = [&policy.hostname, &policy.domain];
    let lists = [&policy.routers, &policy.dns_servers, &policy.ntp_servers];
    let numbers = [policy.prefix_length, policy.lease_time_s, policy.mtu];
    let says_something = texts.iter().any(|text| !text.is_empty())
        || lists.iter().any(|list| !list.is_empty())
        || numbers.iter().any(|number| *number != 0)
        || policy.domain_append != 0
        || !policy.options.is_empty();
    match (policy.ignore, says_something) {
        (true, true) => {
            let problem =
                "whoever is ignored is told nothing; leave the other actions out, or make it two policies";
            Err(Rejection::invalid("ignore", problem))
        }
        (true, false) if policy.continues => {
            let problem = "nothing comes after a client that is ignored; leave `continues` out";
            Err(Rejection::invalid("continues", problem))
        }
        (false, false) => {
            let problem = "the policy does nothing; give it `ignore`, a hostname, a domain, routers, servers, a number or options";
            Err(Rejection::invalid("policy", problem))
        }
        (true, false) | (false, true) => Ok(()),
    }
}

/// With a mask of its own a client may reach routers beyond its network.
fn check_routers(policy: &DhcpPolicy) -> Result<(), Rejection> {
    if policy.subnets.is_empty() || policy.prefix_length != 0 {
        return Ok(());
    }
    let networks: Vec<Ipv4Net> = policy
        .subnets
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect();
    let is_outside = |text: &&String| {
        let router = text.parse::<Ipv4Addr>();
        router.is_ok_and(|router| !networks.iter().any(|network| network.contains(router)))
    };
    match policy.routers.iter().find(is_outside) {
        Some(outside) => {
            let problem = format!(
                "{outside} is in none of {}, so no client could reach it",
                policy.subnets.join(", ")
            );
            Err(Rejection::invalid("routers", problem))
        }
        None => Ok(()),
    }
}
