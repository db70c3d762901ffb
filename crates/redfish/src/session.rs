//! Who a request is from: a session's token, or user and password with each request where a BMC has no sessions.

use std::time::{Duration, Instant};

use base64::Engine;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde_json::json;
use tokio::sync::Mutex;

use crate::answer;
use crate::uri;
use crate::wire::{Received, Sent, Wire};
use crate::{Error, Login};

/// A session that ends is renewed no oftener than this: a BMC that refuses one resource with 401 gets no storm of logins, which
/// would lock the account.
const RENEWAL_PAUSE: Duration = Duration::from_secs(30);

const TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// The credential of one BMC, and what it has become there.
pub(crate) struct Auth {
    login: Option<Login>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// URI of the collection where sessions are made; empty: there is none.
    collection: String,
    /// Counts logins, so that of many requests that are refused at once one logs in again.
    generation: u64,
    header: Option<(HeaderName, HeaderValue)>,
    /// Sessions of ours, to be deleted.
    sessions: Vec<String>,
    renewed: Option<Instant>,
}

impl Auth {
    pub(crate) fn new(login: Option<Login>) -> Auth {
        Auth {
            login,
            state: Mutex::default(),
        }
    }

    /// Whether there is a credential at all.
    pub(crate) fn has_login(&self) -> bool {
        self.login.is_some()
    }

    /// Whether there is a session: the BMC has looked at user and password, then.
    pub(crate) async fn has_session(&self) -> bool {
        let state = self.state.lock().await;
        is_session(&state)
    }

    /// Sends user and password with each request from now on.
    ///
    /// # Errors
    /// [`Error::Credentials`] if there are none.
    pub(crate) async fn use_basic(&self) -> Result<(), Error> {
        let mut state = self.state.lock().await;
        state.header = Some(self.basic("a request")?);
        Ok(())
    }

    /// Logs in at the sessions' collection `collection`, an empty text if there is none. Without a credential nothing happens.
    ///
    /// # Errors
    /// [`Error::Credentials`] if the BMC refuses them, and what the request says.
    pub(crate) async fn log_in(&self, wire: &Wire, collection: &str) -> Result<(), Error> {
        if !self.has_login() {
            return Ok(());
        }
        let mut state = self.state.lock().await;
        collection.clone_into(&mut state.collection);
        self.make_session(wire, &mut state).await
    }

    /// Sends `sent` in the name of the login; a session that has ended is made anew, once.
    ///
    /// # Errors
    /// [`Error::Credentials`] if that does not help, and what the request says.
    pub(crate) async fn exchange(&self, wire: &Wire, sent: &Sent) -> Result<Received, Error> {
        let (generation, signed) = self.sign(sent).await;
        let received = wire.exchange(&signed).await?;
        if received.status != StatusCode::UNAUTHORIZED {
            return Ok(received);
        }
        self.renew(wire, generation, sent, &received).await?;
        let (_, signed) = self.sign(sent).await;
        let received = wire.exchange(&signed).await?;
        match received.status {
            StatusCode::UNAUTHORIZED => Err(refused(wire, sent, &received)),
            _ => Ok(received),
        }
    }

    /// `sent` with the credential of now, and the login that it is of.
    pub(crate) async fn sign(&self, sent: &Sent) -> (u64, Sent) {
        let state = self.state.lock().await;
        let mut signed = sent.clone();
        signed.headers.extend(state.header.clone());
        (state.generation, signed)
    }

    /// Deletes the sessions. What the BMC says to that does not matter: they end by themselves, too.
    pub(crate) async fn log_out(&self, wire: &Wire) {
        let mut state = self.state.lock().await;
        // the oldest first: the last one is that in whose name this is said
        while let Some(session) = state.sessions.first().cloned() {
            let mut sent = Sent::new(Method::DELETE, &session);
            sent.headers.extend(state.header.clone());
            if let Err(error) = wire.exchange(&sent).await {
                tracing::debug!(bmc = %wire.way().address(), %error, "a session was not deleted");
            }
            state.sessions.remove(0);
        }
    }

    /// Whether there are sessions to be deleted, as far as that can be said without waiting.
    pub(crate) fn may_have_sessions(&self) -> bool {
        self.state
            .try_lock()
            .map_or(true, |state| !state.sessions.is_empty())
    }

    async fn renew(
        &self,
        wire: &Wire,
        generation: u64,
        sent: &Sent,
        received: &Received,
    ) -> Result<(), Error> {
        let mut state = self.state.lock().await;
        if state.generation != generation {
            return Ok(()); // somebody else was refused, too, and has logged in since
        }
        let is_too_soon = state.renewed.is_some_and(|at| at.elapsed() < RENEWAL_PAUSE);
        if !is_session(&state) || is_too_soon {
            return Err(refused(wire, sent, received));
        }
        state.renewed = Some(Instant::now());
        self.make_session(wire, &mut state).await
    }

    async fn make_session(&self, wire: &Wire, state: &mut State) -> Result<(), Error> {
        let Some(login) = &self.login else {
            return Ok(());
        };
        state.generation += 1;
        if state.collection.is_empty() {
            state.header = Some(self.basic("a request")?);
            return Ok(());
        }
        let mut sent = Sent::new(Method::POST, &state.collection);
        let body = json!({"UserName": login.user, "Password": login.password.expose()});
        sent.body = Bytes::from(body.to_string());
        let received = wire.exchange(&sent).await?;
        let has_no_sessions = matches!(received.status.as_u16(), 404 | 405 | 501);
        let token = received.header(TOKEN);
        if has_no_sessions || (received.status.is_success() && token.is_empty()) {
            state.collection.clear();
            state.header = Some(self.basic(&sent.what())?);
            return Ok(());
        }
        if !received.status.is_success() {
            let error = match received.status.as_u16() {
                400 | 401 | 403 => refused(wire, &sent, &received),
                _ => answer::status(wire.limits(), &sent, &received),
            };
            return Err(error.without(&login.password));
        }
        state.header = Some((TOKEN, secret(token, &sent.what())?));
        state.sessions.extend(session_uri(wire, &received));
        Ok(())
    }

    fn basic(&self, what: &str) -> Result<(HeaderName, HeaderValue), Error> {
        let Some(login) = &self.login else {
            return Err(Error::Credentials {
                what: what.to_owned(),
                problem: "there is no credential for it".to_owned(),
            });
        };
        let pair = format!("{}:{}", login.user, login.password.expose());
        let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
        let value = secret(&format!("Basic {encoded}"), what)?;
        Ok((header::AUTHORIZATION, value))
    }

    #[cfg(test)]
    pub(crate) async fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        self.state.lock().await.header.clone()
    }
}

fn is_session(state: &State) -> bool {
    state.header.as_ref().is_some_and(|(name, _)| *name == TOKEN)
}

fn secret(text: &str, what: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(text).map_err(|_| Error::Broken {
        what: what.to_owned(),
        problem: "its token is no text".to_owned(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Where a session can be deleted: `Location`, else the session's own URI; only on the same BMC.
fn session_uri(wire: &Wire, received: &Received) -> Option<String> {
    let location = received.header(header::LOCATION);
    if let Ok(session) = uri::normalise(wire.way().address(), location) {
        return Some(session);
    }
    let (body, _) = crate::json::parse(&received.body, wire.limits().json_depth_max).ok()?;
    uri::normalise(wire.way().address(), crate::value::link_of(&body)).ok()
}

fn refused(wire: &Wire, sent: &Sent, received: &Received) -> Error {
    let said = answer::message(wire.limits(), &received.body);
    Error::Credentials {
        what: sent.what(),
        problem: match said.is_empty() {
            true => format!("{} without a reason", received.status.as_u16()),
            false => said,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Password;

    fn login() -> Login {
        Login {
            user: "root".to_owned(),
            password: Password::new("pass:word"),
        }
    }

    #[tokio::test]
    async fn basic_is_user_and_password_and_marked_as_secret() {
        let auth = Auth::new(Some(login()));
        auth.use_basic().await.unwrap();
        let (name, value) = auth.header().await.unwrap();
        assert_eq!(name, header::AUTHORIZATION);
        assert_eq!(value, "Basic cm9vdDpwYXNzOndvcmQ=");
        assert!(value.is_sensitive());
    }

    #[tokio::test]
    async fn without_a_credential_requests_are_signed_by_nobody() {
        let auth = Auth::new(None);
        assert!(matches!(auth.use_basic().await, Err(Error::Credentials { .. })));
        let sent = Sent::new(Method::GET, "/redfish/v1/Systems");
        let (generation, signed) = auth.sign(&sent).await;
        assert_eq!(generation, 0);
        assert!(signed.headers.is_empty() && !auth.may_have_sessions());
    }
}
