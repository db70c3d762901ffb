//! Listens, and speaks HTTP/1.1 over TLS on every connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::overlay::Bmc;
use super::request;

/// Connections that may wait to be taken.
const BACKLOG: u32 = 256;
/// A client that does not finish its handshake is nobody.
const HANDSHAKE_MAX: Duration = Duration::from_secs(30);
/// After an error of `accept`: no more files may be open, and some will be closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Opens the port.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?; // tests open the port of a BMC again that they ended
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Takes connections; they end with this future.
pub(crate) async fn until_dropped(listener: TcpListener, bmc: Arc<Bmc>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            taken = listener.accept() => match taken {
                Ok((stream, _)) => drop(connections.spawn(serve(stream, Arc::clone(&bmc)))),
                Err(error) => {
                    tracing::warn!(address = %bmc.address(), %error, "an emulated BMC takes no connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {} // how a connection ends is its client's business
        }
    }
}

async fn serve(stream: TcpStream, bmc: Arc<Bmc>) {
    let acceptor = TlsAcceptor::from(bmc.tls());
    let _ = stream.set_nodelay(true); // it is slower without, and nothing else
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await else {
        return;
    };
    let service = service_fn(move |request| request::answer(Arc::clone(&bmc), request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection to an emulated BMC ended");
    }
}
