//! CoreDHCP with OpenCHAMI's plugins: coresmd gives nodes of SMD their addresses, bootloop others one of a pool.
//!
//! It is no program of Debian's, so that nothing checks its file; it is YAML of the shape that `examples/coredhcp` of
//! OpenCHAMI/coresmd has from 0.5.0 on.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use model::Ipv4Net;
use proto::watch::v1::object::Kind;

use crate::{Error, File, OptionSpec, Options, Subnet, Target, View, header};

const NAME: &str = "coredhcp";
/// Options that are coresmd's own arguments: ours, its, and the default that ours has.
const CORESMD: [(&str, &str, Option<&str>); 8] = [
    ("smd", "svc_base_uri", Some("https://localhost:8443")),
    ("boot", "ipxe_base_uri", None),
    ("ca-cert", "ca_cert", None),
    ("cache-valid", "cache_valid", Some("30s")),
    ("tftp-dir", "tftp_dir", None),
    ("tftp-port", "tftp_port", None),
    ("node-pattern", "node_pattern", None),
    ("bmc-pattern", "bmc_pattern", None),
];

pub(crate) const TARGET: Target = Target {
    name: NAME,
    summary: "coredhcp.yaml for OpenCHAMI's coresmd: one subnet",
    reads: &[Kind::Subnet],
    options: &[
        OptionSpec {
            name: "subnet",
            meaning: "the network that it serves, e.g. 10.1.0.0/16; default: the only one",
        },
        OptionSpec {
            name: "server-id",
            meaning: "IPv4 address that it answers from; default: the subnet's router",
        },
        OptionSpec {
            name: "smd",
            meaning: "URL that SMD is asked at; default: https://localhost:8443",
        },
        OptionSpec {
            name: "boot",
            meaning: "URL that nodes have boot scripts from; default: http://SERVER-ID:8081",
        },
        OptionSpec {
            name: "ca-cert",
            meaning: "file of the authority that SMD's certificate is of; default: the system's",
        },
        OptionSpec {
            name: "cache-valid",
            meaning: "how long SMD's answers are kept; default: 30s",
        },
        OptionSpec {
            name: "tftp-dir",
            meaning: "folder of its TFTP server; default: coresmd's, /tftpboot",
        },
        OptionSpec {
            name: "tftp-port",
            meaning: "port of its TFTP server; default: coresmd's, 69",
        },
        OptionSpec {
            name: "node-pattern",
            meaning: "what nodes are called, e.g. nid{04d}; default: coresmd's",
        },
        OptionSpec {
            name: "bmc-pattern",
            meaning: "what controllers are called, e.g. bmc{04d}; default: coresmd's",
        },
        OptionSpec {
            name: "lease-file",
            meaning: "where bootloop keeps leases of the pool; default: /var/lib/coredhcp/bootloop.db",
        },
        OptionSpec {
            name: "pool-lease",
            meaning: "lease of the pool's addresses; default: 5m",
        },
    ],
    checks: &[],
    render,
};

fn render(view: &View, options: &Options) -> Result<Vec<File>, Error> {
    let subnet = subnet(view, options)?;
    let network: Ipv4Net = subnet
        .cidr
        .parse()
        .map_err(|_| Error::not_possible(NAME, format!("{} is no IPv4 network", subnet.cidr)))?;
    let server = server(subnet, options)?;
    let mut body = header("#", view, "target coredhcp");
    body.push_str("server4:\n  plugins:\n");
    let _ = writeln!(body, "    - server_id: {server}");
    if !subnet.dns.is_empty() {
        let servers: Vec<String> = subnet.dns.iter().map(IpAddr::to_string).collect();
        let _ = writeln!(body, "    - dns: {}", servers.join(" "));
    }
    let _ = writeln!(
        body,
        "    - router: {}",
        subnet.gateway.unwrap_or(IpAddr::V4(server))
    );
    let _ = writeln!(body, "    - netmask: {}", network.mask());
    if let Some(mtu) = subnet.mtu {
        let _ = writeln!(body, "    - mtu: {mtu}");
    }
    if !subnet.options.is_empty() {
        let codes: Vec<String> = subnet
            .options
            .iter()
            .map(|option| option.code.to_string())
            .collect();
        let _ = writeln!(
            body,
            "    # CoreDHCP has no plugin for options by their number: {} left out",
            codes.join(", ")
        );
    }
    add_coresmd(&mut body, subnet, server, options)?;
    add_bootloop(&mut body, subnet, options)?;
    Ok(vec![File::new("coredhcp.yaml", body)])
}

/// Its configuration has one netmask and one router, and so one subnet.
fn subnet<'a>(view: &'a View, options: &Options) -> Result<&'a Subnet, Error> {
    let all = || {
        let all: Vec<&str> = view.subnets.iter().map(|subnet| subnet.cidr.as_str()).collect();
        all.join(", ")
    };
    match (options.get("subnet"), &view.subnets[..]) {
        (_, []) => Err(Error::not_possible(NAME, "there is no subnet")),
        (None, [only]) => Ok(only),
        (None, _) => Err(Error::option(
            "subnet",
            format!("say which of them it serves: {}", all()),
        )),
        (Some(wanted), subnets) => {
            let found = subnets.iter().find(|subnet| subnet.cidr == wanted.trim());
            found.ok_or_else(|| Error::option("subnet", format!("there is no {wanted}; there are {}", all())))
        }
    }
}

fn server(subnet: &Subnet, options: &Options) -> Result<Ipv4Addr, Error> {
    match (options.get("server-id"), subnet.gateway) {
        (Some(given), _) => {
            let parsed = given.trim().parse();
            parsed.map_err(|_| Error::option("server-id", format!("`{given}` is no IPv4 address")))
        }
        (None, Some(IpAddr::V4(router))) => Ok(router),
        (None, _) => {
            let problem = format!("{} has no router: say which address it answers from", subnet.cidr);
            Err(Error::option("server-id", problem))
        }
    }
}

fn add_coresmd(body: &mut String, subnet: &Subnet, server: Ipv4Addr, options: &Options) -> Result<(), Error> {
    body.push_str("    - coresmd: |\n");
    let boot = format!("http://{server}:8081");
    for (name, argument, default) in CORESMD {
        let default = if name == "boot" {
            Some(boot.as_str())
        } else {
            default
        };
        if let Some(value) = options.get(name).or(default) {
            let _ = writeln!(body, "        {argument}={}", word(name, value)?);
        }
    }
    let _ = writeln!(body, "        lease_time={}s", subnet.lease_seconds);
    if !subnet.domain.is_empty() {
        let _ = writeln!(body, "        domain={}", subnet.domain);
    }
    Ok(())
}

fn add_bootloop(body: &mut String, subnet: &Subnet, options: &Options) -> Result<(), Error> {
    let Some((first, last)) = subnet.pools.first() else {
        return Ok(());
    };
    if subnet.pools.len() > 1 {
        let _ = writeln!(
            body,
            "    # bootloop has one pool: {} further ones are left out",
            subnet.pools.len() - 1
        );
    }
    let file = word(
        "lease-file",
        options.or("lease-file", "/var/lib/coredhcp/bootloop.db"),
    )?;
    let lease = word("pool-lease", options.or("pool-lease", "5m"))?;
    body.push_str("    - bootloop: |\n");
    let _ = writeln!(
        body,
        "        lease_file={file}\n        script_path=default\n        lease_time={lease}"
    );
    let _ = writeln!(body, "        ipv4_start={first}\n        ipv4_end={last}");
    Ok(())
}

/// Arguments are between blanks.
fn word<'a>(option: &str, value: &'a str) -> Result<&'a str, Error> {
    let value = value.trim();
    match value.is_empty() || value.contains(|c: char| c.is_whitespace() || c.is_control()) {
        true => Err(Error::option(option, "it must be one word")),
        false => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RawOption;

    fn subnet(cidr: &str) -> Subnet {
        Subnet {
            cidr: cidr.to_owned(),
            gateway: Some("10.1.0.1".parse().unwrap()),
            dns: vec!["10.1.0.2".parse().unwrap(), "10.1.0.3".parse().unwrap()],
            domain: "cluster.example".to_owned(),
            pools: vec![
                ("10.1.9.1".parse().unwrap(), "10.1.9.8".parse().unwrap()),
                ("10.1.8.1".parse().unwrap(), "10.1.8.8".parse().unwrap()),
            ],
            lease_seconds: 3600,
            mtu: Some(9000),
            options: [43, 150]
                .map(|code| RawOption {
                    code,
                    hex: "0a010001".to_owned(),
                })
                .to_vec(),
            ..Subnet::default()
        }
    }

    fn rendered(subnets: Vec<Subnet>, values: &[(&str, &str)]) -> Result<String, Error> {
        let view = View {
            subnets,
            ..View::default()
        };
        crate::testing::rendered(NAME, &view, values)
    }

    #[test]
    fn the_subnet_is_said_in_coresmds_words() {
        let text = rendered(vec![subnet("10.1.0.0/16")], &[]).unwrap();
        assert_eq!(
            text,
            "server4:
  plugins:
    - server_id: 10.1.0.1
    - dns: 10.1.0.2 10.1.0.3
    - router: 10.1.0.1
    - netmask: 255.255.0.0
    - mtu: 9000
    # CoreDHCP has no plugin for options by their number: 43, 150 left out
    - coresmd: |
        svc_base_uri=https://localhost:8443
        ipxe_base_uri=http://10.1.0.1:8081
        cache_valid=30s
        lease_time=3600s
        domain=cluster.example
    # bootloop has one pool: 1 further ones are left out
    - bootloop: |
        lease_file=/var/lib/coredhcp/bootloop.db
        script_path=default
        lease_time=5m
        ipv4_start=10.1.9.1
        ipv4_end=10.1.9.8
"
        );
        let yaml: serde_yaml_ng::Value = serde_yaml_ng::from_str(&text).unwrap();
        assert_eq!(yaml["server4"]["plugins"].as_sequence().map(Vec::len), Some(7));
    }

    #[test]
    fn coresmds_arguments_are_options() {
        let values = [
            ("server-id", "10.1.0.9"),
            ("ca-cert", "/root_ca/root_ca.crt"),
            ("tftp-port", "1069"),
            ("node-pattern", "nid{04d}"),
        ];
        let text = rendered(vec![subnet("10.1.0.0/16")], &values).unwrap();
        for line in [
            "ipxe_base_uri=http://10.1.0.9:8081",
            "ca_cert=/root_ca/root_ca.crt",
            "tftp_port=1069",
            "node_pattern=nid{04d}",
        ] {
            assert!(text.contains(&format!("        {line}\n")), "{line} in {text}");
        }
    }

    #[test]
    fn it_serves_one_subnet_that_is_named() {
        let both = || vec![subnet("10.1.0.0/16"), subnet("10.2.0.0/16")];
        let refused = |subnets, values: &[(&str, &str)]| rendered(subnets, values).unwrap_err().to_string();
        assert_eq!(
            refused(both(), &[]),
            "option subnet: say which of them it serves: 10.1.0.0/16, 10.2.0.0/16"
        );
        assert!(rendered(both(), &[("subnet", "10.2.0.0/16")]).is_ok());
        assert!(refused(both(), &[("subnet", "10.3.0.0/16")]).contains("there is no 10.3.0.0/16"));
        assert!(refused(vec![], &[]).contains("there is no subnet"));
        let without_router = Subnet {
            gateway: None,
            ..subnet("10.1.0.0/16")
        };
        assert!(
            refused(vec![without_router], &[]).starts_with("option server-id: 10.1.0.0/16 has no router")
        );
        assert!(refused(both(), &[("subnet", "10.1.0.0/16"), ("smd", "a b")]).contains("one word"));
    }
}
