//! How many bytes this member has sent to and received from each other member, on the connections that it opened:
//! counted where they enter the kernel, so that no message is measured twice.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use rpc::client::{Dialler, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::metrics::{Exposition, Kind};

/// The counts of all members; clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct PeerTraffic(Arc<Mutex<BTreeMap<u64, Arc<Bytes>>>>);

#[derive(Debug, Default)]
struct Bytes {
    sent: AtomicU64,
    received: AtomicU64,
}

impl PeerTraffic {
    /// Dials as `dialler` does and counts what goes to and comes from member `id`.
    pub(super) fn counting(&self, id: u64, dialler: Dialler) -> Dialler {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = Arc::clone(known.entry(id).or_default());
        Arc::new(move |address| {
            let (dialled, bytes) = (dialler(address), Arc::clone(&bytes));
            Box::pin(async move {
                let inner = dialled.await?;
                Ok(Box::new(Counted { inner, bytes }) as Box<dyn Stream>)
            })
        })
    }

    /// Adds both families.
    pub(super) fn add_to(&self, page: &mut Exposition) {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let help = "Bytes sent to a member, TLS included, on connections that this member opened.";
        let mut sent = page.family("chamois_network_peer_sent_bytes_total", Kind::Counter, help);
        for (id, bytes) in &*known {
            sent.sample(&[("To", &id.to_string())], bytes.sent.load(Ordering::Relaxed));
        }
        let help = "Bytes received from a member, TLS included, on connections that this member opened.";
        let mut received = page.family("chamois_network_peer_received_bytes_total", Kind::Counter, help);
        for (id, bytes) in &*known {
            received.sample(
                &[("From", &id.to_string())],
                bytes.received.load(Ordering::Relaxed),
            );
        }
    }
}

/// A stream whose bytes are counted.
struct Counted {
    inner: Box<dyn Stream>,
    bytes: Arc<Bytes>,
}

impl Counted {
    fn sent(&self, written: io::Result<usize>) -> io::Result<usize> {
        let bytes = written?;
        self.bytes.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, into))?;
        let received = into.filled().len() - before;
        self.bytes.received.fetch_add(received as u64, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, data));
        Poll::Ready(self.sent(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, data));
        Poll::Ready(self.sent(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    use super::*;

    /// A dialler whose other end is handed out.
    fn in_memory() -> (Dialler, tokio::sync::mpsc::UnboundedReceiver<DuplexStream>) {
        let (ends, other_ends) = tokio::sync::mpsc::unbounded_channel();
        let dialler: Dialler = Arc::new(move |_| {
            let (near, far) = tokio::io::duplex(1024);
            ends.send(far).unwrap();
            Box::pin(async move { Ok(Box::new(near) as Box<dyn Stream>) })
        });
        (dialler, other_ends)
    }

    /// A reconnect must not begin again at zero: Prometheus would take it for a restart.
    #[tokio::test]
    async fn bytes_are_counted_over_all_connections_to_a_member() {
        let traffic = PeerTraffic::default();
        let (dialler, mut others) = in_memory();
        let dialler = traffic.counting(2, dialler);
        for _ in 0..2 {
            let mut near = dialler("m2:7440".to_owned()).await.unwrap();
            let mut far = others.recv().await.unwrap();
            near.write_all(b"hello").await.unwrap();
            near.flush().await.unwrap();
            far.write_all(b"ok").await.unwrap();
            near.read_exact(&mut [0; 2]).await.unwrap();
        }
        let known = traffic.0.lock().unwrap();
        let (sent, received) = (&known[&2].sent, &known[&2].received);
        assert_eq!(
            (sent.load(Ordering::Relaxed), received.load(Ordering::Relaxed)),
            (10, 4)
        );
    }
}
