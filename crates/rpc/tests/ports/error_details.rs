//! What an error says to programs, as a client reads it: of handlers, of the guard, and of what never reaches a handler.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::Request;
use http_body_util::Full;
use proto::smd::v1::service_status_service_server::{ServiceStatusService, ServiceStatusServiceServer};
use proto::smd::v1::{
    GetLivenessRequest, GetLivenessResponse, GetReadyRequest, GetReadyResponse, GetValuesRequest,
    GetValuesResponse,
};
use rpc::server::Limits;
use rpc::{Barrier, Error, Guard, Guarded, Identity, Rules, invalid};
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use tower::{Layer as _, ServiceExt as _};

use crate::support::{Cluster, bounded, call, calling_as, channel};

const LIVENESS: &str = "/chamois.smd.v1.ServiceStatusService/GetLiveness";

/// A barrier that lets everything through.
struct Open;

impl Barrier for Open {
    fn linearize(&self) -> BoxFuture<'_, Result<(), Error>> {
        async { Ok(()) }.boxed()
    }
}

/// A service that fails as its caller wishes.
struct Stub;

#[tonic::async_trait]
impl ServiceStatusService for Stub {
    async fn get_liveness(
        &self,
        request: tonic::Request<GetLivenessRequest>,
    ) -> Result<tonic::Response<GetLivenessResponse>, Status> {
        match request.metadata().get("do").and_then(|what| what.to_str().ok()) {
            Some("invalid") => Err(invalid("nid", "7 is x1's").into()),
            Some("own") => Err(Status::not_found("of its own making")),
            Some("hang") => std::future::pending().await,
            _ => Ok(tonic::Response::new(GetLivenessResponse {})),
        }
    }

    async fn get_ready(
        &self,
        _request: tonic::Request<GetReadyRequest>,
    ) -> Result<tonic::Response<GetReadyResponse>, Status> {
        Err(Error::SessionExpired.into())
    }

    async fn get_values(
        &self,
        _request: tonic::Request<GetValuesRequest>,
    ) -> Result<tonic::Response<GetValuesResponse>, Status> {
        Err(Error::OutcomeUnknown.into())
    }
}

fn guarded() -> Guarded<Routes> {
    let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
    let mut routes = Routes::builder();
    routes.add_service(ServiceStatusServiceServer::new(Stub));
    Guard::new(rules, None, Arc::new(Open)).layer(routes.routes())
}

/// The status of a call with these headers and this body, in gRPC's framing.
async fn refused(path: &str, headers: &[(&str, &str)], body: &'static [u8]) -> Status {
    let mut request = Request::post(path).header("content-type", "application/grpc");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let identity = Identity::User { name: "ada".into() };
    let request = request.extension(calling_as(identity));
    let request = request.body(Body::new(Full::new(Bytes::from_static(body))));
    let answer = bounded(guarded().oneshot(request.unwrap())).await.unwrap();
    Status::from_header_map(answer.headers()).expect("an error is in the headers")
}

fn reason(details: &ErrorDetails) -> (String, HashMap<String, String>) {
    let info = details.error_info().expect("every error has a reason");
    assert_eq!(info.domain, rpc::ERROR_DOMAIN);
    (info.reason.clone(), info.metadata.clone())
}

const EMPTY: &[u8] = &[0; 5];

#[tokio::test]
async fn what_a_handler_says_arrives_with_its_details() {
    let status = refused(LIVENESS, &[("do", "invalid")], EMPTY).await;
    let details = status.check_error_details().unwrap();
    assert_eq!(reason(&details).0, "INVALID_FIELD");
    let violations = &details.bad_request().unwrap().field_violations;
    assert_eq!(violations[0].field, "nid");
    assert_eq!(violations[0].description, "7 is x1's");
}

#[tokio::test]
async fn a_status_of_a_handlers_own_making_has_a_reason_too() {
    let status = refused(LIVENESS, &[("do", "own")], EMPTY).await;
    assert_eq!(
        (status.code(), status.message()),
        (Code::NotFound, "of its own making")
    );
    assert_eq!(reason(&status.check_error_details().unwrap()).0, "NOT_FOUND");
}

#[tokio::test]
async fn what_the_guard_refuses_has_its_reason() {
    let status = refused("/chamois.smd.v1.NoService/None", &[], EMPTY).await;
    let (word, facts) = reason(&status.check_error_details().unwrap());
    assert_eq!(
        (word.as_str(), facts["path"].as_str()),
        ("NO_SUCH_METHOD", "/chamois.smd.v1.NoService/None")
    );
    let status = refused(LIVENESS, &[("do", "hang"), ("grpc-timeout", "20m")], EMPTY).await;
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let (word, facts) = reason(&status.check_error_details().unwrap());
    assert_eq!(
        (word.as_str(), facts["outcome"].as_str()),
        ("DEADLINE_EXCEEDED", "unknown")
    );
}

/// tonic would say `OUT_OF_RANGE`, which a watch takes for changes that are not kept any more.
#[tokio::test]
async fn a_message_over_the_limit_is_refused_with_the_limit() {
    // the length alone says it: 5 MiB would follow
    let status = refused(LIVENESS, &[], &[0, 0, 0x50, 0, 0]).await;
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    let (word, facts) = reason(&status.check_error_details().unwrap());
    assert_eq!(word, "TOO_LARGE");
    assert_eq!(facts["what"], "the message of 5242880 bytes");
    assert_eq!(facts["limit"], "4194304 bytes");
}

/// Bytes that are no such message are the caller's mistake and not a bug of ours.
#[tokio::test]
async fn a_message_that_does_not_decode_is_invalid() {
    let status = refused(LIVENESS, &[], &[0, 0, 0, 0, 1, 0xff]).await;
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(
        status.message().contains("not encoded as this method's request"),
        "{status:?}"
    );
    assert_eq!(
        reason(&status.check_error_details().unwrap()).1["field"],
        "message"
    );
}

/// Fields of a newer client are skipped, as protobuf has it: that is how a fleet is upgraded.
#[tokio::test]
async fn a_field_that_is_not_known_is_no_error() {
    let body = Body::new(Full::new(Bytes::from_static(&[0, 0, 0, 0, 3, 0xf8, 0x7f, 1])));
    let request = Request::post(LIVENESS)
        .header("content-type", "application/grpc")
        .body(body)
        .unwrap();
    let answer = bounded(guarded().oneshot(request)).await.unwrap();
    let status = Status::from_header_map(answer.headers());
    assert!(status.is_none_or(|status| status.code() == Code::Ok));
}

/// Over TLS and HTTP/2, as any client in any language gets it.
#[tokio::test]
async fn details_survive_the_wire() {
    let cluster = Cluster::new();
    let port = cluster.api_port(1, guarded(), Limits::api()).await;
    let channel = channel(&[port.endpoint()], cluster.api_client(None));
    let answer = call(&channel, "/a.B/C").await.unwrap();
    let status = Status::from_header_map(answer.headers()).unwrap();
    assert_eq!(status.get_details_error_info().unwrap().reason, "NO_SUCH_METHOD");
}
