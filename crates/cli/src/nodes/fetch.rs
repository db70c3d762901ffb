//! What has to be asked for, and nothing else.

use std::collections::BTreeMap;

use model::{HostnameStyle, Nid, NodeExpression, NodeNames, Xname};
use proto::cloud_init::v1::cluster_defaults_service_client::ClusterDefaultsServiceClient;
use proto::cloud_init::v1::instance_info_service_client::InstanceInfoServiceClient;
use proto::cloud_init::v1::{ClusterDefaults, GetClusterDefaultsRequest, ListInstanceInfoRequest};
use proto::cluster::v1::GetStatusRequest;
use proto::cluster::v1::cluster_service_client::ClusterServiceClient;
use proto::smd::v1::component_service_client::ComponentServiceClient;
use proto::smd::v1::group_service_client::GroupServiceClient;
use proto::smd::v1::partition_service_client::PartitionServiceClient;
use proto::smd::v1::{GroupMembers, ListComponentsRequest, ListGroupsRequest, ListPartitionsRequest};

use super::Directory;
use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::{CliError, Kind};

/// Which lists are needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    components: bool,
    groups: bool,
    partitions: bool,
    host_names: bool,
}

impl Wanted {
    /// Components, and nothing of them but what they are.
    pub(crate) fn nodes() -> Wanted {
        Wanted {
            components: true,
            ..Wanted::default()
        }
    }

    /// The groups of one source.
    pub(crate) fn source(source: &str) -> Wanted {
        match source {
            "group" => Wanted {
                groups: true,
                ..Wanted::default()
            },
            "partition" => Wanted {
                partitions: true,
                ..Wanted::default()
            },
            _ => Wanted::nodes(),
        }
    }

    /// What the groups of an expression need, and its names, if they are no xnames.
    pub(crate) fn of(expression: &NodeExpression) -> Wanted {
        let mut wanted = Wanted::groups_of(expression);
        let has_others = expression
            .spelled()
            .iter()
            .any(|name| name.parse::<Xname>().is_err());
        wanted.components |= has_others;
        wanted.host_names |= has_others;
        wanted
    }

    /// What the groups of an expression need.
    pub(crate) fn groups_of(expression: &NodeExpression) -> Wanted {
        let mut wanted = Wanted::default();
        // what is wrong with it is told when it is resolved
        let _ = expression.expand(&mut |group| {
            let source = group.split_once(':').map_or("group", |(source, _)| source);
            wanted = wanted.and(match group {
                "*" | "all" => Wanted::nodes(),
                _ if group.ends_with(":*") => Wanted::nodes().and(Wanted::source(source)),
                // a label may have a colon
                _ => Wanted::source(source).and(Wanted::source("group")),
            });
            Ok(NodeNames::default())
        });
        wanted
    }

    /// Both.
    pub(crate) fn and(self, other: Wanted) -> Wanted {
        Wanted {
            components: self.components | other.components,
            groups: self.groups | other.groups,
            partitions: self.partitions | other.partitions,
            host_names: self.host_names | other.host_names,
        }
    }
}

/// Asks for it.
pub(crate) async fn directory(global: &GlobalArgs, wanted: Wanted) -> Result<Directory, CliError> {
    let mut known = match wanted.components {
        true => components(global).await?,
        false => Directory::default(),
    };
    if wanted.groups {
        known.set_groups(groups(global).await?);
    }
    if wanted.partitions {
        known.set_partitions(partitions(global).await?);
    }
    if wanted.host_names {
        match host_names(global, &mut known).await {
            // who may not read cloud-init's data still names nodes by xname and NID
            Err(error) if error.kind() == Kind::Denied => {}
            told => told?,
        }
    }
    Ok(known)
}

async fn components(global: &GlobalArgs) -> Result<Directory, CliError> {
    let client = ComponentServiceClient::new(connect::to_any(global)?);
    let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
    let answer = client.list_components(ListComponentsRequest::default()).await?;
    Ok(Directory::new(answer.into_inner().components))
}

/// Members by name.
type Sets = BTreeMap<String, NodeNames>;

fn set(name: &str, members: Option<GroupMembers>) -> (String, NodeNames) {
    (
        name.to_lowercase(),
        members.unwrap_or_default().ids.into_iter().collect(),
    )
}

async fn groups(global: &GlobalArgs) -> Result<Sets, CliError> {
    let client = GroupServiceClient::new(connect::to_any(global)?);
    let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
    let answer = client
        .list_groups(ListGroupsRequest::default())
        .await?
        .into_inner();
    Ok(answer
        .groups
        .into_iter()
        .map(|group| set(&group.label, group.members))
        .collect())
}

async fn partitions(global: &GlobalArgs) -> Result<Sets, CliError> {
    let client = PartitionServiceClient::new(connect::to_any(global)?);
    let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
    let answer = client
        .list_partitions(ListPartitionsRequest::default())
        .await?
        .into_inner();
    let partitions = answer.partitions.into_iter();
    Ok(partitions
        .map(|partition| set(&partition.name, partition.members))
        .collect())
}

/// What cloud-init calls nodes, and what DHCP calls them where no policy of its own says otherwise.
async fn host_names(global: &GlobalArgs, known: &mut Directory) -> Result<(), CliError> {
    let client = InstanceInfoServiceClient::new(connect::to_any(global)?);
    let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
    let infos = client
        .list_instance_info(ListInstanceInfoRequest::default())
        .await?
        .into_inner();
    for info in infos.items.iter().filter(|info| !info.local_hostname.is_empty()) {
        known.called(&info.local_hostname, &info.id);
    }
    let mut client = ClusterDefaultsServiceClient::new(connect::to_any(global)?);
    let defaults = client
        .get_cluster_defaults(GetClusterDefaultsRequest {})
        .await?
        .into_inner();
    let cluster_name = match defaults.cluster_name.as_str() {
        "" => {
            let mut client = ClusterServiceClient::new(connect::to_any(global)?);
            client
                .get_status(GetStatusRequest {})
                .await?
                .into_inner()
                .cluster_name
        }
        name => name.to_owned(),
    };
    let named: Vec<(String, String)> = numbered(known, &defaults, &cluster_name);
    for (name, xname) in named {
        known.called(&name, &xname);
    }
    Ok(())
}

/// Host names that are made of the NID.
fn numbered(known: &Directory, defaults: &ClusterDefaults, cluster_name: &str) -> Vec<(String, String)> {
    let style = HostnameStyle {
        cluster_name,
        short_name: &defaults.short_name,
        nid_digits: usize::try_from(defaults.nid_length).unwrap_or_default(),
    };
    let named = known.nodes().filter_map(|node| {
        let xname: Xname = node.id.parse().ok()?;
        Some((style.hostname(node.nid.map(Nid), &xname), node.id.clone()))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Wanted {
        Wanted::of(&text.parse().unwrap())
    }

    /// A list of all nodes of a large cluster is not fetched for two xnames.
    #[test]
    fn only_what_is_needed_is_asked_for() {
        assert_eq!(of("x0c0s[0-1]b0n0"), Wanted::default());
        let names = of("nid[1-2]");
        assert!(names.components && names.host_names && !names.groups);
        assert!(of("@blue").groups && !of("@blue").partitions);
        assert!(of("@partition:p0").partitions);
        assert!(of("@role:Compute").components && of("@*").components);
        assert!(of("@blue&nid1").host_names && !of("@blue").host_names);
        assert!(of("@role:*").components && of("nid*").components);
        assert!(of("@partition:*").partitions && !of("@role:*").partitions);
        let groups = Wanted::groups_of(&"@blue,nid1".parse().unwrap());
        assert!(groups.groups && !groups.components && !groups.host_names);
    }
}
