//! What a node is called: the one answer for DHCP's option 12 and cloud-init's `local-hostname`.

use model::{HostnameStyle, Nid, Xname};

use crate::State;

impl State {
    /// The node's own `local-hostname`, else the cluster's short-name and the NID; without a NID the xname.
    pub fn hostname(&self, node: &Xname) -> String {
        let info = self.cloud_init.instance_info(node);
        if let Some(info) = info.filter(|info| !info.local_hostname.is_empty()) {
            return info.local_hostname.clone();
        }
        let defaults = self.cloud_init.cluster_defaults().unwrap_or_default();
        let cluster_name = match defaults.cluster_name.as_str() {
            "" => self.cluster_name(),
            name => name,
        };
        let style = HostnameStyle {
            cluster_name,
            short_name: &defaults.short_name,
            nid_digits: usize::try_from(defaults.nid_length).unwrap_or_default(),
        };
        let nid = self.smd.component(node).and_then(|component| component.nid);
        style.hostname(nid.map(Nid), node)
    }
}
