//! What nodes boot with: decided as for their boot scripts.

use boot_choice::{BootMatch, BootNode};
use model::Xname;
use proto::smd::v1::Component;
use proto::smd::v1::component::Arch;

use super::words::one_line;
use super::{Boot, Interface};
use crate::boot_data::BootData;

/// What the script of a node says that asks for it by its xname and does not tell its architecture; `groups` are labels as SMD has
/// them. `None` where nothing is booted, and where an image takes part that was not told.
pub(super) fn boot_of(
    data: &BootData,
    xname: &Xname,
    component: &Component,
    own: &[Interface],
    groups: &[String],
) -> Option<Boot> {
    if !boot_choice::is_there(component) {
        return None;
    }
    let macs = || {
        let macs = own.iter().map(|interface| interface.mac.clone());
        macs.filter(|mac| !mac.is_empty())
    };
    let names = boot_choice::own_names(xname.to_string(), Some(component), macs);
    let parameters = boot_choice::parameters_of(data, names, &component.role);
    let labels = groups.iter().map(String::as_str);
    let choice = boot_choice::choice_of(data, parameters, || {
        BootNode::known(xname.as_str(), Arch::Unspecified, component, macs(), labels)
    })?;
    let has_its_image = |part: &BootMatch| part.source.image().is_empty() || part.image.is_some();
    if !choice.parts().all(has_its_image) {
        return None;
    }
    let booted = choice.booted();
    Some(Boot {
        kernel: one_line(&booted.kernel()),
        initrd: one_line(&booted.initrd()),
        params: one_line(choice.params()),
    })
}

#[cfg(test)]
mod tests {
    use proto::boot_file::v1::{Image, ImageFile};
    use proto::bss::v1::BootConfiguration;
    use proto::smd::v1::component::State;
    use proto::watch::v1::object::{Kind, Value};

    use super::*;
    use crate::testing::{put, put_boot, put_group, put_interface, put_node};
    use crate::{Inventory, View};

    const NODE: &str = "x0c0s0b0n0";

    /// One node of NID 7, role Compute, group gpu, X86.
    fn inventory() -> Inventory {
        let mut inventory = Inventory::new("demo");
        put_node(&mut inventory, NODE, Some(7), "Compute");
        put_interface(&mut inventory, "020000000001", NODE, &[]);
        put_group(&mut inventory, "gpu", &[NODE]);
        inventory
    }

    /// With a kernel named after it, and nothing that it selects.
    fn configuration(name: &str) -> BootConfiguration {
        BootConfiguration {
            name: name.to_owned(),
            kernel: format!("http://c/{name}"),
            params: format!("from={name}"),
            ..BootConfiguration::default()
        }
    }

    fn configure(inventory: &mut Inventory, configuration: BootConfiguration) {
        let name = configuration.name.clone();
        let value = Value::BootConfiguration(configuration);
        put(inventory, Kind::BootConfiguration, &name, value);
    }

    fn boot(inventory: &Inventory) -> Option<Boot> {
        let view = View::of(inventory);
        view.nodes[0].boot.clone()
    }

    fn kernel(inventory: &Inventory) -> String {
        boot(inventory).unwrap_or_default().kernel
    }

    fn of(kernel: &str, initrd: &str, params: &str) -> Option<Boot> {
        Some(Boot {
            kernel: kernel.to_owned(),
            initrd: initrd.to_owned(),
            params: params.to_owned(),
        })
    }

    type Select = fn(&mut BootConfiguration);

    /// From the least specific to the most: each one that is added wins over all before, and gives way when it is gone.
    #[test]
    fn the_closest_configuration_wins() {
        let mut inventory = inventory();
        let steps: [(&str, Select); 8] = [
            ("default", |c| c.is_default = true),
            ("role", |c| c.roles = vec!["Compute".into()]),
            ("group", |c| c.groups = vec!["gpu".into()]),
            ("nodeset", |c| c.hosts = vec!["x0c0s[0-1]b0n0".into()]),
            ("place", |c| {
                (c.hosts, c.priority) = (vec!["x0c0".into()], Some(51));
            }),
            ("nid", |c| c.nids = vec![7]),
            ("mac", |c| {
                (c.macs, c.priority) = (vec!["02:00:00:00:00:01".into()], Some(60));
            }),
            ("xname", |c| {
                (c.hosts, c.priority) = (vec![NODE.into()], Some(70));
            }),
        ];
        for (name, select) in steps {
            let mut selecting = configuration(name);
            select(&mut selecting);
            configure(&mut inventory, selecting);
            assert_eq!(
                boot(&inventory),
                of(&format!("http://c/{name}"), "", &format!("from={name}"))
            );
        }
        for (name, _) in steps.iter().rev() {
            assert_eq!(kernel(&inventory), format!("http://c/{name}"));
            inventory.remove(Kind::BootConfiguration, name);
        }
        assert_eq!(boot(&inventory), None);
    }

    #[test]
    fn a_configuration_that_was_changed_selects_what_it_does_now() {
        let mut inventory = inventory();
        let all = BootConfiguration {
            is_default: true,
            ..configuration("all")
        };
        configure(&mut inventory, all.clone());
        let other = BootConfiguration {
            is_default: false,
            nids: vec![8],
            ..all.clone()
        };
        configure(&mut inventory, other);
        assert_eq!(boot(&inventory), None);
        configure(&mut inventory, all.clone());
        assert_eq!(kernel(&inventory), "http://c/all");
        let disabled = BootConfiguration {
            disabled: true,
            ..all
        };
        configure(&mut inventory, disabled);
        assert_eq!(boot(&inventory), None);
    }

    /// BSS v1 has priority 50 and wins ties; a node's own entry goes before a group's configuration.
    #[test]
    fn boot_parameters_take_part() {
        let mut inventory = inventory();
        put_boot(&mut inventory, "Default", "http://v1/default");
        let mut all = BootConfiguration {
            is_default: true,
            ..configuration("all")
        };
        configure(&mut inventory, all.clone());
        assert_eq!(kernel(&inventory), "http://v1/default");
        all.priority = Some(51);
        configure(&mut inventory, all);
        assert_eq!(kernel(&inventory), "http://c/all");
        let group = BootConfiguration {
            groups: vec!["gpu".into()],
            ..configuration("group")
        };
        configure(&mut inventory, group);
        assert_eq!(kernel(&inventory), "http://c/group");
        put_boot(&mut inventory, NODE, "http://v1/own");
        assert_eq!(kernel(&inventory), "http://v1/own");
    }

    #[test]
    fn parameters_are_merged_by_key() {
        let mut inventory = inventory();
        put_boot(&mut inventory, "Default", "http://v1/default"); // console=ttyS0 quiet
        let merging = BootConfiguration {
            hosts: vec![NODE.into()],
            kernel: String::new(),
            params: "console=ttyS1 debug".into(),
            merge_params: true,
            ..configuration("merging")
        };
        configure(&mut inventory, merging);
        let expected = of("http://v1/default", "", "quiet console=ttyS1 debug");
        assert_eq!(boot(&inventory), expected);
    }

    #[test]
    fn only_configurations_of_its_architecture_count() {
        let mut inventory = inventory();
        let arm = BootConfiguration {
            is_default: true,
            arch: Arch::Arm.into(),
            ..configuration("arm")
        };
        configure(&mut inventory, arm);
        assert_eq!(boot(&inventory), None);
        let x86 = BootConfiguration {
            is_default: true,
            arch: Arch::X86.into(),
            ..configuration("x86")
        };
        configure(&mut inventory, x86);
        assert_eq!(kernel(&inventory), "http://c/x86");
    }

    /// What was not told (its kind is not the caller's to read) is not taken for nothing: another kernel would be shown.
    #[test]
    fn an_image_stands_for_its_parts_and_nothing_is_said_without_it() {
        let mut inventory = inventory();
        put_boot(&mut inventory, "Default", "http://v1/default");
        let of_image = BootConfiguration {
            hosts: vec![NODE.into()],
            kernel: String::new(),
            image: "debian".into(),
            params: "console=ttyS1".into(),
            merge_params: true,
            ..configuration("of-image")
        };
        configure(&mut inventory, of_image);
        assert_eq!(boot(&inventory), None);
        let file = |name: &str| {
            Some(ImageFile {
                name: name.to_owned(),
                ..ImageFile::default()
            })
        };
        let image = Image {
            name: "debian".into(),
            kernel: file("debian/vmlinuz"),
            initrd: file("debian/initrd"),
            params: "root=live:x".into(),
            ..Image::default()
        };
        put(&mut inventory, Kind::Image, "debian", Value::Image(image));
        let expected = of(
            "/files/debian/vmlinuz",
            "/files/debian/initrd",
            "quiet root=live:x console=ttyS1",
        );
        assert_eq!(boot(&inventory), expected);
        inventory.remove(Kind::Image, "debian");
        assert_eq!(boot(&inventory), None);
    }

    #[test]
    fn a_place_that_is_empty_boots_nothing() {
        let mut inventory = inventory();
        put_boot(&mut inventory, "Default", "http://v1/default");
        let component = Component {
            id: NODE.into(),
            state: State::Empty.into(),
            ..Component::default()
        };
        put(&mut inventory, Kind::Component, NODE, Value::Component(component));
        assert_eq!(boot(&inventory), None);
    }
}
