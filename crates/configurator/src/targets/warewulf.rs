//! Warewulf 4: `nodes.conf`, nodes with their profiles, devices and controllers.
//!
//! Nothing of Debian's checks it. Names of keys: `internal/pkg/node` of warewulf/warewulf. A node's IPv6 address is left out, as
//! its key was renamed within 4.6.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use model::Ipv4Net;
use proto::watch::v1::object::Kind;

use crate::lines::line;
use crate::quoting::yaml as quoted;
use crate::{Bmc, Error, File, Interface, Node, OptionSpec, Options, Target, View, header};

/// 4.5 says which form its file has.
const WW_INTERNAL: u32 = 45;

pub(crate) const TARGET: Target = Target {
    name: "warewulf",
    summary: "warewulf/nodes.conf of Warewulf 4",
    reads: &[
        Kind::Component,
        Kind::EthernetInterface,
        Kind::RedfishEndpoint,
        Kind::Group,
        Kind::BootParameters,
        Kind::BootConfiguration,
        Kind::Image,
        Kind::Subnet,
        Kind::DhcpPolicy,
        Kind::InstanceInfo,
        Kind::ClusterDefaults,
    ],
    options: &[
        OptionSpec {
            name: "format",
            meaning: "4.6 or 4.5; default: 4.6",
        },
        OptionSpec {
            name: "image",
            meaning: "image (in 4.5 container) of the default profile; default: none",
        },
        OptionSpec {
            name: "device",
            meaning: "name of the device that nodes boot from, e.g. eno1; default: none",
        },
        OptionSpec {
            name: "group-profiles",
            meaning: "true: a node's groups are profiles of it, which are made, too; default: false",
        },
        OptionSpec {
            name: "kernel-args",
            meaning: "true: nodes have the kernel parameters that they boot with; default: false",
        },
        OptionSpec {
            name: "ipmi",
            meaning: "false: no controllers; default: true, with address and user, without password",
        },
    ],
    checks: &[],
    render,
};

fn render(view: &View, options: &Options) -> Result<Vec<File>, Error> {
    let writer = Writer::of(view, options)?;
    let mut body = header("#", view, "target warewulf");
    if writer.is_45 {
        let _ = writeln!(body, "WW_INTERNAL: {WW_INTERNAL}");
    }
    body.push_str("nodeprofiles:\n");
    match line(options, "image", "")? {
        "" => body.push_str("  default: {}\n"),
        image => {
            let key = if writer.is_45 {
                "container name"
            } else {
                "image name"
            };
            let _ = writeln!(body, "  default:\n    {key}: {}", quoted(image));
        }
    }
    if writer.group_profiles {
        for group in view.groups.iter().filter(|group| group.label != "default") {
            let _ = writeln!(
                body,
                "  {}:\n    comment: {}",
                quoted(&group.label),
                quoted(&group.description)
            );
        }
    }
    match view.nodes.is_empty() {
        true => body.push_str("nodes: {}\n"),
        false => body.push_str("nodes:\n"),
    }
    for node in &view.nodes {
        writer.add_node(&mut body, node);
    }
    Ok(vec![File::new("warewulf/nodes.conf", body)])
}

struct Writer<'a> {
    is_45: bool,
    device: &'a str,
    group_profiles: bool,
    kernel_args: bool,
    /// By xname; none if they are not to be written.
    bmcs: BTreeMap<&'a str, &'a Bmc>,
    networks: Vec<(Ipv4Net, Option<IpAddr>)>,
}

impl<'a> Writer<'a> {
    fn of(view: &'a View, options: &'a Options) -> Result<Writer<'a>, Error> {
        let is_45 = match options.or("format", "4.6") {
            "4.6" => false,
            "4.5" => true,
            other => {
                return Err(Error::option(
                    "format",
                    format!("`{other}` is neither 4.6 nor 4.5"),
                ));
            }
        };
        let ipmi = options.get("ipmi").is_none() || options.flag("ipmi")?;
        let bmcs = view.bmcs.iter().filter(|_| ipmi);
        let networks = view.subnets.iter();
        Ok(Writer {
            is_45,
            device: line(options, "device", "")?,
            group_profiles: options.flag("group-profiles")?,
            kernel_args: options.flag("kernel-args")?,
            bmcs: bmcs.map(|bmc| (bmc.xname.as_str(), bmc)).collect(),
            networks: networks
                .filter_map(|subnet| Some((subnet.cidr.parse().ok()?, subnet.gateway)))
                .collect(),
        })
    }

    fn add_node(&self, body: &mut String, node: &Node) {
        let _ = writeln!(
            body,
            "  {}:\n    comment: {}",
            quoted(&node.name),
            quoted(&node.xname)
        );
        body.push_str("    profiles:\n      - default\n");
        if self.group_profiles {
            for label in node.groups.iter().filter(|label| *label != "default") {
                let _ = writeln!(body, "      - {}", quoted(label));
            }
        }
        self.add_kernel(body, node);
        let bmc = node.bmc.as_deref().and_then(|xname| self.bmcs.get(xname));
        if let Some((bmc, address)) = bmc.and_then(|bmc| Some((bmc, bmc.address?))) {
            let _ = writeln!(body, "    ipmi:\n      ipaddr: {}", quoted(&address.to_string()));
            if !bmc.user.is_empty() {
                let _ = writeln!(body, "      username: {}", quoted(&bmc.user));
            }
        }
        self.add_devices(body, node);
    }

    fn add_kernel(&self, body: &mut String, node: &Node) {
        let params = node
            .boot
            .as_ref()
            .map(|boot| boot.params.trim())
            .filter(|_| self.kernel_args);
        let Some(params) = params.filter(|params| !params.is_empty()) else {
            return;
        };
        if self.is_45 {
            let _ = writeln!(body, "    kernel:\n      args: {}", quoted(params));
            return;
        }
        body.push_str("    kernel:\n      args:\n");
        for param in params.split_whitespace() {
            let _ = writeln!(body, "        - {}", quoted(param));
        }
    }

    /// The one that it boots from is Warewulf's `default`, which is first by name, too; the others are `net1` and on.
    fn add_devices(&self, body: &mut String, node: &Node) {
        let boots_from = node.boot_interface();
        let others = node.interfaces.iter().filter(|interface| {
            !interface.mac.is_empty() && boots_from.is_none_or(|boot| boot.mac != interface.mac)
        });
        let devices: Vec<&Interface> = boots_from.into_iter().chain(others).collect();
        if devices.is_empty() {
            return;
        }
        body.push_str("    network devices:\n");
        for (number, interface) in devices.into_iter().enumerate() {
            let name = if number == 0 {
                "default".to_owned()
            } else {
                format!("net{number}")
            };
            let _ = writeln!(body, "      {name}:\n        hwaddr: {}", quoted(&interface.mac));
            if number == 0 && !self.device.is_empty() {
                let _ = writeln!(body, "        device: {}", quoted(self.device));
            }
            let address = interface.addresses.iter().find_map(|address| match address {
                IpAddr::V4(address) => Some(*address),
                IpAddr::V6(_) => None,
            });
            if let Some(address) = address {
                self.add_address(body, address);
            }
        }
    }

    fn add_address(&self, body: &mut String, address: Ipv4Addr) {
        let _ = writeln!(body, "        ipaddr: {address}");
        let network = self
            .networks
            .iter()
            .find(|(network, _)| network.contains(address));
        if let Some((network, gateway)) = network {
            let _ = writeln!(body, "        netmask: {}", network.mask());
            if let Some(gateway) = gateway {
                let _ = writeln!(body, "        gateway: {gateway}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::rendered;
    use crate::{Boot, Group, Subnet};

    fn interface(mac: &str, addresses: &[&str]) -> Interface {
        Interface {
            mac: mac.to_owned(),
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            ..Interface::default()
        }
    }

    fn view() -> View {
        View {
            nodes: vec![
                Node {
                    xname: "x0c0s0b0n0".to_owned(),
                    name: "nid1".to_owned(),
                    groups: vec!["gpu".to_owned()],
                    bmc: Some("x0c0s0b0".to_owned()),
                    interfaces: vec![
                        interface("02:00:00:00:00:09", &[]),
                        interface("02:00:00:00:00:01", &["fd00::1", "10.1.2.1"]),
                    ],
                    boot: Some(Boot {
                        params: "quiet  console=ttyS0,115200".to_owned(),
                        ..Boot::default()
                    }),
                    ..Node::default()
                },
                Node {
                    xname: "x0c0s1b0n0".to_owned(),
                    name: "on".to_owned(),
                    ..Node::default()
                },
            ],
            bmcs: vec![Bmc {
                xname: "x0c0s0b0".to_owned(),
                address: Some("10.2.0.1".parse().unwrap()),
                user: "root: \"x\"".to_owned(),
                ..Bmc::default()
            }],
            groups: vec![Group {
                label: "gpu".to_owned(),
                description: "those: with GPUs".to_owned(),
                ..Group::default()
            }],
            subnets: vec![Subnet {
                cidr: "10.1.0.0/16".to_owned(),
                gateway: Some("10.1.0.1".parse().unwrap()),
                ..Subnet::default()
            }],
            ..View::default()
        }
    }

    #[test]
    fn a_node_has_devices_and_its_controller() {
        assert_eq!(
            rendered("warewulf", &view(), &[]).unwrap(),
            "nodeprofiles:
  default: {}
nodes:
  \"nid1\":
    comment: \"x0c0s0b0n0\"
    profiles:
      - default
    ipmi:
      ipaddr: \"10.2.0.1\"
      username: \"root: \\\"x\\\"\"
    network devices:
      default:
        hwaddr: \"02:00:00:00:00:01\"
        ipaddr: 10.1.2.1
        netmask: 255.255.0.0
        gateway: 10.1.0.1
      net1:
        hwaddr: \"02:00:00:00:00:09\"
  \"on\":
    comment: \"x0c0s1b0n0\"
    profiles:
      - default
"
        );
    }

    #[test]
    fn groups_are_profiles_and_parameters_the_kernels() {
        let values = [
            ("group-profiles", "true"),
            ("kernel-args", "true"),
            ("image", "rocky-9"),
            ("device", "eno1"),
            ("ipmi", "false"),
        ];
        let text = rendered("warewulf", &view(), &values).unwrap();
        let yaml: serde_yaml_ng::Value = serde_yaml_ng::from_str(&text).unwrap();
        assert_eq!(yaml["nodeprofiles"]["default"]["image name"], "rocky-9");
        assert_eq!(yaml["nodeprofiles"]["gpu"]["comment"], "those: with GPUs");
        let node = &yaml["nodes"]["nid1"];
        assert_eq!(node["profiles"][1], "gpu");
        assert_eq!(node["kernel"]["args"][1], "console=ttyS0,115200");
        assert_eq!(node["network devices"]["default"]["device"], "eno1");
        assert!(node.get("ipmi").is_none());
        assert!(
            yaml["nodes"].get("on").is_some(),
            "a word of YAML's is a name all the same"
        );
    }

    #[test]
    fn version_4_5_has_its_own_words() {
        let text = rendered(
            "warewulf",
            &view(),
            &[("format", "4.5"), ("image", "rocky-9"), ("kernel-args", "yes")],
        )
        .unwrap();
        assert!(
            text.starts_with("WW_INTERNAL: 45\nnodeprofiles:\n  default:\n    container name: \"rocky-9\"\n"),
            "{text}"
        );
        assert!(
            text.contains("    kernel:\n      args: \"quiet  console=ttyS0,115200\"\n"),
            "{text}"
        );
        assert!(
            rendered("warewulf", &view(), &[("format", "3")])
                .unwrap_err()
                .to_string()
                .contains("neither 4.6 nor 4.5")
        );
    }

    #[test]
    fn no_nodes_are_an_empty_map() {
        assert_eq!(
            rendered("warewulf", &View::default(), &[]).unwrap(),
            "nodeprofiles:\n  default: {}\nnodes: {}\n"
        );
    }
}
