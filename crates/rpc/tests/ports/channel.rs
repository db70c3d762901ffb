//! The client channel: which member it talks to, and what it does when that one goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response};
use proto::cluster::v1::GetStatusRequest;
use proto::cluster::v1::cluster_service_client::ClusterServiceClient;
use rpc::Error;
use rpc::client::{Credentials, Options, connect};
use rpc::server::Limits;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::{Code, Status};

use crate::support::{Cluster, bounded, call, channel, code, header, principal, who_calls};

/// An address where nothing listens.
async fn closed_port() -> String {
    TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string()
}

#[tokio::test]
async fn a_dead_member_is_passed_over() {
    let cluster = Cluster::new();
    let port = cluster.api_port(2, who_calls(), Limits::api()).await;
    let client = channel(&[closed_port().await, port.endpoint()], cluster.api_client(None));
    assert_eq!(principal(&client).await.unwrap(), "anonymous");
}

/// The member in use dies between two calls; the second call must not notice.
#[tokio::test]
async fn the_next_call_after_a_member_died_goes_to_another_one() {
    let cluster = Cluster::new();
    let first = cluster.api_port(1, who_calls(), Limits::api()).await;
    let second = cluster.api_port(2, who_calls(), Limits::api()).await;
    let client = channel(&[first.endpoint(), second.endpoint()], cluster.api_client(None));
    principal(&client).await.unwrap();
    first.stop().await;
    assert_eq!(principal(&client).await.unwrap(), "anonymous");
}

/// One endpoint, restarted on the same port: the channel comes back by itself.
#[tokio::test]
async fn a_channel_to_one_member_reconnects() {
    let cluster = Cluster::new();
    let port = cluster.api_port(1, who_calls(), Limits::api()).await;
    let client = channel(&[port.endpoint()], cluster.api_client(None));
    principal(&client).await.unwrap();
    port.stop().await;
    assert_eq!(principal(&client).await.unwrap_err().code(), Code::Unavailable);
    let port = cluster.api_port(1, who_calls(), Limits::api()).await;
    let client = channel(&[closed_port().await, port.endpoint()], cluster.api_client(None));
    principal(&client).await.unwrap();
}

#[tokio::test]
async fn when_nobody_answers_the_error_names_every_endpoint() {
    let cluster = Cluster::new();
    let endpoints = [closed_port().await, closed_port().await];
    let error = principal(&channel(&endpoints, cluster.api_client(None)))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    for endpoint in endpoints {
        assert!(error.message().contains(&endpoint), "{error:?}");
    }
    assert!(
        error.metadata().get(rpc::OUTCOME).is_none(),
        "nothing was sent, so nothing can have happened"
    );
}

/// A member without a majority answers; the next call asks another one.
#[tokio::test]
async fn unavailable_moves_the_next_call_on() {
    let cluster = Cluster::new();
    let cut_off = tower::service_fn(|_request: Request<Body>| async {
        let error = Error::NoQuorum {
            retry_after: Duration::from_secs(1),
        };
        Ok::<Response<Body>, std::convert::Infallible>(Status::from(error).into_http())
    });
    let first = cluster.api_port(1, cut_off, Limits::api()).await;
    let second = cluster.api_port(2, who_calls(), Limits::api()).await;
    let client = channel(&[first.endpoint(), second.endpoint()], cluster.api_client(None));
    assert_eq!(
        code(&call(&client, "/any.Service/Method").await.unwrap()),
        Code::Unavailable
    );
    assert_eq!(principal(&client).await.unwrap(), "anonymous");
}

/// The server took the call and broke off: sending it again could do it twice.
#[tokio::test]
async fn a_request_that_may_have_arrived_is_not_sent_again() {
    let cluster = Cluster::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let counting = || {
        let calls = Arc::clone(&calls);
        tower::service_fn(move |_request: Request<Body>| {
            calls.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<Result<Response<Body>, std::convert::Infallible>>()
        })
    };
    let limits = Limits {
        drain_at_most: Duration::from_millis(50),
        ..Limits::api()
    };
    let mut first = cluster.api_port(1, counting(), limits).await;
    let second = cluster.api_port(2, counting(), limits).await;
    let client = channel(&[first.endpoint(), second.endpoint()], cluster.api_client(None));
    let writing = tokio::spawn(async move { call(&client, "/any.Service/Write").await });
    bounded(async {
        while calls.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    first.begin_stop();
    let error = bounded(writing).await.unwrap().unwrap_err();
    assert_eq!(
        error.metadata().get(rpc::OUTCOME).unwrap(),
        rpc::OUTCOME_UNKNOWN,
        "{error:?}"
    );
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

/// Calls that wait for one connection share it; none of them dials again.
#[tokio::test]
async fn many_calls_at_once_use_one_connection() {
    let cluster = Cluster::new();
    let limits = Limits {
        connections_per_address_max: 1,
        ..Limits::api()
    };
    let port = cluster.api_port(1, who_calls(), limits).await;
    let client = channel(&[port.endpoint()], cluster.api_client(None));
    let calls = (0..50).map(|_| principal(&client));
    for answer in futures::future::join_all(calls).await {
        assert_eq!(answer.unwrap(), "anonymous");
    }
}

/// The way the command line uses it: options in, a generated client on top.
#[tokio::test]
async fn generated_clients_take_the_channel() {
    let cluster = Cluster::new();
    let port = cluster.api_port(1, who_calls(), Limits::api()).await;
    let options = Options {
        endpoints: vec![port.endpoint()],
        ca: cluster.ca.certificates(),
        credentials: Credentials::Token("abc".to_owned()),
    };
    let mut client = ClusterServiceClient::new(connect(options).unwrap());
    let error = bounded(client.get_status(GetStatusRequest {})).await.unwrap_err();
    assert_eq!(
        error.code(),
        Code::Internal,
        "the stub answers without a message: {error:?}"
    );
}

#[tokio::test]
async fn options_that_cannot_work_are_refused_before_anything_is_dialled() {
    let cluster = Cluster::new();
    let refused = |endpoints: Vec<String>, credentials| {
        connect(Options {
            endpoints,
            ca: cluster.ca.certificates(),
            credentials,
        })
        .err()
        .unwrap()
        .to_string()
    };
    assert!(refused(vec![], Credentials::None).contains("give 1 to 32"));
    assert!(refused(vec!["https://a:1".into()], Credentials::None).contains("host:port"));
    let token = Credentials::Token("line\nbreak".into());
    assert!(refused(vec!["127.0.0.1:1".into()], token).contains("token"));
}

/// What a person asks for with `--consistency local` reaches every call, whichever member takes it.
#[tokio::test]
async fn a_channel_with_local_reads_says_so_with_every_call() {
    let cluster = Cluster::new();
    let echo = || {
        tower::service_fn(|request: Request<Body>| async move {
            let mut response = Status::new(Code::Ok, "").into_http::<Body>();
            if let Some(asked) = request.headers().get(rpc::CONSISTENCY) {
                response.headers_mut().insert("asked", asked.clone());
            }
            Ok::<_, std::convert::Infallible>(response)
        })
    };
    let port = cluster.api_port(1, echo(), Limits::api()).await;
    let endpoints = [closed_port().await, port.endpoint()];
    let usual = channel(&endpoints, cluster.api_client(None));
    let local = usual.clone().with_local_reads().with_token("abc").unwrap();
    for _ in 0..2 {
        let asked = header(&call(&local, "/any.Service/Get").await.unwrap(), "asked");
        assert_eq!(asked.as_deref(), Some(rpc::CONSISTENCY_LOCAL));
        assert_eq!(
            header(&call(&usual, "/any.Service/Get").await.unwrap(), "asked"),
            None
        );
    }
}
