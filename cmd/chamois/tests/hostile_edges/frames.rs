//! HTTP/2 by the frame (RFC 9113), as no client library would send it.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use rustls::{ClientConnection, StreamOwned};

use crate::common::http::over_tls;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// Of a stream that was not looked at (RFC 9113, 7).
const REFUSED_STREAM: u32 = 7;
/// Bytes before the payload of a frame.
const HEAD_BYTES: usize = 9;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The headers of a request, each as a literal (RFC 7541, 6.2.2): nothing has to be remembered.
pub(crate) fn request(verb: &str, path: &str) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [
        (":method", verb),
        (":scheme", "https"),
        (":authority", "x"),
        (":path", path),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        literal(name, value, &mut block);
    }
    block
}

/// One header; both are shorter than 127 bytes.
pub(crate) fn literal(name: &str, value: &str, block: &mut Vec<u8>) {
    block.push(0);
    for text in [name, value] {
        assert!(text.len() < 127, "{text}: longer lengths are written otherwise");
        block.push(u8::try_from(text.len()).unwrap());
        block.extend(text.as_bytes());
    }
}

/// A connection on which everything may be said.
pub(crate) struct Raw {
    tls: StreamOwned<ClientConnection, TcpStream>,
    unread: Vec<u8>,
}

impl Raw {
    /// TLS, the preface and settings that are all the usual ones.
    pub(crate) fn connect(ca: &CertificateDer<'static>, stream: TcpStream) -> Raw {
        let tls = rpc::tls::api_client_config(std::slice::from_ref(ca), None).unwrap();
        let mut raw = Raw {
            tls: over_tls(&Arc::new(tls), stream),
            unread: Vec::new(),
        };
        raw.send(PREFACE).unwrap();
        raw.send(&frame(SETTINGS, 0, 0, &[])).unwrap();
        raw
    }

    /// # Errors
    /// The connection has ended, or nobody reads at its other end for the time that [`Raw::within`] says.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.tls.write_all(bytes)?;
        self.tls.flush()
    }

    /// How long one write or read may wait from now on.
    pub(crate) fn within(&self, time: Duration) {
        self.tls.sock.set_read_timeout(Some(time)).unwrap();
        self.tls.sock.set_write_timeout(Some(time)).unwrap();
    }

    /// Reads until the other end says that it is over, or closes; `false` if it does neither for `at_most`.
    pub(crate) fn ends_within(&mut self, at_most: Duration) -> bool {
        let deadline = Instant::now() + at_most;
        self.within(Duration::from_millis(200));
        let mut chunk = [0; 16 * 1024];
        while Instant::now() < deadline {
            match self.tls.read(&mut chunk) {
                Ok(0) => return true,
                Ok(length) => self.unread.extend_from_slice(&chunk[..length]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return true,
            }
            if self.has_goaway() {
                return true;
            }
        }
        false
    }

    /// The streams that the other end has refused to begin, as many as `count`, or those until `at_most` is over.
    pub(crate) fn refused(&mut self, count: usize, at_most: Duration) -> Vec<u32> {
        let deadline = Instant::now() + at_most;
        self.within(Duration::from_millis(200));
        let (mut refused, mut chunk) = (Vec::new(), [0; 16 * 1024]);
        while refused.len() < count && Instant::now() < deadline {
            match self.tls.read(&mut chunk) {
                Ok(0) => break,
                Ok(length) => self.unread.extend_from_slice(&chunk[..length]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
            while let Some((kind, stream, payload)) = self.next_frame() {
                if kind == RST_STREAM && payload == REFUSED_STREAM.to_be_bytes() {
                    refused.push(stream);
                }
            }
        }
        refused
    }

    /// Kind, stream and payload of the next frame that is here whole.
    fn next_frame(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        let head = self.unread.get(..HEAD_BYTES)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (kind, stream) = (head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]));
        if self.unread.len() < HEAD_BYTES + length {
            return None;
        }
        let frame: Vec<u8> = self.unread.drain(..HEAD_BYTES + length).collect();
        Some((kind, stream, frame[HEAD_BYTES..].to_vec()))
    }

    fn has_goaway(&mut self) -> bool {
        while let Some((kind, _, _)) = self.next_frame() {
            if kind == GOAWAY {
                return true;
            }
        }
        false
    }
}
