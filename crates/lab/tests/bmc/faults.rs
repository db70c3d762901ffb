//! Every fault as a client meets it.

use std::time::{Duration, Instant};

use http::Method;
use http_body_util::BodyExt as _;
use lab::{Fault, Faults};
use serde_json::{Value, json};

use crate::client::Client;
use crate::{SYSTEM, login, one};

#[tokio::test]
async fn a_bmc_that_is_busy_says_when_to_come_back() {
    let fleet = one(Faults::of(Fault::Busy(2)));
    let mut client = login(fleet.bmc(0)).await;
    let first = client.get(SYSTEM).await;
    assert_eq!((first.status, first.header("retry-after")), (503, "1".to_owned()));
    assert_eq!(client.get(SYSTEM).await.status, 503);
    assert_eq!(client.get(SYSTEM).await.status, 200);
}

#[tokio::test]
async fn no_login_is_good_enough() {
    let fleet = one(Faults::of(Fault::Unauthorized));
    let mut client = login(fleet.bmc(0)).await;
    assert_eq!(client.get(SYSTEM).await.status, 401);
    assert_eq!(client.get("/redfish/v1").await.status, 200, "the root needs none");
    fleet.bmc(0).clear_faults();
    assert_eq!(client.get(SYSTEM).await.status, 200);
}

#[tokio::test]
async fn without_sessions_basic_is_left() {
    let fleet = one(Faults::of(Fault::NoSessions));
    let mut client = login(fleet.bmc(0)).await;
    let account = json!({"UserName": "admin", "Password": "secret"});
    let answer = client.post("/redfish/v1/SessionService/Sessions", account).await;
    assert_eq!(answer.status, 405);
    assert_eq!(client.get(SYSTEM).await.status, 200);
}

#[tokio::test]
async fn bodies_are_spoilt_where_they_are_told_to_be() {
    let fleet = one(Faults::none());
    let bmc = fleet.bmc(0);
    let mut client = login(bmc).await;
    let whole = client.get(SYSTEM).await;
    bmc.set_fault_at(SYSTEM, Fault::Truncated);
    let answer = client.get(SYSTEM).await;
    assert_eq!((answer.status, answer.body.len()), (200, whole.body.len() / 2));
    assert!(serde_json::from_slice::<Value>(&answer.body).is_err());
    assert_eq!(
        client.get("/redfish/v1/Systems").await.json()["Members"]
            .as_array()
            .unwrap()
            .len(),
        1
    );

    bmc.set_fault_at(SYSTEM, Fault::WrongTypes);
    let answer = client.get(SYSTEM).await.json();
    assert!(answer["PowerState"].is_object(), "{answer}");
    assert_eq!(answer["Memory"], whole.json()["Memory"], "links stay");

    bmc.set_fault_at(SYSTEM, Fault::MissingMembers);
    let answer = client.get(SYSTEM).await.json();
    assert!(answer.as_object().unwrap().len() < whole.json().as_object().unwrap().len());
    assert_eq!(answer["Memory"], whole.json()["Memory"], "links stay");
}

#[tokio::test]
async fn a_loop_has_always_one_more() {
    let fleet = one(Faults::of(Fault::LinkLoop));
    let mut client = login(fleet.bmc(0)).await;
    let mut uri = "/redfish/v1/Systems".to_owned();
    for _ in 0..20 {
        let answer = client.get(&uri).await;
        assert_eq!(answer.status, 200, "{uri}");
        let members = answer.json()["Members"].as_array().unwrap().clone();
        assert!(members.contains(&json!({"@odata.id": uri})), "itself");
        uri = members.last().unwrap()["@odata.id"].as_str().unwrap().to_owned();
    }
    fleet.bmc(0).clear_faults();
    assert_eq!(client.get(&uri).await.status, 404);
}

#[tokio::test]
async fn an_endless_body_does_not_end() {
    let fleet = one(Faults::of(Fault::EndlessBody));
    let mut client = login(fleet.bmc(0)).await;
    let mut body = client
        .begin(Method::GET, SYSTEM, &Value::Null)
        .await
        .unwrap()
        .into_body();
    let mut bytes = 0;
    while bytes < 8 << 20 {
        bytes += body.frame().await.unwrap().unwrap().into_data().unwrap().len();
    }
}

#[tokio::test]
async fn a_dripping_body_comes_slowly_and_whole() {
    let pause = Duration::from_millis(5);
    let fleet = one(Faults::of(Fault::SlowDrip(pause)));
    let mut client = login(fleet.bmc(0)).await;
    let began = Instant::now();
    let answer = client.get(SYSTEM).await;
    assert_eq!(answer.json()["Model"], "Lab RS1");
    assert!(began.elapsed() >= pause * 10, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_connection_ends_instead_of_an_answer() {
    let fleet = one(Faults::none());
    let bmc = fleet.bmc(0);
    bmc.set_fault_at(SYSTEM, Fault::ConnectionReset);
    let mut client = login(bmc).await;
    assert!(client.try_ask(Method::GET, SYSTEM, &Value::Null).await.is_err());
    assert_eq!(
        login(bmc).await.get("/redfish/v1/Systems").await.status,
        200,
        "it lives"
    );
    assert_eq!(bmc.count(SYSTEM), 1);
}

#[tokio::test]
async fn a_silent_bmc_takes_connections_and_says_nothing() {
    let fleet = one(Faults::of(Fault::Silent));
    let mut client = Client::connect(fleet.bmc(0).address()).await.unwrap();
    let asked = client.get("/redfish/v1");
    assert!(
        tokio::time::timeout(Duration::from_millis(200), asked)
            .await
            .is_err()
    );
    assert_eq!((fleet.bmc(0).total(), fleet.bmc(0).in_flight_max()), (1, 1));
}
