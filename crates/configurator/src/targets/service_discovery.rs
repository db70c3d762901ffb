//! What Prometheus scrapes, for the file and the HTTP form alike.

use crate::{Error, Node, OptionSpec, Options, View};

/// Where node_exporter listens.
const PORT: u64 = 9100;

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "port",
        meaning: "port that nodes are scraped at; default: 9100",
    },
    OptionSpec {
        name: "by-name",
        meaning: "true: nodes are scraped by their names, not by their addresses; default: false",
    },
    OptionSpec {
        name: "all",
        meaning: "true: nodes that are not enabled are scraped, too; default: false",
    },
];

/// One node: where it is scraped, and labels for what is found there.
pub(super) struct Entry<'a> {
    pub(super) target: String,
    pub(super) labels: Vec<(&'static str, std::borrow::Cow<'a, str>)>,
}

/// Nodes without an address are left out, unless they are asked for by name.
pub(super) fn entries<'a>(view: &'a View, options: &Options) -> Result<Vec<Entry<'a>>, Error> {
    let port = options.number("port", PORT)?;
    if port == 0 || port > u64::from(u16::MAX) {
        return Err(Error::option("port", format!("{port} is no port")));
    }
    let (by_name, all) = (options.flag("by-name")?, options.flag("all")?);
    let shown = view.nodes.iter().filter(|node| node.enabled || all);
    let entries = shown.filter_map(|node| {
        let target = match node.address() {
            _ if by_name => format!("{}:{port}", node.name),
            Some(address) => std::net::SocketAddr::new(address, port as u16).to_string(),
            None => return None,
        };
        Some(Entry {
            target,
            labels: labels(view, node),
        })
    });
    Ok(entries.collect())
}

/// What does not change while a node is up: a state in a label would begin a new series with each change.
fn labels<'a>(view: &'a View, node: &'a Node) -> Vec<(&'static str, std::borrow::Cow<'a, str>)> {
    let mut labels: Vec<(&str, std::borrow::Cow<'_, str>)> = vec![
        ("cluster", view.cluster.as_str().into()),
        ("instance", node.name.as_str().into()),
        ("xname", node.xname.as_str().into()),
    ];
    if let Some(nid) = node.nid {
        labels.push(("nid", nid.to_string().into()));
    }
    let texts = [
        ("role", &node.role),
        ("sub_role", &node.sub_role),
        ("arch", &node.arch),
        ("class", &node.class),
    ];
    let given = texts.into_iter().filter(|(_, text)| !text.is_empty());
    labels.extend(given.map(|(name, text)| (name, text.as_str().into())));
    if !node.groups.is_empty() {
        // commas on both sides: `.*,blue,.*` finds the group and no other that ends so
        labels.push(("groups", format!(",{},", node.groups.join(",")).into()));
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    fn targets(options: &[(&str, &str)]) -> Result<Vec<String>, Error> {
        let options = options
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let view = small();
        let entries = entries(&view, &Options::new(options))?;
        Ok(entries.into_iter().map(|entry| entry.target).collect())
    }

    #[test]
    fn nodes_are_scraped_by_address_or_by_name() {
        assert_eq!(targets(&[]).unwrap(), ["10.97.2.1:9100", "10.97.2.2:9100"]);
        let by_name = targets(&[("by-name", "true"), ("port", "80")]).unwrap();
        assert_eq!(by_name, ["de0001:80", "login1:80", "de0002:80"]);
    }

    #[test]
    fn an_ipv6_address_is_in_brackets() {
        let mut inventory = crate::Inventory::new("a");
        put_node(&mut inventory, "x0c0s0b0n0", None, "");
        put_interface(&mut inventory, "020000000001", "x0c0s0b0n0", &["fd00::1"]);
        let view = View::of(&inventory);
        let entries = entries(&view, &Options::default()).unwrap();
        assert_eq!(entries[0].target, "[fd00::1]:9100");
        assert!(
            entries[0]
                .labels
                .iter()
                .all(|(name, _)| !["nid", "role", "groups"].contains(name))
        );
    }

    #[test]
    fn what_is_no_port_is_refused() {
        for port in ["0", "65536", "http"] {
            assert!(targets(&[("port", port)]).is_err(), "{port}");
        }
    }
}
