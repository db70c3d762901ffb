//! Which entry of BSS v1 applies to a node: in BSS's order, and the first hit wins whole.

use proto::smd::v1::Component;

use crate::{BootClass, BootData, BootMatch, BootSource};

/// Key of the entry for nodes that have none of their own.
pub const DEFAULT_KEY: &str = "Default";

/// The key of what is stored for a NID.
pub fn nid_key(nid: u64) -> String {
    format!("nid{nid}")
}

/// Keys that name just this node, in the order in which its entry is looked for: the component's xname, what was asked for, the
/// component's other names (its MACs, then its NID). `macs` is asked only by who comes so far.
///
/// BSS has no "other names": it turns a MAC or NID into the xname when parameters are stored. So does `bss` here, but a node may
/// become known later than its parameters, and must then be found however it is asked for.
pub fn own_names<M>(
    asked: String,
    component: Option<&Component>,
    macs: impl FnOnce() -> M,
) -> impl Iterator<Item = String>
where
    M: IntoIterator<Item = String>,
{
    let id = component.map(|component| component.id.clone());
    let nid = component.and_then(|component| component.nid).map(nid_key);
    let macs = std::iter::once_with(macs).flatten();
    id.into_iter().chain([asked]).chain(macs).chain(nid)
}

/// The entry that applies to a node with these own names: one of its own, else its role's, else `Default`. Nothing is merged.
pub fn parameters_of(
    data: &impl BootData,
    own_names: impl IntoIterator<Item = String>,
    role: &str,
) -> Option<BootMatch> {
    let found = |class| move |entry| BootMatch::without_image(class, BootSource::Parameters(entry));
    let mut own_names = own_names.into_iter();
    let own = own_names.find_map(|name| data.parameters(&name));
    let of_role = || Some(role).filter(|role| !role.is_empty());
    let own = own.map(found(BootClass::Own));
    own.or_else(|| data.parameters(of_role()?).map(found(BootClass::Role)))
        .or_else(|| data.parameters(DEFAULT_KEY).map(found(BootClass::Default)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use model::Xname;
    use proto::boot_file::v1::Image;
    use proto::bss::v1::{BootConfiguration, BootParametersEntry, BootRollout};

    use super::*;
    use crate::ConfigurationIndex;

    #[derive(Default)]
    struct Entries {
        entries: BTreeMap<String, Arc<BootParametersEntry>>,
        configurations: ConfigurationIndex,
    }

    impl Entries {
        fn put(&mut self, key: &str) {
            let entry = BootParametersEntry {
                key: key.into(),
                ..BootParametersEntry::default()
            };
            self.entries.insert(key.into(), Arc::new(entry));
        }
    }

    impl BootData for Entries {
        fn parameters(&self, key: &str) -> Option<Arc<BootParametersEntry>> {
            self.entries.get(key).cloned()
        }

        fn configurations(&self) -> &ConfigurationIndex {
            &self.configurations
        }

        fn rollout(&self, _: &BootConfiguration, _: &Xname) -> Option<Arc<BootRollout>> {
            None
        }

        fn image(&self, _: &str) -> Option<Arc<Image>> {
            None
        }
    }

    fn component() -> Component {
        Component {
            id: "x0c0s0b0n0".into(),
            nid: Some(7),
            role: "Compute".into(),
            ..Component::default()
        }
    }

    /// Put in the opposite order, each goes before those that are there.
    #[test]
    fn entries_are_looked_for_in_the_order_of_bss() {
        let (component, mut data) = (component(), Entries::default());
        let found = |data: &Entries| {
            let names = own_names("asked".into(), Some(&component), || {
                ["02:00:00:00:00:01".to_owned(), "02:00:00:00:00:02".to_owned()]
            });
            parameters_of(data, names, &component.role).map(|found| found.source.name().to_owned())
        };
        assert_eq!(found(&data), None);
        for key in [
            "Default",
            "Compute",
            "nid7",
            "02:00:00:00:00:02",
            "02:00:00:00:00:01",
            "asked",
            "x0c0s0b0n0",
        ] {
            data.put(key);
            assert_eq!(found(&data).as_deref(), Some(key));
        }
    }

    /// A node without a role has not the entry of a role called so.
    #[test]
    fn no_role_is_no_key() {
        let mut data = Entries::default();
        data.put("");
        assert_eq!(parameters_of(&data, [], ""), None);
    }
}
