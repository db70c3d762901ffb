//! `/etc/hosts`: every name with every address, for machines without DNS.

use std::fmt::Write;
use std::net::IpAddr;

use crate::host::{Host, domain_option, hosts};
use crate::{Error, File, OptionSpec, Options, Target, View, header};

const NAME: &str = "hosts";
/// What every machine calls itself.
const LOCAL: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";

pub(crate) const TARGET: Target = Target {
    name: NAME,
    summary: "/etc/hosts: nodes, controllers and whatever else has an address",
    reads: super::NAMES,
    options: &[
        OptionSpec {
            name: "domain",
            meaning: "domain of addresses that no subnet gives one; default: none",
        },
        OptionSpec {
            name: "nodes-only",
            meaning: "true: without controllers and switches; default: false",
        },
        OptionSpec {
            name: "without-localhost",
            meaning: "true: without localhost, to be put behind a file that has it; default: false",
        },
    ],
    checks: &[],
    render,
};

fn render(view: &View, options: &Options) -> Result<Vec<File>, Error> {
    let domain = domain_option(options)?;
    let nodes_only = options.flag("nodes-only")?;
    let mut body = header("#", view, &format!("target {NAME}"));
    if !options.flag("without-localhost")? {
        body.push_str(LOCAL);
    }
    let all = hosts(view, &domain);
    let shown = if nodes_only { view.nodes.len() } else { all.len() };
    for host in &all[..shown] {
        for (address, domain) in &host.addresses {
            line(&mut body, *address, domain, host);
        }
    }
    Ok(vec![File::new("hosts", body)])
}

/// The whole name first, as `hostname --fqdn` wants it.
fn line(body: &mut String, address: IpAddr, domain: &str, host: &Host<'_>) {
    let _ = write!(body, "{address}\t");
    if !domain.is_empty() {
        let _ = write!(body, "{}.{domain} ", host.label(domain));
    }
    body.push_str(host.name);
    if host.name != host.xname {
        let _ = write!(body, " {}", host.xname);
    }
    body.push('\n');
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    #[test]
    fn every_address_leads_to_its_names() {
        assert_eq!(
            body("hosts", &small(), &[]),
            "# chamois: cluster demo, revision 42, target hosts; written by a program, changes are lost\n\
             127.0.0.1\tlocalhost\n\
             ::1\tlocalhost ip6-localhost ip6-loopback\n\
             10.97.2.1\tde0001.demo.example de0001 x1000c0s0b0n0\n\
             fd00::a1\tde0001.demo.example de0001 x1000c0s0b0n0\n\
             10.97.2.2\tde0002.demo.example de0002 x1000c0s10b0n0\n\
             10.98.2.1\tx1000c0s0b0.bmc.example x1000c0s0b0\n\
             10.98.2.2\tx1000c0s10b0.bmc.example x1000c0s10b0\n\
             10.98.9.1\tx3000c0w14.bmc.example x3000c0w14\n"
        );
    }

    #[test]
    fn options_leave_out_what_others_write() {
        let options = [("nodes-only", "true"), ("without-localhost", "true")];
        let body = body("hosts", &small(), &options);
        assert!(!body.contains("localhost") && !body.contains("bmc"), "{body}");
        assert_eq!(body.lines().count(), 4);
    }

    #[test]
    fn a_domain_is_for_addresses_without_one() {
        let mut inventory = small_inventory();
        put_interface(&mut inventory, "0200000000b2", "x1000c0s0b1n0", &["192.0.2.7"]);
        let view = crate::View::of(&inventory);
        let with = body("hosts", &view, &[("domain", "site.example")]);
        assert!(
            with.contains("192.0.2.7\tlogin1.site.example login1 x1000c0s0b1n0\n"),
            "{with}"
        );
        assert!(with.contains("de0001.demo.example"), "the subnet's stays");
        assert!(body("hosts", &view, &[]).contains("192.0.2.7\tlogin1 x1000c0s0b1n0\n"));
    }
}
