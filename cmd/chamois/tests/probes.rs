//! What load balancers and log collectors see of real members, with a majority and without one.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::http::{Administrator, Answer};
use common::{Member, Single};
use nix::sys::signal::Signal;
use proto::smd::v1::ListComponentsRequest;
use proto::smd::v1::component_service_client::ComponentServiceClient;
use rpc::Rules;
use rpc::client::{Channel, Credentials, Options, connect};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;
use tonic::codec::Streaming;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

const ALL_WELL: &str = "[+]running ok\n[+]verified ok\n[+]leader ok\n[+]applied ok\nreadyz check passed\n";

fn channel(site: &Single) -> Channel {
    let identities = site.dir.path().join("identities");
    let token = std::fs::read_to_string(identities.join("admin.token")).unwrap();
    connect(Options {
        endpoints: vec![format!("{}:7441", site.own())],
        ca: vec![CertificateDer::from_pem_file(identities.join("ca.pem")).unwrap()],
        credentials: Credentials::Token(token.trim().to_owned()),
    })
    .unwrap()
}

fn until(what: &str, members: &[Member], mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        let logs = || members.iter().map(Member::log).collect::<Vec<_>>();
        assert!(Instant::now() < deadline, "{what}:\n{}", logs().join("\n\n"));
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The probe must answer just when there is no majority to ask: which part is missing, and that the rest stands.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_member_without_a_majority_says_which_check_fails() {
    let site = Single::prepare_one_of(3);
    let members: Vec<Member> = (1..=3).map(|id| site.spawn_member(id)).collect();
    let administrator = Administrator::new(&site.dir.path().join("identities"));
    let ask = |path: &str| -> Answer { administrator.send(site.own(), "GET", path, "") };
    let answers = || TcpStream::connect((site.own(), 8443)).is_ok();
    until("ready", &members, || answers() && ask("/readyz").status == 200);
    assert_eq!(ask("/readyz?verbose").body, ALL_WELL);

    members[1..]
        .iter()
        .for_each(|member| member.signal(Signal::SIGSTOP));
    until("not ready", &members, || ask("/readyz").status == 503);
    let verbose = ask("/readyz?verbose");
    assert_eq!(verbose.status, 503);
    let lines: Vec<&str> = verbose.body.lines().collect();
    assert_eq!(lines[..2], ["[+]running ok", "[+]verified ok"]);
    assert!(lines[2].starts_with("[-]leader failed: no leader"), "{lines:?}");
    assert_eq!(lines[3..], ["[+]applied ok", "readyz check failed"]);
    assert_eq!(verbose.retry_after(), Some(1));
    let alive = ask("/livez?verbose");
    assert_eq!(
        (alive.status, alive.body.as_str()),
        (200, "[+]ping ok\nlivez check passed\n")
    );
    let mut health = HealthClient::new(channel(&site));
    let of = |service: &str| HealthCheckRequest {
        service: service.to_owned(),
    };
    let component = of("chamois.smd.v1.ComponentService");
    let unwell = health.check(component.clone()).await.unwrap().into_inner();
    assert_eq!(unwell.status(), ServingStatus::NotServing);

    members[1..]
        .iter()
        .for_each(|member| member.signal(Signal::SIGCONT));
    until("ready again", &members, || ask("/readyz").status == 200);
    let deadline = Instant::now() + Duration::from_secs(10);
    while health
        .check(component.clone())
        .await
        .unwrap()
        .into_inner()
        .status()
        != ServingStatus::Serving
    {
        assert!(Instant::now() < deadline, "gRPC health stays behind /readyz");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Who asks for what a member has gets it without a majority too, and can tell how old it may be.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_local_read_without_a_majority_says_how_old_it_may_be() {
    let site = Single::prepare_one_of(3);
    let members: Vec<Member> = (1..=3).map(|id| site.spawn_member(id)).collect();
    let administrator = Administrator::new(&site.dir.path().join("identities"));
    let ready = || TcpStream::connect((site.own(), 8443)).is_ok();
    let readiness = || administrator.send(site.own(), "GET", "/readyz", "").status;
    until("ready", &members, || ready() && readiness() == 200);
    let mut client = ComponentServiceClient::new(channel(&site));
    let mut list = async |local: bool| {
        let mut request = Request::new(ListComponentsRequest::default());
        if local {
            let value = rpc::CONSISTENCY_LOCAL.parse().unwrap();
            request.metadata_mut().insert(rpc::CONSISTENCY, value);
        }
        let metadata = client.list_components(request).await?.metadata().clone();
        let number = |key: &str| {
            metadata
                .get(key)
                .map(|value| value.to_str().unwrap().parse::<u64>().unwrap())
        };
        Ok::<_, tonic::Status>((number(rpc::LOCAL_REVISION), number(rpc::AGE_MS)))
    };
    assert_eq!(
        list(false).await.unwrap(),
        (None, None),
        "as of now: nothing to say"
    );
    let (revision, fresh) = list(true).await.unwrap();

    members[1..]
        .iter()
        .for_each(|member| member.signal(Signal::SIGSTOP));
    until("not ready", &members, || readiness() == 503);
    assert_eq!(list(false).await.unwrap_err().code(), Code::Unavailable);
    let (still, old) = list(true).await.unwrap();
    assert_eq!(still, revision, "nothing was written meanwhile");
    let (_, older) = list(true).await.unwrap();
    // the first was asked right after a read index; since the stop nobody has confirmed one
    assert!(
        revision > Some(0) && old > fresh && older >= old,
        "{fresh:?} {old:?} {older:?}"
    );
}

/// Health must know every service that is served, and none that is not: a balancer asks by the service's name.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_service_of_the_port_has_a_health_of_its_own() {
    let site = Single::prepare();
    let member = site.start();
    let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
    let services = rules.api_services();
    assert!(services.len() > 10, "{services:?}");
    let mut health = HealthClient::new(channel(&site));
    let mut listed = tonic::client::Grpc::new(channel(&site));
    for service in &services {
        let request = HealthCheckRequest {
            service: service.clone(),
        };
        health
            .check(request)
            .await
            .unwrap_or_else(|status| panic!("{service}: {status}"));
        let path = rules
            .iter()
            .map(|(path, _)| path)
            .find(|path| path[1..].starts_with(&format!("{service}/")));
        let path: http::uri::PathAndQuery = path.unwrap().parse().unwrap();
        listed.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<(), ()>::default();
        let answer: Result<tonic::Response<Streaming<()>>, _> = listed
            .server_streaming(tonic::Request::new(()), path.clone(), codec)
            .await;
        let code = answer.err().map(|status| status.code());
        assert_ne!(
            code,
            Some(Code::Unimplemented),
            "{path} is not served: {}",
            member.log()
        );
    }
}

/// Whoever collects logs must be able to read every line, and to tell whose it is.
#[test]
fn every_line_of_the_log_has_the_stable_keys() {
    let site = Single::prepare();
    // the configuration asks for JSON; the command line says nothing
    let config = std::fs::read_to_string(site.config()).unwrap();
    std::fs::write(site.config(), format!("{config}[log]\nformat = \"json\"\n")).unwrap();
    let mut member = site.start_as_configured();
    assert_eq!(site.ask(&["subnet", "put", &site.net.subnet().to_string()]).0, 0);
    member.terminate();
    assert_eq!(member.exit_code(Duration::from_secs(20)), Some(0));
    let log = member.log();
    let accepted = [
        "time", "level", "target", "message", "member", "cluster", "fields", "spans",
    ];
    for line in log.lines() {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        let entry = entry.as_object().unwrap();
        assert!(entry.keys().all(|key| accepted.contains(&key.as_str())), "{line}");
        for key in ["time", "level", "target", "message"] {
            assert!(entry[key].is_string(), "{key}: {line}");
        }
        assert_eq!(
            (&entry["member"], &entry["cluster"]),
            (&1.into(), &"test".into()),
            "{line}"
        );
    }
    assert!(log.lines().count() > 5, "{log}");
    let opened = log
        .lines()
        .find(|line| line.contains("the store is open"))
        .unwrap();
    let opened: Value = serde_json::from_str(opened).unwrap();
    assert_eq!(
        opened["fields"]["cluster"], "test",
        "the event's own values: {opened}"
    );
}
