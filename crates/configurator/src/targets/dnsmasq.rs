//! dnsmasq: ranges, options and reservations of DHCP, and names if it is asked for them.

mod raw_options;

use std::fmt::Write as _;
use std::net::IpAddr;

use model::Ipv4Net;

use crate::fixed_hosts::{FIXED_HOSTS_READ, fixed_hosts};
use crate::network_boot::{BOOT_SCRIPT, BOOT_SERVER, IPXE_OPTION, LOADERS, NetworkBoot, network_boot};
use crate::{Check, Error, File, OptionSpec, Options, Subnet, Target, View, header};

pub(crate) const TARGET: Target = Target {
    name: "dnsmasq",
    summary: "dnsmasq.d/chamois.conf: subnets, pools and reservations of DHCP",
    reads: FIXED_HOSTS_READ,
    options: &[
        BOOT_SERVER,
        BOOT_SCRIPT,
        OptionSpec {
            name: "authoritative",
            meaning: "true: clients of other servers are refused; default: false",
        },
        OptionSpec {
            name: "dns",
            meaning: "true: names are answered, too, leased or not; default: false",
        },
    ],
    checks: &[Check {
        path: "chamois.conf",
        program: "dnsmasq",
        args: &["--test", "--conf-file={file}"],
    }],
    render,
};

fn render(view: &View, options: &Options) -> Result<Vec<File>, Error> {
    let mut body = header("#", view, "target dnsmasq");
    if options.flag("authoritative")? {
        body.push_str("dhcp-authoritative\n");
    }
    let boot = network_boot(options)?;
    for subnet in &view.subnets {
        add_subnet(&mut body, subnet, boot.is_some());
    }
    if let Some(boot) = &boot {
        add_boot(&mut body, boot);
    }
    for host in fixed_hosts(view) {
        let _ = write!(body, "dhcp-host={},{}", host.mac, host.address);
        let _ = match host.name {
            Some(name) => writeln!(body, ",{name}"),
            None => writeln!(body),
        };
    }
    if options.flag("dns")? {
        add_names(&mut body, view);
    }
    Ok(vec![File::new("dnsmasq.d/chamois.conf", body)])
}

fn add_subnet(body: &mut String, subnet: &Subnet, boots: bool) {
    let Ok(network) = subnet.cidr.parse::<Ipv4Net>() else {
        return;
    };
    let (tag, mask) = (&subnet.name, network.mask());
    let lease = subnet.lease_seconds;
    let _ = writeln!(
        body,
        "dhcp-range=set:{tag},{},static,{mask},{lease}",
        network.network()
    );
    for (first, last) in &subnet.pools {
        let _ = writeln!(body, "dhcp-range=set:{tag},{first},{last},{mask}");
    }
    let routers: Vec<IpAddr> = subnet.gateway.into_iter().collect();
    let all = [
        ("router", &routers),
        ("dns-server", &subnet.dns),
        ("ntp-server", &subnet.ntp),
    ];
    for (option, addresses) in all.into_iter().filter(|(_, addresses)| !addresses.is_empty()) {
        let _ = writeln!(body, "dhcp-option=tag:{tag},option:{option},{}", comma(addresses));
    }
    if !subnet.domain.is_empty() {
        let _ = writeln!(body, "dhcp-option=tag:{tag},option:domain-name,{}", subnet.domain);
    }
    if let Some(mtu) = subnet.mtu {
        let _ = writeln!(body, "dhcp-option=tag:{tag},option:mtu,{mtu}");
    }
    raw_options::add(body, subnet, boots);
}

fn comma(addresses: &[IpAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    texts.join(",")
}

fn add_boot(body: &mut String, boot: &NetworkBoot) {
    let _ = writeln!(body, "dhcp-match=set:ipxe,{IPXE_OPTION}");
    for (tag, architectures, loader) in LOADERS {
        for architecture in architectures {
            let _ = writeln!(body, "dhcp-match=set:{tag},option:client-arch,{architecture}");
        }
        let _ = writeln!(body, "dhcp-boot=tag:!ipxe,tag:{tag},{loader},,{}", boot.server);
    }
    let _ = writeln!(body, "dhcp-boot=tag:ipxe,{}", boot.script);
}

/// dnsmasq knows a name that has no lease by a record only.
fn add_names(body: &mut String, view: &View) {
    let nodes = view.nodes.iter().map(|node| (&node.name, node.address()));
    let bmcs = view.bmcs.iter().map(|bmc| (&bmc.name, bmc.address));
    let others = view.others.iter().map(|other| (&other.name, other.address()));
    for (name, address) in nodes.chain(bmcs).chain(others) {
        if let Some(address) = address {
            let _ = writeln!(body, "host-record={name},{address}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::rendered;
    use crate::{Interface, Node, RawOption};

    fn view() -> View {
        View {
            nodes: vec![Node {
                name: "nid1".to_owned(),
                interfaces: vec![Interface {
                    mac: "02:00:00:00:00:01".to_owned(),
                    addresses: vec!["10.1.2.1".parse().unwrap()],
                    ..Interface::default()
                }],
                ..Node::default()
            }],
            subnets: vec![Subnet {
                cidr: "10.1.0.0/16".to_owned(),
                name: "10-1-0-0-16".to_owned(),
                gateway: Some("10.1.0.1".parse().unwrap()),
                dns: vec!["10.1.0.2".parse().unwrap(), "10.1.0.3".parse().unwrap()],
                domain: "cluster.example".to_owned(),
                pools: vec![("10.1.9.1".parse().unwrap(), "10.1.9.8".parse().unwrap())],
                lease_seconds: 3600,
                mtu: Some(9000),
                options: vec![
                    RawOption {
                        code: 43,
                        hex: "0104ff".to_owned(),
                    },
                    RawOption {
                        code: 224,
                        hex: "07".to_owned(),
                    },
                ],
                ..Subnet::default()
            }],
            ..View::default()
        }
    }

    #[test]
    fn a_subnet_has_its_nodes_and_its_pool() {
        assert_eq!(
            rendered("dnsmasq", &view(), &[]).unwrap(),
            "dhcp-range=set:10-1-0-0-16,10.1.0.0,static,255.255.0.0,3600\n\
             dhcp-range=set:10-1-0-0-16,10.1.9.1,10.1.9.8,255.255.0.0\n\
             dhcp-option=tag:10-1-0-0-16,option:router,10.1.0.1\n\
             dhcp-option=tag:10-1-0-0-16,option:dns-server,10.1.0.2,10.1.0.3\n\
             dhcp-option=tag:10-1-0-0-16,option:domain-name,cluster.example\n\
             dhcp-option=tag:10-1-0-0-16,option:mtu,9000\n\
             dhcp-option=tag:10-1-0-0-16,43,01:04:ff\n\
             dhcp-option=tag:10-1-0-0-16,224,7b\n\
             dhcp-host=02:00:00:00:00:01,10.1.2.1,nid1\n"
        );
    }

    #[test]
    fn firmware_is_given_ipxe_and_ipxe_its_script() {
        let text = rendered("dnsmasq", &view(), &[("boot-server", "10.1.0.1")]).unwrap();
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("dhcp-boot"))
            .collect();
        assert_eq!(
            lines,
            [
                "dhcp-boot=tag:!ipxe,tag:bios,undionly.kpxe,,10.1.0.1",
                "dhcp-boot=tag:!ipxe,tag:uefi-x64,snponly.efi,,10.1.0.1",
                "dhcp-boot=tag:!ipxe,tag:uefi-arm64,snponly-arm64.efi,,10.1.0.1",
                "dhcp-boot=tag:ipxe,http://10.1.0.1:8081/boot/v1/bootscript?mac=${net0/mac}",
            ]
        );
    }

    /// As Chamois' own server has it: who is given something to boot gets no vendor's options beside it.
    #[test]
    fn options_of_a_network_boot_are_for_those_who_boot_nothing() {
        let text = rendered("dnsmasq", &view(), &[("boot-server", "10.1.0.1")]).unwrap();
        assert!(!text.contains(",43,"), "{text}");
        assert!(
            text.contains(",224,7b\n") && text.contains("option:mtu,9000\n"),
            "{text}"
        );
    }

    #[test]
    fn names_and_authority_are_for_the_asking() {
        let text = rendered("dnsmasq", &view(), &[("dns", "true"), ("authoritative", "true")]).unwrap();
        assert!(text.starts_with("dhcp-authoritative\n"), "{text}");
        assert!(text.ends_with("host-record=nid1,10.1.2.1\n"), "{text}");
        assert!(rendered("dnsmasq", &view(), &[("dns", "perhaps")]).is_err());
    }
}
