//! Golden cases of HSM's patches, queries and values: what a legacy client sends, what the service is asked, what it sees.

use std::fmt::Debug;

use prost::Message;
use proto::smd::v1::bulk_patch_nid_request::ComponentNid;
use proto::smd::v1::{self as smd, component};
use tonic::Status;

use super::golden::{Sent, check, check_with};
use super::{Fake, answer, gateway, send};
use crate::Options;

const COMPONENTS: &str = "/hsm/v2/State/Components";

fn patched() -> super::Answer {
    answer(&smd::PatchComponentsResponse {
        revision: 7,
        applied: vec!["x0c0s0b0n0".into()],
        ..Default::default()
    })
}

async fn patch<M>(line: &'static str, body: &'static str, method: &str, asked: M)
where
    M: Message + Default + PartialEq + Debug,
{
    let method = format!("smd.v1.ComponentPatchService/{method}");
    check(Sent(line, body), &method, asked, patched(), 204, "").await;
}

/// 204 and no body; the path says which component, the body may repeat it.
#[tokio::test]
async fn one_component_is_patched() {
    let id = || "x0c0s0b0n0".to_owned();
    patch(
        "PATCH /hsm/v2/State/Components/x0c0s0b0n0/FlagOnly",
        r#"{"flag":"warning"}"#,
        "PatchFlagOnly",
        smd::PatchFlagOnlyRequest {
            id: id(),
            flag: component::Flag::Warning.into(),
            ..Default::default()
        },
    )
    .await;
    patch(
        "PATCH /hsm/v2/State/Components/x0c0s0b0n0/Enabled",
        r#"{"ID":"x0c0s0b0n0","Enabled":false}"#,
        "PatchEnabled",
        smd::PatchEnabledRequest {
            id: id(),
            enabled: Some(false),
            ..Default::default()
        },
    )
    .await;
    patch(
        "PATCH /hsm/v2/State/Components/x0c0s0b0n0/SoftwareStatus",
        r#"{"SoftwareStatus":"Drained"}"#,
        "PatchSoftwareStatus",
        smd::PatchSoftwareStatusRequest {
            id: id(),
            software_status: Some("Drained".into()),
            ..Default::default()
        },
    )
    .await;
    patch(
        "PATCH /hsm/v2/State/Components/x0c0s0b0n0/Role/",
        r#"{"role":"Service","subrole":"Worker"}"#,
        "PatchRole",
        smd::PatchRoleRequest {
            id: id(),
            role: "Service".into(),
            sub_role: "Worker".into(),
            ..Default::default()
        },
    )
    .await;
    patch(
        "PATCH /apis/smd/hsm/v2/State/Components/x0c0s0b0n0/NID",
        r#"{"NID":"40"}"#,
        "PatchNid",
        smd::PatchNidRequest {
            id: id(),
            nid: Some(40),
            ..Default::default()
        },
    )
    .await;
}

#[tokio::test]
async fn many_components_are_patched() {
    let component_ids = || vec!["x0c0s0b0n0".to_owned(), "x0c0s1b0n0".to_owned()];
    patch(
        "PATCH /hsm/v2/State/Components/BulkStateData",
        r#"{"ComponentIDs":["x0c0s0b0n0","x0c0s1b0n0"],"State":"On","Flag":"OK","Force":true}"#,
        "BulkPatchStateData",
        smd::BulkPatchStateDataRequest {
            component_ids: component_ids(),
            state: component::State::On.into(),
            flag: component::Flag::Ok.into(),
            force: true,
        },
    )
    .await;
    patch(
        "PATCH /hsm/v2/State/Components/BulkFlagOnly",
        r#"{"componentids":["x0c0s0b0n0","x0c0s1b0n0"],"Flag":"Alert"}"#,
        "BulkPatchFlagOnly",
        smd::BulkPatchFlagOnlyRequest {
            component_ids: component_ids(),
            flag: component::Flag::Alert.into(),
        },
    )
    .await;
    patch(
        "PATCH /hsm/v2/State/Components/BulkEnabled",
        r#"{"ComponentIDs":["x0c0s0b0n0","x0c0s1b0n0"],"Enabled":true}"#,
        "BulkPatchEnabled",
        smd::BulkPatchEnabledRequest {
            component_ids: component_ids(),
            enabled: Some(true),
        },
    )
    .await;
    patch(
        "PATCH /hsm/v2/State/Components/BulkSoftwareStatus",
        r#"{"ComponentIDs":["x0c0s0b0n0","x0c0s1b0n0"],"SoftwareStatus":"Up"}"#,
        "BulkPatchSoftwareStatus",
        smd::BulkPatchSoftwareStatusRequest {
            component_ids: component_ids(),
            software_status: Some("Up".into()),
        },
    )
    .await;
    patch(
        "PATCH /hsm/v2/State/Components/BulkRole",
        r#"{"ComponentIDs":["x0c0s0b0n0","x0c0s1b0n0"],"Role":"Compute"}"#,
        "BulkPatchRole",
        smd::BulkPatchRoleRequest {
            component_ids: component_ids(),
            role: "Compute".into(),
            ..Default::default()
        },
    )
    .await;
    patch(
        "PATCH /hsm/v2/State/Components/BulkNID",
        r#"{"Components":[{"ID":"x0c0s0b0n0","NID":1},{"ID":"x0c0s1b0n0","NID":"2"}]}"#,
        "BulkPatchNid",
        smd::BulkPatchNidRequest {
            components: vec![
                ComponentNid {
                    id: "x0c0s0b0n0".into(),
                    nid: Some(1),
                },
                ComponentNid {
                    id: "x0c0s1b0n0".into(),
                    nid: Some(2),
                },
            ],
        },
    )
    .await;
}

/// HSM's statuses: 500 for a body that does not decode, 404 for what is not there, 400 for what is wrong, 409 for a NID.
#[tokio::test]
async fn patches_that_fail_have_their_status() {
    for body in [r#"{"Enabled":"fake"}"#, "{", ""] {
        let fake = Fake::new();
        let uri = format!("{COMPONENTS}/x0c0s0b0n0/Enabled");
        let got = send(&gateway(&fake, Options::default()), "PATCH", &uri, &[], body).await;
        assert_eq!(got.status, 500, "{body}: {got:?}");
        assert!(fake.take_asked().is_empty());
    }
    let revision_mismatch = rpc::Error::RevisionMismatch {
        id: "x0".into(),
        expected: 3,
        actual: 4,
    };
    let cases: [(Status, u16); 4] = [
        (Status::not_found("no such component: x0"), 404),
        (Status::invalid_argument("Enabled: it is missing"), 400),
        (Status::already_exists("NID 7 belongs to x1"), 409),
        (revision_mismatch.into(), 412),
    ];
    for (refused, status) in cases {
        let fake = Fake::new();
        fake.will_answer(Err(refused.clone()));
        let uri = format!("{COMPONENTS}/x0c0s0b0n0/Enabled");
        let got = send(
            &gateway(&fake, Options::default()),
            "PATCH",
            &uri,
            &[],
            r#"{"Enabled":true}"#,
        )
        .await;
        assert_eq!(
            (got.status, got.detail().as_str()),
            (status, refused.message()),
            "{got:?}"
        );
        assert_eq!(got.header("content-type"), "application/problem+json");
    }
}

#[tokio::test]
async fn a_component_is_put() {
    let asked = smd::PutComponentRequest {
        id: "x0c0s0b0n0".into(),
        component: Some(smd::Component {
            id: "x0c0s0b0n0".into(),
            state: component::State::On.into(),
            ..Default::default()
        }),
        force: true,
        ..Default::default()
    };
    let body = r#"{"component":{"ID":"x0c0s0b0n0","State":"On"},"force":true}"#;
    let answered = answer(&smd::CreateComponentsResponse {
        revision: 4,
        ..Default::default()
    });
    let sent = Sent("PUT /hsm/v2/State/Components/x0c0s0b0n0", body);
    check(
        sent,
        "smd.v1.ComponentService/PutComponent",
        asked,
        answered,
        204,
        "",
    )
    .await;
}

#[tokio::test]
async fn components_are_queried_by_place_and_nid() {
    let found = || {
        answer(&smd::ListComponentsResponse {
            components: vec![smd::Component {
                id: "x0c0s0b0n0".into(),
                r#type: "Node".into(),
                nid: Some(7),
                ..Default::default()
            }],
            revision: 9,
            ..Default::default()
        })
    };
    let body = r#"{"Components":[{"ID":"x0c0s0b0n0","Type":"Node","NID":7}]}"#;
    let asked = smd::QueryComponentsRequest {
        component_ids: vec!["x0".into()],
        r#type: vec!["Node".into()],
        state: vec!["On".into(), "!Off".into()],
        state_only: true,
        ..Default::default()
    };
    let sent = Sent(
        "POST /hsm/v2/State/Components/Query",
        r#"{"ComponentIDs":["x0"],"type":["Node"],"state":["On","!Off"],"stateonly":true}"#,
    );
    check(
        sent,
        "smd.v1.ComponentQueryService/QueryComponents",
        asked,
        found(),
        200,
        body,
    )
    .await;
    let asked = smd::QueryComponentRequest {
        xname: "x0".into(),
        r#type: vec!["node".into()],
        ..Default::default()
    };
    let sent = Sent("GET /hsm/v2/State/Components/Query/x0?type=node", "");
    check(
        sent,
        "smd.v1.ComponentQueryService/QueryComponent",
        asked,
        found(),
        200,
        body,
    )
    .await;
    let asked = smd::QueryComponentsByNidRequest {
        nid_ranges: vec!["1-9".into(), "12".into()],
        ..Default::default()
    };
    let sent = Sent(
        "POST /hsm/v2/State/Components/ByNID/Query",
        r#"{"NIDRanges":["1-9","12"]}"#,
    );
    check(
        sent,
        "smd.v1.ComponentQueryService/QueryComponentsByNid",
        asked,
        found(),
        200,
        body,
    )
    .await;
}

/// All kinds, or the one that the path names.
#[tokio::test]
async fn values_are_listed() {
    let method = "smd.v1.ServiceStatusService/GetValues";
    let classes = || smd::GetValuesResponse {
        class: vec!["River".into()],
        ..Default::default()
    };
    let sent = Sent("GET /hsm/v2/service/values", "");
    let asked = smd::GetValuesRequest::default();
    check(
        sent,
        method,
        asked,
        answer(&classes()),
        200,
        r#"{"Class":["River"]}"#,
    )
    .await;
    let sent = Sent("GET /hsm/v2/service/values/class", "");
    let asked = smd::GetValuesRequest { kind: "class".into() };
    let got = check_with(
        sent,
        &[],
        method,
        asked,
        answer(&classes()),
        200,
        r#"{"Class":["River"]}"#,
    )
    .await;
    assert_eq!(got.header("content-type"), "application/json");
}
