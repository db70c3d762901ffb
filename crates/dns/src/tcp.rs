//! Questions over TCP: each message behind two bytes of its length (RFC 7766), answered in the order of the questions.
//! What one client may hold open is bounded, and so is how long.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{Id, JoinSet};
use tokio::time::timeout;

use crate::counters::Count;
use crate::rate_limit::Verdict;
use crate::reply::BYTES_OVER_TCP_MAX;
use crate::server::{Look, QUESTION_BYTES_MAX, Server};

/// Connections of a socket at a time.
const CONNECTIONS_MAX: usize = 256;
/// Of one client.
const CONNECTIONS_PER_CLIENT_MAX: usize = 16;
/// For a whole question to come, and for a whole answer to be taken.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause after an error of the listener, so that a lasting one (no descriptors) does not spin.
const LISTENER_ERROR_PAUSE: Duration = Duration::from_millis(100);

/// The connections that are open.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    clients: HashMap<Id, IpAddr>,
}

impl Connections {
    fn have_room_for(&self, client: IpAddr) -> bool {
        let of_client = self.clients.values().filter(|other| **other == client).count();
        self.clients.len() < CONNECTIONS_MAX && of_client < CONNECTIONS_PER_CLIENT_MAX
    }

    fn add(&mut self, client: IpAddr, connection: impl Future<Output = ()> + Send + 'static) {
        let task = self.tasks.spawn(connection);
        self.clients.insert(task.id(), client);
    }

    /// Waits until one ends; never without any.
    async fn ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => drop(self.clients.remove(&id)),
            Some(Err(error)) => drop(self.clients.remove(&error.id())),
            None => std::future::pending().await,
        }
    }
}

/// Why a connection ended, if not because the client had asked everything.
enum Ended {
    TimedOut,
    Broken,
    /// What came is not answered: it may be half of something else.
    Silent,
}

impl Server {
    /// Answers what comes over connections to `listener` until `shutdown` resolves; then they are closed.
    pub async fn serve_tcp(&self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let mut open = Connections::default();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => return,
                () = open.ended() => continue,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, client)) => self.take_connection(&mut open, stream, client),
                Err(error) => {
                    tracing::warn!(%error, "dns: the TCP port failed");
                    self.count(Count::ReceiveFailed);
                    tokio::time::sleep(LISTENER_ERROR_PAUSE).await;
                }
            }
        }
    }

    fn take_connection(&self, open: &mut Connections, stream: TcpStream, client: SocketAddr) {
        if !open.have_room_for(client.ip()) {
            return self.count(Count::TcpRefused);
        }
        let server = self.clone();
        open.add(client.ip(), async move {
            match server.converse(stream).await {
                Ok(()) | Err(Ended::Silent) => {}
                Err(Ended::TimedOut) => server.count(Count::TcpTimedOut),
                Err(Ended::Broken) => server.count(Count::TcpBroken),
            }
        });
    }

    /// One question after the other, until the client closes.
    async fn converse(&self, mut stream: TcpStream) -> Result<(), Ended> {
        let mut message = Vec::with_capacity(512);
        while in_time(read_message(&mut stream, &mut message)).await? {
            let written = match self.look(&message, BYTES_OVER_TCP_MAX, |_| Verdict::Answer) {
                Look::Answer(written) => written,
                Look::Wait(question, permit) => {
                    self.after_majority(&question, permit, BYTES_OVER_TCP_MAX).await
                }
                Look::Silent(count) => {
                    self.count(count);
                    return Err(Ended::Silent);
                }
            };
            in_time(write_message(&mut stream, &written.bytes)).await?;
            self.count(written.count);
        }
        Ok(())
    }
}

async fn in_time<T>(step: impl Future<Output = io::Result<T>>) -> Result<T, Ended> {
    match timeout(PATIENCE, step).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_)) => Err(Ended::Broken),
        Err(_) => Err(Ended::TimedOut),
    }
}

/// `false` at the end. Of a message that is too long only as much as shows it.
async fn read_message(stream: &mut TcpStream, message: &mut Vec<u8>) -> io::Result<bool> {
    message.clear();
    let mut length = [0; 2];
    if stream.read(&mut length[..1]).await? == 0 {
        return Ok(false);
    }
    stream.read_exact(&mut length[1..]).await?;
    let length = usize::from(u16::from_be_bytes(length)).min(QUESTION_BYTES_MAX);
    message.resize(length, 0);
    stream.read_exact(message).await?;
    Ok(true)
}

async fn write_message(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(message);
    stream.write_all(&framed).await
}
