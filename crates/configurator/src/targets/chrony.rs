//! chrony: whom the servers of time answer, and whom nodes ask.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;

use proto::watch::v1::object::Kind;

use crate::{Check, Error, File, OptionSpec, Options, Target, View, header};

const SERVERS: &str = "servers";
/// chronyd's highest stratum but for "not synchronised".
const STRATUM_MAX: u64 = 15;

pub(crate) const TARGET: Target = Target {
    name: "chrony",
    summary: "chrony/servers.conf for those that give time to the subnets, chrony/nodes.conf for those that ask",
    reads: &[Kind::Subnet],
    options: &[
        OptionSpec {
            name: SERVERS,
            meaning: "servers and pools that the cluster's own servers ask, between commas; a pool is `pool:NAME`; default: none",
        },
        OptionSpec {
            name: "local-stratum",
            meaning: "stratum at which the cluster's servers give their own time when they hear of no other; default: 10, 0 is never",
        },
        OptionSpec {
            name: "allow",
            meaning: "further networks that are answered, between commas; default: none",
        },
    ],
    checks: &[Check {
        path: ".conf",
        program: "chronyd",
        args: &["-p", "-f", "{file}"],
    }],
    render,
};

fn render(view: &View, options: &Options) -> Result<Vec<File>, Error> {
    let head = header("#", view, "target chrony");
    let servers = head.clone() + &for_servers(view, options)?;
    let mut files = vec![File::new("chrony/servers.conf", servers)];
    let asked: BTreeSet<IpAddr> = view
        .subnets
        .iter()
        .flat_map(|subnet| &subnet.ntp)
        .copied()
        .collect();
    if !asked.is_empty() {
        let lines = asked.iter().map(|server| format!("server {server} iburst\n"));
        files.push(File::new("chrony/nodes.conf", head + &lines.collect::<String>()));
    }
    Ok(files)
}

fn for_servers(view: &View, options: &Options) -> Result<String, Error> {
    let mut text = String::new();
    for server in options.list(SERVERS) {
        let (word, name) = match server.strip_prefix("pool:") {
            Some(pool) => ("pool", pool),
            None => ("server", server),
        };
        let _ = writeln!(text, "{word} {} iburst", host(SERVERS, name)?);
    }
    for subnet in &view.subnets {
        let _ = writeln!(text, "allow {}", subnet.cidr);
    }
    for network in options.list("allow") {
        let _ = writeln!(text, "allow {}", host("allow", network)?);
    }
    match options.number("local-stratum", 10)? {
        0 => {}
        stratum @ 1..=STRATUM_MAX => drop(writeln!(text, "local stratum {stratum}")),
        more => {
            let problem = format!("{more} is more than {STRATUM_MAX}");
            return Err(Error::option("local-stratum", problem));
        }
    }
    Ok(text)
}

/// A name, an address or a network: one word.
fn host<'a>(option: &str, word: &'a str) -> Result<&'a str, Error> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-._:/".contains(c);
    match !word.is_empty() && word.chars().all(is_part) {
        true => Ok(word),
        false => Err(Error::option(
            option,
            format!("`{}` is no host or network", word.escape_debug()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Subnet;
    use crate::testing::{behind_header, files};

    fn view() -> View {
        let subnet = |cidr: &str, ntp: &[&str]| Subnet {
            cidr: cidr.to_owned(),
            ntp: ntp.iter().map(|server| server.parse().unwrap()).collect(),
            ..Subnet::default()
        };
        View {
            subnets: vec![
                subnet("10.1.0.0/16", &["10.1.0.2", "10.1.0.1"]),
                subnet("10.2.0.0/16", &["10.1.0.1"]),
            ],
            ..View::default()
        }
    }

    fn rendered(view: &View, values: &[(&str, &str)]) -> Result<Vec<String>, Error> {
        let files = files("chrony", view, values)?;
        let behind = |file: &File| format!("{}\n{}", file.path, behind_header(file));
        Ok(files.iter().map(behind).collect())
    }

    #[test]
    fn servers_answer_the_subnets_and_nodes_ask_the_subnets_servers() {
        assert_eq!(
            rendered(&view(), &[]).unwrap(),
            [
                "chrony/nodes.conf\nserver 10.1.0.1 iburst\nserver 10.1.0.2 iburst\n",
                "chrony/servers.conf\nallow 10.1.0.0/16\nallow 10.2.0.0/16\nlocal stratum 10\n",
            ]
        );
    }

    #[test]
    fn servers_ask_others() {
        let values = [
            ("servers", "ntp.example, pool:pool.ntp.org"),
            ("allow", "fd00::/8"),
            ("local-stratum", "0"),
        ];
        assert_eq!(
            rendered(&View::default(), &values).unwrap(),
            ["chrony/servers.conf\nserver ntp.example iburst\npool pool.ntp.org iburst\nallow fd00::/8\n"]
        );
    }

    #[test]
    fn a_word_that_is_no_host_is_refused() {
        let refused = |values: &[(&str, &str)]| rendered(&view(), values).unwrap_err().to_string();
        assert_eq!(
            refused(&[("servers", "a b")]),
            "option servers: `a b` is no host or network"
        );
        assert_eq!(
            refused(&[("allow", "a\nb")]),
            "option allow: `a\\nb` is no host or network"
        );
        assert_eq!(
            refused(&[("local-stratum", "16")]),
            "option local-stratum: 16 is more than 15"
        );
    }
}
