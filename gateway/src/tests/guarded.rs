//! The gateway in front of the real guard and tonic's router: that they fit, and that nothing goes past the guard.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use http_body_util::{BodyExt as _, Full};
use rpc::{Barrier, Caller, Guard, Identity, Rules};
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
