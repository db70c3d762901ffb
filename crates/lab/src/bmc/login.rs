//! Who may ask: sessions with a token, and HTTP Basic.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::answers::Reply;
use super::overlay::Overlay;
use crate::rng::Rng;

/// Sessions that may be open at once; real BMCs have as few, so that a client which leaves its own behind is found out.
const SESSIONS_MAX: usize = 16;

/// The sessions of one BMC, by URI.
#[derive(Debug)]
pub(crate) struct Sessions {
    open: BTreeMap<String, Session>,
    opened: u64,
    tokens: Rng,
}

#[derive(Debug)]
struct Session {
    user: String,
    token: String,
}

impl Sessions {
    /// None; `address` makes the tokens differ from those of other BMCs.
    pub(crate) fn new(address: SocketAddr) -> Sessions {
        let seed = crc32fast::hash(address.to_string().as_bytes());
        Sessions {
            open: BTreeMap::new(),
            opened: 0,
            tokens: Rng::new(u64::from(seed)),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    fn has(&self, token: &str) -> bool {
        self.open.values().any(|session| session.token == token)
    }

    /// The session at `uri`, for whoever may see it.
    pub(crate) fn show(&self, uri: &str) -> Option<Value> {
        let session = self.open.get(uri)?;
        Some(shown(uri, &session.user))
    }

    /// The list of sessions.
    pub(crate) fn list(&self, uri: &str) -> Value {
        let members: Vec<Value> = self.open.keys().map(|uri| json!({"@odata.id": uri})).collect();
        json!({
            "@odata.id": uri,
            "@odata.type": "#SessionCollection.SessionCollection",
            "Name": "Sessions",
            "Members@odata.count": members.len(),
            "Members": members,
        })
    }

    /// Ends a session.
    pub(crate) fn close(&mut self, uri: &str) -> Reply {
        match self.open.remove(uri) {
            Some(_) => Reply::empty(StatusCode::NO_CONTENT),
            None => Reply::not_found(uri),
        }
    }
}

/// Answers a POST to the list of sessions.
pub(crate) fn open(overlay: &mut Overlay, sessions_uri: &str, body: &Value) -> Reply {
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let user = text("UserName");
    if !overlay.accounts.admit(user, text("Password")) {
        return refused();
    }
    let sessions = &mut overlay.sessions;
    if sessions.open.len() >= SESSIONS_MAX {
        return Reply::error(
            StatusCode::SERVICE_UNAVAILABLE,
            "Base.1.8.SessionLimitExceeded",
            "the most sessions that may be open at once are open",
        );
    }
    sessions.opened += 1;
    let uri = format!("{sessions_uri}/{}", sessions.opened);
    let token = format!("{:016x}{:016x}", sessions.tokens.next(), sessions.tokens.next());
    let session = Session {
        user: user.to_owned(),
        token: token.clone(),
    };
    sessions.open.insert(uri.clone(), session);
    let reply = Reply::made(StatusCode::CREATED, &shown(&uri, user));
    reply.at(&uri).with_token(token)
}

/// Whether these headers let somebody in.
pub(crate) fn admits(overlay: &Overlay, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if text("x-auth-token").is_some_and(|token| overlay.sessions.has(token)) {
        return true;
    }
    let basic = text(header::AUTHORIZATION.as_str()).and_then(basic);
    basic.is_some_and(|(user, password)| overlay.accounts.admit(&user, &password))
}

/// 401.
pub(crate) fn refused() -> Reply {
    Reply::error(
        StatusCode::UNAUTHORIZED,
        "Base.1.8.NoValidSession",
        "there is no valid session, and user and password are not accepted",
    )
}

fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok()?;
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn shown(uri: &str, user: &str) -> Value {
    let id = uri.rsplit('/').next().unwrap_or_default();
    json!({
        "@odata.id": uri,
        "@odata.type": "#Session.v1_3_0.Session",
        "Id": id,
        "Name": "User session",
        "UserName": user,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_is_read_as_rfc_7617_has_it() {
        let of = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
        let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(basic(&of("root:a:b")), pair("root", "a:b"));
        assert_eq!(basic(&of("root:")), pair("root", ""));
        assert_eq!(basic(&of("root")), None);
        assert_eq!(basic("Bearer x"), None);
        assert_eq!(basic("Basic %%%"), None);
    }

    #[test]
    fn a_session_ends_once() {
        let mut sessions = Sessions::new("127.0.0.1:443".parse().unwrap());
        let session = Session {
            user: "root".to_owned(),
            token: "t".to_owned(),
        };
        sessions.open.insert("/s/1".to_owned(), session);
        assert!(sessions.has("t") && sessions.show("/s/1").is_some());
        assert_eq!(sessions.list("/s")["Members@odata.count"], 1);
        assert_eq!(sessions.close("/s/1").status, StatusCode::NO_CONTENT);
        assert_eq!(sessions.close("/s/1").status, StatusCode::NOT_FOUND);
        assert!(!sessions.has("t"));
    }
}
