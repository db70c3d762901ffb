//! The collections of this cluster.

use std::collections::BTreeSet;

use proto::smd::v1::component_service_client::ComponentServiceClient;
use proto::smd::v1::ethernet_interface_service_client::EthernetInterfaceServiceClient;
use proto::smd::v1::group_service_client::GroupServiceClient;
use proto::smd::v1::node_map_service_client::NodeMapServiceClient;
use proto::smd::v1::partition_service_client::PartitionServiceClient;
use proto::smd::v1::power_map_service_client::PowerMapServiceClient;
use proto::smd::v1::redfish_endpoint_service_client::RedfishEndpointServiceClient;
use proto::smd::v1::{
    Component, EthernetInterface, Group, ListComponentsRequest, ListEthernetInterfacesRequest,
    ListGroupsRequest, ListNodeMapsRequest, ListPartitionsRequest, ListPowerMapsRequest,
    ListRedfishEndpointsRequest, NodeMap, Partition, PowerMap, RedfishEndpoint,
};
use rpc::client::ExactlyOnce;

use crate::connect::ANSWER_BYTES_MAX;
use crate::error::CliError;

/// The collections of this cluster.
#[derive(Default)]
pub(crate) struct Ours {
    pub(crate) components: Vec<Component>,
    pub(crate) interfaces: Vec<EthernetInterface>,
    pub(crate) groups: Vec<Group>,
    pub(crate) partitions: Vec<Partition>,
    pub(crate) node_maps: Vec<NodeMap>,
    pub(crate) power_maps: Vec<PowerMap>,
    pub(crate) redfish_endpoints: Vec<RedfishEndpoint>,
}

impl Ours {
    /// Asks for all of them, the components last: whatever was deleted meanwhile leaves its groups here, too.
    pub(crate) async fn read(connection: &ExactlyOnce) -> Result<Self, CliError> {
        let groups = GroupServiceClient::new(connection.clone())
            .max_decoding_message_size(ANSWER_BYTES_MAX)
            .list_groups(ListGroupsRequest::default())
            .await?;
        let partitions = PartitionServiceClient::new(connection.clone())
            .max_decoding_message_size(ANSWER_BYTES_MAX)
            .list_partitions(ListPartitionsRequest::default())
            .await?;
        let node_maps = NodeMapServiceClient::new(connection.clone())
            .max_decoding_message_size(ANSWER_BYTES_MAX)
            .list_node_maps(ListNodeMapsRequest::default())
            .await?;
        let power_maps = PowerMapServiceClient::new(connection.clone())
            .max_decoding_message_size(ANSWER_BYTES_MAX)
            .list_power_maps(ListPowerMapsRequest::default())
            .await?;
        let redfish_endpoints = RedfishEndpointServiceClient::new(connection.clone())
            .max_decoding_message_size(ANSWER_BYTES_MAX)
            .list_redfish_endpoints(ListRedfishEndpointsRequest::default())
            .await?;
        let interfaces = EthernetInterfaceServiceClient::new(connection.clone())
            .max_decoding_message_size(ANSWER_BYTES_MAX)
            .list_ethernet_interfaces(ListEthernetInterfacesRequest::default())
            .await?;
        let components = ComponentServiceClient::new(connection.clone())
            .max_decoding_message_size(ANSWER_BYTES_MAX)
            .list_components(ListComponentsRequest::default())
            .await?;
        let mut ours = Self {
            components: components.into_inner().components,
            interfaces: interfaces.into_inner().interfaces,
            groups: groups.into_inner().groups,
            partitions: partitions.into_inner().partitions,
            node_maps: node_maps.into_inner().node_maps,
            power_maps: power_maps.into_inner().power_maps,
            redfish_endpoints: redfish_endpoints.into_inner().redfish_endpoints,
        };
        ours.forget_members_that_are_gone();
        Ok(ours)
    }
    fn forget_members_that_are_gone(&mut self) {
        let there: BTreeSet<&str> = self
            .components
            .iter()
            .map(|component| component.id.as_str())
            .collect();
        let of_groups = self.groups.iter_mut().filter_map(|group| group.members.as_mut());
        let partitions = self.partitions.iter_mut();
        let of_partitions = partitions.filter_map(|partition| partition.members.as_mut());
        for members in of_groups.chain(of_partitions) {
            members.ids.retain(|id| there.contains(id.as_str()));
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::smd::v1::GroupMembers;

    use super::*;

    /// The lists are read one after the other, and an import refuses members that are no components.
    #[test]
    fn a_component_deleted_meanwhile_is_in_no_group() {
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        let mut ours = Ours {
            components: vec![Component {
                id: "x0c0s0b0n0".into(),
                ..Component::default()
            }],
            groups: vec![Group {
                members: Some(GroupMembers {
                    ids: ids(&["x0c0s0b0n0", "x0c0s1b0n0"]),
                }),
                ..Group::default()
            }],
            ..Ours::default()
        };
        ours.forget_members_that_are_gone();
        assert_eq!(ours.groups[0].members.as_ref().unwrap().ids, ["x0c0s0b0n0"]);
    }
}
