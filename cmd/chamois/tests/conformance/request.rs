//! A request as `ochami` sends it: its User-Agent, Go's Accept-Encoding, and neither Content-Type nor Accept, but for boot-service.
//!
//! Source: ochami v0.10.2, recorded against a logging server, one command after the other.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::ClientConfig;

use crate::common::http::{connect_from, over_tls};

/// Who may send a request without a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Without {
    /// Nobody.
    Nobody,
    /// Hosts in `anonymous-legacy-reads`.
    Readers,
    /// Everybody.
    Everybody,
}

/// One request of one command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// The command, without `ochami`.
    pub(crate) command: &'static str,
    /// Verb and target.
    pub(crate) line: &'static str,
    /// JSON, or empty.
    pub(crate) body: &'static str,
    /// What it is answered with.
    pub(crate) status: u16,
    /// What the answer has in its body.
    pub(crate) shows: &'static str,
    pub(crate) without: Without,
}

/// One that needs a token.
pub(crate) const fn token(
    command: &'static str,
    line: &'static str,
    body: &'static str,
    status: u16,
) -> Request {
    Request {
        command,
        line,
        body,
        status,
        shows: "",
        without: Without::Nobody,
    }
}

/// One that `ochami` sends without a token, and that is for hosts that are named then.
pub(crate) const fn reader(
    command: &'static str,
    line: &'static str,
    body: &'static str,
    status: u16,
) -> Request {
    Request {
        without: Without::Readers,
        ..token(command, line, body, status)
    }
}

/// One that needs none.
pub(crate) const fn public(
    command: &'static str,
    line: &'static str,
    body: &'static str,
    status: u16,
) -> Request {
    Request {
        without: Without::Everybody,
        ..token(command, line, body, status)
    }
}

impl Request {
    /// The same, whose answer has this in its body.
    pub(crate) const fn showing(self, shows: &'static str) -> Request {
        Request { shows, ..self }
    }

    /// What kind of body it says it has: only the client of boot-service, which is generated, says any.
    fn headers(&self) -> &'static str {
        let is_patch = self.line.starts_with("PATCH ");
        match self.line.contains(" /boot-service/") {
            false => "",
            true if is_patch => "Accept: application/json\r\nContent-Type: application/merge-patch+json\r\n",
            true => "Accept: application/json\r\nContent-Type: application/json\r\n",
        }
    }

    /// What somebody without a token gets.
    pub(crate) fn status_without_token(&self, is_reader: bool) -> u16 {
        match (self.without, is_reader) {
            (Without::Everybody, _) | (Without::Readers, true) => self.status,
            (Without::Nobody, _) | (Without::Readers, false) => 401,
        }
    }
}

/// Somebody who sends requests to the HTTPS port.
pub(crate) struct Client {
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) from: Ipv4Addr,
    pub(crate) to: SocketAddr,
    /// Sent with every request unless it is empty.
    pub(crate) token: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Client {
    /// Sends a request of a command.
    pub(crate) fn run(&self, request: &Request) -> Answer {
        self.send_with(request.line, request.headers(), request.body)
    }

    /// Sends a request as `ochami` does.
    pub(crate) fn send(&self, line: &str, body: &str) -> Answer {
        self.send_with(line, "", body)
    }

    /// The same with more headers, each with its line's end.
    pub(crate) fn send_with(&self, line: &str, headers: &str, body: &str) -> Answer {
        let authorization = match self.token.is_empty() {
            true => String::new(),
            false => format!("Authorization: Bearer {}\r\n", self.token),
        };
        let length = match body.is_empty() {
            true => String::new(),
            false => format!("Content-Length: {}\r\n", body.len()),
        };
        let host = self.to;
        self.say(&format!(
            "{line} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: ochami/v0.10.2\r\nAccept-Encoding: gzip\r\n\
             {authorization}{headers}{length}\r\n{body}"
        ))
    }

    /// Sends these bytes and reads one answer.
    pub(crate) fn say(&self, bytes: &str) -> Answer {
        let mut stream = over_tls(&self.tls, connect_from(self.from, self.to).unwrap());
        stream.write_all(bytes.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            let read = stream.read_exact(&mut byte);
            assert!(read.is_ok(), "{bytes:?}: {read:?} after {head:?}");
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let mut body = vec![0; length_of(&head)];
        stream.read_exact(&mut body).unwrap();
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            body: String::from_utf8_lossy(&body).into_owned(),
            head,
        }
    }
}

fn length_of(head: &str) -> usize {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    lengths
        .next()
        .map_or(0, |(_, length)| length.trim().parse().unwrap())
}
