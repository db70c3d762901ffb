//! A small HTTP server that is busy as often as the path says, and writes down who asked for what, in order.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest request, bytes.
const REQUEST_BYTES_MAX: u64 = 64 * 1024;
/// How long a client that says nothing is listened to.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// How the server is busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Busy {
    /// 503 with `Retry-After: 1`.
    Told,
    /// 503 and no word about when.
    Alone,
}

impl Busy {
    pub(crate) const BOTH: [Busy; 2] = [Busy::Told, Busy::Alone];

    fn name(self) -> &'static str {
        match self {
            Busy::Told => "told",
            Busy::Alone => "alone",
        }
    }

    /// The path of something that is busy `times` times and then there.
    pub(crate) fn path(self, times: usize, what: &str) -> String {
        format!("/{}/{times}/{what}", self.name())
    }
}

/// One request, as its first line has it: `GET /told/3/kernel`.
pub(crate) type Asked = String;

/// The server; its threads end with the test.
#[derive(Clone)]
pub(crate) struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    pages: Arc<dyn Fn(&str) -> Vec<u8> + Send + Sync>,
}

impl Server {
    /// Serves on `listener`; `pages` says what is at a path when the server is not busy.
    pub(crate) fn start(
        listener: TcpListener,
        pages: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
    ) -> Server {
        let server = Server {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            pages: Arc::new(pages),
        };
        let serving = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serving = serving.clone();
                // a client that breaks off has said all that it wanted to
                std::thread::spawn(move || serving.answer(&stream).ok());
            }
        });
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Everything that was asked so far, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often exactly this was asked for.
    pub(crate) fn count(&self, asked: &str) -> usize {
        self.asked().iter().filter(|line| *line == asked).count()
    }

    /// Waits until this has been asked for.
    pub(crate) fn wait_for(&self, asked: &str, at_most: Duration) -> Result<(), String> {
        let deadline = Instant::now() + at_most;
        while self.count(asked) == 0 {
            if Instant::now() > deadline {
                return Err(format!("nobody asked for {asked}: {:#?}", self.asked()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn answer(&self, stream: &TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        let mut reader = BufReader::new(stream.take(REQUEST_BYTES_MAX));
        let (mut first, mut body_bytes) = (String::new(), 0);
        reader.read_line(&mut first)?;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let line = line.trim().to_ascii_lowercase();
            if let Some(length) = line.strip_prefix("content-length:") {
                body_bytes = length.trim().parse().unwrap_or(0);
            }
            if line.is_empty() {
                break;
            }
        }
        reader.take(body_bytes).read_to_end(&mut Vec::new())?;
        let Some((asked, _)) = first.rsplit_once(" HTTP/") else {
            return Ok(()); // it only looked whether somebody listens
        };
        self.note(asked);
        let answer = self.answer_to(asked, asked.starts_with("HEAD "));
        let mut stream = stream;
        stream.write_all(&answer)
    }

    fn note(&self, asked: &str) {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(asked.to_owned());
    }

    fn answer_to(&self, asked: &str, head_only: bool) -> Vec<u8> {
        let path = asked.split(' ').nth(1).unwrap_or_default();
        let (status, body) = match busy(path) {
            Some((Busy::Told, times)) if self.count(asked) <= times => {
                ("503 Service Unavailable\r\nRetry-After: 1", b"busy\n".to_vec())
            }
            Some((Busy::Alone, times)) if self.count(asked) <= times => {
                ("503 Service Unavailable", b"busy\n".to_vec())
            }
            _ => ("200 OK", (self.pages)(path)),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let body = if head_only { Vec::new() } else { body };
        [head.into_bytes(), body].concat()
    }
}

/// How, and how often, the server is busy when it is asked for this path.
fn busy(path: &str) -> Option<(Busy, usize)> {
    Busy::BOTH.into_iter().find_map(|busy| {
        let rest = path.strip_prefix(&format!("/{}/", busy.name()))?;
        Some((busy, rest.split('/').next()?.parse().ok()?))
    })
}
