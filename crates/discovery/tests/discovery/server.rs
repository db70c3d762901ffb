//! A BMC as small as it can be: it serves a tree from memory, over HTTP/1.1, and counts what it is asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use redfish::Address;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Bodies by path, without a slash at its end.
pub(crate) type Bodies = BTreeMap<String, Vec<u8>>;

/// It ends when it is dropped.
pub(crate) struct Server {
    pub(crate) address: Address,
    /// How often each path was asked for.
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
    accepting: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(bodies: Bodies) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
        let (bodies, counted) = (Arc::new(bodies), Arc::clone(&asked));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                tokio::spawn(serve(stream, Arc::clone(&bodies), Arc::clone(&counted)));
            }
        });
        Server {
            address: format!("http://127.0.0.1:{port}").parse().unwrap(),
            asked,
            accepting,
        }
    }

    pub(crate) fn asked(&self) -> BTreeMap<String, usize> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One connection, request by request, until the other side closes it.
async fn serve(mut stream: TcpStream, bodies: Arc<Bodies>, asked: Arc<Mutex<BTreeMap<String, usize>>>) {
    let mut buffer = Vec::new();
    while let Some(head) = head(&mut stream, &mut buffer).await {
        let mut words = head.split_ascii_whitespace();
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let path = target.split('?').next().unwrap_or_default().trim_end_matches('/');
        *asked.lock().unwrap().entry(path.to_owned()).or_default() += 1;
        let (status, body) = match bodies.get(path) {
            Some(body) if method == "GET" => ("200 OK", body.as_slice()),
            Some(_) => ("405 Method Not Allowed", &b"{}"[..]),
            None => ("404 Not Found", &b"{}"[..]),
        };
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        let sent = stream.write_all(answer.as_bytes()).await;
        if sent.is_err() || stream.write_all(body).await.is_err() {
            return;
        }
    }
}

/// The head of the next request; those of these tests have no bodies.
async fn head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head: Vec<u8> = buffer.drain(..end + 4).collect();
            return String::from_utf8(head).ok();
        }
        let mut more = [0; 4096];
        match stream.read(&mut more).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => buffer.extend_from_slice(&more[..read]),
        }
    }
}
