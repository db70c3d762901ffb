//! A transfer outlives the server that began it: another one with the same files goes on where the client is.

#![allow(clippy::unwrap_used, reason = "an unwrap in a test is an assertion")]

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tftp::{Count, Files, Limits, Server};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

const BLKSIZE: usize = 1432;
/// A client's patience between two repetitions of its ACK.
const REPEAT_AFTER: Duration = Duration::from_millis(200);
const REPETITIONS_MAX: usize = 50;

fn content(version: u8) -> Vec<u8> {
    (0..74_213_usize).map(|n| (n / 7) as u8 ^ version).collect()
}

/// A server of the loader in this version, as a member that has the address `at`.
fn server(version: u8) -> Server {
    let mut files = Files::default();
    files.insert("undionly.kpxe", content(version));
    Server::new(files, Limits::default())
}

fn serve(server: &Server, socket: UdpSocket) -> JoinHandle<()> {
    let server = server.clone();
    tokio::spawn(async move { server.serve(socket, std::future::pending()).await.unwrap() })
}

/// Hears the ACKs of transfers that others began.
fn stand_by(server: &Server, at: Ipv4Addr) -> Vec<JoinHandle<()>> {
    let ports = server.resume_ports().into_iter();
    ports
        .map(|port| {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket.set_reuse_address(true).unwrap();
            socket.bind(&SocketAddrV4::new(at, port).into()).unwrap();
            let socket = UdpSocket::from_std(socket.into()).unwrap();
            let server = server.clone();
            tokio::spawn(async move {
                server
                    .carry_on(port, socket, std::future::pending())
                    .await
                    .unwrap()
            })
        })
        .collect()
}

/// A ROM: asks, then takes block after block from the port that answered first.
struct Client {
    socket: UdpSocket,
    server: SocketAddr,
    file: Vec<u8>,
    block: u16,
}

impl Client {
    async fn ask(at: SocketAddr) -> Client {
        let socket = UdpSocket::bind((at.ip(), 0)).await.unwrap();
        let request = b"\x00\x01undionly.kpxe\0octet\0blksize\x001432\0windowsize\x004\0";
        socket.send_to(request, at).await.unwrap();
        let mut packet = [0; 1500];
        let (len, server) = socket.recv_from(&mut packet).await.unwrap();
        assert_eq!(
            &packet[..len],
            b"\x00\x06blksize\x001432\0",
            "no window: nobody could carry it on"
        );
        Client {
            socket,
            server,
            file: Vec::new(),
            block: 0,
        }
    }

    /// Takes blocks until it has `blocks` of them or the last; gives whether that is so.
    async fn take(&mut self, blocks: u16) -> bool {
        for _ in 0..REPETITIONS_MAX {
            let ack = [0, 4, self.block.to_be_bytes()[0], self.block.to_be_bytes()[1]];
            self.socket.send_to(&ack, self.server).await.ok();
            let mut packet = [0; 1500];
            let received = tokio::time::timeout(REPEAT_AFTER, self.socket.recv_from(&mut packet)).await;
            let Ok(Ok((len, from))) = received else { continue };
            assert_eq!(from, self.server, "a transfer keeps its port");
            if packet[..4]
                != [
                    0,
                    3,
                    (self.block + 1).to_be_bytes()[0],
                    (self.block + 1).to_be_bytes()[1],
                ]
            {
                continue;
            }
            self.block += 1;
            self.file.extend(&packet[4..len]);
            if self.block == blocks || len < BLKSIZE + 4 {
                return true;
            }
            return Box::pin(self.take(blocks)).await;
        }
        false
    }
}

/// Two addresses of loopback, so that the tests do not meet.
#[tokio::test]
async fn another_server_goes_on_where_the_client_is() {
    let at = Ipv4Addr::new(127, 97, 1, 1);
    let (first, second) = (server(0), server(0));
    let socket = UdpSocket::bind((at, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    let serving = serve(&first, socket);
    let mut client = Client::ask(address).await;
    assert!(client.take(20).await);

    serving.abort();
    assert!(serving.await.unwrap_err().is_cancelled());
    let _standing_by = stand_by(&second, at);
    assert!(client.take(u16::MAX).await, "the rest");
    assert_eq!(client.file, content(0));
    assert_eq!(
        second.counters().get(Count::CarriedOn),
        1,
        "one transfer, not one a block"
    );
    assert_eq!(second.counters().get(Count::Requests), 0);
}

/// The one that serves hears its own clients' ACKs itself, although the other sockets are there.
#[tokio::test]
async fn a_running_transfer_is_not_taken_over() {
    let at = Ipv4Addr::new(127, 97, 1, 2);
    let server = server(0);
    let _standing_by = stand_by(&server, at);
    let socket = UdpSocket::bind((at, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    let _serving = serve(&server, socket);
    let mut client = Client::ask(address).await;
    assert!(client.take(u16::MAX).await);
    assert_eq!(client.file, content(0));
    assert_eq!(server.counters().get(Count::CarriedOn), 0);
}

/// Half of one loader and half of another would crash the node. These two have no port in common (`resume.rs`: the odds).
#[tokio::test]
async fn another_version_of_the_file_is_not_mixed_in() {
    let ports = |version| server(version).resume_ports();
    let (old, new) = (ports(0), ports(1));
    assert!(!old.is_empty());
    assert!(old.iter().all(|port| !new.contains(port)));
}
