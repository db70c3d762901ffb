//! Calls that are repeated by themselves carry the same number wherever they go, and end with what is known.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use proto::cluster::v1::GetStatusRequest;
use proto::cluster::v1::cluster_service_client::ClusterServiceClient;
use proto::smd::v1::DeleteGroupRequest;
use proto::smd::v1::group_service_client::GroupServiceClient;
use rpc::client::ExactlyOnce;
use rpc::server::Limits;
use rpc::{ACK_BELOW, CLIENT_ID, Error, SEQ, SESSION_AGE_MS};
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;

use crate::support::{Cluster, Running, bounded, channel};

/// What a member does with a call.
#[derive(Clone)]
enum Does {
    Answer,
    Say(Status),
    Hang,
    BreakOff,
}

/// A call as a member saw it: its number, what it acknowledges, its session and its bytes.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    member: u64,
    client: String,
    seq: u64,
    ack_below: u64,
    body: Vec<u8>,
}

type Log = Arc<Mutex<Vec<Seen>>>;

fn member<I: IntoIterator<Item = Does>>(
    id: u64,
    does: I,
    log: Log,
) -> impl Service<
    Request<Body>,
    Response = Response<Body>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<Body>, Infallible>> + Send,
> + Clone
+ Send
+ Sync {
    let does: Arc<Mutex<VecDeque<Does>>> = Arc::new(Mutex::new(does.into_iter().collect()));
    tower::service_fn(move |request: Request<Body>| {
        let (does, log) = (Arc::clone(&does), Arc::clone(&log));
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes().to_vec();
            let text = |name: &str| parts.headers[name].to_str().unwrap().to_owned();
            assert!(text(SESSION_AGE_MS).parse::<u64>().unwrap() < 60_000);
            log.lock().unwrap().push(Seen {
                member: id,
                client: text(CLIENT_ID),
                seq: text(SEQ).parse().unwrap(),
                ack_below: text(ACK_BELOW).parse().unwrap(),
                body,
            });
            let next = does.lock().unwrap().pop_front().unwrap_or(Does::Answer);
            match next {
                Does::Answer => Ok(Response::builder()
                    .header("content-type", "application/grpc")
                    .body(Body::new(
                        http_body_util::Full::from(&[0, 0, 0, 0, 0][..]).with_trailers(ok()),
                    ))
                    .unwrap()),
                Does::Say(status) => Ok(status.into_http()),
                Does::Hang => std::future::pending().await,
                Does::BreakOff => {
                    let broken = futures::stream::iter([Err::<hyper::body::Frame<bytes::Bytes>, _>(
                        std::io::Error::other("gone"),
                    )]);
                    Ok(Response::new(Body::new(http_body_util::StreamBody::new(broken))))
                }
            }
        }
    })
}

fn ok() -> impl Future<Output = Option<Result<http::HeaderMap, Infallible>>> + Send {
    let trailers =
        http::HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), "0".parse().unwrap())]);
    std::future::ready(Some(Ok(trailers)))
}

fn unknown() -> Does {
    Does::Say(Error::OutcomeUnknown.into())
}

fn not_now() -> Does {
    let retry_after = Duration::from_secs(1);
    Does::Say(Error::NoQuorum { retry_after }.into())
}

struct Site {
    _ports: Vec<Running>,
    log: Log,
    once: ExactlyOnce,
}

/// Members that do this with their first calls and answer the rest.
async fn site(members: Vec<Vec<Does>>, at_most: Duration) -> Site {
    let (cluster, log) = (Cluster::new(), Log::default());
    let mut ports = Vec::new();
    for (id, does) in (1..).zip(members) {
        ports.push(
            cluster
                .api_port(id, member(id, does, Arc::clone(&log)), Limits::api())
                .await,
        );
    }
    let endpoints: Vec<String> = ports.iter().map(Running::endpoint).collect();
    let once = ExactlyOnce::new(channel(&endpoints, cluster.api_client(None)), at_most);
    Site {
        _ports: ports,
        log,
        once,
    }
}

const LONG: Duration = Duration::from_secs(15);

async fn delete(once: &ExactlyOnce, label: &str) -> Result<(), Status> {
    let mut client = GroupServiceClient::new(once.clone());
    let request = DeleteGroupRequest {
        label: label.to_owned(),
        ..Default::default()
    };
    bounded(client.delete_group(request)).await.map(drop)
}

/// Whatever went wrong, the repeat is the same request with the same number, and the caller sees one answer.
#[tokio::test]
async fn a_repeat_has_the_number_and_the_bytes_of_the_first() {
    for trouble in [unknown(), not_now(), Does::BreakOff] {
        let site = site(vec![vec![trouble.clone()], vec![trouble]], LONG).await;
        delete(&site.once, "a").await.unwrap();
        delete(&site.once, "b").await.unwrap();
        let seen = site.log.lock().unwrap().clone();
        let last = seen.len() - 1;
        assert!(last >= 2, "{seen:?}");
        assert!(
            seen[..last]
                .iter()
                .all(|call| (call.seq, &call.body) == (1, &seen[0].body)),
            "{seen:?}"
        );
        assert_eq!(
            (seen[last].seq, seen[last].ack_below),
            (2, 2),
            "the first is done"
        );
        assert!(
            seen.iter()
                .all(|call| call.client == seen[0].client && call.client.len() == 32)
        );
        assert_ne!(seen[0].body, seen[last].body);
    }
}

/// A member that hangs is asked once; the next one gets the same call.
#[tokio::test]
async fn a_member_that_hangs_is_left() {
    let site = site(vec![vec![Does::Hang], vec![]], LONG).await;
    delete(&site.once, "a").await.unwrap();
    let seen: Vec<_> = site
        .log
        .lock()
        .unwrap()
        .iter()
        .map(|call| (call.member, call.seq))
        .collect();
    assert_eq!(seen, [(1, 1), (2, 1)]);
}

/// A "no" is an answer: repeating it would be pointless, and so would be asking where nobody listens.
#[tokio::test]
async fn what_is_final_is_not_repeated() {
    let exists = Does::Say(Status::already_exists("group a"));
    let site = site(vec![vec![exists], vec![]], LONG).await;
    assert_eq!(
        delete(&site.once, "a").await.unwrap_err().code(),
        Code::AlreadyExists
    );
    assert_eq!(site.log.lock().unwrap().len(), 1);
    drop(site);
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let nobody = ExactlyOnce::new(channel(&[closed], Cluster::new().api_client(None)), LONG);
    let asked = std::time::Instant::now();
    let status = delete(&nobody, "a").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.metadata().get(rpc::OUTCOME).is_none(), "nothing was sent");
    assert!(asked.elapsed() < LONG);
}

/// The last answer may come from a member that did nothing, and still nobody knows what the first one did.
#[tokio::test]
async fn an_unknown_outcome_stays_unknown() {
    let mut does = vec![unknown()];
    does.extend(std::iter::repeat_n(not_now(), 100));
    let site = site(vec![does], Duration::from_millis(600)).await;
    let status = delete(&site.once, "a").await.unwrap_err();
    assert_eq!(status.metadata().get(rpc::OUTCOME).unwrap(), rpc::OUTCOME_UNKNOWN);
    // a member whose key, rules or version differ, or that fails, has not looked at what the first one did
    for code in [
        Code::Unauthenticated,
        Code::PermissionDenied,
        Code::Unimplemented,
        Code::Internal,
        Code::Unknown,
    ] {
        let refusal = Does::Say(Status::new(code, "no"));
        let site = self::site(vec![vec![unknown(), refusal.clone()]], LONG).await;
        let status = delete(&site.once, "a").await.unwrap_err();
        assert_eq!(
            status.metadata().get(rpc::OUTCOME).unwrap(),
            rpc::OUTCOME_UNKNOWN,
            "{code:?}"
        );
        let site = self::site(vec![vec![refusal]], LONG).await;
        assert_eq!(
            delete(&site.once, "a").await.unwrap_err().code(),
            code,
            "nothing was unknown before"
        );
    }
    let conflict = Does::Say(Status::failed_precondition("the state has answered"));
    let site = self::site(vec![vec![unknown(), conflict]], LONG).await;
    assert_eq!(
        delete(&site.once, "a").await.unwrap_err().code(),
        Code::FailedPrecondition
    );
    let refused = self::site(vec![vec![not_now(); 100]], Duration::from_millis(300)).await;
    let status = delete(&refused.once, "a").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(
        status.metadata().get(rpc::OUTCOME).is_none(),
        "nobody took it: nothing was done"
    );
}

/// Calls at once have numbers of their own, and none is acknowledged before it is done.
#[tokio::test]
async fn calls_at_once_are_told_apart() {
    let does = (0..40).map(|n| if n % 2 == 0 { unknown() } else { Does::Answer });
    let site = site(vec![does.collect()], LONG).await;
    let calls = (0..20).map(|n| {
        let once = site.once.clone();
        async move { delete(&once, &n.to_string()).await }
    });
    for outcome in futures::future::join_all(calls).await {
        outcome.unwrap();
    }
    let seen = site.log.lock().unwrap().clone();
    let mut bodies = std::collections::BTreeMap::new();
    for call in &seen {
        let body = bodies.entry(call.seq).or_insert(&call.body);
        assert_eq!(*body, &call.body, "number {} is one request", call.seq);
        assert!(call.ack_below <= call.seq);
    }
    assert_eq!(bodies.len(), 20);
    let status = ClusterServiceClient::new(site.once.clone())
        .get_status(GetStatusRequest {})
        .await;
    status.unwrap();
    let last = site.log.lock().unwrap().last().cloned().unwrap();
    assert_eq!((last.seq, last.ack_below), (21, 21));
}
