//! A connection that is kept: certificates of both ends may change meanwhile, and it must not notice.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};

use crate::common::http::over_tls;
use crate::site::{COMPONENTS, Site, shown};

/// Nothing that is asked here may take longer.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// HTTP/1.1 over one handshake.
pub(crate) struct OneConnection {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
    host: SocketAddr,
}

impl OneConnection {
    /// To the HTTPS port of a member, by whoever this certificate names.
    pub(crate) fn open(site: &Site, id: u64, file: &Path) -> OneConnection {
        let host = SocketAddr::new(site.ip(id), 8443);
        let tcp = TcpStream::connect(host).unwrap();
        tcp.set_read_timeout(Some(ANSWER_MAX)).unwrap();
        OneConnection {
            stream: BufReader::new(over_tls(&site.https(Some(shown(file))), tcp)),
            host,
        }
    }

    /// The status of a read. A connection that was closed panics.
    pub(crate) fn status(&mut self) -> u16 {
        let request = format!("GET {COMPONENTS} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host);
        let writer = self.stream.get_mut();
        writer.write_all(request.as_bytes()).unwrap();
        writer.flush().unwrap();
        let first = self.line();
        let status = first.split(' ').nth(1);
        let status = status.unwrap_or_else(|| panic!("the connection was closed: {first:?}"));
        let status = status.parse().unwrap();
        let mut body = Body::Of(0);
        loop {
            let line = self.line().to_ascii_lowercase();
            match line.split_once(':') {
                Some(("content-length", length)) => body = Body::Of(length.trim().parse().unwrap()),
                Some(("transfer-encoding", _)) => body = Body::InPieces,
                Some(_) => {}
                None => break,
            }
        }
        self.skip(&body);
        status
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn skip(&mut self, body: &Body) {
        match body {
            Body::Of(length) => self.take(*length),
            Body::InPieces => loop {
                let length = usize::from_str_radix(&self.line(), 16).unwrap();
                self.take(length + 2);
                if length == 0 {
                    return;
                }
            },
        }
    }

    fn take(&mut self, length: usize) {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).unwrap();
    }
}

/// How an answer tells its end.
enum Body {
    Of(usize),
    InPieces,
}
