//! The gateway in front of the real guard and tonic's router: that they fit, and that nothing goes past the guard.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use proto::smd::v1::{Component, ListComponentsResponse};
use rpc::{Access, Authority, Barrier, Caller, Error, Guard, Identity, Part, Principal, Rules, Scope};
use tokio::sync::watch;
use tonic::body::Body;
use tower::Layer;

use crate::port::Port;
use crate::{Gateway, Options};

/// No majority: linearizable reads must fail.
struct NoMajority;

impl Barrier for NoMajority {
    fn linearize(&self) -> BoxFuture<'_, Result<(), rpc::Error>> {
        let retry_after = std::time::Duration::from_secs(2);
        async move { Err(rpc::Error::NoQuorum { retry_after }) }.boxed()
    }
}

/// Everything was last changed at one revision.
struct Unchanged;

impl Barrier for Unchanged {
    fn linearize(&self) -> BoxFuture<'_, Result<(), rpc::Error>> {
        async { Ok(()) }.boxed()
    }

    fn last_change(&self, _: rpc::Kinds) -> Option<rpc::Etag> {
        Some(rpc::Etag {
            cluster_id: "c".into(),
            revision: 7,
        })
    }
}

async fn status(port: &Port, identity: Identity, uri: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let mut request = http::Request::get(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::<bytes::Bytes>::default()).unwrap();
    let response = port
        .answer(
            Caller {
                identity,
                peer: None,
                local: None,
            },
            request,
        )
        .await;
    let status = response.status().as_u16();
    (
        status,
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap(),
    )
}

/// Without a service behind it, 501 is what a request gets that the guard has let through.
#[tokio::test]
async fn every_request_passes_the_guard() {
    let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
    let guard = Guard::new(rules, None, Arc::new(NoMajority));
    let guarded = guard.layer(tonic::service::Routes::default());
    let gateway = Gateway::new(proto::DESCRIPTOR, guarded, Options::default()).unwrap();
    let address = "127.0.0.1".parse().unwrap();
    let node = || Identity::Node { address };
    let reader = || Identity::LegacyReader { address };
    let admin = || Identity::User { name: "ada".into() };
    let (components, script) = ("/hsm/v2/State/Components", "/boot/v1/bootscript?mac=1");
    for (port, identity, uri, headers, expected) in [
        (&gateway.api, Identity::Anonymous, components, &[][..], 401),
        (
            &gateway.api,
            Identity::Anonymous,
            components,
            &[("authorization", "Bearer t")][..],
            401,
        ),
        (
            &gateway.api,
            Identity::Anonymous,
            "/boot/v1/service/status",
            &[],
            501,
        ),
        (&gateway.api, Identity::Anonymous, script, &[], 401),
        (&gateway.api, reader(), components, &[], 503),
        (&gateway.api, reader(), "/hsm/v2/State/Components/x1", &[], 401),
        (&gateway.api, admin(), components, &[], 503),
        (
            &gateway.api,
            admin(),
            components,
            &[("chamois-consistency", "local")],
            501,
        ),
        (&gateway.nodes, node(), script, &[], 501),
        (&gateway.nodes, node(), components, &[], 404),
        (&gateway.nodes, Identity::Anonymous, script, &[], 401),
    ] {
        let (status, body) = status(port, identity.clone(), uri, headers).await;
        assert_eq!(status, expected, "{identity:?} {uri}: {body}");
    }
}

/// An error shows no list: it has HSM's four keys and no ETag, and whoever asks again is told it again.
#[tokio::test]
async fn an_error_has_no_etag() {
    let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
    let guard = Guard::new(rules, None, Arc::new(Unchanged));
    let guarded = guard.layer(tonic::service::Routes::default());
    let gateway = Gateway::new(proto::DESCRIPTOR, guarded, Options::default()).unwrap();
    let admin = || Identity::User { name: "ada".into() };
    let ask = async |uri: &str, seen: &str| {
        let headers = [("if-none-match", seen)];
        status(&gateway.api, admin(), uri, &headers).await
    };
    let (list, one) = ("/hsm/v2/State/Components", "/hsm/v2/memberships/x0c0s0b0n0");
    for (uri, seen) in [(list, "\"c-6\""), (list, "*"), (one, "*"), (one, "\"c-7\"")] {
        let (status, body) = ask(uri, seen).await;
        assert_eq!(status, 501, "{uri} {seen}: {body}");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        let keys: Vec<_> = body.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            ["detail", "reason", "status", "title", "type"],
            "{uri} {seen}"
        );
    }
    assert_eq!(ask(list, "\"c-7\"").await, (304, String::new()));
}

/// `user/all` reads everything, everybody else what is of `x0`.
struct Policies;

#[derive(Debug)]
struct OnlyX0;

impl Part for OnlyX0 {
    fn has_component(&self, id: &str) -> bool {
        id == "x0"
    }

    fn has_group(&self, _: &str) -> bool {
        false
    }

    fn has_kind(&self, _: u32) -> bool {
        true
    }
}

impl Authority for Policies {
    fn authenticate(&self, _: &str) -> Result<Option<Identity>, Error> {
        Ok(None)
    }

    fn access(&self, identity: &Identity, _: &str) -> Result<Access, Error> {
        let scope = match identity.principal().as_str() {
            "user/all" => Scope::Everything,
            _ => Scope::Part(Arc::new(OnlyX0)),
        };
        Ok(Access { scope, grant: None })
    }

    fn changes(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }
}

/// Answers every call with a list that is long enough to be kept.
async fn long_list(_: http::Request<Body>) -> Result<http::Response<Body>, std::convert::Infallible> {
    let component = |id: &str| Component {
        id: id.to_owned(),
        role: "r".repeat(40 << 10),
        ..Component::default()
    };
    let list = ListComponentsResponse {
        components: vec![component("x0"), component("x1")],
        ..ListComponentsResponse::default()
    };
    let length = u32::try_from(list.encoded_len()).unwrap().to_be_bytes();
    let frame = [&[0_u8][..], length.as_slice(), list.encode_to_vec().as_slice()].concat();
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    let trailers = std::future::ready(Some(Ok(trailers)));
    let body = Full::new(bytes::Bytes::from(frame)).with_trailers(trailers);
    Ok(http::Response::new(Body::new(body)))
}

/// Lists are kept by what was asked. Who has a part of the system asks the same, and must neither get another's nor leave his own.
#[tokio::test]
async fn a_kept_answer_of_an_administrator_is_not_given_to_a_part_caller() {
    let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
    let guard = Guard::new(rules, None, Arc::new(Unchanged)).with_authority(Arc::new(Policies));
    let guarded = guard.layer(tower::service_fn(long_list));
    let gateway = Gateway::new(proto::DESCRIPTOR, guarded, Options::default()).unwrap();
    let ask = async |name: &str, headers: &[(&str, &str)]| {
        let principal = Principal {
            name: name.to_owned(),
            ..Principal::default()
        };
        let identity = Identity::Known(Arc::new(principal));
        let (status, body) = status(&gateway.api, identity, "/hsm/v2/State/Components", headers).await;
        (status, body.matches("\"ID\"").count())
    };
    let seen = [("if-none-match", "\"c-7\"")];
    for _ in 0..2 {
        assert_eq!(ask("user/all", &[]).await, (200, 2));
        assert_eq!(ask("user/part", &[]).await, (200, 1));
        assert_eq!(
            ask("user/part", &seen).await,
            (200, 1),
            "there is nothing that he has"
        );
        assert_eq!(ask("user/all", &seen).await, (304, 0));
    }
}
