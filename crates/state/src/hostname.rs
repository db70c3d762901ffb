//! What a node is called: the one answer for DHCP's option 12, DNS and cloud-init's `local-hostname`.

use std::net::Ipv4Addr;

use model::{HostnameStyle, Ipv4Net, Named, Nid, Xname};
use proto::cloud_init::v1::ClusterDefaults;

use crate::State;
use crate::dhcp::{PolicyChoice, Rule};

impl State {
    /// The node's own `local-hostname`, else what DHCP's policies call it at its first address, else the cluster's short-name and
    /// the NID; without a NID the xname.
    pub fn hostname(&self, node: &Xname) -> String {
        let place = match self.dhcp.rules() {
            [] => None,
            _ => self.ipv4_of(node).next().map(Ipv4Net::host),
        };
        self.hostname_by(node, &self.policies_for(Some(node), place))
    }

    /// The same at one of its addresses: a policy may be for one network only.
    pub fn hostname_at(&self, node: &Xname, address: Ipv4Addr) -> String {
        self.hostname_by(node, &self.policies_for(Some(node), Some(Ipv4Net::host(address))))
    }

    /// The same where it is known which policies mean the node.
    pub fn hostname_by(&self, node: &Xname, policies: &PolicyChoice<'_>) -> String {
        let info = self.cloud_init.instance_info(node);
        if let Some(info) = info.filter(|info| !info.local_hostname.is_empty()) {
            return info.local_hostname.clone();
        }
        let nid = self.smd.component(node).and_then(|component| component.nid);
        policies.hostname(nid.map(Nid), node).unwrap_or_else(|| {
            let defaults = self.cloud_init.cluster_defaults().unwrap_or_default();
            self.hostname_style(&defaults).hostname(nid.map(Nid), node)
        })
    }

    /// Who is called so, in any case of the letters: the way back from [`State::hostname`] and [`State::hostname_at`], but for
    /// names that are an xname. Should several be, which a `local-hostname` or a policy can bring about, it is the first by
    /// xname, for everyone who asks.
    pub fn called(&self, hostname: &str) -> Option<Xname> {
        let defaults = self.cloud_init.cluster_defaults().unwrap_or_default();
        let nid = self.hostname_style(&defaults).nid(hostname);
        let by_nid = nid.and_then(|nid| self.node_of(nid));
        let rules = self.dhcp.rules().iter();
        let by_policy = rules.flat_map(|rule| self.candidates(rule, hostname));
        let computed = by_nid.into_iter().chain(by_policy);
        let computed = computed.filter(|node| self.is_called(node, hostname));
        let own = self.cloud_init.nodes_named(hostname).cloned();
        own.chain(computed).min()
    }

    /// Whom a policy may call so.
    fn candidates<'a>(&'a self, rule: &'a Rule, hostname: &str) -> impl Iterator<Item = Xname> + 'a {
        let named = rule.candidates(hostname).into_iter();
        named.filter_map(|named| match named {
            Named::Nid(nid) => self.node_of(nid),
            Named::Component(xname) => Some(xname),
            Named::Anyone => rule.only_host().cloned(),
        })
    }

    fn is_called(&self, node: &Xname, hostname: &str) -> bool {
        let is_it = |name: String| name.eq_ignore_ascii_case(hostname);
        let mut addresses = self.ipv4_of(node);
        is_it(self.hostname(node)) || addresses.any(|address| is_it(self.hostname_at(node, address)))
    }

    fn node_of(&self, nid: Nid) -> Option<Xname> {
        self.smd.component_by_nid(nid.0)?.id.parse().ok()
    }

    /// The addresses of a component, by MAC and in the order of the interface.
    fn ipv4_of<'a>(&'a self, component: &Xname) -> impl Iterator<Item = Ipv4Addr> + 'a {
        let interfaces = self.smd.interfaces_of(component);
        let addresses = interfaces.flat_map(|interface| &interface.ip_addresses);
        addresses.filter_map(|mapping| mapping.ip_address.parse().ok())
    }

    fn hostname_style<'a>(&'a self, defaults: &'a ClusterDefaults) -> HostnameStyle<'a> {
        let cluster_name = match defaults.cluster_name.as_str() {
            "" => self.cluster_name(),
            name => name,
        };
        HostnameStyle {
            cluster_name,
            short_name: &defaults.short_name,
            nid_digits: usize::try_from(defaults.nid_length).unwrap_or_default(),
        }
    }
}
