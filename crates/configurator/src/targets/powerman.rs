//! powerman: which program switches which node by which controller.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proto::watch::v1::object::Kind;

use crate::lines::{fill, line};
use crate::{Bmc, Check, Error, File, OptionSpec, Options, Target, View, header};

const NAME: &str = "powerman";
const COMMAND: &str = "command";
/// Controllers that one process of ipmipower or redfishpower asks at a time.
const PER_DEVICE: u64 = 64;

pub(crate) const TARGET: Target = Target {
    name: NAME,
    summary: "powerman.conf: nodes and the controllers that switch them",
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
            name: "specification",
            meaning: "powerman's name of the kind of device; default: ipmipower",
        },
        OptionSpec {
            name: "include",
            meaning: "file that specifies it; default: /etc/powerman/SPECIFICATION.dev",
        },
        OptionSpec {
            name: COMMAND,
            meaning: "program that switches, with {plugs} for its controllers; default: /usr/sbin/ipmipower -h {plugs} |&",
        },
        OptionSpec {
            name: "plugs",
            meaning: "how the program knows a controller: by `address`, `name` or `xname`; default: address",
        },
        OptionSpec {
            name: "plugs-per-device",
            meaning: "controllers that one process of the program switches; default: 64",
        },
        OptionSpec {
            name: "listen",
            meaning: "address and port, e.g. 0.0.0.0:10101; default: powermand's own, loopback",
        },
    ],
    // talks to a client on a standard input that has ended; the devices' programs run for that moment
    checks: &[Check {
        path: "powerman.conf",
        program: "powermand",
        args: &["-f", "-s", "-1", "-c", "{file}"],
    }],
    render,
};

fn render(view: &View, options: &Options) -> Result<Vec<File>, Error> {
    let specification = quotable("specification", line(options, "specification", "ipmipower")?)?;
    let usual = format!("/etc/powerman/{specification}.dev");
    let include = quotable("include", line(options, "include", &usual)?)?;
    let command = quotable(
        COMMAND,
        line(options, COMMAND, "/usr/sbin/ipmipower -h {plugs} |&")?,
    )?;
    let at_most = match options.number("plugs-per-device", PER_DEVICE)? {
        0 => return Err(Error::option("plugs-per-device", "it must be 1 at least")),
        number => usize::try_from(number).unwrap_or(usize::MAX),
    };
    let (switched, notes) = switched(view, options)?;
    let mut body = header("#", view, "target powerman");
    if let Some(address) = options.get("listen") {
        let _ = writeln!(body, "listen \"{}\"", quotable("listen", address)?);
    }
    let _ = writeln!(body, "include \"{include}\"");
    for (number, nodes) in switched.chunks(at_most).enumerate() {
        let plugs: Vec<&str> = nodes.iter().map(|(_, plug)| plug.as_str()).collect();
        let Some(command) = fill(COMMAND, command, &[("plugs", Some(&plugs.join(",")))])? else {
            continue;
        };
        let device = format!("{specification}{number}");
        let _ = writeln!(body, "device \"{device}\" \"{specification}\" \"{command}\"");
        for (name, plug) in nodes {
            let _ = writeln!(body, "node \"{name}\" \"{device}\" \"{plug}\"");
        }
    }
    body.push_str(&notes);
    Ok(vec![File::new("powerman/powerman.conf", body)])
}

/// Names of nodes, each with its plug.
type Switched<'a> = Vec<(&'a str, String)>;

/// Those of this view; and what is to be said of those that have none.
fn switched<'a>(view: &'a View, options: &Options) -> Result<(Switched<'a>, String), Error> {
    let plug_of: fn(&Bmc) -> Option<String> = match options.or("plugs", "address") {
        "address" => |bmc| bmc.address.map(|address| address.to_string()),
        "name" => |bmc| Some(bmc.name.clone()),
        "xname" => |bmc| Some(bmc.xname.clone()),
        other => {
            let problem = format!("`{other}` is none of address, name, xname");
            return Err(Error::option("plugs", problem));
        }
    };
    let bmcs: BTreeMap<&str, &Bmc> = view.bmcs.iter().map(|bmc| (&*bmc.xname, bmc)).collect();
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    let (mut switched, mut notes) = (Vec::new(), String::new());
    for node in &view.nodes {
        let bmc = node.bmc.as_deref().and_then(|xname| bmcs.get(xname));
        let Some(plug) = bmc.and_then(|bmc| plug_of(bmc)) else {
            let _ = writeln!(notes, "# {}: its controller is not known well enough", node.name);
            continue;
        };
        // these programs switch a controller as a whole, and powermand takes a plug once
        if let Some(first) = taken.get(&plug) {
            let _ = writeln!(notes, "# {}: its controller is that of {first}", node.name);
            continue;
        }
        taken.insert(plug.clone(), &node.name);
        switched.push((node.name.as_str(), plug));
    }
    Ok((switched, notes))
}

/// powerman's strings have a backslash as sign for a quote, but its programs' arguments have not.
fn quotable<'a>(option: &str, value: &'a str) -> Result<&'a str, Error> {
    match value.contains(['"', '\\']) || value.chars().any(char::is_control) {
        true => Err(Error::option(
            option,
            "it stands in quotes: no quote, backslash or line end",
        )),
        false => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Node;
    use crate::testing::rendered;

    /// `nid4` shares the controller of `nid3`.
    fn view() -> View {
        let node = |name: &str, bmc: &str| Node {
            name: name.to_owned(),
            bmc: Some(bmc.to_owned()),
            ..Node::default()
        };
        let bmc = |xname: &str, address: Option<&str>| Bmc {
            xname: xname.to_owned(),
            name: format!("{xname}.bmc"),
            address: address.map(|address| address.parse().unwrap()),
            ..Bmc::default()
        };
        View {
            nodes: vec![
                node("nid1", "b1"),
                node("nid2", "b2"),
                node("nid3", "b3"),
                node("nid4", "b3"),
                node("nid5", "b9"),
            ],
            bmcs: vec![
                bmc("b1", Some("10.2.0.1")),
                bmc("b2", None),
                bmc("b3", Some("10.2.0.3")),
            ],
            ..View::default()
        }
    }

    #[test]
    fn a_node_is_switched_by_its_controller() {
        assert_eq!(
            rendered("powerman", &view(), &[]).unwrap(),
            "include \"/etc/powerman/ipmipower.dev\"\n\
             device \"ipmipower0\" \"ipmipower\" \"/usr/sbin/ipmipower -h 10.2.0.1,10.2.0.3 |&\"\n\
             node \"nid1\" \"ipmipower0\" \"10.2.0.1\"\n\
             node \"nid3\" \"ipmipower0\" \"10.2.0.3\"\n\
             # nid2: its controller is not known well enough\n\
             # nid4: its controller is that of nid3\n\
             # nid5: its controller is not known well enough\n"
        );
    }

    #[test]
    fn another_program_knows_controllers_by_name() {
        let text = rendered(
            "powerman",
            &view(),
            &[
                ("specification", "redfishpower-cray-windom"),
                ("include", "/opt/windom.dev"),
                ("command", "/usr/sbin/redfishpower -h {plugs} |&"),
                ("plugs", "name"),
                ("plugs-per-device", "2"),
                ("listen", "0.0.0.0:10101"),
            ],
        );
        assert_eq!(
            text.unwrap(),
            "listen \"0.0.0.0:10101\"\n\
             include \"/opt/windom.dev\"\n\
             device \"redfishpower-cray-windom0\" \"redfishpower-cray-windom\" \"/usr/sbin/redfishpower -h b1.bmc,b2.bmc |&\"\n\
             node \"nid1\" \"redfishpower-cray-windom0\" \"b1.bmc\"\n\
             node \"nid2\" \"redfishpower-cray-windom0\" \"b2.bmc\"\n\
             device \"redfishpower-cray-windom1\" \"redfishpower-cray-windom\" \"/usr/sbin/redfishpower -h b3.bmc |&\"\n\
             node \"nid3\" \"redfishpower-cray-windom1\" \"b3.bmc\"\n\
             # nid4: its controller is that of nid3\n\
             # nid5: its controller is not known well enough\n"
        );
        assert!(
            rendered("powerman", &view(), &[("plugs", "xname")])
                .unwrap()
                .contains("node \"nid2\" \"ipmipower0\" \"b2\"\n")
        );
    }

    #[test]
    fn what_powerman_cannot_take_is_named() {
        let refused =
            |values: &[(&str, &str)]| rendered("powerman", &view(), values).unwrap_err().to_string();
        assert!(refused(&[("plugs", "mac")]).contains("none of address, name, xname"));
        assert!(refused(&[("plugs-per-device", "0")]).contains("1 at least"));
        assert!(refused(&[("command", "a \"b\"")]).starts_with("option command: "));
        assert!(refused(&[("command", "a {hosts}")]).contains("there is no {hosts}"));
        assert!(refused(&[("listen", "a\nb")]).starts_with("option listen: "));
    }
}
