//! What a BSS gives its nodes, by its own precedence: pure, from what it lists.

use std::collections::BTreeMap;

use proto::bss::v1::BootParameters;
use proto::smd::v1::Component;

use crate::import::boot_entries::{Given, Nodes, key};

/// Key of the entry for nodes without one of their own.
const DEFAULT_KEY: &str = "Default";

/// What a node boots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) kernel: String,
    pub(super) initrd: String,
    /// Words of the kernel's command line, in their order.
    pub(super) words: Vec<String>,
}

/// The boot parameters of a BSS by key.
#[derive(Debug)]
pub(super) struct OldScripts {
    entries: BTreeMap<String, BootParameters>,
}

impl OldScripts {
    /// Of two entries with one key the last counts: BSS has only one.
    pub(super) fn of(given: Given) -> Self {
        Self {
            entries: given.entries.into_iter().collect(),
        }
    }

    /// What BSS sends this node: the first entry whole, of its xname, a MAC or NID that BSS did not know when it was
    /// stored, its role, `Default`. `None` without a kernel: BSS calls such a node unknown.
    ///
    /// Source: BSS `LookupByMAC`, `lookup` with etcd behind it.
    pub(super) fn of_node(&self, component: &Component, nodes: &Nodes) -> Option<Script> {
        let names = std::iter::once(component.id.clone()).chain(nodes.other_names(&component.id));
        let role = (!component.role.is_empty()).then(|| key(&component.role));
        let entry = names
            .chain(role)
            .chain([DEFAULT_KEY.to_owned()])
            .find_map(|name| self.entries.get(&name))?;
        (!entry.kernel.is_empty()).then(|| Script {
            kernel: entry.kernel.clone(),
            initrd: entry.initrd.clone(),
            words: entry
                .params
                .split(' ')
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proto::smd::v1::EthernetInterface;
    use serde_json::json;

    use super::*;
    use crate::import::boot_entries::read;

    fn component() -> Component {
        Component {
            id: "x0c0s0b0n0".into(),
            role: "Compute".into(),
            nid: Some(1),
            ..Component::default()
        }
    }

    fn kernel(keys: &[&str]) -> Option<String> {
        let interface = EthernetInterface {
            mac_address: "02:00:00:00:00:01".into(),
            component_id: "x0c0s0b0n0".into(),
            ..EthernetInterface::default()
        };
        let nodes = Nodes::of(&[component()], &[interface]);
        let entries: Vec<_> = keys
            .iter()
            .map(|key| json!({ "hosts": [key], "kernel": format!("k-{key}") }))
            .collect();
        let old = OldScripts::of(read("x", &json!(entries)).unwrap());
        old.of_node(&component(), &nodes).map(|script| script.kernel)
    }

    /// The order of the reference, first hit whole.
    #[test]
    fn the_precedence_is_that_of_bss() {
        let all = [
            "Default",
            "Compute",
            "nid1",
            "02:00:00:00:00:01",
            "x0c0s0b0n0",
            "Service",
            "x0c0s1b0n0",
        ];
        for (count, expected) in [
            (7, "k-x0c0s0b0n0"),
            (4, "k-02:00:00:00:00:01"),
            (3, "k-nid1"),
            (2, "k-Compute"),
            (1, "k-Default"),
        ] {
            assert_eq!(kernel(&all[..count]).as_deref(), Some(expected));
        }
        assert_eq!(kernel(&["Service"]), None);
    }

    /// The first hit counts even if it boots nothing.
    #[test]
    fn an_entry_without_a_kernel_is_no_script() {
        let document =
            json!([{"hosts": ["x0c0s0b0n0"], "params": "a"}, {"hosts": ["Default"], "kernel": "k"}]);
        let old = OldScripts::of(read("x", &document).unwrap());
        assert_eq!(old.of_node(&component(), &Nodes::default()), None);
    }
}
