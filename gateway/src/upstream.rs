//! The unary gRPC call into this process's guarded services: bytes in, bytes out, no network.

use std::convert::Infallible;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Request, Response, Status};
use tower::Service;
use tower::util::BoxCloneSyncService;

/// A response of a service may be this large, bytes; all 10,000 components are 600 kB.
const RESPONSE_BYTES_MAX: usize = 256 << 20;
/// What the service has beyond the caller's deadline to say so itself.
const GRACE: Duration = Duration::from_secs(1);

/// The services behind the gateway.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    service:
        BoxCloneSyncService<http::Request<tonic::body::Body>, http::Response<tonic::body::Body>, Infallible>,
}

/// One call.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// `/package.Service/Method`.
    pub(crate) path: PathAndQuery,
    pub(crate) message: Bytes,
    pub(crate) caller: rpc::Caller,
    /// The HTTP request's headers, of which `passed` become metadata.
    pub(crate) headers: &'a HeaderMap,
    pub(crate) passed: &'a [HeaderName],
    /// The ETag of the answer that the gateway has kept: with it `NotModified` will do.
    pub(crate) kept: Option<&'a HeaderValue>,
    /// The change is only to be tried out.
    pub(crate) validate_only: bool,
    /// Told whose token it is.
    pub(crate) seen_as: Option<rpc::SeenAs>,
    pub(crate) deadline: Duration,
}

impl Upstream {
    pub(crate) fn new<S>(service: S) -> Self
    where
        S: Service<http::Request<tonic::body::Body>, Response = http::Response<tonic::body::Body>>,
        S: Service<http::Request<tonic::body::Body>, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        Self {
            service: BoxCloneSyncService::new(service),
        }
    }

    /// Calls and waits for the answer, at most for the deadline.
    ///
    /// # Errors
    /// The service's status, or `DEADLINE_EXCEEDED`.
    pub(crate) async fn call(&self, call: Call<'_>) -> Result<Response<Bytes>, Status> {
        let mut request = Request::new(call.message);
        let all_of = |name| {
            let values = call.headers.get_all(name).iter();
            values.map(move |value| (HeaderName::clone(name), value.clone()))
        };
        let passed = call.passed.iter().flat_map(all_of);
        *request.metadata_mut() = MetadataMap::from_headers(passed.collect());
        if let Some(etag) = call.kept.and_then(|etag| etag.to_str().ok()?.parse().ok()) {
            request.metadata_mut().append(rpc::IF_NONE_MATCH, etag);
        }
        if call.validate_only {
            let metadata = request.metadata_mut();
            metadata.insert(rpc::VALIDATE_ONLY, MetadataValue::from_static("true"));
        }
        request.set_timeout(call.deadline);
        request.extensions_mut().insert(call.caller);
        request.extensions_mut().insert(rpc::KeepsAnswers);
        if let Some(seen_as) = call.seen_as {
            request.extensions_mut().insert(seen_as);
        }
        let mut client = tonic::client::Grpc::new(self.service.clone())
            .max_decoding_message_size(RESPONSE_BYTES_MAX)
            .max_encoding_message_size(usize::MAX);
        let answer = async {
            client
                .ready()
                .await
                .map_err(|error| Status::unavailable(error.to_string()))?;
            client.unary(request, call.path, BytesCodec).await
        };
        let in_time = tokio::time::timeout(call.deadline + GRACE, answer).await;
        let after = call.deadline;
        in_time.unwrap_or_else(|_| Err(rpc::Error::DeadlineExceeded { after }.into()))
    }
}

/// Messages stay encoded.
#[derive(Clone, Copy, Debug)]
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(message);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(message.copy_to_bytes(message.remaining())))
    }
}
