//! What a BMC says, before a fault spoils it.

use std::convert::Infallible;

use bytes::Bytes;
use futures::Stream;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::tree::etag;

/// The body of every answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) content: Content,
    etag: Option<String>,
    location: Option<String>,
    token: Option<String>,
    retry_after: bool,
}

/// Its content.
#[derive(Debug)]
pub(crate) enum Content {
    /// JSON, as text; none if it is empty.
    Json(Bytes),
    /// Events as they come.
    Events(mpsc::Receiver<Bytes>),
}

impl Reply {
    fn new(status: StatusCode, content: Content) -> Reply {
        Reply {
            status,
            content,
            etag: None,
            location: None,
            token: None,
            retry_after: false,
        }
    }

    /// Without content.
    pub(crate) fn empty(status: StatusCode) -> Reply {
        Reply::new(status, Content::Json(Bytes::new()))
    }

    /// A resource that was made for this answer.
    pub(crate) fn made(status: StatusCode, value: &Value) -> Reply {
        let body = Bytes::from(value.to_string());
        let tag = etag(&body);
        Reply::ready(status, body, tag)
    }

    /// A resource whose text is there.
    pub(crate) fn ready(status: StatusCode, body: Bytes, etag: String) -> Reply {
        Reply {
            etag: Some(etag),
            ..Reply::new(status, Content::Json(body))
        }
    }

    /// A stream of events.
    pub(crate) fn events(stream: mpsc::Receiver<Bytes>) -> Reply {
        Reply::new(StatusCode::OK, Content::Events(stream))
    }

    /// Redfish's error object.
    pub(crate) fn error(status: StatusCode, message_id: &str, message: &str) -> Reply {
        let value = json!({"error": {
            "code": message_id,
            "message": message,
            "@Message.ExtendedInfo": [{"MessageId": message_id, "Message": message, "Severity": "Critical"}],
        }});
        Reply::new(status, Content::Json(Bytes::from(value.to_string())))
    }

    /// There is no such resource.
    pub(crate) fn not_found(uri: &str) -> Reply {
        let text = format!("there is no resource {uri}");
        Reply::error(StatusCode::NOT_FOUND, "Base.1.8.ResourceMissingAtURI", &text)
    }

    /// 503, come back in a second.
    pub(crate) fn busy() -> Reply {
        Reply {
            retry_after: true,
            ..Reply::error(
                StatusCode::SERVICE_UNAVAILABLE,
                "Base.1.8.ServiceTemporarilyUnavailable",
                "the service is busy; retry in 1 second",
            )
        }
    }

    /// The same, with a Location.
    pub(crate) fn at(self, location: &str) -> Reply {
        Reply {
            location: Some(location.to_owned()),
            ..self
        }
    }

    /// The same, with the token of a new session.
    pub(crate) fn with_token(self, token: String) -> Reply {
        Reply {
            token: Some(token),
            ..self
        }
    }

    /// 304 if the client has this already (`If-None-Match`).
    pub(crate) fn unless_known(self, known: Option<&str>) -> Reply {
        let is_known = known.is_some_and(|known| known == "*" || self.etag.as_deref() == Some(known));
        if !is_known || self.etag.is_none() {
            return self;
        }
        Reply {
            status: StatusCode::NOT_MODIFIED,
            content: Content::Json(Bytes::new()),
            ..self
        }
    }

    /// As HTTP has it.
    pub(crate) fn into_response(self) -> Response<Body> {
        let is_stream = matches!(self.content, Content::Events(_));
        let mut response = match self.content {
            Content::Json(body) => Response::new(Full::new(body).boxed_unsync()),
            Content::Events(events) => Response::new(streamed(received(events))),
        };
        *response.status_mut() = self.status;
        let kind = if is_stream {
            "text/event-stream"
        } else {
            "application/json"
        };
        let wait = self.retry_after.then(|| "1".to_owned());
        let unauthorized = self.status == StatusCode::UNAUTHORIZED;
        let challenge = unauthorized.then(|| "Basic realm=\"Redfish\"".to_owned());
        for (name, value) in [
            ("content-type", Some(kind.to_owned())),
            ("odata-version", Some("4.0".to_owned())),
            (header::ETAG.as_str(), self.etag),
            (header::LOCATION.as_str(), self.location),
            (header::RETRY_AFTER.as_str(), wait),
            (header::WWW_AUTHENTICATE.as_str(), challenge),
            ("x-auth-token", self.token),
        ] {
            let value = value.and_then(|value| HeaderValue::from_str(&value).ok());
            if let (Some(value), Ok(name)) = (value, header::HeaderName::from_bytes(name.as_bytes())) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// A body of these pieces.
pub(crate) fn streamed(pieces: impl Stream<Item = Bytes> + Send + 'static) -> Body {
    use futures::StreamExt as _;
    StreamBody::new(pieces.map(|piece| Ok::<_, Infallible>(Frame::data(piece)))).boxed_unsync()
}

fn received(events: mpsc::Receiver<Bytes>) -> impl Stream<Item = Bytes> + Send + 'static {
    futures::stream::unfold(events, |mut events| async move {
        let event = events.recv().await?;
        Some((event, events))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_has_it_is_told_so() {
        let reply = || Reply::made(StatusCode::OK, &json!({"Id": "1"}));
        let tag = reply().etag.unwrap();
        assert_eq!(reply().unless_known(Some(&tag)).status, StatusCode::NOT_MODIFIED);
        assert_eq!(reply().unless_known(Some("\"other\"")).status, StatusCode::OK);
        assert_eq!(reply().unless_known(None).status, StatusCode::OK);
    }

    #[test]
    fn headers_say_what_redfish_wants() {
        let busy = Reply::busy().into_response();
        assert_eq!(busy.headers()["retry-after"], "1");
        assert_eq!(busy.headers()["odata-version"], "4.0");
        let created = Reply::made(StatusCode::CREATED, &json!({}))
            .at("/here")
            .with_token("t".to_owned());
        let created = created.into_response();
        assert_eq!(created.headers()["location"], "/here");
        assert_eq!(created.headers()["x-auth-token"], "t");
        let refused = Reply::error(StatusCode::UNAUTHORIZED, "Base.1.8.NoValidSession", "no").into_response();
        assert!(refused.headers().contains_key("www-authenticate"));
    }
}
