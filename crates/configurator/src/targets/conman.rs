//! conman: a console for each node.
//!
//! conmand cannot check a file: `-q` does not read it, and a start would take the consoles from whoever has them (IPMI's serial
//! over LAN is one client's). So there is no [`crate::Check`]; the tests start one with consoles that lead nowhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proto::watch::v1::object::Kind;

use crate::lines::{fill, line, statements};
use crate::{Bmc, Error, File, Node, OptionSpec, Options, Target, View, header};

const NAME: &str = "conman";
const DEVICE: &str = "device";
const CONSOLE_OPTIONS: &str = "console-options";

pub(crate) const TARGET: Target = Target {
    name: NAME,
    summary: "conman.conf: a console for each node",
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
            name: DEVICE,
            meaning: "how a console is reached, with {name} and {xname} of the node, {bmc}, {bmc-name}, {address} and {user} \
                      of its controller, e.g. `/usr/bin/chamois console {xname}`; a node without what it names has no \
                      console; default: ipmi:{address}",
        },
        OptionSpec {
            name: CONSOLE_OPTIONS,
            meaning: "what follows on each console's line, with the same words, e.g. `ipmiopts=\"U:{user}\"`; default: nothing",
        },
        OptionSpec {
            name: "server",
            meaning: "settings of the server, between semicolons; default: keepalive=ON; logdir=\"/var/log/conman\"",
        },
        OptionSpec {
            name: "log",
            meaning: "file of each console's log, conman's %N is its name; empty: none; default: console.%N",
        },
        OptionSpec {
            name: "names",
            meaning: "what consoles are called: `name` (the host's) or `xname`; default: name",
        },
    ],
    checks: &[],
    render,
};

fn render(view: &View, options: &Options) -> Result<Vec<File>, Error> {
    let device = line(options, DEVICE, "ipmi:{address}")?;
    let more = line(options, CONSOLE_OPTIONS, "")?;
    let by_xname = match options.or("names", "name") {
        "name" => false,
        "xname" => true,
        other => {
            return Err(Error::option(
                "names",
                format!("`{other}` is neither name nor xname"),
            ));
        }
    };
    let mut body = header("#", view, "target conman");
    for setting in statements(options, "server", "keepalive=ON; logdir=\"/var/log/conman\"")? {
        let _ = writeln!(body, "server {setting}");
    }
    match line(options, "log", "console.%N")? {
        "" => {}
        log => drop(writeln!(body, "global log=\"{}\"", quotable("log", log)?)),
    }
    let bmcs: BTreeMap<&str, &Bmc> = view.bmcs.iter().map(|bmc| (&*bmc.xname, bmc)).collect();
    for node in &view.nodes {
        let bmc = node.bmc.as_deref().and_then(|xname| bmcs.get(xname).copied());
        let name = if by_xname { &node.xname } else { &node.name };
        let words = Words::of(node, bmc);
        let reached = (words.fill(DEVICE, device)?, words.fill(CONSOLE_OPTIONS, more)?);
        let (Some(device), Some(more)) = reached else {
            let _ = writeln!(body, "# {name}: its controller is not known well enough");
            continue;
        };
        let _ = write!(
            body,
            "console name=\"{name}\" dev=\"{}\"",
            quotable(DEVICE, &device)?
        );
        let _ = writeln!(body, "{}{more}", if more.is_empty() { "" } else { " " });
    }
    Ok(vec![File::new("conman.conf", body)])
}

/// What a pattern may name.
struct Words<'a> {
    node: &'a Node,
    bmc: Option<&'a Bmc>,
    address: Option<String>,
}

impl<'a> Words<'a> {
    fn of(node: &'a Node, bmc: Option<&'a Bmc>) -> Words<'a> {
        let address = bmc.and_then(|bmc| bmc.address);
        Words {
            node,
            bmc,
            address: address.map(|address| address.to_string()),
        }
    }

    fn fill(&self, option: &str, pattern: &str) -> Result<Option<String>, Error> {
        // a user's name is free text of SMD
        let user = self
            .bmc
            .map(|bmc| bmc.user.as_str())
            .filter(|user| !user.is_empty());
        if let Some(user) =
            user.filter(|user| user.contains(['"', '\'', '#']) || user.chars().any(char::is_control))
        {
            let problem = format!("the user {user:?} of {} cannot be written", self.node.xname);
            return Err(Error::not_possible(NAME, problem));
        }
        let values = [
            ("name", Some(self.node.name.as_str())),
            ("xname", Some(self.node.xname.as_str())),
            ("bmc", self.bmc.map(|bmc| bmc.xname.as_str())),
            ("bmc-name", self.bmc.map(|bmc| bmc.name.as_str())),
            ("address", self.address.as_deref()),
            ("user", user),
        ];
        fill(option, pattern, &values)
    }
}

/// conman has no sign for a quote within quotes.
fn quotable<'a>(option: &str, value: &'a str) -> Result<&'a str, Error> {
    match value.contains('"') {
        true => Err(Error::option(option, "it stands in quotes and cannot have one")),
        false => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::rendered;

    fn view() -> View {
        let node = |xname: &str, name: &str, bmc: Option<&str>| Node {
            xname: xname.to_owned(),
            name: name.to_owned(),
            bmc: bmc.map(str::to_owned),
            ..Node::default()
        };
        let bmc = |xname: &str, address: Option<&str>, user: &str| Bmc {
            xname: xname.to_owned(),
            name: format!("{xname}.bmc"),
            address: address.map(|address| address.parse().unwrap()),
            user: user.to_owned(),
            ..Bmc::default()
        };
        View {
            nodes: vec![
                node("x0c0s0b0n0", "nid1", Some("x0c0s0b0")),
                node("x0c0s1b0n0", "nid2", Some("x0c0s1b0")),
                node("x0c0s2b0n0", "nid3", None),
            ],
            bmcs: vec![
                bmc("x0c0s0b0", Some("10.2.0.1"), "root"),
                bmc("x0c0s1b0", None, ""),
            ],
            ..View::default()
        }
    }

    #[test]
    fn a_console_leads_to_the_nodes_controller() {
        assert_eq!(
            rendered("conman", &view(), &[]).unwrap(),
            "server keepalive=ON\n\
             server logdir=\"/var/log/conman\"\n\
             global log=\"console.%N\"\n\
             console name=\"nid1\" dev=\"ipmi:10.2.0.1\"\n\
             # nid2: its controller is not known well enough\n\
             # nid3: its controller is not known well enough\n"
        );
    }

    #[test]
    fn a_device_may_be_any_program() {
        let text = rendered(
            "conman",
            &view(),
            &[
                ("device", "/usr/bin/chamois console {xname}"),
                ("console-options", "logopts=\"timestamp\""),
                ("server", "port=7891"),
                ("log", ""),
                ("names", "xname"),
            ],
        );
        let line = |xname: &str| {
            format!(
                "console name=\"{xname}\" dev=\"/usr/bin/chamois console {xname}\" logopts=\"timestamp\"\n"
            )
        };
        let lines = ["x0c0s0b0n0", "x0c0s1b0n0", "x0c0s2b0n0"].map(line);
        assert_eq!(text.unwrap(), format!("server port=7891\n{}", lines.concat()));
    }

    #[test]
    fn the_user_of_a_controller_can_be_named() {
        let text = rendered("conman", &view(), &[("console-options", "ipmiopts=\"U:{user}\"")]).unwrap();
        assert!(
            text.contains("dev=\"ipmi:10.2.0.1\" ipmiopts=\"U:root\"\n"),
            "{text}"
        );
    }

    /// Otherwise a name in SMD would begin a line of its own.
    #[test]
    fn a_value_that_would_end_its_quotes_is_refused() {
        let mut view = view();
        view.bmcs[0].user = "a\"\nconsole name=\"b".to_owned();
        let refused = rendered("conman", &view, &[]).unwrap_err().to_string();
        assert!(refused.contains("of x0c0s0b0n0 cannot be written"), "{refused}");
        let refused =
            |values: &[(&str, &str)]| rendered("conman", &self::view(), values).unwrap_err().to_string();
        assert!(refused(&[("device", "a\"b")]).starts_with("option device: "));
        assert!(refused(&[("device", "{nid}")]).contains("there is no {nid}"));
        assert!(refused(&[("log", "a\"")]).starts_with("option log: "));
        assert!(refused(&[("names", "nid")]).contains("neither name nor xname"));
        assert!(refused(&[("server", "a\nb")]).contains("one line"));
    }
}
