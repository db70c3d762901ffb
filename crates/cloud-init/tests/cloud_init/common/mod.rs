//! A small system and the calls of its nodes.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use auth::{BootTokens, Sealer};
use cloud_init::NodeDataService;
use model::{NodeNetwork, NodeUrls};
use proto::cloud_init::v1::{CloudInitCommand, Group, GroupFile, cloud_init_command};
use proto::cluster::v1::{ClusterCommand, cluster_command};
use proto::google::api::HttpBody;
use proto::raft::v1::entry::Command;
use proto::smd::v1::{
    Component, EthernetInterface, GroupMembers, IpAddressMapping, SmdCommand, component, smd_command,
};
use raft::Store;
use rpc::{Caller, Identity};
use tonic::{Request, Response, Status};

/// Address of x0c0s0b0n0.
pub const FIRST: &str = "10.97.3.1";
/// Address of x0c0s0b0n1.
pub const SECOND: &str = "10.97.3.2";
/// Address of a BMC.
pub const BMC: &str = "10.97.3.9";
/// Address that nobody has.
pub const NOBODY: &str = "10.97.3.77";

/// The cluster `demo` with two nodes and a BMC.
pub async fn seeded() -> Store {
    let store = Store::in_memory();
    let bootstrap = cluster_command::Bootstrap {
        cluster_name: "demo".to_owned(),
        ..Default::default()
    };
    let change = Some(cluster_command::Change::Bootstrap(bootstrap));
    store
        .propose("member/1", Command::Cluster(ClusterCommand { change }), None)
        .await
        .expect("accepted");
    let components = ["x0c0s0b0n0", "x0c0s0b0n1", "x0c0s0b0"].map(|id| Component {
        id: id.to_owned(),
        state: component::State::On.into(),
        ..Component::default()
    });
    let create = smd_command::CreateComponents {
        components: components.to_vec(),
        force: false,
        ..Default::default()
    };
    smd(&store, smd_command::Change::CreateComponents(create)).await;
    for (mac, id, ip) in [
        ("52:54:00:12:34:56", "x0c0s0b0n0", FIRST),
        ("52:54:00:12:34:57", "x0c0s0b0n1", SECOND),
        ("52:54:00:12:34:58", "x0c0s0b0", BMC),
    ] {
        add_interface(&store, mac, id, ip).await;
    }
    store
}

pub async fn add_interface(store: &Store, mac: &str, component_id: &str, ip: &str) {
    let interface = EthernetInterface {
        mac_address: mac.to_owned(),
        component_id: component_id.to_owned(),
        ip_addresses: vec![IpAddressMapping {
            ip_address: ip.to_owned(),
            network: String::new(),
        }],
        ..EthernetInterface::default()
    };
    let create = smd_command::CreateEthernetInterface {
        interface: Some(interface),
    };
    smd(store, smd_command::Change::CreateEthernetInterface(create)).await;
}

/// Makes x0c0s0b0n0 a member of an SMD group.
pub async fn add_to_group(store: &Store, label: &str) {
    let group = proto::smd::v1::Group {
        label: label.to_owned(),
        members: Some(GroupMembers {
            ids: vec!["x0c0s0b0n0".to_owned()],
        }),
        ..Default::default()
    };
    let create = smd_command::CreateGroup { group: Some(group) };
    smd(store, smd_command::Change::CreateGroup(create)).await;
}

/// What an administrator sets in cloud-init.
pub async fn cloud_init(store: &Store, change: cloud_init_command::Change) {
    let command = Command::CloudInit(CloudInitCommand { change: Some(change) });
    store.propose("user/test", command, None).await.expect("accepted");
}

/// A group with a plain file.
pub fn group(name: &str, content: &str) -> Group {
    let file = GroupFile {
        content: content.to_owned(),
        ..GroupFile::default()
    };
    Group {
        name: name.to_owned(),
        file: Some(file),
        ..Group::default()
    }
}

pub async fn put_group(store: &Store, group: Group) {
    let put = cloud_init_command::PutGroup {
        group: Some(group),
        must_be_new: false,
        ..Default::default()
    };
    cloud_init(store, cloud_init_command::Change::PutGroup(put)).await;
}

async fn smd(store: &Store, change: smd_command::Change) {
    store
        .propose(
            "user/test",
            Command::Smd(SmdCommand { change: Some(change) }),
            None,
        )
        .await
        .expect("accepted");
}

pub fn service(store: &Store) -> NodeDataService {
    NodeDataService::new(store.clone(), urls(), tokens())
}

/// The one key of the tests, which every member has.
pub fn tokens() -> BootTokens {
    static TOKENS: OnceLock<BootTokens> = OnceLock::new();
    let new = || BootTokens::new(Sealer::generate().expect("random bytes"));
    TOKENS.get_or_init(new).clone()
}

/// One boot network.
pub fn urls() -> Arc<NodeUrls> {
    let network = NodeNetwork {
        base: "http://10.97.0.1:8081".to_owned(),
        addresses: vec!["10.97.0.1".parse().expect("an address")],
        subnets: Vec::new(),
    };
    Arc::new(NodeUrls::new(vec![network]))
}

/// The same state on a member that has lost the others.
pub fn cut_off(store: &Store) -> Store {
    Store::in_memory_without_majority(store.state().as_ref().clone())
}

/// A call of whoever is at `peer`.
pub fn from<T>(peer: &str, message: T) -> Request<T> {
    let peer: SocketAddr = format!("{peer}:40000").parse().expect("an address");
    let local = Some("10.97.0.1:8081".parse().expect("an address"));
    let mut request = Request::new(message);
    request.extensions_mut().insert(Caller {
        identity: Identity::Node { address: peer.ip() },
        peer: Some(peer),
        local,
    });
    request
}

pub fn text(answer: Result<Response<HttpBody>, Status>) -> String {
    String::from_utf8(answer.expect("an answer").into_inner().data).expect("text")
}
