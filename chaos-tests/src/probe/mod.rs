//! Asks every port there is from inside a namespace, and says exactly what answered.
//!
//! For tests only: what cannot be done panics, as a test's assertion would.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // see above

pub mod dhcp;
pub mod dhcp_replies;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use lab::machine::Namespace;
use nix::sched::{CloneFlags, setns};

/// How long silence is listened to. What answers here does so within milliseconds.
const SILENCE: Duration = Duration::from_millis(700);
/// Longest datagram read, bytes.
const DATAGRAM_BYTES_MAX: usize = 2048;

/// Does something in a network namespace: the sockets made there stay there.
pub fn inside<T: Send>(namespace: &Namespace, job: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let own = File::open(format!("/run/netns/{}", namespace.name())).unwrap();
            setns(own, CloneFlags::CLONE_NEWNET).expect("entering a namespace needs root");
            job()
        });
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Whether somebody accepts connections there: neither a refusal nor silence is an answer.
pub fn tcp_is_open(address: SocketAddrV4) -> bool {
    match TcpStream::connect_timeout(&address.into(), SILENCE) {
        Ok(_) => true,
        Err(error) => {
            let expected = [
                ErrorKind::ConnectionRefused,
                ErrorKind::TimedOut,
                ErrorKind::HostUnreachable,
            ];
            assert!(expected.contains(&error.kind()), "{address}: {error}");
            false
        }
    }
}

/// Everything that comes back for one datagram, with its sender.
pub fn udp_answers(to: SocketAddrV4, datagram: &[u8]) -> Vec<(SocketAddr, Vec<u8>)> {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.send_to(datagram, to).unwrap();
    answers(&socket)
}

fn answers(socket: &UdpSocket) -> Vec<(SocketAddr, Vec<u8>)> {
    let (end, mut answers) = (Instant::now() + SILENCE, Vec::new());
    let mut buffer = [0; DATAGRAM_BYTES_MAX];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return answers;
        }
        socket.set_read_timeout(Some(left)).unwrap();
        if let Ok((len, sender)) = socket.recv_from(&mut buffer) {
            answers.push((sender, buffer[..len].to_vec()));
        }
    }
}

/// Whether a TFTP server gives the first block of this file, and from that very address.
pub fn tftp_serves(server: Ipv4Addr, file: &str) -> bool {
    let request = [b"\0\x01", file.as_bytes(), b"\0octet\0"].concat();
    let answers = udp_answers(SocketAddrV4::new(server, 69), &request);
    for (sender, answer) in &answers {
        assert_eq!(sender.ip(), server, "the answer comes from elsewhere");
        assert_eq!(answer[..4], [0, 3, 0, 1], "DATA, block 1");
    }
    !answers.is_empty()
}

/// Whether a DNS server refuses a name that is none of its own, and from that very address.
pub fn dns_refuses(server: Ipv4Addr) -> bool {
    let question = b"\x12\x34\0\0\0\x01\0\0\0\0\0\0\x03www\x07example\0\0\x01\0\x01";
    let answers = udp_answers(SocketAddrV4::new(server, 53), question);
    for (sender, answer) in &answers {
        assert_eq!(sender.ip(), server, "the answer comes from elsewhere");
        assert_eq!((&answer[..2], answer[3]), (&question[..2], 5), "REFUSED");
    }
    !answers.is_empty()
}

/// The MAC addresses that say, from this namespace's `eth0`, that the address is theirs.
pub fn arp_owners(namespace: &Namespace, address: Ipv4Addr) -> BTreeSet<String> {
    let mut arping = namespace.command("busybox");
    arping.args(["arping", "-b", "-c", "2", "-w", "2", "-I", "eth0"]);
    let output = arping.arg(address.to_string()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let owner = |line: &str| Some(line.split_once('[')?.1.split_once(']')?.0.to_owned());
    said.lines().filter_map(owner).collect()
}
