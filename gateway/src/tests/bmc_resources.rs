//! Golden cases of BMCs as `ochami boot bmc` sends and reads them.

use proto::bss::v1 as bss;

use super::answer;
use super::golden::{Sent, check, check_with};

const BMC: &str = concat!(
    r#"{"apiVersion":"v1","kind":"BMC","metadata":{"name":"x0c0s7b0","uid":"x0c0s7b0"},"spec":{"xname":"x0c0s7b0","#,
    r#""description":"rack 3","interface":{"mac":"02:00:00:00:00:b7","ip":"10.97.8.7","type":"NodeBMC"}},"#,
    r#""status":{"phase":"DiscoverOK","ready":true}}"#
);

fn method(name: &str) -> String {
    format!("bss.v1.BmcResourceService/{name}")
}

fn interface(r#type: &str) -> Option<bss::BmcInterface> {
    Some(bss::BmcInterface {
        mac: "02:00:00:00:00:b7".into(),
        ip: "10.97.8.7".into(),
        r#type: r#type.into(),
    })
}

fn spec(r#type: &str) -> bss::BmcSpec {
    bss::BmcSpec {
        xname: "x0c0s7b0".into(),
        description: "rack 3".into(),
        interface: interface(r#type),
    }
}

fn bmc() -> bss::BmcResource {
    bss::BmcResource {
        api_version: "v1".into(),
        kind: "BMC".into(),
        metadata: Some(bss::ResourceMetadata {
            name: "x0c0s7b0".into(),
            uid: "x0c0s7b0".into(),
            ..Default::default()
        }),
        spec: Some(spec("NodeBMC")),
        status: Some(bss::BmcStatus {
            phase: "DiscoverOK".into(),
            ready: true,
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[tokio::test]
async fn bmcs_are_shown_one_by_one_and_as_a_bare_array() {
    check(
        Sent("GET /boot-service/bmcs/x0c0s7b0", ""),
        &method("GetBmcResource"),
        bss::GetBmcResourceRequest {
            uid: "x0c0s7b0".into(),
        },
        answer(&bmc()),
        200,
        BMC,
    )
    .await;
    let all = bss::ListBmcResourcesResponse { items: vec![bmc()] };
    check(
        Sent("GET /boot-service/bmcs", ""),
        &method("ListBmcResources"),
        bss::ListBmcResourcesRequest {},
        answer(&all),
        200,
        &format!("[{BMC}]"),
    )
    .await;
    check(
        Sent("GET /boot-service/bmcs", ""),
        &method("ListBmcResources"),
        bss::ListBmcResourcesRequest {},
        answer(&bss::ListBmcResourcesResponse::default()),
        200,
        "[]",
    )
    .await;
}

/// The client sends a name that is none of SMD's, times that are none, and labels.
#[tokio::test]
async fn a_bmc_is_added_as_the_client_sends_it() {
    let body = concat!(
        r#"{"metadata":{"name":"bmc7","uid":"","createdAt":"0001-01-01T00:00:00Z","updatedAt":"0001-01-01T00:00:00Z"},"#,
        r#""spec":{"xname":"x0c0s7b0","description":"rack 3","interface":{"mac":"02:00:00:00:00:b7","ip":"10.97.8.7"}},"#,
        r#""labels":{"a":"b"}}"#
    );
    let create = bss::CreateBmcResourceRequest {
        metadata: Some(bss::ResourceMetadata {
            name: "bmc7".into(),
            created_at: "0001-01-01T00:00:00Z".into(),
            updated_at: "0001-01-01T00:00:00Z".into(),
            ..Default::default()
        }),
        spec: Some(spec("")),
    };
    check_with(
        Sent("POST /boot-service/bmcs", body),
        &[("content-type", "application/json")],
        &method("CreateBmcResource"),
        create,
        answer(&bmc()),
        201,
        BMC,
    )
    .await;
}

#[tokio::test]
async fn a_bmc_is_set_patched_and_deleted_by_its_uid() {
    let replace = bss::ReplaceBmcResourceRequest {
        uid: "x0c0s7b0".into(),
        metadata: None,
        spec: Some(spec("")),
        if_revision: None,
    };
    let body = r#"{"spec":{"xname":"x0c0s7b0","description":"rack 3","interface":{"mac":"02:00:00:00:00:b7","ip":"10.97.8.7"}}}"#;
    check(
        Sent("PUT /boot-service/bmcs/x0c0s7b0", body),
        &method("ReplaceBmcResource"),
        replace,
        answer(&bmc()),
        200,
        BMC,
    )
    .await;
    let patch = bss::PatchBmcResourceRequest {
        uid: "x0c0s7b0".into(),
        patch: Some(bss::BmcSpecPatch {
            description: Some(String::new()),
            interface: Some(bss::BmcInterfacePatch {
                ip: Some("10.97.8.8".into()),
                ..Default::default()
            }),
            ..Default::default()
        }),
        if_revision: None,
    };
    check_with(
        Sent(
            "PATCH /boot-service/bmcs/x0c0s7b0",
            r#"{"description":"","interface":{"ip":"10.97.8.8"}}"#,
        ),
        &[("content-type", "application/merge-patch+json")],
        &method("PatchBmcResource"),
        patch,
        answer(&bmc()),
        200,
        BMC,
    )
    .await;
    let gone = bss::DeleteBmcResourceResponse {
        message: "BMC deleted successfully".into(),
        uid: "x0c0s7b0".into(),
    };
    check(
        Sent("DELETE /boot-service/bmcs/x0c0s7b0", ""),
        &method("DeleteBmcResource"),
        bss::DeleteBmcResourceRequest {
            uid: "x0c0s7b0".into(),
            if_revision: None,
        },
        answer(&gone),
        200,
        r#"{"message":"BMC deleted successfully","uid":"x0c0s7b0"}"#,
    )
    .await;
}

#[tokio::test]
async fn the_health_of_boot_service_is_public() {
    let health = bss::BootServiceHealth {
        status: "ok".into(),
        service: "boot-service".into(),
    };
    check(
        Sent("GET /boot-service/health", ""),
        &method("GetBootServiceHealth"),
        bss::GetBootServiceHealthRequest {},
        answer(&health),
        200,
        r#"{"status":"ok","service":"boot-service"}"#,
    )
    .await;
}
