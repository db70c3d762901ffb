//! Where boots stand: every node of the inventory that is asked for, with its newest boot.

use crate::common::{config, from_node, put, seeded, smd};
use bss::{BootScriptService, BootStatusService, PhaseDeadlines, RetryDelay, phase_of_file};
use proto::bss::v1::boot_phase::Phase;
use proto::bss::v1::boot_script_service_server::BootScriptService as _;
use proto::bss::v1::boot_status_service_server::BootStatusService as _;
use proto::bss::v1::bss_command::{BootSeen, RecordBootPhases};
use proto::bss::v1::{
    BootPhase, BootStatus, BssCommand, GetBootScriptRequest, ListBootStatusRequest, bss_command,
};
use proto::raft::v1::entry::Command;
use proto::smd::v1::{Group, GroupMembers, smd_command};
use raft::Store;
use rpc::{Caller, Identity};
use timeline::{Count, Pace, Reporter};
use tonic::{Code, Request, Status};

async fn see(store: &Store, node: &str, boot_id: &str, phase: Phase, ago_ms: u64) {
    let attempt = BootPhase {
        phase: phase.into(),
        at_ms: store.cluster_time_ms() - ago_ms,
        bytes: 5,
        member: 2,
        ..BootPhase::default()
    };
    let boots = vec![BootSeen {
        node: node.to_owned(),
        boot_id: boot_id.to_owned(),
        phases: vec![attempt],
    }];
    let change = Some(bss_command::Change::RecordBootPhases(RecordBootPhases { boots }));
    store
        .propose("member/2", Command::Bss(BssCommand { change }), None)
        .await
        .unwrap();
}

async fn list(store: &Store, nodes: &[&str], group: &str) -> Result<Vec<BootStatus>, Status> {
    let request = ListBootStatusRequest {
        nodes: nodes.iter().map(|text| (*text).to_owned()).collect(),
        group: group.to_owned(),
        ..ListBootStatusRequest::default()
    };
    let service = BootStatusService::new(store.clone(), PhaseDeadlines::default());
    let answer = service.list_boot_status(Request::new(request)).await?;
    Ok(answer.into_inner().nodes)
}

fn names(statuses: &[BootStatus]) -> Vec<&str> {
    statuses.iter().map(|status| status.node.as_str()).collect()
}

#[tokio::test]
async fn every_node_of_the_inventory_is_shown_with_its_newest_boot() {
    let store = seeded().await;
    see(&store, "x0c0s0b0n1", "old", Phase::Script, 900_000).await;
    see(&store, "x0c0s0b0n1", "", Phase::Offered, 2_000).await;
    see(&store, "x0c0s0b0n2", "b2", Phase::Script, 700_000).await;
    let shown = list(&store, &[], "").await.unwrap();
    assert_eq!(
        names(&shown),
        [
            "x0c0s0b0n0",
            "x0c0s0b0n1",
            "x0c0s0b0n2",
            "x0c0s0b0n3",
            "x0c0s0b0n4"
        ]
    );
    let phases: Vec<Phase> = shown.iter().map(BootStatus::phase).collect();
    let (none, offered, script) = (Phase::Unspecified, Phase::Offered, Phase::Script);
    assert_eq!(phases, [none, offered, script, none, none]);
    assert_eq!((shown[1].boot_id.as_str(), shown[1].stuck), ("", false));
    assert_eq!((shown[2].boot_id.as_str(), shown[2].stuck), ("b2", true));
    assert_eq!((shown[2].member, shown[2].bytes), (2, 5));
}

/// Every node once, in order, and none that the filter leaves out.
#[tokio::test]
async fn boot_status_comes_in_pages() {
    let store = seeded().await;
    let service = BootStatusService::new(store.clone(), PhaseDeadlines::default());
    let mut request = ListBootStatusRequest {
        nodes: vec!["x0c0s0b0n[1-4]".to_owned()],
        page_size: 3,
        ..ListBootStatusRequest::default()
    };
    let mut pages = Vec::new();
    loop {
        let answer = service.list_boot_status(Request::new(request.clone())).await;
        let answer = answer.unwrap().into_inner();
        pages.push(names(&answer.nodes).join(" "));
        if answer.next_page_token.is_empty() {
            break;
        }
        request.page_token = answer.next_page_token;
    }
    assert_eq!(pages, ["x0c0s0b0n1 x0c0s0b0n2 x0c0s0b0n3", "x0c0s0b0n4"]);
    // the first page's token, with another filter
    request.nodes.clear();
    let refused = service.list_boot_status(Request::new(request)).await.unwrap_err();
    assert!(refused.message().starts_with("page_token: "), "{refused}");
}

#[tokio::test]
async fn nodes_are_chosen_by_nodeset_and_group() {
    let store = seeded().await;
    let create = smd_command::CreateGroup {
        group: Some(Group {
            label: "odd".to_owned(),
            members: Some(GroupMembers {
                ids: vec!["x0c0s0b0n1".to_owned(), "x0c0s0b0n3".to_owned()],
            }),
            ..Group::default()
        }),
    };
    smd(&store, smd_command::Change::CreateGroup(create)).await;
    for (nodes, group, expected) in [
        (&["x0c0s0b0n[1-2]"][..], "", &["x0c0s0b0n1", "x0c0s0b0n2"][..]),
        (&["x0c*s0b0n4", "X0c0s0b0n0"], "", &["x0c0s0b0n0", "x0c0s0b0n4"]),
        (&["x1"], "", &[]),
        (&[], "odd", &["x0c0s0b0n1", "x0c0s0b0n3"]),
        (&["x0c0s0b0n[0-1]"], "odd", &["x0c0s0b0n1"]),
    ] {
        let shown = list(&store, nodes, group).await.unwrap();
        assert_eq!(names(&shown), expected, "{nodes:?} {group}");
    }
    for (nodes, group, code) in [
        (&["x[3-1]"][..], "", Code::InvalidArgument),
        (&["nonsense"], "", Code::InvalidArgument),
        (&["x0"; 257], "", Code::InvalidArgument),
        (&[], "no such group!", Code::InvalidArgument),
        (&[], "even", Code::NotFound),
    ] {
        let refused = list(&store, nodes, group).await.unwrap_err();
        assert_eq!(refused.code(), code, "{nodes:?} {group}: {refused:?}");
    }
}

/// What an administrator looks at is no boot, nor is the script of a node that is not known.
#[tokio::test]
async fn a_script_is_noted_when_a_known_node_gets_it() {
    let store = seeded().await;
    put(&store, "x0c0s0b0n0", "").await;
    let (timeline, reporter) = Reporter::new(store.clone(), 2, Pace::default());
    let counters = reporter.counters();
    let mut config = config(RetryDelay::Growing);
    config.timeline = timeline;
    let service = BootScriptService::new(store.clone(), config);
    let ask = |mac: &str, json: &str| GetBootScriptRequest {
        mac: mac.to_owned(),
        arch: String::new(),
        json: json.to_owned(),
        ..GetBootScriptRequest::default()
    };
    let mut by_user = Request::new(ask("02:00:00:00:00:01", ""));
    by_user.extensions_mut().insert(Caller {
        identity: Identity::User { name: "admin".into() },
        peer: None,
        local: None,
    });
    service.get_boot_script(by_user).await.unwrap();
    let node = |message| from_node(message, "10.97.3.1", "10.97.0.1");
    service
        .get_boot_script(node(ask("02:00:00:00:00:99", "")))
        .await
        .unwrap();
    service
        .get_boot_script(node(ask("02:00:00:00:00:01", "1")))
        .await
        .unwrap();
    assert_eq!(counters.get(Count::Seen), 0);
    let answer = service
        .get_boot_script(node(ask("02:00:00:00:00:01", "")))
        .await
        .unwrap();
    assert_eq!(counters.get(Count::Seen), 1);
    let revision = store.state().applied_index();
    reporter.run(async {}).await;
    let shown = &list(&store, &["x0c0s0b0n0"], "").await.unwrap()[0];
    assert_eq!(shown.phase(), Phase::Script);
    assert_eq!(shown.boot_id, format!("{:016x}", crate::common::BOOT_ID));
    assert_eq!(shown.bytes, answer.into_inner().data.len() as u64);
    assert_eq!((shown.revision, shown.member), (revision, 2));
}

#[tokio::test]
async fn a_file_is_known_by_what_the_node_boots() {
    let store = seeded().await;
    put(&store, "x0c0s0b0n0", "").await;
    let state = store.state();
    let phase = |node: &str, path| phase_of_file(&state, &node.parse().unwrap(), path);
    assert_eq!(phase("x0c0s0b0n0", "/x0c0s0b0n0/k"), Some(Phase::Kernel));
    assert_eq!(phase("x0c0s0b0n0", "/i"), Some(Phase::Initrd));
    assert_eq!(phase("x0c0s0b0n0", "/files/other"), None);
    assert_eq!(phase("x0c0s0b0n1", "/i"), None, "it boots nothing");
}
