//! What the processes of these tests do: the test binary starts itself with a role in its environment.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use address::claim::Target;
use address::election::Timing;
use address::helper::{self, HelperOptions};
use address::{AdvertKey, ClientNotes, Holder, HolderConfig, client};

/// Environment variable with the role's words.
pub(crate) const ROLE: &str = "CHAMOIS_ADDRESS_TEST_ROLE";
/// Lines that start with this are the process's reports; the rest is the test harness's.
pub(crate) const REPORT: &str = "@ ";
pub(crate) const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 97, 0, 1);
const ECHO_PORT: u16 = 7000;
/// Where a member answers every byte with itself, for as long as the client likes.
pub(crate) const TALK_PORT: u16 = 7001;

/// Not a test: the entry of the processes. Does nothing unless started as one.
#[test]
fn role_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let words: Vec<&str> = role.split(' ').collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    match words.as_slice() {
        ["helper", socket] => runtime.block_on(run_helper(PathBuf::from(socket))),
        ["member", id, count, socket] => {
            let (id, count) = (id.parse().unwrap(), count.parse().unwrap());
            runtime.block_on(run_member(id, count, PathBuf::from(socket)));
        }
        ["ask"] => ask(),
        ["wait-in-read", address] => wait_in_read(address.parse().unwrap()),
        ["talk", address] => talk(address.parse().unwrap()),
        ["sniff"] => sniff(),
        _ => panic!("no such role: {role}"),
    }
}

fn report(text: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n{REPORT}{text}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

pub(crate) fn member_address(id: u64) -> Ipv4Addr {
    Ipv4Addr::new(10, 97, 1, u8::try_from(id).unwrap())
}

fn service() -> Target {
    Target {
        interface: "eth0".into(),
        address: SERVICE,
    }
}

async fn run_helper(socket: PathBuf) {
    let allowed = vec![service()];
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
    let shutdown = async move {
        terminated.recv().await;
    };
    helper::run(HelperOptions { socket, allowed }, shutdown)
        .await
        .unwrap();
    report("ended");
}

/// A member: takes part, reports each change, and answers TCP connections with its id.
async fn run_member(id: u64, count: u64, helper: PathBuf) {
    let port = address::holder::ADVERT_PORT;
    let socket = tokio::net::UdpSocket::bind((member_address(id), port))
        .await
        .unwrap();
    let clock = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let config = HolderConfig {
        cluster: "e2e".into(),
        network: "boot".into(),
        member: id,
        peers: (1..=count)
            .map(|peer| (peer, SocketAddr::from((member_address(peer), port))))
            .collect(),
        key: AdvertKey::new(&[42; 32]),
        timing: Timing::default(),
        initial_sequence: u64::try_from(clock.as_micros()).unwrap(),
        service: service(),
        answers: address::Answers::never(),
    };
    let claims = client::start(helper, service());
    let holder = Holder::start(config, socket, claims).unwrap();
    tokio::spawn(answer_with(id));
    tokio::spawn(converse(holder.clients()));
    let counters = holder.counters();
    tokio::spawn(async move {
        while counters.accepted.load(std::sync::atomic::Ordering::Relaxed) < 10 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        report("listening");
    });
    let mut held = holder.held().watch();
    loop {
        held.changed().await.unwrap();
        let now = *held.borrow_and_update();
        assert!(!now || holder.held().is_held());
        report(if now { "held" } else { "lost" });
    }
}

async fn answer_with(id: u64) {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, ECHO_PORT))
        .await
        .unwrap();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, id.to_string().as_bytes()).await;
    }
}

/// Answers each byte on each connection, and notes those of the service address.
async fn converse(clients: ClientNotes) {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, TALK_PORT))
        .await
        .unwrap();
    loop {
        let (mut stream, peer) = listener.accept().await.unwrap();
        let noted = clients.opened(stream.local_addr().unwrap(), peer);
        tokio::spawn(async move {
            let (mut read, mut write) = stream.split();
            let _ = tokio::io::copy(&mut read, &mut write).await;
            drop(noted);
        });
    }
}

/// A node whose request has been acknowledged, as cloud-init: it has no time-out and nothing left to send.
fn wait_in_read(address: SocketAddr) {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let mut byte = [b'?'];
    stream.write_all(&byte).unwrap();
    stream.read_exact(&mut byte).unwrap();
    report("waiting");
    match stream.read(&mut byte) {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => report("reset"),
        other => report(&format!("ended otherwise: {other:?}")),
    }
}

/// A node that goes on talking to one member.
fn talk(address: SocketAddr) {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let mut byte = [b'?'];
    loop {
        let exchanged = stream
            .write_all(&byte)
            .and_then(|()| stream.read_exact(&mut byte));
        match exchanged {
            Ok(()) => report("answered"),
            Err(error) => return report(&format!("broken: {error}")),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A node's view: who answers on the service address, asked until someone does.
fn ask() {
    loop {
        let address = SocketAddr::from((SERVICE, ECHO_PORT));
        if let Ok(mut stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
            let mut answer = String::new();
            stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
            if stream.read_to_string(&mut answer).is_ok() && !answer.is_empty() {
                return report(&answer);
            }
        }
    }
}

/// Reports the MAC of each gratuitous ARP for the service address, as a node's kernel sees them.
fn sniff() {
    use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, socket};
    use std::os::fd::AsRawFd;
    let socket = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::EthAll,
    )
    .unwrap();
    report("sniffing");
    let mut frame = [0; 2048];
    loop {
        let len = recv(socket.as_raw_fd(), &mut frame, MsgFlags::empty()).unwrap();
        let frame = &frame[..len];
        let arp = len >= 42 && frame[..6] == [0xff; 6] && frame[12..14] == [8, 6];
        if arp && frame[28..32] == SERVICE.octets() && frame[38..42] == SERVICE.octets() {
            assert_eq!(
                frame[6..12],
                frame[22..28],
                "frame and packet name the same sender"
            );
            report(&format!("garp {}", frame[27]));
        }
    }
}
