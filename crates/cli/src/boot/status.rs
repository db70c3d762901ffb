//! `chamois boot status`: how far the newest boots of nodes have come, or all that is known of one node's boots.

mod live;
mod node;
mod phase;
mod table;
mod watch;

use clap::Args;
use model::{GroupLabel, NodeSet, Xname};
use proto::bss::v1::ListBootStatusRequest;
use proto::bss::v1::boot_status_service_client::BootStatusServiceClient;
use rpc::client::ExactlyOnce;

use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::CliError;
use crate::output::Format;

/// `chamois boot status`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois boot status                                        every node
  chamois boot status 'x[1000-1003]c*'                       the nodes of four cabinets
  chamois boot status x1000c0s0b0n0                          one node: its boots, phase by phase
  chamois boot status --group compute --watch                until all of them are home
  chamois boot status x1000 --watch --new --within 900       of boots that begin now, for 15 minutes at most

A node that stays in a phase for longer than it should is `stuck`; a retry is not a step forward. With --watch the exit code
is 0 when all nodes are home, and 1 when they are not within the time. What members see reaches the others every two seconds.")]
pub struct StatusArgs {
    /// Nodesets: xnames whose numbers may be * or a list in brackets; a place means the nodes below it
    #[arg(value_name = "NODES", value_parser = node_sets)]
    pub nodes: Vec<NodeSets>,
    /// Only members of the group with this label
    #[arg(long, value_name = "LABEL", value_parser = crate::group::label)]
    pub group: Option<GroupLabel>,
    /// Go on until all nodes are home
    #[arg(short, long)]
    pub watch: bool,
    /// Only boots that begin from now on count
    #[arg(long, requires = "watch")]
    pub new: bool,
    /// Seconds after which a watch gives up
    #[arg(long, requires = "watch", value_name = "SECONDS")]
    pub within: Option<u64>,
    /// JSON (the same as `-o json`); with --watch one object a line for each node whose status changes
    #[arg(long)]
    pub json: bool,
}

/// What one argument names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSets(Vec<NodeSet>);

fn node_sets(text: &str) -> Result<NodeSets, String> {
    let list = NodeSet::list(text).map_err(|problem| problem.to_string())?;
    Ok(NodeSets(list))
}

impl StatusArgs {
    fn sets(&self) -> impl Iterator<Item = &NodeSet> {
        self.nodes.iter().flat_map(|sets| &sets.0)
    }

    /// The node, if no other is meant.
    fn one_node(&self) -> Option<&Xname> {
        let mut sets = self.sets();
        let node = sets.next()?.as_xname().filter(|node| node.is_node())?;
        (sets.next().is_none() && self.group.is_none() && !self.watch).then_some(node)
    }

    fn request(&self) -> ListBootStatusRequest {
        ListBootStatusRequest {
            nodes: self.sets().map(NodeSet::to_string).collect(),
            group: self.group.clone().map(String::from).unwrap_or_default(),
            ..ListBootStatusRequest::default()
        }
    }
}

pub(super) async fn run(global: &GlobalArgs, args: StatusArgs) -> Result<(), CliError> {
    let global = &match args.json {
        true => GlobalArgs {
            output: Format::Json,
            ..global.clone()
        },
        false => global.clone(),
    };
    if let Some(node) = args.one_node() {
        return node::run(global, node).await;
    }
    if args.watch {
        return watch::run(global, &args, global.output).await;
    }
    let answer = client(global)?
        .list_boot_status(args.request())
        .await?
        .into_inner();
    table::show(global, &answer)
}

fn client(global: &GlobalArgs) -> Result<BootStatusServiceClient<ExactlyOnce>, CliError> {
    let client = BootStatusServiceClient::new(connect::to_any(global)?);
    Ok(client.max_decoding_message_size(ANSWER_BYTES_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(nodes: &[&str]) -> StatusArgs {
        StatusArgs {
            nodes: nodes.iter().map(|text| node_sets(text).unwrap()).collect(),
            group: None,
            watch: false,
            new: false,
            within: None,
            json: false,
        }
    }

    #[test]
    fn one_node_is_shown_whole_and_several_as_a_table() {
        let node = args(&["X1000c0s0b0n0"]);
        assert_eq!(node.one_node().map(Xname::as_str), Some("x1000c0s0b0n0"));
        for several in [
            &[][..],
            &["x1000"],
            &["x1000c0s0b0"],
            &["x1000c0s[0-1]b0n0"],
            &["x1000c0s0b0n0", "x1000c0s0b0n1"],
            &["x1000c0s0b0n0,x1000c0s0b0n1"],
        ] {
            assert_eq!(args(several).one_node(), None, "{several:?}");
        }
        let watched = StatusArgs {
            watch: true,
            ..args(&["x1000c0s0b0n0"])
        };
        assert_eq!(watched.one_node(), None);
    }

    #[test]
    fn the_request_has_the_nodesets_in_their_normal_form() {
        let several = args(&["x[1002,1000-1001]c*", "X0,x1"]);
        assert_eq!(several.request().nodes, ["x[1000-1002]c*", "x0", "x1"]);
        assert!(node_sets("x[3-1]").unwrap_err().contains("nodeset"));
    }
}
