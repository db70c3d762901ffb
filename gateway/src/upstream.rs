//! The gRPC call into this process's guarded services: bytes in, bytes out, no network.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue};
use rpc::BytesCodec;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Request, Response, Status, Streaming};
use tower::Service;
use tower::util::BoxCloneSyncService;

/// A response of a service may be this large, bytes; all 10,000 components are 600 kB.
const RESPONSE_BYTES_MAX: usize = 256 << 20;
/// What the service has beyond the caller's deadline to say so itself.
const GRACE: Duration = Duration::from_secs(1);

type Services =
    BoxCloneSyncService<http::Request<tonic::body::Body>, http::Response<tonic::body::Body>, Infallible>;

/// The services behind the gateway.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    service: Services,
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
        let (path, deadline, message) = (call.path.clone(), call.deadline, call.message.clone());
        let mut request = call.request(message);
        request.set_timeout(deadline);
        request.extensions_mut().insert(rpc::KeepsAnswers);
        let answer = async {
            let mut client = self.client().await?;
            client.unary(request, path, BytesCodec).await
        };
        in_time(deadline, answer).await
    }

    /// Calls with a stream of messages and waits at most for the deadline until there is an answer; that has none for itself, as long
    /// as both ends go on.
    ///
    /// # Errors
    /// As [`Upstream::call`], where the service refuses before its first message.
    pub(crate) async fn stream(
        &self,
        call: Call<'_>,
        messages: impl Stream<Item = Bytes> + Send + 'static,
    ) -> Result<Response<Streaming<Bytes>>, Status> {
        let (path, deadline) = (call.path.clone(), call.deadline);
        let request = call.request(messages);
        let answer = async {
            let mut client = self.client().await?;
            client.streaming(request, path, BytesCodec).await
        };
        in_time(deadline, answer).await
    }

    /// Ready for one call.
    async fn client(&self) -> Result<tonic::client::Grpc<Services>, Status> {
        let mut client = tonic::client::Grpc::new(self.service.clone())
            .max_decoding_message_size(RESPONSE_BYTES_MAX)
            .max_encoding_message_size(usize::MAX);
        let ready = client.ready().await;
        ready.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(client)
    }
}

impl Call<'_> {
    /// With its caller and what its headers say.
    fn request<M>(self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        let all_of = |name| {
            let values = self.headers.get_all(name).iter();
            values.map(move |value| (HeaderName::clone(name), value.clone()))
        };
        let passed = self.passed.iter().flat_map(all_of);
        *request.metadata_mut() = MetadataMap::from_headers(passed.collect());
        if let Some(etag) = self.kept.and_then(|etag| etag.to_str().ok()?.parse().ok()) {
            request.metadata_mut().append(rpc::IF_NONE_MATCH, etag);
        }
        if self.validate_only {
            let metadata = request.metadata_mut();
            metadata.insert(rpc::VALIDATE_ONLY, MetadataValue::from_static("true"));
        }
        request.extensions_mut().insert(self.caller);
        if let Some(seen_as) = self.seen_as {
            request.extensions_mut().insert(seen_as);
        }
        request
    }
}

async fn in_time<T>(
    deadline: Duration,
    answer: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let answer = tokio::time::timeout(deadline + GRACE, answer).await;
    answer.unwrap_or_else(|_| Err(rpc::Error::DeadlineExceeded { after: deadline }.into()))
}
