//! DHCP policies as they are held against a client: read once, when they change. Pure.

use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use model::{HmsType, HostnamePattern, Ipv4Net, Nid, NodeSet, Xname};
use proto::dhcp::v1::dhcp_policy::DomainAppend;
use proto::dhcp::v1::{DhcpPolicy, RawOption};
use proto::smd::v1::Component;

use super::raw_options::option_bytes;
use crate::State;

/// A policy, read.
pub(crate) struct Rule {
    pub(super) policy: Arc<DhcpPolicy>,
    types: Vec<HmsType>,
    pub(super) subnets: Vec<Ipv4Net>,
    hosts: Vec<NodeSet>,
    hostname: Option<HostnamePattern>,
    routers: Vec<Ipv4Addr>,
    dns_servers: Vec<Ipv4Addr>,
    ntp_servers: Vec<Ipv4Addr>,
    prefix_length: Option<u8>,
    mtu: Option<u16>,
    /// By code.
    options: BTreeMap<u8, Vec<u8>>,
}

impl Rule {
    /// # Errors
    /// What is wrong with a policy that no `apply` has stored.
    pub(super) fn of(policy: Arc<DhcpPolicy>) -> Result<Rule, String> {
        fn read<T: std::str::FromStr<Err: std::fmt::Display>>(texts: &[String]) -> Result<Vec<T>, String> {
            let parse = |text: &String| {
                text.parse()
                    .map_err(|problem: T::Err| format!("{text}: {problem}"))
            };
            texts.iter().map(parse).collect()
        }
        let hostname = match policy.hostname.as_str() {
            "" => None,
            pattern => Some(pattern.parse().map_err(|problem| format!("{problem}"))?),
        };
        let option = |option: &RawOption| {
            let code = u8::try_from(option.code).ok();
            code.zip(option_bytes(option))
                .ok_or_else(|| format!("option {} cannot be read", option.code))
        };
        Ok(Rule {
            types: read(&policy.component_types)?,
            subnets: read(&policy.subnets)?,
            hosts: read(&policy.hosts)?,
            hostname,
            routers: read(&policy.routers)?,
            dns_servers: read(&policy.dns_servers)?,
            ntp_servers: read(&policy.ntp_servers)?,
            prefix_length: u8::try_from(policy.prefix_length).ok().filter(|bits| *bits != 0),
            mtu: u16::try_from(policy.mtu).ok().filter(|mtu| *mtu != 0),
            options: policy.options.iter().map(option).collect::<Result<_, String>>()?,
            policy,
        })
    }

    pub(super) fn policy(&self) -> &Arc<DhcpPolicy> {
        &self.policy
    }

    /// Whom a name can mean by this policy; whether it is so is another question.
    pub(crate) fn candidates(&self, hostname: &str) -> Vec<model::Named> {
        self.hostname
            .as_ref()
            .map_or_else(Vec::new, |pattern| pattern.candidates(hostname))
    }

    /// The one component that it selects, if `hosts` is its xname alone.
    pub(crate) fn only_host(&self) -> Option<&Xname> {
        match self.hosts.as_slice() {
            [host] => host.as_xname(),
            _ => None,
        }
    }
}

/// What is known of a client that policies are held against.
struct Whom<'a> {
    state: &'a State,
    xname: Option<&'a Xname>,
    place: Option<Ipv4Net>,
}

/// The policies that mean a client, the first one first: what they say is asked of the last.
#[derive(Default)]
pub struct PolicyChoice<'a> {
    rules: Vec<&'a Rule>,
}

/// What is appended to a name, see `DomainAppend`.
type Domains<'a> = [&'a str; 2];

impl State {
    /// What the policies say to a client. `component` is whose interface it is, `place` its address, or the network around it as
    /// far as that is known.
    pub fn policies_for<'a>(&'a self, component: Option<&Xname>, place: Option<Ipv4Net>) -> PolicyChoice<'a> {
        let rules = self.dhcp.rules();
        if rules.is_empty() {
            return PolicyChoice::default();
        }
        let whom = Whom {
            state: self,
            xname: component,
            place,
        };
        PolicyChoice {
            rules: whom.rules(rules),
        }
    }
}

impl Whom<'_> {
    fn rules<'r>(&self, rules: &'r [Arc<Rule>]) -> Vec<&'r Rule> {
        // what a look-up finds is only looked up where a policy depends on it
        let component = LazyCell::new(|| self.state.smd.component(self.xname?));
        let mut taken = Vec::new();
        for rule in rules {
            if self.fits(rule) && fits_roles(&rule.policy, || component.as_deref()) {
                taken.push(rule.as_ref());
                if !rule.policy.continues {
                    break;
                }
            }
        }
        taken
    }

    /// Everything but the roles; the cheapest first.
    fn fits(&self, rule: &Rule) -> bool {
        let is_or_none =
            |xname: &Xname, types: &[HmsType]| types.is_empty() || types.contains(&xname.hms_type());
        let of_component = !rule.types.is_empty() || !rule.hosts.is_empty() || !rule.policy.groups.is_empty();
        let fits_component = |xname: &Xname| {
            is_or_none(xname, &rule.types)
                && (rule.hosts.is_empty() || rule.hosts.iter().any(|set| set.contains(xname)))
                && (rule.policy.groups.is_empty() || self.is_in_one_of(xname, &rule.policy.groups))
        };
        let is_around = |place: Ipv4Net| rule.subnets.iter().any(|subnet| subnet.covers(&place));
        (rule.subnets.is_empty() || self.place.is_some_and(is_around))
            && (!of_component || self.xname.is_some_and(fits_component))
    }

    /// Both are sorted.
    fn is_in_one_of(&self, xname: &Xname, groups: &[String]) -> bool {
        let mut labels = self.state.smd.group_labels_of(xname);
        labels.any(|label| groups.binary_search_by(|group| group.as_str().cmp(label)).is_ok())
    }
}

fn fits_roles<'a>(policy: &DhcpPolicy, component: impl FnOnce() -> Option<&'a Component>) -> bool {
    if policy.roles.is_empty() && policy.sub_roles.is_empty() {
        return true;
    }
    let fits = |wanted: &[String], has: &str| wanted.is_empty() || wanted.iter().any(|role| role == has);
    component().is_some_and(|component| {
        fits(&policy.roles, &component.role) && fits(&policy.sub_roles, &component.sub_role)
    })
}

impl<'a> PolicyChoice<'a> {
    /// Names of the policies, in the order in which they were met.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.rules.iter().map(|rule| rule.policy.name.as_str())
    }

    /// Whether the client gets no answer.
    pub fn ignores(&self) -> bool {
        self.ignoring().is_some()
    }

    /// The policy because of which the client gets no answer.
    pub fn ignoring(&self) -> Option<&'a DhcpPolicy> {
        let last = self.rules.last().copied()?;
        last.policy.ignore.then_some(last.policy.as_ref())
    }

    /// What a component is called, by the last pattern that fits it; without domain.
    pub fn hostname(&self, nid: Option<Nid>, xname: &Xname) -> Option<String> {
        self.last(|rule| rule.hostname.as_ref()?.hostname(nid, xname))
    }

    /// Option 15, unless it is the subnet's.
    pub fn domain(&self) -> Option<&'a str> {
        self.last(|rule| not_empty(&rule.policy.domain))
    }

    /// Option 12: the name with the domains that are to follow it. A name that ends with them stays as it is.
    pub fn whole_name(&self, name: String, subnet_domain: &str) -> String {
        let domains = self.appended(subnet_domain);
        let suffix: String = domains
            .iter()
            .filter(|domain| !domain.is_empty())
            .map(|domain| format!(".{domain}"))
            .collect();
        if suffix.is_empty() || name.ends_with(&suffix) {
            return name;
        }
        name + &suffix
    }

    fn appended<'d>(&'d self, subnet: &'d str) -> Domains<'d> {
        let own = self.domain().unwrap_or_default();
        let said = self.last(|rule| match rule.policy.domain_append() {
            DomainAppend::Unspecified => None,
            append => Some(append),
        });
        match said {
            None | Some(DomainAppend::Unspecified | DomainAppend::None) => ["", ""],
            Some(DomainAppend::Either) if own.is_empty() => [subnet, ""],
            Some(DomainAppend::Either | DomainAppend::Policy) => [own, ""],
            Some(DomainAppend::Subnet) => [subnet, ""],
            Some(DomainAppend::SubnetPolicy) => [subnet, own],
            Some(DomainAppend::PolicySubnet) => [own, subnet],
        }
    }

    /// Option 3.
    pub fn routers(&self) -> Option<&'a [Ipv4Addr]> {
        self.last(|rule| some_of(&rule.routers))
    }

    /// Option 6.
    pub fn dns_servers(&self) -> Option<&'a [Ipv4Addr]> {
        self.last(|rule| some_of(&rule.dns_servers))
    }

    /// Option 42.
    pub fn ntp_servers(&self) -> Option<&'a [Ipv4Addr]> {
        self.last(|rule| some_of(&rule.ntp_servers))
    }

    /// Option 1, in bits.
    pub fn prefix_length(&self) -> Option<u8> {
        self.last(|rule| rule.prefix_length)
    }

    /// Option 51 for a reserved address, seconds.
    pub fn lease_time_s(&self) -> Option<u32> {
        self.last(|rule| Some(rule.policy.lease_time_s).filter(|seconds| *seconds != 0))
    }

    /// Option 26, bytes.
    pub fn mtu(&self) -> Option<u16> {
        self.last(|rule| rule.mtu)
    }

    /// Options without a field of their own, sorted by code: those of all the policies, of one code that of the last.
    pub fn options(&self) -> BTreeMap<u8, &'a [u8]> {
        let all = self.rules.iter().flat_map(|rule| &rule.options);
        all.map(|(code, value)| (*code, value.as_slice())).collect()
    }

    /// What the last policy says that says something.
    fn last<T>(&self, of: impl FnMut(&'a Rule) -> Option<T>) -> Option<T> {
        self.rules.iter().rev().copied().find_map(of)
    }
}

fn not_empty(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn some_of(addresses: &[Ipv4Addr]) -> Option<&[Ipv4Addr]> {
    (!addresses.is_empty()).then_some(addresses)
}
