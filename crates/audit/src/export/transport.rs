//! How messages reach a syslog server. A connection is made when there is something to send, and anew after an error.

use std::io::{self, ErrorKind, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use super::SyslogTarget;

/// Bytes of one datagram that servers take (RFC 5426 asks for 2,048; rsyslog and journald take 8 KiB).
const DATAGRAM_BYTES_MAX: usize = 8 << 10;
/// Bytes of one message on a stream (rsyslog and syslog-ng take 64 KiB).
const STREAM_BYTES_MAX: usize = 64 << 10;
/// A server that takes no longer than this is there.
const CONNECT_MAX: Duration = Duration::from_secs(5);
const SEND_MAX: Duration = Duration::from_secs(5);

pub(super) struct Transport {
    target: SyslogTarget,
    connection: Option<Connection>,
}

enum Connection {
    Unix(UnixDatagram),
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Transport {
    pub(super) fn new(target: SyslogTarget) -> Transport {
        Transport {
            target,
            connection: None,
        }
    }

    /// What a message may have.
    pub(super) fn bytes_max(&self) -> usize {
        match self.target {
            SyslogTarget::Unix(_) | SyslogTarget::Udp(_) => DATAGRAM_BYTES_MAX,
            SyslogTarget::Tcp(_) => STREAM_BYTES_MAX,
        }
    }

    /// # Errors
    /// What the system says; the next message is sent over a new connection.
    pub(super) fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.target)?,
        };
        connection.send(message)?;
        self.connection = Some(connection);
        Ok(())
    }
}

fn connect(target: &SyslogTarget) -> io::Result<Connection> {
    match target {
        SyslogTarget::Unix(path) => {
            let socket = UnixDatagram::unbound()?;
            socket.set_write_timeout(Some(SEND_MAX))?;
            socket.connect(path)?;
            Ok(Connection::Unix(socket))
        }
        SyslogTarget::Udp(place) => {
            let address = resolved(place)?;
            let any = if address.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
            let socket = UdpSocket::bind(any)?;
            socket.connect(address)?;
            Ok(Connection::Udp(socket))
        }
        SyslogTarget::Tcp(place) => {
            let stream = TcpStream::connect_timeout(&resolved(place)?, CONNECT_MAX)?;
            stream.set_write_timeout(Some(SEND_MAX))?;
            Ok(Connection::Tcp(stream))
        }
    }
}

fn resolved(place: &str) -> io::Result<std::net::SocketAddr> {
    let unknown = || io::Error::new(ErrorKind::NotFound, format!("{place} has no address"));
    place.to_socket_addrs()?.next().ok_or_else(unknown)
}

impl Connection {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        match self {
            Connection::Unix(socket) => socket.send(message).map(drop),
            Connection::Udp(socket) => socket.send(message).map(drop),
            Connection::Tcp(stream) => {
                // RFC 6587, 3.4.1: octet counting
                let mut framed = format!("{} ", message.len()).into_bytes();
                framed.extend_from_slice(message);
                stream.write_all(&framed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_stream_has_the_length_of_each_message() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = server.local_addr().unwrap().to_string();
        let mut transport = Transport::new(SyslogTarget::Tcp(place));
        transport.send(b"one").unwrap();
        transport.send(b"and two").unwrap();
        drop(transport);
        let mut text = String::new();
        server.accept().unwrap().0.read_to_string(&mut text).unwrap();
        assert_eq!(text, "3 one7 and two");
    }

    #[test]
    fn datagrams_are_sent_one_by_one() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let place = server.local_addr().unwrap().to_string();
        let mut transport = Transport::new(SyslogTarget::Udp(place));
        transport.send(b"one").unwrap();
        transport.send(b"two").unwrap();
        let mut buffer = [0; 16];
        for expected in [b"one", b"two"] {
            let length = server.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], expected);
        }
    }

    #[test]
    fn nobody_there_is_an_error_and_the_next_message_tries_again() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        drop(server);
        let mut transport = Transport::new(SyslogTarget::Tcp(address.to_string()));
        transport.send(b"lost").unwrap_err();
        let server = TcpListener::bind(address).unwrap();
        transport.send(b"sent").unwrap();
        drop(transport);
        let mut text = String::new();
        server.accept().unwrap().0.read_to_string(&mut text).unwrap();
        assert_eq!(text, "4 sent");
    }
}
