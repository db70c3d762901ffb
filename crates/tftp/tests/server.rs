//! The server over loopback sockets, against a small client that can also misbehave.

#![allow(clippy::unwrap_used, reason = "an unwrap in a test is an assertion")]

mod client;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::{Client, Packet};
use tftp::{Count, Counters, Files, Limits, Server};
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longest wait for a counter to reach its value.
const PATIENCE: Duration = Duration::from_secs(10);

struct Running {
    address: SocketAddr,
    counters: Arc<Counters>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Running {
    async fn start(limits: Limits) -> Running {
        let mut files = Files::default();
        files.insert("undionly.kpxe", content(74_213));
        files.insert("whole", content(1024));
        files.insert("large", content(8 * 66_000));
        Running::start_with(files, limits).await
    }

    async fn start_with(files: Files, limits: Limits) -> Running {
        Running::serve(Server::new(files, limits)).await
    }

    async fn serve(server: Server) -> Running {
        Running::serve_at(server, "127.0.0.1:0").await
    }

    async fn serve_at(server: Server, address: &str) -> Running {
        let socket = UdpSocket::bind(address).await.unwrap();
        let address = socket.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let counters = server.counters();
        let task = tokio::spawn(async move { server.serve(socket, async { drop(stopped.await) }).await });
        Running {
            address,
            counters,
            stop,
            task,
        }
    }

    async fn client(&self) -> Client {
        Client::new(self.address).await
    }

    /// Waits until `what` has been counted `n` times.
    async fn counted(&self, what: Count, n: u64) {
        let reached = async {
            while self.counters.get(what) < n {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, reached).await;
        assert!(
            waited.is_ok(),
            "{} stays at {}",
            what.name(),
            self.counters.get(what)
        );
        assert_eq!(self.counters.get(what), n, "{}", what.name());
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.task)
            .await
            .expect("the server stops")
            .unwrap()
            .unwrap();
    }
}

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 7 + n / 251) as u8).collect()
}

#[tokio::test]
async fn a_plain_request_of_1981_gets_its_file() {
    let server = Running::start(Limits::default()).await;
    let mut client = server.client().await;
    let (options, data) = client.read("undionly.kpxe", &[]).await.unwrap();
    assert!(options.is_empty());
    assert_eq!(data, content(74_213));
    server.counted(Count::Completed, 1).await;
    server.counted(Count::Bytes, 74_213).await;
    server.stop().await;
}

/// Who only asks for the size, or gives up, has no file.
#[tokio::test]
async fn who_has_a_whole_file_is_told_of() {
    let mut files = Files::default();
    files.insert("a", content(600));
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    let server = Server::new(files, Limits::default()).telling(move |client, file| {
        telling.lock().unwrap().push((client, file.to_vec()));
    });
    let server = Running::serve(server).await;
    let mut client = server.client().await;
    client.read("b", &[]).await.unwrap_err();
    client.read("a", &[("blksize", "512")]).await.unwrap();
    server.counted(Count::Completed, 1).await;
    assert_eq!(
        *told.lock().unwrap(),
        [(IpAddr::V4(Ipv4Addr::LOCALHOST), content(600))]
    );
    server.stop().await;
}

/// What DHCPv6 names is fetched over IPv6.
#[tokio::test]
async fn a_file_is_sent_over_ipv6_from_the_address_that_was_asked() {
    let mut files = Files::default();
    files.insert("a", content(1500));
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    let server =
        Server::new(files, Limits::default()).telling(move |client, _| telling.lock().unwrap().push(client));
    let server = Running::serve_at(server, "[::1]:0").await;
    let mut client = server.client().await;
    let (_, data) = client.read("a", &[("blksize", "512")]).await.unwrap();
    assert_eq!(data, content(1500));
    assert_eq!(client.transfer_address().ip(), Ipv6Addr::LOCALHOST);
    client.read("none", &[]).await.unwrap_err();
    server.counted(Count::Completed, 1).await;
    assert_eq!(*told.lock().unwrap(), [IpAddr::V6(Ipv6Addr::LOCALHOST)]);
    server.stop().await;
}

#[tokio::test]
async fn options_are_granted_clamped_and_then_kept() {
    let server = Running::start(Limits::default()).await;
    let mut client = server.client().await;
    let asked = [
        ("tsize", "0"),
        ("blksize", "8192"),
        ("windowsize", "40"),
        ("timeout", "2"),
    ];
    let (options, data) = client.read("undionly.kpxe", &asked).await.unwrap();
    // No window: another member can carry a transfer of this block size on, one block at a time.
    let expected = [("tsize", "74213"), ("blksize", "1468"), ("timeout", "2")];
    assert_eq!(
        options,
        expected.map(|(key, value)| (key.to_string(), value.to_string()))
    );
    assert_eq!(data, content(74_213));
    assert_eq!(client.largest_block, 1468);
}

#[tokio::test]
async fn a_window_is_granted_and_clamped_where_nobody_could_carry_the_transfer_on() {
    let server = Running::start(Limits::default()).await;
    let mut client = server.client().await;
    let asked = [("blksize", "1400"), ("windowsize", "40")];
    let (options, data) = client.read("undionly.kpxe", &asked).await.unwrap();
    let expected = [("blksize", "1400"), ("windowsize", "16")];
    assert_eq!(
        options,
        expected.map(|(key, value)| (key.to_string(), value.to_string()))
    );
    assert_eq!(data, content(74_213));
}

#[tokio::test]
async fn block_numbers_roll_over_in_a_long_file() {
    let server = Running::start(Limits::default()).await;
    let mut client = server.client().await;
    let (_, data) = client
        .read("large", &[("blksize", "8"), ("windowsize", "16")])
        .await
        .unwrap();
    assert_eq!(data, content(8 * 66_000));
}

#[tokio::test]
async fn a_file_of_whole_blocks_ends() {
    let server = Running::start(Limits::default()).await;
    let (_, data) = server.client().await.read("whole", &[]).await.unwrap();
    assert_eq!(data, content(1024));
}

/// OVMF asks for the size, ends that with error 8 and asks again for the file.
#[tokio::test]
async fn a_size_probe_of_uefi_is_no_failure() {
    let server = Running::start(Limits::default()).await;
    let mut client = server.client().await;
    client
        .request("undionly.kpxe", "octet", &[("tsize", "0"), ("blksize", "1468")])
        .await;
    assert!(matches!(client.receive().await, Packet::Oack(_)));
    client.send_error(8).await;
    server.counted(Count::SizeProbes, 1).await;
    let (_, data) = client
        .read("undionly.kpxe", &[("blksize", "1468")])
        .await
        .unwrap();
    assert_eq!(data.len(), 74_213);
    server.counted(Count::AbortedByClient, 0).await;
    server.counted(Count::TimedOut, 0).await;
}

#[tokio::test]
async fn lost_packets_are_sent_again() {
    let server = Running::start(Limits::default()).await;
    let mut client = server.client().await;
    client.request("whole", "octet", &[("timeout", "1")]).await;
    let first = client.receive().await;
    assert_eq!(client.receive().await, first, "the OACK comes again by itself");
    client.send_ack(0).await;
    let Packet::Data(1, block) = client.receive().await else {
        panic!("block 1")
    };
    assert_eq!(
        client.receive().await,
        Packet::Data(1, block),
        "so does an unanswered block"
    );
    client.send_ack(1).await;
    assert!(matches!(client.receive().await, Packet::Data(2, _)));
}

#[tokio::test]
async fn a_client_that_falls_silent_is_given_up_after_its_retransmissions() {
    let server = Running::start(Limits::default()).await;
    let mut client = server.client().await;
    client.request("whole", "octet", &[("timeout", "1")]).await;
    for _ in 0..6 {
        assert!(matches!(client.receive().await, Packet::Oack(_)));
    }
    server.counted(Count::TimedOut, 1).await;
}

#[tokio::test]
async fn writes_other_modes_and_unknown_names_get_their_error() {
    let server = Running::start(Limits::default()).await;
    let mut client = server.client().await;
    client.send(server.address, b"\0\x02undionly.kpxe\0octet\0").await;
    assert_eq!(
        client.receive().await,
        Packet::Error(2, "This server is read-only".into())
    );
    client.request("undionly.kpxe", "netascii", &[]).await;
    assert_eq!(
        client.receive().await,
        Packet::Error(4, "Only octet mode is served".into())
    );
    for name in [
        "../../../../../../etc/hostname",
        "/etc/passwd",
        "nothing",
        "a/../whole",
        "",
    ] {
        client.request(name, "octet", &[]).await;
        assert_eq!(
            client.receive().await,
            Packet::Error(1, "File not found".into()),
            "{name}"
        );
    }
    // a name ends at its first NUL; what follows is the mode
    client
        .send(server.address, b"\0\x01whole\0../../etc/hostname\0octet\0")
        .await;
    assert_eq!(
        client.receive().await,
        Packet::Error(4, "Only octet mode is served".into())
    );
    server.counted(Count::WriteRefused, 1).await;
    server.counted(Count::ModeRefused, 2).await;
    server.counted(Count::NotFound, 5).await;
}

#[tokio::test]
async fn rubbish_is_counted_and_the_server_lives() {
    let server = Running::start(Limits::default()).await;
    let mut client = server.client().await;
    for packet in [
        &b""[..],
        b"\0",
        b"\0\x01",
        b"\0\x01name",
        b"\0\x01name\0octet",
        b"\x7f\x01name\0octet\0",
    ] {
        client.send(server.address, packet).await;
    }
    client.send(server.address, &[b'a'; 9000]).await;
    server.counted(Count::Malformed, 7).await;
    client.send(server.address, b"\0\x04\0\x01").await;
    server.counted(Count::Unexpected, 1).await;
    let (_, data) = client.read("whole", &[]).await.unwrap();
    assert_eq!(data, content(1024));
}

/// A stranger who guesses the port of a transfer must not be able to end it.
#[tokio::test]
async fn only_the_client_itself_is_heard_within_a_transfer() {
    let server = Running::start(Limits::default()).await;
    let (mut client, stranger) = (server.client().await, server.client().await);
    client.request("whole", "octet", &[]).await;
    assert!(matches!(client.receive().await, Packet::Data(1, _)));
    stranger
        .send(client.transfer_address(), b"\0\x05\0\0stop\0")
        .await;
    client.send_ack(1).await;
    assert!(matches!(client.receive().await, Packet::Data(2, _)));
    client.send_ack(2).await;
    assert!(matches!(client.receive().await, Packet::Data(3, _)));
    client.send_ack(3).await;
    server.counted(Count::Completed, 1).await;
}

#[tokio::test]
async fn one_address_gets_its_share_of_transfers_and_no_more() {
    let limits = Limits {
        transfers_max: 10,
        transfers_per_peer_max: 2,
    };
    let server = Running::start(limits).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let client = server.client().await;
        client.request("whole", "octet", &[]).await;
        clients.push(client);
    }
    server.counted(Count::TooManyOfPeer, 1).await;
    let (mut first, mut refused) = (clients.remove(0), clients.remove(1));
    assert!(matches!(first.receive().await, Packet::Data(1, _)));
    first.send_error(0).await;
    server.counted(Count::AbortedByClient, 1).await;
    let (_, data) = refused.read("whole", &[]).await.unwrap();
    assert_eq!(data, content(1024), "a place that became free is used");
}

#[tokio::test]
async fn the_total_of_transfers_is_bounded_and_a_repeated_request_takes_no_second_place() {
    let limits = Limits {
        transfers_max: 1,
        transfers_per_peer_max: 8,
    };
    let server = Running::start(limits).await;
    let (mut client, other) = (server.client().await, server.client().await);
    client.request("whole", "octet", &[]).await;
    assert!(matches!(client.receive().await, Packet::Data(1, _)));
    client.request("whole", "octet", &[]).await;
    server.counted(Count::Repeated, 1).await;
    other.request("whole", "octet", &[]).await;
    server.counted(Count::TooManyInAll, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_reads_at_once_all_end() {
    let server = Running::start(Limits {
        transfers_max: 300,
        transfers_per_peer_max: 300,
    })
    .await;
    let mut reads = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let mut client = server.client().await;
        reads.spawn(async move {
            // not a block size that another member could carry on: with those there is no window
            client
                .read("undionly.kpxe", &[("blksize", "1400"), ("windowsize", "4")])
                .await
                .unwrap()
        });
    }
    let expected = content(74_213);
    let granted =
        [("blksize", "1400"), ("windowsize", "4")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    while let Some(read) = reads.join_next().await {
        let (options, data) = read.unwrap();
        assert_eq!(options, granted);
        assert_eq!(data, expected);
    }
    server.counted(Count::Completed, 200).await;
}

/// The service address and the member's own are one socket on an interface: the answer must come from the
/// address that was asked, or PXE ROMs drop it.
#[tokio::test]
async fn a_socket_of_all_addresses_answers_from_the_one_that_was_asked() {
    let mut files = Files::default();
    files.insert("a", content(10));
    let server = Server::new(files, Limits::default());
    let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    tokio::spawn(async move { server.serve(socket, std::future::pending()).await });
    let mut client = Client::new(format!("127.93.0.7:{port}").parse().unwrap()).await;
    for name in ["a", "missing"] {
        client.request(name, "octet", &[]).await;
        client.receive().await;
        assert_eq!(client.transfer_address().ip().to_string(), "127.93.0.7", "{name}");
    }
}

#[tokio::test]
async fn a_transfer_in_progress_ends_well_when_the_server_stops() {
    let server = Running::start(Limits::default()).await;
    let mut client = server.client().await;
    client.request("whole", "octet", &[]).await;
    assert!(matches!(client.receive().await, Packet::Data(1, _)));
    let counters = server.counters.clone();
    let stopping = tokio::spawn(server.stop());
    for (ack, next) in [(1, 2), (2, 3)] {
        client.send_ack(ack).await;
        assert!(matches!(client.receive().await, Packet::Data(n, _) if n == next));
    }
    client.send_ack(3).await;
    stopping.await.unwrap();
    assert_eq!(counters.get(Count::Completed), 1);
}
