//! What the tests of SMD's services share.

use auth::Sealer;
use proto::smd::v1::{
    Component, InventoryDetail, PayloadInterface, PayloadManager, RedfishEndpointPayload, component,
};
use raft::Store;
use rpc::{Caller, Identity};
use smd::RedfishEndpointService;
use tonic::Request;

/// A request of the administrator.
pub fn admin<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let identity = Identity::User {
        name: "admin".to_owned(),
    };
    request.extensions_mut().insert(Caller {
        identity,
        peer: None,
        local: None,
    });
    request
}

pub fn node(id: &str, state: component::State) -> Component {
    Component {
        id: id.to_owned(),
        state: state.into(),
        ..Component::default()
    }
}

/// The same state on a member that has lost the others.
pub fn cut_off(store: &Store) -> Store {
    Store::in_memory_without_majority(store.state().as_ref().clone())
}

/// An empty store and its service of Redfish endpoints.
pub fn endpoints() -> (Store, RedfishEndpointService) {
    let store = Store::in_memory();
    let service = RedfishEndpointService::new(store.clone(), &Sealer::generate().unwrap());
    (store, service)
}

/// What Magellan sends about the BMC x1000c0s`slot`b0 at 10.1.`slot`.1: one manager and one system, each with a NIC.
pub fn blade(slot: u8) -> RedfishEndpointPayload {
    let nic = |last: u8, ip: &str| PayloadInterface {
        uri: format!("https://10.1.{slot}.1/redfish/v1/EthernetInterfaces/{last}"),
        mac: format!("02:00:00:00:{slot:02x}:{last:02x}"),
        ip: ip.to_owned(),
        enabled: true,
        ..PayloadInterface::default()
    };
    RedfishEndpointPayload {
        id: format!("x1000c0s{slot}b0"),
        fqdn: format!("10.1.{slot}.1"),
        user: "root".to_owned(),
        mac_required: Some(true),
        rediscover_on_update: Some(false),
        schema_version: 1,
        systems: vec![InventoryDetail {
            uri: format!("https://10.1.{slot}.1/redfish/v1/Systems/1"),
            uuid: format!("0000-{slot}"),
            system_type: "Physical".to_owned(),
            ethernet_interfaces: vec![nic(2, "")],
            ..InventoryDetail::default()
        }],
        managers: vec![PayloadManager {
            uri: format!("https://10.1.{slot}.1/redfish/v1/Managers/1"),
            r#type: "BMC".to_owned(),
            ethernet_interfaces: vec![nic(1, &format!("10.1.{slot}.1"))],
            ..PayloadManager::default()
        }],
        ..RedfishEndpointPayload::default()
    }
}
