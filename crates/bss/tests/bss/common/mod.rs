//! A small system: what the tests of BSS begin with.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use auth::{BootTokens, Sealer};
use bss::{BootIds, Config, PhaseDeadlines, RetryDelay};
use model::{NodeNetwork, NodeUrls};
use proto::boot_file::v1::{BootFile, BootFileCommand, Image, ImageFile, boot_file_command};
use proto::bss::v1::{BootConfiguration, BootParametersEntry, BssCommand, bss_command};
use proto::raft::v1::entry::Command;
use proto::smd::v1::{
    Component, EthernetInterface, Group, GroupMembers, IpAddressMapping, SmdCommand, component, smd_command,
};
use raft::Store;
use rpc::{Caller, Identity};
use tonic::Request;

pub const BOOT_ID: u64 = 0xa1;

/// Nodes x0c0s0b0n0 … n4 with NIDs 1 … 5 and MACs 02:00:00:00:00:01 … 05; n3 is a Service node, n4 has no interface.
pub async fn seeded() -> Store {
    let store = Store::in_memory();
    let components = (0..5).map(node).collect();
    let create = smd_command::CreateComponents {
        components,
        force: false,
        ..Default::default()
    };
    smd(&store, smd_command::Change::CreateComponents(create)).await;
    for number in 0..4 {
        let interface = EthernetInterface {
            id: format!("02000000000{}", number + 1),
            mac_address: format!("02:00:00:00:00:0{}", number + 1),
            component_id: xname(number),
            r#type: "Node".to_owned(),
            ip_addresses: vec![IpAddressMapping {
                ip_address: format!("10.97.3.{}", number + 1),
                network: String::new(),
            }],
            ..EthernetInterface::default()
        };
        let create = smd_command::CreateEthernetInterface {
            interface: Some(interface),
        };
        smd(&store, smd_command::Change::CreateEthernetInterface(create)).await;
    }
    store
}

pub fn xname(number: u64) -> String {
    format!("x0c0s0b0n{number}")
}

fn node(number: u64) -> Component {
    Component {
        id: xname(number),
        r#type: "Node".to_owned(),
        state: component::State::On.into(),
        flag: component::Flag::Ok.into(),
        role: if number == 3 { "Service" } else { "Compute" }.to_owned(),
        nid: Some(number + 1),
        ..Component::default()
    }
}

pub async fn smd(store: &Store, change: smd_command::Change) {
    store
        .propose(
            "user/test",
            Command::Smd(SmdCommand { change: Some(change) }),
            None,
        )
        .await
        .expect("accepted");
}

/// Stores `params` with a kernel named after the key.
pub async fn put(store: &Store, key: &str, params: &str) {
    let values = BootParametersEntry {
        params: params.to_owned(),
        kernel: format!("http://i/{}/k", key.replace(':', "")),
        initrd: "http://i/i".to_owned(),
        ..BootParametersEntry::default()
    };
    let replace = bss_command::Replace {
        keys: vec![key.to_owned()],
        values: Some(values),
    };
    let change = Some(bss_command::Change::Replace(replace));
    store
        .propose("user/test", Command::Bss(BssCommand { change }), None)
        .await
        .expect("accepted");
}

/// Stores a boot configuration.
pub async fn configure(store: &Store, configuration: BootConfiguration) {
    let put = bss_command::PutBootConfiguration {
        configuration: Some(configuration),
        ..Default::default()
    };
    let change = Some(bss_command::Change::PutBootConfiguration(put));
    store
        .propose("user/test", Command::Bss(BssCommand { change }), None)
        .await
        .expect("accepted");
}

/// With a kernel named after it, and nothing that it selects.
pub fn configuration(name: &str) -> BootConfiguration {
    BootConfiguration {
        name: name.to_owned(),
        kernel: format!("http://c/{name}/k"),
        params: format!("from={name}"),
        ..BootConfiguration::default()
    }
}

pub async fn group(store: &Store, label: &str, members: &[&str]) {
    let group = Group {
        label: label.to_owned(),
        members: Some(GroupMembers {
            ids: members.iter().map(|id| (*id).to_owned()).collect(),
        }),
        ..Group::default()
    };
    let create = smd_command::CreateGroup { group: Some(group) };
    smd(store, smd_command::Change::CreateGroup(create)).await;
}

/// The same state on a member that has lost the others.
pub fn cut_off(store: &Store) -> Store {
    Store::in_memory_without_majority(store.state().as_ref().clone())
}

pub fn config(retry_delay: RetryDelay) -> Config {
    let network = |base: &str, addresses: &[&str], subnet: &str| NodeNetwork {
        base: base.to_owned(),
        addresses: addresses
            .iter()
            .map(|address| address.parse().expect("an address"))
            .collect(),
        subnets: vec![subnet.parse().expect("a network")],
    };
    let networks = vec![
        network(
            "http://10.97.0.1:8081",
            &["10.97.0.1", "10.97.1.1"],
            "10.97.0.0/16",
        ),
        network(
            "http://10.99.0.1:8081",
            &["10.99.0.1", "10.99.1.1"],
            "10.99.0.0/16",
        ),
    ];
    Config {
        urls: Arc::new(NodeUrls::new(networks)),
        retry_delay,
        boot_ids: BootIds::new(|| BOOT_ID),
        architectures: None,
        timeline: Default::default(),
        s3: None,
        documents: |_, _, _, _| Vec::new(),
        deadlines: PhaseDeadlines::default(),
    }
}

/// The one key of the tests, which every member has.
pub fn tokens() -> BootTokens {
    static TOKENS: OnceLock<BootTokens> = OnceLock::new();
    let new = || BootTokens::new(Sealer::generate().expect("random bytes"));
    TOKENS.get_or_init(new).clone()
}

/// A call of the node at `peer` to this member's `local` address.
pub fn from_node<T>(message: T, peer: &str, local: &str) -> Request<T> {
    let peer: SocketAddr = format!("{peer}:40000").parse().expect("an address");
    let local: SocketAddr = format!("{local}:8081").parse().expect("an address");
    let mut request = Request::new(message);
    let identity = Identity::Node { address: peer.ip() };
    request.extensions_mut().insert(Caller {
        identity,
        peer: Some(peer),
        local: Some(local),
    });
    request
}

pub fn http_status(status: &tonic::Status) -> Option<String> {
    status
        .metadata()
        .get(rpc::HTTP_STATUS)
        .map(|value| value.to_str().expect("a number").to_owned())
}

/// Stores an image that has these parts: `kernel`, `initrd`, `kernel_signature`, `initrd_signature`, as `<name>/<part>`.
pub async fn add_image(store: &Store, image: Image, parts: &[&str]) {
    let mut image = image;
    for part in parts {
        let name = format!("{}/{part}", image.name);
        let file = BootFile {
            name: name.clone(),
            size: 7,
            sha256: "a".repeat(64),
            ..BootFile::default()
        };
        let put = boot_file_command::PutBootFile {
            file: Some(file),
            if_revision: None,
        };
        boot_file(store, boot_file_command::Change::PutBootFile(put)).await;
        let named = Some(ImageFile {
            name,
            ..ImageFile::default()
        });
        match *part {
            "kernel" => image.kernel = named,
            "initrd" => image.initrd = named,
            "kernel_signature" => image.kernel_signature = named,
            _ => image.initrd_signature = named,
        }
    }
    let put = boot_file_command::PutImage {
        image: Some(image),
        if_revision: None,
    };
    boot_file(store, boot_file_command::Change::PutImage(put)).await;
}

async fn boot_file(store: &Store, change: boot_file_command::Change) {
    let command = Command::BootFile(BootFileCommand { change: Some(change) });
    store.propose("user/test", command, None).await.expect("accepted");
}
