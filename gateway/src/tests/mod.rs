//! The gateway with the real descriptor in front of a service that records what it is asked.

mod api_document;
mod better;
mod bmc_resources;
mod boot_configurations;
mod boot_rollouts;
mod boot_timeline;
mod bss;
mod cloud_init;
mod cloud_init_more;
mod component_routes;
mod direct;
mod downloads;
mod endpoints;
mod files;
mod from_headers;
mod golden;
mod groups;
mod guarded;
mod hardware;
mod hostile;
mod images;
mod kept;
mod loaders;
mod lock_enforcement;
mod locks;
mod maps;
mod partitions;
mod paths;
mod power;
mod redfish_endpoints;
mod routes;
mod sent_files;
mod sockets;
mod subscriptions;
mod transcoding;
mod websockets;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use prost::Message;
use proto::http::v1::WouldChange;
use tonic::Status;
use tonic::metadata::MetadataMap;
use tower::Service;

use crate::{Gateway, Options};

/// What the service was asked.
#[derive(Clone, Debug)]
struct Asked {
    path: String,
    message: Bytes,
    metadata: HeaderMap,
    caller: rpc::Caller,
}

type Answer = Result<(Bytes, MetadataMap), Status>;

/// Stands for all services: answers every call with the recorded protobuf answer.
#[derive(Clone)]
struct Fake {
    answer: Arc<Mutex<Answer>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    would_change: Arc<Mutex<Option<WouldChange>>>,
}

impl Fake {
    fn new() -> Self {
        Self {
            answer: Arc::new(Mutex::new(Ok(Default::default()))),
            asked: Arc::default(),
            would_change: Arc::default(),
        }
    }

    fn will_answer(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// What the guard tells of a change that is only tried out.
    fn will_tell(&self, would_change: WouldChange) {
        *self.would_change.lock().unwrap() = Some(would_change);
    }

    /// What was asked since the last look.
    fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn one_asked(&self) -> Asked {
        let mut asked = self.take_asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked.remove(0)
    }
}

impl Service<Request<tonic::body::Body>> for Fake {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = futures::future::BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let frame = body.collect().await.unwrap().to_bytes();
            this.asked.lock().unwrap().push(Asked {
                path: parts.uri.path().to_owned(),
                message: frame.slice(frame.len().min(5)..), // a stream may have none
                metadata: parts.headers,
                caller: parts.extensions.get::<rpc::Caller>().unwrap().clone(),
            });
            let answer = this.answer.lock().unwrap().clone();
            let (message, metadata) = match answer {
                Ok(answer) => answer,
                Err(status) => return Ok(status.into_http()),
            };
            let mut frame = BytesMut::new();
            frame.put_u8(0);
            frame.put_u32(message.len() as u32);
            frame.put(message);
            let mut response = Response::new(tonic::body::Body::new(Full::new(frame.freeze())));
            *response.headers_mut() = metadata.into_headers();
            if let Some(told) = this.would_change.lock().unwrap().take() {
                response.extensions_mut().insert(Arc::new(told));
            }
            response.headers_mut().insert("grpc-status", "0".parse().unwrap());
            response
                .headers_mut()
                .insert("content-type", "application/grpc".parse().unwrap());
            Ok(response)
        })
    }
}

/// An HTTP answer as a client sees it.
#[derive(Debug)]
struct Got {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Got {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Every error must be a problem whose status is the one on the status line.
    fn detail(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self:?}"
        );
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["status"], self.status, "{self:?}");
        assert_eq!(problem["type"], "about:blank");
        problem["detail"].as_str().unwrap().to_owned()
    }
}

fn gateway(fake: &Fake, options: Options) -> Gateway {
    Gateway::new(proto::DESCRIPTOR, fake.clone(), options).unwrap()
}

/// Sends one request straight to the API port, without a network.
async fn send(
    gateway: &Gateway,
    verb: &str,
    uri: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Got {
    send_to(&gateway.api, verb, uri, headers, body).await
}

async fn send_to(
    port: &crate::port::Port,
    verb: &str,
    uri: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Got {
    let mut request = Request::builder().method(verb).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).unwrap();
    let (parts, body) = port.answer(rpc::Caller::anonymous(), request).await.into_parts();
    Got {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

/// The answer `message`, without metadata.
fn answer(message: &impl Message) -> Answer {
    Ok((message.encode_to_vec().into(), MetadataMap::new()))
}
