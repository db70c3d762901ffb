//! Golden cases of SMD's hardware inventory, as ochami, manta and HSM's own tests send them.

use proto::smd::v1 as smd;
use tonic::Status;

use super::golden::{Sent, check, check_with};
use super::{Answer, Fake, answer, gateway, send};
use crate::Options;

const NODE: &str = "x1000c0s0b0n0";
/// A node as a GET answers it: in the order of HSM's Go structs.
const SHOWN: &str = concat!(
    r#"{"ID":"x1000c0s0b0n0","Type":"Node","Ordinal":0,"Status":"Populated","#,
    r#""HWInventoryByLocationType":"HWInvByLocNode","NodeLocationInfo":{"Id":"Self","MemorySummary":{"TotalSystemMemoryGiB":503.5}},"#,
    r#""PopulatedFRU":{"FRUID":"Node.HPE.S1","Type":"Node","Subtype":"","HWInventoryByFRUType":"HWInvByFRUNode","#,
    r#""NodeFRUInfo":{"SerialNumber":"S1"}}}"#
);
/// The unit alone.
const SHOWN_FRU: &str = concat!(
    r#"{"FRUID":"Node.HPE.S1","Type":"Node","Subtype":"","HWInventoryByFRUType":"HWInvByFRUNode","#,
    r#""NodeFRUInfo":{"SerialNumber":"S1"}}"#
);

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn fru() -> smd::HardwareFru {
    smd::HardwareFru {
        fru_id: "Node.HPE.S1".into(),
        r#type: "Node".into(),
        hw_inventory_by_fru_type: "HWInvByFRUNode".into(),
        info: Some(smd::hardware_fru::Info::NodeFruInfo(
            r#"{"SerialNumber":"S1"}"#.into(),
        )),
        manufacturer: "HPE".into(),
        serial_number: "S1".into(),
        location: NODE.into(),
        meta: Some(proto::http::v1::ObjectMeta::default()),
        ..Default::default()
    }
}

fn place() -> smd::HardwareLocation {
    let info = r#"{"Id":"Self","MemorySummary":{"TotalSystemMemoryGiB":503.5}}"#;
    smd::HardwareLocation {
        id: NODE.into(),
        r#type: "Node".into(),
        status: smd::hardware_location::Status::Populated.into(),
        hw_inventory_by_location_type: "HWInvByLocNode".into(),
        info: Some(smd::hardware_location::Info::NodeLocationInfo(info.into())),
        populated_fru: Some(fru()),
        meta: Some(proto::http::v1::ObjectMeta::default()),
        ..Default::default()
    }
}

fn deleted() -> Answer {
    answer(&smd::DeleteResponse {
        message: "deleted 1 entry".into(),
        revision: 3,
        ..Default::default()
    })
}

fn method(name: &str) -> String {
    format!("smd.v1.HardwareService/{name}")
}

fn of_unit(name: &str) -> String {
    format!("smd.v1.HardwareFruService/{name}")
}

fn of_history(name: &str) -> String {
    format!("smd.v1.HardwareHistoryService/{name}")
}

/// Bare arrays; infos are the JSON that was stored, under the name of the type.
#[tokio::test]
async fn places_show_as_hsm_shows_them() {
    let get = smd::GetHardwareRequest { id: NODE.into() };
    let sent = Sent("GET /hsm/v2/Inventory/Hardware/x1000c0s0b0n0", "");
    check(sent, &method("GetHardware"), get, answer(&place()), 200, SHOWN).await;
    let list = smd::ListHardwareRequest {
        id: texts(&[NODE]),
        r#type: texts(&["Node", "!Drive"]),
        manufacturer: texts(&["HPE"]),
        part_number: texts(&["P1"]),
        serial_number: texts(&["S1"]),
        fru_id: texts(&["f"]),
        partition: texts(&["NULL"]),
        ..Default::default()
    };
    let line = concat!(
        "GET /apis/smd/hsm/v2/Inventory/Hardware?ID=x1000c0s0b0n0&type=Node&Type=!Drive&Manufacturer=HPE&partnumber=P1",
        "&SerialNumber=S1&FRUID=f&partition=NULL"
    );
    let empty = smd::HardwareLocation {
        id: "x0".into(),
        r#type: "Cabinet".into(),
        status: smd::hardware_location::Status::Empty.into(),
        hw_inventory_by_location_type: "HWInvByLocCabinet".into(),
        ..Default::default()
    };
    let two = answer(&smd::ListHardwareResponse {
        hardware: vec![place(), empty],
        revision: 9,
        ..Default::default()
    });
    let body = format!(
        r#"[{SHOWN},{{"ID":"x0","Type":"Cabinet","Ordinal":0,"Status":"Empty","HWInventoryByLocationType":"HWInvByLocCabinet"}}]"#
    );
    check(Sent(line, ""), &method("ListHardware"), list, two, 200, &body).await;
    let none = answer(&smd::ListHardwareResponse::default());
    let sent = Sent("GET /hsm/v2/Inventory/Hardware/", "");
    check(
        sent,
        &method("ListHardware"),
        smd::ListHardwareRequest::default(),
        none,
        200,
        "[]",
    )
    .await;
}

/// What a GET answered is what a POST takes; infos come as JSON text with sorted keys, whatever their layout.
#[tokio::test]
async fn posted_hardware_is_asked_for_with_its_infos_as_text() {
    let info = r#"{"a":[1,{"b":null}],"z":1.5}"#;
    let asked = smd::PutHardwareRequest {
        hardware: vec![smd::HardwareLocation {
            id: NODE.into(),
            ordinal: 3,
            info: Some(smd::hardware_location::Info::NodeLocationInfo(info.into())),
            populated_fru: Some(smd::HardwareFru {
                subtype: "s".into(),
                info: Some(smd::hardware_fru::Info::NodeFruInfo("{}".into())),
                ..Default::default()
            }),
            ..Default::default()
        }],
    };
    let body = concat!(
        r#"{"hardware":[{"ID":"x1000c0s0b0n0","Ordinal":3,"nodelocationinfo":{ "z" : 1.50, "a" : [ 1, {"b":null} ] },"#,
        r#""Location":"unknown keys are left out","PopulatedFRU":{"Subtype":"s","NodeFRUInfo":{}}}]}"#
    );
    let answered = answer(&smd::PutHardwareResponse {
        message: "Created 1 entries".into(),
        revision: 4,
        created: texts(&[NODE]),
        ..Default::default()
    });
    let shown = r#"{"code":0,"message":"Created 1 entries"}"#;
    let sent = Sent("POST /hsm/v2/Inventory/Hardware", body);
    check(sent, &method("PutHardware"), asked, answered, 200, shown).await;
}

#[tokio::test]
async fn queries_show_hardware_by_type_and_nested() {
    let asked = smd::QueryHardwareRequest {
        id: "s0".into(),
        r#type: texts(&["Node"]),
        children: "true".into(),
        parents: "false".into(),
        partition: texts(&["NULL"]),
        format: "NestNodesOnly".into(),
    };
    let processor = smd::HardwareLocation {
        id: "x1000c0s0b0n0p1".into(),
        r#type: "Processor".into(),
        ordinal: 1,
        status: smd::hardware_location::Status::Empty.into(),
        hw_inventory_by_location_type: "HWInvByLocProcessor".into(),
        ..Default::default()
    };
    let node = smd::HardwareLocation {
        processors: vec![processor],
        ..place()
    };
    let answered = answer(&smd::HardwareInventory {
        xname: "s0".into(),
        format: "NestNodesOnly".into(),
        revision: 2,
        nodes: vec![node],
        ..Default::default()
    });
    let within = concat!(
        r#","Processors":[{"ID":"x1000c0s0b0n0p1","Type":"Processor","Ordinal":1,"Status":"Empty","#,
        r#""HWInventoryByLocationType":"HWInvByLocProcessor"}]}"#
    );
    let node = SHOWN.strip_suffix('}').unwrap();
    let body = format!(r#"{{"XName":"s0","Format":"NestNodesOnly","Nodes":[{node}{within}]}}"#);
    let line = "GET /hsm/v2/Inventory/Hardware/Query/s0?type=Node&children=true&parents=false&partition=NULL&format=NestNodesOnly";
    check(
        Sent(line, ""),
        &method("QueryHardware"),
        asked,
        answered,
        200,
        &body,
    )
    .await;
    let nothing = smd::HardwareInventory {
        xname: "x0".into(),
        format: "FullyFlat".into(),
        ..Default::default()
    };
    let asked = smd::QueryHardwareRequest {
        id: "x0".into(),
        ..Default::default()
    };
    let body = r#"{"XName":"x0","Format":"FullyFlat"}"#;
    let sent = Sent("GET /hsm/v2/Inventory/Hardware/Query/x0", "");
    check(sent, &method("QueryHardware"), asked, answer(&nothing), 200, body).await;
}

#[tokio::test]
async fn units_show_as_hsm_shows_them() {
    let get = smd::GetHardwareFruRequest {
        fru_id: "Node.HPE.S1".into(),
    };
    let sent = Sent("GET /hsm/v2/Inventory/HardwareByFRU/Node.HPE.S1", "");
    check(
        sent,
        &of_unit("GetHardwareFru"),
        get,
        answer(&fru()),
        200,
        SHOWN_FRU,
    )
    .await;
    let list = smd::ListHardwareFrusRequest {
        fru_id: texts(&["a", "b"]),
        r#type: texts(&["Node"]),
        manufacturer: texts(&["HPE"]),
        part_number: texts(&["P"]),
        serial_number: texts(&["S"]),
        ..Default::default()
    };
    let answered = answer(&smd::ListHardwareFrusResponse {
        frus: vec![fru()],
        revision: 1,
        ..Default::default()
    });
    let line = "GET /hsm/v2/Inventory/HardwareByFRU?fruid=a&fruid=b&type=Node&manufacturer=HPE&partnumber=P&serialnumber=S";
    let body = format!("[{SHOWN_FRU}]");
    check(
        Sent(line, ""),
        &of_unit("ListHardwareFrus"),
        list,
        answered,
        200,
        &body,
    )
    .await;
}

fn history(id: &str) -> smd::HardwareHistory {
    smd::HardwareHistory {
        id: id.into(),
        history: vec![smd::HardwareEvent {
            id: NODE.into(),
            fru_id: "Node.HPE.S1".into(),
            timestamp: "2026-11-25T07:35:44.123Z".into(),
            event_type: "Detected".into(),
            revision: 7,
        }],
    }
}

const EVENT: &str = r#"{"ID":"x1000c0s0b0n0","FRUID":"Node.HPE.S1","Timestamp":"2026-11-25T07:35:44.123Z","EventType":"Detected"}"#;
const TIMES: &str =
    "eventtype=Detected&eventtype=Removed&starttime=2026-01-01T00:00:00Z&endtime=2027-01-01T00:00:00Z";

/// The history of one is not wrapped, that of all is.
#[tokio::test]
async fn histories_of_places_show_as_hsm_shows_them() {
    let all = smd::ListHardwareHistoryRequest {
        id: texts(&[NODE]),
        fru_id: texts(&["f"]),
        event_type: texts(&["Detected", "Removed"]),
        start_time: "2026-01-01T00:00:00Z".into(),
        end_time: "2027-01-01T00:00:00Z".into(),
        ..Default::default()
    };
    let answered = answer(&smd::ListHardwareHistoryResponse {
        components: vec![history(NODE)],
        revision: 7,
        ..Default::default()
    });
    let body = format!(r#"{{"Components":[{{"ID":"{NODE}","History":[{EVENT}]}}]}}"#);
    let line: &str = format!("GET /hsm/v2/Inventory/Hardware/History?id={NODE}&fruid=f&{TIMES}").leak();
    check(
        Sent(line, ""),
        &of_history("ListHardwareHistory"),
        all,
        answered,
        200,
        &body,
    )
    .await;
    let none = answer(&smd::ListHardwareHistoryResponse::default());
    let all = smd::ListHardwareHistoryRequest::default();
    let sent = Sent("GET /hsm/v2/Inventory/Hardware/History", "");
    check(
        sent,
        &of_history("ListHardwareHistory"),
        all,
        none,
        200,
        r#"{"Components":[]}"#,
    )
    .await;
    let one = smd::GetHardwareHistoryRequest {
        id: NODE.into(),
        event_type: texts(&["Detected", "Removed"]),
        start_time: "2026-01-01T00:00:00Z".into(),
        end_time: "2027-01-01T00:00:00Z".into(),
    };
    let body = format!(r#"{{"ID":"{NODE}","History":[{EVENT}]}}"#);
    let line: &str = format!("GET /hsm/v2/Inventory/Hardware/History/{NODE}?{TIMES}").leak();
    check(
        Sent(line, ""),
        &of_history("GetHardwareHistory"),
        one,
        answer(&history(NODE)),
        200,
        &body,
    )
    .await;
}

#[tokio::test]
async fn histories_of_units_show_as_hsm_shows_them() {
    let answered = answer(&smd::ListHardwareHistoryResponse {
        components: vec![history("Node.HPE.S1")],
        revision: 7,
        ..Default::default()
    });
    let body = format!(r#"{{"Components":[{{"ID":"Node.HPE.S1","History":[{EVENT}]}}]}}"#);
    let all = smd::ListFruHistoryRequest {
        fru_id: texts(&["f"]),
        ..Default::default()
    };
    let sent = Sent("GET /hsm/v2/Inventory/HardwareByFRU/History?fruid=f", "");
    check(sent, &of_history("ListFruHistory"), all, answered, 200, &body).await;
    let one = smd::GetFruHistoryRequest {
        fru_id: "f".into(),
        ..Default::default()
    };
    let none = smd::HardwareHistory {
        id: "f".into(),
        ..Default::default()
    };
    let sent = Sent("GET /hsm/v2/Inventory/HardwareByFRU/History/f", "");
    let body = r#"{"ID":"f","History":[]}"#;
    check(sent, &of_history("GetFruHistory"), one, answer(&none), 200, body).await;
}

#[tokio::test]
async fn deletes_answer_with_a_count() {
    let shown = r#"{"code":0,"message":"deleted 1 entry"}"#;
    let sent = Sent("DELETE /hsm/v2/Inventory/Hardware/x0", "");
    let asked = smd::DeleteHardwareRequest { id: "x0".into() };
    check(sent, &method("DeleteHardware"), asked, deleted(), 200, shown).await;
    let sent = Sent("DELETE /hsm/v2/Inventory/Hardware", "");
    let asked = smd::DeleteAllHardwareRequest {};
    check(sent, &method("DeleteAllHardware"), asked, deleted(), 200, shown).await;
    let sent = Sent("DELETE /hsm/v2/Inventory/HardwareByFRU/f", "");
    let asked = smd::DeleteHardwareFruRequest { fru_id: "f".into() };
    check(sent, &of_unit("DeleteHardwareFru"), asked, deleted(), 200, shown).await;
    let sent = Sent("DELETE /hsm/v2/Inventory/HardwareByFRU", "");
    let asked = smd::DeleteHardwareFrusRequest {};
    check(sent, &of_unit("DeleteHardwareFrus"), asked, deleted(), 200, shown).await;
    let sent = Sent("DELETE /hsm/v2/Inventory/Hardware/History/x0", "");
    let asked = smd::DeleteHardwareHistoryRequest { id: "x0".into() };
    check(
        sent,
        &of_history("DeleteHardwareHistory"),
        asked,
        deleted(),
        200,
        shown,
    )
    .await;
    let sent = Sent("DELETE /hsm/v2/Inventory/HardwareByFRU/History/f", "");
    let asked = smd::DeleteFruHistoryRequest { fru_id: "f".into() };
    check(
        sent,
        &of_history("DeleteFruHistory"),
        asked,
        deleted(),
        200,
        shown,
    )
    .await;
    let sent = Sent("DELETE /hsm/v2/Inventory/Hardware/History", "");
    let asked = smd::DeleteAllHardwareHistoryRequest {};
    check(
        sent,
        &of_history("DeleteAllHardwareHistory"),
        asked,
        deleted(),
        200,
        shown,
    )
    .await;
}

/// HSM's 400 and 404; a body that does not decode is its 500, and nothing is asked.
#[tokio::test]
async fn errors_are_problems() {
    for (status, code) in [
        (Status::not_found("no such xname: x0"), 404),
        (Status::invalid_argument("Invalid xname"), 400),
    ] {
        let fake = Fake::new();
        let detail = status.message().to_owned();
        fake.will_answer(Err(status));
        let gateway = gateway(&fake, Options::default());
        for line in [
            "Inventory/Hardware/x0",
            "Inventory/HardwareByFRU/f",
            "Inventory/Hardware/Query/x0",
            "Inventory/Hardware/History/x0",
        ] {
            let got = send(&gateway, "GET", &format!("/hsm/v2/{line}"), &[], "").await;
            assert_eq!((got.status, got.detail()), (code, detail.clone()), "{line}");
        }
    }
    let fake = Fake::new();
    let gateway = gateway(&fake, Options::default());
    for body in [
        "",
        "{",
        r#"{"Hardware":{}}"#,
        r#"{"Hardware":[{"PopulatedFRU":[]}]}"#,
        "[]",
    ] {
        let got = send(&gateway, "POST", "/hsm/v2/Inventory/Hardware", &[], body).await;
        assert_eq!(got.status, 500, "{body}: {got:?}");
    }
    assert!(fake.take_asked().is_empty());
    let got = send(&gateway, "PUT", "/hsm/v2/Inventory/Hardware", &[], "{}").await;
    assert_eq!((got.status, got.header("allow")), (405, "GET,POST,DELETE"));
}

/// A service that stores broken JSON must not make the whole answer broken.
#[tokio::test]
async fn an_info_that_is_no_json_is_an_error_and_not_half_an_answer() {
    let fake = Fake::new();
    let gateway = gateway(&fake, Options::default());
    for info in ["", "{", "{} {}", r#"{"a":}"#] {
        let broken = smd::HardwareFru {
            info: Some(smd::hardware_fru::Info::NodeFruInfo(info.into())),
            ..fru()
        };
        fake.will_answer(answer(&broken));
        let got = send(&gateway, "GET", "/hsm/v2/Inventory/HardwareByFRU/f", &[], "").await;
        assert!(got.status >= 500, "{info}: {got:?}");
    }
}

/// The repeat of a post is recognised by its key, as every write.
#[tokio::test]
async fn a_post_may_carry_an_idempotency_key() {
    let answered = answer(&smd::PutHardwareResponse {
        message: "Created 0 entries".into(),
        ..Default::default()
    });
    let got = check_with(
        Sent("POST /hsm/v2/Inventory/Hardware", r#"{"Hardware":[]}"#),
        &[("idempotency-key", "once")],
        &method("PutHardware"),
        smd::PutHardwareRequest::default(),
        answered,
        200,
        r#"{"code":0,"message":"Created 0 entries"}"#,
    )
    .await;
    assert_eq!(got.header("content-type"), "application/json");
}
