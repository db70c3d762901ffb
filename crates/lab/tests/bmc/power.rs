//! Power, tasks and events over HTTPS.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::Method;
use http_body_util::BodyExt as _;
use lab::{BmcFleet, BmcHandle, Fault, Faults, Power, PowerChange, Tree};
use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::{SYSTEM, login, one, spec};

const UPDATE: &str = "/redfish/v1/UpdateService/Actions/UpdateService.SimpleUpdate";
const BMC_FIRMWARE: &str = "/redfish/v1/UpdateService/FirmwareInventory/BMC";

async fn reset(client: &mut Client, system: &str, kind: &str) -> Answer {
    let target = format!("{system}/Actions/ComputerSystem.Reset");
    client.post(&target, json!({"ResetType": kind})).await
}

async fn becomes(bmc: &BmcHandle, state: Power) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while bmc.power(0) != state {
        assert!(Instant::now() < deadline, "{:?} and not {state:?}", bmc.power(0));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn resets_switch_and_are_read_back() {
    let fleet = one(Faults::none());
    let bmc = fleet.bmc(0);
    let mut client = login(bmc).await;
    for (kind, status, state) in [
        ("ForceOff", 204, "Off"),
        ("On", 204, "On"),
        ("GracefulShutdown", 204, "Off"),
        ("ForceRestart", 400, "Off"),
        ("PushPowerButton", 204, "On"),
        ("PowerCycle", 204, "On"),
        ("Nmi", 204, "On"),
        ("Explode", 400, "On"),
    ] {
        assert_eq!(reset(&mut client, SYSTEM, kind).await.status, status, "{kind}");
        assert_eq!(client.get(SYSTEM).await.json()["PowerState"], state, "{kind}");
    }
    assert_eq!(bmc.resets(0).len(), 8);
    let missing = client
        .post(&format!("{SYSTEM}/Actions/ComputerSystem.Reset"), json!({}))
        .await;
    assert_eq!(missing.status, 400);
}

/// Whoever boots emulated nodes is told of every change, and of those of no other system.
#[tokio::test]
async fn each_system_of_a_blade_has_its_own_power() {
    let tree = Arc::new(Tree::blade(2));
    let fleet = BmcFleet::start(vec![spec(&tree, Faults::none())]).unwrap();
    let seen: Arc<Mutex<Vec<PowerChange>>> = Arc::default();
    let sink = Arc::clone(&seen);
    fleet.on_power(move |change| sink.lock().unwrap().push(change.clone()));
    let bmc = fleet.bmc(0);
    bmc.set_power(1, Power::Off);
    let mut client = login(bmc).await;
    let second = bmc.systems()[1].clone();
    assert_eq!(client.get(&second).await.json()["PowerState"], "Off");
    assert_eq!(reset(&mut client, &second, "On").await.status, 204);
    let expected = PowerChange {
        bmc: 0,
        system: 1,
        uri: second,
        state: Power::On,
    };
    assert_eq!(*seen.lock().unwrap(), [expected]);
    assert_eq!((bmc.power(0), bmc.power(1)), (Power::On, Power::On));
}

#[tokio::test]
async fn slow_changes_are_seen_on_their_way_and_can_be_overtaken() {
    let fleet = one(Faults::of(Fault::SlowPower(Duration::from_millis(200))));
    let bmc = fleet.bmc(0);
    let mut client = login(bmc).await;
    reset(&mut client, SYSTEM, "ForceOff").await;
    becomes(bmc, Power::PoweringOff).await;
    assert_eq!(client.get(SYSTEM).await.json()["PowerState"], "PoweringOff");
    becomes(bmc, Power::Off).await;
    reset(&mut client, SYSTEM, "On").await;
    becomes(bmc, Power::PoweringOn).await;
    reset(&mut client, SYSTEM, "ForceOff").await;
    becomes(bmc, Power::Off).await;
    tokio::time::sleep(Duration::from_millis(300)).await; // longer than the change that was overtaken
    assert_eq!(bmc.power(0), Power::Off);
}

#[tokio::test]
async fn graceful_orders_may_be_ignored() {
    let fleet = one(Faults::of(Fault::IgnoresGraceful));
    let bmc = fleet.bmc(0);
    let mut client = login(bmc).await;
    assert_eq!(reset(&mut client, SYSTEM, "GracefulShutdown").await.status, 204);
    assert_eq!(bmc.power(0), Power::On);
    reset(&mut client, SYSTEM, "ForceOff").await;
    assert_eq!(bmc.power(0), Power::Off);
}

/// The worst answer is none: was it done or not?
#[tokio::test]
async fn an_unanswered_reset_was_done_or_was_not() {
    for done in [true, false] {
        let fleet = one(Faults::of(Fault::ResetUnanswered { done }));
        let bmc = fleet.bmc(0);
        let target = format!("{SYSTEM}/Actions/ComputerSystem.Reset");
        let asked = json!({"ResetType": "ForceOff"});
        let answer = login(bmc).await.try_ask(Method::POST, &target, &asked).await;
        assert!(answer.is_err(), "{answer:?}");
        assert_eq!(bmc.resets(0), ["ForceOff"]);
        let mut client = login(bmc).await;
        let expected = if done { "Off" } else { "On" };
        assert_eq!(client.get(SYSTEM).await.json()["PowerState"], expected);
    }
}

#[tokio::test]
async fn changes_of_power_are_events() {
    let fleet = one(Faults::none());
    let bmc = fleet.bmc(0);
    let mut listener = login(bmc).await;
    let stream = listener
        .begin(Method::GET, "/redfish/v1/EventService/SSE", &Value::Null)
        .await
        .unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    assert_eq!(bmc.event_streams(), 1);
    reset(&mut login(bmc).await, SYSTEM, "ForceOff").await;
    let mut events = stream.into_body();
    let mut text = String::new();
    while !text.contains("ResourcePoweredOff") {
        let frame = tokio::time::timeout(Duration::from_secs(10), events.frame()).await;
        let data = frame.unwrap().unwrap().unwrap().into_data().unwrap();
        text.push_str(std::str::from_utf8(&data).unwrap());
    }
    assert!(text.contains(SYSTEM), "{text}");
}

#[tokio::test]
async fn an_update_is_a_task_that_brings_its_version() {
    let fleet = one(Faults::of(Fault::SlowTasks(Duration::from_millis(200))));
    let mut client = login(fleet.bmc(0)).await;
    assert_eq!(client.post(UPDATE, json!({})).await.status, 400);
    let order = json!({"ImageURI": "http://127.0.0.1/fw/4.0.bin", "Targets": [BMC_FIRMWARE]});
    let accepted = client.post(UPDATE, order).await;
    assert_eq!(
        (accepted.status, &accepted.json()["TaskState"]),
        (202, &json!("Running"))
    );
    let monitor = accepted.header("location");
    let deadline = Instant::now() + Duration::from_secs(10);
    while client.get(&monitor).await.status == 202 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let task = client
        .get(accepted.json()["@odata.id"].as_str().unwrap())
        .await
        .json();
    assert_eq!(
        (&task["TaskState"], task["PercentComplete"].as_u64()),
        (&json!("Completed"), Some(100))
    );
    assert_eq!(client.get(BMC_FIRMWARE).await.json()["Version"], "4.0");
    let tasks = client.get("/redfish/v1/TaskService/Tasks").await.json();
    assert_eq!(tasks["Members@odata.count"], 1);
}

#[tokio::test]
async fn an_update_may_fail() {
    let fleet = one(Faults::of(Fault::TasksFail).and(Fault::SlowTasks(Duration::ZERO)));
    let mut client = login(fleet.bmc(0)).await;
    let order = json!({"ImageURI": "http://127.0.0.1/fw/4.0.bin", "Targets": [BMC_FIRMWARE]});
    assert_eq!(client.post(UPDATE, order).await.json()["TaskState"], "Exception");
    assert_ne!(client.get(BMC_FIRMWARE).await.json()["Version"], "4.0");
}
