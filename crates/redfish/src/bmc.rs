//! A BMC that is open: read, told something, closed.

use std::sync::Arc;

use futures::future::BoxFuture;
use http::{Method, header};
use serde_json::Value;
use tokio::runtime::Handle;

use crate::client::Core;
use crate::{Address, Error, Limits, ServiceRoot, json};

/// One BMC, logged in to. Sharing it by reference is cheap; when it is dropped, its session is deleted in the background.
pub struct Bmc {
    session: Arc<Session>,
    root: ServiceRoot,
    key_sha256: String,
}

/// Ends the session with the last of those who use it.
pub(crate) struct Session(pub(crate) Arc<Core>);

impl Drop for Session {
    fn drop(&mut self) {
        if !self.0.auth.may_have_sessions() {
            return;
        }
        // without a runtime nothing can be sent: the session ends by itself, then
        if let Ok(runtime) = Handle::try_current() {
            let core = self.0.clone();
            runtime.spawn(async move { core.auth.log_out(&core.wire).await });
        }
    }
}

/// What a BMC answered to something that it was told.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// HTTP status, 200 to 299.
    pub status: u16,
    /// `Location` as a path on the BMC; empty: there is none, or it leads elsewhere.
    pub location: String,
    /// Its JSON; null: there is none.
    pub body: Value,
}

impl Bmc {
    pub(crate) fn new(session: Session, root: ServiceRoot) -> Bmc {
        Bmc {
            key_sha256: session.0.wire.way().key_sha256(),
            session: Arc::new(session),
            root,
        }
    }

    pub(crate) fn core(&self) -> &Core {
        &self.session.0
    }

    pub(crate) fn session(&self) -> Arc<Session> {
        self.session.clone()
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &Address {
        self.core().address()
    }

    /// SHA-256 of the key that it showed, 64 hex digits; empty: it is spoken to in the clear.
    #[must_use]
    pub fn key_sha256(&self) -> &str {
        &self.key_sha256
    }

    /// Whether it has made a session for the login, and so taken the password. One that has no sessions is sent the password with each
    /// request, and may look at it or not.
    pub async fn has_session(&self) -> bool {
        self.core().auth.has_session().await
    }

    /// Requests that were sent to it so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.core().wire.requests()
    }

    /// Its service root.
    #[must_use]
    pub fn root(&self) -> &ServiceRoot {
        &self.root
    }

    /// Its bounds.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        self.core().wire.limits()
    }

    /// The resource at `uri`, a path or an absolute URL of this BMC. Each URI is asked for once for the life of this value; what
    /// came then, an error as well, is the answer to everybody.
    ///
    /// # Errors
    /// Every variant but [`Error::NotRedfish`] and [`Error::Unsupported`].
    pub fn get<'a>(&'a self, uri: &'a str) -> BoxFuture<'a, Result<Arc<Value>, Error>> {
        Box::pin(self.core().get(uri))
    }

    /// The resource at `uri` as it is now; where the BMC gave an ETag, it says only whether there is something new.
    ///
    /// # Errors
    /// As [`Bmc::get`].
    pub async fn fresh(&self, uri: &str) -> Result<Arc<Value>, Error> {
        Box::pin(self.core().fresh(uri)).await
    }

    /// POSTs `body`, once: what has got no answer is not sent again ([`Error::is_outcome_unknown`]).
    ///
    /// # Errors
    /// As [`Bmc::get`]; [`Error::Unsupported`] if `uri` is none of this BMC.
    pub async fn post(&self, uri: &str, body: &Value) -> Result<Answer, Error> {
        self.told(Method::POST, uri, body).await
    }

    /// PATCHes `body`, with `If-Match` where the resource was read and had an ETag.
    ///
    /// # Errors
    /// As [`Bmc::get`]; status 412 if the resource has changed since it was read.
    pub async fn patch(&self, uri: &str, body: &Value) -> Result<Answer, Error> {
        self.told(Method::PATCH, uri, body).await
    }

    /// Deletes the session and waits for that.
    pub async fn close(self) {
        let core = self.core();
        Box::pin(core.auth.log_out(&core.wire)).await;
    }

    async fn told(&self, method: Method, uri: &str, body: &Value) -> Result<Answer, Error> {
        let core = self.core();
        let received = Box::pin(core.send(method, uri, body)).await?;
        let location = core.key(received.header(header::LOCATION));
        // it was done: an answer that cannot be read does not change that
        let body = json::parse(&received.body, self.limits().json_depth_max);
        Ok(Answer {
            status: received.status.as_u16(),
            location: location.unwrap_or_default(),
            body: body.map(|(body, _)| body).unwrap_or_default(),
        })
    }
}
