//! A TCP port of administrators, services or members, on each address that it is to be had at.

use std::future::Future;
use std::net::{SocketAddr, SocketAddrV4};

use tokio::net::TcpListener;

use super::ServeError;
use super::check::Host;
use super::config::Config;
use super::device::{self, Device};
use super::drain::Stop;
use super::node_ports::interface::tcp_at;

/// Where a host's packets to itself arrive.
const LOOPBACK: &str = "lo";

/// One listener, bound but not served yet.
pub(super) struct ApiPort {
    key: &'static str,
    listener: TcpListener,
    /// The interface that it listens on, and the address there; none for all interfaces.
    place: Option<(Device, SocketAddrV4)>,
}

/// Binds a port; `key` is where the configuration names it. On an address of this host, only what arrives on that
/// address's interface, or from this host, is listened to: Linux would answer for it on every interface, those of nodes
/// and BMCs included. An unspecified address asks for just that.
pub(super) async fn listen(key: &'static str, address: SocketAddr) -> Result<Vec<ApiPort>, ServeError> {
    let failed = |source| ServeError::Bind { key, address, source };
    if let SocketAddr::V4(v4) = address {
        let host = Host::read().map_err(failed)?;
        if let Some(interface) = host.interface_of(*v4.ip()).filter(|name| *name != LOOPBACK) {
            return on(key, interface, v4);
        }
    }
    Ok(vec![ApiPort {
        key,
        listener: TcpListener::bind(address).await.map_err(failed)?,
        place: None,
    }])
}

/// The same, and on the service addresses of networks that have one for the API. Those are listened to all the time:
/// nobody's packets come to an address that is elsewhere.
pub(super) async fn listen_on_all(
    key: &'static str,
    address: SocketAddr,
    config: &Config,
) -> Result<Vec<ApiPort>, ServeError> {
    let mut ports = listen(key, address).await?;
    if !address.ip().is_unspecified() {
        for (network, service) in config.api_addresses() {
            let service = SocketAddrV4::new(service, address.port());
            ports.extend(on(key, &network.interface, service)?);
        }
    }
    Ok(ports)
}

/// Binds a port on the one address that is named, which may be a service address that is elsewhere now.
pub(super) async fn listen_at(
    key: &'static str,
    address: SocketAddr,
    config: &Config,
) -> Result<Vec<ApiPort>, ServeError> {
    if let SocketAddr::V4(v4) = address {
        let mut services = config.api_addresses();
        if let Some((network, _)) = services.find(|(_, service)| service == v4.ip()) {
            return on(key, &network.interface, v4);
        }
    }
    listen(key, address).await
}

fn on(key: &'static str, interface: &str, address: SocketAddrV4) -> Result<Vec<ApiPort>, ServeError> {
    let both = [interface, LOOPBACK].into_iter();
    both.map(|interface| ApiPort::bind(key, interface, address))
        .collect()
}

impl ApiPort {
    fn bind(key: &'static str, interface: &str, address: SocketAddrV4) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Bind {
            key,
            address: address.into(),
            source,
        };
        let device = Device::now(interface).map_err(failed)?;
        Ok(Self {
            key,
            listener: tcp_at(interface, address).map_err(failed)?,
            place: Some((device, address)),
        })
    }

    /// Serves until `stop`, on whatever its interface's name means.
    pub(super) async fn serve<F: Future<Output = ()>>(
        self,
        stop: &Stop,
        serve: impl Fn(TcpListener, Stop) -> F,
    ) {
        let Some((mut device, address)) = self.place else {
            return serve(self.listener, stop.clone()).await;
        };
        let mut listener = self.listener;
        loop {
            tokio::select! {
                () = serve(listener, stop.clone()) => return,
                () = device.replaced() => {}
            }
            let bind = || std::future::ready(Self::bind(self.key, device.name(), address));
            let Some(bound) = device::again(stop, bind).await else {
                return;
            };
            let Some((now, _)) = bound.place else { return };
            (device, listener) = (now, bound.listener);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_named_with_its_key() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let error = listen("api.grpc-listen", address).await.err().unwrap();
        let text = error.to_string();
        assert!(
            text.contains("api.grpc-listen") && text.contains(&address.to_string()),
            "{text}"
        );
    }

    /// A service address is listened to before it is here, so that it is answered at once when it comes.
    #[tokio::test]
    async fn an_address_that_is_elsewhere_can_be_listened_to() {
        let elsewhere = "192.0.2.1:0".parse().unwrap(); // TEST-NET
        assert!(ApiPort::bind("api.https-listen", "lo", elsewhere).is_ok());
    }
}
