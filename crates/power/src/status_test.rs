//! Status of nodes whose BMCs answer, do not, or are elsewhere.

use raft::Store;

use super::*;
use crate::fake_bmc::{BMC, FakeBmc, bmcs, discover};

async fn scene(nodes: u32) -> (FakeBmc, PowerStatusService) {
    let (store, fake) = (Store::in_memory(), FakeBmc::start(nodes).await);
    discover(&store, BMC, &fake.address.to_string(), nodes).await;
    let service = PowerStatusService {
        open: fake.open(),
        bmcs: bmcs(store),
    };
    (fake, service)
}

fn all() -> ListPowerStatusRequest {
    ListPowerStatusRequest::default()
}

fn named(xnames: &[&str]) -> ListPowerStatusRequest {
    ListPowerStatusRequest {
        xname: xnames.iter().map(|xname| (*xname).to_owned()).collect(),
        ..all()
    }
}

async fn list(service: &PowerStatusService, request: ListPowerStatusRequest) -> Vec<PowerStatus> {
    use power_status_service_server::PowerStatusService as _;
    let answer = service.list_power_status(Request::new(request)).await;
    answer.unwrap().into_inner().status
}

fn powers(status: &[PowerStatus]) -> Vec<(&str, &str)> {
    status
        .iter()
        .map(|status| (status.xname.as_str(), status.power_state.as_str()))
        .collect()
}

#[tokio::test]
async fn bmcs_are_asked_now_over_one_connection_each() {
    let (fake, service) = scene(2).await;
    fake.is(2, "Off");
    let status = list(&service, all()).await;
    assert_eq!(powers(&status), [("x0c0s0b0n0", "on"), ("x0c0s0b0n1", "off")]);
    assert_eq!(fake.connections(), 1);
    for status in &status {
        assert_eq!(
            (status.management_state.as_str(), status.error.as_str()),
            ("available", "")
        );
        assert_eq!(status.supported_power_transitions.len(), 7);
        assert!(status.last_updated.ends_with('Z'));
    }
}

#[tokio::test]
async fn what_a_bmc_offers_is_what_is_supported() {
    let (fake, service) = scene(1).await;
    fake.offers(1, &["On", "ForceOff"]);
    let status = list(&service, all()).await;
    let supported = &status[0].supported_power_transitions;
    assert_eq!(supported, &["On", "Off", "Force-Off", "Hard-Restart", "Init"]);
}

/// An error is never turned into a valid answer: what is old says so.
#[tokio::test]
async fn a_bmc_that_does_not_answer_is_unavailable_with_what_is_known() {
    let (mut fake, mut service) = scene(1).await;
    fake.address = "127.0.0.1:1".parse().unwrap();
    service.open = fake.open();
    let status = list(&service, all()).await;
    assert_eq!(status[0].management_state, "unavailable");
    assert!(!status[0].error.is_empty());
}

#[tokio::test]
async fn what_is_elsewhere_or_unknown_says_why() {
    let (_fake, service) = scene(1).await;
    discover(service.bmcs.store(), "x9c0s0b0", "10.9.9.9", 1).await;
    let status = list(&service, named(&["x9c0s0b0n0", "x5c0s0b0n0", "x0c0s0b0n0"])).await;
    let xnames: Vec<&str> = status.iter().map(|status| status.xname.as_str()).collect();
    assert_eq!(xnames, ["x0c0s0b0n0", "x5c0s0b0n0", "x9c0s0b0n0"]);
    assert_eq!(status[1].power_state, "undefined");
    assert!(status[1].error.contains("x5c0s0b0n0"), "{}", status[1].error);
    assert!(status[2].error.contains("10.9.9.9"), "{}", status[2].error);
}

#[tokio::test]
async fn filters_choose_by_what_was_found() {
    let (fake, service) = scene(2).await;
    fake.is(1, "Off");
    let on = ListPowerStatusRequest {
        power_state_filter: "ON".to_owned(),
        ..all()
    };
    assert_eq!(powers(&list(&service, on).await), [("x0c0s0b0n1", "on")]);
    let unavailable = ListPowerStatusRequest {
        management_state_filter: "unavailable".to_owned(),
        ..named(&["x0c0s0b0n0", "x5c0s0b0n0"])
    };
    let status = list(&service, unavailable).await;
    assert_eq!(powers(&status), [("x5c0s0b0n0", "undefined")]);
}

#[tokio::test]
async fn what_is_no_filter_or_no_xname_is_refused_by_name() {
    let (_fake, service) = scene(1).await;
    let wrong = [
        (
            ListPowerStatusRequest {
                power_state_filter: "dim".to_owned(),
                ..all()
            },
            "powerStateFilter: `dim` is none; write on, off, undefined",
        ),
        (
            ListPowerStatusRequest {
                management_state_filter: "on".to_owned(),
                ..all()
            },
            "managementStateFilter: `on` is none",
        ),
        (named(&["x0c0s0b0n0", "no such thing!"]), "xname: "),
    ];
    for (request, begin) in wrong {
        let told = service.status(&request).await.unwrap_err().to_string();
        assert!(told.starts_with(begin), "{told}");
    }
}

#[tokio::test]
async fn a_query_is_the_same_as_a_list() {
    use power_status_service_server::PowerStatusService as _;
    let (_fake, service) = scene(2).await;
    let query = QueryPowerStatusRequest {
        xname: vec!["x0c0s0b0n1".to_owned()],
        power_state_filter: "on".to_owned(),
        ..QueryPowerStatusRequest::default()
    };
    let status = service
        .query_power_status(Request::new(query))
        .await
        .unwrap()
        .into_inner()
        .status;
    assert_eq!(powers(&status), [("x0c0s0b0n1", "on")]);
}

#[test]
fn states_of_smd_are_what_is_known() {
    use component::State;
    for (state, power) in [
        (State::Ready, "on"),
        (State::On, "on"),
        (State::Standby, "on"),
        (State::Halt, "on"),
        (State::Off, "off"),
        (State::Populated, "undefined"),
        (State::Empty, "undefined"),
        (State::Unknown, "undefined"),
    ] {
        assert_eq!(in_smd(state), power);
    }
}
