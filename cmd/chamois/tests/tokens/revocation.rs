//! What is taken back is refused everywhere within a second, where it is in use as well.

use std::time::{Duration, Instant};

use proto::watch::v1::WatchRequest;
use proto::watch::v1::watch_service_client::WatchServiceClient;
use rpc::client::{Credentials, Options, connect};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::runtime::Runtime;
use tonic::{Code, Streaming};

use crate::site::{Site, json};

/// Issue 9: from the acknowledgement on, on every connected member.
const REFUSED_WITHIN: Duration = Duration::from_secs(1);

/// A watch at one member, past its first message.
async fn watch(site: &Site, id: u64, token: &str) -> Streaming<proto::watch::v1::WatchResponse> {
    let options = Options {
        endpoints: vec![format!("{}:7441", site.ip(id))],
        ca: vec![CertificateDer::from_pem_file(site.identities().join("ca.pem")).unwrap()],
        credentials: Credentials::Token(token.to_owned()),
    };
    let mut client = WatchServiceClient::new(connect(options).unwrap());
    let mut stream = client.watch(WatchRequest::default()).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    stream
}

/// Until the stream ends, and how.
async fn end_of(mut stream: Streaming<proto::watch::v1::WatchResponse>) -> Code {
    loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return Code::Ok,
            Err(status) => return status.code(),
        }
    }
}

/// The streams end and every member refuses within the second.
fn refused_everywhere(site: &Site, runtime: &Runtime, token: &str, take_back: impl FnOnce()) {
    let streams: Vec<_> = site
        .ids()
        .into_iter()
        .map(|id| runtime.block_on(watch(site, id, token)))
        .collect();
    take_back();
    let acknowledged = Instant::now();
    let ends = streams.into_iter().map(|stream| runtime.spawn(end_of(stream)));
    let ends: Vec<_> = ends.collect();
    for id in site.ids() {
        // a member that has not heard of it yet may still say yes
        site.until("it is refused", || site.status(id, token) == 401);
        assert!(
            acknowledged.elapsed() < REFUSED_WITHIN,
            "member {id}: {:?}",
            acknowledged.elapsed()
        );
    }
    for end in ends {
        let left = REFUSED_WITHIN.saturating_sub(acknowledged.elapsed());
        let code =
            runtime.block_on(async { tokio::time::timeout(left.max(Duration::from_millis(1)), end).await });
        let code = code.expect("a stream goes on").unwrap();
        assert!(
            matches!(code, Code::Unauthenticated | Code::PermissionDenied),
            "{code:?}"
        );
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn a_deleted_api_token_is_refused_everywhere_within_a_second() {
    let (site, runtime) = (Site::start(3), runtime());
    site.give("site", "viewer", "service/watcher");
    let (id, api) = site.api_token("service/watcher", &["watch.read", "smd.read"]);
    refused_everywhere(&site, &runtime, &api, || {
        let answer =
            site.administrator
                .send(site.ip(2), "DELETE", &format!("/chamois/v1/api-tokens/{id}"), "");
        assert_eq!(answer.status, 200, "{answer:?}");
    });
}

/// Nor does what was made of it a minute ago go on.
#[test]
fn access_tokens_end_with_the_api_token_that_they_come_from() {
    let (site, runtime) = (Site::start(3), runtime());
    site.give("site", "viewer", "service/watcher");
    let (_, api) = site.api_token("service/watcher", &["watch.read", "smd.read"]);
    let access = site.access_token(1, &api);
    for id in site.ids() {
        assert_eq!(site.final_status(id, &access), 200);
    }
    refused_everywhere(&site, &runtime, &access, || {
        let asked = serde_json::json!({"token": api}).to_string();
        let answer = site
            .as_nobody()
            .send(site.ip(3), "POST", "/oauth2/revoke", &asked);
        assert_eq!(answer.status, 200, "{answer:?}");
    });
}

/// The entry is in the log: whoever leads next has it, and so has a member that starts again.
#[test]
fn a_revocation_outlives_the_leader_and_a_restart() {
    let mut site = Site::start(3);
    site.give("site", "viewer", "service/watcher");
    let (_, api) = site.api_token("service/watcher", &["smd.read"]);
    let access = site.access_token(1, &api);
    let asked = serde_json::json!({"principal": "service/watcher"}).to_string();
    let answer = site
        .administrator
        .send(site.ip(1), "POST", "/chamois/v1/revocations", &asked);
    assert_eq!(answer.status, 200, "{answer:?}");
    let leader = leader(&site);
    site.members[leader as usize - 1] = None;
    for id in site.ids() {
        site.until("it is refused", || site.status(id, &access) == 401);
    }
    site.members[leader as usize - 1] = Some(site.single.spawn_member(leader));
    site.until("it listens again", || {
        std::net::TcpStream::connect((site.ip(leader), 8443)).is_ok()
    });
    site.until("it refuses", || site.status(leader, &access) == 401);
    // and the service is not locked out for ever
    let (_, api) = site.api_token("service/watcher", &["smd.read"]);
    assert_eq!(site.final_status(leader, &site.access_token(leader, &api)), 200);
}

fn leader(site: &Site) -> u64 {
    let answer = site
        .administrator
        .send(site.ip(1), "GET", "/chamois/v1/cluster", "");
    let status = json(&answer);
    let leader = &status["leaderId"];
    leader
        .as_u64()
        .or_else(|| leader.as_str()?.parse().ok())
        .unwrap_or_else(|| panic!("{status}"))
}
