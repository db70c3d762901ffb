//! `ssh_known_hosts`: which keys nodes may show. Chamois keeps no keys of hosts, so they are options: those of an authority
//! that has signed each node's key, or keys that all nodes of an image share.

use std::fmt::Write;
use std::net::IpAddr;

use crate::host::{domain_option, hosts};
use crate::{Error, File, OptionSpec, Options, Target, View, header};

const NAME: &str = "ssh-known-hosts";
/// Before the line of an authority's key.
const AUTHORITY: &str = "@cert-authority ";

pub(crate) const TARGET: Target = Target {
    name: NAME,
    summary: "ssh_known_hosts: an authority's keys, or keys that nodes share, for all nodes",
    reads: super::NAMES,
    options: &[
        OptionSpec {
            name: "ca",
            meaning: "public keys that sign the nodes' own, with commas between: `ssh-ed25519 AAAA…`; this or host-key is needed",
        },
        OptionSpec {
            name: "host-key",
            meaning: "public keys that every node shows, with commas between; this or ca is needed",
        },
        OptionSpec {
            name: "domain",
            meaning: "domain of addresses that no subnet gives one; default: none",
        },
    ],
    checks: &[],
    render,
};

fn render(view: &View, options: &Options) -> Result<Vec<File>, Error> {
    let domain = domain_option(options)?;
    let mut keys = keys("ca", AUTHORITY, options)?;
    keys.extend(self::keys("host-key", "", options)?);
    if keys.is_empty() {
        let problem =
            "no keys of hosts are kept; give an authority's key, or with host-key one that all nodes share";
        return Err(Error::option("ca", problem));
    }
    let mut body = header("#", view, &format!("target {NAME}"));
    for host in hosts(view, &domain).iter().take(view.nodes.len()) {
        let mut names = vec![host.name.to_owned()];
        let whole = host.addresses.iter().filter(|(_, domain)| !domain.is_empty());
        names.extend(whole.map(|(_, domain)| format!("{}.{domain}", host.label(domain))));
        names.push(host.xname.to_owned());
        names.extend(
            host.addresses
                .iter()
                .map(|(address, _)| IpAddr::to_string(address)),
        );
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(name.clone()));
        let names = names.join(",");
        for (marker, key) in &keys {
            let _ = writeln!(body, "{marker}{names} {key}");
        }
    }
    Ok(vec![File::new("ssh_known_hosts", body)])
}

/// Keys without the comments behind them.
fn keys<'a>(name: &'static str, marker: &'a str, options: &Options) -> Result<Vec<(&'a str, String)>, Error> {
    let given = options.list(name).into_iter();
    let keys = given.map(|text| {
        let mut words = text.split_whitespace();
        let is_type =
            |word: &&str| word.starts_with("ssh-") || word.starts_with("ecdsa-") || word.starts_with("sk-");
        let base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
        let (kind, key) = (words.next().filter(is_type), words.next());
        match (kind, key.filter(|key| key.len() > 16 && key.chars().all(base64))) {
            (Some(kind), Some(key)) => Ok((marker, format!("{} {key}", clean(kind)))),
            _ => {
                let problem = format!("{text:?} is no public key; write e.g. `ssh-ed25519 AAAA…`");
                Err(Error::option(name, problem))
            }
        }
    });
    keys.collect()
}

fn clean(kind: &str) -> String {
    kind.chars().filter(char::is_ascii_graphic).collect()
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKbJ admin@site";

    #[test]
    fn an_authority_is_trusted_for_all_names_of_nodes() {
        assert_eq!(
            body("ssh-known-hosts", &small(), &[("ca", KEY)]),
            "# chamois: cluster demo, revision 42, target ssh-known-hosts; written by a program, changes are lost\n\
             @cert-authority de0001,de0001.demo.example,x1000c0s0b0n0,10.97.2.1,fd00::a1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKbJ\n\
             @cert-authority login1,x1000c0s0b1n0 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKbJ\n\
             @cert-authority de0002,de0002.demo.example,x1000c0s10b0n0,10.97.2.2 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKbJ\n"
        );
    }

    #[test]
    fn a_key_that_nodes_share_has_no_marker() {
        let body = body("ssh-known-hosts", &small(), &[("host-key", KEY)]);
        assert!(
            body.lines()
                .skip(1)
                .all(|line| !line.starts_with('@') && line.contains(" ssh-ed25519 ")),
            "{body}"
        );
    }

    #[test]
    fn without_a_key_there_is_no_file() {
        let refused = |options: &[(&str, &str)]| {
            files("ssh-known-hosts", &small(), options)
                .unwrap_err()
                .to_string()
        };
        assert!(refused(&[]).starts_with("option ca: no keys of hosts are kept"));
        for text in [
            "x",
            "ssh-ed25519",
            "ssh-ed25519 short",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA\u{7f}",
            "rsa AAAAC3NzaC1lZDI1NTE5AAAA",
        ] {
            assert!(refused(&[("ca", text)]).contains("is no public key"), "{text}");
        }
    }
}
