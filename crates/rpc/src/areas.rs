//! Which area of permissions a kind of stored objects belongs to: that of the package which declares it, but for a few.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use prost_reflect::DescriptorPool;

use crate::permission_id::area_of;
use crate::rules::ROWS;

/// Kinds, by their fields in `chamois.raft.v1.SnapshotRow`, that are read by a right of another name than their package: those of
/// jobs are shown to whoever sees what was discovered, and credentials have a right of their own.
const READ_OTHERWISE: [(&str, &str); 3] = [
    ("bmc_credential", "bmc-credential"),
    ("job", "discovery"),
    ("job_target", "discovery"),
];

static AREAS: LazyLock<BTreeMap<u32, String>> = LazyLock::new(|| read().unwrap_or_default());

/// The area of the objects of a kind, by its number in `chamois.raft.v1.SnapshotRow`: whoever is to see them needs
/// `<area>.read`. `None` for a number that no kind has.
pub fn area_of_kind(number: u32) -> Option<&'static str> {
    AREAS.get(&number).map(String::as_str)
}

fn read() -> Option<BTreeMap<u32, String>> {
    let pool = DescriptorPool::decode(proto::DESCRIPTOR).ok()?;
    let rows = pool.get_message_by_name(ROWS)?;
    let areas = rows.fields().filter_map(|field| {
        let package = field.kind().as_message()?.package_name().to_owned();
        let named = READ_OTHERWISE.iter().find(|(name, _)| *name == field.name());
        let area = named.map_or_else(|| area_of(&package), |(_, area)| (*area).to_owned());
        Some((field.number(), area))
    });
    Some(areas.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_belongs_to_the_package_that_declares_it() {
        for (number, area) in [
            (10, Some("smd")),
            (21, Some("bss")),
            (32, Some("cloud-init")),
            (40, Some("dhcp")),
            (51, Some("boot-file")),
            (60, Some("smd")),
            (80, Some("discovery")),
            (82, Some("bmc-credential")),
            (84, Some("discovery")),
            (85, Some("discovery")),
            (90, Some("configurator")),
            (0, None),
            (999, None),
        ] {
            assert_eq!(area_of_kind(number), area, "{number}");
        }
    }
}
