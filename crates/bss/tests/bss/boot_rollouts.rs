//! Rollouts: started, steered, and seen in what a node gets.

use crate::common::{configuration, cut_off, seeded};
use bss::{BootConfigurationService, BootRolloutService, BootScriptService, RetryDelay, advance_rollouts};
use proto::bss::v1::boot_configuration_service_server::BootConfigurationService as _;
use proto::bss::v1::boot_phase::Phase;
use proto::bss::v1::boot_rollout::State as Stage;
use proto::bss::v1::boot_rollout_service_server::BootRolloutService as _;
use proto::bss::v1::boot_script_service_server::BootScriptService as _;
use proto::bss::v1::bss_command::{self, BootSeen, RecordBoot, RecordBootPhases};
use proto::bss::v1::{
    BootConfiguration, BootPhase, BootRecord, BootRollout, BssCommand, ControlBootRolloutRequest,
    CreateBootConfigurationRequest, DeleteBootRolloutRequest, GetBootRolloutRequest, GetBootScriptRequest,
    ListBootRolloutsRequest, StartBootRolloutRequest,
};
use proto::raft::v1::entry::Command;
use raft::Store;
use tonic::{Code, Request, Response, Status};

const NODE: &str = "x0c0s0b0n0";

fn service(store: &Store) -> BootRolloutService {
    BootRolloutService::new(store.clone())
}

/// The nodes of the common system, with one configuration for all of them.
async fn configured() -> Store {
    let store = seeded().await;
    let request = CreateBootConfigurationRequest {
        configuration: Some(BootConfiguration {
            is_default: true,
            params: "old".into(),
            ..configuration("compute")
        }),
    };
    let configurations =
        BootConfigurationService::new(store.clone(), crate::common::config(RetryDelay::Growing));
    configurations
        .create_boot_configuration(Request::new(request))
        .await
        .unwrap();
    store
}

fn rollout() -> BootRollout {
    BootRollout {
        name: "new".into(),
        configuration: "compute".into(),
        kernel: "http://i/new".into(),
        params: "new".into(),
        hosts: vec![NODE.into()],
        ..BootRollout::default()
    }
}

async fn start(store: &Store, rollout: BootRollout) -> Result<BootRollout, Status> {
    let request = StartBootRolloutRequest {
        rollout: Some(rollout),
    };
    let started = service(store).start_boot_rollout(Request::new(request)).await;
    started.map(Response::into_inner)
}

async fn control(store: &Store, action: &str) -> Result<BootRollout, Status> {
    let request = ControlBootRolloutRequest {
        name: "new".into(),
        action: action.into(),
        if_revision: None,
    };
    let controlled = service(store).control_boot_rollout(Request::new(request)).await;
    controlled.map(Response::into_inner)
}

async fn get(store: &Store) -> Result<BootRollout, Status> {
    let request = GetBootRolloutRequest { name: "new".into() };
    service(store)
        .get_boot_rollout(Request::new(request))
        .await
        .map(Response::into_inner)
}

async fn script(store: &Store, node: &str) -> String {
    let service = BootScriptService::new(store.clone(), crate::common::config(RetryDelay::Growing));
    let request = GetBootScriptRequest {
        name: node.into(),
        ..GetBootScriptRequest::default()
    };
    let request = crate::common::from_node(request, "10.97.3.1", "10.97.0.1");
    let script = service.get_boot_script(request).await.unwrap();
    String::from_utf8(script.into_inner().data).unwrap()
}

async fn bss(store: &Store, change: bss_command::Change) {
    let command = Command::Bss(BssCommand { change: Some(change) });
    store.propose("member/1", command, None).await.unwrap();
}

/// The node fetches its script and phones home.
async fn boots(store: &Store) {
    let seen = BootPhase {
        phase: Phase::Script.into(),
        at_ms: store.cluster_time_ms(),
        revision: store.state().applied_index(),
        told: true,
        ..BootPhase::default()
    };
    let boots = vec![BootSeen {
        node: NODE.into(),
        boot_id: "b1".into(),
        phases: vec![seen],
    }];
    bss(
        store,
        bss_command::Change::RecordBootPhases(RecordBootPhases { boots }),
    )
    .await;
    let record = BootRecord {
        node: NODE.into(),
        boot_id: "b1".into(),
        ..BootRecord::default()
    };
    bss(
        store,
        bss_command::Change::RecordBoot(RecordBoot { record: Some(record) }),
    )
    .await;
}

#[tokio::test]
async fn a_node_that_a_rollout_has_come_to_gets_the_new_kernel_and_no_other_does() {
    let store = configured().await;
    let before = script(&store, NODE).await;
    assert!(
        before.contains("kernel --name kernel http://c/compute/k "),
        "{before}"
    );
    start(&store, rollout()).await.unwrap();
    let after = script(&store, NODE).await;
    assert!(
        after.contains("kernel --name kernel http://i/new new "),
        "{after}"
    );
    let other = script(&store, "x0c0s0b0n1").await;
    assert!(
        other.contains("kernel --name kernel http://c/compute/k "),
        "{other}"
    );
    control(&store, "stop").await.unwrap();
    let back = script(&store, NODE).await;
    assert!(
        back.contains("kernel --name kernel http://c/compute/k "),
        "{back}"
    );
}

#[tokio::test]
async fn it_goes_on_by_itself_when_its_nodes_are_up() {
    let store = configured().await;
    start(&store, rollout()).await.unwrap();
    let revision = store.state().applied_index();
    advance_rollouts(&store).await;
    assert_eq!(
        store.state().applied_index(),
        revision,
        "nothing is new, so nothing is logged"
    );
    boots(&store).await;
    advance_rollouts(&store).await;
    assert_eq!(get(&store).await.unwrap().state(), Stage::Completed);
    let other = script(&store, "x0c0s0b0n1").await;
    assert!(
        other.contains("kernel --name kernel http://i/new new "),
        "{other}"
    );
    let revision = store.state().applied_index();
    advance_rollouts(&store).await;
    assert_eq!(store.state().applied_index(), revision, "it is over");
}

#[tokio::test]
async fn it_is_listed_without_its_nodes_and_shown_with_them() {
    let store = configured().await;
    let started = start(&store, rollout()).await.unwrap();
    assert_eq!((started.nodes, started.participants.len()), (1, 0));
    let shown = get(&store).await.unwrap();
    let nodes: Vec<&str> = shown.participants.iter().map(|node| node.node.as_str()).collect();
    assert_eq!(nodes, [NODE]);
    let listed = service(&store)
        .list_boot_rollouts(Request::new(ListBootRolloutsRequest {}))
        .await;
    let listed = listed.unwrap().into_inner().rollouts;
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].name.as_str(), listed[0].participants.len()),
        ("new", 0)
    );
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let store = configured().await;
    assert_eq!(get(&store).await.unwrap_err().code(), Code::NotFound);
    let nowhere = BootRollout {
        hosts: vec!["x9".into()],
        ..rollout()
    };
    let refused = start(&store, nowhere).await.unwrap_err();
    assert!(
        refused.message().starts_with("group: no node takes part"),
        "{refused}"
    );
    start(&store, rollout()).await.unwrap();
    let refused = control(&store, "abort").await.unwrap_err();
    assert!(
        refused.message().contains("pause, resume, stop or skip"),
        "{refused}"
    );
    let delete = DeleteBootRolloutRequest {
        name: "new".into(),
        if_revision: None,
    };
    let refused = service(&store)
        .delete_boot_rollout(Request::new(delete))
        .await
        .unwrap_err();
    assert!(refused.message().contains("stop it first"), "{refused}");
}

#[tokio::test]
async fn without_a_majority_nothing_begins() {
    let refused = start(&cut_off(&configured().await), rollout()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
}
