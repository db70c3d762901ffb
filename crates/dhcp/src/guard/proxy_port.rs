//! UDP port 4011: where a PXE client asks the proxy that has made it an offer.

use std::future::Future;
use std::net::SocketAddrV4;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::batch::{Batch, Datagram, PACKET_BYTES_MAX};
use crate::counters::Count;
use crate::guard::proxy;
use crate::policy::Decision;
use crate::request::Request;
use crate::routing::Destination;
use crate::server::{Buffers, Server};
use crate::socket::DhcpSocket;

/// The port (IANA `altserviceboot`, PXE 2.1 section 2.4.5).
pub const PROXY_PORT: u16 = 4011;

/// Pause after an error of the socket, so that a lasting one does not spin.
const SOCKET_ERROR_PAUSE: Duration = Duration::from_millis(100);

impl Server {
    /// Answers on port 4011, in mode [`Mode::Proxy`](crate::Mode::Proxy), until `shutdown` resolves. Whoever is asked there
    /// answers: the client has chosen it. Errors of the socket are counted and outlived.
    pub async fn run_proxy_port(&self, socket: DhcpSocket, shutdown: impl Future<Output = ()>) {
        let (mut batch, mut buffers) = (Batch::new(), Buffers::default());
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let arrival = tokio::select! {
                () = &mut shutdown => return,
                arrival = socket.receive(&mut batch) => arrival,
            };
            match arrival {
                Ok(()) => batch
                    .datagrams()
                    .for_each(|datagram| self.take_on_proxy_port(&socket, &mut buffers, datagram)),
                Err(error) => {
                    tracing::warn!(%error, "dhcp: the socket of port 4011 failed");
                    self.0.counters.add(Count::ReceiveFailed);
                    tokio::time::sleep(SOCKET_ERROR_PAUSE).await;
                }
            }
        }
    }

    /// Deals with one packet; a panic costs that packet only.
    fn take_on_proxy_port(
        &self,
        socket: &DhcpSocket,
        buffers: &mut Buffers,
        Datagram { bytes, sender, .. }: Datagram<'_>,
    ) {
        self.0.counters.add(Count::Received);
        // buffers are cleared before use
        let answered = catch_unwind(AssertUnwindSafe(|| {
            self.answer_on_proxy_port(socket, buffers, bytes, sender)
        }));
        self.0.counters.add(answered.unwrap_or(Count::Panicked));
    }

    fn answer_on_proxy_port(
        &self,
        socket: &DhcpSocket,
        buffers: &mut Buffers,
        packet: &[u8],
        sender: SocketAddrV4,
    ) -> Count {
        if packet.len() == PACKET_BYTES_MAX {
            return Count::TooLong;
        }
        let request = match Request::parse(packet) {
            Ok(request) => request,
            Err(why) => return why,
        };
        if let Err(why) = self.admit(&request) {
            return why;
        }
        let decided = self.with_site(|state, site| {
            let guard = &self.0.guard;
            let kept_out = guard.keeps_out(state, &request).map(Decision::Silent);
            kept_out.unwrap_or_else(|| proxy::decide_on_proxy_port(state, &request, site))
        });
        let reply = match decided {
            Decision::Reply(reply) => reply,
            Decision::Silent(why) => return why,
            // a proxy has no addresses
            Decision::Offer(..) | Decision::Bind(_) | Decision::End(_) | Decision::Nak(_) => {
                return Count::ProxyOnly;
            }
        };
        // within the networks that are served only, see `Link::of`; from whichever port the client has asked
        let to = SocketAddrV4::new(request.ciaddr, sender.port());
        self.send_to(socket, buffers, &request, &reply, Destination::Unicast(to))
    }
}
