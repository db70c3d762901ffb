//! Zones for a name server that is not Chamois' own: a forward zone for each domain, reverse zones for what addresses there are.

mod zones;

use std::fmt::Write;

use crate::host::{domain_option, hosts};
use crate::host_name::is_host_name;
use crate::{Check, Error, File, OptionSpec, Options, SERIAL, Target, View, header};
use zones::{Zone, zones};

const NAME: &str = "dns";
/// `named-checkzone` wants the zone's name, which is the file's without its end. A host without it checks nothing.
const CHECK_ZONE: &str =
    "PATH=$PATH:/usr/sbin; zone=${1##*/}; exec named-checkzone -i local \"${zone%.zone}\" \"$1\"";

pub(crate) const TARGET: Target = Target {
    name: NAME,
    summary: "DNS zones, forward and reverse, with the revision as their serial, and a named.conf that lists them",
    reads: super::NAMES,
    options: &[
        OptionSpec {
            name: "domain",
            meaning: "domain of addresses that no subnet gives one; default: none, they are left out",
        },
        OptionSpec {
            name: "ns",
            meaning: "whole names of the name servers, with commas between; default: ns.<domain>",
        },
        OptionSpec {
            name: "ns-address",
            meaning: "addresses of ns.<domain>, with commas between; needed without ns",
        },
        OptionSpec {
            name: "mailbox",
            meaning: "who is to be written to, as a name: hostmaster.example.org; default: hostmaster.<domain>",
        },
        OptionSpec {
            name: "ttl",
            meaning: "how long answers may be remembered, seconds; default: 60",
        },
        OptionSpec {
            name: "directory",
            meaning: "folder of the zones in named.conf, e.g. /etc/bind/chamois; default: named's own",
        },
    ],
    checks: &[Check {
        path: ".zone",
        program: "sh",
        args: &["-c", CHECK_ZONE, "named-checkzone", "{file}"],
    }],
    render,
};

/// What the zones have in common.
struct Common {
    ttl: u64,
    /// Whole names, without a dot at the end; empty: `ns.<domain>`.
    servers: Vec<String>,
    server_addresses: Vec<std::net::IpAddr>,
    mailbox: Option<String>,
}

fn render(view: &View, options: &Options) -> Result<Vec<File>, Error> {
    let domain = domain_option(options)?;
    let common = common(options)?;
    let hosts = hosts(view, &domain);
    let zones = zones(&hosts)?;
    if let (true, true, false) = (
        common.servers.is_empty(),
        common.server_addresses.is_empty(),
        zones.is_empty(),
    ) {
        let problem = "a zone needs a name server: give its addresses, or with ns its name";
        return Err(Error::option("ns-address", problem));
    }
    let mut files: Vec<File> = zones.iter().map(|zone| file(view, zone, &common)).collect();
    files.push(named_conf(view, &zones, options)?);
    Ok(files)
}

fn common(options: &Options) -> Result<Common, Error> {
    let addresses = options.list("ns-address").into_iter().map(|text| {
        let parsed = text.parse();
        parsed.map_err(|_| Error::option("ns-address", format!("`{text}` is no address")))
    });
    let servers = options.list("ns").into_iter().map(|text| host_name("ns", text));
    Ok(Common {
        ttl: options.number("ttl", 60)?.min(u64::from(u32::MAX >> 1)),
        servers: servers.collect::<Result<_, _>>()?,
        server_addresses: addresses.collect::<Result<_, _>>()?,
        mailbox: options
            .get("mailbox")
            .map(|text| host_name("mailbox", &text.replace('@', ".")))
            .transpose()?,
    })
}

fn host_name(option: &str, text: &str) -> Result<String, Error> {
    let name = text.trim_end_matches('.').to_ascii_lowercase();
    match is_host_name(&name) {
        true => Ok(name),
        false => Err(Error::option(option, format!("`{text}` is no name of a host"))),
    }
}

fn file(view: &View, zone: &Zone, common: &Common) -> File {
    let mut body = header(";", view, &format!("target {NAME}"));
    let domain = &zone.domain;
    let own = [format!("ns.{domain}")];
    let servers = if common.servers.is_empty() {
        &own[..]
    } else {
        &common.servers
    };
    let mailbox = common
        .mailbox
        .clone()
        .unwrap_or_else(|| format!("hostmaster.{domain}"));
    let _ = writeln!(body, "$ORIGIN {}.\n$TTL {}", zone.name, common.ttl);
    let _ = writeln!(
        body,
        "@ IN SOA {}. {mailbox}. ( {SERIAL} 3600 600 86400 10 )",
        servers[0]
    );
    for server in servers {
        let _ = writeln!(body, "@ IN NS {server}.");
    }
    if common.servers.is_empty() && zone.is_forward {
        for address in &common.server_addresses {
            let kind = if address.is_ipv4() { "A" } else { "AAAA" };
            let _ = writeln!(body, "ns IN {kind} {address}");
        }
    }
    for (label, kind, data) in &zone.records {
        let _ = writeln!(body, "{label} IN {kind} {data}");
    }
    File::new(format!("dns/{}.zone", zone.name), body)
}

/// To be included by the server's own.
fn named_conf(view: &View, zones: &[Zone], options: &Options) -> Result<File, Error> {
    let directory = options.or("directory", "").trim_end_matches('/');
    if directory.chars().any(|c| c.is_control() || "\"\\;{}".contains(c)) {
        return Err(Error::option(
            "directory",
            format!("{directory:?} cannot be written in named.conf"),
        ));
    }
    let folder = if directory.is_empty() {
        String::new()
    } else {
        format!("{directory}/")
    };
    let mut body = header("//", view, &format!("target {NAME}"));
    for zone in zones {
        let name = &zone.name;
        // names of nodes may have `_`, for which named refuses a whole zone
        let _ = writeln!(
            body,
            "zone \"{name}\" {{ type master; check-names ignore; file \"{folder}{name}.zone\"; }};"
        );
    }
    Ok(File::new("dns/named.conf", body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    const SERVER: (&str, &str) = ("ns-address", "10.97.0.2");

    fn texts(view: &View, options: &[(&str, &str)]) -> Vec<(String, String)> {
        let files = files("dns", view, options).unwrap();
        files
            .into_iter()
            .map(|file| (file.path.clone(), file.text(view.revision())))
            .collect()
    }

    #[test]
    fn there_is_a_zone_for_each_domain_and_each_block_of_addresses() {
        let files = texts(&small(), &[SERVER]);
        let paths: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
        let ipv6 = format!("dns/{}d.f.ip6.arpa.zone", "0.".repeat(14));
        let expected = [
            ipv6.as_str(),
            "dns/2.97.10.in-addr.arpa.zone",
            "dns/2.98.10.in-addr.arpa.zone",
            "dns/9.98.10.in-addr.arpa.zone",
            "dns/bmc.example.zone",
            "dns/demo.example.zone",
            "dns/named.conf",
        ];
        assert_eq!(paths, expected);
    }

    #[test]
    fn a_forward_zone_has_addresses_and_other_names() {
        let files = texts(&small(), &[SERVER, ("ttl", "300")]);
        assert_eq!(
            files[5].1,
            "; chamois: cluster demo, revision 42, target dns; written by a program, changes are lost\n\
             $ORIGIN demo.example.\n\
             $TTL 300\n\
             @ IN SOA ns.demo.example. hostmaster.demo.example. ( 42 3600 600 86400 10 )\n\
             @ IN NS ns.demo.example.\n\
             ns IN A 10.97.0.2\n\
             de0001 IN A 10.97.2.1\n\
             de0001 IN AAAA fd00::a1\n\
             x1000c0s0b0n0 IN CNAME de0001\n\
             de0002 IN A 10.97.2.2\n\
             x1000c0s10b0n0 IN CNAME de0002\n"
        );
    }

    #[test]
    fn a_reverse_zone_leads_back_to_the_name() {
        let files = texts(
            &small(),
            &[
                SERVER,
                ("ns", "ns1.example.org,ns2.example.org."),
                ("mailbox", "dns@example.org"),
            ],
        );
        assert_eq!(
            files[1].1,
            "; chamois: cluster demo, revision 42, target dns; written by a program, changes are lost\n\
             $ORIGIN 2.97.10.in-addr.arpa.\n\
             $TTL 60\n\
             @ IN SOA ns1.example.org. dns.example.org. ( 42 3600 600 86400 10 )\n\
             @ IN NS ns1.example.org.\n\
             @ IN NS ns2.example.org.\n\
             1 IN PTR de0001.demo.example.\n\
             2 IN PTR de0002.demo.example.\n"
        );
        let ipv6 = format!("\n1.a{} IN PTR de0001.demo.example.\n", ".0".repeat(14));
        assert!(files[0].1.contains(&ipv6), "{}", files[0].1);
    }

    #[test]
    fn named_conf_lists_the_zones() {
        let files = texts(&small(), &[SERVER, ("directory", "/etc/bind/chamois/")]);
        let line = "zone \"demo.example\" { type master; check-names ignore; file \"/etc/bind/chamois/demo.example.zone\"; };\n";
        assert!(files[6].1.contains(line), "{}", files[6].1);
        assert_eq!(files[6].1.lines().count(), 7);
    }

    #[test]
    fn options_that_no_zone_can_say_are_refused() {
        let refused = |options: &[(&str, &str)]| files("dns", &small(), options).unwrap_err().to_string();
        assert!(refused(&[]).contains("option ns-address: a zone needs a name server"));
        assert!(refused(&[("ns-address", "ns1")]).contains("`ns1` is no address"));
        assert!(refused(&[("ns", "a b")]).contains("`a b` is no name of a host"));
        assert!(refused(&[SERVER, ("directory", "a\"; }")]).contains("named.conf"));
    }

    #[test]
    fn without_domains_there_are_no_zones() {
        let mut inventory = small_inventory();
        put_subnet(&mut inventory, "10.97.0.0/16", "");
        put_subnet(&mut inventory, "10.98.0.0/16", "");
        let view = View::of(&inventory);
        assert_eq!(texts(&view, &[]).len(), 1, "named.conf alone");
        let with = texts(&view, &[SERVER, ("domain", "site.example")]);
        assert!(
            with.iter().any(|(path, _)| path == "dns/site.example.zone"),
            "{with:?}"
        );
    }
}
