//! A question to a member's DNS, byte by byte.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

/// Port of the members' DNS in tests.
pub(crate) const DNS_PORT: u16 = 5353;
/// Response codes, RFC 1035 section 4.1.1.
pub(crate) const NO_ERROR: u8 = 0;
pub(crate) const SERVER_FAILURE: u8 = 2;
pub(crate) const NO_SUCH_NAME: u8 = 3;

/// Response code and number of answers to a question for the IPv4 addresses of a name; `None` for silence.
pub(crate) fn ask(server: Ipv4Addr, name: &str) -> Option<(u8, u8)> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut message = vec![7, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend(label.bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    socket.send_to(&message, (server, DNS_PORT)).unwrap();
    let mut answer = [0; 1500];
    let (length, from) = socket.recv_from(&mut answer).ok()?;
    assert_eq!(from.ip(), server, "resolvers take no answer from elsewhere");
    assert!(length >= 12 && answer[..2] == message[..2] && answer[2] & 0x80 != 0);
    Some((answer[3] & 0x0f, answer[7]))
}
