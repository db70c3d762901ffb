//! Events as a BMC sends them: server-sent events over a connection of their own.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http::header::{self, HeaderValue};
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use crate::bmc::{Bmc, Session};
use crate::connection::Connection;
use crate::wire::Sent;
use crate::{Error, json, value};

/// Largest event, and largest line of one, bytes.
const EVENT_BYTES_MAX: usize = 256 << 10;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// `MessageId`, e.g. `ResourceEvent.1.0.ResourceChanged`.
    pub message_id: String,
    /// `OriginOfCondition`: URI of the resource that it is about; empty: it is not said.
    pub origin: String,
    /// `MessageSeverity`, else `Severity`.
    pub severity: String,
    /// `Message`.
    pub message: String,
}

/// An open stream.
struct Open {
    body: Incoming,
    what: String,
    lines: Lines,
    waiting: VecDeque<Event>,
    is_over: bool,
    json_depth_max: usize,
    /// Both live as long as the stream: without the connection nothing comes, without the session the BMC ends it.
    _connection: Connection,
    _session: Arc<Session>,
}

impl Bmc {
    /// The events that the BMC sends at `uri` (see [`crate::Inventory::event_stream`]), until it ends the stream. That nothing comes
    /// does not end it: who follows a BMC asks it now and then, too. An error is the last item.
    ///
    /// # Errors
    /// As [`Bmc::get`], and [`Error::Broken`] if what comes is no stream of events.
    pub async fn events(&self, uri: &str) -> Result<BoxStream<'static, Result<Event, Error>>, Error> {
        let core = self.core();
        let mut sent = Sent::new(Method::GET, &core.key(uri)?);
        let accepted = HeaderValue::from_static("text/event-stream");
        sent.headers.push((header::ACCEPT, accepted));
        let (_, signed) = core.auth.sign(&sent).await;
        let (connection, response) = Box::pin(core.wire.stream(&signed)).await?;
        check(
            response.status(),
            response.headers().get(header::CONTENT_TYPE),
            &sent,
        )?;
        let open = Open {
            body: response.into_body(),
            what: sent.what(),
            lines: Lines::default(),
            waiting: VecDeque::new(),
            is_over: false,
            json_depth_max: self.limits().json_depth_max,
            _connection: connection,
            _session: self.session(),
        };
        Ok(stream::unfold(open, next).boxed())
    }
}

fn check(status: StatusCode, content_type: Option<&HeaderValue>, sent: &Sent) -> Result<(), Error> {
    let content_type = content_type
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    match status.as_u16() {
        200 if content_type.starts_with("text/event-stream") => Ok(()),
        200 => Err(Error::Broken {
            what: sent.what(),
            problem: format!("it is {content_type:?}, no stream of events"),
        }),
        401 => Err(Error::Credentials {
            what: sent.what(),
            problem: "401: the session has ended".to_owned(),
        }),
        status => Err(Error::Status {
            what: sent.what(),
            status,
            message: String::new(),
        }),
    }
}

async fn next(mut open: Open) -> Option<(Result<Event, Error>, Open)> {
    loop {
        if let Some(event) = open.waiting.pop_front() {
            return Some((Ok(event), open));
        }
        if open.is_over {
            return None;
        }
        let read = match open.body.frame().await {
            None => return None,
            Some(Err(error)) => Err(Error::Broken {
                what: open.what.clone(),
                problem: error.to_string(),
            }),
            Some(Ok(frame)) => open.take(&frame.into_data().unwrap_or_default()),
        };
        if let Err(error) = read {
            open.is_over = true;
            open.waiting.clear();
            return Some((Err(error), open));
        }
    }
}

impl Open {
    fn take(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut texts = Vec::new();
        self.lines
            .take(bytes, &mut texts)
            .map_err(|TooLong| Error::Limit {
                what: self.what.clone(),
                problem: format!("an event has more than {EVENT_BYTES_MAX} bytes"),
            })?;
        for text in texts {
            // what is no JSON is a comment of some kind: the next one may be an event
            if let Ok((value, _)) = json::parse(&text, self.json_depth_max) {
                self.waiting.extend(events(&value));
            }
        }
        Ok(())
    }
}

/// The events in one message; metric reports and other things have none.
fn events(message: &Value) -> Vec<Event> {
    let events = match message.get("Events") {
        Some(_) => value::list(message, "Events"),
        None => std::slice::from_ref(message),
    };
    let read = events.iter().map(|event| Event {
        message_id: value::text(event, "MessageId"),
        origin: value::link(event, "OriginOfCondition").to_owned(),
        severity: value::first_text(event, &["MessageSeverity", "Severity"]),
        message: value::text(event, "Message"),
    });
    read.filter(|event| !event.message_id.is_empty() || !event.message.is_empty())
        .collect()
}

/// Puts lines together, and the `data` of lines up to an empty one (HTML standard, 9.2.6).
#[derive(Default)]
struct Lines {
    line: Vec<u8>,
    data: Vec<u8>,
    /// The last byte was a carriage return: a line feed right behind it ends no line of its own.
    after_return: bool,
}

/// More than an event has.
#[derive(Debug, PartialEq, Eq)]
struct TooLong;

impl Lines {
    /// Takes what came; the data of events that are whole by now goes to `into`.
    fn take(&mut self, bytes: &[u8], into: &mut Vec<Vec<u8>>) -> Result<(), TooLong> {
        for byte in bytes {
            let is_second = self.after_return && *byte == b'\n';
            self.after_return = *byte == b'\r';
            match byte {
                _ if is_second => {}
                b'\r' | b'\n' => self.end_line(into)?,
                _ if self.line.len() >= EVENT_BYTES_MAX => return Err(TooLong),
                byte => self.line.push(*byte),
            }
        }
        Ok(())
    }

    fn end_line(&mut self, into: &mut Vec<Vec<u8>>) -> Result<(), TooLong> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            if !self.data.is_empty() {
                into.push(std::mem::take(&mut self.data));
            }
            return Ok(());
        }
        let Some(data) = line.strip_prefix(b"data:") else {
            return Ok(()); // ids, names of events, times to try again, comments
        };
        if self.data.len() + data.len() > EVENT_BYTES_MAX {
            return Err(TooLong);
        }
        self.data
            .extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
        self.data.push(b'\n');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(pieces: &[&str]) -> Vec<String> {
        let (mut lines, mut texts) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.take(piece.as_bytes(), &mut texts).unwrap();
        }
        texts
            .into_iter()
            .map(|text| String::from_utf8(text).unwrap())
            .collect()
    }

    #[test]
    fn an_event_ends_with_an_empty_line_of_any_kind() {
        for end in ["\n", "\r\n", "\r"] {
            let text = format!(": hello{end}id: 1{end}data: {{{end}data:}}{end}{end}data: x{end}{end}");
            assert_eq!(texts(&[&text]), ["{\n}\n", "x\n"], "{end:?}");
        }
    }

    #[test]
    fn it_does_not_matter_where_the_network_cuts() {
        let text = "id: 1\r\ndata: {\"a\": 1}\r\n\r\ndata: last\r\n\r\n";
        let whole = texts(&[text]);
        for cut in 0..text.len() {
            assert_eq!(texts(&[&text[..cut], &text[cut..]]), whole, "{cut}");
        }
    }

    #[test]
    fn a_line_or_event_without_end_is_refused() {
        let (mut lines, mut texts) = (Lines::default(), Vec::new());
        let endless = vec![b'x'; EVENT_BYTES_MAX + 1];
        assert_eq!(lines.take(&endless, &mut texts), Err(TooLong));
        let (mut lines, line) = (Lines::default(), format!("data: {}\n", "x".repeat(1000)));
        let mut results = (0..1000).map(|_| lines.take(line.as_bytes(), &mut texts));
        assert!(results.any(|result| result == Err(TooLong)));
        assert!(texts.is_empty());
    }

    #[test]
    fn events_are_read_from_either_shape() {
        let message = json!({"Events": [
            {"MessageId": "R.1.0.Changed", "OriginOfCondition": {"@odata.id": "/s"}, "Severity": "OK", "Message": "m"},
            {"MessageId": "x", "OriginOfCondition": "/t", "MessageSeverity": "Critical", "Severity": "OK"},
            7, {},
        ]});
        let read = events(&message);
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].origin.as_str(), read[0].severity.as_str()), ("/s", "OK"));
        assert_eq!(
            (read[1].origin.as_str(), read[1].severity.as_str()),
            ("/t", "Critical")
        );
        assert_eq!(events(&json!({"MessageId": "alone"})).len(), 1);
        for none in [
            json!({"MetricValues": []}),
            json!({"Events": null}),
            json!([]),
            json!(7),
        ] {
            assert!(events(&none).is_empty(), "{none}");
        }
    }

    #[test]
    fn only_a_stream_of_events_is_taken_for_one() {
        let sent = Sent::new(Method::GET, "/sse");
        let html = HeaderValue::from_static("text/html");
        let stream = HeaderValue::from_static("text/event-stream; charset=utf-8");
        assert!(check(StatusCode::OK, Some(&stream), &sent).is_ok());
        assert_eq!(
            check(StatusCode::OK, Some(&html), &sent).unwrap_err().word(),
            "broken"
        );
        assert_eq!(check(StatusCode::OK, None, &sent).unwrap_err().word(), "broken");
        let ended = check(StatusCode::UNAUTHORIZED, Some(&stream), &sent).unwrap_err();
        assert_eq!(ended.word(), "credentials");
        assert_eq!(
            check(StatusCode::NOT_FOUND, None, &sent).unwrap_err().word(),
            "refused"
        );
    }
}
