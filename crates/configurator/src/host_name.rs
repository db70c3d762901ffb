//! What components are called: as `State::hostname` has it, which is the answer of DNS, DHCP and cloud-init.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

use model::{HmsType, HostnamePattern, HostnameStyle, Ipv4Net, Nid, NodeSet, Xname};
use proto::dhcp::v1::DhcpPolicy;
use proto::smd::v1::Component;

use crate::Inventory;

/// Longest host name (RFC 1035), in bytes.
const NAME_BYTES_MAX: usize = 253;
/// Longest part of it between dots, in bytes.
const LABEL_BYTES_MAX: usize = 63;
/// Priority of a policy that names none.
const POLICY_PRIORITY_DEFAULT: u32 = 500;
/// The name servers' own label in every domain; no node has it.
const SERVER_LABEL: &str = "ns";

/// Whether a text is a name that hosts have, in lower case: letters, digits, `-` and `_`, with dots between the parts, and not
/// digits alone, which would be taken for an address.
pub(crate) fn is_host_name(name: &str) -> bool {
    let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    let is_label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(known)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= NAME_BYTES_MAX
        && name.split('.').all(is_label)
        && name.bytes().any(|b| b.is_ascii_lowercase())
}

/// Gives names, each once.
pub(crate) struct HostNames<'a> {
    inventory: &'a Inventory,
    style: HostnameStyle<'a>,
    rules: Vec<Rule<'a>>,
    groups_of: &'a HashMap<&'a str, Vec<String>>,
    taken: HashSet<String>,
}

/// Whom a name is for.
pub(crate) struct Whom<'a> {
    pub(crate) xname: &'a Xname,
    pub(crate) component: Option<&'a Component>,
    /// Its first IPv4 address, and the domain there.
    pub(crate) place: Option<Ipv4Addr>,
    pub(crate) domain: &'a str,
}

/// A policy of DHCP, as far as it gives names.
struct Rule<'a> {
    policy: &'a DhcpPolicy,
    types: Vec<HmsType>,
    subnets: Vec<Ipv4Net>,
    hosts: Vec<NodeSet>,
    hostname: Option<HostnamePattern>,
}

impl<'a> HostNames<'a> {
    /// `groups_of` are the labels of the groups of each xname, sorted.
    pub(crate) fn new(
        inventory: &'a Inventory,
        groups_of: &'a HashMap<&'a str, Vec<String>>,
    ) -> HostNames<'a> {
        let mut policies: Vec<&DhcpPolicy> = inventory.policies.values().collect();
        let priority = |policy: &DhcpPolicy| policy.priority.unwrap_or(POLICY_PRIORITY_DEFAULT);
        policies.sort_by_key(|policy| Reverse(priority(policy)));
        HostNames {
            inventory,
            style: HostnameStyle {
                cluster_name: inventory.cluster_name(),
                short_name: &inventory.defaults.short_name,
                nid_digits: usize::try_from(inventory.defaults.nid_length).unwrap_or_default(),
            },
            rules: policies.into_iter().filter_map(Rule::of).collect(),
            groups_of,
            taken: HashSet::new(),
        }
    }

    /// The name of a node: its own, a policy's, or short-name and NID.
    pub(crate) fn of_node(&mut self, whom: &Whom<'_>) -> String {
        let own = self.inventory.instances.get(whom.xname.as_str());
        let own = own.map(|info| &info.local_hostname);
        let nid = whom.component.and_then(|component| component.nid).map(Nid);
        let name = match own.filter(|name| !name.is_empty()) {
            Some(name) => name.clone(),
            None => self
                .by_policy(whom)
                .unwrap_or_else(|| self.style.hostname(nid, whom.xname)),
        };
        self.take(whom, &name)
    }

    /// The name of what is no node: `preferred`, or a policy's.
    pub(crate) fn of_other(&mut self, whom: &Whom<'_>, preferred: &[&str]) -> String {
        let is_usable = |name: &&&str| is_host_name(&name.to_ascii_lowercase());
        match preferred.iter().find(is_usable) {
            Some(name) => self.take(whom, name),
            None => {
                let name = self.by_policy(whom);
                self.take(whom, name.as_deref().unwrap_or_default())
            }
        }
    }

    /// The name without its domain; the xname for a name that is none, or somebody else's already.
    fn take(&mut self, whom: &Whom<'_>, name: &str) -> String {
        let name = name.to_ascii_lowercase();
        let within = name.strip_suffix(whom.domain).filter(|_| !whom.domain.is_empty());
        let label = within.and_then(|label| label.strip_suffix('.')).unwrap_or(&name);
        let is_other_xname = || {
            let parsed = label.parse::<Xname>();
            parsed.is_ok_and(|other| other != *whom.xname && self.is_known(other.as_str()))
        };
        let is_free = is_host_name(label)
            && label != SERVER_LABEL
            && !is_other_xname()
            && self.taken.insert(label.to_owned());
        match is_free {
            true => label.to_owned(),
            false => whom.xname.to_string(),
        }
    }

    fn is_known(&self, xname: &str) -> bool {
        self.inventory.components.contains_key(xname) || self.inventory.endpoints.contains_key(xname)
    }

    /// What the policies say that mean it, of which the last one counts that says something.
    fn by_policy(&self, whom: &Whom<'_>) -> Option<String> {
        let nid = whom.component.and_then(|component| component.nid).map(Nid);
        let mut name = None;
        for rule in self.rules.iter().filter(|rule| self.fits(rule, whom)) {
            let said = rule
                .hostname
                .as_ref()
                .and_then(|pattern| pattern.hostname(nid, whom.xname));
            name = said.or(name);
            if !rule.policy.continues {
                break;
            }
        }
        name
    }

    fn fits(&self, rule: &Rule<'_>, whom: &Whom<'_>) -> bool {
        let policy = rule.policy;
        let groups = || self.groups_of.get(whom.xname.as_str());
        let is_in_a_group =
            || groups().is_some_and(|own| own.iter().any(|label| policy.groups.contains(label)));
        let is_around = |place: Ipv4Addr| rule.subnets.iter().any(|subnet| subnet.contains(place));
        let is_one_of = |wanted: &[String], has: fn(&Component) -> &String| {
            wanted.is_empty()
                || whom
                    .component
                    .is_some_and(|component| wanted.contains(has(component)))
        };
        (rule.types.is_empty() || rule.types.contains(&whom.xname.hms_type()))
            && (rule.subnets.is_empty() || whom.place.is_some_and(is_around))
            && (rule.hosts.is_empty() || rule.hosts.iter().any(|set| set.contains(whom.xname)))
            && (policy.groups.is_empty() || is_in_a_group())
            && is_one_of(&policy.roles, |component| &component.role)
            && is_one_of(&policy.sub_roles, |component| &component.sub_role)
    }
}

impl<'a> Rule<'a> {
    /// `None` for a policy that cannot be read, which no member has stored.
    fn of(policy: &'a DhcpPolicy) -> Option<Rule<'a>> {
        fn read<T: std::str::FromStr>(texts: &[String]) -> Option<Vec<T>> {
            texts.iter().map(|text| text.parse().ok()).collect()
        }
        let hostname = match policy.hostname.as_str() {
            "" => None,
            pattern => Some(pattern.parse().ok()?),
        };
        Some(Rule {
            types: read(&policy.component_types)?,
            subnets: read(&policy.subnets)?,
            hosts: read(&policy.hosts)?,
            hostname,
            policy,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_told_from_other_texts() {
        for name in [
            "a",
            "nid0001",
            "x1000c0s0b0n0",
            "login-1.demo.example",
            "n_1",
            "1a",
        ] {
            assert!(is_host_name(name), "{name}");
        }
        let long = "a".repeat(64);
        for other in [
            "", "1", "10.1.2.3", "a b", "a\nb", "-a", "a-", "a..b", ".a", "a.", "A", "é", "a;b", "a\"", &long,
        ] {
            assert!(!is_host_name(other), "{other:?}");
        }
    }
}
