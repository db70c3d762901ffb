//! Emulated BMCs as a client meets them: over HTTPS, from outside.
#![allow(clippy::unwrap_used)] // a test's helpers are tests
#![allow(clippy::needless_pass_by_value)] // `json!` reads best where it is passed

mod client;
mod faults;
mod power;

use std::sync::Arc;
use std::time::{Duration, Instant};

use client::Client;
use lab::{BmcFleet, BmcHandle, BmcSpec, Faults, Tree};
use serde_json::{Value, json};

pub(crate) const SYSTEM: &str = "/redfish/v1/Systems/1";
const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";
const ACCOUNT: &str = "/redfish/v1/AccountService/Accounts/1";

pub(crate) fn spec(tree: &Arc<Tree>, faults: Faults) -> BmcSpec {
    BmcSpec {
        address: "127.0.0.1:0".parse().unwrap(),
        tree: Arc::clone(tree),
        user: "admin".to_owned(),
        password: "secret".to_owned(),
        latency: Duration::ZERO,
        faults,
    }
}

/// One rack server with these faults.
pub(crate) fn one(faults: Faults) -> BmcFleet {
    BmcFleet::start(vec![spec(&Arc::new(Tree::rack_server(1)), faults)]).unwrap()
}

pub(crate) async fn login(bmc: &BmcHandle) -> Client {
    Client::basic(bmc.address(), "admin", "secret").await
}

#[tokio::test]
async fn everything_of_a_tree_is_served() {
    let fleet = one(Faults::none());
    let bmc = fleet.bmc(0);
    let mut client = login(bmc).await;
    let tree = Tree::rack_server(1);
    for uri in tree.uris().filter(|uri| *uri != SESSIONS) {
        let answer = client.get(&format!("{uri}/")).await;
        assert_eq!(answer.status, 200, "{uri}");
        assert_eq!(&answer.json(), tree.get(uri).unwrap(), "{uri}");
        assert_eq!(bmc.count(uri), 1, "{uri}");
    }
    assert_eq!(bmc.total(), tree.uris().count() as u64 - 1);
    assert_eq!(client.get("/redfish/v1/Nothing").await.status, 404);
    let system = client.get(SYSTEM).await;
    client.set_header("if-none-match", &system.header("etag"));
    assert_eq!(client.get(SYSTEM).await.status, 304, "it is known");
}

#[tokio::test]
async fn only_the_root_is_open_to_strangers() {
    let fleet = one(Faults::none());
    let mut stranger = Client::connect(fleet.bmc(0).address()).await.unwrap();
    assert_eq!(stranger.get("/redfish/v1/").await.status, 200);
    assert_eq!(stranger.get(SYSTEM).await.status, 401);
    assert_eq!(stranger.delete(SYSTEM).await.status, 401);
    let reset = format!("{SYSTEM}/Actions/ComputerSystem.Reset");
    assert_eq!(
        stranger
            .post(&reset, json!({"ResetType": "ForceOff"}))
            .await
            .status,
        401
    );
    assert_eq!(fleet.bmc(0).resets(0), Vec::<String>::new());
    let mut wrong = Client::basic(fleet.bmc(0).address(), "admin", "wrong").await;
    assert_eq!(wrong.get(SYSTEM).await.status, 401);
}

#[tokio::test]
async fn a_session_lasts_until_it_is_deleted() {
    let fleet = one(Faults::none());
    let bmc = fleet.bmc(0);
    let mut client = Client::connect(bmc.address()).await.unwrap();
    let refused = json!({"UserName": "admin", "Password": "wrong"});
    assert_eq!(client.post(SESSIONS, refused).await.status, 401);
    let created = client
        .post(SESSIONS, json!({"UserName": "admin", "Password": "secret"}))
        .await;
    assert_eq!((created.status, bmc.sessions()), (201, 1));
    client.set_header("x-auth-token", &created.header("x-auth-token"));
    assert_eq!(client.get(SYSTEM).await.status, 200);
    assert_eq!(client.get(SESSIONS).await.json()["Members@odata.count"], 1);
    assert_eq!(client.delete(&created.header("location")).await.status, 204);
    assert_eq!((client.get(SYSTEM).await.status, bmc.sessions()), (401, 0));
}

/// A client that leaves its sessions behind is found out.
#[tokio::test]
async fn sessions_run_out() {
    let fleet = one(Faults::none());
    let mut client = Client::connect(fleet.bmc(0).address()).await.unwrap();
    let mut answers = Vec::new();
    for _ in 0..17 {
        answers.push(
            client
                .post(SESSIONS, json!({"UserName": "admin", "Password": "secret"}))
                .await
                .status,
        );
    }
    assert_eq!((answers[15], answers[16]), (201, 503));
}

#[tokio::test]
async fn a_password_changes_through_its_account() {
    let fleet = one(Faults::none());
    let bmc = fleet.bmc(0);
    let mut client = login(bmc).await;
    let etag = client.get(ACCOUNT).await.header("etag");
    client.set_header("if-match", "\"stale\"");
    assert_eq!(
        client.patch(ACCOUNT, json!({"Password": "changed"})).await.status,
        412
    );
    client.set_header("if-match", &etag);
    assert_eq!(
        client.patch(ACCOUNT, json!({"Password": "abc"})).await.status,
        400,
        "too short"
    );
    assert_eq!(
        client.patch(ACCOUNT, json!({"Password": "changed"})).await.status,
        204
    );
    assert_eq!(bmc.password("admin").as_deref(), Some("changed"));
    assert_eq!(client.get(SYSTEM).await.status, 401, "the old one");
    let mut client = Client::basic(bmc.address(), "admin", "changed").await;
    assert_eq!(client.get(SYSTEM).await.status, 200);
}

/// `$expand=.($levels=2)` of a collection has its members and what they link to.
#[tokio::test]
async fn expanded_answers_have_resources_where_links_were() {
    let fleet = one(Faults::none());
    let mut client = login(fleet.bmc(0)).await;
    let flat = client.get("/redfish/v1/Systems").await.json();
    assert_eq!(flat["Members"][0].as_object().unwrap().len(), 1);
    let deep = client
        .get("/redfish/v1/Systems?$expand=.($levels=3)")
        .await
        .json();
    let system = &deep["Members"][0];
    assert_eq!(system["Model"], "Lab RS1");
    assert_eq!(system["Memory"]["Members"].as_array().unwrap().len(), 16);
    assert_eq!(system["Memory"]["Members"][0]["DeviceLocator"], "DIMM 0");
    assert_eq!(
        system["Links"]["ManagedBy"][0].as_object().unwrap().len(),
        1,
        "not below Links"
    );
    assert_eq!(fleet.bmc(0).count("/redfish/v1/Systems"), 2);
}

#[tokio::test]
async fn another_key_is_seen_by_the_next_connection() {
    let fleet = one(Faults::none());
    let bmc = fleet.bmc(0);
    let connect = || Client::connect(bmc.address());
    let (first, again) = (connect().await.unwrap(), connect().await.unwrap());
    assert_eq!(first.certificate, again.certificate);
    bmc.change_key().unwrap();
    assert_ne!(connect().await.unwrap().certificate, first.certificate);
}

/// Two hundred BMCs share a tree, and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_bmcs_with_one_tree_are_different_hardware() {
    let tree = Arc::new(Tree::rack_server(1));
    let fleet = BmcFleet::start((0..200).map(|_| spec(&tree, Faults::none())).collect()).unwrap();
    let uuid = async |number: usize| {
        let value: Value = login(fleet.bmc(number)).await.get(SYSTEM).await.json();
        value["UUID"].as_str().unwrap().to_owned()
    };
    assert_eq!(uuid(0).await, uuid(199).await);
    fleet.make_distinct();
    assert_ne!(uuid(0).await, uuid(199).await);
    assert_eq!(uuid(7).await, uuid(7).await);
    let requests = [0, 7, 199, 100].map(|number| fleet.bmc(number).total());
    assert_eq!(requests, [2, 2, 2, 0]);
    let mut certificates = std::collections::BTreeSet::new();
    for bmc in &fleet.bmcs()[..5] {
        certificates.insert(Client::connect(bmc.address()).await.unwrap().certificate);
    }
    assert_eq!(certificates.len(), 5);
}

#[tokio::test]
async fn every_reply_takes_its_time_and_requests_in_work_are_counted() {
    let fleet = one(Faults::none());
    let bmc = fleet.bmc(0);
    let latency = Duration::from_millis(300);
    bmc.set_latency(latency);
    let began = Instant::now();
    let asks = (0..3).map(|_| async move { login(bmc).await.get(SYSTEM).await.status });
    assert_eq!(futures::future::join_all(asks).await, [200; 3]);
    assert!(began.elapsed() >= latency);
    assert_eq!(bmc.in_flight_max(), 3);
    bmc.reset_counts();
    assert_eq!((bmc.total(), bmc.reads().len()), (0, 0));
}

#[tokio::test]
async fn an_ended_fleet_leaves_its_addresses() {
    let tree = Arc::new(Tree::rack_server(1));
    let fleet = BmcFleet::start(vec![spec(&tree, Faults::none())]).unwrap();
    let address = fleet.bmc(0).address();
    let taken = BmcSpec {
        address,
        ..spec(&tree, Faults::none())
    };
    let error = BmcFleet::start(vec![taken.clone()]).unwrap_err().to_string();
    assert!(error.contains(&address.to_string()), "{error}");
    let mut client = login(fleet.bmc(0)).await;
    drop(fleet);
    assert!(
        client
            .try_ask(http::Method::GET, SYSTEM, &Value::Null)
            .await
            .is_err(),
        "its connections end"
    );
    let deadline = Instant::now() + Duration::from_secs(10);
    while BmcFleet::start(vec![taken.clone()]).is_err() {
        assert!(Instant::now() < deadline, "{address} is still taken");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The trees of real hardware, where they are.
#[tokio::test]
async fn captured_trees_are_served() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/redfish");
    let Ok(files) = folder.read_dir() else {
        return;
    };
    for file in files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "gz"))
    {
        let tree = Arc::new(Tree::load(&file).unwrap());
        let fleet = BmcFleet::start(vec![spec(&tree, Faults::none())]).unwrap();
        let mut client = login(fleet.bmc(0)).await;
        for uri in tree.uris().take(50) {
            assert_eq!(client.get(uri).await.status, 200, "{uri} of {}", file.display());
        }
    }
}
