//! A TFTP client for tests: reads whole files, or single packets so that a test can misbehave.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;

/// Longest wait for one packet; a test that needs it fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the server sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    Data(u16, Vec<u8>),
    Error(u16, String),
    Oack(Vec<(String, String)>),
}

/// One client port.
pub(crate) struct Client {
    socket: UdpSocket,
    server: SocketAddr,
    /// Where the last packet came from: the port of the transfer.
    transfer: Option<SocketAddr>,
    /// Size of the largest block seen.
    pub(crate) largest_block: usize,
}

/// Any port of the loopback address of the server's family.
fn own_end(server: SocketAddr) -> SocketAddr {
    match server {
        SocketAddr::V4(_) => (Ipv4Addr::LOCALHOST, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::LOCALHOST, 0).into(),
    }
}

impl Client {
    pub(crate) async fn new(server: SocketAddr) -> Client {
        let socket = UdpSocket::bind(own_end(server)).await.unwrap();
        Client {
            socket,
            server,
            transfer: None,
            largest_block: 0,
        }
    }

    pub(crate) fn transfer_address(&self) -> SocketAddr {
        self.transfer.expect("a packet came before")
    }

    pub(crate) async fn send(&self, to: SocketAddr, packet: &[u8]) {
        self.socket.send_to(packet, to).await.unwrap();
    }

    pub(crate) async fn request(&self, name: &str, mode: &str, options: &[(&str, &str)]) {
        let mut packet = b"\0\x01".to_vec();
        for text in [name, mode]
            .into_iter()
            .chain(options.iter().flat_map(|(key, value)| [*key, *value]))
        {
            packet.extend(text.as_bytes());
            packet.push(0);
        }
        self.send(self.server, &packet).await;
    }

    pub(crate) async fn send_ack(&self, block: u16) {
        let packet = [&[0, 4][..], &block.to_be_bytes()].concat();
        self.send(self.transfer_address(), &packet).await;
    }

    pub(crate) async fn send_error(&self, code: u16) {
        let packet = [&[0, 5][..], &code.to_be_bytes(), b"User aborted the transfer\0"].concat();
        self.send(self.transfer_address(), &packet).await;
    }

    pub(crate) async fn receive(&mut self) -> Packet {
        let mut buffer = [0; 2048];
        let received = tokio::time::timeout(PATIENCE, self.socket.recv_from(&mut buffer)).await;
        let (len, from) = received.expect("an answer in time").unwrap();
        self.transfer = Some(from);
        let number = u16::from_be_bytes([buffer[2], buffer[3]]);
        let texts = |bytes: &[u8]| -> Vec<String> {
            let bytes = bytes.strip_suffix(b"\0").expect("texts end with 0");
            bytes
                .split(|&b| b == 0)
                .map(|text| String::from_utf8(text.to_vec()).unwrap())
                .collect()
        };
        match buffer[1] {
            3 => Packet::Data(number, buffer[4..len].to_vec()),
            5 => Packet::Error(number, texts(&buffer[4..len]).remove(0)),
            6 => {
                let texts = texts(&buffer[2..len]);
                Packet::Oack(
                    texts
                        .chunks(2)
                        .map(|pair| (pair[0].clone(), pair[1].clone()))
                        .collect(),
                )
            }
            other => panic!("packet type {other}"),
        }
    }

    /// Reads a file as a real client does; the granted options and the content.
    pub(crate) async fn read(
        &mut self,
        name: &str,
        options: &[(&str, &str)],
    ) -> Result<(Vec<(String, String)>, Vec<u8>), Packet> {
        self.request(name, "octet", options).await;
        let (mut granted, mut data, mut have) = (Vec::new(), Vec::new(), 0u16);
        let (mut blksize, mut window, mut unacked) = (512, 1, 0);
        loop {
            match self.receive().await {
                Packet::Oack(options) => {
                    let value = |key: &str, default| {
                        options
                            .iter()
                            .find(|(k, _)| k == key)
                            .map_or(default, |(_, v)| v.parse().unwrap())
                    };
                    (blksize, window) = (value("blksize", 512), value("windowsize", 1));
                    granted = options;
                    self.send_ack(0).await;
                }
                Packet::Data(number, block) if number == have.wrapping_add(1) => {
                    have = number;
                    self.largest_block = self.largest_block.max(block.len());
                    data.extend_from_slice(&block);
                    unacked += 1;
                    if block.len() < blksize || unacked == window {
                        self.send_ack(have).await;
                        unacked = 0;
                    }
                    if block.len() < blksize {
                        return Ok((granted, data));
                    }
                }
                // Out of order: what came before it is lost, or this is a repetition.
                Packet::Data(..) => {
                    self.send_ack(have).await;
                    unacked = 0;
                }
                error @ Packet::Error(..) => return Err(error),
            }
        }
    }
}
