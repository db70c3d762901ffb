//! rsyslog on the servers that nodes send their logs to: a folder for each host, by the name that SMD's address tells.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use proto::watch::v1::object::Kind;

use crate::lines::{line, quoted};
use crate::{Check, Error, File, Interface, OptionSpec, Options, REVISION, Target, View, header};

const CONFIG: &str = "rsyslog.d/chamois.conf";
const TABLE: &str = "rsyslog.d/chamois-hosts.json";

/// rsyslogd reads the table when it checks, and it is staged elsewhere.
const SCRIPT: &str = r#"
PATH=$PATH:/usr/sbin
sed "s|file=\"[^\"]*/chamois-hosts.json\"|file=\"$2/rsyslog.d/chamois-hosts.json\"|" "$1" | rsyslogd -N1 -f /dev/stdin
"#;

pub(crate) const TARGET: Target = Target {
    name: "rsyslog",
    summary: "rsyslog.d/chamois.conf and its table: each host's messages in a folder by its name",
    reads: &[
        Kind::Component,
        Kind::EthernetInterface,
        Kind::RedfishEndpoint,
        Kind::DhcpPolicy,
        Kind::InstanceInfo,
        Kind::ClusterDefaults,
    ],
    options: &[
        OptionSpec {
            name: "dir",
            meaning: "folder that the table is in where it is used; default: /etc/rsyslog.d",
        },
        OptionSpec {
            name: "logs",
            meaning: "folder of the hosts' folders; default: /var/log/hosts",
        },
        OptionSpec {
            name: "port",
            meaning: "port for UDP and TCP; default: 514",
        },
        OptionSpec {
            name: "protocols",
            meaning: "udp, tcp or both, between commas; default: udp,tcp",
        },
        OptionSpec {
            name: "nodes-only",
            meaning: "true: controllers, switches and PDUs have no name in the table; default: false",
        },
    ],
    checks: &[Check {
        path: "chamois.conf",
        program: "sh",
        args: &["-c", SCRIPT, "rsyslogd", "{file}", "{dir}"],
    }],
    render,
};

fn render(view: &View, options: &Options) -> Result<Vec<File>, Error> {
    let nodes_only = options.flag("nodes-only")?;
    let table = table(view, &names(view, nodes_only));
    Ok(vec![
        File::new(CONFIG, config(view, options)?),
        File::new(TABLE, table),
    ])
}

fn config(view: &View, options: &Options) -> Result<String, Error> {
    let dir = path("dir", line(options, "dir", "/etc/rsyslog.d")?)?;
    let logs = path("logs", line(options, "logs", "/var/log/hosts")?)?;
    let port = match options.number("port", 514)? {
        port @ 1..=65_535 => port,
        other => return Err(Error::option("port", format!("{other} is no port"))),
    };
    let protocols = match options.list("protocols") {
        none if none.is_empty() => vec!["udp", "tcp"],
        given => given,
    };
    let mut body = header("#", view, "target rsyslog");
    let mut inputs = String::new();
    for protocol in protocols {
        let module = match protocol {
            "udp" => "imudp",
            "tcp" => "imtcp",
            other => {
                return Err(Error::option(
                    "protocols",
                    format!("`{other}` is neither udp nor tcp"),
                ));
            }
        };
        let _ = writeln!(body, "module(load=\"{module}\")");
        let _ = writeln!(
            inputs,
            "input(type=\"{module}\" port=\"{port}\" ruleset=\"chamois\")"
        );
    }
    let _ = writeln!(
        body,
        "lookup_table(name=\"chamois_hosts\" file=\"{dir}/chamois-hosts.json\" reloadOnHUP=\"on\")"
    );
    let _ = writeln!(
        body,
        "template(name=\"chamois_file\" type=\"string\" string=\"{logs}/%$.host:::secpath-replace%/messages\")"
    );
    // who is not in the table has a folder by its address: nothing is thrown away
    body.push_str(
        "ruleset(name=\"chamois\") {\n  \
           set $.host = lookup(\"chamois_hosts\", $fromhost-ip);\n  \
           if $.host == \"\" then { set $.host = $fromhost-ip; }\n  \
           action(type=\"omfile\" dynaFile=\"chamois_file\" createDirs=\"on\")\n\
         }\n",
    );
    Ok(body + &inputs)
}

/// A folder, in quotes and templates.
fn path<'a>(option: &str, value: &'a str) -> Result<&'a str, Error> {
    match value.starts_with('/') && !value.contains(['"', '%', '\\', '|', '&']) {
        true => Ok(value.trim_end_matches('/')),
        false => Err(Error::option(
            option,
            "it must be an absolute path without quotes and %",
        )),
    }
}

/// Every address with its host's name; of two hosts with one address the first.
fn names(view: &View, nodes_only: bool) -> BTreeMap<IpAddr, &str> {
    let addresses = |interfaces: &[Interface]| -> Vec<IpAddr> {
        interfaces
            .iter()
            .flat_map(|interface| &interface.addresses)
            .copied()
            .collect()
    };
    let mut names = BTreeMap::new();
    for node in &view.nodes {
        for address in addresses(&node.interfaces) {
            names.entry(address).or_insert(node.name.as_str());
        }
    }
    if nodes_only {
        return names;
    }
    for bmc in &view.bmcs {
        for address in bmc.address.into_iter().chain(addresses(&bmc.interfaces)) {
            names.entry(address).or_insert(bmc.name.as_str());
        }
    }
    for other in &view.others {
        for address in addresses(&other.interfaces) {
            names.entry(address).or_insert(other.name.as_str());
        }
    }
    names
}

/// JSON has no comments, but rsyslog passes over what it does not know: the header is a value.
fn table(view: &View, names: &BTreeMap<IpAddr, &str>) -> String {
    let header = header("", view, "target rsyslog");
    // what stands for the revision is no character to be written as JSON writes it
    let parts = header
        .trim()
        .split(REVISION)
        .map(|part| quoted(part).trim_matches('"').to_owned());
    let header = parts.collect::<Vec<_>>().join(&REVISION.to_string());
    let rows: Vec<String> = names
        .iter()
        .map(|(address, name)| format!("\n  {{\"index\": \"{address}\", \"value\": {}}}", quoted(name)))
        .collect();
    format!(
        "{{\"comment\": \"{header}\",\n \"version\": 1, \"nomatch\": \"\", \"type\": \"string\", \"table\": [{}]}}\n",
        rows.join(",")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bmc, Node, revision_of};

    fn view() -> View {
        let interface = |addresses: &[&str]| Interface {
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            ..Interface::default()
        };
        View {
            cluster: "a \"b\"".to_owned(),
            nodes: vec![
                Node {
                    name: "nid1".to_owned(),
                    interfaces: vec![interface(&["10.1.0.10", "fd00::1"]), interface(&["10.2.0.1"])],
                    ..Node::default()
                },
                Node {
                    name: "nid2".to_owned(),
                    interfaces: vec![interface(&["10.2.0.1"])],
                    ..Node::default()
                },
            ],
            bmcs: vec![Bmc {
                name: "bmc1".to_owned(),
                address: Some("10.3.0.1".parse().unwrap()),
                ..Bmc::default()
            }],
            ..View::default()
        }
    }

    fn files(values: &[(&str, &str)]) -> Result<Vec<File>, Error> {
        crate::testing::files("rsyslog", &view(), values)
    }

    fn rows(file: &File) -> Vec<String> {
        let table: serde_json::Value = serde_json::from_str(&file.text(7)).unwrap();
        let rows = table["table"].as_array().unwrap().iter();
        rows.map(|row| format!("{} {}", row["index"], row["value"]).replace('"', ""))
            .collect()
    }

    #[test]
    fn each_address_has_its_hosts_name_once() {
        let all = files(&[]).unwrap();
        assert_eq!(all[0].path, TABLE);
        let expected = ["10.1.0.10 nid1", "10.2.0.1 nid1", "10.3.0.1 bmc1", "fd00::1 nid1"];
        assert_eq!(rows(&all[0]), expected);
        let nodes = files(&[("nodes-only", "true")]).unwrap();
        assert_eq!(rows(&nodes[0]).len(), 3);
    }

    #[test]
    fn the_table_has_a_header_too() {
        let table = files(&[]).unwrap().remove(0);
        assert_eq!(revision_of(&table.text(42)), Some(42));
        assert!(table.says(&table.text(1)) && !table.says(""));
    }

    #[test]
    fn messages_go_to_a_folder_by_name() {
        let config = &files(&[
            ("dir", "/opt/r/"),
            ("logs", "/logs"),
            ("port", "1514"),
            ("protocols", "tcp"),
        ])
        .unwrap()[1];
        let behind = crate::testing::behind_header(config);
        assert_eq!(
            behind,
            "module(load=\"imtcp\")
lookup_table(name=\"chamois_hosts\" file=\"/opt/r/chamois-hosts.json\" reloadOnHUP=\"on\")
template(name=\"chamois_file\" type=\"string\" string=\"/logs/%$.host:::secpath-replace%/messages\")
ruleset(name=\"chamois\") {
  set $.host = lookup(\"chamois_hosts\", $fromhost-ip);
  if $.host == \"\" then { set $.host = $fromhost-ip; }
  action(type=\"omfile\" dynaFile=\"chamois_file\" createDirs=\"on\")
}
input(type=\"imtcp\" port=\"1514\" ruleset=\"chamois\")
"
        );
    }

    #[test]
    fn what_rsyslog_cannot_take_is_named() {
        let refused = |values: &[(&str, &str)]| files(values).unwrap_err().to_string();
        assert!(refused(&[("dir", "etc")]).contains("absolute path"));
        assert!(refused(&[("logs", "/a%b")]).starts_with("option logs: "));
        assert_eq!(refused(&[("port", "65536")]), "option port: 65536 is no port");
        assert_eq!(
            refused(&[("protocols", "relp")]),
            "option protocols: `relp` is neither udp nor tcp"
        );
    }
}
