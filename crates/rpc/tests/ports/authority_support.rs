//! An authority that knows three people, and services behind a guard that asks it.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt as _};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use prost::Message;
use proto::auth::v1::Grant;
use proto::smd::v1::{Component, ListComponentsResponse};
use rpc::{
    Access, Authority, Barrier, Denial, Denials, Error, Etag, Guard, Guarded, Identity, Kinds, Part,
    Principal, Rules, Scope,
};
use tokio::sync::watch;
use tonic::Status;
use tonic::body::Body;
use tower::util::BoxCloneSyncService;
use tower::{Layer as _, ServiceExt as _};

use crate::support::{bounded, calling_as};
use crate::tokens::Issuer;

pub(crate) const MINE: &str = "x0c0s0b0n0";
pub(crate) const THEIRS: &str = "x0c0s1b0n0";
pub(crate) const LIST: &str = "/chamois.smd.v1.ComponentService/ListComponents";
pub(crate) const GET: &str = "/chamois.smd.v1.ComponentService/GetComponent";
pub(crate) const DELETE: &str = "/chamois.smd.v1.ComponentService/DeleteComponent";
pub(crate) const RESERVE: &str = "/chamois.smd.v1.ReservationService/CreateReservations";
pub(crate) const WATCH: &str = "/chamois.watch.v1.WatchService/Watch";
pub(crate) const SCRIPT: &str = "/chamois.bss.v1.BootScriptService/GetBootScript";
pub(crate) const SNAPSHOT: &str = "/chamois.cluster.v1.SnapshotService/SaveSnapshot";
/// For whoever has proved to be somebody.
pub(crate) const OWN_TOKENS: &str = "/chamois.auth.v1.TokenService/ListApiTokens";
/// The same, for limited tokens, too.
pub(crate) const EXCHANGE: &str = "/chamois.auth.v1.OauthService/Exchange";
pub(crate) const PUBLIC: &str = "/chamois.smd.v1.ServiceStatusService/GetLiveness";
/// The token that speaks for `user/part`.
pub(crate) const TOKEN: &str = "chm_at_part";

/// The part of whoever has one: [`MINE`].
#[derive(Debug)]
struct Mine;

impl Part for Mine {
    fn has_component(&self, id: &str) -> bool {
        id == MINE
    }

    fn has_group(&self, _: &str) -> bool {
        false
    }

    fn has_kind(&self, _: u32) -> bool {
        true
    }
}

/// `user/all` may do everything, `user/part` what is about [`MINE`], `user/reader` reads all of SMD; whoever is revoked nothing.
pub(crate) struct Fake {
    revoked: Mutex<BTreeSet<String>>,
    changes: watch::Sender<u64>,
    /// How often it was asked.
    pub(crate) asked: AtomicUsize,
}

impl Fake {
    fn new() -> Self {
        Self {
            revoked: Mutex::default(),
            changes: watch::channel(0).0,
            asked: AtomicUsize::new(0),
        }
    }

    pub(crate) fn revoke(&self, principal: &str) {
        self.revoked.lock().unwrap().insert(principal.to_owned());
        self.changes.send_modify(|change| *change += 1);
    }

    fn scope(principal: &str, permission: &str) -> Option<Scope> {
        match (principal, permission) {
            ("user/all" | "user/ending", _) | ("user/reader", "smd.read") => Some(Scope::Everything),
            ("user/part", "auth.read") => None,
            ("user/part", _) => Some(Scope::Part(Arc::new(Mine))),
            _ => None,
        }
    }
}

impl Authority for Fake {
    fn authenticate(&self, token: &str) -> Result<Option<Identity>, Error> {
        match token {
            TOKEN => Ok(Some(known("user/part"))),
            _ if token.starts_with("chm_") => Err(Error::Unauthenticated {
                reason: "the bearer token is not accepted: it was revoked".to_owned(),
            }),
            _ => Ok(None),
        }
    }

    fn access(&self, identity: &Identity, permission: &str) -> Result<Access, Error> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let principal = identity.principal();
        if self.revoked.lock().unwrap().contains(&principal) {
            return Err(Error::Unauthenticated {
                reason: "what proves who you are was revoked".to_owned(),
            });
        }
        let scope = Fake::scope(&principal, permission).ok_or_else(|| Error::Denied {
            reason: format!("{permission} is needed"),
        })?;
        let grant = Grant {
            permission: permission.to_owned(),
            policies: vec!["p".to_owned()],
            ..Grant::default()
        };
        Ok(Access {
            scope,
            grant: Some(Arc::new(grant)),
        })
    }

    fn proof(&self, identity: &Identity) -> Option<Arc<Grant>> {
        Some(Arc::new(Grant {
            token_id: format!("proof of {identity}"),
            ..Grant::default()
        }))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn seal_page(&self, token: &str) -> Result<String, Error> {
        Ok(token.chars().rev().collect())
    }

    fn open_page(&self, token: &str) -> Result<String, Error> {
        self.seal_page(token)
    }

    /// What is called so ends at once, and is refused from then on.
    fn ends_in(&self, identity: &Identity) -> Option<Duration> {
        let ends = identity.principal() == "user/ending";
        ends.then(|| {
            self.revoked.lock().unwrap().insert(identity.principal());
            Duration::from_millis(50)
        })
    }
}

pub(crate) fn known(name: &str) -> Identity {
    Identity::Known(Arc::new(Principal {
        name: name.to_owned(),
        ..Principal::default()
    }))
}

/// Whoever shows a token that is for reading SMD and nothing else.
pub(crate) fn limited(name: &str) -> Identity {
    Identity::Known(Arc::new(Principal {
        name: name.to_owned(),
        permissions: Some(vec!["smd.read".to_owned()]),
        ..Principal::default()
    }))
}

/// Everything was last changed at revision 7. Who is to be revoked during the read index, is.
struct Revoking {
    authority: Arc<Fake>,
    meanwhile: Arc<Mutex<Option<&'static str>>>,
}

impl Barrier for Revoking {
    fn linearize(&self) -> BoxFuture<'_, Result<(), Error>> {
        if let Some(principal) = self.meanwhile.lock().unwrap().take() {
            self.authority.revoke(principal);
        }
        async { Ok(()) }.boxed()
    }

    fn last_change(&self, _: Kinds) -> Option<Etag> {
        Some(Etag {
            cluster_id: "c".to_owned(),
            revision: 7,
        })
    }
}

/// What a handler has seen of its last request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) calls: usize,
    pub(crate) principal: String,
    pub(crate) has_part: bool,
    pub(crate) grant: Option<Grant>,
    pub(crate) session: Option<Vec<u8>>,
    pub(crate) if_none_match: bool,
    pub(crate) may_read_auth: bool,
}

type Handlers = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// A guard with the authority, and handlers behind it.
pub(crate) struct Site {
    pub(crate) issuer: Issuer,
    pub(crate) authority: Arc<Fake>,
    pub(crate) revoke_meanwhile: Arc<Mutex<Option<&'static str>>>,
    pub(crate) denied: Arc<Denied>,
    seen: Arc<Mutex<Seen>>,
    service: Guarded<Handlers>,
}

/// What the guard tells of its refusals: by whom, of what, why.
#[derive(Default)]
pub(crate) struct Denied(pub(crate) Mutex<Vec<(String, String, String)>>);

impl Denials for Denied {
    fn refused(&self, denial: &Denial<'_>) {
        let told = (
            denial.caller.identity.principal(),
            denial.path.to_owned(),
            denial.error.to_string(),
        );
        self.0.lock().unwrap().push(told);
    }
}

pub(crate) fn site() -> Site {
    let issuer = Issuer::new();
    let (authority, seen) = (Arc::new(Fake::new()), Arc::new(Mutex::new(Seen::default())));
    let meanwhile = Arc::new(Mutex::new(None));
    let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
    let barrier = Revoking {
        authority: Arc::clone(&authority),
        meanwhile: Arc::clone(&meanwhile),
    };
    let sees = Arc::clone(&seen);
    let handlers = tower::service_fn(move |request: Request<Body>| {
        let sees = Arc::clone(&sees);
        async move { Ok::<_, Infallible>(handle(&sees, request)) }
    });
    let guard = Guard::new(rules, Some(issuer.verifier()), Arc::new(barrier));
    let denied = Arc::new(Denied::default());
    let told: Arc<dyn Denials> = Arc::clone(&denied) as Arc<dyn Denials>;
    let asked: Arc<dyn Authority> = Arc::clone(&authority) as Arc<dyn Authority>;
    Site {
        issuer,
        authority,
        revoke_meanwhile: meanwhile,
        denied,
        seen,
        service: guard
            .with_authority(asked)
            .with_denials(told)
            .layer(BoxCloneSyncService::new(handlers)),
    }
}

impl Site {
    pub(crate) async fn call(
        &self,
        identity: Identity,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Response<Body> {
        let mut request = Request::post(path).header("content-type", "application/grpc");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.extension(calling_as(identity)).body(framed(&())).unwrap();
        bounded(self.service.clone().oneshot(request)).await.unwrap()
    }

    /// The status of an answer that is an error from the first byte on.
    pub(crate) async fn status(&self, identity: Identity, path: &str, headers: &[(&str, &str)]) -> Status {
        let answer = self.call(identity, path, headers).await;
        Status::from_header_map(answer.headers()).unwrap_or_else(|| Status::ok(""))
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }
}

fn handle(seen: &Mutex<Seen>, request: Request<Body>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let object = request.headers().get("object").cloned();
    let if_none_match = request.headers().contains_key("if-none-match");
    let request = tonic::Request::from_http(request);
    let author = rpc::author(&request);
    {
        let mut seen = seen.lock().unwrap();
        *seen = Seen {
            calls: seen.calls + 1,
            principal: author.principal().to_owned(),
            has_part: rpc::scope(&request).part().is_some(),
            grant: author.grant().cloned(),
            session: author.session(0).map(|request| request.session.client_id),
            if_none_match,
            may_read_auth: rpc::rights(&request).to("auth.read").is_ok(),
        };
    }
    match (path.as_str(), object.as_ref().map(HeaderValue::as_bytes)) {
        (LIST, Some(b"paged")) => answered(&ListComponentsResponse {
            next_page_token: THEIRS.to_owned(),
            ..list()
        }),
        (LIST, _) => {
            let mut answer = answered(&list());
            let etag = HeaderValue::from_static("\"c-7\"");
            answer.headers_mut().insert("http-header-etag", etag);
            answer
        }
        (GET, Some(b"missing")) => missing("x0c0s9b0n0"),
        (GET, Some(b"my-missing")) => missing(MINE),
        (GET, Some(b"theirs")) => answered(&component(THEIRS)),
        (GET, _) => answered(&component(MINE)),
        (WATCH, Some(b"wrong")) => failing(),
        (WATCH, _) => endless(),
        _ => answered(&()),
    }
}

fn missing(id: &str) -> Response<Body> {
    let error = Error::NotFound {
        kind: "component".to_owned(),
        id: id.to_owned(),
    };
    Status::from(error).into_http()
}

pub(crate) fn component(id: &str) -> Component {
    Component {
        id: id.to_owned(),
        role: "r".repeat(40 << 10), // so that lists of them are worth to be kept
        ..Component::default()
    }
}

/// What the handler answers to everybody.
pub(crate) fn list() -> ListComponentsResponse {
    ListComponentsResponse {
        components: vec![component(MINE), component(THEIRS)],
        revision: 7,
        ..ListComponentsResponse::default()
    }
}

fn framed(message: &impl Message) -> Body {
    Body::new(Full::new(frame(message)))
}

fn frame(message: &impl Message) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(message.encoded_len()).unwrap());
    bytes.put_slice(&message.encode_to_vec());
    bytes.freeze()
}

fn answered(message: &impl Message) -> Response<Body> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let trailers = std::future::ready(Some(Ok::<_, Infallible>(trailers)));
    Response::new(Body::new(Full::new(frame(message)).with_trailers(trailers)))
}

/// One message, and then nothing for ever.
fn endless() -> Response<Body> {
    let message = Ok::<_, Infallible>(Frame::data(frame(&())));
    let messages = stream::iter([message]).chain(stream::pending());
    Response::new(Body::new(StreamBody::new(messages)))
}

/// One message, and then an error that tells of [`THEIRS`].
fn failing() -> Response<Body> {
    let mut trailers = HeaderMap::new();
    let error = Error::NotFound {
        kind: "component".to_owned(),
        id: THEIRS.to_owned(),
    };
    Status::from(error).add_header(&mut trailers).unwrap();
    let frames = [
        Ok::<_, Infallible>(Frame::data(frame(&()))),
        Ok(Frame::trailers(trailers)),
    ];
    Response::new(Body::new(StreamBody::new(stream::iter(frames))))
}

/// The message of an answer, and the status in its trailers.
pub(crate) async fn told<M: Message + Default>(answer: Response<Body>) -> (M, Status) {
    let collected = bounded(answer.into_body().collect()).await.unwrap();
    let status = collected.trailers().and_then(Status::from_header_map);
    let bytes = collected.to_bytes();
    let (head, message) = bytes.split_at(5);
    assert_eq!(head[1..], u32::try_from(message.len()).unwrap().to_be_bytes());
    (M::decode(message).unwrap(), status.unwrap())
}
