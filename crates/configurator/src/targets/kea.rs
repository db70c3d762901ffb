//! Kea's DHCPv4 server: subnets, pools, options and reservations.

use std::fmt::Write as _;
use std::net::IpAddr;

use model::Ipv4Net;

use crate::fixed_hosts::{FIXED_HOSTS_READ, FixedHost, fixed_hosts};
use crate::lines::{line, quoted};
use crate::network_boot::{BOOT_SCRIPT, BOOT_SERVER, IPXE_OPTION, LOADERS, NetworkBoot, network_boot};
use crate::raw_option::RAW_OPTION_BYTES_MAX;
use crate::{Check, Error, File, OptionSpec, Options, RawOption, Subnet, Target, View, header};

pub(crate) const TARGET: Target = Target {
    name: "kea",
    summary: "kea/kea-dhcp4.conf: subnets, pools, options and reservations",
    reads: FIXED_HOSTS_READ,
    options: &[
        OptionSpec {
            name: "interfaces",
            meaning: "interfaces that Kea answers on, between commas; default: *, all",
        },
        OptionSpec {
            name: "lease-file",
            meaning: "file of Kea's leases; default: /var/lib/kea/kea-leases4.csv",
        },
        BOOT_SERVER,
        BOOT_SCRIPT,
    ],
    checks: &[Check {
        path: "kea-dhcp4.conf",
        program: "kea-dhcp4",
        args: &["-t", "{file}"],
    }],
    render,
};

fn render(view: &View, options: &Options) -> Result<Vec<File>, Error> {
    let interfaces = match options.list("interfaces") {
        none if none.is_empty() => vec!["*"],
        given => given,
    };
    let interfaces: Vec<String> = interfaces.into_iter().map(quoted).collect();
    let leases = line(options, "lease-file", "/var/lib/kea/kea-leases4.csv")?;
    let boot = network_boot(options)?;
    let subnets: Vec<(Ipv4Net, &Subnet)> = view
        .subnets
        .iter()
        .filter_map(|subnet| Some((subnet.cidr.parse().ok()?, subnet)))
        .collect();
    let hosts = fixed_hosts(view);

    let mut body = header("//", view, "target kea");
    for host in hosts
        .iter()
        .filter(|host| !subnets.iter().any(|(network, _)| network.contains(host.address)))
    {
        let name = host.name.unwrap_or(host.mac);
        let _ = writeln!(body, "// in none of the subnets: {name}, {}", host.address);
    }
    for (subnet, option) in subnets.iter().flat_map(|(_, subnet)| too_long(subnet)) {
        let _ = writeln!(
            body,
            "// {subnet}: option {option} is left out, it has more than {RAW_OPTION_BYTES_MAX} bytes"
        );
    }
    body.push_str("{\"Dhcp4\": {\n");
    let _ = writeln!(
        body,
        "  \"interfaces-config\": {{\"interfaces\": [{}]}},",
        interfaces.join(", ")
    );
    let leases = quoted(leases);
    let _ = writeln!(
        body,
        "  \"lease-database\": {{\"type\": \"memfile\", \"persist\": true, \"name\": {leases}}},"
    );
    if let Some(boot) = &boot {
        add_classes(&mut body, boot);
    }
    let texts: Vec<String> = subnets
        .iter()
        .map(|(network, subnet)| subnet_text(network, subnet, &hosts, boot.is_some()))
        .collect();
    let _ = writeln!(body, "  \"subnet4\": [{}]", texts.join(","));
    body.push_str("}}\n");
    Ok(vec![File::new("kea/kea-dhcp4.conf", body)])
}

/// Leases refer to the id: it is the network's own number, so that it stays when other subnets come and go.
fn subnet_text(network: &Ipv4Net, subnet: &Subnet, hosts: &[FixedHost<'_>], boots: bool) -> String {
    let mut text = String::from("\n    {");
    let _ = write!(
        text,
        "\"id\": {}, \"subnet\": {},",
        u32::from(network.network()).max(1),
        quoted(&subnet.cidr)
    );
    let _ = write!(text, "\n     \"valid-lifetime\": {},", subnet.lease_seconds);
    let pools: Vec<String> = subnet
        .pools
        .iter()
        .map(|(first, last)| format!("{{\"pool\": \"{first} - {last}\"}}"))
        .collect();
    let _ = write!(text, "\n     \"pools\": [{}],", pools.join(", "));
    let _ = write!(
        text,
        "\n     \"option-data\": [{}],",
        option_data(subnet, boots).join(",")
    );
    let own = hosts.iter().filter(|host| network.contains(host.address));
    let own: Vec<String> = own.map(reservation).collect();
    let _ = write!(text, "\n     \"reservations\": [{}]}}", own.join(","));
    text
}

/// Networks and numbers of the options that Kea is not told.
fn too_long(subnet: &Subnet) -> impl Iterator<Item = (&str, u8)> {
    let options = subnet.options.iter().filter(|option| is_too_long(option));
    options.map(|option| (subnet.cidr.as_str(), option.code))
}

fn is_too_long(option: &RawOption) -> bool {
    option.hex.len() > 2 * RAW_OPTION_BYTES_MAX
}

fn option_data(subnet: &Subnet, boots: bool) -> Vec<String> {
    let routers: Vec<IpAddr> = subnet.gateway.into_iter().collect();
    let all = [
        ("routers", &routers),
        ("domain-name-servers", &subnet.dns),
        ("ntp-servers", &subnet.ntp),
    ];
    let addresses = all.into_iter().map(|(name, addresses)| {
        let texts: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
        (name, texts.join(", "))
    });
    let domain = [("domain-name", subnet.domain.clone())];
    let mtu = subnet.mtu.map(|mtu| ("interface-mtu", mtu.to_string()));
    let given = addresses.chain(domain).chain(mtu);
    let named = given
        .filter(|(_, data)| !data.is_empty())
        .map(|(name, data)| format!("\n       {{\"name\": \"{name}\", \"data\": {}}}", quoted(&data)));
    let raw = subnet.options.iter();
    let raw = raw.filter(|option| !(is_too_long(option) || boots && option.is_for_boot()));
    let raw = raw.map(|option| {
        let (code, hex) = (option.code, &option.hex);
        format!(
            "\n       {{\"code\": {code}, \"space\": \"dhcp4\", \"csv-format\": false, \"data\": \"{hex}\"}}"
        )
    });
    named.chain(raw).collect()
}

fn reservation(host: &FixedHost<'_>) -> String {
    let name = host
        .name
        .map_or_else(String::new, |name| format!(", \"hostname\": {}", quoted(name)));
    format!(
        "\n       {{\"hw-address\": \"{}\", \"ip-address\": \"{}\"{name}}}",
        host.mac, host.address
    )
}

/// A client that says it is iPXE gets the script, another the loader of its architecture.
fn add_classes(body: &mut String, boot: &NetworkBoot) {
    let ipxe = format!("option[{IPXE_OPTION}].exists");
    let _ = writeln!(body, "  \"next-server\": \"{}\",", boot.server);
    body.push_str("  \"client-classes\": [\n");
    for (name, architectures, loader) in LOADERS {
        let is = architectures
            .iter()
            .map(|code| format!("option[93].hex == 0x{code:04x}"));
        let test = format!("not {ipxe} and ({})", is.collect::<Vec<_>>().join(" or "));
        let _ = writeln!(
            body,
            "    {{\"name\": \"{name}\", \"test\": {}, \"boot-file-name\": {}}},",
            quoted(&test),
            quoted(loader)
        );
    }
    let _ = writeln!(
        body,
        "    {{\"name\": \"ipxe\", \"test\": {}, \"boot-file-name\": {}}}",
        quoted(&ipxe),
        quoted(&boot.script)
    );
    body.push_str("  ],\n");
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::body;
    use crate::{Interface, Node};

    fn raw(code: u8, hex: &str) -> RawOption {
        let hex = hex.to_owned();
        RawOption { code, hex }
    }

    fn view() -> View {
        let node = |name: &str, mac: &str, address: &str| Node {
            name: name.to_owned(),
            interfaces: vec![Interface {
                mac: mac.to_owned(),
                addresses: vec![address.parse().unwrap()],
                ..Interface::default()
            }],
            ..Node::default()
        };
        View {
            nodes: vec![
                node("nid1", "02:00:00:00:00:01", "10.1.2.1"),
                node("nid2", "02:00:00:00:00:02", "10.9.0.1"),
            ],
            subnets: vec![Subnet {
                cidr: "10.1.0.0/16".to_owned(),
                gateway: Some("10.1.0.1".parse().unwrap()),
                ntp: vec!["10.1.0.2".parse().unwrap(), "10.1.0.3".parse().unwrap()],
                domain: "cluster.example".to_owned(),
                pools: vec![("10.1.9.1".parse().unwrap(), "10.1.9.8".parse().unwrap())],
                lease_seconds: 3600,
                mtu: Some(9000),
                options: vec![
                    raw(43, "0104ff"),
                    raw(150, "0a010001"),
                    raw(224, &"00".repeat(256)),
                ],
                ..Subnet::default()
            }],
            ..View::default()
        }
    }

    /// Comments, and what JSON says behind them.
    fn rendered(values: &[(&str, &str)]) -> (String, Value) {
        let text = body("kea", &view(), values);
        let (comments, json): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("//"));
        let json: Value = serde_json::from_str(&json.join("\n")).unwrap();
        (comments.join("\n"), json["Dhcp4"].clone())
    }

    #[test]
    fn a_subnet_has_its_options_its_pool_and_its_nodes() {
        let (_, dhcp) = rendered(&[]);
        assert_eq!(
            dhcp,
            json!({
                "interfaces-config": {"interfaces": ["*"]},
                "lease-database": {"type": "memfile", "persist": true, "name": "/var/lib/kea/kea-leases4.csv"},
                "subnet4": [{
                    "id": 167_837_696, "subnet": "10.1.0.0/16", "valid-lifetime": 3600,
                    "pools": [{"pool": "10.1.9.1 - 10.1.9.8"}],
                    "option-data": [
                        {"name": "routers", "data": "10.1.0.1"},
                        {"name": "ntp-servers", "data": "10.1.0.2, 10.1.0.3"},
                        {"name": "domain-name", "data": "cluster.example"},
                        {"name": "interface-mtu", "data": "9000"},
                        {"code": 43, "space": "dhcp4", "csv-format": false, "data": "0104ff"},
                        {"code": 150, "space": "dhcp4", "csv-format": false, "data": "0a010001"},
                    ],
                    "reservations": [
                        {"hw-address": "02:00:00:00:00:01", "ip-address": "10.1.2.1", "hostname": "nid1"},
                    ],
                }],
            })
        );
    }

    /// Kea refuses a reservation outside of its subnet, and with it the whole file.
    #[test]
    fn a_host_outside_of_all_subnets_is_named() {
        let comments = rendered(&[]).0;
        assert!(
            comments.contains("\n// in none of the subnets: nid2, 10.9.0.1\n"),
            "{comments}"
        );
    }

    /// Kea would split it on the wire from some version on; older ones refuse the file.
    #[test]
    fn an_option_that_is_too_long_is_named() {
        let comments = rendered(&[]).0;
        let told = "\n// 10.1.0.0/16: option 224 is left out, it has more than 255 bytes";
        assert!(comments.ends_with(told), "{comments}");
    }

    /// As Chamois' own server has it: who is given something to boot gets no vendor's options beside it.
    #[test]
    fn options_of_a_network_boot_are_for_those_who_boot_nothing() {
        let codes = |values: &[(&str, &str)]| -> Vec<Value> {
            let (_, dhcp) = rendered(values);
            let options = dhcp["subnet4"][0]["option-data"].as_array().unwrap().clone();
            options
                .iter()
                .map(|option| option["code"].clone())
                .filter(|code| !code.is_null())
                .collect()
        };
        assert_eq!(codes(&[]), [json!(43), json!(150)]);
        assert_eq!(codes(&[("boot-server", "10.1.0.1")]), [json!(150)]);
    }

    #[test]
    fn firmware_is_given_ipxe_and_ipxe_its_script() {
        let (_, dhcp) = rendered(&[
            ("boot-server", "10.1.0.1"),
            ("boot-script", "http://b/s"),
            ("interfaces", "eth0, eth1"),
        ]);
        assert_eq!(dhcp["next-server"], "10.1.0.1");
        assert_eq!(dhcp["interfaces-config"]["interfaces"], json!(["eth0", "eth1"]));
        let classes = dhcp["client-classes"].as_array().unwrap();
        assert_eq!(classes.len(), 4);
        assert_eq!(
            classes[1],
            json!({
                "name": "uefi-x64", "boot-file-name": "snponly.efi",
                "test": "not option[175].exists and (option[93].hex == 0x0007 or option[93].hex == 0x0009)",
            })
        );
        assert_eq!(classes[3]["boot-file-name"], "http://b/s");
    }

    #[test]
    fn a_lease_file_is_quoted_and_on_one_line() {
        let (_, dhcp) = rendered(&[("lease-file", "/a \"b\"")]);
        assert_eq!(dhcp["lease-database"]["name"], "/a \"b\"");
        let options = Options::new([("lease-file".to_owned(), "a\nb".to_owned())]);
        assert!(crate::render(&TARGET, &view(), &options).is_err());
    }
}
