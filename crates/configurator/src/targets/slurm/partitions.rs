//! `PartitionName` lines.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::NAME;
use super::host_list::host_list;
use crate::lines::line;
use crate::{Error, Group, Node, Options, View};

pub(super) fn lines(view: &View, nodes: &[&Node], options: &Options) -> Result<String, Error> {
    let partitions = partitions(view, nodes, options)?;
    let default = line(options, "default-partition", "batch")?;
    let parameters = line(options, "partition-parameters", "State=UP")?;
    // slurmctld wants one, so the first is it where the option names none of them
    let named = partitions.iter().any(|(name, _)| *name == default);
    let first = partitions.first().map_or(default, |partition| partition.0);
    let default = if named { default } else { first };
    let mut text = String::new();
    for (name, nodes) in partitions {
        if name.eq_ignore_ascii_case("default") {
            let problem = "a partition is called `default`, which is a word of Slurm's";
            return Err(Error::not_possible(NAME, problem));
        }
        let _ = write!(text, "PartitionName={name}");
        if !nodes.is_empty() {
            let _ = write!(text, " Nodes={nodes}");
        }
        if name == default {
            text.push_str(" Default=YES");
        }
        let _ = writeln!(text, " {parameters}");
    }
    Ok(text)
}

/// Names with their nodes, folded.
fn partitions<'a>(
    view: &'a View,
    nodes: &[&Node],
    options: &'a Options,
) -> Result<Vec<(&'a str, String)>, Error> {
    let own: BTreeSet<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
    let members = |group: &'a Group| {
        let names = group.member_names.iter().map(String::as_str);
        (
            group.label.as_str(),
            host_list(names.filter(|name| own.contains(name))),
        )
    };
    match options.or("partitions", "all") {
        "none" => Ok(Vec::new()),
        "all" => {
            let all = host_list(nodes.iter().map(|node| node.name.as_str()));
            Ok(vec![(line(options, "default-partition", "batch")?, all)])
        }
        "partitions" => Ok(view.partitions.iter().map(members).collect()),
        "groups" => {
            let chosen = options.list("partition-groups");
            if let Some(missing) = chosen
                .iter()
                .find(|label| !view.groups.iter().any(|g| g.label == **label))
            {
                return Err(Error::option(
                    "partition-groups",
                    format!("there is no group `{missing}`"),
                ));
            }
            let groups = view
                .groups
                .iter()
                .filter(|group| chosen.is_empty() || chosen.contains(&&*group.label));
            let all = groups.map(members);
            Ok(all
                .filter(|(_, nodes)| !chosen.is_empty() || !nodes.is_empty())
                .collect())
        }
        other => Err(Error::option(
            "partitions",
            format!("`{other}` is none of all, partitions, groups, none"),
        )),
    }
}
