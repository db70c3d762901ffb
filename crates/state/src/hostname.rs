//! What a node is called: the one answer for DHCP's option 12 and cloud-init's `local-hostname`.

use model::{HostnameStyle, Nid, Xname};
use proto::cloud_init::v1::ClusterDefaults;

use crate::State;

impl State {
    /// The node's own `local-hostname`, else the cluster's short-name and the NID; without a NID the xname.
    pub fn hostname(&self, node: &Xname) -> String {
        let info = self.cloud_init.instance_info(node);
        if let Some(info) = info.filter(|info| !info.local_hostname.is_empty()) {
            return info.local_hostname.clone();
        }
        let defaults = self.cloud_init.cluster_defaults().unwrap_or_default();
        let nid = self.smd.component(node).and_then(|component| component.nid);
        self.hostname_style(&defaults).hostname(nid.map(Nid), node)
    }

    /// Who is called so, in any case of the letters: the way back from [`State::hostname`], but for names that are an
    /// xname. Should several be, which only a `local-hostname` can bring about, it is the first by xname, for everyone who
    /// asks.
    pub fn called(&self, hostname: &str) -> Option<Xname> {
        let defaults = self.cloud_init.cluster_defaults().unwrap_or_default();
        let nid = self.hostname_style(&defaults).nid(hostname);
        let by_nid = nid
            .and_then(|nid| self.smd.component_by_nid(nid.0))
            .and_then(|component| component.id.parse().ok())
            .filter(|node| self.hostname(node).eq_ignore_ascii_case(hostname));
        self.cloud_init.nodes_named(hostname).cloned().chain(by_nid).min()
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
