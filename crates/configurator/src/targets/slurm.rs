//! Slurm: `nodes.conf`, which a site's slurm.conf includes, and the tree of `topology.conf`.

mod host_list;
mod nodes;
mod partitions;
mod topology;

use proto::watch::v1::object::Kind;

use crate::{Check, Error, File, Node, OptionSpec, Options, Target, View, header};

const NAME: &str = "slurm";

/// `slurmd -G` reads a whole configuration and ends; nodes.conf is part of one, so that it is included by one that says the
/// least. A file of its own, because slurmd reads none of unknown size.
const CHECK_NODES: &str = r#"
PATH=$PATH:/usr/sbin
conf=$(mktemp) || exit 1
trap 'rm -f "$conf"' EXIT
printf 'ClusterName=check\nSlurmctldHost=localhost\nNodeName=chamois-check\ninclude %s\n' "$1" >"$conf"
slurmd -G -N chamois-check -f "$conf"
"#;

pub(crate) const TARGET: Target = Target {
    name: NAME,
    summary: "nodes and partitions for slurm.conf to include, and topology.conf",
    reads: &[
        Kind::Component,
        Kind::EthernetInterface,
        Kind::Group,
        Kind::Partition,
        Kind::DhcpPolicy,
        Kind::InstanceInfo,
        Kind::ClusterDefaults,
    ],
    options: &[
        OptionSpec {
            name: "roles",
            meaning: "roles of the nodes that Slurm has, between commas; default: Compute",
        },
        OptionSpec {
            name: "parameters",
            meaning: "what is known of each node, e.g. CPUs=64 RealMemory=256000; default: nothing",
        },
        OptionSpec {
            name: "group-parameters",
            meaning: "the same for the nodes of a group, of several the first: `gpu: CPUs=128 Gres=gpu:4; fat: CPUs=64`; \
                      default: none",
        },
        OptionSpec {
            name: "features",
            meaning: "true: a node's groups are its features; default: false",
        },
        OptionSpec {
            name: "addresses",
            meaning: "true: each node has its address in NodeAddr and a line of its own; default: false, names are resolved",
        },
        OptionSpec {
            name: "partitions",
            meaning: "what Slurm's partitions are: `all` (one of all nodes), `partitions` (SMD's), `groups` or `none`; \
                      default: all",
        },
        OptionSpec {
            name: "partition-groups",
            meaning: "with partitions=groups: their labels, between commas; default: every group with nodes of Slurm",
        },
        OptionSpec {
            name: "default-partition",
            meaning: "name of the partition with Default=YES, and of the one of all nodes; default: batch, or the first",
        },
        OptionSpec {
            name: "partition-parameters",
            meaning: "what each partition has; default: State=UP",
        },
        OptionSpec {
            name: "topology",
            meaning: "`tree` (chassis, cabinets and above them `top-switch`) or `none`; default: tree",
        },
        OptionSpec {
            name: "top-switch",
            meaning: "name of the switch above several cabinets; default: fabric",
        },
    ],
    checks: &[Check {
        path: "slurm/nodes.conf",
        program: "sh",
        args: &["-c", CHECK_NODES, "slurmd", "{file}"],
    }],
    render,
};

fn render(view: &View, options: &Options) -> Result<Vec<File>, Error> {
    let own = own_nodes(view, options)?;
    let head = header("#", view, "target slurm");
    let mut body = head.clone();
    body.push_str(&nodes::lines(&own, options)?);
    body.push_str(&partitions::lines(view, &own, options)?);
    let mut files = vec![File::new("slurm/nodes.conf", body)];
    match options.or("topology", "tree") {
        "none" => {}
        "tree" => {
            let tree = topology::lines(&own, options)?;
            files.push(File::new("slurm/topology.conf", head + &tree));
        }
        other => {
            return Err(Error::option(
                "topology",
                format!("`{other}` is neither tree nor none"),
            ));
        }
    }
    Ok(files)
}

/// The nodes that Slurm has.
fn own_nodes<'a>(view: &'a View, options: &Options) -> Result<Vec<&'a Node>, Error> {
    let roles = match options.list("roles") {
        none if none.is_empty() => vec!["Compute"],
        given => given,
    };
    let is_own = |node: &&Node| roles.iter().any(|role| role.eq_ignore_ascii_case(&node.role));
    let own: Vec<&Node> = view.nodes.iter().filter(is_own).collect();
    // a line of Slurm's for this name says what the nodes below it have in common
    match own.iter().find(|node| node.name == "default") {
        Some(node) => Err(Error::not_possible(
            NAME,
            format!("{} is called `default`, which is a word of Slurm's", node.xname),
        )),
        None => Ok(own),
    }
}

#[cfg(test)]
mod tests;
