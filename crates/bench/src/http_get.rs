//! A lean HTTP/1.1 GET on a connection that stays open. It shares the cores with the server that it measures, so it
//! does no more than it must: one write, as many reads as it takes, headers scanned in place.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Longest answer, headers included, bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// One connection.
#[derive(Debug)]
pub struct HttpGet {
    stream: TcpStream,
    host: String,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl HttpGet {
    /// Connects to `server` from the address `from` (port 0: any).
    ///
    /// # Errors
    /// Of the system.
    pub async fn connect(from: SocketAddr, server: SocketAddr) -> io::Result<HttpGet> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(from)?;
        let stream = socket.connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(HttpGet {
            stream,
            host: server.to_string(),
            request: Vec::new(),
            answer: Vec::with_capacity(4096),
        })
    }

    /// The body of `path`.
    ///
    /// # Errors
    /// Of the connection; an answer other than 200; one that gives no length or is too long.
    pub async fn get(&mut self, path: &str) -> io::Result<&[u8]> {
        self.request.clear();
        for part in ["GET ", path, " HTTP/1.1\r\nHost: ", &self.host, "\r\n\r\n"] {
            self.request.extend_from_slice(part.as_bytes());
        }
        self.stream.write_all(&self.request).await?;
        self.answer.clear();
        loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(head) = Head::parse(&self.answer)? {
                let end = head.bytes + head.body_bytes;
                while self.answer.len() < end {
                    if self.stream.read_buf(&mut self.answer).await? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                return Ok(&self.answer[head.bytes..end]);
            }
        }
    }
}

/// The part of an answer before its body.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    bytes: usize,
    body_bytes: usize,
}

impl Head {
    /// `None` while it is not complete.
    fn parse(answer: &[u8]) -> io::Result<Option<Head>> {
        let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
            return match answer.len() {
                0..=ANSWER_BYTES_MAX => Ok(None),
                _ => Err(io::Error::other("an answer without an end of its headers")),
            };
        };
        let text = std::str::from_utf8(&answer[..end]).map_err(io::Error::other)?;
        let mut lines = text.split("\r\n");
        let status = lines.next().unwrap_or_default();
        if status.split(' ').nth(1) != Some("200") {
            return Err(io::Error::other(status.to_owned()));
        }
        let is_length = |line: &&str| {
            line.split_once(':')
                .is_some_and(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        };
        let length = lines.find(is_length).and_then(|line| line.split_once(':'));
        let length = length.and_then(|(_, length)| length.trim().parse().ok());
        match length {
            Some(body_bytes) if body_bytes <= ANSWER_BYTES_MAX => Ok(Some(Head {
                bytes: end + 4,
                body_bytes,
            })),
            Some(_) => Err(io::Error::other("an answer that is too long")),
            None => Err(io::Error::other("an answer without a Content-Length")),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_complete() {
        let text = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(Head::parse(&text[..30]).unwrap(), None);
        let head = Head::parse(text).unwrap().unwrap();
        assert_eq!(&text[head.bytes..head.bytes + head.body_bytes], b"hello");
    }

    /// A 503 that is quickly sent must not count as an answer.
    #[test]
    fn what_is_no_answer_is_an_error() {
        for (text, problem) in [
            (
                "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
                "503",
            ),
            ("HTTP/1.1 200 OK\r\n\r\n", "Content-Length"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n", "too long"),
        ] {
            let error = Head::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
        let endless = vec![b'a'; ANSWER_BYTES_MAX + 1];
        assert!(Head::parse(&endless).is_err());
    }

    /// Requests follow each other on one connection, and an answer in pieces is put together.
    #[tokio::test]
    async fn two_requests_share_a_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (mut stream, peer) = listener.accept().await.unwrap();
            let mut paths = Vec::new();
            for body in ["one", "second"] {
                let mut request = vec![0; 1024];
                let read = stream.read(&mut request).await.unwrap();
                let request = String::from_utf8_lossy(&request[..read]).into_owned();
                paths.push(request.split(' ').nth(1).unwrap().to_owned());
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                for piece in [&head[..9], &head[9..], &body[..2], &body[2..]] {
                    stream.write_all(piece.as_bytes()).await.unwrap();
                    stream.flush().await.unwrap();
                }
            }
            (peer.ip(), paths)
        });
        let from = "127.3.2.1:0".parse().unwrap();
        let mut client = HttpGet::connect(from, server).await.unwrap();
        assert_eq!(client.get("/a?x=1").await.unwrap(), b"one");
        assert_eq!(client.get("/b").await.unwrap(), b"second");
        let (peer, paths) = serving.await.unwrap();
        assert_eq!(
            (peer.to_string().as_str(), paths),
            ("127.3.2.1", vec!["/a?x=1".to_owned(), "/b".to_owned()])
        );
    }
}
