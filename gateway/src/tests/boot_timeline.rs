//! Golden cases of the boot timeline: where boots stand, and the records of a node.

use proto::bss::v1 as bss;
use proto::bss::v1::boot_phase::Phase;
use tonic::Status;

use super::golden::{Sent, check};
use super::{Fake, answer, gateway, send};
use crate::Options;

const LIST_STATUS: &str = "bss.v1.BootStatusService/ListBootStatus";

#[tokio::test]
async fn boot_status_is_listed_for_nodesets_and_a_group() {
    let asked = bss::ListBootStatusRequest {
        nodes: vec!["x[1000-1003]c*".into(), "x0".into()],
        group: "compute".into(),
        ..Default::default()
    };
    let shown = bss::ListBootStatusResponse {
        nodes: vec![
            bss::BootStatus {
                node: "x0c0s0b0n0".into(),
                boot_id: "00000000000000ab".into(),
                phase: Phase::MetaData.into(),
                began_at_ms: 1_764_054_000_000,
                since_ms: 1_764_054_040_000,
                attempts: 1,
                due_at_ms: 1_764_054_160_000,
                stuck: true,
                member: 2,
                revision: 41,
                bytes: 123_456_789,
            },
            bss::BootStatus {
                node: "x0c0s0b0n1".into(),
                ..Default::default()
            },
        ],
        now_ms: 1_764_054_200_000,
        revision: 99,
        ..Default::default()
    };
    let body = concat!(
        r#"{"nodes":[{"node":"x0c0s0b0n0","bootId":"00000000000000ab","phase":"meta-data","beganAtMs":1764054000000,"#,
        r#""sinceMs":1764054040000,"attempts":1,"dueAtMs":1764054160000,"stuck":true,"member":2,"revision":41,"#,
        r#""bytes":123456789},{"node":"x0c0s0b0n1"}],"nowMs":1764054200000,"revision":99}"#
    );
    let sent = Sent(
        "GET /chamois/v1/boot/status?nodes=x%5B1000-1003%5Dc*&nodes=x0&group=compute",
        "",
    );
    check(sent, LIST_STATUS, asked, answer(&shown), 200, body).await;
    let sent = Sent("GET /chamois/v1/boot/status", "");
    let nothing = bss::ListBootStatusResponse::default();
    let asked = bss::ListBootStatusRequest::default();
    check(sent, LIST_STATUS, asked, answer(&nothing), 200, r#"{"nodes":[]}"#).await;
}

#[tokio::test]
async fn what_boot_status_refuses_is_a_problem() {
    let fake = Fake::new();
    for (status, code) in [
        (Status::invalid_argument("nodes: no nodeset"), 400),
        (Status::not_found("no such group: even"), 404),
        (Status::permission_denied("administrators only"), 403),
        (Status::unavailable("no majority"), 503),
    ] {
        fake.will_answer(Err(status));
        let got = send(
            &gateway(&fake, Options::default()),
            "GET",
            "/chamois/v1/boot/status",
            &[],
            "",
        )
        .await;
        assert_eq!(got.status, code, "{got:?}");
        got.detail();
    }
}

#[tokio::test]
async fn a_boot_record_shows_its_phases() {
    let asked = bss::ListBootRecordsRequest {
        node: "x0c0s0b0n0".into(),
    };
    let shown = bss::ListBootRecordsResponse {
        records: vec![bss::BootRecord {
            node: "x0c0s0b0n0".into(),
            boot_id: "00000000000000ab".into(),
            phases: vec![
                bss::BootPhase {
                    phase: Phase::Offered.into(),
                    at_ms: 1_764_054_000_000,
                    bytes: 342,
                    revision: 40,
                    member: 1,
                    told: false,
                },
                bss::BootPhase {
                    phase: Phase::NetworkConfig.into(),
                    at_ms: 1_764_054_040_000,
                    bytes: 210,
                    revision: 41,
                    member: 2,
                    told: true,
                },
            ],
            ..Default::default()
        }],
    };
    let body = concat!(
        r#"{"records":[{"node":"x0c0s0b0n0","bootId":"00000000000000ab","phases":["#,
        r#"{"phase":"offered","atMs":1764054000000,"bytes":342,"revision":40,"member":1},"#,
        r#"{"phase":"network-config","atMs":1764054040000,"bytes":210,"revision":41,"member":2,"told":true}]}]}"#
    );
    let sent = Sent("GET /chamois/v1/boot-records/x0c0s0b0n0", "");
    let method = "bss.v1.BootRecordService/ListBootRecords";
    check(sent, method, asked, answer(&shown), 200, body).await;
}
