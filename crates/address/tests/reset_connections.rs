//! When a member that held an address falls silent, those who are connected to the address hear of it at once.
//!
//! Needs root and `ip`; runs when CHAMOIS_E2E=1, in a network namespace of its own thread.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use address::helper::{self, HelperOptions};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixStream};

/// Bound of every wait; the helper acts within 1 s.
const PATIENCE: Duration = Duration::from_secs(30);
const SERVICE: &str = "10.97.44.1:8081";
const OWN: &str = "10.97.44.2:8081";
const NODE: &str = "10.97.44.3:0";

async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("{what}"))
}

/// A client that is connected to `at`, and the server's end, which says nothing, as a frozen process.
async fn connection(at: &str) -> (TcpStream, TcpStream, TcpListener) {
    let listener = TcpListener::bind(at).await.unwrap();
    let at: SocketAddr = at.parse().unwrap();
    // the kernel would take the service address for this end too, and the helper would reset both
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(NODE.parse().unwrap()).unwrap();
    let client = socket.connect(at).await.unwrap();
    let (served, _) = listener.accept().await.unwrap();
    (client, served, listener)
}

/// The claim lapses because nobody renews it, as when the member is frozen: the connection to the service address is
/// reset, the one to the member's own address is not.
#[test]
fn connections_of_a_lapsed_address_are_reset_and_no_others() {
    if std::env::var("CHAMOIS_E2E").is_ok_and(|value| value == "1") {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        for arguments in [
            "link set lo up",
            "addr add 10.97.44.2/32 dev lo",
            "addr add 10.97.44.3/32 dev lo",
        ] {
            let status = std::process::Command::new("ip")
                .args(arguments.split(' '))
                .status();
            assert!(status.unwrap().success());
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(lapse());
    } else {
        let notice =
            "\n*** NOT RUN: connections_of_a_lapsed_address_are_reset (needs root; set CHAMOIS_E2E=1) ***\n";
        std::io::stderr().write_all(notice.as_bytes()).unwrap();
    }
}

async fn lapse() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("helper.sock");
    let options = HelperOptions {
        socket: socket.clone(),
        allowed: vec!["lo=10.97.44.1".parse().unwrap()],
    };
    tokio::spawn(async move { helper::run(options, std::future::pending()).await.unwrap() });
    let member = in_time("the helper's socket", async {
        loop {
            match UnixStream::connect(&socket).await {
                Ok(member) => return member,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    });
    let mut member = BufReader::new(member.await);
    member.write_all(b"claim lo 10.97.44.1\n").await.unwrap();
    let mut answer = String::new();
    in_time("the claim's answer", member.read_line(&mut answer))
        .await
        .unwrap();
    assert_eq!(answer.trim(), "held lo 10.97.44.1");

    // the kernel keeps what its server has closed as a kind of TIME_WAIT: no such socket may end the resetting
    let mut closed = Vec::new();
    for port in 9000..9016 {
        let (node, served, listener) = connection(&format!("10.97.44.1:{port}")).await;
        drop(served);
        closed.push((node, listener));
    }
    let (mut node, _served, _listener) = connection(SERVICE).await;
    let (mut other, mut other_served, _other_listener) = connection(OWN).await;
    let told = in_time("the reset", node.read_u8()).await.unwrap_err();
    assert_eq!(told.kind(), std::io::ErrorKind::ConnectionReset);
    other_served.write_all(b"x").await.unwrap();
    assert_eq!(
        in_time("the other connection", other.read_u8()).await.unwrap(),
        b'x'
    );
}
