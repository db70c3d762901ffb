//! What nodes boot with, as BSS's boot parameters say.

use std::collections::BTreeMap;

use model::Xname;
use proto::bss::v1::BootParametersEntry;
use proto::smd::v1::Component;

use super::words::one_line;
use super::{Boot, Interface};
use crate::Inventory;

/// The entry for nodes that have none of their own.
const DEFAULT_KEY: &str = "Default";

/// Entries by key: an xname, a MAC, `nid` and a number, a role, `Default`.
pub(super) struct Boots<'a>(&'a BTreeMap<String, BootParametersEntry>);

impl<'a> Boots<'a> {
    pub(super) fn of(inventory: &'a Inventory) -> Boots<'a> {
        Boots(&inventory.boot_parameters)
    }

    /// The entry of its xname, else of a MAC, its NID, its role, else the one for every node.
    pub(super) fn of_node(&self, xname: &Xname, component: &Component, own: &[Interface]) -> Option<Boot> {
        if self.0.is_empty() {
            return None;
        }
        let by = |key: &str| self.0.get(key);
        let by_mac = || own.iter().find_map(|interface| by(&interface.mac));
        let by_nid = || by(&format!("nid{}", component.nid?));
        let entry = by(xname.as_str()).or_else(by_mac).or_else(by_nid);
        let entry = entry
            .or_else(|| by(&component.role))
            .or_else(|| by(DEFAULT_KEY))?;
        Some(Boot {
            kernel: one_line(&entry.kernel),
            initrd: one_line(&entry.initrd),
            params: one_line(&entry.params),
        })
    }
}
