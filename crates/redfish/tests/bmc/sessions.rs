//! Logging in, staying in, getting out.

use redfish::{Error, Login, Password, Trust, read_inventory};
use serde_json::json;
use std::time::{Duration, Instant};

use crate::server::{SESSIONS, Server, connector, limits, login};
use crate::trees;

/// Waits until `is_so`, at most for ten seconds.
async fn wait_for(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(10), "it never came so");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn open(server: &Server) -> Result<redfish::Bmc, Error> {
    connector()
        .open(&server.address, login(), Trust::FirstUse, &limits())
        .await
}

#[tokio::test]
async fn a_session_is_made_used_and_deleted() {
    let server = Server::start(trees::rack_server()).await;
    let bmc = open(&server).await.unwrap();
    assert_eq!(server.sessions(), 1);
    assert!(bmc.has_session().await);
    bmc.get("/redfish/v1/Systems").await.unwrap();
    let asked = server.asked();
    let with_password = |asked: &&crate::server::Asked| asked.headers.contains_key("authorization");
    assert_eq!(asked.iter().filter(with_password).count(), 0);
    bmc.close().await;
    assert_eq!(server.sessions(), 0);
}

#[tokio::test]
async fn a_bmc_that_is_dropped_deletes_its_session_in_the_background() {
    let server = Server::start(trees::rack_server()).await;
    drop(open(&server).await.unwrap());
    wait_for(|| server.sessions() == 0).await;
}

#[tokio::test]
async fn without_sessions_each_request_carries_user_and_password() {
    for status in [404, 405, 501] {
        let server = Server::start(trees::rack_server()).await;
        server.refuse_sessions(status);
        let bmc = open(&server).await.unwrap();
        assert!(!bmc.has_session().await);
        let inventory = read_inventory(&bmc).await.unwrap();
        assert!(inventory.problems.is_empty(), "{:?}", inventory.problems);
    }
}

#[tokio::test]
async fn a_root_without_sessions_means_basic_from_the_start() {
    let mut tree = trees::rack_server();
    tree.get_mut("/redfish/v1").unwrap()["Links"] = json!({});
    let server = Server::start(tree).await;
    let bmc = open(&server).await.unwrap();
    bmc.get("/redfish/v1/Systems").await.unwrap();
    assert!(server.asked().iter().all(|asked| asked.method == "GET"));
}

/// The session service itself may want a login: the standard says where its sessions are.
#[tokio::test]
async fn sessions_are_found_through_a_service_that_is_not_public() {
    let mut tree = trees::rack_server();
    let root = tree.get_mut("/redfish/v1").unwrap();
    root["Links"] = json!({});
    root["SessionService"] = json!({"@odata.id": "/redfish/v1/SessionService"});
    let server = Server::start(tree).await;
    open(&server).await.unwrap().close().await;
    assert_eq!(server.sessions_made(), 1);
}

#[tokio::test]
async fn a_wrong_password_is_said_at_once_and_not_repeated() {
    let server = Server::start(trees::rack_server()).await;
    let wrong = Some(Login {
        user: "root".to_owned(),
        password: Password::new("guess"),
    });
    let (connector, limits) = (connector(), limits());
    let opened = connector.open(&server.address, wrong, Trust::FirstUse, &limits);
    let error = opened.await.err().unwrap();
    assert_eq!(error.word(), "credentials");
    assert!(error.to_string().contains("wrong user or password"), "{error}");
    assert!(!error.to_string().contains("guess"), "{error}");
    let logins = server
        .asked()
        .iter()
        .filter(|asked| asked.path == SESSIONS)
        .count();
    assert_eq!(logins, 1);
}

#[tokio::test]
async fn without_a_login_only_the_public_is_read() {
    let server = Server::start(trees::rack_server()).await;
    let bmc = connector()
        .open(&server.address, None, Trust::FirstUse, &limits())
        .await
        .unwrap();
    assert_eq!(bmc.root().vendor, "Maker");
    let error = read_inventory(&bmc).await.unwrap_err();
    assert_eq!(error.word(), "credentials");
}

/// Many requests that are refused at once: one of them logs in, all go on.
#[tokio::test]
async fn a_session_that_ends_is_made_anew_once() {
    let server = Server::start(trees::rack_server()).await;
    let bmc = open(&server).await.unwrap();
    server.end_sessions();
    let inventory = read_inventory(&bmc).await.unwrap();
    assert!(inventory.problems.is_empty(), "{:?}", inventory.problems);
    assert_eq!(server.sessions_made(), 2);
    bmc.close().await;
    assert_eq!(server.sessions(), 0);
}

/// Else a BMC that refuses one resource with 401 would see a storm of logins, and lock the account.
#[tokio::test]
async fn a_resource_that_is_always_refused_brings_one_login_and_no_more() {
    let server = Server::start(trees::rack_server()).await;
    let bmc = open(&server).await.unwrap();
    for path in ["/redfish/v1/Systems/1/Memory", "/redfish/v1/Managers/1"] {
        server.fault(path, crate::server::Fault::Status(401));
    }
    let inventory = read_inventory(&bmc).await.unwrap();
    assert_eq!(inventory.problems.len(), 2);
    assert!(
        inventory.problems[0].problem.contains("refused"),
        "{:?}",
        inventory.problems
    );
    assert!(server.sessions_made() <= 2, "{}", server.sessions_made());
}

#[tokio::test]
async fn a_probe_does_not_log_in() {
    let server = Server::start(trees::rack_server()).await;
    let probe = connector()
        .probe(&server.address, Trust::FirstUse, &limits())
        .await
        .unwrap();
    assert_eq!(probe.root.product, "Rack Server 1");
    assert_eq!(probe.key_sha256.len(), 64);
    let paths: Vec<String> = server.asked().into_iter().map(|asked| asked.path).collect();
    assert_eq!(paths, ["/redfish/v1"]);
}
