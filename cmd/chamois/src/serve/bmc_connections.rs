//! How this member reaches BMCs: only where its configuration says that they are. Whoever may name a BMC could else make a member
//! show a BMC's password to any host that it reaches, or ask its own services.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::sync::Arc;

use model::IpNet;
use redfish::Dial;
use tokio::net::TcpStream;

tally::reasons! {
    /// What became of a connection to a BMC.
    pub(super) enum Connection;

    Opened "opened" "The BMC took the connection.",
    Unreachable "unreachable" "There was none: no route, no answer, or it was refused.",
    Unresolved "unresolved" "The name has no address.",
    OutOfBounds "out_of_bounds" "The address is in no `bmc-subnets` of this member: nothing was sent.",
}

/// How often each has happened.
pub(super) type Connections = Arc<tally::Counters<Connection>>;

/// A dialler that reaches what lies in `subnets` and counts into `connections`.
pub(super) fn dialler(subnets: Vec<IpNet>, connections: Connections) -> Dial {
    let subnets: Arc<[IpNet]> = subnets.into();
    Arc::new(move |host, port| {
        let (subnets, connections) = (Arc::clone(&subnets), Arc::clone(&connections));
        Box::pin(async move {
            let (connection, became) = connect(&subnets, &host, port).await;
            if let Err(error) = &connection {
                tracing::debug!(host, port, reason = became.name(), %error, "no BMC: {}", became.meaning());
            }
            connections.add(became);
            connection
        })
    })
}

/// Connects to an address of `host` that is within bounds. The name is looked up once: what has been judged is what is connected
/// to.
async fn connect(subnets: &[IpNet], host: &str, port: u16) -> (Result<TcpStream>, Connection) {
    let found: Vec<SocketAddr> = match tokio::net::lookup_host((host, port)).await {
        Ok(found) => found.collect(),
        Err(error) => return (Err(error), Connection::Unresolved),
    };
    let is_within = |address: &SocketAddr| subnets.iter().any(|subnet| subnet.contains(address.ip()));
    let within: Vec<SocketAddr> = found.into_iter().filter(is_within).collect();
    if within.is_empty() {
        let problem = "it is in no `bmc-subnets` of this member; name its network there, if BMCs are in it";
        let refused = Error::new(ErrorKind::PermissionDenied, problem);
        return (Err(refused), Connection::OutOfBounds);
    }
    match TcpStream::connect(within.as_slice()).await {
        Ok(connection) => (Ok(connection), Connection::Opened),
        Err(error) => (Err(error), Connection::Unreachable),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn subnets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    async fn listener() -> (TcpListener, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    /// However the address is written, and by whatever name.
    #[tokio::test]
    async fn what_is_in_no_subnet_is_never_connected_to() {
        let (listener, port) = listener().await;
        let counted = Connections::default();
        let dial = dialler(subnets(&["10.99.0.0/16", "fd00::/64"]), Arc::clone(&counted));
        for host in ["127.0.0.1", "localhost", "0.0.0.0", "::1", "::ffff:127.0.0.1"] {
            let refused = dial(host.to_owned(), port).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::PermissionDenied, "{host}");
            assert!(refused.to_string().contains("bmc-subnets"), "{refused}");
        }
        assert_eq!(counted.get(Connection::OutOfBounds), 5);
        let asked = tokio::time::timeout(std::time::Duration::from_millis(100), listener.accept());
        assert!(asked.await.is_err(), "nobody was connected to");
    }

    /// A member without the role has no subnets.
    #[tokio::test]
    async fn without_subnets_nothing_is_reached() {
        let (_listener, port) = listener().await;
        let dial = dialler(Vec::new(), Connections::default());
        assert!(dial("127.0.0.1".to_owned(), port).await.is_err());
    }

    #[tokio::test]
    async fn each_connection_is_counted_by_what_became_of_it() {
        let (listener, port) = listener().await;
        let counted = Connections::default();
        let dial = dialler(subnets(&["127.0.0.0/8"]), Arc::clone(&counted));
        dial("127.0.0.1".to_owned(), port).await.unwrap();
        drop(listener);
        dial("127.0.0.1".to_owned(), port).await.unwrap_err();
        dial("bmc\0".to_owned(), port).await.unwrap_err();
        let counts = counted.all();
        assert_eq!(
            counts,
            [
                ("opened", 1),
                ("unreachable", 1),
                ("unresolved", 1),
                ("out_of_bounds", 0)
            ]
        );
    }
}
