//! `NodeName` lines: nodes with the same parameters on one of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::host_list::host_list;
use crate::lines::{line, statements};
use crate::{Error, Node, Options};

/// What a disabled node is told to be; whoever enables it in SMD resumes it in Slurm.
const DISABLED: &str = "State=DRAIN Reason=\"disabled in Chamois\"";
const ENABLED: &str = "State=UNKNOWN";
/// What has no address is not there yet, and slurmctld would look for it, for seconds, at each start.
const WITHOUT_ADDRESS: &str = "State=FUTURE";

pub(super) fn lines(nodes: &[&Node], options: &Options) -> Result<String, Error> {
    let parameters = Parameters::of(options)?;
    let addresses = options.flag("addresses")?;
    let mut text = String::new();
    // in the order of their first nodes
    let mut order: Vec<(String, Vec<&str>)> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for node in nodes {
        let own = parameters.of_node(node);
        if let Some(address) = node.address().filter(|_| addresses) {
            let _ = writeln!(text, "NodeName={} NodeAddr={address} {own}", node.name);
            continue;
        }
        let place = *places.entry(own.clone()).or_insert_with(|| {
            order.push((own, Vec::new()));
            order.len() - 1
        });
        order[place].1.push(&node.name);
    }
    for (own, names) in order {
        let _ = writeln!(text, "NodeName={} {own}", host_list(names));
    }
    Ok(text)
}

/// What is said of nodes.
struct Parameters<'a> {
    each: &'a str,
    of_groups: Vec<(&'a str, &'a str)>,
    features: bool,
}

impl<'a> Parameters<'a> {
    fn of(options: &'a Options) -> Result<Parameters<'a>, Error> {
        let mut of_groups = Vec::new();
        for statement in statements(options, "group-parameters", "")? {
            let Some((label, parameters)) = statement.split_once(':') else {
                let problem = format!("`{statement}` is not of the form LABEL: PARAMETERS");
                return Err(Error::option("group-parameters", problem));
            };
            of_groups.push((label.trim(), parameters.trim()));
        }
        Ok(Parameters {
            each: line(options, "parameters", "")?,
            of_groups,
            features: options.flag("features")?,
        })
    }

    fn of_node(&self, node: &Node) -> String {
        let is_in = |label: &str| node.groups.iter().any(|own| own == label);
        let of_group = self.of_groups.iter().find(|(label, _)| is_in(label));
        let known = of_group.map_or(self.each, |(_, parameters)| parameters);
        let features = match self.features && !node.groups.is_empty() {
            true => format!("Feature={}", node.groups.join(",")),
            false => String::new(),
        };
        let state = match (node.address(), node.enabled) {
            (None, _) => WITHOUT_ADDRESS,
            (Some(_), true) => ENABLED,
            (Some(_), false) => DISABLED,
        };
        let parts = [known, &features, state];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(" ")
    }
}
