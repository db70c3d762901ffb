//! The guard around real generated services: permission, token, barrier, deadline, panics.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response};
use proto::cluster::v1::cluster_service_server::{ClusterService, ClusterServiceServer};
use proto::cluster::v1::{ClusterStatus, GetStatusRequest};
use proto::smd::v1::service_status_service_server::{ServiceStatusService, ServiceStatusServiceServer};
use proto::smd::v1::{
    GetLivenessRequest, GetLivenessResponse, GetReadyRequest, GetReadyResponse, GetValuesRequest,
    GetValuesResponse,
};
use rpc::server::Limits;
use rpc::{
    Barrier, Error, Etag, Freshness, Guard, Guarded, Identity, Kinds, Rules, add_standard_services, caller,
};
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::{Layer, ServiceExt};

use crate::support::{Cluster, bounded, call, calling_as, channel, code, header};
use crate::tokens::{Claims, Issuer};

/// A list; nobody serves it here.
const GROUPS: &str = "/chamois.smd.v1.GroupService/ListGroups";
const STATUS: &str = "/chamois.cluster.v1.ClusterService/GetStatus";
const READY: &str = "/chamois.smd.v1.ServiceStatusService/GetReady";
const LIVENESS: &str = "/chamois.smd.v1.ServiceStatusService/GetLiveness";
const HEALTH: &str = "/grpc.health.v1.Health/Check";
const REFLECTION: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// A barrier that counts and can be made to fail.
#[derive(Default)]
struct CountingBarrier {
    asked: AtomicUsize,
    no_quorum: AtomicBool,
}

impl Barrier for CountingBarrier {
    fn linearize(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let failed = self.no_quorum.load(Ordering::SeqCst);
        let retry_after = Duration::from_secs(1);
        async move {
            if failed {
                Err(Error::NoQuorum { retry_after })
            } else {
                Ok(())
            }
        }
        .boxed()
    }

    fn last_change(&self, kinds: Kinds) -> Option<Etag> {
        assert_eq!(
            kinds.numbers().collect::<Vec<_>>(),
            [12, 18],
            "as the .proto says"
        );
        Some(Etag {
            cluster_id: "c".to_owned(),
            revision: 7,
        })
    }

    fn freshness(&self) -> Option<Freshness> {
        Some(Freshness {
            revision: 42,
            age: Duration::from_micros(1_500_900),
        })
    }
}

/// Services that panic, hang or answer.
struct Stub;

#[tonic::async_trait]
impl ClusterService for Stub {
    async fn get_status(
        &self,
        request: tonic::Request<GetStatusRequest>,
    ) -> Result<tonic::Response<ClusterStatus>, Status> {
        let mut response = tonic::Response::new(ClusterStatus::default());
        let principal = caller(&request).identity.principal();
        response
            .metadata_mut()
            .insert("principal", principal.parse().unwrap());
        Ok(response)
    }
}

#[tonic::async_trait]
impl ServiceStatusService for Stub {
    async fn get_ready(
        &self,
        _request: tonic::Request<GetReadyRequest>,
    ) -> Result<tonic::Response<GetReadyResponse>, Status> {
        Ok(tonic::Response::new(GetReadyResponse::default()))
    }

    async fn get_liveness(
        &self,
        request: tonic::Request<GetLivenessRequest>,
    ) -> Result<tonic::Response<GetLivenessResponse>, Status> {
        match request.metadata().get("do").and_then(|what| what.to_str().ok()) {
            Some("panic") => panic!("on purpose"),
            Some("hang") => std::future::pending().await,
            _ => Ok(tonic::Response::new(GetLivenessResponse {})),
        }
    }

    async fn get_values(
        &self,
        _request: tonic::Request<GetValuesRequest>,
    ) -> Result<tonic::Response<GetValuesResponse>, Status> {
        Ok(tonic::Response::new(GetValuesResponse::default()))
    }
}

struct Fixture {
    issuer: Issuer,
    barrier: Arc<CountingBarrier>,
    service: Guarded<Routes>,
}

fn fixture() -> Fixture {
    let issuer = Issuer::new();
    let barrier = Arc::new(CountingBarrier::default());
    let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
    let mut routes = Routes::builder();
    routes
        .add_service(ClusterServiceServer::new(Stub))
        .add_service(ServiceStatusServiceServer::new(Stub));
    add_standard_services(&mut routes, proto::DESCRIPTOR).unwrap();
    let guard = Guard::new(rules, Some(issuer.verifier()), barrier.clone());
    Fixture {
        issuer,
        barrier,
        service: guard.layer(routes.routes()),
    }
}

/// An empty protobuf message in gRPC's framing.
fn empty_message() -> Body {
    Body::new(http_body_util::Full::new(bytes::Bytes::from_static(&[0; 5])))
}

impl Fixture {
    async fn call(&self, identity: Identity, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
        let mut request = Request::post(path).header("content-type", "application/grpc");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .extension(calling_as(identity))
            .body(empty_message())
            .unwrap();
        bounded(self.service.clone().oneshot(request)).await.unwrap()
    }

    async fn code(&self, identity: Identity, path: &str, headers: &[(&str, &str)]) -> Code {
        code(&self.call(identity, path, headers).await)
    }
}

fn user() -> Identity {
    Identity::User { name: "ada".into() }
}

#[tokio::test]
async fn an_unknown_path_is_unimplemented_for_everyone() {
    let fixture = fixture();
    for identity in [Identity::Anonymous, user()] {
        for path in ["/", "/chamois.smd.v1.ComponentService", "/a.B/C", "//"] {
            assert_eq!(
                fixture.code(identity.clone(), path, &[]).await,
                Code::Unimplemented,
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn the_rule_of_the_method_decides() {
    let fixture = fixture();
    let node = Identity::Node {
        address: [127, 9, 0, 1].into(),
    };
    assert_eq!(fixture.code(user(), STATUS, &[]).await, Code::Ok);
    assert_eq!(
        fixture.code(Identity::Anonymous, STATUS, &[]).await,
        Code::Unauthenticated
    );
    assert_eq!(fixture.code(node, STATUS, &[]).await, Code::PermissionDenied);
    assert_eq!(fixture.code(Identity::Anonymous, LIVENESS, &[]).await, Code::Ok);
    assert_eq!(fixture.code(Identity::Anonymous, HEALTH, &[]).await, Code::Ok);
    for reflection in REFLECTION {
        assert_eq!(
            fixture.code(Identity::Anonymous, reflection, &[]).await,
            Code::Unauthenticated,
            "{reflection}"
        );
        assert_eq!(
            fixture.code(user(), reflection, &[]).await,
            Code::Ok,
            "{reflection}"
        );
    }
}

/// A list that has not changed costs a look at a number: no handler runs, and none could here.
#[tokio::test]
async fn a_list_that_the_caller_has_is_not_made_again() {
    let fixture = fixture();
    for seen in ["\"c-7\"", "\"c-6\", W/\"c-7\""] {
        let answer = fixture.call(user(), GROUPS, &[("if-none-match", seen)]).await;
        assert_eq!(code(&answer), Code::FailedPrecondition, "{seen}");
        assert_eq!(header(&answer, "http-status").as_deref(), Some("304"));
        assert_eq!(header(&answer, rpc::ETAG).as_deref(), Some("\"c-7\""));
    }
    assert_eq!(
        fixture.barrier.asked.load(Ordering::SeqCst),
        2,
        "as fresh as the list would be"
    );
    for other in ["\"c-6\"", "\"d-7\"", "*"] {
        let answer = fixture.call(user(), GROUPS, &[("if-none-match", other)]).await;
        assert_eq!(code(&answer), Code::Unimplemented, "{other}");
        assert_eq!(header(&answer, rpc::ETAG), None, "a refusal shows no list");
    }
    let stranger = fixture
        .code(Identity::Anonymous, GROUPS, &[("if-none-match", "*")])
        .await;
    assert_eq!(stranger, Code::Unauthenticated);
}

/// Whoever asks to try a change out must never have it made.
#[tokio::test]
async fn a_method_that_cannot_be_tried_out_is_not_called_for_it() {
    let fixture = fixture();
    let asked = |value| [(rpc::VALIDATE_ONLY, value)];
    for (value, expected) in [
        ("true", Code::InvalidArgument),
        ("yes", Code::InvalidArgument),
        ("false", Code::Ok),
    ] {
        assert_eq!(
            fixture.code(user(), STATUS, &asked(value)).await,
            expected,
            "{value}"
        );
    }
    let create = "/chamois.smd.v1.GroupService/CreateGroup";
    let answer = fixture.code(user(), create, &asked("true")).await;
    assert_eq!(answer, Code::Unimplemented, "let through");
}

/// The handler sees the token's subject, whatever the caller wrote into the request itself.
#[tokio::test]
async fn a_bearer_token_makes_an_anonymous_caller_an_administrator() {
    let fixture = fixture();
    let bearer = format!("Bearer {}", fixture.issuer.sign(&Claims::default()));
    for identity in [
        Identity::Anonymous,
        Identity::LegacyReader {
            address: [127, 0, 0, 1].into(),
        },
    ] {
        let response = fixture
            .call(identity, STATUS, &[("authorization", &bearer)])
            .await;
        assert_eq!(
            (code(&response), header(&response, "principal").as_deref()),
            (Code::Ok, Some("token/admin"))
        );
    }
}

/// A wrong credential is an error of its own: falling back to anonymous would hide it.
#[tokio::test]
async fn a_bad_token_is_refused_even_where_none_is_needed() {
    let fixture = fixture();
    for value in ["Bearer abc", "Bearer", "Basic YTpi", "bearer  "] {
        let code = fixture
            .code(Identity::Anonymous, LIVENESS, &[("authorization", value)])
            .await;
        assert_eq!(code, Code::Unauthenticated, "{value}");
    }
}

/// 8081 is plain HTTP: a token that was overheard there must be worth nothing there.
#[tokio::test]
async fn a_token_does_not_raise_a_node_or_replace_a_certificate() {
    let fixture = fixture();
    let bearer = format!("Bearer {}", fixture.issuer.sign(&Claims::default()));
    let headers = [("authorization", bearer.as_str())];
    let node = Identity::Node {
        address: [127, 9, 0, 1].into(),
    };
    assert_eq!(fixture.code(node, STATUS, &headers).await, Code::PermissionDenied);
    assert_eq!(
        fixture.code(Identity::Member(2), STATUS, &headers).await,
        Code::PermissionDenied
    );
    let response = fixture.call(user(), STATUS, &headers).await;
    assert_eq!(header(&response, "principal").as_deref(), Some("user/ada"));
}

#[tokio::test]
async fn a_linearizable_read_waits_for_the_barrier_and_fails_with_it() {
    let fixture = fixture();
    let asked = || fixture.barrier.asked.load(Ordering::SeqCst);
    assert_eq!(fixture.code(user(), READY, &[]).await, Code::Ok);
    assert_eq!(asked(), 1);
    fixture.barrier.no_quorum.store(true, Ordering::SeqCst);
    let response = fixture.call(user(), READY, &[]).await;
    assert_eq!(code(&response), Code::Unavailable);
    assert_eq!(header(&response, rpc::RETRY_AFTER_S).as_deref(), Some("1"));
    assert_eq!(asked(), 2);
}

/// Whoever takes what a member has must be able to judge it; whoever asked for the truth needs no such word.
#[tokio::test]
async fn a_local_answer_says_how_fresh_it_is() {
    let fixture = fixture();
    for path in [READY, LIVENESS] {
        let response = fixture
            .call(user(), path, &[("chamois-consistency", "local")])
            .await;
        assert_eq!(
            header(&response, rpc::LOCAL_REVISION).as_deref(),
            Some("42"),
            "{path}"
        );
        assert_eq!(header(&response, rpc::AGE_MS).as_deref(), Some("1500"), "{path}");
        let response = fixture.call(user(), path, &[]).await;
        assert_eq!(header(&response, rpc::AGE_MS), None, "{path}");
    }
}

/// Without a majority an administrator can still look.
#[tokio::test]
async fn the_caller_may_ask_for_local_state() {
    let fixture = fixture();
    fixture.barrier.no_quorum.store(true, Ordering::SeqCst);
    assert_eq!(
        fixture
            .code(user(), READY, &[("chamois-consistency", "local")])
            .await,
        Code::Ok
    );
    assert_eq!(
        fixture
            .code(user(), READY, &[("chamois-consistency", "loCal")])
            .await,
        Code::Unavailable
    );
    assert_eq!(
        fixture.code(user(), LIVENESS, &[]).await,
        Code::Ok,
        "a method without the option"
    );
}

/// Nobody without the permission may make members exchange read indexes.
#[tokio::test]
async fn the_barrier_comes_after_the_permission() {
    let fixture = fixture();
    let path = "/chamois.smd.v1.ComponentService/ListComponents";
    assert_eq!(
        fixture.code(Identity::Anonymous, path, &[]).await,
        Code::Unauthenticated
    );
    assert_eq!(fixture.barrier.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_handler_that_hangs_ends_at_the_callers_deadline() {
    let fixture = fixture();
    let headers = [("do", "hang"), ("grpc-timeout", "50m")];
    let response = fixture.call(Identity::Anonymous, LIVENESS, &headers).await;
    assert_eq!(code(&response), Code::DeadlineExceeded);
    assert_eq!(
        header(&response, rpc::OUTCOME).as_deref(),
        Some(rpc::OUTCOME_UNKNOWN)
    );
}

/// One bad request must not take the other requests of its connection, or the member, with it.
#[tokio::test]
async fn a_panicking_handler_is_internal_and_the_server_lives() {
    let cluster = Cluster::new();
    let port = cluster.api_port(1, fixture().service, Limits::api()).await;
    let client = channel(&[port.endpoint()], cluster.api_client(None));
    for _ in 0..3 {
        let request = Request::post(LIVENESS)
            .header("content-type", "application/grpc")
            .header("do", "panic")
            .body(empty_message())
            .unwrap();
        let response = bounded(client.clone().oneshot(request)).await.unwrap();
        assert_eq!(code(&response), Code::Internal);
        let status = Status::from_header_map(response.headers()).unwrap();
        assert!(
            !status.message().contains("on purpose"),
            "the panic's text stays in the log: {status:?}"
        );
    }
    assert_eq!(
        call(&client, "/a.B/C").await.map(|r| code(&r)).unwrap(),
        Code::Unimplemented
    );
}

/// The whole way in: no certificate, then a token on the same port.
#[tokio::test]
async fn anonymous_over_tls_becomes_an_administrator_by_token() {
    let cluster = Cluster::new();
    let fixture = fixture();
    let port = cluster.api_port(1, fixture.service.clone(), Limits::api()).await;
    let anonymous = channel(&[port.endpoint()], cluster.api_client(None));
    let mut client = proto::cluster::v1::cluster_service_client::ClusterServiceClient::new(anonymous.clone());
    let refused = bounded(client.get_status(GetStatusRequest {})).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let token = fixture.issuer.sign(&Claims::default());
    let admin = anonymous.with_token(&token).unwrap();
    let mut client = proto::cluster::v1::cluster_service_client::ClusterServiceClient::new(admin);
    let response = bounded(client.get_status(GetStatusRequest {})).await.unwrap();
    assert_eq!(response.metadata().get("principal").unwrap(), "token/admin");
}
