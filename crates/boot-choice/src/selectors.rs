//! What one boot configuration selects, read from it alone: what the index finds, said the slow way.

use model::NodeSet;
use proto::bss::v1::BootConfiguration;

use crate::{BootClass, BootNode, nid_key};

/// Priority of a boot configuration that names none, and of boot parameters.
pub const BOOT_PRIORITY_DEFAULT: u32 = 50;

/// The priority of a configuration.
pub fn priority(configuration: &BootConfiguration) -> u32 {
    configuration.priority.unwrap_or(BOOT_PRIORITY_DEFAULT)
}

/// Of two configurations with one selector the one that counts more comes first.
pub(crate) fn rank(configuration: &BootConfiguration) -> (std::cmp::Reverse<u32>, &str) {
    (std::cmp::Reverse(priority(configuration)), &configuration.name)
}

/// A configuration whose selectors are read once, to be held against many nodes.
pub struct Selectors<'a> {
    configuration: &'a BootConfiguration,
    nids: Vec<String>,
    /// Those of the hosts that are no single node, as they are written and as they are read.
    sets: Vec<(&'a String, NodeSet)>,
}

impl<'a> Selectors<'a> {
    /// Those of `configuration`.
    pub fn of(configuration: &'a BootConfiguration) -> Selectors<'a> {
        let sets = configuration.hosts.iter().filter_map(|host| {
            let set = host.parse::<NodeSet>().ok()?;
            set.as_xname()
                .is_none_or(|only| !only.is_node())
                .then_some((host, set))
        });
        Selectors {
            configuration,
            nids: configuration.nids.iter().map(|nid| nid_key(*nid)).collect(),
            sets: sets.collect(),
        }
    }

    /// The closest class of a selector that names `node`, and that selector; `None` if none does.
    pub fn select(&self, node: &BootNode<'_>) -> Option<(BootClass, String)> {
        let BootConfiguration {
            hosts,
            macs,
            groups,
            roles,
            sub_roles,
            ..
        } = self.configuration;
        let is_own = |name: &&String| node.names.contains(name);
        if let Some(own) = hosts.iter().chain(macs).chain(&self.nids).find(is_own) {
            return Some((BootClass::Own, own.clone()));
        }
        let holds =
            |(_, set): &&(&String, NodeSet)| node.xname.as_ref().is_some_and(|xname| set.contains(xname));
        if let Some((host, _)) = self.sets.iter().find(holds) {
            return Some((BootClass::NodeSet, (*host).clone()));
        }
        if let Some(label) = groups.iter().find(|label| node.groups.contains(&label.as_str())) {
            return Some((BootClass::Group, format!("group {label}")));
        }
        if sub_roles.iter().any(|sub_role| sub_role == node.sub_role) {
            return Some((BootClass::SubRole, format!("subrole {}", node.sub_role)));
        }
        if roles.iter().any(|role| role == node.role) {
            return Some((BootClass::Role, format!("role {}", node.role)));
        }
        let is_default = self.configuration.is_default;
        is_default.then(|| (BootClass::Default, "every node".to_owned()))
    }
}

/// Whether and how a configuration selects a node, by looking at the configuration alone: the closest class, and the
/// selector for a person. What the index finds, said the slow way; disabled and architecture are not looked at.
pub fn selection(configuration: &BootConfiguration, node: &BootNode<'_>) -> Option<(BootClass, String)> {
    Selectors::of(configuration).select(node)
}
