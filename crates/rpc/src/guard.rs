//! The layer around all services: rule, identity, permission, read barrier, deadline, span, panics.
//!
//! The gRPC ports and the gateway call the same guarded service, so no way in goes past it.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::BodyExt as _;
use tonic::Status;
use tonic::body::Body;
use tonic::metadata::BinaryMetadataValue;
use tower::{Layer, Service};
use tracing::Instrument;

use crate::admission::{Admission, Given};
use crate::deadline::{DEADLINE_DEFAULT, DEADLINE_MAX, deadline};
use crate::error::SUBJECT;
use crate::error_details::{complete, refused_by_codec};
use crate::held_keys::HeldKeys;
use crate::kept_unary::KeptUnary;
use crate::live_stream::{as_told, until_revoked};
use crate::log_limit::LogLimit;
use crate::part_caller::{Cuts, PartCaller, check_method};
use crate::request_id::RequestId;
use crate::token::Verifier;
use crate::trial::{self, Trial, WOULD_CHANGE};
use crate::{
    Authority, Barrier, Caller, Calls, Denial, Denials, ETAG, Error, Etag, Freshness, IF_NONE_MATCH, Rule,
    Rules, SeenAs,
};

/// Metadata of a request: how fresh a read must be, if not as the method says.
pub const CONSISTENCY: &str = "chamois-consistency";
/// Value of [`CONSISTENCY`]: this member's applied state will do; answers even without a majority.
pub const CONSISTENCY_LOCAL: &str = "local";

/// Metadata of an answer to such a request: the log index up to which this member had applied, at least.
pub const LOCAL_REVISION: &str = "chamois-revision";
/// Metadata of the same answer, milliseconds: whatever was acknowledged longer ago than this is in it.
pub const AGE_MS: &str = "chamois-age-ms";

/// Everything that happens before a handler runs; a tower layer for tonic routes, cheap to clone.
#[derive(Clone)]
pub struct Guard {
    inner: Arc<Inner>,
    enforces_locks: bool,
    authority: Option<Arc<dyn Authority>>,
    denials: Option<Arc<dyn Denials>>,
}

struct Inner {
    rules: Rules,
    tokens: Option<Verifier>,
    barrier: Arc<dyn Barrier>,
    refusals: LogLimit,
    calls: Calls,
    kept: KeptUnary,
}

impl Guard {
    /// A guard that knows methods by `rules`, bearer tokens by `tokens` (`None`: none is accepted) and
    /// waits for `barrier` before linearizable reads.
    pub fn new(rules: Rules, tokens: Option<Verifier>, barrier: Arc<dyn Barrier>) -> Self {
        let inner = Arc::new(Inner {
            calls: Calls::new(&rules),
            rules,
            tokens,
            barrier,
            refusals: LogLimit::default(),
            kept: KeptUnary::new(),
        });
        Self {
            inner,
            enforces_locks: false,
            authority: None,
            denials: None,
        }
    }

    /// The same guard, which asks `authority` what users, services and whoever a token speaks for may do. Without one, users'
    /// certificates and tokens of the cluster's own key are administrators, and everybody else has nothing.
    #[must_use]
    pub fn with_authority(self, authority: Arc<dyn Authority>) -> Self {
        Self {
            authority: Some(authority),
            ..self
        }
    }

    /// The same guard, which tells `denials` of every call that it refuses.
    #[must_use]
    pub fn with_denials(self, denials: Arc<dyn Denials>) -> Self {
        Self {
            denials: Some(denials),
            ..self
        }
    }

    /// The same guard; with `enforces_locks`, changes that come through it respect locks and reservations, and may change what
    /// they have the key of.
    #[must_use]
    pub fn enforcing_locks(self, enforces_locks: bool) -> Self {
        Self {
            enforces_locks,
            ..self
        }
    }

    /// What has been called through this guard.
    pub fn calls(&self) -> Calls {
        self.inner.calls.clone()
    }
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded {
            guard: self.clone(),
            inner,
        }
    }
}

/// A service behind the [`Guard`].
#[derive(Clone)]
pub struct Guarded<S> {
    guard: Guard,
    inner: S,
}

impl<S> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The clone that was polled ready is the one that is called.
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        let guard = self.guard.clone();
        Box::pin(async move {
            let path = request.uri().path().to_owned();
            let answer = guard.run(ready, &path, request).await;
            let is_unchanged = matches!(answer, Err(Error::NotModified { .. }));
            let mut answer = answer.unwrap_or_else(|error| Status::from(error).into_http());
            match is_unchanged {
                true => guard.inner.calls.count_ok(&path),
                false => guard.inner.calls.count(&path, &answer),
            }
            answer.headers_mut().remove(SUBJECT); // it was for the guard
            complete(answer.headers_mut());
            Ok(answer)
        })
    }
}

/// A call that may be made.
struct Admitted {
    rule: Rule,
    caller: Caller,
    given: Given,
    /// How long the token of the cluster's own key is good still that the call came with.
    ends_in: Option<Duration>,
}

impl Guard {
    async fn run<S>(&self, inner: S, path: &str, mut request: Request<Body>) -> Result<Response<Body>, Error>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let Admitted {
            rule,
            caller,
            given,
            ends_in,
        } = self.admit(path, &request)?;
        // reads are most of all calls, and log nothing: a span for each would cost more than looking at the state
        let span = match rule.linearizable {
            true => tracing::debug_span!("rpc", path, principal = %caller.identity),
            false => tracing::info_span!("rpc", path, principal = %caller.identity),
        };
        if let Some(id) = RequestId::read(path, &caller, request.headers())? {
            request = identified(request, id, rule.client_streaming || rule.has_password);
        }
        let trial = Trial::of(request.headers(), rule)?;
        if let Some(trial) = &trial {
            request.extensions_mut().insert(trial.clone());
        }
        if self.enforces_locks {
            let keys = HeldKeys::read(request.headers())?;
            request.extensions_mut().insert(keys);
        }
        request.extensions_mut().insert(caller.clone());
        let default = if rule.takes_long {
            DEADLINE_MAX
        } else {
            DEADLINE_DEFAULT
        };
        let at_most = deadline(request.headers(), default);
        let local = asks_for_local(request.headers());
        let answer = async {
            // before the handler looks: what it sees is as fresh or fresher
            let freshness = local.then(|| self.inner.barrier.freshness()).flatten();
            let mut given = given;
            let is_asked_again = rule.needs_fresh_right && !given.rights.are_unlimited();
            if (rule.linearizable && !local) || is_asked_again {
                self.inner.barrier.linearize().await?;
                given = self.still(path, rule, &caller, given)?;
            }
            let part = tell_given(&mut request, &given, self.inner.rules.permission(rule.needs));
            let mut answer = match &part {
                None => self.inner.answer(inner, path, rule, request).await?,
                Some(part) => {
                    let cuts = self.cuts(path);
                    let request = part.request(&cuts, request).await?;
                    let answer = call_catching_panics(inner, request).await?;
                    let shown = part.answer(&cuts, answer).await;
                    shown.inspect_err(|error| self.tell_denials(path, &caller, error))?
                }
            };
            if let Some(trial) = trial {
                tell(&mut answer, &trial);
            }
            freshness
                .into_iter()
                .for_each(|fresh| state_freshness(answer.headers_mut(), fresh));
            Ok(self.live(path, rule, given, ends_in, answer))
        };
        match tokio::time::timeout(at_most, answer.instrument(span)).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::DeadlineExceeded { after: at_most }),
        }
    }

    /// What of the messages of the method at `path` is changed for who has a part of the system.
    fn cuts(&self, path: &str) -> Cuts<'_> {
        let pages = self.inner.rules.pages(path);
        Cuts {
            plan: self.inner.rules.plan(path),
            pages: pages.zip(self.authority.as_deref()),
        }
    }

    /// Finds the rule and the caller of a request, and asks what he is given.
    fn admit(&self, path: &str, request: &Request<Body>) -> Result<Admitted, Error> {
        let rules = &self.inner.rules;
        let rule = rules.get(path).ok_or_else(|| Error::Unimplemented {
            path: path.to_owned(),
        })?;
        let mut caller = Caller::of(request.extensions()).clone();
        let admission = self.admission();
        let decision = admission
            .identify(rule, &caller.identity, request.headers())
            .and_then(|identified| {
                caller.identity = identified.identity;
                if let Some(seen_as) = request.extensions().get::<SeenAs>() {
                    seen_as.tell(&caller.identity);
                }
                let given = admission.decide(path, rule, &caller.identity)?;
                Ok((given, identified.ends_in))
            });
        match decision {
            Ok((given, ends_in)) => Ok(Admitted {
                rule,
                caller,
                given,
                ends_in,
            }),
            Err(error) => {
                self.refused(path, &caller, &error);
                Err(error)
            }
        }
    }

    /// What a caller is given after a read index. What policies gave before it may have been taken back since, by a change that this
    /// member had not applied yet; an answer must not be newer than its caller's right to it.
    fn still(&self, path: &str, rule: Rule, caller: &Caller, given: Given) -> Result<Given, Error> {
        if given.rights.are_unlimited() {
            return Ok(given);
        }
        let decision = self.admission().decide(path, rule, &caller.identity);
        decision.inspect_err(|error| self.refused(path, caller, error))
    }

    fn refused(&self, path: &str, caller: &Caller, error: &Error) {
        self.inner.log_refusal(path, caller, error);
        self.tell_denials(path, caller, error);
    }

    /// A member that cannot say who somebody is denies him nothing.
    fn tell_denials(&self, path: &str, caller: &Caller, error: &Error) {
        let is_denial = matches!(error, Error::Unauthenticated { .. } | Error::Denied { .. });
        if let Some(denials) = self.denials.as_ref().filter(|_| is_denial) {
            denials.refused(&Denial { caller, path, error });
        }
    }

    fn admission(&self) -> Admission<'_> {
        Admission {
            rules: &self.inner.rules,
            tokens: self.inner.tokens.as_ref(),
            authority: self.authority.as_ref(),
        }
    }

    /// The answer; a stream ends when what its caller was given is taken back, or what proves him ends.
    fn live(
        &self,
        path: &str,
        rule: Rule,
        given: Given,
        ends_in: Option<Duration>,
        answer: Response<Body>,
    ) -> Response<Body> {
        if !rule.server_streaming {
            return answer;
        }
        let answer = answer.map(as_told);
        let (changes, rights) = (given.changes, given.rights);
        let ends_in = rights.end_in().or(ends_in);
        if changes.is_none() && ends_in.is_none() {
            return answer;
        }
        let (rules, path) = (self.inner.rules.clone(), path.to_owned());
        let check = move || {
            if rights.are_unlimited() {
                return Err(expired());
            }
            let scope = rights.to(rules.permission(rule.needs))?;
            check_method(&rules, &path, rule, &scope)
        };
        answer.map(|body| until_revoked(body, changes, ends_in, check))
    }
}

impl Inner {
    /// The answer to a caller who sees everything: one that he has need not be made, and one that is kept is right for him.
    async fn answer<S>(
        &self,
        inner: S,
        path: &str,
        rule: Rule,
        request: Request<Body>,
    ) -> Result<Response<Body>, Error>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let current = self.current(rule, request.headers())?;
        let mut answer = match &current {
            Some(current) => {
                let call = async |request| call_catching_panics(inner, request).await;
                self.kept.answer(path, request, &current.value, call).await?
            }
            None => call_catching_panics(inner, request).await?,
        };
        if let Some(current) = current.filter(|_| !is_refused(&answer)) {
            current.tell(&mut answer)?;
        }
        Ok(answer)
    }

    /// What an answer that is made of objects of some kinds will show: as it was before the handler looks, so that the ETag
    /// is never newer than what is shown.
    ///
    /// # Errors
    /// `NotModified` for a caller that has it; the handler need not run. What may not be there is looked for first.
    fn current(&self, rule: Rule, headers: &HeaderMap) -> Result<Option<Current>, Error> {
        if rule.made_of.is_empty() {
            return Ok(None);
        }
        let Some(etag) = self.barrier.last_change(rule.made_of) else {
            return Ok(None);
        };
        let Ok(value) = HeaderValue::try_from(etag.to_string()) else {
            return Ok(None);
        };
        let seen = || {
            headers
                .get_all(IF_NONE_MATCH)
                .iter()
                .filter_map(|seen| seen.to_str().ok())
        };
        if !rule.names_one && seen().any(|seen| etag.is_named_in(seen)) {
            return Err(Error::NotModified { etag });
        }
        let is_seen = seen().any(|seen| etag.is_in(seen));
        Ok(Some(Current { etag, value, is_seen }))
    }

    fn log_refusal(&self, path: &str, caller: &Caller, error: &Error) {
        if let Some(left_out) = self.refusals.admit(Instant::now()) {
            let peer = caller.peer.map(|peer| peer.to_string()).unwrap_or_default();
            tracing::info!(path, principal = %caller.identity, peer, left_out, "call refused: {error}");
        }
    }
}

/// The ETag of an answer, and whether the caller has an answer with it.
struct Current {
    etag: Etag,
    /// The same, as a header has it.
    value: HeaderValue,
    is_seen: bool,
}

impl Current {
    /// # Errors
    /// `NotModified` for a caller that has the answer.
    fn tell(self, answer: &mut Response<Body>) -> Result<(), Error> {
        if self.is_seen {
            return Err(Error::NotModified { etag: self.etag });
        }
        answer.headers_mut().insert(ETAG, self.value);
        Ok(())
    }
}

/// Whether the handler has refused: that shows no object, so it has no ETag.
fn is_refused(answer: &Response<Body>) -> bool {
    answer
        .headers()
        .get(Status::GRPC_STATUS)
        .is_some_and(|code| code != "0")
}

/// The request with what it says about itself. One that is `unread` counts as the same whatever is in it: of a stream that is
/// repeated, not all may be read again, and of a password no digest may be stored.
fn identified(mut request: Request<Body>, id: RequestId, unread: bool) -> Request<Body> {
    let id = Arc::new(id);
    request.extensions_mut().insert(Arc::clone(&id));
    if unread {
        return request;
    }
    request.map(|body| {
        Body::new(body.map_frame(move |frame| {
            if let Some(data) = frame.data_ref() {
                id.see(data);
            }
            frame
        }))
    })
}

/// Puts what a caller is given where handlers find it; of who needs no policies, and so of every node, there is nothing to say. One
/// with a part has no answer that everybody else has, so what he says that he has is not looked at.
fn tell_given<'a>(request: &mut Request<Body>, given: &Given, permission: &'a str) -> Option<PartCaller<'a>> {
    if given.rights.are_unlimited() {
        return None;
    }
    let extensions = request.extensions_mut();
    extensions.insert(given.scope.clone());
    extensions.insert(given.rights.clone());
    if let Some(grant) = &given.grant {
        extensions.insert(Arc::clone(grant));
    }
    let part = PartCaller::of(&given.scope, permission)?;
    request.headers_mut().remove(IF_NONE_MATCH);
    Some(part)
}

/// Whoever needs no policies is asked again when his token ends, and for nothing else.
fn expired() -> Error {
    Error::Unauthenticated {
        reason: "the bearer token has expired; send a new one".to_owned(),
    }
}

fn asks_for_local(headers: &HeaderMap) -> bool {
    headers
        .get(CONSISTENCY)
        .is_some_and(|value| value == CONSISTENCY_LOCAL)
}

fn state_freshness(headers: &mut HeaderMap, Freshness { revision, age }: Freshness) {
    let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    headers.insert(LOCAL_REVISION, HeaderValue::from(revision));
    headers.insert(AGE_MS, HeaderValue::from(age_ms));
}

/// What a request that was tried out would change: all of it for the gateway of this process, a part for the network.
fn tell(answer: &mut Response<Body>, trial: &Trial) {
    let would_change = trial.would_change();
    let value = BinaryMetadataValue::from_bytes(&trial::for_metadata(&would_change));
    if let Ok(value) = HeaderValue::from_bytes(value.as_encoded_bytes()) {
        answer.headers_mut().insert(WOULD_CHANGE, value);
    }
    answer.extensions_mut().insert(Arc::new(would_change));
}

/// A panic in a handler is that request's `INTERNAL`; the member and its other requests go on.
async fn call_catching_panics<S>(mut inner: S, request: Request<Body>) -> Result<Response<Body>, Error>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    // Nothing that the handler left half done is looked at again: its state is dropped with the future.
    match call(&mut inner, request).await {
        Ok(Ok(response)) => match refused_by_codec(response.headers()) {
            None => Ok(response),
            Some(error) => Err(error),
        },
        Ok(Err(never)) => match never {},
        Err(_panic) => Err(Error::Internal(
            "the handler of this method panicked; see the log".to_owned(),
        )),
    }
}

fn call<S: Service<Request<Body>>>(
    inner: &mut S,
    request: Request<Body>,
) -> impl Future<Output = std::thread::Result<Result<S::Response, S::Error>>> {
    let started = std::panic::catch_unwind(AssertUnwindSafe(|| inner.call(request)));
    async {
        match started {
            Ok(future) => AssertUnwindSafe(future).catch_unwind().await,
            Err(panic) => Err(panic),
        }
    }
}
