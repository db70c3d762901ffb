//! The server on loopback: over UDP and TCP, with and without a majority, and against those who mean ill.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use dns::{Count, Network, Server};
use hickory_proto::op::{Message, ResponseCode};
use model::MacAddr;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use raft::Store;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

#[allow(dead_code, reason = "shared with the unit tests")]
#[path = "../src/testing.rs"]
mod testing;

use testing::{OPT_1232, put_interface, question, question_with, world};

const A: u16 = 1;
const KNOWN: &str = "de0001.demo.example";
const UNKNOWN: &str = "de0099.demo.example";
/// Nothing on loopback takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server over both transports; it ends with the runtime.
struct Served {
    server: Server,
    udp: SocketAddr,
    tcp: SocketAddr,
}

impl Served {
    async fn start(store: Store) -> Served {
        let network = Network {
            name_servers: vec![Ipv4Addr::new(10, 97, 0, 1)],
        };
        let server = Server::new(store, network);
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (udp, tcp) = (socket.local_addr().unwrap(), listener.local_addr().unwrap());
        let (over_udp, over_tcp) = (server.clone(), server.clone());
        tokio::spawn(async move { over_udp.serve_udp(socket, std::future::pending()).await });
        tokio::spawn(async move { over_tcp.serve_tcp(listener, std::future::pending()).await });
        Served { server, udp, tcp }
    }

    fn count(&self, what: Count) -> u64 {
        self.server.counters().get(what)
    }

    async fn until_counted(&self, what: Count, times: u64) {
        let counted = async {
            while self.count(what) < times {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, counted).await.expect("it is counted");
    }

    async fn client(&self) -> UdpSocket {
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client.connect(self.udp).await.unwrap();
        client
    }

    async fn ask(&self, message: &[u8]) -> Message {
        let client = self.client().await;
        client.send(message).await.unwrap();
        received(&client).await
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.tcp).await.unwrap()
    }
}

async fn received(client: &UdpSocket) -> Message {
    let mut buffer = [0; 2048];
    let len = timeout(PATIENCE, client.recv(&mut buffer))
        .await
        .expect("an answer")
        .unwrap();
    Message::from_vec(&buffer[..len]).unwrap()
}

async fn write(stream: &mut TcpStream, message: &[u8]) {
    let mut framed = (message.len() as u16).to_be_bytes().to_vec();
    framed.extend(message);
    stream.write_all(&framed).await.unwrap();
}

/// `None` when the server has closed the connection.
async fn read(stream: &mut TcpStream) -> Option<Message> {
    let read = async {
        let length = stream.read_u16().await.ok()?;
        let mut message = vec![0; usize::from(length)];
        stream.read_exact(&mut message).await.ok()?;
        Some(Message::from_vec(&message).unwrap())
    };
    timeout(PATIENCE, read).await.expect("an answer or the end")
}

#[tokio::test]
async fn questions_are_answered_over_udp_and_tcp() {
    let served = Served::start(world().await.store).await;
    let over_udp = served.ask(&question(KNOWN, A)).await;
    assert_eq!(over_udp.answers[0].data.to_string(), "10.97.2.1");
    let mut stream = served.connect().await;
    for (name, code) in [(KNOWN, ResponseCode::NoError), (UNKNOWN, ResponseCode::NXDomain)] {
        write(&mut stream, &question(name, A)).await;
        let answer = read(&mut stream).await.unwrap();
        assert_eq!(answer.metadata.response_code, code, "{name}");
    }
    assert_eq!(
        served.ask(&question(UNKNOWN, A)).await.metadata.response_code,
        ResponseCode::NXDomain
    );
    assert_eq!(
        served
            .ask(&question("example.org", A))
            .await
            .metadata
            .response_code,
        ResponseCode::Refused
    );
    served.until_counted(Count::NoSuchName, 2).await;
    assert_eq!(
        (served.count(Count::Answers), served.count(Count::NotInAZone)),
        (2, 1)
    );
}

/// Without a majority what is known is told still, and nobody is told that a name is not there: it may be there since.
#[tokio::test]
async fn without_a_majority_no_name_is_denied() {
    let state = world().await.store.state();
    let store = Store::in_memory_without_majority(state::State::clone(&state));
    let served = Served::start(store).await;
    let known = served.ask(&question(KNOWN, A)).await;
    assert_eq!(
        (known.metadata.response_code, known.answers.len()),
        (ResponseCode::NoError, 1)
    );
    let no_data = served.ask(&question(KNOWN, 15)).await;
    assert_eq!(no_data.metadata.response_code, ResponseCode::NoError);
    for name in [UNKNOWN, "9.9.97.10.in-addr.arpa"] {
        let unknown = served.ask(&question(name, A)).await;
        assert_eq!(unknown.metadata.response_code, ResponseCode::ServFail, "{name}");
        assert!(!unknown.metadata.authoritative && unknown.authorities.is_empty());
    }
    let mut stream = served.connect().await;
    write(&mut stream, &question(UNKNOWN, A)).await;
    let over_tcp = read(&mut stream).await.unwrap();
    assert_eq!(over_tcp.metadata.response_code, ResponseCode::ServFail);
    served.until_counted(Count::NoMajority, 3).await;
    assert_eq!(served.count(Count::NoSuchName), 0);
}

/// 40 addresses are 672 bytes: too long for who says nothing of EDNS, and whole over TCP.
#[tokio::test]
async fn an_answer_that_does_not_fit_is_fetched_over_tcp() {
    let world = world().await;
    let addresses: Vec<String> = (1..=40).map(|last| format!("10.97.200.{last}")).collect();
    let texts: Vec<&str> = addresses.iter().map(String::as_str).collect();
    put_interface(
        &world.store,
        "x1000c0s7b0n0",
        MacAddr([2, 0, 0, 0, 0, 0xd1]),
        &texts,
    )
    .await;
    let served = Served::start(world.store).await;
    let name = "x1000c0s7b0n0.demo.example";
    let cut = served.ask(&question(name, A)).await;
    assert!(cut.metadata.truncation && cut.answers.is_empty());
    let whole = served.ask(&question_with(name, A, OPT_1232)).await;
    assert_eq!((whole.metadata.truncation, whole.answers.len()), (false, 40));
    let mut stream = served.connect().await;
    write(&mut stream, &question(name, A)).await;
    assert_eq!(read(&mut stream).await.unwrap().answers.len(), 40);
    served.until_counted(Count::Truncated, 1).await;
}

/// Somebody sends in a victim's name: it is sent little, and can still ask, over TCP.
#[tokio::test]
async fn a_flood_of_one_question_is_held_down() {
    let served = Served::start(world().await.store).await;
    let client = served.client().await;
    for _ in 0..400 {
        client.send(&question(KNOWN, A)).await.unwrap();
        tokio::task::yield_now().await;
    }
    served.until_counted(Count::Received, 400).await;
    served.until_counted(Count::Slipped, 1).await;
    let (answers, slipped) = (served.count(Count::Answers), served.count(Count::Slipped));
    assert!((100..300).contains(&answers), "{answers}");
    assert!(slipped.abs_diff(served.count(Count::RateLimited)) <= 1);
    let other = served.ask(&question("de0002.demo.example", A)).await;
    assert_eq!(other.answers.len(), 1, "another question");
    let mut stream = served.connect().await;
    write(&mut stream, &question(KNOWN, A)).await;
    assert_eq!(read(&mut stream).await.unwrap().answers.len(), 1, "over TCP");
}

#[tokio::test]
async fn one_client_holds_no_more_than_its_connections() {
    let served = Served::start(world().await.store).await;
    let mut open = Vec::new();
    for _ in 0..16 {
        let mut stream = served.connect().await;
        write(&mut stream, &question(KNOWN, A)).await;
        assert!(read(&mut stream).await.is_some());
        open.push(stream);
    }
    let mut refused = served.connect().await;
    assert!(read(&mut refused).await.is_none());
    served.until_counted(Count::TcpRefused, 1).await;
    // one that has ended makes room
    drop(open.pop());
    let again = async {
        loop {
            let mut stream = served.connect().await;
            write(&mut stream, &question(KNOWN, A)).await;
            if read(&mut stream).await.is_some() {
                return;
            }
        }
    };
    timeout(PATIENCE, again).await.expect("there is room");
}

/// A client that goes slow, stops within a message or sends nonsense loses its connection and nobody else's.
#[tokio::test]
async fn half_a_message_and_a_huge_one_end_their_connection_only() {
    let served = Served::start(world().await.store).await;
    let mut half = served.connect().await;
    half.write_all(&[0, 40, 1, 2, 3]).await.unwrap();
    let mut huge = served.connect().await;
    write(&mut huge, &[0; 5000]).await;
    assert!(read(&mut huge).await.is_none());
    served.until_counted(Count::TooLong, 1).await;
    let mut answer = served.connect().await;
    let mut message = question(KNOWN, A);
    message[2] |= 0x80;
    write(&mut answer, &message).await;
    assert!(read(&mut answer).await.is_none(), "an answer is not answered");
    assert!(read(&mut half).await.is_none(), "not waited for, for ever");
    served.until_counted(Count::TcpTimedOut, 1).await;
    let mut broken = served.connect().await;
    broken.write_all(&[0]).await.unwrap();
    drop(broken);
    served.until_counted(Count::TcpBroken, 1).await;
    assert_eq!(served.ask(&question(KNOWN, A)).await.answers.len(), 1);
}

/// Datagrams of all kinds; those that are answered are answered with as little, and the server goes on.
#[tokio::test]
async fn hostile_datagrams_end_nothing() {
    let served = Served::start(world().await.store).await;
    let client = served.client().await;
    let good = question(KNOWN, A);
    let mut update = good.clone();
    update[2] = 5 << 3;
    for killer in [
        vec![],
        vec![0; 11],
        good[..20].to_vec(),
        vec![0xff; 600],
        vec![0; 4096],
        update,
    ] {
        client.send(&killer).await.unwrap();
    }
    served.until_counted(Count::Received, 6).await;
    served.until_counted(Count::NotAQuery, 1).await;
    let drops = [
        Count::TooShort,
        Count::NotAQuestion,
        Count::TooLong,
        Count::Malformed,
    ];
    assert_eq!(drops.map(|count| served.count(count)), [2, 1, 1, 1]);
    assert_eq!(served.ask(&good).await.answers.len(), 1);
    assert_eq!(served.count(Count::Panicked), 0);
}

/// Any bytes, and questions with any of their bytes changed: no panic, and no answer that is longer than allowed.
#[tokio::test]
async fn no_bytes_bring_the_decision_down() {
    let state = Arc::clone(&world().await.store.state());
    let seeds = [
        question(KNOWN, A),
        question_with(KNOWN, 255, OPT_1232),
        question("1.2.97.10.in-addr.arpa", 12),
        question(
            "1.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa",
            12,
        ),
    ];
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(20_000));
    let inputs = (
        0..seeds.len(),
        changes,
        any::<prop::sample::Index>(),
        any::<bool>(),
    );
    let tested = runner.run(&inputs, |(seed, changes, end, is_cut)| {
        let mut message = seeds[seed].clone();
        for (at, byte) in changes {
            let at = at.index(message.len());
            message[at] = byte;
        }
        if is_cut {
            message.truncate(end.index(message.len()));
        }
        if let Ok(question) = dns::Question::parse(&message) {
            let decided = dns::decide(&state, &question, &testing::NETWORK);
            let (dns::Decision::Reply(reply) | dns::Decision::NoSuchName(reply)) = decided;
            let written = reply.write(&question, dns::BYTES_OVER_UDP_MAX);
            prop_assert!(written.bytes.len() <= 1232);
            prop_assert!(Message::from_vec(&written.bytes).is_ok());
        }
        Ok(())
    });
    tested.unwrap();
}
