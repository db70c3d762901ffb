//! `/boot/v1/hosts`, `/boot/v1/dumpstate` and `/boot/v1/endpoint-history`: what BSS shows of nodes, in its words.

use crate::common::{put, seeded, smd};
use bss::{EndpointHistoryService, HostService, StateChangeService};
use proto::bss::v1::endpoint_history_service_server::EndpointHistoryService as _;
use proto::bss::v1::host_service_server::HostService as _;
use proto::bss::v1::state_change_service_server::StateChangeService as _;
use proto::bss::v1::{
    BootRecord, BssCommand, DumpStateRequest, Host, ListEndpointAccessesRequest, ListHostsRequest,
    NotifyStateChangeRequest, RefreshHostsRequest, bss_command,
};
use proto::raft::v1::entry::Command;
use proto::smd::v1::{Component, component, smd_command};
use raft::Store;
use tonic::{Code, Request, Status};

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

async fn hosts(store: &Store, name: &[&str], mac: &[&str], nid: &[&str]) -> Result<Vec<Host>, Status> {
    let request = ListHostsRequest {
        mac: texts(mac),
        name: texts(name),
        nid: texts(nid),
    };
    let answer = HostService::new(store.clone())
        .list_hosts(Request::new(request))
        .await?;
    Ok(answer.into_inner().hosts)
}

fn ids(hosts: &[Host]) -> Vec<&str> {
    hosts.iter().map(|host| host.id.as_str()).collect()
}

/// Sorted by xname, nodes only, with the MACs of their interfaces.
#[tokio::test]
async fn all_nodes_are_listed_with_their_macs() {
    let store = seeded().await;
    let bmc = Component {
        id: "x0c0s0b0".to_owned(),
        state: component::State::On.into(),
        ..Component::default()
    };
    let create = smd_command::CreateComponents {
        components: vec![bmc],
        force: false,
        ..Default::default()
    };
    smd(&store, smd_command::Change::CreateComponents(create)).await;
    let all = hosts(&store, &[], &[], &[]).await.unwrap();
    assert_eq!(
        ids(&all),
        [
            "x0c0s0b0n0",
            "x0c0s0b0n1",
            "x0c0s0b0n2",
            "x0c0s0b0n3",
            "x0c0s0b0n4"
        ]
    );
    let expected = Host {
        id: "x0c0s0b0n3".into(),
        r#type: "Node".into(),
        state: component::State::On.into(),
        flag: component::Flag::Ok.into(),
        role: "Service".into(),
        nid: Some(4),
        macs: texts(&["02:00:00:00:00:04"]),
        endpoint_enabled: true,
        enabled: all[3].enabled,
        arch: all[3].arch,
        class: all[3].class,
        net_type: all[3].net_type,
        ..Host::default()
    };
    assert_eq!(all[3], expected);
    assert!(all[4].macs.is_empty());
}

/// Names, then MACs, then NIDs; comma lists and repeats; a node asked for twice is told twice, as in BSS.
#[tokio::test]
async fn hosts_are_found_by_name_mac_and_nid_in_this_order() {
    let store = seeded().await;
    let found = hosts(
        &store,
        &["x0c0s0b0n4,X0c0s00b0n0"],
        &["02-00-00-00-00-02"],
        &["3", "1,0x"],
    )
    .await;
    let no = found.unwrap_err();
    assert_eq!(
        (no.code(), no.message()),
        (Code::InvalidArgument, "Bad Request - Invalid nid '0x'")
    );
    let found = hosts(
        &store,
        &["x0c0s0b0n4,X0c0s00b0n0"],
        &["02-00-00-00-00-02"],
        &["3", "1"],
    )
    .await
    .unwrap();
    assert_eq!(
        ids(&found),
        [
            "x0c0s0b0n4",
            "x0c0s0b0n0",
            "x0c0s0b0n1",
            "x0c0s0b0n2",
            "x0c0s0b0n0"
        ]
    );
}

#[tokio::test]
async fn a_host_that_nobody_knows_is_not_found_in_the_words_of_bss() {
    let store = seeded().await;
    for (name, mac, nid, text) in [
        ("x9c0s0b0n0", "", "", "Unknown host name 'x9c0s0b0n0'"),
        ("nonsense", "", "", "Unknown host name 'nonsense'"),
        (
            "",
            "02:00:00:00:00:99",
            "",
            "Unknown MAC address '02:00:00:00:00:99'",
        ),
        ("", "zz", "", "Unknown MAC address 'zz'"),
        ("", "", "77", "Unknown NID '77'"),
        ("", "", "-1", "Unknown NID '-1'"),
    ] {
        let no = hosts(&store, &[name], &[mac], &[nid]).await.unwrap_err();
        assert_eq!(
            (no.code(), no.message().to_owned()),
            (Code::NotFound, format!("Not Found - {text}"))
        );
    }
}

#[tokio::test]
async fn a_refresh_and_a_notification_are_accepted_and_change_nothing() {
    let store = seeded().await;
    let before = store.state().applied_index();
    let answer = HostService::new(store.clone())
        .refresh_hosts(Request::new(RefreshHostsRequest {}))
        .await
        .unwrap();
    let cache = answer.metadata().get("http-header-cache-control").unwrap();
    assert_eq!(cache, "no-cache");
    let change = NotifyStateChangeRequest {
        components: texts(&["x0c0s0b0n0"]),
        state: "Off".into(),
        ..Default::default()
    };
    StateChangeService::new()
        .notify_state_change(Request::new(change))
        .await
        .unwrap();
    assert_eq!(store.state().applied_index(), before);
}

/// As BSS dumps them: cloud-init's data are not among them.
#[tokio::test]
async fn a_dump_has_every_node_and_every_entry() {
    let store = seeded().await;
    put(&store, "Default", "quiet").await;
    put(&store, "nid9", "loud").await;
    let dump = HostService::new(store.clone())
        .dump_state(Request::new(DumpStateRequest {}))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(dump.components.len(), 5);
    let shown: Vec<_> = dump
        .params
        .iter()
        .map(|one| (one.hosts.clone(), one.nids.clone(), one.params.as_str()))
        .collect();
    assert_eq!(
        shown,
        [(texts(&["Default"]), vec![], "quiet"), (vec![], vec![9], "loud")]
    );
}

async fn record(store: &Store, node: &str, boot_id: &str) {
    let record = BootRecord {
        node: node.to_owned(),
        boot_id: boot_id.to_owned(),
        ..BootRecord::default()
    };
    let change = Some(bss_command::Change::RecordBoot(bss_command::RecordBoot {
        record: Some(record),
    }));
    store
        .propose("node/test", Command::Bss(BssCommand { change }), None)
        .await
        .unwrap();
}

async fn accesses(store: &Store, name: &str, endpoint: &str) -> Vec<(String, String)> {
    let request = ListEndpointAccessesRequest {
        name: name.to_owned(),
        endpoint: endpoint.to_owned(),
    };
    let answer = EndpointHistoryService::new(store.clone())
        .list_endpoint_accesses(Request::new(request))
        .await
        .unwrap()
        .into_inner();
    let latest = store.state().time_ms() / 1000;
    for access in &answer.accesses {
        assert!(
            access.last_epoch > 0 && access.last_epoch.unsigned_abs() <= latest,
            "{access:?}"
        );
    }
    answer
        .accesses
        .into_iter()
        .map(|access| (access.name, access.endpoint))
        .collect()
}

/// One line for each node and endpoint, however often it booted; nothing is no error.
#[tokio::test]
async fn the_history_has_the_last_access_of_each_node_and_endpoint() {
    let store = seeded().await;
    assert!(accesses(&store, "", "").await.is_empty());
    record(&store, "x0c0s0b0n1", "b").await;
    record(&store, "x0c0s0b0n0", "a").await;
    record(&store, "x0c0s0b0n0", "c").await;
    let pair = |node: u64, endpoint: &str| (crate::common::xname(node), endpoint.to_owned());
    assert_eq!(
        accesses(&store, "", "").await,
        [
            pair(0, "bootscript"),
            pair(0, "user-data"),
            pair(1, "bootscript"),
            pair(1, "user-data")
        ]
    );
    assert_eq!(
        accesses(&store, "X0c0s0b0n1", "user-data").await,
        [pair(1, "user-data")]
    );
    assert!(accesses(&store, "x0c0s0b0n2", "").await.is_empty());
    assert!(accesses(&store, "nonsense", "").await.is_empty());
    assert!(accesses(&store, "", "meta-data").await.is_empty());
    record(&store, "x0c0s0b0n2", "").await;
    assert_eq!(
        accesses(&store, "x0c0s0b0n2", "").await,
        [pair(2, "user-data")],
        "a boot without an id began with somebody else's script"
    );
}
