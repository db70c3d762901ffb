//! Everything that a BMC does wrong: it costs that resource, and is said; nothing panics, nothing waits, nothing goes elsewhere.

use std::time::{Duration, Instant};

use redfish::{Bmc, Error, Inventory, Limits, Trust, read_inventory};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::server::{Fault, Server, Tls, connector, limits, login};
use crate::trees;

const MEMORY: &str = "/redfish/v1/Systems/1/Memory";

async fn open(server: &Server, limits: &Limits) -> Bmc {
    connector()
        .open(&server.address, login(), Trust::FirstUse, limits)
        .await
        .unwrap()
}

async fn read_with(server: &Server) -> Inventory {
    let bmc = open(server, &limits()).await;
    read_inventory(&bmc).await.unwrap()
}

#[tokio::test]
async fn a_resource_that_fails_is_a_problem_and_the_rest_is_read() {
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    for (fault, said) in [
        (Fault::Status(503), "answered with 503: as it was told"),
        (Fault::Status(404), "answered with 404"),
        (Fault::Text("<html>login</html>".to_owned()), "broken"),
        (Fault::Text("[]".to_owned()), "no object"),
        (Fault::Text("{\"Members\": [".to_owned()), "broken"),
        (Fault::Text(deep), "levels"),
        (Fault::Truncated, "broken"),
        (Fault::NoHttp, "broken"),
        (Fault::Silent, "within 2000 ms"),
        (Fault::Drip, "within 2000 ms"),
        (Fault::Endless, "bytes"),
        (
            Fault::Redirect("https://127.0.0.9/redfish/v1".to_owned()),
            "another host",
        ),
        (Fault::Redirect(MEMORY.to_owned()), "redirects"),
    ] {
        let server = Server::start(trees::rack_server()).await;
        server.fault(MEMORY, fault.clone());
        let inventory = read_with(&server).await;
        let [problem] = inventory.problems.as_slice() else {
            panic!("{fault:?}: {:?}", inventory.problems);
        };
        assert_eq!(problem.uri, MEMORY, "{fault:?}");
        assert!(problem.problem.contains(said), "{fault:?}: {}", problem.problem);
        let system = &inventory.systems[0];
        assert_eq!(
            (system.memory.len(), system.interfaces.len()),
            (0, 2),
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn an_error_is_asked_for_only_once_too() {
    let server = Server::start(trees::rack_server()).await;
    server.fault("/redfish/v1/Managers/1", Fault::Once(503));
    let bmc = open(&server, &limits()).await;
    for _ in 0..2 {
        let error = bmc.get("/redfish/v1/Managers/1").await.unwrap_err();
        assert_eq!(error.word(), "refused");
    }
    assert_eq!(server.gets()["/redfish/v1/Managers/1"], 1);
    // to ask again is said by its name
    assert!(bmc.fresh("/redfish/v1/Managers/1").await.is_ok());
    assert!(bmc.get("/redfish/v1/Managers/1").await.is_ok());
}

#[tokio::test]
async fn redirects_within_the_bmc_are_followed() {
    let server = Server::start(trees::rack_server()).await;
    server.put(
        "/redfish/v1/Elsewhere",
        json!({"Members": [{"@odata.id": "/redfish/v1/Systems/1/Memory/d1"}]}),
    );
    server.fault(MEMORY, Fault::Redirect("/redfish/v1/Elsewhere/".to_owned()));
    let inventory = read_with(&server).await;
    assert_eq!(
        (inventory.systems[0].memory.len(), inventory.problems.len()),
        (1, 0)
    );
}

/// Somebody listens at the other address: nothing may arrive there, least of all a token.
#[tokio::test]
async fn no_connection_goes_to_another_host() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/redfish/v1/Trap", elsewhere.local_addr().unwrap());
    let server = Server::start(trees::rack_server()).await;
    server.put(
        MEMORY,
        json!({"Members": [{"@odata.id": url}, {"@odata.id": format!("{url}/2")}, {"@odata.id": "//x/y"}]}),
    );
    server.fault("/redfish/v1/Systems/1/Processors", Fault::Redirect(url.clone()));
    let bmc = open(&server, &limits()).await;
    let inventory = read_inventory(&bmc).await.unwrap();
    assert_eq!(inventory.problems.len(), 4, "{:?}", inventory.problems);
    for told in [
        bmc.post(&url, &json!({})).await,
        bmc.patch(&url, &json!({})).await,
    ] {
        let error = told.unwrap_err();
        assert_eq!(error.word(), "unsupported");
        assert!(!error.is_outcome_unknown());
    }
    let arrived = tokio::time::timeout(Duration::from_millis(200), elsewhere.accept()).await;
    assert!(arrived.is_err(), "something was sent elsewhere");
}

/// Every member of every resource is replaced by something of another type.
#[tokio::test]
async fn wrong_types_everywhere_cost_what_they_stand_for() {
    for wrong in [
        json!(null),
        json!(7),
        json!("text"),
        json!([7]),
        json!({}),
        json!({"@odata.id": 7}),
        json!([null]),
    ] {
        let mut tree = trees::rack_server();
        for (uri, resource) in &mut tree {
            let is_needed = |key: &str| matches!(key, "Systems" | "Managers" | "Chassis" | "Links");
            for (key, value) in resource.as_object_mut().unwrap() {
                if uri != "/redfish/v1" || !is_needed(key) {
                    *value = wrong.clone();
                }
            }
        }
        let server = Server::start(tree).await;
        let inventory = read_with(&server).await;
        assert!(inventory.systems.len() <= 1, "{wrong}");
    }
}

/// One member at a time, so that the rest of the way there stays walkable.
#[tokio::test]
async fn one_wrong_member_at_a_time_is_survived() {
    let whole = trees::rack_server();
    let mut changes: Vec<(String, String, Value)> = Vec::new();
    for (uri, resource) in whole
        .iter()
        .filter(|(uri, _)| uri.contains("/Systems/1") || uri.contains("/Chassis"))
    {
        for key in resource.as_object().unwrap().keys() {
            for wrong in [json!(null), json!([{}]), json!(-1)] {
                changes.push((uri.clone(), key.clone(), wrong));
            }
        }
    }
    let server = Server::on("127.0.0.1:0", whole.clone(), Tls::None).await;
    for (uri, key, wrong) in changes {
        let mut resource = whole[&uri].clone();
        resource[&key] = wrong.clone();
        server.put(&uri, resource);
        let inventory = read_with(&server).await;
        assert!(inventory.systems.len() <= 1, "{uri} {key} {wrong}");
        server.put(&uri, whole[&uri].clone());
    }
}

#[tokio::test]
async fn members_without_a_link_are_said() {
    let server = Server::start(trees::rack_server()).await;
    server.put(
        MEMORY,
        json!({"Members": [{}, null, 7, {"@odata.id": "/redfish/v1/Systems/1/Memory/d1"}]}),
    );
    let inventory = read_with(&server).await;
    assert_eq!(inventory.systems[0].memory.len(), 1);
    assert!(
        inventory.problems[0].problem.contains("@odata.id"),
        "{:?}",
        inventory.problems
    );
}

/// Pages that lead to ever new pages.
#[tokio::test]
async fn a_collection_without_end_is_cut_off() {
    let server = Server::start(trees::rack_server()).await;
    for page in 0..50 {
        let next = format!("{MEMORY}/page{}", page + 1);
        server.put(
            &format!("{MEMORY}/page{page}"),
            json!({"Members": [], "Members@odata.nextLink": next}),
        );
    }
    server.put(
        MEMORY,
        json!({"Members": [], "Members@odata.nextLink": format!("{MEMORY}/page0")}),
    );
    let inventory = read_with(&server).await;
    assert!(
        inventory.problems[0].problem.contains("16 pages"),
        "{:?}",
        inventory.problems
    );
    assert!(server.gets().keys().filter(|path| path.contains("/page")).count() <= 16);
}

#[tokio::test]
async fn more_resources_or_bytes_than_any_bmc_has_are_not_held() {
    let server = Server::start(trees::rack_server()).await;
    let uris: Vec<Value> = (0..300)
        .map(|n| json!({"@odata.id": format!("{MEMORY}/m{n}")}))
        .collect();
    server.put(MEMORY, json!({"Members": uris}));
    let few = Limits {
        resources_max: 100,
        ..limits()
    };
    let inventory = read_inventory(&open(&server, &few).await).await.unwrap();
    assert!(
        inventory
            .problems
            .iter()
            .any(|problem| problem.problem.contains("more than 100 resources"))
    );
    assert!(server.asked().len() <= 150, "{}", server.asked().len());
    let small = Limits {
        bytes_max: 20_000,
        ..limits()
    };
    let inventory = read_inventory(&open(&server, &small).await).await.unwrap();
    assert!(
        inventory
            .problems
            .iter()
            .any(|problem| problem.problem.contains("20000 bytes"))
    );
}

/// What is slow costs time only up to a bound, and what was read by then is kept.
#[tokio::test]
async fn the_total_time_is_bounded() {
    let server = Server::start(trees::rack_server()).await;
    for uri in trees::rack_server().into_keys() {
        if uri.contains("/Systems/1/") {
            server.fault(&uri, Fault::Silent);
        }
    }
    let hurried = Limits {
        answer: Duration::from_secs(30),
        total: Duration::from_secs(1),
        ..limits()
    };
    let bmc = open(&server, &hurried).await;
    let start = Instant::now();
    let inventory = read_inventory(&bmc).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(inventory.systems[0].serial, "SN1");
    assert!(
        inventory
            .problems
            .iter()
            .all(|problem| problem.problem.contains("1000 ms"))
    );
}

#[tokio::test]
async fn only_a_tree_without_any_root_is_an_error() {
    let server = Server::start(trees::rack_server()).await;
    for path in ["/redfish/v1/Systems", "/redfish/v1/Managers"] {
        server.fault(path, Fault::Status(500));
    }
    let inventory = read_with(&server).await;
    assert_eq!((inventory.problems.len(), inventory.chassis.len()), (2, 1));
    server.fault("/redfish/v1/Chassis", Fault::Status(500));
    let bmc = open(&server, &limits()).await;
    let error = read_inventory(&bmc).await.unwrap_err();
    assert!(matches!(error, Error::Status { status: 500, .. }), "{error}");
}

#[tokio::test]
async fn what_is_not_redfish_is_told_from_what_is_broken() {
    for (fault, word) in [
        (Fault::Status(404), "not-redfish"),
        (Fault::Text("<html>".to_owned()), "not-redfish"),
        (Fault::Text("{\"status\": \"ok\"}".to_owned()), "not-redfish"),
        (Fault::NoHttp, "not-redfish"),
        (Fault::Status(503), "refused"),
        (Fault::Status(401), "credentials"),
        (Fault::Silent, "timeout"),
        (Fault::Endless, "limit"),
    ] {
        let server = Server::start(trees::rack_server()).await;
        server.fault("/redfish/v1", fault.clone());
        let probed = connector()
            .probe(&server.address, Trust::FirstUse, &limits())
            .await;
        let error = probed.unwrap_err();
        assert_eq!(error.word(), word, "{fault:?}: {error}");
        assert!(!error.remedy().is_empty());
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable_and_nothing_was_done() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = redfish::Address::new(closed.local_addr().unwrap());
    drop(closed);
    let error = connector()
        .probe(&address, Trust::FirstUse, &limits())
        .await
        .unwrap_err();
    assert_eq!(error.word(), "unreachable");
    assert!(!error.is_outcome_unknown());
}
