//! What the Rust client does for whoever writes a program: errors that say what may be repeated, credentials that are renewed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Request, Response};
use proto::cluster::v1::GetStatusRequest;
use proto::cluster::v1::cluster_service_client::ClusterServiceClient;
use rpc::client::{ClientError, Credentials, Options, TokenError, TokenSource, connect};
use rpc::server::Limits;
use rpc::{Error, Reason, invalid};
use tonic::Code;
use tonic::Status;
use tonic::body::Body;

use crate::support::{Cluster, Running, bounded, call, channel, header, principal, who_calls};

/// A member that answers every call so.
async fn saying(cluster: &Cluster, status: Status) -> Running {
    let says = tower::service_fn(move |_request: Request<Body>| {
        let status = status.clone();
        async move { Ok::<Response<Body>, Infallible>(status.into_http()) }
    });
    cluster.api_port(1, says, Limits::api()).await
}

/// A member that sends back the bearer token of each call.
async fn echoing(cluster: &Cluster) -> Running {
    let echo = tower::service_fn(|request: Request<Body>| async move {
        let mut response = Status::new(Code::Ok, "").into_http::<Body>();
        if let Some(token) = request.headers().get("authorization") {
            response.headers_mut().insert("seen", token.clone());
        }
        Ok::<_, Infallible>(response)
    });
    cluster.api_port(1, echo, Limits::api()).await
}

fn options(cluster: &Cluster, port: &Running, credentials: Credentials) -> Options {
    Options {
        endpoints: vec![port.endpoint()],
        ca: cluster.ca.certificates(),
        credentials,
    }
}

/// Through a generated client, as a program gets it.
#[tokio::test]
async fn a_programs_error_says_what_is_wrong_and_whether_to_try_again() {
    let cluster = Cluster::new();
    let retry_after = Duration::from_secs(2);
    for (error, reason, is_safe) in [
        (invalid("nid", "no number"), Reason::InvalidField, false),
        (Error::NoQuorum { retry_after }, Reason::NoQuorum, true),
        (Error::OutcomeUnknown, Reason::OutcomeUnknown, false),
        (Error::SessionExpired, Reason::SessionExpired, false),
    ] {
        let port = saying(&cluster, error.into()).await;
        let channel = channel(&[port.endpoint()], cluster.api_client(None));
        let mut client = ClusterServiceClient::new(channel);
        let status = bounded(client.get_status(GetStatusRequest {})).await.unwrap_err();
        let told = ClientError::from(status);
        assert_eq!(
            (told.reason(), told.is_safe_to_retry()),
            (reason, is_safe),
            "{told}"
        );
        if reason == Reason::NoQuorum {
            assert_eq!(told.retry_after(), Some(retry_after));
        }
        if reason == Reason::InvalidField {
            assert_eq!(told.fields()[0].field, "nid");
        }
        port.stop().await;
    }
}

/// Nothing was sent, so the same request may be sent again.
#[tokio::test]
async fn a_member_that_cannot_be_reached_leaves_nothing_open() {
    let cluster = Cluster::new();
    let port = cluster.api_port(1, who_calls(), Limits::api()).await;
    let endpoint = port.endpoint();
    port.stop().await;
    let status = principal(&channel(&[endpoint], cluster.api_client(None)))
        .await
        .unwrap_err();
    let told = ClientError::of(&status);
    assert!(told.is_safe_to_retry() && !told.outcome_is_unknown(), "{told:?}");
}

/// Certificates of the cluster live for a day; a program should not have to be restarted for that.
#[tokio::test]
async fn a_renewed_certificate_is_shown_on_a_connection_of_its_own() {
    let cluster = Cluster::new();
    let port = cluster.api_port(1, who_calls(), Limits::api()).await;
    let dir = tempfile::tempdir().unwrap();
    let (chain, key) = (dir.path().join("user.pem"), dir.path().join("user.key"));
    let renew = |name: &str| {
        let (certificate, its_key) = cluster.ca.issue_pem(&format!("spiffe://demo/user/{name}"));
        std::fs::write(&key, its_key).unwrap();
        std::fs::write(&chain, certificate).unwrap();
    };
    renew("ada");
    let files = Credentials::CertificateFiles {
        chain: chain.clone(),
        key: key.clone(),
    };
    let client = connect(options(&cluster, &port, files)).unwrap();
    assert_eq!(principal(&client).await.unwrap(), "user/ada");
    renew("grace");
    bounded(async {
        while principal(&client).await.unwrap() != "user/grace" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_token_file_that_is_written_anew_is_read_again() {
    let cluster = Cluster::new();
    let port = echoing(&cluster).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "first\n").unwrap();
    let credentials = Credentials::TokenFile(file.clone());
    let client = connect(options(&cluster, &port, credentials)).unwrap();
    let seen = async || header(&call(&client, "/a.B/C").await.unwrap(), "seen");
    assert_eq!(seen().await.as_deref(), Some("Bearer first"));
    std::fs::write(&file, "second\n").unwrap();
    bounded(async {
        while seen().await.as_deref() != Some("Bearer second") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

/// Gives one token, or none.
struct Source(Option<&'static str>);

impl TokenSource for Source {
    fn token(&self) -> BoxFuture<'_, Result<String, TokenError>> {
        let token = self.0.map(str::to_owned);
        let token = token.ok_or_else(|| TokenError::Other("the provider does not answer".to_owned()));
        std::future::ready(token).boxed()
    }
}

#[tokio::test]
async fn a_source_gives_the_token_of_each_call_or_none_is_made() {
    let cluster = Cluster::new();
    let port = echoing(&cluster).await;
    let of = |token| {
        let source = Credentials::TokenSource(Arc::new(Source(token)));
        connect(options(&cluster, &port, source)).unwrap()
    };
    let answer = call(&of(Some("abc")), "/a.B/C").await.unwrap();
    assert_eq!(header(&answer, "seen").as_deref(), Some("Bearer abc"));
    let status = call(&of(None), "/a.B/C").await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unauthenticated, "the provider does not answer")
    );
    let status = call(&of(Some("line\nbreak")), "/a.B/C").await.unwrap_err();
    assert!(status.message().contains("no token has"), "{status:?}");
    assert!(!status.message().contains("line"), "no credential in an error");
}

/// What the first ten lines of a program give: endpoints and files, as in the environment of the command line.
#[tokio::test]
async fn options_are_made_of_what_the_environment_has() {
    let cluster = Cluster::new();
    let port = cluster.api_port(1, who_calls(), Limits::api()).await;
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    let refused = Options::new("a:1", &ca, Credentials::None).err().unwrap();
    assert!(refused.to_string().contains("ca.pem"), "{refused}");
    std::fs::write(&ca, "no certificate").unwrap();
    let refused = Options::new("a:1", &ca, Credentials::None).err().unwrap();
    assert!(refused.to_string().contains("CERTIFICATE"), "{refused}");
    std::fs::write(&ca, cluster.ca.pem()).unwrap();
    let endpoints = format!("{}, 127.0.0.1:1", port.endpoint());
    let options = Options::new(&endpoints, &ca, Credentials::None).unwrap();
    assert_eq!(options.endpoints.len(), 2);
    assert_eq!(principal(&connect(options).unwrap()).await.unwrap(), "anonymous");
    let no_file = Credentials::TokenFile(dir.path().join("absent"));
    let options = Options::new(&endpoints, &ca, no_file).unwrap();
    assert!(connect(options).err().unwrap().to_string().contains("absent"));
}
