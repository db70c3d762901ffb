//! Golden cases of rollouts, and of going back to an earlier version.

use proto::bss::v1 as bss;
use proto::bss::v1::boot_rollout::State as Stage;
use proto::bss::v1::boot_rollout_node::Outcome;
use proto::watch::v1 as watch;

use super::golden::{Sent, check, check_with};
use super::{Fake, answer, gateway, send};
use crate::Options;

fn rollouts(method: &str) -> String {
    format!("bss.v1.BootRolloutService/{method}")
}

fn asked() -> bss::BootRollout {
    bss::BootRollout {
        name: "new".into(),
        configuration: "compute".into(),
        kernel: "/files/k".into(),
        group: "compute".into(),
        steps: vec![
            bss::RolloutStep { nodes: 1, percent: 0 },
            bss::RolloutStep {
                nodes: 0,
                percent: 50,
            },
        ],
        failures_max: 2,
        boot_deadline_s: 600,
        ..Default::default()
    }
}

const ASKED: &str = r#"{"name":"new","configuration":"compute","kernel":"/files/k","group":"compute","steps":[{"nodes":1},{"percent":50}],"failures_max":2,"boot_deadline_s":600}"#;

fn running() -> bss::BootRollout {
    bss::BootRollout {
        state: Stage::Running.into(),
        nodes: 2,
        waves: vec![bss::RolloutWave {
            nodes: 1,
            revision: 9,
            at_ms: 1000,
        }],
        failed: 1,
        base_revision: 7,
        participants: vec![bss::BootRolloutNode {
            rollout: "new".into(),
            node: "x0c0s0b0n0".into(),
            outcome: Outcome::Failed.into(),
            reason: "late".into(),
            first_script_ms: 900,
            ..Default::default()
        }],
        ..asked()
    }
}

const RUNNING: &str = r#"{"name":"new","configuration":"compute","kernel":"/files/k","group":"compute","steps":[{"nodes":1},{"percent":50}],"failures_max":2,"boot_deadline_s":600,"state":"running","nodes":2,"waves":[{"nodes":1,"revision":9,"at_ms":1000}],"failed":1,"base_revision":7,"participants":[{"rollout":"new","node":"x0c0s0b0n0","outcome":"failed","reason":"late","first_script_ms":900}]}"#;

#[tokio::test]
async fn a_rollout_is_started_shown_and_listed() {
    let start = bss::StartBootRolloutRequest {
        rollout: Some(asked()),
    };
    check(
        Sent("POST /chamois/v1/boot-rollouts", ASKED),
        &rollouts("StartBootRollout"),
        start,
        answer(&running()),
        201,
        RUNNING,
    )
    .await;
    let get = bss::GetBootRolloutRequest { name: "new".into() };
    check(
        Sent("GET /chamois/v1/boot-rollouts/new", ""),
        &rollouts("GetBootRollout"),
        get,
        answer(&running()),
        200,
        RUNNING,
    )
    .await;
    let listed = bss::ListBootRolloutsResponse {
        rollouts: vec![asked()],
    };
    check(
        Sent("GET /chamois/v1/boot-rollouts", ""),
        &rollouts("ListBootRollouts"),
        bss::ListBootRolloutsRequest {},
        answer(&listed),
        200,
        &format!("{{\"rollouts\":[{ASKED}]}}"),
    )
    .await;
    check(
        Sent("GET /chamois/v1/boot-rollouts", ""),
        &rollouts("ListBootRollouts"),
        bss::ListBootRolloutsRequest {},
        answer(&bss::ListBootRolloutsResponse::default()),
        200,
        r#"{"rollouts":[]}"#,
    )
    .await;
}

#[tokio::test]
async fn a_rollout_is_steered_and_forgotten() {
    let control = bss::ControlBootRolloutRequest {
        name: "new".into(),
        action: "pause".into(),
        if_revision: None,
    };
    check(
        Sent(
            "POST /chamois/v1/boot-rollouts/new/control",
            r#"{"action":"pause"}"#,
        ),
        &rollouts("ControlBootRollout"),
        control,
        answer(&asked()),
        200,
        ASKED,
    )
    .await;
    let delete = bss::DeleteBootRolloutRequest {
        name: "new".into(),
        if_revision: Some(7),
    };
    let etag = rpc::Etag {
        cluster_id: String::new(),
        revision: 7,
    };
    check_with(
        Sent("DELETE /chamois/v1/boot-rollouts/new", ""),
        &[("if-match", &etag.to_string())],
        &rollouts("DeleteBootRollout"),
        delete,
        answer(&bss::DeleteBootRolloutResponse { revision: 8 }),
        200,
        r#"{"revision":8}"#,
    )
    .await;
}

#[tokio::test]
async fn a_field_of_the_wrong_kind_is_a_bad_request() {
    let fake = Fake::new();
    let body = r#"{"name":"new","steps":5}"#;
    let gateway = gateway(&fake, Options::default());
    let got = send(&gateway, "POST", "/chamois/v1/boot-rollouts", &[], body).await;
    assert_eq!(got.status, 400, "{got:?}");
    assert!(got.detail().contains("steps"), "{got:?}");
}

#[tokio::test]
async fn an_object_goes_back_to_an_earlier_version() {
    let rollback = watch::RollbackRequest {
        kind: "boot_parameters".into(),
        id: "Default".into(),
        revision: 17,
        if_revision: None,
    };
    check(
        Sent(
            "POST /chamois/v1/history/boot_parameters/Default/rollback",
            r#"{"revision":17}"#,
        ),
        "watch.v1.HistoryService/Rollback",
        rollback,
        answer(&watch::RollbackResponse { revision: 20 }),
        200,
        r#"{"revision":20}"#,
    )
    .await;
}
